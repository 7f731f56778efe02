# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures that NDIS shares with miniports (``data/ndis*.layout``), and those of the kernel's that they hold."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gplpv.matrix import ArchName
from xenlab.nt import objects
from xenlab.nt.objects import Layout, Owner, Struct

DATA = Path(__file__).parent / "data"


@cache
def _layouts(arch: ArchName) -> dict[str, Layout]:
    """Parse all files as one text, so that a message's line counts from the first; the kernel's are among them."""
    files = [objects.DECLARATIONS, *sorted(DATA.glob("*.layout"), key=lambda each: (len(each.name), each.name))]
    return objects.parse("\n".join(file.read_text(encoding="utf-8") for file in files), arch, str(DATA))


def layout(name: str, arch: ArchName) -> Layout:
    """Return the layout of a structure such as ``NDIS_PACKET``.

    Raises:
        GplpvError: it is not declared.
    """
    return _layouts(arch)[name] if name in _layouts(arch) else objects.layout(name, arch)


def own_layouts(arch: ArchName) -> dict[str, Layout]:
    """The layouts that are NDIS's, without the kernel's."""
    return {name: each for name, each in _layouts(arch).items() if name not in objects.layouts(arch)}


def view(kernel: Owner, name: str, address: int) -> Struct:
    """Return a view of the structure `name` at a guest address."""
    return Struct(kernel.memory, layout(name, kernel.arch), address)
