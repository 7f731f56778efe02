# SPDX-License-Identifier: MIT
"""A Quantum encoder, for want of one: greedy, slow, and judged by `cabextract` and `7zz` (test_quantum.py).

The models are those of wixpy's decoder, which therefore says nothing about them: the judges have their own.
"""

from __future__ import annotations

from wixpy.quantum import BLOCK, Model, models

DISTANCES = [(sum(1 << max(s // 2 - 1, 0) for s in range(slot)), max(slot // 2 - 1, 0)) for slot in range(42)]
LENGTHS = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 1), (8, 1), (10, 1), (12, 1), (14, 2), (18, 2), (22, 2),
           (26, 2), (30, 3), (38, 3), (46, 3), (54, 3), (62, 4), (78, 4), (94, 4), (110, 4), (126, 5), (158, 5),
           (190, 5), (222, 5), (254, 0)]  # fmt: skip
LONGEST = 5 + 254


class Coder:
    """The arithmetic code of one block."""

    def __init__(self) -> None:
        self._bits = ""
        self._low, self._high, self._pending, self._shifts = 0, 0xFFFF, 0, 0
        self._plain: list[tuple[int, str]] = []

    def put(self, value: int, count: int) -> None:
        """Bits that are not coded: they stand behind the sixteen that a decoder looks at when it takes them."""
        self._plain.append((16 + self._shifts, f"{value:0{count}b}" if count else ""))

    def symbol(self, model: Model, symbol: int) -> None:
        place, total, size = model.symbols.index(symbol), model.sums[0], self._high - self._low + 1
        self._high = self._low + model.sums[place] * size // total - 1
        self._low += model.sums[place + 1] * size // total
        model.count(place)
        while True:
            if (self._low ^ self._high) < 0x8000:
                self._out(self._low >> 15)
            elif self._low & 0x4000 and not self._high & 0x4000:
                self._pending += 1
                self._low &= 0x3FFF
                self._high |= 0x4000
            else:
                return
            self._low, self._high = self._low << 1 & 0xFFFF, (self._high << 1 | 1) & 0xFFFF
            self._shifts += 1

    def _out(self, bit: int) -> None:
        self._bits += str(bit) + str(1 - bit) * self._pending
        self._pending = 0

    def bytes(self) -> bytes:
        """The block: a value between both bounds, and the other bits in their places."""
        self._out(self._low >> 15)
        self._bits += f"{self._low & 0x7FFF:015b}"
        text, start = "", 0
        for place, plain in self._plain:
            text += self._bits[start:place] + plain
            start = place
        text += self._bits[start:]
        text += "00"  # as 7-Zip wants it
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def encode(data: bytes, window: int) -> list[bytes]:
    """The blocks of ``data``."""
    selector, *others = models(window)
    places: dict[bytes, int] = {}
    blocks = []
    for start in range(0, len(data), BLOCK):
        coder = Coder()
        at, end = start, min(start + BLOCK, len(data))
        while at < end:
            length, distance = _match(data, at, min(end - at, LONGEST), places.get(data[at : at + 3]), window)
            if length < 3:
                length = 1
                coder.symbol(selector, data[at] >> 6)
                coder.symbol(others[data[at] >> 6], data[at])
            else:
                _put_match(coder, selector, others, length, distance)
            for place in range(at, at + length):
                places[data[place : place + 3]] = place
            at += length
        blocks.append(coder.bytes())
    return blocks


def _match(data: bytes, at: int, most: int, place: int | None, window: int) -> tuple[int, int]:
    if place is None or at - place > 1 << window:
        return 0, 0
    length = 0
    while length < most and data[place + length] == data[at + length]:
        length += 1
    slots = {3: min(2 * window, 24), 4: min(2 * window, 36)}.get(length, 2 * window)
    return (length, at - place) if _slot(DISTANCES, at - place - 1) < slots else (0, 0)


def _slot(slots: list[tuple[int, int]], value: int) -> int:
    return max(slot for slot, (start, _) in enumerate(slots) if start <= value)


def _put_match(coder: Coder, selector: Model, others: list[Model], length: int, distance: int) -> None:
    kind = min(length - 3, 2)
    coder.symbol(selector, 4 + kind)
    if kind == 2:
        slot = _slot(LENGTHS, length - 5)
        coder.symbol(others[-1], slot)
        coder.put(length - 5 - LENGTHS[slot][0], LENGTHS[slot][1])
    slot = _slot(DISTANCES, distance - 1)
    coder.symbol(others[4 + kind], slot)
    coder.put(distance - 1 - DISTANCES[slot][0], DISTANCES[slot][1])
