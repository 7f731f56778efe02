# SPDX-License-Identifier: GPL-2.0-or-later
"""The one seam through which every external program runs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gplpv.errors import GplpvError

PRIVATE_VARIABLES = frozenset({"GPLPV_SIGN_PASSWORD"})
"""Environment variables that no program inherits."""

_SHOWN_LINES = 40


class ProcessError(GplpvError):
    """A program failed; the message keeps its name, exit code and the end of what it printed."""

    def __init__(self, message: str, hint: str, output: str) -> None:
        super().__init__(message, hint)
        self.output = output


@dataclass(frozen=True)
class Completed:
    """A program that ran to its end with exit code 0 (or one that was allowed)."""

    command: str
    exit_code: int
    output: str


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    given: str = "",
    allowed: Iterable[int] = (0,),
    timeout: float | None = None,
    hint: str = "",
) -> Completed:
    """Run `command` without a shell and keep what it prints (stdout and stderr interleaved, UTF-8).

    Args:
        environment: variables set on top of the present ones.
        secrets: texts replaced by ``***`` in the kept command and output. They must not be in `command` to begin
            with; redaction is for programs that echo what they were given another way.
        given: text that the program reads from its standard input, through a pipe.
        allowed: exit codes that count as success.
        timeout: seconds.

    Raises:
        ProcessError: the exit code is not allowed, the time is over, or the program cannot be started.
    """
    words = [str(word) for word in command]
    shown = _redact(shlex.join(words), secrets)
    name = Path(words[0]).name
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**_inherited(), **(environment or {})},
            input=given.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise ProcessError(f"{name} cannot be started: {error.strerror}.", hint, "") from error
    except subprocess.TimeoutExpired as error:
        output = _redact((error.output or b"").decode("utf-8", "replace"), secrets)
        message = f"{name} did not finish within {timeout:.0f} s.\n  {shown}\n{_end(output)}"
        raise ProcessError(message, hint, output) from error
    output = _redact(done.stdout.decode("utf-8", "replace"), secrets)
    if done.returncode == -signal.SIGINT:
        kept = "What was finished is kept: the next run goes on from there."
        raise ProcessError(f"{name} was interrupted.", kept, "")
    if done.returncode not in set(allowed):
        raise ProcessError(f"{name} failed with exit code {done.returncode}:\n{_end(output)}\n  {shown}", hint, output)
    return Completed(shown, done.returncode, output)


def _inherited() -> dict[str, str]:
    """The present variables without those that are meant for this process alone."""
    return {name: value for name, value in os.environ.items() if name not in PRIVATE_VARIABLES}


def _redact(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _end(output: str) -> str:
    return "\n".join(output.rstrip().splitlines()[-_SHOWN_LINES:])
