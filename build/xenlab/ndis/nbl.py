# SPDX-License-Identifier: GPL-2.0-or-later
"""NET_BUFFER_LISTs and NET_BUFFERs: their pools, what drivers allocate of them, and the data that they describe.

Every structure is a block of its own between guard pages, gone when it is freed. Data is read through the frames of its
MDLs, as a device would read it, never through a virtual address. Source: Windows Driver Kit, "NET_BUFFER Architecture"
and the page of each function.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.cpu.memory import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from xenlab.ndis.structures import layout, view
from xenlab.nt import mdl as mdls
from xenlab.nt import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenlab.nt.kernel import Kernel
    from xenlab.nt.objects import Struct

LIST, BUFFER = "NET_BUFFER_LIST", "NET_BUFFER"
DATA = "NetBufferHeader.NetBufferData"
NEXT_LIST, FIRST_BUFFER = "NetBufferListHeader.Next", "NetBufferListHeader.FirstNetBuffer"
_LONGEST_CHAIN = 4096


@dataclass(eq=False)
class Pool:
    """A pool of `kind`; `with_buffer`: a NET_BUFFER comes with each list; `data_size`: and so much data."""

    kind: str
    tag: str
    with_buffer: bool = False
    context_size: int = 0
    data_size: int = 0
    members: set[int] = field(default_factory=set)


@dataclass(eq=False)
class Block:
    """A structure that a driver has allocated.

    Attributes:
        bound: it came with a list, and goes with it.
        parts: what else goes with it: blocks of the kernel's own.
    """

    pool: Pool | None
    pool_handle: int
    where: int
    bound: bool = False
    buffer: int = 0
    parts: list[int] = field(default_factory=list)


class NetBuffers:
    """All pools, lists and buffers that drivers have.

    Attributes:
        retreats: what retreats have put before the data, by buffer, anybody's: MDL and the block behind it, 0 where
            NetAllocateMdl has made it.
        lent: lists that NDIS has between an indication and their return: by address, what a message says of them.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.pools: dict[int, tuple[Pool, int]] = {}
        self.lists: dict[int, Block] = {}
        self.buffers: dict[int, Block] = {}
        self.mdls: dict[int, int] = {}
        self.retreats: dict[int, list[tuple[int, int]]] = {}
        self.lent: dict[int, str] = {}

    # Pools

    def make_pool(self, pool: Pool) -> int:
        if self.kernel.pool.refuses(pool.tag, 64):
            return 0
        handle = self.kernel.alloc(64, "NdNp")
        self.pools[handle] = pool, self.kernel.caller()
        return handle

    def pool(self, handle: int, kind: str, what: str) -> Pool:
        found = self.pools.get(handle)
        if not found:
            self.kernel.violation(f"{what} is given {handle:#x}, which is no pool, or one that is freed.")
        if found[0].kind != kind:
            self.kernel.violation(f"{what} is given a pool of {found[0].kind} structures.")
        return found[0]

    def free_pool(self, handle: int, kind: str, what: str) -> None:
        pool = self.pool(handle, kind, what)
        if pool.members:
            self.kernel.violation(f"A pool is freed with {len(pool.members)} {kind} structures of it in use.")
        del self.pools[handle]
        self.kernel.free(handle)

    # Lists and buffers

    def allocate_list(self, handle: int, context_size: int, back_fill: int, what: str) -> int:
        """Allocate a list; 0 when that is to fail."""
        kernel, pool = self.kernel, self.pool(handle, LIST, what)
        size = layout(LIST, kernel.arch).size
        self._check_context(context_size, back_fill, what)
        context_size = context_size or pool.context_size
        if kernel.pool.refuses(pool.tag, size):
            return 0
        address = kernel.alloc(size, "NdNl")
        made = view(kernel, LIST, address)
        made["NdisPoolHandle"] = handle
        self.lists[address] = Block(pool, handle, kernel.caller())
        pool.members.add(address)
        if context_size or back_fill:
            self.add_context(address, context_size, back_fill)
        return address

    def add_context(self, address: int, size: int, back_fill: int) -> None:
        """Give a list room for a context of `size` bytes, and for `back_fill` more before it."""
        kernel = self.kernel
        head = layout("NET_BUFFER_LIST_CONTEXT", kernel.arch).size
        room = kernel.alloc(head + size + back_fill, "NdNc")
        context = view(kernel, "NET_BUFFER_LIST_CONTEXT", room)
        the_list = view(kernel, LIST, address)
        context["Next"], context["Size"], context["Offset"] = the_list["Context"], size + back_fill, back_fill
        the_list["Context"] = room
        self.lists[address].parts.append(room)

    def drop_context(self, address: int, size: int) -> None:
        """Take back so much of a list's context; what is empty then goes."""
        kernel, the_list = self.kernel, view(self.kernel, LIST, address)
        room = the_list["Context"]
        if room not in self.lists[address].parts:
            kernel.violation(f"A context of {size} bytes is freed of a list that has none.")
        context = view(kernel, "NET_BUFFER_LIST_CONTEXT", room)
        if context["Offset"] + size > context["Size"]:
            kernel.violation(f"{size} bytes of a context are freed, which has {context['Size'] - context['Offset']}.")
        context["Offset"] += size
        if context["Offset"] == context["Size"]:
            the_list["Context"] = context["Next"]
            self.lists[address].parts.remove(room)
            kernel.free(room)

    def _check_context(self, size: int, back_fill: int, what: str) -> None:
        step = 16 if self.kernel.arch == "x64" else 8
        if size % step or back_fill % step:
            self.kernel.violation(f"{what}: a context of {size} + {back_fill} bytes is no multiple of {step}.")

    def make_buffer(self, handle: int, mdl: int, offset: int, length: int, pool: Pool | None, what: str) -> int:
        """Allocate a NET_BUFFER for the data in a chain of MDLs; its caller has asked whether that is to fail."""
        kernel = self.kernel
        address = kernel.alloc(layout(BUFFER, kernel.arch).size, "NdNb")
        buffer = view(kernel, BUFFER, address)
        buffer["NdisPoolHandle"] = handle
        buffer[f"{DATA}.MdlChain"] = mdl
        set_start(kernel, buffer, offset, what)
        buffer[f"{DATA}.DataLength"] = length
        self.buffers[address] = Block(pool, handle, kernel.caller(), bound=pool is None)
        if pool:
            pool.members.add(address)
        return address

    def add_data(self, buffer: int, size: int) -> None:
        """Give a buffer an MDL and `size` bytes of its own, all of it unused yet."""
        kernel = self.kernel
        data = kernel.alloc(size, "NdNd")
        mdl = own_mdl(kernel, data, size)
        fields = view(kernel, BUFFER, buffer)
        fields[f"{DATA}.MdlChain"] = mdl
        set_start(kernel, fields, 0, "NDIS")
        self.buffers[buffer].parts += [mdl, data]

    def attach(self, the_list: int, buffer: int) -> None:
        """Put the buffer that comes with a list on it."""
        view(self.kernel, LIST, the_list)[FIRST_BUFFER] = buffer
        self.lists[the_list].buffer = buffer

    def free_list(self, address: int, what: str) -> None:
        kernel = self.kernel
        block = self.lists.get(address)
        if not block:
            kernel.violation(f"{what} is given {address:#x}, which is no NET_BUFFER_LIST, or one that is freed.")
        if address in self.lent:
            kernel.violation(f"{what} frees a NET_BUFFER_LIST that NDIS has: {self.lent[address]}.")
        if view(kernel, LIST, address)["ChildRefCount"]:
            kernel.violation(f"{what} frees a NET_BUFFER_LIST that still has children.")
        if view(kernel, LIST, address)["NdisPoolHandle"] != block.pool_handle:
            kernel.violation(f"{what}: NdisPoolHandle of a NET_BUFFER_LIST has been changed.")
        del self.lists[address]
        if block.buffer:
            self._drop_buffer(block.buffer, what)
        self._drop(block, address)

    def free_buffer(self, address: int, what: str) -> None:
        block = self.buffers.get(address)
        if not block:
            self.kernel.violation(f"{what} is given {address:#x}, which is no NET_BUFFER, or one that is freed.")
        if block.bound:
            self.kernel.violation(f"{what} frees a NET_BUFFER that came with its NET_BUFFER_LIST and goes with it.")
        self._drop_buffer(address, what)

    def _drop_buffer(self, address: int, what: str) -> None:
        block = self.buffers.pop(address)
        if address in self.retreats:
            self.kernel.violation(f"{what} frees a NET_BUFFER whose data start has been retreated and not advanced.")
        self._drop(block, address)

    def _drop(self, block: Block, address: int) -> None:
        if block.pool:
            block.pool.members.discard(address)
        for part in (*block.parts, address):
            self.kernel.free(part)

    def outstanding(self) -> list[str]:
        """What drivers have not given back, a line each."""
        named = self.kernel.symbols.describe
        kinds = ((LIST, self.lists), (BUFFER, {at: each for at, each in self.buffers.items() if not each.bound}))
        left = [
            f"A {kind} of {named(each.where, True)} is never freed." for kind, all_ in kinds for each in all_.values()
        ]
        left += [f"The {each.kind} pool of {named(where, True)} is never freed." for each, where in self.pools.values()]
        return left + [f"The MDL of {named(where, True)} is never freed." for where in self.mdls.values()]


