# SPDX-License-Identifier: GPL-2.0-or-later
"""What miniports of every version have in common: their driver, an adapter's life, and the calls into the miniport."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, NoReturn, TypeVar

from xenlab.ndis import Ndis
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.configuration import write_defaults
from xenlab.ndis.nic import Nic, OidError
from xenlab.ndis.timers import timer_is_live
from xenlab.nt.codes import Status
from xenlab.nt.ex import BugCheckCallbacks
from xenlab.nt.objects import layout, view
from xenlab.nt.pnp import PnpManager
from xenlab.nt.pydriver import guest_function
from xenlab.nt.registry import CLASSES, Key
from xenlab.nt.routine import HIGH_LEVEL, PASSIVE_LEVEL, Call, Steps, Wait
from xenlab.nt.zwkey import KernelRegistry

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_Result = TypeVar("_Result")
Running = Generator[Call | Wait, int, _Result]
WORKING = 1  # PowerDeviceD0
_POLL_NS = 1_000_000


class MiniportDriver:
    """A registered miniport driver; each version of NDIS has its own kind.

    Attributes:
        service: its name.
    """

    def __init__(self, kernel: Kernel, driver_object: int, service: str) -> None:
        self.kernel = kernel
        self.driver_object = driver_object
        self.service = service

    def add_adapter(self, pdo: int) -> Adapter | None:
        """Make an adapter for a device; None: the driver declines it."""
        raise NotImplementedError

    def unload(self) -> Steps:
        """Do what is the driver's own when it is unloaded."""
        return None
        yield Wait()


