# SPDX-License-Identifier: GPL-2.0-or-later
"""What a network interface is told, by the user and in the store: advanced properties, address, MTU, leftovers."""

from __future__ import annotations

from xenlab.ndis.nic import Checksums, Offload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.net import WORLD, begin
from xenlab.xen import packets
from xenlab.xen.netrules import KINDS
from xenlab.xen.ports import PAGE
from xenlab.xen.switch import Packet

_TX, _RX = 1, 2
_CHECKSUMS = {
    "*IPChecksumOffloadIPv4": Checksums.IPV4,
    "*TCPChecksumOffloadIPv4": Checksums.TCP4,
    "*UDPChecksumOffloadIPv4": Checksums.UDP4,
    "*TCPChecksumOffloadIPv6": Checksums.TCP6,
    "*UDPChecksumOffloadIPv6": Checksums.UDP6,
}
_LARGE_SENDS = {"*LsoV1IPv4": "lso_v1", "*LsoV2IPv4": "lso_v2_ipv4", "*LsoV2IPv6": "lso_v2_ipv6"}
_OTHERS = {
    "event-channel-tx": 57, "event-channel-rx": 58, "multi-queue-num-queues": 2, "request-multicast-control": 1,
    "ctrl-ring-ref": 4711, "event-channel-ctrl": 59,
}  # fmt: skip


@scenario("net-properties", "every advanced property with each of its values: what is switched off is not done")
def net_properties(new: NewLab) -> None:
    made = begin(new(), KINDS["modern"])
    lab, possible = made.lab, made.nic.offload
    lab.expect(possible.tx == possible.rx == sum(Checksums), f"all checksums are offered by default, not {possible}")
    lab.expect(possible.lso_v1 is not None, "large sends are offered by default")
    for turn in range(4):
        values = {name: (turn + number) % 4 for number, name in enumerate(_CHECKSUMS)}
        values |= {name: (turn + number) % 2 for number, name in enumerate(_LARGE_SENDS)}
        values["ScatterGather"] = turn // 2
        made.set_properties({name: str(value) for name, value in values.items()})
        wanted = Offload(
            tx=_switched_on(values, _TX),
            rx=_switched_on(values, _RX),
            **{field: getattr(possible, field) if values[name] else None for name, field in _LARGE_SENDS.items()},
        )
        lab.expect(made.nic.offload == wanted, f"the properties {values} make {wanted}, not {made.nic.offload}")
        chains = made.vif.backend.accepted.sg
        lab.expect(
            chains == bool(values["ScatterGather"]), f"Scatter-Gather is {values['ScatterGather']}, not {chains}"
        )
        made.traffic(30, 30, depth=32).run()
    made.finish()


def _switched_on(values: dict[str, int], way: int) -> Checksums:
    on = Checksums.NONE
    for name, kind in _CHECKSUMS.items():
        on |= kind if values[name] & way else Checksums.NONE
    return on


@scenario("net-address", "a user gives the interface an address of its own: it is used, and one of no station is not")
def net_address(new: NewLab) -> None:
    made = begin(new())
    store = made.nic.permanent_mac
    for value, used in (("02AABBCCDDEE", bytes.fromhex("02AABBCCDDEE")), ("01AABBCCDDEE", store), ("02AABBCC", store)):
        made.set_properties({"NetworkAddress": value})
        made.lab.expect(made.nic.mac == used, f"with NetworkAddress {value} the address is {used.hex(':')}")
        made.lab.expect(made.nic.permanent_mac == store, "the permanent address is what it was")
        made.traffic(20, 20).run()
    made.finish()


@scenario("net-leftovers", "the store has what another vendor's front end left: the back end finds only what is ours")
def net_leftovers(new: NewLab) -> None:
    made = begin(new(), KINDS["modern"])
    lab = made.lab
    made.disable()
    for name, value in _OTHERS.items():
        lab.xen.store.dom0.write(f"{made.vif.backend.front}/{name}", str(value))
    made.enable()
    group = packets.ethernet(bytes.fromhex("01005e000005"), WORLD, 0x88B5, bytes(70))
    made.nic.set_multicast([group[:6]])
    made.host.send(Packet(group))
    lab.run(0.1)
    lab.expect([each.frame for each in made.nic.received] == [group], "a frame to a group comes")
    made.traffic(20, 20).run()
    made.finish()


@scenario("net-mtu", "a user sets the MTU to 9,000: what fits passes in one piece; no more than the back end can take")
def net_mtu(new: NewLab) -> None:
    for kind, most in (("modern", 9000), ("copying", 9000), ("plain", PAGE - packets.ETHERNET)):
        made = begin(new(), KINDS[kind], mtu=9000)
        made.set_properties({"*JumboPacket": str(9000 + packets.ETHERNET)})
        made.lab.expect(
            1500 < made.nic.mtu <= most, f"the MTU is more than 1500 and at most {most}, not {made.nic.mtu}"
        )
        made.lab.expect(kind == "plain" or made.nic.mtu == most, f"it is what the user has set, not {made.nic.mtu}")
        made.traffic(60, 60).run()
        made.finish()
