# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv verify``: checks of what was built."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gplpv import verify
from gplpv.commands import Tasks
from gplpv.errors import EXIT_FAILURE


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser("verify", help="check built images, driver folders and packages")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="folder of a variant below target/, or an .msi"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    findings = [finding for path in options.paths for finding in verify.check(path)]
    if options.json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}  {finding.text}")
    return 0 if all(finding.ok for finding in findings) else EXIT_FAILURE
