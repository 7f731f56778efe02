# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS 5: an adapter between MiniportInitialize and MiniportHalt.

NDIS serialises requests and resets, also those of a deserialized miniport, the only kind that the lab runs: one at a
time, at DISPATCH_LEVEL, the next when the last has completed. Sends and receives go on meanwhile, but for a reset.
Source also: "Deserialized NDIS Miniport Drivers", "Power Management for NDIS Miniport Drivers", "Miniport NIC Driver
Initialization", the pages of the Miniport... routines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gplpv.errors import GplpvError
from xenlab.ndis import Ndis
from xenlab.ndis.adapter import WORKING, Adapter, Running
from xenlab.ndis.codes import NdisStatus, Oid, describe, oid_name
from xenlab.ndis.nic5 import Nic5
from xenlab.ndis.structures import layout, view
from xenlab.nt.pydriver import guest_function
from xenlab.nt.routine import DISPATCH_LEVEL, Steps, Wait

if TYPE_CHECKING:
    from xenlab.ndis.adapter import MiniportDriver
    from xenlab.nt.kernel import Kernel

_MEDIA = (0, 1, 2, 3, 4, 5, 6)
_ETHERNET = 0
_DESERIALIZE, _NO_HALT_ON_SUSPEND = 0x20, 0x40
_SURPRISE_REMOVED, _POWER_PROFILE_CHANGED = 2, 5
_DEFAULT_HANG_SECONDS = 2
_PATIENCE_100NS = -30 * 10_000_000
_TIMEOUT = 0x102
_EXPORTED = {
    "SendCompleteHandler": "NdisMSendComplete",
    "SendResourcesHandler": "NdisMSendResourcesAvailable",
    "ResetCompleteHandler": "NdisMResetComplete",
    "StatusHandler": "NdisMIndicateStatus",
    "StatusCompleteHandler": "NdisMIndicateStatusComplete",
    "QueryCompleteHandler": "NdisMQueryInformationComplete",
    "SetCompleteHandler": "NdisMSetInformationComplete",
}


