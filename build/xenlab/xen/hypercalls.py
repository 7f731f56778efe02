# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 -- one signature serves every entry of the table
"""The hypercalls of an HVM guest: each takes the domain, the arguments and the calling vcpu.

A handler returns the result, raises :class:`XenError` for a negative one, or returns a :class:`Blocked` call.
Source: the headers of xen/include/public named after each hypercall.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.xen import abi
from xenlab.xen.abi import (
    CONSOLEIO,
    DOMID_SELF,
    EVTCHNOP,
    EVTCHNSTAT,
    GNTST,
    GNTTABOP,
    HVM_PARAM,
    HVM_PARAM_CALLBACK_TYPE,
    HVMOP,
    HYPERVISOR,
    SCHEDOP,
    SHUTDOWN,
    VCPUOP,
    XEN,
    XENFEAT,
    XENMAPSPACE,
    XENMEM,
    XENVER,
    Layout,
)
from xenlab.xen.physmap import XenError

if TYPE_CHECKING:
    from xenlab.xen.hypervisor import Hypervisor

_CONSOLE_LIMIT = 4096
_FIRST_VECTOR = 0x10


@dataclass
class Blocked:
    """The vcpu waits inside the hypercall: let time pass until `poll` returns its result."""

    poll: Callable[[], int | None] = field(repr=False)  # Where it lies differs from run to run.


@dataclass(frozen=True)
class Callback:
    """How events reach the guest: the interrupt line or vector named by HVM_PARAM_CALLBACK_IRQ."""

    kind: HVM_PARAM_CALLBACK_TYPE
    value: int

    def __str__(self) -> str:
        return f"{self.kind.name} {self.value:#x}"

    @property
    def pci_pin(self) -> tuple[int, int, int]:
        """(bus, device * 8 + function, pin from 0) of a PCI_INTX callback."""
        return self.value >> 16 & 0xFFFF, self.value >> 8 & 0xFF, self.value & 3


def _read(domain: Hypervisor, layout: Layout, address: int) -> dict[str, int]:
    return layout.unpack(domain.arch, domain.linear.read(address, layout.size(domain.arch)))


def _write(domain: Hypervisor, layout: Layout, address: int, field: str, value: int) -> None:
    """Write back one output field."""
    start, size = layout.fields(domain.arch)[field], layout.width(domain.arch, field)
    domain.linear.write(address + start, layout.pack(domain.arch, **{field: value})[start : start + size])


def _is_self(domain: Hypervisor, domid: int) -> None:
    if domid not in {DOMID_SELF, domain.domid}:
        raise XenError(XEN.EPERM)


def xen_version(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    command, argument = arguments[:2]
    release = domain.release
    if command == XENVER.version:
        return release.major << 16 | release.minor
    if command == XENVER.extraversion:
        domain.linear.write(argument, release.extra.encode().ljust(abi.XEN_EXTRAVERSION_LEN, b"\0"))
        return 0
    if command == XENVER.get_features:
        wanted = _read(domain, abi.XEN_FEATURE_INFO, argument)["submap_idx"]
        if wanted != 0:
            raise XenError(XEN.EINVAL)
        bits = sum(1 << feature for feature in release.features)
        _write(domain, abi.XEN_FEATURE_INFO, argument, "submap", bits)
        return 0
    raise XenError(XEN.ENOSYS)


def memory_op(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    command, argument = arguments[:2]
    if command not in set(XENMEM):
        raise XenError(XEN.ENOSYS)
    if domain.arch == "x32" and command not in domain.release.memory_op_x32:
        raise XenError(XEN.ENOSYS)
    if command == XENMEM.add_to_physmap:
        return _add_to_physmap(domain, _read(domain, abi.XEN_ADD_TO_PHYSMAP, argument))
    if command == XENMEM.remove_from_physmap:
        given = _read(domain, abi.XEN_REMOVE_FROM_PHYSMAP, argument)
        _is_self(domain, given["domid"])
        if not domain.physmap.present(given["gpfn"]):
            raise XenError(XEN.ENOENT)
        _refuse_granted(domain, given["gpfn"])
        domain.physmap.remove(given["gpfn"])
        return 0
    if command in {XENMEM.current_reservation, XENMEM.maximum_reservation}:
        _is_self(domain, _read(domain, abi.XEN_MEMORY_DOMAIN, argument)["domid"])
        physmap = domain.physmap
        return physmap.reservation if command == XENMEM.current_reservation else physmap.maximum
    if command == XENMEM.increase_reservation:
        return 0
    return _change_reservation(domain, command, _read(domain, abi.XEN_MEMORY_RESERVATION, argument))


def _add_to_physmap(domain: Hypervisor, given: dict[str, int]) -> int:
    _is_self(domain, given["domid"])
    space, index, gfn = given["space"], given["idx"], given["gpfn"]
    if space == XENMAPSPACE.shared_info and index == 0:
        page = domain.shared
    elif space == XENMAPSPACE.grant_table and domain.grants.grow(index + 1):
        page = domain.grants.pages[index]
    else:
        raise XenError(XEN.EINVAL)
    _refuse_granted(domain, gfn)
    domain.physmap.place(page, gfn)
    return 0


def _refuse_granted(domain: Hypervisor, gfn: int) -> None:
    if gfn in domain.grants.frame_uses:
        domain.world.violation(f"the guest gives up frame {gfn:#x} while another domain has it mapped")


def _refuse_permitted(domain: Hypervisor, extent: range) -> None:
    """A frame whose memory comes or goes must not be open to another domain at that moment."""
    for gfn in extent:
        _refuse_granted(domain, gfn)
        if (ref := domain.grants.permits(gfn)) is not None:
            purpose = domain.grants.purpose(ref)
            domain.world.violation(f"the guest gives up or fills frame {gfn:#x} while grant {ref} permits {purpose}")


def _change_reservation(domain: Hypervisor, command: int, given: dict[str, int]) -> int:
    _is_self(domain, given["domid"])
    word = 8 if domain.arch == "x64" else 4
    done = 0
    for number in range(given["nr_extents"]):
        data = domain.linear.read(given["extent_start"] + number * word, word)
        base = int.from_bytes(data, "little")
        extent = range(base, base + (1 << given["extent_order"]))
        if command in {XENMEM.populate_physmap, XENMEM.decrease_reservation}:
            _refuse_permitted(domain, extent)
        if command == XENMEM.populate_physmap:
            if not all(domain.physmap.populate(gfn) for gfn in extent):
                break
        elif not domain.physmap.give_up(extent):
            break
        done += 1
    return done


def hvm_op(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    command, argument = arguments[:2]
    if command not in domain.release.hvm_ops:
        raise XenError(XEN.ENOSYS)
    if command == HVMOP.get_time:
        _write(domain, abi.XEN_HVM_GET_TIME, argument, "now", domain.world.now)
        return 0
    if command == HVMOP.pagetable_dying:
        return 0
    if command == HVMOP.set_evtchn_upcall_vector:
        _set_upcall_vector(domain, _read(domain, abi.XEN_HVM_EVTCHN_UPCALL_VECTOR, argument))
        return 0
    given = _read(domain, abi.XEN_HVM_PARAM, argument)
    _is_self(domain, given["domid"])
    if command == HVMOP.get_param:
        if given["index"] not in set(HVM_PARAM):
            raise XenError(XEN.EINVAL)
        _write(domain, abi.XEN_HVM_PARAM, argument, "value", domain.params.get(given["index"], 0))
        return 0
    if given["index"] != HVM_PARAM.CALLBACK_IRQ:
        raise XenError(XEN.EPERM if given["index"] in set(HVM_PARAM) else XEN.EINVAL)
    _set_callback(domain, given["value"])
    return 0


def _set_upcall_vector(domain: Hypervisor, given: dict[str, int]) -> None:
    if given["vector"] < _FIRST_VECTOR:
        raise XenError(XEN.EINVAL)
    if given["vcpu"] >= domain.vcpus:
        raise XenError(XEN.ENOENT)
    domain.set_upcall_vector(given["vcpu"], given["vector"])


def _set_callback(domain: Hypervisor, value: int) -> None:
    kind = value >> 56
    known = {HVM_PARAM_CALLBACK_TYPE.GSI, HVM_PARAM_CALLBACK_TYPE.PCI_INTX}
    if XENFEAT.hvm_callback_vector in domain.release.features:
        known.add(HVM_PARAM_CALLBACK_TYPE.VECTOR)
    if kind not in known:
        raise XenError(XEN.EINVAL)
    domain.params[HVM_PARAM.CALLBACK_IRQ] = value
    domain.callback = Callback(HVM_PARAM_CALLBACK_TYPE(kind), value & (1 << 56) - 1) if value else None
    domain.world.trace("hypervisor", f"events by {domain.callback or 'nothing'}")


def event_channel_op(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    command, argument = arguments[:2]
    channels = domain.evtchn
    if command == EVTCHNOP.send:
        channels.send(_read(domain, abi.EVTCHN_SEND, argument)["port"])
    elif command == EVTCHNOP.unmask:
        channels.unmask(_read(domain, abi.EVTCHN_UNMASK, argument)["port"])
    elif command == EVTCHNOP.close:
        channels.close(_read(domain, abi.EVTCHN_CLOSE, argument)["port"])
    elif command == EVTCHNOP.alloc_unbound:
        given = _read(domain, abi.EVTCHN_ALLOC_UNBOUND, argument)
        _is_self(domain, given["dom"])
        remote = domain.domid if given["remote_dom"] == DOMID_SELF else given["remote_dom"]
        _write(domain, abi.EVTCHN_ALLOC_UNBOUND, argument, "port", channels.alloc_unbound(remote))
    elif command == EVTCHNOP.bind_virq:
        given = _read(domain, abi.EVTCHN_BIND_VIRQ, argument)
        _write(domain, abi.EVTCHN_BIND_VIRQ, argument, "port", channels.bind_virq(given["virq"], given["vcpu"]))
    elif command == EVTCHNOP.bind_ipi:
        given = _read(domain, abi.EVTCHN_BIND_IPI, argument)
        _write(domain, abi.EVTCHN_BIND_IPI, argument, "port", channels.bind_ipi(given["vcpu"]))
    elif command == EVTCHNOP.bind_vcpu:
        given = _read(domain, abi.EVTCHN_BIND_VCPU, argument)
        channels.bind_vcpu(given["port"], given["vcpu"])
    elif command == EVTCHNOP.status:
        _event_status(domain, argument)
    elif command == EVTCHNOP.reset:
        _is_self(domain, _read(domain, abi.EVTCHN_RESET, argument)["dom"])
        channels.close_all()
    else:
        raise XenError(XEN.ENOSYS)
    return 0


def _event_status(domain: Hypervisor, argument: int) -> None:
    given = _read(domain, abi.EVTCHN_STATUS, argument)
    _is_self(domain, given["dom"])
    channel = domain.evtchn.status(given["port"])
    status = EVTCHNSTAT.closed if channel is None else channel.status
    _write(domain, abi.EVTCHN_STATUS, argument, "status", status)
    if channel is None:
        return
    _write(domain, abi.EVTCHN_STATUS, argument, "vcpu", channel.vcpu)
    union = channel.virq if status == EVTCHNSTAT.virq else channel.remote_dom
    if status != EVTCHNSTAT.ipi:
        offset = abi.EVTCHN_STATUS.fields(domain.arch)["u"]
        domain.linear.write(argument + offset, struct.pack("<I", union))


def grant_table_op(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    command, argument, count = arguments[:3]
    if command not in domain.release.grant_ops:
        raise XenError(XEN.ENOSYS)
    layout = {
        GNTTABOP.query_size: abi.GNTTAB_QUERY_SIZE,
        GNTTABOP.set_version: abi.GNTTAB_SET_VERSION,
        GNTTABOP.get_version: abi.GNTTAB_GET_VERSION,
    }[GNTTABOP(command)]
    for number in range(count):
        _grant_op(domain, command, layout, argument + number * layout.size(domain.arch))
    return 0


def _grant_op(domain: Hypervisor, command: int, layout: Layout, address: int) -> None:
    given = _read(domain, layout, address)
    if command == GNTTABOP.set_version:
        if given["version"] == 2:
            domain.world.trace("grant", "version 2 is refused: the lab has version 1 only")
        if given["version"] != 1:
            raise XenError(XEN.EINVAL)
    elif command == GNTTABOP.get_version:
        _is_self(domain, given["dom"])
        _write(domain, layout, address, "version", 1)
    elif given["dom"] not in {DOMID_SELF, domain.domid}:
        _write(domain, layout, address, "status", GNTST.permission_denied)
    else:
        _write(domain, layout, address, "nr_frames", len(domain.grants.pages))
        _write(domain, layout, address, "max_nr_frames", domain.grants.maximum)
        _write(domain, layout, address, "status", GNTST.okay)


def sched_op(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int | Blocked:
    command, argument = arguments[:2]
    if command == abi.SCHEDOP_yield:
        return 0
    if command == SCHEDOP.block:
        return Blocked(lambda: 0 if domain.evtchn.upcall_pending(vcpu) else None)
    if command == SCHEDOP.poll:
        return _poll(domain, _read(domain, abi.SCHED_POLL, argument))
    known = {SCHEDOP.shutdown, SCHEDOP.shutdown_code} if domain.release.shutdown_code else {SCHEDOP.shutdown}
    if command not in known:
        raise XenError(XEN.ENOSYS)
    reason = _read(domain, abi.SCHED_SHUTDOWN, argument)["reason"]
    if reason not in set(SHUTDOWN):
        raise XenError(XEN.EINVAL)
    if command == SCHEDOP.shutdown_code:
        domain.latched = SHUTDOWN(reason)
        return 0
    domain.shut_down(SHUTDOWN(reason))
    return Blocked(lambda: domain.resumed)


def _poll(domain: Hypervisor, given: dict[str, int]) -> Blocked:
    data = domain.linear.read(given["ports"], 4 * given["nr_ports"])
    ports = set(struct.unpack(f"<{given['nr_ports']}I", data))
    end = given["timeout"]
    if end:
        domain.world.at(end - domain.world.now, lambda: None, "timeout of SCHEDOP_poll")

    def ready() -> int | None:
        late = end and domain.world.now >= end
        return 0 if late or ports & set(domain.evtchn.pending_ports()) else None

    return Blocked(ready)


def console_io(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    """A release build lets only Dom0 use the console; guests have port 0xe9."""
    command, count = arguments[:2]
    if command not in set(CONSOLEIO) or count > _CONSOLE_LIMIT:
        raise XenError(XEN.EINVAL)
    raise XenError(XEN.EPERM)


def vcpu_op(domain: Hypervisor, arguments: Sequence[int], vcpu: int) -> int:
    command, target, argument = arguments[:3]
    if command not in domain.release.vcpu_ops:
        raise XenError(XEN.ENOSYS)
    if not 0 <= target < domain.vcpus:
        raise XenError(XEN.ENOENT)
    if command == VCPUOP.is_up:
        return 1
    if command == VCPUOP.get_runstate_info:
        info = abi.VCPU_RUNSTATE_INFO.pack(domain.arch, state_entry_time=domain.world.now)
        domain.linear.write(argument, info)
        return 0
    raise XenError(XEN.EINVAL)


Handler = Callable[["Hypervisor", Sequence[int], int], "int | Blocked"]

HANDLERS: Mapping[HYPERVISOR, Handler] = {
    HYPERVISOR.memory_op: memory_op,
    HYPERVISOR.xen_version: xen_version,
    HYPERVISOR.console_io: console_io,
    HYPERVISOR.grant_table_op: grant_table_op,
    HYPERVISOR.vcpu_op: vcpu_op,
    HYPERVISOR.sched_op: sched_op,
    HYPERVISOR.event_channel_op: event_channel_op,
    HYPERVISOR.hvm_op: hvm_op,
}
