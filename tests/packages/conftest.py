# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole builds, made once and looked at by many tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv import config
from gplpv.config import Config

from .tree import Outcome, Tree, copy


@pytest.fixture(scope="session")
def settings() -> Config:
    return config.load(Path(__file__).parents[2])


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Outcome]:
    """Everything, from clean."""
    tree = copy(tmp_path_factory.mktemp("first"))
    return tree, tree.scons("all")


@pytest.fixture(scope="session")
def built(first: tuple[Tree, Outcome]) -> Tree:
    """The tree in which everything was built."""
    tree, outcome = first
    assert outcome.exit_code == 0, outcome.output
    return tree


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Everything, from clean, in a folder with another name and depth."""
    tree = copy(tmp_path_factory.mktemp("second") / "a folder" / "of another depth")
    outcome = tree.scons("all")
    assert outcome.exit_code == 0, outcome.output
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A clean copy of one's own."""
    return copy(tmp_path / "tree")
