# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv stampinf``: the WDK tool of that name, with its options and environment variables.

Source: Windows driver documentation, "Stampinf Command Options". One thing differs: "now" is the build's moment
(SOURCE_DATE_EPOCH, else the date in platforms.yaml) in UTC, not the machine's local time, so that the same sources give
the same bytes, and no DriverVer is tomorrow's for the catalog. Without -v, STAMPINF_VERSION and -i, the version is that
of platforms.yaml, as the vendor's tool falls back on its kit's.
"""

from __future__ import annotations

import argparse
import datetime
import re
from collections.abc import Mapping
from pathlib import Path

from gplpv import config, stampinf
from gplpv.commands import Tasks
from gplpv.errors import UsageError

_VARIABLES = ("STAMPINF_DATE", "STAMPINF_VERSION", "PRIVATE_DRIVER_PACKAGE", "Platform", "_BUILDARCH")
_PRIVATE_CATALOG = "delta.cat"
_LARGEST_NUMBER = 65534


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser(
        "stampinf",
        help="stamp an INF in place, with the options of the WDK's stampinf",
        description="* means the build's moment in UTC: SOURCE_DATE_EPOCH, else the date in platforms.yaml. An option "
        "whose value is left out counts as not given.",
        epilog="With PRIVATE_DRIVER_PACKAGE set, date and version are the build's moment whatever else is said, and "
        f"CatalogFile is {_PRIVATE_CATALOG} without -c.",
    )
    parser.add_argument("-f", dest="file", required=True, type=Path, help="INF or INX, changed in place")
    parser.add_argument("-s", dest="section", default="Version", help="section that gets DriverVer (default: Version)")
    parser.add_argument("-d", dest="date", nargs="?", help="mm/dd/yyyy or *; default: STAMPINF_DATE, else *")
    parser.add_argument(
        "-v",
        dest="version",
        nargs="?",
        help="w.x.y.z, or * for the time h.m.s.0; default: STAMPINF_VERSION, else ntverp.h, else platforms.yaml",
    )
    parser.add_argument("-a", dest="arch", nargs="?", help="text for $ARCH$; default: Platform, else _BUILDARCH")
    parser.add_argument("-c", dest="catalog", help="value of CatalogFile; default: CatalogFile stays as it is")
    parser.add_argument("-k", dest="kmdf", help="KMDF version, such as 1.9")
    parser.add_argument("-u", dest="umdf", help="UMDF version, such as 1.11.0")
    parser.add_argument("-i", dest="include", type=Path, help="folder of the ntverp.h that has the version")
    parser.add_argument("-n", dest="verbose", action="store_true", help="say what was stamped")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    variables = config.environment(*_VARIABLES)
    is_private = "PRIVATE_DRIVER_PACKAGE" in variables
    date = "*" if is_private else options.date or variables.get("STAMPINF_DATE", "*")
    version = "*" if is_private else options.version or _default_version(options, variables)
    what = stampinf.Stamp(
        version=_version(version),
        date=_moment().date() if date == "*" else _date(date),
        arch=options.arch or variables.get("Platform") or variables.get("_BUILDARCH"),
        catalog=options.catalog or (_PRIVATE_CATALOG if is_private else None),
        kmdf=options.kmdf,
        umdf=options.umdf,
        section=options.section,
    )
    stampinf.stamp_file(options.file, options.file, what)
    if options.verbose:
        print(f"{options.file}: DriverVer={what.date:%m/%d/%Y},{what.version}")
    return 0


def _default_version(options: argparse.Namespace, variables: Mapping[str, str]) -> str:
    if "STAMPINF_VERSION" in variables:
        return variables["STAMPINF_VERSION"]
    if options.include:
        return stampinf.product_version(options.include / "ntverp.h")
    return config.load().matrix.product.version


def _moment() -> datetime.datetime:
    return config.load().moment


def _version(text: str) -> str:
    """A version as it goes into the INF, blanks around it included, as the vendor's tool copies them."""
    if text == "*":
        moment = _moment()
        return f"{moment.hour}.{moment.minute}.{moment.second}.0"
    parts = text.strip().split(".")
    if len(parts) != 4 or not all(re.fullmatch(r"[0-9]{1,9}", part) and int(part) <= _LARGEST_NUMBER for part in parts):
        raise UsageError(f"{text!r} is no version.", f"Give -v w.x.y.z with each number in 0..{_LARGEST_NUMBER}.")
    return text


def _date(text: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(text.strip().replace("-", "/"), "%m/%d/%Y").date()
    except ValueError:
        raise UsageError(f"{text!r} is no date.", "Give -d mm/dd/yyyy.") from None
