# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv stampinf``: the WDK tool of that name."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from gplpv import config, stampinf
from gplpv.commands import Tasks
from gplpv.errors import UsageError
from gplpv.matrix import parse_version


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser("stampinf", help="stamp an INF in place, with the options of the WDK's stampinf")
    parser.add_argument("-f", dest="file", required=True, type=Path, help="INF or INX, changed in place")
    parser.add_argument("-s", dest="section", default="Version", help="section that gets DriverVer (default: Version)")
    parser.add_argument("-d", dest="date", default="*", help="mm/dd/yyyy; * (default) is the date of the build")
    parser.add_argument("-v", dest="version", default="*", help="w.x.y.z; * (default) is the version in platforms.yaml")
    parser.add_argument("-a", dest="arch", help="text for $ARCH$")
    parser.add_argument("-c", dest="catalog", help="value of CatalogFile")
    parser.add_argument("-k", dest="kmdf", help="KMDF version, such as 1.9")
    parser.add_argument("-u", dest="umdf", help="UMDF version, such as 1.11.0")
    parser.add_argument("-n", dest="verbose", action="store_true", help="say what was stamped")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
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
