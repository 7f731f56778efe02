# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The object manager: reference counts, handles, names and symbolic links.

Source: Windows Driver Kit, "Managing Kernel Objects", "Life Cycle of an Object", ObReferenceObjectByHandle and its
relatives. An object here is what a pointer or a handle of a driver means; who makes it says what its end is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status
from xenlab.nt.objects import view
from xenlab.nt.routine import (
    BOOLEAN,
    CCHAR,
    DISPATCH_LEVEL,
    HANDLE,
    NTSTATUS,
    PASSIVE_LEVEL,
    PVOID,
    ULONG,
    data_export,
    routine,
)

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

KERNEL_MODE, USER_MODE = 0, 1
OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE = 0x40, 0x200
_CURRENT_PROCESS, _CURRENT_THREAD = -1, -2
_FIRST_HANDLE, _HANDLE_STEP = 0x4C, 4
_GLOBAL_DIRECTORY = "\\??\\"
_ITS_OTHER_NAMES = ("\\dosdevices\\", "\\global??\\")
_MOST_LINKS = 32


@dataclass(eq=False)
class Object:
    """One object.

    Attributes:
        kind: the name of its type, such as ``Device``, ``Key`` or ``Event``.
        address: where a driver sees it; 0 while it has handles only.
        payload: what its maker needs to find again.
        end: called when the last reference is gone.
        name: its path in the object directory, if it has one.
        references: pointers and handles to it.
    """

    kind: str
    address: int = 0
    payload: object = None
    end: Callable[[], None] = lambda: None
    name: str = ""
    references: int = 1


@dataclass(frozen=True)
class Handle:
    """One open handle. Without `kernel` it belongs to the process that made it, and only the same may use it."""

    object: Object
    access: int
    kernel: bool


class ObjectManager:
    """The objects of one kernel.

    Attributes:
        names: every named object by its path in lower case; a symbolic link is an object of kind ``SymbolicLink``
            whose payload is its target.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._by_address: dict[int, Object] = {}
        self._handles: dict[int, Handle] = {}
        self._next_handle = _FIRST_HANDLE
        self._types: dict[str, int] = {}
        self.names: dict[str, Object] = {}

    def add(self, made: Object) -> Object:
        """Register an object; if it has a name, that is taken from now on."""
        if made.address:
            self._by_address[made.address] = made
        if made.name:
            self.names[name_key(made.name)] = made
        return made

    def forget(self, gone: Object) -> None:
        """Take an object's name and address away without asking for its references."""
        self._by_address.pop(gone.address, None)
        self.make_temporary(gone)

    def make_temporary(self, gone: Object) -> None:
        """Take an object's name away: nobody can open it any more, who has it keeps it."""
        if self.names.get(name_key(gone.name)) is gone:
            del self.names[name_key(gone.name)]

    def at(self, address: int) -> Object:
        """Return the object at an address; where there is none, the driver's pointer is wrong."""
        found = self._by_address.get(address)
        if not found:
            self._kernel.violation(f"{address:#x} is no object, or one that is gone.")
        return found

    def find(self, address: int) -> Object | None:
        return self._by_address.get(address)

    def of_kind(self, kind: str) -> list[Object]:
        """Return the objects of a type that have an address."""
        return [each for each in self._by_address.values() if each.kind == kind]

    def reference(self, referenced: Object) -> int:
        referenced.references += 1
        return referenced.references

    def dereference(self, referenced: Object) -> int:
        """Drop a reference; with the last one the object ends."""
        referenced.references -= 1
        if referenced.references < 0:
            self._kernel.violation(f"A reference to {self.describe(referenced)} is given back that was never taken.")
        if referenced.references == 0:
            self.forget(referenced)
            referenced.end()
        return referenced.references

    def open(self, opened: Object, access: int = 0, kernel: bool = True) -> int:
        """Return a new handle to an object; it is one more reference."""
        self.reference(opened)
        handle = self._next_handle
        self._next_handle += _HANDLE_STEP
        self._handles[handle] = Handle(opened, access, kernel)
        return handle

    def lookup(self, handle: int) -> Handle | None:
        return self._handles.get(handle)

    def close(self, handle: int) -> int:
        """Close a handle. Closing one that is not open stops a machine on which handles are verified."""
        closed = self._handles.pop(handle, None)
        if not closed:
            self._kernel.violation(f"Handle {handle:#x} is closed, which is not open.")
        self.dereference(closed.object)
        return Status.SUCCESS

    def resolve(self, path: str) -> tuple[Object, str] | None:
        """Return the object that a path leads to, links followed, and what is left of the path behind its name."""
        for _ in range(_MOST_LINKS):
            found = self._nearest(path)
            if not found or found[0].kind != "SymbolicLink":
                return found
            link, rest = found
            path = f"{link.payload}{rest}"
        return None

    def type_object(self, kind: str) -> int:
        """Return the address that stands for a type of objects."""
        if kind not in self._types:
            self._types[kind] = self._kernel.alloc(0x40, "ObjT")
        return self._types[kind]

    def describe(self, described: Object) -> str:
        name = f" {described.name}" if described.name else ""
        return f"the {described.kind.lower()} object{name} at {described.address:#x}"

    def outstanding(self) -> list[str]:
        """Return open handles, a line each: what drivers still hold when all of them are gone."""
        return [
            f"Handle {handle:#x} to {self.describe(each.object)} is still open."
            for handle, each in self._handles.items()
        ]

    def _nearest(self, path: str) -> tuple[Object, str] | None:
        """Return the named object that a path names or goes through, and what of the path is behind it."""
        parts = _canonical(path).split("\\")
        for count in range(len(parts), 1, -1):
            if found := self.names.get("\\".join(parts[:count]).lower()):
                return found, "".join(f"\\{part}" for part in parts[count:])
        return None


