# SPDX-License-Identifier: MIT
"""Reading a statement (Windows Installer SDK, “SQL Syntax”).

Keywords are not case-sensitive; names are, and go between grave accents where they are keywords.  Text stands between
apostrophes and cannot hold one.  There are no aliases, no subqueries and no outer joins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar

from wixpy.msi_errors import MsiError, Status

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "ADD ALTER AND BY CHAR CHARACTER CREATE DELETE DISTINCT DROP FREE FROM HOLD INSERT INT INTEGER INTO IS KEY "
        "LOCALIZABLE LONG LONGCHAR NOT NULL OBJECT OR ORDER PRIMARY SELECT SET SHORT TABLE TEMPORARY UPDATE VALUES "
        "WHERE",
    )
)
OPERATORS = ("=", "<>", "<", ">", "<=", ">=")
MAX_TEXT = 255
MAX_DEPTH = 100
MAX_TABLE_NAME = 31
MAX_COLUMN_NAME = 64
MAX_EXPRESSIONS = 32
_TYPES = {
    "CHAR": "s", "CHARACTER": "s", "LONGCHAR": "s", "SHORT": "i2", "INT": "i2", "INTEGER": "i2", "LONG": "i4",
    "OBJECT": "v0",
}  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|`(?P<quoted>[^`]+)`|(?P<number>-?\d+)|'(?P<text>[^']*)'"
    r"|(?P<sign><>|<=|>=|[=<>(),.*?])|(?P<end>\Z))"
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Name:
    """A column, with its table where the statement gives it."""

    column: str
    table: str | None = None


@dataclass(frozen=True)
class Marker:
    """A question mark: field ``number`` (from 1) of the record given to Execute."""

    number: int


Constant = int | str | Marker


@dataclass(frozen=True)
class Fixed:
    """A value that a SELECT gives in each row in the place of a column: a number, a text or null."""

    value: int | str | None


@dataclass(frozen=True)
class Comparison:
    """A column against a column or a constant."""

    left: Name
    operator: str
    right: Name | Constant


@dataclass(frozen=True)
class IsNull:
    """Whether a column is null, or is not."""

    column: Name
    negated: bool


@dataclass(frozen=True)
class Group:
    """Conditions of which all (``AND``) or one (``OR``) must hold."""

    word: str
    members: tuple[Condition, ...]


Condition = Comparison | IsNull | Group


@dataclass(frozen=True)
class Select:
    """``columns`` is empty for an asterisk."""

    distinct: bool
    columns: tuple[Name | Fixed, ...]
    tables: tuple[str, ...]
    where: Condition | None
    order: tuple[Name, ...]


@dataclass(frozen=True)
class Insert:
    table: str
    columns: tuple[Name, ...]
    values: tuple[Constant, ...]
    temporary: bool


@dataclass(frozen=True)
class Update:
    tables: tuple[str, ...]
    assignments: tuple[tuple[Name, Constant], ...]
    where: Condition | None


@dataclass(frozen=True)
class Delete:
    table: str
    where: Condition | None


@dataclass(frozen=True)
class NewColumn:
    """``type`` is a letter and a size as in :class:`wixpy.tables.Column`."""

    name: str
    type: str
    temporary: bool


@dataclass(frozen=True)
class CreateTable:
    table: str
    columns: tuple[NewColumn, ...]
    key: tuple[str, ...]
    hold: bool


@dataclass(frozen=True)
class AddColumn:
    table: str
    column: NewColumn
    hold: bool


@dataclass(frozen=True)
class Hold:
    """``ALTER TABLE t HOLD`` (``step`` 1) or ``FREE`` (-1)."""

    table: str
    step: int


@dataclass(frozen=True)
class DropTable:
    table: str


Statement = Select | Insert | Update | Delete | CreateTable | AddColumn | Hold | DropTable


@dataclass(frozen=True)
class Query:
    """A statement, its text, and how many markers it has."""

    text: str
    statement: Statement
    markers: int


def parse(text: str) -> Query:
    """Read one statement; MsiError says what is wrong with it.

    >>> parse("SELECT `File` FROM `File` WHERE `FileSize` > 9").statement.where
    Comparison(left=Name(column='FileSize', table=None), operator='>', right=9)
    """
    parser = _Parser(text)
    statement = parser.statement()
    return Query(text, statement, parser.markers)


class _Parser:
    """Recursive descent; ``kind`` and ``value`` are the token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.markers = 0
        self.position = 0
        self.depth = 0
        self.expressions = 0
        self.kind, self.value = "", ""
        self.step()

    def fail(self, number: int, *fields: object, hint: str | None = None) -> NoReturn:
        raise MsiError(Status.BAD_QUERY_SYNTAX, number, "", *fields, self.text, hint=hint)

    def unexpected(self) -> NoReturn:
        self.fail(2232, self.value)

    def step(self) -> None:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            rest = self.text[self.position :].lstrip()
            self.fail(2227 if rest.startswith("`") else 2232, rest[:20])
        self.position = match.end()
        self.kind = match.lastgroup or ""
        self.value = match[self.kind]
        if self.kind == "name" and self.value.upper() in KEYWORDS:
            self.kind, self.value = "word", self.value.upper()

    def at(self, *values: str) -> bool:
        return self.kind in ("word", "sign") and self.value in values

    def take(self, *values: str) -> bool:
        """Step over the token when it is one of these keywords or signs."""
        if self.at(*values):
            self.step()
            return True
        return False

    def need(self, *values: str) -> None:
        for value in values:
            if not self.take(value):
                self.fail(2231) if value == ")" else self.unexpected()

    def identifier(self) -> str:
        if self.kind not in ("name", "quoted"):
            self.fail(2227, self.value)
        value = self.value
        self.step()
        return value

    def list_of(self, item: Callable[[], _T]) -> tuple[_T, ...]:
        items = [item()]
        while self.take(","):
            items.append(item())
        return tuple(items)

    def name(self) -> Name:
        first = self.identifier()
        return Name(self.identifier(), first) if self.take(".") else Name(first)

    def constant(self) -> Constant:
        kind, value = self.kind, self.value
        if self.take("?"):
            self.markers += 1
            return Marker(self.markers)
        if kind not in ("number", "text"):
            self.unexpected()
        self.step()
        if kind == "text":
            return value
        if len(value) > 11 or not -0x80000000 < int(value) < 0x80000000:
            self.fail(2232, value[:20])
        return int(value)

    def statement(self) -> Statement:
        readers: dict[str, Callable[[], Statement]] = {
            "SELECT": self.select, "INSERT": self.insert, "UPDATE": self.update, "DELETE": self.delete,
            "CREATE": self.create, "ALTER": self.alter, "DROP": self.drop,
        }  # fmt: skip
        reader = readers.get(self.value) if self.kind == "word" else None
        if reader is None:
            self.fail(2237)
        self.step()
        statement = reader()
        if self.kind != "end":
            self.unexpected()
        return statement

    def select(self) -> Select:
        distinct = self.take("DISTINCT")
        columns: tuple[Name | Fixed, ...] = ()
        if not self.take("*"):
            if self.at("FROM"):
                self.fail(2233)
            columns = self.list_of(self.selected)
        if not self.take("FROM"):
            self.fail(2238)
        tables = self.list_of(self.identifier)
        where = self.where()
        order: tuple[Name, ...] = ()
        if self.take("ORDER"):
            self.need("BY")
            if self.kind not in ("name", "quoted"):
                self.fail(2234)
            order = self.list_of(self.name)
        return Select(distinct, columns, tables, where, order)

    def selected(self) -> Name | Fixed:
        if self.take("NULL"):
            return Fixed(None)
        if self.kind not in ("number", "text"):
            return self.name()
        value = self.constant()
        assert not isinstance(value, Marker)
        return Fixed(value)

    def where(self) -> Condition | None:
        return self.condition("OR") if self.take("WHERE") else None

    def condition(self, word: str) -> Condition:
        """``AND`` binds more tightly than ``OR``."""
        members = [self.condition("AND") if word == "OR" else self.comparison()]
        while self.take(word):
            members.append(self.condition("AND") if word == "OR" else self.comparison())
        return members[0] if len(members) == 1 else Group(word, tuple(members))

    def comparison(self) -> Condition:
        if self.take("("):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self.unexpected()
            inner = self.condition("OR")
            self.need(")")
            self.depth -= 1
            return inner
        self.expressions += 1
        if self.expressions > MAX_EXPRESSIONS:
            self.fail(2237, hint=f"a WHERE clause has at most {MAX_EXPRESSIONS} comparisons: split the query")
        left = self.name()
        if self.take("IS"):
            negated = self.take("NOT")
            self.need("NULL")
            return IsNull(left, negated)
        operator = self.value
        if not self.take(*OPERATORS):
            self.fail(2236, operator)
        return Comparison(left, operator, self.name() if self.kind in ("name", "quoted") else self.constant())

    def insert(self) -> Insert:
        self.need("INTO")
        table = self.identifier()
        self.need("(")
        if self.at(")", "*"):
            self.fail(2241)
        columns = self.list_of(self.name)
        self.need(")", "VALUES", "(")
        if self.at(")"):
            self.fail(2239)
        values = self.list_of(self.constant)
        self.need(")")
        if len(values) != len(columns):
            self.fail(2239)
        return Insert(table, columns, values, self.take("TEMPORARY"))

    def update(self) -> Update:
        tables = self.list_of(self.identifier)
        self.need("SET")
        if self.kind not in ("name", "quoted"):
            self.fail(2240)
        return Update(tables, self.list_of(self.assignment), self.where())

    def assignment(self) -> tuple[Name, Constant]:
        name = self.name()
        self.need("=")
        return name, self.constant()

    def delete(self) -> Delete:
        if not self.take("FROM"):
            self.fail(2238)
        return Delete(self.identifier(), self.where())

    def create(self) -> CreateTable:
        self.need("TABLE")
        table = self.identifier()
        if len(table) > MAX_TABLE_NAME:
            self.fail(2227, table)
        self.need("(")
        columns = self.list_of(self.new_column)
        if not self.take("PRIMARY"):
            self.fail(2243) if self.at(")") else self.unexpected()
        self.need("KEY")
        key = self.list_of(self.identifier)
        self.need(")")
        return CreateTable(table, columns, key, self.take("HOLD"))

    def new_column(self) -> NewColumn:
        name = self.identifier()
        if len(name) > MAX_COLUMN_NAME:
            self.fail(2227, name)
        word = self.value
        kind = _TYPES.get(word) if self.kind == "word" else None
        if kind is None:
            self.fail(2244, word)
        self.step()
        if kind == "s":
            kind += str(self.text_size() if word != "LONGCHAR" else 0)
        if self.take("NOT"):
            self.need("NULL")
        else:
            kind = kind.capitalize()
        column = NewColumn(name, kind, self.take("TEMPORARY"))
        # The grammar lets any column be localizable; only the types of text say so.
        if self.take("LOCALIZABLE"):
            column = replace(column, type=kind.translate(str.maketrans("sS", "lL")))
        return column

    def text_size(self) -> int:
        if not self.take("("):
            return 0
        value = self.value
        if self.kind != "number" or len(value) > 3 or not 0 <= int(value) <= MAX_TEXT:
            self.fail(2244, value)
        self.step()
        self.need(")")
        return int(value)

    def alter(self) -> AddColumn | Hold:
        self.need("TABLE")
        table = self.identifier()
        if self.take("HOLD"):
            return Hold(table, 1)
        if self.take("FREE"):
            return Hold(table, -1)
        self.need("ADD")
        return AddColumn(table, self.new_column(), self.take("HOLD"))

    def drop(self) -> DropTable:
        self.need("TABLE")
        return DropTable(self.identifier())
