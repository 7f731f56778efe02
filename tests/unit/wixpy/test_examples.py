# SPDX-License-Identifier: MIT
"""The examples in docstrings do what they say, and everything that people call has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

import wixpy

MODULES = [module.name for module in pkgutil.walk_packages(wixpy.__path__, "wixpy.") if module.name != "wixpy.__main__"]
README = Path(__file__).parents[3] / "docs" / "wixpy" / "README.md"

# What people call: wixpy itself, what it is made of as far as its docstring names it, and msilib.
DOCUMENTED = (
    *("wixpy.cab", "wixpy.cfb", "wixpy.checks", "wixpy.database", "wixpy.diff", "wixpy.errors", "wixpy.filenames"),
    *("wixpy.idt", "wixpy.media", "wixpy.msi_errors", "wixpy.names", "wixpy.package", "wixpy.record", "wixpy.schema"),
    *("wixpy.strings", "wixpy.summary", "wixpy.tables", "wixpy.validate", "wixpy.view", "wixpy.wxs", "wixpy"),
    *("wixpy.msilib._dialogs", "wixpy.msilib._layout", "wixpy.msilib._msi", "wixpy.msilib._tables"),
)


@pytest.mark.parametrize("name", ["wixpy", *MODULES])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [source] = re.findall(r"```xml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    Path("hello.wxs").write_text(source, "utf-8")
    Path("hello.txt").write_text("hello\n")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def examples(*objects: object) -> str:
    """The statements of the examples in the docstrings of some objects."""
    parsed = (doctest.DocTestParser().get_examples(inspect.getdoc(each) or "") for each in objects)
    return "".join(example.source for each in parsed for example in each)


def public(name: str) -> Iterator[tuple[str, object]]:
    """The functions and classes that a module defines for others, but for lists of numbers."""
    for key, each in vars(importlib.import_module(name)).items():
        is_one = inspect.isfunction(inspect.unwrap(each)) or (inspect.isclass(each) and not issubclass(each, Enum))
        if is_one and not key.startswith("_") and each.__module__ == name:
            yield key, each


def methods(owner: type) -> dict[str, object]:
    """The public methods that a class defines itself."""
    found = {key: inspect.unwrap(getattr(each, "__func__", each)) for key, each in vars(owner).items()}
    return {key: each for key, each in found.items() if inspect.isfunction(each) and not key.startswith("_")}


@pytest.mark.parametrize("module", DOCUMENTED)
def test_what_people_call_has_an_example(module: str) -> None:
    missing = []
    for name, each in public(module):
        if not inspect.isclass(each):
            missing += [] if re.search(rf"\b{name}\b", examples(each)) else [name]
            continue
        shown = examples(each, *methods(each).values())
        missing += [f"{name}.{key}" for key in methods(each) if not re.search(rf"\.{key}\b", shown)]
    assert missing == []
