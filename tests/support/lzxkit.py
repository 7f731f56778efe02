# SPDX-License-Identifier: MIT
"""An LZX encoder, for want of one in Debian: every kind of block, code and match that the format has, on demand.

It is as slow and as simple as it may be; `cabextract` and `7zz` say whether it is right (test_lzx.py).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from heapq import heapify, heappop, heappush
from itertools import cycle

from wixpy.cab import dos_time
from wixpy.cabdata import checksum

FRAME = 32768
VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
WHEN = datetime(2008, 1, 1, tzinfo=timezone.utc)

# Of each slot: the distance (plus two) with which it begins, and how many bits tell the rest.
BITS = [0, 0, 0, 0, *(bits for bits in range(1, 17) for _ in range(2)), *[17] * 14]
STARTS = [sum(1 << bits for bits in BITS[:slot]) for slot in range(len(BITS))]


@dataclass(frozen=True)
class Token:
    """A literal (``length`` 1), or a match whose ``distance`` is 1 or more, or 0 to -2 for the last three."""

    length: int
    literal: int = 0
    distance: int = 0

    @property
    def slot(self) -> int:
        if self.distance <= 0:
            return -self.distance
        return max(slot for slot, start in enumerate(STARTS) if start <= self.distance + 2)

    @property
    def rest(self) -> int:
        return self.distance + 2 - STARTS[self.slot] if self.distance > 0 else 0

    def main(self) -> int:
        if self.length == 1:
            return self.literal
        return 256 + 8 * self.slot + min(self.length - 2, 7)


def lengths(symbols: Iterable[int], count: int, most: int) -> list[int]:
    """The lengths of the words of a complete code for these symbols, of at most ``most`` bits; none for no symbols."""
    numbers = Counter(symbols)
    if not numbers:
        return [0] * count
    for filler in range(2):
        if len(numbers) == 1:
            numbers[filler] += 1
    while True:
        heap = [(number, [symbol]) for symbol, number in sorted(numbers.items())]
        heapify(heap)
        found = dict.fromkeys(numbers, 0)
        while len(heap) > 1:
            (one, left), (other, right) = heappop(heap), heappop(heap)
            for symbol in left + right:
                found[symbol] += 1
            heappush(heap, (one + other, left + right))
        if max(found.values()) <= most:
            return [found.get(symbol, 0) for symbol in range(count)]
        numbers = Counter({symbol: number // 2 + 1 for symbol, number in numbers.items()})


def words(of: Sequence[int]) -> dict[int, tuple[int, int]]:
    """The word of each symbol, as a number and its length."""
    found = {}
    word = 0
    for length in range(1, 17):
        for symbol, own in enumerate(of):
            if own == length:
                found[symbol] = word, length
                word += 1
        word <<= 1
    return found


class Writer:
    """The bits of frames."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._bytes = bytearray()
        self._bits = ""

    def put(self, value: int, count: int) -> None:
        self._bits += f"{value:0{count}b}" if count else ""
        while len(self._bits) >= 16:
            self._bytes += struct.pack("<H", int(self._bits[:16], 2))
            self._bits = self._bits[16:]

    def align(self, *, always: bool = False) -> None:
        """Fill the word up; with a whole word when it is full and that must be."""
        self.put(0, -len(self._bits) % 16 or (16 if always else 0))

    def raw(self, data: bytes) -> None:
        self._bytes += data

    def end_frame(self) -> None:
        self.align()
        self.frames.append(bytes(self._bytes))
        self._bytes.clear()


