# SPDX-License-Identifier: GPL-2.0-or-later
"""NDIS 5: the scatter/gather list of a packet that a bus master sends.

An adapter of 32 address bits gets low pages in place of those that it does not reach. Source also: "Scatter/Gather
DMA", NdisMInitializeScatterGatherDma.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_SHIFT, PAGE_SIZE
from xenlab.nt import mdl as mdls
from xenlab.nt.objects import layout, view

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_4_GIB = 1 << 32
Run = tuple[int, int]  # Physical address and length.


@dataclass(frozen=True)
class Gathered:
    """A scatter/gather list at an address, and the low pages that it names in place of the packet's."""

    address: int
    bounce: list[int]


def gather(kernel: Kernel, buffers: list[int], wide: bool) -> Gathered:
    """Make the SCATTER_GATHER_LIST of what buffers describe."""
    runs = _runs(kernel, buffers)
    bounce: list[int] = []
    if not wide and any(start + length > _4_GIB for start, length in runs):
        data = b"".join(kernel.physical.read(start, length) for start, length in runs)
        bounce = kernel.physical.allocate_contiguous(-(-len(data) // PAGE_SIZE), 0, _4_GIB - 1)
        kernel.physical.write(bounce[0] << PAGE_SHIFT, data)
        runs = [(bounce[0] << PAGE_SHIFT, len(data))]
    header, one = 2 * kernel.pointer_size, layout("SCATTER_GATHER_ELEMENT", kernel.arch).size
    address = kernel.alloc(header + len(runs) * one, "NdSG")
    kernel.put_u32(address, len(runs))
    for index, (start, length) in enumerate(runs):
        element = view(kernel, "SCATTER_GATHER_ELEMENT", address + header + index * one)
        element["Address"], element["Length"] = start, length
    return Gathered(address, bounce)


def release(kernel: Kernel, gathered: Gathered) -> None:
    kernel.physical.free_frames(gathered.bounce)
    kernel.free(gathered.address)


def _runs(kernel: Kernel, buffers: list[int]) -> list[Run]:
    found: list[Run] = []
    for buffer in buffers:
        fields = view(kernel, "MDL", buffer)
        at, left = fields["ByteOffset"], fields["ByteCount"]
        for frame in mdls.frames(kernel, buffer) if left else ():
            start, length = (frame << PAGE_SHIFT) + at, min(left, PAGE_SIZE - at)
            if found and sum(found[-1]) == start:
                found[-1] = found[-1][0], found[-1][1] + length
            else:
                found.append((start, length))
            at, left = 0, left - length
    return found
