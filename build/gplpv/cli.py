# SPDX-License-Identifier: GPL-2.0-or-later
"""The ``gplpv`` command: one word a task, each a module of :mod:`gplpv.commands`.

Exit codes: 0 done; 1 a task failed, and the message says what to do; 2 the words do not fit together; 130 interrupted;
141 nobody reads on, as in ``gplpv verify dist | head``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from gplpv import commands
from gplpv.errors import EXIT_INTERRUPTED, EXIT_UNREAD, GplpvError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.task(options)
        sys.stdout.flush()
        return code
    except GplpvError as error:
        print(f"gplpv: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("gplpv: interrupted; nothing was left half-written.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # What is still buffered has to go somewhere when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNREAD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gplpv", description="Build and package Windows drivers without Windows.")
    commands.declare_all(parser.add_subparsers(required=True, metavar="TASK"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
