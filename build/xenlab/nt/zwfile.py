# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""Zw routines for files of the system volume (:mod:`xenlab.nt.filesystem`).

Source: Windows Driver Kit, "Using Files in a Driver", ZwCreateFile, ZwReadFile, ZwWriteFile, ZwQueryInformationFile,
ZwSetInformationFile, ZwQueryDirectoryFile, and the pages of the FILE_..._INFORMATION structures.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import TYPE_CHECKING

from xenlab.nt import filesystem
from xenlab.nt.codes import Status
from xenlab.nt.filesystem import Disposition, FileSystem, Node, Open
from xenlab.nt.ob import Object, ObjectManager, object_name
from xenlab.nt.objects import view
from xenlab.nt.routine import BOOLEAN, HANDLE, NTSTATUS, PASSIVE_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_NTOS = "ntoskrnl.exe"
_WRITE_TO_END_OF_FILE, _USE_FILE_POINTER_POSITION = 0xFFFFFFFF_FFFFFFFF, 0xFFFFFFFF_FFFFFFFE
_SYNCHRONIZE = 0x100000


def _status(kernel: Kernel, block: int, status: int, information: int = 0) -> int:
    """Fill in an IO_STATUS_BLOCK."""
    if block:
        made = view(kernel, "IO_STATUS_BLOCK", block)
        made["Status"], made["Information"] = status, information
    return status


def _opened(kernel: Kernel, handle: int) -> Open | int:
    """The open file that a handle leads to, or the status why it leads to none."""
    found = kernel.part(ObjectManager).lookup(handle)
    if not found:
        return Status.INVALID_HANDLE
    payload = found.object.payload
    return payload if isinstance(payload, Open) else Status.OBJECT_TYPE_MISMATCH


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtCreateFile")
def ZwCreateFile(
    kernel: Kernel, handle: PVOID, access: ULONG, attributes: PVOID, status_block: PVOID, allocation: PVOID,
    file_attributes: ULONG, share: ULONG, disposition: ULONG, options: ULONG, extended: PVOID, extended_length: ULONG,
) -> NTSTATUS:  # fmt: skip
    objects = kernel.part(ObjectManager)
    files = kernel.part(FileSystem)
    name, root, _ = object_name(kernel, attributes)
    folder: Node | None = None
    if root:
        base = _opened(kernel, root)
        if isinstance(base, int):
            return _status(kernel, status_block, base)
        folder = base.node
    elif not files.is_here(name):
        return _status(kernel, status_block, _why_not_here(objects, name))
    synchronous = options & (filesystem.Option.SYNCHRONOUS_IO_ALERT | filesystem.Option.SYNCHRONOUS_IO_NONALERT)
    if synchronous and not access & (_SYNCHRONIZE | 0xF0000000):
        return _status(kernel, status_block, Status.INVALID_PARAMETER)
    if kernel.pool.refuses("File", 0):
        return _status(kernel, status_block, Status.INSUFFICIENT_RESOURCES)
    status, result, opened = files.open(name, folder, access, share, disposition, options, file_attributes)
    if opened:
        made = Object("File", payload=opened, name="", references=0)
        made.end = lambda: files.close(opened)
        kernel.put_ptr(handle, objects.open(made, access))
        kernel.world.trace("file", f"{opened.node.path} is opened", result=filesystem.Result(result).name)
    return _status(kernel, status_block, status, result)


def _why_not_here(objects: ObjectManager, name: str) -> int:
    if not name.startswith("\\"):
        return Status.OBJECT_PATH_SYNTAX_BAD
    return Status.INVALID_DEVICE_REQUEST if objects.resolve(name) else Status.OBJECT_NAME_NOT_FOUND


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtOpenFile")
def ZwOpenFile(
    kernel: Kernel, handle: PVOID, access: ULONG, attributes: PVOID, status_block: PVOID, share: ULONG, options: ULONG
) -> NTSTATUS:
    return int(
        ZwCreateFile(
            kernel, handle, access, attributes, status_block, 0, 0, share, Disposition.OPEN, options, 0, 0
        )
    )  # fmt: skip


