# SPDX-License-Identifier: GPL-2.0-or-later
"""Asynchronous procedure calls: when each kind runs, what they do to waits, and the mistakes that end the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from xenlab.errors import Violation
from xenlab.nt.clock import TICK_NS

from . import driver
from .driver import Lab, line

MILLISECOND = 10**6
STATUS_USER_APC, STATUS_ALERTED, STATUS_TIMEOUT = 0xC0, 0x101, 0x102
ALERTABLE, USER, DELAY = 1, 2, 4


@pytest.fixture(scope="module", params=["x64", "x32"])
def built_apcs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return driver.build(tmp_path_factory.mktemp(f"apcs-{request.param}"), request.param, "apcs"), request.param


@pytest.fixture
def lab(built_apcs: tuple[Path, str]) -> Lab:
    return driver.load(*built_apcs)


def test_a_special_apc_runs_at_apc_level_with_its_arguments_before_the_next_instruction(lab):
    assert lab.run("special_to_itself", 3) == 157


def test_a_special_apc_waits_until_the_irql_falls_and_is_queued_once(lab):
    assert lab.run("special_waits_for_irql", 3) == 8157


def test_a_normal_apc_runs_at_passive_level_after_its_kernel_routine_which_may_change_its_arguments(lab):
    assert lab.run("normal_to_itself", 2) == 158


def test_a_critical_region_and_a_mutex_hold_normal_apcs_off_and_special_ones_not(lab):
    assert lab.run("normal_is_held_off", 6) == 16_1_1_154_0


def test_a_guarded_region_holds_all_apcs_off(lab):
    if lab.kernel.arch == "x64":
        assert lab.run("all_are_held_off", 6) == 2_16_154_0


@pytest.mark.parametrize("how", [0, ALERTABLE, USER, ALERTABLE | USER])
def test_kernel_apcs_interrupt_a_wait_that_then_goes_on(lab, how):
    assert lab.run("kernel_apcs_interrupt_a_wait", how) == 14_154


def test_an_interrupted_delay_is_no_longer_than_it_was(lab):
    before = lab.kernel.world.now
    assert lab.run("kernel_apcs_interrupt_a_wait", DELAY) == 14_154
    assert 50 * MILLISECOND <= lab.kernel.world.now - before <= 60 * MILLISECOND + 3 * TICK_NS


@pytest.mark.parametrize("how", [ALERTABLE | USER, ALERTABLE | USER | DELAY])
def test_an_apc_of_user_mode_ends_an_alertable_wait_in_user_mode_and_goes_with_its_thread(lab, how):
    assert lab.run("user_apc_and_a_wait", how) == STATUS_USER_APC
    lab.kernel.pool.require_none_outstanding()


@pytest.mark.parametrize(("how", "status"), [(0, 0x102), (ALERTABLE, 0x102), (USER, 0x102), (ALERTABLE | DELAY, 0)])
def test_an_apc_of_user_mode_ends_no_other_wait(lab, how, status):
    assert lab.run("user_apc_and_a_wait", how) == status
    lab.kernel.pool.require_none_outstanding()


@pytest.mark.parametrize(
    ("how", "status"),
    [(ALERTABLE, STATUS_ALERTED), (ALERTABLE | DELAY, STATUS_ALERTED), (USER, STATUS_TIMEOUT), (DELAY, 0)],
)
@pytest.mark.parametrize("early", [True, False])
def test_an_alert_ends_an_alertable_wait_or_the_next_one(lab, how, status, early):
    kernel = lab.kernel

    def alert() -> None:
        found = [each for each in kernel.scheduler.threads if "waiter" in each.name]
        for each in found:
            kernel.apcs.alert(each)
        if not found:
            kernel.world.at(1000, alert, "the alert, later")

    kernel.world.at(1000 if early else 20 * MILLISECOND, alert, "an alert")
    assert lab.run("waits_alertably", how) == status


def test_a_thread_that_has_ended_takes_no_apc(lab):
    assert lab.run("too_late", 1) == 0


@pytest.mark.parametrize(
    ("case", "says", "marker"),
    [
        ("frees_queued_apc", "Memory is freed that holds a queued APC", "FREES QUEUED APC"),
        ("initialised_twice", "An APC is initialised while it is queued", "QUEUED APC"),
        ("uninitialised", "There is no initialised APC at", "UNINITIALISED APC"),
        ("paged_apc", "Pageable memory is read at IRQL 2", "PAGED APC"),
        ("leaves_region_never_entered", "A critical region is left that was never entered", "NEVER ENTERED"),
    ],
)
def test_a_mistake_is_found_at_its_line(lab, case, says, marker):
    with pytest.raises(Violation, match=says) as caught:
        lab.run(case, 1)
    assert any(line(marker, "apcs") in frame for frame in caught.value.stack), caught.value


def test_a_thread_does_not_end_in_a_critical_region(lab):
    with pytest.raises(Violation, match="Bug check 0x20"):
        lab.run("ends_in_critical_region", 1)


def test_a_driver_is_not_unloaded_with_an_apc_queued(lab):
    kernel = lab.kernel
    busy = kernel.start(kernel.sleep(10**9), "who is in a critical region")
    busy.critical = 1
    assert lab.run("queues_to_thread", busy.object) == 1
    with pytest.raises(Violation, match="an APC still leads to it"):
        kernel.unload_driver(lab.driver)
