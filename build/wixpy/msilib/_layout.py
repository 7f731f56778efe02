# SPDX-License-Identifier: MIT
"""What is installed and where: cabinet, directories with their components and files, features."""

from __future__ import annotations

import fnmatch
import ntpath
import os
import re
import uuid
import weakref
from pathlib import Path

from wixpy.msilib._msi import Database, cabinet
from wixpy.msilib._tables import add_data, gen_uuid, make_id
from wixpy.msilib._target import is_64bit
from wixpy.record import Record

COMPONENT_64BIT = 256
FILE_VITAL = 512
REMOVE_ON_UNINSTALL = 2
_COMPONENTS = uuid.UUID("0a9c8c5f-6f0a-5c0a-9b43-3a9b1d0c7e55")
_LONG_NAME = re.compile(r'[^\\?|><:/*"]+')

# Logical names that directories of a database have.
_directories: weakref.WeakKeyDictionary[Database, set[str]] = weakref.WeakKeyDictionary()
_current: list[Feature] = []


class CAB:
    """The cabinet of a package; ``name`` is that of its stream.

    >>> cab = CAB("files")
    >>> _ = Path("read me.txt").write_text("text")
    >>> cab.append("read me.txt", "read me.txt", None), cab.gen_id("read me.txt")
    ((1, 'read_me.txt'), 'read_me.txt.1')
    >>> from wixpy.msilib import MSIDBOPEN_CREATE, OpenDatabase, schema
    >>> db = OpenDatabase("x.msi", MSIDBOPEN_CREATE)
    >>> schema.Media.create(db)
    >>> cab.commit(db)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: list[tuple[str, str]] = []
        self.filenames: set[str] = set()
        self.index = 0
        self._added: set[str] = set()
        self._last: dict[str, int] = {}

    def gen_id(self, file: str) -> str:
        """A name for a file in the cabinet that none has yet."""
        logical = base = make_id(file)
        while logical in self.filenames:
            self._last[base] = self._last.get(base, 0) + 1
            logical = f"{base}.{self._last[base]}"
        self.filenames.add(logical)
        return logical

    def append(self, full: str, file: str, logical: str | None) -> tuple[int, str] | None:
        """Add the file at ``full`` under the name ``logical``, or one made of ``file``; its number and name.

        It gets another name when a file has that one already.  A folder is passed over.
        """
        if os.path.isdir(full):  # noqa: PTH112
            return None
        if not logical or logical in self._added:
            logical = self.gen_id(file)
        self._added.add(logical)
        self.index += 1
        self.files.append((full, logical))
        return self.index, logical

    def commit(self, db: Database) -> None:
        """Make the cabinet, put it into the database with its row of Media, and commit."""
        view = db.OpenView("INSERT INTO `_Streams` (`Name`, `Data`) VALUES (?, ?)")
        record = Record(2)
        record.set_values([self.name, cabinet(self.files)])
        add_data(db, "Media", [(1, self.index, None, f"#{self.name}", None, None)])
        view.Execute(record)
        view.Close()
        db.Commit()


class Feature:
    """A row of the Feature table.

    >>> from wixpy.msilib import MSIDBOPEN_CREATE, OpenDatabase, schema
    >>> db = OpenDatabase("x.msi", MSIDBOPEN_CREATE)
    >>> schema.Feature.create(db)
    >>> feature = Feature(db, "All", "Hello", "Everything", 1, directory="TARGETDIR")
    >>> feature.set_current()
    >>> feature.id
    'All'
    """

    def __init__(
        self, db: Database, id: str, title: str | None, desc: str | None, display: int | None, level: int = 1,
        parent: Feature | None = None, directory: str | None = None, attributes: int = 0,
    ) -> None:  # fmt: skip
        self.id = id
        add_data(
            db, "Feature", [(id, parent.id if parent else None, title, desc, display, level, directory, attributes)]
        )

    def set_current(self) -> None:
        """Make this the feature of components that name none."""
        _current[:] = [self]


def current_feature() -> Feature | None:
    """The feature that was made current last, None when none was.

    >>> from wixpy.msilib import MSIDBOPEN_CREATE, OpenDatabase, schema
    >>> db = OpenDatabase("x.msi", MSIDBOPEN_CREATE)
    >>> schema.Feature.create(db)
    >>> Feature(db, "All", "Hello", None, 1).set_current()
    >>> current_feature().id
    'All'
    """
    return _current[0] if _current else None


class Directory:
    """A row of the Directory table, with the component that files are added to.

    ``basedir`` is the directory above, or None; ``physical`` the folder that files come from, relative to that of
    ``basedir``; ``default`` the column DefaultDir.  ``logical`` is made an identifier that is not taken yet.

    >>> from wixpy.msilib import gen_uuid, init_database, schema
    >>> db = init_database("hello.msi", schema, "Hello", gen_uuid(), "1.0.0", "Maker")
    >>> Feature(db, "All", "Hello", "Everything", 1).set_current()
    >>> Path("files").mkdir()
    >>> for name in ("a.txt", "b.txt", "main.py"):
    ...     _ = Path("files", name).write_text(name)
    >>> cab = CAB("files")
    >>> root = Directory(db, cab, None, "files", "TARGETDIR", "SourceDir")
    >>> root.start_component("Main", keyfile="main.py")
    >>> root.add_file("main.py"), root.glob("*.txt")
    ('main.py', ['a.txt', 'b.txt'])
    >>> root.remove_pyc()
    >>> root.make_short("a long name.txt")
    'ALONGN~1.TXT'
    >>> cab.commit(db)
    """

    def __init__(
        self, db: Database, cab: CAB, basedir: Directory | None, physical: str, _logical: str, default: str,
        componentflags: int | None = None,
    ) -> None:  # fmt: skip
        taken = _directories.setdefault(db, set())
        logical = base = make_id(_logical)
        number = 1
        while logical in taken:
            logical = f"{base}{number}"
            number += 1
        taken.add(logical)
        self.db = db
        self.cab = cab
        self.basedir = basedir
        self.physical = physical
        self.logical = logical
        self.component: str | None = None
        self.short_names: set[str] = set()
        self._last: dict[str, int] = {}
        self.ids: set[str] = set()
        self.keyfiles: dict[str, str] = {}
        self.componentflags = componentflags
        self.absolute: str = os.path.join(basedir.absolute, physical) if basedir else physical  # noqa: PTH118
        add_data(db, "Directory", [(logical, basedir.logical if basedir else None, default)])

    def start_component(
        self, component: str | None = None, feature: Feature | None = None, flags: int | None = None,
        keyfile: str | None = None, uuid: str | None = None,
    ) -> None:  # fmt: skip
        """Add a component and make it the one that files go to.

        Without ``uuid`` the identifier follows from the product code and the component's name, so that a package that
        is built again has the same.
        """
        if component is None:
            component = self.logical
        if flags is None:
            flags = self.componentflags or 0
        if is_64bit():
            flags |= COMPONENT_64BIT
        feature = feature or current_feature()
        if feature is None:
            raise ValueError("no feature is current: call Feature.set_current()")
        key = None
        if keyfile:
            key = self.keyfiles[keyfile] = self.cab.gen_id(keyfile)
        identifier = uuid.upper() if uuid else self._identifier(component)
        self.component = component
        add_data(self.db, "Component", [(component, identifier, self.logical, flags, None, key)])
        add_data(self.db, "FeatureComponents", [(feature.id, component)])

    def _identifier(self, component: str) -> str:
        product = self.db.store.rows("Property").get(("ProductCode",))
        if product is None:
            return gen_uuid()
        return f"{{{str(uuid.uuid5(_COMPONENTS, f'{product[1]} {component}')).upper()}}}"

    def make_short(self, file: str) -> str:
        """An 8.3 name for a file that no other in the directory has."""
        plain = re.sub(r"[^A-Za-z0-9$%'\-_@~`!(){}^#&.]", "", file.replace("+", "_"))
        stem, dot, suffix = plain.rpartition(".") if "." in plain.strip(".") else (plain.strip("."), "", "")
        stem, suffix = stem.replace(".", "").upper(), suffix.upper()
        short = f"{stem}{dot}{suffix}"
        is_same = short == file.upper() and 0 < len(stem) <= 8 and len(suffix) <= 3 and (suffix or not dot)
        pattern = f"{stem[:6]}.{suffix[:3]}"
        while not is_same or short in self.short_names:
            number = self._last[pattern] = self._last.get(pattern, 0) + 1
            tail = f"~{number}"
            short = f"{stem[: min(6, 8 - len(tail))]}{tail}{'.' if suffix else ''}{suffix[:3]}"
            is_same = True
        self.short_names.add(short)
        return short

    def add_file(
        self, file: str, src: str | None = None, version: str | None = None, language: str | None = None
    ) -> str:
        """Add a file to the current component, from ``src`` or the file of that name; its identifier.

        Without ``src``, ``file`` may be a path from the directory's folder, of which the name is kept.  ValueError for
        a name that Windows does not allow, OSError when there is no such file.
        """
        if not src:
            src, file = file, ntpath.basename(file)
        if not _LONG_NAME.fullmatch(file):
            raise ValueError(f"{file!r} is no file name of Windows")
        if not self.component:
            self.start_component()
        absolute = os.path.join(self.absolute, src)  # noqa: PTH118
        size = Path(absolute).stat().st_size
        added = self.cab.append(absolute, file, self.keyfiles.get(file))
        if added is None:
            raise IsADirectoryError(f"{absolute} is a folder")
        sequence, logical = added
        if logical in self.ids:
            raise ValueError(f"{file} is already in the directory")
        self.ids.add(logical)
        short = self.make_short(file)
        name = file if short == file else f"{short}|{file}"
        row = (logical, self.component, name, size, version, language, FILE_VITAL, sequence)
        add_data(self.db, "File", [row])
        return logical

    def glob(self, pattern: str, exclude: list[str] | None = None) -> list[str]:
        """Add the files that match a pattern, but for those in ``exclude``; the names of all that match, in order.

        None for a folder that is not there.
        """
        hidden = pattern.startswith(".")
        try:
            names = sorted(path.name for path in Path(self.absolute).iterdir() if hidden or path.name[0] != ".")
        except OSError:
            return []
        files = fnmatch.filter(names, pattern)
        for file in files:
            if not exclude or file not in exclude:
                self.add_file(file)
        return files

    def remove_pyc(self) -> None:
        """Remove compiled Python files when the component is uninstalled."""
        if self.component is None:
            raise ValueError("the directory has no component yet")
        rows = [
            (f"{self.component}{letter}", self.component, f"*.py{letter}", self.logical, REMOVE_ON_UNINSTALL)
            for letter in "co"
        ]
        add_data(self.db, "RemoveFile", rows)
