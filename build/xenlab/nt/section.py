# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Sections: memory that several views show, of the paging file's or a file's bytes.

A view is pageable, as all memory of a process is, and so out of reach at DISPATCH_LEVEL. What is written through one of
a file is in the file when the view goes. The lab has no images in sections, no reserved pages and no copies on write.
Source: Windows Driver Kit, "Section Objects and Views", ZwCreateSection, ZwOpenSection, ZwMapViewOfSection,
ZwUnmapViewOfSection; MmMapViewInSystemSpace and MmUnmapViewInSystemSpace of its ntifs.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gplpv.errors import GplpvError
from xenlab.cpu import memory
from xenlab.cpu.memory import EXECUTE, PAGE_SHIFT, PAGE_SIZE, READ, WRITE
from xenlab.nt.codes import Status
from xenlab.nt.filesystem import FileSystem, Open
from xenlab.nt.ob import Handle, Object, ObjectManager, name_key, object_name
from xenlab.nt.routine import APC_LEVEL, HANDLE, NTSTATUS, PASSIVE_LEVEL, PVOID, SIZE_T, ULONG, data_export, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_GRANULARITY = 0x10000
_SPACE = {"process": 0x01000000, "x64": 0xFFFFF980_00000000, "x32": 0xE0000000}
_PROTECTIONS = {0x02: READ, 0x04: READ | WRITE, 0x10: EXECUTE, 0x20: READ | EXECUTE}
_LACKING_PROTECTIONS = (0x08, 0x40, 0x80)
_COMMIT, _RESERVE, _IMAGE = 0x8000000, 0x4000000, 0x1000000
_MAP_WRITE, _MAP_READ, _GENERIC_ALL, _GENERIC_WRITE, _GENERIC_READ = 0x2, 0x4, 0x10000000, 0x40000000, 0x80000000
_VIEW_SHARE, _VIEW_UNMAP = 1, 2
_CURRENT_PROCESS = -1


@dataclass(eq=False)
class Section:
    """`size` bytes in frames; `access`: what its views may be for. `file`: whose bytes they are."""

    frames: tuple[int, ...]
    size: int
    access: int
    file: Open | None = None


@dataclass(frozen=True)
class View:
    """A part of a section, at `va`."""

    section: Object
    va: int
    offset: int
    size: int
    access: int
    where: int
    of_system: bool

    @property
    def end(self) -> int:
        return self.va + self.size


class Sections:
    """The sections that there are, and their views."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._sections: list[Object] = []
        self._views: dict[int, View] = {}

    def add(self, size: int, access: int, file: Open | None, name: str) -> Object:
        """Make a section with what is in the file, or zeros; it ends with its last handle, reference and view."""
        kernel = self._kernel
        frames = tuple(kernel.physical.allocate_frame() for _ in range(-(-size // PAGE_SIZE)))
        data = bytes(file.node.data or b"") if file else b""
        for index, frame in enumerate(frames):
            part = data[index * PAGE_SIZE : (index + 1) * PAGE_SIZE]
            kernel.physical.write(frame << PAGE_SHIFT, part.ljust(PAGE_SIZE, b"\0"))
        made = Object(
            "Section", kernel.alloc(0x40, "Sect"), Section(frames, size, access, file), name=name, references=0
        )
        made.end = lambda: self._end(made)
        self._sections.append(made)
        return kernel.part(ObjectManager).add(made)

    def _end(self, gone: Object) -> None:
        section = of(gone)
        self._sections.remove(gone)
        self._kernel.physical.free_frames(section.frames)
        self._kernel.free(gone.address)

    def map(self, shown: Object, wanted: int, offset: int, size: int, access: int, *, of_system: bool) -> int:
        """Show a part of a section at `wanted`, or 0: where there is room; returns the address, 0 if there is none."""
        kernel = self._kernel
        va = wanted or self._room(size, of_system)
        if any(kernel.memory.is_mapped(page) or kernel.pager.is_out(page) for page in memory.pages(va, size)):
            return 0
        frames = of(shown).frames[offset >> PAGE_SHIFT :]
        for page, frame in zip(memory.pages(va, size), frames, strict=False):
            kernel.memory.map(page, frame << PAGE_SHIFT, access)
        kernel.pager.add(va, size)
        kernel.part(ObjectManager).reference(shown)
        self._views[va] = View(shown, va, offset, size, access, kernel.caller(), of_system)
        return va

    def unmap(self, address: int, *, of_system: bool) -> bool:
        """Take away the view that an address is in; False if it is in none."""
        kernel = self._kernel
        found = next((each for each in self._views.values() if each.va <= address < each.end), None)
        if not found or found.of_system is not of_system:
            return False
        if any(kernel.pager.is_locked(page) for page in memory.pages(found.va, found.size)):
            kernel.violation(f"The view of a section at {found.va:#x} is unmapped while an MDL has its pages locked.")
        kernel.pool.release(found.va, found.size)
        kernel.pager.remove(found.va, found.size)
        if found.access & WRITE:
            self._write_back(found)
        for page in memory.pages(found.va, found.size):
            kernel.memory.unmap(page)
        del self._views[found.va]
        kernel.part(ObjectManager).dereference(found.section)
        return True

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        views = self._views.values()
        left = [f"A view of a section, mapped by {describe(each.where, True)}, is never unmapped." for each in views]
        objects = self._kernel.part(ObjectManager)
        return left + [f"{objects.describe(each)} is still referenced.".capitalize() for each in self._sections]

    def _room(self, size: int, of_system: bool) -> int:
        va = _SPACE[self._kernel.arch if of_system else "process"]
        for each in sorted(self._views.values(), key=lambda view: view.va):
            if va < each.end + _GRANULARITY and each.va < va + size + _GRANULARITY:
                va = -(-(each.end + 1) // _GRANULARITY) * _GRANULARITY
        return va

    def _write_back(self, view: View) -> None:
        section = of(view.section)
        if not section.file or section.file.node.data is None:
            return
        data = self._kernel.read(view.va, min(view.size, section.size - view.offset))
        section.file.node.data[view.offset : view.offset + len(data)] = data
        self._kernel.part(FileSystem).touch(section.file.node)


def of(shown: Object) -> Section:
    assert isinstance(shown.payload, Section)
    return shown.payload


class _Refused(Exception):
    """A call fails with a status."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


