# SPDX-License-Identifier: GPL-2.0-or-later
"""Generic tables: elements in the order of a driver's comparison routine, in memory of its allocation routine.

Source: Windows Driver Kit, "Generic Tables" (RtlInitializeGenericTable and the page of each routine). Both kinds, of
splay links and of AVL links, are opaque but for the callbacks; the order is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xenlab.nt.routine import APC_LEVEL, BOOLEAN, PVOID, ULONG, Call, Steps, Wait, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_LESS, _GREATER = 0, 1
# The links before an element's data: RTL_SPLAY_LINKS and a LIST_ENTRY; RTL_BALANCED_LINKS.
_LINKS = {("x64", False): 40, ("x32", False): 20, ("x64", True): 32, ("x32", True): 16}
# RTL_GENERIC_TABLE and RTL_AVL_TABLE: their sizes, and where NumberGenericTableElements is.
_TABLES = {
    ("x64", False): (0x48, 0x24),
    ("x32", False): (0x28, 0x14),
    ("x64", True): (0x68, 0x2C),
    ("x32", True): (0x38, 0x18),
}

_Walk = Generator[Call | Wait, int, tuple[int, bool]]


@dataclass(eq=False)
class Table:
    """One table; `elements` are the addresses of the user's data in order, `restart` where an enumeration is."""

    address: int
    compare: int
    allocate: int
    free: int
    avl: bool
    elements: list[int] = field(default_factory=list)
    next: int = 0


class Tables:
    """The initialised tables by address."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._tables: dict[int, Table] = {}
        kernel.at_free(self._check_free)

    def add(self, made: Table) -> None:
        self._tables[made.address] = made

    def at(self, address: int) -> Table:
        found = self._tables.get(address)
        if not found:
            self.kernel.violation(f"There is no initialised generic table at {address:#x}.")
        return found

    def count(self, table: Table) -> None:
        """Keep the number of elements where the table has it."""
        offset = _TABLES[self.kernel.arch, table.avl][1]
        self.kernel.put_u32(table.address + offset, len(table.elements))

    def find(self, table: Table, wanted: int) -> _Walk:
        """Return where an element is or belongs, and whether it is there; the driver's routine compares."""
        low, high = 0, len(table.elements)
        while low < high:
            middle = (low + high) // 2
            answer = (yield Call(table.compare, table.address, wanted, table.elements[middle])) & 0xFFFFFFFF
            if answer == _LESS:
                high = middle
            elif answer == _GREATER:
                low = middle + 1
            else:
                return middle, True
        return low, False

    def insert(self, table: Table, data: int, size: int) -> _Walk:
        """Return the element and whether it is new; 0 where the allocation routine has nothing."""
        kernel = self.kernel
        index, there = yield from self.find(table, data)
        if there:
            return table.elements[index], False
        links = _LINKS[kernel.arch, table.avl]
        block = yield Call(table.allocate, table.address, links + size)
        if not block:
            return 0, False
        kernel.zero(block, links)
        kernel.write(block + links, kernel.read(data, size))
        table.elements.insert(index, block + links)
        self.count(table)
        return block + links, True

    def delete(self, table: Table, data: int) -> Steps:
        index, there = yield from self.find(table, data)
        if not there:
            return 0
        element = table.elements.pop(index)
        if index < table.next:
            table.next -= 1
        self.count(table)
        yield Call(table.free, table.address, element - _LINKS[self.kernel.arch, table.avl])
        return 1

    def _check_free(self, address: int, size: int) -> None:
        for table in [each for each in self._tables.values() if address <= each.address < address + size]:
            if table.elements:
                self.kernel.violation(f"A generic table goes with {len(table.elements)} elements in it.")
            del self._tables[table.address]


def _register(suffix: str, avl: bool) -> None:
    def export(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return routine(_NTOS, irql_max=APC_LEVEL, name=f"{name}{suffix}")

    @export("RtlInitializeGenericTable")
    def initialise(kernel: Kernel, table: PVOID, compare: PVOID, allocate: PVOID, free: PVOID, context: PVOID) -> None:
        size, _ = _TABLES[kernel.arch, avl]
        kernel.zero(table, size)
        kernel.put_ptr(table + size - kernel.pointer_size, context)
        kernel.part(Tables).add(Table(table, compare, allocate, free, avl))

    @export("RtlInsertElementGenericTable")
    def insert(kernel: Kernel, table: PVOID, data: PVOID, size: ULONG, new: PVOID) -> Steps:
        tables = kernel.part(Tables)
        element, is_new = yield from tables.insert(tables.at(table), data, size)
        if new:
            kernel.put_u8(new, is_new)
        return element

    @export("RtlDeleteElementGenericTable")
    def delete(kernel: Kernel, table: PVOID, data: PVOID) -> Steps:
        tables = kernel.part(Tables)
        return (yield from tables.delete(tables.at(table), data))

    @export("RtlLookupElementGenericTable")
    def look_up(kernel: Kernel, table: PVOID, data: PVOID) -> Steps:
        tables = kernel.part(Tables)
        found = tables.at(table)
        index, there = yield from tables.find(found, data)
        return found.elements[index] if there else 0

    @export("RtlGetElementGenericTable")
    def get(kernel: Kernel, table: PVOID, index: ULONG) -> PVOID:
        elements = kernel.part(Tables).at(table).elements
        return elements[index] if index < len(elements) else 0

    @export("RtlEnumerateGenericTable")
    def enumerate_all(kernel: Kernel, table: PVOID, restart: BOOLEAN) -> PVOID:
        found = kernel.part(Tables).at(table)
        found.next = 0 if restart else found.next
        if found.next >= len(found.elements):
            return 0
        found.next += 1
        return found.elements[found.next - 1]

    @export("RtlEnumerateGenericTableWithoutSplaying")
    def enumerate_with_key(kernel: Kernel, table: PVOID, key: PVOID) -> PVOID:
        elements = kernel.part(Tables).at(table).elements
        last = kernel.ptr(key)
        index = elements.index(last) + 1 if last in elements else 0
        if index >= len(elements):
            return 0
        kernel.put_ptr(key, elements[index])
        return elements[index]

    @export("RtlNumberGenericTableElements")
    def count(kernel: Kernel, table: PVOID) -> ULONG:
        return len(kernel.part(Tables).at(table).elements)

    @export("RtlIsGenericTableEmpty")
    def is_empty(kernel: Kernel, table: PVOID) -> BOOLEAN:
        return int(not kernel.part(Tables).at(table).elements)


_register("", avl=False)
_register("Avl", avl=True)
