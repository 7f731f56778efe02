# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of a run: every event is in it, in its lane, in order of time, and the page needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from xenlab import timeline
from xenlab.trace import Entry, Trace
from xenlab.world import World


def entries() -> list[Entry]:
    trace = Trace()
    world = World(sink=trace)
    world.trace("irp", "START_DEVICE", device=0x1234567)
    world.advance(2_000)
    world.trace("evtchn", "port 3 <pending>")
    world.advance(1_000)
    world.trace("irp", "completed", status=0)
    world.advance(5_000_000_000)
    world.trace("xenstore", "WRITE state 4")
    return list(trace.entries)


def svg(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])


def circles(page: str) -> list[tuple[float, float, str]]:
    return [
        (float(each.attrib["cx"]), float(each.attrib["cy"]), each.findtext("title") or "")
        for each in svg(page).iter("circle")
    ]


def test_each_event_is_drawn_with_its_text() -> None:
    drawn = circles(timeline.draw(entries(), "a run"))
    assert [text for _, _, text in drawn] == [entry.line().strip() for entry in entries()]


def test_time_runs_to_the_right() -> None:
    places = [x for x, _, _ in circles(timeline.draw(entries(), "a run"))]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_events_of_a_kind_share_a_lane_and_different_kinds_do_not() -> None:
    lanes = [y for _, y, _ in circles(timeline.draw(entries(), "a run"))]
    assert lanes[0] == lanes[2]
    assert len(set(lanes)) == 3


def test_a_long_wait_is_cut_and_says_how_long_it_was() -> None:
    texts = [each.text for each in svg(timeline.draw(entries(), "a run")).iter("text")]
    assert "5 s" in texts


def test_a_failed_run_ends_in_a_line() -> None:
    assert 'class="fault"' in timeline.draw(entries(), "a run", fault=True)
    assert 'class="fault"' not in timeline.draw(entries(), "a run")


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    timeline.write(path, entries(), "a <run>", "x64")
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
    assert "<title>a &lt;run&gt;</title>" in page


def test_a_run_without_events_is_an_empty_picture() -> None:
    assert circles(timeline.draw([], "nothing")) == []
