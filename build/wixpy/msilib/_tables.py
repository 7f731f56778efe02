# SPDX-License-Identifier: MIT
"""Tables as msilib describes them: columns by number with a type of bits, and rows that are added to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from wixpy.msi_errors import MsiError, Status
from wixpy.msilib._msi import Database, OpenDatabase, UuidCreate
from wixpy.msilib._target import template
from wixpy.record import Record
from wixpy.summary import Pid
from wixpy.view import ColumnInfo, ModifyMode

# A column's type as _Columns keeps it.
datasizemask = 0x00FF
type_valid = 0x0100
type_localizable = 0x0200
typemask = 0x0C00
type_long = 0x0000
type_short = 0x0400
type_string = 0x0C00
type_binary = 0x0800
type_nullable = 0x1000
type_key = 0x2000
knownbits = datasizemask | type_valid | type_localizable | typemask | type_nullable | type_key

_MSIDBOPEN_CREATE = 3


class Unspecified:
    """The value of an argument that is not given."""


class Binary:
    """A file whose content goes into a binary column.

    >>> Binary("picture.bmp")
    msilib.Binary('picture.bmp')
    """

    def __init__(self, fname: str) -> None:
        self.name = fname

    def __repr__(self) -> str:
        return f"msilib.Binary({self.name!r})"


Field = int | str | None | Binary
Action = tuple[str, str | None, int]


class Schema(Protocol):
    """A module that describes tables."""

    @property
    def tables(self) -> Sequence[Table]: ...

    @property
    def _Validation_records(self) -> Sequence[Sequence[Field]]: ...


class Table:
    """A table that can be created; columns are in the order of their numbers.

    >>> table = Table("Pair")
    >>> table.add_field(1, "Key", type_key | type_valid | type_string | 72)
    >>> table.add_field(2, "Value", type_nullable | type_valid | type_short | 2)
    >>> table.sql()
    'CREATE TABLE `Pair` (`Key` CHAR(72) NOT NULL, `Value` SHORT PRIMARY KEY `Key`)'

    >>> from wixpy.msilib import MSIDBOPEN_CREATE
    >>> table.create(OpenDatabase("x.msi", MSIDBOPEN_CREATE))
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: list[tuple[int, str, int]] = []

    def add_field(self, index: int, name: str, type: int) -> None:
        """Add a column with its number."""
        self.fields.append((index, name, type))

    def sql(self) -> str:
        """The statement that creates the table."""
        fields = sorted(self.fields)
        columns = ", ".join(f"`{name}` {_type_words(type)}" for _, name, type in fields)
        keys = ", ".join(f"`{name}`" for _, name, type in fields if type & type_key)
        return f"CREATE TABLE `{self.name}` ({columns} PRIMARY KEY {keys})"

    def create(self, db: Database) -> None:
        """Create the table in a database."""
        view = db.OpenView(self.sql())
        view.Execute(None)
        view.Close()


def _type_words(type: int) -> str:
    """A column's type in words of SQL."""
    if type & ~knownbits:
        raise ValueError(f"unknown bits in the column type {type:#x}")
    size, kind = type & datasizemask, type & typemask
    if kind == type_string:
        words = f"CHAR({size})" if size else "LONGCHAR"
    elif kind == type_binary:
        words = "OBJECT"
    else:
        words = "LONG" if kind == type_long else "SHORT"
    if not type & type_nullable:
        words += " NOT NULL"
    return f"{words} LOCALIZABLE" if type & type_localizable else words


def change_sequence(
    seq: list[Action], action: str, seqno: int | type[Unspecified] = Unspecified,
    cond: str | type[Unspecified] | None = Unspecified,
) -> None:  # fmt: skip
    """Give an action of a sequence another number or condition; ValueError when it is not in the sequence.

    >>> actions = [("InstallFiles", None, 4000)]
    >>> change_sequence(actions, "InstallFiles", cond="NOT Installed")
    >>> actions
    [('InstallFiles', 'NOT Installed', 4000)]
    """
    for position, (name, condition, number) in enumerate(seq):
        if name == action:
            seq[position] = (
                name, condition if isinstance(cond, type) else cond, number if isinstance(seqno, type) else seqno
            )  # fmt: skip
            return
    raise ValueError("Action not found in sequence")


