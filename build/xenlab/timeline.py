# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as a picture: one HTML file with an SVG of lanes over virtual time, nothing loaded from elsewhere.

Time is drawn to scale but for gaps in which nothing happens: a long one is cut to a fixed width and marked with its
length, or a second of waiting would push the microseconds of a request into one pixel. The time since power on stands
above the lanes, their names stay in sight while the picture is scrolled, and an event says what it is where there is
room behind it; the whole of it shows under the pointer.
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
_LEFT = 36
_RIGHT = 40
_TOP = 56
_BOTTOM = 24
_STEP = 9.0
_CUT = 46.0
_LONGEST = 4.0
_LETTER = 5.6
_LEAST_LETTERS = 5
_BETWEEN_TIMES = 110.0
_ORDINARY = "#9498a0"

# Lanes from top to bottom, what they are called and their colours; a kind that is not named gets one below them.
_LANES = {
    "pnp": ("Plug and Play", "#4269d0"),
    "power": ("power", "#4269d0"),
    "file": ("files, programs", "#4269d0"),
    "srb": ("disk requests", "#6cc5b0"),
    "blkback": ("ring, back end", "#efb118"),
    "netback": ("network back end", "#efb118"),
    "grant": ("grants", "#9c6b4e"),
    "evtchn": ("event channels", "#3ca951"),
    "interrupt": ("interrupts", "#97bbf5"),
    "dpc": ("DPCs", "#97bbf5"),
    "xenstore": ("xenstore", "#a463f2"),
    "hypercall": ("hypercalls", "#ff8ab7"),
    "hypervisor": ("Xen", "#ff725c"),
    "physmap": ("memory map", "#ff725c"),
    "qemu": ("device model", "#ff725c"),
    "toolstack": ("toolstack", "#ff725c"),
    "debug": ("debug print", _ORDINARY),
}

_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:24px;color:#1b1e23;background:#fff}
h1{font-size:18px;margin:0 0 4px}p{margin:0 0 16px;color:#57606a}
.box{display:flex;overflow-x:auto;border:1px solid #d0d7de;border-radius:6px}
.names{position:sticky;left:0;flex:none;background:#fff;border-right:1px solid #d0d7de;z-index:1}
.names div{height:34px;line-height:34px;padding:0 12px;font-size:12px;color:#57606a;white-space:nowrap}
svg{display:block;flex:none}.lane{stroke:#eaeef2}.cut,.tick{stroke:#d0d7de}.cut{stroke-dasharray:2 3}
.said,.time,.gap{font-size:10px;fill:#57606a}.gap,.time{text-anchor:middle}
.fault{stroke:#d1242f;stroke-width:2}.event:hover{stroke:#1b1e23;stroke-width:2}
@media (prefers-color-scheme:dark){body,.names{color:#e6edf3;background:#0d1117}
p,.names div,.said,.time,.gap{color:#8b949e;fill:#8b949e}.box,.names{border-color:#30363d}.lane{stroke:#21262d}
.cut,.tick{stroke:#30363d}.event:hover{stroke:#e6edf3}}
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
    kinds = dict.fromkeys(kind for kind in _LANES if any(each.kind == kind for each in shown))
    kinds |= dict.fromkeys(each.kind for each in shown)
    lanes = {kind: index for index, kind in enumerate(kinds)}
    height = _TOP + _LANE_HEIGHT * len(lanes) + _BOTTOM
    width = axis.width + _LEFT + _RIGHT
    body = [
        *(_lane(index, width) for index in lanes.values()),
        *(_cut(at, gap, height) for at, gap in axis.cuts),
        *_times(shown, axis),
        *_events(shown, axis, lanes),
    ]
    if fault:
        end = _LEFT + axis.width
        body.append(f'<line class="fault" x1="{end:.1f}" y1="{_TOP - 14}" x2="{end:.1f}" y2="{height - 20}"/>')
    heading = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{heading}</h1><p>{html.escape(subtitle)}</p>\n"
        f'<div class="box"><div class="names" style="padding-top:{_TOP - _LANE_HEIGHT // 2}px">'
        + "".join(f"<div>{html.escape(_LANES.get(kind, (kind,))[0])}</div>" for kind in lanes)
        + f'</div><svg width="{width:.0f}" height="{height}" role="img" aria-label="{heading}">\n'
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


def _lane(index: int, width: float) -> str:
    y = _TOP + index * _LANE_HEIGHT
    return f'<line class="lane" x1="0" y1="{y}" x2="{width:.0f}" y2="{y}"/>'


def _cut(at: float, gap: int, height: int) -> str:
    x = _LEFT + at
    return (
        f'<line class="cut" x1="{x:.1f}" y1="{_TOP - 14}" x2="{x:.1f}" y2="{height - 20}"/>'
        f'<text class="gap" x="{x:.1f}" y="{height - 8}">{_duration(gap)}</text>'
    )


def _times(entries: Sequence[Entry], axis: _Axis) -> Iterable[str]:
    """The time of an event now and then, above the lanes."""
    free = 0.0
    for entry, at in zip(entries, axis.positions, strict=True):
        if at >= free:
            free = at + _BETWEEN_TIMES
            x = _LEFT + at
            yield f'<line class="tick" x1="{x:.1f}" y1="{_TOP - 32}" x2="{x:.1f}" y2="{_TOP - 24}"/>'
            yield f'<text class="time" x="{x:.1f}" y="{_TOP - 38}">{entry.time / 1e6:.4f} ms</text>'


def _events(entries: Sequence[Entry], axis: _Axis, lanes: dict[str, int]) -> Iterable[str]:
    """Each event, and its text as far as there is room until the next one of its lane."""
    following: dict[str, float] = {}
    for entry, at in zip(reversed(entries), reversed(axis.positions), strict=True):
        x, y = _LEFT + at, _TOP + lanes[entry.kind] * _LANE_HEIGHT
        letters = int((following.get(entry.kind, axis.width + _RIGHT) - at - 8) / _LETTER)
        following[entry.kind] = at
        if letters >= min(_LEAST_LETTERS, len(entry.text)):
            said = entry.text if len(entry.text) <= letters else f"{entry.text[: letters - 1]}…"
            yield f'<text class="said" x="{x + 6:.1f}" y="{y - 5}">{html.escape(said)}</text>'
    for entry, at in zip(entries, axis.positions, strict=True):
        colour = _LANES[entry.kind][1] if entry.kind in _LANES else _ORDINARY
        x, y = _LEFT + at, _TOP + lanes[entry.kind] * _LANE_HEIGHT
        yield (
            f'<circle class="event" cx="{x:.1f}" cy="{y}" r="4" fill="{colour}">'
            f"<title>{html.escape(entry.line().strip())}</title></circle>"
        )


def _duration(ns: int) -> str:
    for size, unit in ((10**9, "s"), (10**6, "ms"), (10**3, "µs")):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns} ns"
