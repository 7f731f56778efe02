# SPDX-License-Identifier: GPL-2.0-or-later
"""The hypervisor as one HVM domain meets it: CPUID leaves, the hypercall page, hypercalls and the event interrupt.

The machine calls :meth:`Hypervisor.cpuid`, :meth:`~Hypervisor.rdmsr`, :meth:`~Hypervisor.wrmsr` and
:meth:`~Hypervisor.hypercall`, and delivers the guest's interrupt while :attr:`Hypervisor.interrupt_asserted` is true.

Source: xen/include/public/arch-x86/cpuid.h, hvm/params.h; xen/arch/x86/hvm/hvm.c, traps.c.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

from xenlab.xen import hypercalls
from xenlab.xen.abi import (
    EVTCHNOP,
    GNTTAB_RESERVED_CONSOLE,
    GNTTAB_RESERVED_XENSTORE,
    GNTTABOP,
    GTF,
    HVM_PARAM,
    HVM_PARAM_CALLBACK_TYPE,
    HVMOP,
    HYPERVISOR,
    SCHEDOP,
    SHUTDOWN,
    XEN,
    XEN_CPUID_FIRST_LEAF,
    XEN_CPUID_SIGNATURE,
    XENMEM,
    XENVER,
    Arch,
)
from xenlab.xen.evtchn import EventChannels
from xenlab.xen.grants import GrantTable
from xenlab.xen.hypercalls import Blocked, Callback
from xenlab.xen.physmap import Physmap, XenError, XenPage
from xenlab.xen.ports import PAGE, Frames, GuestFault, Linear, World
from xenlab.xen.releases import CURRENT, Release

VMCALL = b"\x0f\x01\xc1"
VMMCALL = b"\x0f\x01\xd9"

# The registers of a hypercall: its number, then its arguments; the result takes the number's place.
REGISTERS: Mapping[Arch, Sequence[str]] = {
    "x64": ("rax", "rdi", "rsi", "rdx", "r10", "r8"),
    "x32": ("eax", "ebx", "ecx", "edx", "esi", "edi"),
}

_VIRIDIAN_SIGNATURE = b"Microsoft Hv"
_VIRIDIAN_LAST = 6
_HYPERCALL_MSR = 0x40000000
_HYPERCALL_MSR_BEHIND_VIRIDIAN = 0x40000200
_ENTRY_SIZE = 32
_OPERATIONS: Mapping[str, type[IntEnum]] = {
    "memory_op": XENMEM, "hvm_op": HVMOP, "event_channel_op": EVTCHNOP, "grant_table_op": GNTTABOP, "sched_op": SCHEDOP,
    "xen_version": XENVER,
}  # fmt: skip
_TSC_KHZ = 2_400_000

# The lowest ports are the device model's, one for each virtual processor (xen/arch/x86/hvm/ioreq.c): here as many as it
# takes for the guest's own to lie in more than one word.
_BELOW_NEXT_WORD = (3, 5)


class GeneralProtection(Exception):
    """The MSR access raises #GP in the guest."""


def _operation(call: str, number: int) -> str:
    """The name of what a hypercall is asked to do, where it is one of several things."""
    kinds = _OPERATIONS.get(call)
    return kinds(number).name if kinds and number in set(kinds) else str(number)


