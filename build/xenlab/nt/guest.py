# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and writing what drivers see: numbers, strings and lists in the guest's memory."""

from __future__ import annotations

from collections.abc import Iterable

from gplpv.matrix import ArchName
from xenlab.cpu.machine import Machine


class GuestMemory:
    """Typed access to virtual memory; every access obeys the page tables and the IRQL, as the kernel's own does."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.memory = machine.memory
        self.physical = machine.physical
        self.arch: ArchName = machine.arch
        self.pointer_size = machine.pointer_size
        self.read = machine.memory.read
        self.write = machine.memory.write

    def u8(self, va: int) -> int:
        return self.read(va, 1)[0]

    def u16(self, va: int) -> int:
        return int.from_bytes(self.read(va, 2), "little")

    def u32(self, va: int) -> int:
        return int.from_bytes(self.read(va, 4), "little")

    def i32(self, va: int) -> int:
        return int.from_bytes(self.read(va, 4), "little", signed=True)

    def u64(self, va: int) -> int:
        return int.from_bytes(self.read(va, 8), "little")

    def ptr(self, va: int) -> int:
        return int.from_bytes(self.read(va, self.pointer_size), "little")

    def put_u8(self, va: int, value: int) -> None:
        self.write(va, bytes([value & 0xFF]))

    def put_u16(self, va: int, value: int) -> None:
        self.write(va, (value & 0xFFFF).to_bytes(2, "little"))

    def put_u32(self, va: int, value: int) -> None:
        self.write(va, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def put_u64(self, va: int, value: int) -> None:
        self.write(va, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))

    def put_ptr(self, va: int, value: int) -> None:
        self.write(va, self.wrap(value).to_bytes(self.pointer_size, "little"))

    def wrap(self, value: int) -> int:
        """Cut a number to the width of a pointer."""
        return value & ((1 << 8 * self.pointer_size) - 1)

    def zero(self, va: int, size: int) -> None:
        self.write(va, bytes(size))

    def ansi_string(self, va: int) -> str:
        """The zero-terminated string at `va`."""
        return self._terminated(va, 1).decode("latin-1")

    def wide_string(self, va: int) -> str:
        """The zero-terminated UTF-16 string at `va`."""
        return self._terminated(va, 2).decode("utf-16-le", "replace")

    def unicode_string(self, va: int) -> str:
        """What the UNICODE_STRING at `va` holds."""
        length = self.u16(va)
        return self.read(self.ptr(va + self.pointer_size), length).decode("utf-16-le", "replace") if length else ""

    def _terminated(self, va: int, unit: int) -> bytes:
        found = bytearray()
        while any(character := self.read(va + len(found), unit)):
            found += character
        return bytes(found)

    def list_init(self, head: int) -> None:
        self.put_ptr(head, head)
        self.put_ptr(head + self.pointer_size, head)

    def list_insert_tail(self, head: int, entry: int) -> None:
        self._link(entry, self.ptr(head + self.pointer_size), head)

    def list_insert_head(self, head: int, entry: int) -> None:
        self._link(entry, head, self.ptr(head))

    def list_remove(self, entry: int) -> None:
        after, before = self.ptr(entry), self.ptr(entry + self.pointer_size)
        self.put_ptr(before, after)
        self.put_ptr(after + self.pointer_size, before)

    def list_entries(self, head: int) -> list[int]:
        """The addresses of a list's entries, in order."""
        return list(self._walk(head))

    def _walk(self, head: int) -> Iterable[int]:
        entry = self.ptr(head)
        while entry != head:
            yield entry
            entry = self.ptr(entry)

    def _link(self, entry: int, before: int, after: int) -> None:
        self.put_ptr(entry, after)
        self.put_ptr(entry + self.pointer_size, before)
        self.put_ptr(before, entry)
        self.put_ptr(after + self.pointer_size, entry)
