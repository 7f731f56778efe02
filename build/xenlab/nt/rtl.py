# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Run-time library: counted strings, memory, time, versions, GUIDs.

Source: Windows Driver Kit, "Run-Time Library (RTL) Routines", the page of each routine.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.codes import Status
from xenlab.nt.objects import Struct, view
from xenlab.nt.routine import (
    BOOLEAN,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    LONG,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    UCHAR,
    ULONG,
    USHORT,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_LONGEST = 0xFFFC
_EPOCH = datetime.datetime(1601, 1, 1)
_BASES = {0: 10, 2: 2, 8: 8, 10: 10, 16: 16}
_BUILDS = {(5, 0): 2195, (5, 1): 2600, (5, 2): 3790, (6, 0): 6001}
_PLATFORM_NT = 2


def wide(kernel: Kernel, address: int) -> Struct:
    """View a UNICODE_STRING (or a STRING, which is laid out alike)."""
    return view(kernel, "UNICODE_STRING", address)


def ansi(kernel: Kernel, address: int) -> str:
    given = wide(kernel, address)
    return kernel.read(given["Buffer"], given["Length"]).decode("latin-1") if given["Length"] else ""


def fold(text: str) -> str:
    """Upper case as the kernel has it: a character at a time."""
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in text)


def _initialise(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, source: PVOID) -> None:
        """A longer text than a counted string can hold is cut."""
        made = wide(kernel, to)
        text = (kernel.wide_string(source) if unit == 2 else kernel.ansi_string(source)) if source else ""
        length = min(len(text.encode("utf-16-le", "surrogatepass")) if unit == 2 else len(text), _LONGEST)
        made["Buffer"] = source
        made["Length"] = length
        made["MaximumLength"] = length + unit if source else 0

    return function


for _name, _unit in (("RtlInitUnicodeString", 2), ("RtlInitAnsiString", 1), ("RtlInitString", 1)):
    routine(_NTOS, irql_max=DISPATCH_LEVEL, name=_name)(_initialise(_unit))


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
def RtlCopyUnicodeString(kernel: Kernel, to: PVOID, source: PVOID) -> None:
    """Copies what fits, and a terminator where there is still room for one."""
    made = wide(kernel, to)
    data = b"" if not source else _data(kernel, source)[: made["MaximumLength"]]
    store_text(kernel, made, data)


def _data(kernel: Kernel, address: int) -> bytes:
    given = wide(kernel, address)
    return kernel.read(given["Buffer"], given["Length"]) if given["Length"] else b""


def store_text(kernel: Kernel, made: Struct, data: bytes) -> None:
    terminator = b"\0\0" if len(data) + 2 <= made["MaximumLength"] else b""
    if data or terminator:
        kernel.write(made["Buffer"], data + terminator)
    made["Length"] = len(data)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAppendUnicodeToString(kernel: Kernel, to: PVOID, source: PVOID) -> NTSTATUS:
    return _append(kernel, to, kernel.wide_string(source).encode("utf-16-le", "surrogatepass") if source else b"")


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAppendUnicodeStringToString(kernel: Kernel, to: PVOID, source: PVOID) -> NTSTATUS:
    return _append(kernel, to, _data(kernel, source))


