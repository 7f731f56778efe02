# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has the disk: every combination of what a machine is made of, and of what goes wrong while it starts.

After every boot, and after what comes later, each disk and the network must have exactly one path that works: the
emulated device or the PV one, never both, never neither; and it is the PV one exactly when everything for it is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from xenlab.errors import Violation
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.hide_machine import (
    AXES,
    CURRENT,
    DRIVERS,
    LAST_NETWORK_S,
    MODELS,
    MODES,
    OFFERS,
    ORDERS,
    USUAL,
    XENS,
    Machine,
)


@contextmanager
def _told(names: tuple[str, ...]) -> Iterator[None]:
    """Have a violation say which combination it is about."""
    try:
        yield
    except Violation as violation:
        raise Violation(f"({'; '.join(names)}) {violation.what}", violation.stack) from violation


def walk(new: NewLab, combinations: Iterable[tuple[str, ...]], *, stay: bool = False) -> None:
    """Boot every combination and look who has the disks; with `stay`, have a rescan and shut down too."""
    for names in combinations:
        with _told(names):
            machine = Machine(new, names)
            machine.boot()
            if stay:
                _live(machine, lambda: None, "the boot")
                machine.lab.shut_down()


# Left to the long scenarios, because others of their axis are much like them.
_MUCH_ALIKE = {
    "3.2", "4.0", "4.1", "4.2", "4.3", "/GPLPV", "boot disk", "xennet disabled", "xenhide disabled", "tree first",
}  # fmt: skip


def _variations(index: int) -> Iterator[tuple[str, ...]]:
    """The usual machine with everything else that one axis has."""
    for name in AXES[index]:
        if name != USUAL[index] and name not in _MUCH_ALIKE:
            yield (*USUAL[:index], name, *USUAL[index + 1 :])


_QUICK = {
    "releases": "no Xen, one that is too old, the oldest",
    "models": "every device model: what it lets be unplugged",
    "boot-options": "boot options and policies",
    "offers": "whatever the toolstack offers, back ends that are silent or close included",
    "drivers": "drivers absent, disabled, without its registry entries, or failing",
    "orders": "orders in which drivers are loaded and devices found",
}


def _add_quick(index: int, name: str, summary: str) -> None:
    @scenario(f"hide-{name}", f"{summary}: one way to each disk and the network, no more and no less")
    def run(new: NewLab) -> None:
        walk(new, _variations(index), stay=True)


for _index, (_name, _summary) in enumerate(_QUICK.items()):
    _add_quick(_index, _name, _summary)


def _live(machine: Machine, step: Callable[[], None], what: str) -> None:
    step()
    machine.check(f"after {what}")
    machine.rescan()
    machine.check(f"after {what} and a rescan of the PCI bus")


def _later(new: NewLab, model: str, drivers: str, targets: Iterable[str]) -> None:
    names = (CURRENT, model, "ordinary", "boot disk, network", drivers, "xenhide first")
    with _told(names):
        machine = Machine(new, names)
        machine.boot()
        _live(machine, machine.use_disk, "work on the disk")
        _live(machine, lambda: machine.attach_late("xvde"), "a disk comes")
        for target in targets:
            _live(machine, lambda target=target: machine.suspend(target), f"a move to the device model {target}")  # type: ignore[misc]
            _live(machine, machine.use_disk, "work on the disk there")
        machine.lab.shut_down()


@scenario("hide-later", "what has the disk keeps it: rescans, disks that come, moves to other device models and back")
def hide_later(new: NewLab) -> None:
    _later(new, "upstream", "all", ["traditional", "no unplug", "upstream"])
    _later(new, "traditional", "without xenvbd", ["blacklisting", "upstream"])


@scenario(
    "hide-moves",
    "moves from every device model to every other, with PV devices in use and without",
    long=True,
    per_code=True,
)
def hide_moves(new: NewLab) -> None:
    models = [name for name in MODELS if name != "no platform device"]  # Without it nothing answers to a suspension.
    for model, drivers in itertools.product(models, ("all", "without xenvbd", "without xenhide", "xenpci disabled")):
        for target in models if drivers != "xenpci disabled" else ():
            _later(new, model, drivers, [target, model])


@scenario(
    "hide-late-disk", "the PV twin of the boot disk comes when Windows runs from the emulated one: it is not used"
)
def hide_late_disk(new: NewLab) -> None:
    names = (CURRENT, "upstream", "ordinary", "nothing", "all", "xenhide first")
    with _told(names):
        machine = Machine(new, names)
        machine.boot()
        _live(machine, machine.use_disk, "work on the disk")
        _live(machine, lambda: machine.attach_late("hda", machine.lab.boot_disk), "its twin comes")
        _live(machine, machine.use_disk, "more work on the disk")
        machine.lab.shut_down()


@scenario("hide-restart", "the platform device is disabled and enabled again: what was unplugged is not waited for")
def hide_restart(new: NewLab) -> None:
    for model in ("upstream", "no unplug"):
        names = (CURRENT, model, "ordinary", "network", "all", "xenhide first")
        with _told(names):
            machine = Machine(new, names)
            machine.boot()
            machine.reenable_platform()
            machine.pv_network = model == "upstream"
            machine.check("after a restart of the platform device")
            machine.lab.shut_down()


def _short_of_memory(new: NewLab, samples: int | None) -> None:
    """Boot and rescan as often as there are allocations to fail, or with a chance selection of them.

    Either device will do then, and what Windows has it keeps.
    """
    total = _boot_short_of_memory(new, 0)
    numbers = range(1, total + 1)
    chosen = sorted(new.random.sample(numbers, samples)) if samples else numbers
    for number in chosen:
        with _told((*USUAL, f"allocation {number} of {total} fails")):
            _boot_short_of_memory(new, number)


def _boot_short_of_memory(new: NewLab, failing: int) -> int:
    machine = Machine(new, USUAL)
    machine.pv_disk = machine.pv_network = None
    machine.lab.kernel.pool.fail_at(failing)
    machine.patience = LAST_NETWORK_S
    machine.boot()
    machine.pv_disk, machine.pv_network = machine.has_pv_disk("hda"), machine.has_pv_network
    for _ in range(2):
        _live(machine, lambda: None, "the boot")
    machine.lab.shut_down()
    return machine.lab.kernel.pool.count


@scenario("hide-no-memory", "every allocation of boot and rescans fails in turn: one way to disk and network")
def hide_no_memory(new: NewLab) -> None:
    _short_of_memory(new, 4)


@scenario(
    "hide-no-memory-long", "every allocation of boot and rescans fails in turn, without leaving one out", long=True
)
def hide_no_memory_long(new: NewLab) -> None:
    _short_of_memory(new, None)


@scenario("hide-all-boots", "every Xen with every boot option and everything on offer", long=True)
def hide_all_boots(new: NewLab) -> None:
    walk(new, itertools.product(XENS, ["upstream"], MODES, OFFERS, ["all"], ["xenhide first"]))


def _add_product(order: str) -> None:
    name = f"hide-all-{order.replace(',', '').replace(' ', '-')}"

    @scenario(name, f"every device model, offer and trouble with a driver, {order}", long=True, per_code=True)
    def run(new: NewLab) -> None:
        walk(new, itertools.product([CURRENT], MODELS, ["ordinary"], OFFERS, DRIVERS, [order]), stay=True)


for _order in ORDERS:
    _add_product(_order)
