# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as a picture: one HTML file with an SVG of lanes over virtual time, nothing loaded from elsewhere.

Time is drawn to scale but for gaps in which nothing happens: a long one is cut to a fixed width and marked with its
length, or a second of waiting would push the microseconds of a request into one pixel.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gplpv.files import write_bytes
from xenlab.trace import Entry

_LANE_HEIGHT = 34
_LEFT = 120
_RIGHT = 40
_TOP = 40
_STEP = 9.0
_CUT = 46.0
_LONGEST = 4.0

# Lanes from top to bottom; a kind that is not named gets one of its own below them.
_COLOURS = {
    "irp": "#4269d0", "driver": "#6cc5b0", "ring": "#ff725c", "blkback": "#efb118", "grant": "#9c6b4e",
    "evtchn": "#3ca951", "interrupt": "#97bbf5", "xenstore": "#a463f2", "hypercall": "#ff8ab7", "toolstack": "#9498a0",
}  # fmt: skip

_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:24px;color:#1b1e23;background:#fff}
h1{font-size:18px;margin:0 0 4px}p{margin:0 0 16px;color:#57606a}
.box{overflow-x:auto;border:1px solid #d0d7de;border-radius:6px}
svg{display:block}.lane{stroke:#eaeef2}.name{font-size:12px;fill:#57606a}.cut{stroke:#d0d7de;stroke-dasharray:2 3}
.gap{font-size:10px;fill:#8c959f;text-anchor:middle}.event:hover{stroke:#1b1e23;stroke-width:1.5}
.fault{stroke:#cf222e;stroke-width:2}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}p,.name{color:#8b949e;fill:#8b949e}
.box{border-color:#30363d}.lane{stroke:#21262d}.cut{stroke:#30363d}.event:hover{stroke:#e6edf3}}
"""


@dataclass(frozen=True)
class _Axis:
    """Where each entry lies, and the cuts: position and length in ns."""

    positions: Sequence[float]
    cuts: Sequence[tuple[float, int]]
    width: float


def draw(entries: Iterable[Entry], title: str, subtitle: str = "", fault: bool = False) -> str:
    """Return the HTML page. With `fault`, a red line marks the end, where a rule was broken."""
    shown = list(entries)
    axis = _axis(shown)
    kinds = dict.fromkeys([*(kind for kind in _COLOURS if any(each.kind == kind for each in shown))])
    kinds |= dict.fromkeys(each.kind for each in shown)
    lanes = {kind: index for index, kind in enumerate(kinds)}
    height = _TOP + _LANE_HEIGHT * len(lanes) + 24
    width = axis.width + _LEFT + _RIGHT
    body = [
        *(_lane(kind, index, width) for kind, index in lanes.items()),
        *(_cut(at, gap, height) for at, gap in axis.cuts),
        *(_event(each, at, lanes[each.kind]) for each, at in zip(shown, axis.positions, strict=True)),
    ]
    if fault:
        end = _LEFT + axis.width
        body.append(f'<line class="fault" x1="{end:.1f}" y1="{_TOP - 14}" x2="{end:.1f}" y2="{height - 20}"/>')
    heading = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{heading}</h1><p>{html.escape(subtitle)}</p>\n"
        f'<div class="box"><svg width="{width:.0f}" height="{height}" role="img" aria-label="{heading}">\n'
        + "\n".join(body)
        + "\n</svg></div></body></html>\n"
    )


def write(path: Path, entries: Iterable[Entry], title: str, subtitle: str = "", fault: bool = False) -> None:
    """Write the page to `path`."""
    write_bytes(path, draw(entries, title, subtitle, fault).encode())


def _axis(entries: Sequence[Entry]) -> _Axis:
    """Place the entries: the median gap is one step wide, a gap of more than a few steps is cut."""
    gaps = [after.time - before.time for before, after in itertools.pairwise(entries)]
    positive = sorted(gap for gap in gaps if gap)
    unit = positive[len(positive) // 2] if positive else 1
    at = 0.0
    positions = [at] if entries else []
    cuts = []
    for gap in gaps:
        steps = gap / unit
        if steps > _LONGEST:
            cuts.append((at + _CUT / 2, gap))
            at += _CUT
        else:
            at += max(_STEP * steps, 1.5)
        positions.append(at)
    return _Axis(positions, cuts, at + _STEP)


def _lane(kind: str, index: int, width: float) -> str:
    y = _TOP + index * _LANE_HEIGHT
    return (
        f'<text class="name" x="12" y="{y + 4}">{html.escape(kind)}</text>'
        f'<line class="lane" x1="{_LEFT}" y1="{y}" x2="{width:.0f}" y2="{y}"/>'
    )


def _cut(at: float, gap: int, height: int) -> str:
    x = _LEFT + at
    return (
        f'<line class="cut" x1="{x:.1f}" y1="{_TOP - 14}" x2="{x:.1f}" y2="{height - 20}"/>'
        f'<text class="gap" x="{x:.1f}" y="{height - 8}">{_duration(gap)}</text>'
    )


def _event(entry: Entry, at: float, lane: int) -> str:
    colour = _COLOURS.get(entry.kind, "#9498a0")
    x, y = _LEFT + at, _TOP + lane * _LANE_HEIGHT
    return (
        f'<circle class="event" cx="{x:.1f}" cy="{y}" r="4" fill="{colour}">'
        f"<title>{html.escape(entry.line().strip())}</title></circle>"
    )


def _duration(ns: int) -> str:
    for size, unit in ((10**9, "s"), (10**6, "ms"), (10**3, "µs")):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"
