# SPDX-License-Identifier: MIT
"""Quantum, as some cabinets of the nineties have it (Matthew Russotto, “Quantum Compressed Archive Format”).

The content of a folder is literals and matches in an arithmetic code of 16 bits, which begins anew with each data
block; the models of the code and the window go on.  A model is its symbols in some order, with the sum of the
frequencies from each on.  The first model selects one of four models of 64 literals each, or a match of length 3, of
length 4, or longer, each with a model of distances; the length of a longer one has a model too.  Distances and lengths
are slots, which are ranges, and bits that tell which of the range.
"""

from __future__ import annotations

from wixpy.errors import WixpyError

BLOCK = 32768
SMALLEST_WINDOW, LARGEST_WINDOW = 10, 21

_LITERALS = 64
_MATCHES = 4
_SELECTORS = 7
_LENGTH_SLOTS = 27
_SHORTEST = 3
_CHUNK = 4
_STEP, _MOST = 8, 3800
_HALVINGS_AT_FIRST, _HALVINGS = 4, 50
_DAMAGED = "the cabinet is damaged: get it again"


def _starts(bits: list[int]) -> list[tuple[int, int]]:
    """The slots of these numbers of bits: where each begins, and its bits."""
    slots, start = [], 0
    for count in bits:
        slots.append((start, count))
        start += 1 << count
    return slots


_DISTANCES = _starts([max(slot // 2 - 1, 0) for slot in range(2 * LARGEST_WINDOW)])
_LONG_LENGTHS = [*_starts([max((slot - 2) // 4, 0) for slot in range(_LENGTH_SLOTS - 1)]), (254, 0)]


class Model:
    """Symbols by frequency: ``sums[i]`` is the sum of the frequencies of ``symbols[i]`` and those after it."""

    def __init__(self, symbols: range) -> None:
        self.symbols = list(symbols)
        self.sums = list(range(len(symbols), -1, -1))
        self._halvings = _HALVINGS_AT_FIRST

    def copy(self) -> Model:
        """Another one that goes on from here."""
        twin = object.__new__(Model)
        twin.symbols, twin.sums, twin._halvings = self.symbols[:], self.sums[:], self._halvings
        return twin

    def count(self, place: int) -> None:
        """Note that the symbol at ``place`` has come once more."""
        sums = self.sums
        sums[: place + 1] = [each + _STEP for each in sums[: place + 1]]
        if sums[0] <= _MOST:
            return
        self._halvings -= 1
        if self._halvings:
            for at in range(len(sums) - 2, -1, -1):
                sums[at] = max(sums[at] >> 1, sums[at + 1] + 1)
        else:
            self._halvings = _HALVINGS
            self._sort()

    def _sort(self) -> None:
        """Halve the frequencies and put the greatest first; what is equal comes to lie as these exchanges leave it."""
        sums, symbols = self.sums, self.symbols
        count = len(symbols)
        frequencies = [(sums[at] - sums[at + 1] + 1) >> 1 for at in range(count)]
        for one in range(count - 1):
            for other in range(one + 1, count):
                if frequencies[one] < frequencies[other]:
                    frequencies[one], frequencies[other] = frequencies[other], frequencies[one]
                    symbols[one], symbols[other] = symbols[other], symbols[one]
        for at in range(count - 1, -1, -1):
            sums[at] = frequencies[at] + sums[at + 1]


def models(window: int) -> list[Model]:
    """The models of a folder: of what comes, four of literals, of the distances of matches, of the longer lengths."""
    slots = 2 * window
    literals = [Model(range(start, start + _LITERALS)) for start in range(0, 256, _LITERALS)]
    distances = [Model(range(min(slots, most))) for most in (24, 36, slots)]
    return [Model(range(_SELECTORS)), *literals, *distances, Model(range(_LENGTH_SLOTS))]


class _Code:
    """The arithmetic code of one block; zeros follow its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._index = self._buffer = self._held = 0
        self._low, self._high = 0, 0xFFFF
        self._value = self.take(16)

    def take(self, count: int) -> int:
        """The next bits.  WixpyError far beyond the end of the block."""
        if self._held < count:
            if self._index > len(self._data):
                raise WixpyError("a Quantum block of the cabinet ends within its data", _DAMAGED)
            following = int.from_bytes(self._data[self._index : self._index + _CHUNK].ljust(_CHUNK, b"\0"), "big")
            self._buffer = (self._buffer & ((1 << self._held) - 1)) << 8 * _CHUNK | following
            self._index += _CHUNK
            self._held += 8 * _CHUNK
        self._held -= count
        return self._buffer >> self._held & ((1 << count) - 1)

    def symbol(self, model: Model) -> int:
        """The next symbol, which the model counts."""
        low, sums = self._low, model.sums
        size, total = self._high - low + 1, sums[0]
        wanted = ((self._value - low + 1) * total - 1) // size
        place = 0
        while sums[place + 1] > wanted:
            place += 1
        symbol = model.symbols[place]
        high = low + sums[place] * size // total - 1
        low += sums[place + 1] * size // total
        model.count(place)
        # What both have in common at the front is done with …
        count = 16 - (low ^ high).bit_length()
        low, high = low << count & 0xFFFF, (high << count | (1 << count) - 1) & 0xFFFF
        value = (self._value << count | self.take(count)) & 0xFFFF
        # … and where they meet around the middle, their second bits are.
        while low & 0x4000 and not high & 0x4000:
            low, high = low << 1 & 0x7FFF, high << 1 & 0xFFFF | 0x8001
            value = (value ^ 0x4000) << 1 & 0xFFFF | self.take(1)
        self._low, self._high, self._value = low, high, value
        return symbol


class Quantum:
    """A decoder of one folder, whose blocks it is given in order.

    ``window`` is the greatest distance as a power of two, 10 to 21; WixpyError for another one.
    """

    def __init__(self, window: int) -> None:
        if not SMALLEST_WINDOW <= window <= LARGEST_WINDOW:
            raise WixpyError(f"the cabinet has a Quantum window of 2^{window} bytes", _DAMAGED)
        self.window = 1 << window
        self._models = models(window)
        self._content = bytearray()

    def copy(self) -> Quantum:
        """Another decoder that goes on from here."""
        twin = object.__new__(Quantum)
        twin.window = self.window
        twin._models = [model.copy() for model in self._models]
        twin._content = self._content[:]
        return twin

    def unpack(self, packed: bytes, size: int) -> bytes:
        """The content of the next block, ``size`` bytes.  WixpyError for one that is damaged, after which the decoder
        is of no use."""
        content, code = self._content, _Code(packed)
        selector, *others = self._models
        lengths = others[-1]
        end = len(content) + size
        while len(content) < end:
            kind = code.symbol(selector)
            if kind < _MATCHES:
                content.append(code.symbol(others[kind]))
                continue
            length = kind - _MATCHES + _SHORTEST
            if kind == _SELECTORS - 1:
                start, bits = _LONG_LENGTHS[code.symbol(lengths)]
                length += start + code.take(bits)
            start, bits = _DISTANCES[code.symbol(others[kind])]
            distance = start + code.take(bits) + 1
            at = len(content) - distance
            if at < 0 or len(content) + length > end:
                raise WixpyError("a match of a Quantum block leaves the window or the block", _DAMAGED)
            if distance >= length:
                content += content[at : at + length]
            else:
                content += (content[at:] * (length // distance + 1))[:length]
        block = bytes(content[-size:]) if size else b""
        del content[: max(0, len(content) - self.window)]
        return block
