# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel: waits, threads, DPCs and interrupts as drivers know them, and each rule that ends the run."""

from __future__ import annotations

import re

import pytest

from xenlab.errors import Violation
from xenlab.nt.clock import TICK_NS
from xenlab.nt.routine import Call, Steps, Wait

from .driver import Lab, line

STATUS_TIMEOUT = 0x102
MILLISECOND = 10**6


def fails(lab: Lab, case: str, *args: int) -> Violation:
    with pytest.raises(Violation) as caught:
        lab.run(case, *args)
    return caught.value


def connect(lab: Lab, routine: str, context: int = 0, irql: int = 9) -> int:
    context = context or lab.kernel.alloc(8)
    return lab.kernel.connect_interrupt(lab.address(routine), context, irql=irql, vector=0x30)


def test_a_driver_comes_and_goes(lab):
    unload = lab.kernel.ptr(lab.object + (0x68 if lab.kernel.arch == "x64" else 0x34))
    lab.kernel.run_to_end(lab.kernel.call(unload, lab.object))
    lab.kernel.unload_driver(lab.driver)
    with pytest.raises(Violation, match="is executed"):
        lab.kernel.run_to_end(lab.kernel.call(unload, lab.object))


def test_a_timer_wakes_a_thread_at_the_tick_after_it_is_due(lab):
    before = lab.kernel.world.now
    assert lab.run("waits_for_timer") == 0
    waited = lab.kernel.world.now - before
    assert 50 * MILLISECOND <= waited <= 50 * MILLISECOND + 2 * TICK_NS


def test_a_wait_times_out(lab):
    assert lab.run("times_out", 20) == STATUS_TIMEOUT


def test_a_wait_without_time_returns_at_once(lab):
    before = lab.kernel.world.now
    assert lab.run("times_out", 0) == STATUS_TIMEOUT
    assert lab.kernel.world.now - before < MILLISECOND


def test_a_dpc_runs_at_dispatch_level_with_its_arguments(lab):
    assert lab.run("dpc_wakes_thread") == 1112


def test_a_dpc_waits_until_the_irql_falls(lab):
    assert lab.run("dpc_waits_for_irql") == 1


def test_threads_share_a_mutex_and_meet_at_a_semaphore(lab):
    assert lab.run("threads_meet") == 7


def test_an_interrupt_comes_between_two_instructions(lab):
    context = lab.kernel.alloc(8)
    connect(lab, "service_routine", context)
    lab.kernel.world.at(40_000, lab.platform.assert_line, "the line goes up")
    assert lab.run("counts_in_a_loop", 100_000) == 100_000
    assert lab.run("times_seen") == 1
    assert 0 < lab.kernel.u32(context) < 100_000


def test_a_level_triggered_interrupt_comes_again_until_its_cause_is_gone(lab):
    connect(lab, "service_routine")
    lab.platform.assert_line(5)
    lab.run("counts_in_a_loop", 1000)
    assert lab.run("times_seen") == 5


def test_an_interrupt_waits_while_the_irql_is_its_own(lab):
    connect(lab, "service_routine", irql=5)

    def steps() -> Steps:
        lab.kernel.raise_irql(5)
        lab.platform.assert_line()
        yield Call(lab.address("counts_in_a_loop"), 5000)
        while_raised = yield Call(lab.address("times_seen"), 0)
        lab.kernel.lower_irql(0)
        yield Call(lab.address("counts_in_a_loop"), 5000)
        return while_raised * 10 + (yield Call(lab.address("times_seen"), 0))

    assert lab.kernel.run_to_end(steps()) == 1


def connect_vector(lab: Lab, irql: int = 5) -> None:
    routine, context = lab.address("service_routine"), lab.kernel.alloc(8)
    lab.kernel.connect_interrupt(routine, context, irql=irql, vector=0xB1, latched=True)


def test_a_latched_interrupt_is_served_once_for_each_request(lab):
    connect_vector(lab)
    for _ in range(3):
        lab.platform.requested.add(0xB1)
        lab.run("counts_in_a_loop", 1000)
    assert lab.run("times_seen") == 3


def test_a_latched_interrupt_waits_for_the_irql_and_what_comes_meanwhile_is_one(lab):
    connect_vector(lab)

    def steps() -> Steps:
        lab.kernel.raise_irql(5)
        for _ in range(2):
            lab.platform.requested.add(0xB1)
            yield Call(lab.address("counts_in_a_loop"), 5000)
        while_raised = yield Call(lab.address("times_seen"), 0)
        lab.kernel.lower_irql(0)
        yield Call(lab.address("counts_in_a_loop"), 5000)
        return while_raised * 10 + (yield Call(lab.address("times_seen"), 0))

    assert lab.kernel.run_to_end(steps()) == 1


