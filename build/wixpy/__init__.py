# SPDX-License-Identifier: MIT
"""Windows Installer packages without Windows: write, read, compile from .wxs, check.

``build`` compiles a source into a checked package; ``open`` reads one, ``check`` examines one.  Underneath, one module
a format: ``cfb`` (compound files), ``names`` (stream names), ``strings`` (string pool), ``tables`` and ``schema``,
``summary``, ``cab``, ``database``; above them ``wxs`` (the compiler) and ``checks`` (integrity checks), and ``store``,
``sql``, ``view`` and ``record`` (Windows Installer's SQL), ``idt`` (text archives) and ``msilib`` (the API of the
standard library's module of that name).

>>> import tempfile, wixpy
>>> from pathlib import Path
>>> folder = Path(tempfile.mkdtemp())
>>> package = wixpy.Database(1252)
>>> _ = package.insert("Property", "ProductName", "Sämple")
>>> package.commit(folder / "x.msi")
>>> wixpy.open(folder / "x.msi").property("ProductName")
'Sämple'
>>> print(wixpy.check(folder / "x.msi", ["ICE05"])[0])
ICE05 error: the property Manufacturer is missing [Property Manufacturer]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from wixpy.database import Database
    from wixpy.errors import WixpyError
    from wixpy.package import build, check

__all__ = ["Database", "WixpyError", "build", "check", "open"]

_PLACES = {
    "Database": "wixpy.database",
    "WixpyError": "wixpy.errors",
    "build": "wixpy.package",
    "check": "wixpy.package",
}


def __getattr__(name: str) -> object:
    """Load what is asked for: reading a package need not wait for the compiler."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415

    return globals().setdefault(name, getattr(importlib.import_module(_PLACES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def open(path: Path) -> Database:
    """Read the package at ``path``; WixpyError says why a file cannot be read.

    >>> import wixpy
    >>> from pathlib import Path
    >>> wixpy.Database(1252).commit(Path("empty.msi"))
    >>> wixpy.open(Path("empty.msi")).codepage
    1252
    """
    from wixpy.database import Database  # noqa: PLC0415

    return Database.open(path)
