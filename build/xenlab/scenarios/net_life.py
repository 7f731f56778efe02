# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a network interface while Windows runs: suspended, moved, plugged, reset, halted, asleep."""

from __future__ import annotations

from collections.abc import Callable

from xenlab.lab import Lab
from xenlab.ndis.codes import Filter, NdisStatus, Oid
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.net import WORLD, Net, begin
from xenlab.xen import packets
from xenlab.xen.flows import Generator
from xenlab.xen.netrules import KINDS
from xenlab.xen.ports import PAGE
from xenlab.xen.releases import RELEASES
from xenlab.xen.switch import Host, Packet

_D0, _D3 = 1, 4
_OTHER = bytes.fromhex("021122330099")


@scenario("net-suspend", "the domain suspends and goes on in place, is saved and restored: the interface goes on")
def net_suspend(new: NewLab) -> None:
    _cycles(
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
    _cycles(begin(new(xen="4.19")), steps)


@scenario("net-restore-upstream", "restored with the newer device model: the emulated card stays away, ours goes on")
def net_restore_upstream(new: NewLab) -> None:
    lab = new(device_model="upstream")
    made = begin(lab)
    lab.expect(not lab.has_emulated("nic"), "the emulated card is gone")
    _cycles(made, [lambda lab: lab.xen.toolstack.save_and_restore()], finish=False)
    lab.expect(not lab.xen.model.nics, "the new device model's card is unplugged again")
    lab.expect(not lab.has_emulated("nic"), "Windows sees no emulated card after the restore")
    lab.expect(len(lab.nodes("XEN")) == 2, "the interface is still the one it was")
    made.finish()


def _migration(release: str) -> Callable[[Lab], None]:
    return lambda lab: lab.xen.toolstack.migrate(RELEASES[release])


def _cycles(made: Net, steps: list[Callable[[Lab], None]], *, finish: bool = True) -> None:
    """Traffic through the steps, in which frames may be lost; after each of them none may."""
    lab = made.lab
    toolstack = lab.xen.toolstack
    for count, step in enumerate(steps, 1):
        work = made.traffic(60, 60, lossy=True)
        work.begin()
        lab.run(0.004)
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


@scenario("net-mtu", "a user sets the MTU to 9,000: what fits passes in one piece; no more than the back end can take")
def net_mtu(new: NewLab) -> None:
    for kind, most in (("modern", 9000), ("plain", PAGE - packets.ETHERNET)):
        made = begin(new(), KINDS[kind], mtu=9000)
        made.set_property("*JumboPacket", str(9000 + packets.ETHERNET))
        made.lab.expect(
            1500 < made.nic.mtu <= most, f"the MTU is more than 1500 and at most {most}, not {made.nic.mtu}"
        )
        made.lab.expect(kind == "plain" or made.nic.mtu == most, f"it is what the user has set, not {made.nic.mtu}")
        made.traffic(60, 60).run()
        made.finish()


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
        lab.run(0.05)
        for address in kinds:
            made.host.send(Packet(packets.ethernet(address, WORLD, 0x88B5, bytes(50))))
        lab.run(0.1)
        came = {kinds[each.frame[:6]] for each in nic.received}
        lab.expect(
            came == expected, f"with filter {flags!r} there come frames to {sorted(expected)}, not {sorted(came)}"
        )
        lab.expect(len(nic.received) == len(came), "none of them comes twice")
    made.finish()


@scenario("net-statistics", "the counters that Windows asks for say what has passed")
def net_statistics(new: NewLab) -> None:
    made = begin(new())
    lab, nic = made.lab, made.nic
    maker = Generator(lab.world.random, nic.mac, WORLD)
    back = Generator(lab.world.random, WORLD, nic.mac)
    names = (Oid.GEN_XMIT_OK, Oid.GEN_RCV_OK, Oid.GEN_XMIT_ERROR, Oid.GEN_RCV_ERROR, Oid.GEN_RCV_NO_BUFFER)
    before = [lab_query(made, oid) for oid in names]
    sent = [nic.send(maker.next("udp4")[0].frame) for _ in range(7)]
    for _ in range(11):
        made.host.send(Packet(back.next("udp4")[0].frame))
    lab.run(0.2)
    lab.expect(all(each.status == NdisStatus.SUCCESS for each in sent), "all is sent")
    after = [lab_query(made, oid) for oid in names]
    counted = [new_value - old for new_value, old in zip(after, before, strict=True)]
    lab.expect(counted == [7, 11, 0, 0, 0], f"sent, received, errors and losses are 7, 11 and 0, not {counted}")
    made.finish()


@scenario("net-reset", "a protocol driver resets the adapter while frames pass each way, and it goes on")
def net_reset(new: NewLab) -> None:
    made = begin(new())
    for _ in range(3):
        work = made.traffic(60, 60, lossy=True, depth=16)
        work.begin()
        made.lab.run(0.002)
        status = made.nic.reset()
        made.lab.expect(status in {NdisStatus.SUCCESS, NdisStatus.NOT_RESETTABLE}, f"a reset ends with {status:#x}")
        work.wait()
        made.traffic(20, 20).run()
    made.finish()


@scenario("net-halt-in-flight", "the adapter is disabled with frames under way each way, enabled, and works again")
def net_halt_in_flight(new: NewLab) -> None:
    made = begin(new())
    lab = made.lab
    for _ in range(2):
        work = made.traffic(80, 80, lossy=True, depth=32)
        work.begin()
        lab.run(0.003)
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
        work.begin()
        lab.run(0.003)
        lab.perform(made.nic.adapter.set_power(_D3), "the way to sleep")
        lab.run(0.5)
        lab.perform(made.nic.adapter.set_power(_D0), "the awakening")
        made.nic = lab.pv_nic(0)
        lab.wait(lambda: made.nic.link_up, "the link")
        made.traffic(20, 20).run()
    made.finish()
