# SPDX-License-Identifier: GPL-2.0-or-later
"""Building single drivers out of a copy of the sources, without SCons: for tests and for mutants.

The steps, their options and the places of their outputs are those of ``build/sconscripts``, so the images have the same
bytes. Objects and libraries are kept by what they are made of, so that a mutant costs one compilation and one link.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from gplpv import config, ddk, exports, images, plan, stampinf
from gplpv.config import Config
from gplpv.ddk import ImageOptions
from gplpv.files import write_bytes
from gplpv.matrix import Variant

SOURCES = ("platforms.yaml", "drivers_src")


class Workshop:
    """A copy of the sources in a folder of its own, and the drivers built there.

    Args:
        project: the project's root.
        folder: where the copy goes; it is emptied first.
        kept: folder of objects and libraries, shared by workshops one after another.
    """

    def __init__(self, project: Path, folder: Path, kept: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in SOURCES:
            source = project / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copy2(source, folder / name)
        self.settings: Config = config.load(folder)
        self.kept = kept

    @property
    def root(self) -> Path:
        return self.settings.root

    def variant(self, platform: str, arch: str, debug: bool = True) -> Variant:
        """Return one variant of platforms.yaml; UsageError when there is none."""
        return self.settings.matrix.select([platform], [arch], [debug])[0]

    def build(self, variant: Variant, names: Iterable[str] | None = None) -> Path:
        """Build drivers, by default all of the variant; return the folder of their .sys, .pdb and .inf files.

        Raises:
            GplpvError: a driver does not compile, link or fit its Windows.
        """
        wanted = set(names) if names is not None else {name for name, _ in variant.drivers()}
        bench = _Bench(self, variant)
        for image in plan.drivers(self.settings, variant):
            if image.name in wanted:
                bench.build(image)
        return self.root / bench.places.images


class _Bench:
    """The steps of one variant."""

    def __init__(self, workshop: Workshop, variant: Variant) -> None:
        self.settings = workshop.settings
        self.root = workshop.root
        self.kept = workshop.kept
        self.variant = variant
        self.places = plan.Places(variant)
        self.options = plan.image_options(self.settings, variant, "kernel")
        self.kit = ddk.get(self.settings.matrix.ddks[variant.platform.ddk])
        self.version_folder = self.places.work / "include"
        text = images.version_header(self.settings, variant).encode()
        write_bytes(self.root / self.version_folder / "gplpv_version.h", text)
        headers = sorted(path for path in (self.root / "drivers_src").rglob("*") if path.suffix in {".h", ".ver"})
        named = [part for path in headers for part in (path.relative_to(self.root).as_posix(), path)]
        self.common = _digest(self.kit.identity, _facts(self.options), text, *named)

    def build(self, image: plan.Image) -> None:
        includes = (self.version_folder, *plan.INCLUDES, plan.LIBRARIES[image.mode], image.folder)
        objects = [self._object(source, includes, image.defines) for source in image.sources]
        libraries = [self._library(), *(self._imports(module) for module in image.imports)]
        resource = self._resource(image, includes)
        target = self.root / self.places.images
        unsigned = self.places.unsigned / image.file
        symbols = self.places.images / f"{image.name}.pdb"
        for folder in (unsigned.parent, symbols.parent):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        images.link(self.kit, [*objects, resource], libraries, self.root / unsigned, self.root / symbols, self.options)
        shutil.copyfile(self.root / unsigned, target / image.file)
        what = plan.stamp(self.settings, self.variant, image)
        stampinf.stamp_file(self.root / image.template, target / f"{image.name}.inf", what)

    def _object(self, source: Path, includes: tuple[Path, ...], defines: tuple[str, ...]) -> Path:
        target = (self.places.work / source.relative_to(source.parts[0])).with_suffix(".obj")
        facts = _digest(self.common, str(source), self.root / source, *map(str, includes), *defines)
        return self._make(
            target,
            facts,
            lambda: self.kit.compile(source, self.root / target, self.options, includes, defines, self._precompiled()),
        )

    def _precompiled(self) -> Path:
        """The system's headers, used where they are kept, with ours that they read: clang looks for those again."""
        folder = self.kept / f"{_digest(self.common, self.kit.place, str(self.kept))}.headers"
        known = folder / "kernel.pch"
        if not known.is_file():
            for source in {path for each in plan.INCLUDES for path in (self.root / each).rglob("*.h")}:
                _keep(source, folder / source.relative_to(self.root))
            target = self.root / self.places.work / "kernel.pch"
            self.kit.precompile(target, replace(self.options, root=folder), plan.INCLUDES)
            _keep(target, known)
        return known

    def _resource(self, image: plan.Image, includes: tuple[Path, ...]) -> Path:
        target = self.places.work / image.name / f"{image.name}.res"
        source = self.root / image.resource
        facts = _digest(self.common, str(image.resource), source)
        return self._make(target, facts, lambda: self.kit.resource(source, self.root / target, self.options, includes))

    def _library(self) -> Path:
        includes = (self.version_folder, *plan.INCLUDES, plan.LIBRARIES["kernel"])
        sources = plan.library_sources(self.settings, "kernel")
        objects = [self.root / self._object(source, includes, ()) for source in sources]
        target = self.places.work / "kernel.lib"
        facts = _digest(self.common, *objects)
        return self._make(target, facts, lambda: self.kit.archive(objects, self.root / target, self.options))

    def _imports(self, module: str) -> Path:
        target = self.places.work / f"imports/{module}.lib"
        definition = self.root / self.places.work / f"imports/{module}.def"
        text = exports.definition(module, self.variant.arch_name, self.variant.nt).encode()
        write_bytes(definition, text)
        facts = _digest(self.common, module, text)
        return self._make(target, facts, lambda: self.kit.import_library(definition, self.root / target, self.options))

    def _make(self, target: Path, facts: str, step: Callable[[], None]) -> Path:
        """Return `target`, fetched from what is kept under `facts` or made and kept."""
        known, place = self.kept / facts, self.root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if known.is_file():
            shutil.copyfile(known, place)
        else:
            step()
            _keep(place, known)
        return target


def _keep(made: Path, known: Path) -> None:
    """Copy a file to where it is kept. Several may make the same one at a time: each has its own name on the way."""
    known.parent.mkdir(parents=True, exist_ok=True)
    partial = known.with_name(f".{known.name}.{os.getpid()}.{threading.get_ident()}")
    shutil.copyfile(made, partial)
    partial.replace(known)


def _facts(options: ImageOptions) -> str:
    return f"{options.arch} {options.nt} {options.debug} {options.mode}"


def _digest(*parts: str | bytes | Path) -> str:
    """Hash of texts, bytes and the contents of files."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        whole.update(hashlib.sha256(data).digest())
    return whole.hexdigest()
