# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is not there while Windows runs: each allocation of an attach, a detach and a resume fails in turn."""

from __future__ import annotations

from collections.abc import Callable

from xenlab.errors import Violation
from xenlab.lab import Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.block import KINDS
from xenlab.xen.disk import Disk as Medium

_SECTORS = 2048
_SAMPLES = 5


@scenario("no-memory-attach", "each allocation while a disk is attached and detached fails in turn: all else works on")
def no_memory_attach(new: NewLab) -> None:
    _sweep(new, _attach, _SAMPLES)


@scenario("no-memory-attach-long", "the same, without leaving one out", long=True)
def no_memory_attach_long(new: NewLab) -> None:
    _sweep(new, _attach, None)


@scenario("no-memory-resume", "each allocation of a save and restore under load fails in turn: nothing is lost")
def no_memory_resume(new: NewLab) -> None:
    _sweep(new, _resume, _SAMPLES)


@scenario("no-memory-resume-long", "the same, without leaving one out", long=True)
def no_memory_resume_long(new: NewLab) -> None:
    _sweep(new, _resume, None)


def _sweep(new: NewLab, step: Callable[[Lab], None], samples: int | None) -> None:
    """Take the step as often as there are allocations in it to fail, or with a chance selection of them."""
    total = _try(new, step, 0)
    numbers = range(1, total + 1)
    chosen = sorted(new.random.sample(numbers, min(samples, total))) if samples else numbers
    for number in chosen:
        try:
            _try(new, step, number)
        except Violation as violation:
            what = f"When allocation {number} of {total} fails: {violation.what}"
            raise Violation(what, violation.stack) from violation


def _try(new: NewLab, step: Callable[[Lab], None], failing: int) -> int:
    """Take the step with one allocation failing; return how many there were."""
    lab = new()
    lab.attach("hda", lab.boot_disk, KINDS["indirect"])
    lab.boot()
    lab.run(1)
    pool = lab.kernel.pool
    before = pool.count
    pool.fail_at(before + failing if failing else 0)
    step(lab)
    made = pool.count - before
    pool.fail_at(0)
    Workload([lab.pv_disk("hda")], 20).run()
    lab.shut_down()
    return made


def _attach(lab: Lab) -> None:
    """The new disk may stay away; the one that is there works, and the new one can be detached."""
    lab.attach("xvdb", Medium(_SECTORS), KINDS["indirect"])
    Workload([lab.pv_disk("hda")], 40).run()
    lab.run(3)
    detach = lab.xen.toolstack.detach("xvdb")
    lab.run(3)
    if not detach.done:
        lab.xen.toolstack.force_detach("xvdb")
    lab.wait(lambda: len(lab.nodes("XEN")) == 1, "the removal of the disk that came and went", 120)


def _resume(lab: Lab) -> None:
    """The disk that Windows lives on comes back."""
    work = Workload([lab.pv_disk("hda")], 80, depth=16, maximum_bytes=300 * 1024)
    work.begin()
    lab.run(0.003)
    lab.xen.toolstack.save_and_restore()
    lab.wait(lambda: lab.xen.toolstack.resumes == 1, "a suspension")
    lab.wait(lambda: work.finished, "the work through a suspension", 300)
