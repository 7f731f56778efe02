# SPDX-License-Identifier: GPL-2.0-or-later
"""What a block back end stores on: bytes in memory or in a file, with a write cache that power loss empties."""

from __future__ import annotations

import mmap
from pathlib import Path

from xenlab.xen.ports import World

SECTOR = 512


class Disk:
    """A disk of `sectors` times 512 bytes.

    Attributes:
        flushes: how often its cache was written back.
        writer: who has written to it since the machine was switched on: it may be one alone.
        log: with `cached`, what the writes since the last flush have replaced: (offset, old bytes), in order.
    """

    def __init__(self, sectors: int, *, path: Path | None = None, cached: bool = False) -> None:
        self.cached = cached
        self.flushes = 0
        self.writer: str | None = None
        self.log: list[tuple[int, bytes]] = []
        self._file = path
        self._data: bytearray | mmap.mmap = bytearray()
        self.resize(sectors)

    @property
    def sectors(self) -> int:
        return len(self._data) // SECTOR

    def resize(self, sectors: int) -> None:
        """Grow with zeros or shrink."""
        size = sectors * SECTOR
        if self._file is None:
            old = self._data[:size]
            self._data = mmap.mmap(-1, size) if size else bytearray()  # Its zeros cost nothing until they are written.
            self._data[: len(old)] = old
            return
        with self._file.open("ab") as file:
            file.truncate(size)
        with self._file.open("r+b") as file:
            self._data = mmap.mmap(file.fileno(), size)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        if self.cached:
            self.log.append((offset, self.read(offset, len(data))))
        self._data[offset : offset + len(data)] = data

    def discard(self, offset: int, size: int) -> None:
        """Forget a range: it reads as zeros."""
        self.write(offset, bytes(size))

    def claim(self, writer: str, world: World) -> None:
        """Note who writes; a disk that two drivers write to in one boot is corrupt."""
        if self.writer not in {None, writer}:
            world.violation(f"a disk is written to both by {self.writer} and by {writer}: its file systems are corrupt")
        self.writer = writer

    def flush(self) -> None:
        self.flushes += 1
        self.log.clear()

    def without_cache(self) -> bytes:
        """What would be there if power were lost now and with it every write that no flush has covered."""
        image = bytearray(self._data)
        for offset, old in reversed(self.log):
            image[offset : offset + len(old)] = old
        return bytes(image)

    def lose_power(self, world: World) -> int:
        """Undo a chance number of the last writes that no flush has covered; returns how many."""
        lost = world.random.randint(0, len(self.log))
        for _ in range(lost):
            offset, old = self.log.pop()
            self._data[offset : offset + len(old)] = old
        self.log.clear()
        return lost
