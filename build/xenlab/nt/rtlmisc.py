# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Small Rtl routines: LUIDs, single characters, UTF-8, bits, the stack.

Source: Windows Driver Kit, RtlUnicodeToUTF8N, RtlUTF8ToUnicodeN, RtlCompareUnicodeStrings, RtlCaptureStackBackTrace and
the page of each other routine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    LONG,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    ULONG,
    USHORT,
    routine,
)
from xenlab.nt.unwind import REGISTERS, Unwinder

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_LUID = 8


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlCopyLuid(kernel: Kernel, to: PVOID, source: PVOID) -> None:
    kernel.write(to, kernel.read(source, _LUID))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlEqualLuid(kernel: Kernel, one: PVOID, other: PVOID) -> BOOLEAN:
    return int(kernel.read(one, _LUID) == kernel.read(other, _LUID))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlDowncaseUnicodeChar(kernel: Kernel, character: USHORT) -> USHORT:
    lower = chr(character).lower()
    return ord(lower) if len(lower) == 1 else character


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCompareUnicodeStrings(
    kernel: Kernel, one: PVOID, one_length: SIZE_T, other: PVOID, other_length: SIZE_T, fold: BOOLEAN
) -> LONG:
    """Lengths count characters."""
    texts = [
        kernel.read(at, 2 * length).decode("utf-16-le", "surrogatepass")
        for at, length in ((one, one_length), (other, other_length))
    ]
    first, second = (text.upper() if fold else text for text in texts)
    return (first > second) - (first < second)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUnicodeToUTF8N(kernel: Kernel, to: PVOID, room: ULONG, written: PVOID, source: PVOID, length: ULONG) -> NTSTATUS:
    if length % 2:
        return Status.INVALID_PARAMETER
    return _convert(kernel, to, room, written, kernel.read(source, length).decode("utf-16-le", "replace"), "utf-8")


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUTF8ToUnicodeN(kernel: Kernel, to: PVOID, room: ULONG, written: PVOID, source: PVOID, length: ULONG) -> NTSTATUS:
    return _convert(kernel, to, room, written, kernel.read(source, length).decode("utf-8", "replace"), "utf-16-le")


def _convert(kernel: Kernel, to: int, room: int, written: int, text: str, encoding: str) -> int:
    """Without a buffer only the length is told; in one that is too small is as much as fits, in whole characters."""
    data = text.encode(encoding, "replace")
    if not to:
        kernel.put_u32(written, len(data))
        return Status.SUCCESS
    fits = data if len(data) <= room else data[:room].decode(encoding, "ignore").encode(encoding)
    kernel.write(to, fits)
    if written:
        kernel.put_u32(written, len(fits))
    return Status.SUCCESS if len(fits) == len(data) else Status.BUFFER_TOO_SMALL


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlNumberOfSetBitsUlongPtr(kernel: Kernel, value: SIZE_T) -> ULONG:
    return value.bit_count()


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def RtlCaptureStackBackTrace(kernel: Kernel, skip: ULONG, count: ULONG, traced: PVOID, hash_value: PVOID) -> USHORT:
    """By the unwind data on x64, by frame pointers on x86: return addresses, the caller's own first."""
    found = _trace_x64(kernel) if kernel.arch == "x64" else _trace_x32(kernel)
    found = found[skip : skip + count]
    for index, address in enumerate(found):
        kernel.put_ptr(traced + index * kernel.pointer_size, address)
    if hash_value:
        kernel.put_u32(hash_value, sum(found) & 0xFFFFFFFF)
    return len(found)


def _trace_x64(kernel: Kernel) -> list[int]:
    registers = dict(zip(REGISTERS, kernel.machine.get(*REGISTERS), strict=True))
    pc = kernel.ptr(registers["rsp"])
    registers["rsp"] += 8
    return [frame.pc for frame in kernel.part(Unwinder).frames(pc, registers)]


def _trace_x32(kernel: Kernel) -> list[int]:
    sp, frame = kernel.machine.get("esp", "ebp")
    found, top = [kernel.ptr(sp)], kernel.current_thread.stack_top
    while sp < frame < top - 8 and kernel.symbols.image_of(address := kernel.ptr(frame + 4)):
        found.append(address)
        sp, frame = frame, kernel.ptr(frame)
    return found
