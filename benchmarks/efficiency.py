#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print what xenvbd spends on a request of 4 KiB and xennet on a packet: release builds, every target, in the lab.

`--write` keeps the table in benchmarks/efficiency.txt, which the tests hold a build against: a rise of more than 5 %
fails them. Exit codes: 0, or 3 when the drivers cannot be built or run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gplpv.errors import GplpvError
from gplpv.files import write_bytes
from xenlab import efficiency, folder
from xenlab.cli import EXIT_CANNOT_RUN
from xenlab.workshop import Workshop

PROJECT = Path(__file__).resolve().parents[1]
WORK = PROJECT / "target" / "xenlab"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write it to {efficiency.TABLE} as well")
    options = parser.parse_args()
    costs = {}
    try:
        workshop = Workshop(PROJECT, WORK / "efficiency", WORK / "kept")
        for variant in workshop.settings.matrix.variants():
            if not variant.debug:
                costs |= efficiency.measure_all(variant.name, folder.read(workshop.build(variant)))
    except GplpvError as error:
        print(f"efficiency: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    text = efficiency.table(costs)
    print(text, end="")
    if options.write:
        write_bytes(PROJECT / efficiency.TABLE, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
