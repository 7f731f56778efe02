# SPDX-License-Identifier: GPL-2.0-or-later
"""DDKs: ways of turning C sources into Windows images. One class a kind; ``platforms.yaml`` names the entries."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from gplpv import tools
from gplpv.files import replacing
from gplpv.matrix import ArchName, DdkEntry, Nt

Mode = Literal["kernel", "user"]


@dataclass(frozen=True)
class ImageOptions:
    """What every step of one image's build must agree on.

    Attributes:
        nt: the Windows whose headers, subsystem and operating system version the image states.
        mode: a kernel driver, or a console program without a C runtime.
        root: folder that all recorded paths are relative to; the compiler runs in it.
    """

    arch: ArchName
    nt: Nt
    debug: bool
    mode: Mode
    root: Path


class Ddk(Protocol):
    """A compiler, a linker and the Windows headers."""

    @property
    def identity(self) -> str:
        """Text that changes when outputs may: part of every dependency."""

    @property
    def place(self) -> str:
        """Where it is on this machine; only what stays there may depend on it."""

    def precompile(self, target: Path, options: ImageOptions, includes: Sequence[Path]) -> None:
        """Read once the system's header that nearly all sources of a mode begin with."""

    def compile(
        self,
        source: Path,
        target: Path,
        options: ImageOptions,
        includes: Sequence[Path],
        defines: Sequence[str],
        precompiled: Path | None = None,
    ) -> None:
        """Compile one C file; warnings are errors. With what `precompile` made it takes less time, for equal bytes."""

    def resource(self, source: Path, target: Path, options: ImageOptions, includes: Sequence[Path]) -> None:
        """Compile an .rc file to .res."""

    def import_library(self, definition: Path, target: Path, options: ImageOptions) -> None:
        """Make an import library of a module-definition (.def) file."""

    def archive(self, objects: Sequence[Path], target: Path, options: ImageOptions) -> None:
        """Collect object files in a static library."""

    def link(
        self, objects: Sequence[Path], libraries: Sequence[Path], image: Path, pdb: Path, options: ImageOptions
    ) -> None:
        """Link an image with its symbols; `image` and `pdb` are written as they are named, in the same folder."""


