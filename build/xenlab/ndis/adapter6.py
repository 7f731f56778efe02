# SPDX-License-Identifier: GPL-2.0-or-later
"""An adapter of an NDIS 6.0 miniport: its states, what moves it between them, and what it may do in each.

Source: Windows Driver Kit, "Miniport Adapter States and Operations", MiniportInitializeEx, MiniportPause,
MiniportRestart, MiniportHaltEx, MiniportShutdownEx, MiniportDevicePnPEventNotify, MiniportCheckForHangEx,
MiniportResetEx.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from xenlab.ndis import Ndis
from xenlab.ndis.adapter import WORKING, Adapter, Running
from xenlab.ndis.attributes6 import Attributes
from xenlab.ndis.codes import NdisStatus, Oid, describe
from xenlab.ndis.codes6 import DeviceEvent, Halt
from xenlab.ndis.nic import Checksums, Nic, OidError, Received
from xenlab.ndis.nic6 import Nic6
from xenlab.ndis.objects6 import make
from xenlab.ndis.receives6 import Receives
from xenlab.ndis.requests6 import Requests
from xenlab.ndis.sends6 import Sends
from xenlab.ndis.timers6 import Timers
from xenlab.nt.objects import layout
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, Steps, Wait

if TYPE_CHECKING:
    from xenlab.ndis.ndis6 import MiniportDriver6
    from xenlab.nt.kernel import Kernel
    from xenlab.world import Event

SECOND = 10**9
_PATIENCE_NS = 30 * SECOND
_SHUTDOWN_POWER_OFF, _SHUTDOWN_BUG_CHECK = 0, 1
_ON_MAINS = 1
_FIRST_LUID = 0x0006_0000_0000_0000


class State(Enum):
    """States of an adapter, as a message shows them."""

    HALTED = "halted"
    INITIALIZING = "initializing"
    PAUSED = "paused"
    RESTARTING = "restarting"
    RUNNING = "running"
    PAUSING = "pausing"
    SHUT_DOWN = "shut down"


class Operation:
    """A pause, restart or reset: `begun` while it is under way, `status` when the miniport has completed it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.begun = False
        self.status: int | None = None


