# SPDX-License-Identifier: GPL-2.0-or-later
"""shutdownmon as a real service on Wine, with a stand-in for xenpci's device: what the host asks, Windows is told.

Wine's relay log shows the calls that would shut Windows down; Wine itself does nothing about them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gplpv.ddk import ImageOptions
from small_images import make

from .package import Package
from .prefix import PROJECT
from .windows import Windows, wait_until

CALLS = (
    "advapi32.InitiateSystemShutdownExW",
    "advapi32.ChangeServiceConfig2W",
    "kernel32.SetSystemPowerState",
)
REQUEST = "control/shutdown"
FEATURES = ("poweroff", "halt", "reboot", "s3", "s4")
Call = tuple[object, ...]

SOURCE = Path(__file__).with_name("standin")
PLANNED = 0x80000000  # SHTDN_REASON_FLAG_PLANNED
ACCESS_DENIED = 5
MESSAGE = "The Xen host has asked for this."


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, packages: dict[str, Package]) -> Path:
    """A folder with standin.sys and host.exe; the packages have shutdownmon.exe built, too."""
    folder = tmp_path_factory.mktemp("standin")
    includes = [PROJECT / "drivers_src/include"]
    for name, module, mode in (("standin.sys", "ntoskrnl.exe", "kernel"), ("host.exe", "kernel32.dll", "user")):
        options = ImageOptions("x64", (5, 2), False, mode, PROJECT)
        make(folder / name, [(SOURCE / name).with_suffix(".c")], [module], options, includes)
    return folder


def _argument(text: str) -> int | str:
    """An argument as the relay log shows it: a string behind its address, a number as its whole register."""
    _, quoted, string = text.partition(' L"')
    return string.rstrip('"') if quoted else int(text, 16) & 0xFFFFFFFF


class Host:
    """The toolstack beside a machine on which shutdownmon runs as a service."""

    def __init__(self, machine: Windows, built: Path) -> None:
        self.machine = machine
        self._seen = len(machine.console)
        self._program = machine.put(built / "host.exe")
        image = machine.put(built / "standin.sys", "C:\\windows\\system32\\drivers")
        machine.run("sc", "create", "standin", "type=", "kernel", "binPath=", image)
        machine.run("net", "start", "standin")
        assert machine.service("standin") == "running", machine.console

    def write(self, *paths_and_values: str) -> None:
        """Write nodes, or carry out the stand-in's commands, in this order; a last value may be left out."""
        odd = len(paths_and_values) % 2
        result = self.machine.run(self._program, *paths_and_values, *[""] * odd)
        assert result.exit_code == 0, result

    def read(self, path: str) -> str | None:
        """The value of a node, None when there is no such node."""
        result = self.machine.run(self._program, path)
        return result.stdout if result.exit_code == 0 else None

    def acknowledged(self) -> bool:
        """Whether the guest has taken what was asked; it has some time for that."""
        return wait_until(lambda: self.read(REQUEST) == "")

    def calls(self) -> list[Call]:
        """The calls to Windows since the last time, by name and arguments."""
        text = self.machine.console
        new, self._seen = text[self._seen :], len(text)
        found = re.findall(r"Call \w+\.(InitiateSystemShutdownExW|SetSystemPowerState)\(([^)]*)\)", new)
        return [(name, *map(_argument, arguments.split(","))) for name, arguments in found]

    def ask(self, verb: str) -> list[Call]:
        """Ask for something, and return the calls that came of it, up to a moment after the acknowledgement."""
        self.calls()
        self.write(REQUEST, verb)
        assert self.acknowledged(), self.machine.console
        calls: list[Call] = []
        wait_until(lambda: bool(calls.extend(self.calls()) or calls), 1)
        return calls

    def events(self) -> list[str]:
        """All that shutdownmon has put into the event log so far; Wine shows it on a debug channel."""
        return re.findall(r':eventlog:ReportEventW L"(.*)"', self.machine.console)


@pytest.fixture(scope="module")
def host(built: Path) -> Iterator[Host]:
    machine = Windows("x64")
    try:
        machine.run("reg", "add", "HKCU\\Software\\Wine\\Debug", "/v", "RelayInclude", "/d", ";".join(CALLS))
        machine.reboot({"WINEDEBUG": "-all,warn+debugstr,+relay,+eventlog"})
        program = machine.put(PROJECT / "target" / "winxp" / "amd64" / "debug" / "shutdownmon.exe")
        assert machine.run(program, "-i").exit_code == 0
        yield Host(machine, built)
    finally:
        machine.close()


@pytest.fixture
def domain(host: Host) -> Host:
    """The host with the device there and a domain's nodes, as libxl makes them, not yet used."""
    nodes = [REQUEST, *(f"control/feature-{name}" for name in FEATURES)]
    host.write(*itertools.chain.from_iterable((node, "") for node in nodes), "!start")
    assert wait_until(lambda: host.read("control/feature-s4") != ""), host.machine.console
    yield host
    host.write("!stop")


