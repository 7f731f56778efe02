# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG002 - an answer takes what every answer takes
"""Kernel-side drivers: what a bus driver or a function driver of the lab's own machine is made of.

They have real driver and device objects and get real requests, so that a guest driver above or below one cannot tell.
A request is answered at once or later, at PASSIVE_LEVEL or DISPATCH_LEVEL, as chance has it: all of it is allowed, and
drivers must cope. Function addresses that a guest may call are traps.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from gplpv.exports import Export
from xenlab.nt.codes import Major, Power, Stack, Status
from xenlab.nt.io import Devices, Driver
from xenlab.nt.irp import Irps, Request
from xenlab.nt.irpcalls import forward_and_wait
from xenlab.nt.objects import Struct
from xenlab.nt.power import PowerManager
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, Call, Routine, Steps, Wait, Width

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

Answer = Generator[Call | Wait, int, int]
_LONGEST_DELAY_NS = 3_000_000


class KernelDriver:
    """A driver in Python; a subclass says what it does with each major function.

    Attributes:
        driver: its driver object.
    """

    def __init__(self, kernel: Kernel, service: str) -> None:
        self.kernel = kernel
        self.irps = kernel.part(Irps)
        self.devices = kernel.part(Devices)
        self.power = kernel.part(PowerManager)
        self.driver: Driver = self.devices.add_driver(service, python=self)

    def dispatch(self, device: int, request: Request) -> Answer:
        stack = self.irps.current(request.address)
        if stack["MajorFunction"] == Major.PNP:
            return (yield from self.pnp(device, request, stack))
        if stack["MajorFunction"] == Major.POWER:
            return (yield from self.do_power(device, request, stack))
        if stack["MajorFunction"] == Major.SYSTEM_CONTROL:
            return (yield from self.unhandled(device, request))
        return (yield from self.finish(request, Status.INVALID_DEVICE_REQUEST))

    def pnp(self, device: int, request: Request, stack: Struct) -> Answer:
        raise NotImplementedError

    def do_power(self, device: int, request: Request, stack: Struct) -> Answer:
        raise NotImplementedError

    def unhandled(self, device: int, request: Request) -> Answer:
        raise NotImplementedError

    def finish(self, request: Request, status: int, information: int | None = None) -> Answer:
        """Complete the request now."""
        irp = self.irps.irp(request.address)
        irp["IoStatus.Status"] = status
        if information is not None:
            irp["IoStatus.Information"] = information
        yield from self.irps.complete(request)
        return status

    def finish_sometime(self, request: Request, status: int, information: int | None = None) -> Answer:
        """Complete the request now or, as chance has it, later."""
        random = self.kernel.world.random
        if random.random() < 0.5:
            return (yield from self.finish(request, status, information))
        self.irps.current(request.address)["Control"] |= Stack.PENDING_RETURNED
        queue = random.choice((self.kernel.queue_call, self.kernel.queue_work))

        def late() -> Steps:
            yield from self.finish(request, status, information)
            return None

        self.kernel.world.at(
            random.randrange(_LONGEST_DELAY_NS), lambda: queue(late, "a late completion"), "completion"
        )
        return Status.PENDING


class LowestDriver(KernelDriver):
    """A driver whose devices lie at the bottom of a stack: requests end here, unknown ones as they came."""

    def unhandled(self, device: int, request: Request) -> Answer:
        status = self.irps.irp(request.address)["IoStatus.Status"]
        return (yield from self.finish(request, status))

    def do_power(self, device: int, request: Request, stack: Struct) -> Answer:
        minor = stack["MinorFunction"]
        if minor == Power.SET_POWER and stack["Parameters.Power.Type"] == 1:
            self.power.report(device, 1, stack["Parameters.Power.State.DeviceState"])
        yield from self.power.start_next(request)
        if minor in (Power.SET_POWER, Power.QUERY_POWER):
            return (yield from self.finish_sometime(request, Status.SUCCESS))
        return (yield from self.unhandled(device, request))


class UpperDriver(KernelDriver):
    """A driver that is attached over others: what it does not handle goes down untouched."""

    def lower(self, device: int) -> int:
        below = self.devices.at(device).lower
        assert below is not None
        return below.address

    def unhandled(self, device: int, request: Request) -> Answer:
        self.skip(request)
        return (yield from self.irps.call(self.lower(device), request))

    def do_power(self, device: int, request: Request, stack: Struct) -> Answer:
        yield from self.power.start_next(request)
        self.skip(request)
        return (yield from self.power.call(self.lower(device), request))

    def skip(self, request: Request) -> None:
        """IoSkipCurrentIrpStackLocation."""
        irp = self.irps.irp(request.address)
        irp["CurrentLocation"] += 1
        irp["Tail.Overlay.CurrentStackLocation"] += self.irps.stack_size

    def below_first(self, device: int, request: Request) -> Answer:
        """Send the request down and wait for it; returns its status, and the request is this driver's to finish."""
        self.irps.copy_to_next(request)
        return ((yield from forward_and_wait(self.kernel, self.lower(device), request)) or 0) & 0xFFFFFFFF


def guest_function(
    kernel: Kernel,
    name: str,
    function: Callable[..., Any],
    widths: tuple[int, ...],
    irql_max: int = DISPATCH_LEVEL,
    irql_min: int = PASSIVE_LEVEL,
    wide_result: bool = False,
) -> int:
    """Return an address at which a guest calls ``function(kernel, *arguments)``; `widths` are the arguments' bytes.

    0 stands for the width of a pointer. On x86 it is called as stdcall; `wide_result`: EDX:EAX hold what it returns.
    """
    stack_bytes = sum(8 if width == 8 else 4 for width in widths)
    made = Routine(
        "lab",
        name,
        function,
        irql_max,
        irql_min,
        tuple(Width(width) for width in widths),
        wide_result=wide_result,
        generator=inspect.isgeneratorfunction(function),
        export=Export(name, str(stack_bytes), (5, 0), (5, 2)),
    )
    return kernel.bind(made)