def set_start(kernel: Kernel, buffer: Struct, offset: int, what: str) -> None:
    """Set where the data of a NET_BUFFER begins: DataOffset, CurrentMdl and CurrentMdlOffset belong together."""
    mdl, inside = locate(kernel, buffer[f"{DATA}.MdlChain"], offset, what)
    buffer[f"{DATA}.DataOffset"] = offset
    buffer[f"{DATA}.CurrentMdl"], buffer[f"{DATA}.CurrentMdlOffset"] = mdl, inside


def locate(kernel: Kernel, chain: int, offset: int, what: str) -> tuple[int, int]:
    """Return the MDL of a chain that an offset falls into, and where in it; (0, 0) of no chain."""
    for mdl in mdl_chain(kernel, chain, what):
        count = objects.view(kernel, "MDL", mdl)["ByteCount"]
        if offset < count or (offset == count and not objects.view(kernel, "MDL", mdl)["Next"]):
            return mdl, offset
        offset -= count
    if offset or chain:
        kernel.violation(f"{what}: the data begins {offset} bytes behind the end of the MDL chain.")
    return 0, 0


def mdl_chain(kernel: Kernel, first: int, what: str) -> Iterator[int]:
    """Yield the MDLs of a chain."""
    mdl = first
    for _ in range(_LONGEST_CHAIN):
        if not mdl:
            return
        yield mdl
        mdl = objects.view(kernel, "MDL", mdl)["Next"]
    kernel.violation(f"{what}: a chain of MDLs never ends.")