def test_a_service_routine_of_a_vector_is_none_of_the_lines(lab):
    connect_vector(lab)
    connect(lab, "service_routine", irql=9)
    lab.platform.assert_line(2)
    lab.run("counts_in_a_loop", 1000)
    assert lab.run("times_seen") == 2


def test_an_interrupt_at_a_vector_that_is_not_connected_ends_the_run(lab):
    connect_vector(lab)
    lab.platform.requested.add(0xB2)
    assert "at vector 0xb2, where no service routine is connected" in fails(lab, "counts_in_a_loop", 10).what


def test_an_interrupt_that_nobody_claims_ends_the_run(lab):
    connect(lab, "refusing_service_routine")
    lab.platform.assert_line()
    assert "no service routine claims it" in fails(lab, "counts_in_a_loop", 10).what


def test_an_interrupt_that_is_never_acknowledged_ends_the_run(lab):
    connect(lab, "forgetful_service_routine")
    lab.platform.assert_line()
    assert "claims it every time" in fails(lab, "counts_in_a_loop", 10).what


def test_a_driver_is_not_unloaded_with_its_interrupt_connected(lab):
    connect(lab, "service_routine")
    with pytest.raises(Violation, match="interrupt still connected"):
        lab.kernel.unload_driver(lab.driver)


def test_a_driver_is_not_unloaded_with_a_timer_set(lab):
    lab.run("leaves_timer", 10**7)
    with pytest.raises(Violation, match="a DPC or a timer still leads to it"):
        lab.kernel.unload_driver(lab.driver)


def test_a_thread_does_not_end_with_a_timer_on_its_stack(lab):
    assert "holds a timer which is still set" in fails(lab, "ends_with_live_timer", 10**7).what


def test_interrupts_wait_while_the_processor_has_them_disabled(lab):
    connect(lab, "service_routine")
    lab.kernel.world.at(2000, lab.platform.assert_line, "the line goes up")
    assert lab.run("counts_with_interrupts_off", 20_000) == 1


def test_pageable_code_runs_below_dispatch_level(lab):
    assert lab.run("runs_pageable_code", 1) == 3


def test_initialisation_code_is_gone_after_driver_entry(lab):
    assert lab.run("runs_discarded_code", 2) == 3
    lab.kernel.discard_initialization(lab.driver)
    violation = fails(lab, "runs_discarded_code", 2)
    assert "is executed: a header or discarded section of cases" in violation.what
    assert any(line("DISCARDED CODE") in frame for frame in violation.stack), violation


def test_scattered_pages_are_mapped_and_zeroed(lab):
    assert lab.run("locks_scattered_pages", 9) == 9
    assert lab.kernel.pool.outstanding() == []


def test_many_threads_leave_nothing_behind(lab):
    lab.run("echo", 1)
    before = lab.kernel.physical.allocated
    for number in range(200):
        assert lab.run("echo", number) == number + 7
    assert lab.kernel.physical.allocated == before


def test_work_runs_on_a_thread_that_may_wait(lab):
    done: list[int] = []

    def work() -> Steps:
        yield Wait(timeout_100ns=-10_000)
        done.append(lab.kernel.irql)
        return 0

    for _ in range(10):
        lab.kernel.queue_work(work, "work")
    lab.kernel.run(lambda: len(done) == 10)
    assert done == [0] * 10


def test_an_mdl_maps_locked_pages_that_dispatch_level_may_touch(lab):
    assert lab.run("maps_mdl", 77) == 77
    assert lab.kernel.pool.outstanding() == []


@pytest.mark.parametrize(("wanted", "found"), [(1, 1), (0, 0)])
def test_routines_are_found_by_name(lab, wanted, found):
    assert lab.run("finds_routine", wanted) == found


@pytest.mark.parametrize(("number", "made"), [(1, 2), (2, 1), (3, 3)])
def test_the_nth_allocation_fails(lab, number, made):
    lab.kernel.pool.fail_at(number)
    assert lab.run("allocates_or_fails", 100) == made
    lab.kernel.pool.require_none_outstanding()


def test_the_site_of_an_allocation_is_the_chain_of_calls_to_it(lab):
    pool = lab.kernel.pool
    pool.sites = []
    for _ in range(2):
        lab.run("allocates_or_fails", 100)
    first, second, *again = pool.sites
    assert first != second
    assert again == [first, second]
    assert "allocates_or_fails" in lab.kernel.symbols.describe(first[0], called=True)


