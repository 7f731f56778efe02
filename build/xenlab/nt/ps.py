# SPDX-License-Identifier: GPL-2.0-or-later
"""System threads of drivers.

Source: Windows Driver Kit, PsCreateSystemThread, PsTerminateSystemThread and their relatives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.ob import Object, ObjectManager
from xenlab.nt.objects import view
from xenlab.nt.routine import HANDLE, HIGH_LEVEL, NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_SYSTEM_PROCESS_ID = 4


class Threads:
    """The threads that drivers have made: their names by object address, while they run."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.running: dict[int, str] = {}

    def create(self, function: int, context: int) -> Object:
        """Start a thread; its object has the reference that the running thread is."""
        kernel = self.kernel
        objects = kernel.part(ObjectManager)
        name = kernel.symbols.describe(function)
        made = Object("Thread")

        def body() -> Steps:
            try:
                return (yield Call(function, context))
            finally:
                self.running.pop(made.address, None)
                # The kernel still signals the object after this, so it must outlive the generator.
                kernel.world.at(0, lambda: objects.dereference(made) and None, f"end of thread {name}")

        made.address = kernel.start(body(), name).object
        made.end = lambda: kernel.free(made.address)
        self.running[made.address] = name
        return objects.add(made)

    def outstanding(self) -> list[str]:
        return [f"The thread {name} still runs." for name in self.running.values()]


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsCreateSystemThread(
    kernel: Kernel,
    result: PVOID,
    access: ULONG,
    attributes: PVOID,
    process: HANDLE,
    client: PVOID,
    function: PVOID,
    context: PVOID,
) -> NTSTATUS:
    """The handle must be closed; a thread outlives it."""
    objects = kernel.part(ObjectManager)
    made = kernel.part(Threads).create(function, context)
    kernel.put_ptr(result, objects.open(made, access))
    if client:
        identity = view(kernel, "CLIENT_ID", client)
        identity["UniqueProcess"], identity["UniqueThread"] = _SYSTEM_PROCESS_ID, made.address & 0xFFFC
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsTerminateSystemThread(kernel: Kernel, status: NTSTATUS) -> NTSTATUS:
    """Does not return. For threads that PsCreateSystemThread has made."""
    from xenlab.nt.kernel import ThreadExit  # noqa: PLC0415

    if kernel.current_thread.object not in kernel.part(Threads).running:
        kernel.violation("PsTerminateSystemThread ends a thread that is not a driver's.")
    raise ThreadExit(status)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def PsGetCurrentThread(kernel: Kernel) -> PVOID:
    return kernel.current_thread.object


@routine(_NTOS, irql_max=HIGH_LEVEL)
def PsGetCurrentThreadId(kernel: Kernel) -> HANDLE:
    return kernel.current_thread.object & 0xFFFC


@routine(_NTOS, irql_max=HIGH_LEVEL)
def PsGetCurrentProcessId(kernel: Kernel) -> HANDLE:
    return _SYSTEM_PROCESS_ID
