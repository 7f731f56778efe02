# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Run-time library: texts in the code pages (the lab has Latin-1 for ANSI and OEM), counted ANSI strings, numbers.

Source: Windows Driver Kit, "Run-Time Library (RTL) Routines", the page of each routine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.codes import Status
from xenlab.nt.objects import Struct
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    UCHAR,
    ULONG,
    ULONGLONG,
    USHORT,
    routine,
)
from xenlab.nt.rtl import ansi, fold, give_text, store_text, wide

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_BASES = (2, 8, 10, 16)
_HASH_X65599, _HASH_DEFAULT = 1, 0
_NO_NULL, _NULL_WITH_EMPTY = 0x1, 0x2


def _to_unicode(kernel: Kernel, to: PVOID, room: ULONG, size: PVOID, source: PVOID, length: ULONG) -> NTSTATUS:
    """What does not fit is cut."""
    text = kernel.read(source, length) if length else b""
    data = text.decode("latin-1").encode("utf-16-le")[: room & ~1]
    return _put(kernel, to, size, data)


def _from_unicode(upcase: bool) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, room: ULONG, size: PVOID, source: PVOID, length: ULONG) -> NTSTATUS:
        text = kernel.read(source, length & ~1).decode("utf-16-le", "replace") if length else ""
        data = (fold(text) if upcase else text).encode("latin-1", "replace")[:room]
        return _put(kernel, to, size, data)

    return function


def _put(kernel: Kernel, to: int, size: int, data: bytes) -> int:
    if data:
        kernel.write(to, data)
    if size:
        kernel.put_u32(size, len(data))
    return Status.SUCCESS


for _name, _made in (
    ("RtlMultiByteToUnicodeN", _to_unicode),
    ("RtlOemToUnicodeN", _to_unicode),
    ("RtlUnicodeToMultiByteN", _from_unicode(False)),
    ("RtlUnicodeToOemN", _from_unicode(False)),
    ("RtlUpcaseUnicodeToMultiByteN", _from_unicode(True)),
    ("RtlUpcaseUnicodeToOemN", _from_unicode(True)),
):
    routine(_NTOS, irql_max=PASSIVE_LEVEL, name=_name)(_made)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlMultiByteToUnicodeSize(kernel: Kernel, size: PVOID, source: PVOID, length: ULONG) -> NTSTATUS:
    kernel.put_u32(size, 2 * length)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUnicodeToMultiByteSize(kernel: Kernel, size: PVOID, source: PVOID, length: ULONG) -> NTSTATUS:
    kernel.put_u32(size, length // 2)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAnsiCharToUnicodeChar(kernel: Kernel, cell: PVOID) -> USHORT:
    """Moves the caller's pointer on."""
    at = kernel.ptr(cell)
    kernel.put_ptr(cell, at + 1)
    return kernel.u8(at)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlOemStringToUnicodeString(kernel: Kernel, to: PVOID, source: PVOID, allocate: BOOLEAN) -> NTSTATUS:
    return give_text(kernel, to, ansi(kernel, source).encode("utf-16-le"), allocate, 2)


def _unicode_to_narrow(upcase: bool, terminator: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, source: PVOID, allocate: BOOLEAN) -> NTSTATUS:
        text = kernel.unicode_string(source)
        return give_text(
            kernel, to, (fold(text) if upcase else text).encode("latin-1", "replace"), allocate, terminator
        )

    return function


for _name, _upcase, _terminator in (
    ("RtlUnicodeStringToOemString", False, 1),
    ("RtlUnicodeStringToCountedOemString", False, 0),
    ("RtlUpcaseUnicodeStringToAnsiString", True, 1),
    ("RtlUpcaseUnicodeStringToOemString", True, 1),
):
    routine(_NTOS, irql_max=PASSIVE_LEVEL, name=_name)(_unicode_to_narrow(_upcase, _terminator))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="RtlxOemStringToUnicodeSize")
def RtlAnsiStringToUnicodeSize(kernel: Kernel, text: PVOID) -> ULONG:
    return 2 * wide(kernel, text)["Length"] + 2


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="RtlUnicodeStringToOemSize")
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="RtlxUnicodeStringToOemSize")
def RtlUnicodeStringToAnsiSize(kernel: Kernel, text: PVOID) -> ULONG:
    return wide(kernel, text)["Length"] // 2 + 1


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlFreeOemString(kernel: Kernel, text: PVOID) -> None:
    made = wide(kernel, text)
    if made["Buffer"]:
        kernel.pool.free(made["Buffer"])
        made.clear()


# Counted ANSI strings


def _data(kernel: Kernel, made: Struct) -> bytes:
    return kernel.read(made["Buffer"], made["Length"]) if made["Length"] else b""


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def RtlCopyString(kernel: Kernel, to: PVOID, source: PVOID) -> None:
    made = wide(kernel, to)
    data = _data(kernel, wide(kernel, source))[: made["MaximumLength"]] if source else b""
    if data:
        kernel.write(made["Buffer"], data)
    made["Length"] = len(data)