def _append(kernel: Kernel, to: int, data: bytes) -> int:
    made = wide(kernel, to)
    if made["Length"] + len(data) > made["MaximumLength"]:
        return Status.BUFFER_TOO_SMALL
    if data:
        store_text(kernel, made, _data(kernel, to) + data)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCompareUnicodeString(kernel: Kernel, one: PVOID, other: PVOID, ignore_case: BOOLEAN) -> LONG:
    texts = [kernel.unicode_string(each) for each in (one, other)]
    first, second = [fold(text) if ignore_case else text for text in texts]
    return (first > second) - (first < second)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlEqualUnicodeString(kernel: Kernel, one: PVOID, other: PVOID, ignore_case: BOOLEAN) -> BOOLEAN:
    return int(RtlCompareUnicodeString(kernel, one, other, ignore_case) == 0)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlPrefixUnicodeString(kernel: Kernel, prefix: PVOID, text: PVOID, ignore_case: BOOLEAN) -> BOOLEAN:
    start, whole = kernel.unicode_string(prefix), kernel.unicode_string(text)
    return int(fold(whole).startswith(fold(start)) if ignore_case else whole.startswith(start))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCompareString(kernel: Kernel, one: PVOID, other: PVOID, ignore_case: BOOLEAN) -> LONG:
    first, second = [ansi(kernel, each).upper() if ignore_case else ansi(kernel, each) for each in (one, other)]
    return (first > second) - (first < second)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlEqualString(kernel: Kernel, one: PVOID, other: PVOID, ignore_case: BOOLEAN) -> BOOLEAN:
    return int(RtlCompareString(kernel, one, other, ignore_case) == 0)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUpcaseUnicodeChar(kernel: Kernel, character: USHORT) -> USHORT:
    return ord(fold(chr(character)))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUpcaseUnicodeString(kernel: Kernel, to: PVOID, source: PVOID, allocate: BOOLEAN) -> NTSTATUS:
    return give_text(kernel, to, fold(kernel.unicode_string(source)).encode("utf-16-le", "surrogatepass"), allocate, 0)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlDowncaseUnicodeString(kernel: Kernel, to: PVOID, source: PVOID, allocate: BOOLEAN) -> NTSTATUS:
    lower = "".join(low if len(low := each.lower()) == 1 else each for each in kernel.unicode_string(source))
    return give_text(kernel, to, lower.encode("utf-16-le", "surrogatepass"), allocate, 0)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAnsiStringToUnicodeString(kernel: Kernel, to: PVOID, source: PVOID, allocate: BOOLEAN) -> NTSTATUS:
    return give_text(kernel, to, ansi(kernel, source).encode("utf-16-le"), allocate, 2)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUnicodeStringToAnsiString(kernel: Kernel, to: PVOID, source: PVOID, allocate: BOOLEAN) -> NTSTATUS:
    return give_text(kernel, to, kernel.unicode_string(source).encode("latin-1", errors="replace"), allocate, 1)


def give_text(kernel: Kernel, to: int, data: bytes, allocate: int, terminator: int) -> int:
    """Store a converted string, in memory of its own if asked; with `terminator` zero bytes behind it."""
    made = wide(kernel, to)
    whole = data + bytes(terminator)
    if len(whole) > 0xFFFF:
        return Status.INVALID_PARAMETER_2
    if allocate:
        made["Buffer"] = kernel.pool.allocate(max(len(whole), 1), "Strg", True)
        if not made["Buffer"]:
            return Status.NO_MEMORY
        made["MaximumLength"] = len(whole)
    elif len(whole) > made["MaximumLength"]:
        return Status.BUFFER_OVERFLOW
    kernel.write(made["Buffer"], whole)
    made["Length"] = len(data)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="RtlFreeUnicodeString")
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="RtlFreeAnsiString")
def RtlFreeUnicodeString(kernel: Kernel, text: PVOID) -> None:
    made = wide(kernel, text)
    if made["Buffer"]:
        kernel.pool.free(made["Buffer"])
        made.clear()


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCreateUnicodeString(kernel: Kernel, to: PVOID, source: PVOID) -> BOOLEAN:
    data = kernel.wide_string(source).encode("utf-16-le", "surrogatepass")
    return int(give_text(kernel, to, data, 1, 2) == Status.SUCCESS)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlxAnsiStringToUnicodeSize(kernel: Kernel, text: PVOID) -> ULONG:
    return 2 * wide(kernel, text)["Length"] + 2


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlxUnicodeStringToAnsiSize(kernel: Kernel, text: PVOID) -> ULONG:
    return wide(kernel, text)["Length"] // 2 + 1


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlIntegerToUnicodeString(kernel: Kernel, value: ULONG, base: ULONG, to: PVOID) -> NTSTATUS:
    if base not in _BASES:
        return Status.INVALID_PARAMETER
    digits, base = "", _BASES[base]
    while value or not digits:
        value, digit = divmod(value, base)
        digits = "0123456789ABCDEF"[digit] + digits
    made = wide(kernel, to)
    if 2 * len(digits) > made["MaximumLength"]:
        return Status.BUFFER_OVERFLOW
    store_text(kernel, made, digits.encode("utf-16-le"))
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlUnicodeStringToInteger(kernel: Kernel, text: PVOID, base: ULONG, result: PVOID) -> NTSTATUS:
    return _parse_integer(kernel, kernel.unicode_string(text), base, result)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCharToInteger(kernel: Kernel, text: PVOID, base: ULONG, result: PVOID) -> NTSTATUS:
    return _parse_integer(kernel, kernel.ansi_string(text), base, result)


