# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule that a driver with a device can break ends the run, and the report names the line of its source."""

from __future__ import annotations

import re

import pytest

from xenlab.cpu.memory import PAGE_SHIFT, PAGE_SIZE
from xenlab.domain import Domain
from xenlab.errors import Violation
from xenlab.nt.teardown import outstanding
from xenlab.xen.releases import CURRENT

from .driver import WholeLab, line

TWICE, TOUCH, DEEP, PENDING_UNMARKED, MARKED_NOT_PENDING, START_UNMARKED = range(1, 7)


def fails(lab: WholeLab, case: str, *args: int) -> Violation:
    with pytest.raises(Violation) as caught:
        lab.run(case, *args)
    return caught.value


def test_a_driver_without_a_mistake_comes_and_goes(whole):
    assert whole.run("sends") == 0
    assert whole.run("frees_map_registers_unflushed", 0) == 7
    unload = whole.kernel.ptr(whole.object + (0x68 if whole.kernel.arch == "x64" else 0x34))
    whole.kernel.run_to_end(whole.kernel.call(unload, whole.object))
    assert outstanding(whole.kernel) == []


@pytest.mark.parametrize(
    ("case", "argument", "says", "marker"),
    [
        ("sends", TWICE, "IofCompleteRequest is given .*, which is no IRP", "COMPLETE TWICE"),
        ("sends", TOUCH, "is written: .* freed the nonpaged pool block of .* 'Irp '", "TOUCH COMPLETED"),
        ("sends", DEEP, "Bug check 0x35", "CALL TOO DEEP"),
        ("sends", PENDING_UNMARKED, "returns STATUS_PENDING for a request that it has not marked pending", "SENDS"),
        ("sends", MARKED_NOT_PENDING, "returns STATUS_SUCCESS for a request that it has marked pending", "SENDS"),
        ("sends", START_UNMARKED, "a request that is not marked pending", "START UNMARKED"),
        ("uninitialised_event", 1, "no initialised dispatcher object", "UNINITIALISED EVENT"),
        ("uninitialised_timer", 1, "no initialised dispatcher object", "UNINITIALISED TIMER"),
        ("uninitialised_wait", 1, "no initialised dispatcher object", "UNINITIALISED WAIT"),
        ("uninitialised_lock", 1, "is not initialised, or overwritten", "UNINITIALISED LOCK"),
        ("uninitialised_dpc", 1, "no initialised DPC", "UNINITIALISED DPC"),
        ("uninitialised_csq", 1, "no initialised cancel-safe queue", "UNINITIALISED CSQ"),
        ("uninitialised_resource", 1, "no resource that is initialised", "UNINITIALISED RESOURCE"),
        ("frees_queued_dpc", 1, "Memory is freed that holds a queued DPC", "FREES QUEUED DPC"),
        ("uses_deleted_device", 1, "is read: .* freed the nonpaged pool block of .* 'Devi'", "DELETED DEVICE"),
        ("deletes_with_timer", 1, "whose timer is still started", "STARTED IO TIMER"),
        ("deletes_with_wmi", 1, "still registered with WMI", "REGISTERED WITH WMI"),
        ("puts_adapter_with_buffer", 100, "common buffer of 100 bytes at 0x[0-9a-f]+ is not freed", "BUFFER NOT FREED"),
        ("frees_buffer_of_another_size", 100, "FreeCommonBuffer of 101 bytes", "ANOTHER SIZE"),
        ("frees_map_registers_unflushed", 1, "a transfer in them that was not flushed", "NOT FLUSHED"),
        ("queues_at_passive", 1, "KeInsertDeviceQueue is called at IRQL 0; 2 is the lowest", "QUEUES AT PASSIVE"),
        ("removes_from_idle_queue", 1, "which is not busy", "IDLE QUEUE"),
        ("overfills_log_entry", 400, "says that it holds 400 of dump data", "OVERFULL ENTRY"),
        ("overfills_log_entry", 3, "has 3 bytes of dump data: a multiple of four", "OVERFULL ENTRY"),
        ("releases_rundown_too_often", 1, "released 1 times more than it is held", "RUNDOWN"),
        ("converts_foreign_resource", 1, "which the thread does not hold exclusively", "CONVERTS SHARED"),
        ("bits_out_of_range", 40, "Bits 40 to 50 of a bitmap of 50", "OUT OF RANGE"),
        ("raises_unhandled", 0xC00000BB, "exception 0xc00000bb is raised, and nobody handles it", "RAISES UNHANDLED"),
        ("probes_oddly", 3, "the alignment 3, which is no power of two", "ODD PROBE"),
    ],
)
def test_a_broken_rule_is_found_at_its_line(whole, case, argument, says, marker):
    violation = fails(whole, case, argument)
    assert re.search(says, violation.what), violation
    assert any(line(marker, "rules") in frame for frame in violation.stack), violation


@pytest.mark.parametrize(
    ("case", "where", "marker"),
    [("overruns_by_one", "behind", "OVERRUN"), ("underruns_by_one", "before", "UNDERRUN")],
)
@pytest.mark.parametrize("size", [1, 45, 100])
def test_a_byte_beside_a_block_is_found_when_it_is_freed(whole, case, where, marker, size):
    violation = fails(whole, case, size)
    assert f"Memory {where} the nonpaged pool block of {size} bytes 'Rule'" in violation.what
    assert line(f"{marker} BY ONE", "rules") in violation.what
    assert any(line(f"{marker} FREED", "rules") in frame for frame in violation.stack)


@pytest.mark.parametrize(
    ("case", "says", "marker"),
    [
        ("frees_held_lock", "Memory is freed that holds an acquired spin lock", "FREES HELD LOCK"),
        ("initialised_twice", "A DPC is initialised while it is queued", "QUEUED DPC"),
    ],
)
def test_a_broken_rule_at_dispatch_level_is_found_at_its_line(whole, case, says, marker):
    whole.kernel.queue_call(lambda: whole.steps(case, 1), case)
    with pytest.raises(Violation, match=says) as caught:
        whole.kernel.run()
    assert any(line(marker, "rules") in frame for frame in caught.value.stack), caught.value


def test_a_dpc_that_keeps_its_lock_is_named_with_its_line(whole):
    violation = fails(whole, "dpc_keeps_lock")
    assert "returns with spin locks held or released that were not so before" in violation.what
    assert "keeps_lock_dpc (rules.c:" in violation.what


def test_a_device_that_is_deleted_with_a_reference_is_never_gone(whole):
    whole.run("deletes_with_reference", 1)
    (left,) = [each for each in outstanding(whole.kernel) if line("REFERENCED DEVICE", "rules") in each]
    assert "'Devi' at 0x" in left


@pytest.mark.parametrize("mapped", [True, False])
def test_memory_that_is_granted_is_not_freed(whole, mapped):
    kernel = whole.kernel
    domain = Domain(kernel.machine, CURRENT, "upstream")
    grants = domain.hypervisor.grants
    page = whole.run("allocates_page", PAGE_SIZE)
    frame = kernel.memory.translate(page) >> PAGE_SHIFT
    grants.set_entry(8, 1, 0, frame)
    mapping = grants.map(8, 0, False)
    if not mapped:
        grants.unmap(mapping)
    violation = fails(whole, "frees_page", page)
    assert "Memory is freed while" in violation.what
    assert f"frame {frame:#x}" in violation.what
    assert any(line("FREES GRANTED", "rules") in each for each in violation.stack), violation
