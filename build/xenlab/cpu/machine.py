# SPDX-License-Identifier: GPL-2.0-or-later
"""One processor: unicorn behind an interface that knows of traps, slices and a platform, and of nothing above.

Kernel routines live behind traps: an address that holds SYSCALL (x86: SYSENTER) and a RET, at which the guest stops
or Python answers. Code runs in slices of a counted number of instructions, so that an interrupt can come between any
two of them. What unicorn cannot hook by itself (RDMSR, WRMSR, RDTSC, moves to and from CR8) is found in the code when
an image is loaded; the image's bytes stay as they are.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

import unicorn
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as x86

from gplpv.matrix import ArchName
from xenlab.cpu import memory
from xenlab.cpu.hooks import Hooks, TlbEntry
from xenlab.cpu.memory import AddressSpace, PhysicalMemory, Region
from xenlab.cpu.registers import Registers
from xenlab.errors import Violation
from xenlab.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

Saved = tuple[int, ...]

TRAP_SIZE = 16
HYPERCALLS = (b"\x0f\x01\xc1", b"\x0f\x01\xd9")
"""VMCALL, and VMMCALL of AMD's processors; the platform says which of them it has."""
_TRAPS = 4096
_INTERRUPT_FLAG = 0x200
_FLAGS_AT_START = 0x202
_ALL = unicorn.UC_PROT_ALL

_X64 = [
    "rip",
    "rsp",
    "rax",
    "rcx",
    "rdx",
    "rbx",
    "rbp",
    "rsi",
    "rdi",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
    "eflags",
]
_X32 = ["eip", "esp", "eax", "ecx", "edx", "ebx", "ebp", "esi", "edi", "eflags"]
_CALL = {"x64": ("rip", "rsp", "rcx", "rdx", "r8", "r9"), "x32": ("eip", "esp", "ecx", "edx")}
_ANSWER = {"x64": ("rax", "rcx", "rdx", "r8", "r9", "r10", "r11"), "x32": ("eax", "edx", "ecx")}
_VECTORS = tuple(getattr(x86, f"UC_X86_REG_XMM{number}") for number in range(16))
_ACCESS = {
    uc_const.UC_MEM_READ: memory.READ,
    uc_const.UC_MEM_WRITE: memory.WRITE,
    uc_const.UC_MEM_FETCH: memory.EXECUTE,
}
_EXCEPTIONS = {
    0: "divides by zero",
    1: "is single-stepped",
    3: "reaches a breakpoint",
    4: "overflows",
    13: "is not permitted here",
}


class Platform(Protocol):
    """What lies round the processor: a hypervisor with its devices, or bare hardware."""

    @property
    def interrupt_asserted(self) -> bool:
        """Whether the interrupt line of the platform device is up; it stays up until its cause is dealt with."""

    @property
    def requested(self) -> set[int]:
        """The vectors that the local APIC has an edge-triggered request for; who delivers one takes it out."""

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]: ...

    def rdmsr(self, index: int) -> int: ...

    def wrmsr(self, index: int, value: int) -> None: ...

    def hypercall(self, number: int, args: Sequence[int]) -> int: ...

    def port_in(self, port: int, size: int) -> int: ...

    def port_out(self, port: int, size: int, value: int) -> None: ...


class BarePlatform:
    """Hardware without a hypervisor: no Xen leaves, floating ports, no interrupts of its own."""

    def __init__(self) -> None:
        self.interrupt_asserted = False
        self.requested: set[int] = set()

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:  # noqa: ARG002
        return {0: (1, 0x756E6547, 0x6C65746E, 0x49656E69), 1: (0x6F2, 0x800, 0, 0x078BFBFF)}.get(leaf, (0, 0, 0, 0))

    def rdmsr(self, index: int) -> int:
        raise Violation(f"RDMSR of {index:#x}, which this processor does not have.")

    def wrmsr(self, index: int, value: int) -> None:
        raise Violation(f"WRMSR of {value:#x} to {index:#x}, which this processor does not have.")

    def hypercall(self, number: int, args: Sequence[int]) -> int:  # noqa: ARG002
        raise Violation(f"VMCALL (hypercall {number}) without a hypervisor: invalid opcode.")

    def port_in(self, port: int, size: int) -> int:  # noqa: ARG002
        return (1 << 8 * size) - 1

    def port_out(self, port: int, size: int, value: int) -> None: ...


