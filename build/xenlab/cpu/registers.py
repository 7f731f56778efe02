# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of registers read and written in one call.

Every kernel routine moves a handful, and unicorn's own Python wrapper spends more on each than the emulation does.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

_WORD = (1 << 64) - 1
# Without declared types ctypes passes what is made for C already, and converts nothing at each call.
_untyped = ctypes.CFUNCTYPE(ctypes.c_int)
_read_batch = _untyped(ctypes.cast(uclib.uc_reg_read_batch, ctypes.c_void_p).value or 0)
_write_batch = _untyped(ctypes.cast(uclib.uc_reg_write_batch, ctypes.c_void_p).value or 0)
_write_one = _untyped(ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p).value or 0)


class Registers:
    """Some registers of a machine, by their unicorn numbers; `words`: how many times 8 bytes each of them has."""

    def __init__(self, uc: unicorn.Uc, numbers: Sequence[int], words: int = 1) -> None:
        count = len(numbers)
        self._values = (ctypes.c_uint64 * (words * count))()
        start = ctypes.addressof(self._values)
        self._held = (
            (ctypes.c_int * count)(*numbers),
            (ctypes.c_void_p * count)(*(start + 8 * words * index for index in range(count))),
        )
        pointers = (ctypes.c_void_p(ctypes.addressof(each)) for each in self._held)
        self._arguments = (ctypes.c_void_p(uc._uch.value), *pointers, ctypes.c_int(count))
        self._layout = struct.Struct(f"<{words * count}Q")
        self._first = (self._arguments[0], ctypes.c_int(numbers[0] if numbers else 0), ctypes.c_void_p(start))

    def read(self) -> tuple[int, ...]:
        """Return the values; of wider ones 8 bytes after 8 bytes, the lowest first."""
        _read_batch(*self._arguments)
        return self._layout.unpack_from(self._values)

    def write(self, values: Sequence[int]) -> None:
        """Write what :meth:`read` returns. What is negative or too wide is cut to 8 bytes."""
        try:
            self._layout.pack_into(self._values, 0, *values)
        except struct.error:
            self._layout.pack_into(self._values, 0, *(value & _WORD for value in values))
        _write_batch(*self._arguments)

    def write_alone(self, value: int) -> None:
        """Write the first one only. In a hook this is how to write the program counter: in a group it is not heeded."""
        self._values[0] = value
        _write_one(*self._first)
