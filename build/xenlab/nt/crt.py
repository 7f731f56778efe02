# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The C runtime routines that the kernel exports.

Source: Microsoft C Run-Time Library, the page of each routine. Most come twice, for narrow and for wide characters, and
are made here from one function over the size of a character.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.printf import render
from xenlab.nt.routine import (
    HIGH_LEVEL,
    LONG,
    NTSTATUS,
    PVOID,
    SIZE_T,
    ULONG,
    USHORT,
    VarArgs,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_TOO_LONG = -1


def read_text(kernel: Kernel, address: int, unit: int) -> str:
    return kernel.wide_string(address) if unit == 2 else kernel.ansi_string(address)


def encode_text(text: str, unit: int) -> bytes:
    return text.encode("utf-16-le", errors="surrogatepass") if unit == 2 else text.encode("latin-1", errors="replace")


def _write(kernel: Kernel, address: int, text: str, unit: int) -> None:
    kernel.write(address, encode_text(f"{text}\0", unit))


def _export(make: Callable[[int], Callable[..., Any]], narrow: str, wide: str) -> None:
    """Register what `make` returns for one and for two bytes a character under its two names."""
    for name, unit in ((narrow, 1), (wide, 2)):
        if name:
            routine(_NTOS, irql_max=HIGH_LEVEL, name=name)(make(unit))


@routine(_NTOS, irql_max=HIGH_LEVEL, name="memcpy")
@routine(_NTOS, irql_max=HIGH_LEVEL, name="memmove")
def memmove(kernel: Kernel, to: PVOID, source: PVOID, size: SIZE_T) -> PVOID:
    if size:
        kernel.write(to, kernel.read(source, size))
    return to


@routine(_NTOS, irql_max=HIGH_LEVEL)
def memset(kernel: Kernel, to: PVOID, value: ULONG, size: SIZE_T) -> PVOID:
    kernel.write(to, bytes([value & 0xFF]) * size)
    return to


@routine(_NTOS, irql_max=HIGH_LEVEL)
def memcmp(kernel: Kernel, one: PVOID, other: PVOID, size: SIZE_T) -> LONG:
    return _order(kernel.read(one, size), kernel.read(other, size))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def memchr(kernel: Kernel, data: PVOID, value: ULONG, size: SIZE_T) -> PVOID:
    at = kernel.read(data, size).find(value & 0xFF)
    return data + at if at >= 0 else 0


def _order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _length(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, text: PVOID) -> SIZE_T:
        return len(encode_text(read_text(kernel, text, unit), unit)) // unit

    return function


def _compare(fold: bool) -> Callable[[int], Callable[..., Any]]:
    def make(unit: int) -> Callable[..., Any]:
        def function(kernel: Kernel, one: PVOID, other: PVOID) -> LONG:
            texts = [read_text(kernel, each, unit) for each in (one, other)]
            return _order(*(text.lower() if fold else text for text in texts))

        return function

    return make


def _compare_part(fold: bool) -> Callable[[int], Callable[..., Any]]:
    def make(unit: int) -> Callable[..., Any]:
        def function(kernel: Kernel, one: PVOID, other: PVOID, count: SIZE_T) -> LONG:
            texts = [_at_most(kernel, each, count, unit) for each in (one, other)]
            return _order(*(text.lower() if fold else text for text in texts))

        return function

    return make


def _at_most(kernel: Kernel, address: int, count: int, unit: int) -> str:
    """Return up to `count` characters, reading nothing beyond them or a terminator."""
    found = bytearray()
    while len(found) < count * unit and any(character := kernel.read(address + len(found), unit)):
        found += character
    return found.decode("utf-16-le" if unit == 2 else "latin-1", errors="replace")


def _copy(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, source: PVOID) -> PVOID:
        _write(kernel, to, read_text(kernel, source, unit), unit)
        return to

    return function


def _copy_part(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, source: PVOID, count: SIZE_T) -> PVOID:
        """Fills all of `count`, and puts no terminator where the text is longer."""
        text = encode_text(_at_most(kernel, source, count, unit), unit)
        kernel.write(to, text.ljust(count * unit, b"\0"))
        return to

    return function


def _append(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, source: PVOID) -> PVOID:
        _write(kernel, to, read_text(kernel, to, unit) + read_text(kernel, source, unit), unit)
        return to

    return function


def _append_part(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, source: PVOID, count: SIZE_T) -> PVOID:
        _write(kernel, to, read_text(kernel, to, unit) + _at_most(kernel, source, count, unit), unit)
        return to

    return function


def _find(last: bool) -> Callable[[int], Callable[..., Any]]:
    def make(unit: int) -> Callable[..., Any]:
        def function(kernel: Kernel, text: PVOID, character: USHORT) -> PVOID:
            wanted = chr(character & (0xFF if unit == 1 else 0xFFFF))
            whole = f"{read_text(kernel, text, unit)}\0"
            at = whole.rfind(wanted) if last else whole.find(wanted)
            return text + at * unit if at >= 0 else 0

        return function

    return make


def _find_text(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, text: PVOID, wanted: PVOID) -> PVOID:
        at = read_text(kernel, text, unit).find(read_text(kernel, wanted, unit))
        return text + at * unit if at >= 0 else 0

    return function


def _span(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, text: PVOID, allowed: PVOID) -> SIZE_T:
        whole = read_text(kernel, text, unit)
        return len(whole) - len(whole.lstrip(read_text(kernel, allowed, unit) or "\0"))

    return function


def _change(change: Callable[[str], str]) -> Callable[[int], Callable[..., Any]]:
    def make(unit: int) -> Callable[..., Any]:
        def function(kernel: Kernel, text: PVOID) -> PVOID:
            _write(kernel, text, change(read_text(kernel, text, unit)), unit)
            return text

        return function

    return make


def _number(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, text: PVOID) -> LONG:
        match = re.match(r"\s*[+-]?\d+", read_text(kernel, text, unit))
        return int(match[0]) if match else 0

    return function


_export(_length, "strlen", "wcslen")
_export(_compare(False), "strcmp", "wcscmp")
_export(_compare(True), "_stricmp", "_wcsicmp")
_export(_compare_part(False), "strncmp", "wcsncmp")
_export(_compare_part(True), "_strnicmp", "_wcsnicmp")
_export(_copy, "strcpy", "wcscpy")
_export(_copy_part, "strncpy", "wcsncpy")
_export(_append, "strcat", "wcscat")
_export(_append_part, "strncat", "wcsncat")
_export(_find(False), "strchr", "wcschr")
_export(_find(True), "strrchr", "wcsrchr")
_export(_find_text, "strstr", "wcsstr")
_export(_span, "strspn", "wcsspn")
_export(_change(str.lower), "_strlwr", "_wcslwr")
_export(_change(str.upper), "_strupr", "_wcsupr")
_export(_number, "atoi", "_wtoi")
_export(_number, "atol", "_wtol")


def _letter(change: Callable[[str], str], widest: int) -> Callable[..., Any]:
    def function(kernel: Kernel, character: ULONG) -> ULONG:
        changed = change(chr(character)) if character <= widest else ""
        return ord(changed) if len(changed) == 1 and ord(changed) <= widest else character

    return function


def _test(test: Callable[[str], bool]) -> Callable[..., Any]:
    def function(kernel: Kernel, character: ULONG) -> LONG:
        return int(character < 0x80 and test(chr(character)))

    return function


for _name, _made in {
    "toupper": _letter(str.upper, 0x7F),
    "tolower": _letter(str.lower, 0x7F),
    "towupper": _letter(str.upper, 0xFFFF),
    "towlower": _letter(str.lower, 0xFFFF),
    "isdigit": _test(str.isdigit),
    "islower": _test(str.islower),
    "isupper": _test(str.isupper),
    "isspace": _test(str.isspace),
    "isprint": _test(str.isprintable),
    "isxdigit": _test(lambda character: character in "0123456789abcdefABCDEF"),
}.items():
    routine(_NTOS, irql_max=HIGH_LEVEL, name=_name)(_made)


def format_bounded(kernel: Kernel, to: int, count: int, form: int, arguments: VarArgs, unit: int) -> int:
    """_vsnprintf and relatives: -1 and no terminator where the text does not fit, no terminator where it just does."""
    text = encode_text(render(kernel, read_text(kernel, form, unit), arguments, wide=unit == 2), unit)
    room = count * unit
    if to:
        kernel.write(to, (text + bytes(unit))[:room])
    return _TOO_LONG if len(text) > room and to else len(text) // unit


def _bounded(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, count: SIZE_T, form: PVOID, arguments: VarArgs) -> LONG:
        return format_bounded(kernel, to, count, form, arguments, unit)

    return function


def _bounded_list(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, count: SIZE_T, form: PVOID, arguments: PVOID) -> LONG:
        return format_bounded(kernel, to, count, form, VarArgs(kernel, arguments), unit)

    return function


def _unbounded(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, to: PVOID, form: PVOID, arguments: VarArgs) -> LONG:
        text = render(kernel, read_text(kernel, form, unit), arguments, wide=unit == 2)
        _write(kernel, to, text, unit)
        return len(text)

    return function


_export(_bounded, "_snprintf", "_snwprintf")
_export(_bounded_list, "_vsnprintf", "_vsnwprintf")
_export(_unbounded, "sprintf", "swprintf")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def vsprintf(kernel: Kernel, to: PVOID, form: PVOID, arguments: PVOID) -> LONG:
    text = render(kernel, kernel.ansi_string(form), VarArgs(kernel, arguments))
    _write(kernel, to, text, 1)
    return len(text)


def debug_print(kernel: Kernel, form: int, arguments: VarArgs) -> None:
    """Tell the trace what a driver prints."""
    kernel.world.trace("debug", render(kernel, kernel.ansi_string(form), arguments).rstrip("\n"))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgPrint(kernel: Kernel, form: PVOID, arguments: VarArgs) -> NTSTATUS:
    debug_print(kernel, form, arguments)
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def DbgPrintEx(kernel: Kernel, component: ULONG, level: ULONG, form: PVOID, arguments: VarArgs) -> NTSTATUS:
    debug_print(kernel, form, arguments)
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def vDbgPrintEx(kernel: Kernel, component: ULONG, level: ULONG, form: PVOID, arguments: PVOID) -> NTSTATUS:
    debug_print(kernel, form, VarArgs(kernel, arguments))
    return 0


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlAssert(kernel: Kernel, failed: PVOID, file: PVOID, line: ULONG, message: PVOID) -> None:
    """ASSERT of a checked build stops in the debugger."""
    told = f" {kernel.ansi_string(message)}" if message else ""
    kernel.violation(f"Assertion failed: {kernel.ansi_string(failed)}, {kernel.ansi_string(file)}:{line}.{told}")
