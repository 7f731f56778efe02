# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The registry as drivers reach it: ZwOpenKey and its relatives.

Source: Windows Driver Kit, the page of each routine. A handle that names a deleted key, or something that is no key,
gets the status that Windows gives; a buffer that is too short gets as much as the documentation promises.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.ob import OBJ_KERNEL_HANDLE, Object, ObjectManager, object_name
from xenlab.nt.registry import Key, Registry, Value
from xenlab.nt.routine import HANDLE, NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_VOLATILE = 0x1
_CREATED_NEW, _OPENED_EXISTING = 1, 2
_BASIC, _NODE, _FULL, _PARTIAL, _FULL_ALIGN64, _PARTIAL_ALIGN64 = 0, 1, 2, 2, 3, 4


class KernelRegistry:
    """The registry of one kernel and the objects that its open keys are."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.tree = Registry()
        self._objects = kernel.part(ObjectManager)

    def open(self, key: Key, access: int = 0, kernel_handle: bool = True) -> int:
        """Return a new handle to a key."""
        made = Object("Key", payload=key, references=0)
        return self._objects.open(made, access, kernel_handle)

    def key(self, handle: int) -> Key | int:
        """Return the key that a handle names, or the status why it names none."""
        opened = self._objects.lookup(handle)
        if not opened:
            return Status.INVALID_HANDLE
        if not isinstance(opened.object.payload, Key):
            return Status.OBJECT_TYPE_MISMATCH
        return Status.KEY_DELETED if opened.object.payload.deleted else opened.object.payload

    def find(self, attributes: int) -> tuple[Key, str] | int:
        """Return the key that a path in OBJECT_ATTRIBUTES begins at and the rest of the path, or a status."""
        name, root, _ = object_name(self.kernel, attributes)
        if root:
            key = self.key(root)
            if isinstance(key, int):
                return key
            return Status.OBJECT_PATH_SYNTAX_BAD if name.startswith("\\") else (key, name)
        if not name.startswith("\\"):
            return Status.OBJECT_PATH_SYNTAX_BAD
        first = name.split("\\")[1].lower()
        return (self.tree.root, name) if first == "registry" else Status.OBJECT_NAME_NOT_FOUND


def open_key(kernel: Kernel, result: int, access: int, attributes: int) -> int:
    registry = kernel.part(KernelRegistry)
    found = registry.find(attributes)
    if isinstance(found, int):
        return found
    key = found[0].find(found[1])
    if not key:
        return Status.OBJECT_NAME_NOT_FOUND
    flags = object_name(kernel, attributes)[2]
    kernel.put_ptr(result, registry.open(key, access, bool(flags & OBJ_KERNEL_HANDLE)))
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwOpenKey(kernel: Kernel, result: PVOID, access: ULONG, attributes: PVOID) -> NTSTATUS:
    return open_key(kernel, result, access, attributes)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwCreateKey(
    kernel: Kernel,
    result: PVOID,
    access: ULONG,
    attributes: PVOID,
    title: ULONG,
    class_name: PVOID,
    options: ULONG,
    disposition: PVOID,
) -> NTSTATUS:
    """Makes one level: the key above must exist."""
    registry = kernel.part(KernelRegistry)
    found = registry.find(attributes)
    if isinstance(found, int):
        return found
    start, path = found
    key, how = start.find(path), _OPENED_EXISTING
    if not key:
        above, _, leaf = path.rstrip("\\").rpartition("\\")
        parent = start.find(above)
        if not parent or parent is registry.tree.root:
            return Status.OBJECT_NAME_NOT_FOUND
        if parent.volatile and not options & _VOLATILE:
            return Status.CHILD_MUST_BE_VOLATILE
        key, how = parent.create(leaf, bool(options & _VOLATILE)), _CREATED_NEW
    if disposition:
        kernel.put_u32(disposition, how)
    flags = object_name(kernel, attributes)[2]
    kernel.put_ptr(result, registry.open(key, access, bool(flags & OBJ_KERNEL_HANDLE)))
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwDeleteKey(kernel: Kernel, handle: HANDLE) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    if isinstance(key, int):
        return key
    if key.keys:
        return Status.CANNOT_DELETE
    key.delete()
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwFlushKey(kernel: Kernel, handle: HANDLE) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    return key if isinstance(key, int) else Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwQueryValueKey(
    kernel: Kernel, handle: HANDLE, name: PVOID, kind: ULONG, data: PVOID, size: ULONG, needed: PVOID
) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    if isinstance(key, int):
        return key
    value = key.get(kernel.unicode_string(name))
    return _give_value(kernel, value, kind, data, size, needed) if value else Status.OBJECT_NAME_NOT_FOUND


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwEnumerateValueKey(
    kernel: Kernel, handle: HANDLE, index: ULONG, kind: ULONG, data: PVOID, size: ULONG, needed: PVOID
) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    if isinstance(key, int):
        return key
    values = list(key.values.values())
    if index >= len(values):
        return Status.NO_MORE_ENTRIES
    return _give_value(kernel, values[index], kind, data, size, needed)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwSetValueKey(
    kernel: Kernel, handle: HANDLE, name: PVOID, title: ULONG, kind: ULONG, data: PVOID, size: ULONG
) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    if isinstance(key, int):
        return key
    key.put(Value(kernel.unicode_string(name), kind, kernel.read(data, size) if size else b""))
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwDeleteValueKey(kernel: Kernel, handle: HANDLE, name: PVOID) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    if isinstance(key, int):
        return key
    removed = key.values.pop(kernel.unicode_string(name).lower(), None)
    return Status.SUCCESS if removed else Status.OBJECT_NAME_NOT_FOUND


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwQueryKey(kernel: Kernel, handle: HANDLE, kind: ULONG, data: PVOID, size: ULONG, needed: PVOID) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    return key if isinstance(key, int) else _give_key(kernel, key, kind, data, size, needed)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwEnumerateKey(
    kernel: Kernel, handle: HANDLE, index: ULONG, kind: ULONG, data: PVOID, size: ULONG, needed: PVOID
) -> NTSTATUS:
    key = kernel.part(KernelRegistry).key(handle)
    if isinstance(key, int):
        return key
    subkeys = list(key.keys.values())
    if index >= len(subkeys):
        return Status.NO_MORE_ENTRIES
    return _give_key(kernel, subkeys[index], kind, data, size, needed)


def _give_value(kernel: Kernel, value: Value, kind: int, data: int, size: int, needed: int) -> int:
    name = value.name.encode("utf-16-le")
    if kind == _BASIC:
        fixed, rest = struct.pack("<III", 0, value.type, len(name)), name
    elif kind == _PARTIAL:
        fixed, rest = struct.pack("<III", 0, value.type, len(value.data)), value.data
    elif kind == _PARTIAL_ALIGN64:
        fixed, rest = struct.pack("<II", value.type, len(value.data)), value.data
    elif kind in (1, _FULL_ALIGN64):
        start = -(-(20 + len(name)) // 8) * 8
        fixed = struct.pack("<IIIII", 0, value.type, start, len(value.data), len(name))
        rest = name.ljust(start - len(fixed), b"\0") + value.data
    else:
        return Status.INVALID_PARAMETER
    return _give(kernel, fixed, rest, data, size, needed)


def _give_key(kernel: Kernel, key: Key, kind: int, data: int, size: int, needed: int) -> int:
    """The keys of the lab have no class and were last written when time began."""
    name = key.name.encode("utf-16-le")
    nothing = 0xFFFFFFFF
    if kind == _BASIC:
        fixed, rest = struct.pack("<qII", 0, 0, len(name)), name
    elif kind == _NODE:
        fixed, rest = struct.pack("<qIIII", 0, 0, nothing, 0, len(name)), name
    elif kind == _FULL:
        values = key.values.values()
        longest_key = max((2 * len(each.name) for each in key.keys.values()), default=0)
        longest_name = max((2 * len(each.name) for each in values), default=0)
        longest_data = max((len(each.data) for each in values), default=0)
        counts = len(key.keys), longest_key, 0, len(values), longest_name, longest_data
        fixed, rest = struct.pack("<qIII6I", 0, 0, nothing, 0, *counts), b""
    else:
        return Status.INVALID_PARAMETER
    return _give(kernel, fixed, rest, data, size, needed)


def _give(kernel: Kernel, fixed: bytes, rest: bytes, data: int, size: int, needed: int) -> int:
    """Write an information structure: nothing if its fixed part does not fit, else as much as fits."""
    whole = fixed + rest
    kernel.put_u32(needed, len(whole))
    if size < len(fixed):
        return Status.BUFFER_TOO_SMALL
    kernel.write(data, whole[:size])
    return Status.BUFFER_OVERFLOW if size < len(whole) else Status.SUCCESS