@dataclass
class Encoder:
    """What is kept from block to block of a folder."""

    window: int
    writer: Writer = field(default_factory=Writer)
    last: list[int] = field(default_factory=lambda: [1, 1, 1])
    position: int = 0
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._main = [0] * (256 + 8 * SLOTS[self.window])
        self._length = [0] * 249
        self._places: dict[bytes, int] = {}

    def tokens(self, data: bytes, end: int) -> Iterator[Token]:
        """Literals and matches for what follows of ``data`` up to ``end``; none goes over the end of a frame."""
        at = self.position
        while at < end:
            most = min(257, end - at, FRAME - at % FRAME)
            token = self._token(data, at, most)
            for place in range(at, at + token.length):
                self._places[data[place : place + 3]] = place
            at += token.length
            self.seen.add(self._describe(token))
            yield token

    def _describe(self, token: Token) -> str:
        """What is special about it."""
        if token.length == 1:
            return "literal"
        if token.distance <= 0:
            return f"last distance {-token.distance}"
        if token.distance > FRAME:
            return "match from before a frame"
        if token.distance < token.length:
            return "match that overlaps"
        return "longest match" if token.length == 257 else "long match" if token.length >= 9 else "short match"

    def _token(self, data: bytes, at: int, most: int) -> Token:
        place = self._places.get(data[at : at + 3])
        candidates = [(at - distance, -number) for number, distance in enumerate(self.last)]
        if place is not None and at - place <= (1 << self.window) - 3:
            candidates.append((place, at - place))
        best = Token(1, data[at])
        for place, distance in candidates:
            length = 0
            while place >= 0 and length < most and data[place + length] == data[at + length]:
                length += 1
            if length > max(best.length, 1):
                best = Token(length, 0, distance)
        if best.length > 1:
            self._remember(best.distance)
        return best

    def _remember(self, distance: int) -> None:
        if distance > 0:
            self.last = [distance, *self.last[:2]]
        else:
            self.last[0], self.last[-distance] = self.last[-distance], self.last[0]

    def _put_lengths(self, old: Sequence[int], new: Sequence[int]) -> None:
        """A part of the lengths of a code, in a pretree: what differs from before, and runs."""
        steps: list[tuple[int, int, int, int]] = []
        at = 0
        while at < len(new):
            run = next((n for n, length in enumerate(new[at:]) if length != new[at]), len(new) - at)
            difference = (old[at] - new[at]) % 17
            if new[at] == 0 and run >= 20:
                run = min(run, 51)
                steps.append((18, run - 20, 5, -1))
            elif new[at] == 0 and run >= 4:
                run = min(run, 19)
                steps.append((17, run - 4, 4, -1))
            elif run >= 4:
                run = min(run, 5)
                steps.append((19, run - 4, 1, difference))
            else:
                run = 1
                steps.append((difference, 0, 0, -1))
            at += run
        self.seen.update(f"symbol {step[0]} of the pretree" for step in steps if step[0] > 16)
        code = lengths([symbol for step in steps for symbol in (step[0], step[3]) if symbol >= 0], 20, 15)
        word = words(code)
        for length in code:
            self.writer.put(length, 4)
        for symbol, value, bits, following in steps:
            self.writer.put(*word[symbol])
            self.writer.put(value, bits)
            if following >= 0:
                self.writer.put(*word[following])

    def block(self, data: bytes, kind: int, end: int) -> None:
        """A block for what follows of ``data`` up to ``end``."""
        before = tuple(self.last)
        tokens = [] if kind == UNCOMPRESSED else list(self.tokens(data, end))
        self.writer.put(kind, 3)
        self.writer.put(end - self.position, 24)
        if kind == UNCOMPRESSED:
            self._uncompressed(data, before, end)
            return
        aligned: dict[int, tuple[int, int]] = {}
        if kind == ALIGNED:
            low = [token.rest & 7 for token in tokens if BITS[token.slot] >= 3]
            code = lengths([*low, *range(8)], 8, 7)
            aligned = words(code)
            for length in code:
                self.writer.put(length, 3)
        main = lengths([token.main() for token in tokens], len(self._main), 16)
        length = lengths([token.length - 9 for token in tokens if token.length >= 9], 249, 16)
        self._put_lengths(self._main[:256], main[:256])
        self._put_lengths(self._main[256:], main[256:])
        self._put_lengths(self._length, length)
        self._main, self._length = main, length
        main_words, length_words = words(main), words(length)
        for token in tokens:
            self.writer.put(*main_words[token.main()])
            if token.length >= 9:
                self.writer.put(*length_words[token.length - 9])
            bits = BITS[token.slot] if token.length > 1 else 0
            if aligned and bits >= 3:
                self.writer.put(token.rest >> 3, bits - 3)
                self.writer.put(*aligned[token.rest & 7])
            else:
                self.writer.put(token.rest, bits)
            self._advance(token.length, len(data))

    def _uncompressed(self, data: bytes, last: tuple[int, ...], end: int) -> None:
        self.writer.align(always=True)
        self.writer.raw(struct.pack("<III", *last))
        is_odd = (end - self.position) % 2
        while self.position < end:
            count = min(end - self.position, FRAME - self.position % FRAME)
            self.writer.raw(data[self.position : self.position + count])
            if self.position + count == end and is_odd:
                self.writer.raw(b"\0")
            self._advance(count, len(data))

    def _advance(self, count: int, size: int) -> None:
        self.position += count
        if self.position % FRAME == 0 or self.position == size:
            self.writer.end_frame()


