# SPDX-License-Identifier: MIT
"""The pictures of the stock dialogs, computed: two bitmaps (BMP, 8 bits a pixel, Microsoft's BITMAPINFOHEADER) and two
icons (ICO with one 32-bit image).  A source names them ``artwork:dialog``, ``banner``, ``exclamation`` and ``info``.

The bitmaps are small, because Windows Installer stretches them to their controls.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

PREFIX = "artwork:"

Pixel = Callable[[int, int], int]

_DARK, _LIGHT = (24, 58, 99), (93, 147, 201)
_SHADES = 255
_WHITE = 255
_ICON = 32


def picture(name: str) -> bytes:
    """A picture by its name with the prefix."""
    return _PICTURES[name.removeprefix(PREFIX)]()


def _palette() -> bytes:
    """255 shades from dark to light blue, then white; a colour is blue, green, red, 0."""
    colors = [
        tuple(dark + (light - dark) * shade // (_SHADES - 1) for dark, light in zip(_DARK, _LIGHT, strict=True))
        for shade in range(_SHADES)
    ]
    return b"".join(bytes((blue, green, red, 0)) for red, green, blue in [*colors, (255, 255, 255)])


def _bitmap(width: int, height: int, pixel: Pixel) -> bytes:
    """A BMP file; its rows run from the bottom up and are filled to four bytes."""
    rows = [bytes(pixel(x, y) for x in range(width)).ljust((width + 3) // 4 * 4, b"\0") for y in range(height)]
    body, palette = b"".join(reversed(rows)), _palette()
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, len(body), 3780, 3780, 256, 0)
    start = 14 + len(header) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + header + palette + body


def _dialog() -> bytes:
    """The whole dialog: a band at the left that becomes lighter downwards, and white."""
    width, height, band = 74, 117, 24
    return _bitmap(width, height, lambda x, y: y * (_SHADES - 1) // (height - 1) if x < band else _WHITE)


def _banner() -> bytes:
    """The head of a dialog: white, with a block at the right that becomes lighter to the left."""
    width, height, block = 148, 44, 16
    return _bitmap(
        width, height, lambda x, _: (width - 1 - x) * (_SHADES - 1) // (block - 1) if x >= width - block else _WHITE
    )


def _icon(red: int, green: int, blue: int, mark: Callable[[float, float], bool]) -> bytes:
    """A disc of a colour with a white mark, each pixel averaged over sixteen points."""
    center = (_ICON - 1) / 2
    points = [(a / 4 - 0.375, b / 4 - 0.375) for a in range(4) for b in range(4)]
    rows = []
    for y in range(_ICON - 1, -1, -1):
        row = b""
        for x in range(_ICON):
            inside = [(dx, dy) for dx, dy in points if (x + dx - center) ** 2 + (y + dy - center) ** 2 <= 15**2]
            white = sum(mark(x + dx - center, y + dy - center) for dx, dy in inside)
            share = white / len(inside) if inside else 0
            color = [round(part + (255 - part) * share) for part in (blue, green, red)]
            row += bytes((*color, 255 * len(inside) // len(points)))
        rows.append(row)
    body = b"".join(rows) + bytes(_ICON * _ICON // 8)
    header = struct.pack("<IiiHHIIiiII", 40, _ICON, _ICON * 2, 1, 32, 0, len(body), 0, 0, 0, 0)
    entry = struct.pack("<BBBBHHII", _ICON, _ICON, 0, 0, 1, 32, len(header) + len(body), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + header + body


def _exclamation() -> bytes:
    return _icon(196, 120, 0, lambda x, y: abs(x) <= 2 and (-10 <= y <= 3 or 6 <= y <= 10))


def _info() -> bytes:
    return _icon(*_DARK, lambda x, y: abs(x) <= 2 and (-10 <= y <= -6 or -3 <= y <= 10))


_PICTURES = {"dialog": _dialog, "banner": _banner, "exclamation": _exclamation, "info": _info}
