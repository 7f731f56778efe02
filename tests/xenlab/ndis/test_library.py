# SPDX-License-Identifier: GPL-2.0-or-later
"""The routines of ndis.sys that are no miniport's own: called as a driver calls them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import pytest

from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.errors import Violation
from xenlab.ndis import Ndis, packets5
from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.configuration import Configurations, write_defaults
from xenlab.ndis.structures import view
from xenlab.nt.kernel import Kernel
from xenlab.nt.registry import Key
from xenlab.nt.routine import Call, LockCall, Steps, load_package
from xenlab.world import World

Arch = Literal["x32", "x64"]


class Caller:
    """A kernel in which each routine is called on a thread of its own."""

    def __init__(self, arch: Arch) -> None:
        load_package("xenlab.ndis")
        self.kernel = Kernel(Machine(arch, World(1), BarePlatform()), (5, 2))

    def call(self, name: str, *args: int) -> int:
        address = self.kernel.exported_address("ndis.sys", name)
        assert address, name
        return self.kernel.run_to_end(self.kernel.call(address, *args)) or 0

    def out(self, count: int = 4) -> int:
        return self.kernel.alloc(8 * count)

    def text(self, text: str, encoding: str = "utf-16-le") -> int:
        """A counted string."""
        data = text.encode(encoding)
        at = self.out()
        fields = view(self.kernel, "UNICODE_STRING", at)
        fields["Length"], fields["MaximumLength"] = len(data), len(data)
        fields["Buffer"] = self.kernel.alloc(max(len(data), 1))
        self.kernel.write(fields["Buffer"], data)
        return at


@pytest.fixture(params=["x32", "x64"])
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


def test_configuration_is_read_in_the_type_that_is_asked_for(caller: Caller) -> None:
    kernel, key = caller.kernel, Key("0001")
    for name, value in (("Number", 7), ("Text", "12"), ("Bytes", b"abc"), ("List", ["one", "two"])):
        key.set(name, value)
    handle = kernel.part(Configurations).open(key)
    found: list[Any] = []
    for name, kind in (("Number", 0), ("Text", 0), ("Text", 1), ("text", 2), ("Bytes", 4), ("List", 3), ("Bytes", 2)):
        at = caller.out()
        caller.call("NdisReadConfiguration", at, at + 8, handle, caller.text(name), kind)
        parameter = view(kernel, "NDIS_CONFIGURATION_PARAMETER", kernel.ptr(at + 8))
        if kernel.u32(at):
            found.append(NdisStatus(kernel.u32(at)).name)
        elif parameter["ParameterType"] == 0:
            found.append(parameter["ParameterData.IntegerData"])
        elif parameter["ParameterType"] == 4:
            size = parameter["ParameterData.BinaryData.Length"]
            found.append(kernel.read(parameter["ParameterData.BinaryData.Buffer"], size))
        else:
            found.append(kernel.unicode_string(parameter.at("ParameterData.StringData")))
    assert found == [7, 12, 0x12, "12", b"abc", "one\0two\0\0", "FAILURE"]
    caller.call("NdisCloseConfiguration", handle)
    with pytest.raises(Violation, match="no open configuration"):
        caller.call("NdisCloseConfiguration", handle)


def test_the_infs_defaults_are_there_unless_they_are_optional_or_set() -> None:
    key = Key("0001")
    key.set("Set", "5")
    for name, values in (
        ("Plain", {"default": "1"}),
        ("Set", {"default": "2"}),
        ("Optional", {"default": "3", "optional": "1"}),
        ("Empty", {"default": ""}),
    ):
        for value, text in values.items():
            key.create(rf"Ndi\params\{name}").set(value, text)
    write_defaults(key)
    assert {each.name: each.text() for each in key.values.values()} == {"Plain": "1", "Set": "5"}


def test_strings(caller: Caller) -> None:
    kernel, at = caller.kernel, caller.out()
    caller.call("NdisInitializeString", at, _zero_terminated(caller, b"name\0"))
    assert kernel.unicode_string(at) == "name"
    caller.call("NdisFreeMemory", view(kernel, "UNICODE_STRING", at)["Buffer"], 10, 0)
    to = caller.text("........")
    assert caller.call("NdisAnsiStringToUnicodeString", to, caller.text("wide", "cp1252")) == 0
    assert kernel.unicode_string(to) == "wide"
    short = caller.text("..")
    assert caller.call("NdisUpcaseUnicodeString", short, to) & 0xFFFFFFFF == NdisStatus.FAILURE


def _zero_terminated(caller: Caller, data: bytes) -> int:
    at = caller.kernel.alloc(len(data))
    caller.kernel.write(at, data)
    return at


def test_a_read_write_lock_has_many_readers_or_one_writer(caller: Caller) -> None:
    kernel = caller.kernel
    lock, states = caller.kernel.alloc(0x200), [caller.out() for _ in range(3)]
    caller.call("NdisInitializeReadWriteLock", lock)
    names = ["NdisAcquireReadWriteLock", "NdisReleaseReadWriteLock"]
    acquire, release = (kernel.exported_address("ndis.sys", each) for each in names)

    def together(*work: Callable[[], Any]) -> None:
        def steps() -> Any:
            for each in work:
                yield each()
            return None

        kernel.run_to_end(steps())

    read = [lambda state=state: LockCall(acquire, lock, 0, state) for state in states[:2]]
    done = [lambda state=state: LockCall(release, lock, state) for state in reversed(states[:2])]
    write = [lambda: LockCall(acquire, lock, 1, states[2]), lambda: LockCall(release, lock, states[2])]
    together(*read, *done, *write)
    assert kernel.irql == 0
    with pytest.raises(Violation, match="is acquired by its own holder"):
        together(read[0], write[0])


def test_events_and_timers(caller: Caller) -> None:
    kernel = caller.kernel
    event = caller.out(8)
    caller.call("NdisInitializeEvent", event)
    before = kernel.world.now
    assert caller.call("NdisWaitEvent", event, 100) == 0
    assert kernel.world.now - before >= 100_000_000
    caller.call("NdisSetEvent", event)
    assert caller.call("NdisWaitEvent", event, 0) == 1
    timer, cancelled = caller.out(32), caller.out()
    caller.call("NdisInitializeTimer", timer, 0x1234, 0)
    caller.call("NdisSetTimer", timer, 50)
    caller.call("NdisCancelTimer", timer, cancelled)
    assert kernel.u8(cancelled) == 1

    def raised() -> Steps:
        kernel.raise_irql(2)
        return (yield Call(kernel.exported_address("ndis.sys", "NdisInitializeTimer"), timer, 0x1234, 0))

    with pytest.raises(Violation, match="NdisInitializeTimer is called at IRQL 2; 0 is the highest"):
        kernel.run_to_end(raised())


def test_packets_have_their_buffers_in_order(caller: Caller) -> None:
    kernel, at = caller.kernel, caller.out(8)
    caller.call("NdisAllocatePacketPoolEx", at, at + 8, 1, 1, 16)
    caller.call("NdisAllocateBufferPool", at, at + 16, 4)
    packets, buffers = kernel.ptr(at + 8), kernel.ptr(at + 16)
    made = []
    for _ in range(3):
        caller.call("NdisAllocatePacket", at, at + 24, packets)
        made.append(kernel.ptr(at + 24))
    assert made[2] == 0 and kernel.u32(at) == NdisStatus.RESOURCES
    assert caller.call("NdisPacketPoolUsage", packets) == 2
    data = kernel.alloc(100)
    kernel.write(data, bytes(range(100)))
    pieces = []
    for offset, length in ((0, 10), (10, 0), (10, 90)):
        caller.call("NdisAllocateBuffer", at, at + 24, buffers, data + offset, max(length, 1))
        pieces.append(kernel.ptr(at + 24))
        caller.call("NdisAdjustBufferLength", pieces[-1], length)
    for first, second in pairwise(pieces):
        view(kernel, "MDL", first)["Next"] = second
    view(kernel, "NDIS_PACKET", made[0])["Private.Head"] = pieces[0]
    caller.call("NdisGetFirstBufferFromPacketSafe", made[0], at, at + 8, at + 16, at + 24, 0)
    assert [kernel.ptr(at), kernel.ptr(at + 8), kernel.u32(at + 16), kernel.u32(at + 24)] == [pieces[0], data, 10, 100]
    assert packets5.contents(kernel, packets5.buffer_chain(kernel, made[0])) == bytes(range(100))
    caller.call("NdisUnchainBufferAtBack", made[0], at)
    caller.call("NdisUnchainBufferAtFront", made[0], at + 8)
    assert [kernel.ptr(at), kernel.ptr(at + 8)] == [pieces[2], pieces[0]]
    target = kernel.alloc(100)
    caller.call("NdisAllocateBuffer", at, at + 24, buffers, target, 100)
    view(kernel, "NDIS_PACKET", made[0])["Private.Head"] = pieces[2]
    view(kernel, "NDIS_PACKET", made[1])["Private.Head"] = kernel.ptr(at + 24)
    caller.call("NdisCopyFromPacketToPacket", made[1], 5, 200, made[0], 80, at)
    assert kernel.u32(at) == 10 and kernel.read(target, 16) == bytes(5) + bytes(range(90, 100)) + b"\0"
    for each in (*pieces, kernel.ptr(at + 24)):
        caller.call("NdisFreeBuffer", each)
    for each in made[:2]:
        caller.call("NdisFreePacket", each)
    caller.call("NdisFreePacketPool", packets)
    caller.call("NdisFreeBufferPool", buffers)
    assert kernel.part(Ndis).outstanding() == []


def test_interlocked_lists_and_numbers(caller: Caller) -> None:
    kernel, lock = caller.kernel, caller.out()
    head, entries = caller.out(), [caller.out() for _ in range(3)]
    kernel.list_init(head)
    assert caller.call("NdisInterlockedInsertHeadList", head, entries[0], lock) == 0
    assert caller.call("NdisInterlockedInsertTailList", head, entries[1], lock) == entries[0]
    assert caller.call("NdisInterlockedInsertHeadList", head, entries[2], lock) == entries[0]
    taken = [caller.call("NdisInterlockedRemoveHeadList", head, lock) for _ in range(4)]
    assert taken == [entries[2], entries[0], entries[1], 0]
    number = caller.out()
    assert caller.call("NdisInterlockedAddUlong", number, 5, lock) == 0
    assert caller.call("NdisInterlockedIncrement", number) == 6
    assert caller.call("NdisInterlockedDecrement", number) == 5
    assert caller.call("NdisGetVersion") == 0x00050001
