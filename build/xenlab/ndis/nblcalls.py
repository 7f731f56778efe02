# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: ARG001 - a routine takes what its prototype says
"""The routines of ndis.sys that work on NET_BUFFER_LISTs, NET_BUFFERs and MDLs.

Source: Windows Driver Kit, "NDIS Net Buffer Functions" and the page of each. The pools' parameters are those of
NET_BUFFER_LIST_POOL_PARAMETERS and NET_BUFFER_POOL_PARAMETERS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.cpu.memory import pages
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.nbl import (
    BUFFER,
    DATA,
    LIST,
    NetBuffers,
    Pool,
    buffers_of,
    mdl_chain,
    own_mdl,
    read_data,
    set_start,
)
from xenlab.ndis.objects6 import checked
from xenlab.ndis.structures import view
from xenlab.nt import mdl as mdls
from xenlab.nt import objects
from xenlab.nt.routine import BOOLEAN, DISPATCH_LEVEL, PVOID, SIZE_T, ULONG, USHORT, Call, Steps, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel
    from xenlab.nt.objects import Struct

_NDIS = "ndis.sys"
_MAP_NORMAL = 16


def _tag(number: int) -> str:
    return number.to_bytes(4, "little").decode("latin-1")


# Pools


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBufferListPool(kernel: Kernel, handle: PVOID, parameters: PVOID) -> PVOID:
    what = "NdisAllocateNetBufferListPool"
    given = checked(kernel, "NET_BUFFER_LIST_POOL_PARAMETERS", parameters, what)
    step = 16 if kernel.arch == "x64" else 8
    if given["ContextSize"] % step:
        kernel.violation(f"{what}: a ContextSize of {given['ContextSize']} is no multiple of {step}.")
    if given["DataSize"] and not given["fAllocateNetBuffer"]:
        kernel.violation(f"{what}: DataSize is {given['DataSize']} though fAllocateNetBuffer is FALSE.")
    made = Pool(
        LIST, _tag(given["PoolTag"]), bool(given["fAllocateNetBuffer"]), given["ContextSize"], given["DataSize"]
    )
    return kernel.part(NetBuffers).make_pool(made)


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeNetBufferListPool(kernel: Kernel, handle: PVOID) -> None:
    kernel.part(NetBuffers).free_pool(handle, LIST, "NdisFreeNetBufferListPool")


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBufferPool(kernel: Kernel, handle: PVOID, parameters: PVOID) -> PVOID:
    given = checked(kernel, "NET_BUFFER_POOL_PARAMETERS", parameters, "NdisAllocateNetBufferPool")
    return kernel.part(NetBuffers).make_pool(Pool(BUFFER, _tag(given["PoolTag"]), data_size=given["DataSize"]))


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeNetBufferPool(kernel: Kernel, handle: PVOID) -> None:
    kernel.part(NetBuffers).free_pool(handle, BUFFER, "NdisFreeNetBufferPool")


# NET_BUFFER_LISTs


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBufferList(kernel: Kernel, handle: PVOID, context: USHORT, back_fill: USHORT) -> PVOID:
    what, net = "NdisAllocateNetBufferList", kernel.part(NetBuffers)
    pool = net.pool(handle, LIST, what)
    made = net.allocate_list(handle, context, back_fill, what)
    if made and pool.with_buffer:
        buffer = net.make_buffer(handle, 0, 0, 0, None, what)
        net.attach(made, buffer)
        if pool.data_size:
            net.add_data(buffer, pool.data_size)
    return made


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBufferAndNetBufferList(
    kernel: Kernel, handle: PVOID, context: USHORT, back_fill: USHORT, mdl: PVOID, offset: ULONG, length: SIZE_T
) -> PVOID:
    what, net = "NdisAllocateNetBufferAndNetBufferList", kernel.part(NetBuffers)
    pool = net.pool(handle, LIST, what)
    if not pool.with_buffer or pool.data_size:
        kernel.violation(f"{what} is for a pool with fAllocateNetBuffer TRUE and DataSize 0 alone.")
    made = net.allocate_list(handle, context, back_fill, what)
    if made:
        net.attach(made, net.make_buffer(handle, mdl, offset, length, None, what))
    return made


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeNetBufferList(kernel: Kernel, address: PVOID) -> None:
    kernel.part(NetBuffers).free_list(address, "NdisFreeNetBufferList")


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBufferListContext(
    kernel: Kernel, address: PVOID, size: USHORT, back_fill: USHORT, tag: ULONG
) -> ULONG:
    net = kernel.part(NetBuffers)
    if address not in net.lists:
        kernel.violation(f"NdisAllocateNetBufferListContext is given {address:#x}, which is no NET_BUFFER_LIST.")
    if kernel.pool.refuses(_tag(tag), size + back_fill):
        return NdisStatus.RESOURCES
    net.add_context(address, size, back_fill)
    return NdisStatus.SUCCESS


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeNetBufferListContext(kernel: Kernel, address: PVOID, size: USHORT) -> None:
    net = kernel.part(NetBuffers)
    if address not in net.lists:
        kernel.violation(f"NdisFreeNetBufferListContext is given {address:#x}, which is no NET_BUFFER_LIST.")
    net.drop_context(address, size)


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetPoolFromNetBufferList(kernel: Kernel, address: PVOID) -> PVOID:
    return view(kernel, LIST, address)["NdisPoolHandle"]


# NET_BUFFERs


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBuffer(kernel: Kernel, handle: PVOID, mdl: PVOID, offset: ULONG, length: SIZE_T) -> PVOID:
    what, net = "NdisAllocateNetBuffer", kernel.part(NetBuffers)
    pool = net.pool(handle, BUFFER, what)
    if pool.data_size:
        kernel.violation(f"{what} is for a pool with DataSize 0 alone.")
    if kernel.pool.refuses(pool.tag, 0):
        return 0
    return net.make_buffer(handle, mdl, offset, length, pool, what)


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateNetBufferMdlAndData(kernel: Kernel, handle: PVOID) -> PVOID:
    what, net = "NdisAllocateNetBufferMdlAndData", kernel.part(NetBuffers)
    pool = net.pool(handle, BUFFER, what)
    if not pool.data_size:
        kernel.violation(f"{what} is for a pool with a DataSize.")
    if kernel.pool.refuses(pool.tag, pool.data_size):
        return 0
    buffer = net.make_buffer(handle, 0, 0, 0, pool, what)
    net.add_data(buffer, pool.data_size)
    return buffer


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeNetBuffer(kernel: Kernel, address: PVOID) -> None:
    kernel.part(NetBuffers).free_buffer(address, "NdisFreeNetBuffer")


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetPoolFromNetBuffer(kernel: Kernel, address: PVOID) -> PVOID:
    return view(kernel, BUFFER, address)["NdisPoolHandle"]


def _retreat(kernel: Kernel, buffer: Struct, delta: int, back_fill: int, allocate: int, what: str) -> Steps:
    """Move the beginning of the data `delta` bytes towards that of the chain, or a new MDL before it."""
    offset = buffer[f"{DATA}.DataOffset"]
    if delta > offset:
        size = delta - offset + back_fill
        mdl = yield from _allocate_mdl(kernel, size, allocate)
        if not mdl:
            return NdisStatus.RESOURCES
        size = objects.view(kernel, "MDL", mdl)["ByteCount"]
        _last_of(kernel, mdl, what)["Next"] = buffer[f"{DATA}.MdlChain"]
        buffer[f"{DATA}.MdlChain"] = mdl
        block = 0 if allocate else mdls.start(kernel, mdl)
        kernel.part(NetBuffers).retreats.setdefault(buffer.address, []).append((mdl, block))
        offset += size
    set_start(kernel, buffer, offset - delta, what)
    buffer[f"{DATA}.DataLength"] += delta
    return NdisStatus.SUCCESS


def _allocate_mdl(kernel: Kernel, size: int, allocate: int) -> Steps:
    """Return an MDL with so much data, by the driver's NetAllocateMdl or NDIS's own."""
    if not allocate:
        return 0 if kernel.pool.refuses("NdNr", size) else own_mdl(kernel, kernel.alloc(size, "NdNr"), size)
    wanted = kernel.alloc(4, "NdNr")
    kernel.put_u32(wanted, size)
    mdl = (yield Call(allocate, wanted)) or 0
    if mdl and kernel.u32(wanted) < size:
        kernel.violation(f"NetAllocateMdl is asked for {size} bytes and allocates {kernel.u32(wanted)}.")
    kernel.free(wanted)
    return mdl


def _last_of(kernel: Kernel, mdl: int, what: str) -> Struct:
    return objects.view(kernel, "MDL", list(mdl_chain(kernel, mdl, what))[-1])


def _advance(kernel: Kernel, buffer: Struct, delta: int, free: bool, release: int, what: str) -> Steps:
    """Move the beginning of the data `delta` bytes away from that of the chain."""
    length = buffer[f"{DATA}.DataLength"]
    if delta > length:
        kernel.violation(f"{what} by {delta} bytes, where there are {length} bytes of data.")
    offset = buffer[f"{DATA}.DataOffset"] + delta
    retreats = kernel.part(NetBuffers).retreats
    while free and buffer[f"{DATA}.MdlChain"] and offset >= _first_size(kernel, buffer):
        first, (mdl, block) = buffer[f"{DATA}.MdlChain"], retreats.get(buffer.address, [(0, 0)])[-1]
        if first != mdl:
            break
        offset -= _first_size(kernel, buffer)
        buffer[f"{DATA}.MdlChain"] = objects.view(kernel, "MDL", first)["Next"]
        retreats[buffer.address].pop()
        if not retreats[buffer.address]:
            del retreats[buffer.address]
        if block:
            kernel.free(mdl)
            kernel.free(block)
        elif release:
            yield Call(release, mdl)
        else:
            kernel.violation(f"{what} is given no NetFreeMdl for an MDL of NetAllocateMdl's.")
    set_start(kernel, buffer, offset, what)
    buffer[f"{DATA}.DataLength"] = length - delta
    return None


def _first_size(kernel: Kernel, buffer: Struct) -> int:
    return objects.view(kernel, "MDL", buffer[f"{DATA}.MdlChain"])["ByteCount"]


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisRetreatNetBufferDataStart(
    kernel: Kernel, address: PVOID, delta: ULONG, back_fill: ULONG, allocate: PVOID
) -> Steps:
    buffer = view(kernel, BUFFER, address)
    return (yield from _retreat(kernel, buffer, delta, back_fill, allocate, "NdisRetreatNetBufferDataStart"))


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAdvanceNetBufferDataStart(kernel: Kernel, address: PVOID, delta: ULONG, free: BOOLEAN, release: PVOID) -> Steps:
    buffer = view(kernel, BUFFER, address)
    return (yield from _advance(kernel, buffer, delta, bool(free), release, "NdisAdvanceNetBufferDataStart"))


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisRetreatNetBufferListDataStart(
    kernel: Kernel, address: PVOID, delta: ULONG, back_fill: ULONG, allocate: PVOID, release: PVOID
) -> Steps:
    """All buffers of the list, or none."""
    what = "NdisRetreatNetBufferListDataStart"
    done: list[Struct] = []
    for each in buffers_of(kernel, address, what):
        buffer = view(kernel, BUFFER, each)
        status = (yield from _retreat(kernel, buffer, delta, back_fill, allocate, what)) or 0
        if status:
            for other in done:
                yield from _advance(kernel, other, delta, True, release, what)
            return status
        done.append(buffer)
    return NdisStatus.SUCCESS


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAdvanceNetBufferListDataStart(
    kernel: Kernel, address: PVOID, delta: ULONG, free: BOOLEAN, release: PVOID
) -> Steps:
    what = "NdisAdvanceNetBufferListDataStart"
    for each in buffers_of(kernel, address, what):
        yield from _advance(kernel, view(kernel, BUFFER, each), delta, bool(free), release, what)
    return None


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAdjustNetBufferCurrentMdl(kernel: Kernel, address: PVOID) -> None:
    buffer = view(kernel, BUFFER, address)
    set_start(kernel, buffer, buffer[f"{DATA}.DataOffset"], "NdisAdjustNetBufferCurrentMdl")


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisGetDataBuffer(
    kernel: Kernel, address: PVOID, needed: ULONG, storage: PVOID, multiple: ULONG, offset: ULONG
) -> PVOID:
    """Return where `needed` bytes of data are in a row: where they lie, or in the caller's storage, a copy."""
    buffer = view(kernel, BUFFER, address)
    if not needed or needed > buffer[f"{DATA}.DataLength"]:
        return 0
    mdl, inside = buffer[f"{DATA}.CurrentMdl"], buffer[f"{DATA}.CurrentMdlOffset"]
    if inside + needed <= objects.view(kernel, "MDL", mdl)["ByteCount"]:
        start = _system_address(kernel, mdl)
        if not start:
            return 0
        if (start + inside) % (multiple or 1) == offset % (multiple or 1):
            return start + inside
    if storage:
        kernel.write(storage, read_data(kernel, address, "NdisGetDataBuffer")[:needed])
    return storage


