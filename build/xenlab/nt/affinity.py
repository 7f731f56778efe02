# SPDX-License-Identifier: GPL-2.0-or-later
"""Binding a thread to processors: the machine has one. Source: Windows Driver Kit, KeSetSystemAffinityThread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.routine import APC_LEVEL, SIZE_T, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_INVALID_AFFINITY_SET = 0x3
_PROCESSORS = 1


class Affinities:
    """The threads that have a system affinity; a thread must not end with one."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.threads: dict[int, str] = {}

    def outstanding(self) -> list[str]:
        return [f"Thread {name} never calls KeRevertToUserAffinityThread." for name in self.threads.values()]


@routine("ntoskrnl.exe", irql_max=APC_LEVEL)
def KeSetSystemAffinityThread(kernel: Kernel, affinity: SIZE_T) -> None:
    if not affinity & _PROCESSORS:
        kernel.bug_check(_INVALID_AFFINITY_SET, affinity)
    thread = kernel.current_thread
    kernel.part(Affinities).threads[thread.object] = thread.name


@routine("ntoskrnl.exe", irql_max=APC_LEVEL)
def KeRevertToUserAffinityThread(kernel: Kernel) -> None:
    if kernel.part(Affinities).threads.pop(kernel.current_thread.object, None) is None:
        kernel.violation("KeRevertToUserAffinityThread is called without KeSetSystemAffinityThread before.")
