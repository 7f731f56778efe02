# SPDX-License-Identifier: GPL-2.0-or-later
"""How a kernel routine is written in Python: a function, its types, and the IRQL that its documentation allows.

::

    @routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
    def KeSetEvent(kernel: Kernel, event: PVOID, increment: LONG, wait: BOOLEAN) -> LONG: ...

The annotations give each parameter's width, as a C prototype would: what lies above it in a register is garbage and is
cut off, and on x86 a LONGLONG takes two stack slots. PVOID, HANDLE and SIZE_T are as wide as a pointer. A function that
returns LONGLONG or ULONGLONG fills EDX:EAX on x86. On x86 the slots must add up to the stack bytes in the export table
(:mod:`gplpv.exports`), or registration fails.

A routine that calls into the guest or blocks is a generator, annotated ``-> Steps``::

    @routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
    def IofCallDriver(kernel: Kernel, device: PVOID, irp: PVOID) -> Steps:
        status = yield Call(dispatch, device, irp)
        yield Wait([event])
        return status

It never runs the emulator itself: the kernel resumes it when the guest function has returned or the wait is over.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from gplpv import exports
from gplpv.errors import GplpvError

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL = 0, 1, 2, 31


@dataclass(frozen=True)
class Width:
    """Size in bytes of a parameter or result (0: as wide as a pointer) and whether it has a sign."""

    size: int
    signed: bool = False


PVOID = Annotated[int, Width(0)]
HANDLE = Annotated[int, Width(0)]
SIZE_T = Annotated[int, Width(0)]
BOOLEAN = Annotated[int, Width(1)]
UCHAR = Annotated[int, Width(1)]
CCHAR = Annotated[int, Width(1, signed=True)]
USHORT = Annotated[int, Width(2)]
SHORT = Annotated[int, Width(2, signed=True)]
ULONG = Annotated[int, Width(4)]
LONG = Annotated[int, Width(4, signed=True)]
NTSTATUS = ULONG
ULONGLONG = Annotated[int, Width(8)]
LONGLONG = Annotated[int, Width(8, signed=True)]
PHYSICAL_ADDRESS = ULONGLONG


class Call:
    """Yielded by a generator: call the guest function at `address` (NTAPI); its result is sent back, unsigned.

    The kernel checks what the function owes its caller: stack pointer, preserved registers, IRQL.
    """

    __slots__ = ("address", "args")

    def __init__(self, address: int, *args: int) -> None:
        self.address = address
        self.args = args


class LockCall(Call):
    """A call of a function that is there to take or to release a lock: IRQL and held locks may differ afterwards."""

    __slots__ = ()


class CdeclCall(Call):
    """A call of a function that leaves its arguments on the stack (x86: __cdecl), such as qsort's comparison."""

    __slots__ = ()


@dataclass(frozen=True)
class Wait:
    """Yielded by a generator: block the thread on dispatcher objects; the NTSTATUS of the wait is sent back.

    Attributes:
        objects: their guest addresses; none: only the timeout.
        all: all of them must be signalled, not any one.
        timeout_100ns: None forever, 0 do not block, negative relative, positive absolute system time.
        alertable: an alert ends it; if it is in UserMode (`user`), so does an APC of user mode.
    """

    objects: Sequence[int] = ()
    all: bool = False
    timeout_100ns: int | None = None
    alertable: bool = False
    user: bool = False


Steps = Generator[Call | Wait, int, int | None]


class VarArgs:
    """The variable arguments of a cdecl routine, or a va_list: slots of pointer size one after another."""

    def __init__(self, kernel: Kernel, address: int) -> None:
        self._kernel = kernel
        self.address = address

    def u32(self) -> int:
        value = self._kernel.u32(self.address)
        self.address += self._kernel.pointer_size
        return value

    def u64(self) -> int:
        value = self._kernel.u64(self.address)
        self.address += 8
        return value

    def ptr(self) -> int:
        value = self._kernel.ptr(self.address)
        self.address += self._kernel.pointer_size
        return value


