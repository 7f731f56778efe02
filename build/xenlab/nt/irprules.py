# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that a request's way through the drivers must keep.

Source: Windows Driver Kit, "Driver Verifier: I/O Verification" and "Enhanced I/O Verification", "IRP_MN_..." pages of
the PnP and power requests ("Operation"), "Passing IRPs Down the Driver Stack", "Returning Status Values".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Major, Pnp, Power, Stack, Status, nt_success
from xenlab.nt.codes import describe as status_name
from xenlab.nt.objects import Struct
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL

if TYPE_CHECKING:
    from xenlab.nt.irp import Irps, Request, Visit

_AT_PASSIVE = {Major.PNP, Major.CREATE, Major.CLOSE, Major.CLEANUP, Major.SYSTEM_CONTROL, Major.SHUTDOWN}
_INVOKE = Stack.INVOKE_ON_SUCCESS | Stack.INVOKE_ON_ERROR | Stack.INVOKE_ON_CANCEL
_UNCHANGED = {Major.PNP, Major.POWER, Major.SYSTEM_CONTROL}
_MUST_NOT_FAIL = {
    Pnp.REMOVE_DEVICE, Pnp.SURPRISE_REMOVAL, Pnp.STOP_DEVICE, Pnp.CANCEL_STOP_DEVICE, Pnp.CANCEL_REMOVE_DEVICE,
}  # fmt: skip


# Who completes a request of a kind that the driver has no routine for: the I/O manager, in the driver's place.
ON_BEHALF = "IopInvalidDeviceRequest"


def describe(request: Request) -> str:
    """Return what the request asks for and who made it."""
    visits = request.visits
    what = _function(visits[0].major, visits[0].minor) if visits else "not sent yet"
    return f"IRP {request.address:#x}, {what}, of {request.maker}"


def check_call(irps: Irps, request: Request, device: int, number: int) -> None:
    """What must hold when a request is handed to a device's driver."""
    kernel = irps.kernel
    irp, stack = irps.irp(request.address), irps.location(request, number)
    major = stack["MajorFunction"]
    kernel.require_irql(PASSIVE_LEVEL if major in _AT_PASSIVE else DISPATCH_LEVEL, f"sending {_function(major, 0)}")
    if not irps.devices.find(device):
        kernel.violation(f"IofCallDriver sends {describe(request)} to {device:#x}, which is no device object.")
    if irp["CancelRoutine"]:
        kernel.violation(f"{describe(request)} is passed on with its cancel routine still set.")
    if not request.in_flight:
        if major in (Major.PNP, Major.POWER) and irp["IoStatus.Status"] != Status.NOT_SUPPORTED:
            kernel.violation(
                f"A new {_function(major, stack['MinorFunction'])} request starts with "
                f"{status_name(irp['IoStatus.Status'])}: its maker must set STATUS_NOT_SUPPORTED."
            )
        return
    above = irps.location(request, number + 1) if number < request.stack_count else None
    _check_forwarding(irps, request, stack, above)


def _check_forwarding(irps: Irps, request: Request, stack: Struct, above: Struct | None) -> None:
    visit = next(each for each in reversed(request.visits) if each.status is None)
    if visit.major in _UNCHANGED and (stack["MajorFunction"], stack["MinorFunction"]) != (visit.major, visit.minor):
        irps.violation(
            request,
            visit,
            f"passes {_function(visit.major, visit.minor)} on as "
            f"{_function(stack['MajorFunction'], stack['MinorFunction'])}: the next stack location was not prepared",
        )
    if above and stack["Control"] & above["Control"] & _INVOKE and _completion(stack) == _completion(above):
        irps.violation(request, visit, "copies the stack location with the completion routine of the driver above")


def _completion(stack: Struct) -> tuple[int, int]:
    return stack["CompletionRoutine"], stack["Context"]


def check_visit(irps: Irps, request: Request, visit: Visit) -> None:
    """What a dispatch routine returns must agree with what became of the request; asked when either is known."""
    if visit.returned is None:
        return
    if visit.status is None:
        if visit.returned != Status.PENDING:
            irps.violation(
                request,
                visit,
                f"returns {status_name(visit.returned)} for a request that it has not completed or passed on",
            )
        return
    if visit.returned == Status.PENDING and not visit.pending:
        irps.violation(request, visit, "returns STATUS_PENDING for a request that it has not marked pending")
    if visit.returned != Status.PENDING and visit.pending:
        irps.violation(
            request, visit, f"returns {status_name(visit.returned)} for a request that it has marked pending"
        )
    if visit.returned not in (Status.PENDING, visit.status):
        irps.violation(
            request,
            visit,
            f"returns {status_name(visit.returned)} for a request that is completed with {status_name(visit.status)}",
        )


