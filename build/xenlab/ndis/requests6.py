# SPDX-License-Identifier: GPL-2.0-or-later
"""OID requests to a miniport of NDIS 6.0, one at a time, at PASSIVE_LEVEL.

The request and its buffer are there until the miniport has completed it, and gone afterwards; the buffer has exactly
the length that the request says. Source: Windows Driver Kit, MiniportOidRequest, NDIS_OID_REQUEST,
NdisMOidRequestComplete, "Handling OID Requests in a Miniport Adapter".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.ndis.adapter import Running
from xenlab.ndis.codes import NdisStatus, describe, oid_name
from xenlab.ndis.codes6 import Request
from xenlab.ndis.objects6 import make

if TYPE_CHECKING:
    from xenlab.ndis.adapter6 import Adapter6
    from xenlab.nt.kernel import Kernel
    from xenlab.nt.objects import Struct

_PATTERN = 0xD7
_TOO_SHORT = (NdisStatus.BUFFER_TOO_SHORT, NdisStatus.INVALID_LENGTH, NdisStatus.BUFFER_OVERFLOW)


@dataclass(eq=False)
class Pending:
    """The request that the miniport has; `status`: of its completion, None before."""

    fields: Struct
    oid: int
    kind: Request
    status: int | None = None


@dataclass(frozen=True)
class Answer:
    """How a request ended: its status, what was written or read, and how long the buffer should have been."""

    status: int
    data: bytes
    needed: int


class Requests:
    """The OID requests of one adapter."""

    def __init__(self, adapter: Adapter6) -> None:
        self.adapter = adapter
        self.kernel: Kernel = adapter.kernel
        self.pending: Pending | None = None
        self._turns: deque[int] = deque()
        self._finished: deque[int] = deque(maxlen=64)

    def query(self, oid: int, length: int, kind: Request = Request.QUERY) -> Running[Answer]:
        """Query an OID with a buffer of `length` bytes."""
        return (yield from self.request(kind, oid, bytes([_PATTERN]) * length))

    def set(self, oid: int, data: bytes) -> Running[Answer]:
        return (yield from self.request(Request.SET, oid, data))

    def request(self, kind: Request, oid: int, data: bytes) -> Running[Answer]:
        """Carry out a request, when those before it are done."""
        yield from self._take_turn()
        kernel, adapter = self.kernel, self.adapter
        buffer = kernel.alloc(len(data), "NdOb") if data else 0
        if buffer:
            kernel.write(buffer, data)
        fields = make(kernel, "NDIS_OID_REQUEST", "NdOr")
        fields["RequestType"], fields["DATA.Oid"] = kind, oid
        fields["RequestId"] = fields["RequestHandle"] = adapter.protocol_handle
        fields["DATA.InformationBuffer"], fields["DATA.InformationBufferLength"] = buffer, len(data)
        pending = self.pending = Pending(fields, oid, kind)
        yield from self._call(pending)
        answer = self._check(pending, buffer, data)
        self.pending = None
        self._finished.append(fields.address)
        for block in (buffer, fields.address):
            if block:
                kernel.free(block)
        self._give_turn()
        name = "set" if kind == Request.SET else "queried"
        kernel.world.trace("ndis", f"{oid_name(oid)} is {name}: {describe(answer.status)}", length=len(answer.data))
        return answer

    def _call(self, pending: Pending) -> Running[None]:
        adapter = self.adapter
        status = (yield from adapter.invoke("OidRequestHandler", pending.fields.address)) & 0xFFFFFFFF
        what = oid_name(pending.oid)
        if status == NdisStatus.PENDING:
            yield from adapter.wait(lambda: pending.status is not None, f"the completion of {what}")
        elif pending.status is not None:
            adapter.violation(f"{what} is completed with NdisMOidRequestComplete and answered {describe(status)} too")
        else:
            pending.status = status

    def complete(self, request: int, status: int) -> None:
        """NdisMOidRequestComplete."""
        adapter, pending = self.adapter, self.pending
        if pending is None or pending.fields.address != request:
            known = request in self._finished
            adapter.violation(
                f"NdisMOidRequestComplete is called of {request:#x}, "
                + ("which is complete already" if known else "which is no request that the miniport has")
            )
        if pending.status is not None:
            adapter.violation(f"{oid_name(pending.oid)} is completed twice")
        if status == NdisStatus.PENDING:
            adapter.violation(f"{oid_name(pending.oid)} is completed with NDIS_STATUS_PENDING")
        pending.status = status
        adapter.wake()

    def _check(self, pending: Pending, buffer: int, data: bytes) -> Answer:
        """Hold what the miniport says it has done against the buffer."""
        fields, status, what = pending.fields, pending.status, oid_name(pending.oid)
        assert status is not None
        done, needed = fields["DATA.BytesWritten"], fields["DATA.BytesNeeded"]
        if done > len(data):
            self.adapter.violation(f"{what} of {len(data)} bytes is completed with {done} bytes done")
        for name, value in (("DATA.Oid", pending.oid), ("DATA.InformationBuffer", buffer)):
            if fields[name] != value:
                self.adapter.violation(f"{what} comes back with {name.removeprefix('DATA.')} changed")
        if status in _TOO_SHORT and pending.kind != Request.SET and needed <= len(data):
            self.adapter.violation(
                f"{what} of {len(data)} bytes is answered {describe(status)}, and BytesNeeded is {needed}"
            )
        written = b""
        if not status and pending.kind != Request.SET and done:
            written = self.kernel.read(buffer, done)
        return Answer(status, written, needed)

    def cancel(self) -> Running[bool]:
        """Cancel the request that the miniport has; tells whether there was one."""
        if self.pending is None:
            return False
        yield from self.adapter.invoke("CancelOidRequestHandler", self.pending.fields["RequestId"])
        return True

    def _take_turn(self) -> Running[None]:
        ticket = self._turns[-1] + 1 if self._turns else 0
        self._turns.append(ticket)
        yield from self.adapter.wait(lambda: self._turns[0] == ticket, "the OID requests before")

    def _give_turn(self) -> None:
        self._turns.popleft()
        self.adapter.wake()
