# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every test."""

from __future__ import annotations

import signal
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

# A shell starts its background jobs with Ctrl-C ignored, and what is ignored stays so in all programs that these start:
# the tests that press Ctrl-C must mean it however they were started.
signal.signal(signal.SIGINT, signal.default_int_handler)


class ByNeed(LoadScopeScheduling):
    """Keeps in one process the tests that share whole builds or test machines, and those of a file of unit tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = PurePosixPath(file).parts[1]
        return {"packages": folder, "wine": folder, "unit": file}.get(folder, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByNeed:
    return ByNeed(config, log)
