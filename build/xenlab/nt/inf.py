# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a stamped INF and doing to the registry what Windows Setup does with it.

Source: Windows Driver Kit, "General Guidelines for INF Files", "INF Manufacturer Section", "INF Models Section",
"INF DDInstall Section", "INF DDInstall.Services Section", "INF AddService Directive", "INF AddReg Directive".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gplpv.errors import GplpvError
from gplpv.inf import view
from gplpv.inf.parse import Document, Word, parse
from gplpv.inf.target import Target, models_section
from gplpv.inf.view import Model
from gplpv.matrix import Nt
from xenlab import parsed
from xenlab.nt.objects import Arch
from xenlab.nt.registry import SERVICES, Key, Registry, RegType, Value, encode

_ARCH_NAME: dict[Arch, str] = {"x32": "x86", "x64": "amd64"}
_DIRECTORIES = {"10": r"\SystemRoot", "11": r"system32", "12": r"system32\DRIVERS"}
_CORRECT = "Correct the INF."
# What Setup refuses to read; the rest of what is wrong it passes over.
_REFUSED = ("unterminated-header", "nameless-section", "text-before-section", "unterminated-string")

# What the registry calls the directives of a service-install section.
_SERVICE_NUMBERS = {"ServiceType": "Type", "StartType": "Start", "ErrorControl": "ErrorControl"}
_SERVICE_TEXTS = {"DisplayName": "DisplayName", "LoadOrderGroup": "Group", "Description": "Description"}


@dataclass(frozen=True)
class Line:
    """One line of a section: the word before ``=``, empty without one, and the comma-separated words after it."""

    key: str
    words: tuple[str, ...]

    def word(self, index: int) -> str:
        """Return a word, empty where the line ends before it."""
        return self.words[index] if index < len(self.words) else ""


@dataclass(frozen=True)
class Service:
    """One AddService: the service, its section, and whether it is the function driver of the device."""

    name: str
    associated: bool
    section: str


class Inf:
    """A parsed INF, read for one arch and NT version.

    Attributes:
        path: the file; drivers lie beside it.
    """

    def __init__(self, path: Path, arch: Arch, nt: Nt) -> None:
        self.path = path
        self.arch: Arch = arch
        self.nt = nt
        self._target = Target(_ARCH_NAME[arch], nt)
        self._document = _read(path)
        self._view = view.Inf(self._document)
        self._view.strings |= {name: Word(folder, 0, 0) for name, folder in _DIRECTORIES.items()}
        if self._view.version("Signature").lower() not in ("$windows nt$", "$chicago$"):
            raise GplpvError(f"{path} is not an INF for Windows.", "Its [Version] section lacks a known Signature.")
        self.class_name = self._view.version("Class")
        self.class_guid = self._view.version("ClassGUID").upper()

    def section(self, name: str) -> list[Line]:
        """Return the lines of a section with its strings put in; none if there is no such section."""
        entries = self._document.section(name)
        return [Line(self._view.expand(entry.key), tuple(self._view.texts(entry))) for entry in entries]

    def has_section(self, name: str) -> bool:
        return self._document.has_section(name)

    def decorations(self, name: str) -> list[str]:
        """Return the sections that are `name` with a decoration, such as ``Install.NTx86``; no ``.Services``."""
        return self._view.decorated(name)

    def models(self) -> list[Model]:
        """Return the devices that this INF serves on its arch and NT version."""
        sections = (self.models_section(line) for line in self.section("Manufacturer"))
        return [model for section in sections for model in self._view.models_in(section)]

    def install_section(self, name: str) -> str | None:
        """Return the install section that Windows takes for `name`: decorated for the arch, for NT, or not at all."""
        return self._view.install_section(name, self._target)

    def services(self, install: str) -> list[Service]:
        """Return the services that an install section, decoration included, adds."""
        return [
            Service(service.name, bool(number(service.flags) & view.FUNCTION_DRIVER), service.section)
            for service in self._view.services(install)
        ]

    def add_services(self, install: str, registry: Registry) -> list[Service]:
        """Write the services of an install section, decoration included, to the registry; return them."""
        services = self.services(install)
        for service in services:
            key = registry.create(rf"{SERVICES}\{service.name}")
            for line in self.section(service.section):
                self._service_line(line, key)
            self.add_reg(service.section, registry, key)
        return services

    def add_reg(self, section: str, registry: Registry, relative: Key) -> None:
        """Do the AddReg directives of a section; `relative` is what HKR means there."""
        for directive in self.section(section):
            if directive.key.lower() == "addreg":
                for name in directive.words:
                    for line in self.section(name):
                        _add_value(line, _root(line.word(0), registry, relative))

    def models_section(self, line: Line) -> str:
        """The models section for this Windows; the lab takes the undecorated one on every arch if none is decorated."""
        name, *decorations = line.words
        return models_section(name, decorations, self._target) or name

    def _service_line(self, line: Line, key: Key) -> None:
        if line.key in _SERVICE_NUMBERS:
            key.set(_SERVICE_NUMBERS[line.key], number(line.word(0)))
        elif line.key in _SERVICE_TEXTS:
            key.set(_SERVICE_TEXTS[line.key], line.word(0))
        elif line.key == "ServiceBinary":
            image = encode("ImagePath", line.word(0))
            key.put(Value(image.name, RegType.EXPAND_SZ, image.data))
        elif line.key == "Dependencies":
            key.set("DependOnService", [word for word in line.words if word])


