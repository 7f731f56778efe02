# SPDX-License-Identifier: GPL-2.0-or-later
"""The error log: what a driver writes shows in the trace.

Source: Windows Driver Kit, "Writing to the System Event Log", IoAllocateErrorLogEntry, IoWriteErrorLogEntry,
IoFreeErrorLogEntry, IO_ERROR_LOG_PACKET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.objects import layout, view
from xenlab.nt.routine import DISPATCH_LEVEL, PVOID, UCHAR, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_LARGEST = 0x98


class ErrorLog:
    """The entries that drivers have allocated, by address: their sizes and where from; and how many were written."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.entries: dict[int, tuple[int, int]] = {}
        self.written: list[int] = []

    def take(self, address: int, what: str) -> int:
        """Stop keeping an entry; returns its size."""
        if address not in self.entries:
            self._kernel.violation(f"{what} is given {address:#x}, which is no error log entry.")
        return self.entries.pop(address)[0]

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [f"The error log entry of {describe(by, True)} is never written." for _, by in self.entries.values()]


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoAllocateErrorLogEntry(kernel: Kernel, device: PVOID, size: UCHAR) -> PVOID:
    if not layout("IO_ERROR_LOG_PACKET", kernel.arch).offset("DumpData") <= size <= _LARGEST:
        return 0
    if kernel.pool.refuses("IoEr", size):
        return 0
    address = kernel.alloc(size, "IoEr")
    kernel.part(ErrorLog).entries[address] = size, kernel.caller()
    kernel.read(device, 2)
    return address


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoWriteErrorLogEntry(kernel: Kernel, entry: PVOID) -> None:
    log = kernel.part(ErrorLog)
    size = log.take(entry, "IoWriteErrorLogEntry")
    packet = view(kernel, "IO_ERROR_LOG_PACKET", entry)
    dump, strings, offset = packet["DumpDataSize"], packet["NumberOfStrings"], packet["StringOffset"]
    if dump % 4:
        kernel.violation(f"An error log entry has {dump} bytes of dump data: a multiple of four is due.")
    if packet.layout.offset("DumpData") + dump > size or (strings and offset >= size):
        kernel.violation(f"An error log entry of {size} bytes says that it holds {dump} of dump data and more.")
    texts = []
    for _ in range(strings):
        texts.append(kernel.wide_string(entry + offset))
        offset += 2 * len(texts[-1]) + 2
        if offset > size:
            kernel.violation(f"The texts of an error log entry of {size} bytes go beyond it.")
    log.written.append(packet["ErrorCode"])
    kernel.world.trace("log", ", ".join(texts) or "an entry", code=packet["ErrorCode"], status=packet["FinalStatus"])
    kernel.free(entry)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def IoFreeErrorLogEntry(kernel: Kernel, entry: PVOID) -> None:
    kernel.part(ErrorLog).take(entry, "IoFreeErrorLogEntry")
    kernel.free(entry)
