# SPDX-License-Identifier: GPL-2.0-or-later
"""Bitmaps. Source: Windows Driver Kit, RTL_BITMAP, RtlInitializeBitMap and the page of each routine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.objects import view
from xenlab.nt.routine import APC_LEVEL, BOOLEAN, HIGH_LEVEL, PVOID, UCHAR, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_NONE = 0xFFFFFFFF


class Bitmap:
    """An RTL_BITMAP as one number: bit 0 of it is bit 0 of the map."""

    def __init__(self, kernel: Kernel, address: int) -> None:
        fields = view(kernel, "RTL_BITMAP", address)
        self._kernel = kernel
        self.size, self._buffer = fields["SizeOfBitMap"], fields["Buffer"]
        self._bytes = -(-self.size // 32) * 4
        self.value = int.from_bytes(kernel.read(self._buffer, self._bytes), "little") & ((1 << self.size) - 1)

    def store(self, value: int) -> None:
        self._kernel.write(self._buffer, (value & ((1 << self.size) - 1)).to_bytes(self._bytes, "little"))

    def range(self, start: int, count: int) -> int:
        """The bits of a range, which must be in the map."""
        if start + count > self.size:
            self._kernel.violation(f"Bits {start} to {start + count - 1} of a bitmap of {self.size}.")
        return ((1 << count) - 1) << start

    def runs(self, bit: int) -> list[tuple[int, int]]:
        """Start and length of each run of set or clear bits, in order."""
        found, start = [], None
        for index in range(self.size + 1):
            wanted = index < self.size and self.value >> index & 1 == bit
            if wanted and start is None:
                start = index
            elif not wanted and start is not None:
                found.append((start, index - start))
                start = None
        return found

    def find(self, count: int, hint: int, bit: int) -> int:
        """The first run of `count` bits at or behind `hint`, else the first of all; the search wraps once."""
        hint = hint if hint < self.size else 0
        for low in (hint, 0):
            for start, length in self.runs(bit):
                at = max(start, low)
                if at + count <= start + length:
                    return at
        return _NONE


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlInitializeBitMap(kernel: Kernel, bitmap: PVOID, buffer: PVOID, size: ULONG) -> None:
    fields = view(kernel, "RTL_BITMAP", bitmap)
    fields["SizeOfBitMap"], fields["Buffer"] = size, buffer


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlSetBits(kernel: Kernel, bitmap: PVOID, start: ULONG, count: ULONG) -> None:
    found = Bitmap(kernel, bitmap)
    found.store(found.value | found.range(start, count))


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlClearBits(kernel: Kernel, bitmap: PVOID, start: ULONG, count: ULONG) -> None:
    found = Bitmap(kernel, bitmap)
    found.store(found.value & ~found.range(start, count))


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlSetBit(kernel: Kernel, bitmap: PVOID, number: ULONG) -> None:
    RtlSetBits(kernel, bitmap, number, 1)


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlClearBit(kernel: Kernel, bitmap: PVOID, number: ULONG) -> None:
    RtlClearBits(kernel, bitmap, number, 1)


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlTestBit(kernel: Kernel, bitmap: PVOID, number: ULONG) -> BOOLEAN:
    found = Bitmap(kernel, bitmap)
    return int(bool(found.value & found.range(number, 1)))


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlSetAllBits(kernel: Kernel, bitmap: PVOID) -> None:
    found = Bitmap(kernel, bitmap)
    found.store(found.range(0, found.size))


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlClearAllBits(kernel: Kernel, bitmap: PVOID) -> None:
    Bitmap(kernel, bitmap).store(0)


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlAreBitsSet(kernel: Kernel, bitmap: PVOID, start: ULONG, count: ULONG) -> BOOLEAN:
    found = Bitmap(kernel, bitmap)
    if not count or start + count > found.size:
        return 0
    wanted = found.range(start, count)
    return int(found.value & wanted == wanted)


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlAreBitsClear(kernel: Kernel, bitmap: PVOID, start: ULONG, count: ULONG) -> BOOLEAN:
    found = Bitmap(kernel, bitmap)
    if not count or start + count > found.size:
        return 0
    return int(not found.value & found.range(start, count))


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlNumberOfSetBits(kernel: Kernel, bitmap: PVOID) -> ULONG:
    return bin(Bitmap(kernel, bitmap).value).count("1")


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlNumberOfClearBits(kernel: Kernel, bitmap: PVOID) -> ULONG:
    found = Bitmap(kernel, bitmap)
    return found.size - bin(found.value).count("1")


def _find(bit: int, take: bool) -> Callable[..., Any]:
    def function(kernel: Kernel, bitmap: PVOID, count: ULONG, hint: ULONG) -> ULONG:
        found = Bitmap(kernel, bitmap)
        at = found.find(count, hint, bit)
        if take and at != _NONE:
            mask = found.range(at, count)
            found.store(found.value & ~mask if bit else found.value | mask)
        return at

    return function


for _name, _bit, _take in (
    ("RtlFindClearBits", 0, False),
    ("RtlFindClearBitsAndSet", 0, True),
    ("RtlFindSetBits", 1, False),
    ("RtlFindSetBitsAndClear", 1, True),
):
    routine(_NTOS, irql_max=APC_LEVEL, name=_name)(_find(_bit, _take))


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlFindFirstRunClear(kernel: Kernel, bitmap: PVOID, start: PVOID) -> ULONG:
    return RtlFindNextForwardRunClear(kernel, bitmap, 0, start)


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlFindNextForwardRunClear(kernel: Kernel, bitmap: PVOID, origin: ULONG, start: PVOID) -> ULONG:
    """The rest of a run that `origin` lies in counts as one that begins there."""
    found = Bitmap(kernel, bitmap)
    for at, length in found.runs(0):
        if at + length > origin:
            kernel.put_u32(start, max(at, origin))
            return at + length - max(at, origin)
    kernel.put_u32(start, found.size)
    return 0


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlFindLastBackwardRunClear(kernel: Kernel, bitmap: PVOID, origin: ULONG, start: PVOID) -> ULONG:
    for at, length in reversed(Bitmap(kernel, bitmap).runs(0)):
        if at <= origin:
            kernel.put_u32(start, at)
            return min(length, origin - at + 1)
    kernel.put_u32(start, 0)
    return 0


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlFindLongestRunClear(kernel: Kernel, bitmap: PVOID, start: PVOID) -> ULONG:
    at, length = max(Bitmap(kernel, bitmap).runs(0), key=lambda run: run[1], default=(0, 0))
    kernel.put_u32(start, at)
    return length


@routine(_NTOS, irql_max=APC_LEVEL)
def RtlFindClearRuns(kernel: Kernel, bitmap: PVOID, array: PVOID, count: ULONG, longest: UCHAR) -> ULONG:
    """RTL_BITMAP_RUN entries: start and length; the longest ones first where that is asked."""
    runs = Bitmap(kernel, bitmap).runs(0)
    if longest:
        runs.sort(key=lambda run: -run[1])
    for index, (at, length) in enumerate(runs[:count]):
        kernel.put_u32(array + 8 * index, at)
        kernel.put_u32(array + 8 * index + 4, length)
    return min(len(runs), count)
