# SPDX-License-Identifier: GPL-2.0-or-later
"""PE images in the guest's memory: relocated, imports bound, each page allowed what its section allows.

Format: Microsoft Portable Executable and Common Object File Format Specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pefile

from gplpv.errors import GplpvError
from xenlab import parsed
from xenlab.cpu import decode, memory
from xenlab.cpu.machine import Machine

_MACHINES = {"x32": 0x14C, "x64": 0x8664}
_DIRECTORIES = ("IMPORT", "EXPORT", "BASERELOC")
_RELOCATIONS = {3: 4, 10: 8}
_DISCARDABLE, _EXECUTE, _READ, _WRITE = 0x02000000, 0x20000000, 0x40000000, 0x80000000

Resolve = Callable[[str, str], int]


@dataclass
class Section:
    """A section in memory: `access` as of :mod:`xenlab.cpu.memory`."""

    name: str
    address: int
    size: int
    access: int
    discardable: bool

    @property
    def pageable(self) -> bool:
        """Whether the kernel may page it out: its name begins with PAGE."""
        return self.name.startswith("PAGE")


@dataclass
class Image:
    """An image in memory."""

    name: str
    path: Path
    base: int
    size: int
    entry: int
    sections: list[Section]
    exports: dict[str, int] = field(default_factory=dict)

    def contains(self, address: int) -> bool:
        return self.base <= address < self.base + self.size


@dataclass(frozen=True)
class _File:
    """What is in an image file, relative to wherever it will be mapped.

    Attributes:
        relocations: offset and width of what changes with the image's base.
        sections: name, offset, size, access, and whether it is discarded.
        imports: module, name and offset of the pointer.
    """

    machine: int
    preferred_base: int
    size: int
    entry: int
    data: bytes
    relocations: list[tuple[int, int]]
    sections: list[tuple[str, int, int, int, bool]]
    imports: list[tuple[str, str, int]]
    exports: dict[str, int]


def load(machine: Machine, path: Path, base: int, resolve: Resolve) -> Image:
    """Map the image at `base`; `resolve` gives an import's address, or 0 where there is none.

    Raises:
        GplpvError: it is no image for this arch, or imports what `resolve` lacks: the message names all of that.
    """
    file = _read(path)
    if file.machine != _MACHINES[machine.arch]:
        raise GplpvError(f"{path} is not an {machine.arch} image.", "Give the folder of the other arch.")
    image = _map(machine, file, path, base)
    _bind(machine, file, base, resolve, path)
    _watch(machine, image)
    return image


def discard(machine: Machine, image: Image) -> None:
    """Take the discardable sections away, as the kernel does when the driver is initialised."""
    for section in [each for each in image.sections if each.discardable]:
        if section.address & memory.PAGE_MASK == 0:
            machine.memory.unmap_free(section.address, section.size)
            image.sections.remove(section)
    machine.code_changed()


def unload(machine: Machine, image: Image) -> None:
    """Take the image out of memory."""
    for page in memory.pages(image.base, image.size):
        if machine.memory.is_mapped(page):
            machine.memory.unmap_free(page, 1)
    machine.forget_instructions(image.base, image.base + image.size)
    machine.code_changed()


@parsed.once
def _read(path: Path) -> _File:
    try:
        pe = pefile.PE(data=path.read_bytes(), fast_load=True)
        pe.parse_data_directories([pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{each}"] for each in _DIRECTORIES])
    except pefile.PEFormatError as error:
        raise GplpvError(f"{path} is not a PE image: {error}.", "Rebuild it.") from error
    header, size = pe.OPTIONAL_HEADER, pe.OPTIONAL_HEADER.SizeOfImage
    blocks = getattr(pe, "DIRECTORY_ENTRY_BASERELOC", [])
    symbols = getattr(getattr(pe, "DIRECTORY_ENTRY_EXPORT", None), "symbols", [])
    return _File(
        machine=pe.FILE_HEADER.Machine,
        preferred_base=header.ImageBase,
        size=size,
        entry=header.AddressOfEntryPoint,
        data=pe.get_memory_mapped_image().ljust(size, b"\0")[:size],
        relocations=[(each.rva, _RELOCATIONS.get(each.type, 0)) for block in blocks for each in block.entries],
        sections=[_section(each) for each in pe.sections],
        imports=list(_imports(pe)),
        exports={each.name.decode("latin-1"): each.address for each in symbols if each.name},
    )


def _section(header: Any) -> tuple[str, int, int, int, bool]:
    flags = header.Characteristics
    allowed = memory.READ if flags & _READ else 0
    allowed |= memory.WRITE if flags & _WRITE else 0
    allowed |= memory.EXECUTE if flags & _EXECUTE else 0
    name = header.Name.rstrip(b"\0").decode("ascii", "replace")
    discardable = name == "INIT" or bool(flags & _DISCARDABLE)
    return name, header.VirtualAddress, header.Misc_VirtualSize, allowed, discardable


def _imports(pe: pefile.PE) -> Iterator[tuple[str, str, int]]:
    pointer = 8 if pe.FILE_HEADER.Machine == _MACHINES["x64"] else 4
    for descriptor in getattr(pe, "DIRECTORY_ENTRY_IMPORT", []):
        module = descriptor.dll.decode("latin-1").lower()
        for index, entry in enumerate(descriptor.imports):
            name = entry.name.decode("latin-1") if entry.name else f"#{entry.ordinal}"
            yield module, name, descriptor.struct.FirstThunk + index * pointer


def _map(machine: Machine, file: _File, path: Path, base: int) -> Image:
    machine.memory.map_new(base, file.size, memory.READ)
    machine.memory.put(base, _relocated(file, base))
    image = Image(path.stem, path, base, file.size, base + file.entry, [])
    access = dict.fromkeys(memory.pages(base, file.size), 0)
    access[base] = memory.READ
    for name, offset, size, allowed, discardable in file.sections:
        section = Section(name, base + offset, size, allowed, discardable)
        image.sections.append(section)
        for page in memory.pages(section.address, section.size):
            access[page] |= allowed
    for page, allowed in access.items():
        machine.memory.protect(page, 1, allowed)
    image.exports.update((name, base + offset) for name, offset in file.exports.items())
    return image


def _relocated(file: _File, base: int) -> bytes:
    """Return the image as it lies in memory at `base`."""
    data = bytearray(file.data)
    difference = base - file.preferred_base
    for offset, width in file.relocations:
        value = int.from_bytes(data[offset : offset + width], "little") + difference
        data[offset : offset + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return bytes(data)


def _bind(machine: Machine, file: _File, base: int, resolve: Resolve, path: Path) -> None:
    lacking = []
    for module, name, offset in file.imports:
        address = resolve(module, name)
        if not address:
            lacking.append(f"{module}!{name}")
        machine.memory.put(base + offset, address.to_bytes(machine.pointer_size, "little"))
    if lacking:
        unload(machine, Image(path.stem, path, base, file.size, 0, []))
        raise GplpvError(
            f"{path.name} imports what the lab does not have: {', '.join(lacking)}.",
            "Write these routines in build/xenlab, each from its documentation.",
        )


def _watch(machine: Machine, image: Image) -> None:
    for section in image.sections:
        if section.access & memory.EXECUTE:
            code = machine.memory.read(section.address, section.size)
            for each in decode.specials(machine.arch, code):
                machine.watch_instruction(section.address + each.address, each.kind, each.size, each.register)
