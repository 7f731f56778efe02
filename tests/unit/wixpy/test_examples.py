# SPDX-License-Identifier: MIT
"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import wixpy

MODULES = [module.name for module in pkgutil.walk_packages(wixpy.__path__, "wixpy.") if module.name != "wixpy.__main__"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 8
