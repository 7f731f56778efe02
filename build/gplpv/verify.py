# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of what was built: images fit for the Windows they are for, with their symbols, and whole packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import wixpy
from gplpv import config, images, pdb, plan
from gplpv.errors import GplpvError, UsageError
from gplpv.matrix import Variant
from wixpy.checks import Level
from wixpy.errors import WixpyError


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    subject: str
    ok: bool
    text: str


def check(path: Path) -> Iterator[Finding]:
    """Check a variant's folder below target/, or an .msi.

    Raises:
        UsageError: `path` is neither.
    """
    if path.is_dir():
        yield from _check_tree(path)
    elif path.suffix.lower() == ".msi" and path.is_file():
        yield _check_msi(path)
    else:
        raise UsageError(f"{path} is neither a folder of images nor an .msi.", "Name target/winxp/amd64/debug, say.")


def _check_tree(path: Path) -> Iterator[Finding]:
    settings = config.load(config.project_root(path))
    variant = _variant_of(settings, path)
    for image in (*plan.drivers(settings, variant), *plan.programs(settings)):
        file, symbols = path / image.file, path / f"{image.name}.pdb"
        try:
            images.require_fit(file, symbols, plan.image_options(settings, variant, image.mode))
            yield Finding(image.file, True, f"{variant.name}: headers, imports, symbols {pdb.of_pdb(symbols)}")
        except GplpvError as error:
            yield Finding(image.file, False, error.message)
        except OSError as error:
            yield Finding(image.file, False, f"cannot be read: {error.strerror}")


def _variant_of(settings: config.Config, path: Path) -> Variant:
    for variant in settings.matrix.variants():
        if path.resolve() == (settings.root / plan.Places(variant).images).resolve():
            return variant
    known = ", ".join(str(plan.Places(variant).images) for variant in settings.matrix.variants())
    raise UsageError(f"{path} is no variant's folder.", f"Known: {known}.")


def _check_msi(path: Path) -> Finding:
    try:
        faults = [finding for finding in wixpy.check(path) if finding.level is Level.ERROR]
    except WixpyError as error:
        return Finding(path.name, False, str(error))
    return Finding(path.name, not faults, "; ".join(map(str, faults)) or "tables, sequences and cabinet agree")
