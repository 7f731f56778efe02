# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv verify``: is it whole, does it fit, who made it? Or, with ``--compare``, is it the same?"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gplpv import chains, config, verify
from gplpv.commands import Tasks
from gplpv.errors import EXIT_FAILURE, UsageError
from gplpv.verify import compare


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser(
        "verify",
        help="check packages, drivers, folders of them and whole releases, believing nothing",
        description="Check packages (.msi, .exe), their files, driver folders and releases; see docs/verify.md.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a package, a file of one, or a folder")
    parser.add_argument("--root", action="append", default=[], type=Path, metavar="FILE", help="a certificate to trust")
    parser.add_argument("--signed", action="store_true", help="what is not signed fails")
    parser.add_argument("--compare", action="store_true", help="two files or folders: equal up to signatures?")
    parser.add_argument("--list", action="store_true", help="say what is checked")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    if options.list:
        for one in verify.CHECKS:
            print(f"{one.name:<10} {' '.join(one.kinds):<28} {one.purpose}")
        return 0
    if options.compare:
        return _compare(options)
    if not options.paths:
        raise UsageError("There is nothing to verify.", "Name a package or a folder: gplpv verify dist")
    now = datetime.datetime.now(datetime.timezone.utc)
    trust = chains.Trust(chains.load_roots(options.root), now)
    context = verify.Context(_settings(options.paths), trust, options.signed)
    findings = [finding for path in options.paths for finding in verify.check(path, context)]
    _print(findings, options.json)
    return 0 if findings and all(finding.ok for finding in findings) else EXIT_FAILURE


def _settings(paths: Sequence[Path]) -> config.Config:
    """The matrix of the project that the first path or the working folder lies in, else of this file's."""
    for start in (paths[0].parent if not paths[0].is_dir() else paths[0], Path.cwd()):
        try:
            return config.load(config.project_root(start))
        except UsageError:
            continue
    return config.load(config.project_root(Path(__file__).parent))


def _print(findings: Sequence[verify.Finding], as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**asdict(finding), "ok": finding.ok} for finding in findings], indent=2))
        return
    for finding in findings:
        print(finding)
    counts = {level: sum(finding.level is level for finding in findings) for level in verify.Level}
    print(", ".join(f"{count} {level.value}" for level, count in counts.items()))


def _compare(options: argparse.Namespace) -> int:
    if len(options.paths) != 2:
        raise UsageError(f"--compare takes two paths, not {len(options.paths)}.", "gplpv verify --compare A B")
    differences = compare.paths(*options.paths)
    if options.json:
        print(json.dumps([asdict(difference) for difference in differences], indent=2))
    else:
        for difference in differences:
            print(difference)
        if not differences:
            print("equal up to signatures")
    return EXIT_FAILURE if differences else 0
