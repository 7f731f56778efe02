# SPDX-License-Identifier: MIT
"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import wixpy

MODULES = [module.name for module in pkgutil.walk_packages(wixpy.__path__, "wixpy.") if module.name != "wixpy.__main__"]


# What people call has an example.
SHOWN = {
    "wixpy", "wixpy.cab", "wixpy.checks", "wixpy.diff", "wixpy.idt", "wixpy.record", "wixpy.transform", "wixpy.view",
}  # fmt: skip


@pytest.mark.parametrize("name", ["wixpy", *MODULES])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0 or name not in SHOWN