def check_completion(irps: Irps, request: Request, irp: Struct, what: str) -> None:
    """What must hold when a driver completes a request."""
    kernel = irps.kernel
    kernel.require_irql(DISPATCH_LEVEL, what)
    number, status = irp["CurrentLocation"], irp["IoStatus.Status"]
    if number > request.stack_count + 1 or irp["StackCount"] != request.stack_count:
        kernel.bug_check(0x44, request.address)
    holder = next((each for each in reversed(request.visits) if each.status is None), None)
    if holder is None or (holder.location != number and number <= request.stack_count):
        kernel.violation(f"{what} completes {describe(request)}, which no driver has: it is completed already.")
    if what != ON_BEHALF:
        _check_holder(irps, request, holder)
    if status in (Status.PENDING, 0xFFFFFFFF):
        irps.violation(request, holder, f"completes a request with {status_name(status)}")
    if irp["CancelRoutine"]:
        irps.violation(request, holder, "completes a request whose cancel routine is still set")
    if holder.major == Major.PNP:
        _check_pnp(irps, request, holder, status)
    elif holder.major == Major.POWER:
        _check_power(irps, request, holder, status)
    elif holder.major == Major.SYSTEM_CONTROL and not holder.forwarded and not irps.devices.is_bottom(holder.device):
        irps.violation(request, holder, "completes a WMI request instead of passing it on")


def _check_holder(irps: Irps, request: Request, holder: Visit) -> None:
    """A driver completes only what it has: the caller's image is that of the driver whose turn it is."""
    kernel = irps.kernel
    caller = kernel.symbols.image_of(kernel.caller())
    owner = irps.devices.at(holder.device).driver
    if caller and owner.loaded and caller is not owner.loaded.image:
        kernel.violation(
            f"{caller.name} completes {describe(request)}, which {owner.service} has: it is completed already."
        )


def check_after_routine(irps: Irps, request: Request, routine: int, above: Struct | None, pending: bool) -> None:
    """What a completion routine that lets the request go on must have left."""
    if request.address not in irps.requests:
        irps.kernel.violation(f"The completion routine {routine:#x} has freed its IRP, but does not keep it.")
    if pending and above and not above["Control"] & Stack.PENDING_RETURNED:
        irps.kernel.violation(
            f"The completion routine {routine:#x} does not mark {describe(request)} pending, which the driver below "
            "had returned pending."
        )


def _check_pnp(irps: Irps, request: Request, holder: Visit, status: int) -> None:
    what = _function(Major.PNP, holder.minor)
    if holder.minor in _MUST_NOT_FAIL and not nt_success(status) and status != Status.NOT_SUPPORTED:
        irps.violation(request, holder, f"fails {what} with {status_name(status)}, which must not fail")
    if holder.forwarded or irps.devices.is_bottom(holder.device):
        return
    if (
        nt_success(status)
        or status == Status.NOT_SUPPORTED
        or holder.minor in _MUST_NOT_FAIL
        or holder.minor not in list(Pnp)
    ):
        irps.violation(request, holder, f"completes {what} with {status_name(status)} instead of passing it on")


def _check_power(irps: Irps, request: Request, holder: Visit, status: int) -> None:
    what = _function(Major.POWER, holder.minor)
    if holder.minor == Power.SET_POWER and not nt_success(status) and status != Status.NOT_SUPPORTED:
        irps.violation(request, holder, f"fails {what} with {status_name(status)}, which must not fail")
    if (
        not holder.forwarded
        and not irps.devices.is_bottom(holder.device)
        and (nt_success(status) or status == Status.NOT_SUPPORTED or holder.minor == Power.SET_POWER)
    ):
        irps.violation(request, holder, f"completes {what} with {status_name(status)} instead of passing it on")


def _function(major: int, minor: int) -> str:
    try:
        if major == Major.PNP:
            return f"IRP_MN_{Pnp(minor).name}"
        if major == Major.POWER:
            return f"IRP_MN_{Power(minor).name}"
        return f"IRP_MJ_{Major(major).name}"
    except ValueError:
        return f"major function 0x{major:02x}, minor 0x{minor:02x}"
