# SPDX-License-Identifier: GPL-2.0-or-later
"""The Windows that an INF is read for, and the decorations by which sections belong to it.

Source: Windows driver documentation, "INF Manufacturer Section" (TargetOSVersion, and how Windows selects a models
section), "Combining Platform Extensions with Operating System Versions", "INF DDInstall Section".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gplpv.matrix import Variant

ARCHES = ("x86", "amd64", "ia64", "arm", "arm64")
WINDOWS_2000 = (5, 0)
_UNDECORATED_ENDS = (5, 2)
_WINDOWS_8 = (6, 2)
# The first Windows of each architecture that reads decorations in [Manufacturer].
_OLDEST = {"x86": (5, 1), "amd64": (5, 2), "ia64": (5, 1)}
_PRODUCTS = {"any": None, "workstation": 1, "server": 3}

_DECORATION = re.compile(
    r"NT(?P<arch>x86|amd64|ia64|arm64|arm)?"
    r"(?:\.(?P<major>[0-9]{,9})(?:\.(?P<minor>[0-9]{,9})(?:\.(?P<product>0x[0-9a-f]{1,8}|[0-9]{,9})"
    r"(?:\.(?P<suite>0x[0-9a-f]{1,8}|[0-9]{,9})(?:\.(?P<build>[0-9]{,9}))?)?)?)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Target:
    """One Windows.

    Attributes:
        arch: as decorations write it, in lower case.
        nt: major and minor version.
        product: 1 workstation, 2 domain controller, 3 server; None for all of them.
        suite: the VER_SUITE bits that it has.
        build: its build number, 0 where none matters.
    """

    arch: str
    nt: tuple[int, int]
    product: int | None = None
    suite: int = 0
    build: int = 0

    def __str__(self) -> str:
        return f"Windows {self.nt[0]}.{self.nt[1]} {self.arch}"

    @property
    def takes_undecorated_models(self) -> bool:
        """From Server 2003 SP1 on, models for anything but x86 have to name their architecture; XP x64 is 2003 SP1."""
        return self.arch == "x86" or self.nt < _UNDECORATED_ENDS


@dataclass(frozen=True)
class Decoration:
    """A TargetOSVersion, such as ``NTamd64.6.1``; what it leaves out is None."""

    text: str
    arch: str | None
    major: int | None
    minor: int | None
    product: int | None
    suite: int | None
    build: int | None

    @property
    def version(self) -> tuple[int, int]:
        return self.major or 0, self.minor or 0

    def fits(self, target: Target) -> bool:
        """Whether Windows may use a models section with this decoration."""
        if self.arch is None and not target.takes_undecorated_models:
            return False
        return (
            self.arch in (None, target.arch)
            and self.version <= target.nt
            and (self.version < target.nt or (self.build or 0) <= target.build)
            and (self.product is None or target.product in (None, self.product))
            and (self.suite or 0) & target.suite == (self.suite or 0)
        )

    @property
    def closeness(self) -> tuple[int, int, int, bool, int, bool]:
        """The greatest is taken: the version counts before product type and suite, the architecture decides last."""
        suites = bin(self.suite or 0).count("1")
        return (*self.version, self.build or 0, self.product is not None, suites, self.arch is not None)


def decoration(text: str) -> Decoration | None:
    """Read a TargetOSVersion; None if it is none."""
    match = _DECORATION.fullmatch(text.strip())
    if not match:
        return None
    arch = match["arch"].lower() if match["arch"] else None
    numbers = {name: _number(match[name]) for name in ("major", "minor", "product", "suite", "build")}
    return Decoration(text.strip(), arch, **numbers)


def _number(text: str | None) -> int | None:
    if not text:
        return None
    return int(text, 16) if text.lower().startswith("0x") else int(text)


def models_section(name: str, decorations: Iterable[str], target: Target) -> str | None:
    """Return the models section that Windows takes for a line of [Manufacturer]; None if it takes none.

    Windows 2000 knows no decorations there.
    """
    best: Decoration | None = None
    for text in decorations if target.nt > WINDOWS_2000 else ():
        found = decoration(text)
        if found and found.fits(target) and (best is None or found.closeness > best.closeness):
            best = found
    if best:
        return f"{name}.{best.text}"
    return name if target.takes_undecorated_models else None


def install_suffixes(target: Target) -> tuple[str, ...]:
    """Return the decorations of install sections in the order in which Windows looks for them."""
    return (f".NT{target.arch}", ".NT", "")


def targets_for(variant: Variant) -> list[Target]:
    """Return the Windows that a package is for: the oldest and the newest."""
    product = _PRODUCTS[variant.platform.edition]
    return [Target(variant.arch.machine, nt, product) for nt in dict.fromkeys((variant.nt, variant.until))]


def targets_of(decorations: Iterable[str]) -> list[Target]:
    """Return the oldest Windows that each TargetOSVersion is meant for; without any, x86 Windows 2000."""
    found: dict[Target, None] = {}
    for text in decorations:
        one = decoration(text)
        if one:
            arch = one.arch or "x86"
            nt = max(one.version, _OLDEST.get(arch, _WINDOWS_8))
            found[Target(arch, nt, one.product, one.suite or 0, one.build or 0)] = None
    return list(found) or [Target("x86", WINDOWS_2000)]