def _parse_integer(kernel: Kernel, text: str, base: int, result: int) -> int:
    """A base of 0 goes by the prefix 0x, 0o or 0b; reading ends at the first character that is no digit; none is 0."""
    if base not in _BASES:
        return Status.INVALID_PARAMETER
    match = re.match(r"[\x00-\x20]*([+-]?)(.*)", text, re.DOTALL)
    sign, rest = (match[1], match[2]) if match else ("", text)
    prefix = {"0x": 16, "0o": 8, "0b": 2}.get(rest[:2]) if base == 0 else None
    if prefix:
        base, rest = prefix, rest[2:]
    digits = re.match(f"[{'0123456789abcdef'[: _BASES.get(base, base)]}]*", rest, re.IGNORECASE)
    value = int(digits[0], _BASES.get(base, base)) if digits and digits[0] else 0
    kernel.put_u32(result, -value if sign == "-" else value)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlStringFromGUID(kernel: Kernel, guid: PVOID, to: PVOID) -> NTSTATUS:
    text = f"{{{uuid.UUID(bytes_le=kernel.read(guid, 16))}}}".upper()
    return give_text(kernel, to, text.encode("utf-16-le"), 1, 2)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlGUIDFromString(kernel: Kernel, text: PVOID, guid: PVOID) -> NTSTATUS:
    given = kernel.unicode_string(text)
    if not re.fullmatch(r"\{[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}", given):
        return Status.INVALID_PARAMETER
    kernel.write(guid, uuid.UUID(given).bytes_le)
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlCompareMemory(kernel: Kernel, one: PVOID, other: PVOID, size: SIZE_T) -> SIZE_T:
    first, second = kernel.read(one, size), kernel.read(other, size)
    return next((index for index in range(size) if first[index] != second[index]), size)


@routine(_NTOS, irql_max=HIGH_LEVEL, name="RtlMoveMemory")
def RtlMoveMemory(kernel: Kernel, to: PVOID, source: PVOID, size: SIZE_T) -> None:
    if size:
        kernel.write(to, kernel.read(source, size))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlZeroMemory(kernel: Kernel, to: PVOID, size: SIZE_T) -> None:
    kernel.write(to, bytes(size))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlFillMemory(kernel: Kernel, to: PVOID, size: SIZE_T, value: UCHAR) -> None:
    kernel.write(to, bytes([value]) * size)


def _swap(size: int) -> Callable[[int], int]:
    return lambda value: int.from_bytes(value.to_bytes(size, "little"), "big")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlUlongByteSwap(kernel: Kernel, value: ULONG) -> ULONG:
    return _swap(4)(value)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlUshortByteSwap(kernel: Kernel, value: ULONG) -> USHORT:
    return _swap(2)(value & 0xFFFF)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlTimeToTimeFields(kernel: Kernel, time: PVOID, fields: PVOID) -> None:
    moment = _EPOCH + datetime.timedelta(microseconds=kernel.u64(time) // 10)
    made = view(kernel, "TIME_FIELDS", fields)
    made["Year"], made["Month"], made["Day"] = moment.year, moment.month, moment.day
    made["Hour"], made["Minute"], made["Second"] = moment.hour, moment.minute, moment.second
    made["Milliseconds"], made["Weekday"] = moment.microsecond // 1000, moment.isoweekday() % 7


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlTimeFieldsToTime(kernel: Kernel, fields: PVOID, time: PVOID) -> BOOLEAN:
    given = view(kernel, "TIME_FIELDS", fields)
    date = [given[each] for each in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    try:
        moment = datetime.datetime(date[0], date[1], date[2], date[3], date[4], date[5], given["Milliseconds"] * 1000)
    except ValueError:
        return 0
    if moment < _EPOCH:
        return 0
    kernel.put_u64(time, (moment - _EPOCH) // datetime.timedelta(microseconds=1) * 10)
    return 1


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlGetVersion(kernel: Kernel, information: PVOID) -> NTSTATUS:
    made = view(kernel, "OSVERSIONINFOW", information)
    made["dwMajorVersion"], made["dwMinorVersion"] = kernel.nt
    made["dwBuildNumber"] = _BUILDS.get(kernel.nt, 0)
    made["dwPlatformId"] = _PLATFORM_NT
    kernel.write(made.at("szCSDVersion"), bytes(256))
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def PsGetVersion(kernel: Kernel, major: PVOID, minor: PVOID, build: PVOID, service_pack: PVOID) -> BOOLEAN:
    """TRUE on a checked build of Windows, which the lab's is not."""
    for where, value in ((major, kernel.nt[0]), (minor, kernel.nt[1]), (build, _BUILDS.get(kernel.nt, 0))):
        if where:
            kernel.put_u32(where, value)
    if service_pack:
        wide(kernel, service_pack)["Length"] = 0
    return 0