def with_absolute_calls(data: bytes, size: int) -> bytes:
    """What a decoder translates back: after each byte E8 the address that is called, modulo ``size``."""
    out = bytearray(data)
    for frame in range(0, min(len(data), FRAME << 15), FRAME):
        at, end = frame, min(frame + FRAME, len(data)) - 10
        while at < end:
            if data[at] != 0xE8:
                at += 1
                continue
            (operand,) = struct.unpack_from("<i", data, at + 1)
            if -at <= operand < size - at:
                struct.pack_into("<i", out, at + 1, operand + at)
            elif size - at <= operand < size:
                struct.pack_into("<i", out, at + 1, operand - size)
            at += 5
    return bytes(out)


def encode(
    data: bytes, window: int, blocks: Iterable[tuple[int, int]], translation: int = 0, seen: set[str] | None = None
) -> list[bytes]:
    """The frames of ``data``, in blocks of these kinds and sizes, which are used by turns; ``seen`` gets what they use.

    ``translation`` is the size that addresses of calls are taken modulo, 0 when they stay as they are.
    """
    encoder = Encoder(window, seen=set() if seen is None else seen)
    encoder.writer.put(int(bool(translation)), 1)
    if translation:
        encoder.writer.put(translation >> 16, 16)
        encoder.writer.put(translation & 0xFFFF, 16)
        data = with_absolute_calls(data, translation)
    turns = cycle(blocks)
    while encoder.position < len(data):
        kind, size = next(turns)
        encoder.block(data, kind, min(encoder.position + size, len(data)))
    return encoder.writer.frames


Folder = tuple[int, Sequence[tuple[str, bytes]], Sequence[bytes]]
LZX = 3


def cabinet(folders: Sequence[Folder], *, summed: bool = True, kind: int = LZX) -> bytes:
    """A cabinet of folders, each given by its window, its files and its frames; its blocks may be without checksums,
    and of another kind of compression."""
    entries, places, data = b"", [], b""
    for number, (_, files, frames) in enumerate(folders):
        places.append(len(data))
        left, offset = sum(len(content) for _, content in files), 0
        for frame in frames:
            size = min(left, FRAME)
            left -= size
            record = struct.pack("<HH", len(frame), size)
            data += struct.pack("<I", checksum(record, checksum(frame)) if summed else 0) + record + frame
        for name, content in files:
            entry = struct.pack("<IIHHHH", len(content), offset, number, *dos_time(WHEN), 0x20)
            entries += entry + name.encode() + b"\0"
            offset += len(content)
    files_at = 36 + 8 * len(folders)
    start = files_at + len(entries)
    records = b"".join(
        struct.pack("<IHH", start + place, len(frames), kind | window << 8)
        for place, (window, _, frames) in zip(places, folders, strict=True)
    )
    count = sum(len(files) for _, files, _ in folders)
    header = struct.pack("<4s5I2B5H", b"MSCF", 0, start + len(data), 0, files_at, 0, 3, 1, len(folders), count, 0, 0, 0)
    return header + records + entries + data
