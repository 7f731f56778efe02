# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps that a person can watch: one line a step, its elapsed time, and every command's output kept in one log.

Standard library only and Python 3.8 syntax, as everything under ci/: it runs before the private environment exists.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

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
        self.path = Path(log)
        self.stream = stream or sys.stderr
        self._log = None

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self.path.open("w", encoding="utf-8", errors="replace")
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
        outcome = "stopped after"
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

    def run(self, command, hint, env=None, whole=False):
        """Run `command` to its end; raises Failure with the last lines it printed, the log's name and `hint`."""
        code, output = self.attempt(command, env, whole)
        if code != 0:
            last = "\n".join("  " + line[:COLUMNS_SHOWN] for line in output.splitlines()[-LINES_SHOWN:])
            raise Failure(
                "`{}` ended with code {}:\n{}".format(show(command), code, last),
                "{} (everything it printed: {})".format(hint, self.path),
            )

    def attempt(self, command, env=None, whole=False):
        """Run `command` to its end and return (exit code, output); a program that cannot start has code 127.

        `whole` lets the first Ctrl-C wait for its end: a package manager stopped half-way leaves half a package.
        """
        self._log.write("$ {}\n".format(show(command)))
        self._log.flush()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, **(env or {})),
                encoding="utf-8",
                errors="replace",
                preexec_fn=os.setpgrp if whole else None,  # noqa: PLW1509 (one system call: safe beside the spinner)
            )
        except OSError as error:
            return 127, str(error)
        lines = []
        with process:
            try:
                try:
                    self._follow(process, lines)
                except KeyboardInterrupt:
                    if whole:
                        self.stream.write(" interrupted, letting it finish ...")
                        self.stream.flush()
                        self._follow(process, lines)
                    raise
            except BaseException:
                with contextlib.suppress(OSError):
                    process.terminate()
                raise
        return process.returncode, "".join(lines)

    def _follow(self, process, lines):
        for line in process.stdout:
            lines.append(line)
            self._log.write(line)
            self._log.flush()


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def end(main):
    """Run `main` on the command line's arguments and end the process; a failure is told in words, never a traceback."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print("\n{}".format(failure), file=sys.stderr)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        print("\nInterrupted; the next run carries on.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        hint = "Mend that, then try again."
        if isinstance(error, PermissionError) and error.filename:
            hint = "It may belong to another user, from an earlier run; this gives it back: sudo chown -R $(id -u) {}"
            hint = hint.format(shlex.quote(str(Path(error.filename).parent)))
        print("\nSetting up failed: {}.\n{}".format(error, hint), file=sys.stderr)
        sys.exit(STEP_FAILED)
