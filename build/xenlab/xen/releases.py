# SPDX-License-Identifier: GPL-2.0-or-later
"""What each Xen release offers an HVM guest, as data.

Source: the HVM hypercall tables and limits of each release's hypervisor (xen/arch/x86/hvm/hvm.c,
xen/common/grant_table.c, xen/common/kernel.c), a 64-bit hypervisor being assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

from xenlab.xen.abi import GNTTABOP, HVMOP, HYPERVISOR, VCPUOP, XENFEAT, XENMEM

_OLDEST = frozenset({HYPERVISOR.memory_op, HYPERVISOR.xen_version, HYPERVISOR.hvm_op, HYPERVISOR.event_channel_op})
_GRANT_QUERY = _OLDEST | {HYPERVISOR.sched_op, HYPERVISOR.grant_table_op}
_VCPU = _GRANT_QUERY | {HYPERVISOR.vcpu_op}
_PARAMS = frozenset({HVMOP.set_param, HVMOP.get_param})
_TIME = _PARAMS | {HVMOP.pagetable_dying, HVMOP.get_time}
_UPCALL = _TIME | {HVMOP.set_evtchn_upcall_vector}
_BASIC_FEATURES = frozenset({XENFEAT.writable_page_tables, XENFEAT.auto_translated_physmap})
_VECTOR_FEATURES = _BASIC_FEATURES | {XENFEAT.hvm_callback_vector, XENFEAT.hvm_safe_pvclock}


@dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        last_leaf: how many CPUID leaves follow the first.
        hypercalls: of which the others give -ENOSYS; likewise hvm_ops, grant_ops and vcpu_ops.
        memory_op_x32: the memory operations that a 32-bit guest has; a 64-bit guest has all of them.
        features: bits of XENVER_get_features.
        initial_grant_frames, max_grant_frames: size of the grant table, in frames.
        store_resets_watches: xenstored knows RESET_WATCHES.
        store_ignores_unknown: xenstored leaves a request of unknown type unanswered.
        reserved_grants: the toolstack fills in the reserved grant entries and xenstored maps its page through them.
        xend: the toolstack is xend (xm), which gives the guest its whole home; otherwise xl.
        shutdown_code: SCHEDOP_shutdown_code is there.
        crashes_dom0: this release's Dom0 does not survive PV drivers in an HVM guest.
    """

    name: str
    major: int
    minor: int
    extra: str
    last_leaf: int
    hypercalls: frozenset[HYPERVISOR]
    hvm_ops: frozenset[HVMOP]
    grant_ops: frozenset[GNTTABOP]
    features: frozenset[XENFEAT]
    initial_grant_frames: int = 4
    max_grant_frames: int = 32
    vcpu_ops: frozenset[VCPUOP] = frozenset()
    memory_op_x32: frozenset[XENMEM] = frozenset(XENMEM)
    store_resets_watches: bool = True
    store_ignores_unknown: bool = False
    reserved_grants: bool = True
    xend: bool = False
    shutdown_code: bool = True
    crashes_dom0: bool = False


_ALL = (
    Release(
        "3.0", 3, 0, ".3", 2, _OLDEST, _PARAMS, frozenset(), _BASIC_FEATURES,
        max_grant_frames=4, memory_op_x32=frozenset({XENMEM.add_to_physmap}),
        store_resets_watches=False, store_ignores_unknown=True, reserved_grants=False, xend=True, shutdown_code=False,
        crashes_dom0=True,
    ),
    Release(
        "3.1", 3, 1, ".4", 2, _OLDEST, _PARAMS, frozenset(), _BASIC_FEATURES,
        max_grant_frames=4, memory_op_x32=frozenset({XENMEM.add_to_physmap}),
        store_resets_watches=False, store_ignores_unknown=True, reserved_grants=False, xend=True, shutdown_code=False,
    ),
    Release(
        "3.2", 3, 2, "-1", 2, _GRANT_QUERY, _PARAMS, frozenset({GNTTABOP.query_size}), _BASIC_FEATURES,
        memory_op_x32=frozenset({XENMEM.add_to_physmap}),
        store_resets_watches=False, store_ignores_unknown=True, reserved_grants=False, xend=True, shutdown_code=False,
    ),
    Release(
        "4.0", 4, 0, ".1", 3, _VCPU, _PARAMS, frozenset({GNTTABOP.query_size, GNTTABOP.set_version}), _BASIC_FEATURES,
        vcpu_ops=frozenset({VCPUOP.get_runstate_info}),
        store_resets_watches=False, reserved_grants=False, xend=True,
    ),
    Release(
        "4.1", 4, 1, ".6.1", 3, _VCPU, _TIME,
        frozenset({GNTTABOP.query_size, GNTTABOP.set_version, GNTTABOP.get_version}), _VECTOR_FEATURES,
        vcpu_ops=frozenset({VCPUOP.get_runstate_info}), store_resets_watches=False, reserved_grants=False, xend=True,
    ),
    Release(
        "4.2", 4, 2, ".5", 3, _VCPU, _TIME,
        frozenset({GNTTABOP.query_size, GNTTABOP.set_version, GNTTABOP.get_version}),
        _VECTOR_FEATURES | {XENFEAT.hvm_pirqs},
        vcpu_ops=frozenset({VCPUOP.get_runstate_info}),
    ),
    Release(
        "4.3", 4, 3, ".4", 3, _VCPU, _TIME,
        frozenset({GNTTABOP.query_size, GNTTABOP.set_version, GNTTABOP.get_version}),
        _VECTOR_FEATURES | {XENFEAT.hvm_pirqs},
        vcpu_ops=frozenset({VCPUOP.get_runstate_info}),
    ),
    Release(
        "4.19", 4, 19, ".0", 5, _VCPU | {HYPERVISOR.console_io}, _UPCALL,
        frozenset({GNTTABOP.query_size, GNTTABOP.set_version, GNTTABOP.get_version}),
        _VECTOR_FEATURES | {XENFEAT.hvm_pirqs},
        initial_grant_frames=1, max_grant_frames=64, vcpu_ops=frozenset(VCPUOP),
    ),
)  # fmt: skip

RELEASES = {release.name: release for release in _ALL}
CURRENT = RELEASES["4.19"]
