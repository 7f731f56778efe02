# SPDX-License-Identifier: MIT
"""The objects and functions that msilib has from msi.dll: databases, summary information, cabinets, identifiers."""

from __future__ import annotations

import os
import uuid
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from wixpy import cab, database, idt, summary
from wixpy.blob import PathBlob
from wixpy.errors import WixpyError
from wixpy.files import read_bytes, replacing
from wixpy.msi_errors import MsiError, Status
from wixpy.record import Record
from wixpy.store import WESTERN, Store
from wixpy.strings import NEUTRAL, codec
from wixpy.summary import Pid
from wixpy.view import View

if TYPE_CHECKING:
    from wixpy.transform import Transform

MSIError = MsiError

MSIDBOPEN_READONLY = 0
MSIDBOPEN_TRANSACT = 1
MSIDBOPEN_DIRECT = 2
MSIDBOPEN_CREATE = 3
MSIDBOPEN_CREATEDIRECT = 4
MSIDBOPEN_PATCHFILE = 16

_LAST_PROPERTY = 19
_FCI_OPEN, _FCI_CABINET = 1, 8


class Database:
    """An open database; made by :func:`OpenDatabase`.

    A transacted one reaches the disk by :meth:`Commit` alone, whole or not at all; one opened directly is also written
    when it is closed.

    >>> db = OpenDatabase("fruit.msi", MSIDBOPEN_CREATE)
    >>> for sql in (
    ...     "CREATE TABLE `Fruit` (`Name` CHAR(72) NOT NULL, `Count` SHORT PRIMARY KEY `Name`)",
    ...     "INSERT INTO `Fruit` (`Name`, `Count`) VALUES ('apple', 3)",
    ... ):
    ...     db.OpenView(sql).Execute(None)
    >>> db.Export("Fruit", ".", "Fruit.idt")
    >>> db.Import(".", "Fruit.idt")
    >>> db.GetSummaryInformation(0).GetPropertyCount()
    0
    >>> db.Commit()
    >>> db.Close()
    >>> view = OpenDatabase("fruit.msi", MSIDBOPEN_READONLY).OpenView("SELECT * FROM `Fruit`")
    >>> view.Execute(None)
    >>> view.Fetch(), view.Fetch()
    (<Record 'apple', 3>, None)

    Beyond msilib, transforms as msi.dll has them:

    >>> from wixpy.msilib import init_database, schema
    >>> code = "{2C4A6A60-4D1F-4A39-9B1F-0B9B6D6F4E11}"
    >>> old = init_database("old.msi", schema, "Sample", code, "1.0.0", "Maker")
    >>> new = init_database("new.msi", schema, "Example", code, "1.0.0", "Maker")
    >>> new.GenerateTransform(old, "example.mst")
    True
    >>> new.CreateTransformSummaryInfo(old, "example.mst")
    >>> old.ApplyTransform("example.mst")
    >>> new.GenerateTransform(old)
    False
    """

    def __init__(self, store: Store, path: Path, *, direct: bool) -> None:
        self._store = store
        self._path = path
        self._direct = direct

    def __del__(self) -> None:
        if getattr(self, "_direct", False):
            self.Close()

    @property
    def store(self) -> Store:
        """What statements work on; MsiError after :meth:`Close`."""
        self._store.check_open()
        return self._store

    def OpenView(self, sql: str) -> View:
        """A view of a statement; MsiError when there is something wrong with it."""
        if not isinstance(sql, str):
            raise TypeError("OpenView() takes a statement")
        return View(self.store, sql)

    def Commit(self) -> None:
        """Write the file: the whole new one or the old one stays.  Does nothing for a database opened for reading."""
        if not self.store.writable:
            return
        try:
            self.store.to_save().commit(self._path)
        except WixpyError as error:
            raise MsiError(Status.FUNCTION_FAILED, 2213, self._path) from error

    def GetSummaryInformation(self, updateCount: int) -> SummaryInformation:
        """The summary information, of which up to ``updateCount`` properties may be set."""
        if updateCount and not self.store.writable:
            raise MsiError(Status.ACCESS_DENIED)
        return SummaryInformation(self.store, updateCount)

    def Export(self, table: str, folder: str | os.PathLike[str], file: str, *, for_msitools: bool = False) -> None:
        """Write a table as text archive ``file`` into ``folder`` (MsiDatabaseExport; beyond msilib).

        ``for_msitools`` writes it as msibuild reads it (:mod:`wixpy.idt`).
        """
        idt.export_file(self.store, table, Path(folder) / file, for_msitools=for_msitools)

    def Import(self, folder: str | os.PathLike[str], file: str) -> None:
        """Read a table from a text archive (MsiDatabaseImport; beyond msilib)."""
        idt.import_file(self.store, Path(folder) / file)

    def GenerateTransform(self, reference: Database, storage: str | os.PathLike[str] | None = None) -> bool:
        """Whether this database has other tables than ``reference``; the transform that makes it of that goes into the
        file ``storage`` when one is named (MsiDatabaseGenerateTransform; beyond msilib)."""
        from wixpy import transform  # noqa: PLC0415

        made = transform.generate(reference.store.persistent(), self.store.persistent())
        if made is not None and storage is not None:
            _save(made, storage)
        return made is not None

    def CreateTransformSummaryInfo(
        self, reference: Database, storage: str | os.PathLike[str], errorConditions: int = 0, validation: int = 0
    ) -> None:
        """Say in the transform ``storage``, from ``reference`` to this database, for which packages it is
        (:class:`wixpy.transform.Validation`) and what is no error when it is applied
        (:class:`wixpy.transform.Condition`; MsiCreateTransformSummaryInfo; beyond msilib)."""
        from wixpy import transform  # noqa: PLC0415

        made = _transform(storage)
        flags = transform.Condition(errorConditions), transform.Validation(validation)
        made.summary = transform.describe(reference.store.database, self.store.database, *flags)
        _save(made, storage)

    def ApplyTransform(self, storage: str | os.PathLike[str], errorConditions: int = 0) -> None:
        """Carry out the transform in the file ``storage``, all of it or nothing; ``errorConditions`` are no errors.

        With Condition.VIEW it is not carried out: what it does is in the table ``_TransformView``
        (MsiDatabaseApplyTransform; beyond msilib).
        """
        from wixpy import transform  # noqa: PLC0415

        made, store = _transform(storage), self.store
        temporary = [name for name in made.tables if store.temporary_columns.get(name)]
        if temporary:
            raise store.fail(2225, temporary[0], status=Status.TRANSFORM_FAILURE)
        if errorConditions & transform.Condition.VIEW:
            transform.show(made, store)
        else:
            store.adopt(transform.apply(made, store.database, transform.Condition(errorConditions)))

    def Close(self) -> None:
        """Let go of the database; what was not committed is lost, unless it was opened directly."""
        if self._store.closed:
            return
        direct, self._direct = self._direct, False
        try:
            if direct:
                self.Commit()
        finally:
            self._store.closed = True


