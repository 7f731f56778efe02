# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of drivers as it comes: which .sys and .inf files, for which processor, for which Windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pefile

from gplpv.errors import GplpvError
from gplpv.matrix import ArchName, Nt
from xenlab import imports
from xenlab.nt import infcheck
from xenlab.nt.inf import Inf

_MACHINES: dict[int, ArchName] = {0x014C: "x32", 0x8664: "x64"}
_OLDEST: Nt = (5, 0)
_HINT = "Name a folder with the .sys and .inf files of one arch; `scons drivers` makes some below target/."


@dataclass(frozen=True)
class DriverFolder:
    """Drivers of one arch.

    Attributes:
        nt: the oldest Windows that takes all of them, as their headers state it (PE specification,
            MajorOperatingSystemVersion).
        remarks: what is in it that the lab cannot run, a line each.
    """

    path: Path
    arch: ArchName
    nt: Nt
    images: tuple[Path, ...]
    infs: tuple[Path, ...]
    remarks: tuple[str, ...] = ()

    def read_infs(self, nt: Nt) -> list[Inf]:
        """Return the INFs of the folder as a Windows reads them."""
        return [Inf(path, self.arch, nt) for path in self.infs]


def read(path: Path) -> DriverFolder:
    """Look at the drivers in a folder: what is there, what they import, whether their INFs can install them.

    Raises:
        GplpvError: there is no such folder, nothing to run in it, images of more than one arch, an import that the lab
            or the drivers' Windows lacks, or an INF that Setup would refuse.
    """
    if not path.is_dir():
        raise GplpvError(f"There is no folder {path}.", _HINT)
    files = sorted(path.iterdir())
    images = tuple(file for file in files if file.suffix.lower() == ".sys")
    infs = tuple(file for file in files if file.suffix.lower() == ".inf")
    if not images or not infs:
        raise GplpvError(f"{path} holds no {'.inf' if images else '.sys'} file.", _HINT)
    facts = {image: _header(image) for image in images}
    arches = {arch for arch, _ in facts.values()}
    if len(arches) > 1:
        listed = ", ".join(f"{image.name} {arch}" for image, (arch, _) in facts.items())
        raise GplpvError(f"{path} holds drivers of more than one arch: {listed}.", _HINT)
    found = DriverFolder(path, arches.pop(), max(_OLDEST, *(nt for _, nt in facts.values())), images, infs)
    for inf in found.read_infs(found.nt):
        infcheck.check(inf, [image.name for image in images])
    return replace(found, remarks=tuple(imports.check(images, found.arch, found.nt)))


def _header(image: Path) -> tuple[ArchName, Nt]:
    try:
        pe = pefile.PE(data=image.read_bytes(), fast_load=True)
        header = pe.OPTIONAL_HEADER
        machine = pe.FILE_HEADER.Machine
        nt = header.MajorOperatingSystemVersion, header.MinorOperatingSystemVersion
    except pefile.PEFormatError as error:
        raise GplpvError(f"{image} is no Windows image: {error}.", _HINT) from error
    if machine not in _MACHINES:
        raise GplpvError(f"{image} is for a processor that the lab lacks ({machine:#06x}).", "It has x86 and x64.")
    return _MACHINES[machine], nt
