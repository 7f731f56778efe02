# SPDX-License-Identifier: GPL-2.0-or-later
"""The .exe installer: pynsist's template writer and builder, filled with a driver package, not a Python program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import jinja2
from nsist import DEFAULT_ICON, InstallerBuilder, find_makensis_win
from nsist.nsiswriter import NSISFileWriter

from gplpv import tools
from gplpv.config import Config
from gplpv.errors import GplpvError
from gplpv.files import replacing
from gplpv.matrix import Variant
from gplpv.packages import Home, Package, homes, leftovers, package

_TEMPLATE = "installer/gplpv.nsi.j2"
_TARGETS = {"x32": "x86-unicode", "x64": "amd64-unicode"}


class Makensis(tools.Tool):
    """The NSIS compiler."""

    name = "makensis"
    minimum = (3, 0)
    version_arguments = ("-VERSION",)
    install: ClassVar[dict[str, str]] = {
        "linux": "sudo apt-get install nsis",
        "darwin": "brew install makensis",
        "win32": "winget install NSIS.NSIS",
    }

    def find(self) -> Path | None:
        found = super().find()
        if found or sys.platform != "win32":
            return found
        try:
            return Path(find_makensis_win())
        except OSError:
            return None


class _Writer(NSISFileWriter):  # type: ignore[misc]  # pynsist has no type hints
    """pynsist's writer with its [[ ]] markers, refusing names that nobody gave."""

    def __init__(self, builder: DriverInstallerBuilder) -> None:
        super().__init__(_TEMPLATE, builder)
        self.template.environment.undefined = jinja2.StrictUndefined
        config, variant = builder.package.config, builder.package.variant
        self.namespace.update(
            package=builder.package,
            product=config.matrix.product,
            variant=variant,
            nsis_target=_TARGETS[variant.arch_name],
            homes=homes(config, variant),
            leftovers=leftovers(config, variant, builder.package.trust),
            condition=condition,
            root=builder.root,
        )


class DriverInstallerBuilder(InstallerBuilder):  # type: ignore[misc]
    """pynsist's builder without its Python parts: the same steps of writing the script and running makensis."""

    def __init__(self, package: Package, build_dir: Path, installer_name: str) -> None:
        product = package.config.matrix.product
        super().__init__(
            package.title,
            product.version,
            {},
            publisher=product.manufacturer,
            icon=DEFAULT_ICON,
            py_bitness=package.variant.arch.bits,
            build_dir=str(build_dir),
            installer_name=installer_name,
            nsi_template=_TEMPLATE,
        )
        self.package = package
        self.root = package.config.root

    def write_nsi(self) -> None:
        _Writer(self).write(self.nsi_file)

    def run_nsis(self) -> int:
        """Run makensis where the script lies; any warning is a failure."""
        Makensis().run(["-V2", "-WX", "-NOCD", self.nsi_file], cwd=self.root)
        return 0

    def run(self, makensis: bool = True) -> int:
        self.write_nsi()
        return self.run_nsis() if makensis else 0


def build_exe(config: Config, variant: Variant, target: Path, trust: Sequence[Path] = ()) -> None:
    """Make the installer of a variant; what it carries, `trust` included, must have been built.

    Raises:
        GplpvError: the template is wrong, or makensis refuses its outcome.
    """
    with replacing(target) as (partial,):
        try:
            DriverInstallerBuilder(package(config, variant, trust), partial.parent, partial.name).run()
        except jinja2.TemplateError as error:
            raise GplpvError(f"{_TEMPLATE}: {error}.", "Mend the template.") from error


def condition(home: Home) -> str:
    """The LogicLib statements that open a block for a Windows that a package is for.

    $Nt is the version in hundreds (501), $Bits 32 or 64, $Edition "workstation" or "server": set by the script.
    """
    parts = [f"$Bits == {home.variant.arch.bits}", f"$Nt >= {home.first}", f"$Nt <= {home.last}"]
    if home.variant.platform.edition != "any":
        parts.append(f'$Edition == "{home.variant.platform.edition}"')
    return "\n".join([f"${{If}} {parts[0]}", *(f"${{AndIf}} {part}" for part in parts[1:])])
