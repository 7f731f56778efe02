# SPDX-License-Identifier: GPL-2.0-or-later
"""Network back ends that lie, one that cannot be used at all, memory that is not there, and all at once for long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, product

from xenlab.errors import Violation
from xenlab.lab import Lab
from xenlab.ndis.nic import Checksums, Nic, Offload
from xenlab.nt.errorlog import ErrorLog
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.net import WORLD, Net, begin
from xenlab.xen import packets
from xenlab.xen.netrules import FLIPPING, HONEST, KINDS, Features, Hostility
from xenlab.xen.switch import Host, Packet
from xenlab.xen.toolstack import Toolstack

Site = tuple[int, ...]  # the return addresses of the calls that led to an allocation

_SAMPLES = 3
_OTHER = bytes.fromhex("021122330099")
_UNSUPPORTED_CONFIGURATION = 0xC0001391  # EVENT_NDIS_UNSUPPORTED_CONFIGURATION
HOSTILE = {
    "bad ids": Hostility(bad_id=0.2),
    "garbage status": Hostility(garbage_status=0.3),
    "lost frames": Hostility(error=0.3),
    "garbage offsets": Hostility(garbage_offset=0.3),
    "garbage sizes": Hostility(garbage_size=0.3),
    "garbage flags": Hostility(garbage_flags=0.3),
    "extra infos": Hostility(bad_extra=0.7),
    "endless frames": Hostility(endless=0.2),
    "answers twice": Hostility(duplicate=0.2),
    "answers never": Hostility(silence=0.1),
    "producer": Hostility(producer=0.05),
}


@scenario(
    "net-hostile", "a back end that lies in every field, one after the other: Windows stays, and can let go of it"
)
def net_hostile(new: NewLab) -> None:
    lie(begin(new(), KINDS["modern"]), KINDS["modern"], HOSTILE)


def lie(made: Net, features: Features, cases: Mapping[str, Hostility]) -> None:
    """Let an interface come for each case, whose back end is hostile, and go again; then all else works as before."""
    lab = made.lab
    for number, (name, hostility) in enumerate(cases.items(), 1):
        vif = lab.attach_nic(number, features)
        nic = lab.pv_nic(number)
        lab.wait(lambda nic=nic: nic.link_up, f"the link of the interface with {name}")  # type: ignore[misc]
        host = Host(lab.xen.toolstack.switch, bytes((2, 0x11, 0x22, 0x33, 1, number)))
        vif.backend.hostility = hostility
        vif.backend.strict = False
        _stir(lab, Net(lab, vif, nic, host))
        vif.backend.hostility = HONEST
        lab.xen.toolstack.detach_nic(number)
        lab.run(0.5)
        if number in lab.xen.toolstack.vifs:
            lab.xen.toolstack.force_detach_nic(number)
        lab.wait(lambda: len(lab.nodes("XEN")) == 2, f"the removal of the interface with {name}", 120)
    Workload([lab.pv_disk("hda")], 20).run()
    made.traffic(30, 30).run()
    made.finish()


@scenario(
    "net-beyond-page", "a back end says that a frame goes on beyond its page: what lies there stays with its owner"
)
def net_beyond_page(new: NewLab) -> None:
    made = begin(new(), KINDS["modern"])
    lab, nic = made.lab, made.nic
    made.vif.backend.hostility = Hostility(beyond=1.0)
    made.host.send(Packet(packets.ethernet(nic.mac, WORLD, 0x88B5, bytes(1000))))
    lab.run(1)
    lab.expect(not nic.received, "nothing of it reaches Windows")
    made.vif.backend.hostility = HONEST
    lab.wait(lambda: nic.link_up, "the link with a back end that lies no more")
    made.traffic(20, 20).run()
    made.finish()


def _stir(lab: Lab, made: Net) -> None:
    """Traffic of which nothing is expected: what arrives from a liar, nobody can tell."""
    work = made.traffic(20, 20, lossy=True)
    work.blind = True
    work.begin()
    lab.run(0.02)
    work.outgoing = work.incoming = 0


@scenario("net-declined", "a back end that neither copies nor gives pages away: no link, an event, and Windows lives")
def net_declined(new: NewLab) -> None:
    lab = new(xen="3.1")
    lab.attach("hda", lab.boot_disk)
    lab.attach_nic(0, replace(FLIPPING, rx_flip=False))
    lab.boot()
    nic = lab.pv_nic(0)
    lab.run(20)
    lab.expect(not nic.link_up, "the interface has no link")
    logged = lab.kernel.part(ErrorLog).written
    lab.expect(logged == [_UNSUPPORTED_CONFIGURATION], f"Windows' log says so, once: {logged}")
    Workload([lab.pv_disk("hda")], 20).run()
    lab.shut_down()


@scenario("net-offloads", "every combination of what the protocol driver has negotiated, on back ends of three kinds")
def net_offloads(new: NewLab) -> None:
    everything = Checksums.IPV4 | Checksums.TCP4 | Checksums.UDP4 | Checksums.TCP6 | Checksums.UDP6
    parts = (Checksums.NONE, Checksums.IPV4, Checksums.TCP4 | Checksums.UDP4, everything)
    for kind in ("plain", "copying", "modern"):
        made = begin(new(), KINDS[kind])
        full = made.nic.offload
        for tx, rx, large in product(parts, parts[::3], (True, False)):
            wanted = Offload(full.tx & tx, full.rx & rx)
            if large and full.tx & tx == full.tx:
                wanted = replace(full, rx=full.rx & rx)
            made.nic.set_offload(wanted)
            work = made.traffic(8, 8)
            work.offload, work.corrupt = 1.0, 0.1
            work.run()
        made.nic.set_offload(full)
        made.finish()


@scenario("net-no-memory", "each allocation while an interface comes, works and goes fails in turn: all else works on")
def net_no_memory(new: NewLab) -> None:
    sweep(new, _SAMPLES)


@scenario("net-no-memory-long", "the same at every site: its first, its last and one between", long=True, per_code=True)
def net_no_memory_long(new: NewLab) -> None:
    sweep(new, None)


def sweep(new: NewLab, samples: int | None, features: Features | None = None) -> None:
    """Let `samples` of the allocations fail, each in a machine of its own; None: some of each site."""
    sites = _try(new, 0, features)
    numbers = range(1, len(sites) + 1)
    chosen = new.random.sample(numbers, min(samples, len(sites))) if samples else _of_each_site(sites)
    for number in sorted(chosen):
        try:
            _try(new, number, features)
        except Violation as violation:
            what = f"When allocation {number} of {len(sites)} fails: {violation.what}"
            raise Violation(what, violation.stack) from violation


def _of_each_site(sites: Sequence[Site]) -> set[int]:
    """The numbers, from 1, of the first, the middle and the last allocation of each site."""
    numbers: dict[Site, list[int]] = {}
    for number, site in enumerate(sites, 1):
        numbers.setdefault(site, []).append(number)
    return {each[at] for each in numbers.values() for at in (0, len(each) // 2, -1)}


def _try(new: NewLab, failing: int, features: Features | None) -> Sequence[Site]:
    """Let a second interface come, work and go with one allocation failing; return the sites of all, if none fails."""
    lab = begin(new()).lab
    lab.run(1)
    pool = lab.kernel.pool
    sites: list[Site] = []
    pool.sites = None if failing else sites
    pool.fail_at(pool.count + failing if failing else 0)
    vif = lab.attach_nic(1, features)
    lab.run(3)
    nic = _bound(lab)
    lab.expect(nic is not None or failing != 0, "the interface comes up if nothing fails")
    if nic is not None:
        made = Net(lab, vif, nic, Host(lab.xen.toolstack.switch, _OTHER))
        work = made.traffic(30, 30, lossy=True)
        work.begin()
        lab.wait(lambda: work.finished, "the traffic")
        work.end()
    detach = lab.xen.toolstack.detach_nic(1)
    lab.run(3)
    if not detach.done:
        lab.xen.toolstack.force_detach_nic(1)
    lab.wait(lambda: len(lab.nodes("XEN")) == 2, "the removal of the interface that came and went", 120)
    pool.sites = None
    pool.fail_at(0)
    Workload([lab.pv_disk("hda")], 20).run()
    lab.shut_down()
    return sites


def _bound(lab: Lab) -> Nic | None:
    """The second interface, if it has come up."""
    try:
        nic = lab.pv_nic(1)
    except Violation:
        return None
    return nic if nic.link_up else None


_SUSPENSIONS: tuple[Callable[[Toolstack], object], ...] = (
    lambda toolstack: toolstack.save_and_restore(),
    lambda toolstack: toolstack.checkpoint(),
    lambda toolstack: toolstack.save_and_restore(move_store=False),
)


@scenario("net-endurance", "400 frames each way beside a disk, 3 suspensions, a hot-plug")
def net_endurance(new: NewLab) -> None:
    _endure(new, frames=400, suspensions=3, hot_plugs=1)


@scenario("net-endurance-long", "100,000 frames each way beside a disk, 20 suspensions, 5 hot-plugs", long=True)
def net_endurance_long(new: NewLab) -> None:
    _endure(new, frames=100_000, suspensions=20, hot_plugs=5)


def _endure(new: NewLab, frames: int, suspensions: int, hot_plugs: int) -> None:
    """Spread the events over the frames: none may be lost but in a suspension, none ever be wrong or come twice."""
    made = begin(new())
    lab = made.lab
    toolstack = lab.xen.toolstack
    kinds, lost, calm = cycle(_SUSPENSIONS), 0, frames // (suspensions + 1)
    passed = 0
    for number in range(suspensions + 1):
        disk = Workload([lab.pv_disk("hda")], 40)
        disk.begin()
        part = frames - passed if number == suspensions else calm
        passed += part
        rough = min(part, 60)
        if part > rough:
            made.traffic(part - rough, part - rough, depth=16).run()
        work = made.traffic(rough, rough, lossy=number < suspensions, depth=16)
        with made.under_way(work):
            if number < suspensions:
                next(kinds)(toolstack)
                lab.wait(lambda number=number: toolstack.resumes > number, "a suspension", 300)  # type: ignore[misc]
                made.vif = toolstack.vifs[0]
        work.wait()
        lost += work.lost
        lab.wait(lambda disk=disk: disk.finished, "the work on the disk", 300)  # type: ignore[misc]
        lab.wait(lambda: made.nic.link_up and bool(toolstack.vifs[0].backend.queues), "the connection")
        if number < hot_plugs:
            _plug_in_and_out(lab)
    made.finish()
    new.figures.update({
        "frames each way": frames, "lost in suspensions": lost, "suspensions": suspensions, "hot-plugs": hot_plugs,
    })  # fmt: skip


def _plug_in_and_out(lab: Lab) -> None:
    """Attach a second interface, use it and detach it."""
    vif = lab.attach_nic(1)
    nic = lab.pv_nic(1)
    lab.wait(lambda: nic.link_up, "the link of the second interface")
    host = Host(lab.xen.toolstack.switch, _OTHER)
    Net(lab, vif, nic, host).traffic(30, 30).run()
    host.leave()
    devices = len(lab.nodes("XEN"))
    detach = lab.xen.toolstack.detach_nic(1)
    lab.wait(lambda: detach.done and len(lab.nodes("XEN")) == devices - 1, "the detaching of an interface", 300)
