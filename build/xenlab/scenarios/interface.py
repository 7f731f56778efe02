# SPDX-License-Identifier: GPL-2.0-or-later
"""What xenpci has for the drivers of its devices (xenpci_interface.h), used as hard as no driver of ours does."""

from __future__ import annotations

import uuid
from collections.abc import Generator

from xenlab.lab import Lab
from xenlab.nt import devnode
from xenlab.nt.codes import Pnp, Status, describe
from xenlab.nt.devnode import Node
from xenlab.nt.objects import Struct
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.scenario import NewLab, scenario
from xenlab.xen.grants import ENTRIES_PER_FRAME

GUID = uuid.UUID("6e8f2c14-0b5d-4b57-9c3a-41d7a29b50e1")
VERSION = 2
# The pointers behind Size and Version, in their order.
_MEMBERS = (
    "context", "reference", "dereference", "facts", "print", "attach", "detach", "wake", "hold_suspend",
    "allow_suspend", "read", "directory", "write", "printf", "remove", "begin", "end", "watch_add", "watch_remove",
    "set_state", "backend_state", "backend_wait", "event_open", "event_bind", "event_close", "event_notify",
    "event_mask", "event_raise", "event_claim", "grants_reserve", "grants_release", "grant", "grant_end",
    "pages_allocate", "pages_free", "frames_give", "frames_take", "transfer_begin", "transfer_end",
)  # fmt: skip
_DOMAIN, _DPC = 2, 0
_RETRY = 0xC000022D
_VALUE_SIZE = 4097
_THREADS, _ROUNDS = 4, 5
_BATCH = 500

Answer = Generator[Call | Wait, int, int]


class Child:
    """A device's interface, as its driver has it."""

    def __init__(self, lab: Lab, node: Node) -> None:
        self.lab = lab
        self.kernel = lab.kernel
        self.node = node
        self.size = (len(_MEMBERS) + 1) * self.kernel.pointer_size
        self.block = self.kernel.alloc(self.size, "Inte")

    def query(self, guid: uuid.UUID = GUID, version: int = VERSION, size: int = 0) -> int:
        """Ask for the interface; return the status."""
        asked = self.kernel.alloc(16, "Guid")
        self.kernel.write(asked, guid.bytes_le)

        def fill(_irp: Struct, stack: Struct) -> None:
            stack["Parameters.QueryInterface.InterfaceType"] = asked
            stack["Parameters.QueryInterface.Interface"] = self.block
            stack["Parameters.QueryInterface.Size"] = size or self.size
            stack["Parameters.QueryInterface.Version"] = version

        work = devnode.send(self.kernel, self.node, Pnp.QUERY_INTERFACE, fill)
        return self.lab.perform(work, "IRP_MN_QUERY_INTERFACE")[0]

    def call(self, name: str, *args: int) -> Answer:
        """Call a routine of the interface; returns its NTSTATUS."""
        address = self.kernel.ptr(self.block + (1 + _MEMBERS.index(name)) * self.kernel.pointer_size)
        context = self.kernel.ptr(self.block + self.kernel.pointer_size)
        return (yield Call(address, context, *args)) & 0xFFFFFFFF

    def text(self, text: str) -> int:
        address = self.kernel.alloc(len(text) + 1, "Text")
        self.kernel.write(address, text.encode() + b"\0")
        return address

    def require(self, status: int, wanted: int, what: str) -> None:
        self.lab.expect(status == wanted, f"{what}: {describe(wanted)}, not {describe(status)}")


def _obtain(lab: Lab) -> Child:
    """Boot a machine with a device that xenstub holds, and take its interface."""
    lab.xen.toolstack.add_device("console", 0)
    lab.boot()
    lab.run(0.5)
    child = Child(lab, lab.nodes("XEN")[0])
    child.require(child.query(), Status.SUCCESS, "the interface is asked for")
    return child


def _finish(child: Child) -> None:
    child.lab.perform(child.call("dereference"), "the end of the interface")
    child.lab.shut_down()


@scenario("interface", "only who knows the interface's version and size gets it; what it holds is given back")
def interface(new: NewLab) -> None:
    child = _obtain(new())
    for version in (0, VERSION + 1, 0xFFFF):
        child.require(child.query(version=version), Status.NOT_SUPPORTED, f"version {version} is asked for")
    child.require(child.query(size=child.size - 1), Status.BUFFER_TOO_SMALL, "too small a structure")
    child.require(child.query(guid=uuid.UUID(int=GUID.int + 1)), Status.NOT_SUPPORTED, "another interface")
    child.require(child.query(), Status.SUCCESS, "the interface is asked for again")
    child.lab.perform(child.call("dereference"), "the end of one of two")
    _finish(child)