def _place(kernel: Kernel, opened: Open, offset: int, size: int) -> int | None:
    """The byte that a read or write begins at; None where the caller does not say it and the file keeps none."""
    wanted = kernel.u64(offset) if offset else _USE_FILE_POINTER_POSITION
    if wanted == _WRITE_TO_END_OF_FILE:
        return size
    if wanted == _USE_FILE_POINTER_POSITION:
        return opened.position if opened.synchronous else None
    return wanted


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtReadFile")
def ZwReadFile(
    kernel: Kernel, handle: HANDLE, event: HANDLE, apc: PVOID, apc_context: PVOID, status_block: PVOID, buffer: PVOID,
    length: ULONG, offset: PVOID, key: PVOID,
) -> NTSTATUS:  # fmt: skip
    opened = _opened(kernel, handle)
    if isinstance(opened, int):
        return opened
    data = opened.node.data
    if data is None:
        return Status.INVALID_DEVICE_REQUEST
    if not filesystem.may_read(opened):
        return Status.ACCESS_DENIED
    at = _place(kernel, opened, offset, len(data))
    if at is None:
        return Status.INVALID_PARAMETER
    if at >= len(data) and length:
        return _status(kernel, status_block, Status.END_OF_FILE)
    part = bytes(data[at : at + length])
    if part:
        kernel.write(buffer, part)
    opened.position = at + len(part)
    return _status(kernel, status_block, Status.SUCCESS, len(part))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtWriteFile")
def ZwWriteFile(
    kernel: Kernel, handle: HANDLE, event: HANDLE, apc: PVOID, apc_context: PVOID, status_block: PVOID, buffer: PVOID,
    length: ULONG, offset: PVOID, key: PVOID,
) -> NTSTATUS:  # fmt: skip
    opened = _opened(kernel, handle)
    if isinstance(opened, int):
        return opened
    data = opened.node.data
    if data is None:
        return Status.INVALID_DEVICE_REQUEST
    if not filesystem.may_write(opened):
        return Status.ACCESS_DENIED
    at = _place(kernel, opened, offset, len(data))
    if at is None:
        return Status.INVALID_PARAMETER
    part = kernel.read(buffer, length) if length else b""
    data.extend(bytes(max(0, at - len(data))))
    data[at : at + length] = part
    opened.position = at + length
    kernel.part(FileSystem).touch(opened.node)
    return _status(kernel, status_block, Status.SUCCESS, length)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwFlushBuffersFile(kernel: Kernel, handle: HANDLE, status_block: PVOID) -> NTSTATUS:
    opened = _opened(kernel, handle)
    return opened if isinstance(opened, int) else _status(kernel, status_block, Status.SUCCESS)


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwDeleteFile(kernel: Kernel, attributes: PVOID) -> NTSTATUS:
    name, root, _ = object_name(kernel, attributes)
    files = kernel.part(FileSystem)
    base = _opened(kernel, root) if root else None
    if isinstance(base, int):
        return base
    status, _, opened = files.open(name, base.node if base else None, 0x10000, 7, Disposition.OPEN, 0x1000, 0)
    if opened:
        files.close(opened)
    return status


def _basic(node: Node, opened: Open | None) -> bytes:
    return _numbers([node.created, node.written, node.written, node.written]) + _numbers([node.attributes, 0], 4)


