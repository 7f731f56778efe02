#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the long scenarios on every target; `./runtests long` calls this.

A row for each is printed and kept in benchmarks/long.txt, in place of the last one there. Exit codes: 0 all passed,
1 one failed, 2 wrong words, 3 one could not be run, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gplpv.errors import EXIT_FAILURE, EXIT_INTERRUPTED, GplpvError
from xenlab import proof
from xenlab.cli import EXIT_CANNOT_RUN
from xenlab.proof import Row, Table

PROJECT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./runtests long", description="Run the long scenarios on every target.")
    parser.add_argument("scenario", nargs="*", help="only these (`xenlab list` shows which are long)")
    parser.add_argument("--target", action="append", default=[], metavar="NAME", help="only this, such as XPx64")
    parser.add_argument("--stale", action="store_true", help="only what the table lacks, or has of other drivers")
    parser.add_argument("--jobs", type=int, help="how many at once (default: one a processor)")
    options = parser.parse_args()
    try:
        table = Table(PROJECT / proof.TABLE)
        known = table if options.stale else None
        rows = proof.run_all(
            PROJECT, options.scenario, options.target, lambda row: tell(row, table), options.jobs, known
        )
    except GplpvError as error:
        print(f"runtests: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    except KeyboardInterrupt:
        print("runtests: interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_FAILURE if any(row.failure for row in rows) else 0


def tell(row: Row, table: Table) -> None:
    print(row.line(), flush=True)
    table.put(row)
    if row.failure:
        print(row.failure, flush=True)


if __name__ == "__main__":
    sys.exit(main())
