# SPDX-License-Identifier: GPL-2.0-or-later
"""The NSIS reader on installers that makensis makes, in each of its compressions, and on damaged ones."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import ClassVar

import pytest

from gplpv import nsisread, tools
from gplpv.errors import GplpvError
from gplpv.nsis import Makensis

_RANDOM = random.Random(1).randbytes(3000)
FILES = {
    "$INSTDIR\\read me.txt": b"All work and no play. " * 900 + b"\0" * 5000,
    "$INSTDIR\\drivers\\a\\a.sys": _RANDOM,
    "$INSTDIR\\drivers\\b\\b.sys": b"MZ" + bytes(range(256)) * 9 + _RANDOM[:700],
    "$INSTDIR\\drivers\\b\\nothing.dat": b"",
}
SCRIPT = """
Unicode {unicode}
{target}
{compressor}
SetDateSave off
Name test
OutFile "{out}"
Section
{files}
SectionEnd
"""


def compile_installer(folder: Path, compressor: str, target: str = "amd64-unicode") -> bytes:
    lines = []
    for index, (path, content) in enumerate(FILES.items()):
        (folder / f"{index}.bin").write_bytes(content)
        where, _, name = path.rpartition("\\")
        lines += [f'SetOutPath "{where}"', f'File "/oname={name}" "{folder / f"{index}.bin"}"']
    script = folder / "test.nsi"
    script.write_text(
        SCRIPT.format(
            unicode="true" if "unicode" in target else "false",
            target=f"Target {target}",
            compressor=compressor,
            out=folder / "test.exe",
            files="\n".join(lines),
        )
    )
    Makensis().run(["-V2", "-NOCD", script])
    return (folder / "test.exe").read_bytes()


class SevenZip(tools.Tool):
    """An unpacker that shares nothing with ours."""

    name = "7zz"
    install: ClassVar[dict[str, str]] = {"linux": "sudo apt-get install 7zip"}

    def find(self) -> Path | None:
        found = shutil.which("7zz") or shutil.which("7z")
        return Path(found) if found else None


@pytest.mark.parametrize("target", ["amd64-unicode", "x86-ansi"])
@pytest.mark.parametrize("solid", ["/SOLID ", ""])
@pytest.mark.parametrize("method", ["lzma", "bzip2", "zlib"])
def test_every_file_comes_out_as_it_went_in(tmp_path: Path, method: str, solid: str, target: str) -> None:
    data = compile_installer(tmp_path, f"SetCompressor {solid}{method}", target)
    installer = nsisread.Installer(data, wide=target.startswith("amd64"))
    assert (installer.method, installer.solid, installer.whole) == (method, bool(solid), True)
    assert {file.path: installer.read(file) for file in installer.files} == FILES
    SevenZip().run(["x", "-y", f"-o{tmp_path / 'out'}", tmp_path / "test.exe"])
    found = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {f"$INSTDIR/{path.relative_to(tmp_path / 'out').as_posix()}": data for path, data in found.items()} == {
        path.replace("\\", "/"): content for path, content in FILES.items()
    }


def test_an_installer_may_be_stored(tmp_path: Path) -> None:
    installer = nsisread.Installer(compile_installer(tmp_path, "SetCompress off"), wide=True)
    assert {file.path: installer.read(file) for file in installer.files} == FILES


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_installer(tmp_path_factory.mktemp("nsis"), "SetCompressor /SOLID lzma")


def test_the_checksum_covers_all_but_the_first_512_bytes(small: bytes) -> None:
    frame = nsisread.Installer(small, wide=True).frame
    for position in (512, frame.start - 1, frame.end - 1):
        changed = bytearray(small)
        changed[position] ^= 0x10
        try:
            assert not nsisread.Installer(bytes(changed), wide=True).whole
        except GplpvError as error:
            assert "damaged" in error.message


@pytest.mark.parametrize("compressor", ["/SOLID lzma", "bzip2", "zlib"])
def test_damage_is_refused_with_a_reason(tmp_path: Path, compressor: str) -> None:
    good = compile_installer(tmp_path, f"SetCompressor {compressor}")
    start = nsisread.Installer(good, wide=True).frame.start
    chance = random.Random(2)
    refused = 0
    for _ in range(60):
        changed = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(start + 20, len(good) - 4)] ^= chance.randrange(1, 256)
        try:
            installer = nsisread.Installer(bytes(changed), wide=chance.random() < 0.9)
            for file in installer.files:
                installer.read(file)
            assert changed == good or not installer.whole
        except GplpvError as error:
            refused += 1
            assert error.hint
    assert refused > 10


def test_a_short_file_and_a_foreign_one_are_told_apart(small: bytes) -> None:
    with pytest.raises(GplpvError, match="ends before"):
        nsisread.Installer(small[:-1], wide=True)
    with pytest.raises(GplpvError, match="no NSIS data"):
        nsisread.Installer(small[:4096], wide=True)