def name_key(path: str) -> str:
    """Return what :attr:`ObjectManager.names` has an object of this path under."""
    return _canonical(path).lower()


def _canonical(path: str) -> str:
    """The directory of the names that programs use has several itself."""
    for other in _ITS_OTHER_NAMES:
        if path.lower().startswith(other):
            return _GLOBAL_DIRECTORY + path[len(other) :]
    return path


def object_name(kernel: Kernel, attributes: int) -> tuple[str, int, int]:
    """Read an OBJECT_ATTRIBUTES: the name, the root handle and the flags."""
    given = view(kernel, "OBJECT_ATTRIBUTES", attributes)
    name = kernel.unicode_string(given["ObjectName"]) if given["ObjectName"] else ""
    return name, given["RootDirectory"], given["Attributes"]


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObfReferenceObject(kernel: Kernel, address: PVOID) -> PVOID:
    objects = kernel.part(ObjectManager)
    return objects.reference(objects.at(address))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObfDereferenceObject(kernel: Kernel, address: PVOID) -> PVOID:
    """Documented for up to DISPATCH_LEVEL, but PASSIVE_LEVEL where the last reference goes."""
    objects = kernel.part(ObjectManager)
    found = objects.at(address)
    if found.references == 1:
        kernel.require_irql(PASSIVE_LEVEL, "ObfDereferenceObject of a last reference")
    return objects.dereference(found)


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObDereferenceObject(kernel: Kernel, address: PVOID) -> PVOID:
    return int(ObfDereferenceObject(kernel, address))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObReferenceObjectByPointer(kernel: Kernel, address: PVOID, access: ULONG, kind: PVOID, mode: CCHAR) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    found = objects.at(address)
    if kind and kind != objects.type_object(found.kind):
        return Status.OBJECT_TYPE_MISMATCH
    objects.reference(found)
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ObReferenceObjectByHandle(
    kernel: Kernel, handle: HANDLE, access: ULONG, kind: PVOID, mode: CCHAR, result: PVOID, information: PVOID
) -> NTSTATUS:
    """A type is needed unless the mode is kernel mode; file, event and thread handles have one that is exported."""
    objects = kernel.part(ObjectManager)
    kernel.put_ptr(result, 0)
    pseudo = handle - (1 << 8 * kernel.pointer_size)
    found = objects.find(kernel.current_thread.object) if pseudo == _CURRENT_THREAD else None
    if not found:
        opened = objects.lookup(handle)
        if not opened:
            return Status.INVALID_HANDLE
        found = opened.object
    if kind and kind != objects.type_object(found.kind):
        return Status.OBJECT_TYPE_MISMATCH
    if not found.address:
        kernel.violation(f"ObReferenceObjectByHandle is asked for {objects.describe(found)}, which drivers do not see.")
    objects.reference(found)
    kernel.put_ptr(result, found.address)
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObfReferenceObjectWithTag(kernel: Kernel, address: PVOID, tag: ULONG) -> PVOID:
    return int(ObfReferenceObject(kernel, address))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObfDereferenceObjectWithTag(kernel: Kernel, address: PVOID, tag: ULONG) -> PVOID:
    return int(ObfDereferenceObject(kernel, address))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObReferenceObjectByPointerWithTag(
    kernel: Kernel, address: PVOID, access: ULONG, kind: PVOID, mode: CCHAR, tag: ULONG
) -> NTSTATUS:
    return int(ObReferenceObjectByPointer(kernel, address, access, kind, mode))


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ObReferenceObjectByHandleWithTag(
    kernel: Kernel, handle: HANDLE, access: ULONG, kind: PVOID, mode: CCHAR, tag: ULONG, result: PVOID, details: PVOID
) -> NTSTATUS:
    return int(ObReferenceObjectByHandle(kernel, handle, access, kind, mode, result, details))


