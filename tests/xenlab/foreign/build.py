# SPDX-License-Identifier: GPL-2.0-or-later
"""Building drivers that know nothing of the project: a folder of C files and an INF each.

Structured exceptions and the helpers for 64-bit arithmetic are what clang has for the vendor's C environment alone: a
file named ``vendor.c``, which includes no headers, is compiled for that.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import ziglang

from gplpv import ddk, exports, images, matrix
from gplpv.ddk import ImageOptions

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
KIT = ddk.get(matrix.load(ROOT / "platforms.yaml").ddks["mingw"])
NT: dict[str, matrix.Nt] = {"x32": (5, 1), "x64": (5, 2)}
MODULES = ("ntoskrnl.exe", "hal.dll")
_VENDOR = {"x32": "i586-pc-windows-msvc", "x64": "x86_64-pc-windows-msvc"}


def build(
    name: str,
    arch: matrix.ArchName,
    folder: Path,
    *,
    more: str = "",
    modules: Iterable[str] = MODULES,
    change: Mapping[str, str] | None = None,
    nt: matrix.Nt | None = None,
) -> Path:
    """Build the driver in the folder `name` beside this file; return the folder with its image, symbols and INF.

    Args:
        more: module definition lines that the import libraries get beyond Windows's own.
        change: other texts for files, by their names.
        nt: the Windows that it is for; otherwise the oldest that the arch is tried with.
    """
    options = ImageOptions(arch, nt or NT[arch], True, "kernel", folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (HERE / name).iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    for changed, text in (change or {}).items():
        (folder / changed).write_text(text)
    objects = []
    for source in sorted(folder.glob("*.c")):
        target = source.with_suffix(".obj")
        if source.name == "vendor.c":
            _compile_for_vendor(source, target, arch)
        else:
            KIT.compile(source, target, options, [ROOT / "drivers_src/include/ddk-compat"], [])
        objects.append(target)
    (folder / "version.rc").write_text("1 VERSIONINFO\nFILEVERSION 1,2,3,4\nBEGIN\nEND\n")
    KIT.resource(folder / "version.rc", folder / "version.res", options, [])
    libraries = []
    for module in modules:
        definition, library = folder / f"{module}.def", folder / f"{module}.lib"
        definition.write_text(f"{exports.definition(module, arch, options.nt)}{more}")
        KIT.import_library(definition, library, options)
        libraries.append(library)
    parts = [*objects, folder / "version.res"]
    if more:  # What no Windows exports is what the pipeline's own link step refuses.
        KIT.link(parts, libraries, folder / f"{name}.sys", folder / f"{name}.pdb", options)
    else:
        images.link(KIT, parts, libraries, folder / f"{name}.sys", folder / f"{name}.pdb", options)
    for file in folder.iterdir():
        if file.suffix not in (".sys", ".pdb", ".inf"):
            file.unlink()
    return folder


def _compile_for_vendor(source: Path, target: Path, arch: str) -> None:
    zig = Path(ziglang.__file__).parent / "zig"
    options = ["-O1", "-ffreestanding", "-fms-extensions", "-g", "-gcodeview", "-mno-sse", "-fdebug-compilation-dir=."]
    command = [zig, "clang", "-c", *options, f"--target={_VENDOR[arch]}", "-o", target, source.name]
    subprocess.run(command, cwd=source.parent, check=True)