def _append(kernel: Kernel, to: int, data: bytes) -> int:
    made = wide(kernel, to)
    if made["Length"] + len(data) > made["MaximumLength"]:
        return Status.BUFFER_TOO_SMALL
    if data:
        kernel.write(made["Buffer"] + made["Length"], data)
        made["Length"] += len(data)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAppendStringToString(kernel: Kernel, to: PVOID, source: PVOID) -> NTSTATUS:
    return _append(kernel, to, _data(kernel, wide(kernel, source)))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAppendAsciizToString(kernel: Kernel, to: PVOID, source: PVOID) -> NTSTATUS:
    return _append(kernel, to, kernel.ansi_string(source).encode("latin-1") if source else b"")


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlPrefixString(kernel: Kernel, prefix: PVOID, text: PVOID, ignore_case: BOOLEAN) -> BOOLEAN:
    start, whole = ansi(kernel, prefix), ansi(kernel, text)
    return int(fold(whole).startswith(fold(start)) if ignore_case else whole.startswith(start))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUpperChar(kernel: Kernel, character: UCHAR) -> UCHAR:
    return ord(fold(chr(character)).encode("latin-1", "replace"))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUpperString(kernel: Kernel, to: PVOID, source: PVOID) -> None:
    made = wide(kernel, to)
    data = fold(ansi(kernel, source)).encode("latin-1", "replace")[: made["MaximumLength"]]
    if data:
        kernel.write(made["Buffer"], data)
    made["Length"] = len(data)


# Counted Unicode strings


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def RtlInitUnicodeStringEx(kernel: Kernel, to: PVOID, source: PVOID) -> NTSTATUS:
    data = kernel.wide_string(source).encode("utf-16-le", "surrogatepass") if source else b""
    return _initialise(kernel, to, source, len(data), 2)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def RtlInitAnsiStringEx(kernel: Kernel, to: PVOID, source: PVOID) -> NTSTATUS:
    return _initialise(kernel, to, source, len(kernel.ansi_string(source)) if source else 0, 1)


def _initialise(kernel: Kernel, to: int, source: int, length: int, unit: int) -> int:
    made = wide(kernel, to)
    made.clear()
    if length + unit > 0xFFFF:
        return Status.NAME_TOO_LONG
    made["Buffer"], made["Length"] = source, length
    made["MaximumLength"] = length + unit if source else 0
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlDuplicateUnicodeString(kernel: Kernel, flags: ULONG, source: PVOID, to: PVOID) -> NTSTATUS:
    data = _data(kernel, wide(kernel, source)) if source else b""
    if not data and not flags & _NULL_WITH_EMPTY:
        wide(kernel, to).clear()
        return Status.SUCCESS
    return give_text(kernel, to, data, 1, 2 if flags & _NO_NULL else 0)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlValidateUnicodeString(kernel: Kernel, flags: ULONG, text: PVOID) -> NTSTATUS:
    made = wide(kernel, text)
    length, most = made["Length"], made["MaximumLength"]
    good = not flags and not length % 2 and not most % 2 and length <= most and (made["Buffer"] or not most)
    return Status.SUCCESS if good else Status.INVALID_PARAMETER


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlHashUnicodeString(
    kernel: Kernel, text: PVOID, ignore_case: BOOLEAN, algorithm: ULONG, result: PVOID
) -> NTSTATUS:
    if algorithm not in (_HASH_DEFAULT, _HASH_X65599):
        return Status.INVALID_PARAMETER
    given = kernel.unicode_string(text)
    value = 0
    for character in fold(given) if ignore_case else given:
        value = (value * 65599 + ord(character)) & 0xFFFFFFFF
    kernel.put_u32(result, value)
    return Status.SUCCESS


def digits(value: int, base: int) -> str:
    """A number as the kernel writes it: upper case, no prefix."""
    text = ""
    while value or not text:
        value, digit = divmod(value, base)
        text = "0123456789ABCDEF"[digit] + text
    return text


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlInt64ToUnicodeString(kernel: Kernel, value: ULONGLONG, base: ULONG, to: PVOID) -> NTSTATUS:
    if (base or 10) not in _BASES:
        return Status.INVALID_PARAMETER
    made, data = wide(kernel, to), digits(value, base or 10).encode("utf-16-le")
    if len(data) > made["MaximumLength"]:
        return Status.BUFFER_OVERFLOW
    store_text(kernel, made, data)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlIntegerToChar(kernel: Kernel, value: ULONG, base: ULONG, room: ULONG, to: PVOID) -> NTSTATUS:
    if (base or 10) not in _BASES:
        return Status.INVALID_PARAMETER
    text = digits(value, base or 10).encode("ascii")
    if len(text) > room:
        return Status.BUFFER_OVERFLOW
    kernel.write(to, text + bytes(len(text) < room))
    return Status.SUCCESS


# Memory


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlCompareMemoryUlong(kernel: Kernel, source: PVOID, length: SIZE_T, pattern: ULONG) -> SIZE_T:
    for at in range(0, length & ~3, 4):
        if kernel.u32(source + at) != pattern:
            return at
    return length & ~3


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlFillMemoryUlong(kernel: Kernel, to: PVOID, length: SIZE_T, pattern: ULONG) -> None:
    kernel.write(to, pattern.to_bytes(4, "little") * (length // 4))


@routine(_NTOS, irql_max=HIGH_LEVEL, name="RtlCopyMemory")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="RtlCopyMemoryNonTemporal")
def copy_memory(kernel: Kernel, to: PVOID, source: PVOID, length: SIZE_T) -> None:
    """The ranges must not overlap."""
    if length and to < source + length and source < to + length and to != source:
        kernel.violation("RtlCopyMemory of ranges that overlap; RtlMoveMemory is for that.")
    if length:
        kernel.write(to, kernel.read(source, length))
