# SPDX-License-Identifier: GPL-2.0-or-later
"""The processor control region: what drivers' code finds through GS (x86: FS) without asking the kernel.

Source: the Windows Driver Kit's headers (KPCR, KeGetCurrentThread and KeGetCurrentIrql as inline code use it), and for
the first field "Structured Exception Handling" on x86 (NT_TIB.ExceptionList).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu import memory

if TYPE_CHECKING:
    from xenlab.nt.guest import GuestMemory

_ADDRESS = {"x64": 0xFFFFF800_00E00000, "x32": 0xFFDFF000}
_CURRENT_THREAD = {"x64": 0x188, "x32": 0x124}
_IRQL = {"x64": 0x50, "x32": 0x24}
_SELF = {"x64": 0x18, "x32": 0x1C}


class ProcessorBlock:
    """The one processor's KPCR."""

    def __init__(self, guest: GuestMemory) -> None:
        self._guest = guest
        self._at = _ADDRESS[guest.arch]
        self._irql_at = self._at + _IRQL[guest.arch]
        self._thread_at = self._at + _CURRENT_THREAD[guest.arch]
        guest.memory.map_new(self._at, memory.PAGE_SIZE, memory.READ | memory.WRITE)
        guest.zero(self._at, memory.PAGE_SIZE)
        guest.put_ptr(self._at + _SELF[guest.arch], self._at)
        guest.machine.set_processor_block(self._at)

    def tell_irql(self, irql: int) -> None:
        self._guest.put_u8(self._irql_at, irql)

    def tell_thread(self, address: int) -> None:
        self._guest.put_ptr(self._thread_at, address)

    @property
    def exception_list(self) -> int:
        """x86: the first exception registration record of the thread that runs, at FS:[0]."""
        return self._guest.u32(self._at)

    @exception_list.setter
    def exception_list(self, record: int) -> None:
        self._guest.put_u32(self._at, record)
