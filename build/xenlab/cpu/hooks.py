# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that unicorn calls while the guest runs, without the layers of its Python wrapper in between.

An exception must not run through unicorn's C code: it stops the emulation and is raised by :meth:`Hooks.run`. The TLB
is emptied once before the guest goes on, however often that was asked for.
Source: unicorn's ``unicorn.h`` and ``x86.h`` for the types of callbacks.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import Any

import unicorn
from unicorn import unicorn_const as uc_const
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import uclib

_void_p, _u32, _u64, _int = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int
# The engine and what hook_add was given come first and last in each, and are of no use here.
_TYPES: dict[int, Any] = {
    uc_const.UC_HOOK_TLB_FILL: ctypes.CFUNCTYPE(ctypes.c_bool, _void_p, _u64, _int, _void_p, _void_p),
    uc_const.UC_HOOK_INTR: ctypes.CFUNCTYPE(None, _void_p, _u32, _void_p),
    uc_const.UC_HOOK_INSN_INVALID: ctypes.CFUNCTYPE(ctypes.c_bool, _void_p, _void_p),
    uc_const.UC_HOOK_CODE: ctypes.CFUNCTYPE(None, _void_p, _u64, _u32, _void_p),
}
_INSTRUCTIONS: dict[int, Any] = {
    x86.UC_X86_INS_SYSCALL: ctypes.CFUNCTYPE(None, _void_p, _void_p),
    x86.UC_X86_INS_SYSENTER: ctypes.CFUNCTYPE(None, _void_p, _void_p),
    x86.UC_X86_INS_CPUID: ctypes.CFUNCTYPE(_u32, _void_p, _void_p),
    x86.UC_X86_INS_IN: ctypes.CFUNCTYPE(_u32, _void_p, _u32, _int, _void_p),
    x86.UC_X86_INS_OUT: ctypes.CFUNCTYPE(None, _void_p, _u32, _int, _u32, _void_p),
}


# A function of C that is given more than it declares leaves the rest where it is.
_COUNT = ctypes.CFUNCTYPE(None)


class TlbEntry(ctypes.Structure):
    """What a hook of ``UC_HOOK_TLB_FILL`` fills in (``uc_tlb_entry``)."""

    _fields_ = (("paddr", _u64), ("perms", _u32))


class Hooks:
    """The hooks of one engine.

    Attributes:
        stale: the TLB must be emptied before the guest goes on.
    """

    def __init__(self, uc: unicorn.Uc, empty_tlb: Callable[[], None]) -> None:
        self._engine = uc._uch
        self._empty_tlb = empty_tlb
        self.stale = False
        self._failure: BaseException | None = None
        self._callbacks: dict[int, Any] = {}
        self._counters: dict[int, itertools.count[int]] = {}

    def add(self, kind: int, function: Callable[..., Any], first: int = 1, last: int = 0, instruction: int = 0) -> int:
        """Have `function` called with the engine, what the kind of hook tells, and 0; returns a handle for
        :meth:`remove`. It is told of addresses `first` to `last`, or of all where these are in reverse."""

        def guarded(*arguments: Any) -> Any:
            try:
                answer = function(*arguments)
                if self.stale:
                    self.refresh()
                return answer
            except BaseException as error:
                self._failure = self._failure or error
                uclib.uc_emu_stop(self._engine)
                return 0

        of_instruction = kind == uc_const.UC_HOOK_INSN
        callback = (_INSTRUCTIONS[instruction] if of_instruction else _TYPES[kind])(guarded)
        return self._add(kind, callback, first, last, instruction)

    def count(self, first: int, last: int) -> int:
        """Count the instructions that are run at addresses `first` to `last`; :meth:`counted` takes the handle."""
        counter = itertools.count()
        handle = self._add(uc_const.UC_HOOK_CODE, _COUNT(counter.__next__), first, last)
        self._counters[handle] = counter
        return handle

    def counted(self, handle: int) -> int:
        """Stop counting; return how many there were."""
        self.remove(handle)
        return next(self._counters.pop(handle))

    def _add(self, kind: int, callback: Any, first: int, last: int, instruction: int = 0) -> int:
        of_instruction = kind == uc_const.UC_HOOK_INSN
        handle = ctypes.c_size_t()
        more = [_int(instruction)] if of_instruction else []
        status = uclib.uc_hook_add(
            self._engine, ctypes.byref(handle), kind, ctypes.cast(callback, _void_p), None, _u64(first), _u64(last),
            *more,
        )  # fmt: skip
        if status != uc_const.UC_ERR_OK:
            raise unicorn.UcError(status)
        self._callbacks[handle.value] = callback
        return handle.value

    def remove(self, handle: int) -> None:
        uclib.uc_hook_del(self._engine, handle)
        del self._callbacks[handle]

    def refresh(self) -> None:
        """Empty the TLB."""
        self.stale = False
        self._empty_tlb()

    def run(self, address: int, instructions: int) -> None:
        """Run code from `address` on, for at most so many instructions.

        Raises:
            BaseException: what a hook has raised, the first of them.
            UcError: the processor cannot go on.
        """
        if self.stale:
            self.refresh()
        status = uclib.uc_emu_start(self._engine, address, 0, 0, instructions)
        failure, self._failure = self._failure, None
        if failure:
            raise failure
        if status != uc_const.UC_ERR_OK:
            raise unicorn.UcError(status)
