# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants and structure layouts of Xen's public ABI, as data (xen/include/public).

An enumeration is named after its macros' prefix, so `EVTCHNOP.close` is EVTCHNOP_close. The tests compare every
constant and every layout with the C headers of Xen itself.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Literal

Arch = Literal["x64", "x32"]

DOMID_SELF = 0x7FF0
XEN_CPUID_FIRST_LEAF = 0x40000000
XEN_CPUID_SIGNATURE = b"XenVMMXenVMM"
XEN_EXTRAVERSION_LEN = 16
XEN_LEGACY_MAX_VCPUS = 32
GNTTAB_NR_RESERVED_ENTRIES = 8
GNTTAB_RESERVED_CONSOLE = 0
GNTTAB_RESERVED_XENSTORE = 1
BLKIF_MAX_SEGMENTS_PER_REQUEST = 11
BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST = 8
XEN_NETIF_NR_SLOTS_MIN = 18
XEN_NETIF_MAX_TX_SIZE = 0xFFFF
XEN_NETIF_EXTRA_FLAG_MORE = 1
XENSTORE_PAYLOAD_MAX = 4096
XENSTORE_ABS_PATH_MAX = 3072
XENSTORE_REL_PATH_MAX = 2048
XENSTORE_RING_SIZE = 1024
XEN_HVM_DEBUGCONS_IOPORT = 0xE9


class HYPERVISOR(IntEnum):
    """Hypercall numbers; the macros have two more underscores in front."""

    memory_op = 12
    multicall = 13
    xen_version = 17
    console_io = 18
    grant_table_op = 20
    iret = 23
    vcpu_op = 24
    sched_op = 29
    event_channel_op = 32
    hvm_op = 34


class XEN(IntEnum):
    """Errors."""

    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    ENXIO = 6
    E2BIG = 7
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EINVAL = 22
    ENOSPC = 28
    ENOSYS = 38
    EOPNOTSUPP = 95


class XENVER(IntEnum):
    version = 0
    extraversion = 1
    get_features = 6


class XENFEAT(IntEnum):
    writable_page_tables = 0
    auto_translated_physmap = 2
    hvm_callback_vector = 8
    hvm_safe_pvclock = 9
    hvm_pirqs = 10


class XENMEM(IntEnum):
    increase_reservation = 0
    decrease_reservation = 1
    current_reservation = 3
    maximum_reservation = 4
    populate_physmap = 6
    add_to_physmap = 7
    remove_from_physmap = 15


class XENMAPSPACE(IntEnum):
    shared_info = 0
    grant_table = 1
    gmfn = 2
    gmfn_range = 3


class HVMOP(IntEnum):
    set_param = 0
    get_param = 1
    pagetable_dying = 9
    get_time = 10
    set_evtchn_upcall_vector = 23


class HVM_PARAM(IntEnum):
    CALLBACK_IRQ = 0
    STORE_PFN = 1
    STORE_EVTCHN = 2
    CONSOLE_PFN = 17
    CONSOLE_EVTCHN = 18


class HVM_PARAM_CALLBACK_TYPE(IntEnum):
    GSI = 0
    PCI_INTX = 1
    VECTOR = 2


class EVTCHNOP(IntEnum):
    bind_interdomain = 0
    bind_virq = 1
    close = 3
    send = 4
    status = 5
    alloc_unbound = 6
    bind_ipi = 7
    bind_vcpu = 8
    unmask = 9
    reset = 10


class EVTCHNSTAT(IntEnum):
    closed = 0
    unbound = 1
    interdomain = 2
    virq = 4
    ipi = 5


class VIRQ(IntEnum):
    TIMER = 0
    DEBUG = 1


class GNTTABOP(IntEnum):
    setup_table = 2
    transfer = 4
    copy = 5
    query_size = 6
    set_version = 8
    get_version = 10


class GNTST(IntEnum):
    okay = 0
    general_error = -1
    bad_domain = -2
    bad_gntref = -3
    bad_handle = -4
    permission_denied = -8
    bad_page = -9
    address_too_big = -11


