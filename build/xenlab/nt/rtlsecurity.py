# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Security descriptors, SIDs and access control lists; and privileges, of which the system has all.

Source: Windows Driver Kit, RtlCreateSecurityDescriptor, RtlSetDaclSecurityDescriptor, RtlCreateAcl,
RtlAddAccessAllowedAce, RtlInitializeSid, SeSinglePrivilegeCheck; SECURITY_DESCRIPTOR, ACL, SID of its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.routine import (
    BOOLEAN,
    CCHAR,
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
_DACL_PRESENT, _DACL_DEFAULTED = 0x4, 0x8
_REVISION = 1
_ACL_REVISIONS = (2, 3, 4)
_ACL_HEADER, _ACE_HEADER, _MOST_SUB_AUTHORITIES = 8, 8, 15
_PARTS = ("owner", "group", "sacl", "dacl")


def _part(kernel: Kernel, descriptor: int, name: str) -> int:
    """Where an absolute SECURITY_DESCRIPTOR has one of its pointers."""
    start = 8 if kernel.arch == "x64" else 4
    return descriptor + start + _PARTS.index(name) * kernel.pointer_size


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCreateSecurityDescriptor(kernel: Kernel, descriptor: PVOID, revision: ULONG) -> NTSTATUS:
    if revision != _REVISION:
        return Status.INVALID_PARAMETER
    kernel.zero(descriptor, _part(kernel, 0, "dacl") + kernel.pointer_size)
    kernel.put_u8(descriptor, _REVISION)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlValidSecurityDescriptor(kernel: Kernel, descriptor: PVOID) -> BOOLEAN:
    return int(kernel.u8(descriptor) == _REVISION)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlLengthSecurityDescriptor(kernel: Kernel, descriptor: PVOID) -> ULONG:
    size = _part(kernel, 0, "dacl") + kernel.pointer_size
    for name in _PARTS:
        at = kernel.ptr(_part(kernel, descriptor, name))
        if at:
            size += (kernel.u16(at + 2) if name in ("sacl", "dacl") else _sid_size(kernel, at)) + 3 & ~3
    return size


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlSetDaclSecurityDescriptor(
    kernel: Kernel, descriptor: PVOID, present: BOOLEAN, dacl: PVOID, defaulted: BOOLEAN
) -> NTSTATUS:
    if kernel.u8(descriptor) != _REVISION:
        return Status.INVALID_PARAMETER
    control = kernel.u16(descriptor + 2) & ~(_DACL_PRESENT | _DACL_DEFAULTED)
    control |= (_DACL_PRESENT if present else 0) | (_DACL_DEFAULTED if present and defaulted else 0)
    kernel.put_u16(descriptor + 2, control)
    kernel.put_ptr(_part(kernel, descriptor, "dacl"), dacl if present else 0)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlGetDaclSecurityDescriptor(
    kernel: Kernel, descriptor: PVOID, present: PVOID, dacl: PVOID, defaulted: PVOID
) -> NTSTATUS:
    control = kernel.u16(descriptor + 2)
    kernel.put_u8(present, int(bool(control & _DACL_PRESENT)))
    if control & _DACL_PRESENT:
        kernel.put_ptr(dacl, kernel.ptr(_part(kernel, descriptor, "dacl")))
        kernel.put_u8(defaulted, int(bool(control & _DACL_DEFAULTED)))
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlSetOwnerSecurityDescriptor(kernel: Kernel, descriptor: PVOID, owner: PVOID, defaulted: BOOLEAN) -> NTSTATUS:
    kernel.put_ptr(_part(kernel, descriptor, "owner"), owner)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlSetGroupSecurityDescriptor(kernel: Kernel, descriptor: PVOID, group: PVOID, defaulted: BOOLEAN) -> NTSTATUS:
    kernel.put_ptr(_part(kernel, descriptor, "group"), group)
    return Status.SUCCESS


# SIDs


def _sid_size(kernel: Kernel, sid: int) -> int:
    return 8 + 4 * kernel.u8(sid + 1)


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlLengthRequiredSid(kernel: Kernel, count: ULONG) -> ULONG:
    return 8 + 4 * count


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlLengthSid(kernel: Kernel, sid: PVOID) -> ULONG:
    return _sid_size(kernel, sid)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlInitializeSid(kernel: Kernel, sid: PVOID, authority: PVOID, count: UCHAR) -> NTSTATUS:
    if count > _MOST_SUB_AUTHORITIES:
        return Status.INVALID_PARAMETER
    kernel.write(sid, bytes([1, count]) + kernel.read(authority, 6))
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlSubAuthoritySid(kernel: Kernel, sid: PVOID, index: ULONG) -> PVOID:
    return sid + 8 + 4 * index


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlSubAuthorityCountSid(kernel: Kernel, sid: PVOID) -> PVOID:
    return sid + 1


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlValidSid(kernel: Kernel, sid: PVOID) -> BOOLEAN:
    return int(kernel.u8(sid) == 1 and kernel.u8(sid + 1) <= _MOST_SUB_AUTHORITIES)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlEqualSid(kernel: Kernel, first: PVOID, second: PVOID) -> BOOLEAN:
    one, other = (kernel.read(each, _sid_size(kernel, each)) for each in (first, second))
    return int(one == other)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCopySid(kernel: Kernel, room: ULONG, to: PVOID, source: PVOID) -> NTSTATUS:
    size = _sid_size(kernel, source)
    if size > room:
        return Status.BUFFER_TOO_SMALL
    kernel.write(to, kernel.read(source, size))
    return Status.SUCCESS


# Access control lists


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlCreateAcl(kernel: Kernel, acl: PVOID, length: ULONG, revision: ULONG) -> NTSTATUS:
    if length < _ACL_HEADER:
        return Status.BUFFER_TOO_SMALL
    if revision not in _ACL_REVISIONS or length > 0xFFFF:
        return Status.INVALID_PARAMETER
    kernel.zero(acl, _ACL_HEADER)
    kernel.put_u8(acl, revision)
    kernel.put_u16(acl + 2, length & ~3)
    return Status.SUCCESS


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def RtlAddAccessAllowedAce(kernel: Kernel, acl: PVOID, revision: ULONG, mask: ULONG, sid: PVOID) -> NTSTATUS:
    count, at = kernel.u16(acl + 4), acl + _ACL_HEADER
    for _ in range(count):
        at += kernel.u16(at + 2)
    size = _ACE_HEADER + _sid_size(kernel, sid)
    if at + size > acl + kernel.u16(acl + 2):
        return Status.ALLOTTED_SPACE_EXCEEDED
    kernel.write(at, bytes([0, 0]) + size.to_bytes(2, "little") + mask.to_bytes(4, "little"))
    kernel.write(at + _ACE_HEADER, kernel.read(sid, size - _ACE_HEADER))
    kernel.put_u16(acl + 4, count + 1)
    return Status.SUCCESS


@routine(_NTOS, irql_max=HIGH_LEVEL)
def RtlMapGenericMask(kernel: Kernel, mask: PVOID, mapping: PVOID) -> None:
    """GENERIC_MAPPING: read, write, execute, all."""
    value = kernel.u32(mask)
    for index in range(4):
        if value >> (31 - index) & 1:
            value |= kernel.u32(mapping + 4 * index)
    kernel.put_u32(mask, value & 0x0FFFFFFF)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def SeSinglePrivilegeCheck(kernel: Kernel, privilege: ULONGLONG, mode: CCHAR) -> BOOLEAN:
    return 1
