# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""C run-time routines that the kernel exports beside those of :mod:`xenlab.nt.crt`: sorting, numbers, multibyte texts.

Source: Microsoft C run-time library reference, the page of each function; the locale is "C".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.crt import encode_text, read_text
from xenlab.nt.printf import render
from xenlab.nt.routine import (
    HIGH_LEVEL,
    LONG,
    PVOID,
    SIZE_T,
    ULONG,
    CdeclCall,
    Steps,
    VarArgs,
    routine,
)
from xenlab.nt.rtltext import digits

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_RANDOM_MASK = 0x7FFF
_LARGEST_BASE = 16


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


@routine(_NTOS, irql_max=HIGH_LEVEL)
def qsort(kernel: Kernel, base: PVOID, count: SIZE_T, width: SIZE_T, compare: PVOID) -> Steps:
    """Merges runs in copies, so that the comparison sees elements and never half of one."""
    cells = kernel.alloc(max(2 * width, 1), "Sort")
    runs = [[kernel.read(base + index * width, width)] for index in range(count)]
    while len(runs) > 1:
        merged = []
        for index in range(0, len(runs), 2):
            first, second = runs[index], runs[index + 1] if index + 1 < len(runs) else []
            made = []
            while first and second:
                kernel.write(cells, first[0] + second[0])
                answer = yield CdeclCall(compare, cells, cells + width)
                made.append((second if _signed(answer) > 0 else first).pop(0))
            merged.append(made + first + second)
        runs = merged
    if runs:
        kernel.write(base, b"".join(runs[0]))
    kernel.free(cells)
    return None


@routine(_NTOS, irql_max=HIGH_LEVEL)
def bsearch(kernel: Kernel, key: PVOID, base: PVOID, count: SIZE_T, width: SIZE_T, compare: PVOID) -> Steps:
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        answer = _signed((yield CdeclCall(compare, key, base + middle * width)))
        if answer == 0:
            return base + middle * width
        if answer < 0:
            high = middle
        else:
            low = middle + 1
    return 0


class Random:
    """The state of rand()."""

    def __init__(self, _: Kernel) -> None:
        self.state = 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def srand(kernel: Kernel, seed: ULONG) -> None:
    kernel.part(Random).state = seed


@routine(_NTOS, irql_max=HIGH_LEVEL)
def rand(kernel: Kernel) -> LONG:
    random = kernel.part(Random)
    random.state = (random.state * 214013 + 2531011) & 0xFFFFFFFF
    return random.state >> 16 & _RANDOM_MASK


def _number_text(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, value: LONG, to: PVOID, base: LONG) -> PVOID:
        """Negative numbers have a sign in base 10 alone."""
        if not 2 <= base <= _LARGEST_BASE:
            kernel.violation(f"A number is to be written in base {base}; the lab has bases up to 16.")
        negative = base == 10 and value < 0
        text = ("-" if negative else "") + digits(-value if negative else value & 0xFFFFFFFF, base).lower()
        kernel.write(to, encode_text(f"{text}\0", unit))
        return to

    return function


def _complement_span(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, text: PVOID, refused: PVOID) -> SIZE_T:
        whole, stop = read_text(kernel, text, unit), read_text(kernel, refused, unit)
        return next((index for index, character in enumerate(whole) if character in stop), len(whole))

    return function


def _reverse(unit: int) -> Callable[..., Any]:
    def function(kernel: Kernel, text: PVOID) -> PVOID:
        kernel.write(text, encode_text(read_text(kernel, text, unit)[::-1], unit))
        return text

    return function


def _set(unit: int, bounded: bool) -> Callable[..., Any]:
    def fill(kernel: Kernel, text: int, character: int, count: int) -> int:
        length = min(len(read_text(kernel, text, unit)), count)
        if length:
            kernel.write(text, encode_text(chr(character & (0xFF if unit == 1 else 0xFFFF)) * length, unit))
        return text

    def whole(kernel: Kernel, text: PVOID, character: LONG) -> PVOID:
        return fill(kernel, text, character, 1 << 31)

    def part(kernel: Kernel, text: PVOID, character: LONG, count: SIZE_T) -> PVOID:
        return fill(kernel, text, character, count)

    return part if bounded else whole


for _name, _made in {
    "_itoa": _number_text(1),
    "_itow": _number_text(2),
    "wcscspn": _complement_span(2),
    "_strrev": _reverse(1),
    "_wcsrev": _reverse(2),
    "_strset": _set(1, False),
    "_strnset": _set(1, True),
    "_wcsnset": _set(2, True),
}.items():
    routine(_NTOS, irql_max=HIGH_LEVEL, name=_name)(_made)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def mbstowcs(kernel: Kernel, to: PVOID, source: PVOID, count: SIZE_T) -> SIZE_T:
    text = kernel.ansi_string(source)
    if to:
        kernel.write(to, encode_text(f"{text}\0"[:count], 2))
    return min(len(text), count) if to else len(text)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def wcstombs(kernel: Kernel, to: PVOID, source: PVOID, count: SIZE_T) -> SIZE_T:
    text = kernel.wide_string(source)
    if any(ord(character) > 0xFF for character in text):
        return (1 << 8 * kernel.pointer_size) - 1
    if to:
        kernel.write(to, encode_text(f"{text}\0"[:count], 1))
    return min(len(text), count) if to else len(text)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def mbtowc(kernel: Kernel, to: PVOID, source: PVOID, count: SIZE_T) -> LONG:
    if not source or not count:
        return 0
    character = kernel.u8(source)
    if to:
        kernel.put_u16(to, character)
    return int(character != 0)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def wctomb(kernel: Kernel, to: PVOID, character: ULONG) -> LONG:
    if not to:
        return 0
    if character & 0xFFFF > 0xFF:
        return -1
    kernel.put_u8(to, character)
    return 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def _purecall(kernel: Kernel) -> LONG:
    kernel.violation("A pure virtual function is called.")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def _swprintf(kernel: Kernel, to: PVOID, form: PVOID, arguments: VarArgs) -> LONG:
    text = render(kernel, kernel.wide_string(form), arguments, wide=True)
    kernel.write(to, encode_text(f"{text}\0", 2))
    return len(text)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def _vswprintf(kernel: Kernel, to: PVOID, form: PVOID, arguments: PVOID) -> LONG:
    text = render(kernel, kernel.wide_string(form), VarArgs(kernel, arguments), wide=True)
    kernel.write(to, encode_text(f"{text}\0", 2))
    return len(text)
