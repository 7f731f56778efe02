# SPDX-License-Identifier: GPL-2.0-or-later
"""What each Windows exports: the source of import libraries, and what every linked image is checked against.

A driver that imports one name which its Windows lacks is not loaded at all, and a boot driver then takes the machine
with it. The tables (``data/exports/<module>.tsv``) say for each export how x86 decorates its symbol and since which NT
version it exists on x86 and on x64; their first lines name the sources. Formats: Microsoft Portable Executable and
Common Object File Format Specification, "The .idata Section", "Delay-Load Import Tables", "Import Library Format".
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pefile

from gplpv.errors import GplpvError, nearest
from gplpv.matrix import ArchName, Nt

FOLDER = Path(__file__).parent / "data" / "exports"
MACHINE: Mapping[ArchName, int] = {"x32": 0x14C, "x64": 0x8664}
VERSIONS: Mapping[str, Nt] = {"5.0": (5, 0), "5.1": (5, 1), "5.2": (5, 2), "6.0": (6, 0), "6.1": (6, 1)}
WINDOWS: Mapping[Nt, str] = {
    (5, 0): "Windows 2000",
    (5, 1): "Windows XP",
    (5, 2): "Windows Server 2003 and XP x64",
    (6, 0): "Windows Vista",
    (6, 1): "Windows 7",
}
FIRST_X64: Nt = (5, 2)


@dataclass(frozen=True)
class Export:
    """One export: its name in the image, how x86 decorates it, and the first NT version that has it (None: never)."""

    name: str
    convention: str
    x32: Nt | None
    x64: Nt | None

    def since(self, arch: ArchName) -> Nt | None:
        return self.x32 if arch == "x32" else self.x64

    def definition(self, arch: ArchName) -> str:
        """Return its line of a module definition file; on x86 decorated, for ``dlltool -k``."""
        if self.convention == "d":
            return f"{self.name} DATA"
        if arch == "x64" or self.convention == "c":
            return self.name
        if self.convention.startswith("f"):
            return f"@{self.name}@{self.convention[1:]}"
        return f"{self.name}@{self.convention}"


@dataclass(frozen=True)
class ExportTable:
    """The exports of one module over all Windows versions, by name."""

    module: str
    exports: Mapping[str, Export]

    def available(self, arch: ArchName, nt: Nt) -> frozenset[str]:
        """Return the names that this module exports on NT version `nt`."""
        return frozenset(export.name for export in self._of(arch, nt))

    def definition(self, arch: ArchName, nt: Nt) -> str:
        """Return the module definition file that lists exactly those names."""
        lines = [export.definition(arch) for export in self._of(arch, nt)]
        return "\n".join([f'LIBRARY "{self.module}"', "EXPORTS", *lines, ""])

    def _of(self, arch: ArchName, nt: Nt) -> Iterator[Export]:
        for export in self.exports.values():
            since = export.since(arch)
            if since and since <= nt:
                yield export


@dataclass(frozen=True)
class Violation:
    """An import that the image's Windows does not satisfy, and the sentence that says so."""

    module: str
    name: str
    message: str

    def __str__(self) -> str:
        return self.message


