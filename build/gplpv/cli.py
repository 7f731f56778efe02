# SPDX-License-Identifier: GPL-2.0-or-later
"""The ``gplpv`` command: one word a task, each a thin call into the library.

Exit codes: 0 done; 1 a task failed, and the message says what to do; 2 the words do not fit together; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from gplpv import config, stampinf, verify
from gplpv.errors import EXIT_FAILURE, EXIT_INTERRUPTED, GplpvError, UsageError
from gplpv.matrix import parse_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.task(options)
        return code
    except GplpvError as error:
        print(f"gplpv: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("gplpv: interrupted; nothing was left half-written.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gplpv", description="Build and package Windows drivers without Windows.")
    tasks = parser.add_subparsers(required=True, metavar="TASK")

    task = tasks.add_parser("matrix", help="list what platforms.yaml spans")
    task.add_argument("--json", action="store_true", help="for programs")
    task.set_defaults(task=_matrix)

    task = tasks.add_parser("stampinf", help="stamp an INF in place, with the options of the WDK's stampinf")
    task.add_argument("-f", dest="file", required=True, type=Path, help="INF or INX, changed in place")
    task.add_argument("-s", dest="section", default="Version", help="section that gets DriverVer (default: Version)")
    task.add_argument("-d", dest="date", default="*", help="mm/dd/yyyy; * (default) is the date of the build")
    task.add_argument("-v", dest="version", default="*", help="w.x.y.z; * (default) is the version in platforms.yaml")
    task.add_argument("-a", dest="arch", help="text for $ARCH$")
    task.add_argument("-c", dest="catalog", help="value of CatalogFile")
    task.add_argument("-k", dest="kmdf", help="KMDF version, such as 1.9")
    task.add_argument("-u", dest="umdf", help="UMDF version, such as 1.11.0")
    task.add_argument("-n", dest="verbose", action="store_true", help="say what was stamped")
    task.set_defaults(task=_stampinf)

    task = tasks.add_parser("verify", help="check built images, driver folders and packages")
    task.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="folder of a variant below target/, or an .msi"
    )
    task.add_argument("--json", action="store_true", help="for programs")
    task.set_defaults(task=_verify)
    return parser


def _matrix(options: argparse.Namespace) -> int:
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


def _stampinf(options: argparse.Namespace) -> int:
    if "*" in (options.version, options.date):
        settings = config.load()
    version = settings.matrix.product.version if options.version == "*" else options.version
    date = settings.moment.date() if options.date == "*" else _date(options.date)
    try:
        parse_version(version)
    except ValueError as error:
        raise UsageError(f"-v: {error}.", "Give one such as 0.12.0.1.") from error
    what = stampinf.Stamp(
        version, date, options.arch, options.catalog, options.kmdf, options.umdf, section=options.section
    )
    stampinf.stamp_file(options.file, options.file, what)
    if options.verbose:
        print(f"{options.file}: DriverVer={date:%m/%d/%Y},{version}")
    return 0


def _date(text: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(text.replace("-", "/"), "%m/%d/%Y").date()
    except ValueError:
        raise UsageError(f"-d: {text!r} is no date.", "Give it as mm/dd/yyyy.") from None


def _verify(options: argparse.Namespace) -> int:
    findings = [finding for path in options.paths for finding in verify.check(path)]
    if options.json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}  {finding.text}")
    return 0 if all(finding.ok for finding in findings) else EXIT_FAILURE


if __name__ == "__main__":
    sys.exit(main())
