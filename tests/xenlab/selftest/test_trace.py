# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads of a run: repetition is folded, and the picture says what and when without a pointer."""

from __future__ import annotations

import re

from xenlab import timeline, trace
from xenlab.trace import Entry, Trace


def entries(*texts: str) -> list[Entry]:
    return [Entry(1_000_000 * index, "evtchn", text, {}) for index, text in enumerate(texts)]


def test_what_repeats_itself_at_once_is_one_line_with_its_count_and_its_end():
    told = trace.lines(entries("port 3 pending", "port 3 pending", "port 3 pending", "sends", "port 3 pending"))
    assert [" ".join(line.split()) for line in told] == [
        "0.0000 ms evtchn port 3 pending (3 times, until 2.0000 ms)",
        "3.0000 ms evtchn sends",
        "4.0000 ms evtchn port 3 pending",
    ]


def test_other_fields_are_another_line():
    assert len(trace.lines([Entry(0, "ring", "read", {"id": 1}), Entry(0, "ring", "read", {"id": 2})])) == 2


def test_the_last_lines_reach_back_over_repetition():
    kept = Trace()
    for entry in entries("first", *["again"] * 50):
        kept(entry.time, entry.kind, entry.text, entry.fields)
    assert [line.split()[3] for line in kept.last(2)] == ["first", "again"]


def test_the_picture_names_its_lanes_and_times_where_scrolling_does_not_take_them_away():
    page = timeline.draw(entries("a", "b"), "a run")
    assert "<div>event channels</div>" in page
    assert re.search(r"\.names\{position:sticky", page)
    assert '">0.0000 ms</text>' in page


def test_an_event_says_what_it_is_as_far_as_there_is_room():
    shown = [Entry(time, "evtchn", "a text of some length", {}) for time in (0, 100, 200, 200)]
    said = re.findall(r'class="said"[^>]*>([^<]*)<', timeline.draw(shown, "a run"))
    assert said == ["a text…"]