def add_data(db: Database, table: str, values: Iterable[Sequence[Field]]) -> None:
    """Add rows, each with a value for every column; MSIError when one does not fit.

    >>> from wixpy.msilib import MSIDBOPEN_CREATE, schema
    >>> db = OpenDatabase("x.msi", MSIDBOPEN_CREATE)
    >>> schema.Property.create(db)
    >>> add_data(db, "Property", [("ProductName", "Hello"), ("ALLUSERS", 1)])
    >>> view = db.OpenView("SELECT * FROM `Property`")
    >>> view.Execute(None)
    >>> list(view)
    [<Record 'ProductName', 'Hello'>, <Record 'ALLUSERS', '1'>]
    """
    view = db.OpenView(f"SELECT * FROM `{table}`")
    view.Execute(None)
    count = view.GetColumnInfo(ColumnInfo.NAMES).GetFieldCount()
    for row in values:
        if len(row) != count:
            raise MsiError(Status.INVALID_PARAMETER, text=f"{table} has {count} columns, not {len(row)}: {row!r}")
        record = Record(count)
        for number, field in enumerate(row, 1):
            _set(record, number, field)
        try:
            view.Modify(ModifyMode.INSERT, record)
        except MsiError as error:
            raise MsiError(
                error.status, text=f"Could not insert {values!r} into {table}", hint=f"{row!r}: {error.hint or error}"
            ) from error
    view.Close()


def _set(record: Record, number: int, field: Field) -> None:
    if isinstance(field, int):
        record.SetInteger(number, field)
    elif isinstance(field, str):
        record.SetString(number, field)
    elif isinstance(field, Binary):
        record.SetStream(number, field.name)
    elif field is not None:
        raise TypeError(f"Unsupported type {field.__class__.__name__}")


def add_tables(db: Database, module: object) -> None:
    """Add the rows of every table that ``module.tables`` names, each an attribute of the module.

    >>> from wixpy.msilib import schema, sequence
    >>> db = init_database("x.msi", schema, "Hello", gen_uuid(), "1.0.0", "Maker")
    >>> add_tables(db, sequence)
    >>> view = db.OpenView("SELECT `Sequence` FROM `InstallExecuteSequence` WHERE `Action` = 'InstallFiles'")
    >>> view.Execute(None)
    >>> view.Fetch()
    <Record 4000>
    """
    for table in module.tables:  # type: ignore[attr-defined]
        add_data(db, table, getattr(module, table))


def add_stream(db: Database, name: str, path: str) -> None:
    """Add a file as a stream.

    >>> from wixpy.msilib import MSIDBOPEN_CREATE
    >>> db = OpenDatabase("x.msi", MSIDBOPEN_CREATE)
    >>> with open("licence.rtf", "w") as file:
    ...     _ = file.write("Do as you like.")
    >>> add_stream(db, "licence", "licence.rtf")
    >>> view = db.OpenView("SELECT * FROM `_Streams`")
    >>> view.Execute(None)
    >>> view.Fetch()
    <Record 'licence', 15 bytes>
    """
    view = db.OpenView("INSERT INTO `_Streams` (`Name`, `Data`) VALUES (?, ?)")
    record = Record(2)
    record.SetString(1, name)
    record.SetStream(2, path)
    view.Execute(record)
    view.Close()


def init_database(
    name: str, schema: Schema, ProductName: str, ProductCode: str, ProductVersion: str, Manufacturer: str
) -> Database:
    """Create a database file with the tables of a schema, their validation, summary information and properties.

    Another file of that name is replaced.

    >>> from wixpy.msilib import schema
    >>> db = init_database("hello.msi", schema, "Hello", gen_uuid(), "1.0.0", "Maker")
    >>> db.GetSummaryInformation(0).GetProperty(Pid.SUBJECT)
    b'Hello'
    """
    db = OpenDatabase(name, _MSIDBOPEN_CREATE)
    for table in schema.tables:
        table.create(db)
    add_data(db, "_Validation", schema._Validation_records)
    information = db.GetSummaryInformation(20)
    for pid, value in (
        (Pid.TITLE, "Installation Database"), (Pid.SUBJECT, ProductName), (Pid.AUTHOR, Manufacturer),
        (Pid.TEMPLATE, template()), (Pid.REVISION, gen_uuid()), (Pid.WORD_COUNT, 2), (Pid.PAGE_COUNT, 200),
        (Pid.APPLICATION, "Python MSI Library"),
    ):  # fmt: skip
        information.SetProperty(pid, value)
    information.Persist()
    properties = (
        ("ProductName", ProductName), ("ProductCode", ProductCode.upper()), ("ProductVersion", ProductVersion),
        ("Manufacturer", Manufacturer), ("ProductLanguage", "1033"),
    )  # fmt: skip
    add_data(db, "Property", properties)
    db.Commit()
    return db


def make_id(str: str) -> str:
    """An identifier from any text: what may not be in one becomes ``_``.

    >>> make_id("3 files.txt"), make_id(".pyd")
    ('_3_files.txt', '_.pyd')
    """
    name = re.sub(r"[^A-Za-z0-9._]", "_", str)
    return f"_{name}" if not name or name[0] in "0123456789." else name


def gen_uuid() -> str:
    """A new identifier in braces and capitals.

    >>> bool(re.fullmatch("{[0-9A-F-]{36}}", gen_uuid()))
    True
    """
    return f"{{{UuidCreate().upper()}}}"
