# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The run-time library's short ways to the registry: RtlQueryRegistryValues and its relatives.

Source: Windows Driver Kit, the page of each routine.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status, nt_success
from xenlab.nt.objects import Struct, layout, view
from xenlab.nt.registry import Key, RegType, Value
from xenlab.nt.routine import NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, Call, Steps, Wait, routine
from xenlab.nt.rtl import wide
from xenlab.nt.zwkey import KernelRegistry

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_CONTROL_SET = r"\Registry\Machine\System\CurrentControlSet"
_ROOTS = (
    "",
    rf"{_CONTROL_SET}\Services",
    rf"{_CONTROL_SET}\Control",
    r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion",
    r"\Registry\Machine\Hardware\DeviceMap",
    r"\Registry\User\.Default",
)
_HANDLE, _OPTIONAL = 0x40000000, 0x80000000
_SUBKEY, _TOPKEY, _REQUIRED, _NOVALUE, _NOEXPAND, _DIRECT, _DELETE = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40
_TEXTS = (RegType.SZ, RegType.EXPAND_SZ)


def _key(kernel: Kernel, relative_to: int, path: int) -> Key | int:
    """Return the key that RelativeTo and Path name, or a status. A handle comes in place of the path."""
    registry = kernel.part(KernelRegistry)
    if relative_to & _HANDLE:
        return registry.key(path)
    which = relative_to & ~_OPTIONAL
    if which >= len(_ROOTS):
        return Status.INVALID_PARAMETER
    key = registry.tree.find(f"{_ROOTS[which]}\\{kernel.wide_string(path)}" if which else kernel.wide_string(path))
    return key or Status.OBJECT_NAME_NOT_FOUND


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def RtlCheckRegistryKey(kernel: Kernel, relative_to: ULONG, path: PVOID) -> NTSTATUS:
    key = _key(kernel, relative_to, path)
    return key if isinstance(key, int) else Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def RtlCreateRegistryKey(kernel: Kernel, relative_to: ULONG, path: PVOID) -> NTSTATUS:
    which = relative_to & ~_OPTIONAL
    if which >= len(_ROOTS):
        return Status.INVALID_PARAMETER
    tree = kernel.part(KernelRegistry).tree
    tree.create(f"{_ROOTS[which]}\\{kernel.wide_string(path)}" if which else kernel.wide_string(path))
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def RtlWriteRegistryValue(
    kernel: Kernel, relative_to: ULONG, path: PVOID, name: PVOID, kind: ULONG, data: PVOID, size: ULONG
) -> NTSTATUS:
    key = _key(kernel, relative_to, path)
    if isinstance(key, int):
        return key
    key.put(Value(kernel.wide_string(name), kind, kernel.read(data, size) if size else b""))
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def RtlDeleteRegistryValue(kernel: Kernel, relative_to: ULONG, path: PVOID, name: PVOID) -> NTSTATUS:
    key = _key(kernel, relative_to, path)
    if isinstance(key, int):
        return key
    removed = key.values.pop(kernel.wide_string(name).lower(), None)
    return Status.SUCCESS if removed else Status.OBJECT_NAME_NOT_FOUND


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def RtlQueryRegistryValues(
    kernel: Kernel, relative_to: ULONG, path: PVOID, table: PVOID, context: PVOID, environment: PVOID
) -> Steps:
    """Goes through the table until an entry has neither a name nor a routine."""
    top = _key(kernel, relative_to, path)
    if isinstance(top, int):
        return top
    key = top
    size = layout("RTL_QUERY_REGISTRY_TABLE", kernel.arch).size
    while True:
        entry = view(kernel, "RTL_QUERY_REGISTRY_TABLE", table)
        table += size
        flags, name = entry["Flags"], entry["Name"]
        if not name and not entry["QueryRoutine"] and not flags & (_SUBKEY | _DIRECT):
            return Status.SUCCESS
        if flags & _TOPKEY:
            key = top
        if flags & _SUBKEY:
            found = top.find(kernel.wide_string(name))
            if not found:
                if flags & _REQUIRED:
                    return Status.OBJECT_NAME_NOT_FOUND
                continue
            key = found
            continue
        status = yield from _query(kernel, key, entry, context)
        if not nt_success(status):
            return status


