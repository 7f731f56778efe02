# SPDX-License-Identifier: GPL-2.0-or-later
"""What instructions say: which of them unicorn cannot run faithfully, and what memory one touches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import capstone
from capstone import x86_const as cs_x86

from gplpv.matrix import ArchName

if TYPE_CHECKING:
    from xenlab.cpu.machine import Machine

_LONGEST = 15
_MARKS = (b"\x0f\x30", b"\x0f\x31", b"\x0f\x32", b"\x0f\x20", b"\x0f\x22")


@dataclass(frozen=True)
class Special:
    """An instruction to emulate: its address, kind, size in bytes, and for moves the general register."""

    address: int
    kind: str
    size: int
    register: str = ""


def disassembler(arch: ArchName) -> Any:
    """A decoder that goes on behind data between instructions."""
    made = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64 if arch == "x64" else capstone.CS_MODE_32)
    made.detail = True
    made.skipdata = True
    return made


@cache
def specials(arch: ArchName, code: bytes) -> tuple[Special, ...]:
    """Return the instructions of a section that the machine must emulate; their addresses count from its start."""
    if not any(mark in code for mark in _MARKS):
        return ()
    return tuple(_specials(arch, code))


def _specials(arch: ArchName, code: bytes) -> Iterator[Special]:
    for each in disassembler(arch).disasm(code, 0):
        if each.mnemonic in ("rdmsr", "wrmsr", "rdtsc"):
            yield Special(each.address, each.mnemonic, each.size)
        elif each.mnemonic == "mov" and "cr8" in each.op_str:
            first, second = each.op_str.split(", ")
            kind, register = ("write_cr8", second) if first == "cr8" else ("read_cr8", first)
            yield Special(each.address, kind, each.size, register)


def memory_operands(machine: Machine, pc: int) -> Iterator[int]:
    """Yield the addresses that the instruction at `pc` touches, and their last bytes where those lie apart."""
    code = machine.memory.read(pc, min(_LONGEST, 4096 - (pc & 4095)))
    instruction = next(disassembler(machine.arch).disasm(code, pc, 1), None)
    if instruction is None or instruction.id == 0:
        return
    if instruction.mnemonic.startswith(("push", "call")):
        yield machine.sp - machine.pointer_size
    if instruction.mnemonic.startswith(("pop", "ret")):
        yield machine.sp
    mask = (1 << 8 * machine.pointer_size) - 1
    for operand in instruction.operands:
        if operand.type != cs_x86.X86_OP_MEM:
            continue
        address = operand.mem.disp
        for number, scale in ((operand.mem.base, 1), (operand.mem.index, operand.mem.scale)):
            name = instruction.reg_name(number) if number else None
            if name in ("rip", "eip"):
                address += pc + instruction.size
            elif name:
                address += machine.get(name)[0] * scale
        yield address & mask
        yield (address + operand.size - 1) & ~4095 & mask
