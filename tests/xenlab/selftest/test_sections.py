# SPDX-License-Identifier: GPL-2.0-or-later
"""Sections and their views: what they share, what is refused, files behind them, and the mistakes that end the run.

A case returns 0, or the line of sections.c that does not hold.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from xenlab.errors import Violation
from xenlab.nt.codes import Status
from xenlab.nt.filesystem import FileSystem
from xenlab.nt.section import Sections
from xenlab.nt.seh import UserFault

from . import driver
from .driver import Lab, line


@pytest.fixture(scope="module", params=["x64", "x32"])
def built_sections(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return driver.build(tmp_path_factory.mktemp(f"sections-{request.param}"), request.param, "sections"), request.param


@pytest.fixture
def lab(built_sections: tuple[Path, str]) -> Lab:
    return driver.load(*built_sections)


@pytest.mark.parametrize("case", ["views_share", "refusals", "names"])
def test_a_case_holds_and_leaves_nothing_behind(lab, case):
    assert lab.run(case, 0) == 0
    before = lab.kernel.physical.allocated
    assert lab.run(case, 0) == 0
    assert lab.kernel.part(Sections).outstanding() == []
    assert lab.kernel.physical.allocated == before


def test_what_is_written_through_a_view_is_in_the_file(lab):
    node = lab.kernel.part(FileSystem).put("windows\\temp\\hello.bin", b"hello")
    assert lab.run("of_a_file", 0) == 0
    assert node.data == b"jello\0\0\0"


def test_an_empty_file_has_no_section(lab):
    lab.kernel.part(FileSystem).put("windows\\temp\\hello.bin", b"")
    assert lab.run("of_a_file", 1) == 0


@pytest.mark.parametrize(
    ("failing", "status"), [(1, Status.INSUFFICIENT_RESOURCES), (2, Status.NO_MEMORY), (3, Status.SUCCESS)]
)
def test_sections_and_views_may_be_refused(lab, failing, status):
    lab.kernel.pool.fail_at(lab.kernel.pool.count + failing)
    assert (lab.run("for_want_of_memory", 0) or 0) & 0xFFFFFFFF == status
    assert lab.kernel.part(Sections).outstanding() == []


def test_a_view_that_is_left_is_named_with_the_line_that_mapped_it(lab):
    assert lab.run("maps_and_leaves", 0)
    view, section = lab.kernel.part(Sections).outstanding()
    assert line("LEFT MAPPED", "sections") in view or "show (sections.c:" in view
    assert "is still referenced" in section


def test_a_view_of_user_mode_that_may_not_be_written_is_an_exception(lab):
    view = lab.run("maps_and_leaves", 1)
    with pytest.raises(UserFault) as caught:
        lab.run("writes", view)
    assert (caught.value.address, caught.value.writes) == (view, True)


@pytest.mark.parametrize(
    ("case", "protection", "says", "marker"),
    [
        ("touches_at_dispatch", 0, "Pageable memory is written at IRQL 2", "VIEW AT DISPATCH"),
        ("writes", 1, "is written, which its page does not allow", "WRITES VIEW"),
        ("unmaps_locked", 0, "is unmapped while an MDL has its pages locked", "LOCKED VIEW"),
    ],
)
def test_a_mistake_with_a_view_is_found_at_its_line(lab, case, protection, says, marker):
    view = lab.run("maps_and_leaves", protection)
    with pytest.raises(Violation, match=says) as caught:
        lab.run(case, view)
    assert any(line(marker, "sections") in frame for frame in caught.value.stack), caught.value