class Adapter:
    """One adapter of a miniport, from AddDevice to removal.

    Attributes:
        name: the instance path of its device.
        handle: what the miniport names it by, and gets when it is initialised; 0 while it is not.
        device, next_device: its device object and the one below.
        resource_lists: raw and translated CM_RESOURCE_LIST of START_DEVICE, each 0 without resources.
        key: the registry key that holds its configuration.
        timers: those that NdisMInitializeTimer has given it.
        callbacks: the miniport's routines that it is in at this moment, outermost first.
        nic: what a protocol driver has of it; None while none is bound.
        initialized: the miniport has taken it, and has not given it back.
        gone: the device was removed by surprise.
        statuses: the NDIS_STATUS of every status that the miniport has indicated.
    """

    def __init__(self, kernel: Kernel, driver: MiniportDriver, pdo: int) -> None:
        node = kernel.part(PnpManager).node_of(pdo, "NDIS")
        self.kernel = kernel
        self.driver = driver
        self.pdo = pdo
        self.name = node.instance_path
        self.device = self.next_device = self.handle = 0
        self.resource_lists = (0, 0)
        self.key: Key = kernel.part(KernelRegistry).tree.create(rf"{CLASSES}\{node.driver_key}")
        write_defaults(self.key)
        self.timers: list[int] = []
        self.callbacks: list[str] = []
        self._calls = 0
        self.nic: Nic | None = None
        self.initialized = self.gone = self._binding = False
        self.statuses: list[int] = []
        self._bug_check = kernel.alloc(layout("KBUGCHECK_CALLBACK_RECORD", kernel.arch).size, "NdBc")
        routine = guest_function(kernel, "NDIS's bug check callback", self._crash, (0, 4), HIGH_LEVEL)
        view(kernel, "KBUGCHECK_CALLBACK_RECORD", self._bug_check)["CallbackRoutine"] = routine

    def violation(self, text: str) -> NoReturn:
        """End the run: the miniport broke a rule."""
        self.kernel.violation(f"NDIS, {self.name}: {text}.")

    # Calls into the miniport

    def call(self, name: str, routine: int, *args: int, irql: int = PASSIVE_LEVEL) -> Running[int]:
        """Call a routine of the miniport, at `irql` or above."""
        old = self.kernel.raise_irql(max(self.kernel.irql, irql))
        self.callbacks.append(name)
        self._calls += 1
        result = (yield from self.kernel.call(routine, *args)) or 0
        self._calls -= 1
        self.callbacks.remove(name)
        self.kernel.lower_irql(old)
        return result & 0xFFFFFFFF

    def within(self, what: str, *callbacks: str) -> None:
        """End the run unless the miniport is in one of `callbacks`."""
        if not set(callbacks) & set(self.callbacks):
            self.violation(f"{what} is called outside of {' and '.join(callbacks)}")

    # What each version does in its own way

    def initialize(self) -> Running[bool]:
        """Have the miniport initialise the adapter; False: it refuses."""
        raise NotImplementedError

    def make_nic(self) -> Nic:
        """Make what a protocol driver has of the adapter."""
        raise NotImplementedError

    def halt(self) -> Running[None]:
        """Have the miniport give the adapter back; no protocol driver is bound."""
        raise NotImplementedError

    def notify_removed(self) -> Running[None]:
        """Tell the miniport that its device is gone."""
        raise NotImplementedError

    def change_power(self, state: int) -> Running[None]:
        """Let the miniport follow its device into a DEVICE_POWER_STATE."""
        raise NotImplementedError

    def notify_shutdown(self) -> Running[None]:
        """Tell the miniport that the machine is shut down, if it wants to know."""
        raise NotImplementedError

    def notify_crash(self) -> Running[None]:
        """Tell the miniport at HIGH_LEVEL that Windows has stopped on a bug check, if it wants to know."""
        yield from self.notify_shutdown()

    def reset_completed(self, status: int, addressing_reset: bool) -> None:
        """The miniport has completed a reset that pended (NdisMResetComplete)."""
        raise NotImplementedError

    # Its life, as the PnP manager drives it

    def start(self, raw: int, translated: int) -> Steps:
        self._keep_resources(raw, translated)
        if not (yield from self.bring_up()):
            self._drop_resources()
            return Status.UNSUCCESSFUL
        return Status.SUCCESS

    def bring_up(self) -> Running[bool]:
        """Initialise the adapter, and let a protocol driver bind to it afterwards."""
        self.initialized = yield from self.initialize()
        if self.initialized:
            self.kernel.part(BugCheckCallbacks).records.append(self._bug_check)
            self.kernel.queue_work(self._bind, f"a protocol driver binds to {self.name}")
        return self.initialized

    def _bind(self) -> Steps:
        """Bind a protocol driver; it does without when the adapter goes, or has not the memory for it."""
        if self.initialized and not self.gone and not self.nic and not self._binding:
            nic = self.make_nic()
            self._binding = True
            try:
                yield from nic.open()
                self.nic = nic
            except OidError as error:
                self._check_refusal(error)
            self._binding = False
        return None

    def _check_refusal(self, error: OidError) -> None:
        if error.status in (NdisStatus.NOT_SUPPORTED, NdisStatus.INVALID_OID) and not self.gone:
            self.violation(f"a protocol driver cannot bind: {error}"[:-1])
        self.kernel.world.trace("ndis", f"no protocol driver binds: {error}", adapter=self.name)

    def take_down(self) -> Running[None]:
        """Unbind the protocol driver, and halt the adapter."""
        yield from self._wait(lambda: self._binding)
        nic, self.nic = self.nic, None
        if nic:
            yield from nic.close()
        if self.initialized:
            self.initialized = False
            self.kernel.part(BugCheckCallbacks).records.remove(self._bug_check)
            yield from self._wait(lambda: self._calls > 0)
            yield from self.halt()
            yield from self._wait(lambda: self._calls > 0)
            self._check_halted()
            left = nic.held() if nic else []
            if left:
                lines = "".join(f"\n  {each}" for each in left)
                self.violation(f"the adapter is halted, and this is still between miniport and protocol:{lines}")

    def _wait(self, lasts: Callable[[], bool]) -> Running[None]:
        """Let what is under way end: a call into the miniport by a thread that was preempted, for one."""
        while lasts():
            yield from self.kernel.sleep(_POLL_NS)

    def _check_halted(self) -> None:
        for timer in self.timers:
            if self.kernel.memory.is_mapped(timer) and timer_is_live(self.kernel, timer):
                self.violation("a timer of the adapter is still set, or about to run, when the adapter is halted")
        self.timers.clear()

    def stop(self) -> Steps:
        yield from self.take_down()
        self._drop_resources()
        return None

    def remove(self) -> Steps:
        yield from self.take_down()
        self._drop_resources()
        self.kernel.free(self._bug_check)
        self.kernel.part(Ndis).adapters.pop(self.handle, None)
        return None

    def surprise_remove(self) -> Steps:
        self.gone = True
        if self.initialized:
            yield from self.notify_removed()
        return None

    def set_power(self, state: int) -> Steps:
        yield from self.change_power(state)
        return None

    def shut_down(self) -> Steps:
        if self.initialized:
            yield from self.notify_shutdown()
        return None

    def _crash(self, _kernel: Kernel, _buffer: int, _length: int) -> Steps:
        yield from self.notify_crash()
        return None

    def unfinished(self) -> list[str]:
        """What is not given back, a line each, when all adapters are gone."""
        return [f"The adapter {self.name} was never removed."]

    def _keep_resources(self, raw: int, translated: int) -> None:
        """Copy the lists, which are the PnP manager's for as long as the request lasts."""
        node = self.kernel.part(PnpManager).node_of(self.pdo, "NDIS")
        copies = []
        for given, data in ((raw, node.raw), (translated, node.translated)):
            copies.append(self.kernel.alloc(len(data), "NdRe") if given else 0)
            if given:
                self.kernel.write(copies[-1], self.kernel.read(given, len(data)))
        self.resource_lists = copies[0], copies[1]

    def _drop_resources(self) -> None:
        for address in filter(None, self.resource_lists):
            self.kernel.free(address)
        self.resource_lists = (0, 0)