class ZiglangDdk:
    """clang, lld and the mingw-w64 headers of the ziglang wheel.

    Runs clang itself, not `zig cc`, which would force Windows 10 headers. Some flags are there against traps:
    mingw-w64's wdm.h tests NTDDI_WINVISTA without defining it; the i586 triple means Pentium 4 unless told otherwise,
    and would use SSE in kernel code; -ffreestanding drops the unwind tables that the debugger walks x64 stacks with.
    """

    _COMMON = (
        "-std=gnu89", "-Wall", "-Wextra", "-Werror", "-Werror=declaration-after-statement", "-Wstrict-prototypes",
        "-g", "-gcodeview", "-gno-codeview-command-line",
        "-ffreestanding", "-fno-stack-protector", "-fasynchronous-unwind-tables", "-mno-stack-arg-probe",
        "-fno-strict-aliasing", "-fwrapv", "-fno-delete-null-pointer-checks",
        "-nostdinc",
    )  # fmt: skip
    _ARCH: ClassVar = {
        "x32": (
            "--target=i586-w64-windows-gnu", "-march=i586", "-mno-sse", "-mno-mmx", "-D_X86_", "-Di386=1",
        ),
        "x64": ("--target=x86_64-w64-windows-gnu", "-mno-red-zone", "-D_AMD64_", "-D_WIN64"),
    }  # fmt: skip
    _FIRST: ClassVar[dict[Mode, str]] = {"kernel": "ntddk.h", "user": "windows.h"}
    _MACHINE: ClassVar = {"x32": "x86", "x64": "x64"}
    _ENTRY: ClassVar = {
        ("kernel", "x32"): "DriverEntry@8",
        ("kernel", "x64"): "DriverEntry",
        ("user", "x32"): "program_entry",
        ("user", "x64"): "program_entry",
    }

    def __init__(self) -> None:
        self._zig = tools.Zig()

    @property
    def identity(self) -> str:
        return f"ziglang {importlib.metadata.version('ziglang')}"

    @property
    def place(self) -> str:
        return str(self._zig.library)

    def precompile(self, target: Path, options: ImageOptions, includes: Sequence[Path]) -> None:
        with replacing(target) as (partial,):
            self._zig.run(
                # Without the times of headers, which would make two of them differ.
                [*self._clang(options, includes), "-x", "c-header", "-Xclang", "-fno-pch-timestamp",
                 "-o", _relative(partial, options.root), "-"],
                cwd=options.root,
                given=f"#include <{self._FIRST[options.mode]}>\n",
            )  # fmt: skip

    def compile(
        self,
        source: Path,
        target: Path,
        options: ImageOptions,
        includes: Sequence[Path],
        defines: Sequence[str],
        precompiled: Path | None = None,
    ) -> None:
        with replacing(target) as (partial,):
            self._zig.run(
                [
                    *self._clang(options, includes),
                    *(f"-D{define}" for define in defines),
                    *(["-include-pch", _relative(precompiled, options.root)] if precompiled else []),
                    "-c",
                    "-o",
                    _relative(partial, options.root),
                    _relative(source, options.root),
                ],
                cwd=options.root,
            )

    def _clang(self, options: ImageOptions, includes: Sequence[Path]) -> list[str]:
        """Clang with the flags that a precompiled header and the sources that use it must agree on."""
        headers = self._zig.library / "libc" / "include" / "any-windows-any"
        system = [self._zig.library / "include", headers]
        if options.mode == "kernel":
            system.append(headers / "ddk")
        return [
            "clang",
            *self._COMMON,
            *self._ARCH[options.arch],
            *(["-mno-implicit-float"] if options.mode == "kernel" else []),
            "-O1" if options.debug else "-O2",
            f"-DDBG={int(options.debug)}",
            *_version_defines(options.nt),
            f"-ffile-prefix-map={self._zig.program.parent}=ddk",
            "-fdebug-compilation-dir=.",
            *(f"-I{_relative(folder, options.root)}" for folder in includes),
            *(word for folder in system for word in ("-isystem", str(folder))),
        ]

    def resource(self, source: Path, target: Path, options: ImageOptions, includes: Sequence[Path]) -> None:
        headers = self._zig.library / "libc" / "include" / "any-windows-any"
        with replacing(target) as (partial,):
            self._zig.run(
                [
                    "rc",
                    "/:auto-includes",
                    "none",
                    "/x",
                    *(word for folder in (*includes, headers) for word in ("/i", str(folder))),
                    "/fo",
                    partial,
                    source,
                ],
                cwd=options.root,
            )

    def import_library(self, definition: Path, target: Path, options: ImageOptions) -> None:
        machine = ["-m", "i386", "-k"] if options.arch == "x32" else ["-m", "i386:x86-64"]
        with replacing(target) as (partial,):
            self._zig.run(["dlltool", *machine, "-d", definition, "-l", partial])

    def archive(self, objects: Sequence[Path], target: Path, options: ImageOptions) -> None:
        with replacing(target) as (partial,):
            self._zig.run(
                [
                    "lib",
                    f"/out:{_relative(partial, options.root)}",
                    *(_relative(path, options.root) for path in objects),
                ],
                cwd=options.root,
            )

    def link(
        self, objects: Sequence[Path], libraries: Sequence[Path], image: Path, pdb: Path, options: ImageOptions
    ) -> None:
        version = f"{options.nt[0]}.{options.nt[1]:02d}"
        subsystem = "native" if options.mode == "kernel" else "console"
        self._zig.run(
            [
                "lld-link",
                *(["/driver:wdm"] if options.mode == "kernel" else []),
                f"/subsystem:{subsystem},{version}",
                f"/osversion:{version}",
                f"/entry:{self._ENTRY[options.mode, options.arch]}",
                f"/machine:{self._MACHINE[options.arch]}",
                *(["/safeseh:no"] if options.arch == "x32" else []),
                "/nodefaultlib",
                "/debug",
                "/opt:ref,noicf",
                f"/pdb:{_relative(pdb, options.root)}",
                f"/pdbaltpath:{pdb.name}",
                "/pdbsourcepath:c:\\gplpv",
                "/Brepro",
                "/release",
                f"/out:{_relative(image, options.root)}",
                *(_relative(path, options.root) for path in (*objects, *libraries)),
            ],
            cwd=options.root,
        )


def _version_defines(nt: Nt) -> list[str]:
    """The macros that select a Windows version in the headers (Windows SDK, "Using the Windows Headers")."""
    short = f"0x{nt[0]:02x}{nt[1]:02x}"
    return [
        f"-D_WIN32_WINNT={short}",
        f"-DWINVER={short}",
        f"-DNTDDI_VERSION={short}0000",
        "-DNTDDI_WINVISTA=0x06000000",
    ]


def _relative(path: Path, root: Path) -> str:
    """`path` as seen from `root` where it lies inside, so that no output names the folder of the build."""
    absolute = (root / path).absolute()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(absolute)


_KINDS = {"ziglang": ZiglangDdk}


def get(entry: DdkEntry) -> Ddk:
    """Return the DDK that an entry of platforms.yaml describes."""
    return _KINDS[entry.kind]()
