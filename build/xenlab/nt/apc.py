# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Asynchronous procedure calls: functions that run in a thread of the caller's choice, between two of its instructions.

A special kernel APC (one without NormalRoutine) runs at APC_LEVEL, a normal one at PASSIVE_LEVEL; either interrupts a
wait, which goes on afterwards. Threads of the lab never return to user mode: an APC of user mode ends an alertable
wait, and is run down with its thread.
Sources: Windows Driver Kit, "Types of APCs", "Disabling APCs", "Waits and APCs", bug check 0x20; for the routines,
which it does not describe, A. Almeida, "Inside NT's Asynchronous Procedure Call" (Dr. Dobb's Journal, November 2002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    CCHAR,
    DISPATCH_LEVEL,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    Call,
    Steps,
    routine,
)
from xenlab.nt.thread import State, Thread

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_APC_OBJECT = 0x12
_ENVIRONMENTS, _CURRENT_ENVIRONMENT = 4, 2
_KERNEL_MODE, _USER_MODE = 0, 1
_PASSED = ("NormalRoutine", "NormalContext", "SystemArgument1", "SystemArgument2")


class Apcs:
    """The KAPCs that are queued to threads; the queues are the threads' own."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        kernel.at_free(self._check_freed)

    def insert(self, va: int, argument1: int, argument2: int) -> bool:
        """Queue an initialised KAPC; False if it is queued already, or its thread has ended."""
        kernel = self._kernel
        with kernel.as_interrupt():
            apc = _initialised(kernel, va)
            thread = next((each for each in kernel.scheduler.threads if each.object == apc["Thread"]), None)
            if apc["Inserted"] or not thread:
                return False
            apc["SystemArgument1"], apc["SystemArgument2"], apc["Inserted"] = argument1, argument2, 1
            if apc["ApcMode"] == _USER_MODE:
                thread.user_apcs.append(va)
                kernel.dispatcher.interrupt(thread)
                return True
            specials = sum(self._is_special(each) for each in thread.kernel_apcs)
            thread.kernel_apcs.insert(specials if self._is_special(va) else len(thread.kernel_apcs), va)
        kernel.attention = True
        if thread.state is State.WAITING and self.next(thread, thread.irql):
            kernel.dispatcher.break_off(thread)
        return True

    def alert(self, thread: Thread) -> None:
        """Alert a thread: the alertable wait that it is in, or else its next one, ends."""
        thread.alerted = True
        self._kernel.dispatcher.interrupt(thread)

    def let_in(self, thread: Thread) -> None:
        """Something that keeps APCs from a thread may be over: what waits for that comes now."""
        if thread.kernel_apcs:
            self._kernel.attention = True

    def next(self, thread: Thread, irql: int) -> int:
        """The kernel APC that the thread takes next, at its present IRQL; 0: none, or none for now."""
        if not thread.kernel_apcs or irql >= APC_LEVEL or thread.guarded:
            return 0
        first = thread.kernel_apcs[0]
        held_off = thread.in_apc or thread.critical or thread.mutexes
        return 0 if held_off and not self._is_special(first) else first

    def deliver(self, thread: Thread) -> Steps:
        """Run what the thread takes now. A KAPC is its KernelRoutine's to free."""
        kernel = self._kernel
        size = kernel.pointer_size
        while va := self.next(thread, kernel.irql):
            kernel.set_irql(APC_LEVEL)
            thread.kernel_apcs.popleft()
            apc = view(kernel, "KAPC", va)
            apc["Inserted"] = 0
            cells = kernel.alloc(len(_PASSED) * size, "Apc ")
            places = [cells + index * size for index in range(len(_PASSED))]
            for place, name in zip(places, _PASSED, strict=True):
                kernel.put_ptr(place, apc[name])
            yield Call(apc["KernelRoutine"], va, *places)
            function, *arguments = map(kernel.ptr, places)
            kernel.free(cells)
            kernel.set_irql(PASSIVE_LEVEL)
            if function:
                thread.in_apc = True
                yield Call(function, *arguments)
                thread.in_apc = False
        return None

    def run_down(self, thread: Thread, status: int | None) -> Steps:
        """The thread ends with `status`: its APCs of user mode go, each by its RundownRoutine or back to the pool."""
        while thread.user_apcs:
            va = thread.user_apcs.popleft()
            apc = view(self._kernel, "KAPC", va)
            apc["Inserted"] = 0
            if apc["RundownRoutine"]:
                yield Call(apc["RundownRoutine"], va)
            else:
                self._kernel.pool.free(va)
        return status

    def queued(self) -> list[int]:
        """Every KAPC that is queued."""
        return [va for each in self._kernel.scheduler.threads for va in (*each.kernel_apcs, *each.user_apcs)]

    def _is_special(self, va: int) -> bool:
        return not view(self._kernel, "KAPC", va)["NormalRoutine"]

    def _check_freed(self, va: int, size: int) -> None:
        if any(va <= each < va + size for each in self.queued()):
            self._kernel.violation("Memory is freed that holds a queued APC.")


def _initialised(kernel: Kernel, va: int) -> Struct:
    apc = view(kernel, "KAPC", va)
    if apc["Type"] != _APC_OBJECT or apc["Size"] != apc.layout.size:
        kernel.violation(f"There is no initialised APC at {va:#x}.")
    return apc


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInitializeApc(
    kernel: Kernel,
    apc: PVOID,
    thread: PVOID,
    environment: ULONG,
    kernel_routine: PVOID,
    rundown_routine: PVOID,
    normal_routine: PVOID,
    mode: CCHAR,
    context: PVOID,
) -> None:
    """Without a NormalRoutine, mode and context mean nothing. There is one environment, that of the one process."""
    if apc in kernel.apcs.queued():
        kernel.violation("An APC is initialised while it is queued.")
    if all(each.object != thread for each in kernel.scheduler.threads):
        kernel.violation(f"An APC is initialised for {thread:#x}, which is no thread that runs.")
    if environment >= _ENVIRONMENTS or not kernel_routine:
        kernel.violation(f"An APC is initialised with environment {environment} and KernelRoutine {kernel_routine:#x}.")
    made = view(kernel, "KAPC", apc)
    made.clear()
    made["Type"], made["Size"], made["Thread"] = _APC_OBJECT, made.layout.size, thread
    made["ApcStateIndex"] = 0 if environment == _CURRENT_ENVIRONMENT else environment
    made["KernelRoutine"], made["RundownRoutine"] = kernel_routine, rundown_routine
    if normal_routine:
        made["NormalRoutine"], made["NormalContext"], made["ApcMode"] = normal_routine, context, mode


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def KeInsertQueueApc(kernel: Kernel, apc: PVOID, argument1: PVOID, argument2: PVOID, increment: ULONG) -> BOOLEAN:
    return int(kernel.apcs.insert(apc, argument1, argument2))
