# SPDX-License-Identifier: MIT
"""Finding the rows that a WHERE clause picks.

Tables are joined one after the other, each by whatever is cheapest: the row of a key whose columns are all compared
with constants, a hash of the columns that equal columns of tables before it, or a scan.  Every condition is applied as
soon as the tables it names are there.  In comparisons null is the empty text or the least number, as it is stored.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from wixpy.msi_errors import MsiError, Status
from wixpy.sql.syntax import Comparison, Condition, Constant, Group, IsNull, Marker, Name
from wixpy.store import Store, Value
from wixpy.tables import Cell, Column, Table, Values

Joined = tuple[Values, ...]
Test = Callable[[Joined], bool]
_Link = tuple[int, int, int]  # a column here, the slot of an earlier table, the equal column there

NULL_NUMBER = -0x80000000
_NUMBER = re.compile(r"-?[0-9]{1,10}")
_OPERATORS: dict[str, Callable[[int | str, int | str], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A column by the position of its table in FROM and its own position in the table."""

    table: int
    column: int


@dataclass
class Scope:
    """The tables of a statement, and the text for error records."""

    store: Store
    text: str
    tables: tuple[Table, ...]

    @classmethod
    def of(cls, store: Store, text: str, names: Sequence[str]) -> Scope:
        """The tables by these names; MsiError for one that is unknown or repeated."""
        found = []
        for position, name in enumerate(names):
            table = store.table(name)
            if table is None:
                raise MsiError(Status.BAD_QUERY_SYNTAX, 2228, store.name, name, text)
            if name in names[:position]:
                raise MsiError(Status.BAD_QUERY_SYNTAX, 2230, store.name, name, text)
            if name in store.database.damaged:
                # A view finds the row behind a record by its key.
                hint = f"table {name} has rows with one key: check lists them; export it, correct that and import it"
                raise MsiError(Status.FUNCTION_FAILED, 2219, store.name, hint=hint)
            found.append(table)
        return cls(store, text, tuple(found))

    def fail(self, number: int, field: object) -> NoReturn:
        raise MsiError(Status.BAD_QUERY_SYNTAX, number, self.store.name, field, self.text)

    def place(self, name: Name) -> Place:
        """Where a column is; MsiError when it is in none or in several of the tables."""
        found = [
            Place(position, table.index[name.column])
            for position, table in enumerate(self.tables)
            if name.column in table.index and name.table in (None, table.name)
        ]
        if len(found) != 1:
            self.fail(2235, f"{name.table}.{name.column}" if name.table else name.column)
        return found[0]

    def column(self, place: Place) -> Column:
        return self.tables[place.table].columns[place.column]


@dataclass
class _Term:
    """A condition among those that must all hold: the tables it needs, and how it is tested."""

    condition: Condition
    tables: set[int]
    done: bool = False


