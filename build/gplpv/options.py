# SPDX-License-Identifier: GPL-2.0-or-later
"""The build's NAME=VALUE options, declared once: parsing, refusal with the nearest name, and the help page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from gplpv.errors import UsageError, nearest
from gplpv.matrix import Matrix, Variant

Sign = Literal["off", "test", "release", "detached"]

ALIASES = {
    "dist": "the packages and symbols of the chosen variants, in dist/ (the default)",
    "all": "the packages of every platform and arch, debug and release",
    "drivers": "only the driver packages: .sys, .inf and .pdb, in target/",
    "msi": "only the .msi packages",
    "exe": "only the .exe installers",
}


@dataclass(frozen=True)
class Option:
    """One NAME=VALUE: what it takes (no values: any text), and what it is when not given."""

    name: str
    values: tuple[str, ...]
    default: str
    many: bool
    help: str


@dataclass(frozen=True)
class Choices:
    """What the command line asked for."""

    variants: list[Variant]
    sign: Sign
    signatures: Path | None = None


def declare(matrix: Matrix) -> list[Option]:
    """The options, with the values that platforms.yaml allows."""
    platforms, arches = tuple(matrix.platforms), tuple(matrix.arches)
    return [
        Option("platform", platforms, "XP", True, "Windows to build for"),
        Option("arch", arches, "all", True, "processor; all means those that the platform has"),
        Option("debug", ("0", "1"), "0", True, "1 prints what drivers do and packs their symbols, 0 is release"),
        Option("sign", get_args(Sign), "off", False, "test makes a certificate, release uses yours (docs/signing.md)"),
        Option("signatures", (), "none", False, "folder of published signatures, for sign=detached"),
    ]


def parse(matrix: Matrix, arguments: Mapping[str, str], targets: Sequence[str]) -> Choices:
    """Turn NAME=VALUE words and the targets asked for into choices.

    Raises:
        UsageError: a name or value is unknown (the hint is the nearest one), or nothing exists for the combination.
    """
    options = declare(matrix)
    names = [option.name for option in options]
    for name in arguments:
        if name not in names:
            raise UsageError(f"There is no option {name!r}.", nearest(name, names))
    everything = "all" in targets
    values = {option.name: _values(option, arguments.get(option.name), everything) for option in options}
    variants = matrix.select(values["platform"], values["arch"], [value == "1" for value in values["debug"]])
    folder = arguments.get("signatures")
    return Choices(variants, cast(Sign, values["sign"][0]), Path(folder) if folder else None)


def check_targets(targets: Sequence[str]) -> None:
    """Refuse a target that is neither an alias nor a path.

    Raises:
        UsageError: with the nearest alias.
    """
    for target in targets:
        if target not in ALIASES and "/" not in target and "\\" not in target and target not in ("target", "dist", "."):
            raise UsageError(f"There is nothing to build called {target!r}.", nearest(target, ALIASES))


def _values(option: Option, text: str | None, everything: bool) -> list[str]:
    if text is None:
        text = "all" if everything and option.many else option.default
    if not option.values:
        return [text]
    words = [word for word in text.split(",") if word] if option.many else [text]
    if option.many and words == ["all"]:
        return list(option.values)
    if not words:
        raise UsageError(f"{option.name}= has no value.", f"Known: {', '.join(option.values)}.")
    for word in words:
        if word not in option.values:
            allowed = (*option.values, "all") if option.many else option.values
            raise UsageError(f"{option.name}={word} is not known.", nearest(word, allowed))
    return list(dict.fromkeys(words))


def help_page(matrix: Matrix) -> str:
    """The text of ``./scons -h``."""
    lines = [
        f"{matrix.product.title} {matrix.product.version}: compile, stamp, sign and package on any host.",
        "",
        "  ./scons [OPTION=VALUE ...] [TARGET ...]",
        "",
        "Options (lists separated by commas, or all, where marked *):",
    ]
    for option in declare(matrix):
        mark = "*" if option.many else " "
        values = ", ".join(option.values) or "FOLDER"
        lines.append(f"  {option.name + '=':11}{mark} {values}  (default: {option.default})")
        lines.append(f"              {option.help}")
    lines += ["", "Targets:"]
    for name, text in ALIASES.items():
        lines += textwrap.wrap(text, 96, initial_indent=f"  {name:10}  ", subsequent_indent=" " * 14)
    product = matrix.product
    lines += [
        "",
        "Examples:",
        "  ./scons platform=XP arch=x64 debug=1",
        f"      dist/{product.name} XPx64 {product.version} debug.msi, the same .exe, and their symbols",
        "  ./scons platform=2003,Vista2008 sign=test",
        "      release packages of both, x32 and x64, test-signed",
        "  ./scons all -j4",
        f"      all {len(matrix.variants())} packages, four steps at a time",
        "",
        "  -c removes what a target makes, -n shows what would be done, -s is silent; -H lists the options of SCons.",
        "  SOURCE_DATE_EPOCH sets the date in every output. What exists is written in platforms.yaml.",
    ]
    return "\n".join(lines) + "\n"
