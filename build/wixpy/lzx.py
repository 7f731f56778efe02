# SPDX-License-Identifier: MIT
"""LZX, as the folders of cabinets have it ([MS-PATCH] 2 “LZX Specification”; Cabinet SDK, “Microsoft LZX Data
Compression Format”).

The stream of a folder is cut into frames of 32 KiB of content, each in a data block of the cabinet.  Bits are taken
from little-endian words of 16 bits, the highest first; a frame begins at a word of its own.  The stream is a sequence
of blocks, whose ends frames do not mind: *uncompressed* ones, and *verbatim* and *aligned* ones, which are literals
and matches in Huffman codes of their own.  A code is given by the lengths of its words, as differences from those that
the block before it had, which are themselves in a code, the pretree.  A match repeats a string from at most a window
before; its distance is one of the three last, or a slot, which is a range of distances, and the bits that tell which
one of the range.  In an aligned block the lowest three of these have a code too.

What programs for x86 call has the same address at every call once it is absolute: a folder may have the operand of
each byte E8 translated so, and the decoder translates it back.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from wixpy.errors import WixpyError

FRAME = 32768
SMALLEST_WINDOW, LARGEST_WINDOW = 15, 21

_SLOTS = (30, 32, 34, 36, 38, 42, 50)
_VERBATIM, _ALIGNED, _UNCOMPRESSED = 1, 2, 3
_LITERALS = 256
_LENGTHS = 249
_LONG = 9
_FIRST, _SECOND, _THIRD = _LAST = (-3, -2, -1)
_PRETREE = 20
_ZEROS, _MANY_ZEROS, _REPEATED = 17, 18, 19
_LONGEST_WORD = 16
# The bits that a literal or match takes at most: its word, that of its length, and 17 that tell the distance.
_MOST = 2 * _LONGEST_WORD + 17
_FIRST_MATCH = _LITERALS << 5
_CALL = b"\xe8"
_TRANSLATED_FRAMES = 32768
_OUT_OF_REACH = 1 << 31
_DAMAGED = "the cabinet is damaged: get it again"


class _Code(NamedTuple):
    """A Huffman code: what the next ``depth`` bits mean, as the symbol * 32 + the length of its word."""

    table: list[int]
    depth: int


class _Match(NamedTuple):
    """What a symbol from _LITERALS on says of a match.

    ``length`` is _LONG when a symbol of another code adds to it.  To ``distance``, unless it is _FIRST, _SECOND or
    _THIRD of the last ones, the next ``bits`` bits are added, which ``mask`` selects; they are shifted by ``low`` bits,
    which are in the aligned code.
    """

    length: int
    distance: int
    bits: int
    mask: int
    low: int


def _matches(slots: int, *, aligned: bool) -> list[_Match]:
    matches = []
    start = 0
    for slot in range(slots):
        bits = min(max(slot // 2 - 1, 0), 17)
        low = 3 if aligned and bits >= 3 else 0
        distance = _LAST[slot] if slot < len(_LAST) else start - 2
        matches += [_Match(length + 2, distance, bits - low, (1 << bits - low) - 1, low) for length in range(8)]
        start += 1 << bits
    return matches


def _code(lengths: Sequence[int], what: str) -> _Code:
    """The code whose words have these lengths, 0 for a symbol without one; an empty code for no words at all."""
    depth = max(lengths)
    words: list[list[int]] = [[] for _ in range(depth + 1)]
    for symbol, length in enumerate(lengths):
        words[length].append(symbol)
    # Before the table is made, which would be large for a code that has too many words.
    if depth and sum(len(symbols) << (depth - length) for length, symbols in enumerate(words) if length) != 1 << depth:
        raise WixpyError(f"the {what} of an LZX block is no code", _DAMAGED)
    table: list[int] = []
    for length in range(1, depth + 1):
        for symbol in words[length]:
            table += [symbol << 5 | length] * (1 << (depth - length))
    return _Code(table, depth)


class _Bits:
    """The bits of a frame: the ``held`` lowest bits of ``buffer``, then the bytes of ``content`` from ``index`` on.

    Higher bits of ``buffer`` have been taken.  ``content`` is the frame with the bytes of its words swapped; zeros
    follow its end.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._swapped: dict[int, bytes] = {}
        self.seek(0)

    def seek(self, place: int) -> None:
        """Go to a byte, at which a word begins."""
        side = place % 2
        if side not in self._swapped:
            words = array("H", self.data[side:] + bytes(8 + (len(self.data) - side) % 2))
            words.byteswap()
            self._swapped[side] = bytes(side) + words.tobytes()
        self.content = self._swapped[side]
        self.index = place
        self.buffer = self.held = 0

    @property
    def position(self) -> int:
        """How many bits of the frame have been taken."""
        return 8 * self.index - self.held

    def take(self, count: int) -> int:
        """The next bits, at most 32."""
        if self.held < count:
            following = int.from_bytes(self.content[self.index : self.index + 8], "big")
            self.buffer = (self.buffer & ((1 << self.held) - 1)) << 64 | following
            self.index += 8
            self.held += 64
        self.held -= count
        return self.buffer >> self.held & ((1 << count) - 1)

    def symbol(self, code: _Code) -> int:
        """The next symbol of a code."""
        entry = code.table[self.take(code.depth)]
        self.held += code.depth - (entry & 31)
        return entry >> 5

    def next_word(self) -> int:
        """The byte at which the next word begins: that after the next one, when none of the next is taken yet."""
        side = self.index % 2
        return (self.position - 8 * side) // 16 * 2 + side + 2


