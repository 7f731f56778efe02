# SPDX-License-Identifier: MIT
"""Text archives of tables, ``.idt`` files (Windows Installer SDK, “Archive File Format”).

Three lines say what the columns are called, what types they have, and the table's name and key, before them the code
page when there is text beyond ASCII.  A line a row follows; control characters in text are replaced.  Data of a binary
column is in a file of its own, in a folder of the table's name beside.  ``_SummaryInformation`` and ``_ForceCodepage``
are archives without a table.

msitools' programs have a dialect of it: text is UTF-8 whatever the database's code page, which ``_ForceCodepage`` alone
tells.  msibuild takes a code page in the third line for the name of the table, so that the rows of such an archive go
into a table that is called ``1252``.  Both kinds are read; ``for_msitools`` says which is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from wixpy import summary
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.files import read_bytes, replacing
from wixpy.msi_errors import MsiError, Status
from wixpy.store import SYSTEM, Store, Value
from wixpy.strings import NEUTRAL, UTF8, codec, errors
from wixpy.summary import Pid
from wixpy.tables import Column, Table, Values

SUMMARY = "_SummaryInformation"
CODEPAGE = "_ForceCodepage"
_REPLACED = str.maketrans("\0\b\t\n\f\r", "\x15\x1b\x10\x19\x18\x11")
_RESTORED = str.maketrans("\x15\x1b\x10\x19\x18\x11", "\0\b\t\n\f\r")
_TYPE = re.compile(r"[sSlL]\d{1,3}|[iI][24]|[vV]0")
_FILE_NAME = re.compile(r'[^\\/:*?"<>|\x00-\x1f]+')
MAX_TEXT = 255
_TIME = "%Y/%m/%d %H:%M:%S"


@dataclass(frozen=True)
class Archive:
    """The text of an archive and the files that go beside it, by name."""

    text: bytes
    streams: dict[str, bytes]


def export(store: Store, name: str, *, for_msitools: bool = False) -> Archive:
    """A table as an archive, in msitools' dialect if need be; MsiError when there is none of that name.

    >>> database = Database()
    >>> _ = database.insert("Property", "ProductName", "Sample")
    >>> for line in export(Store(database), "Property").text.splitlines():
    ...     print(line.split(bytes([9])))
    [b'Property', b'Value']
    [b's72', b'l0']
    [b'Property', b'Property']
    [b'ProductName', b'Sample']
    """
    store = Store(store.to_save(), name=store.name)
    if name == CODEPAGE:
        return Archive(_lines([[""], [""], [str(store.database.codepage), CODEPAGE]]), {})
    if name == SUMMARY:
        rows = [[str(int(pid)), _shown(value)] for pid, value in sorted(store.database.summary.items())]
        return Archive(_lines([["PropertyId", "Value"], ["i2", "l255"], [SUMMARY, "PropertyId"], *rows], UTF8), {})
    table = store.table(name)
    if table is None or name in SYSTEM:
        raise store.fail(2205, name, status=Status.INVALID_TABLE)
    streams: dict[str, bytes] = {}
    rows = [_exported(store, table, row, streams) for row in store.rows(name).values()]
    head = [name, *(column.name for column in table.columns[: table.key_count])]
    codepage = UTF8 if for_msitools else store.database.codepage
    if not for_msitools and not all(cell.isascii() for row in [head, *rows] for cell in row):
        head.insert(0, str(codepage))
    names, types = [c.name for c in table.columns], [c.type for c in table.columns]
    try:
        return Archive(_lines([names, types, head, *rows], codepage), streams)
    except UnicodeEncodeError as error:
        raise store.fail(2221, f"{name}.idt") from error


def _is_file_name(text: str) -> bool:
    """Whether a text from a file can be a name in a folder, and not lead out of it."""
    return _FILE_NAME.fullmatch(text) is not None and text not in (".", "..")


def _lines(rows: list[list[str]], codepage: int = NEUTRAL) -> bytes:
    return "".join("\t".join(row) + "\r\n" for row in rows).encode(codec(codepage), errors(codepage))


def _shown(value: summary.Value) -> str:
    return value.strftime(_TIME) if isinstance(value, datetime) else str(value).translate(_REPLACED)


def _exported(store: Store, table: Table, row: Values, streams: dict[str, bytes]) -> list[str]:
    cells = []
    for column, cell in zip(table.columns, row, strict=True):
        if cell is not None and column.is_binary:
            key = ".".join(str(part) for part in row[: table.key_count])
            stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", key)
            while (file := f"{stem}.ibd") in streams:
                stem += "_"
            streams[file] = store.stream(table, cell)
            cells.append(file)
        else:
            cells.append("" if cell is None else str(cell).translate(_REPLACED))
    return cells


def export_file(store: Store, name: str, path: Path, *, for_msitools: bool = False) -> None:
    """Write a table as an archive, its streams into a folder beside it; MsiError when that fails.

    >>> store = Store(Database())
    >>> _ = store.database.insert("Binary", "tool", b"data")
    >>> export_file(store, "Binary", Path("Binary.idt"))
    >>> Path("Binary/tool.ibd").read_bytes()
    b'data'
    """
    archive = export(store, name, for_msitools=for_msitools)
    if not _is_file_name(name):
        raise store.fail(2214, path)
    try:
        with replacing(path) as file:
            file.write(archive.text)
        for stream, data in archive.streams.items():
            (path.parent / name).mkdir(exist_ok=True)
            with replacing(path.parent / name / stream) as file:
                file.write(data)
    except (WixpyError, OSError) as error:
        raise store.fail(2214, path) from error


def import_file(store: Store, path: Path) -> str:
    """Read an archive and the files beside it into the database; the name of the table, which replaces an old one.

    >>> one, other = Store(Database()), Store(Database())
    >>> _ = one.database.insert("Property", "A", "1")
    >>> export_file(one, "Property", Path("Property.idt"))
    >>> import_file(other, Path("Property.idt")), other.database.property("A")
    ('Property', '1')
    """
    try:
        text = read_bytes(path)
    except WixpyError as error:
        raise store.fail(2215, path) from error
    return import_text(store, text, path)


def import_text(store: Store, text: bytes, path: Path) -> str:
    """Read the text of an archive; ``path`` is where it lies, for its streams and for error records.

    >>> one, other = Store(Database()), Store(Database())
    >>> _ = one.database.insert("Property", "A", "1")
    >>> import_text(other, export(one, "Property").text, Path("Property.idt")), other.database.rows("Property")
    ('Property', [Property('A', '1')])
    """
    if not store.writable:
        raise store.fail(2212, status=Status.ACCESS_DENIED)
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    while lines and not lines[-1].strip(b"\x1a"):
        lines.pop()
    if len(lines) < 3:
        raise store.fail(2216, path.name, len(lines))
    reader = _Reader(store, path, [line.split(b"\t") for line in lines])
    return reader.read()


class _Reader:
    """One archive that is read; every fault is an MsiError with its line."""

    def __init__(self, store: Store, path: Path, lines: list[list[bytes]]) -> None:
        self.store = store
        self.path = path
        self.lines = lines
        head = lines[2]
        self.codepage = NEUTRAL
        if head[0].isdigit():
            digits = head.pop(0)
            self.codepage = int(digits) if len(digits) < 6 else -1
        self.name = self.text(head[0], 3) if head else ""
        self.files: dict[str, bytes] = {}

    def fail(self, line: int) -> MsiError:
        return self.store.fail(2216, self.path.name, line)

    def unfit(self, line: int, keys: Sequence[Sequence[Value]]) -> MsiError:
        """The error for a row that the table does not take, of which and the rows before ``keys`` are the keys."""
        error = self.fail(line)
        *others, key = keys
        if key in others:
            shown = " ".join("" if part is None else str(part) for part in key)
            place = f"{self.path}:{others.index(key) + 4}"
            error.hint = f"{self.path}:{line}: the key “{shown}” is that of {place} too; remove one of the two rows"
        return error

    def text(self, cell: bytes, line: int) -> str:
        """A cell as text.

        Without a code page all should be ASCII; what msitools and Wine write there is taken too: UTF-8, and text in
        the code page of the database.
        """
        for codepage in (self.codepage,) if self.codepage else (UTF8, self.store.database.codepage):
            try:
                how = errors(codepage) if self.codepage else "strict"
                return cell.decode(codec(codepage), how).translate(_RESTORED)
            except UnicodeDecodeError:
                continue
            except WixpyError as error:
                raise self.fail(line) from error
        raise self.store.fail(2221, self.path.name)

    def read(self) -> str:
        if self.name == CODEPAGE:
            self.force_codepage()
        elif self.name == SUMMARY:
            self.read_summary()
        else:
            self.read_table()
        return self.name

    def force_codepage(self) -> None:
        try:
            codec(self.codepage)
        except WixpyError as error:
            raise self.fail(3) from error
        self.store.database.codepage = self.codepage

    def read_summary(self) -> None:
        values: summary.Summary = {}
        for number, cells in enumerate(self.lines[3:], 4):
            try:
                pid = Pid(int(cells[0]))
                values[pid] = _summary_value(pid, self.text(cells[1], number))
            except (ValueError, IndexError) as error:
                raise self.fail(number) from error
        self.store.database.summary = values

    def read_table(self) -> None:
        store = self.store
        if self.codepage not in (NEUTRAL, store.database.codepage) and store.database.codepage != NEUTRAL:
            raise store.fail(2221, self.path.name)
        table = self.definition()
        rows = [self.row(table, number, cells) for number, cells in enumerate(self.lines[3:], 4)]
        scratch = Store(Database())
        scratch.create(table, set())
        for number, row in enumerate(rows, 4):
            try:
                scratch.insert(table, row)
            except MsiError as error:
                raise self.unfit(number, [other[: table.key_count] for other in rows[: number - 3]]) from error
        before = store.database.tables.get(table.name)
        if before is not None:
            store.drop(before)
        if self.codepage != NEUTRAL:
            store.database.codepage = self.codepage
        store.create(table, set())
        store.database.cells(table.name).update(scratch.rows(table.name))
        store.database.streams.update(scratch.database.streams)

    def definition(self) -> Table:
        """The table of the first three lines."""
        names = [self.text(cell, 1) for cell in self.lines[0]]
        types = [cell.decode("ascii", "replace") for cell in self.lines[1]]
        key = [self.text(cell, 3) for cell in self.lines[2][1:]]
        if not all(names) or len(set(names)) < len(names):
            raise self.fail(1)
        if len(types) != len(names) or not all(_TYPE.fullmatch(kind) for kind in types):
            raise self.fail(2)
        if not key or names[: len(key)] != key or not _is_file_name(self.name) or self.name in SYSTEM:
            raise self.fail(3)
        columns = tuple(Column(name, kind, name in key) for name, kind in zip(names, types, strict=True))
        if any(column.is_string and column.size > MAX_TEXT for column in columns):
            raise self.fail(2)
        return Table(self.name, columns)

    def row(self, table: Table, number: int, cells: list[bytes]) -> list[Value]:
        if len(cells) > len(table.columns):
            raise self.fail(number)
        cells = cells + [b""] * (len(table.columns) - len(cells))
        values: list[Value] = []
        for column, cell in zip(table.columns, cells, strict=True):
            text = self.text(cell, number)
            values.append(self.stream(table, text, number) if column.is_binary and text else text or None)
        return values

    def stream(self, table: Table, file: str, number: int) -> bytes:
        if not _is_file_name(file):
            raise self.fail(number)
        # Rows that name the same file share what is in it.
        if file not in self.files:
            try:
                self.files[file] = read_bytes(self.path.parent / table.name / file)
            except (WixpyError, ValueError) as error:
                raise self.fail(number) from error
        return self.files[file]


def _summary_value(pid: Pid, text: str) -> summary.Value:
    if pid in summary.DATES:
        return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)
    if pid in summary.NUMBERS:
        value = int(text)
        if not -0x80000000 <= value < 0x80000000:
            raise ValueError("out of 32 bits")
        return value
    return text
