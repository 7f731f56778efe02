# SPDX-License-Identifier: MIT
"""A Windows Installer database: tables, streams and summary information in one compound file.

Beside the tables that people see, a database has system tables: ``_Tables`` (names of tables), ``_Columns`` (table,
number, name, type) and the string pool.  :class:`Database` keeps all of it in memory: :meth:`Database.open` reads a
file, :meth:`Database.commit` writes one, whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from wixpy import cfb, names, schema, strings, summary
from wixpy.blob import Blob, FileBlob, Streams, chunks
from wixpy.errors import WixpyError
from wixpy.files import read_bytes, reading, replacing
from wixpy.tables import Cell, Column, Table, Values

if TYPE_CHECKING:
    from wixpy.transform import Condition, Validation

CLSID = UUID("000c1084-0000-0000-c000-000000000046")
TRANSFORM_CLSID = UUID("000c1082-0000-0000-c000-000000000046")
PATCH_CLSID = UUID("000c1086-0000-0000-c000-000000000046")
SECTOR = 512
VALIDATION = "_Validation"

TABLES = Table("_Tables", (Column("Name", "s64", key=True),))
COLUMNS = Table(
    "_Columns",
    (Column("Table", "s64", key=True), Column("Number", "i2", key=True), Column("Name", "s64"), Column("Type", "i2")),
)
_VALIDATION_COLUMNS = 9
_POOL, _DATA = "_StringPool", "_StringData"
_DAMAGED = "the file is damaged: get it again"


class Row(Mapping[str, Cell]):
    """A row, read by column name; ``cells`` is the plain tuple.

    >>> row = Database().insert("Media", 1, 5, None, "#a.cab", None, None)
    >>> row["LastSequence"], row.text("Cabinet"), row.text("DiskPrompt"), row.number("LastSequence"), row.key
    (5, '#a.cab', '', 5, (1,))
    """

    __slots__ = ("cells", "table")

    def __init__(self, table: Table, cells: Values) -> None:
        self.table = table
        self.cells = cells

    def __getitem__(self, name: str) -> Cell:
        return self.cells[self.table.index[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.index)

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        return f"{self.table.name}{self.cells}"

    @property
    def key(self) -> Values:
        return self.cells[: self.table.key_count]

    def text(self, name: str) -> str:
        """A cell as text, empty when null."""
        value = self[name]
        return "" if value is None else str(value)

    def number(self, name: str) -> int:
        """An integer cell, 0 when null."""
        value = self[name]
        return value if isinstance(value, int) else 0


class Database:
    """Tables by name, streams by name, and the summary information.

    ``codepage`` is that of all text (0: ASCII only).  Data of binary columns is in ``streams`` under the table's name
    and the row's key, joined by dots; the cell holds that name.  ``storages`` are the compound files inside the file
    (transforms, nested packages), each as the bytes of a file of its own.  ``clsid`` says what the file is: a package
    or a patch; ``sector`` how large its sectors are, 512 or 4096 bytes.  ``damaged`` are the tables with repeated keys.

    >>> database = Database(1252)
    >>> row = database.insert("Property", "ProductName", "Sample")
    >>> database.property("ProductName"), database.get("Property", "ProductName"), database.get("Property", "X")
    ('Sample', Property('ProductName', 'Sample'), None)
    >>> database.replace(row, Value="Example")
    >>> database.rows("Property"), database.cells("Property")
    ([Property('ProductName', 'Example')], {('ProductName',): ('ProductName', 'Example')})
    >>> database.delete("Property", "ProductName")
    >>> database.remove_table("Property")
    >>> _ = database.insert("Icon", "app.ico", b"picture")
    >>> database.streams["Icon.app.ico"]
    b'picture'
    """

    def __init__(self, codepage: int = strings.NEUTRAL) -> None:
        self.codepage = codepage
        self.tables: dict[str, Table] = {}
        self.streams = Streams()
        self.storages: dict[str, bytes] = {}
        self.clsid = CLSID
        self.sector = SECTOR
        self.summary: summary.Summary = {}
        self._rows: dict[str, dict[Values, Values]] = {}
        self.damaged: set[str] = set()

    def add_table(self, table: Table) -> None:
        """Define a table; WixpyError when one of that name exists.

        >>> database = Database()
        >>> database.add_table(Table("Mine", (Column("Key", "s72", key=True), Column("Number", "I4"))))
        >>> database.insert("Mine", "a", 70_000)
        Mine('a', 70000)
        """
        if table.name in self.tables:
            raise WixpyError(f"table {table.name} is already there", "insert into it")
        if not table.key_count or any(column.key for column in table.columns[table.key_count :]):
            raise WixpyError(f"table {table.name} has no key at its start", "mark the first columns as key")
        self.tables[table.name] = table
        self._rows[table.name] = {}

    def remove_table(self, name: str) -> None:
        """Forget a table and its rows; streams stay."""
        del self.tables[name], self._rows[name]
        self.damaged.discard(name)

    def insert(self, name: str, *values: Cell | bytes) -> Row:
        """Add a row to a table, which is defined from the standard schema when it is not there yet.

        Bytes for a binary column go to ``streams``.  WixpyError when a value does not fit its column or the key is
        taken.
        """
        if name not in self.tables:
            if name not in schema.standard():
                raise WixpyError(f"table {name} is not defined", "call add_table first")
            self.add_table(schema.standard()[name])
        table = self.tables[name]
        if len(values) != len(table.columns):
            raise WixpyError(
                f"table {name} has {len(table.columns)} columns, not {len(values)}", f"give {', '.join(table.index)}"
            )
        cells = tuple(
            self._cell(table, column, value, values) for column, value in zip(table.columns, values, strict=True)
        )
        row = Row(table, cells)
        if row.key in self._rows[name]:
            raise WixpyError(
                f"table {name} already has a row {' '.join(map(str, row.key))}", "give one of them another identifier"
            )
        self._rows[name][row.key] = cells
        return row

    def _cell(self, table: Table, column: Column, value: Cell | bytes, row: tuple[Cell | bytes, ...]) -> Cell:
        if isinstance(value, bytes):
            if not column.is_binary:
                raise WixpyError(f"{table.name}.{column.name} does not hold binary data", "give text or a number")
            stream = table.stream_name([cell for cell in row if not isinstance(cell, bytes)])
            self.streams[stream] = value
            return stream
        try:
            return column.accept(value)
        except ValueError as error:
            key = " ".join(str(cell) for cell in row[: table.key_count])
            raise WixpyError(f"{table.name}.{column.name} of row {key}: {error}", "correct the value") from None

    def rows(self, name: str) -> list[Row]:
        """The rows of a table in the order of insertion or of the file; empty when there is no such table."""
        table = self.tables.get(name)
        return [] if table is None else [Row(table, values) for values in self._rows[name].values()]

    def cells(self, name: str) -> dict[Values, Values]:
        """The rows of a table by key, as plain tuples; the mapping itself, for those who keep its rules.

        In a damaged file several rows may have one key.  All are kept, so that nothing is lost by reading and writing:
        the first by its key, each further one by its key and its place in the file, which no look-up finds.
        """
        return self._rows[name]

    def repeated(self, name: str) -> list[Row]:
        """The rows of a table whose key a row before them has, which only a damaged file can hold.

        >>> database = Database()
        >>> _ = database.insert("Property", "ProductName", "Sample")
        >>> database.repeated("Property")
        []
        """
        table = self.tables[name]
        return [Row(table, row) for key, row in self._rows[name].items() if len(key) > table.key_count]

    def get(self, name: str, *key: Cell) -> Row | None:
        """The row with that key, or None."""
        values = self._rows.get(name, {}).get(key)
        return None if values is None else Row(self.tables[name], values)

    def replace(self, row: Row, **changes: Cell) -> None:
        """Put other values into cells of a row, whatever it holds by now; the key stays."""
        table = row.table
        current = self._rows[table.name][row.key]
        cells = [
            table.column(column).accept(changes[column]) if column in changes else cell
            for column, cell in zip(table.index, current, strict=True)
        ]
        self._rows[table.name][row.key] = tuple(cells)

    def delete(self, name: str, *key: Cell) -> None:
        """Remove the row with that key, and the stream it names; WixpyError when there is none."""
        row = self.get(name, *key)
        if row is None:
            raise WixpyError(f"table {name} has no row {' '.join(map(str, key))}", "give the key of a row")
        for column in row.table.columns:
            if column.is_binary and row[column.name] is not None:
                self.streams.pop(row.text(column.name), None)
        del self._rows[name][key]

    def property(self, name: str) -> str | None:
        """The value of a row of the Property table."""
        row = self.get("Property", name)
        return None if row is None else row.text("Value")

    def add_validation(self) -> None:
        """Fill ``_Validation`` with what the schema says of every table, itself included.

        >>> database = Database()
        >>> _ = database.insert("Property", "A", "1")
        >>> database.add_validation()
        >>> database.get("_Validation", "Property", "Value")["Category"]
        'Text'
        """
        if VALIDATION not in self.tables:
            self.add_table(schema.standard()[VALIDATION])
        self._rows[VALIDATION].clear()
        for name in sorted(self.tables):
            for values in schema.validation_rows(self.tables[name]):
                self.insert(VALIDATION, *values)

    def copy(self) -> Database:
        """Another database with the same content, which changes of this one do not reach.

        >>> one = Database()
        >>> other = one.copy()
        >>> _ = one.insert("Property", "A", "1")
        >>> one.property("A"), other.property("A")
        ('1', None)
        """
        twin = Database(self.codepage)
        twin.__dict__.update(self.__dict__)
        twin.tables = dict(self.tables)
        twin.streams = Streams(self.streams.blobs())
        twin.storages = dict(self.storages)
        twin.summary = dict(self.summary)
        twin._rows = {name: dict(rows) for name, rows in self._rows.items()}
        return twin

    def generate_transform(
        self, reference: Database, suppressed: Condition | None = None, validation: Validation | None = None
    ) -> bytes | None:
        """The transform (.mst) that makes this database of ``reference``; None when their tables are equal.

        With ``suppressed`` or ``validation`` it has a summary, which an installation needs: it says which conditions
        are no errors while the transform is applied, and what must hold of the package.  MsiError when the databases
        differ in what a transform cannot change.

        >>> old, new = Database(), Database()
        >>> new.generate_transform(old) is None
        True
        >>> _ = new.insert("Property", "A", "1")
        >>> old.apply_transform(new.generate_transform(old))
        >>> old.property("A")
        '1'
        """
        from wixpy import transform  # noqa: PLC0415

        made = transform.generate(reference, self)
        if made is None:
            return None
        if suppressed is not None or validation is not None:
            flags = suppressed or transform.Condition.NONE, validation or transform.Validation.NONE
            made.summary = transform.describe(reference, self, *flags)
        return made.to_bytes()

    def apply_transform(self, transform: bytes, suppressed: Condition | None = None) -> None:
        """Carry a transform out on this database, all of it or nothing.

        ``suppressed`` are the conditions that are no errors, by default those that the transform names.  Platform and
        languages become those that it names.  Whether it is meant for this database is not looked at: that is
        :func:`wixpy.transform.check`.
        """
        from wixpy.transform import Transform, apply, conditions  # noqa: PLC0415

        parsed = Transform.parse(transform)
        changed = apply(parsed, self, conditions(parsed.summary) if suppressed is None else suppressed)
        if summary.Pid.LAST_AUTHOR in parsed.summary:
            changed.summary[summary.Pid.TEMPLATE] = parsed.summary[summary.Pid.LAST_AUTHOR]
        self.__dict__.update(changed.__dict__)

    def digest(self) -> bytes:
        """SHA-256 of everything but the order of insertion: code page, rows, streams and summary.

        >>> one, other = Database(), Database()
        >>> one.digest() == other.digest()
        True
        >>> _ = one.insert("Property", "A", "1")
        >>> one.digest() == other.digest()
        False
        """
        state = hashlib.sha256(self.codepage.to_bytes(4, "little") + summary.encode(self.summary))
        for name in sorted(self.tables):
            columns = [(column.name, column.bits) for column in self.tables[name].columns]
            state.update(repr((name, columns, sorted(map(repr, self._rows[name].values())))).encode())
        for name in sorted(self.streams):
            content = self.streams.blob(name)
            state.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogatepass"))
            for chunk in chunks(content):
                state.update(chunk)
        for name in sorted(self.storages):
            state.update(f"{name}\0{len(self.storages[name])}\0storage".encode("utf-8", "surrogatepass"))
            state.update(self.storages[name])
        return state.digest()

    def write(self, out: BinaryIO, sector: int | None = None) -> None:
        """Write the database as a compound file, with sectors of 512 or 4096 bytes, by default as it had when read.

        >>> out = BytesIO()
        >>> Database(65001).write(out)
        >>> Database.parse(out.getvalue()).codepage
        65001
        """
        pool = strings.StringPool(self.codepage)
        ordered = [self.tables[name] for name in sorted(self.tables)]
        definitions: list[Values] = [
            (table.name, number, column.name, column.bits)
            for table in ordered
            for number, column in enumerate(table.columns, 1)
        ]
        tables: list[tuple[Table, list[Values]]] = [
            (TABLES, [(table.name,) for table in ordered]),
            (COLUMNS, definitions),
            *((table, sorted(self._rows[table.name].values(), key=repr)) for table in ordered),
        ]
        for table, rows in tables:
            places = [place for place, column in enumerate(table.columns) if column.is_string]
            for row in rows:
                for place in places:
                    if row[place] is not None:
                        pool.intern(str(row[place]))
        root = cfb.Storage(clsid=self.clsid)
        for table, rows in tables:
            encoded = table.encode(rows, pool.number, pool.reference_width)
            if encoded:
                root.children[names.encode(table.name, table=True)] = encoded
        pool_stream, data_stream = pool.serialize()
        root.children[names.encode(_POOL, table=True)] = pool_stream
        root.children[names.encode(_DATA, table=True)] = data_stream
        root.children[names.SUMMARY_INFORMATION] = summary.encode(self.summary)
        for name, content in self.streams.blobs():
            root.children[names.encode(name)] = content
        for name, data in self.storages.items():
            inner = cfb.CompoundFile(data)
            root.children[name] = inner.storage(inner.root)
        cfb.write(root, out, sector or self.sector)

    def to_bytes(self, sector: int | None = None) -> bytes:
        """The file as bytes.

        >>> database = Database()
        >>> _ = database.insert("Property", "A", "1")
        >>> content = database.to_bytes(4096)
        >>> Database.parse(content).sector, Database.parse(content).property("A")
        (4096, '1')
        """
        out = BytesIO()
        self.write(out, sector)
        return out.getvalue()

    def commit(self, path: Path, sector: int | None = None) -> None:
        """Write the database to ``path``: the whole new file or the old one, never a part.

        >>> database = Database()
        >>> _ = database.insert("Property", "A", "1")
        >>> database.commit(Path("x.msi"))
        >>> Database.open(Path("x.msi")).property("A")
        '1'
        """
        with replacing(path) as out:
            self.write(out, sector)

    @classmethod
    def open(cls, path: Path) -> Database:
        """Read a database; WixpyError says what is wrong with a file that is none."""
        try:
            return cls.parse(read_bytes(path))
        except WixpyError as error:
            raise WixpyError(error.message, error.hint, path) from error

    @classmethod
    @contextmanager
    def browse(cls, path: Path) -> Iterator[Database]:
        """Open a database whose streams, when they are large, stay in the file: until the end of the context.

        >>> database = Database()
        >>> database.streams["large"] = bytes(5000)
        >>> database.commit(Path("x.msi"))
        >>> with Database.browse(Path("x.msi")) as database:
        ...     len(database.streams.blob("large"))
        5000
        """
        with reading(path) as file:
            try:
                database = cls.parse(FileBlob(file))
            except WixpyError as error:
                raise WixpyError(error.message, error.hint, path) from error
            yield database

    @classmethod
    def parse(cls, data: Blob) -> Database:
        """Read a database from its file, as bytes or as a blob in which large streams stay."""
        file = cfb.CompoundFile(data)
        if file.root.clsid == TRANSFORM_CLSID:
            raise WixpyError(
                "this is a transform, not a database", "wixpy transform show x.mst x.msi tells what it does"
            )
        tables: dict[str, cfb.Entry] = {}
        self = cls()
        self.clsid = file.root.clsid
        self.sector = file.sector
        for stored, entry in file.root.children.items():
            name, is_table = names.decode(stored)
            if is_table:
                tables[name] = entry
            elif stored == names.SUMMARY_INFORMATION:
                self.summary = summary.decode(file.read(entry))
            elif entry.is_stream:
                self.streams[name] = file.read(entry) if isinstance(data, bytes) else file.blob(entry)
            else:
                inner = BytesIO()
                cfb.write(file.storage(entry), inner)
                self.storages[stored] = inner.getvalue()
        if _POOL not in tables or _DATA not in tables:
            raise WixpyError("the compound file holds no Windows Installer database", "give an .msi or .msm file")
        pool = strings.StringPool.parse(file.read(tables[_POOL]), file.read(tables[_DATA]))
        self.codepage = pool.codepage

        def rows(table: Table) -> list[Values]:
            if table.name not in tables:
                return []
            return table.decode(file.read(tables[table.name]), pool.cell, pool.reference_width)

        self._define(rows(TABLES), rows(COLUMNS))
        for name, table in self.tables.items():
            self._rows[name] = _by_key(table, rows(table))
            if self.repeated(name):
                self.damaged.add(name)
        self.describe()
        return self

    def _define(self, table_rows: list[Values], column_rows: list[Values]) -> None:
        """Define the tables that the system tables list."""
        columns: dict[Cell, dict[int, Column]] = {}
        for table, number, name, bits in column_rows:
            if not isinstance(number, int) or not isinstance(bits, int) or not isinstance(name, str):
                raise WixpyError("the list of columns has empty cells", _DAMAGED)
            column = Column.from_bits(name, bits)
            if columns.setdefault(table, {}).setdefault(number, column) != column:
                raise WixpyError(f"table {table} has two columns {number}", _DAMAGED)
        for (table,) in table_rows:
            numbered = columns.get(table, {})
            if not isinstance(table, str) or sorted(numbered) != list(range(1, len(numbered) + 1)) or not numbered:
                raise WixpyError(f"table {table} has no complete list of columns", _DAMAGED)
            defined = Table(table, tuple(numbered[number] for number in sorted(numbered)))
            if len(defined.index) < len(defined.columns):
                raise WixpyError(f"table {table} has two columns of one name", _DAMAGED)
            self.add_table(defined)

    def describe(self) -> None:
        """Give the columns what ``_Validation`` of the file says of them, or else what the standard schema says.

        >>> database = Database()
        >>> database.add_table(Table("Property", (Column("Property", "s72", key=True), Column("Value", "l0"))))
        >>> database.describe()
        >>> database.tables["Property"].column("Property").category
        'Identifier'
        """
        for name, table in self.tables.items():
            columns = tuple(self._described(name, column) for column in table.columns)
            if columns != table.columns:
                self.tables[name] = Table(name, columns)

    def _described(self, table: str, column: Column) -> Column:
        row = self.get(VALIDATION, table, column.name)
        if row is not None and len(row.cells) >= _VALIDATION_COLUMNS:
            minimum, maximum, key_table, key_column, category, choices = row.cells[3:9]
            return Column(
                column.name, column.type, column.key, _integer(minimum), _integer(maximum), _text(key_table),
                _integer(key_column), _text(category), _text(choices),
            )  # fmt: skip
        known = schema.standard().get(table)
        if known is None or column.name not in known.index:
            return column
        like = known.column(column.name)
        return Column(
            column.name, column.type, column.key, like.minimum, like.maximum, like.key_table, like.key_column,
            like.category, like.choices,
        )  # fmt: skip


def _by_key(table: Table, rows: list[Values]) -> dict[Values, Values]:
    """Rows as ``Database.cells`` keeps them."""
    keyed: dict[Values, Values] = {}
    for place, row in enumerate(rows):
        key = row[: table.key_count]
        keyed[(*key, place) if key in keyed else key] = row
    return keyed


def _integer(cell: Cell) -> int | None:
    return cell if isinstance(cell, int) else None


def _text(cell: Cell) -> str | None:
    return cell if isinstance(cell, str) else None
