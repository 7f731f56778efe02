# SPDX-License-Identifier: GPL-2.0-or-later
"""Between registers and Python: how a call by the guest becomes a routine's arguments, and its result the caller's.

Sources: Microsoft x64 calling convention; x86 __stdcall, __fastcall and __cdecl (Microsoft C/C++ documentation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xenlab.nt.routine import Routine, VarArgs, Width

if TYPE_CHECKING:
    from xenlab.cpu.machine import Machine
    from xenlab.nt.kernel import Kernel

_SHADOW = 0x20
_JUNK = 0xBAD0_0BAD
_JUNKS = (_JUNK,) * 6
PRESERVED = {
    "x64": ("rbx", "rbp", "rsi", "rdi", "r12", "r13", "r14", "r15"),
    "x32": ("ebx", "ebp", "esi", "edi"),
}


def stack_bytes(routine: Routine, arch: str) -> int:
    """What the routine's RET takes off the stack besides the return address."""
    if routine.pops is not None:
        return routine.pops
    convention = routine.convention
    if arch == "x64" or convention in ("c", "d"):
        return 0
    if convention.startswith("f"):
        return max(0, int(convention[1:]) - 8)
    return int(convention)


@dataclass(frozen=True)
class Bound:
    """A routine behind a trap of one kernel."""

    routine: Routine
    address: int

    def arguments(self, kernel: Kernel) -> tuple[int, list[Any]]:
        """Return the caller's stack pointer (at the return address) and the arguments."""
        if kernel.arch == "x64":
            return self._arguments_x64(kernel)
        return self._arguments_x32(kernel)

    def _arguments_x64(self, kernel: Kernel) -> tuple[int, list[Any]]:
        _, sp, *values = kernel.machine.call
        widths = self.routine.parameters
        beyond = len(widths) - 4
        if self.routine.varargs:
            kernel.write(sp + 8, b"".join(value.to_bytes(8, "little") for value in values))
        if beyond > 0:
            data = kernel.read(sp + 8 + _SHADOW, 8 * beyond)
            values += [int.from_bytes(data[at : at + 8], "little") for at in range(0, 8 * beyond, 8)]
        found: list[Any] = [_fit(value, width, 8) for value, width in zip(values, widths, strict=False)]
        if self.routine.varargs:
            found.append(VarArgs(kernel, sp + 8 + 8 * len(widths)))
        return sp, found

    def _arguments_x32(self, kernel: Kernel) -> tuple[int, list[Any]]:
        _, sp, *registers = kernel.machine.call
        if not self.routine.convention.startswith("f"):
            registers = []
        at = sp + 4
        found: list[Any] = []
        for width in self.routine.parameters:
            if registers and width.size != 8:
                value = registers.pop(0)
            else:
                size = 8 if width.size == 8 else 4
                value = int.from_bytes(kernel.read(at, size), "little")
                at += size
            found.append(_fit(value, width, 4))
        if self.routine.varargs:
            found.append(VarArgs(kernel, at))
        return sp, found

    def put_result(self, machine: Machine, result: int | None) -> None:
        """Hand back a result. What the convention lets a callee destroy is destroyed."""
        value = _JUNK if result is None else int(result)
        if machine.arch == "x64":
            machine.answer((value & 0xFFFFFFFF_FFFFFFFF, *_JUNKS))
            return
        high = (value >> 32) & 0xFFFFFFFF if self.routine.wide_result else _JUNK
        machine.answer((value & 0xFFFFFFFF, high, _JUNK))


def enter(kernel: Kernel, address: int, args: tuple[int, ...], returns_to: int, cdecl: bool = False) -> int:
    """Set the processor up to run a guest function (NTAPI); returns the stack pointer that it must return with."""
    machine = kernel.machine
    if kernel.arch == "x64":
        slots = max(4, len(args))
        sp = ((machine.sp - 8 * slots) & ~15) - 8
        kernel.put_ptr(sp, returns_to)
        for index, value in enumerate(args[4:], 4):
            kernel.put_ptr(sp + 8 + 8 * index, value)
        registers = dict(zip(("rcx", "rdx", "r8", "r9"), (kernel.wrap(value) for value in args), strict=False))
        machine.set({**registers, "rsp": sp, "rip": address})
        return sp + 8
    sp = (machine.sp & ~3) - 4 * len(args) - 4
    words = (returns_to, *(value & 0xFFFFFFFF for value in args))
    kernel.write(sp, b"".join(word.to_bytes(4, "little") for word in words))
    machine.set({"esp": sp, "eip": address})
    return sp + 4 if cdecl else sp + 4 * len(words)


def _fit(value: int, width: Width, pointer: int) -> int:
    bits = 8 * (width.size or pointer)
    value &= (1 << bits) - 1
    return value - (1 << bits) if width.signed and value >> (bits - 1) else value