class Hypervisor:
    """One HVM domain.

    Attributes:
        counts: how often each hypercall was made, by name.
        log: what the guest wrote to the hypervisor's console.
        shutdown: why the domain has shut down, or None while it runs; `latched`: what SCHEDOP_shutdown_code said.
        on_shutdown: told when the domain shuts down, suspension included.
        resumed: set by the toolstack to end a suspension: the value that the hypercall returns.
        upcall_vectors: the vector by which a virtual processor gets its events, where the guest has set one.
        requested: vectors that the local APIC of processor 0 has a request for (IRR); who delivers one takes it out.
        mfn_limit: machine frames from this one on cannot become the guest's.
        dom0_crashes: what would have brought Dom0 down on this release; a sound driver leaves it empty.
    """

    def __init__(
        self,
        world: World,
        frames: Frames,
        linear: Linear,
        arch: Arch,
        release: Release = CURRENT,
        *,
        domid: int = 1,
        vcpus: int = 1,
        pages: int = 65536,
        viridian: bool = False,
        amd: bool = False,
    ) -> None:
        self.world = world
        self.frames = frames
        self.linear = linear
        self.arch = arch
        self.vcpus = vcpus
        self.viridian = viridian
        self.counts: Counter[str] = Counter()
        self.log = bytearray()
        self.mfn_limit = 1 << 40
        self.dom0_crashes: list[str] = []
        self.requested: set[int] = set()
        self.on_shutdown: Callable[[SHUTDOWN], None] = lambda _: None
        self.physmap = Physmap(world, frames, pages)
        self.create(release, domid, amd)

    def create(self, release: Release, domid: int, amd: bool) -> None:
        """Make everything of Xen's that a new domain has: at first, and again when the guest arrives elsewhere."""
        self.physmap.forget_pages()
        self.release = release
        self.domid = domid
        self.is_amd = amd
        self.instruction = VMMCALL if amd else VMCALL
        self.shutdown: SHUTDOWN | None = None
        self.latched: SHUTDOWN | None = None
        self.resumed: int | None = None
        self.params: dict[int, int] = {}
        self.callback: Callback | None = None
        self.upcall_vectors: dict[int, int] = {}
        self.shared = XenPage(self.frames, "shared info")
        first_port = (64 if self.arch == "x64" else 32) - self.world.random.randint(*_BELOW_NEXT_WORD)
        self.evtchn = EventChannels(self.world, self.shared, self.arch, self.vcpus, first_port)
        self.evtchn.on_upcall = self._interrupt
        self._line = False
        self.grants = GrantTable(
            self.world,
            self.frames,
            self.physmap.is_ram,
            release.initial_grant_frames,
            release.max_grant_frames,
        )

    def set_up_special_pages(self, store_gfn: int, console_gfn: int) -> None:
        """Give the domain its store and console pages and ports, as the toolstack does before the guest runs."""
        for gfn in (store_gfn, console_gfn):
            if not self.frames.exists(gfn * PAGE):
                self.frames.add_region(gfn * PAGE, PAGE)
            self.frames.write(gfn * PAGE, bytes(PAGE))
        self.params |= {
            HVM_PARAM.STORE_PFN: store_gfn,
            HVM_PARAM.CONSOLE_PFN: console_gfn,
            HVM_PARAM.STORE_EVTCHN: self.evtchn.alloc_unbound(0),
            HVM_PARAM.CONSOLE_EVTCHN: self.evtchn.alloc_unbound(0),
        }
        if self.release.reserved_grants:
            self.grants.set_entry(GNTTAB_RESERVED_XENSTORE, GTF.permit_access, 0, store_gfn)
            self.grants.set_entry(GNTTAB_RESERVED_CONSOLE, GTF.permit_access, 0, console_gfn)

    @property
    def cpuid_base(self) -> int:
        return XEN_CPUID_FIRST_LEAF + (0x100 if self.viridian else 0)

    def cpuid(self, leaf: int, subleaf: int = 0) -> tuple[int, int, int, int] | None:
        """Return EAX, EBX, ECX, EDX of a hypervisor leaf, or None for a leaf that is the processor's."""
        if leaf >> 28 != XEN_CPUID_FIRST_LEAF >> 28:
            return None
        if self.viridian and leaf - XEN_CPUID_FIRST_LEAF <= _VIRIDIAN_LAST:
            return self._viridian_leaf(leaf - XEN_CPUID_FIRST_LEAF)
        index = leaf - self.cpuid_base
        if index > self.release.last_leaf or (index > 2 and subleaf):
            return 0, 0, 0, 0
        leaves = {
            0: (self.cpuid_base + self.release.last_leaf, *struct.unpack("<3I", XEN_CPUID_SIGNATURE)),
            1: (self.release.major << 16 | self.release.minor, 0, 0, 0),
            2: (1, self._msr, 0, 0),
            3: (0, 0, _TSC_KHZ, 0),
            4: (1 << 3 | 1 << 4, 0, self.domid, 0),
        }
        return leaves.get(index, (0, 0, 0, 0))

    @staticmethod
    def _viridian_leaf(index: int) -> tuple[int, int, int, int]:
        if index == 0:
            return (XEN_CPUID_FIRST_LEAF + _VIRIDIAN_LAST, *struct.unpack("<3I", _VIRIDIAN_SIGNATURE))
        return (int.from_bytes(b"Hv#1", "little") if index == 1 else 0), 0, 0, 0

    @property
    def _msr(self) -> int:
        return _HYPERCALL_MSR_BEHIND_VIRIDIAN if self.viridian else _HYPERCALL_MSR

    def rdmsr(self, msr: int) -> int | None:
        """Return the value of one of Xen's MSRs, or None for another's."""
        return 0 if msr == self._msr else None

    def wrmsr(self, msr: int, value: int) -> bool:
        """Write one of Xen's MSRs: fill a hypercall page. False for another's MSR; :class:`GeneralProtection`."""
        if msr != self._msr:
            return False
        page, gfn = value % PAGE, value // PAGE
        if page or not self.physmap.is_ram(gfn):
            raise GeneralProtection
        self.frames.write(gfn * PAGE, self.hypercall_page())
        self.world.trace("hypervisor", f"hypercall page at frame {gfn:#x}")
        return True

    def hypercall_page(self) -> bytes:
        """Entry n: mov eax, n; vmcall (vmmcall on AMD); ret. The one of iret, which is not for HVM guests, is ud2."""
        page = bytearray(b"\xcc" * PAGE)
        for number in range(PAGE // _ENTRY_SIZE):
            code = b"\xb8" + struct.pack("<I", number) + self.instruction + b"\xc3"
            if number == HYPERVISOR.iret:
                code = b"\x0f\x0b"
            start = number * _ENTRY_SIZE
            page[start : start + len(code)] = code
        return bytes(page)

    def hypercall(
        self, number: int, arguments: Sequence[int], vcpu: int = 0, instruction: bytes | None = None
    ) -> int | Blocked:
        """Make a hypercall.

        Args:
            number: as in EAX.
            arguments: up to five, as in the other :data:`REGISTERS`, unsigned; the rest counts as 0.
            instruction: the bytes that made it; the wrong maker's instruction is an undefined opcode on this host.

        Returns:
            the result, signed (an error is negative), or :class:`Blocked`.
        """
        if instruction not in {None, self.instruction}:
            self.world.violation("the guest uses another host's hypercall page: this processor lacks its instruction")
        try:
            call = HYPERVISOR(number)
        except ValueError:
            self.counts[f"unknown {number}"] += 1
            return -XEN.ENOSYS
        self.counts[call.name] += 1
        if call not in self.release.hypercalls:
            return -XEN.ENOSYS
        try:
            padded = [*arguments, *[0] * (len(REGISTERS[self.arch]) - 1 - len(arguments))]
            result = hypercalls.HANDLERS[call](self, padded, vcpu)
        except XenError as error:
            result = -error.error
        except GuestFault:
            result = -XEN.EFAULT
        self.world.trace("hypercall", f"{call.name} {_operation(call.name, arguments[0])}", result=result)
        if self.release.crashes_dom0 and call is not HYPERVISOR.xen_version and not isinstance(result, Blocked):
            self.dom0_crashes.append(f"{call.name} {arguments[0]}")
        return result

    def set_upcall_vector(self, vcpu: int, vector: int) -> None:
        """Events of a virtual processor come by this vector; the call makes the interrupt once, pending or not."""
        self.upcall_vectors[vcpu] = vector
        self.world.trace("hypervisor", f"events of processor {vcpu} by vector {vector:#x}")
        self._interrupt(vcpu)

    def _interrupt(self, vcpu: int) -> None:
        """Xen has set an upcall flag (xen/arch/x86/hvm/irq.c, hvm_assert_evtchn_irq): an edge through the processor's
        local APIC where it has a vector, else processor 0's level-triggered line."""
        vector = self.upcall_vectors.get(vcpu)
        if vcpu == 0 and vector is not None:
            self.requested.add(vector)
        elif vcpu == 0:
            self._line = True

    def shut_down(self, reason: SHUTDOWN) -> None:
        """The domain shuts down, by itself or because the device model resets it; a latched reason goes before."""
        self.shutdown = reason if self.latched is None else self.latched
        self.resumed = None
        self.grants.audit()
        if self.shutdown is SHUTDOWN.suspend:
            self._require_whole()
        self.world.trace("hypervisor", f"domain {self.domid} shuts down: {self.shutdown.name}")
        self.on_shutdown(self.shutdown)

    def _require_whole(self) -> None:
        """What comes by a grant that accepts a page is lost with the grant table; and whether a hole is one in the next
        domain, where a toolstack has put its memory together anew, nothing promises."""
        accepting = GTF.accept_transfer
        for ref in self.grants.outstanding():
            if self.grants.entry(ref)[0] & GTF.type_mask == accepting:
                self.world.violation(f"the guest suspends while grant {ref} permits {self.grants.purpose(ref)}")
        if self.physmap.lost:
            self.world.violation(f"the guest suspends with a hole at frame {min(self.physmap.lost):#x}")

    @property
    def interrupt_asserted(self) -> bool:
        """Whether the level-triggered event interrupt is high; to ask is to take the processor out of the guest.

        The line goes up when Xen sets the flag, never when the guest does, and it goes down when the guest is left with
        the flag clear (xen/arch/x86/hvm/irq.c, hvm_assert_evtchn_irq and hvm_maybe_deassert_evtchn_irq).
        """
        if not self.evtchn.upcall_pending(0):
            self._line = False
        if self.callback is None or self.shutdown is not None:
            return False
        if self.callback.kind is HVM_PARAM_CALLBACK_TYPE.VECTOR:
            return any(self.evtchn.upcall_pending(vcpu) for vcpu in range(self.vcpus))
        return self._line

    def port_write(self, data: bytes) -> None:
        """Output to port 0xe9, the hypervisor's log."""
        self.log += data
