# SPDX-License-Identifier: GPL-2.0-or-later
"""Walking x64 stacks by the unwind data of an image.

Format: Microsoft "x64 exception handling" (RUNTIME_FUNCTION, UNWIND_INFO, unwind codes), "x64 prolog and epilog".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pefile

if TYPE_CHECKING:
    from xenlab.cpu.loader import Image
    from xenlab.nt.kernel import Kernel

REGISTERS = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
_PUSH, _ALLOC_LARGE, _ALLOC_SMALL, _SET_FRAME, _SAVE, _SAVE_FAR, _SAVE_XMM, _SAVE_XMM_FAR, _MACHINE_FRAME = (
    0, 1, 2, 3, 4, 5, 8, 9, 10,
)  # fmt: skip
_EXCEPTION_HANDLER, _TERMINATION_HANDLER, _CHAINED = 0x1, 0x2, 0x4


@dataclass(frozen=True)
class Scope:
    """One __try of a function: its code, filter or __finally, and where __except begins (0: it is a __finally)."""

    begin: int
    end: int
    handler: int
    target: int


@dataclass
class Frame:
    """A function under way.

    Attributes:
        pc: where it is; `registers` are its own while it is there, by name.
        establisher: the address that its handlers know it by.
        handler: its language handler, 0 without one; `scopes` is that handler's data, read as a C scope table.
    """

    pc: int
    registers: dict[str, int]
    establisher: int = 0
    handler: int = 0
    scopes: tuple[Scope, ...] = ()


class Unwinder:
    """The function tables of the loaded images."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._tables: dict[Path, list[tuple[int, int, int]]] = {}

    def frames(self, pc: int, registers: dict[str, int]) -> Iterator[Frame]:
        """Yield the functions on the stack from the one at `pc`, as far as they are in images."""
        while image := self._kernel.symbols.image_of(pc):
            frame = Frame(pc, dict(registers))
            entry = self._entry(image, pc - image.base)
            if entry:
                self._unwind(image, frame, entry, registers)
            pc = self._pop(registers)
            yield frame

    def _entry(self, image: Image, offset: int) -> tuple[int, int, int] | None:
        if image.path not in self._tables:
            pe = pefile.PE(data=image.path.read_bytes(), fast_load=True)
            pe.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_EXCEPTION"]])
            found = getattr(pe, "DIRECTORY_ENTRY_EXCEPTION", [])
            self._tables[image.path] = [
                (each.struct.BeginAddress, each.struct.EndAddress, each.struct.UnwindData) for each in found
            ]
        return next((each for each in self._tables[image.path] if each[0] <= offset < each[1]), None)

    def _unwind(self, image: Image, frame: Frame, entry: tuple[int, int, int], registers: dict[str, int]) -> None:
        """Undo a function's prologue in `registers`, and note in `frame` who handles its exceptions."""
        kernel, begin = self._kernel, entry[0]
        info = image.base + entry[2]
        flags, prologue, count, frame_register = (kernel.u8(info + index) for index in range(4))
        codes = [kernel.u16(info + 4 + 2 * index) for index in range(count)]
        inside = frame.pc - image.base - begin
        registers_at = registers["rsp"]
        if frame_register & 0xF:
            registers_at = registers[REGISTERS[frame_register & 0xF]] - (frame_register >> 4) * 16
        if not frame.establisher:
            frame.establisher = registers_at
        after = info + 4 + 2 * (count + count % 2)
        if flags >> 3 & (_EXCEPTION_HANDLER | _TERMINATION_HANDLER) and inside >= prologue:
            frame.handler = image.base + kernel.u32(after)
            frame.scopes = tuple(self._scopes(image.base, after + 4))
        index = 0
        while index < count:
            index += self._undo(codes, index, registers, inside, registers_at)
        if flags >> 3 & _CHAINED:
            chained = (kernel.u32(after), kernel.u32(after + 4), kernel.u32(after + 8))
            self._unwind(image, frame, chained, registers)

    def _undo(
        self, codes: list[int], index: int, registers: dict[str, int], inside: int, frame_base: int
    ) -> int:  # fmt: skip
        """Undo one operation unless the prologue has not come to it; returns how many slots it takes."""
        kernel = self._kernel
        at, operation, extra = codes[index] & 0xFF, codes[index] >> 8 & 0xF, codes[index] >> 12
        slots = {_ALLOC_LARGE: 3 if extra else 2, _SAVE: 2, _SAVE_FAR: 3, _SAVE_XMM: 2, _SAVE_XMM_FAR: 3}.get(
            operation, 1
        )
        if at > inside:
            return slots
        operand = codes[index + 1] if slots > 1 else 0
        wide = operand | (codes[index + 2] << 16 if slots > 2 else 0)
        if operation == _PUSH:
            registers[REGISTERS[extra]] = kernel.u64(registers["rsp"])
            registers["rsp"] += 8
        elif operation == _ALLOC_LARGE:
            registers["rsp"] += wide if extra else operand * 8
        elif operation == _ALLOC_SMALL:
            registers["rsp"] += extra * 8 + 8
        elif operation == _SET_FRAME:
            registers["rsp"] = frame_base
        elif operation in (_SAVE, _SAVE_FAR):
            registers[REGISTERS[extra]] = kernel.u64(frame_base + (wide if operation == _SAVE_FAR else operand * 8))
        elif operation == _MACHINE_FRAME:
            kernel.violation("An exception is to unwind through a machine frame.")
        return slots

    def _scopes(self, base: int, at: int) -> Iterator[Scope]:
        kernel = self._kernel
        if not kernel.memory.is_mapped(at):
            return
        for index in range(min(kernel.u32(at), 256)):
            words = [kernel.u32(at + 4 + 16 * index + 4 * word) for word in range(4)]
            begin, end, handler, target = words
            yield Scope(
                base + begin, base + end, handler if handler == 1 else base + handler, base + target if target else 0
            )

    def _pop(self, registers: dict[str, int]) -> int:
        address = self._kernel.u64(registers["rsp"])
        registers["rsp"] += 8
        return address
