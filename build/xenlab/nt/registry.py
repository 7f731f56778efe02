# SPDX-License-Identifier: GPL-2.0-or-later
"""The registry: keys and values in memory, by the names that drivers use.

Source: Windows Driver Kit, "Registry Trees and Keys for Devices and Drivers" and "Registry Run-Time"; ZwCreateKey and
its relatives (:mod:`xenlab.nt.zwkey`) are the drivers' way in. ``CurrentControlSet`` is the link to ``ControlSet001``
that the boot loader makes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from gplpv.errors import GplpvError

CONTROL_SET = r"\Registry\Machine\System\CurrentControlSet"
SERVICES = rf"{CONTROL_SET}\Services"
CLASSES = rf"{CONTROL_SET}\Control\Class"
ENUM = rf"{CONTROL_SET}\Enum"
DEVICE_CLASSES = rf"{CONTROL_SET}\Control\DeviceClasses"

_LINKS = {"currentcontrolset": "ControlSet001"}
_BASE = (
    r"\Registry\User\.Default",
    r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion",
    r"\Registry\Machine\Hardware\Description\System",
    r"\Registry\Machine\Hardware\DeviceMap",
    rf"{CONTROL_SET}\Control",
    CLASSES,
    DEVICE_CLASSES,
    ENUM,
    SERVICES,
    rf"{CONTROL_SET}\Hardware Profiles\Current",
)


class RegType(IntEnum):
    """Types of a value, by the name behind ``REG_``."""

    NONE = 0
    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    LINK = 6
    MULTI_SZ = 7
    QWORD = 11


@dataclass(frozen=True)
class Value:
    """A value as the registry stores it: its name with its case, its type and its bytes."""

    name: str
    type: int
    data: bytes

    def text(self) -> str:
        """Return a string value, without what follows a terminator."""
        return self.data.decode("utf-16-le", errors="replace").split("\0", 1)[0]

    def texts(self) -> list[str]:
        """Return the strings of a REG_MULTI_SZ."""
        return [each for each in self.data.decode("utf-16-le", errors="replace").split("\0") if each]

    def number(self) -> int:
        """Return a REG_DWORD or REG_QWORD."""
        return int.from_bytes(self.data, "little")


Plain = str | int | bytes | list[str]


def encode(name: str, value: Plain) -> Value:
    """Return `value` in its natural type: str REG_SZ, int REG_DWORD, bytes REG_BINARY, list REG_MULTI_SZ."""
    if isinstance(value, str):
        return Value(name, RegType.SZ, f"{value}\0".encode("utf-16-le"))
    if isinstance(value, int):
        return Value(name, RegType.DWORD, struct.pack("<I", value & 0xFFFFFFFF))
    if isinstance(value, bytes):
        return Value(name, RegType.BINARY, value)
    return Value(name, RegType.MULTI_SZ, "".join(f"{each}\0" for each in [*value, ""]).encode("utf-16-le"))


@dataclass(eq=False)
class Key:
    """One key. Names keep their case and are found in any; subkeys and values are in the order they were made.

    Attributes:
        volatile: does not outlive the boot, and has volatile subkeys only.
        deleted: ZwDeleteKey has taken it out; handles to it are good for nothing but closing.
    """

    name: str
    parent: Key | None = None
    volatile: bool = False
    deleted: bool = False
    keys: dict[str, Key] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{self.parent.path}\\{self.name}" if self.parent else ""

    def find(self, path: str) -> Key | None:
        """Return the key at a relative path, or None."""
        key: Key | None = self
        for part in _parts(path):
            key = key.keys.get(part.lower()) if key else None
        return key

    def create(self, path: str, volatile: bool = False) -> Key:
        """Return the key at a relative path, made with all on the way to it where it is missing."""
        key = self
        for part in _parts(path):
            key = key.keys.setdefault(part.lower(), Key(part, key, volatile))
        return key

    def get(self, name: str) -> Value | None:
        return self.values.get(name.lower())

    def set(self, name: str, value: Plain) -> None:
        self.put(encode(name, value))

    def put(self, value: Value) -> None:
        self.values[value.name.lower()] = value

    def delete(self) -> None:
        """Take an empty key out of the tree."""
        if self.parent is None or self.keys:
            raise GplpvError(f"The key {self.path or 'Registry'} cannot be deleted.", "Delete its subkeys first.")
        del self.parent.keys[self.name.lower()]
        self.deleted = True

    def walk(self) -> Iterator[Key]:
        """Yield this key and all below it."""
        yield self
        for key in self.keys.values():
            yield from key.walk()


class Registry:
    """The whole tree; paths are absolute and begin with ``\\Registry``."""

    def __init__(self) -> None:
        self.root = Key("")
        for path in _BASE:
            self.create(path)

    def find(self, path: str) -> Key | None:
        return self.root.find(path) if path.startswith("\\") else None

    def create(self, path: str) -> Key:
        if not path.lower().startswith("\\registry\\"):
            raise GplpvError(f"{path} is not a registry path.", r"One begins with \Registry\Machine or \Registry\User.")
        return self.root.create(path)

    def get(self, path: str, name: str) -> Value | None:
        """Return a value, or None if it or its key is not there."""
        key = self.find(path)
        return key.get(name) if key else None

    def set(self, path: str, name: str, value: Plain) -> None:
        """Set a value; its key is made if it is missing."""
        self.create(path).set(name, value)


def _parts(path: str) -> list[str]:
    return [_LINKS.get(part.lower(), part) for part in path.split("\\") if part]
