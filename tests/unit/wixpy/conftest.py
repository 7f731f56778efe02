# SPDX-License-Identifier: MIT
"""Sources, packages and independent readers that the tests of wixpy share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

import wixpy
from wixpy.checks import Finding
from wixpy.database import Database

EPOCH = 1_200_000_000

PRODUCT = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="*" Name="Sample" Manufacturer="Maker" Version="1.2.3" Language="1033" UpgradeCode="{upgrade}">
<Package InstallerVersion="200" InstallScope="perMachine" Platform="x64"/>
<MediaTemplate EmbedCab="yes"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder">
<Directory Id="INSTALLDIR" Name="Sample"/></Directory></Directory>
<Feature Id="All"><ComponentGroupRef Id="Group"/></Feature>
<ComponentGroup Id="Group" Directory="INSTALLDIR">
<Component Id="Main"><File Id="main" Source="main.txt"/>{inside}</Component>{beside}
</ComponentGroup>
{body}
</Product></Wix>
"""

Compile = Callable[..., Database]


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Writes a source with one component of one file; more goes `inside` it, `beside` it or into the product."""

    def write(body: str = "", *, inside: str = "", beside: str = "") -> Path:
        (tmp_path / "main.txt").write_text("content\n" * 10)
        path = tmp_path / "sample.wxs"
        upgrade = "6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48"
        path.write_text(PRODUCT.format(body=body, inside=inside, beside=beside, upgrade=upgrade), "utf-8")
        return path

    return write


@pytest.fixture
def package(source: Callable[..., Path], tmp_path: Path) -> Compile:
    """Builds the package of such a source and opens it."""

    def build(
        body: str = "", *, inside: str = "", beside: str = "", ignore: Collection[str] = (), **defines: str
    ) -> Database:
        out = tmp_path / "sample.msi"
        wxs = source(body, inside=inside, beside=beside)
        found = wixpy.build(wxs, out, defines=defines, epoch=EPOCH, ignore=ignore)
        # A build checks what it has in memory, which is what is in the file.
        assert sorted(map(_told, found)) == sorted(map(_told, wixpy.check(out)))
        return wixpy.open(out)

    return build


def _told(finding: Finding) -> tuple[str, ...]:
    """What a finding says, but for the level, which ``ignore`` changes."""
    return finding.rule, finding.message, finding.table, str(finding.key)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs an independent reader of package msitools and gives what it prints."""
    folder = tmp_path_factory.mktemp("readers")  # msiinfo writes the streams of a table into the working folder

    def call(program: str, *arguments: object, cwd: Path = folder) -> str:
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing; install it: apt-get install --no-install-recommends msitools")
        command = [program, *map(str, arguments)]
        environment = {**os.environ, "TZ": "UTC"}
        done = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60, cwd=cwd)
        return done.stdout.decode("utf-8", "surrogateescape")

    return call


@pytest.fixture(scope="session")
def versioned_dll(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A PE image of version 1.2.3.4 in English, made by the project's resource compiler and linker."""
    folder = tmp_path_factory.mktemp("dll")
    (folder / "v.rc").write_text(
        "1 VERSIONINFO\nFILEVERSION 1,2,3,4\nPRODUCTVERSION 5,6,7,8\nBEGIN\n"
        'BLOCK "StringFileInfo" BEGIN BLOCK "040904b0" BEGIN VALUE "FileVersion", "1.2.3.4" END END\n'
        'BLOCK "VarFileInfo" BEGIN VALUE "Translation", 0x409, 1200 END\nEND\n'
    )
    zig = [sys.executable, "-m", "ziglang"]
    link = ["cc", "-target", "x86_64-windows-gnu", "-nostdlib", "-shared", "-o", "v.dll", "v.res", "-Wl,--no-entry"]
    for arguments in (["rc", "v.rc", "v.res"], link):
        subprocess.run([*zig, *arguments], cwd=folder, check=True, capture_output=True, timeout=300)
    return (folder / "v.dll").read_bytes()
