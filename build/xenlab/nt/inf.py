# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a stamped INF and doing to the registry what Windows Setup does with it.

Source: Windows Driver Kit, "General Guidelines for INF Files", "INF Manufacturer Section", "INF Models Section",
"INF DDInstall Section", "INF DDInstall.Services Section", "INF AddService Directive", "INF AddReg Directive".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gplpv.errors import GplpvError
from gplpv.matrix import Nt
from xenlab.nt.objects import Arch
from xenlab.nt.registry import SERVICES, Key, Registry, RegType, Value, encode

_ARCH_NAME: dict[Arch, str] = {"x32": "x86", "x64": "amd64"}
_DIRECTORIES = {"10": r"\SystemRoot", "11": r"system32", "12": r"system32\DRIVERS"}
_SERVICE_ASSOCIATED = 0x2
_CORRECT = "Correct the INF."
_WORD = re.compile(r'"(?:[^"]|"")*"|[^",]+')

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
class Model:
    """One line of a models section: a device that the INF serves."""

    description: str
    install: str
    hardware_id: str
    compatible_ids: tuple[str, ...]


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
        self._sections, self._names = _parse(path)
        self._strings = {line.key.lower(): line.word(0) for line in self._sections.get("strings", [])}
        version = {line.key.lower(): self._expand(line.word(0)) for line in self.section("Version")}
        if version.get("signature", "").lower() not in ("$windows nt$", "$chicago$"):
            raise GplpvError(f"{path} is not an INF for Windows.", "Its [Version] section lacks a known Signature.")
        self.class_name = version.get("class", "")
        self.class_guid = version.get("classguid", "").upper()

    def section(self, name: str) -> list[Line]:
        """Return the lines of a section with its strings put in; none if there is no such section."""
        return [
            Line(self._expand(line.key), tuple(self._expand(word) for word in line.words))
            for line in self._sections.get(name.lower(), [])
        ]

    def has_section(self, name: str) -> bool:
        return name.lower() in self._sections

    def decorations(self, name: str) -> list[str]:
        """Return the sections that are `name` with a decoration, such as ``Install.NTx86``; no ``.Services``."""
        pattern = re.compile(rf"{re.escape(name)}\.nt\w*(\.\d*)*", re.IGNORECASE)
        return [each for each in self._names if pattern.fullmatch(each)]

    def models(self) -> list[Model]:
        """Return the devices that this INF serves on its arch and NT version."""
        found = []
        for line in self.section("Manufacturer"):
            for model in self.section(self.models_section(line)):
                install, hardware_id, *compatible = (*model.words, "")
                found.append(Model(model.key, install, hardware_id, tuple(each for each in compatible if each)))
        return found

    def install_section(self, name: str) -> str | None:
        """Return the install section that Windows takes for `name`: decorated for the arch, for NT, or not at all."""
        for suffix in (f".NT{_ARCH_NAME[self.arch]}", ".NT", ""):
            if f"{name}{suffix}".lower() in self._sections:
                return f"{name}{suffix}"
        return None

    def services(self, install: str) -> list[Service]:
        """Return the services that an install section, decoration included, adds."""
        return [
            Service(line.word(0), bool(number(line.word(1)) & _SERVICE_ASSOCIATED), line.word(2))
            for line in self.section(f"{install}.Services")
            if line.key.lower() == "addservice" and line.word(0)
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
        """The models section for this Windows: the decoration with the newest version that it satisfies, or none.

        Windows 2000 reads the undecorated one alone.
        """
        name, *decorations = line.words
        best: tuple[tuple[int, ...], str] = ((), "")
        for decoration in decorations if self.nt > (5, 0) else []:
            match = re.fullmatch(r"NT(x86|amd64|ia64)?((?:\.\d*)*)", decoration, re.IGNORECASE)
            if not match or (match[1] or _ARCH_NAME[self.arch]).lower() != _ARCH_NAME[self.arch]:
                continue
            wanted = tuple(int(part or 0) for part in match[2].split(".")[1:3])
            rank = (1, *wanted, int(bool(match[1])))
            if wanted <= self.nt and rank > best[0]:
                best = (rank, decoration)
        return f"{name}.{best[1]}" if best[1] else name

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

    def _expand(self, text: str) -> str:
        """Put in strings and directories; ``%%`` is a percent sign and an unknown name stays as it is."""

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if not name:
                return "%"
            return _DIRECTORIES.get(name, self._strings.get(name.lower(), match[0]))

        return re.sub(r"%([^%]*)%", value, text)


def number(text: str) -> int:
    """Return a number as INFs write it, decimal or with 0x; nothing is 0.

    Raises:
        GplpvError: it is none.
    """
    try:
        return int(text, 0) if text else 0
    except ValueError:
        raise GplpvError(f"{text!r} stands in an INF where a number is due.", _CORRECT) from None


def _parse(path: Path) -> tuple[dict[str, list[Line]], list[str]]:
    """Return the lines of each section by its name in lower case, and the names as they are written."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GplpvError(
            f"{path} cannot be read: {error.strerror}.", "Build the drivers, or name their folder."
        ) from error
    text = data.decode("utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data.decode("latin-1")
    sections: dict[str, list[Line]] = {}
    names: list[str] = []
    lines: list[Line] | None = None
    for at, raw in _logical_lines(text):
        header = re.fullmatch(r"\[\s*([^\]]+?)\s*\]", raw)
        if header:
            if header[1].lower() not in sections:
                names.append(header[1])
            lines = sections.setdefault(header[1].lower(), [])
        elif raw.startswith("["):
            raise GplpvError(f"{path}:{at}: {raw} is no section: it lacks the closing bracket or a name.", _CORRECT)
        elif lines is None:
            raise GplpvError(f"{path}:{at}: {raw} stands before the first section.", _CORRECT)
        elif raw.count('"') % 2:
            raise GplpvError(f"{path}:{at}: {raw} lacks a closing quotation mark.", _CORRECT)
        else:
            lines.append(_line(raw))
    return sections, names


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with the number of their first, without comments and blank ends, joined over a backslash."""
    pending, first = "", 0
    for at, raw in enumerate(text.splitlines(), 1):
        bare = re.match(r'(?:[^";]|"[^"]*"?)*', raw)
        line = pending + (bare[0] if bare else raw).strip()
        first = first if pending else at
        if line.endswith("\\"):
            pending = line[:-1].rstrip()
            continue
        pending = ""
        if line:
            yield first, line


def _line(raw: str) -> Line:
    match = re.match(r'((?:[^"=]|"[^"]*")*)=(.*)', raw)
    key, rest = (_unquote(match[1]), match[2]) if match else ("", raw)
    return Line(key, tuple(_split(rest)))


def _split(text: str) -> list[str]:
    """Split at the commas outside quotes."""
    words, current, end = [], "", 0
    for match in _WORD.finditer(text):
        words_between = text[end : match.start()].count(",")
        if words_between:
            words.extend([_unquote(current), *[""] * (words_between - 1)])
            current = ""
        current += match[0]
        end = match.end()
    return [*words, _unquote(current), *[""] * text[end:].count(",")]


def _unquote(text: str) -> str:
    return re.sub(r'"((?:[^"]|"")*)"', lambda match: match[1].replace('""', '"'), text.strip())


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
