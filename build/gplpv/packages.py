# SPDX-License-Identifier: GPL-2.0-or-later
"""What a package carries and who may install it; from there to .msi (wixpy) and .exe (NSIS, :mod:`gplpv.nsis`)."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import jinja2

import wixpy
from gplpv import plan
from gplpv.config import Config
from gplpv.errors import GplpvError
from gplpv.files import replacing
from gplpv.matrix import Variant, parse_nt
from gplpv.signing import STORES
from wixpy.errors import WixpyError

UPGRADE_CODE = uuid.UUID("6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a47")
"""One for all packages: a machine has one set of drivers, whichever package it came from."""


@dataclass(frozen=True)
class Item:
    """One installed file: where it comes from (relative to the project) and where it goes (relative to the product)."""

    source: Path
    destination: PureWindowsPath

    @property
    def folder(self) -> str:
        """Destination folder; empty for the product's own."""
        return "" if self.destination.parent == PureWindowsPath() else str(self.destination.parent)


@dataclass(frozen=True)
class Package:
    """Everything a template may say about one variant's package."""

    config: Config
    variant: Variant
    items: tuple[Item, ...]
    trust: tuple[Path, ...] = ()
    """Certificates of test signing that it carries, to be trusted on consent."""

    @property
    def title(self) -> str:
        return f"{self.config.matrix.product.title} {'(debug)' if self.variant.debug else ''}".rstrip()

    @property
    def target(self) -> str:
        """The Windows it is for, in words."""
        return describe(self.variant)

    @property
    def folders(self) -> list[str]:
        """Destination folders, parents before children."""
        found = {str(parent) for item in self.items for parent in item.destination.parents}
        return sorted(found - {"."})


def payload(config: Config, variant: Variant) -> tuple[Item, ...]:
    """The files of a package: programs, licence, driver packages, and in debug packages the symbols."""
    places = plan.Places(variant)
    drivers, programs = plan.drivers(config, variant), plan.programs(config)
    items = [Item(places.images / program.file, PureWindowsPath(program.file)) for program in programs]
    items += [
        Item(Path("LICENSE"), PureWindowsPath("LICENSE.txt")),
        Item(Path("installer/README.txt"), PureWindowsPath("README.txt")),
    ]
    for driver in drivers:
        folder = PureWindowsPath("drivers", driver.name)
        items += [
            Item(places.images / name, folder / name) for name in (f"{driver.name}.inf", driver.file, driver.catalog)
        ]
    if variant.debug:
        names = [f"{image.name}.pdb" for image in (*drivers, *programs)]
        items += [Item(places.images / name, PureWindowsPath("symbols", name)) for name in names]
    return tuple(items)


def trusted(certificates: Iterable[Path]) -> tuple[Item, ...]:
    """Certificates of a test-signed package, each named after the store that it is for."""
    return tuple(Item(path, PureWindowsPath("trust", path.name)) for path in certificates)


def leftovers(config: Config, variant: Variant, trust: Iterable[Path] = ()) -> list[PureWindowsPath]:
    """What other packages of the product may have put there and this one does not: an .exe over another deletes it."""
    own = {item.destination for item in package(config, variant, trust).items}
    others = {item.destination for other in config.matrix.variants() for item in payload(config, other)}
    others |= {item.destination for item in trusted(STORES.values())}
    return sorted(others - own)


def package(config: Config, variant: Variant, trust: Iterable[Path] = ()) -> Package:
    """Everything about the package of a variant; `trust` are test signing's certificates."""
    certificates = tuple(trust)
    return Package(config, variant, payload(config, variant) + trusted(certificates), certificates)


def describe(variant: Variant) -> str:
    """As in "Windows XP x64"."""
    return f"{variant.platform.title}, {variant.arch.bits}-bit"


@dataclass(frozen=True)
class Home:
    """A Windows that some package is for: the conditions that tell it, in both installers' languages."""

    variant: Variant

    @property
    def first(self) -> int:
        """Oldest version as Windows Installer counts it: 501 for 5.1."""
        return _hundreds(parse_nt(self.variant.target.nt))

    @property
    def last(self) -> int:
        return _hundreds(self.variant.until)

    @property
    def msi_condition(self) -> str:
        """Windows Installer SDK, "Conditional Statement Syntax"; MsiNTProductType 1 is a workstation."""
        version = "VersionNT64" if self.variant.arch_name == "x64" else "VersionNT"
        parts = [] if version == "VersionNT64" else ["NOT VersionNT64"]
        parts += [f"{version} >= {self.first}", f"{version} <= {self.last}"]
        edition = {"any": [], "workstation": ["MsiNTProductType = 1"], "server": ["MsiNTProductType <> 1"]}
        return " AND ".join(parts + edition[self.variant.platform.edition])

    @property
    def name(self) -> str:
        return f"{self.variant.platform_name}{self.variant.arch_name}"


def homes(config: Config, like: Variant) -> list[Home]:
    """Every Windows that has a package of the same flavour as `like`."""
    return [Home(variant) for variant in config.matrix.variants() if variant.debug == like.debug]


def render(config: Config, template: str, **names: Any) -> str:
    """Fill in a template of installer/; a name that it uses and nobody gave is an error.

    Raises:
        GplpvError: naming template and line.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(config.root / "installer"),
        undefined=jinja2.StrictUndefined,
        autoescape=template.endswith(".wxs.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template(template).render(**names)
    except jinja2.TemplateSyntaxError as error:
        raise GplpvError(f"installer/{template}:{error.lineno}: {error.message}.", "Mend the template.") from error
    except jinja2.TemplateError as error:
        raise GplpvError(f"installer/{template}: {error}.", "Mend the template.") from error


def identifier(kind: str, path: str) -> str:
    """A Windows Installer identifier for a path: letters, digits, _ and . only, not beginning with a digit."""
    return f"{kind}_" + "".join(c if c.isascii() and (c.isalnum() or c == ".") else "_" for c in path)


def write_wxs(config: Config, variant: Variant, target: Path, trust: Iterable[Path] = ()) -> None:
    """Render installer/gplpv.wxs.j2 for a variant."""
    text = render(
        config,
        "gplpv.wxs.j2",
        package=package(config, variant, trust),
        product=config.matrix.product,
        variant=variant,
        homes=homes(config, variant),
        upgrade_code=str(UPGRADE_CODE).upper(),
        identifier=identifier,
    )
    with replacing(target) as (partial,):
        partial.write_text(text, encoding="utf-8")


def build_msi(config: Config, wxs: Path, msi: Path, defines: Mapping[str, str]) -> None:
    """Compile a .wxs to a checked .msi.

    Raises:
        GplpvError: what wixpy found, with file and line.
    """
    try:
        with replacing(msi) as (partial,):
            wixpy.build(wxs, partial, defines=defines, epoch=config.epoch)
    except WixpyError as error:
        raise GplpvError(str(error), error.hint or "") from error


def write_symbols(config: Config, sources: Sequence[Path], target: Path) -> None:
    """Write the PDBs as a zip archive whose bytes depend on nothing but them and the build's moment."""
    moment = config.moment.timetuple()[:6]
    with replacing(target) as (partial,), zipfile.ZipFile(partial, "w") as archive:
        for source in sorted(sources, key=lambda path: path.name):
            entry = zipfile.ZipInfo(source.name, moment)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def _hundreds(nt: tuple[int, int]) -> int:
    return nt[0] * 100 + nt[1]
