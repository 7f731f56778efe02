# SPDX-License-Identifier: GPL-2.0-or-later
"""What crosses the network while the shipped driver works is judged by scapy, from the capture file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.utils import PcapReader

import wire
from xenlab import report, scenario
from xenlab.cli import main
from xenlab.folder import DriverFolder
from xenlab.lab import Options
from xenlab.trace import Trace
from xenlab.xen.pcap import Capture

Drivers = Callable[..., DriverFolder]


@pytest.mark.parametrize(("platform", "arch"), [("XP", "x32"), ("Vista2008", "x64")])
def test_scapy_finds_every_frame_of_a_scenario_right(
    drivers: Drivers, tmp_path: Path, platform: str, arch: str
) -> None:
    capture = Capture()
    outcome = scenario.run(scenario.find("net"), drivers(platform, arch), Options(seed=11), Trace(), capture)
    assert outcome.violation is None, report.text(outcome)
    capture.write(tmp_path / "net.pcap")
    with PcapReader(str(tmp_path / "net.pcap")) as reader:
        frames = [bytes(packet) for packet in reader]
    assert len(frames) > 400
    assert [frame.hex() for frame in frames if not wire.is_right(frame)] == []


def test_the_same_seed_gives_the_same_capture(drivers: Drivers) -> None:
    captures = [Capture(), Capture()]
    for capture in captures:
        scenario.run(scenario.find("net"), drivers("XP", "x64"), Options(seed=12), Trace(), capture)
    assert captures[0].data() == captures[1].data()


def test_the_command_keeps_a_capture(drivers: Drivers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.pcap"
    assert main(["run", "net-statistics", "--drivers", str(drivers("XP", "x64").path), "--pcap", str(path)]) == 0
    assert "net-statistics: passed" in capsys.readouterr().out
    with PcapReader(str(path)) as reader:
        assert len(list(reader)) >= 18


def test_a_capture_is_of_one_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "all", "--pcap", "net.pcap"]) == 2
    assert "Name the scenario" in capsys.readouterr().err