@pytest.mark.parametrize(
    ("case", "argument", "says", "marker"),
    [
        ("passive_routine_at_dispatch", 4, "ZwClose is called at IRQL 2; 0 is the highest allowed", "WRONG IRQL"),
        ("waits_at_dispatch", 0, "A wait at IRQL 2", "WAIT AT DISPATCH"),
        ("touches_paged", 1, "Pageable memory is written at IRQL 2: 4 bytes into the paged pool block of 8", "PAGED"),
        ("kernel_touches_paged", 0, "Pageable memory is read at IRQL 2", "PAGED EVENT"),
        ("overruns", 48, "is written: 0 bytes behind the end of the nonpaged pool block of 48 bytes 'Test'", "OVERRUN"),
        ("overruns", 1048, "is written: 1000 bytes behind the end of", "OVERRUN"),
        ("uses_after_free", 0, "is read: . bytes into freed the nonpaged pool block of 48 bytes", "USE AFTER FREE"),
        ("frees_twice", 24, "The nonpaged pool block of 24 bytes 'Test' at 0x[0-9a-f]+ is freed twice", "DOUBLE FREE"),
        ("frees_twice", 8192, "is freed twice", "DOUBLE FREE"),
        ("frees_live_timer", 10**7, "freed that holds a timer", "LIVE TIMER"),
        ("recurses_lock", 0, "acquired by its own holder", "RECURSIVE LOCK"),
        ("releases_twice", 0, "released, which is not held", "SECOND RELEASE"),
        ("keeps_lock", 0, "lowered to 0 while a spin lock is held", "KEPT LOCK"),
        ("runs_pageable_code", 2, "Pageable memory is executed at IRQL 2: PAGE of cases", "PAGEABLE CODE"),
        ("frees_locked_mdl", 100, "freed with its pages still locked", "LOCKED MDL"),
        ("physical_of_paged", 100, "pageable memory that is not locked", "PHYSICAL OF PAGED"),
        ("releases_foreign_mutex", 0, "STATUS_MUTANT_NOT_OWNED", "FOREIGN MUTEX"),
    ],
)
def test_a_broken_rule_is_found_at_its_line(lab, case, argument, says, marker):
    violation = fails(lab, case, argument)
    assert re.search(says, violation.what), violation
    assert any(line(marker) in frame for frame in violation.stack), violation


def test_an_underrun_is_found_when_the_block_is_freed(lab):
    violation = fails(lab, "underruns", 1)
    assert "Memory before the nonpaged pool block of 48 bytes 'Test'" in violation.what
    assert line("UNDERRUN BLOCK") in violation.what


def test_a_leak_names_the_line_that_allocated_it(lab):
    lab.run("leaks", 24)
    with pytest.raises(Violation, match="1 pool blocks are never freed") as caught:
        lab.kernel.pool.require_none_outstanding()
    assert line("LEAK") in caught.value.what


def test_a_leak_by_a_tail_call_names_the_function(lab):
    lab.run("tail_calls", 24)
    with pytest.raises(Violation, match="allocated by cases!tail_calls"):
        lab.kernel.pool.require_none_outstanding()


def test_two_lock_orders_are_a_deadlock_to_come(lab):
    lab.run("inverts_locks", 0)
    violation = fails(lab, "inverts_locks", 1)
    assert re.search("is acquired under 0x[0-9a-f]+, and elsewhere", violation.what)
    assert any(line("LOCK ORDER") in frame for frame in violation.stack)


def test_a_function_that_returns_at_another_irql_is_named(lab):
    assert re.search(r"returns_raised \(.*\) is called at IRQL 0 and returns at 2", fails(lab, "returns_raised").what)


def test_a_wait_that_nothing_can_end_is_a_deadlock(lab):
    violation = fails(lab, "waits_for_nothing")
    assert "nothing is left to happen" in violation.what
    assert "thread waits_for_nothing waits for" in violation.what


def test_a_thread_that_never_ends_runs_out_of_time(lab):
    with pytest.raises(Violation, match=r"within 0\.001 s of virtual time"):
        lab.kernel.run_to_end(lab.steps("counts_in_a_loop", 1 << 31), "endless", limit_ns=MILLISECOND)


def test_an_error_in_a_routine_comes_out_as_itself(lab):
    lab.platform.port_out = None  # type: ignore[method-assign, assignment]
    connect(lab, "service_routine")
    lab.platform.assert_line()
    with pytest.raises(TypeError, match="not callable"):
        lab.run("counts_in_a_loop", 10)
