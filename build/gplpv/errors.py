# SPDX-License-Identifier: GPL-2.0-or-later
"""The one error type, and the exit codes that it leads to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""As a shell calls it when a program ends of SIGPIPE."""


class GplpvError(Exception):
    """Something that the user can act on: one clear sentence, and what to do about it.

    Every command prints both and exits with :attr:`exit_code`; any other exception is a bug.
    """

    exit_code = EXIT_FAILURE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(GplpvError):
    """The words on the command line do not fit together."""

    exit_code = EXIT_USAGE


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean ..." for the known name closest to `word`, or the list of all of them."""
    names = list(known)
    folded = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {folded[close[0]]!r}?"
    return f"Known: {', '.join(names)}."