def modules() -> list[str]:
    """Return the modules that have a table, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.tsv"))


@cache
def load(module: str) -> ExportTable:
    """Return the table of a module such as ``ntoskrnl.exe``; the case of its name does not matter.

    Raises:
        GplpvError: there is no such table, or a row of it is wrong (the message names file and line).
    """
    path = FOLDER / f"{module.lower()}.tsv"
    if not path.is_file():
        raise GplpvError(f"There is no export table for {module}.", nearest(module, modules()))
    return read(path)


def read(path: Path) -> ExportTable:
    """Read a table: one export a line, sorted by name, four columns separated by tabs; ``#`` starts a comment line.

    Raises:
        GplpvError: a row is wrong; the message names file and line.
    """
    exports: dict[str, Export] = {}
    last = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        try:
            export = _parse(line)
            if export.name <= last:
                raise ValueError(f"{export.name} comes after {last}: names are sorted by character code, each once")
        except ValueError as error:
            raise GplpvError(f"{path}:{number}: {error}.", "Its first lines say what a row looks like.") from error
        exports[export.name] = export
        last = export.name
    return ExportTable(path.stem, exports)


def definition(module: str, arch: ArchName, nt: Nt) -> str:
    """Return the module definition file for ``dlltool`` (x86: with ``-k``) of `module` as NT version `nt` has it."""
    return load(module).definition(arch, nt)


def check_imports(image: Path, arch: ArchName, nt: Nt) -> list[Violation]:
    """Return what `image` imports, delay imports included, that NT version `nt` on `arch` does not export.

    Raises:
        GplpvError: the file is no PE image, or one of another machine.
    """
    try:
        return check_imports_of(pefile.PE(data=image.read_bytes(), fast_load=True), arch, nt, str(image))
    except pefile.PEFormatError as error:
        raise GplpvError(f"{image} is not a PE image: {error}.", "Rebuild it.") from error


def check_imports_of(pe: pefile.PE, arch: ArchName, nt: Nt, image: str) -> list[Violation]:
    """The same of an image that was read; `image` is its name."""
    found = []
    for module, name in _imports(pe, arch, image):
        message = _judge(module.lower(), name, arch, nt)
        if message:
            found.append(Violation(module.lower(), name, message))
    return found


def explain_undefined(name: str, arch: ArchName, nt: Nt) -> str:
    """Return why a linker did not find `name`, where some Windows exports it but not NT version `nt`; else nothing."""
    known = [module for module in modules() if name in load(module).exports]
    return " ".join(filter(None, (_judge(module, name, arch, nt) for module in known)))


def _parse(line: str) -> Export:
    columns = line.split("\t")
    if len(columns) != 4:
        raise ValueError(f"{len(columns)} columns instead of name, convention, x86, x64")
    name, convention, x86, x64 = columns
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise ValueError(f"{name!r} is not a name")
    stack = re.fullmatch(r"f?(\d{1,3})", convention, re.ASCII)
    if convention not in ("c", "d") and (not stack or int(stack[1]) % 4):
        raise ValueError(f"{convention!r} is not a convention (N, fN, c or d; N a multiple of 4)")
    export = Export(name, convention, _version(x86), _version(x64))
    if export.x64 and export.x64 < FIRST_X64:
        raise ValueError(f"{x64} never existed on x64")
    if not (export.x32 or export.x64):
        raise ValueError(f"{name} is exported on neither arch")
    return export


def _version(text: str) -> Nt | None:
    if text != "-" and text not in VERSIONS:
        raise ValueError(f"{text!r} is not a version ({', '.join(VERSIONS)} or -)")
    return VERSIONS.get(text)


def _imports(pe: pefile.PE, arch: ArchName, image: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import; an import by ordinal is named ``#<ordinal>``."""
    if pe.FILE_HEADER.Machine != MACHINE[arch]:
        raise GplpvError(f"{image} is not an {arch} image.", "Rebuild it for this arch.")
    for descriptor in [*_descriptors(pe, "IMPORT"), *_descriptors(pe, "DELAY_IMPORT")]:
        for entry in descriptor.imports:
            name = entry.name.decode("latin-1") if entry.name else f"#{entry.ordinal}"
            yield descriptor.dll.decode("latin-1"), name


def _descriptors(pe: Any, directory: str) -> list[Any]:
    index = pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{directory}"]
    pe.parse_data_directories([index])
    descriptors: list[Any] | None = getattr(pe, f"DIRECTORY_ENTRY_{directory}", None)
    if descriptors is None and pe.OPTIONAL_HEADER.DATA_DIRECTORY[index].VirtualAddress:
        raise pefile.PEFormatError(f"its {directory.lower().replace('_', ' ')} directory cannot be read")
    return descriptors or []


def _judge(module: str, name: str, arch: ArchName, nt: Nt) -> str:
    """Return what is wrong with an import, or nothing."""
    here = f"this image is for {_windows(nt)}"
    if module not in modules():
        return f"{name} is imported from {module}, which has no export table; {here}."
    if name.startswith("#"):
        return f"{name} of {module} is imported by its ordinal, which differs between versions; {here}."
    table = load(module)
    available = _available(module, arch, nt)
    if name in available:
        return ""
    export = table.exports.get(name)
    if not export:
        close = difflib.get_close_matches(name, sorted(available), n=3, cutoff=0.7)
        advice = f"nearest: {', '.join(close)}" if close else "nothing has a name like it"
        return f"{name} is not in the export table of {module}; {_elsewhere(name, arch, nt) or advice}."
    since = export.since(arch)
    if since:
        return f"{name} is exported by {module} since {_windows(since)}; {here}."
    return f"{name} is not exported by {module} on {arch}; {_elsewhere(name, arch, nt) or here}."


@cache
def _available(module: str, arch: ArchName, nt: Nt) -> frozenset[str]:
    return load(module).available(arch, nt)


def _elsewhere(name: str, arch: ArchName, nt: Nt) -> str:
    exporters = [module for module in modules() if name in load(module).available(arch, nt)]
    return f"{' and '.join(exporters)} has it" if exporters else ""


def _windows(nt: Nt) -> str:
    version = f"{nt[0]}.{nt[1]}"
    return f"{WINDOWS[nt]} ({version})" if nt in WINDOWS else f"NT {version}"
