# SPDX-License-Identifier: GPL-2.0-or-later
"""The routines for NET_BUFFERs do what their pages say, each called as a driver would."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.errors import Violation
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.nbl import BUFFER, DATA, LIST, NetBuffers, read_data
from xenlab.ndis.objects6 import fill_header
from xenlab.ndis.structures import layout, view
from xenlab.nt.kernel import Kernel
from xenlab.nt.pydriver import guest_function
from xenlab.nt.routine import load_package
from xenlab.world import World

from .conftest import Arch


class Driver:
    """Calls ndis.sys's exports, with memory of its own."""

    def __init__(self, arch: Arch) -> None:
        load_package("xenlab.ndis")
        self.kernel = Kernel(Machine(arch, World(3), BarePlatform()), (6, 0))
        self.net = self.kernel.part(NetBuffers)

    def call(self, name: str, *arguments: int) -> int:
        address = self.kernel.exported_address("ndis.sys", name)
        return self.kernel.run_to_end(self.kernel.call(address, *arguments), name) or 0

    def pool(self, kind: str, **fields: int) -> int:
        name = f"{kind}_POOL_PARAMETERS"
        parameters = view(self.kernel, name, self.kernel.alloc(layout(name, self.kernel.arch).size))
        fill_header(self.kernel, name, parameters)
        for field, value in {"PoolTag": 0x74736554, **fields}.items():
            parameters[field] = value
        function = "NdisAllocateNetBufferListPool" if kind == LIST else "NdisAllocateNetBufferPool"
        return self.call(function, 0, parameters.address)

    def mdl(self, data: bytes) -> int:
        block = self.kernel.alloc(len(data))
        self.kernel.write(block, data)
        return self.call("NdisAllocateMdl", 0, block, len(data))

    def buffer(self, *parts: bytes, offset: int = 0, length: int = 0) -> int:
        """A NET_BUFFER of MDLs, one for each part."""
        mdls = [self.mdl(part) for part in parts]
        for one, following in pairwise(mdls):
            self.kernel.put_ptr(one, following)
        size = length or sum(map(len, parts)) - offset
        return self.call("NdisAllocateNetBuffer", self.pool(BUFFER), mdls[0], offset, size)

    def data(self, buffer: int) -> bytes:
        return read_data(self.kernel, buffer, "the test")