def _require(condition: object, otherwise: Status) -> None:
    if not condition:
        raise _Refused(otherwise)


def _protection(value: int) -> int:
    """What pages of a protection may be used for."""
    if value in _LACKING_PROTECTIONS:
        raise GplpvError(f"The lab has no sections of protection {value:#x}.", "It has PAGE_READONLY, PAGE_READWRITE.")
    _require(value in _PROTECTIONS, Status.INVALID_PAGE_PROTECTION)
    return _PROTECTIONS[value]


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwCreateSection(
    kernel: Kernel,
    handle: PVOID,
    access: ULONG,
    attributes: PVOID,
    maximum: PVOID,
    protection: ULONG,
    allocation: ULONG,
    file_handle: HANDLE,
) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    if allocation & (_IMAGE | _RESERVE):
        raise GplpvError("The lab has no sections of images or reserved pages.", "It has those with SEC_COMMIT.")
    name = object_name(kernel, attributes)[0] if attributes else ""
    size = kernel.u64(maximum) if maximum else 0
    try:
        allowed = _protection(protection)
        _require(not name or name_key(name) not in objects.names, Status.OBJECT_NAME_COLLISION)
        file = _file(kernel, file_handle) if file_handle else None
        size = _size_of_file(file, size, allowed) if file else size
        _require(size, Status.INVALID_PARAMETER_4)
        _require(not kernel.pool.refuses("Sect", size), Status.INSUFFICIENT_RESOURCES)
    except _Refused as refused:
        return refused.status
    made = kernel.part(Sections).add(size, allowed, file, name)
    kernel.put_ptr(handle, objects.open(made, access))
    return Status.SUCCESS


def _file(kernel: Kernel, handle: int) -> Open:
    """The open file that a handle leads to."""
    opened = kernel.part(ObjectManager).lookup(handle)
    if not opened:
        raise _Refused(Status.INVALID_HANDLE)
    file = opened.object.payload
    if not isinstance(file, Open) or file.node.data is None:
        raise _Refused(Status.INVALID_FILE_FOR_SECTION)
    return file


def _size_of_file(file: Open, size: int, access: int) -> int:
    """How large a section of a file is; a file that is to be written grows to it."""
    data = file.node.data
    assert data is not None
    _require(size or data, Status.MAPPED_FILE_SIZE_ZERO)
    if size > len(data):
        _require(access & WRITE, Status.SECTION_TOO_BIG)
        data.extend(bytes(size - len(data)))
    return size or len(data)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwOpenSection(kernel: Kernel, handle: PVOID, access: ULONG, attributes: PVOID) -> NTSTATUS:
    objects = kernel.part(ObjectManager)
    found = objects.names.get(name_key(object_name(kernel, attributes)[0]))
    if not found:
        return Status.OBJECT_NAME_NOT_FOUND
    if found.kind != "Section":
        return Status.OBJECT_TYPE_MISMATCH
    kernel.put_ptr(handle, objects.open(found, access))
    return Status.SUCCESS


