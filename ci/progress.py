# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps that a person can watch: one line a step, its elapsed time, and every command's output kept in one log.

Standard library only and Python 3.8 syntax, as everything under ci/: it runs before the private environment exists.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import threading
import time

NOT_ALLOWED = 10
STEP_FAILED = 11
NO_PYTHON = 12
INTERRUPTED = 130

LINES_SHOWN = 12
COLUMNS_SHOWN = 160


class Failure(Exception):
    """A failure with its next step: one sentence, what to do, and the exit code of the program."""

    def __init__(self, message, hint, code=STEP_FAILED):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self):
        return "{}\n{}".format(self.message, self.hint)


def show(command):
    """`command` (a list of words) as a person would type it."""
    return " ".join(shlex.quote(word) for word in command)


class Steps:
    """Runs named steps; `log` receives every command and all of its output, and is overwritten by each run."""

    def __init__(self, log, stream=None):
        self.path = log
        self.stream = stream or sys.stderr
        self._log = None

    def __enter__(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self._log = open(self.path, "w", encoding="utf-8", errors="replace")  # noqa: SIM115, PTH123
        return self

    def __exit__(self, *_exception):
        self._log.close()

    @contextlib.contextmanager
    def step(self, title):
        """One step: its title now, its elapsed time at the end, a spinner meanwhile where somebody watches."""
        start = time.monotonic()
        done = threading.Event()
        self._log.write("== {}\n".format(title))
        self.stream.write("{} ...".format(title))
        self.stream.flush()
        spinner = threading.Thread(target=self._spin, args=(title, start, done), daemon=True)
        if self.stream.isatty():
            spinner.start()
        outcome = "failed after"
        try:
            yield
            outcome = ""
        finally:
            done.set()
            if spinner.ident is not None:
                spinner.join()
                self.stream.write("\r\033[K{} ...".format(title))
            words = [outcome, "{:.1f} s".format(time.monotonic() - start)]
            self.stream.write(" {}\n".format(" ".join(word for word in words if word)))
            self.stream.flush()

    def _spin(self, title, start, done):
        turn = 0
        while not done.wait(0.1):
            turn += 1
            self.stream.write("\r\033[K{} {} {:.0f} s".format("|/-\\"[turn % 4], title, time.monotonic() - start))
            self.stream.flush()

    def run(self, command, hint, env=None, cwd=None):
        """Run `command` to its end; raises Failure with the last lines it printed, the log's name and `hint`."""
        code, output = self.attempt(command, env=env, cwd=cwd)
        if code != 0:
            last = "\n".join("  " + line[:COLUMNS_SHOWN] for line in output.splitlines()[-LINES_SHOWN:])
            raise Failure(
                "`{}` ended with code {}:\n{}".format(show(command), code, last),
                "{} (everything it printed: {})".format(hint, self.path),
            )
        return output

    def attempt(self, command, env=None, cwd=None):
        """Run `command` to its end and return (exit code, output); a program that cannot start has code 127."""
        self._log.write("$ {}\n".format(show(command)))
        self._log.flush()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, **(env or {})),
                cwd=cwd,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            return 127, str(error)
        lines = []
        try:
            for line in process.stdout:
                lines.append(line)
                self._log.write(line)
                self._log.flush()
        except BaseException:
            # A package manager killed outright leaves its database locked: ask it to end, then wait for it.
            with contextlib.suppress(OSError):
                process.terminate()
            process.wait()
            raise
        return process.wait(), "".join(lines)