class Adapter5(Adapter):
    """One adapter of a miniport of NDIS 5.

    Attributes:
        handlers, version: what its driver registered.
        context: MiniportAdapterContext, by NdisMSetAttributesEx.
        attributes: NDIS_ATTRIBUTE flags.
        initializing: the WrapperConfigurationContext of the MiniportInitialize that runs, else 0.
        resetting: between MiniportReset and its completion.
        nic5: the protocol driver that binds, is bound or unbinds.
        shutdown: what NdisMRegisterAdapterShutdownHandler was given, routine and context; None without.
        resets: how often it was reset.
        wide_dma: NdisMInitializeScatterGatherDma was told of 64 address bits; None: it was not called.
        shared: memory of NdisMAllocateSharedMemory by address: length, whether it is cached, physical address.
        pending: what the request or reset that pends is, empty: none.
        manages_power: it has succeeded OID_PNP_CAPABILITIES.
        status_is_open: a status was indicated, but not yet that it is complete.
    """

    def __init__(
        self, kernel: Kernel, driver: MiniportDriver, handlers: dict[str, int], version: tuple[int, int], pdo: int
    ) -> None:
        super().__init__(kernel, driver, pdo)
        self.handlers = handlers
        self.version = version
        self.context = self.attributes = self.initializing = 0
        self.hang_seconds = _DEFAULT_HANG_SECONDS
        self.attributes_set = self.resetting = False
        self.manages_power = self.status_is_open = False
        self.shutdown: tuple[int, int] | None = None
        self.pending = ""
        self.nic5: Nic5 | None = None
        self._result = 0
        self.resets = 0
        self.wide_dma: bool | None = None
        self.shared: dict[int, tuple[int, bool, int]] = {}
        self._was_halted = False
        self._addressing_reset = False
        event = layout("KEVENT", kernel.arch).size
        self._turn, self._completed = (kernel.alloc(event, "NdEv") for _ in range(2))
        kernel.init_event(self._turn, True, True)
        kernel.init_event(self._completed, True, False)

    # Initialisation and halt

    def initialize(self) -> Running[bool]:
        kernel = self.kernel
        self.context = self.attributes = 0
        self.attributes_set, self.wide_dma = False, None
        self.handle = self._make_block()
        kernel.part(Ndis).adapters[self.handle] = self
        media = kernel.world.random.sample(_MEDIA, len(_MEDIA))
        arguments = kernel.alloc(8 + 4 * len(media), "NdIn")
        kernel.write(arguments + 8, b"".join(each.to_bytes(4, "little") for each in media))
        kernel.put_u32(arguments + 4, 0xFFFFFFFF)
        self.initializing = kernel.alloc(16, "NdWC")
        status = yield from self.call(
            "MiniportInitialize", self.handlers["InitializeHandler"], arguments, arguments + 4, arguments + 8,
            len(media), self.handle, self.initializing,
        )  # fmt: skip
        selected = kernel.u32(arguments + 4)
        for block in (self.initializing, arguments):
            kernel.free(block)
        self.initializing = 0
        kernel.world.trace("ndis", f"MiniportInitialize returns {describe(status)}", adapter=self.name)
        if status != NdisStatus.SUCCESS:
            self._release()
            return False
        self._check_initialized(media, selected)
        yield from self._greet()
        return True

    def _check_initialized(self, media: list[int], selected: int) -> None:
        if not self.attributes_set:
            self.violation("MiniportInitialize succeeds without NdisMSetAttributesEx")
        if selected >= len(media) or media[selected] != _ETHERNET:
            self.violation(f"MiniportInitialize selects the medium {selected}, which is not NdisMedium802_3")
        if not self.attributes & _DESERIALIZE:
            raise GplpvError(
                f"{self.driver.service} is a serialized miniport; the lab runs deserialized ones.",
                "It would set NDIS_ATTRIBUTE_DESERIALIZE.",
            )

    def _make_block(self) -> int:
        """The NDIS_MINIPORT_BLOCK, into which macros of ndis.h reach."""
        kernel = self.kernel
        address = kernel.alloc(layout("NDIS_MINIPORT_BLOCK", kernel.arch).size, "NdMB")
        block = view(kernel, "NDIS_MINIPORT_BLOCK", address)
        for field, name in _EXPORTED.items():
            block[field] = kernel.exported_address("ndis.sys", name)
        block["PacketIndicateHandler"] = kernel.part(PacketIndication).address
        block["DeviceObject"], block["PhysicalDeviceObject"] = self.device, self.pdo
        block["NextDeviceObject"] = self.next_device
        return address

    def _greet(self) -> Running[None]:
        """What NDIS asks and says before anybody may bind."""
        status, _ = yield from self.ask(Oid.PNP_CAPABILITIES, None, layout("NDIS_PNP_CAPABILITIES", "x64").size)
        self.manages_power = status == NdisStatus.SUCCESS
        yield from self._notify(_POWER_PROFILE_CHANGED, (1).to_bytes(4, "little"))
        self._watch()

    def make_nic(self) -> Nic5:
        self.nic5 = Nic5(self)
        return self.nic5

    def halt(self) -> Running[None]:
        yield from self._lock()
        yield from self.call("MiniportHalt", self.handlers["HaltHandler"], self.context)
        self.kernel.world.trace("ndis", "MiniportHalt returns", adapter=self.name)
        self._check_given_back()
        self._release()
        self.kernel.set_event(self._turn)

    def _check_given_back(self) -> None:
        if self.shutdown:
            self.violation("MiniportHalt returns without NdisMDeregisterAdapterShutdownHandler")
        if self.status_is_open:
            self.violation("the adapter is halted without NdisMIndicateStatusComplete after NdisMIndicateStatus")

    def _release(self) -> None:
        self._check_halted()
        if self.shared:
            self.violation(f"the adapter is halted with {len(self.shared)} pieces of shared memory that are not freed")
        if self.shutdown:
            self.violation("MiniportInitialize fails and leaves its shutdown handler registered")
        del self.kernel.part(Ndis).adapters[self.handle]
        self.kernel.free(self.handle)
        self.handle = 0

    def remove(self) -> Steps:
        yield from super().remove()
        for event in (self._turn, self._completed):
            self.kernel.free(event)
        return None

    # Requests and resets, one at a time

    def _lock(self) -> Running[None]:
        yield Wait([self._turn])

    def ask(self, oid: int, data: bytes | None, length: int, given: bytes = b"") -> Running[tuple[int, bytes]]:
        """Have the miniport answer a query into `length` bytes that begin with `given`, or take a set of `data`.

        Returns the status, and the answer; when its buffer is too short, how many bytes it needs in four bytes.
        """
        yield from self._lock()
        result: tuple[int, bytes] = (NdisStatus.ADAPTER_REMOVED, b"")
        if self.handle:
            length = length if data is None else len(data)
            result = yield from self._ask(oid, data, length, given)
        self.kernel.set_event(self._turn)
        return result

    def _ask(self, oid: int, data: bytes | None, length: int, given: bytes) -> Running[tuple[int, bytes]]:
        kernel = self.kernel
        kind = "Query" if data is None else "Set"
        buffer = kernel.alloc(max(length, 1), "NdOi")
        kernel.write(buffer, given if data is None else data)
        counts = kernel.alloc(8, "NdOi")
        self.pending = f"{kind} of {oid_name(oid)}"
        status = yield from self.call(
            f"Miniport{kind}Information", self.handlers[f"{kind}InformationHandler"], self.context, oid, buffer,
            length, counts, counts + 4, irql=DISPATCH_LEVEL,
        )  # fmt: skip
        status = yield from self._await_completion(status)
        done, needed = kernel.u32(counts), kernel.u32(counts + 4)
        answer = self._check_answer(kind, oid, status, length, done, needed)
        if status == NdisStatus.SUCCESS and data is None:
            answer = kernel.read(buffer, done)
        for block in (counts, buffer):
            kernel.free(block)
        return status, answer

    def _check_answer(self, kind: str, oid: int, status: int, length: int, done: int, needed: int) -> bytes:
        what = f"{kind} of {oid_name(oid)}"
        if status == NdisStatus.SUCCESS and done > length:
            self.violation(f"{what} says that it has {done} bytes of a buffer of {length}")
        if status in (NdisStatus.INVALID_LENGTH, NdisStatus.BUFFER_TOO_SHORT):
            if kind == "Query" and needed <= length:
                self.violation(f"{what} fails with {describe(status)}, but needs {needed} bytes of {length}")
            return needed.to_bytes(4, "little")
        return b""

    def _await_completion(self, status: int) -> Running[int]:
        """The final status of a request or reset, of which the miniport's routine has returned a status."""
        what, self.pending = self.pending, self.pending if status == NdisStatus.PENDING else ""
        if status != NdisStatus.PENDING:
            if not what:
                self.violation("a request or reset is completed, and its routine does not return NDIS_STATUS_PENDING")
            return status
        waited = yield Wait([self._completed], timeout_100ns=_PATIENCE_100NS)
        if waited == _TIMEOUT:
            self.violation(f"{what} is never completed")
        return self._result

    def complete(self, kind: str, status: int) -> None:
        """The miniport says that the request or reset has completed which pends."""
        if not self.pending.startswith(kind):
            self.violation(f"a {kind} is completed, and none pends ({self.pending or 'nothing'} does)")
        if status == NdisStatus.PENDING:
            self.violation(f"{self.pending} is completed with NDIS_STATUS_PENDING")
        self._result, self.pending = status, ""
        self.kernel.set_event(self._completed)

    def reset(self) -> Running[int]:
        """Reset the adapter; what NDIS restores is restored when it returns."""
        yield from self._lock()
        status: int = NdisStatus.ADAPTER_REMOVED
        if self.handle:
            status = yield from self._reset()
        self.kernel.set_event(self._turn)
        if self._addressing_reset and status == NdisStatus.SUCCESS and self.nic5:
            self._addressing_reset = False
            yield from self.nic5.restore()
        return status

    def _reset(self) -> Running[int]:
        kernel = self.kernel
        kernel.world.trace("ndis", "the adapter is reset", adapter=self.name)
        flag = kernel.alloc(1, "NdRs")
        self.resetting, self.pending = True, "Reset"
        self._addressing_reset = False
        self.resets += 1
        status = yield from self.call(
            "MiniportReset", self.handlers["ResetHandler"], flag, self.context, irql=DISPATCH_LEVEL
        )
        if status != NdisStatus.PENDING:
            self._addressing_reset = bool(kernel.u8(flag))
        status = yield from self._await_completion(status)
        self.resetting = False
        kernel.free(flag)
        return status

    def reset_completed(self, status: int, addressing_reset: bool) -> None:
        self.complete("Reset", status)
        self._addressing_reset = addressing_reset

    # Watching it

    def _watch(self) -> None:
        """Have MiniportCheckForHang called every few seconds while the adapter runs."""
        if self.handlers["CheckForHangHandler"]:
            handle = self.handle
            self.kernel.world.at(self.hang_seconds * 10**9, lambda: self._look(handle), "NDIS checks for a hang")

    def _look(self, handle: int) -> None:
        if handle == self.handle:
            self.kernel.queue_work(lambda: self._check_for_hang(handle), "NDIS checks for a hang")

    def _check_for_hang(self, handle: int) -> Steps:
        yield from self._lock()
        hung = 0
        if handle == self.handle:
            hung = yield from self.call(
                "MiniportCheckForHang", self.handlers["CheckForHangHandler"], self.context, irql=DISPATCH_LEVEL
            )
        self.kernel.set_event(self._turn)
        if hung & 0xFF:
            yield from self.reset()
        if handle == self.handle:
            self._watch()
        return None

    # Events

    def _notify(self, event: int, data: bytes = b"") -> Running[None]:
        handler = self.handlers.get("PnPEventNotifyHandler", 0)
        if not handler:
            return
        buffer = self.kernel.alloc(len(data), "NdPn") if data else 0
        if buffer:
            self.kernel.write(buffer, data)
        yield from self.call("MiniportPnPEventNotify", handler, self.context, event, buffer, len(data))
        if buffer:
            self.kernel.free(buffer)

    def notify_removed(self) -> Running[None]:
        yield from self._notify(_SURPRISE_REMOVED)

    def notify_shutdown(self) -> Running[None]:
        handler, context = self.shutdown or (self.handlers.get("AdapterShutdownHandler", 0), self.context)
        if handler:
            yield from self.call("MiniportShutdown", handler, context)

    def change_power(self, state: int) -> Running[None]:
        """A miniport that manages power is told; another one is halted, and initialised anew."""
        if state != WORKING and self.initialized:
            if self.manages_power:
                yield from self._tell_power(state)
            elif not self.attributes & _NO_HALT_ON_SUSPEND:
                self._was_halted = True
                yield from self.take_down()
        elif state == WORKING and self._was_halted:
            self._was_halted = False
            yield from self.bring_up()
        elif state == WORKING and self.initialized and self.manages_power:
            yield from self._tell_power(state)

    def _tell_power(self, state: int) -> Running[None]:
        if self.nic and state != WORKING:
            yield from self.nic.pause()
        status, _ = yield from self.ask(Oid.PNP_SET_POWER, state.to_bytes(4, "little"), 4)
        if status != NdisStatus.SUCCESS:
            self.violation(f"the Set of OID_PNP_SET_POWER fails with {describe(status)}")
        if self.nic and state == WORKING:
            self.nic.resume()


