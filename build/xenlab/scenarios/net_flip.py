# SPDX-License-Identifier: GPL-2.0-or-later
"""Network back ends that give pages away for what they receive, instead of copying it into the guest's ("flipping")."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise

from xenlab.errors import Violation
from xenlab.lab import Lab
from xenlab.nt.errorlog import ErrorLog
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.net import WORLD, Net, begin
from xenlab.scenarios.net_life import cycles
from xenlab.scenarios.net_trouble import HOSTILE, lie, sweep
from xenlab.xen import packets
from xenlab.xen.netrules import FLIPPING, HONEST, KINDS, OLDEST, Hostility
from xenlab.xen.ports import PAGE
from xenlab.xen.releases import RELEASES
from xenlab.xen.switch import Host, Packet

_OTHER = bytes.fromhex("021122330099")
_OUT_OF_RESOURCE = 0xC0001389  # EVENT_NDIS_OUT_OF_RESOURCE
_UNSUPPORTED_CONFIGURATION = 0xC0001391  # EVENT_NDIS_UNSUPPORTED_CONFIGURATION
_WITHOUT_MEMORY = 3
_PAGES = 45  # two for the rings, and more than one hypercall gives
_TOO_FEW_PAGES = 20
_IN_RING = 256
_LIES = {
    "pages never given": Hostility(untransferred=0.3),
    "pages given late": Hostility(belated=0.3),
    "pages that take their time": Hostility(uncompleted=0.5),
    "all of it": Hostility(untransferred=0.1, belated=0.1, uncompleted=0.2, garbage_size=0.1, garbage_flags=0.1),
}


@scenario("net-flip", "a back end that only gives pages away: frames each way, suspended, plugged, halted, asleep")
def net_flip(new: NewLab) -> None:
    made = begin(new(), FLIPPING)
    lab = made.lab
    made.traffic(150, 150).run()
    _expect_exchange(lab)
    for _ in range(2):
        work = made.traffic(60, 60, lossy=True, depth=32)
        with made.under_way(work):
            made.disable()
        lab.expect(not work.under_way, "every send has ended when the adapter is halted")
        _expect_whole(lab)
        lab.run(0.5)
        made.enable()
        made.traffic(20, 20).run()
    busy = made.traffic(60, 60, depth=1)
    busy.begin()
    _plug(lab)
    busy.wait()
    steps = [
        lambda lab: lab.xen.toolstack.checkpoint(),
        lambda lab: lab.xen.toolstack.save_and_restore(),
        lambda lab: lab.xen.toolstack.save_and_restore(move_store=False),
    ]
    cycles(made, steps, finish=False)
    made.finish()


@scenario("net-flip-oldest", "the oldest back end, which says nothing of copies or transfers: pages are exchanged")
def net_flip_oldest(new: NewLab) -> None:
    made = begin(new(), OLDEST)
    made.traffic(60, 60).run()
    _expect_exchange(made.lab)
    made.finish()


@scenario("net-flip-migrate", "to a host that copies, back to one that gives pages away, on to one that does neither")
def net_flip_migrate(new: NewLab) -> None:
    made = begin(new(), FLIPPING)
    lab, toolstack = made.lab, made.lab.xen.toolstack
    kinds = [FLIPPING, KINDS["copying"], FLIPPING]
    for number, (_, after) in enumerate(pairwise(kinds), 1):
        toolstack.vifs[0].features = after
        work = made.traffic(40, 40, lossy=True)
        with made.under_way(work):
            toolstack.save_and_restore()
            lab.wait(lambda number=number: toolstack.resumes == number, "a suspension")  # type: ignore[misc]
        work.wait()
        lab.wait(lambda: made.nic.link_up and bool(toolstack.vifs[0].backend.queues), "the connection")
        made.vif = toolstack.vifs[0]
        before = lab.xen.hypervisor.grants.statistics.transfers
        made.traffic(30, 30).run()
        exchanged = lab.xen.hypervisor.grants.statistics.transfers > before
        lab.expect(exchanged == (after is FLIPPING), "pages are exchanged if nothing else is offered, and only then")
        if not exchanged:
            _expect_whole(lab)
    toolstack.vifs[0].features = replace(FLIPPING, rx_flip=False)
    for number, suspend in enumerate((toolstack.save_and_restore, toolstack.checkpoint), len(kinds)):
        suspend()
        lab.wait(lambda number=number: toolstack.resumes == number, "a suspension")  # type: ignore[misc]
        lab.run(2)
        lab.expect(not made.nic.link_up, "the interface has no link where nothing is offered")
        _expect_whole(lab)
    lab.shut_down()


@scenario("net-flip-torn-out", "such a back end dies or closes unasked with frames under way: no hole stays")
def net_flip_torn_out(new: NewLab) -> None:
    for violent in (True, False):
        made = begin(new(), FLIPPING)
        lab = made.lab
        work = made.traffic(60, 60, lossy=True)
        work.begin()
        lab.run(0.002)
        if violent:
            lab.xen.toolstack.force_detach_nic(0)
        else:
            made.vif.backend.close_early()
        lab.run(5)
        lab.expect(not work.under_way, "the frames that were under way have ended")
        lab.shut_down()


@scenario("net-flip-hostile", "such a back end lies about its pages and in its answers: Windows stays, no hole does")
def net_flip_hostile(new: NewLab) -> None:
    others = ("bad ids", "garbage offsets", "garbage sizes", "endless frames", "producer")
    lie(begin(new(), FLIPPING), FLIPPING, _LIES | {name: HOSTILE[name] for name in others})


@scenario("net-flip-no-memory", "an allocation fails while such an interface comes, works and goes: all else works on")
def net_flip_no_memory(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    _allow_pages(lab, _PAGES)
    _plug(lab)
    _allow_pages(lab, _TOO_FEW_PAGES)
    lab.attach_nic(2, FLIPPING)
    nic = lab.pv_nic(2)
    lab.run(3)
    lab.expect(not nic.link_up, "there is no link with too few pages")
    lab.kernel.pool.fail_at(0)
    _expect_whole(lab)
    made.finish()
    sweep(new, 3, FLIPPING)


@scenario("net-flip-refused", "a Xen that does not let the guest give memory up: no link, an event, and Windows lives")
def net_flip_refused(new: NewLab) -> None:
    lab = new(xen="3.1")
    refused = lab.arch == "x32"  # whose guests have no such operation there
    lab.attach("hda", lab.boot_disk)
    vif = lab.attach_nic(0, FLIPPING)
    lab.boot()
    nic = lab.pv_nic(0)
    lab.run(20)
    logged = lab.kernel.part(ErrorLog).written
    lab.expect(logged == [_UNSUPPORTED_CONFIGURATION] * refused, f"Windows' log says so, once: {logged}")
    lab.expect(nic.link_up != refused, "the interface has a link where it can have one")
    if not refused:
        Net(lab, vif, nic, Host(lab.xen.toolstack.switch, _OTHER)).traffic(30, 30).run()
    Workload([lab.pv_disk("hda")], 20).run()
    lab.shut_down()
    made = begin(new(), FLIPPING)
    lab, toolstack = made.lab, made.lab.xen.toolstack
    toolstack.migrate(RELEASES["3.1"])
    lab.wait(lambda: toolstack.resumes == 1, "the migration")
    lab.run(5)
    lab.expect(made.nic.link_up != refused, "after a migration, too")
    if refused:
        _expect_whole(lab)
    else:
        made.traffic(30, 30).run()
    lab.shut_down()


@scenario("net-flip-kept", "Xen has no memory left when the adapter is halted: pages without any are kept, and logged")
def net_flip_kept(new: NewLab) -> None:
    made = begin(new(), FLIPPING)
    lab = made.lab
    made.traffic(30, 30).run()
    physmap = lab.xen.hypervisor.physmap
    physmap.maximum -= _WITHOUT_MEMORY
    made.disable()
    lab.expect(len(physmap.lost) == _WITHOUT_MEMORY, "all holes are filled but for those that Xen has no memory for")
    logged = lab.kernel.part(ErrorLog).written
    lab.expect(logged == [_OUT_OF_RESOURCE], f"Windows' log says so, once: {logged}")
    made.enable()
    made.traffic(30, 30).run()
    _expect_left(lab, _WITHOUT_MEMORY)


@scenario("net-flip-stuck", "Xen never ends a transfer: its page is kept, and logged; a new connection works")
def net_flip_stuck(new: NewLab) -> None:
    made = begin(new(), FLIPPING)
    lab, backend = made.lab, made.vif.backend
    backend.hostility, backend.strict = Hostility(stuck=1.0), False
    made.host.send(Packet(packets.ethernet(made.nic.mac, WORLD, 0x88B5, bytes(1000))))
    lab.run(0.1)
    backend.hostility = HONEST
    made.host.send(Packet(packets.ethernet(made.nic.mac, WORLD, 0x88B5, bytes(1000))))
    lab.run(1)
    lab.expect(not made.nic.received, "neither the frame in that page nor one behind it reaches Windows")
    made.disable()
    physmap = lab.xen.hypervisor.physmap
    lab.expect(len(physmap.lost) == 1, f"one hole is not filled, not {len(physmap.lost)}")
    logged = lab.kernel.part(ErrorLog).written
    lab.expect(logged == [_OUT_OF_RESOURCE], f"Windows' log says so, once: {logged}")
    made.enable()
    made.traffic(30, 30).run()
    _expect_left(lab, 1)


@scenario("net-flip-reluctant", "Xen takes no page, then only some: the ring runs dry, and every frame comes")
def net_flip_reluctant(new: NewLab) -> None:
    made = begin(new(), FLIPPING)
    lab = made.lab
    physmap = lab.xen.hypervisor.physmap
    work = made.traffic(0, 2 * _IN_RING)
    physmap.reluctance = 1.0
    work.begin()
    lab.run(1)
    lab.expect(not work.finished, "the ring runs dry")
    physmap.reluctance = 0.5
    lab.wait(lambda: work.finished, "the traffic")
    physmap.reluctance = 0.0
    lab.run(0.1)
    work.end()
    _expect_exchange(lab)
    made.disable()
    _expect_whole(lab)
    made.enable()
    made.traffic(30, 30).run()
    made.finish()


def _expect_left(lab: Lab, pages: int) -> None:
    """Shut down; that leaves so many pages behind, and nothing else."""
    left = ""
    try:
        lab.shut_down()
    except Violation as violation:
        left = violation.what
    lab.expect(
        left.startswith(f"{pages} thing") and left.count("Contiguous memory of 4096 bytes") == pages,
        f"these pages, and nothing else, are left behind: {left}",
    )


def _allow_pages(lab: Lab, pages: int) -> None:
    """Let no more than so many single pages be allocated from now on."""
    allocated = count()
    lab.kernel.pool.fails = lambda _number, tag, size: tag == "Cont" and size == PAGE and next(allocated) >= pages


def _expect_exchange(lab: Lab) -> None:
    statistics = lab.xen.hypervisor.grants.statistics
    lab.expect(statistics.transfers > 0, "frames have come in pages that were given away")


def _expect_whole(lab: Lab) -> None:
    """Nothing that was given up is missing."""
    physmap = lab.xen.hypervisor.physmap
    lab.expect(not physmap.lost, f"there are no holes, not {len(physmap.lost)}")
    lab.expect(physmap.reservation == physmap.maximum, "Windows has all its memory")


def _plug(lab: Lab) -> None:
    """A second such interface comes, works and goes."""
    before = len(lab.nodes("XEN"))
    vif = lab.attach_nic(1, replace(FLIPPING, sg=False, gso4=False))
    nic = lab.pv_nic(1)
    lab.wait(lambda: nic.link_up, "the link of the second interface")
    host = Host(lab.xen.toolstack.switch, _OTHER)
    Net(lab, vif, nic, host).traffic(30, 30).run()
    host.leave()
    detach = lab.xen.toolstack.detach_nic(1)
    lab.wait(lambda: detach.done, "the detaching of an interface")
    lab.wait(lambda: len(lab.nodes("XEN")) == before, "its removal from Windows")
