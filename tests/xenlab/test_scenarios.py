# SPDX-License-Identifier: GPL-2.0-or-later
"""The drivers go through every scenario: the quick ones with XP's debug build, a machine's life on every variant.

To stay quick, a scenario runs on one arch here, the next on the other, the data path's on both; one of networks runs
with two of the builds whose network drivers differ, the next with others. `./runtests long` runs all of them on every
target.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gplpv import matrix
from xenlab import report, scenario
from xenlab.folder import DriverFolder
from xenlab.lab import Options
from xenlab.scenario import NewLab, Scenario
from xenlab.scenarios import everyday, net_trouble
from xenlab.scenarios.trouble import LIES, be_lied_to
from xenlab.trace import Trace
from xenlab.xen.blkback import Features

PROJECT = Path(__file__).parents[2]
Drivers = Callable[..., DriverFolder]
QUICK = everyday.quick(networks=False)
ARCHES = ("x32", "x64")
ON_BOTH = {"disk", "disks", "endurance", "save-restore", "hotplug", "crash-dump"}
EVERYDAY = [
    pytest.param(each, arch, id=f"{each.name}-{arch}")
    for index, each in enumerate(QUICK)
    for arch in (ARCHES if each.name in ON_BOTH else ARCHES[index % 2 :][:1])
]
VARIANTS = matrix.load(PROJECT / "platforms.yaml").variants()
# What the two port drivers are most different in: who holds which lock when, queues, resets, dumps.
# On a current Xen, all of these are by the vector; the last three also leave it for the line.
STORPORT = (
    "queue", "crash-dump", "slow", "reset", "bus-reset", "abort", "lesser-host", "comes-back", "vector-restart",
    "vector-migrate", "vector",
)  # fmt: skip
# Server 2003's builds have the code of XP's. Every one of these runs some scenario.
NDIS5 = [(*each, debug) for debug in (True, False) for each in (("2000", "x32"), ("XP", "x32"), ("XP", "x64"))]
NDIS6 = [("Vista2008", arch, debug) for debug in (True, False) for arch in ARCHES]
NETWORKS = [
    pytest.param(each, build, id=f"{each.name}-{build[0]}{build[1]}-{'debug' if build[2] else 'release'}")
    for index, each in enumerate(everyday.quick(networks=True))
    for build in (NDIS5[index % len(NDIS5)], NDIS6[index % len(NDIS6)])
]


def run(which: Scenario, drivers: DriverFolder, options: Options) -> None:
    outcome = scenario.run(which, drivers, options, Trace())
    assert outcome.violation is None, report.text(outcome)


@pytest.mark.parametrize(("which", "arch"), EVERYDAY)
def test_a_quick_scenario(drivers: Drivers, which: Scenario, arch: str) -> None:
    run(which, drivers("XP", arch), Options())


@pytest.mark.parametrize(("index", "name"), list(enumerate(LIES)), ids=LIES)
def test_a_back_end_of_every_feature_that_lies(drivers: Drivers, index: int, name: str) -> None:
    features = Features(persistent=True, max_indirect=256, max_ring_page_order=2)
    which = Scenario(name, "", lambda new: be_lied_to(new, LIES[name][0], features))
    run(which, drivers("XP", ARCHES[index % 2]), Options())


def test_xenstub_cannot_have_its_device_object(drivers: Drivers) -> None:
    """The second after xenpci's own: the device stays away, and nothing is kept of it."""
    tags: list[str] = []

    def fails(_number: int, tag: str, _size: int) -> bool:
        tags.append(tag)
        return tag == "Devi" and tags.count(tag) == 2

    def come_and_go(new: NewLab) -> None:
        lab = new()
        lab.boot()
        lab.kernel.pool.fails = fails
        lab.xen.toolstack.add_device("console", 0)
        lab.run(1)
        lab.expect(tags.count("Devi") == 2, "a device object was refused")
        lab.expect(not any(each.operating for each in lab.nodes("XEN")), "the device stays away")
        lab.xen.toolstack.remove_device("console", 0)
        lab.wait(lambda: not lab.nodes("XEN"), "its removal")
        lab.shut_down()

    run(Scenario("no-memory-stub", "", come_and_go), drivers("XP", "x64"), Options())


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.name)
def test_every_variant_starts_and_goes(drivers: Drivers, variant: matrix.Variant) -> None:
    run(scenario.find("boot"), drivers(variant.platform_name, variant.arch_name, variant.debug), Options())


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.name)
def test_the_disks_of_every_variant(drivers: Drivers, variant: matrix.Variant) -> None:
    run(scenario.find("disk-tour"), drivers(variant.platform_name, variant.arch_name, variant.debug), Options())


@pytest.mark.parametrize(("index", "name"), list(enumerate(STORPORT)), ids=STORPORT)
def test_a_storport_build_where_it_differs(drivers: Drivers, index: int, name: str) -> None:
    run(scenario.find(name), drivers("Vista2008", ARCHES[(index + 1) % 2]), Options())


@pytest.mark.parametrize(("which", "build"), NETWORKS)
def test_a_network_scenario(drivers: Drivers, which: Scenario, build: tuple[str, str, bool]) -> None:
    run(which, drivers(*build), Options())


@pytest.mark.parametrize("seed", range(2, 6))
def test_another_order_of_things(drivers: Drivers, seed: int) -> None:
    run(scenario.find("boot"), drivers("XP", "x64"), Options(seed=seed))


def test_a_seed_repeats_a_run_exactly(drivers: Drivers) -> None:
    traces = []
    for _ in range(2):
        trace = Trace(None)
        scenario.run(scenario.find("boot"), drivers("XP", "x64"), Options(seed=7), trace)
        traces.append([entry.line() for entry in trace.entries])
    assert len(traces[0]) > 100
    assert traces[0] == traces[1]


def test_of_each_site_the_first_the_middle_and_the_last_allocation_fail() -> None:
    loop, once, twice = (1, 9), (2, 9), (3,)
    assert net_trouble._of_each_site([loop, once, loop, loop, twice, loop, twice, loop]) == {1, 2, 4, 5, 7, 8}
