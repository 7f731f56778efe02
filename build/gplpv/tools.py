# SPDX-License-Identifier: GPL-2.0-or-later
"""The external programs: each knows its name, how to tell its version, and how to install it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from gplpv import process
from gplpv.errors import GplpvError


class Tool:
    """A program on this machine.

    Raises, from :attr:`program`:
        GplpvError: it is not installed or too old; the hint is the command that installs it.
    """

    name: ClassVar[str]
    minimum: ClassVar[tuple[int, ...]] = ()
    version_arguments: ClassVar[Sequence[str]] = ("--version",)
    install: ClassVar[dict[str, str]]
    """Command by ``sys.platform``."""

    @cached_property
    def program(self) -> Path:
        found = self.find()
        if not found:
            raise GplpvError(f"{self.name} is not installed.", self.install_hint)
        if self.minimum and self.version(found) < self.minimum:
            wanted = ".".join(map(str, self.minimum))
            have = ".".join(map(str, self.version(found)))
            raise GplpvError(f"{self.name} {have} is too old; {wanted} or later is needed.", self.install_hint)
        return found

    def find(self) -> Path | None:
        found = shutil.which(self.name)
        return Path(found) if found else None

    @property
    def install_hint(self) -> str:
        return "Install it: " + self.install.get(sys.platform, self.install["linux"])

    def version(self, program: Path) -> tuple[int, ...]:
        text = process.run([program, *self.version_arguments], allowed=range(256)).output
        match = re.search(r"(\d+(?:\.\d+)+)", text)
        if not match:
            raise GplpvError(f"{program} does not tell its version.", self.install_hint)
        return tuple(int(part) for part in match[1].split("."))

    def run(
        self,
        arguments: Iterable[str | Path],
        *,
        cwd: Path | None = None,
        allowed: Iterable[int] = (0,),
        given: str = "",
        password: str | None = None,
    ) -> str:
        """Run it and return what it printed.

        `given` or a password goes to its standard input; a password is kept out of everything else.
        """
        secrets = [password] if password else []
        return process.run(
            [self.program, *arguments], cwd=cwd, allowed=allowed, given=password or given, secrets=secrets
        ).output


class Zig(Tool):
    """The ziglang wheel: clang, lld-link, rc, dlltool and lib, with the mingw-w64 headers."""

    name = "zig"
    install: ClassVar[dict[str, str]] = {"linux": "python3 ci/bootstrap.py build", "win32": "py ci\\bootstrap.py build"}

    def find(self) -> Path | None:
        wheel = importlib.util.find_spec("ziglang")
        if not wheel or not wheel.origin:
            return None
        program = Path(wheel.origin).parent / ("zig.exe" if sys.platform == "win32" else "zig")
        return program if program.is_file() else None

    @cached_property
    def library(self) -> Path:
        """Folder with the headers."""
        return self.program.parent / "lib"


class Osslsigncode(Tool):
    """The Authenticode signer."""

    name = "osslsigncode"
    minimum = (2, 1)
    install: ClassVar[dict[str, str]] = {
        "linux": "sudo apt-get install osslsigncode",
        "darwin": "brew install osslsigncode",
        "win32": "unpack a release of https://github.com/mtrojnar/osslsigncode into a folder on PATH",
    }