def _system_address(kernel: Kernel, mdl: int) -> int:
    """MmGetSystemAddressForMdlSafe."""
    fields = objects.view(kernel, "MDL", mdl)
    if fields["MdlFlags"] & (mdls.MAPPED | mdls.NONPAGED):
        return fields["MappedSystemVa"]
    return mdls.MmMapLockedPagesSpecifyCache(kernel, mdl, 0, 1, 0, 0, _MAP_NORMAL)


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisQueryNetBufferPhysicalCount(kernel: Kernel, address: PVOID) -> ULONG:
    """The most pieces that the data of a buffer can have for a device: a page each."""
    buffer, what = view(kernel, BUFFER, address), "NdisQueryNetBufferPhysicalCount"
    left, offset, count = buffer[f"{DATA}.DataLength"], buffer[f"{DATA}.CurrentMdlOffset"], 0
    for mdl in mdl_chain(kernel, buffer[f"{DATA}.CurrentMdl"], what):
        part = min(left, objects.view(kernel, "MDL", mdl)["ByteCount"] - offset)
        count += len(pages(mdls.start(kernel, mdl) + offset, part)) if part else 0
        left, offset = left - part, 0
    return count


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisCopyFromNetBufferToNetBuffer(
    kernel: Kernel, to: PVOID, to_offset: ULONG, length: ULONG, source: PVOID, source_offset: ULONG, copied: PVOID
) -> ULONG:
    """Copy data; what there is no room for in the target is left."""
    what = "NdisCopyFromNetBufferToNetBuffer"
    data = read_data(kernel, source, what)[source_offset : source_offset + length]
    target = view(kernel, BUFFER, to)
    at = target[f"{DATA}.DataOffset"] + to_offset
    done = 0
    for mdl in mdl_chain(kernel, target[f"{DATA}.MdlChain"], what):
        size = objects.view(kernel, "MDL", mdl)["ByteCount"]
        if at < size and done < len(data):
            part = data[done : done + size - at]
            start = _system_address(kernel, mdl)
            if not start:
                return NdisStatus.RESOURCES
            kernel.write(start + at, part)
            done, at = done + len(part), 0
        else:
            at = max(0, at - size)
    kernel.put_u32(copied, done)
    return NdisStatus.SUCCESS


# MDLs


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisAllocateMdl(kernel: Kernel, handle: PVOID, va: PVOID, length: ULONG) -> PVOID:
    """An MDL of nonpaged memory, built already."""
    if any(kernel.pager.is_pageable(page) for page in pages(va, max(1, length))):
        kernel.violation("NdisAllocateMdl of pageable memory.")
    if kernel.pool.refuses("NdMd", length):
        return 0
    made = own_mdl(kernel, va, length)
    kernel.part(NetBuffers).mdls[made] = kernel.caller()
    return made


@routine(_NDIS, irql_max=DISPATCH_LEVEL)
def NdisFreeMdl(kernel: Kernel, mdl: PVOID) -> None:
    if kernel.part(NetBuffers).mdls.pop(mdl, None) is None:
        kernel.violation(f"NdisFreeMdl is given {mdl:#x}, which is no MDL of NdisAllocateMdl's, or is freed already.")
    kernel.free(mdl)
