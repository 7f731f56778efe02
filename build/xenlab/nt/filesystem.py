# SPDX-License-Identifier: GPL-2.0-or-later
"""The system volume: a small file system in memory, for drivers that read a firmware file or write a log.

Source: Windows Driver Kit, "Using Files in a Driver", ZwCreateFile (dispositions, options and their statuses).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

from xenlab.nt.codes import Status

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

DIRECTORY_ATTRIBUTE, NORMAL_ATTRIBUTE = 0x10, 0x80
SECTOR = 512
_SETTABLE_ATTRIBUTES = 0x31A7
_ROOTS = {
    "\\??\\c:": "",
    "\\dosdevices\\c:": "",
    "\\global??\\c:": "",
    "\\device\\harddiskvolume1": "",
    "\\arcname\\multi(0)disk(0)rdisk(0)partition(1)": "",
    "\\systemroot": "\\windows",
}


class Disposition(IntEnum):
    """CreateDisposition, by the name behind ``FILE_``."""

    SUPERSEDE = 0
    OPEN = 1
    CREATE = 2
    OPEN_IF = 3
    OVERWRITE = 4
    OVERWRITE_IF = 5


class Result(IntEnum):
    """IO_STATUS_BLOCK.Information of an open, by the name behind ``FILE_``."""

    SUPERSEDED = 0
    OPENED = 1
    CREATED = 2
    OVERWRITTEN = 3
    EXISTS = 4
    DOES_NOT_EXIST = 5


class Option(IntFlag):
    """CreateOptions, by the name behind ``FILE_``."""

    DIRECTORY_FILE = 0x1
    SYNCHRONOUS_IO_ALERT = 0x10
    SYNCHRONOUS_IO_NONALERT = 0x20
    NON_DIRECTORY_FILE = 0x40
    DELETE_ON_CLOSE = 0x1000


@dataclass(eq=False)
class Node:
    """A file or (`data` None) a directory with its entries by name in lower case; times in 100 ns since 1601."""

    name: str
    data: bytearray | None
    attributes: int
    created: int
    written: int
    parent: Node | None = None
    entries: dict[str, Node] = field(default_factory=dict)
    delete_pending: bool = False
    opens: list[Open] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.parent.path}\\{self.name}" if self.parent else ""


@dataclass(eq=False)
class Open:
    """One open of a file.

    Attributes:
        access: the specific and standard rights that were asked for, generic ones put in.
        share: what others may meanwhile.
        synchronous: the file keeps a position, and calls wait for their end.
        listed: how far a directory query has come.
    """

    node: Node
    access: int
    share: int
    synchronous: bool
    delete_on_close: bool
    position: int = 0
    listed: int = 0
    pattern: str = "*"


_READ_DATA, _WRITE_DATA, _APPEND_DATA, _EXECUTE, _DELETE = 0x1, 0x2, 0x4, 0x20, 0x10000
_GENERIC = {
    0x80000000: 0x120089,
    0x40000000: 0x120116,
    0x20000000: 0x1200A0,
    0x10000000: 0x1F01FF,
}
_SHARED = ((_READ_DATA | _EXECUTE, 0x1), (_WRITE_DATA | _APPEND_DATA, 0x2), (_DELETE, 0x4))


class FileSystem:
    """The volume C:.

    Attributes:
        root: its root directory; tests may put files there with :meth:`put`.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.root = self._directory("", None)
        for path in ("windows\\system32\\drivers", "windows\\temp"):
            self.make_directories(path)

    def put(self, path: str, data: bytes) -> Node:
        """Write a whole file; its directories are made."""
        folder, _, name = path.strip("\\").rpartition("\\")
        return self._add(self.make_directories(folder), name, bytearray(data), NORMAL_ATTRIBUTE)

    def make_directories(self, path: str) -> Node:
        node = self.root
        for part in filter(None, path.split("\\")):
            node = node.entries.get(part.lower()) or self._directory(part, node)
        return node

    def is_here(self, path: str) -> bool:
        """Whether an absolute object path leads to this volume."""
        return self._relative(path) is not None

    def _relative(self, path: str) -> str | None:
        for root, start in _ROOTS.items():
            rest = path[len(root) :]
            if path.lower().startswith(root) and (not rest or rest[0] == "\\"):
                return start + rest
        return None

    def open(
        self,
        path: str,
        relative_to: Node | None,
        access: int,
        share: int,
        disposition: int,
        options: int,
        attributes: int,
    ) -> tuple[int, int, Open | None]:
        """Open or create; returns the status, the information and the open file."""
        if disposition not in list(Disposition):
            return Status.INVALID_PARAMETER, 0, None
        inside = path if relative_to else self._relative(path)
        if inside is None:
            return Status.OBJECT_PATH_NOT_FOUND, 0, None
        *folders, name = [part for part in inside.split("\\") if part] or [""]
        folder = relative_to or self.root
        for part in folders:
            found = folder.entries.get(part.lower())
            if not found or found.data is not None:
                return Status.OBJECT_PATH_NOT_FOUND, 0, None
            folder = found
        node = folder.entries.get(name.lower()) if name else folder
        return self._open(folder, name, node, access, share, Disposition(disposition), Option(options), attributes)

    def _open(
        self, folder: Node, name: str, node: Node | None, access: int, share: int, how: Disposition, options: Option,
        attributes: int,
    ) -> tuple[int, int, Open | None]:  # fmt: skip
        rights = _specific(access)
        refused = self._refusal(node, rights, share, how, options)
        if refused:
            return refused, (Result.EXISTS if node else Result.DOES_NOT_EXIST), None
        result = Result.OPENED
        if node is None:
            data = None if options & Option.DIRECTORY_FILE else bytearray()
            node = self._add(folder, name, data, attributes & _SETTABLE_ATTRIBUTES or NORMAL_ATTRIBUTE)
            result = Result.CREATED
        elif how in (Disposition.SUPERSEDE, Disposition.OVERWRITE, Disposition.OVERWRITE_IF):
            assert node.data is not None
            node.data.clear()
            self.touch(node)
            result = Result.SUPERSEDED if how == Disposition.SUPERSEDE else Result.OVERWRITTEN
        synchronous = bool(options & (Option.SYNCHRONOUS_IO_ALERT | Option.SYNCHRONOUS_IO_NONALERT))
        made = Open(node, rights, share, synchronous, bool(options & Option.DELETE_ON_CLOSE))
        node.opens.append(made)
        return Status.SUCCESS, result, made

    def _refusal(self, node: Node | None, rights: int, share: int, how: Disposition, options: Option) -> int:
        if node is None:
            return Status.OBJECT_NAME_NOT_FOUND if how in (Disposition.OPEN, Disposition.OVERWRITE) else 0
        directory = node.data is None
        refusals = {
            Status.OBJECT_NAME_COLLISION: how == Disposition.CREATE,
            Status.DELETE_PENDING: node.delete_pending,
            Status.FILE_IS_A_DIRECTORY: directory and bool(options & Option.NON_DIRECTORY_FILE),
            Status.NOT_A_DIRECTORY: not directory and bool(options & Option.DIRECTORY_FILE),
            Status.ACCESS_DENIED: directory and how not in (Disposition.OPEN, Disposition.OPEN_IF),
            Status.SHARING_VIOLATION: any(_collide(other, rights, share) for other in node.opens),
        }
        return next((status for status, holds in refusals.items() if holds), 0)

    def close(self, opened: Open) -> None:
        node = opened.node
        node.opens.remove(opened)
        node.delete_pending |= opened.delete_on_close
        if node.delete_pending and not node.opens and node.parent:
            node.parent.entries.pop(node.name.lower(), None)

    def rename(self, node: Node, name: str) -> None:
        assert node.parent is not None
        del node.parent.entries[node.name.lower()]
        node.name = name
        node.parent.entries[name.lower()] = node

    def touch(self, node: Node) -> None:
        node.written = self._kernel.system_time

    def _directory(self, name: str, parent: Node | None) -> Node:
        return self._add(parent, name, None, DIRECTORY_ATTRIBUTE)

    def _add(self, parent: Node | None, name: str, data: bytearray | None, attributes: int) -> Node:
        now = self._kernel.system_time
        kind = attributes | DIRECTORY_ATTRIBUTE if data is None else attributes & ~DIRECTORY_ATTRIBUTE
        made = Node(name, data, kind, now, now, parent)
        if parent:
            parent.entries[name.lower()] = made
        return made


def _collide(other: Open, rights: int, share: int) -> bool:
    """Whether one wants what the other does not share."""
    return any(
        (rights & right and not other.share & permission) or (other.access & right and not share & permission)
        for right, permission in _SHARED
    )


def _specific(access: int) -> int:
    """Put in what generic rights mean for files."""
    rights = access & 0x1FFFFFF
    for generic, meant in _GENERIC.items():
        rights |= meant if access & generic else 0
    return rights


def may_read(opened: Open) -> bool:
    return bool(opened.access & _READ_DATA)


def may_write(opened: Open) -> bool:
    return bool(opened.access & (_WRITE_DATA | _APPEND_DATA))


def may_delete(opened: Open) -> bool:
    return bool(opened.access & _DELETE)