@dataclass
class Plan:
    """A WHERE clause over tables, checked; :meth:`run` finds the rows.  ``examined`` counts rows looked at."""

    scope: Scope
    where: Condition | None
    examined: int = 0
    _places: dict[Name, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.where is not None:
            self._check(self.where)
            self._refuse_circle()

    def _check(self, condition: Condition) -> None:
        """Resolve the columns of a condition and refuse comparisons that have no meaning."""
        if isinstance(condition, Group):
            for member in condition.members:
                self._check(member)
            return
        if isinstance(condition, IsNull):
            self._places[condition.column] = self.scope.place(condition.column)
            return
        left = self._resolved(condition.left)
        right = condition.right
        if left.is_binary or (left.is_string and condition.operator not in ("=", "<>")):
            self.scope.fail(2236, condition.operator)
        if isinstance(right, Name):
            other = self._resolved(right)
            if condition.operator != "=":
                self.scope.fail(2236, condition.operator)
            fits = other.is_integer == left.is_integer and not other.is_binary
        else:
            fits = isinstance(right, Marker) or isinstance(right, int) == left.is_integer
        if not fits:
            raise MsiError(Status.BAD_QUERY_SYNTAX, 2258, self.scope.store.name, condition.left.column)

    def _refuse_circle(self) -> None:
        """MsiError when joins link three or more tables into a circuit."""
        links = {frozenset(self._tables(condition)) for condition in _conjuncts(self.where) if _is_link(condition)}
        groups = {number: {number} for number in range(len(self.scope.tables))}
        for one, other in (sorted(link) for link in links if len(link) == 2):
            if groups[one] is groups[other]:
                text = "a join may not link tables into a circle: leave a comparison out and compare the result"
                raise MsiError(Status.BAD_QUERY_SYNTAX, 2237, self.scope.store.name, self.scope.text, hint=text)
            groups[one] |= groups[other]
            for number in groups[one]:
                groups[number] = groups[one]

    def _resolved(self, name: Name) -> Column:
        place = self._places[name] = self.scope.place(name)
        return self.scope.column(place)

    def run(self, parameters: Sequence[Value]) -> Iterator[Joined]:
        """The combinations of rows, a row a table in the order of FROM."""
        terms = [_Term(condition, self._tables(condition)) for condition in _conjuncts(self.where)]
        if len(self.scope.tables) == 1:
            # By far the most frequent, and done without a copy of every row: programs open such views to insert.
            return ((row,) for row in self._candidates(0, terms, parameters))
        order = self._order(terms)
        slots = {table: slot for slot, table in enumerate(order)}
        found: list[Joined] = [()]
        for slot, table in enumerate(order):
            known = set(order[: slot + 1])
            found = self._join(found, table, slots, terms, parameters)
            for term in terms:
                if not term.done and term.tables <= known:
                    test = self._test(term.condition, slots, parameters)
                    found = [rows for rows in found if test(rows)]
                    term.done = True
        if order == sorted(order):
            return iter(found)
        back = [slots[table] for table in range(len(order))]
        return (tuple(rows[slot] for slot in back) for rows in found)

    def _tables(self, condition: Condition) -> set[int]:
        if isinstance(condition, Group):
            return set().union(*(self._tables(member) for member in condition.members))
        if isinstance(condition, IsNull):
            return {self._places[condition.column].table}
        names = [name for name in (condition.left, condition.right) if isinstance(name, Name)]
        return {self._places[name].table for name in names}

    def _order(self, terms: Sequence[_Term]) -> list[int]:
        """The tables as they are joined: after the first always one that is linked to those before it, if any is."""
        rest = list(range(len(self.scope.tables)))
        order = [rest.pop(0)]
        while rest:
            linked = (
                table
                for table in rest
                for term in terms
                if table in term.tables and term.tables & set(order) and _is_link(term.condition)
            )
            table = next(linked, rest[0])
            rest.remove(table)
            order.append(table)
        return order

    def _join(
        self, found: list[Joined], table: int, slots: dict[int, int], terms: list[_Term], parameters: Sequence[Value]
    ) -> list[Joined]:
        """Extend every combination by the matching rows of a table."""
        links = []
        for term in terms:
            link = self._link(term, table, slots)
            if link:
                links.append(link)
                term.done = True
        definition = self.scope.tables[table]
        columns = [column for column, _, _ in links]
        if set(columns) >= set(range(definition.key_count)):
            return self._look_up(found, table, links, terms, parameters)
        rows = self._candidates(table, terms, parameters)
        if not links:
            self.examined += len(found) * len(rows) if slots[table] else 0
            return [(*before, row) for before in found for row in rows]
        hashed: dict[Values, list[Values]] = {}
        for row in rows:
            hashed.setdefault(tuple(row[column] for column in columns), []).append(row)
        joined = []
        for before in found:
            wanted = tuple(before[slot][column] for _, slot, column in links)
            joined += [(*before, row) for row in hashed.get(wanted, ())]
        self.examined += len(joined)
        return joined

    def _look_up(
        self, found: list[Joined], table: int, links: Sequence[_Link], terms: list[_Term], parameters: Sequence[Value]
    ) -> list[Joined]:
        """Extend every combination by the row whose key is in it."""
        definition = self.scope.tables[table]
        rows = self.scope.store.rows(definition.name)
        source = {column: (slot, other) for column, slot, other in links}
        key_source = [source[column] for column in range(definition.key_count)]
        tests = []
        for term in terms:
            if term.tables == {table} and not term.done:
                tests.append(self._test(term.condition, {table: 0}, parameters))
                term.done = True
        joined = []
        for before in found:
            row = rows.get(tuple(before[slot][column] for slot, column in key_source))
            self.examined += 1
            if (
                row is not None
                and all(row[column] == before[slot][other] for column, slot, other in links)
                and all(test((row,)) for test in tests)
            ):
                joined.append((*before, row))
        return joined

    def _link(self, term: _Term, table: int, slots: dict[int, int]) -> _Link | None:
        """What a condition ``this.column = earlier.column`` says, None for another condition."""
        condition = term.condition
        if term.done or not _is_link(condition) or table not in term.tables or len(term.tables) < 2:
            return None
        assert isinstance(condition, Comparison)
        assert isinstance(condition.right, Name)
        here, there = self._places[condition.left], self._places[condition.right]
        if here.table != table:
            here, there = there, here
        if slots[there.table] >= slots[table]:
            return None
        return here.column, slots[there.table], there.column

    def _candidates(self, table: int, terms: list[_Term], parameters: Sequence[Value]) -> list[Values]:
        """The rows of a table that pass the conditions on it alone."""
        own = [term for term in terms if term.tables == {table} and not term.done]
        definition = self.scope.tables[table]
        rows = self.scope.store.rows(definition.name)
        key = self._key(definition, own, parameters)
        if key is not None:
            row = rows.get(key)
            candidates = [] if row is None else [row]
        else:
            candidates = list(rows.values())
        self.examined += len(candidates)
        for term in own:
            test = self._test(term.condition, {table: 0}, parameters)
            candidates = [row for row in candidates if test((row,))]
            term.done = True
        return candidates

    def _key(self, table: Table, terms: Sequence[_Term], parameters: Sequence[Value]) -> Values | None:
        """The key that the conditions give, when they give all of it."""
        given: dict[str, Cell] = {}
        for term in terms:
            condition = term.condition
            if (
                isinstance(condition, Comparison)
                and condition.operator == "="
                and not isinstance(condition.right, Name)
            ):
                column = self._places[condition.left].column
                value = self._constant(condition.right, table.columns[column], parameters)
                given[condition.left.column] = None if value in ("", NULL_NUMBER) else value
        names = [column.name for column in table.columns[: table.key_count]]
        return tuple(given[name] for name in names) if given.keys() >= set(names) else None

    def _constant(self, constant: Constant, column: Column, parameters: Sequence[Value]) -> int | str:
        """A constant or parameter as it is compared with a column."""
        value = parameters[constant.number - 1] if isinstance(constant, Marker) else constant
        if value is None:
            return NULL_NUMBER if column.is_integer else ""
        if column.is_string and isinstance(value, int):
            return str(value)
        if column.is_integer and isinstance(value, str) and _NUMBER.fullmatch(value):
            return int(value)
        if isinstance(value, bytes) or isinstance(value, int) != column.is_integer:
            raise MsiError(Status.DATATYPE_MISMATCH, 2258, self.scope.store.name, column.name)
        return value

    def _test(self, condition: Condition, slots: Mapping[int, int], parameters: Sequence[Value]) -> Test:
        if isinstance(condition, Group):
            tests = [self._test(member, slots, parameters) for member in condition.members]
            if condition.word == "AND":
                return lambda rows: all(test(rows) for test in tests)
            return lambda rows: any(test(rows) for test in tests)
        if isinstance(condition, IsNull):
            place, negated = self._places[condition.column], condition.negated
            slot, position = slots[place.table], place.column
            return lambda rows: (rows[slot][position] is None) != negated
        place = self._places[condition.left]
        left = _reader(slots[place.table], place.column, self.scope.column(place))
        compare = _OPERATORS[condition.operator]
        if isinstance(condition.right, Name):
            other = self._places[condition.right]
            right = _reader(slots[other.table], other.column, self.scope.column(other))
            return lambda rows: compare(left(rows), right(rows))
        value = self._constant(condition.right, self.scope.column(place), parameters)
        return lambda rows: compare(left(rows), value)


def _conjuncts(condition: Condition | None) -> list[Condition]:
    if condition is None:
        return []
    if isinstance(condition, Group) and condition.word == "AND":
        return [inner for member in condition.members for inner in _conjuncts(member)]
    return [condition]


def _is_link(condition: Condition) -> bool:
    return isinstance(condition, Comparison) and condition.operator == "=" and isinstance(condition.right, Name)


def _reader(slot: int, position: int, column: Column) -> Callable[[Joined], int | str]:
    """How the value of a column is read for a comparison."""
    null: int | str = NULL_NUMBER if column.is_integer else ""

    def read(rows: Joined) -> int | str:
        value = rows[slot][position]
        return null if value is None else value

    return read