class Adapter6(Adapter):
    """One adapter.

    Attributes:
        state: where it is in its life.
        context: MiniportAdapterContext.
        attributes: what the miniport has said of itself.
        claims: what the miniport must give back before it is halted, by handle: what a report says if it does not.
        protocol_handle: a handle of the protocol driver's, that means nothing to a miniport.
    """

    driver: MiniportDriver6

    def __init__(self, kernel: Kernel, driver: MiniportDriver6, pdo: int) -> None:
        super().__init__(kernel, driver, pdo)
        self.state = State.HALTED
        self.context = 0
        self.attributes = Attributes(self)
        self.sends = Sends(self)
        self.receives = Receives(self)
        self.requests = Requests(self)
        self.claims: dict[int, str] = {}
        self.protocol_handle = kernel.alloc(kernel.pointer_size, "NdPr")
        self._pause, self._restart, self._reset = (Operation(each) for each in ("pause", "restart", "reset"))
        self._addressing_reset = False
        self._halt_action = Halt.DEVICE_DISABLED
        self._was_halted = False
        self._hang: Event | None = None
        self._event = kernel.alloc(layout("KEVENT", kernel.arch).size, "NdEv")
        kernel.init_event(self._event, False, False)

    # Calls, waiting

    def invoke(self, name: str, *arguments: int, irql: int = PASSIVE_LEVEL) -> Running[int]:
        """Call a handler of the miniport with its context."""
        return (yield from self.call(name, self.driver.handlers[name], self.context, *arguments, irql=irql))

    def wait(self, until: Callable[[], bool], what: str) -> Running[None]:
        """Let the current thread wait until something is so."""
        deadline = self.kernel.world.now + _PATIENCE_NS
        while not until():
            self.kernel.reset_event(self._event)
            yield Wait([self._event], timeout_100ns=-SECOND // 100)
            if self.kernel.world.now > deadline and not until():
                self.violation(f"{what} never comes{''.join(f'; {each}' for each in self.in_flight())}")

    def wake(self) -> None:
        """What somebody waits for may be so now."""
        self.kernel.set_event(self._event)

    def check_dispatch_flag(self, what: str, flag: int) -> None:
        if flag and self.kernel.irql != DISPATCH_LEVEL:
            self.violation(f"{what} is called at IRQL {self.kernel.irql} with the flag that says DISPATCH_LEVEL")

    def in_flight(self) -> list[str]:
        """What is between NDIS and the miniport, a line each; after a shutdown nobody asks for it any more."""
        if self.state is State.SHUT_DOWN:
            return []
        lines = [f"the NET_BUFFER_LIST {each:#x} is not completed" for each in self.sends.outstanding]
        lines += [f"the received NET_BUFFER_LIST {each:#x} is not returned" for each in self.receives.kept]
        return lines + ([f"OID {self.requests.pending.oid:#x} is not completed"] if self.requests.pending else [])

    # What the state allows

    @property
    def is_there(self) -> bool:
        """Whether the miniport has the adapter, and answers requests."""
        return self.state not in (State.HALTED, State.INITIALIZING, State.SHUT_DOWN)

    @property
    def takes_sends(self) -> bool:
        return self.state in (State.RUNNING, State.PAUSING, State.PAUSED)

    @property
    def refuses_sends(self) -> bool:
        """Whether the miniport must complete a send without sending."""
        return self.state is State.PAUSED

    @property
    def is_running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def may_indicate(self) -> bool:
        return self.state in (State.RESTARTING, State.RUNNING, State.PAUSING)

    # Initialise and halt

    def initialize(self) -> Running[bool]:
        kernel = self.kernel
        self.handle = kernel.alloc(kernel.pointer_size, "NdAd")
        kernel.part(Ndis).adapters[self.handle] = self
        self.attributes = Attributes(self)
        parameters = make(kernel, "NDIS_MINIPORT_INIT_PARAMETERS", "NdIn")
        raw_list = layout("CM_RESOURCE_LIST", kernel.arch)
        if self.resource_lists[1]:
            partial = raw_list.offset("List[0].PartialResourceList")
            parameters["AllocatedResources"] = self.resource_lists[1] + partial
        parameters["IfIndex"] = self.driver.adapter_number(self)
        parameters["NetLuid"] = _FIRST_LUID + self.driver.adapter_number(self)
        self.state = State.INITIALIZING
        handler = self.driver.handlers["InitializeHandlerEx"]
        status = yield from self.call(
            "InitializeHandlerEx", handler, self.handle, self.driver.context, parameters.address
        )
        kernel.free(parameters.address)
        if status == NdisStatus.PENDING:
            self.violation("MiniportInitializeEx returns NDIS_STATUS_PENDING, which it cannot")
        kernel.world.trace("ndis", f"MiniportInitializeEx returned {describe(status)}", adapter=self.name)
        if status != NdisStatus.SUCCESS:
            self._forget("MiniportInitializeEx fails")
            return False
        self.attributes.require_complete()
        self.state = State.PAUSED
        yield from self.notify(DeviceEvent.POWER_PROFILE_CHANGED, _ON_MAINS)
        self._watch_for_hangs()
        return True

    def _forget(self, when: str) -> None:
        """The miniport has, or should have, given back all that it had for the adapter."""
        for line in (*self.kernel.part(Timers).of_owner(self.handle), *self.claims.values()):
            self.violation(f"{when}: {line[:-1]}")
        self.state = State.HALTED
        self.context = 0
        del self.kernel.part(Ndis).adapters[self.handle]
        self.kernel.free(self.handle)
        self.handle = 0

    def halt(self) -> Running[None]:
        if self.state is State.SHUT_DOWN:
            return
        if self._hang:
            self._hang.cancel()
            self._hang = None
        if self.state is State.RUNNING:
            yield from self.pause()
        yield from self.wait(lambda: not self.requests.pending, "the end of an OID request")
        yield from self.invoke("HaltHandlerEx", self._halt_action)
        for line in self.in_flight():
            self.violation(f"MiniportHaltEx has returned, and {line}")
        self._forget("MiniportHaltEx has returned")

    def stop(self) -> Steps:
        self._halt_action = Halt.DEVICE_STOPPED
        return (yield from super().stop())

    def remove(self) -> Steps:
        self._halt_action = Halt.DEVICE_SURPRISE_REMOVED if self.gone else Halt.DEVICE_DISABLED
        yield from super().remove()
        for block in (self.protocol_handle, self._event):
            self.kernel.free(block)
        return None

    # Pause and restart

    def pause(self) -> Running[None]:
        """Pause a running adapter; returns when it is paused."""
        parameters = make(self.kernel, "NDIS_MINIPORT_PAUSE_PARAMETERS", "NdPa")
        self.state = State.PAUSING
        status = yield from self._operate(self._pause, "PauseHandler", parameters.address)
        self.kernel.free(parameters.address)
        if status != NdisStatus.SUCCESS:
            self.violation(f"MiniportPause returns {describe(status)}; it cannot fail")

    def paused(self) -> None:
        """The miniport says that it has paused: it must have nothing, and NDIS nothing of it."""
        for line in self.in_flight():
            if not line.startswith("OID"):
                self.violation(f"the pause is completed, and {line}")
        self.state = State.PAUSED

    def restart(self) -> Running[bool]:
        """Restart a paused adapter; False: it stays paused."""
        parameters = make(self.kernel, "NDIS_MINIPORT_RESTART_PARAMETERS", "NdRs")
        self.state = State.RESTARTING
        status = yield from self._operate(self._restart, "RestartHandler", parameters.address)
        self.kernel.free(parameters.address)
        self.kernel.world.trace("ndis", f"the restart ended with {describe(status)}", adapter=self.name)
        return status == NdisStatus.SUCCESS

    def _operate(self, operation: Operation, handler: str, *arguments: int, irql: int = PASSIVE_LEVEL) -> Running[int]:
        """Call a handler that may complete later; returns the status of its completion."""
        operation.begun, operation.status = True, None
        status = yield from self.invoke(handler, *arguments, irql=irql)
        if status != NdisStatus.PENDING:
            if operation.status is not None:
                self.violation(f"a {operation.what} is completed, and {handler} returns {describe(status)} for it too")
            self.complete(operation, status)
        yield from self.wait(lambda: operation.status is not None, f"the completion of a {operation.what}")
        assert operation.status is not None
        return operation.status

    def complete(self, operation: Operation, status: int) -> None:
        """An operation is over."""
        if not operation.begun:
            self.violation(f"a {operation.what} is completed that was not begun, or twice")
        operation.begun, operation.status = False, status
        if operation is self._pause:
            if status == NdisStatus.SUCCESS:
                self.paused()
        elif operation is self._restart:
            self.state = State.RUNNING if status == NdisStatus.SUCCESS else State.PAUSED
        self.wake()

    def pause_complete(self) -> None:
        """NdisMPauseComplete."""
        self.complete(self._pause, NdisStatus.SUCCESS)

    def restart_complete(self, status: int) -> None:
        """NdisMRestartComplete."""
        self.complete(self._restart, status)

    def reset_completed(self, status: int, addressing_reset: bool) -> None:
        """NdisMResetComplete."""
        self._addressing_reset = addressing_reset
        self.complete(self._reset, status)

    # Reset and hang

    def reset(self) -> Running[int]:
        """Reset the adapter, at PASSIVE_LEVEL or DISPATCH_LEVEL; returns the status."""
        if not self.driver.handlers["ResetHandlerEx"]:
            return NdisStatus.NOT_RESETTABLE
        if self._reset.begun or not self.is_there:
            return NdisStatus.RESET_IN_PROGRESS if self._reset.begun else NdisStatus.ADAPTER_NOT_READY
        kernel = self.kernel
        flag = kernel.alloc(1, "NdRf")
        irql = kernel.world.random.choice((PASSIVE_LEVEL, DISPATCH_LEVEL))
        status = yield from self._operate(self._reset, "ResetHandlerEx", flag, irql=irql)
        restore = self._addressing_reset or bool(kernel.u8(flag))
        self._addressing_reset = False
        kernel.free(flag)
        if restore and self.nic:
            yield from self._restore(self.nic)
        return status

    def _restore(self, nic: Nic) -> Running[None]:
        """A reset has made the miniport forget what frames are wanted."""
        try:
            yield from nic.set_multicast_steps(nic.multicast)
            yield from nic.set_filter_steps(nic.filter)
        except OidError as error:
            self.violation(f"what a reset has undone cannot be restored: {error}"[:-1])

    def request_reset(self) -> None:
        """NdisMResetMiniport: soon, on a thread of the kernel."""
        if not self.driver.handlers["ResetHandlerEx"]:
            self.violation("NdisMResetMiniport is called by a miniport without MiniportResetEx")
        self.kernel.queue_work(self.reset, "a reset that the miniport wants")

    def _watch_for_hangs(self) -> None:
        """Have MiniportCheckForHangEx called every now and then."""
        if not self.driver.handlers["CheckForHangHandlerEx"]:
            return
        interval = (self.attributes.registration["CheckForHangTimeInSeconds"] or 2) * SECOND
        self._hang = self.kernel.world.at(
            interval, lambda: self.kernel.queue_work(self._check_for_hang, "MiniportCheckForHangEx"), "a check for hang"
        )

    def _check_for_hang(self) -> Steps:
        if self._hang is None or self.state in (State.HALTED, State.SHUT_DOWN):
            return None
        hangs = (yield from self.invoke("CheckForHangHandlerEx")) & 0xFF
        if hangs:
            yield from self.reset()
        if self._hang is not None:
            self._watch_for_hangs()
        return None

    # What happens to the device

    def notify(self, event: DeviceEvent, data: int | None = None) -> Running[None]:
        """Tell the miniport of an event, with a ULONG of information or without."""
        kernel = self.kernel
        made = make(kernel, "NET_DEVICE_PNP_EVENT", "NdPe")
        made["DevicePnPEvent"] = event
        if data is not None:
            made["InformationBuffer"], made["InformationBufferLength"] = kernel.alloc(4, "NdPi"), 4
            kernel.put_u32(made["InformationBuffer"], data)
        yield from self.invoke("DevicePnPEventNotifyHandler", made.address)
        for block in (made["InformationBuffer"], made.address):
            if block:
                kernel.free(block)

    def notify_removed(self) -> Running[None]:
        yield from self.notify(DeviceEvent.SURPRISE_REMOVED)

    def notify_shutdown(self) -> Running[None]:
        """There is nothing after this but the machine's end."""
        self.state = State.SHUT_DOWN
        if self._hang:
            self._hang.cancel()
            self._hang = None
        yield from self.invoke("ShutdownHandlerEx", _SHUTDOWN_POWER_OFF)

    def notify_crash(self) -> Running[None]:
        if self.is_there:
            yield from self.invoke("ShutdownHandlerEx", _SHUTDOWN_BUG_CHECK)

    def change_power(self, state: int) -> Running[None]:
        """A miniport that has told its abilities follows with its device; any other is halted, and initialised anew."""
        if state != WORKING and self.initialized:
            if self.attributes.stays_in_sleep:
                if self.nic6:
                    yield from self.nic6.pause()
                yield from self._tell_power(state)
            else:
                self._was_halted, self._halt_action = True, Halt.DEVICE_POWERED_DOWN
                yield from self.take_down()
        elif state == WORKING and self._was_halted:
            self._was_halted = False
            yield from self.bring_up()
        elif state == WORKING and self.initialized and self.attributes.stays_in_sleep:
            yield from self._tell_power(state)
            if self.nic6:
                yield from self.nic6.wake()

    def _tell_power(self, state: int) -> Running[None]:
        answer = yield from self.requests.set(Oid.PNP_SET_POWER, state.to_bytes(4, "little"))
        if answer.status != NdisStatus.SUCCESS:
            self.violation(f"OID_PNP_SET_POWER fails with {describe(answer.status)}")

    # The protocol driver's side

    @property
    def nic6(self) -> Nic6 | None:
        return self.nic if isinstance(self.nic, Nic6) else None

    def make_nic(self) -> Nic6:
        return Nic6(self)

    @property
    def may_judge(self) -> Checksums:
        return self.attributes.may_judge

    @property
    def mtu(self) -> int:
        return self.attributes.general["MtuSize"]

    def deliver(self, frame: Received) -> None:
        """Give a frame to the protocol driver, if its filter asks for it."""
        nic = self.nic
        if nic and nic.wants(frame.frame):
            nic.deliver(frame)
        elif nic:
            nic.filtered += 1
