# SPDX-License-Identifier: MIT
"""Carrying out a statement on a store.

:func:`prepare` checks a statement against the tables; the :class:`Prepared` is run with values for its markers, any
number of times.  Only SELECT has a result: :class:`Result` describes its columns and has the rows that were found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from wixpy.msi_errors import MsiError, Status
from wixpy.sql import syntax
from wixpy.sql.plan import Joined, Place, Plan, Scope
from wixpy.sql.syntax import Fixed, Marker, Name
from wixpy.store import Store, Value
from wixpy.tables import Column, Table, Values

Parameters = Sequence[Value]


@dataclass(frozen=True)
class Output:
    """A column of a result and where its values come from: a place in the rows of a table, or a constant."""

    column: Column
    place: Place | None = None
    table: Table | None = None
    constant: int | str | None = None


# What is said of a constant in the place of a column: no name, and a type of no kind that columns have.
_UNNAMED = Column("", "f0")


@dataclass
class Result:
    """What a SELECT found: the columns, and for each row of the result the rows of the tables it comes from."""

    scope: Scope
    outputs: tuple[Output, ...]
    found: Iterable[Joined]

    def values(self, rows: Joined) -> Values:
        """The columns of one row of the result."""
        return tuple(
            rows[output.place.table][output.place.column] if output.place else output.constant
            for output in self.outputs
        )


@dataclass
class Prepared:
    """A statement, checked against the tables as they were; ``outputs`` are the columns of its result, none but for
    SELECT.

    ``held`` is the table whose temporary part lives until the view is closed.
    """

    store: Store
    query: syntax.Query
    execute: Callable[[Parameters], Result | None]
    outputs: tuple[Output, ...] = ()
    scope: Scope | None = None
    plan: Plan | None = None
    held: str | None = None
    generation: int = field(init=False)

    def __post_init__(self) -> None:
        self.generation = self.store.generation

    @property
    def is_current(self) -> bool:
        """Whether no table was made, altered or dropped since."""
        return self.generation == self.store.generation

    def run(self, parameters: Parameters = ()) -> Result | None:
        """Carry the statement out; MsiError when there are fewer parameters than markers, or it fails."""
        if len(parameters) < self.query.markers:
            raise MsiError(Status.INVALID_PARAMETER, 2208, self.store.name)
        return self.execute(parameters)


def prepare(store: Store, text: str) -> Prepared:
    """Read a statement and check it; MsiError says what is wrong."""
    query = syntax.parse(text)
    statement = query.statement
    if isinstance(statement, syntax.Select):
        return _select(store, query, statement)
    if isinstance(statement, syntax.CreateTable):
        return _create(store, query, statement)
    if isinstance(statement, syntax.AddColumn):
        return _add_column(store, query, statement)
    return Prepared(store, query, _change(store, text, statement))


def _change(
    store: Store, text: str, statement: syntax.Insert | syntax.Update | syntax.Delete | syntax.Hold | syntax.DropTable
) -> Callable[[Parameters], None]:
    if isinstance(statement, syntax.Insert):
        return _insert(store, text, statement)
    if isinstance(statement, syntax.Update):
        return _update(store, text, statement)
    if isinstance(statement, syntax.Delete):
        return _delete(store, text, statement)
    return _table_command(store, text, statement)


def _select(store: Store, query: syntax.Query, select: syntax.Select) -> Prepared:
    scope = Scope.of(store, query.text, select.tables)
    every = [Place(t, c) for t, table in enumerate(scope.tables) for c in range(len(table.columns))]
    outputs = tuple(_output(scope, selected) for selected in select.columns or every)
    order = [scope.place(name) for name in select.order]
    plan = Plan(scope, select.where)

    def execute(parameters: Parameters) -> Result:
        result = Result(scope, outputs, plan.run(parameters))
        if order:
            result.found = sorted(result.found, key=lambda rows: [_sort_key(rows, place) for place in order])
        if select.distinct:
            first: dict[Values, Joined] = {}
            for rows in result.found:
                first.setdefault(result.values(rows), rows)
            result.found = list(first.values())
        return result

    return Prepared(store, query, execute, outputs, scope, plan)


def _output(scope: Scope, selected: Name | Fixed | Place) -> Output:
    if isinstance(selected, Fixed):
        return Output(_UNNAMED, constant=selected.value)
    place = scope.place(selected) if isinstance(selected, Name) else selected
    return Output(scope.column(place), place, scope.tables[place.table])


def _sort_key(rows: Joined, place: Place) -> tuple[bool, int, str]:
    """Null first, then by number or code points."""
    value = rows[place.table][place.column]
    return value is not None, value if isinstance(value, int) else 0, value if isinstance(value, str) else ""


def _value(constant: syntax.Constant, parameters: Parameters) -> Value:
    return parameters[constant.number - 1] if isinstance(constant, Marker) else constant


def _no_repeats(scope: Scope, names: Sequence[Name]) -> list[Place]:
    """The places of columns, each named once."""
    places = [scope.place(name) for name in names]
    for position, place in enumerate(places):
        if place in places[:position]:
            raise MsiError(Status.BAD_QUERY_SYNTAX, 2242, scope.store.name, names[position].column)
    return places


def _insert(store: Store, text: str, insert: syntax.Insert) -> Callable[[Parameters], None]:
    scope = Scope.of(store, text, [insert.table])
    places = _no_repeats(scope, insert.columns)

    def execute(parameters: Parameters) -> None:
        [table] = scope.tables
        values: list[Value] = [None] * len(table.columns)
        for place, constant in zip(places, insert.values, strict=True):
            values[place.column] = _value(constant, parameters)
        store.insert(table, values, temporary=insert.temporary)

    return execute


def _update(store: Store, text: str, update: syntax.Update) -> Callable[[Parameters], None]:
    scope = Scope.of(store, text, update.tables)
    places = _no_repeats(scope, [name for name, _ in update.assignments])
    if any(scope.column(place).key for place in places):
        raise MsiError(Status.BAD_QUERY_SYNTAX, 2259, store.name)
    plan = Plan(scope, update.where)
    constants = [constant for _, constant in update.assignments]

    def execute(parameters: Parameters) -> None:
        given = [(place, _value(constant, parameters)) for place, constant in zip(places, constants, strict=True)]
        found = list(plan.run(parameters))
        for table_number in {place.table for place in places}:
            table = scope.tables[table_number]
            for key in dict.fromkeys(rows[table_number][: table.key_count] for rows in found):
                values: list[Value] = list(store.rows(table.name)[key])
                for place, value in given:
                    if place.table == table_number:
                        values[place.column] = value
                store.update(table, key, values)

    return execute


def _delete(store: Store, text: str, delete: syntax.Delete) -> Callable[[Parameters], None]:
    scope = Scope.of(store, text, [delete.table])
    plan = Plan(scope, delete.where)
    [table] = scope.tables

    def execute(parameters: Parameters) -> None:
        for (row,) in list(plan.run(parameters)):
            store.delete(table, row[: table.key_count])

    return execute


def _create(store: Store, query: syntax.Query, create: syntax.CreateTable) -> Prepared:
    names = [column.name for column in create.columns]
    for listed in (names, list(create.key)):
        for position, name in enumerate(listed):
            if name in listed[:position]:
                raise MsiError(Status.BAD_QUERY_SYNTAX, 2242, store.name, name)
    for name in create.key:
        if name not in names:
            raise MsiError(Status.BAD_QUERY_SYNTAX, 2235, store.name, name, query.text)
    if names[: len(create.key)] != list(create.key):
        raise MsiError(Status.BAD_QUERY_SYNTAX, 2211, store.name, create.table)
    if store.table(create.table):
        raise MsiError(Status.BAD_QUERY_SYNTAX, 2204, store.name, create.table)
    columns = tuple(Column(column.name, column.type, column.name in create.key) for column in create.columns)
    temporary = {column.name for column in create.columns if column.temporary}

    def execute(_: Parameters) -> None:
        store.create(Table(create.table, columns), temporary)
        store.hold(create.table, 1 + create.hold)

    return Prepared(store, query, execute, held=create.table)


def _add_column(store: Store, query: syntax.Query, add: syntax.AddColumn) -> Prepared:
    [table] = Scope.of(store, query.text, [add.table]).tables
    if add.column.name in table.index:
        raise MsiError(Status.BAD_QUERY_SYNTAX, 2242, store.name, add.column.name)

    def execute(_: Parameters) -> None:
        column = Column(add.column.name, add.column.type)
        store.add_column(table, column, temporary=add.column.temporary)
        store.hold(add.table, 1 + add.hold)

    return Prepared(store, query, execute, held=add.table)


def _table_command(store: Store, text: str, statement: syntax.Hold | syntax.DropTable) -> Callable[[Parameters], None]:
    [table] = Scope.of(store, text, [statement.table]).tables

    def execute(_: Parameters) -> None:
        if isinstance(statement, syntax.Hold):
            store.hold(table.name, statement.step)
        else:
            store.drop(table)

    return execute
