# SPDX-License-Identifier: GPL-2.0-or-later
"""PE images in the guest's memory: relocated, imports bound, each page allowed what its section allows.

Format: Microsoft Portable Executable and Common Object File Format Specification.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pefile

from gplpv.errors import GplpvError
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


def load(machine: Machine, path: Path, base: int, resolve: Resolve) -> Image:
    """Map the image at `base`; `resolve` gives an import's address, or 0 where there is none.

    Raises:
        GplpvError: it is no image for this arch, or imports what `resolve` lacks: the message names all of that.
    """
    try:
        pe = pefile.PE(data=path.read_bytes(), fast_load=True)
        pe.parse_data_directories([pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{each}"] for each in _DIRECTORIES])
    except pefile.PEFormatError as error:
        raise GplpvError(f"{path} is not a PE image: {error}.", "Rebuild it.") from error
    if pe.FILE_HEADER.Machine != _MACHINES[machine.arch]:
        raise GplpvError(f"{path} is not an {machine.arch} image.", "Give the folder of the other arch.")
    image = _map(machine, pe, path, base)
    _bind(machine, pe, base, resolve, path)
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


def _map(machine: Machine, pe: pefile.PE, path: Path, base: int) -> Image:
    size = pe.OPTIONAL_HEADER.SizeOfImage
    machine.memory.map_new(base, size, memory.READ)
    machine.memory.put(base, _relocated(pe, base, size))
    image = Image(path.stem, path, base, size, base + pe.OPTIONAL_HEADER.AddressOfEntryPoint, [])
    access = dict.fromkeys(memory.pages(base, size), 0)
    access[base] = memory.READ
    for each in pe.sections:
        flags = each.Characteristics
        allowed = memory.READ if flags & _READ else 0
        allowed |= memory.WRITE if flags & _WRITE else 0
        allowed |= memory.EXECUTE if flags & _EXECUTE else 0
        name = each.Name.rstrip(b"\0").decode("ascii", "replace")
        discardable = name == "INIT" or bool(flags & _DISCARDABLE)
        section = Section(name, base + each.VirtualAddress, each.Misc_VirtualSize, allowed, discardable)
        image.sections.append(section)
        for page in memory.pages(section.address, section.size):
            access[page] |= allowed
    for page, allowed in access.items():
        machine.memory.protect(page, 1, allowed)
    for symbol in getattr(getattr(pe, "DIRECTORY_ENTRY_EXPORT", None), "symbols", []):
        if symbol.name:
            image.exports[symbol.name.decode("latin-1")] = base + symbol.address
    return image


def _relocated(pe: pefile.PE, base: int, size: int) -> bytes:
    """Return the image as it lies in memory at `base`."""
    data = bytearray(pe.get_memory_mapped_image().ljust(size, b"\0")[:size])
    difference = base - pe.OPTIONAL_HEADER.ImageBase
    for block in getattr(pe, "DIRECTORY_ENTRY_BASERELOC", []):
        for entry in block.entries:
            width = _RELOCATIONS.get(entry.type, 0)
            value = int.from_bytes(data[entry.rva : entry.rva + width], "little") + difference
            data[entry.rva : entry.rva + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return bytes(data)


def _bind(machine: Machine, pe: pefile.PE, base: int, resolve: Resolve, path: Path) -> None:
    lacking = []
    for descriptor in getattr(pe, "DIRECTORY_ENTRY_IMPORT", []):
        module = descriptor.dll.decode("latin-1").lower()
        for index, entry in enumerate(descriptor.imports):
            name = entry.name.decode("latin-1") if entry.name else f"#{entry.ordinal}"
            address = resolve(module, name)
            if not address:
                lacking.append(f"{module}!{name}")
            slot = base + descriptor.struct.FirstThunk + index * machine.pointer_size
            machine.memory.put(slot, address.to_bytes(machine.pointer_size, "little"))
    if lacking:
        unload(machine, Image(path.stem, path, base, pe.OPTIONAL_HEADER.SizeOfImage, 0, []))
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
