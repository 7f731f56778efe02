# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine goes to sleep, wakes and shuts down.

Source: Windows Driver Kit, "System Power Policy", "Handling System Query-Power Requests", "Handling System Set-Power
Requests": devices power down before those that they are on, and up after them; who refuses a query stops it all.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from xenlab.nt.codes import SYSTEM_POWER_STATE, Major, Power, ShutdownType, Status, SystemState, describe, nt_success
from xenlab.nt.devnode import Node, State
from xenlab.nt.irp import Irps
from xenlab.nt.pnp import PnpManager
from xenlab.nt.power import PowerManager
from xenlab.nt.routine import Call, Wait

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_ACTIONS = {
    SystemState.PowerSystemWorking: ShutdownType.PowerActionNone,
    SystemState.PowerSystemHibernate: ShutdownType.PowerActionHibernate,
    SystemState.PowerSystemShutdown: ShutdownType.PowerActionShutdownOff,
}
_POWERED = (State.STARTED, State.STOP_PENDING, State.REMOVE_PENDING)


class SystemPower:
    """The power state of the whole machine."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._irps = kernel.part(Irps)
        self._power = kernel.part(PowerManager)
        self._pnp = kernel.part(PnpManager)
        self.state = SystemState.PowerSystemWorking

    def sleep(self, state: SystemState) -> Generator[Call | Wait, int, bool]:
        """Bring the machine to a sleeping state; False, and it works on, if a driver does not agree."""
        asked: list[Node] = []
        for node in self._leaves_first():
            asked.append(node)
            status = yield from self._send(node, Power.QUERY_POWER, state)
            if not nt_success(status) and status != Status.NOT_SUPPORTED:
                self.kernel.world.trace(
                    "power", f"{node.instance_path} does not agree to {state.name}: {describe(status)}"
                )
                yield from self._set(list(reversed(asked)), SystemState.PowerSystemWorking)
                return False
        yield from self._set(self._leaves_first(), state)
        self.state = state
        return True

    def wake(self) -> Generator[Call | Wait, int, None]:
        """Bring the machine back to S0, and wait until every device is up: drivers may answer before theirs is."""
        yield from self._set(list(reversed(self._leaves_first())), SystemState.PowerSystemWorking)
        self.state = SystemState.PowerSystemWorking

    def shut_down(self) -> Generator[Call | Wait, int, None]:
        """Turn the machine off: nobody is asked."""
        yield from self._set(self._leaves_first(), SystemState.PowerSystemShutdown)
        self.state = SystemState.PowerSystemShutdown

    def _set(self, nodes: Sequence[Node], state: SystemState) -> Generator[Call | Wait, int, None]:
        for node in nodes:
            status = yield from self._send(node, Power.SET_POWER, state)
            if not nt_success(status):
                self.kernel.violation(
                    f"IRP_MN_SET_POWER for {state.name} to {node.instance_path} comes back with {describe(status)}."
                )

    def _leaves_first(self) -> list[Node]:
        return [node for node in reversed(self._pnp.root.walk()) if node.state in _POWERED]

    def _send(self, node: Node, minor: Power, state: SystemState) -> Generator[Call | Wait, int, int]:
        irps = self._irps
        top = node.pdo.top()
        request = irps.make(top.view["StackSize"], "the power manager", lambda _: None)
        stack = irps.next(request)
        irps.irp(request.address)["IoStatus.Status"] = Status.NOT_SUPPORTED
        stack["MajorFunction"], stack["MinorFunction"] = Major.POWER, minor
        self._power.fill(request, SYSTEM_POWER_STATE, state, _ACTIONS.get(state, ShutdownType.PowerActionSleep))
        self.kernel.world.trace("power", f"{minor.name} {state.name} to {node.instance_path}")
        return (yield from irps.send(top.address, request, self._power.call))
