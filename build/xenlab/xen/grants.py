# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's grant table (version 1) and what other domains do through it.

Source: xen/include/public/grant_table.h, xen/common/grant_table.c.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from xenlab.xen.abi import GNTST, GNTTAB_NR_RESERVED_ENTRIES, GTF
from xenlab.xen.physmap import XenPage
from xenlab.xen.ports import PAGE, Frames, World

ENTRY = struct.Struct("<HHI")
ENTRIES_PER_FRAME = PAGE // ENTRY.size


class GrantError(Exception):
    """A map or copy is refused; `status` is the GNTST_ code that the other domain sees."""

    def __init__(self, status: GNTST, ref: int) -> None:
        super().__init__(f"grant {ref}: {status.name}")
        self.status = status
        self.ref = ref


@dataclass(eq=False)
class Mapping:
    """A granted page, mapped by another domain. It pins the frame until :meth:`GrantTable.unmap`."""

    table: GrantTable
    ref: int
    domid: int
    gfn: int
    readonly: bool
    live: bool = True

    def read(self, offset: int, length: int) -> bytes:
        return self.table.access(self, offset, length)

    def write(self, offset: int, data: bytes) -> None:
        self.table.access(self, offset, len(data), data)


@dataclass
class Statistics:
    """How often other domains used the guest's grants."""

    maps: int = 0
    unmaps: int = 0
    copies: int = 0
    transfers: int = 0