def _standard(node: Node, opened: Open | None) -> bytes:
    size = len(node.data or b"")
    sizes = _numbers([-(-size // filesystem.SECTOR) * filesystem.SECTOR, size]) + _numbers([1], 4)
    return sizes + bytes([node.delete_pending, node.data is None, 0, 0])


def _position(node: Node, opened: Open | None) -> bytes:
    return _numbers([opened.position if opened else 0])


def _name(node: Node, opened: Open | None) -> bytes:
    text = node.path.encode("utf-16-le")
    return _numbers([len(text)], 4) + text


def _network(node: Node, opened: Open | None) -> bytes:
    size = len(node.data or b"")
    times = [node.created, node.written, node.written, node.written]
    sizes = [-(-size // filesystem.SECTOR) * filesystem.SECTOR, size]
    return _numbers([*times, *sizes]) + _numbers([node.attributes, 0], 4)


def _numbers(values: list[int], size: int = 8) -> bytes:
    return b"".join(value.to_bytes(size, "little") for value in values)


# FILE_INFORMATION_CLASS: what is asked, and for those that vary in length the fixed part.
_QUERIES: dict[int, tuple[Callable[[Node, Open | None], bytes], int]] = {
    4: (_basic, 0),
    5: (_standard, 0),
    9: (_name, 4),
    14: (_position, 0),
    34: (_network, 0),
}


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
@routine(_NTOS, irql_max=PASSIVE_LEVEL, name="NtQueryInformationFile")
def ZwQueryInformationFile(
    kernel: Kernel, handle: HANDLE, status_block: PVOID, buffer: PVOID, length: ULONG, kind: ULONG
) -> NTSTATUS:
    opened = _opened(kernel, handle)
    if isinstance(opened, int):
        return opened
    if kind not in _QUERIES:
        return Status.INVALID_INFO_CLASS
    make, fixed = _QUERIES[kind]
    data = make(opened.node, opened)
    if length < (fixed or len(data)):
        return Status.INFO_LENGTH_MISMATCH
    kernel.write(buffer, data[:length])
    status = Status.BUFFER_OVERFLOW if len(data) > length else Status.SUCCESS
    return _status(kernel, status_block, status, min(length, len(data)))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwQueryFullAttributesFile(kernel: Kernel, attributes: PVOID, buffer: PVOID) -> NTSTATUS:
    name, _, _ = object_name(kernel, attributes)
    files = kernel.part(FileSystem)
    status, _, opened = files.open(name, None, 0x80, 7, Disposition.OPEN, 0, 0)
    if opened:
        kernel.write(buffer, _network(opened.node, opened))
        files.close(opened)
    return status


def _set_position(kernel: Kernel, opened: Open, buffer: int) -> int:
    opened.position = kernel.u64(buffer)
    return Status.SUCCESS


def _set_disposition(kernel: Kernel, opened: Open, buffer: int) -> int:
    if not filesystem.may_delete(opened):
        return Status.ACCESS_DENIED
    if opened.node.entries:
        return Status.CANNOT_DELETE
    opened.node.delete_pending = bool(kernel.u8(buffer))
    return Status.SUCCESS


def _set_end(grows: bool) -> Callable[[Kernel, Open, int], int]:
    def change(kernel: Kernel, opened: Open, buffer: int) -> int:
        data = opened.node.data
        if data is None or not filesystem.may_write(opened):
            return Status.ACCESS_DENIED
        size = kernel.u64(buffer)
        del data[size:]
        if grows:
            data.extend(bytes(size - len(data)))
        kernel.part(FileSystem).touch(opened.node)
        return Status.SUCCESS

    return change


def _set_basic(kernel: Kernel, opened: Open, buffer: int) -> int:
    wanted = kernel.u32(buffer + _ATTRIBUTES_AT)
    kind = opened.node.attributes & filesystem.DIRECTORY_ATTRIBUTE
    if wanted:
        opened.node.attributes = wanted & ~filesystem.DIRECTORY_ATTRIBUTE | kind
    return Status.SUCCESS


def _rename(kernel: Kernel, opened: Open, buffer: int) -> int:
    at = buffer + 2 * kernel.pointer_size
    name = kernel.read(at + 4, kernel.u32(at)).decode("utf-16-le").rpartition("\\")[2]
    parent = opened.node.parent
    if parent is None:
        return Status.INVALID_PARAMETER
    if name.lower() in parent.entries and not kernel.u8(buffer):
        return Status.OBJECT_NAME_COLLISION
    kernel.part(FileSystem).rename(opened.node, name)
    return Status.SUCCESS


_ATTRIBUTES_AT = 0x20
_CHANGES: dict[int, Callable[[Kernel, Open, int], int]] = {
    4: _set_basic,
    10: _rename,
    13: _set_disposition,
    14: _set_position,
    19: _set_end(False),
    20: _set_end(True),
}


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwSetInformationFile(
    kernel: Kernel, handle: HANDLE, status_block: PVOID, buffer: PVOID, length: ULONG, kind: ULONG
) -> NTSTATUS:
    opened = _opened(kernel, handle)
    if isinstance(opened, int):
        return opened
    if kind not in _CHANGES:
        return Status.INVALID_INFO_CLASS
    return _status(kernel, status_block, _CHANGES[kind](kernel, opened, buffer))


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwQueryDirectoryFile(
    kernel: Kernel, handle: HANDLE, event: HANDLE, apc: PVOID, apc_context: PVOID, status_block: PVOID, buffer: PVOID,
    length: ULONG, kind: ULONG, single: BOOLEAN, pattern: PVOID, restart: BOOLEAN,
) -> NTSTATUS:  # fmt: skip
    """FileDirectoryInformation and FileNamesInformation."""
    opened = _opened(kernel, handle)
    if isinstance(opened, int):
        return opened
    if opened.node.data is not None:
        return Status.INVALID_PARAMETER
    if kind not in (1, 12):
        return Status.INVALID_INFO_CLASS
    first = opened.listed == 0
    if restart:
        opened.listed = 0
    if pattern and first:
        opened.pattern = kernel.unicode_string(pattern) or "*"
    matching = [
        node for key, node in sorted(opened.node.entries.items()) if fnmatch.fnmatchcase(key, opened.pattern.lower())
    ]
    at, last = 0, None
    for node in matching[opened.listed :]:
        entry = _directory_entry(node, kind)
        if at + len(entry) > length:
            break
        if last is not None:
            kernel.put_u32(buffer + last, at - last)
        kernel.write(buffer + at, entry)
        last, at = at, -(-(at + len(entry)) // 8) * 8
        opened.listed += 1
        if single:
            break
    if last is None:
        if opened.listed < len(matching):
            return _status(kernel, status_block, Status.BUFFER_OVERFLOW)
        return _status(kernel, status_block, Status.NO_SUCH_FILE if first else Status.NO_MORE_FILES)
    return _status(kernel, status_block, Status.SUCCESS, at)


def _directory_entry(node: Node, kind: int) -> bytes:
    text = node.name.encode("utf-16-le")
    if kind == 12:
        return _numbers([0, 0, len(text)], 4) + text
    size = len(node.data or b"")
    times = [node.created, node.written, node.written, node.written]
    sizes = [size, -(-size // filesystem.SECTOR) * filesystem.SECTOR]
    return _numbers([0, 0], 4) + _numbers([*times, *sizes]) + _numbers([node.attributes, len(text)], 4) + text


@routine(_NTOS, irql_max=PASSIVE_LEVEL)
def ZwQueryVolumeInformationFile(
    kernel: Kernel, handle: HANDLE, status_block: PVOID, buffer: PVOID, length: ULONG, kind: ULONG
) -> NTSTATUS:
    """FileFsSizeInformation and FileFsDeviceInformation."""
    opened = _opened(kernel, handle)
    if isinstance(opened, int):
        return opened
    answers = {3: _numbers([1 << 20, 1 << 19]) + _numbers([8, 512], 4), 4: _numbers([7, 0x20], 4)}
    if kind not in answers:
        return Status.INVALID_INFO_CLASS
    if length < len(answers[kind]):
        return Status.INFO_LENGTH_MISMATCH
    kernel.write(buffer, answers[kind])
    return _status(kernel, status_block, Status.SUCCESS, len(answers[kind]))
