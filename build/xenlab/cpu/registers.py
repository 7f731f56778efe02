# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of registers read and written in one call.

Every kernel routine moves a handful, and unicorn's own Python wrapper spends more on each than the emulation does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import unicorn
from unicorn.unicorn_py3.unicorn import uclib

_SLOT = 2


class Registers:
    """Some registers of a machine, of up to 16 bytes each, by their unicorn numbers."""

    def __init__(self, uc: unicorn.Uc, numbers: Sequence[int]) -> None:
        count = len(numbers)
        self._handle = uc._uch
        self._count = count
        self._numbers = (ctypes.c_int * count)(*numbers)
        self._values = (ctypes.c_uint64 * (_SLOT * count))()
        start = ctypes.addressof(self._values)
        self._places = (ctypes.c_void_p * count)(*(start + 8 * _SLOT * index for index in range(count)))

    def read(self) -> tuple[int, ...]:
        """Return the values of registers of up to 8 bytes."""
        uclib.uc_reg_read_batch(self._handle, self._numbers, self._places, self._count)
        return tuple(self._values[::_SLOT])

    def write(self, values: Sequence[int]) -> None:
        self._values[::_SLOT] = list(values)
        uclib.uc_reg_write_batch(self._handle, self._numbers, self._places, self._count)

    def read_wide(self) -> tuple[int, ...]:
        """Return the values as pairs of 8 bytes, low half first."""
        uclib.uc_reg_read_batch(self._handle, self._numbers, self._places, self._count)
        return tuple(self._values)

    def write_wide(self, values: Sequence[int]) -> None:
        self._values[:] = list(values)
        uclib.uc_reg_write_batch(self._handle, self._numbers, self._places, self._count)
