# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv signatures``: signatures apart from the files they are for, so that anybody can rebuild a signed release."""

from __future__ import annotations

import argparse
from pathlib import Path

from gplpv.commands import Tasks
from gplpv.files import write_bytes
from gplpv.signing import detached


def declare(tasks: Tasks) -> None:
    parser = tasks.add_parser("signatures", help="take signatures out of files, and put them in again")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    extract = verbs.add_parser("extract", help="write the signatures of files to a folder")
    extract.add_argument("signed", nargs="+", type=Path, metavar="SIGNED", help="signed file, or folder with such")
    extract.add_argument("--to", required=True, type=Path, metavar="DIR", help="folder for the signatures")
    extract.set_defaults(task=_extract)

    attach = verbs.add_parser("attach", help="make signed files of unsigned ones and a folder of signatures")
    attach.add_argument("unsigned", nargs="+", type=Path, metavar="UNSIGNED", help="unsigned file, or folder with such")
    attach.add_argument("--from", dest="source", required=True, type=Path, metavar="DIR", help="the signatures")
    attach.add_argument("--to", required=True, type=Path, metavar="DIR", help="folder for the signed files")
    attach.set_defaults(task=_attach)


def _extract(options: argparse.Namespace) -> int:
    store = detached.Store(options.to)
    for file in detached.signable(options.signed):
        print(store.extract(file))
    return 0


def _attach(options: argparse.Namespace) -> int:
    store = detached.Store(options.source)
    for file, target in detached.targets(options.unsigned, options.to):
        write_bytes(target, store.attached(file))
        print(target)
    return 0
