# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv infcheck``: what stops or weakens the installation of an INF. ``docs/infcheck.md`` is its manual."""

from __future__ import annotations

import argparse
import datetime
import json
from dataclasses import asdict
from pathlib import Path

from gplpv import config
from gplpv.commands import Tasks
from gplpv.errors import EXIT_FAILURE, UsageError
from gplpv.inf import check
from gplpv.inf.target import Target, targets_for


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser(
        "infcheck",
        help="check INF files for what stops or weakens an installation",
        epilog="Exit codes: 0 no errors, perhaps warnings; 1 errors; 2 the words do not fit together.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="an INF")
    parser.add_argument("--platform", help="names of platforms.yaml, or all; default: what the INF says it is for")
    parser.add_argument("--arch", help="x32, x64 or all (default)")
    parser.add_argument("--complete", action="store_true", help="the files that the INF copies have to be beside it")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    if options.rules:
        _print_rules(options.json)
        return 0
    if not options.files:
        raise UsageError("No file is named.", "gplpv infcheck FILE..., or gplpv infcheck --rules.")
    targets, today = _targets(options), _today()
    findings = [
        finding
        for path in options.files
        for finding in check.check_file(path, targets, is_complete=options.complete, today=today)
    ]
    errors = sum(finding.severity == "error" for finding in findings)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(finding)
        files, warnings = len(options.files), len(findings) - errors
        print(f"{_count(files, 'file')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return EXIT_FAILURE if errors else 0


def _print_rules(as_json: bool) -> None:
    if as_json:
        facts = [{"code": one.code, "severity": one.severity, "sentence": one.sentence} for one in check.rules()]
        print(json.dumps(facts, indent=2))
        return
    for one in check.rules():
        print(f"{one.code} {one.severity:7} {one.sentence}")


def _targets(options: argparse.Namespace) -> list[Target]:
    if not options.platform and not options.arch:
        return []
    matrix = config.load().matrix
    platforms = list(matrix.platforms) if options.platform in (None, "all") else options.platform.split(",")
    arches = list(matrix.arches) if options.arch in (None, "all") else options.arch.split(",")
    variants = matrix.select(platforms, arches, [False])
    return list(dict.fromkeys(target for variant in variants for target in targets_for(variant)))


def _today() -> datetime.date:
    """The build's moment inside the project, the machine's day elsewhere."""
    try:
        config.project_root()
    except UsageError:
        return datetime.datetime.now(datetime.timezone.utc).date()
    return config.load().moment.date()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
