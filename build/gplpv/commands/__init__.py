# SPDX-License-Identifier: GPL-2.0-or-later
"""The tasks of the ``gplpv`` command, a module each: what it takes, and the call into the library that it makes.

A module has one function, ``declare``: it adds a parser to the tasks, whose default ``task`` is called with the parsed
options and returns the exit code. A new task is a module here; the command line finds it by itself.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeAlias

Tasks: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def declare_all(tasks: Tasks) -> None:
    """Add every task, in the order of their names."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}").declare(tasks)
