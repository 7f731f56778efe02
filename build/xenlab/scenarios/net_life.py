# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a network interface while Windows runs: suspended, moved, plugged, reset, halted, asleep."""

from __future__ import annotations

from collections.abc import Callable

from xenlab.lab import Lab
from xenlab.ndis.codes import Filter, NdisStatus, Oid
from xenlab.ndis.nic import Nic
from xenlab.ndis.nic6 import Nic6
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.net import WORLD, Net, begin
from xenlab.xen import packets
from xenlab.xen.flows import Generator, tagged
from xenlab.xen.netrules import HONEST, Hostility
from xenlab.xen.releases import RELEASES
from xenlab.xen.switch import Host, Packet

_D0, _D3 = 1, 4
_SMALL_SEGMENTS = 236  # of data, so that one large packet becomes 255 frames
_OTHER = bytes.fromhex("021122330099")


@scenario("net-suspend", "the domain suspends and goes on in place, is saved and restored: the interface goes on")
def net_suspend(new: NewLab) -> None:
    cycles(
        begin(new()),
        [
            lambda lab: lab.xen.toolstack.checkpoint(),
            lambda lab: lab.xen.toolstack.save_and_restore(),
            lambda lab: lab.xen.toolstack.save_and_restore(move_store=False),
        ],
    )


@scenario("net-migrate", "moved between hosts whose back ends offer less or more: the offloads follow")
def net_migrate(new: NewLab) -> None:
    steps = [_migration(name) for name in ("4.1", "4.19", "4.3")]
    cycles(begin(new(xen="4.19")), steps)


@scenario("net-restore-upstream", "restored with the newer device model: the emulated card stays away, ours goes on")
def net_restore_upstream(new: NewLab) -> None:
    lab = new(device_model="upstream")
    made = begin(lab)
    lab.expect(not lab.has_emulated("nic"), "the emulated card is gone")
    cycles(made, [lambda lab: lab.xen.toolstack.save_and_restore()], finish=False)
    lab.expect(not lab.xen.model.nics, "the new device model's card is unplugged again")
    lab.expect(not lab.has_emulated("nic"), "Windows sees no emulated card after the restore")
    lab.expect(len(lab.nodes("XEN")) == 2, "the interface is still the one it was")
    made.finish()


def _migration(release: str) -> Callable[[Lab], None]:
    return lambda lab: lab.xen.toolstack.migrate(RELEASES[release])


def cycles(made: Net, steps: list[Callable[[Lab], None]], *, finish: bool = True) -> None:
    """Traffic through the steps, in which frames may be lost; after each of them none may."""
    lab = made.lab
    toolstack = lab.xen.toolstack
    for count, step in enumerate(steps, 1):
        work = made.traffic(60, 60, lossy=True)
        with made.under_way(work):
            step(lab)
            lab.wait(lambda count=count: toolstack.resumes == count, "a suspension")  # type: ignore[misc]
        lab.wait(lambda work=work: work.finished, "the traffic through a suspension", 120)  # type: ignore[misc]
        work.end()
        lab.wait(lambda: made.nic.link_up, "the link after a suspension")
        lab.wait(lambda: bool(toolstack.vifs[0].backend.queues), "the connection after a suspension")
        made.vif = toolstack.vifs[0]
        made.traffic(40, 40).run()
    if finish:
        made.finish()


