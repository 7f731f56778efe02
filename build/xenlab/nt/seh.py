# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Structured exceptions: raised by kernel routines, found and handled by the __try of the drivers' C code.

Sources: Windows Driver Kit, "Handling Exceptions", ProbeForRead, ExRaiseStatus; Microsoft "Structured Exception
Handling (C/C++)", "x64 exception handling" (__C_specific_handler's scope table); x86: the registration record at FS:[0]
and the scope table of _except_handler3 (Matt Pietrek, "A Crash Course on the Depths of Win32 Structured Exception
Handling", Microsoft Systems Journal, January 1997).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from xenlab.cpu.machine import Saved
from xenlab.cpu.memory import WRITE, pages
from xenlab.errors import Violation
from xenlab.nt.codes import Status
from xenlab.nt.objects import layout, view
from xenlab.nt.routine import (
    APC_LEVEL,
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    SIZE_T,
    ULONG,
    Call,
    Steps,
    Wait,
    routine,
)
from xenlab.nt.unwind import REGISTERS, Frame, Unwinder

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_END_OF_CHAIN = 0xFFFFFFFF
_NO_TRY = 0xFFFFFFFF
_EXECUTE_HANDLER, _CONTINUE_SEARCH = 1, 0
_CONTEXT_SIZE = {"x64": 0x4D0, "x32": 0x2CC}
_HANDLERS = {"x64": ("__C_specific_handler",), "x32": ("_except_handler3", "_except_handler2")}
_RAISES = "An exception is raised"
_MOST_RECORDS = 256

Search = Generator[Call | Wait, int, None]


class Raised(Exception):
    """A routine raises an exception in the driver that called it."""

    def __init__(self, code: int, *parameters: int) -> None:
        super().__init__(hex(code))
        self.code = code & 0xFFFFFFFF
        self.parameters = parameters


class UserFault(Violation):
    """A driver touches an address of user mode that is not mapped: an exception, and without a __try the violation."""

    def __init__(self, what: str, stack: list[str], address: int, writes: bool) -> None:
        super().__init__(what, stack)
        self.address = address
        self.writes = writes


class Resume(Exception):
    """An exception is handled: the thread goes on with these registers, what it has called since is gone."""

    def __init__(self, depth: int, registers: Saved) -> None:
        super().__init__()
        self.depth = depth
        self.registers = registers


@dataclass
class _Exception:
    """One exception that looks for its handler. `depth`: the kernel frames that stay when it is found."""

    code: int
    pointers: int
    depth: int
    blocks: tuple[int, ...]


def dispatch_fault(kernel: Kernel, fault: UserFault, *, within_routine: bool) -> Steps:
    """Find who handles a fault of the driver's own instruction or, `within_routine`, of a routine that it has called.

    Raises:
        Resume: a handler is found.
        UserFault: none is.
    """
    raised = Raised(Status.ACCESS_VIOLATION, int(fault.writes), fault.address)
    exception, registers = _begin(kernel, raised)
    if kernel.arch == "x64":
        yield from _search_x64(kernel, exception, registers, within_routine)
    elif kernel.processor.exception_list != _END_OF_CHAIN:
        yield from _search_x32(kernel, exception, registers)
    raise fault


def dispatch(kernel: Kernel, raised: Raised) -> Steps:
    """Find who handles an exception that a routine raises, and let the thread go on there.

    Raises:
        Resume: a handler is found.
        Violation: none is (KMODE_EXCEPTION_NOT_HANDLED).
    """
    exception, registers = _begin(kernel, raised)
    if kernel.arch == "x64":
        yield from _search_x64(kernel, exception, registers, True)
    else:
        yield from _search_x32(kernel, exception, registers)
    kernel.machine.restore(registers)
    parameters = "".join(f", {each:#x}" for each in raised.parameters)
    kernel.violation(f"The exception {raised.code:#x}{parameters} is raised, and nobody handles it (bug check 0x1E).")
    return None


def _begin(kernel: Kernel, raised: Raised) -> tuple[_Exception, Saved]:
    frames = kernel.current_thread.frames
    registers = frames[-1].registers
    assert registers is not None
    return _make(kernel, raised, len(frames) - 1), registers


def _make(kernel: Kernel, raised: Raised, depth: int) -> _Exception:
    """Fill in EXCEPTION_POINTERS with a record; the context is blank but for what nobody needs more of."""
    record = view(kernel, "EXCEPTION_RECORD", kernel.alloc(layout("EXCEPTION_RECORD", kernel.arch).size, "Exce"))
    context = kernel.alloc(_CONTEXT_SIZE[kernel.arch], "Exce")
    pointers = kernel.alloc(2 * kernel.pointer_size, "Exce")
    record["ExceptionCode"], record["NumberParameters"] = raised.code, len(raised.parameters)
    record["ExceptionAddress"] = kernel.caller()
    for index, value in enumerate(raised.parameters):
        record.set_element("ExceptionInformation", index, value)
    kernel.put_ptr(pointers, record.address)
    kernel.put_ptr(pointers + kernel.pointer_size, context)
    return _Exception(raised.code, pointers, depth, (pointers, context, record.address))


def _handled(kernel: Kernel, exception: _Exception, registers: Saved) -> NoReturn:
    for block in exception.blocks:
        kernel.free(block)
    raise Resume(exception.depth, registers)


def _is_ours(kernel: Kernel, handler: int) -> bool:
    """Whether a handler is the C language's, imported: the export itself or a jump to it in the image."""
    known = [kernel.exported_address(_NTOS, name) for name in _HANDLERS[kernel.arch]]
    if handler in known:
        return True
    if kernel.memory.is_mapped(handler) and kernel.read(handler, 2) == b"\xff\x25":
        operand = int.from_bytes(kernel.read(handler + 2, 4), "little", signed=True)
        slot = handler + 6 + operand if kernel.arch == "x64" else operand & 0xFFFFFFFF
        return kernel.ptr(slot) in known
    return False


# x64


def _search_x64(kernel: Kernel, exception: _Exception, saved: Saved, within_routine: bool) -> Search:
    named = _named(kernel, saved)
    registers = {name: named[name] for name in REGISTERS}
    pc = named["rip"]
    if within_routine:
        pc = kernel.u64(registers["rsp"])
        registers["rsp"] += 8
    walked: list[Frame] = []
    for frame in kernel.part(Unwinder).frames(pc, registers):
        if frame.handler and not _is_ours(kernel, frame.handler):
            kernel.violation(f"{_RAISES} under a handler that the lab does not know, at {frame.handler:#x}.")
        for scope in frame.scopes:
            if not scope.begin <= frame.pc < scope.end or not scope.target:
                continue
            answer = _EXECUTE_HANDLER
            if scope.handler != _EXECUTE_HANDLER:
                answer = _signed((yield Call(scope.handler, exception.pointers, frame.establisher)))
            if answer < 0:
                _continue_refused(kernel)
            if answer > 0:
                yield from _terminate(walked, frame, scope.target)
                now = {**named, **frame.registers, "rip": scope.target, "rax": exception.code}
                _handled(kernel, exception, tuple(now.values()))
        walked.append(frame)


def _terminate(walked: list[Frame], last: Frame, target: int) -> Search:
    """Run each __finally between the exception and its handler."""
    for frame in (*walked, last):
        for scope in frame.scopes:
            if frame is last and scope.target == target:
                break
            if scope.begin <= frame.pc < scope.end and not scope.target:
                yield Call(scope.handler, 1, frame.establisher)


def _named(kernel: Kernel, saved: Saved) -> dict[str, int]:
    return dict(zip(kernel.machine.register_names, saved, strict=False))


# x86


def _search_x32(kernel: Kernel, exception: _Exception, saved: Saved) -> Search:
    record = kernel.processor.exception_list
    walked: list[int] = []
    for _ in range(_MOST_RECORDS):
        if record == _END_OF_CHAIN:
            return
        if not _is_ours(kernel, kernel.u32(record + 4)):
            kernel.violation(f"{_RAISES} under a handler that the lab does not know, at {kernel.u32(record + 4):#x}.")
        frame = record + 0x10
        level, table = kernel.u32(record + 12), kernel.u32(record + 8)
        kernel.put_u32(record - 4, exception.pointers)
        while level != _NO_TRY:
            enclosing, function, handler = (kernel.u32(table + 12 * level + 4 * word) for word in range(3))
            if function:
                kernel.machine.set({"ebp": frame})
                answer = _signed((yield Call(function)))
                if answer < 0:
                    _continue_refused(kernel)
                if answer > 0:
                    yield from _terminate_x32(kernel, [*walked, record], level)
                    kernel.put_u32(record + 12, enclosing)
                    kernel.processor.exception_list = record
                    named = _named(kernel, saved)
                    now = {**named, "eip": handler, "ebp": frame, "esp": kernel.u32(record - 8)}
                    _handled(kernel, exception, tuple(now.values()))
            level = enclosing
        walked.append(record)
        record = kernel.u32(record)
    kernel.violation(f"{_RAISES}, and the chain of handlers at FS:[0] has no end.")


def _terminate_x32(kernel: Kernel, records: list[int], until: int) -> Search:
    """_global_unwind2, and _local_unwind2 of the frame that handles the exception."""
    for record in records:
        table = kernel.u32(record + 8)
        while (level := kernel.u32(record + 12)) not in (_NO_TRY, until if record == records[-1] else _NO_TRY):
            enclosing, function, handler = (kernel.u32(table + 12 * level + 4 * word) for word in range(3))
            kernel.put_u32(record + 12, enclosing)
            if not function:
                kernel.machine.set({"ebp": record + 0x10})
                yield Call(handler)


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _continue_refused(kernel: Kernel) -> None:
    kernel.violation("A filter wants to go on after an exception that was raised for good (EXCEPTION_NONCONTINUABLE).")


def _by_the_kernel(kernel: Kernel) -> NTSTATUS:
    return kernel.violation("A language handler is called by a driver; it is for the kernel to call.")


for _name in ("__C_specific_handler", "_except_handler3", "_except_handler2"):
    routine(_NTOS, irql_max=HIGH_LEVEL, name=_name)(_by_the_kernel)


@routine(_NTOS, irql_max=APC_LEVEL)
def ProbeForRead(kernel: Kernel, address: PVOID, length: SIZE_T, alignment: ULONG) -> None:
    _probe(kernel, address, length, alignment)


@routine(_NTOS, irql_max=APC_LEVEL)
def ProbeForWrite(kernel: Kernel, address: PVOID, length: SIZE_T, alignment: ULONG) -> None:
    """Unlike ProbeForRead it touches each page; those of user mode are views of sections."""
    _probe(kernel, address, length, alignment)
    for page in pages(address, length) if length else ():
        if kernel.pager.is_out(page):
            kernel.pager.page_in(page)
        found = kernel.memory.page(page)
        if not found or not found[1] & WRITE:
            raise Raised(Status.ACCESS_VIOLATION, 1, max(page, address))


def _probe(kernel: Kernel, address: int, length: int, alignment: int) -> None:
    if alignment not in (1, 2, 4, 8, 16):
        kernel.violation(f"A probe for the alignment {alignment}, which is no power of two up to 16.")
    if not length:
        return
    if address & (alignment - 1):
        raise Raised(Status.DATATYPE_MISALIGNMENT)
    if address + length > kernel.ptr(kernel.exported_address(_NTOS, "MmUserProbeAddress")):
        raise Raised(Status.ACCESS_VIOLATION, 0, address)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ExRaiseStatus(kernel: Kernel, status: NTSTATUS) -> None:
    raise Raised(status)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ExRaiseAccessViolation(kernel: Kernel) -> None:
    raise Raised(Status.ACCESS_VIOLATION)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ExRaiseDatatypeMisalignment(kernel: Kernel) -> None:
    raise Raised(Status.DATATYPE_MISALIGNMENT)


@routine(_NTOS, irql_max=DISPATCH_LEVEL)
@routine(_NTOS, irql_max=DISPATCH_LEVEL, name="RtlRaiseException")
def ExRaiseException(kernel: Kernel, record: PVOID) -> None:
    given = view(kernel, "EXCEPTION_RECORD", record)
    count = given["NumberParameters"]
    raise Raised(given["ExceptionCode"], *(given.element("ExceptionInformation", index) for index in range(count)))
