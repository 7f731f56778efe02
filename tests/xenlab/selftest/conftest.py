# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import driver


@pytest.fixture(scope="session", params=["x64", "x32"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return driver.build(tmp_path_factory.mktemp(f"cases-{request.param}"), request.param), request.param


@pytest.fixture
def lab(built: tuple[Path, str]) -> driver.Lab:
    return driver.load(*built)


@pytest.fixture
def labs(built: tuple[Path, str]) -> Callable[..., driver.Lab]:
    """Make a lab with another seed."""
    return lambda **options: driver.load(*built, **options)


@pytest.fixture(scope="session", params=["x64", "x32"])
def built_rules(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return driver.build(tmp_path_factory.mktemp(f"rules-{request.param}"), request.param, "rules"), request.param


@pytest.fixture
def whole(built_rules: tuple[Path, str]) -> driver.WholeLab:
    """A driver with a device, rules.c."""
    return driver.load_whole(*built_rules)
