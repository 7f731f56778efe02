# SPDX-License-Identifier: GPL-2.0-or-later
"""What a variant consists of: which sources make which image, and where everything goes below target/ and dist/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gplpv.config import Config
from gplpv.ddk import ImageOptions, Mode
from gplpv.errors import GplpvError
from gplpv.matrix import Flavour, Variant
from gplpv.stampinf import Stamp

INCLUDES = (Path("drivers_src/include/ddk-compat"), Path("drivers_src/include"))
LIBRARIES: dict[Mode, Path] = {"kernel": Path("drivers_src/common"), "user": Path("drivers_src/common/user")}
"""Per mode, the folder whose sources are a library that every image links and takes from what it calls."""


@dataclass(frozen=True)
class Image:
    """One .sys or .exe to be built. Paths are relative to the project's root."""

    name: str
    mode: Mode
    folder: Path
    sources: tuple[Path, ...]
    imports: tuple[str, ...]
    defines: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"{self.name}.{'sys' if self.mode == 'kernel' else 'exe'}"

    @property
    def catalog(self) -> str:
        """Of a driver's package."""
        return f"{self.name}.cat"

    @property
    def resource(self) -> Path:
        return self.folder / f"{self.name}.rc"

    @property
    def template(self) -> Path:
        """A driver's INF template."""
        return self.folder / f"{self.name}.inx"


@dataclass(frozen=True)
class Places:
    """Where a variant's outputs lie, relative to the project's root."""

    variant: Variant

    @property
    def images(self) -> Path:
        """Finished images, symbols and INFs: the folder for a debugger's symbol path."""
        return Path("target") / self.variant.tree

    @property
    def work(self) -> Path:
        """Everything on the way there: objects, libraries, unsigned files."""
        return Path("target/work") / self.variant.tree

    @property
    def unsigned(self) -> Path:
        return self.work / "unsigned"

    @property
    def stamped(self) -> Path:
        """INFs that nobody has checked yet."""
        return self.work / "stamped"

    def dist(self, extension: str) -> Path:
        return Path("dist") / self.variant.package(extension)


def image_options(config: Config, variant: Variant, mode: Mode) -> ImageOptions:
    """Options of one image. User-mode programs state the platform's Windows like the drivers beside them."""
    return ImageOptions(variant.arch_name, variant.nt, variant.debug, mode, config.root)


def drivers(config: Config, variant: Variant) -> list[Image]:
    """The drivers of a variant, in the order of platforms.yaml.

    Raises:
        GplpvError: a folder or a listed source is missing.
    """
    found = []
    for name, flavour in variant.drivers():
        folder = Path("drivers_src") / name
        others = {source for other in config.matrix.drivers[name].flavours.values() for source in other.sources} - set(
            flavour.sources
        )
        found.append(_image(config, name, "kernel", folder, flavour, others))
    return found


def stamp(config: Config, variant: Variant, driver: Image) -> Stamp:
    """What is stamped into a driver's INF."""
    product, date = config.matrix.product, config.moment.date()
    return Stamp(product.version, date, variant.arch.inf, catalog=driver.catalog)


def programs(config: Config) -> list[Image]:
    """The user-mode programs, in the order of platforms.yaml."""
    return [
        _image(config, name, "user", Path(program.folder), Flavour(imports=program.imports), set())
        for name, program in config.matrix.programs.items()
    ]


def library_sources(config: Config, mode: Mode) -> list[Path]:
    """Sources of the library that the images of a mode share."""
    return _relative_sources(config, LIBRARIES[mode], set())


def _image(config: Config, name: str, mode: Mode, folder: Path, flavour: Flavour, others: set[str]) -> Image:
    sources = _relative_sources(config, folder, others)
    missing = [source for source in flavour.sources if folder / source not in sources]
    if missing or not sources:
        raise GplpvError(
            f"{folder.as_posix()} has no {missing[0] if missing else 'C sources'}.",
            f"platforms.yaml names {name}: mend it there or add the file.",
        )
    return Image(name, mode, folder, tuple(sources), tuple(flavour.imports), tuple(flavour.defines))


def _relative_sources(config: Config, folder: Path, others: set[str]) -> list[Path]:
    return [folder / path.name for path in sorted((config.root / folder).glob("*.c")) if path.name not in others]
