# SPDX-License-Identifier: GPL-2.0-or-later
"""Linking an image and refusing it unless the Windows it is for would load it and a debugger would find its symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gplpv import exports, pdb, pe
from gplpv.config import Config
from gplpv.ddk import Ddk, ImageOptions
from gplpv.errors import GplpvError
from gplpv.files import replacing
from gplpv.matrix import Variant
from gplpv.process import ProcessError


def link(
    ddk: Ddk, objects: Sequence[Path], libraries: Sequence[Path], image: Path, symbols: Path, options: ImageOptions
) -> None:
    """Link `image` and `symbols`; neither appears unless both pass :func:`require_fit`."""
    with replacing(image, symbols) as (partial_image, partial_symbols):
        try:
            ddk.link(objects, libraries, partial_image, partial_symbols, options)
        except ProcessError as error:
            raise _explain(error, image, options) from error
        require_fit(partial_image, partial_symbols, options)


def _explain(error: ProcessError, image: Path, options: ImageOptions) -> GplpvError:
    """Import libraries hold only what the target Windows exports, so a name it lacks is an undefined symbol."""
    names = dict.fromkeys(re.findall(r"undefined symbol: (?:__declspec\(dllimport\) )?[_@]?(\w+)", error.output))
    lacking = [text for name in names if (text := exports.explain_undefined(name, options.arch, options.nt))]
    if not lacking:
        return error
    listed = "\n".join(f"  - {text}" for text in lacking)
    return GplpvError(f"{image.name} calls what its Windows lacks:\n{listed}", "Look it up at run time, or do without.")


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