@scenario("transactions", "threads count in one node at a time, by transactions that others upset, through a suspend")
def transactions(new: NewLab) -> None:
    lab = new()
    child = _obtain(lab)
    store, toolstack = lab.xen.store, lab.xen.toolstack
    store.dom0.write(f"{toolstack.home}/data/count", "0")
    store.any_write_conflicts = True
    store.spurious_conflicts = 0.2
    retries: list[int] = []
    threads = [lab.kernel.start(_count(child, retries), f"counter {number}") for number in range(_THREADS)]
    lab.run(0.002)
    toolstack.checkpoint()
    lab.wait(lambda: all(thread.finished for thread in threads), "the counting", 600)
    lab.wait(lambda: toolstack.resumes == 1, "a suspension")
    count = int(store.dom0.read(f"{toolstack.home}/data/count"))
    lab.expect(count == _THREADS * _ROUNDS, f"nothing is lost and nothing counted twice: {count}")
    lab.expect(bool(retries), "some transactions have to be repeated")
    store.spurious_conflicts = 0.0
    _finish(child)


def _count(child: Child, retries: list[int]) -> Steps:
    kernel = child.kernel
    transaction, value, path = kernel.alloc(8, "Tran"), kernel.alloc(_VALUE_SIZE, "Valu"), child.text("data/count")
    done = 0
    while done < _ROUNDS:
        child.require((yield from child.call("begin", transaction)), Status.SUCCESS, "a transaction begins")
        number = kernel.u32(transaction)
        status = yield from child.call("read", number, _DOMAIN, path, value, _VALUE_SIZE)
        child.require(status, Status.SUCCESS, "the count is read")
        text = child.text(str(int(kernel.ansi_string(value)) + 1))
        status = yield from child.call("write", number, _DOMAIN, path, text)
        child.require(status, Status.SUCCESS, "the count is written")
        status = yield from child.call("end", number, 0)
        if status == _RETRY:
            retries.append(number)
            continue
        child.require(status, Status.SUCCESS, "a transaction ends")
        done += 1
    return None


@scenario(
    "all-grants", "every reference of the largest grant table of three releases is taken, given back, taken again"
)
def all_grants(new: NewLab) -> None:
    for release in ("3.1", "3.2", "4.19"):
        child = _obtain(new(xen=release))
        most = child.lab.xen.hypervisor.grants.maximum * ENTRIES_PER_FRAME
        for _ in range(2):
            taken = child.lab.perform(_take_all(child), "the taking of all references", 300)
            child.lab.expect(
                most - _BATCH - ENTRIES_PER_FRAME < taken <= most, f"{taken} of {most} references are to be had"
            )
        _finish(child)


def _take_all(child: Child) -> Answer:
    """Reserve references in batches until there are no more, and release them; return how many there were."""
    kernel, blocks = child.kernel, []
    while True:
        block = kernel.alloc(4 * _BATCH, "Refs")
        status = yield from child.call("grants_reserve", _BATCH, block)
        if status != Status.SUCCESS:
            child.require(status, Status.INSUFFICIENT_RESOURCES, "no references are left")
            break
        blocks.append(block)
    found = [kernel.u32(block + 4 * index) for block in blocks for index in range(_BATCH)]
    child.lab.expect(len(set(found)) == len(found) and min(found) >= 8, "no reference is given twice, or reserved")
    for block in blocks:
        yield from child.call("grants_release", _BATCH, block)
    return len(found)


@scenario("all-ports", "a device opens event channels until Xen has no more: an error, and the others go on")
def all_ports(new: NewLab) -> None:
    child = _obtain(new())
    lab = child.lab
    channels = lab.xen.hypervisor.evtchn
    channels.limit = max(channels.ports) + 20
    opened = lab.perform(_open_all(child), "the opening of all ports")
    lab.expect(opened > 10, f"{opened} ports are to be had")
    lab.expect(channels.limit not in channels.ports, "no port is beyond the limit")
    _finish(child)


def _open_all(child: Child) -> Answer:
    port, count = child.kernel.alloc(4, "Port"), 0
    while True:
        status = yield from child.call("event_open", _DPC, 0, 0, port)
        if status != Status.SUCCESS:
            child.require(status, Status.INSUFFICIENT_RESOURCES, "no port is left")
            return count
        count += 1
