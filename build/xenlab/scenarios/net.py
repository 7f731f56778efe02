# SPDX-License-Identifier: GPL-2.0-or-later
"""Network interfaces at work: frames each way, every offload, every kind of back end, slow ones and hostile ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenlab.lab import Lab
from xenlab.ndis.traffic import Traffic
from xenlab.nt.registry import CLASSES
from xenlab.nt.zwkey import KernelRegistry
from xenlab.scenario import NewLab, scenario
from xenlab.xen.flows import COMMON_MIX
from xenlab.xen.netrules import KINDS
from xenlab.xen.netrules import Features as NetFeatures
from xenlab.xen.switch import Host

if TYPE_CHECKING:
    from xenlab.ndis.nic import Nic
    from xenlab.nt.devnode import Node
    from xenlab.xen.toolstack import Vif

WORLD = bytes.fromhex("021122330002")
_LONG_NS = (50_000_000, 100_000_000)
_MANY_LARGE = {**COMMON_MIX, "large4": 20, "large6": 12}


@dataclass
class Net:
    """A machine that runs, with one interface and a host behind it."""

    lab: Lab
    vif: Vif
    nic: Nic
    host: Host

    def traffic(
        self, outgoing: int, incoming: int, *, lossy: bool = False, depth: int = 8, mix: Mapping[str, int] = COMMON_MIX
    ) -> Traffic:
        return Traffic(self.nic, self.host, outgoing, incoming, depth, mix=mix, mtu=self.nic.mtu, lossy=lossy)

    @contextmanager
    def under_way(self, work: Traffic) -> Iterator[None]:
        """Begin work, and have its frames lie with the back end, unanswered, at what is done meanwhile."""
        backend = self.vif.backend
        usual = backend.features
        backend.features = replace(usual, latency_ns=_LONG_NS)
        work.begin()
        self.lab.run(0.003)
        self.lab.expect(bool(backend.busy and work.under_way), "frames are under way")
        yield
        backend.features = usual

    def disable(self) -> None:
        """Disable the adapter, as a user does; `enable` it again, which makes another adapter of it."""
        lab = self.lab
        node = self.node()
        lab.expect(lab.perform(lab.pnp.query_remove(node), "the question"), "the interface may be disabled")
        lab.perform(lab.pnp.remove(node), "the disabling of the interface")

    def enable(self) -> None:
        self.lab.perform(self.lab.pnp.start_again(self.node()), "the enabling of the interface")
        self.nic = self.lab.pv_nic(self.vif.handle)
        self.lab.wait(lambda: self.nic.link_up, "the link")

    def node(self) -> Node:
        """The interface in the device tree."""
        name = f"&{self.vif.handle}"
        return next(each for each in self.lab.nodes(r"XEN\vif") if each.instance_path.endswith(name))

    def set_properties(self, values: Mapping[str, str]) -> None:
        """Set advanced properties, and restart the adapter as Windows does then."""
        self.disable()
        tree = self.lab.kernel.part(KernelRegistry).tree
        for name, value in values.items():
            tree.set(rf"{CLASSES}\{self.node().driver_key}", name, value)
        self.enable()

    def finish(self) -> None:
        self.lab.settle()
        self.lab.shut_down()


def begin(lab: Lab, features: NetFeatures | None = None, mtu: int = 1500) -> Net:
    """Boot a machine with its disk and one interface, and wait for the link."""
    lab.attach("hda", lab.boot_disk)
    vif = lab.attach_nic(0, features, mtu=mtu)
    lab.boot()
    nic = lab.pv_nic(0)
    lab.wait(lambda: nic.link_up, "the link of the network interface")
    lab.expect(nic.mac == nic.permanent_mac == vif.config.mac, "the interface has the address that the store says")
    return Net(lab, vif, nic, Host(lab.xen.toolstack.switch, WORLD))


@scenario("net", "a few hundred frames of every kind each way: each arrives once, unchanged and in order")
def net(new: NewLab) -> None:
    made = begin(new())
    made.traffic(200, 200).run()
    made.finish()


@scenario("net-kinds", "every kind of network back end, from plain to modern: what one offers is used, and no more")
def net_kinds(new: NewLab) -> None:
    for features in KINDS.values():
        made = begin(new(), features)
        made.traffic(30, 30, mix=_MANY_LARGE).run()
        made.lab.expect(not made.lab.xen.hypervisor.grants.statistics.transfers, "one that copies is asked to")
        made.finish()


@scenario("net-slow", "a back end that takes up to 50 ms for each frame: nothing is lost, and nothing is sent twice")
def net_slow(new: NewLab) -> None:
    made = begin(new(), replace(KINDS["modern"], latency_ns=(100_000, 50_000_000), poll_ns=(10_000, 5_000_000)))
    made.traffic(120, 120, depth=64).run()
    made.finish()