class Lzx:
    """A decoder of one folder, whose frames it is given in order.

    ``window`` is the greatest distance as a power of two, 15 to 21; WixpyError for another one.  What it keeps is the
    content of a window and the codes.
    """

    def __init__(self, window: int) -> None:
        if not SMALLEST_WINDOW <= window <= LARGEST_WINDOW:
            raise WixpyError(f"the cabinet has an LZX window of 2^{window} bytes", _DAMAGED)
        slots = _SLOTS[window - SMALLEST_WINDOW]
        self.window = 1 << window
        self._matches = {_VERBATIM: _matches(slots, aligned=False), _ALIGNED: _matches(slots, aligned=True)}
        self._main_lengths = [0] * (_LITERALS + 8 * slots)
        self._length_lengths = [0] * _LENGTHS
        self._main = self._length = self._aligned = _Code([], 0)
        self._last = (1, 1, 1)
        self._content = bytearray()
        self._kind = 0
        self._left = 0
        self._pad = False
        self._position = 0
        self._translation = 0

    def copy(self) -> Lzx:
        """Another decoder that goes on from here."""
        twin = object.__new__(Lzx)
        twin.__dict__.update(self.__dict__)
        twin._content = self._content[:]
        twin._main_lengths = self._main_lengths[:]
        twin._length_lengths = self._length_lengths[:]
        return twin

    def unpack(self, packed: bytes, size: int) -> bytes:
        """The content of the next frame, ``size`` bytes, at most FRAME and less only at the end of the folder.

        WixpyError for one that is damaged, after which the decoder is of no use.
        """
        if size > FRAME or self._position % FRAME:
            raise WixpyError("a data block of the cabinet has a size that LZX does not allow", _DAMAGED)
        bits = _Bits(packed)
        try:
            self._frame(bits, size)
        except IndexError:
            raise WixpyError("an LZX block of the cabinet uses a code that it lacks", _DAMAGED) from None
        if bits.position > 8 * len(packed):
            raise _short()
        frame = bytes(self._content[-size:]) if size else b""
        start, self._position = self._position, self._position + size
        del self._content[: max(0, len(self._content) - self.window)]
        if not self._translation or start >= FRAME * _TRANSLATED_FRAMES:
            return frame
        return _translated(frame, start, self._translation)

    def _frame(self, bits: _Bits, left: int) -> None:
        if self._position == 0 and bits.take(1):
            self._translation = bits.take(16) << 16 | bits.take(16)
        while left:
            if not self._left:
                self._begin_block(bits)
            count = min(left, self._left)
            if self._kind == _UNCOMPRESSED:
                self._copy(bits, count)
            else:
                self._decode(bits, count)
            left -= count
            self._left -= count
        if self._kind == _UNCOMPRESSED and not self._left and self._pad and bits.position < 8 * len(bits.data):
            bits.seek(bits.position // 8 + 1)
            self._pad = False

    def _begin_block(self, bits: _Bits) -> None:
        if self._pad:
            bits.seek(bits.position // 8 + 1)
            self._pad = False
        self._kind = bits.take(3)
        self._left = bits.take(24)
        if self._kind == _UNCOMPRESSED:
            start = bits.next_word()
            header = bits.data[start : start + 12]
            if len(header) < 12:
                raise _short()
            # An offset beyond the window is the same as one before the content.
            self._last = tuple(
                offset if 0 < offset <= self.window else _OUT_OF_REACH for offset in struct.unpack("<III", header)
            )  # type: ignore[assignment]
            bits.seek(start + 12)
            self._pad = bool(self._left % 2)
        elif self._kind in (_VERBATIM, _ALIGNED):
            if self._kind == _ALIGNED:
                self._aligned = _code([bits.take(3) for _ in range(8)], "aligned tree")
            _read_lengths(bits, self._main_lengths, 0, _LITERALS)
            _read_lengths(bits, self._main_lengths, _LITERALS, len(self._main_lengths))
            self._main = _code(self._main_lengths, "main tree")
            _read_lengths(bits, self._length_lengths, 0, _LENGTHS)
            self._length = _code(self._length_lengths, "length tree")
        else:
            raise WixpyError(f"an LZX block of the cabinet is of type {self._kind}", _DAMAGED)

    def _copy(self, bits: _Bits, count: int) -> None:
        start = bits.position // 8
        part = bits.data[start : start + count]
        if len(part) < count:
            raise _short()
        self._content += part
        bits.seek(start + count)

    def _decode(self, bits: _Bits, left: int) -> None:
        """Decode ``left`` bytes of content.  Everything that its loop needs is a local variable, for speed."""
        content, matches = self._content, self._matches[self._kind]
        append = content.append
        (main, depth), (lengths, length_depth) = self._main, self._length
        aligned, aligned_depth = self._aligned
        mask, length_mask, aligned_mask = (1 << depth) - 1, (1 << length_depth) - 1, (1 << aligned_depth) - 1
        data, index, buffer, held = bits.content, bits.index, bits.buffer, bits.held
        number = int.from_bytes
        first, second, third = self._last
        while left > 0:
            if held < _MOST:
                buffer = (buffer & ((1 << held) - 1)) << 64 | number(data[index : index + 8], "big")
                index += 8
                held += 64
            entry = main[buffer >> (held - depth) & mask]
            held -= entry & 31
            if entry < _FIRST_MATCH:
                append(entry >> 5)
                left -= 1
                continue
            length, distance, extra, extra_mask, low = matches[(entry >> 5) - _LITERALS]
            if length == _LONG:
                entry = lengths[buffer >> (held - length_depth) & length_mask]
                held -= entry & 31
                length += entry >> 5
            if distance > 0:
                held -= extra
                distance += (buffer >> held & extra_mask) << low
                if low:
                    entry = aligned[buffer >> (held - aligned_depth) & aligned_mask]
                    held -= entry & 31
                    distance += entry >> 5
                first, second, third = distance, first, second
            elif distance == _FIRST:
                distance = first
            elif distance == _SECOND:
                distance, first, second = second, second, first
            else:
                distance, first, third = third, third, first
            start = len(content) - distance
            left -= length
            if start < 0 or left < 0:
                raise WixpyError("a match of an LZX block leaves the window or the block", _DAMAGED)
            if distance >= length:
                content += content[start : start + length]
            else:
                content += (content[start:] * (length // distance + 1))[:length]
        bits.index, bits.buffer, bits.held = index, buffer, held
        self._last = first, second, third


def _short() -> WixpyError:
    return WixpyError("an LZX block of the cabinet ends within its data", _DAMAGED)


def _read_lengths(bits: _Bits, lengths: list[int], start: int, end: int) -> None:
    """Read the lengths of the words of a code from ``start`` to ``end``, as differences from what they were."""
    pretree = _code([bits.take(4) for _ in range(_PRETREE)], "pretree")
    while start < end:
        symbol, count = bits.symbol(pretree), 1
        if is_zero := symbol in (_ZEROS, _MANY_ZEROS):
            count = 4 + bits.take(4) if symbol == _ZEROS else 20 + bits.take(5)
            symbol = 0
        elif symbol == _REPEATED:
            count = 4 + bits.take(1)
            symbol = bits.symbol(pretree)
        if start + count > end or symbol > _LONGEST_WORD:
            raise WixpyError("the lengths of a tree of an LZX block do not fit it", _DAMAGED)
        length = 0 if is_zero else (lengths[start] - symbol) % (_LONGEST_WORD + 1)
        lengths[start : start + count] = [length] * count
        start += count


def _translated(frame: bytes, start: int, limit: int) -> bytes:
    """A frame, which begins at ``start`` of the folder, with the operands of calls relative again.

    ``limit`` is the size that the addresses were taken modulo.
    """
    translated = bytearray(frame)
    end = len(frame) - 10
    at = frame.find(_CALL, 0, end) if end > 0 else -1
    while at >= 0:
        (address,) = struct.unpack_from("<i", frame, at + 1)
        place = start + at
        if -place <= address < limit:
            operand = address - place if address >= 0 else address + limit
            struct.pack_into("<I", translated, at + 1, operand & 0xFFFFFFFF)
        at = frame.find(_CALL, at + 5, end)
    return bytes(translated)