def _query(kernel: Kernel, key: Key, entry: Struct, context: int) -> Generator[Call | Wait, int, int]:
    """Deal with one entry that names a value, or stands for all values."""
    flags = entry["Flags"]
    if not entry["Name"]:
        for each in list(key.values.values()):
            status = yield from _hand_over(kernel, each, entry, context)
            if not nt_success(status):
                return status
        return Status.SUCCESS
    name = kernel.wide_string(entry["Name"])
    value = key.get(name)
    if not value and entry["DefaultType"]:
        value = _default(kernel, name, entry)
    if not value:
        return Status.OBJECT_NAME_NOT_FOUND if flags & _REQUIRED else Status.SUCCESS
    status = yield from _hand_over(kernel, value, entry, context)
    if nt_success(status) and flags & _DELETE:
        key.values.pop(name.lower(), None)
    return status


def _default(kernel: Kernel, name: str, entry: Struct) -> Value:
    """A length of 0 means a string that ends where it ends."""
    kind = entry["DefaultType"] & 0xFF
    if not entry["DefaultLength"] and kind in _TEXTS:
        return Value(name, kind, f"{kernel.wide_string(entry['DefaultData'])}\0".encode("utf-16-le"))
    return Value(name, kind, kernel.read(entry["DefaultData"], entry["DefaultLength"]))


def _hand_over(kernel: Kernel, value: Value, entry: Struct, context: int) -> Generator[Call | Wait, int, int]:
    """Give a value to the query routine, string by string for a REG_MULTI_SZ, or store it directly."""
    flags, kind = entry["Flags"], value.type
    if flags & _DIRECT:
        return _store(kernel, value, entry)
    if kind == RegType.MULTI_SZ and not flags & _NOEXPAND:
        parts = [(int(RegType.SZ), f"{text}\0".encode("utf-16-le")) for text in value.texts()]
    else:
        parts = [(kind, value.data)]
    for part_kind, data in parts:
        name = f"{value.name}\0".encode("utf-16-le")
        block = kernel.alloc(len(name) + len(data) + 8, "RegQ", paged=True)
        start = -(-len(name) // 8) * 8
        kernel.write(block, name.ljust(start, b"\0") + data)
        status = yield Call(
            entry["QueryRoutine"], block, part_kind, block + start, len(data), context, entry["EntryContext"]
        )
        kernel.free(block)
        if not nt_success(status & 0xFFFFFFFF):
            return status & 0xFFFFFFFF
    return Status.SUCCESS


def _store(kernel: Kernel, value: Value, entry: Struct) -> int:
    """RTL_QUERY_REGISTRY_DIRECT: strings to a UNICODE_STRING, numbers as they are, all else behind its length."""
    where = entry["EntryContext"]
    if value.type in (*_TEXTS, RegType.MULTI_SZ):
        made = wide(kernel, where)
        if not made["Buffer"]:
            made["Buffer"] = kernel.pool.allocate(max(len(value.data), 2), "Strg", True)
            if not made["Buffer"]:
                return Status.NO_MEMORY
            made["MaximumLength"] = len(value.data)
        if len(value.data) > made["MaximumLength"]:
            return Status.BUFFER_TOO_SMALL
        kernel.write(made["Buffer"], value.data)
        made["Length"] = max(len(value.data) - 2, 0)
    elif len(value.data) <= 4:
        kernel.write(where, value.data)
    else:
        room = -kernel.i32(where) if kernel.i32(where) < 0 else kernel.u32(where)
        if len(value.data) > room:
            return Status.BUFFER_TOO_SMALL
        kernel.write(where, value.data if kernel.i32(where) < 0 else _counted(value))
    return Status.SUCCESS


def _counted(value: Value) -> bytes:
    return len(value.data).to_bytes(4, "little") + value.type.to_bytes(4, "little") + value.data
