# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""64-bit arithmetic: what an x86 compiler calls for it, and the LARGE_INTEGER routines of compilers without it.

Sources: Microsoft C run-time library, llmul.asm and its relatives as the "compiler helper" convention describes them
(operands on the stack and taken off, shifts in EDX:EAX by CL, results in EDX:EAX, remainders of the dvrm pair in
EBX:ECX); Windows Driver Kit, RtlLargeIntegerAdd, RtlExtendedLargeIntegerDivide, RtlEnlargedIntegerMultiply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xenlab.errors import Violation
from xenlab.nt.routine import BOOLEAN, CCHAR, HIGH_LEVEL, LONG, LONGLONG, PVOID, ULONG, ULONGLONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_64 = (1 << 64) - 1
_OPERANDS = 16


def _operands(kernel: Kernel, signed: bool) -> tuple[int, int]:
    data = kernel.read(kernel.machine.sp + 4, _OPERANDS)
    first, second = (int.from_bytes(data[at : at + 8], "little", signed=signed) for at in (0, 8))
    return first, second


def _put(kernel: Kernel, value: int, remainder: int | None = None) -> None:
    registers = {"eax": value & 0xFFFFFFFF, "edx": value >> 32 & 0xFFFFFFFF, "ecx": 0xBAD00BAD}
    if remainder is not None:
        registers |= {"ecx": remainder & 0xFFFFFFFF, "ebx": remainder >> 32 & 0xFFFFFFFF}
    kernel.machine.set(registers)


def _divide(dividend: int, divisor: int) -> tuple[int, int]:
    """Quotient towards zero and remainder, as the processor divides."""
    if not divisor:
        raise Violation("The code divides by zero.")
    quotient = abs(dividend) // abs(divisor)
    quotient = -quotient if (dividend < 0) != (divisor < 0) else quotient
    return quotient, dividend - quotient * divisor


def _on_operands(signed: bool, compute: Callable[[int, int], int]) -> Callable[[Kernel], None]:
    return lambda kernel: _put(kernel, compute(*_operands(kernel, signed)))


def _on_both(signed: bool) -> Callable[[Kernel], None]:
    return lambda kernel: _put(kernel, *_divide(*_operands(kernel, signed)))


def _shift(signed: bool, compute: Callable[[int, int], int]) -> Callable[[Kernel], None]:
    def function(kernel: Kernel) -> None:
        low, high, count = kernel.machine.get("eax", "edx", "ecx")
        value = low | high << 32
        if signed and value >> 63:
            value -= 1 << 64
        result = compute(value, count & 0xFF)
        kernel.machine.set({"eax": result & 0xFFFFFFFF, "edx": result >> 32 & 0xFFFFFFFF})

    return function


for _name, _function, _pops in (
    ("_allmul", _on_operands(True, lambda first, second: first * second), _OPERANDS),
    ("_alldiv", _on_operands(True, lambda first, second: _divide(first, second)[0]), _OPERANDS),
    ("_allrem", _on_operands(True, lambda first, second: _divide(first, second)[1]), _OPERANDS),
    ("_aulldiv", _on_operands(False, lambda first, second: _divide(first, second)[0]), _OPERANDS),
    ("_aullrem", _on_operands(False, lambda first, second: _divide(first, second)[1]), _OPERANDS),
    ("_alldvrm", _on_both(True), _OPERANDS),
    ("_aulldvrm", _on_both(False), _OPERANDS),
    ("_allshl", _shift(False, lambda value, count: value << count if count < 64 else 0), 0),
    ("_allshr", _shift(True, lambda value, count: value >> min(count, 63)), 0),
    ("_aullshr", _shift(False, lambda value, count: value >> count if count < 64 else 0), 0),
):
    routine(_NTOS, irql_max=HIGH_LEVEL, name=_name, pops=_pops)(_function)


def _room(alignment: int) -> Callable[[Kernel], None]:
    """Make room on the stack for as many bytes as EAX says: each page of it is touched on the way."""

    def function(kernel: Kernel) -> None:
        size = kernel.machine.get("eax")[0]
        sp = kernel.machine.sp
        returns_to, top = kernel.u32(sp), (sp + 4 - size) & -alignment
        for page in range(sp, top - 4, -0x1000):
            kernel.read(page, 1)
        kernel.put_u32(top - 4, returns_to)
        kernel.machine.set({"esp": top - 4, "eax": top})

    return function


