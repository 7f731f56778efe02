# SPDX-License-Identifier: GPL-2.0-or-later
r"""A Storport miniport's own values in the registry, below its service's Parameters\Device or Parameters\Device<n>.

Source: Windows Driver Kit, StorPortAllocateRegistryBuffer, StorPortRegistryRead, StorPortRegistryWrite: strings are
ASCII for the miniport, one buffer at a time is its, and all is done at PASSIVE_LEVEL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.registry import Key, RegType, Value
from xenlab.nt.routine import BOOLEAN, PASSIVE_LEVEL, PVOID, ULONG, routine
from xenlab.ports.storport import StorAdapter, stor_adapter

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_STOR = "storport.sys"
_ADAPTER = 0  # What Storport counts the adapters of a miniport by; each here has a key of this name for its own.


def _key(adapter: StorAdapter, everyone: bool) -> Key:
    return adapter.parent.service.create(r"Parameters\Device" if everyone else rf"Parameters\Device{_ADAPTER}")


class Buffers:
    """The registry buffers that miniports have, by device extension."""

    def __init__(self, _: Kernel) -> None:
        self.given: dict[int, int] = {}


@routine(_STOR, irql_max=PASSIVE_LEVEL)
def StorPortAllocateRegistryBuffer(kernel: Kernel, extension: PVOID, length: PVOID) -> PVOID:
    adapter = stor_adapter(kernel, extension, "StorPortAllocateRegistryBuffer")
    given = kernel.part(Buffers).given
    if extension in given:
        adapter.violation("asks for a second registry buffer before it has freed the first")
    if kernel.pool.refuses("StRg", kernel.u32(length)):
        kernel.put_u32(length, 0)
        return 0
    given[extension] = kernel.alloc(max(1, kernel.u32(length)), "StRg")
    return given[extension]


@routine(_STOR, irql_max=PASSIVE_LEVEL)
def StorPortFreeRegistryBuffer(kernel: Kernel, extension: PVOID, buffer: PVOID) -> None:
    adapter = stor_adapter(kernel, extension, "StorPortFreeRegistryBuffer")
    if kernel.part(Buffers).given.pop(extension, 0) != buffer:
        adapter.violation(f"frees {buffer:#x}, which is not its registry buffer")
    kernel.free(buffer)


def _in_buffer(kernel: Kernel, adapter: StorAdapter, extension: int, buffer: int) -> None:
    if kernel.part(Buffers).given.get(extension) != buffer:
        adapter.violation("gives the registry another buffer than StorPortAllocateRegistryBuffer's")


@routine(_STOR, irql_max=PASSIVE_LEVEL)
def StorPortRegistryRead(
    kernel: Kernel, extension: PVOID, name: PVOID, everyone: ULONG, kind: ULONG, buffer: PVOID, length: PVOID
) -> BOOLEAN:
    """A buffer that is too short, or a type that is another, reads nothing, and the length says what is needed."""
    adapter = stor_adapter(kernel, extension, "StorPortRegistryRead")
    _in_buffer(kernel, adapter, extension, buffer)
    value = _key(adapter, bool(everyone)).get(kernel.ansi_string(name))
    if not value or value.type != kind:
        kernel.put_u32(length, 0)
        return 0
    data = value.text().encode("ascii", "replace") + b"\0" if kind == RegType.SZ else value.data
    room = kernel.u32(length)
    kernel.put_u32(length, len(data))
    if len(data) > room:
        return 0
    kernel.write(buffer, data)
    return 1


@routine(_STOR, irql_max=PASSIVE_LEVEL)
def StorPortRegistryWrite(
    kernel: Kernel, extension: PVOID, name: PVOID, everyone: ULONG, kind: ULONG, buffer: PVOID, length: ULONG
) -> BOOLEAN:
    adapter = stor_adapter(kernel, extension, "StorPortRegistryWrite")
    _in_buffer(kernel, adapter, extension, buffer)
    data = kernel.read(buffer, length)
    if kind == RegType.SZ:
        data = data.split(b"\0")[0].decode("ascii", "replace").encode("utf-16-le") + bytes(2)
    _key(adapter, bool(everyone)).put(Value(kernel.ansi_string(name), kind, data))
    return 1
