# SPDX-License-Identifier: MIT
"""Which processor packages are for.

msilib makes packages for the Python that runs it, and so does this on Windows.  On other systems they are for x64
unless a program says otherwise: ``msilib.AMD64 = msilib.Win64 = False``, or ``msilib.Itanium = True``.
"""

from __future__ import annotations

import sys
from types import ModuleType

ON_WINDOWS = sys.platform == "win32"
AMD64 = "AMD64" in sys.version or not ON_WINDOWS
Itanium = ON_WINDOWS and "Itanium" in sys.version
Win64 = AMD64 or Itanium


def _package() -> ModuleType:
    return sys.modules[__package__]


def is_64bit() -> bool:
    """Whether components are marked as 64-bit."""
    return bool(_package().Win64)


def template() -> str:
    """The summary's template: processor and language."""
    processor = "Intel64" if _package().Itanium else "x64" if _package().AMD64 else "Intel"
    return f"{processor};1033"