class GTF(IntEnum):
    """Flags of an entry; those of an entry that accepts a transfer share their bits with `readonly` and `reading`."""

    permit_access = 1
    accept_transfer = 2
    type_mask = 3
    readonly = 4
    reading = 8
    writing = 16
    transfer_committed = 4
    transfer_completed = 8


class SCHEDOP(IntEnum):
    block = 1
    shutdown = 2
    poll = 3
    shutdown_code = 5


SCHEDOP_yield = 0


class SHUTDOWN(IntEnum):
    poweroff = 0
    reboot = 1
    suspend = 2
    crash = 3
    watchdog = 4


class VCPUOP(IntEnum):
    is_up = 3
    get_runstate_info = 4


class CONSOLEIO(IntEnum):
    write = 0
    read = 1


class XS(IntEnum):
    """Message types of xenstore."""

    CONTROL = 0
    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    GET_DOMAIN_PATH = 10
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    IS_DOMAIN_INTRODUCED = 17
    RESET_WATCHES = 21


class XenbusState(IntEnum):
    Unknown = 0
    Initialising = 1
    InitWait = 2
    Initialised = 3
    Connected = 4
    Closing = 5
    Closed = 6
    Reconfiguring = 7
    Reconfigured = 8


class BLKIF_OP(IntEnum):
    READ = 0
    WRITE = 1
    WRITE_BARRIER = 2
    FLUSH_DISKCACHE = 3
    DISCARD = 5
    INDIRECT = 6


class BLKIF_RSP(IntEnum):
    OKAY = 0
    ERROR = -1
    EOPNOTSUPP = -2


class VDISK(IntEnum):
    CDROM = 1
    REMOVABLE = 2
    READONLY = 4


class NETTXF(IntEnum):
    """Flags of a frame that the guest sends."""

    csum_blank = 1
    data_validated = 2
    more_data = 4
    extra_info = 8


class NETRXF(IntEnum):
    """Flags of a frame that the guest receives."""

    data_validated = 1
    csum_blank = 2
    more_data = 4
    extra_info = 8


class XEN_NETIF_EXTRA_TYPE(IntEnum):
    GSO = 1
    MCAST_ADD = 2
    MCAST_DEL = 3
    HASH = 4


class XEN_NETIF_GSO_TYPE(IntEnum):
    NONE = 0
    TCPV4 = 1
    TCPV6 = 2


class NETIF_RSP(IntEnum):
    DROPPED = -2
    ERROR = -1
    OKAY = 0
    NULL = 1


_SCALARS = {"u8": "B", "s8": "b", "u16": "H", "s16": "h", "u32": "I", "u64": "Q"}
_WORD = {"x64": "Q", "x32": "I"}


