# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers of the catalogs' tests that these use too: pytest's way of importing has no path between two folders."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def load(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "catalog" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"catalog_{name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


judges, samples = load("judges"), load("samples")
