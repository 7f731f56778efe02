# SPDX-License-Identifier: MIT
"""cx_Freeze's command bdist_msi, run unchanged on a system that is not Windows: ``bdist_msi.py FROZEN OUTPUT``.

Three things differ from Windows.  The import of msilib finds wixpy's; cx_Freeze is told that the platform has one;
and the command ``install``, which bdist_msi calls for the tree of frozen files, copies a tree that is there already,
because freezing for Windows needs Windows.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import cx_Freeze._compat
from setuptools import Command, Distribution

import wixpy.msilib

sys.modules["msilib"] = wixpy.msilib
cx_Freeze._compat.IS_WINDOWS = True

from cx_Freeze.command.bdist_msi import bdist_msi  # noqa: E402

FROZEN, OUTPUT = map(Path, sys.argv[1:])


class InstallTree(Command):
    """Puts the frozen files where bdist_msi wants them."""

    user_options: list = []  # noqa: RUF012

    def initialize_options(self) -> None:
        self.prefix = ""

    def finalize_options(self) -> None:
        pass

    def run(self) -> None:
        shutil.copytree(FROZEN, self.prefix)


class Executable(NamedTuple):
    """What bdist_msi asks of an executable that was frozen."""

    target_name: str
    shortcut_name: str
    shortcut_dir: str

    def __repr__(self) -> str:
        return "<Executable>"


distribution = Distribution(
    {
        "name": "hello",
        "version": "1.2.3",
        "description": "Says hello",
        "py_modules": [],
        "author": "Jürgen Müller",
        "author_email": "jm@example.com",
        "url": "https://example.com",
        "cmdclass": {"bdist_msi": bdist_msi, "install": InstallTree},
        "options": {
            "bdist": {"bdist_base": str(OUTPUT / "scratch")},
            "bdist_msi": {
                "dist_dir": str(OUTPUT),
                "skip_build": True,
                "all_users": True,
                "add_to_path": True,
                "product_code": "{5A4B1F0E-8A57-4F6C-9C62-0F1B7D3C9E11}",
                "upgrade_code": "{7D3B5E0C-2C53-4E0A-8B56-5F3F2F1D0A22}",
                "install_icon": str(FROZEN / "hello.ico"),
                "license_file": str(FROZEN / "license.rtf"),
                "environment_variables": [("E_HELLO", "=-*HELLO_HOME", "[TARGETDIR]", "TARGETDIR")],
                "directories": [("ProgramMenuFolder", "TARGETDIR", ".")],
                "extensions": [{"extension": "hello", "verb": "open", "executable": "hello.exe"}],
                "summary_data": {"author": "Jürgen Müller", "comments": "a comment", "keywords": "hello"},
                "launch_on_finish": True,
            },
        },
    }
)
distribution.executables = [Executable("hello.exe", "Hello", "ProgramMenuFolder")]
distribution.run_command("bdist_msi")