class Layout:
    """One C structure: "name:type" and "name:type[count]" words in order.

    A type is u8, s8, u16, s16, u32, u64, `word` (the guest's width: unsigned long, pointers, handles) or the name of an
    earlier layout; a count of the form "2/5" is one for x64 and one for x32, and a field with count 0 is absent. On x32
    nothing is aligned to more than 4 bytes, as in Xen's own compiler's i386 ABI.
    """

    known: dict[str, Layout] = {}  # noqa: RUF012 -- the registry is the class's own

    def __init__(self, name: str, fields: str) -> None:
        self.name = name
        self._fields = [word.split(":") for word in fields.split()]
        self._offsets: dict[Arch, dict[str, int]] = {}
        self._scalars: dict[Arch, dict[str, str]] = {}
        self._sizes: dict[Arch, tuple[int, int]] = {}
        self._widths: dict[Arch, dict[str, int]] = {}
        arches: tuple[Arch, Arch] = ("x64", "x32")
        for arch in arches:
            self._place(arch)
        Layout.known[name] = self

    def _place(self, arch: Arch) -> None:
        offsets: dict[str, int] = {}
        widths: dict[str, int] = {}
        scalars: dict[str, str] = {}
        end, alignment = 0, 1
        for name, declared in self._fields:
            kind, _, count = declared.rstrip("]").partition("[")
            size, align = self._size_of(kind, arch)
            number = _count(count, arch)
            if not number:
                continue
            end = -(-end // align) * align
            offsets[name], widths[name] = end, size * number
            if kind not in Layout.known and not count:
                scalars[name] = _SCALARS.get(kind) or _WORD[arch]
            end += size * number
            alignment = max(alignment, align)
        self._offsets[arch], self._widths[arch], self._scalars[arch] = offsets, widths, scalars
        self._sizes[arch] = (-(-end // alignment) * alignment, alignment)

    @staticmethod
    def _size_of(kind: str, arch: Arch) -> tuple[int, int]:
        if kind in Layout.known:
            return Layout.known[kind]._sizes[arch]
        size = struct.calcsize("<" + (_SCALARS.get(kind) or _WORD[arch]))
        return size, min(size, 4 if arch == "x32" else 8)

    def size(self, arch: Arch) -> int:
        """Bytes, trailing padding included."""
        return self._sizes[arch][0]

    def fields(self, arch: Arch) -> Mapping[str, int]:
        """The offset of each field."""
        return self._offsets[arch]

    def width(self, arch: Arch, field: str) -> int:
        """Bytes of one field, all elements of an array."""
        return self._widths[arch][field]

    def unpack(self, arch: Arch, data: bytes) -> dict[str, int]:
        """Return the structure's plain fields (no arrays, no nested structures)."""
        offsets = self._offsets[arch]
        return {
            name: struct.unpack_from("<" + code, data, offsets[name])[0] for name, code in self._scalars[arch].items()
        }

    def pack(self, arch: Arch, **values: int) -> bytes:
        """Return the structure with the given plain fields, the rest zero."""
        data = bytearray(self.size(arch))
        for name, value in values.items():
            struct.pack_into("<" + self._scalars[arch][name], data, self._offsets[arch][name], value)
        return bytes(data)


def _count(text: str, arch: Arch) -> int:
    if not text:
        return 1
    x64, _, x32 = text.partition("/")
    return int(x32 if x32 and arch == "x32" else x64)


XEN_FEATURE_INFO = Layout("xen_feature_info", "submap_idx:u32 submap:u32")
XEN_MEMORY_RESERVATION = Layout(
    "xen_memory_reservation", "extent_start:word nr_extents:word extent_order:u32 mem_flags:u32 domid:u16"
)
XEN_ADD_TO_PHYSMAP = Layout("xen_add_to_physmap", "domid:u16 size:u16 space:u32 idx:word gpfn:word")
XEN_REMOVE_FROM_PHYSMAP = Layout("xen_remove_from_physmap", "domid:u16 gpfn:word")
XEN_MEMORY_DOMAIN = Layout("xen_memory_domain", "domid:u16")
SCHED_SHUTDOWN = Layout("sched_shutdown", "reason:u32")
SCHED_POLL = Layout("sched_poll", "ports:word nr_ports:u32 timeout:u64")
XEN_HVM_PARAM = Layout("xen_hvm_param", "domid:u16 pad:u16 index:u32 value:u64")
XEN_HVM_EVTCHN_UPCALL_VECTOR = Layout("xen_hvm_evtchn_upcall_vector", "vcpu:u32 vector:u8")
XEN_HVM_GET_TIME = Layout("xen_hvm_get_time", "now:u64")
EVTCHN_BIND_INTERDOMAIN = Layout("evtchn_bind_interdomain", "remote_dom:u16 remote_port:u32 local_port:u32")
EVTCHN_BIND_VIRQ = Layout("evtchn_bind_virq", "virq:u32 vcpu:u32 port:u32")
EVTCHN_BIND_IPI = Layout("evtchn_bind_ipi", "vcpu:u32 port:u32")
EVTCHN_BIND_VCPU = Layout("evtchn_bind_vcpu", "port:u32 vcpu:u32")
EVTCHN_CLOSE = Layout("evtchn_close", "port:u32")
EVTCHN_SEND = Layout("evtchn_send", "port:u32")
EVTCHN_UNMASK = Layout("evtchn_unmask", "port:u32")
EVTCHN_RESET = Layout("evtchn_reset", "dom:u16")
EVTCHN_ALLOC_UNBOUND = Layout("evtchn_alloc_unbound", "dom:u16 remote_dom:u16 port:u32")
EVTCHN_STATUS = Layout("evtchn_status", "dom:u16 port:u32 status:u32 vcpu:u32 u:u32[2]")
GNTTAB_QUERY_SIZE = Layout("gnttab_query_size", "dom:u16 nr_frames:u32 max_nr_frames:u32 status:s16")
GNTTAB_SETUP_TABLE = Layout("gnttab_setup_table", "dom:u16 nr_frames:u32 status:s16 frame_list:word")
GNTTAB_SET_VERSION = Layout("gnttab_set_version", "version:u32")
GNTTAB_GET_VERSION = Layout("gnttab_get_version", "dom:u16 pad:u16 version:u32")
GRANT_ENTRY_V1 = Layout("grant_entry_v1", "flags:u16 domid:u16 frame:u32")
VCPU_RUNSTATE_INFO = Layout("vcpu_runstate_info", "state:u32 state_entry_time:u64 time:u64[4]")
VCPU_TIME_INFO = Layout(
    "vcpu_time_info",
    "version:u32 pad0:u32 tsc_timestamp:u64 system_time:u64 tsc_to_system_mul:u32 tsc_shift:s8 flags:u8 pad1:u8[2]",
)
ARCH_VCPU_INFO = Layout("arch_vcpu_info", "cr2:word pad:word[1/5]")
VCPU_INFO = Layout(
    "vcpu_info",
    "evtchn_upcall_pending:u8 evtchn_upcall_mask:u8 evtchn_pending_sel:word arch:arch_vcpu_info time:vcpu_time_info",
)
ARCH_SHARED_INFO = Layout(
    "arch_shared_info",
    "max_pfn:word pfn_to_mfn_frame_list_list:word nmi_reason:word p2m_cr3:word p2m_vaddr:word p2m_generation:word"
    " wc_sec_hi:u32[0/1]",
)
SHARED_INFO = Layout(
    "shared_info",
    "vcpu_info:vcpu_info[32] evtchn_pending:word[64/32] evtchn_mask:word[64/32]"
    " wc_version:u32 wc_sec:u32 wc_nsec:u32 wc_sec_hi:u32[1/0] arch:arch_shared_info",
)
XSD_SOCKMSG = Layout("xsd_sockmsg", "type:u32 req_id:u32 tx_id:u32 len:u32")
XENSTORE_DOMAIN_INTERFACE = Layout(
    "xenstore_domain_interface",
    "req:u8[1024] rsp:u8[1024] req_cons:u32 req_prod:u32 rsp_cons:u32 rsp_prod:u32"
    " server_features:u32 connection:u32 error:u32",
)
BLKIF_REQUEST_SEGMENT = Layout("blkif_request_segment", "gref:u32 first_sect:u8 last_sect:u8")
BLKIF_REQUEST = Layout(
    "blkif_request",
    "operation:u8 nr_segments:u8 handle:u16 id:u64 sector_number:u64 seg:blkif_request_segment[11]",
)
BLKIF_REQUEST_DISCARD = Layout(
    "blkif_request_discard", "operation:u8 flag:u8 handle:u16 id:u64 sector_number:u64 nr_sectors:u64"
)
BLKIF_REQUEST_INDIRECT = Layout(
    "blkif_request_indirect",
    "operation:u8 indirect_op:u8 nr_segments:u16 id:u64 sector_number:u64 handle:u16 indirect_grefs:u32[8]"
    " pad:u64[0/1]",
)
BLKIF_RESPONSE = Layout("blkif_response", "id:u64 operation:u8 status:s16")
BLKIF_SRING = Layout("blkif_sring", "req_prod:u32 req_event:u32 rsp_prod:u32 rsp_event:u32 pad:u8[48]")
NETIF_TX_REQUEST = Layout("netif_tx_request", "gref:u32 offset:u16 flags:u16 id:u16 size:u16")
NETIF_EXTRA_INFO = Layout("netif_extra_info", "type:u8 flags:u8 u:u16[3]")
NETIF_TX_RESPONSE = Layout("netif_tx_response", "id:u16 status:s16")
NETIF_RX_REQUEST = Layout("netif_rx_request", "id:u16 pad:u16 gref:u32")
NETIF_RX_RESPONSE = Layout("netif_rx_response", "id:u16 offset:u16 flags:u16 status:s16")
