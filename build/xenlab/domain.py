# SPDX-License-Identifier: GPL-2.0-or-later
"""One HVM domain put together round the guest's processor and memory: what :class:`xenlab.lab.Lab` runs drivers in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.cpu.memory import PAGE_SHIFT, READ, WRITE, AddressSpace, pages
from xenlab.errors import Violation
from xenlab.xen.abi import HVM_PARAM, SHUTDOWN
from xenlab.xen.hypercalls import Blocked
from xenlab.xen.hypervisor import GeneralProtection, Hypervisor
from xenlab.xen.ports import GuestFault
from xenlab.xen.qemu import DeviceModel, EmulatedDisk, Model
from xenlab.xen.releases import Release
from xenlab.xen.store import Store
from xenlab.xen.storering import StoreRing
from xenlab.xen.toolstack import Toolstack

_HYPERVISOR_PRESENT = 1 << 31
_LONGEST_BLOCK_NS = 60 * 10**9


class PoweredOff(Exception):
    """The domain has shut down for good: the guest's processor does not run on."""

    def __init__(self, reason: SHUTDOWN) -> None:
        super().__init__(f"the domain has shut down: {reason.name}")
        self.reason = reason


class LinearMemory:
    """The guest's memory as hypercall arguments name it.

    What the page tables do not map as wanted, pageable memory that is out included, is an error for the guest.
    """

    def __init__(self, space: AddressSpace) -> None:
        self._space = space

    def read(self, address: int, length: int) -> bytes:
        self._require(address, length, READ)
        return self._space.read(address, length)

    def write(self, address: int, data: bytes) -> None:
        self._require(address, len(data), WRITE)
        self._space.write(address, data)

    def _require(self, address: int, length: int, access: int) -> None:
        for page in pages(address, length):
            found = self._space.page(page)
            if found is None or not found[1] & access:
                raise GuestFault


class XenPlatform:
    """What the processor meets on Xen: a :class:`xenlab.cpu.machine.Platform`.

    Attributes:
        after_output: called when an OUT has reached the device model.
    """

    def __init__(self, machine: Machine, hypervisor: Hypervisor, model: DeviceModel) -> None:
        self._machine = machine
        self._world = machine.world
        self._hypervisor = hypervisor
        self._model = model
        self._hardware = BarePlatform()
        self.after_output: Callable[[], None] = lambda: None

    @property
    def interrupt_asserted(self) -> bool:
        return self._hypervisor.interrupt_asserted

    @property
    def requested(self) -> set[int]:
        return self._hypervisor.requested

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        eax, ebx, ecx, edx = self._hypervisor.cpuid(leaf, subleaf) or self._hardware.cpuid(leaf, subleaf)
        return eax, ebx, ecx | (_HYPERVISOR_PRESENT if leaf == 1 else 0), edx

    def rdmsr(self, index: int) -> int:
        value = self._hypervisor.rdmsr(index)
        return self._hardware.rdmsr(index) if value is None else value

    def wrmsr(self, index: int, value: int) -> None:
        try:
            known = self._hypervisor.wrmsr(index, value)
        except GeneralProtection:
            raise Violation(f"WRMSR of {value:#x} to {index:#x} is not permitted: no RAM of the guest's.") from None
        if not known:
            self._hardware.wrmsr(index, value)

    def hypercall(self, number: int, args: Sequence[int]) -> int:
        """Make a hypercall. While it blocks, time passes and what is due happens."""
        instruction = self._machine.memory.read(self._machine.pc, 3)
        result = self._hypervisor.hypercall(number, args, instruction=instruction)
        return self._wait(result) if isinstance(result, Blocked) else result

    def _wait(self, blocked: Blocked) -> int:
        end = self._world.now + _LONGEST_BLOCK_NS
        while (result := blocked.poll()) is None:
            if self._hypervisor.shutdown not in (None, SHUTDOWN.suspend):
                raise PoweredOff(self._hypervisor.shutdown)
            due = self._world.next_time
            if due is None or due > end:
                raise Violation("The processor blocks in a hypercall, and nothing is to come that would wake it.")
            self._world.advance(due - self._world.now)
        return result

    def port_in(self, port: int, size: int) -> int:
        value = self._model.read_port(port, size)
        return self._hardware.port_in(port, size) if value is None else value

    def port_out(self, port: int, size: int, value: int) -> None:
        if self._model.write_port(port, size, value):
            self.after_output()
        else:
            self._hardware.port_out(port, size, value)


class Domain:
    """The parts of Xen that one guest meets."""

    def __init__(
        self,
        machine: Machine,
        release: Release,
        model: Model,
        disks: Sequence[EmulatedDisk] = (),
        *,
        viridian: bool = False,
        amd: bool = False,
    ) -> None:
        world = machine.world
        self.hypervisor = Hypervisor(
            world, machine.physical, LinearMemory(machine.memory), machine.arch, release, viridian=viridian, amd=amd
        )
        self.store = Store(world)
        self.ring = StoreRing(self.hypervisor, self.store)
        self.model = DeviceModel(self.hypervisor, model, disks)
        self.toolstack = Toolstack(self.hypervisor, self.store, self.ring, self.model)
        self.platform = XenPlatform(machine, self.hypervisor, self.model)
        machine.platform = self.platform
        machine.physical.on_free = self._require_unmapped
        self.hypervisor.physmap.on_lost = lambda gfn, lost: machine.memory.set_hole(gfn << PAGE_SHIFT, lost)
        self.toolstack.build()

    def _require_unmapped(self, gfn: int) -> None:
        """Windows gives memory that is free to whoever wants it next, and the other domain would share that."""
        grants = self.hypervisor.grants
        if gfn in grants.frame_uses:
            raise Violation(f"Memory is freed while another domain has it mapped: frame {gfn:#x}.")
        if (ref := grants.permits(gfn)) is not None:
            raise Violation(f"Memory is freed while grant {ref} still lets another domain use it: frame {gfn:#x}.")
        if instead := self.hypervisor.physmap.instead_of_ram(gfn):
            raise Violation(f"Memory is freed that has {instead} in place of its RAM: frame {gfn:#x}.")

    def held(self) -> list[str]:
        """What the guest holds beyond what its domain was made with, a line each: ports, grants, watches.

        Xen's pages may stay in a device's memory, where they harm nobody and the next driver places them anew.
        """
        domain = self.hypervisor
        given = {domain.params[HVM_PARAM.STORE_EVTCHN], domain.params[HVM_PARAM.CONSOLE_EVTCHN]}
        return [
            *(f"event channel port {port} is open" for port in sorted(domain.evtchn.ports.keys() - given)),
            *(f"grant {ref} permits {domain.grants.purpose(ref)}" for ref in domain.grants.outstanding()),
            *(f"frame {gfn:#x} is a hole" for gfn in sorted(domain.physmap.lost)),
            *(f"the store watch {watch.path} {watch.token} is set" for watch in self.ring.connection.watches),
            *(["the event interrupt is still asked for"] if domain.callback is not None else []),
        ]