class GrantTable:
    """The table, its frames and the uses that are in progress.

    Attributes:
        frame_uses: how many mappings pin each guest frame. A frame in use must not be freed or reused.
        last_ref: the reference by which each guest frame was mapped, or got its page, last.
    """

    def __init__(self, world: World, frames: Frames, is_ram: Callable[[int], bool], initial: int, maximum: int) -> None:
        self._world = world
        self._frames = frames
        self._is_ram = is_ram
        self.maximum = maximum
        self.pages: list[XenPage] = []
        self.grow(initial)
        self._active: dict[int, list[Mapping]] = {}
        self._committed: dict[int, tuple[int, int]] = {}
        self.frame_uses: Counter[int] = Counter()
        self.last_ref: dict[int, int] = {}
        self.statistics = Statistics()

    def grow(self, count: int) -> bool:
        """Have at least `count` frames; False beyond the maximum."""
        if count > self.maximum:
            return False
        while len(self.pages) < count:
            self.pages.append(XenPage(self._frames, f"grant table frame {len(self.pages)}"))
        return True

    def entry(self, ref: int) -> tuple[int, int, int]:
        """Return (flags, domid, frame); :class:`GrantError` beyond the table."""
        page, index = divmod(ref, ENTRIES_PER_FRAME)
        if not 0 <= page < len(self.pages):
            raise GrantError(GNTST.bad_gntref, ref)
        flags, domid, frame = ENTRY.unpack(self.pages[page].read(index * ENTRY.size, ENTRY.size))
        return flags, domid, frame

    def set_entry(self, ref: int, flags: int, domid: int, frame: int) -> None:
        """Write an entry as the toolstack does for the reserved ones."""
        page, index = divmod(ref, ENTRIES_PER_FRAME)
        self.pages[page].write(index * ENTRY.size, ENTRY.pack(flags, domid, frame))

    def map(self, ref: int, domid: int, readonly: bool) -> Mapping:
        """Map the granted page for domain `domid`."""
        flags, granted_to, gfn = self.entry(ref)
        if flags & GTF.type_mask != GTF.permit_access or granted_to != domid:
            raise GrantError(GNTST.bad_gntref, ref)
        if flags & GTF.readonly and not readonly:
            raise GrantError(GNTST.permission_denied, ref)
        if not self._is_ram(gfn):
            self._world.violation(f"grant {ref} gives domain {domid} frame {gfn:#x}, where the guest has no RAM")
        mapping = Mapping(self, ref, domid, gfn, readonly)
        self._active.setdefault(ref, []).append(mapping)
        self.frame_uses[gfn] += 1
        self.last_ref[gfn] = ref
        self._write_flags(ref, flags | GTF.reading | (0 if readonly else GTF.writing))
        self.statistics.maps += 1
        return mapping

    def unmap(self, mapping: Mapping) -> None:
        """End a mapping; the entry's flags say so when it was the last of its kind."""
        if not mapping.live:
            raise GrantError(GNTST.bad_handle, mapping.ref)
        self._check(mapping)
        mapping.live = False
        others = self._active[mapping.ref]
        others.remove(mapping)
        self.frame_uses[mapping.gfn] -= 1
        if not self.frame_uses[mapping.gfn]:
            del self.frame_uses[mapping.gfn]
        flags, _, _ = self.entry(mapping.ref)
        if all(other.readonly for other in others):
            flags &= ~GTF.writing
        if not others:
            flags &= ~GTF.reading
            del self._active[mapping.ref]
        self._write_flags(mapping.ref, flags)
        self.statistics.unmaps += 1

    def commit(self, ref: int, domid: int) -> int:
        """Begin to move a page of domain `domid` to the guest; return the frame that it is to appear at.

        Raises:
            GrantError: general_error, the guest does not accept a page by this entry, or not from this domain.
        """
        flags, accepted, gfn = self.entry(ref)
        if flags != GTF.accept_transfer or accepted != domid:
            raise GrantError(GNTST.general_error, ref)
        self._committed[ref] = domid, gfn
        self.last_ref[gfn] = ref
        self._write_flags(ref, flags | GTF.transfer_committed)
        return gfn

    def complete(self, ref: int) -> None:
        """The page that was committed is there."""
        self._check_committed(ref)
        del self._committed[ref]
        self._write_flags(ref, GTF.accept_transfer | GTF.transfer_committed | GTF.transfer_completed)
        self.statistics.transfers += 1

    def copy_from(self, ref: int, domid: int, offset: int, length: int) -> bytes:
        """Read from a granted page without mapping it (GNTTABOP_copy)."""
        mapping = self.map(ref, domid, readonly=True)
        try:
            return mapping.read(offset, length)
        finally:
            self._finish_copy(mapping)

    def copy_to(self, ref: int, domid: int, offset: int, data: bytes) -> None:
        """Write to a granted page without mapping it (GNTTABOP_copy)."""
        mapping = self.map(ref, domid, readonly=False)
        try:
            mapping.write(offset, data)
        finally:
            self._finish_copy(mapping)

    def _finish_copy(self, mapping: Mapping) -> None:
        self.unmap(mapping)
        self.statistics.maps -= 1
        self.statistics.unmaps -= 1
        self.statistics.copies += 1

    def access(self, mapping: Mapping, offset: int, length: int, data: bytes | None = None) -> bytes:
        """Read or write through a mapping."""
        if not mapping.live:
            raise GrantError(GNTST.bad_handle, mapping.ref)
        if not 0 <= offset <= offset + length <= PAGE:
            raise GrantError(GNTST.bad_page, mapping.ref)
        if data is None:
            return self._frames.read(mapping.gfn * PAGE + offset, length)
        if mapping.readonly:
            raise GrantError(GNTST.permission_denied, mapping.ref)
        self._frames.write(mapping.gfn * PAGE + offset, data)
        return data

    def in_use(self, ref: int) -> bool:
        """Whether another domain has the page mapped at this moment."""
        return ref in self._active

    def permits(self, gfn: int) -> int | None:
        """Return the reference by which a frame that was mapped can be mapped once more, if there still is one."""
        ref = self.last_ref.get(gfn)
        if ref is None:
            return None
        flags, _, frame = self.entry(ref)
        return ref if flags & GTF.type_mask and frame == gfn else None

    def audit(self) -> None:
        """Check that the guest has left alone every entry that is in use."""
        for mappings in self._active.values():
            for mapping in mappings:
                self._check(mapping)
        for ref in self._committed:
            self._check_committed(ref)

    def outstanding(self) -> list[int]:
        """The references that permit something, but for the reserved ones: what a driver that has gone has leaked."""
        return [
            ref
            for ref in range(GNTTAB_NR_RESERVED_ENTRIES, len(self.pages) * ENTRIES_PER_FRAME)
            if self.entry(ref)[0] & GTF.type_mask
        ]

    def purpose(self, ref: int) -> str:
        """What a reference permits."""
        accepts = self.entry(ref)[0] & GTF.type_mask == GTF.accept_transfer
        return "the transfer of a page" if accepts else "access"

    def granted_frames(self) -> dict[int, int]:
        """Map each guest frame that is granted now to its reference."""
        return {self.entry(ref)[2]: ref for ref in self.outstanding()}

    def _check(self, mapping: Mapping) -> None:
        flags, domid, frame = self.entry(mapping.ref)
        wanted = GTF.reading | (0 if mapping.readonly else GTF.writing)
        intact = flags & GTF.type_mask == GTF.permit_access and flags & wanted == wanted
        if not intact or (domid, frame) != (mapping.domid, mapping.gfn):
            self._world.violation(
                f"the guest changed grant {mapping.ref} (frame {mapping.gfn:#x}) while domain {mapping.domid} maps it"
            )

    def _check_committed(self, ref: int) -> None:
        if self.entry(ref) != (GTF.accept_transfer | GTF.transfer_committed, *self._committed[ref]):
            self._world.violation(f"the guest changed grant {ref} while Xen was putting a page at its frame")

    def _write_flags(self, ref: int, flags: int) -> None:
        page, index = divmod(ref, ENTRIES_PER_FRAME)
        self.pages[page].write(index * ENTRY.size, struct.pack("<H", flags))
