# SPDX-License-Identifier: GPL-2.0-or-later
"""Small drivers and programs of the tests' own: a few C files, linked to what Windows exports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gplpv import exports
from gplpv.ddk import ImageOptions, ZiglangDdk


def make(
    image: Path,
    sources: Sequence[Path],
    modules: Iterable[str],
    options: ImageOptions,
    includes: Sequence[Path] = (),
    defines: Sequence[str] = (),
) -> Path:
    """Compile and link `image`, with its symbols beside it; return it. Objects and import libraries lie there, too.

    Args:
        sources: C files, or one .rc file among them.
        modules: what the image imports from; a library that is in the folder already is taken.
    """
    kit = ZiglangDdk()
    objects = []
    for source in sources:
        if source.suffix == ".rc":
            objects.append(image.with_name(f"{source.stem}.res"))
            kit.resource(source, objects[-1], options, includes)
        else:
            objects.append(image.with_name(f"{source.stem}.obj"))
            kit.compile(source, objects[-1], options, includes, defines)
    libraries = [_library(module, image.parent, options) for module in modules]
    kit.link(objects, libraries, image, image.with_suffix(".pdb"), options)
    return image


def _library(module: str, folder: Path, options: ImageOptions) -> Path:
    target = folder / f"{module}-{options.arch}-{options.nt[0]}{options.nt[1]}.lib"
    if not target.exists():
        definition = target.with_suffix(".def")
        definition.write_text(exports.definition(module, options.arch, options.nt), encoding="ascii")
        ZiglangDdk().import_library(definition, target, options)
    return target