@scenario("net-hotplug", "a second interface comes, works and goes, twice, beside one that is busy throughout")
def net_hotplug(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    busy = made.traffic(200, 200, depth=1)
    busy.begin()
    for _ in range(2):
        before = len(lab.nodes("XEN"))
        vif = lab.attach_nic(1)
        nic = lab.pv_nic(1)
        lab.wait(lambda nic=nic: nic.link_up, "the link of the second interface")  # type: ignore[misc]
        lab.expect(nic.mac == vif.config.mac, "the second interface has the address that the store says")
        host = Host(lab.xen.toolstack.switch, _OTHER)
        Net(lab, vif, nic, host).traffic(30, 30).run()
        host.leave()
        detach = lab.xen.toolstack.detach_nic(1)
        lab.wait(lambda detach=detach: detach.done, "the detaching of an interface")  # type: ignore[misc]
        lab.wait(lambda before=before: len(lab.nodes("XEN")) == before, "its removal from Windows")  # type: ignore[misc]
    busy.wait()
    made.finish()


@scenario("net-torn-out", "a back end dies or closes unasked with frames under way: they end, the machine stays")
def net_torn_out(new: NewLab) -> None:
    for violent in (True, False):
        made = begin(new())
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


@scenario("net-link", "the cable is pulled and put in again: Windows is told, and then all passes as before")
def net_link(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    for _ in range(2):
        made.vif.set_link(False)
        lab.wait(lambda: not made.nic.link_up, "the news that the cable is out", 10)
        status = lab_query(made, Oid.GEN_MEDIA_CONNECT_STATUS)
        lab.expect(status == 1, "a query says so, too")
        made.vif.set_link(True)
        lab.wait(lambda: made.nic.link_up, "the news that the cable is in", 10)
        made.traffic(20, 20).run()
    made.finish()


def lab_query(made: Net, oid: int, length: int = 4) -> int:
    """What an object holds as a number."""
    return int.from_bytes(made.nic.query(oid, length), "little")


@scenario("net-multicast", "frames to group addresses, the broadcast address and strangers: what was asked for comes")
def net_multicast(new: NewLab) -> None:
    made = begin(new())
    lab, nic = made.lab, made.nic
    wanted, other = bytes.fromhex("01005e000005"), bytes.fromhex("333300000007")
    stranger, everybody = bytes.fromhex("021122330077"), b"\xff" * 6
    kinds = {wanted: "wanted", other: "other", stranger: "stranger", everybody: "all", nic.mac: "own"}
    ordinary = Filter.DIRECTED | Filter.MULTICAST | Filter.BROADCAST
    cases = [
        (ordinary, [], {"all", "own"}),
        (ordinary, [wanted], {"wanted", "all", "own"}),
        (Filter.DIRECTED, [wanted], {"own"}),
        (ordinary | Filter.ALL_MULTICAST, [], {"wanted", "other", "all", "own"}),
        (Filter.PROMISCUOUS, [], set(kinds.values())),
        (Filter.NONE, [], set()),
    ]
    for flags, groups, expected in cases:
        nic.set_multicast(groups)
        nic.set_filter(flags)
        nic.received.clear()
        nic.filtered = 0
        lab.run(0.05)
        for address in kinds:
            made.host.send(Packet(packets.ethernet(address, WORLD, 0x88B5, bytes(50))))
        lab.run(0.1)
        came = {kinds[each.frame[:6]] for each in nic.received}
        lab.expect(
            came == expected, f"with filter {flags!r} there come frames to {sorted(expected)}, not {sorted(came)}"
        )
        lab.expect(len(nic.received) == len(came), "none of them comes twice")
        lab.expect(not nic.filtered, f"no other frame is left to NDIS to keep back with filter {flags!r}")
    made.finish()


@scenario("net-statistics", "the counters that Windows asks for say what has passed, and what has not")
def net_statistics(new: NewLab) -> None:
    made = begin(new())
    lab, nic, backend = made.lab, made.nic, made.vif.backend
    out, back = (Generator(lab.world.random, *each) for each in ((nic.mac, WORLD), (WORLD, nic.mac)))

    def count(sent: list[str], received: list[bytes]) -> None:
        """See that what passes is counted, and the sends that fail, or what has come and cannot be used."""
        before, rich = _counters(made), _statistics(nic)
        frames = [out.next(kind)[0].frame for kind in sent]
        sends = [nic.send(each) for each in frames]
        nic.received.clear()
        for frame in received:
            made.host.send(Packet(frame))
        lab.run(0.2)
        failed = sum(each.status != NdisStatus.SUCCESS for each in sends)
        came = [each.frame for each in nic.received]
        expected = [len(sends) - failed, len(came), failed, len(received) - len(came), 0]
        counted = [now - old for now, old in zip(_counters(made), before, strict=True)]
        lab.expect(counted == expected, f"sent, received, errors and losses are {expected}, not {counted}")
        gone = [frame for frame, each in zip(frames, sends, strict=True) if each.status == NdisStatus.SUCCESS]
        wanted = {**_by_kind("Out", gone), **_by_kind("In", came)}
        told = {name: now - rich[name] for name, now in _statistics(nic).items() if name in wanted}
        lab.expect(told in ({}, wanted), f"OID_GEN_STATISTICS rises by {wanted}, not {told}")

    group = packets.ethernet(bytes.fromhex("01005e000005"), WORLD, 0x88B5, bytes(70))
    nic.set_multicast([group[:6]])
    count(["udp4"] * 7 + ["arp"] * 2, [back.next(kind)[0].frame for kind in ["tcp6"] * 11 + ["arp"] * 3] + [group])
    backend.hostility = Hostility(error=1.0)
    count(["udp4"] * 3, [])
    backend.hostility = HONEST
    longest = packets.ethernet(nic.mac, WORLD, 0x88B5, bytes(nic.mtu))
    count([], [longest, tagged(longest, 5)])
    lab.expect(len(nic.received) == 2, "the longest frames come, with a tag and without")
    count([], [longest + b"\0", tagged(longest, 5) + b"\0"])
    lab.expect(not nic.received, "frames of a byte too many do not come")
    made.finish()


def _counters(made: Net) -> list[int]:
    """Frames sent and received, sends that failed, frames that came wrong, and those that found no buffer."""
    names = (Oid.GEN_XMIT_OK, Oid.GEN_RCV_OK, Oid.GEN_XMIT_ERROR, Oid.GEN_RCV_ERROR, Oid.GEN_RCV_NO_BUFFER)
    return [lab_query(made, oid) for oid in names]


def _statistics(nic: Nic) -> dict[str, int]:
    """What NDIS 6 asks for beside those; nothing with NDIS 5."""
    return nic.statistics() if isinstance(nic, Nic6) else {}


def _by_kind(way: str, frames: list[bytes]) -> dict[str, int]:
    """The counters of NDIS_STATISTICS_INFO for frames of one way."""
    found = {f"ifHC{way}Octets": sum(map(len, frames))}
    for name in ("Ucast", "Multicast", "Broadcast"):
        of_kind = [each for each in frames if _kind(each) == name]
        found |= {f"ifHC{way}{name}Pkts": len(of_kind), f"ifHC{way}{name}Octets": sum(map(len, of_kind))}
    return found


def _kind(frame: bytes) -> str:
    if not frame[0] & 1:
        return "Ucast"
    return "Broadcast" if frame[:6] == b"\xff" * 6 else "Multicast"


@scenario("net-no-buffers", "more comes at once than there are buffers for: what is lost is counted, the rest goes on")
def net_no_buffers(new: NewLab) -> None:
    made = begin(new())
    lab, nic = made.lab, made.nic
    back = Generator(lab.world.random, WORLD, nic.mac)
    before = _counters(made)
    small = [back.next("udp4")[0].frame for _ in range(50)]
    ip = packets.ipv4(bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), packets.TCP, packets.tcp(1, 2, 3, 4, bytes(60_000)))
    large = packets.completed(packets.ethernet(nic.mac, WORLD, packets.IPV4, ip))
    for _ in range(3):
        for frame in small:
            made.host.send(Packet(frame))
        made.host.send(Packet(packets.blanked(large), True, _SMALL_SEGMENTS))
        lab.run(0.2)
    received, lost = (_counters(made)[at] - before[at] for at in (1, 4))
    lab.expect(received == len(nic.received), f"{len(nic.received)} frames are counted, not {received}")
    all_came = received == 3 * (len(small) + -(-60_000 // _SMALL_SEGMENTS))
    lab.expect(bool(lost) != all_came, f"what finds no buffer is counted as that, not {lost}")
    nic.received.clear()
    made.host.send(Packet(small[0]))
    lab.run(0.1)
    lab.expect([each.resources for each in nic.received] == [False], "with all buffers back there are enough of them")
    made.traffic(40, 40).run()
    made.finish()


@scenario("net-reset", "the adapter is reset, and paused, with frames under way each way, and goes on")
def net_reset(new: NewLab) -> None:
    made = begin(new())
    for _ in range(3):
        work = made.traffic(60, 60, lossy=True, depth=16)
        with made.under_way(work):
            status = made.nic.reset()
        made.lab.expect(status in {NdisStatus.SUCCESS, NdisStatus.NOT_RESETTABLE}, f"a reset ends with {status:#x}")
        work.wait()
        made.traffic(20, 20).run()
    if isinstance(made.nic, Nic6):
        _pause(made, made.nic)
    made.finish()


def _pause(made: Net, nic: Nic6) -> None:
    """NDIS 6 pauses an adapter when a filter driver is put in, and restarts it with that."""
    work = made.traffic(60, 60, lossy=True, depth=16)
    with made.under_way(work):
        nic.pause_adapter()
        refused = nic.send(packets.ethernet(WORLD, nic.mac, 0x88B5, bytes(50)))
        made.lab.run(0.01)
        made.lab.expect(refused.status == NdisStatus.PAUSED, "a paused adapter takes no frame")
        made.lab.expect(nic.restart_adapter(), "the adapter can be restarted")
    work.wait()
    made.traffic(20, 20).run()


@scenario("net-halt-in-flight", "the adapter is disabled with frames under way each way, enabled, and works again")
def net_halt_in_flight(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    for _ in range(2):
        work = made.traffic(80, 80, lossy=True, depth=32)
        with made.under_way(work):
            made.disable()
        lab.expect(not work.under_way, "every send has ended when the adapter is halted")
        lab.run(0.5)
        made.enable()
        made.traffic(20, 20).run()
    made.finish()


@scenario("net-power", "the adapter sleeps and wakes with frames under way each way, and works again")
def net_power(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    for _ in range(2):
        work = made.traffic(80, 80, lossy=True)
        with made.under_way(work):
            lab.perform(made.nic.adapter.set_power(_D3), "the way to sleep")
        lab.run(0.5)
        lab.perform(made.nic.adapter.set_power(_D0), "the awakening")
        made.nic = lab.pv_nic(0)
        lab.wait(lambda: made.nic.link_up, "the link")
        made.traffic(20, 20).run()
    made.finish()
