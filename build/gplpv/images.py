# SPDX-License-Identifier: GPL-2.0-or-later
"""Linking an image and refusing it unless the Windows it is for would load it and a debugger would find its symbols."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gplpv import exports, pdb, pe
from gplpv.config import Config
from gplpv.ddk import Ddk, ImageOptions
from gplpv.errors import GplpvError
from gplpv.files import replacing
from gplpv.matrix import Variant


def link(
    ddk: Ddk, objects: Sequence[Path], libraries: Sequence[Path], image: Path, symbols: Path, options: ImageOptions
) -> None:
    """Link `image` and `symbols`; neither appears unless both pass :func:`require_fit`."""
    with replacing(image, symbols) as (partial_image, partial_symbols):
        ddk.link(objects, libraries, partial_image, partial_symbols, options)
        require_fit(partial_image, partial_symbols, options)


def require_fit(image: Path, symbols: Path, options: ImageOptions) -> None:
    """Check headers, imports and symbols of a linked image.

    Raises:
        GplpvError: listing every fault.
    """
    violations = exports.check_imports(image, options.arch, options.nt)
    faults = [*pe.faults(image, options), *(str(violation) for violation in violations)]
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        target = f"Windows {options.nt[0]}.{options.nt[1]} {options.arch}"
        raise GplpvError(f"{image.name} is not fit for {target}:\n{listed}", "No package is made of it.")
    pdb.require_match(image, symbols)


def version_header(config: Config, variant: Variant) -> str:
    """Return the text of gplpv_version.h: what the version resources and the debug banner say."""
    version = config.matrix.product.version
    names = ("MAJOR", "MINOR", "PATCH", "BUILD")
    lines = [f"#define GPLPV_VERSION_{name} {part}" for name, part in zip(names, version.split("."), strict=True)]
    lines += [
        f'#define GPLPV_VERSION_STRING "{version}"',
        f'#define GPLPV_PLATFORM "{variant.platform_name}"',
        f'#define GPLPV_ARCH "{variant.arch_name}"',
        f'#define GPLPV_YEAR "{config.moment.year}"',
    ]
    return "\n".join(lines) + "\n"