def buffers_of(kernel: Kernel, the_list: int, what: str) -> Iterator[int]:
    """Yield the NET_BUFFERs of a list."""
    buffer = view(kernel, LIST, the_list)[FIRST_BUFFER]
    for _ in range(_LONGEST_CHAIN):
        if not buffer:
            return
        yield buffer
        buffer = view(kernel, BUFFER, buffer)[f"{DATA}.Next"]
    kernel.violation(f"{what}: a chain of NET_BUFFERs never ends.")


def lists_of(kernel: Kernel, first: int, what: str) -> Iterator[int]:
    """Yield the NET_BUFFER_LISTs of a chain."""
    the_list = first
    for _ in range(_LONGEST_CHAIN):
        if not the_list:
            return
        yield the_list
        the_list = view(kernel, LIST, the_list)[NEXT_LIST]
    kernel.violation(f"{what}: a chain of NET_BUFFER_LISTs never ends.")


def read_mdl(kernel: Kernel, mdl: int) -> bytes:
    """Read what an MDL describes, through its frames."""
    fields = objects.view(kernel, "MDL", mdl)
    offset, count = fields["ByteOffset"], fields["ByteCount"]
    whole = b"".join(kernel.physical.read(frame << PAGE_SHIFT, PAGE_SIZE) for frame in mdls.frames(kernel, mdl))
    return whole[offset : offset + count]


def read_data(kernel: Kernel, buffer: int, what: str) -> bytes:
    """Read the data of a NET_BUFFER; fields that contradict each other end the run."""
    fields = view(kernel, BUFFER, buffer)
    chain, offset, length = (fields[f"{DATA}.{name}"] for name in ("MdlChain", "DataOffset", "DataLength"))
    current = fields[f"{DATA}.CurrentMdl"], fields[f"{DATA}.CurrentMdlOffset"]
    mdl, inside = locate(kernel, chain, offset, what)
    if not chain or not _same_place(kernel, current, (mdl, inside)):
        kernel.violation(
            f"{what}: CurrentMdl {current[0]:#x} and CurrentMdlOffset {current[1]} of a NET_BUFFER are not where its"
            f" DataOffset {offset} leads: {mdl:#x} and {inside}."
        )
    data = bytearray()
    for each in mdl_chain(kernel, mdl, what):
        data += read_mdl(kernel, each)
        if len(data) >= inside + length:
            break
    if len(data) < inside + length:
        kernel.violation(f"{what}: a NET_BUFFER has {length} bytes of data, its MDLs end after {len(data) - inside}.")
    return bytes(data[inside : inside + length])


def _same_place(kernel: Kernel, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """The end of one MDL is the beginning of the next."""
    if one == other:
        return True
    mdl, offset = one
    if not mdl:
        return False
    fields = objects.view(kernel, "MDL", mdl)
    return offset == fields["ByteCount"] and (fields["Next"], 0) == other


def own_mdl(kernel: Kernel, va: int, length: int, *, locked: bool = False) -> int:
    """Make an MDL of the kernel's own for nonpaged memory; `locked`: for pages that no system address leads to yet, as
    those of a program's buffer are."""
    first = va & ~PAGE_MASK
    count = -(-(va - first + length) // PAGE_SIZE)
    size = objects.layout("MDL", kernel.arch).size
    address = kernel.alloc(size + count * kernel.pointer_size, "NdNm")
    fields = objects.view(kernel, "MDL", address)
    fields["Size"], fields["ByteOffset"], fields["ByteCount"] = size + count * kernel.pointer_size, va - first, length
    fields["StartVa"], fields["MappedSystemVa"] = (_PROGRAM, 0) if locked else (first, va)
    fields["MdlFlags"] = mdls.LOCKED if locked else mdls.NONPAGED
    for index in range(count):
        frame = kernel.memory.translate(first + index * PAGE_SIZE) >> PAGE_SHIFT
        kernel.put_ptr(address + size + index * kernel.pointer_size, frame)
    return address


_PROGRAM = 0x00A30000  # Where a program's buffer would be; nothing is mapped there while drivers work.
