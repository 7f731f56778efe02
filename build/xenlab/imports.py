# SPDX-License-Identifier: GPL-2.0-or-later
"""What driver images import, held against Windows and against the lab, before anything runs.

The export tables (:mod:`gplpv.exports`) say what a Windows has; the registered routines what the lab has of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pefile

from gplpv import exports
from gplpv.errors import GplpvError
from gplpv.matrix import ArchName, Nt
from xenlab.nt import routine

_TABLES = ("IMPORT", "DELAY_IMPORT")


def check(images: Iterable[Path], arch: ArchName, nt: Nt) -> list[str]:
    """See that there is everything the images import.

    Returns:
        A line for each image that the lab cannot load because it has nothing at all of a DLL of Windows, such as a port
        driver's. That ends a run only when a device asks for the driver.

    Raises:
        GplpvError: something else is lacking; a line says each export with its DLL, the image, and why.
    """
    images = list(images)
    for package in ("xenlab.nt", "xenlab.ports", "xenlab.ndis"):
        routine.load_package(package)
    lacking = [line for image in images for line in _lacking(image, arch, nt)]
    if lacking:
        raise GplpvError(
            "The drivers import what is not there:" + "".join(f"\n  {line}" for line in lacking),
            "What a Windows has and the lab lacks is a routine to write, from its documentation, in build/xenlab.",
        )
    return [
        f"{image.name} cannot be loaded: the lab has nothing of {module}."
        for image in images
        for module in sorted({module.lower() for module, _ in _imports(image)})
        if not routine.has_any(module)
    ]


def _lacking(image: Path, arch: ArchName, nt: Nt) -> Iterator[str]:
    for module, name in _imports(image):
        why = _why_not(module.lower(), name, arch, nt)
        if why:
            yield f"{image.name} imports {name} of {module}: {why}"


def _why_not(module: str, name: str, arch: ArchName, nt: Nt) -> str:
    if module not in exports.modules():
        return "the lab does not know this DLL."
    table = exports.load(module).exports
    export = table.get(name)
    if export is None:
        return "no Windows exports it."
    since = export.since(arch)
    if since is None:
        return f"no Windows exports it on {arch}."
    if since > nt:
        return f"{exports.WINDOWS[nt]} ({_dotted(nt)}) does not export it yet, {exports.WINDOWS[since]} is the first."
    if routine.has_any(module) and not routine.find(module, name):
        return "the lab lacks it."
    return ""


def _imports(image: Path) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import; one by ordinal is named ``#<ordinal>``."""
    pe = pefile.PE(data=image.read_bytes(), fast_load=True)
    pe.parse_data_directories([pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{each}"] for each in _TABLES])
    for table in _TABLES:
        for descriptor in getattr(pe, f"DIRECTORY_ENTRY_{table}", []):
            for entry in descriptor.imports:
                name = entry.name.decode("latin-1") if entry.name else f"#{entry.ordinal}"
                yield descriptor.dll.decode("latin-1"), name


def _dotted(nt: Nt) -> str:
    return ".".join(map(str, nt))