def number(text: str) -> int:
    """Return a number as INFs write it, decimal or with 0x; nothing is 0.

    Raises:
        GplpvError: it is none.
    """
    found = view.number(text or "0")
    if found is None:
        raise GplpvError(f"{text!r} stands in an INF where a number is due.", _CORRECT)
    return found


@parsed.once
def _read(path: Path) -> Document:
    try:
        document = parse(path.read_bytes())
    except OSError as error:
        raise GplpvError(
            f"{path} cannot be read: {error.strerror}.", "Build the drivers, or name their folder."
        ) from error
    for fault in document.faults:
        if fault.kind in _REFUSED:
            raise GplpvError(f"{path}:{document.position(fault.start).line}: {fault.message}", _CORRECT)
    return document


def _root(name: str, registry: Registry, relative: Key) -> Key:
    roots = {
        "HKLM": r"\Registry\Machine",
        "HKU": r"\Registry\User",
        "HKCU": r"\Registry\User\.Default",
        "HKCR": r"\Registry\Machine\Software\Classes",
    }
    if name.upper() == "HKR":
        return relative
    if name.upper() not in roots:
        raise GplpvError(f"{name!r} is not the root of an AddReg line.", f"Known: HKR, {', '.join(roots)}.")
    return registry.create(roots[name.upper()])


_BINARY_TYPE, _NO_CLOBBER, _DELETE, _APPEND, _KEY_ONLY = 0x1, 0x2, 0x4, 0x8, 0x10
_TYPES = {
    0x00000: RegType.SZ,
    0x00001: RegType.BINARY,
    0x10000: RegType.MULTI_SZ,
    0x20000: RegType.EXPAND_SZ,
    0x10001: RegType.DWORD,
    0x20001: RegType.NONE,
}


def _add_value(line: Line, root: Key) -> None:
    """Do one line of an add-registry section: root, subkey, value name, flags, value."""
    flags = number(line.word(3))
    name = line.word(2)
    if flags & _DELETE:
        key = root.find(line.word(1))
        if key:
            key.values.pop(name.lower(), None)
        return
    key = root.create(line.word(1))
    if flags & _KEY_ONLY or (flags & _NO_CLOBBER and key.get(name)) or len(line.words) < 3:
        return
    kind = _TYPES.get(flags & 0xFFFF0001)
    if kind is None:
        raise GplpvError(f"0x{flags:08x} are no flags of an AddReg line.", _CORRECT)
    words = list(line.words[4:])
    if kind == RegType.MULTI_SZ:
        old = key.get(name)
        key.set(name, [*(old.texts() if old and flags & _APPEND else []), *(word for word in words if word)])
    elif kind == RegType.DWORD:
        key.set(name, number(words[0] if words else ""))
    elif kind in (RegType.BINARY, RegType.NONE):
        key.put(Value(name, kind, bytes(int(word, 16) for word in words if word)))
    else:
        key.put(Value(name, kind, f"{words[0] if words else ''}\0".encode("utf-16-le")))
