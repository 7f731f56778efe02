# SPDX-License-Identifier: GPL-2.0-or-later
"""The bzip2 of NSIS installers, which Python's library does not read.

It is bzip2 (block sorting, move to front, Huffman codes) without file header, checksums and the randomisation bit: a
block starts with byte 31h instead of 48 bits, and 17h ends the stream. Source: what NSIS 3 writes, held against it by
the tests; the stages are those of the bzip2 format description (github.com/dsnet/compress, doc/bzip2-format.pdf).
"""

from __future__ import annotations

from itertools import accumulate

_BLOCK, _END = 0x31, 0x17
_MAX_BLOCK = 900_000
_GROUP = 50
_MAX_CODE = 20


class _Bits:
    """Bits of a byte string, most significant first; ValueError at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._held = 0
        self._count = 0

    def take(self, count: int) -> int:
        while self._count < count:
            chunk = self._data[self._position : self._position + 8]
            if not chunk:
                raise ValueError("the bzip2 data ends early")
            self._position += len(chunk)
            self._held = self._held << 8 * len(chunk) | int.from_bytes(chunk, "big")
            self._count += 8 * len(chunk)
        self._count -= count
        value = self._held >> self._count
        self._held &= (1 << self._count) - 1
        return value


def decompress(data: bytes, limit: int) -> bytes:
    """Return the content; ValueError when it is damaged or longer than `limit` bytes."""
    bits = _Bits(data)
    blocks: list[bytes] = []
    size = 0
    while (mark := bits.take(8)) != _END:
        if mark != _BLOCK:
            raise ValueError(f"a bzip2 block begins with {mark:#04x}")
        blocks.append(_unrun(_block(bits), limit - size))
        size += len(blocks[-1])
    return b"".join(blocks)


def _block(bits: _Bits) -> bytearray:
    """One block, up to and without the last stage, in which four equal bytes are followed by a count."""
    origin = bits.take(24)
    ranges = bits.take(16)
    used = [16 * i + j for i in range(16) if ranges >> (15 - i) & 1 for j in _set_bits(bits.take(16))]
    groups, selector_count = bits.take(3), bits.take(15)
    if not used or not 2 <= groups <= 6 or not selector_count:
        raise ValueError("a bzip2 block has no symbols or no tables")
    selectors = _selectors(bits, groups, selector_count)
    tables = [_code(_lengths(bits, len(used) + 2)) for _ in range(groups)]
    return _unsort(_symbols(bits, used, [tables[selector] for selector in selectors]), origin)


def _set_bits(word: int) -> list[int]:
    return [j for j in range(16) if word >> (15 - j) & 1]


def _selectors(bits: _Bits, groups: int, count: int) -> list[int]:
    order = list(range(groups))
    found = []
    for _ in range(count):
        place = 0
        while bits.take(1):
            place += 1
            if place >= groups:
                raise ValueError("a bzip2 selector names no table")
        order.insert(0, order.pop(place))
        found.append(order[0])
    return found


def _lengths(bits: _Bits, count: int) -> list[int]:
    length = bits.take(5)
    found = []
    for _ in range(count):
        while bits.take(1):
            length += 1 - 2 * bits.take(1)
        if not 1 <= length <= _MAX_CODE:
            raise ValueError("a bzip2 code has no valid length")
        found.append(length)
    return found


def _code(lengths: list[int]) -> dict[tuple[int, int], int]:
    """The canonical Huffman code with these lengths: symbol by length and bits."""
    table = {}
    code = 0
    for length in range(1, _MAX_CODE + 1):
        for symbol, wanted in enumerate(lengths):
            if wanted == length:
                table[length, code] = symbol
                code += 1
        code <<= 1
    return table


def _symbols(bits: _Bits, used: list[int], tables: list[dict[tuple[int, int], int]]) -> bytearray:
    """Decode the symbols of a block: runs of the front byte in bijective base 2, and moves to the front."""
    order = bytearray(used)
    out = bytearray()
    run = power = 0
    end = len(used) + 1
    for table in tables:
        for _ in range(_GROUP):
            symbol = _decode(bits, table)
            if symbol <= 1:
                power = power or 1
                run += power << symbol
                power <<= 1
            elif run:
                out += order[:1] * min(run, _MAX_BLOCK)
                run = power = 0
            if len(out) > _MAX_BLOCK or run > _MAX_BLOCK:
                raise ValueError("a bzip2 block is longer than its format allows")
            if symbol == end:
                return out
            if symbol > 1:
                byte = order.pop(symbol - 1)
                order.insert(0, byte)
                out.append(byte)
    raise ValueError("a bzip2 block has no end")


def _decode(bits: _Bits, table: dict[tuple[int, int], int]) -> int:
    code = 0
    for length in range(1, _MAX_CODE + 1):
        code = code << 1 | bits.take(1)
        symbol = table.get((length, code))
        if symbol is not None:
            return symbol
    raise ValueError("a bzip2 code word is in no table")


def _unsort(last: bytearray, origin: int) -> bytearray:
    """Undo the Burrows-Wheeler transform."""
    if origin >= len(last):
        raise ValueError("a bzip2 block begins outside itself")
    counts = [0] * 256
    for byte in last:
        counts[byte] += 1
    starts = [0, *accumulate(counts)][:256]
    following = [0] * len(last)
    for index, byte in enumerate(last):
        following[starts[byte]] = index
        starts[byte] += 1
    out = bytearray(len(last))
    place = following[origin]
    for index in range(len(last)):
        out[index] = last[place]
        place = following[place]
    return out


def _unrun(data: bytearray, limit: int) -> bytes:
    """Expand four equal bytes and a count to that many more."""
    out = bytearray()
    equal, index = 0, 0
    while index < len(data):
        byte = data[index]
        index += 1
        equal = equal + 1 if out and out[-1] == byte and equal else 1
        out.append(byte)
        if equal == 4:
            if index >= len(data):
                raise ValueError("a bzip2 run has no length")
            out += bytes([byte]) * data[index]
            index += 1
            equal = 0
        if len(out) > limit:
            raise ValueError("the bzip2 content is longer than is credible")
    return bytes(out)
