# SPDX-License-Identifier: MIT
"""The one error of the package: what went wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class WixpyError(Exception):
    """A source, a database or a cabinet that cannot be used as asked.

    ``message`` is one sentence; ``hint`` says what to do; ``file`` and ``line`` say where, for a fault in a source.

    >>> error = WixpyError("the element Fil is not known", "File is", "x.wxs", 7)
    >>> str(error), error.hint
    ('x.wxs:7: the element Fil is not known', 'File is')
    """

    def __init__(
        self, message: str, hint: str | None = None, file: str | Path | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:" if self.line is None else f"{self.file}:{self.line}:"
        return f"{place} {self.message}".strip()