@routine("ntoskrnl.exe", irql_max=DISPATCH_LEVEL)
def ObDereferenceObjectDeferDelete(kernel: Kernel, address: PVOID) -> None:
    """For where the last reference may go above PASSIVE_LEVEL."""
    objects = kernel.part(ObjectManager)
    objects.dereference(objects.at(address))


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL, name="NtClose")
@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwClose(kernel: Kernel, handle: HANDLE) -> NTSTATUS:
    return kernel.part(ObjectManager).close(handle)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ObCloseHandle(kernel: Kernel, handle: HANDLE, mode: CCHAR) -> NTSTATUS:
    return kernel.part(ObjectManager).close(handle)


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ObIsKernelHandle(kernel: Kernel, handle: HANDLE) -> BOOLEAN:
    opened = kernel.part(ObjectManager).lookup(handle)
    return int(bool(opened and opened.kernel))


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def ZwMakeTemporaryObject(kernel: Kernel, handle: HANDLE) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    opened = objects.lookup(handle)
    if not opened:
        return Status.INVALID_HANDLE
    objects.make_temporary(opened.object)
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoCreateSymbolicLink(kernel: Kernel, link: PVOID, target: PVOID) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    name = kernel.unicode_string(link)
    if not name.startswith("\\"):
        return Status.OBJECT_PATH_SYNTAX_BAD
    if name_key(name) in objects.names:
        return Status.OBJECT_NAME_COLLISION
    objects.add(Object("SymbolicLink", payload=kernel.unicode_string(target), name=name))
    return Status.SUCCESS


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoCreateUnprotectedSymbolicLink(kernel: Kernel, link: PVOID, target: PVOID) -> NTSTATUS:
    return int(IoCreateSymbolicLink(kernel, link, target))


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def IoDeleteSymbolicLink(kernel: Kernel, link: PVOID) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    found = objects.names.get(name_key(kernel.unicode_string(link)))
    if not found:
        return Status.OBJECT_NAME_NOT_FOUND
    if found.kind != "SymbolicLink":
        return Status.OBJECT_TYPE_MISMATCH
    objects.dereference(found)
    return Status.SUCCESS


def _type_cell(kernel: Kernel, kind: str) -> int:
    cell = kernel.alloc(kernel.pointer_size, "ObjT")
    kernel.put_ptr(cell, kernel.part(ObjectManager).type_object(kind))
    return cell


@data_export("ntoskrnl.exe")
def ExEventObjectType(kernel: Kernel) -> int:
    return _type_cell(kernel, "Event")


@data_export("ntoskrnl.exe")
def PsThreadType(kernel: Kernel) -> int:
    return _type_cell(kernel, "Thread")


@data_export("ntoskrnl.exe")
def IoFileObjectType(kernel: Kernel) -> int:
    return _type_cell(kernel, "File")


@data_export("ntoskrnl.exe")
def IoDeviceObjectType(kernel: Kernel) -> int:
    return _type_cell(kernel, "Device")


@data_export("ntoskrnl.exe")
def IoDriverObjectType(kernel: Kernel) -> int:
    return _type_cell(kernel, "Driver")