def OpenDatabase(path: str | os.PathLike[str], persist: int) -> Database:
    """Open or create a database; ``persist`` is one of the constants MSIDBOPEN.

    MsiError when the file is not there or no database.  A created one is on the disk once it is committed.

    >>> OpenDatabase("new.msi", MSIDBOPEN_CREATE).Commit()
    >>> OpenDatabase("new.msi", MSIDBOPEN_TRANSACT).Close()
    >>> OpenDatabase("none.msi", MSIDBOPEN_READONLY)
    Traceback (most recent call last):
    wixpy.msi_errors.MsiError: open failed
    """
    mode = int(persist)
    is_patch = mode >= MSIDBOPEN_PATCHFILE
    mode -= MSIDBOPEN_PATCHFILE if is_patch else 0
    if not MSIDBOPEN_READONLY <= mode <= MSIDBOPEN_CREATEDIRECT:
        raise MsiError(Status.INVALID_PARAMETER)
    file = Path(path)
    if mode in (MSIDBOPEN_CREATE, MSIDBOPEN_CREATEDIRECT):
        if not file.absolute().parent.is_dir():
            raise MsiError(Status.CREATE_FAILED, hint=f"cannot create {path}: there is no such folder")
        content = database.Database()
        if is_patch:
            content.clsid = database.PATCH_CLSID
    else:
        content = _read(file)
    store = Store(content, writable=mode != MSIDBOPEN_READONLY)
    return Database(store, file.absolute(), direct=mode in (MSIDBOPEN_DIRECT, MSIDBOPEN_CREATEDIRECT))


def _transform(path: str | os.PathLike[str]) -> Transform:
    from wixpy.transform import Transform  # noqa: PLC0415 - most programs need none of it

    try:
        return Transform.parse(read_bytes(Path(path)))
    except WixpyError as error:
        raise MsiError(Status.OPEN_FAILED, 2246, path) from error


def _save(made: Transform, path: str | os.PathLike[str]) -> None:
    try:
        with replacing(Path(path)) as out:
            made.write(out)
    except WixpyError as error:
        raise MsiError(Status.CREATE_FAILED, hint=str(error)) from error


def _read(path: Path) -> database.Database:
    """A database file.  MsiOpenDatabase leaves no error record, so that the status is all that msilib tells."""
    try:
        return database.Database.parse(path.read_bytes())
    except OSError as error:
        raise MsiError(Status.OPEN_FAILED, hint=f"cannot read {path}: {error.strerror}") from error
    except (ValueError, WixpyError) as error:
        raise MsiError(Status.OPEN_FAILED, hint=f"{path} is no database: {error}") from error


