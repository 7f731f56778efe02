# SPDX-License-Identifier: GPL-2.0-or-later
"""The back end's view of a blkif ring: indices, requests in either layout, responses.

Source: xen/include/public/io/ring.h, blkif.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from xenlab.xen.abi import (
    BLKIF_MAX_SEGMENTS_PER_REQUEST,
    BLKIF_OP,
    BLKIF_REQUEST,
    BLKIF_REQUEST_DISCARD,
    BLKIF_REQUEST_INDIRECT,
    BLKIF_REQUEST_SEGMENT,
    BLKIF_RESPONSE,
    BLKIF_SRING,
    Arch,
)
from xenlab.xen.grants import Mapping
from xenlab.xen.ports import PAGE

_WRAP = 1 << 32
_FIELDS = BLKIF_SRING.fields("x64")
_HEADER_SIZE = BLKIF_SRING.size("x64")
_SEGMENT_SIZE = BLKIF_REQUEST_SEGMENT.size("x64")
SEGMENTS_PER_INDIRECT_PAGE = PAGE // _SEGMENT_SIZE


@dataclass(frozen=True)
class Segment:
    """Part of a granted page: sectors `first` to `last`, both included."""

    gref: int
    first: int
    last: int

    @property
    def sectors(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Request:
    """One request; `operation` of an indirect one is what it does, its segments being in the pages `indirect`.

    `count` is the number of segments that it names; `sectors` is the length of a discard.
    """

    operation: int
    id: int
    sector: int
    count: int = 0
    segments: tuple[Segment, ...] = ()
    indirect: tuple[int, ...] = ()
    sectors: int = 0

    @property
    def slot_operation(self) -> int:
        """What the response must repeat."""
        return BLKIF_OP.INDIRECT if self.indirect else self.operation


class BlockRing:
    """The mapped pages of one ring."""

    def __init__(self, pages: Sequence[Mapping], layout: Arch) -> None:
        self.pages = list(pages)
        self.layout = layout
        self._slot = BLKIF_REQUEST.size(layout)
        fitting = (len(pages) * PAGE - _HEADER_SIZE) // self._slot
        self.slots = 1 << fitting.bit_length() - 1
        self.req_cons = 0
        self.rsp_prod = 0

    def index(self, name: str) -> int:
        return int.from_bytes(self.pages[0].read(_FIELDS[name], 4), "little")

    def set_index(self, name: str, value: int) -> None:
        self.pages[0].write(_FIELDS[name], (value % _WRAP).to_bytes(4, "little"))

    def unconsumed(self) -> int:
        """Requests pushed and not consumed, as the guest counts them; unchecked."""
        return (self.index("req_prod") - self.req_cons) % _WRAP

    @property
    def outstanding(self) -> int:
        """Requests consumed and not answered."""
        return (self.req_cons - self.rsp_prod) % _WRAP

    def take(self) -> Request:
        """Consume the next request."""
        data = self._read(self.req_cons, self._slot)
        self.req_cons = (self.req_cons + 1) % _WRAP
        return self._parse(data)

    def _parse(self, data: bytes) -> Request:
        layout = self.layout
        head = BLKIF_REQUEST.unpack(layout, data)
        operation, ident, sector = head["operation"], head["id"], head["sector_number"]
        if operation == BLKIF_OP.DISCARD:
            length = BLKIF_REQUEST_DISCARD.unpack(layout, data)["nr_sectors"]
            return Request(operation, ident, sector, sectors=length)
        if operation == BLKIF_OP.INDIRECT:
            given = BLKIF_REQUEST_INDIRECT.unpack(layout, data)
            count = given["nr_segments"]
            pages = min(8, -(-count // SEGMENTS_PER_INDIRECT_PAGE))
            start = BLKIF_REQUEST_INDIRECT.fields(layout)["indirect_grefs"]
            grefs = struct.unpack_from(f"<{pages}I", data, start)
            return Request(given["indirect_op"], given["id"], given["sector_number"], count, indirect=grefs)
        count = head["nr_segments"]
        known = min(count, BLKIF_MAX_SEGMENTS_PER_REQUEST)
        segments = parse_segments(data[BLKIF_REQUEST.fields(layout)["seg"] :], known)
        return Request(operation, ident, sector, count, segments)

    def respond(self, ident: int, operation: int, status: int) -> bool:
        """Put a response into the next slot and show it; True when the guest asks to be notified."""
        packed = BLKIF_RESPONSE.pack(self.layout, id=ident, operation=operation, status=status)
        self._write(self.rsp_prod, packed)
        self.rsp_prod = (self.rsp_prod + 1) % _WRAP
        self.set_index("rsp_prod", self.rsp_prod)
        return self.index("rsp_event") == self.rsp_prod

    def _place(self, index: int) -> int:
        return _HEADER_SIZE + index % self.slots * self._slot

    def _read(self, index: int, size: int) -> bytes:
        start = self._place(index)
        page, offset = divmod(start, PAGE)
        first = min(size, PAGE - offset)
        data = self.pages[page].read(offset, first)
        return data if first == size else data + self.pages[page + 1].read(0, size - first)

    def _write(self, index: int, data: bytes) -> None:
        page, offset = divmod(self._place(index), PAGE)
        first = PAGE - offset
        self.pages[page].write(offset, data[:first])
        if data[first:]:
            self.pages[page + 1].write(0, data[first:])


def parse_segments(data: bytes, count: int) -> tuple[Segment, ...]:
    """Read `count` segments."""
    return tuple(Segment(*struct.unpack_from("<IBB", data, number * _SEGMENT_SIZE)) for number in range(count))
