# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses as people read them: image, function, source file and line, from the PDB beside the image."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gplpv import process
from gplpv.errors import GplpvError
from xenlab import parsed
from xenlab.cpu.loader import Image
from xenlab.cpu.machine import Machine

_PROGRAMS = ("llvm-symbolizer", "llvm-symbolizer-19", "llvm-symbolizer-20", "llvm-symbolizer-18", "llvm-symbolizer-14")
_DEEPEST = 24
_SOURCE_ROOT = "c:/gplpv/"


class Symbols:
    """The symbols of the images that are loaded, or were."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.images: list[Image] = []
        self.names: dict[int, str] = {}

    def image_of(self, address: int) -> Image | None:
        return next((image for image in reversed(self.images) if image.contains(address)), None)

    def describe(self, address: int, called: bool = False) -> str:
        """Return ``image!function (file:line)``; `called`: it is a return address, so the line before it is meant."""
        return self._describe([(address, called)])[0]

    def stack(self, pc: int, sp: int, limit: int) -> list[str]:
        """Describe where the guest is: `pc`, then :meth:`calls`."""
        return self._describe([(pc, False), *((address, True) for address in self.calls(sp, limit))])

    def calls(self, sp: int, limit: int) -> list[int]:
        """What between `sp` and `limit` looks like a return address, the innermost ones first."""
        found: list[int] = []
        size = self._machine.pointer_size
        memory = self._machine.memory
        for slot in range(sp & -size, limit, size):
            if not memory.is_mapped(slot) or len(found) == _DEEPEST:
                break
            value = int.from_bytes(memory.read(slot, size), "little")
            if self.image_of(value) and self._follows_call(value):
                found.append(value)
        return found

    def _describe(self, places: list[tuple[int, bool]]) -> list[str]:
        """Describe addresses, each with whether it is a return address; one run of the symbolizer an image."""
        wanted: dict[Path, list[int]] = {}
        for address, called in places:
            image = self.image_of(address)
            if image and address not in self.names:
                wanted.setdefault(image.path, []).append(address - image.base - called)
        found = {path: _look_up(path, offsets) for path, offsets in wanted.items()}
        return [self._text(address, called, found) for address, called in places]

    def _text(self, address: int, called: bool, found: dict[Path, dict[int, str]]) -> str:
        if address in self.names:
            return self.names[address]
        image = self.image_of(address)
        if not image:
            return f"{address:#x}"
        relative = address - image.base
        return f"{image.name}!{found[image.path].get(relative - called) or f'+{relative:#x}'}"

    def _follows_call(self, address: int) -> bool:
        """Whether the bytes before `address` are a CALL (direct, or through register or memory)."""
        memory = self._machine.memory
        if not (memory.is_mapped(address - 7) and memory.is_mapped(address)):
            return False
        before = memory.read(address - 7, 7)
        indirect = any(before[-length] == 0xFF and before[1 - length] & 0x38 == 0x10 for length in (2, 3, 4, 6, 7))
        return before[-5] == 0xE8 or indirect


def _look_up(image: Path, offsets: list[int]) -> dict[int, str]:
    """Return function, file and line of addresses relative to an image's base; nothing where it has no PDB."""
    symbols = image.with_suffix(".pdb")
    if not symbols.is_file():
        return {}
    known = _known(symbols)
    if new := [offset for offset in offsets if offset not in known]:
        options = ["--output-style=JSON", "--relative-address", f"--obj={image}"]
        done = process.run([_program(), *options, *map(hex, new)])
        rows = json.loads(done.output.splitlines()[-1])
        known.update((offset, _frames(row.get("Symbol") or [])) for offset, row in zip(new, rows, strict=True))
    return known


@parsed.once
def _known(_: Path) -> dict[int, str]:
    """Return what was found out about the addresses of an image so far, by its PDB."""
    return {}


def _frames(symbols: list[dict[str, object]]) -> str:
    return " < ".join(_frame(each) for each in symbols if each.get("FunctionName"))


def _frame(symbol: dict[str, object]) -> str:
    file = str(symbol.get("FileName", "")).replace("\\", "/").removeprefix(_SOURCE_ROOT)
    line = f" ({file}:{symbol['Line']})" if file else ""
    return f"{symbol['FunctionName']}{line}"


def _program() -> Path:
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    raise GplpvError("llvm-symbolizer is not installed.", "sudo apt-get install llvm")
