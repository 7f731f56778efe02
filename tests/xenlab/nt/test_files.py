# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs open devices, send control requests and go, and drivers see what Windows would have them see."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import pytest

from gplpv.matrix import ArchName
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.errors import Violation
from xenlab.nt.codes import Do, Major, Stack, Status
from xenlab.nt.files import Access, File, Process
from xenlab.nt.irp import Request
from xenlab.nt.kernel import Kernel
from xenlab.nt.ob import Object, ObjectManager
from xenlab.nt.objects import view
from xenlab.nt.pydriver import Answer, KernelDriver
from xenlab.nt.routine import Call, Steps, Wait
from xenlab.world import World

T = TypeVar("T")
ECHO, OVERFLOW, PEND, REFUSE = (0x22 << 16 | 3 << 14 | 0x800 + n << 2 for n in range(4))


class Echo(KernelDriver):
    """A driver with one device that says what it has got."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "echo")
        device = self.devices.create(self.driver, 0, 0x22, name=r"\Device\Echo")
        assert device
        device.view["Flags"] &= ~Do.DEVICE_INITIALIZING
        self.device = device
        self.link = Object("SymbolicLink", payload=r"\Device\Echo", name=r"\DosDevices\Echo")
        kernel.part(ObjectManager).add(self.link)
        self.seen: list[str] = []
        self.modes: set[int] = set()
        self.rest = ""
        self.pending: Request | None = None
        self.refuses = False

    def dispatch(self, device: int, request: Request) -> Answer:
        irp, stack = self.irps.irp(request.address), self.irps.current(request.address)
        major, code = stack["MajorFunction"], stack["Parameters.DeviceIoControl.IoControlCode"]
        self.modes.add(irp["RequestorMode"])
        self.seen.append(Major(major).name)
        if major == Major.CREATE:
            self.rest = self.kernel.unicode_string(view(self.kernel, "FILE_OBJECT", stack["FileObject"]).at("FileName"))
            return (yield from self.finish(request, Status.ACCESS_DENIED if self.refuses else Status.SUCCESS))
        if major != Major.DEVICE_CONTROL:
            return (yield from self.finish(request, Status.SUCCESS))
        if code == PEND:
            stack["Control"] |= Stack.PENDING_RETURNED
            self.pending = request
            return Status.PENDING
        length = stack["Parameters.DeviceIoControl.InputBufferLength"]
        if length:
            buffer = irp["AssociatedIrp.SystemBuffer"]
            self.kernel.write(buffer, self.kernel.read(buffer, length)[::-1])
        status = Status.UNSUCCESSFUL if code == REFUSE else Status.SUCCESS
        return (yield from self.finish(request, status, length + (code == OVERFLOW)))

    def let_go(self) -> Steps:
        assert self.pending
        self.irps.irp(self.pending.address)["IoStatus.Status"] = Status.CANCELLED
        yield from self.irps.complete(self.pending)
        return None


class Bench:
    """A kernel with the driver, and a program."""

    def __init__(self, arch: ArchName) -> None:
        self.kernel = Kernel(Machine(arch, World(1), BarePlatform()), (5, 1) if arch == "x32" else (5, 2))
        self.driver = Echo(self.kernel)
        self.process = Process(self.kernel, "test")

    def do(self, work: Generator[Call | Wait, int, T]) -> T:
        results: list[T] = []

        def steps() -> Steps:
            results.append((yield from work))
            return None

        self.kernel.run_to_end(steps(), limit_ns=10**12)
        self.kernel.run_for(10**6)
        return results[0]

    def open(self, name: str = r"\\.\Echo", access: Access = Access.READ | Access.WRITE) -> File:
        status, file = self.do(self.process.open(name, access))
        assert status == Status.SUCCESS
        assert file
        return file


@pytest.fixture(params=["x64", "x32"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


@pytest.mark.parametrize(
    "name", [r"\\.\Echo", r"\\.\ECHO", r"\\?\Echo", r"\??\Echo", r"\DosDevices\Echo", r"\Device\Echo"]
)
def test_a_device_has_many_names(bench: Bench, name: str) -> None:
    bench.open(name)
    assert bench.driver.rest == ""


def test_what_follows_the_name_is_for_the_driver(bench: Bench) -> None:
    bench.open(r"\\.\Echo\Some\File")
    assert bench.driver.rest == r"\Some\File"


def test_a_name_that_nothing_has_is_not_found(bench: Bench) -> None:
    assert bench.do(bench.process.open(r"\\.\Echoes")) == (Status.OBJECT_NAME_NOT_FOUND, None)


def test_requests_come_from_user_mode_and_are_buffered(bench: Bench) -> None:
    file = bench.open()
    control = bench.do(bench.process.control(file, ECHO, b"abc", 8))
    assert (control.status, control.data) == (Status.SUCCESS, b"cba")
    assert bench.driver.modes == {1}


def test_a_request_that_fails_answers_nothing(bench: Bench) -> None:
    control = bench.do(bench.process.control(bench.open(), REFUSE, b"abc", 8))
    assert (control.status, control.data) == (Status.UNSUCCESSFUL, b"")


def test_an_answer_longer_than_its_buffer_is_the_drivers_mistake(bench: Bench) -> None:
    with pytest.raises(Violation, match="answers a control request with 4 bytes; the caller's buffer has 3"):
        bench.do(bench.process.control(bench.open(), OVERFLOW, b"abc", 3))


@pytest.mark.parametrize("access", [Access(0), Access.READ, Access.WRITE])
def test_a_handle_of_less_access_reaches_no_driver(bench: Bench, access: Access) -> None:
    control = bench.do(bench.process.control(bench.open(access=access), ECHO, b"abc", 3))
    assert control.status == Status.ACCESS_DENIED
    assert bench.driver.seen == ["CREATE"]


def test_an_open_that_fails_is_followed_by_nothing(bench: Bench) -> None:
    bench.driver.refuses = True
    assert bench.do(bench.process.open(r"\\.\Echo")) == (Status.ACCESS_DENIED, None)
    assert bench.driver.seen == ["CREATE"]
    assert bench.driver.device.view["ReferenceCount"] == 0


def test_cleanup_comes_with_the_last_handle_and_close_with_the_last_request(bench: Bench) -> None:
    file = bench.open()
    bench.process.duplicate(file)
    bench.do(bench.process.send(file, PEND))
    bench.do(bench.process.close(file))
    assert bench.driver.seen == ["CREATE", "DEVICE_CONTROL"]
    bench.do(bench.process.close(file))
    assert bench.driver.seen == ["CREATE", "DEVICE_CONTROL", "CLEANUP"]
    bench.do(bench.driver.let_go())
    assert bench.driver.seen == ["CREATE", "DEVICE_CONTROL", "CLEANUP", "CLOSE"]


def test_a_deleted_device_has_no_name_and_lasts_until_it_is_closed(bench: Bench) -> None:
    file = bench.open()
    bench.driver.devices.delete(bench.driver.device)
    assert bench.do(bench.process.open(r"\\.\Echo"))[0] == Status.OBJECT_NAME_NOT_FOUND
    assert bench.driver.driver.devices == [bench.driver.device]
    assert bench.do(bench.process.control(file, ECHO, b"ab", 2)).data == b"ba"
    bench.do(bench.process.close(file))
    assert not bench.driver.driver.devices


def test_a_process_cannot_end_while_a_driver_keeps_its_request(bench: Bench) -> None:
    bench.do(bench.process.send(bench.open(), PEND))
    with pytest.raises(Violation, match="cannot end: a driver keeps its cancelled request"):
        bench.do(bench.process.die())
