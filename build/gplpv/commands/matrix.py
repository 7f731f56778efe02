# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv matrix``: what platforms.yaml spans."""

from __future__ import annotations

import argparse
import json

from gplpv import config
from gplpv.commands import Tasks


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser("matrix", help="list what platforms.yaml spans")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    settings = config.load()
    rows = [
        {
            "name": variant.name,
            "windows": variant.platform.title,
            "nt": variant.target.nt,
            "folder": f"target/{variant.tree}",
            "package": variant.package("msi"),
            "drivers": dict(variant.platform.drivers),
        }
        for variant in settings.matrix.variants()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['name']:22}{row['nt']:5}{row['folder']:32}{row['package']}")
    return 0
