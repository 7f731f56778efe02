# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv inf2cat``: the WDK tool of that name."""

from __future__ import annotations

import argparse
from pathlib import Path

from gplpv import config
from gplpv.catalog import package, systems
from gplpv.commands import Tasks
from gplpv.errors import UsageError, nearest

_NAMES = {"driver": "driver", "drv": "driver", "os": "os", "verbose": "verbose", "v": "verbose"}
_NAMES |= {"uselocaltime": "uselocaltime", "pagehashes": "pagehashes"}
_SWITCHES = ("verbose", "uselocaltime", "pagehashes")


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser(
        "inf2cat",
        help="make the catalogs of a driver package, with the options of the WDK's inf2cat",
        epilog="The vendor's spelling is taken too: gplpv inf2cat /driver:DIR /os:LIST [/verbose] [/uselocaltime]",
    )
    parser.add_argument("words", nargs="*", metavar="/NAME:VALUE", help=argparse.SUPPRESS)
    parser.add_argument("--driver", metavar="DIR", help="folder with the INFs; the catalogs go beside them")
    parser.add_argument("--os", metavar="LIST", help=f"of {', '.join(each.name for each in systems.SYSTEMS)}")
    parser.add_argument("--verbose", action="store_true", help="list what each catalog holds")
    parser.add_argument(
        "--uselocaltime", action="store_true", help="take the date of the build, for DriverVer, in the local time zone"
    )
    parser.add_argument("--pagehashes", action="store_true", help="refused: catalogs are made without page hashes")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    for word in options.words:
        _take(word, options)
    if not options.driver or not options.os:
        raise UsageError("inf2cat needs a folder and operating systems.", "As in: --driver DIR --os XP_X86.")
    if options.pagehashes:
        raise UsageError(
            "Page hashes are not made: only protected processes ask for them, and no driver package needs them.",
            "Leave the option out.",
        )
    chosen = systems.parse(options.os.split(","))
    moment = config.moment()
    today = (moment.astimezone() if options.uselocaltime else moment).date()
    made = package.make(package.find(Path(options.driver)), chosen, moment, today)
    package.save(made)
    for each in made:
        print(f"{each.path}: version {each.catalog.version}, {len(each.catalog.members)} members")
        for line in _lines(each) if options.verbose else ():
            print(f"  {line}")
    return 0


def _take(word: str, options: argparse.Namespace) -> None:
    """Take one word of the vendor's spelling."""
    name, colon, value = word.lstrip("/").partition(":")
    key = _NAMES.get(name.lower())
    if not word.startswith("/") or not key or bool(colon) == (key in _SWITCHES):
        raise UsageError(f"{word} is no option of inf2cat.", nearest(name, ["driver", "os", *_SWITCHES]))
    setattr(options, key, value if colon else True)


def _lines(made: package.Made) -> list[str]:
    catalog = made.catalog
    lines = [f"{each.digest.hex()}  {each.kind.value if each.kind else '-':5}{each.file}" for each in catalog.members]
    return [*lines, *(f"{name}: {value}" for name, value in catalog.attributes.items())]
