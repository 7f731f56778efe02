# SPDX-License-Identifier: GPL-2.0-or-later
"""``gplpv debug-setup``: the lines that connect a debugger to a domain. ``docs/debugging.md`` is its manual."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import asdict

from gplpv import config
from gplpv.commands import Tasks
from gplpv.debugsetup import Connection, Step, find_variant, steps
from gplpv.errors import UsageError
from gplpv.matrix import Matrix, Variant

_WIDTH = 100


def declare(tasks: Tasks) -> None:
    usual = Connection("domain")
    parser = tasks.add_parser(
        "debug-setup",
        help="print what connects a kernel debugger to a domain",
        epilog='Example: gplpv debug-setup win1 --package "gplpv XPx64 0.12.0.1 debug.msi" --host dom0.example.net',
    )
    parser.add_argument("domain", metavar="DOMAIN", help="the guest's name in Dom0")
    parser.add_argument("--package", help="the package that is installed there, by file name")
    parser.add_argument("--platform", help="… or its platform (XP)")
    parser.add_argument("--arch", choices=("x32", "x64"), help="… and arch (x32)")
    parser.add_argument("--release", action="store_true", help="… if it is not a debug build")
    parser.add_argument("--host", default=usual.host, help="Dom0, as the debugging machine knows it (%(default)s)")
    parser.add_argument("--port", type=int, default=usual.port, help="TCP port of Dom0 (%(default)s)")
    parser.add_argument("--com", default=usual.com, help="virtual serial port of the debugging machine (%(default)s)")
    parser.add_argument("--toolstack", choices=("xl", "xm"), default=usual.toolstack, help="(%(default)s)")
    parser.add_argument("--sources", default=usual.sources, help="the built project there (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(task=_run)


def _run(options: argparse.Namespace) -> int:
    variant = _variant(options, config.load().matrix)
    connection = Connection(
        options.domain, options.host, options.port, options.com, options.toolstack, options.sources.rstrip("\\")
    )
    todo = steps(variant, connection)
    if options.json:
        print(json.dumps([asdict(step) for step in todo], indent=2, ensure_ascii=False))
        return 0
    print(f"{variant.platform.title}, {variant.arch_name}, {variant.flavour} drivers, domain {connection.domain}")
    for number, step in enumerate(todo, 1):
        print(f"\n{_text(number, step)}")
    return 0


def _variant(options: argparse.Namespace, matrix: Matrix) -> Variant:
    if options.package:
        if options.platform or options.arch or options.release:
            raise UsageError("--package tells platform, arch and flavour already.", "Leave the others out.")
        return find_variant(matrix, options.package)
    [variant] = matrix.select([options.platform or "XP"], [options.arch or "x32"], [not options.release])
    return variant


def _text(number: int, step: Step) -> str:
    """A step as a person reads it; lines to copy stand alone and whole."""
    remark = textwrap.fill(step.remark, _WIDTH, initial_indent="   ", subsequent_indent="   ")
    return "\n".join([f"{number}. {step.title}", "", *(f"       {line}" for line in step.lines), "", remark])