@dataclass(frozen=True)
class Routine:
    """A registered kernel routine, or (`data`) the maker of an exported variable's address.

    Attributes:
        pops: None: called by a convention. Else it takes and returns what it wants in registers, and its RET takes so
            many bytes off the stack: what compilers call by themselves.
    """

    module: str
    name: str
    function: Callable[..., Any]
    irql_max: int = HIGH_LEVEL
    irql_min: int = PASSIVE_LEVEL
    parameters: tuple[Width, ...] = ()
    varargs: bool = False
    wide_result: bool = False
    generator: bool = False
    data: bool = False
    export: exports.Export | None = field(default=None, compare=False)
    pops: int | None = None

    @property
    def convention(self) -> str:
        """How x86 calls it: stack bytes, ``f`` and bytes, ``c``, as in the export table."""
        return self.export.convention if self.export else "c"


_registered: dict[tuple[str, str], Routine] = {}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def routine(
    *modules: str, irql_max: int, irql_min: int = PASSIVE_LEVEL, name: str | None = None, pops: int | None = None
) -> Callable[[_Function], _Function]:
    """Register a function as an export of each of `modules` (where x86 and x64 differ, name both, such as
    ``"ntoskrnl.exe", "hal.dll"``), under `name` or its own. Stack decorators to give one function two names.
    `pops` is for those that work on registers: :attr:`Routine.pops`.

    Raises:
        GplpvError: no such module has such an export, it is registered already, or the stack bytes differ.
    """

    def register(function: _Function) -> _Function:
        hints = typing.get_type_hints(function, localns={"Kernel": object}, include_extras=True)
        parameters = [hints.get(each) for each in list(inspect.signature(function).parameters)[1:]]
        varargs = bool(parameters) and parameters[-1] is VarArgs
        widths = tuple(_width(function, hint) for hint in parameters[: len(parameters) - varargs])
        wide = _width_of(hints.get("return")) == 8
        for module in modules:
            export_name = name or function.__name__
            export = _export(module, export_name)
            made = Routine(
                module, export_name, function, irql_max, irql_min, widths, varargs, wide,
                inspect.isgeneratorfunction(function), False, export, pops,
            )  # fmt: skip
            _check_stack_bytes(made)
            _add(made)
        return function

    return register


def data_export(*modules: str, name: str | None = None) -> Callable[[_Function], _Function]:
    """Register ``function(kernel) -> address`` as the maker of an exported variable; it is called when first bound."""

    def register(function: _Function) -> _Function:
        for module in modules:
            export_name = name or function.__name__
            _add(Routine(module, export_name, function, data=True, export=_export(module, export_name)))
        return function

    return register


def find(module: str, name: str) -> Routine | None:
    """Return what is registered as `name` of `module` (any case), or None."""
    return _registered.get((module.lower(), name))


def has_any(module: str) -> bool:
    """Whether the lab has any export of `module` (any case)."""
    return any(known == module.lower() for known, _ in _registered)


def load_package(package: str = "xenlab.nt") -> None:
    """Import every module of a package, so that its routines are registered."""
    path = importlib.import_module(package).__path__
    for module in sorted(each.name for each in pkgutil.iter_modules(path)):
        importlib.import_module(f"{package}.{module}")


def _export(module: str, name: str) -> exports.Export:
    export = exports.load(module).exports.get(name)
    if not export:
        raise GplpvError(f"{name} is registered for {module}, whose export table lacks it.")
    return export


def _add(made: Routine) -> None:
    key = (made.module.lower(), made.name)
    if key in _registered:
        raise GplpvError(f"{made.name} of {made.module} is registered twice.")
    _registered[key] = made


def _width_of(hint: Any) -> int | None:
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Width)]
    return marks[0].size if marks else None


def _width(function: Callable[..., Any], hint: Any) -> Width:
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Width):
            return mark
    raise GplpvError(f"{function.__qualname__} has a parameter without one of routine.py's types: {hint}.")


def _check_stack_bytes(made: Routine) -> None:
    export = made.export
    if not export or not export.x32 or export.convention in ("c", "d"):
        return
    expected = int(export.convention.removeprefix("f"))
    takes = sum(8 if width.size == 8 else 4 for width in made.parameters)
    if takes != expected:
        raise GplpvError(f"{made.name} takes {takes} bytes of arguments, its export table says {expected}.")
