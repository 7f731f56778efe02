# SPDX-License-Identifier: GPL-2.0-or-later
"""The block back end: connection, requests, features, hostile answers, and what a front end must not do."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from xenlab.errors import Violation
from xenlab.xen import abi
from xenlab.xen.abi import BLKIF_OP, BLKIF_RSP, GTF, VDISK, XenbusState
from xenlab.xen.blkback import ORDINARY, Features, Hostility
from xenlab.xen.disk import Disk
from xenlab.xen.ports import PAGE
from xenlab.xen.toolstack import Vbd

from .guest import BlockFront, Guest, StoreClient

SECTORS = 4096
SEEDS = pytest.mark.parametrize("seed", range(4))


class Setup:
    """A guest with one disk, connected unless told not to."""

    def __init__(self, features: Features = ORDINARY, seed: int = 1, connect: bool = True, **front: object) -> None:
        arch = front.pop("arch", "x64")
        self.guest = Guest(arch, seed=seed)  # type: ignore[arg-type]
        self.client: StoreClient = self.guest.start()
        self.disk = Disk(SECTORS)
        self.vbd: Vbd = self.guest.tools.attach("xvda", self.disk, features)
        self.back = self.vbd.backend
        self.front = BlockFront(self.guest, self.client, self.vbd.number, **front)  # type: ignore[arg-type]
        if connect:
            self.front.connect()

    def node(self, name: str) -> str:
        return self.client.read(f"{self.back.path}/{name}")


def pattern(pages: float, salt: int = 1) -> bytes:
    return bytes((index // 7 + index * salt) % 251 for index in range(int(pages * PAGE)))


@SEEDS
def test_the_states_run_through_the_handshake(seed: int):
    setup = Setup(seed=seed, connect=False)
    assert setup.back.state is XenbusState.Initialising
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    setup.front.connect()
    assert setup.back.state is XenbusState.Connected
    assert setup.node("sectors") == str(SECTORS)
    assert setup.node("sector-size") == "512"
    assert setup.node("info") == "0"


def test_a_front_end_may_go_to_connected_at_once():
    setup = Setup(connect=False)
    setup.front.connect(state=4)
    assert setup.back.state is XenbusState.Connected


@pytest.mark.parametrize(
    ("features", "nodes"),
    [
        (Features(), {"feature-barrier": "1", "feature-flush-cache": "1", "feature-discard": "1"}),
        (Features(barrier=False, flush=False), {"feature-barrier": "0", "feature-flush-cache": "0"}),
        (Features(max_indirect=256), {"feature-max-indirect-segments": "256"}),
        (Features(persistent=True), {"feature-persistent": "1"}),
        (Features(max_ring_page_order=4), {"max-ring-page-order": "4"}),
        (Features(read_only=True), {"info": str(int(VDISK.READONLY)), "mode": "r"}),
        (Features(cdrom=True), {"info": str(int(VDISK.READONLY | VDISK.CDROM))}),
        (Features(sector_size=4096), {"sector-size": "4096", "physical-sector-size": "4096"}),
    ],
)
def test_features_are_published_as_they_are(features: Features, nodes: dict[str, str]):
    setup = Setup(features)
    assert {name: setup.node(name) for name in nodes} == nodes


def test_features_come_with_the_connection_unless_the_back_end_is_early():
    for early in (False, True):
        setup = Setup(Features(early=early), connect=False)
        setup.guest.run_until(lambda setup=setup: setup.back.state is XenbusState.InitWait)
        assert setup.guest.store.dom0.exists(f"{setup.back.path}/sectors") is early


@SEEDS
@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_what_is_written_is_read_back(arch: str, seed: int):
    setup = Setup(arch=arch, seed=seed)
    data = pattern(11)
    assert setup.front.do(BLKIF_OP.WRITE, 16, data).status == BLKIF_RSP.OKAY
    assert setup.disk.read(16 * 512, len(data)) == data
    assert setup.front.do(BLKIF_OP.READ, 16, length=len(data)).data == data
    assert setup.front.do(BLKIF_OP.READ, 17, length=512).data == data[512:1024]


@pytest.mark.parametrize(("arch", "layout"), [("x64", "x32"), ("x32", "x64")])
def test_the_named_protocol_rules_the_layout(arch: str, layout: str):
    name = {"x32": "x86_32-abi", "x64": "x86_64-abi"}[layout]
    setup = Setup(arch=arch, protocol=name, layout=layout)
    data = pattern(2)
    setup.front.do(BLKIF_OP.WRITE, 0, data)
    assert setup.disk.read(0, len(data)) == data


def test_without_a_protocol_the_back_end_takes_its_own():
    setup = Setup(Features(native="x64"), arch="x32", protocol="", layout="x64")
    data = pattern(3)
    setup.front.do(BLKIF_OP.WRITE, 8, data)
    assert setup.disk.read(8 * 512, len(data)) == data


@SEEDS
def test_many_requests_finish_in_any_order(seed: int):
    setup = Setup(seed=seed)
    pieces = {number: pattern(1 + number % 3, number + 1) for number in range(100)}
    writes = {number: setup.front.submit(BLKIF_OP.WRITE, number * 40, data) for number, data in pieces.items()}
    for io in writes.values():
        assert setup.front.finish(io).status == BLKIF_RSP.OKAY
    reads = {number: setup.front.submit(BLKIF_OP.READ, number * 40, length=len(pieces[number])) for number in pieces}
    for io, data in zip(reads.values(), pieces.values(), strict=True):
        assert setup.front.finish(io).data == data
    identifiers = [answer[0] for answer in setup.front.answers]
    assert identifiers != sorted(identifiers)
    assert setup.back.statistics.requests == {"WRITE": 100, "READ": 100}


def test_a_multi_page_ring_holds_more():
    setup = Setup(Features(max_ring_page_order=2), order=2)
    assert setup.front.slots == 128
    ios = [setup.front.submit(BLKIF_OP.WRITE, number, pattern(1 / 8, number + 1)) for number in range(128)]
    for io in ios:
        setup.front.finish(io)
    assert setup.disk.read(100 * 512, 512) == pattern(1 / 8, 101)


def test_requests_beyond_the_disk_fail():
    setup = Setup()
    assert setup.front.do(BLKIF_OP.READ, SECTORS - 1, length=1024).status == BLKIF_RSP.ERROR
    assert setup.front.do(BLKIF_OP.READ, SECTORS - 1, length=512).status == BLKIF_RSP.OKAY


def test_a_read_only_disk_is_not_written():
    setup = Setup(Features(read_only=True))
    assert setup.front.do(BLKIF_OP.WRITE, 0, pattern(1)).status == BLKIF_RSP.ERROR
    assert setup.disk.read(0, PAGE) == bytes(PAGE)


def test_discard_forgets_a_range():
    setup = Setup()
    setup.front.do(BLKIF_OP.WRITE, 0, pattern(2))
    front = setup.front
    front.put(abi.BLKIF_REQUEST_DISCARD.pack("x64", operation=BLKIF_OP.DISCARD, id=7, sector_number=4, nr_sectors=8))
    front.push()
    setup.guest.run_until(lambda: (7, BLKIF_OP.DISCARD, 0) in front.answers)
    assert setup.disk.read(0, 2 * PAGE) == pattern(2)[:2048] + bytes(4096) + pattern(2)[6144:]


@SEEDS
def test_a_barrier_waits_for_all_before_it_and_holds_all_after_it(seed: int):
    setup = Setup(seed=seed)
    setup.disk.cached = True
    before = [setup.front.submit(BLKIF_OP.WRITE, 0, pattern(1, salt)) for salt in (1,)]
    before += [setup.front.submit(BLKIF_OP.WRITE, 8 * number, pattern(1)) for number in range(1, 9)]
    barrier = setup.front.submit(BLKIF_OP.WRITE_BARRIER, 0, pattern(1, 2))
    after = setup.front.submit(BLKIF_OP.WRITE, 0, pattern(1, 3))
    setup.front.finish(barrier)
    assert all(io.status == 0 for io in before)
    assert after.status is None
    assert setup.disk.log == []
    assert setup.disk.read(0, PAGE) == pattern(1, 2)
    setup.front.finish(after)
    assert setup.disk.read(0, PAGE) == pattern(1, 3)


def test_flush_empties_the_cache():
    setup = Setup()
    setup.disk.cached = True
    setup.front.do(BLKIF_OP.WRITE, 0, pattern(1))
    assert len(setup.disk.log) == 1
    assert setup.front.do(BLKIF_OP.FLUSH_DISKCACHE).status == BLKIF_RSP.OKAY
    assert setup.disk.log == []


def test_an_operation_may_be_offered_and_then_refused():
    setup = Setup(Features(refuses=frozenset({BLKIF_OP.WRITE_BARRIER})))
    assert setup.front.do(BLKIF_OP.WRITE_BARRIER, 0, pattern(1)).status == BLKIF_RSP.EOPNOTSUPP
    assert setup.disk.read(0, PAGE) == bytes(PAGE)


def indirect(setup: Setup, operation: int, sector: int, grefs: list[int], ident: int = 9) -> None:
    """One request whose segments are in an indirect page."""
    page = setup.guest.page()
    segments = b"".join(struct.pack("<IBBH", gref, 0, 7, 0) for gref in grefs)
    setup.guest.memory.write(page * PAGE, segments)
    raw = bytearray(
        abi.BLKIF_REQUEST_INDIRECT.pack(
            setup.front.layout, operation=BLKIF_OP.INDIRECT, indirect_op=operation, nr_segments=len(grefs), id=ident,
            sector_number=sector,
        )
    )  # fmt: skip
    start = abi.BLKIF_REQUEST_INDIRECT.fields(setup.front.layout)["indirect_grefs"]
    struct.pack_into("<I", raw, start, setup.guest.grant(page, readonly=True))
    setup.front.put(bytes(raw))
    setup.front.push()


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_indirect_requests_carry_many_segments(arch: str):
    setup = Setup(Features(max_indirect=64), arch=arch)
    pages = [setup.guest.page() for _ in range(40)]
    for number, gfn in enumerate(pages):
        setup.guest.memory.write(gfn * PAGE, pattern(1, number + 1))
    indirect(setup, BLKIF_OP.WRITE, 0, [setup.guest.grant(gfn, readonly=True) for gfn in pages])
    setup.guest.run_until(lambda: (9, BLKIF_OP.INDIRECT, 0) in setup.front.answers)
    assert setup.disk.read(0, 40 * PAGE) == b"".join(pattern(1, number + 1) for number in range(40))


def test_persistent_grants_stay_mapped_until_the_end():
    setup = Setup(Features(persistent=True), persistent=True)
    guest, front = setup.guest, setup.front
    io = front.do(BLKIF_OP.WRITE, 0, pattern(1))
    assert guest.grant_flags(io.refs[0]) == GTF.permit_access | GTF.reading | GTF.writing
    maps = guest.xen.grants.statistics.maps
    front.put(front.request(BLKIF_OP.READ, 77, 0, [(io.refs[0], 0, 7)]))
    front.push()
    guest.run_until(lambda: (77, BLKIF_OP.READ, 0) in front.answers)
    assert guest.xen.grants.statistics.maps == maps
    front.close()
    assert guest.grant_flags(io.refs[0]) == GTF.permit_access


def test_persistent_grants_beyond_the_limit_are_unmapped():
    setup = Setup(Features(persistent=True, persistent_limit=2), persistent=True)
    ios = [setup.front.do(BLKIF_OP.WRITE, 8 * number, pattern(1)) for number in range(4)]
    mapped = [bool(setup.guest.grant_flags(io.refs[0]) & GTF.reading) for io in ios]
    assert mapped == [True, True, False, False]


def test_a_finished_request_has_no_grant_mapped():
    setup = Setup()
    for _ in range(20):
        setup.front.do(BLKIF_OP.WRITE, 0, pattern(3))
    assert setup.guest.xen.grants.outstanding() == setup.front.refs


@SEEDS
def test_closing_gives_everything_back(seed: int):
    setup = Setup(seed=seed)
    setup.front.do(BLKIF_OP.WRITE, 0, pattern(1))
    setup.front.close()
    assert setup.back.state is XenbusState.Closed
    assert setup.guest.xen.grants.outstanding() == []


def test_a_closed_device_can_be_opened_again():
    setup = Setup()
    setup.front.close()
    setup.client.write(f"{setup.front.path}/state", "1")
    again = BlockFront(setup.guest, setup.client, setup.vbd.number)
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    again.connect()
    assert again.do(BLKIF_OP.WRITE, 0, pattern(1)).status == 0


def test_resizing_announces_itself_by_writing_the_state_again():
    setup = Setup()
    setup.client.watch(setup.back.path, "back")
    setup.client.wait_event(setup.back.path, "back")
    setup.back.resize(2 * SECTORS)
    setup.client.wait_event(f"{setup.back.path}/state", "back")
    assert setup.node("sectors") == str(2 * SECTORS)
    assert setup.node("state") == "4"
    assert setup.front.do(BLKIF_OP.WRITE, SECTORS, pattern(1)).status == BLKIF_RSP.OKAY


def test_a_back_end_may_close_early_or_fail():
    setup = Setup()
    setup.back.close_early()
    assert setup.node("state") == "5"
    setup.front.close()
    setup = Setup(connect=False)
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    setup.back.fail("2 opening the disk")
    assert setup.node("state") == "5"


def test_a_back_end_that_dies_lets_go_of_the_pages():
    setup = Setup()
    setup.front.submit(BLKIF_OP.WRITE, 0, pattern(1))
    setup.guest.world.advance(100_000)
    setup.back.vanish()
    setup.guest.settle()
    assert all(not setup.guest.grant_flags(ref) & GTF.reading for ref in setup.guest.xen.grants.outstanding())


def test_the_ring_asks_for_few_notifications():
    setup = Setup()
    for number in range(32):
        setup.front.submit(BLKIF_OP.READ, number, length=512)
    setup.guest.settle()
    assert setup.back.statistics.events_in < 16
    assert setup.back.statistics.idle_events_in <= setup.back.statistics.events_in


class TestHostileAnswers:
    def answered(self, hostility: Hostility, seed: int = 1) -> Setup:
        setup = Setup(seed=seed)
        setup.back.hostility = hostility
        for number in range(8):
            setup.front.submit(BLKIF_OP.READ, number, length=512)
        setup.guest.settle()
        return setup

    def test_bad_ids(self):
        """Made-up ones, and those of requests that were answered: never the one that the answer is for."""
        setup = self.answered(Hostility(bad_id=1))
        identifiers = [ident for ident, _, _ in setup.front.answers]
        assert len(identifiers) == 8
        assert len(setup.front.io) > 0
        assert any(ident not in range(4096, 4096 + 16) for ident in identifiers)

    def test_garbage_status(self):
        setup = self.answered(Hostility(garbage_status=1))
        assert {status for _, _, status in setup.front.answers} - {0, -1, -2}

    def test_wrong_operation(self):
        setup = self.answered(Hostility(wrong_operation=1))
        assert {operation for _, operation, _ in setup.front.answers} != {BLKIF_OP.READ}

    def test_duplicates(self):
        setup = self.answered(Hostility(duplicate=1))
        identifiers = [ident for ident, _, _ in setup.front.answers]
        assert len(identifiers) > len(set(identifiers))

    def test_silence(self):
        assert self.answered(Hostility(silence=1)).front.answers == []

    def test_a_producer_out_of_range(self):
        setup = self.answered(Hostility(producer=1))
        assert setup.front.answers == []
        assert (setup.front._get(8) - setup.front.rsp_cons) % (1 << 32) > setup.front.slots


def raw_request(**changes: object) -> Callable[[Setup], None]:
    """A request of one segment with something wrong."""

    def put(setup: Setup) -> None:
        gref = setup.guest.grant(setup.guest.page())
        given: dict[str, object] = {"operation": BLKIF_OP.READ, "segments": [(gref, 0, 7)], **changes}
        segments = given["segments"]
        if callable(segments):
            segments = segments(gref)
        setup.front.put(setup.front.request(given["operation"], 5, 0, segments))  # type: ignore[arg-type]
        setup.front.push()

    return put


def overrun(setup: Setup) -> None:
    setup.front.req_prod += 33
    setup.front.push()


def ungranted(setup: Setup) -> None:
    setup.front.put(setup.front.request(BLKIF_OP.READ, 5, 0, [(900, 0, 7)]))
    setup.front.push()


def read_only_buffer(setup: Setup) -> None:
    gref = setup.guest.grant(setup.guest.page(), readonly=True)
    setup.front.put(setup.front.request(BLKIF_OP.READ, 5, 0, [(gref, 0, 7)]))
    setup.front.push()


def early_revocation(setup: Setup) -> None:
    io = setup.front.submit(BLKIF_OP.READ, 0, length=512)
    setup.guest.run_until(lambda: setup.back.busy > 0)
    setup.guest.memory.write(setup.guest._entry(io.refs[0]), bytes(8))


def silent_push(setup: Setup) -> None:
    setup.guest.settle()
    gref = setup.guest.grant(setup.guest.page())
    setup.front.put(setup.front.request(BLKIF_OP.READ, 5, 0, [(gref, 0, 7)]))
    setup.front._set(0, setup.front.req_prod)
    setup.guest.settle()
    setup.back.audit()


@pytest.mark.parametrize(
    ("misdeed", "match"),
    [
        (raw_request(operation=17), "17 was not offered"),
        (raw_request(operation=BLKIF_OP.WRITE_BARRIER), "BARRIER was not offered"),
        (raw_request(segments=[]), "0 segments"),
        (raw_request(segments=lambda gref: [(gref, 0, 7)] * 12), "12 segments"),
        (raw_request(segments=lambda gref: [(gref, 5, 2)]), "sectors 5 to 2"),
        (raw_request(segments=lambda gref: [(gref, 0, 8)]), "sectors 0 to 8"),
        (overrun, "33 new requests"),
        (ungranted, "grant 900: bad_gntref"),
        (read_only_buffer, "permission_denied"),
        (early_revocation, "changed grant"),
        (silent_push, "no notification has come"),
        (lambda setup: indirect(setup, BLKIF_OP.READ, 0, [8] * 3), "READ was not offered"),
    ],
)
def test_a_front_end_that_breaks_the_rules(misdeed: Callable[[Setup], None], match: str):
    setup = Setup(Features(barrier=False))
    with pytest.raises(Violation, match=match):
        misdeed(setup)
        setup.guest.settle()


@pytest.mark.parametrize("nodes", [{}, {"ring-ref": "700"}, {"protocol": "arm-abi"}, {"event-channel": "900"}])
def test_a_front_end_that_connects_wrongly(nodes: dict[str, str]):
    setup = Setup(connect=False)
    setup.guest.run_until(lambda: setup.back.state is XenbusState.InitWait)
    if nodes:
        ref, port = setup.guest.grant(setup.guest.page()), setup.guest.alloc_port()
        for name, value in {"ring-ref": str(ref), "event-channel": str(port), **nodes}.items():
            setup.client.write(f"{setup.front.path}/{name}", value)
    with pytest.raises(Violation, match=r"front end has not written|cannot connect"):
        setup.client.write(f"{setup.front.path}/state", "3")
        setup.guest.settle()


def test_a_disk_may_be_a_file(tmp_path: Path):
    path = tmp_path / "disk.img"
    disk = Disk(8, path=path)
    disk.write(512, b"in a file")
    assert path.read_bytes()[512:521] == b"in a file"
    disk.resize(16)
    assert disk.sectors == 16
    assert disk.read(512, 9) == b"in a file"


def test_power_loss_takes_the_last_writes_since_the_flush():
    lost = set()
    for seed in range(20):
        guest = Guest(seed=seed)
        disk = Disk(8, cached=True)
        disk.write(0, b"a")
        disk.flush()
        for letter in b"bcd":
            disk.write(0, bytes([letter]))
        count = disk.lose_power(guest.world)
        assert disk.read(0, 1) == b"dcba"[count : count + 1]
        lost.add(count)
    assert lost == {0, 1, 2, 3}
