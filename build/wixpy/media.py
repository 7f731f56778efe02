# SPDX-License-Identifier: MIT
"""Where the files of a package are: in cabinets, inside the package or beside it, or as they are in the source tree.

The word count of the summary says whether files are in cabinets unless their attributes say otherwise, and whether
the source tree has short names (Windows Installer SDK, “Word Count Summary”, “Using Cabinets and Compressed Sources”).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from wixpy.blob import Blob, FileBlob, PathBlob
from wixpy.database import Database, Row
from wixpy.errors import WixpyError
from wixpy.filenames import is_long
from wixpy.payload import Hash
from wixpy.summary import Pid

SHORT_NAMES, COMPRESSED_SOURCE = 1, 2
NONCOMPRESSED, COMPRESSED = 0x2000, 0x4000
EMBEDDED = "#"
# A path has 260 characters at most, a directory at least two of them.
MAX_DEPTH = 130

Find = Callable[[str], Blob | None]


class Disk(NamedTuple):
    """A row of Media with the files that are on it, in their sequence.

    >>> database = Database()
    >>> row = database.insert("Media", 1, 5, None, "#a.cab", None, None)
    >>> disk = Disk(row, [])
    >>> disk.cabinet, disk.is_embedded
    ('#a.cab', True)
    """

    row: Row
    files: list[Row]

    @property
    def cabinet(self) -> str:
        """The cabinet's name as the row has it; empty when there is none."""
        return self.row.text("Cabinet")

    @property
    def is_embedded(self) -> bool:
        return self.cabinet.startswith(EMBEDDED)


class Packed(FileBlob):
    """A cabinet that was just made; ``hashes`` are those of the files that went into it, by name."""

    def __init__(self, file: BinaryIO, hashes: Mapping[str, Hash]) -> None:
        super().__init__(file)
        self.hashes = hashes


def disks(database: Database) -> list[Disk]:
    """The media by last sequence, each with its files.

    >>> database = Database()
    >>> for number in (1, 2):
    ...     _ = database.insert("Media", number, number * 2, None, f"#{number}.cab", None, None)
    >>> for number in (1, 2, 3):
    ...     _ = database.insert("File", f"f{number}", "C", "f.txt", 0, None, None, 0, number)
    >>> [(disk.cabinet, [row.text("File") for row in disk.files]) for disk in disks(database)]
    [('#1.cab', ['f1', 'f2']), ('#2.cab', ['f3'])]
    """
    rows = sorted(database.rows("File"), key=lambda row: row.number("Sequence"))
    found = []
    position = 0
    for disk in sorted(database.rows("Media"), key=lambda row: row.number("LastSequence")):
        start = position
        while position < len(rows) and rows[position].number("Sequence") <= disk.number("LastSequence"):
            position += 1
        found.append(Disk(disk, rows[start:position]))
    return found


def word_count(database: Database) -> int:
    """The bits that say how the source is laid out.

    >>> database = Database()
    >>> database.summary[Pid.WORD_COUNT] = SHORT_NAMES | COMPRESSED_SOURCE
    >>> word_count(database), word_count(Database())
    (3, 2)
    """
    value = database.summary.get(Pid.WORD_COUNT, COMPRESSED_SOURCE)
    return value if isinstance(value, int) else COMPRESSED_SOURCE


def is_compressed(database: Database, file: Row) -> bool:
    """Whether a file is in a cabinet.

    >>> database = Database()
    >>> loose = database.insert("File", "f", "C", "f.txt", 0, None, None, NONCOMPRESSED, 1)
    >>> packed = database.insert("File", "g", "C", "g.txt", 0, None, None, 0, 2)
    >>> is_compressed(database, loose), is_compressed(database, packed)
    (False, True)
    """
    attributes = file.number("Attributes")
    if attributes & (NONCOMPRESSED | COMPRESSED):
        return not attributes & NONCOMPRESSED
    return bool(word_count(database) & COMPRESSED_SOURCE)


def source_path(database: Database, file: Row) -> str:
    """Where a file that is in no cabinet lies, seen from the package, with ``/``.

    In a package whose source is compressed that is beside the package; else it is where the source names of the
    directories lead.

    >>> database = Database()
    >>> database.summary[Pid.WORD_COUNT] = 0
    >>> _ = database.insert("Directory", "TARGETDIR", None, "SourceDir")
    >>> _ = database.insert("Directory", "INSTALLDIR", "TARGETDIR", "MYAPP~1|My application")
    >>> _ = database.insert("Component", "C", None, "INSTALLDIR", 0, None, "f")
    >>> source_path(database, database.insert("File", "f", "C", "README~1.TXT|read me.txt", 0, None, None, 0, 1))
    'My application/read me.txt'
    """
    words = word_count(database)
    parts = [_name(file.text("FileName"), words)]
    component = database.get("Component", file["Component_"])
    if component is None:
        raise WixpyError(f"the component of the file {file['File']} is not there", "run wixpy check")
    directory = "" if words & COMPRESSED_SOURCE else component.text("Directory_")
    seen: set[str] = set()
    while directory and directory not in seen:
        seen.add(directory)
        if len(seen) > MAX_DEPTH:
            raise WixpyError(f"{file['File']} lies too deep for a path of Windows", "run wixpy check")
        row = database.get("Directory", directory)
        if row is None:
            raise WixpyError(f"the directory {directory} is not there", "run wixpy check")
        name = _name(row.text("DefaultDir").rpartition(":")[2], words)
        directory = "" if row["Directory_Parent"] == directory else row.text("Directory_Parent")
        if directory and name != ".":
            parts.insert(0, name)
    if not all(is_long(part) for part in parts):
        raise WixpyError(f"{file['File']} is at “{'/'.join(parts)}”, which is no path", "correct the names")
    return "/".join(parts)


def _name(pair: str, words: int) -> str:
    short, _, long = pair.partition("|")
    return short if words & SHORT_NAMES or not long else long


def beside(folder: Path) -> Find:
    """Finds files below the folder of a package by their relative path, whatever the case of letters.

    >>> _ = Path("disk1.cab").write_bytes(b"MSCF")
    >>> find = beside(Path())
    >>> find("DISK1.CAB")[:], find("disk2.cab")
    (b'MSCF', None)
    """

    def find(name: str) -> Blob | None:
        path = folder
        for part in name.split("/"):
            if not is_long(part):
                return None
            path = path / part if (path / part).exists() else _in_any_case(path, part)
        try:
            return PathBlob(path) if path.is_file() else None
        except OSError as error:
            raise WixpyError(f"cannot read {path}: {error.strerror}", "check the file and its rights") from error

    return find


def _in_any_case(folder: Path, name: str) -> Path:
    try:
        return next((path for path in sorted(folder.iterdir()) if path.name.lower() == name.lower()), folder / name)
    except OSError:
        return folder / name


def cabinet(database: Database, disk: Disk, find: Find) -> Blob | None:
    """The bytes of a disk's cabinet; None when it is not there.

    >>> database = Database()
    >>> database.streams["a.cab"] = b"MSCF"
    >>> disk = Disk(database.insert("Media", 1, 5, None, "#a.cab", None, None), [])
    >>> cabinet(database, disk, beside(Path()))[:]
    b'MSCF'
    """
    if not disk.is_embedded:
        return find(disk.cabinet)
    name = disk.cabinet.removeprefix(EMBEDDED)
    return database.streams.blob(name) if name in database.streams else None