POWER_OFF = ("InitiateSystemShutdownExW", 0, MESSAGE, 0, True, False, PLANNED)
RESTART = ("InitiateSystemShutdownExW", 0, MESSAGE, 0, True, True, PLANNED)
STANDBY = ("SetSystemPowerState", True, True)
HIBERNATE = ("SetSystemPowerState", False, True)
VERBS = {
    "poweroff": POWER_OFF,
    "halt": POWER_OFF,
    "reboot": RESTART,
    "s3": STANDBY,
    "s4": HIBERNATE,
    "hibernate": HIBERNATE,
}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_leads_to_its_call(domain: Host, verb: str) -> None:
    assert domain.ask(verb) == [VERBS[verb]]


def test_what_can_be_asked_is_offered(domain: Host) -> None:
    offered = {name: domain.read(f"control/feature-{name}") for name in FEATURES}
    # Wine's machine has S4 and no S3.
    assert offered == {"poweroff": "1", "halt": "1", "reboot": "1", "s3": "0", "s4": "1"}


def test_a_host_without_such_nodes_is_obeyed(domain: Host) -> None:
    domain.write("!stop", "", "-control/feature-reboot", "0", "!start")
    assert domain.ask("reboot") == [RESTART]
    assert domain.read("control/feature-reboot") == "0"


def test_all_is_offered_again_after_a_migration(domain: Host) -> None:
    domain.write("control/feature-poweroff", "", "!resume")
    assert wait_until(lambda: domain.read("control/feature-poweroff") == "1")


def test_an_unknown_verb_is_acknowledged_and_reported(domain: Host) -> None:
    assert domain.ask("dance") == []
    assert domain.events()[-1] == "The host asks for something unknown; it is ignored."


def test_suspend_is_left_to_xenpci(domain: Host) -> None:
    domain.calls()
    events = domain.events()
    domain.write(REQUEST, "suspend", "!resume")
    assert not wait_until(lambda: domain.read(REQUEST) != "suspend" or bool(domain.calls()), 1)
    assert domain.events() == events


def test_what_cannot_be_acknowledged_is_obeyed_once(domain: Host) -> None:
    domain.calls()
    domain.write(f"-{REQUEST}", "poweroff")
    assert wait_until(lambda: domain.calls() == [POWER_OFF])
    domain.write("!resume")
    assert not wait_until(lambda: bool(domain.calls()), 1)
    assert domain.events()[-1] == f"The host's request cannot be acknowledged: error {ACCESS_DENIED}."


def test_a_restart_of_xenpci_is_survived(domain: Host) -> None:
    domain.write("!stop")
    assert wait_until(lambda: "went away" in domain.events()[-1])
    domain.write("!start")
    assert domain.ask("reboot") == [RESTART]
    assert domain.machine.service("shutdownmon") == "running"


def test_what_was_asked_before_it_started_is_obeyed(domain: Host) -> None:
    machine = domain.machine
    assert machine.run("net", "stop", "shutdownmon").exit_code == 0
    domain.calls()
    domain.write(REQUEST, "poweroff")
    assert machine.run("net", "start", "shutdownmon").exit_code == 0
    assert domain.acknowledged()
    assert wait_until(lambda: domain.calls() == [POWER_OFF])


def test_the_service_asks_to_be_restarted_after_a_crash(domain: Host) -> None:
    machine = domain.machine
    assert machine.run("net", "stop", "shutdownmon").exit_code == 0
    seen = len(machine.console)
    assert machine.run("net", "start", "shutdownmon").exit_code == 0
    failure_actions = r"Call \w+\.ChangeServiceConfig2W\([0-9a-f]+,0*2,"
    assert wait_until(lambda: bool(re.search(failure_actions, machine.console[seen:]))), machine.console[seen:]


def test_in_a_console_it_does_the_same_and_reports_there(domain: Host) -> None:
    machine = domain.machine
    assert machine.run("net", "stop", "shutdownmon").exit_code == 0
    events = domain.events()
    machine.cmd('start "" /b C:\\run\\shutdownmon.exe -d >C:\\run\\console.txt')
    shown = machine.path("C:\\run\\console.txt")
    try:
        assert wait_until(lambda: b"Running; waiting for" in shown.read_bytes()), machine.console
        assert domain.ask("reboot") == [RESTART]
        assert wait_until(lambda: b"The host asks Windows to restart." in shown.read_bytes()), shown.read_bytes()
        assert domain.events() == events
    finally:
        machine.run("taskkill", "/f", "/im", "shutdownmon.exe")
    assert machine.run("net", "start", "shutdownmon").exit_code == 0


# The last one: the service is gone after it.
def test_it_stops_and_goes_while_it_waits(domain: Host) -> None:
    machine = domain.machine
    result = machine.run("C:\\run\\shutdownmon.exe", "-u")
    assert result.exit_code == 0, result
    assert machine.service("shutdownmon") is None
    assert domain.events()[-1] == "Stopped."