class PacketIndication:
    """The function behind NdisMIndicateReceivePacket, which is a macro."""

    def __init__(self, kernel: Kernel) -> None:
        self.address = guest_function(kernel, "NdisMIndicateReceivePacket", _indicate, (0, 0, 4))


def _indicate(kernel: Kernel, handle: int, packets: int, count: int) -> Steps:
    adapter = kernel.part(Ndis).adapter(handle, "NdisMIndicateReceivePacket")
    assert isinstance(adapter, Adapter5)
    check_unlocked(adapter, "NdisMIndicateReceivePacket")
    if adapter.resetting:
        adapter.violation("NdisMIndicateReceivePacket is called while the adapter is reset")
    size = kernel.pointer_size
    array = [kernel.ptr(packets + index * size) for index in range(count)]
    yield from Nic5.receive(adapter, array)
    return None


def check_unlocked(adapter: Adapter5, what: str) -> None:
    """A miniport holds no spin lock when it calls up."""
    if adapter.kernel.locks.held:
        adapter.violation(f"{what} is called while a spin lock is held")


def adapter5(kernel: Kernel, handle: int, what: str) -> Adapter5:
    found = kernel.part(Ndis).adapter(handle, what)
    if not isinstance(found, Adapter5):
        kernel.violation(f"{what} is called by a miniport that is not of NDIS 5.")
    return found
