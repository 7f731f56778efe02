# SPDX-License-Identifier: MIT
"""What two packages differ in: code page, summary, tables row by row, streams, and cabinets file by file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wixpy import cab
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.tables import Cell, Table

Value = Cell | str


@dataclass(frozen=True)
class Change:
    """One difference.

    ``part`` is ``codepage``, ``class``, ``summary``, ``table``, ``row``, ``stream``, ``storage`` or ``cabinet``,
    ``name`` the table, stream or property, ``key`` the row's key or the file in a cabinet; ``before`` and ``after``
    hold the values that differ, None where there is nothing.

    >>> change = Change("row", "Property", ("A",), None, {"Value": "1"})
    >>> change.kind, str(change)
    ('added', '+ row Property A: Value 1')
    """

    part: str
    name: str
    key: tuple[Cell, ...] = ()
    before: Mapping[str, Value] | None = None
    after: Mapping[str, Value] | None = None

    @property
    def kind(self) -> str:
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        place = " ".join([self.part, self.name, *("" if part is None else str(part) for part in self.key)])
        if self.before is None or self.after is None:
            return f"{sign} {place}: " + ", ".join(f"{k} {v}" for k, v in (self.after or self.before or {}).items())
        names = dict.fromkeys((*self.before, *self.after))
        return f"{sign} {place}: " + ", ".join(f"{n} {self.before.get(n)} -> {self.after.get(n)}" for n in names)


def compare(one: Database, two: Database) -> Iterator[Change]:
    """The differences between two packages, in the order of names and keys; the order of rows is none.

    >>> one, two = Database(), Database()
    >>> _ = one.insert("Property", "A", "1"), two.insert("Property", "A", "2")
    >>> [str(change) for change in compare(one, two)]
    ['~ row Property A: Value 1 -> 2']
    """
    if one.codepage != two.codepage:
        yield Change("codepage", "", (), {"codepage": one.codepage}, {"codepage": two.codepage})
    if one.clsid != two.clsid:
        yield Change("class", "", (), {"class": str(one.clsid)}, {"class": str(two.clsid)})
    for pid in sorted(one.summary.keys() | two.summary.keys()):
        before, after = one.summary.get(pid), two.summary.get(pid)
        if before != after:
            yield Change("summary", pid.name.lower(), (), _one("value", before), _one("value", after))
    for name in sorted(one.tables.keys() | two.tables.keys()):
        yield from _tables(one, two, name)
    yield from _contents("stream", one.streams, two.streams)
    yield from _contents("storage", one.storages, two.storages)


def _one(name: str, value: object) -> Mapping[str, Value] | None:
    return None if value is None else {name: value if isinstance(value, int) else str(value)}


def _tables(one: Database, two: Database, name: str) -> Iterator[Change]:
    before, after = one.tables.get(name), two.tables.get(name)
    shapes = [None if table is None else _shape(table) for table in (before, after)]
    if shapes[0] != shapes[1]:
        yield Change("table", name, (), shapes[0], shapes[1])
    old = one.cells(name) if before else {}
    new = two.cells(name) if after else {}
    columns = [list(table.index) if table else [] for table in (before, after)]
    for key in sorted(old.keys() | new.keys(), key=lambda key: [(type(cell).__name__, str(cell)) for cell in key]):
        rows = [None if cells is None else dict(zip(names, cells, strict=True))
                for names, cells in zip(columns, (old.get(key), new.get(key)), strict=True)]  # fmt: skip
        if rows[0] is not None and rows[1] is not None:
            different = {n for n in (*rows[0], *rows[1]) if rows[0].get(n) != rows[1].get(n)}
            if not different:
                continue
            rows = [{n: v for n, v in row.items() if n in different} if row else row for row in rows]
        yield Change("row", name, key, rows[0], rows[1])


def _shape(table: Table) -> dict[str, Value]:
    return {column.name: column.type + ("*" if column.key else "") for column in table.columns}


def _contents(part: str, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        files = list(_cabinets(name, before, after)) if before is not None and after is not None else []
        yield from files or [Change(part, name, (), _content(before), _content(after))]


def _content(data: bytes | None) -> dict[str, Value] | None:
    if data is None:
        return None
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _cabinets(name: str, before: bytes, after: bytes) -> Iterator[Change]:
    """The files that two cabinets differ in; nothing when one is no cabinet that can be read."""
    if before[:4] != cab.SIGNATURE or after[:4] != cab.SIGNATURE:
        return
    try:
        sides = [_members(cab.Cabinet(data)) for data in (before, after)]
    except WixpyError:
        return
    for member in sorted(sides[0].keys() | sides[1].keys()):
        old, new = sides[0].get(member), sides[1].get(member)
        if old != new:
            if old and new:
                different = [key for key in old if old[key] != new[key]]
                old, new = {key: old[key] for key in different}, {key: new[key] for key in different}
            yield Change("cabinet", name, (member,), old, new)


def _members(cabinet: cab.Cabinet) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for position, entry in sorted(enumerate(cabinet.files), key=lambda each: each[1].place):
        content = _content(cabinet.read(entry)) or {}
        attributes: dict[str, Value] = {
            "position": position,
            "modified": str(entry.modified),
            "attributes": int(entry.attributes),
        }
        found[entry.name] = {**content, **attributes}
    return found