@pytest.fixture(params=["x32", "x64"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param)


def test_the_data_start_moves_within_the_chain_and_before_it(driver: Driver) -> None:
    buffer = driver.buffer(b"abcdef", b"ghij", offset=3)
    assert driver.data(buffer) == b"defghij"
    assert driver.call("NdisRetreatNetBufferDataStart", buffer, 2, 0, 0) == NdisStatus.SUCCESS
    assert driver.data(buffer) == b"bcdefghij"
    driver.call("NdisAdvanceNetBufferDataStart", buffer, 6, 0, 0)
    assert driver.data(buffer) == b"hij"
    assert driver.call("NdisRetreatNetBufferDataStart", buffer, 17, 4, 0) == NdisStatus.SUCCESS
    assert driver.data(buffer)[10:] == b"abcdefghij"
    assert view(driver.kernel, BUFFER, buffer)[f"{DATA}.DataOffset"] == 4
    driver.call("NdisAdvanceNetBufferDataStart", buffer, 10, 1, 0)
    assert driver.data(buffer) == b"abcdefghij"
    driver.call("NdisFreeNetBuffer", buffer)


def test_what_a_retreat_has_put_before_anothers_data_goes_with_an_advance(driver: Driver) -> None:
    buffer = driver.buffer(b"abc")
    chain = view(driver.kernel, BUFFER, buffer)[f"{DATA}.MdlChain"]
    driver.net.buffers.clear()
    assert driver.call("NdisRetreatNetBufferDataStart", buffer, 9, 2, 0) == NdisStatus.SUCCESS
    assert len(driver.data(buffer)) == 12
    driver.call("NdisAdvanceNetBufferDataStart", buffer, 9, 1, 0)
    assert driver.data(buffer) == b"abc"
    assert view(driver.kernel, BUFFER, buffer)[f"{DATA}.MdlChain"] == chain
    assert not driver.net.retreats


def test_mdls_of_the_drivers_own_are_asked_for_and_given_back(driver: Driver) -> None:
    kernel, buffer, freed = driver.kernel, driver.buffer(b"abc", b"de"), list[int]()
    made = driver.mdl(b"0123456789")

    def allocate(_: Kernel, size: int) -> int:
        assert kernel.u32(size) == 7
        kernel.put_u32(size, 10)
        return made

    handlers = [
        guest_function(kernel, "NetAllocateMdl", allocate, (0,)),
        guest_function(kernel, "NetFreeMdl", lambda _, mdl: freed.append(mdl), (0,)),
    ]
    assert driver.call("NdisRetreatNetBufferDataStart", buffer, 7, 0, handlers[0]) == NdisStatus.SUCCESS
    assert driver.data(buffer) == b"3456789abcde"
    driver.call("NdisAdvanceNetBufferDataStart", buffer, 11, 1, handlers[1])
    assert driver.data(buffer) == b"e"
    assert freed == [made]


def test_a_retreat_without_memory_changes_nothing(driver: Driver) -> None:
    buffer = driver.buffer(b"abc")
    driver.kernel.pool.fail_at(driver.kernel.pool.count + 1)
    assert driver.call("NdisRetreatNetBufferDataStart", buffer, 5, 0, 0) == NdisStatus.RESOURCES
    assert driver.data(buffer) == b"abc"


def test_data_in_a_row_is_pointed_at_and_other_data_copied(driver: Driver) -> None:
    kernel, buffer, storage = driver.kernel, driver.buffer(b"xabcd", b"efgh", offset=1), driver.kernel.alloc(16)
    inside = driver.call("NdisGetDataBuffer", buffer, 4, storage, 1, 0)
    assert inside != storage
    assert kernel.read(inside, 4) == b"abcd"
    assert driver.call("NdisGetDataBuffer", buffer, 6, 0, 1, 0) == 0
    assert driver.call("NdisGetDataBuffer", buffer, 6, storage, 1, 0) == storage
    assert kernel.read(storage, 6) == b"abcdef"
    assert driver.call("NdisGetDataBuffer", buffer, 9, storage, 1, 0) == 0
    aligned = driver.call("NdisGetDataBuffer", buffer, 2, storage, 4, (inside + 1) % 4)
    assert aligned == storage


def test_the_pieces_of_data_are_counted_by_page(driver: Driver) -> None:
    assert driver.call("NdisQueryNetBufferPhysicalCount", driver.buffer(b"abc", b"d", offset=3)) == 1
    assert driver.call("NdisQueryNetBufferPhysicalCount", driver.buffer(b"a", bytes(8193))) == 4


def test_data_is_copied_from_buffer_to_buffer_at_offsets(driver: Driver) -> None:
    source, target = driver.buffer(b"abc", b"defgh"), driver.buffer(b"....", b"..", b"....", offset=1)
    done = driver.kernel.alloc(4)
    name = "NdisCopyFromNetBufferToNetBuffer"
    assert driver.call(name, target, 2, 5, source, 2, done) == NdisStatus.SUCCESS
    assert driver.kernel.u32(done) == 5
    assert driver.data(target) == b"..cdefg.."


def test_a_list_of_a_pool_has_its_buffer_data_and_context(driver: Driver) -> None:
    kernel = driver.kernel
    pool = driver.pool(LIST, fAllocateNetBuffer=1, DataSize=100, ContextSize=32)
    made = driver.call("NdisAllocateNetBufferList", pool, 0, 0)
    fields = view(kernel, LIST, made)
    buffer = fields["NetBufferListHeader.FirstNetBuffer"]
    assert fields["Context"]
    assert view(kernel, BUFFER, buffer)[f"{DATA}.MdlChain"]
    assert driver.call("NdisGetPoolFromNetBufferList", made) == pool
    assert len(driver.net.outstanding()) == 2
    driver.call("NdisFreeNetBufferListContext", made, 32)
    assert not fields["Context"]
    driver.call("NdisFreeNetBufferList", made)
    driver.call("NdisFreeNetBufferListPool", pool)
    assert driver.net.outstanding() == []


Misuse = Callable[[Driver], object]
MISUSES: dict[str, tuple[Misuse, str]] = {
    "a freed list": (
        lambda d: [d.call("NdisFreeNetBufferList", each) for each in [_list(d)] * 2], "or one that is freed",
    ),
    "a foreign pool": (lambda d: d.call("NdisAllocateNetBuffer", d.pool(LIST), 0, 0, 0), "of NET_BUFFER_LIST str"),
    "a pool without buffers": (
        lambda d: d.call("NdisAllocateNetBufferAndNetBufferList", d.pool(LIST), 0, 0, 0, 0, 0), "TRUE and DataSize 0",
    ),
    "data without buffers": (lambda d: d.pool(LIST, DataSize=9), "though fAllocateNetBuffer is FALSE"),
    "an advance too far": (
        lambda d: d.call("NdisAdvanceNetBufferDataStart", d.buffer(b"abc"), 4, 0, 0), "where there are 3 bytes",
    ),
    "a chain that is too short": (
        lambda d: d.data(d.buffer(b"abc", length=4)), "has 4 bytes of data, its MDLs end after 3",
    ),
    "a start behind the chain": (lambda d: d.buffer(b"abc", offset=5, length=1), "begins 2 bytes behind the end"),
    "a retreat that is not undone": (
        lambda d: [
            d.call("NdisRetreatNetBufferDataStart", each, 9, 0, 0) or d.call("NdisFreeNetBuffer", each)
            for each in [d.buffer(b"abc")]
        ],
        "has been retreated and not advanced",
    ),
    "an MDL of another": (lambda d: d.call("NdisFreeMdl", d.kernel.alloc(64)), "no MDL of NdisAllocateMdl's"),
    "an MDL of pageable memory": (
        lambda d: d.call("NdisAllocateMdl", 0, d.kernel.alloc(64, paged=True), 64), "NdisAllocateMdl of pageable",
    ),
}  # fmt: skip


def _list(driver: Driver) -> int:
    return driver.call("NdisAllocateNetBufferList", driver.pool(LIST), 0, 0)


@pytest.mark.parametrize("name", MISUSES)
def test_misuse_ends_the_run(name: str) -> None:
    misuse, message = MISUSES[name]
    with pytest.raises(Violation, match=message):
        misuse(Driver("x64"))
