# SPDX-License-Identifier: GPL-2.0-or-later
"""The command in a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = str(Path(__file__).parent / "golden/catalogs/wxp-x86-viostor")
COMMANDS = {"little to say": ["matrix"], "more than a buffer": ["verify", "--json", *[GOLDEN] * 20]}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_reader_that_has_seen_enough_is_no_error(command: list[str]) -> None:
    """As in `gplpv verify dist | head -1`: no traceback, and not the exit code of success."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "gplpv.cli", *command]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    outcome = subprocess.run(words, env=buffered, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (outcome.returncode, outcome.stderr) == (141, "")