class Machine:
    """A processor of one arch, its memory, and the platform round it.

    Attributes:
        on_trap: called inside the running slice with a trap's number; True ends the slice there.
        on_cr8: called when the guest moves a value to CR8; it returns nothing.
        cr8: gives what a move from CR8 reads.
        call: what a trap found, before anything else was done: program counter, stack pointer, and what the calling
            conventions pass in registers (x64: RCX, RDX, R8, R9; x86: ECX, EDX).
    """

    def __init__(self, arch: ArchName, world: World, platform: Platform) -> None:
        self.arch = arch
        self.world = world
        self.platform = platform
        self.pointer_size = 8 if arch == "x64" else 4
        self.physical = PhysicalMemory(world, arch)
        self.memory = AddressSpace(self.physical)
        self.on_trap: Callable[[int], bool] = lambda _: True
        self.on_cr8: Callable[[int], None] = lambda _: None
        self.cr8: Callable[[], int] = lambda: 0
        self._traps = 0
        self._code_changed = False
        self._special: set[int] = set()
        self._uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64 if arch == "x64" else unicorn.UC_MODE_32)
        self._names = tuple(_X64 if arch == "x64" else _X32)
        self._ids = tuple(getattr(x86, f"UC_X86_REG_{name.upper()}") for name in self._names)
        self._id = dict(zip(self._names, self._ids, strict=True))
        self._pc = Registers(self._uc, self._ids[:1])
        self._sp = Registers(self._uc, self._ids[1:2])
        self._flags = Registers(self._uc, self._ids[-1:])
        self._general = Registers(self._uc, self._ids)
        self._vectors = Registers(self._uc, _VECTORS if arch == "x64" else (), words=2)
        self._call = Registers(self._uc, [self._id[name] for name in _CALL[arch]])
        self._answer = Registers(self._uc, [self._id[name] for name in _ANSWER[arch]])
        self._groups: dict[tuple[str, ...], Registers] = {}
        self.call: Saved = ()
        self._hooks = Hooks(self._uc, self._empty_tlb)
        self._entries: dict[int, TlbEntry] = {}
        self._set_up_memory()
        self._set_up_hooks()
        self.trap_base = 0xFFFFF800_00F00000 if arch == "x64" else 0x80F00000
        self.memory.map_new(self.trap_base, _TRAPS * TRAP_SIZE, memory.READ | memory.EXECUTE)

    def _set_up_memory(self) -> None:
        for region in self.physical.regions:
            self._add_region(region)
        self.physical.on_region = self._add_region
        self._uc.ctl_set_tlb_mode(uc_const.UC_TLB_VIRTUAL)
        self._uc.ctl_exits_enabled(True)
        self._uc.ctl_set_exits([])
        self.memory.flush = self._flush_tlb
        self._uc.reg_write(x86.UC_X86_REG_EFLAGS, _FLAGS_AT_START)

    def _add_region(self, region: Region) -> None:
        address = ctypes.addressof(ctypes.c_char.from_buffer(region.store))
        self._uc.mem_map_ptr(region.base, len(region.view), _ALL, address)

    def _flush_tlb(self) -> None:
        self._hooks.stale = True

    def _empty_tlb(self) -> None:
        self.memory.cached.clear()
        self._uc.ctl(uc_const.UC_CTL_TLB_FLUSH, uc_const.UC_CTL_IO_WRITE)

    def _set_up_hooks(self) -> None:
        add = self._hooks.add
        trap = x86.UC_X86_INS_SYSCALL if self.arch == "x64" else x86.UC_X86_INS_SYSENTER
        add(uc_const.UC_HOOK_TLB_FILL, self._hook_fill)
        add(uc_const.UC_HOOK_INTR, self._hook_exception)
        add(uc_const.UC_HOOK_INSN_INVALID, self._hook_invalid)
        add(uc_const.UC_HOOK_INSN, self._hook_trap, instruction=trap)
        add(uc_const.UC_HOOK_INSN, self._hook_cpuid, instruction=x86.UC_X86_INS_CPUID)
        add(uc_const.UC_HOOK_INSN, self._hook_in, instruction=x86.UC_X86_INS_IN)
        add(uc_const.UC_HOOK_INSN, self._hook_out, instruction=x86.UC_X86_INS_OUT)

    def trap(self, returns: int) -> int:
        """Make a trap and return its address; its RET takes `returns` bytes of arguments off the stack."""
        if self._traps == _TRAPS:
            raise MemoryError("All traps are in use.")
        address = self.trap_base + self._traps * TRAP_SIZE
        code = (b"\x0f\x05" if self.arch == "x64" else b"\x0f\x34") + (
            b"\xc2" + returns.to_bytes(2, "little") if returns else b"\xc3"
        )
        self.memory.put(address, code.ljust(TRAP_SIZE, b"\xcc"))
        self._traps += 1
        return address

    def trap_number(self, address: int) -> int:
        return (address - self.trap_base) // TRAP_SIZE

    def run(self, instructions: int) -> None:
        """Run for at most that many instructions, or until a trap that stops.

        Raises:
            Violation: the guest did what the processor does not allow.
        """
        if self._code_changed:
            self._uc.ctl_flush_tb()
            self._code_changed = False
        try:
            self._hooks.run(self._pc.read()[0], instructions)
        except unicorn.UcError as error:
            raise Violation(f"The processor stops: {error}.") from error

    def stop(self) -> None:
        """End the running slice after the present instruction."""
        self._uc.emu_stop()

    def code_changed(self) -> None:
        """What was code may be other code, or none, from now on."""
        self._code_changed = True

    @property
    def pc(self) -> int:
        return self._pc.read()[0]

    @pc.setter
    def pc(self, value: int) -> None:
        self._pc.write_alone(value)

    @property
    def sp(self) -> int:
        return self._sp.read()[0]

    @sp.setter
    def sp(self, value: int) -> None:
        self._sp.write((value,))

    @property
    def register_names(self) -> tuple[str, ...]:
        """What :meth:`save` returns, in its order, but for the vectors."""
        return self._names

    @property
    def interrupts_enabled(self) -> bool:
        """EFLAGS.IF, which CLI clears."""
        return bool(self._flags.read()[0] & _INTERRUPT_FLAG)

    def get(self, *names: str) -> Saved:
        """Return registers by their names, such as ``rcx``."""
        return self._group(names).read()

    def set(self, values: Mapping[str, int]) -> None:
        self._group(tuple(values)).write(tuple(values.values()))

    def answer(self, values: Sequence[int]) -> None:
        """Set what a call may change: RAX, RCX, RDX, R8, R9, R10, R11; x86: EAX, EDX, ECX."""
        self._answer.write(values)

    def _group(self, names: tuple[str, ...]) -> Registers:
        group = self._groups.get(names)
        if group is None:
            group = self._groups[names] = Registers(self._uc, [self._id[name] for name in names])
        return group

    def save(self, vectors: bool = False) -> Saved:
        """Return all registers of a context, the program counter and the stack pointer first.

        `vectors` adds XMM0 to XMM15, which only x64 kernel code may use.
        """
        return self._general.read() + (self._vectors.read() if vectors else ())

    def restore(self, saved: Saved) -> None:
        count = len(self._ids)
        self._general.write(saved[:count])
        if len(saved) > count:
            self._vectors.write(saved[count:])

    def set_processor_block(self, address: int) -> None:
        """Let GS (x86: FS) lead to the processor control region at `address`."""
        if self.arch == "x64":
            self._uc.reg_write(x86.UC_X86_REG_GS_BASE, address)
            return
        table = 0x80E00000
        self.memory.map_new(table, memory.PAGE_SIZE, memory.READ)
        flat = 0x00CF_9300_0000_FFFF
        code = 0x00CF_9B00_0000_FFFF
        low = (address & 0xFFFFFF) << 16 | (address >> 24) << 56
        entries = {0x08: code, 0x10: flat, 0x30: 0x00C0_9300_0000_0001 | low}
        for selector, entry in entries.items():
            self.memory.put(table + selector, entry.to_bytes(8, "little"))
        self._uc.reg_write(x86.UC_X86_REG_GDTR, (0, table, 0x3F, 0))
        for register in ("SS", "DS", "ES"):
            self._uc.reg_write(getattr(x86, f"UC_X86_REG_{register}"), 0x10)
        self._uc.reg_write(x86.UC_X86_REG_CS, 0x08)
        self._uc.reg_write(x86.UC_X86_REG_FS, 0x30)

    def watch_instruction(self, address: int, mnemonic: str, size: int, register: str = "") -> None:
        """Emulate the instruction at `address` (rdmsr, wrmsr, rdtsc, read_cr8, write_cr8) instead of unicorn."""
        if address in self._special:
            return
        self._special.add(address)
        emulate = getattr(self, f"_emulate_{mnemonic}")

        def step(_engine: int, address: int, _size: int, _: object) -> None:
            if address in self._special:
                emulate(register)
                self.pc = address + size

        self._hooks.add(uc_const.UC_HOOK_CODE, step, address, address)

    def forget_instructions(self, start: int, end: int) -> None:
        """The image from `start` to `end` is gone, and the instructions watched in it."""
        self._special = {address for address in self._special if not start <= address < end}

    def _emulate_rdmsr(self, _: str) -> None:
        value = self.platform.rdmsr(self._low("ecx"))
        self._put_pair(value)

    def _emulate_wrmsr(self, _: str) -> None:
        self.platform.wrmsr(self._low("ecx"), self._low("edx") << 32 | self._low("eax"))
        self.code_changed()

    def _emulate_rdtsc(self, _: str) -> None:
        self._put_pair(self.world.now * 2)

    def _emulate_read_cr8(self, register: str) -> None:
        self.set({register: self.cr8()})

    def _emulate_write_cr8(self, register: str) -> None:
        self.on_cr8(self.get(register)[0])

    def _low(self, name: str) -> int:
        return int(self._uc.reg_read(getattr(x86, f"UC_X86_REG_{name.upper()}")))

    def _put_pair(self, value: int) -> None:
        self._uc.reg_write(self._ids[2], value & 0xFFFFFFFF)
        self._uc.reg_write(self._id["rdx" if self.arch == "x64" else "edx"], value >> 32)

    def _hook_fill(self, _engine: int, va: int, access: int, place: int, _: object) -> bool:
        kind = _ACCESS[access]
        page = self.memory.page(va)
        if page is None or not page[1] & kind:
            self.memory.fault(self._accurate(va), kind)
            page = self.memory.page(va)
            if self._hooks.stale:
                self._hooks.refresh()
        if page is None:
            return False
        if page[0] in self.memory.holes:
            self.memory.refuse_hole(self._accurate(va), page[0])
        self.memory.cached.add(va >> memory.PAGE_SHIFT)
        entry = self._entries.get(place)
        if entry is None:
            entry = self._entries[place] = TlbEntry.from_address(place)
        entry.paddr, entry.perms = page
        return True

    def _accurate(self, va: int) -> int:
        """Unicorn names the page only; the operand of the instruction tells which byte of it."""
        if (pc := self.pc) & ~memory.PAGE_MASK == va:
            return pc
        with suppress(Violation, ValueError):
            from xenlab.cpu import decode  # noqa: PLC0415

            for address in decode.memory_operands(self, pc):
                if address & ~memory.PAGE_MASK == va:
                    return address
        return va

    def _hook_trap(self, _engine: int, _: object) -> None:
        self.call = self._call.read()
        number = (self.call[0] - self.trap_base) // TRAP_SIZE
        if not 0 <= number < self._traps:
            raise Violation("SYSCALL or SYSENTER in kernel code.")
        if self.on_trap(number):
            self._uc.emu_stop()

    def _hook_cpuid(self, _engine: int, _: object) -> int:
        leaf, subleaf = self._low("eax"), self._low("ecx")
        values = self.platform.cpuid(leaf, subleaf)
        for name, value in zip(("eax", "ebx", "ecx", "edx"), values, strict=True):
            self._uc.reg_write(self._id[f"r{name[1:]}" if self.arch == "x64" else name], value & 0xFFFFFFFF)
        return 1

    def _hook_in(self, _engine: int, port: int, size: int, _: object) -> int:
        return self.platform.port_in(port, size)

    def _hook_out(self, _engine: int, port: int, size: int, value: int, _: object) -> None:
        self.platform.port_out(port, size, value & ((1 << 8 * size) - 1))

    def _hook_exception(self, _engine: int, number: int, _: object) -> None:
        raise Violation(f"The code {_EXCEPTIONS.get(number, f'causes exception {number}')}.")

    def _hook_invalid(self, _engine: int, _: object) -> bool:
        pc = self.pc
        if self.memory.read(pc, 3) not in HYPERCALLS:
            raise Violation(f"There is no valid instruction at {pc:#x}.")
        names = (
            ("rdi", "rsi", "rdx", "r10", "r8", "r9")
            if self.arch == "x64"
            else ("ebx", "ecx", "edx", "esi", "edi", "ebp")
        )
        result = self.platform.hypercall(self._low("eax"), self.get(*names))
        width = 8 * self.pointer_size
        self._uc.reg_write(self._ids[2], result & ((1 << width) - 1))
        self.pc = pc + 3
        return True

    @contextmanager
    def counting(self) -> Iterator[list[int]]:
        """Count the drivers' instructions that run meanwhile: the list's one element, once it is over."""
        total = [0]
        end = self.trap_base + _TRAPS * TRAP_SIZE
        counters = [self._hooks.count(0, self.trap_base - 1), self._hooks.count(end, (1 << 64) - 1)]
        self.code_changed()
        try:
            yield total
        finally:
            total[0] = sum(self._hooks.counted(each) for each in counters)
            self.code_changed()

    @contextmanager
    def between_instructions(self, look: Callable[[int], None]) -> Iterator[None]:
        """Call `look` before each instruction, traps included, with its address."""
        handle = self._hooks.add(uc_const.UC_HOOK_CODE, lambda _engine, address, _size, _: look(address))
        self.code_changed()
        try:
            yield
        finally:
            self._hooks.remove(handle)
            self.code_changed()
