# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines without Xen that run the project's drivers, built from the sources or from changed copies of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.nt.codes import SystemState
from xenlab.nt.inf import Inf
from xenlab.nt.kernel import Kernel
from xenlab.nt.pnp import PnpManager
from xenlab.nt.po import SystemPower
from xenlab.nt.routine import Call, Wait
from xenlab.nt.teardown import remove_everything
from xenlab.world import World

PROJECT = Path(__file__).resolve().parents[3]
DRIVERS = ("xenhide", "xenpci", "xenstub")
PLATFORM_DEVICE = r"PCI\VEN_5853&DEV_0001"
Work = Generator[Call | Wait, int, None]
BuildFolder = Callable[[str], Path]


class Windows:
    """A kernel with the drivers installed, and its managers."""

    def __init__(self, folder: Path, arch: str, seed: int = 1) -> None:
        assert arch in ("x32", "x64")
        self.trace: list[str] = []
        world = World(seed, lambda _time, kind, text, _fields: self.trace.append(f"{kind}: {text}"))
        self.kernel = Kernel(Machine(arch, world, BarePlatform()), (5, 1) if arch == "x32" else (5, 2))
        self.pnp = self.kernel.part(PnpManager)
        self.power = self.kernel.part(SystemPower)
        for name in DRIVERS:
            self.pnp.install(Inf(folder / f"{name}.inf", arch, self.kernel.nt))
        self.pnp.add_class_filter("xenhide")

    def run(self, work: Generator[Call | Wait, int, object]) -> None:
        """Run something as a kernel thread to its end."""

        def steps() -> Generator[Call | Wait, int, int]:
            yield from work
            return 0

        self.kernel.run_to_end(steps())

    def services(self, hardware_id: str) -> list[str]:
        """Return the drivers of a device's stack, from the bottom."""
        return [each.driver.service for each in self.pnp.find(hardware_id).pdo.stack()]


def whole_life(windows: Windows) -> Work:
    """Take the machine and the platform device through everything there is, to a machine without drivers."""
    pnp, power = windows.pnp, windows.power
    yield from pnp.boot()
    node = pnp.find(PLATFORM_DEVICE)
    for each in pnp.root.walk():
        if each.operating and each.parent:
            yield from pnp.locked(pnp.probe(each))
    assert (yield from pnp.locked(pnp.query_remove(node)))
    yield from pnp.locked(pnp.cancel_remove(node))
    assert (yield from pnp.locked(pnp.query_stop(node)))
    yield from pnp.locked(pnp.stop(node))
    assert (yield from pnp.locked(pnp.restart(node)))
    for state in (SystemState.PowerSystemSleeping1, SystemState.PowerSystemSleeping3, SystemState.PowerSystemHibernate):
        assert (yield from power.sleep(state))
        yield from power.wake()
    yield from remove_everything(windows.kernel)
