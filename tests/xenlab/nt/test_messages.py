# SPDX-License-Identifier: GPL-2.0-or-later
"""Message interrupts by IoConnectInterruptEx: the table that it makes, the calls, and what takes them away again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gplpv.ddk import ImageOptions
from gplpv.matrix import ArchName
from small_images import make as make_image
from xenlab.errors import Violation
from xenlab.nt.codes import Status
from xenlab.nt.objects import layout, view

from .asker import Machinery, leave, offer

VISTA = (6, 0)
MESSAGE_BASED, LINE_BASED = 3, 2
ROUTINES = ("service", "connect", "described", "seen", "disconnect")
ROOT = Path(__file__).parents[3]


class Connecting:
    """The driver of messages.c beside a device's own."""

    def __init__(self, machinery: Machinery, image: Path) -> None:
        self.kernel = kernel = machinery.kernel
        self.device = machinery.node.pdo.address
        self.messages = machinery.arbiter.messages
        self.driver = kernel.load_driver(image, "messages")
        driver = kernel.alloc(layout("DRIVER_OBJECT", kernel.arch).size)
        kernel.run_to_end(kernel.call(self.driver.entry, driver, 0))
        table = view(kernel, "DRIVER_OBJECT", driver)["FastIoDispatch"]
        size = kernel.pointer_size
        self.routines = {name: kernel.ptr(table + index * size) for index, name in enumerate(ROUTINES)}

    def call(self, name: str, *arguments: int) -> int:
        return (self.kernel.run_to_end(self.kernel.call(self.routines[name], *arguments)) or 0) & 0xFFFFFFFF

    def connect(self, service: str = "service") -> int:
        return self.call("connect", self.device, self.routines.get(service, 0))


@pytest.fixture(scope="module", params=["x64", "x32"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ArchName, Path]:
    folder = tmp_path_factory.mktemp(f"messages-{request.param}")
    options = ImageOptions(request.param, VISTA, True, "kernel", folder)
    source, include = Path(__file__).with_name("messages.c"), ROOT / "drivers_src" / "include" / "ddk-compat"
    return request.param, make_image(folder / "messages.sys", [source], ["ntoskrnl.exe", "hal.dll"], options, [include])


@pytest.fixture
def connecting(built: tuple[ArchName, Path], tmp_path: Path) -> Callable[..., Connecting]:
    arch, image = built
    return lambda filtering=None: Connecting(Machinery(tmp_path, arch, VISTA, filtering or offer()), image)


def test_a_message_is_described_and_served_until_it_is_disconnected(connecting):
    made = connecting()
    [(vector, message)] = made.messages.items()
    assert made.connect() == Status.SUCCESS
    assert made.call("described", message.irql) == vector
    for count in (1, 2):
        made.kernel.machine.platform.requested.add(vector)
        assert made.call("seen", message.irql) == count
    assert made.connect() == Status.INVALID_PARAMETER
    made.call("disconnect", MESSAGE_BASED)
    assert made.kernel.interrupts.connected == []
    assert made.connect() == Status.SUCCESS


def test_a_device_without_messages_has_none_to_connect(connecting):
    assert connecting(leave).connect() == Status.NOT_FOUND


def test_without_a_service_routine_nothing_is_connected(connecting):
    made = connecting()
    assert made.connect("none") == Status.INVALID_PARAMETER
    assert made.kernel.interrupts.connected == []


def test_for_want_of_memory_nothing_is_connected(connecting):
    made = connecting()
    made.kernel.pool.fails = lambda _number, tag, _size: tag == "Intr"
    assert made.connect() == Status.INSUFFICIENT_RESOURCES
    assert made.kernel.interrupts.connected == []


def test_another_version_than_was_connected_is_not_disconnected(connecting):
    made = connecting()
    made.connect()
    with pytest.raises(Violation, match="another version than"):
        made.call("disconnect", LINE_BASED)


def test_a_driver_is_not_unloaded_with_its_messages_connected(connecting):
    made = connecting()
    made.connect()
    with pytest.raises(Violation, match="interrupt still connected"):
        made.kernel.unload_driver(made.driver)