for _name, _alignment in (("_alloca_probe", 4), ("_chkstk", 4), ("_alloca_probe_8", 8), ("_alloca_probe_16", 16)):
    routine(_NTOS, irql_max=HIGH_LEVEL, name=_name, pops=0)(_room(_alignment))


@routine(_NTOS, irql_max=HIGH_LEVEL, name="__chkstk", pops=0)
def probe_stack(kernel: Kernel) -> None:
    """x64: RAX bytes are about to be taken; each page is touched, and no register changes."""
    size, sp = kernel.machine.get("rax", "rsp")
    for page in range(sp, sp - size, -0x1000):
        kernel.read(page, 1)
    kernel.read(sp - size, 1)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerAdd(kernel: Kernel, first: LONGLONG, second: LONGLONG) -> ULONGLONG:
    return (first + second) & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerSubtract(kernel: Kernel, first: LONGLONG, second: LONGLONG) -> ULONGLONG:
    return (first - second) & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerNegate(kernel: Kernel, value: LONGLONG) -> ULONGLONG:
    return -value & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerShiftLeft(kernel: Kernel, value: ULONGLONG, count: CCHAR) -> ULONGLONG:
    return value << (count & 63) & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerShiftRight(kernel: Kernel, value: ULONGLONG, count: CCHAR) -> ULONGLONG:
    return value >> (count & 63)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerArithmeticShift(kernel: Kernel, value: LONGLONG, count: CCHAR) -> ULONGLONG:
    return value >> (count & 63) & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLargeIntegerDivide(kernel: Kernel, dividend: ULONGLONG, divisor: ULONGLONG, remainder: PVOID) -> ULONGLONG:
    quotient, rest = _divide(dividend, divisor)
    if remainder:
        kernel.put_u64(remainder, rest)
    return quotient


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlExtendedLargeIntegerDivide(kernel: Kernel, dividend: ULONGLONG, divisor: ULONG, remainder: PVOID) -> ULONGLONG:
    quotient, rest = _divide(dividend, divisor)
    if remainder:
        kernel.put_u32(remainder, rest)
    return quotient


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlExtendedIntegerMultiply(kernel: Kernel, first: LONGLONG, second: LONG) -> ULONGLONG:
    return first * second & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlExtendedMagicDivide(kernel: Kernel, dividend: LONGLONG, magic: ULONGLONG, shift: CCHAR) -> ULONGLONG:
    quotient = abs(dividend) * magic >> 64 + shift
    return (-quotient if dividend < 0 else quotient) & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlEnlargedIntegerMultiply(kernel: Kernel, first: LONG, second: LONG) -> ULONGLONG:
    return first * second & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlEnlargedUnsignedMultiply(kernel: Kernel, first: ULONG, second: ULONG) -> ULONGLONG:
    return first * second


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlEnlargedUnsignedDivide(kernel: Kernel, dividend: ULONGLONG, divisor: ULONG, remainder: PVOID) -> ULONG:
    quotient, rest = _divide(dividend, divisor)
    if remainder:
        kernel.put_u32(remainder, rest)
    return quotient


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlConvertLongToLargeInteger(kernel: Kernel, value: LONG) -> ULONGLONG:
    return value & _64


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlConvertUlongToLargeInteger(kernel: Kernel, value: ULONG) -> ULONGLONG:
    return value


def _bit(value: int, most: bool) -> int:
    """The number of a value's highest or lowest bit that is set; -1 of none."""
    if not value:
        return -1
    return value.bit_length() - 1 if most else (value & -value).bit_length() - 1


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlFindMostSignificantBit(kernel: Kernel, value: ULONGLONG) -> CCHAR:
    return _bit(value, most=True) & 0xFF


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlFindLeastSignificantBit(kernel: Kernel, value: ULONGLONG) -> CCHAR:
    return _bit(value, most=False) & 0xFF


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlUlonglongByteSwap(kernel: Kernel, value: ULONGLONG) -> ULONGLONG:
    return int.from_bytes(value.to_bytes(8, "little"), "big")


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlAreAllAccessesGranted(kernel: Kernel, granted: ULONG, wanted: ULONG) -> BOOLEAN:
    return int(not wanted & ~granted)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlAreAnyAccessesGranted(kernel: Kernel, granted: ULONG, wanted: ULONG) -> BOOLEAN:
    return int(bool(wanted & granted))