class SummaryInformation:
    """The summary information of a database; changes are in it after :meth:`Persist`, in the file after Commit.

    >>> db = OpenDatabase("x.msi", MSIDBOPEN_CREATE)
    >>> information = db.GetSummaryInformation(2)
    >>> information.SetProperty(Pid.AUTHOR, "Maker")
    >>> information.SetProperty(Pid.PAGE_COUNT, 200)
    >>> information.Persist()
    >>> information = db.GetSummaryInformation(0)
    >>> information.GetProperty(Pid.AUTHOR), information.GetProperty(Pid.PAGE_COUNT), information.GetProperty(Pid.TITLE)
    (b'Maker', 200, None)
    >>> information.GetPropertyCount()
    2
    """

    def __init__(self, store: Store, count: int) -> None:
        self._store = store
        self._left = count
        self._values = dict(store.database.summary)

    def GetProperty(self, field: int) -> int | bytes | datetime | None:
        """A property: a number, text as bytes in the code page of the summary, a time in UTC, or None."""
        if not 0 <= field <= _LAST_PROPERTY:
            raise MsiError(Status.UNKNOWN_PROPERTY)
        if field not in set(Pid):
            return None
        value = self._values.get(Pid(field))
        if not isinstance(value, str):
            return value
        codepage = self._values.get(Pid.CODEPAGE, NEUTRAL)
        encoding = codec(codepage if isinstance(codepage, int) and codepage else WESTERN)
        try:
            return value.encode(encoding)
        except UnicodeEncodeError:
            return value.encode("utf-8")

    def GetPropertyCount(self) -> int:
        """The number of properties that are there."""
        return len(self._values)

    def SetProperty(self, field: int, value: int | str | datetime) -> None:
        """Set a property to a number, text or (beyond msilib) a time; MsiError when it takes another kind."""
        if not isinstance(value, (int, str, datetime)):
            raise TypeError("unsupported type")
        if field not in set(Pid):
            raise MsiError(Status.UNKNOWN_PROPERTY)
        if self._left <= 0:
            raise MsiError(Status.FUNCTION_FAILED)
        pid = Pid(field)
        kind = datetime if pid in summary.DATES else int if pid in summary.NUMBERS else str
        if not isinstance(value, kind):
            raise MsiError(Status.DATATYPE_MISMATCH)
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=timezone.utc)
        self._left -= 1
        self._values[pid] = value

    def Persist(self) -> None:
        """Put the properties into the database; MsiError when one does not fit its code page."""
        self._store.check_open()
        if not self._store.writable:
            raise MsiError(Status.ACCESS_DENIED)
        if self._values.get(Pid.CODEPAGE, NEUTRAL) != NEUTRAL:
            try:
                summary.encode(self._values)
            except WixpyError as error:
                raise MsiError(Status.FUNCTION_FAILED) from error
        self._store.database.summary = dict(self._values)


def CreateRecord(count: int) -> Record:
    """A record of ``count`` fields, all null.

    >>> CreateRecord(2)
    <Record None, None>
    """
    try:
        return Record(count)
    except MsiError as error:
        raise MsiError(error.status, text="unknown error 0", hint="a record has 0 to 65,535 fields") from error


def UuidCreate() -> str:
    """A new unique identifier.

    >>> len(UuidCreate())
    36
    """
    return str(uuid.uuid4())


def cabinet(files: list[tuple[str, str]]) -> bytes:
    """A cabinet of files, as bytes; :func:`_write_cabinet` says the rest.

    >>> _ = Path("a.txt").write_text("text")
    >>> [entry.name for entry in cab.Cabinet(cabinet([("a.txt", "inside")])).files]
    ['inside']
    """
    out = BytesIO()
    _write_cabinet(out, files)
    return out.getvalue()


def _write_cabinet(out: BinaryIO, files: list[tuple[str, str]]) -> None:
    """Write a cabinet of files, given by path and name inside, in that order, MSZIP-compressed.

    Times are those of the files, none later than SOURCE_DATE_EPOCH when that is set; ValueError as of msilib.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    entries = []
    for full, name in files:
        try:
            content, seconds = PathBlob(Path(full)), Path(full).stat().st_mtime
        except OSError as error:
            raise ValueError(f"FCI error {_FCI_OPEN}") from error
        seconds = min(seconds, int(epoch)) if epoch.isdecimal() else seconds
        modified = datetime.fromtimestamp(max(seconds, 315532800), timezone.utc)
        entries.append(cab.CabinetFile(name, content, modified))
    try:
        cab.write_to(out, [entries])
    except WixpyError as error:
        raise ValueError(f"FCI error {_FCI_CABINET}: {error.message}") from error


def FCICreate(cabname: str, files: list[tuple[str, str]]) -> None:
    """Write a cabinet file; ``files`` are pairs of path on disk and name inside.

    >>> _ = Path("a.txt").write_text("text")
    >>> FCICreate("x.cab", [("a.txt", "inside")])
    >>> Path("x.cab").read_bytes()[:4]
    b'MSCF'
    """
    if not isinstance(files, list):
        raise TypeError("FCICreate expects a list")
    if not all(isinstance(pair, tuple) and [*map(type, pair)] == [str, str] for pair in files):
        raise TypeError("FCICreate expects a list of tuples containing two strings")
    try:
        with replacing(Path(cabname)) as out:
            _write_cabinet(out, files)
    except WixpyError as error:
        raise ValueError(f"FCI error {_FCI_CABINET}: {error.message}") from error
