# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Which Windows this is, whether it is verified, and NTSTATUS values as Win32 knows them.

Source: Windows Driver Kit, RtlVerifyVersionInfo, VerSetConditionMask, RtlIsNtDdiVersionAvailable, MmIsVerifierEnabled,
MmIsDriverVerifying; "System Error Codes" for RtlNtStatusToDosError.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.routine import (
    APC_LEVEL,
    BOOLEAN,
    HIGH_LEVEL,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    UCHAR,
    ULONG,
    ULONGLONG,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_BUILDS = {(5, 0): 2195, (5, 1): 2600, (5, 2): 3790, (6, 0): 6001, (6, 1): 7601}
_MINOR, _MAJOR, _BUILD = 0x1, 0x2, 0x4
_BITS = 3
_COMPARE: dict[int, Callable[[int, int], bool]] = {
    1: operator.eq,
    2: operator.gt,
    3: operator.ge,
    4: operator.lt,
    5: operator.le,
}
_REVISION_MISMATCH = 0xC0000059
_NOT_MAPPED = 317
_DOS_ERRORS = {
    Status.SUCCESS: 0,
    Status.PENDING: 997,
    Status.BUFFER_OVERFLOW: 234,
    Status.NO_MORE_ENTRIES: 259,
    Status.NO_MORE_FILES: 18,
    Status.UNSUCCESSFUL: 31,
    Status.NOT_IMPLEMENTED: 1,
    Status.INVALID_HANDLE: 6,
    Status.INVALID_PARAMETER: 87,
    Status.NO_SUCH_DEVICE: 2,
    Status.NO_SUCH_FILE: 2,
    Status.INVALID_DEVICE_REQUEST: 1,
    Status.END_OF_FILE: 38,
    Status.NO_MEMORY: 8,
    Status.ACCESS_DENIED: 5,
    Status.BUFFER_TOO_SMALL: 122,
    Status.OBJECT_NAME_NOT_FOUND: 2,
    Status.OBJECT_PATH_NOT_FOUND: 3,
    Status.OBJECT_NAME_COLLISION: 183,
    Status.SHARING_VIOLATION: 32,
    Status.DELETE_PENDING: 5,
    Status.DISK_FULL: 112,
    Status.INSUFFICIENT_RESOURCES: 1450,
    Status.DEVICE_NOT_READY: 21,
    Status.NOT_SUPPORTED: 50,
    Status.CANCELLED: 995,
    Status.NOT_FOUND: 1168,
}


@routine(_NTOS, irql_max=HIGH_LEVEL)
def VerSetConditionMask(kernel: Kernel, mask: ULONGLONG, kind: ULONG, condition: UCHAR) -> ULONGLONG:
    place = (kind & -kind).bit_length() - 1
    return mask | (condition & 7) << place * _BITS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlVerifyVersionInfo(kernel: Kernel, wanted: PVOID, kinds: ULONG, mask: ULONGLONG) -> NTSTATUS:
    """Major and minor number are one number to the condition of the major; the build has one of its own."""
    major, minor, build = (kernel.u32(wanted + offset) for offset in (4, 8, 12))
    if not kinds & (_MINOR | _MAJOR | _BUILD):
        return Status.INVALID_PARAMETER
    checks = []
    if kinds & _MAJOR:
        asked = (major << 16) + (minor if kinds & _MINOR else kernel.nt[1])
        checks.append((1, (kernel.nt[0] << 16) + kernel.nt[1], asked))
    elif kinds & _MINOR:
        checks.append((0, kernel.nt[1], minor))
    if kinds & _BUILD:
        checks.append((2, _BUILDS[kernel.nt], build))
    for place, here, asked in checks:
        compare = _COMPARE.get(mask >> place * _BITS & 7)
        if compare is None:
            return Status.INVALID_PARAMETER
        if not compare(here, asked):
            return _REVISION_MISMATCH
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlIsNtDdiVersionAvailable(kernel: Kernel, version: ULONG) -> BOOLEAN:
    return int((version >> 24, version >> 16 & 0xFF) <= kernel.nt and not version & 0xFFFF)


@routine(_NTOS, irql_max=HIGH_LEVEL)
@routine(_NTOS, irql_max=HIGH_LEVEL, name="RtlNtStatusToDosErrorNoTeb")
def RtlNtStatusToDosError(kernel: Kernel, status: NTSTATUS) -> ULONG:
    return _DOS_ERRORS.get(Status(status), _NOT_MAPPED) if status in set(Status) else _NOT_MAPPED


@routine(_NTOS, irql_max=HIGH_LEVEL)
def MmIsThisAnNtAsSystem(kernel: Kernel) -> BOOLEAN:
    """A server: Windows Server 2003 and 2008, that is."""
    return int(kernel.nt in ((5, 2), (6, 0)))


@routine(_NTOS, irql_max=HIGH_LEVEL)
def MmQuerySystemSize(kernel: Kernel) -> ULONG:
    """MmLargeSystem."""
    return 2


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def MmIsVerifierEnabled(kernel: Kernel, flags: PVOID) -> NTSTATUS:
    """Special pool, forced IRQL checking, pool tracking and I/O verification: what the lab does all the time."""
    kernel.put_u32(flags, 0x1B)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def MmIsDriverVerifying(kernel: Kernel, driver: PVOID) -> ULONG:
    return 1
