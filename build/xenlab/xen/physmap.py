# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's physical map: RAM, holes, and the pages of Xen's own that the guest has placed into it."""

from __future__ import annotations

from collections.abc import Callable

from xenlab.xen.abi import XEN
from xenlab.xen.ports import PAGE, Frames, World

_ONES = b"\xff" * PAGE


class XenError(Exception):
    """A hypercall fails with this error number (positive)."""

    def __init__(self, error: int) -> None:
        super().__init__(XEN(error).name)
        self.error = error


class XenPage:
    """A page that belongs to Xen: shared info, or a frame of the grant table.

    It exists from the domain's creation; `gfn` is where the guest sees it, or None while it sees it nowhere.
    """

    def __init__(self, frames: Frames, what: str) -> None:
        self.what = what
        self.gfn: int | None = None
        self._frames = frames
        self._hidden = bytearray(PAGE)

    def read(self, offset: int, length: int) -> bytes:
        if self.gfn is None:
            return bytes(self._hidden[offset : offset + length])
        return self._frames.read(self.gfn * PAGE + offset, length)

    def write(self, offset: int, data: bytes) -> None:
        if self.gfn is None:
            self._hidden[offset : offset + len(data)] = data
        else:
            self._frames.write(self.gfn * PAGE + offset, data)

    def show(self, gfn: int) -> None:
        """Let the guest see the page at `gfn`, where there is memory to hold it."""
        content = self.read(0, PAGE)
        self.gfn = gfn
        self.write(0, content)

    def hide(self) -> None:
        """Let the guest see it nowhere; the page itself lives on."""
        self._hidden = bytearray(self.read(0, PAGE))
        self.gfn = None


class Physmap:
    """What is at each guest frame.

    A hole reads as ones; what is written there is lost when something is placed over it. One where there was RAM the
    guest's processor may not touch: who sees what it touches is told by `on_lost`.

    Attributes:
        holes: frames behind which there is neither RAM nor a page of Xen's: at first those of the devices' memory.
        lost: those holes whose RAM went back to Xen because something was placed over it or it was removed; a guest
            must populate one before it uses it again.
        reservation: the domain's pages of RAM; `maximum`: as many as it may have.
        reluctance: how often (0 to 1) Xen does not take back a page of RAM that the guest gives up.
        on_lost: told of each frame that joins `lost`, and that leaves it.
    """

    def __init__(self, world: World, frames: Frames, reservation: int) -> None:
        self._world = world
        self._frames = frames
        self._placed: dict[int, XenPage] = {}
        self.holes: set[int] = set()
        self.lost: set[int] = set()
        self.on_lost: Callable[[int, bool], None] = lambda _gfn, _lost: None
        self._over_ram: set[int] = set()
        self.reservation = reservation
        self.maximum = reservation
        self.reluctance = 0.0

    def present(self, gfn: int) -> bool:
        """Whether there is RAM or a page of Xen's."""
        return gfn not in self.holes and self._frames.exists(gfn * PAGE)

    def add_holes(self, frames: range) -> None:
        """Declare the frames of a device's memory, such as the 16 MiB of the platform device."""
        self.holes.update(frames)
        if self._frames.exists(frames[0] * PAGE):
            self._frames.write(frames[0] * PAGE, _ONES * len(frames))

    def _make_hole(self, gfn: int) -> None:
        self.holes.add(gfn)
        if self._frames.exists(gfn * PAGE):
            self._frames.write(gfn * PAGE, _ONES)

    def _lose(self, gfn: int) -> None:
        self.lost.add(gfn)
        self.on_lost(gfn, True)

    def _fill(self, gfn: int) -> None:
        if not self._frames.exists(gfn * PAGE):
            self._frames.add_region(gfn * PAGE, PAGE)
        self.holes.discard(gfn)
        if gfn in self.lost:
            self.lost.remove(gfn)
            self.on_lost(gfn, False)
        self._frames.write(gfn * PAGE, bytes(PAGE))

    def place(self, page: XenPage, gfn: int) -> None:
        """Make `page` appear at `gfn` and nowhere else, in place of what is there."""
        if page.gfn == gfn:
            return
        self._clear(gfn)
        if page.gfn is not None:
            self.remove(page.gfn)
        if gfn in self.lost:
            self._over_ram.add(gfn)
        self._fill(gfn)
        page.show(gfn)
        self._placed[gfn] = page
        self._world.trace("physmap", f"{page.what} at frame {gfn:#x}")

    def remove(self, gfn: int) -> None:
        """Make a hole of `gfn`."""
        self._clear(gfn)

    def _clear(self, gfn: int) -> None:
        if gfn in self._placed:
            self._placed.pop(gfn).hide()
            self._make_hole(gfn)
            if gfn in self._over_ram:
                self._over_ram.remove(gfn)
                self._lose(gfn)
        elif self.present(gfn):
            self._make_hole(gfn)
            self._lose(gfn)
            self.reservation -= 1
            self._world.trace("physmap", f"RAM of frame {gfn:#x} goes back to Xen")

    def give_up(self, extent: range) -> bool:
        """Take RAM back and leave holes; False when there is none, or Xen will not."""
        if not all(self.is_ram(gfn) for gfn in extent):
            return False
        if self.reluctance and self._world.random.random() < self.reluctance:
            return False
        for gfn in extent:
            self.remove(gfn)
        return True

    def populate(self, gfn: int) -> bool:
        """Put RAM at a hole; False when the domain may have no more, or there is memory already."""
        if self.reservation >= self.maximum or self.present(gfn):
            return False
        self._fill(gfn)
        self.reservation += 1
        return True

    def fill(self, gfn: int, content: bytes) -> None:
        """Put a page that another domain gives at a hole; it has been counted in `reservation` already."""
        self._fill(gfn)
        self._frames.write(gfn * PAGE, content)

    def is_ram(self, gfn: int) -> bool:
        """Whether the guest's own RAM is there, so that it can be granted."""
        return gfn not in self._placed and self.present(gfn)

    def instead_of_ram(self, gfn: int) -> str:
        """What is where the guest had RAM: one of Xen's pages, or nothing any more; empty if the RAM is there."""
        if gfn in self._placed:
            return f"Xen's page {self._placed[gfn].what}"
        return "a hole" if gfn in self.lost else ""

    def forget_pages(self) -> None:
        """Take every page of Xen's out of the map: a new domain starts without them."""
        for gfn in list(self._placed):
            self.remove(gfn)