def _require_process(kernel: Kernel, handle: int) -> None:
    """A handle must be the one process'."""
    if handle - (1 << 8 * kernel.pointer_size) != _CURRENT_PROCESS:
        _opened(kernel, handle, "Process")


def _opened(kernel: Kernel, handle: int, kind: str) -> Handle:
    opened = kernel.part(ObjectManager).lookup(handle)
    if not opened:
        raise _Refused(Status.INVALID_HANDLE)
    _require(opened.object.kind == kind, Status.OBJECT_TYPE_MISMATCH)
    return opened


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwMapViewOfSection(
    kernel: Kernel,
    handle: HANDLE,
    process: HANDLE,
    base: PVOID,
    zero_bits: SIZE_T,
    commit: SIZE_T,
    offset: PVOID,
    size: PVOID,
    inherit: ULONG,
    allocation: ULONG,
    protection: ULONG,
) -> NTSTATUS:
    """Address and offset are rounded down to 64 KiB; a size of 0 is what is left from the offset on."""
    start = (kernel.u64(offset) if offset else 0) & -_GRANULARITY
    wanted = kernel.ptr(base) & -_GRANULARITY
    try:
        _require(inherit in (_VIEW_SHARE, _VIEW_UNMAP), Status.INVALID_PARAMETER_8)
        access = _protection(protection)
        _require_process(kernel, process)
        opened = _opened(kernel, handle, "Section")
        section = of(opened.object)
        _require(not access & ~section.access, Status.SECTION_PROTECTION)
        _require(_may(opened.access, access), Status.ACCESS_DENIED)
        length = _view_size(section, start, kernel.ptr(size))
        _require(not kernel.pool.refuses("View", length), Status.NO_MEMORY)
        va = kernel.part(Sections).map(opened.object, wanted, start, length, access, of_system=False)
        _require(va, Status.CONFLICTING_ADDRESSES)
    except _Refused as refused:
        return refused.status
    kernel.put_ptr(base, va)
    kernel.put_ptr(size, length)
    if offset:
        kernel.put_u64(offset, start)
    return Status.SUCCESS


def _view_size(section: Section, start: int, wanted: int) -> int:
    """The size of a view in whole pages."""
    length = -(-(wanted or section.size - start) // PAGE_SIZE) * PAGE_SIZE
    _require(0 < length <= len(section.frames) * PAGE_SIZE - start, Status.INVALID_VIEW_SIZE)
    return length


def _may(granted: int, access: int) -> bool:
    """Whether a handle's access lets a view be mapped for this."""
    needed = _MAP_WRITE | _GENERIC_WRITE if access & WRITE else _MAP_READ | _GENERIC_READ
    return bool(granted & (needed | _GENERIC_ALL))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwUnmapViewOfSection(kernel: Kernel, process: HANDLE, address: PVOID) -> NTSTATUS:
    try:
        _require_process(kernel, process)
        _require(kernel.part(Sections).unmap(address, of_system=False), Status.NOT_MAPPED_VIEW)
    except _Refused as refused:
        return refused.status
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def MmMapViewInSystemSpace(kernel: Kernel, address: PVOID, base: PVOID, size: PVOID) -> NTSTATUS:
    """The section from its beginning, for every process; a size of 0 is the whole of it."""
    found = kernel.part(ObjectManager).at(address)
    if found.kind != "Section":
        kernel.violation(f"MmMapViewInSystemSpace is given {address:#x}, which is no section.")
    try:
        length = _view_size(of(found), 0, kernel.ptr(size))
        _require(not kernel.pool.refuses("View", length), Status.NO_MEMORY)
    except _Refused as refused:
        return refused.status
    kernel.put_ptr(base, kernel.part(Sections).map(found, 0, 0, length, of(found).access, of_system=True))
    kernel.put_ptr(size, length)
    return Status.SUCCESS


@routine(_NTOS, irql_max=APC_LEVEL)
def MmUnmapViewInSystemSpace(kernel: Kernel, base: PVOID) -> NTSTATUS:
    return Status.SUCCESS if kernel.part(Sections).unmap(base, of_system=True) else Status.NOT_MAPPED_VIEW


@data_export(_NTOS)
def MmSectionObjectType(kernel: Kernel) -> int:
    cell = kernel.alloc(kernel.pointer_size, "ObjT")
    kernel.put_ptr(cell, kernel.part(ObjectManager).type_object("Section"))
    return cell
