# SPDX-License-Identifier: GPL-2.0-or-later
"""A well-behaved guest written in Python: what the tests of the simulated Xen drive it with, where no CPU is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from xenlab.world import World
from xenlab.xen import abi
from xenlab.xen.abi import EVTCHNOP, GTF, HVM_PARAM, HVMOP, HYPERVISOR, XENMAPSPACE, XENMEM, XS, Arch, Layout
from xenlab.xen.hypercalls import Blocked
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.ports import PAGE, GuestFault
from xenlab.xen.releases import CURRENT, Release
from xenlab.xen.store import Store
from xenlab.xen.storering import LATE, Manner, StoreRing
from xenlab.xen.toolstack import Toolstack

RAM = range(0x1000, 0x1800)
DEVICE = range(0xF2000, 0xF2100)
SECOND = 1_000_000_000


class Memory:
    """Frames in a dictionary; also the guest's linear addresses, which are its physical ones."""

    def __init__(self) -> None:
        self._frames: dict[int, bytearray] = {}
        self._regions = [RAM, DEVICE]

    def add_region(self, base: int, size: int) -> None:
        self._regions.append(range(base // PAGE, (base + size) // PAGE))

    def exists(self, gpa: int) -> bool:
        return any(gpa // PAGE in region for region in self._regions)

    def read(self, gpa: int, size: int) -> bytes:
        data = b""
        while size:
            offset = gpa % PAGE
            piece = min(size, PAGE - offset)
            data += bytes(self._frame(gpa)[offset : offset + piece])
            gpa, size = gpa + piece, size - piece
        return data

    def write(self, gpa: int, data: bytes) -> None:
        while data:
            offset = gpa % PAGE
            piece = data[: PAGE - offset]
            self._frame(gpa)[offset : offset + len(piece)] = piece
            gpa, data = gpa + len(piece), data[len(piece) :]

    def _frame(self, gpa: int) -> bytearray:
        if gpa // PAGE not in self._frames:
            if not self.exists(gpa):
                raise GuestFault(gpa)
            self._frames[gpa // PAGE] = bytearray(b"\xa5" * PAGE)
        return self._frames[gpa // PAGE]


class StoreError(Exception):
    pass


@dataclass
class Guest:
    """A domain with its toolstack, and a driver's worth of habits."""

    arch: Arch = "x64"
    release: Release = CURRENT
    seed: int = 1
    manner: Manner = LATE
    viridian: bool = False
    amd: bool = False
    vcpus: int = 1
    handlers: dict[int, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        self.memory = Memory()
        self.xen = Hypervisor(
            self.world, self.memory, self.memory, self.arch, self.release, pages=len(RAM),
            viridian=self.viridian, amd=self.amd, vcpus=self.vcpus,
        )  # fmt: skip
        self.xen.physmap.add_holes(DEVICE)
        self.store = Store(self.world)
        self.ring = StoreRing(self.xen, self.store, self.manner)
        self.tools = Toolstack(self.xen, self.store, self.ring)
        self.tools.build()
        self._free = list(RAM)
        self.world.random.shuffle(self._free)
        self._scratch = self.page() * PAGE
        self._device = iter(DEVICE)
        self.shared = self.grants = 0
        self._grant_frames: dict[int, int] = {}
        self._free_refs: list[int] = []

    def page(self) -> int:
        gfn = self._free.pop()
        self.memory.write(gfn * PAGE, bytes(PAGE))
        return gfn

    def hypercall(self, number: HYPERVISOR, *arguments: int, vcpu: int = 0) -> int:
        result = self.xen.hypercall(number, [*arguments, 0, 0, 0, 0, 0][:5], vcpu)
        if isinstance(result, Blocked):
            blocked = result
            self.run_until(lambda: blocked.poll() is not None)
            answer = blocked.poll()
            assert answer is not None
            return answer
        return result

    def operate(self, number: HYPERVISOR, command: int, layout: Layout, **given: int) -> tuple[int, dict[str, int]]:
        """Make a hypercall of the (command, structure) kind; returns the result and the structure afterwards."""
        self.memory.write(self._scratch, layout.pack(self.arch, **given))
        extra = (1,) if number == HYPERVISOR.grant_table_op else ()
        result = self.hypercall(number, command, self._scratch, *extra)
        return result, layout.unpack(self.arch, self.memory.read(self._scratch, layout.size(self.arch)))

    def run_until(self, done: Callable[[], bool], limit: int = 100 * SECOND) -> None:
        """Let time pass until `done`, delivering events; a test that waits in vain fails."""
        end = self.world.now + limit
        while not done():
            due = self.world.next_time
            assert due is not None and due < end, f"nothing comes any more; waiting for {done}"
            self.world.advance(due - self.world.now)
            self.deliver()

    def settle(self) -> None:
        """Let everything happen that is to happen."""
        while (due := self.world.next_time) is not None:
            self.world.advance(due - self.world.now)
            self.deliver()

    def settle_for(self, ns: int) -> None:
        """Let everything happen that is due within some time."""
        end = self.world.now + ns
        while (due := self.world.next_time) is not None and due <= end:
            self.world.advance(due - self.world.now)
            self.deliver()

    def deliver(self) -> None:
        """The interrupt service routine: while there is an interrupt, take pending bits and call the handlers."""
        while self.xen.interrupt_asserted or self.xen.requested:
            self.xen.requested.clear()
            self.take_events()

    def take_events(self) -> list[int]:
        fields = abi.SHARED_INFO.fields(self.arch)
        word = 8 if self.arch == "x64" else 4
        self.memory.write(self.shared * PAGE, b"\0")
        self.memory.write(self.shared * PAGE + word, bytes(word))
        start, size = fields["evtchn_pending"], word * word * 8
        bits = int.from_bytes(self.memory.read(self.shared * PAGE + start, size), "little")
        self.memory.write(self.shared * PAGE + start, bytes(size))
        ports = []
        while bits:
            ports.append((bits & -bits).bit_length() - 1)
            bits &= bits - 1
        for port in ports:
            self.handlers.get(port, lambda: None)()
        return ports

    def set_mask(self, port: int, masked: bool) -> None:
        at = self.shared * PAGE + abi.SHARED_INFO.fields(self.arch)["evtchn_mask"] + port // 8
        byte = self.memory.read(at, 1)[0]
        self.memory.write(at, bytes([byte | 1 << port % 8 if masked else byte & ~(1 << port % 8)]))

    def add_to_physmap(self, space: int, index: int, gfn: int) -> int:
        given = {"domid": abi.DOMID_SELF, "space": space, "idx": index, "gpfn": gfn}
        return self.operate(HYPERVISOR.memory_op, XENMEM.add_to_physmap, abi.XEN_ADD_TO_PHYSMAP, **given)[0]

    def map_shared(self, callback: int = 11) -> None:
        """Map the shared info page and have events delivered to a line."""
        self.shared = next(self._device)
        assert self.add_to_physmap(XENMAPSPACE.shared_info, 0, self.shared) == 0
        self.set_param(HVM_PARAM.CALLBACK_IRQ, callback)

    def set_param(self, index: int, value: int) -> int:
        given = {"domid": abi.DOMID_SELF, "index": index, "value": value}
        return self.operate(HYPERVISOR.hvm_op, HVMOP.set_param, abi.XEN_HVM_PARAM, **given)[0]

    def param(self, index: int) -> int:
        given = {"domid": abi.DOMID_SELF, "index": index}
        result, found = self.operate(HYPERVISOR.hvm_op, HVMOP.get_param, abi.XEN_HVM_PARAM, **given)
        assert result == 0
        return found["value"]

    def alloc_port(self, remote: int = 0) -> int:
        given = {"dom": abi.DOMID_SELF, "remote_dom": remote}
        alloc = abi.EVTCHN_ALLOC_UNBOUND
        result, found = self.operate(HYPERVISOR.event_channel_op, EVTCHNOP.alloc_unbound, alloc, **given)
        assert result == 0
        return found["port"]

    def send(self, port: int) -> int:
        return self.operate(HYPERVISOR.event_channel_op, EVTCHNOP.send, abi.EVTCHN_SEND, port=port)[0]

    def map_grants(self, frames: int = 1) -> None:
        self._grant_frames = {}
        self._free_refs = []
        for index in range(frames):
            gfn = next(self._device)
            assert self.add_to_physmap(XENMAPSPACE.grant_table, index, gfn) == 0
            self._grant_frames[index] = gfn
            self._free_refs += range(max(8, index * 512), (index + 1) * 512)

    def grant(self, gfn: int, readonly: bool = False, domid: int = 0) -> int:
        ref = self._free_refs.pop()
        flags = GTF.permit_access | (GTF.readonly if readonly else 0)
        self.memory.write(self._entry(ref), struct.pack("<HHI", flags, domid, gfn))
        return ref

    def change_memory(self, command: XENMEM, gfn: int) -> int:
        """Give the page of a frame to Xen, or have a page at a frame again; returns how many were done."""
        list_at = self._scratch + 512
        self.memory.write(list_at, gfn.to_bytes(8, "little"))
        given = {"extent_start": list_at, "nr_extents": 1, "domid": abi.DOMID_SELF}
        return self.operate(HYPERVISOR.memory_op, command, abi.XEN_MEMORY_RESERVATION, **given)[0]

    def accept(self, gfn: int, domid: int = 0) -> int:
        """Make a hole of a frame, and let another domain put a page there; returns the reference."""
        assert self.change_memory(XENMEM.decrease_reservation, gfn) == 1
        ref = self._free_refs.pop()
        self.memory.write(self._entry(ref), struct.pack("<HHI", GTF.accept_transfer, domid, gfn))
        return ref

    def end_transfer(self, ref: int) -> bool:
        """Take a grant to put a page back; whether a page has come."""
        flags = self.grant_flags(ref)
        assert flags & (GTF.transfer_committed | GTF.transfer_completed) != GTF.transfer_committed
        self.memory.write(self._entry(ref), bytes(8))
        self._free_refs.append(ref)
        return bool(flags & GTF.transfer_completed)

    def grant_flags(self, ref: int) -> int:
        return int.from_bytes(self.memory.read(self._entry(ref), 2), "little")

    def revoke(self, ref: int) -> None:
        assert not self.grant_flags(ref) & (GTF.reading | GTF.writing)
        self.memory.write(self._entry(ref), bytes(8))
        self._free_refs.append(ref)

    def _entry(self, ref: int) -> int:
        return self._grant_frames[ref // 512] * PAGE + ref % 512 * 8

    def start(self, grant_frames: int = 4) -> StoreClient:
        """All that a bus driver sets up; returns its xenstore client."""
        self.map_shared()
        self.map_grants(grant_frames)
        return StoreClient(self)


class StoreClient:
    """The guest's end of the store ring."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
        self.base = guest.param(HVM_PARAM.STORE_PFN) * PAGE
        self.port = guest.param(HVM_PARAM.STORE_EVTCHN)
        self._fields = abi.XENSTORE_DOMAIN_INTERFACE.fields("x64")
        self._incoming = b""
        self._next = 1
        self.replies: dict[int, tuple[int, bytes]] = {}
        self.events: list[tuple[str, str]] = []
        guest.handlers[self.port] = self._read_ring

    def index(self, name: str) -> int:
        return int.from_bytes(self._guest.memory.read(self.base + self._fields[name], 4), "little")

    def set_index(self, name: str, value: int) -> None:
        self._guest.memory.write(self.base + self._fields[name], (value % (1 << 32)).to_bytes(4, "little"))

    def send(self, kind: int, payload: bytes, tx: int = 0) -> int:
        """Send a request, in as many pieces as the ring wants; returns its req_id."""
        ident, self._next = self._next, self._next + 1
        self.send_bytes(struct.pack("<4I", kind, ident, tx, len(payload)) + payload)
        return ident

    def send_bytes(self, data: bytes) -> None:
        for byte in data:
            self._guest.run_until(lambda: self.index("req_prod") - self.index("req_cons") < 1024)
            producer = self.index("req_prod")
            self._guest.memory.write(self.base + self._fields["req"] + producer % 1024, bytes([byte]))
            self.set_index("req_prod", producer + 1)
            if (producer + 1 - self.index("req_cons")) % (1 << 32) == 1024:
                self._guest.send(self.port)
        self._guest.send(self.port)

    def reply(self, ident: int) -> bytes:
        """Wait for the reply to a request; :class:`StoreError` for an error."""
        self._guest.run_until(lambda: ident in self.replies)
        kind, payload = self.replies.pop(ident)
        if kind == XS.ERROR:
            raise StoreError(payload.decode().rstrip("\0"))
        return payload

    def ask(self, kind: int, payload: bytes | str, tx: int = 0) -> bytes:
        return self.reply(self.send(kind, payload.encode() if isinstance(payload, str) else payload, tx))

    def read(self, path: str, tx: int = 0) -> str:
        return self.ask(XS.READ, path + "\0", tx).decode()

    def write(self, path: str, value: str, tx: int = 0) -> None:
        assert self.ask(XS.WRITE, f"{path}\0{value}", tx) == b"OK\0"

    def directory(self, path: str) -> list[str]:
        return self.ask(XS.DIRECTORY, path + "\0").decode().split("\0")[:-1]

    def watch(self, path: str, token: str) -> None:
        assert self.ask(XS.WATCH, f"{path}\0{token}\0") == b"OK\0"

    def wait_event(self, path: str, token: str) -> None:
        self._guest.run_until(lambda: (path, token) in self.events)
        self.events.remove((path, token))

    def begin(self) -> int:
        return int(self.ask(XS.TRANSACTION_START, b"\0").rstrip(b"\0"))

    def end(self, tx: int, commit: bool = True) -> None:
        self.ask(XS.TRANSACTION_END, b"T\0" if commit else b"F\0", tx)

    def _read_ring(self) -> None:
        consumer, producer = self.index("rsp_cons"), self.index("rsp_prod")
        while consumer != producer:
            self._incoming += self._guest.memory.read(self.base + self._fields["rsp"] + consumer % 1024, 1)
            consumer = (consumer + 1) % (1 << 32)
        self.set_index("rsp_cons", consumer)
        self._guest.send(self.port)
        while len(self._incoming) >= 16:
            kind, ident, _, length = struct.unpack("<4I", self._incoming[:16])
            if len(self._incoming) < 16 + length:
                return
            payload, self._incoming = self._incoming[16 : 16 + length], self._incoming[16 + length :]
            if kind == XS.WATCH_EVENT:
                path, token = payload.decode().rstrip("\0").split("\0")
                self.events.append((path, token))
            else:
                self.replies[ident] = (kind, payload)


@dataclass
class Io:
    """One request of the front end below; `data` is what a read brought."""

    operation: int
    pages: list[int]
    refs: list[int]
    length: int = 0
    status: int | None = None
    data: bytes = b""


class BlockFront:
    """A front end: one disk, requests of whole pages and sectors, as deep as the ring."""

    def __init__(
        self,
        guest: Guest,
        client: StoreClient,
        number: int,
        protocol: str | None = None,
        order: int = 0,
        layout: Arch | None = None,
        persistent: bool = False,
    ) -> None:
        self.guest, self.client = guest, client
        self.path = f"device/vbd/{number}"
        self.back = client.read(f"{self.path}/backend")
        self.layout: Arch = layout or guest.arch
        self.persistent = persistent
        self.protocol = protocol if protocol is not None else {"x64": "x86_64-abi", "x32": "x86_32-abi"}[guest.arch]
        self.ring_pages = [guest.page() for _ in range(1 << order)]
        self.slot = abi.BLKIF_REQUEST.size(self.layout)
        self.slots = 1 << ((len(self.ring_pages) * PAGE - 64) // self.slot).bit_length() - 1
        self.req_prod = self.rsp_cons = 0
        self.io: dict[int, Io] = {}
        self.answers: list[tuple[int, int, int]] = []
        self._next_id = 0x1000
        self._set(4, 1)
        self._set(12, 1)

    def connect(self, state: int = 3) -> None:
        guest, client = self.guest, self.client
        guest.run_until(lambda: client.read(f"{self.back}/state") in {"2", "3", "4"})
        self.refs = [guest.grant(gfn) for gfn in self.ring_pages]
        self.port = guest.alloc_port()
        guest.handlers[self.port] = self.take_responses
        if len(self.refs) == 1:
            client.write(f"{self.path}/ring-ref", str(self.refs[0]))
        else:
            client.write(f"{self.path}/ring-page-order", str(len(self.refs).bit_length() - 1))
            for index, ref in enumerate(self.refs):
                client.write(f"{self.path}/ring-ref{index}", str(ref))
        client.write(f"{self.path}/event-channel", str(self.port))
        if self.protocol:
            client.write(f"{self.path}/protocol", self.protocol)
        if self.persistent:
            client.write(f"{self.path}/feature-persistent", "1")
        client.write(f"{self.path}/state", str(state))
        guest.run_until(lambda: client.read(f"{self.back}/state") == "4")
        client.write(f"{self.path}/state", "4")

    def close(self) -> None:
        """The orderly end: nothing is taken back before the back end says that it is closed."""
        self.client.write(f"{self.path}/state", "5")
        self.client.write(f"{self.path}/state", "6")
        self.guest.run_until(lambda: self.client.read(f"{self.back}/state") == "6")
        for ref in self.refs:
            self.guest.revoke(ref)

    def _address(self, offset: int) -> int:
        return self.ring_pages[offset // PAGE] * PAGE + offset % PAGE

    def _get(self, offset: int) -> int:
        return int.from_bytes(self.guest.memory.read(self._address(offset), 4), "little")

    def _set(self, offset: int, value: int) -> None:
        self.guest.memory.write(self._address(offset), (value % (1 << 32)).to_bytes(4, "little"))

    def put(self, raw: bytes) -> None:
        """Write one request into the next slot without showing it."""
        start = 64 + self.req_prod % self.slots * self.slot
        for offset, byte in enumerate(raw):
            self.guest.memory.write(self._address(start + offset), bytes([byte]))
        self.req_prod += 1

    def push(self) -> bool:
        """Show what was put, and notify if that is asked for; returns whether it was."""
        before = self._get(0)
        self._set(0, self.req_prod)
        wanted = (self.req_prod - self._get(4)) % (1 << 32) < (self.req_prod - before) % (1 << 32)
        if wanted:
            self.guest.send(self.port)
        return wanted

    def submit(self, operation: int, sector: int = 0, data: bytes = b"", length: int = 0) -> Io:
        """Start a request of up to 11 pages, sector aligned; `length` in bytes for a read."""
        self.guest.run_until(lambda: len(self.io) < self.slots)
        size = len(data) or length
        pages = [self.guest.page() for _ in range(-(-size // PAGE))]
        for number, gfn in enumerate(pages):
            self.guest.memory.write(gfn * PAGE, data[number * PAGE : (number + 1) * PAGE])
        refs = [self.guest.grant(gfn, readonly=bool(data) and not self.persistent) for gfn in pages]
        io = Io(operation, pages, refs, length)
        segments = [(ref, 0, (min(size - number * PAGE, PAGE) // 512) - 1) for number, ref in enumerate(refs)]
        self.put(self.request(operation, self._add(io), sector, segments))
        self.push()
        return io

    def _add(self, io: Io) -> int:
        self._next_id += 1
        self.io[self._next_id] = io
        return self._next_id

    def request(self, operation: int, ident: int, sector: int, segments: Iterable[tuple[int, int, int]]) -> bytes:
        items = list(segments)
        raw = bytearray(
            abi.BLKIF_REQUEST.pack(
                self.layout, operation=operation, nr_segments=len(items), id=ident, sector_number=sector
            )
        )
        start = abi.BLKIF_REQUEST.fields(self.layout)["seg"]
        for number, item in enumerate(items[:11]):
            struct.pack_into("<IBB", raw, start + number * 8, *item)
        return bytes(raw)

    def take_responses(self) -> None:
        while True:
            producer = self._get(8)
            while self.rsp_cons != producer:
                if (producer - self.rsp_cons) % (1 << 32) > self.slots:
                    return
                self._take_one()
            self._set(12, self.rsp_cons + 1)
            if self._get(8) == self.rsp_cons:
                return

    def _take_one(self) -> None:
        start = 64 + self.rsp_cons % self.slots * self.slot
        size = abi.BLKIF_RESPONSE.size(self.layout)
        raw = b"".join(self.guest.memory.read(self._address(start + offset), 1) for offset in range(size))
        found = abi.BLKIF_RESPONSE.unpack(self.layout, raw)
        self.rsp_cons += 1
        self.answers.append((found["id"], found["operation"], found["status"]))
        io = self.io.pop(found["id"], None)
        if io is not None:
            io.status = found["status"]
            io.data = b"".join(self.guest.memory.read(gfn * PAGE, PAGE) for gfn in io.pages)[: io.length]
            if not self.persistent:
                for ref in io.refs:
                    self.guest.revoke(ref)

    def finish(self, io: Io) -> Io:
        self.guest.run_until(lambda: io.status is not None)
        return io

    def do(self, operation: int, sector: int = 0, data: bytes = b"", length: int = 0) -> Io:
        return self.finish(self.submit(operation, sector, data, length))
