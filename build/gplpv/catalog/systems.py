# SPDX-License-Identifier: GPL-2.0-or-later
"""The Windows that a catalog can be for: names of inf2cat's /os: option, and what a catalog says for them.

Source: Windows driver documentation, "Inf2Cat", for the names; tokens and versions as the vendor's catalogs have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gplpv.errors import UsageError, nearest
from gplpv.inf.target import Target

_WINDOWS_8 = (6, 2)
_WORKSTATION, _SERVER = 1, 3
_ANY_BUILD = 999999

# Name, token of the catalog's OS attribute, arch, NT version, first build where that counts. The order is that of a
# catalog's tokens: chronological, client before server, x86 before x64.
_TABLE = """
2000                  2000                x86    5.0
XP_X86                XPX86               x86    5.1
XP_X64                XPX64               amd64  5.2
Server2003_X86        Server2003X86       x86    5.2
Server2003_X64        Server2003X64       amd64  5.2
Server2003_IA64       Server2003IA64      ia64   5.2
Vista_X86             VistaX86            x86    6.0
Vista_X64             VistaX64            amd64  6.0
Server2008_X86        Server2008X86       x86    6.0
Server2008_X64        Server2008X64       amd64  6.0
Server2008_IA64       Server2008IA64      ia64   6.0
7_X86                 7X86                x86    6.1
7_X64                 7X64                amd64  6.1
Server2008R2_X64      Server2008R2X64     amd64  6.1
Server2008R2_IA64     Server2008R2IA64    ia64   6.1
8_X86                 8X86                x86    6.2
8_X64                 8X64                amd64  6.2
Server8_X64           Server2012X64       amd64  6.2
6_3_X86               _v63                x86    6.3
6_3_X64               _v63_X64            amd64  6.3
Server6_3_X64         _v63_Server_X64     amd64  6.3
10_X86                _v100               x86    10.0  10240
10_X64                _v100_X64           amd64  10.0  10240
Server10_X64          Server_v100_X64     amd64  10.0  14393
10_RS3_X86            _v100_RS3           x86    10.0  16299
10_RS3_X64            _v100_X64_RS3       amd64  10.0  16299
10_VB_X86             _v100_Vb            x86    10.0  19041
10_VB_X64             _v100_X64_Vb        amd64  10.0  19041
"""
_VERSIONS = {"2000": ("5.00",), "XP_X64": ("5.1", "5.2")}
"""OSAttr where it is not simply the NT version: XP x64 calls itself 5.2 and is looked up as XP too."""


@dataclass(frozen=True)
class System:
    """One name of the list.

    Attributes:
        name: as /os: has it.
        token: in the catalog's OS attribute.
        versions: in the members' OSAttr, without the "2:".
    """

    name: str
    token: str
    arch: str
    nt: tuple[int, int]
    versions: tuple[str, ...]
    build: int = 0

    @property
    def targets(self) -> list[Target]:
        """What an INF is read for: the first build, and any later one that its decorations may name."""
        builds = (self.build, _ANY_BUILD) if self.build else (0,)
        return [Target(self.arch, self.nt, self.product, 0, build) for build in builds]

    @property
    def product(self) -> int | None:
        """Product type of the decorations; the one name for Windows 2000 means both."""
        if self.name == "2000":
            return None
        return _SERVER if self.name.startswith("Server") else _WORKSTATION


def _table() -> tuple[System, ...]:
    found = []
    for line in _TABLE.strip().splitlines():
        name, token, arch, nt, *build = line.split()
        major, minor = nt.split(".")
        versions = _VERSIONS.get(name, (nt,))
        found.append(System(name, token, arch, (int(major), int(minor)), versions, int(build[0]) if build else 0))
    return tuple(found)


SYSTEMS = _table()


def parse(names: Iterable[str]) -> tuple[System, ...]:
    """Return the systems named, in any case, each once and in the order of the catalog.

    Raises:
        UsageError: a name is not known, with the nearest that is; or there is none.
    """
    known = {system.name.lower(): system for system in SYSTEMS}
    wanted = [name.strip() for name in names if name.strip()]
    for name in wanted:
        if name.lower() not in known:
            raise UsageError(f"No catalog can be for {name!r}.", nearest(name, [each.name for each in SYSTEMS]))
    if not wanted:
        raise UsageError("No operating system is named.", "Name some, such as XP_X86,Server2003_X86.")
    chosen = {known[name.lower()] for name in wanted}
    return tuple(system for system in SYSTEMS if system in chosen)


def version(systems: Iterable[System]) -> int:
    """Return which catalogs they take: 2 only if all do, for Windows before 8 reads SHA-1 alone."""
    return 2 if all(system.nt >= _WINDOWS_8 for system in systems) else 1


def os_attribute(systems: Iterable[System]) -> str:
    """Return the members' OSAttr, such as ``2:5.1,2:5.2``: each version once, ascending."""
    versions = {each for system in systems for each in system.versions}
    ordered = sorted(versions, key=lambda text: [int(part) for part in text.split(".")])
    return ",".join(f"2:{each}" for each in ordered)
