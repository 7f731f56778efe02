# SPDX-License-Identifier: GPL-2.0-or-later

"""Run-time library: seconds since 1970 and 1980, elapsed times, random numbers, time zones (the lab lives in UTC).

Source: Windows Driver Kit, RtlTimeToSecondsSince1970 and its relatives, RtlRandom, ExSystemTimeToLocalTime.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xenlab.nt.objects import view
from xenlab.nt.routine import BOOLEAN, HIGH_LEVEL, PASSIVE_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_PER_SECOND = 10_000_000
_1601 = datetime.datetime(1601, 1, 1)
_LARGEST_RANDOM = 0x7FFFFFFF


def _since(year: int) -> int:
    return int((datetime.datetime(year, 1, 1) - _1601).total_seconds())


def _to_seconds(year: int) -> Callable[..., Any]:
    def function(kernel: Kernel, time: PVOID, seconds: PVOID) -> BOOLEAN:
        value = int.from_bytes(kernel.read(time, 8), "little", signed=True) // _PER_SECOND - _since(year)
        if not 0 <= value <= 0xFFFFFFFF:
            return 0
        kernel.put_u32(seconds, value)
        return 1

    return function


def _from_seconds(year: int) -> Callable[..., Any]:
    def function(kernel: Kernel, seconds: ULONG, time: PVOID) -> None:
        kernel.put_u64(time, (seconds + _since(year)) * _PER_SECOND)

    return function


for _year in (1970, 1980):
    routine(_NTOS, irql_max=HIGH_LEVEL, name=f"RtlTimeToSecondsSince{_year}")(_to_seconds(_year))
    routine(_NTOS, irql_max=HIGH_LEVEL, name=f"RtlSecondsSince{_year}ToTime")(_from_seconds(_year))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlTimeToElapsedTimeFields(kernel: Kernel, time: PVOID, fields: PVOID) -> None:
    """Year and month are 0; the days are all of them."""
    milliseconds = kernel.u64(time) // 10_000
    made = view(kernel, "TIME_FIELDS", fields)
    made.clear()
    for name, size in (("Milliseconds", 1000), ("Second", 60), ("Minute", 60), ("Hour", 24)):
        milliseconds, made[name] = divmod(milliseconds, size)
    made["Day"] = milliseconds


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="RtlRandomEx")
def RtlRandom(kernel: Kernel, seed: PVOID) -> ULONG:
    """The seed changes with each call, so that the next number is another."""
    value = (kernel.u32(seed) * _LARGEST_RANDOM + 0x7FFFFFC3) % _LARGEST_RANDOM
    kernel.put_u32(seed, value)
    return value


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="ExLocalTimeToSystemTime")
def ExSystemTimeToLocalTime(kernel: Kernel, given: PVOID, result: PVOID) -> None:
    kernel.put_u64(result, kernel.u64(given))
