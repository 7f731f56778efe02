# SPDX-License-Identifier: GPL-2.0-or-later
"""Formats give what the Windows C runtime gives; the expected texts are from its documentation."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.errors import Violation
from xenlab.nt.crt import format_bounded
from xenlab.nt.kernel import Kernel
from xenlab.nt.printf import render
from xenlab.nt.routine import DISPATCH_LEVEL, VarArgs
from xenlab.world import World


@dataclass(frozen=True)
class Wide:
    """A 64-bit argument, which takes two slots on x86."""

    value: int


Argument = int | str | bytes | Wide


@pytest.fixture(scope="module", params=["x64", "x32"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return Kernel(Machine(request.param, World(), BarePlatform()))


def arguments(kernel: Kernel, given: tuple[Argument, ...]) -> VarArgs:
    """Lay arguments out as a caller does: str is a wide string, bytes a narrow one."""
    slots = b""
    for each in given:
        if isinstance(each, Wide):
            slots += (each.value & (1 << 64) - 1).to_bytes(8, "little")
            continue
        if isinstance(each, int):
            value = each & (1 << 8 * kernel.pointer_size) - 1
        else:
            data = each + b"\0" if isinstance(each, bytes) else f"{each}\0".encode("utf-16-le")
            value = kernel.alloc(len(data))
            kernel.write(value, data)
        slots += value.to_bytes(kernel.pointer_size, "little")
    at = kernel.alloc(len(slots) + 16)
    kernel.write(at, slots)
    return VarArgs(kernel, at)


@pytest.mark.parametrize(
    ("form", "given", "expected"),
    [
        ("plain 100%%", (), "plain 100%"),
        ("%d %i %u", (-1, 42, 0xFFFFFFFF), "-1 42 4294967295"),
        ("%08x %#x %X", (0xC0000001, 0x1F, 0xABC), "c0000001 0x1f ABC"),
        ("[%5d] [%-5d] [%05d] [%+d] [% d]", (42, 42, -42, 42, 42), "[   42] [42   ] [-0042] [+42] [ 42]"),
        ("[%.3d] [%6.3d] [%.0d]", (7, 7, 0), "[007] [   007] []"),
        ("[%*d] [%-*d] [%.*d]", (4, 1, 4, 2, 3, 3), "[   1] [2   ] [003]"),
        ("%I64x %I64d %llu", (Wide(0x123456789ABCDEF0), Wide(-5), Wide(1 << 40)), "123456789abcdef0 -5 1099511627776"),
        ("%I32u %hd %hu", (7, 0x1FFFF, 0x1FFFF), "7 -1 65535"),
        ("%s|%10s|%-6s|%.2s", (b"abc", b"abc", b"abc", b"abc"), "abc|       abc|abc   |ab"),
        ("%ws %S %ls", ("wide", "w2", "w3"), "wide w2 w3"),
        ("%c%c", (0x41, 0x42), "AB"),
        ("%s", (0,), "(null)"),
        ("%o %#o", (8, 8), "10 010"),
    ],
)
def test_a_format(kernel: Kernel, form: str, given: tuple[Argument, ...], expected: str):
    assert render(kernel, form, arguments(kernel, given)) == expected


def test_a_pointer_has_all_its_digits(kernel: Kernel):
    assert render(kernel, "%p", arguments(kernel, (0x12AB,))) == "12AB".rjust(2 * kernel.pointer_size, "0")


def test_a_counted_string_need_not_be_terminated(kernel: Kernel):
    text = kernel.alloc(4)
    kernel.write(text, "ab".encode("utf-16-le"))
    counted = kernel.alloc(16)
    kernel.put_u16(counted, 4)
    kernel.put_ptr(counted + kernel.pointer_size, text)
    assert render(kernel, "<%wZ>", arguments(kernel, (counted,))) == "<ab>"


def test_in_a_wide_format_s_is_wide_and_capital_s_is_not(kernel: Kernel):
    assert render(kernel, "%s %S %hs", arguments(kernel, ("wide", b"one", b"two")), wide=True) == "wide one two"


@pytest.mark.parametrize("form", ["%ws", "%S", "%wZ", "%C", "%ls"])
def test_unicode_is_for_passive_level(kernel: Kernel, form: str):
    old = kernel.raise_irql(DISPATCH_LEVEL)
    with pytest.raises(Violation, match="IRQL 2"):
        render(kernel, form, arguments(kernel, ("x",)))
    kernel.lower_irql(old)


def test_there_is_no_floating_point(kernel: Kernel):
    with pytest.raises(Violation, match="floating point"):
        render(kernel, "%f", arguments(kernel, (Wide(0),)))


@pytest.mark.parametrize(
    ("count", "stored", "result"),
    [(8, b"12345\0\xee\xee", 5), (5, b"12345\xee\xee\xee", 5), (3, b"123\xee\xee\xee\xee\xee", -1)],
)
def test_a_bounded_format_never_writes_beyond_its_buffer(kernel: Kernel, count: int, stored: bytes, result: int):
    form = kernel.alloc(8)
    kernel.write(form, b"%d\0")
    buffer = kernel.alloc(8)
    kernel.write(buffer, b"\xee" * 8)
    assert format_bounded(kernel, buffer, count, form, arguments(kernel, (12345,)), 1) == result
    assert kernel.read(buffer, 8) == stored
