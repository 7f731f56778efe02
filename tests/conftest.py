# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# A shell starts its background jobs with Ctrl-C ignored, and what is ignored stays so in all programs that these start:
# the tests that press Ctrl-C must mean it however they were started.
signal.signal(signal.SIGINT, signal.default_int_handler)


# First: xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, in one process, the tests that share whole builds and test machines."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in {"packages", "wine"}:
            item.add_marker(pytest.mark.xdist_group(folder))
