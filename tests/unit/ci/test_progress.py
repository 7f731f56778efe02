# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person sees of a step, and what becomes of a step that is interrupted."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from progress import INTERRUPTED, STEP_FAILED, Failure, Steps

from .conftest import PROJECT

PROGRAM = """
import sys, progress
def main(arguments):
    with progress.Steps(arguments[0]) as steps, steps.step("working"):
        steps.run(["sh", "-c", arguments[2]], "Try again.", whole=arguments[1] == "whole")
progress.end(main)
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def start(tmp_path: Path, manner: str, shell: str) -> subprocess.Popen[str]:
    """A program in a process group of its own, as a terminal's Ctrl-C would reach it, once its command has begun."""
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "log"), manner, f"touch begun; {shell}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "ci")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "begun").exists():
        assert running.poll() is None
        time.sleep(0.01)
    return running


def test_a_step_is_one_line_with_its_time(tmp_path: Path):
    seen = io.StringIO()
    with Steps(tmp_path / "log", seen) as steps, steps.step("making tea"):
        steps.run(["echo", "hidden"], "")
    assert re.fullmatch(r"making tea \.\.\. \d+\.\d s\n", seen.getvalue())


def test_a_terminal_gets_a_spinner_that_leaves_one_line(tmp_path: Path):
    seen = Terminal()
    with Steps(tmp_path / "log", seen) as steps, steps.step("making tea"):
        time.sleep(0.25)
    assert re.search(r"\r\033\[K[-|/\\] making tea 0 s", seen.getvalue())
    assert re.fullmatch(r"making tea \.\.\. \d+\.\d s\n", seen.getvalue().rpartition("\033[K")[2])


def test_the_log_has_every_command_and_all_it_printed(tmp_path: Path):
    with Steps(tmp_path / "new" / "log", io.StringIO()) as steps, steps.step("counting"):
        steps.run(["sh", "-c", "echo one; echo two >&2"], "")
    assert (tmp_path / "new" / "log").read_text() == "== counting\n$ sh -c 'echo one; echo two >&2'\none\ntwo\n"


def test_a_failure_shows_the_last_lines_and_the_next_step(tmp_path: Path):
    with Steps(tmp_path / "log", io.StringIO()) as steps, pytest.raises(Failure) as failure:
        steps.run(["sh", "-c", "seq 100; exit 5"], "Do this.")
    assert "ended with code 5" in failure.value.message
    assert failure.value.message.splitlines()[1:] == [f"  {number}" for number in range(89, 101)]
    assert failure.value.hint.startswith("Do this.")
    assert failure.value.code == STEP_FAILED


def test_a_program_that_is_not_there_is_a_failure_too(tmp_path: Path):
    with Steps(tmp_path / "log", io.StringIO()) as steps, pytest.raises(Failure, match=r"(?s)code 127.*No such file"):
        steps.run(["/no/such/program"], "")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_step_ends_its_command(tmp_path: Path, sent: signal.Signals):
    running = start(tmp_path, "plain", "exec sleep 60")
    running.send_signal(sent)
    _, seen = running.communicate(timeout=10)
    assert running.returncode == INTERRUPTED
    assert "Interrupted; the next run carries on." in seen
    assert "Traceback" not in seen


def test_a_package_manager_is_let_finish(tmp_path: Path):
    running = start(tmp_path, "whole", "sleep 0.5; touch ended")
    os.killpg(running.pid, signal.SIGINT)
    _, seen = running.communicate(timeout=10)
    assert running.returncode == INTERRUPTED
    assert "letting it finish" in seen
    assert (tmp_path / "ended").exists()


def test_a_full_disk_is_told_in_words():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "/dev/full", "plain", "true"],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "ci")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == STEP_FAILED
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
