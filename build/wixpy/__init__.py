# SPDX-License-Identifier: MIT
"""Windows Installer packages without Windows: write, read, compile from .wxs, check.

``build`` compiles a source into a checked package; ``open`` reads one, ``check`` examines one.  Underneath, one module
a format: ``cfb`` (compound files), ``names`` (stream names), ``strings`` (string pool), ``tables`` and ``schema``,
``summary``, ``cab``, ``database``; above them ``wxs`` (the compiler) and ``checks`` (integrity checks), and ``store``,
``sql``, ``view`` and ``record`` (Windows Installer's SQL), ``idt`` (text archives) and ``msilib`` (the API of the
standard library's module of that name).
"""

from __future__ import annotations

from pathlib import Path

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import build, check

__all__ = ["Database", "WixpyError", "build", "check", "open"]


def open(path: Path) -> Database:
    """Read the package at ``path``; WixpyError says why a file cannot be read."""
    return Database.open(path)
