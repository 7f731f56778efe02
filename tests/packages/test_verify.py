# SPDX-License-Identifier: GPL-2.0-or-later
"""`gplpv verify` on what a build made: whole, signed, and with single bytes changed."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gplpv import authenticode, cli, nsisread, plan, verify
from gplpv.chains import Trust
from gplpv.config import Config
from gplpv.verify import compare
from gplpv.verify.compound import Container
from gplpv.verify.subject import read

from .tree import PROJECT, Tree

SIGNED = "Vista2008x64 debug"
"""Its programs and drivers have two signatures, its catalogs and .msi one."""


def test_everything_that_was_built_passes(built: Tree, settings: Config, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [built.root / plan.Places(variant).images for variant in settings.matrix.variants()]
    assert cli.main(["verify", "--json", str(built.root / "dist"), *map(str, folders)]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert all(finding["ok"] for finding in findings)
    checks = {(finding["check"], finding["subject"].rpartition(".")[2]) for finding in findings}
    assert {("complete", "dist"), ("same", "dist"), ("symbols", "dist"), ("tables", "msi"), ("whole", "exe")} <= checks
    assert len([finding for finding in findings if finding["check"] == "imports"]) == 2 * 14 * 7


def test_a_release_lacks_what_is_not_there(built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("XPx64 0.12.0.1.msi", "XPx64 0.12.0.1.exe", "XPx64 0.12.0.1.symbols.zip"):
        shutil.copy(built.root / "dist" / f"gplpv {name}", tmp_path)
    debug = built.root / "dist/gplpv XPx64 0.12.0.1 debug.symbols.zip"
    shutil.copy(debug, tmp_path / "gplpv XPx64 0.12.0.1.symbols.zip")
    (tmp_path / "notes.txt").write_text("a stranger")
    assert cli.main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "gplpv 2000x32 0.12.0.1 debug.msi is missing" in said
    assert "notes.txt is no package of the matrix" in said
    assert "XPx64: xenpci.pdb is not that of xenpci.sys" in said
    assert "FAIL" not in "".join(line for line in said.splitlines() if ".msi  " in line)


def test_an_exe_with_other_files_than_its_msi_is_found(
    built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dist = built.root / "dist"
    shutil.copy(dist / "gplpv XPx64 0.12.0.1.msi", tmp_path)
    shutil.copy(dist / "gplpv 2003x64 0.12.0.1.exe", tmp_path / "gplpv XPx64 0.12.0.1.exe")
    assert cli.main(["verify", str(tmp_path)]) == 1
    assert "drivers/xenpci/xenpci.sys is other in the .exe than in the .msi" in capsys.readouterr().out


def test_an_image_with_anothers_symbols_fails(built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(built.root / "target/winxp", tmp_path / "target/winxp")
    for folder in ("drivers_src", "installer"):
        shutil.copytree(built.root / folder, tmp_path / folder)
    shutil.copy(built.root / "platforms.yaml", tmp_path)
    folder = tmp_path / "target/winxp/amd64/debug"
    shutil.copy(folder.with_name("release") / "xenpci.pdb", folder)
    (folder / "xennet.sys").unlink()
    assert cli.main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "FAIL  xenpci.sys  symbols" in said
    assert "FAIL  xennet.sys  file  it is missing" in said


def test_a_package_under_anothers_name_fails(built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renamed = tmp_path / "gplpv XPx32 0.12.0.2 debug.msi"
    shutil.copy(built.root / "dist/gplpv XPx64 0.12.0.1 debug.msi", renamed)
    assert cli.main(["verify", str(renamed)]) == 1
    said = capsys.readouterr().out
    assert "ProductVersion is 0.12.0.1, not 0.12.0.2" in said
    assert "its summary is for x64, its name for x32" in said
    assert "DriverVer is 0.12.0.1, not 0.12.0.2" in said
    assert "is not an x32 image" in said


@dataclass(frozen=True)
class Signed:
    """A signed .msi, .exe and driver folder, and the verifier that believes in their root."""

    folder: Path
    context: verify.Context

    def path(self, kind: str) -> Path:
        return self.folder / (f"gplpv Vista2008x64 0.12.0.1 debug.{kind}" if kind != "driver" else kind)

    def fails(self, path: Path) -> verify.Finding | None:
        """The first fault that is found."""
        found = verify.check(path, self.context)
        return next((finding for finding in found if finding.level is verify.Level.FAIL), None)


@pytest.fixture(scope="module")
def signed(built: Tree, settings: Config, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("signed")
    authority_module = _authority()
    authority = authority_module.Authority(folder)
    signer = authority.issue("signer")
    stamps = authority_module.stamped(authority.issue("stamps", authority_module.STAMPS, key_name="stamps"))

    def sign(unsigned: Path, signed: Path) -> None:
        authority_module.sign(unsigned, signed, signer, *stamps, digest="sha1")
        if signed.suffix in (".sys", ".exe"):
            first = signed.rename(folder / f"first{signed.suffix}")
            authority_module.sign(first, signed, signer, "-nest", *stamps)
            first.unlink()

    for kind in ("msi", "exe"):
        name = f"gplpv {SIGNED.replace(' ', ' 0.12.0.1 ')}.{kind}"
        sign(built.root / "dist" / name, folder / name)
    driver = folder / "driver"
    driver.mkdir()
    images = built.root / "target/winlh/amd64/debug"
    shutil.copy(images / "xenvbd.inf", driver)
    for name in ("xenvbd.sys", "xenvbd.cat"):
        sign(images / name, driver / name)
    trust = Trust((authority.root.certificate,), authority_module.NOW)
    return Signed(folder, verify.Context(settings, trust))


def _authority() -> Any:
    path = PROJECT / "tests/unit/verify/authority.py"
    spec = importlib.util.spec_from_file_location("authority", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their module up by name.
    __import__("sys").modules["authority"] = module
    spec.loader.exec_module(module)
    return module


def positions(path: Path, count: int, chance: random.Random) -> Iterable[int]:
    """Positions all over a file, and more of them where signing leaves gaps."""
    data = path.read_bytes()
    found = [chance.randrange(len(data)) for _ in range(count)]
    if path.suffix in (".exe", ".sys"):
        places = authenticode.layout(data)
        found += [places.checksum, (places.security or 0) + 5, places.table, places.table + 6, len(data) - 1]
        found += [chance.randrange(places.table, len(data)) for _ in range(count // 3)]
    if path.suffix == ".exe":
        found += [2, nsisread.Installer(data, wide=True).frame.start + 8]
    if path.suffix == ".msi":
        container = Container(data)
        sectors = len(data) // container.sector
        found += [chance.randrange(512) for _ in range(count // 6)]
        found += [chance.randrange((sectors - 24) * container.sector, len(data)) for _ in range(count // 2)]
    return found


@pytest.mark.parametrize(
    ("kind", "name", "count"),
    [("msi", "", 200), ("exe", "", 100), ("driver", ".inf", 20), ("driver", ".sys", 60), ("driver", ".cat", 120)],
)
def test_any_flipped_byte_of_a_signed_package_is_found(
    signed: Signed, tmp_path: Path, kind: str, name: str, count: int
) -> None:
    source = signed.path(kind)
    if kind == "driver":
        target: Path = tmp_path / "driver"
        shutil.copytree(source, target)
        file = target / f"xenvbd{name}"
    else:
        target = file = Path(shutil.copy(source, tmp_path))
    assert signed.fails(target) is None
    good = file.read_bytes()
    chance = random.Random(f"{kind}{name}")
    missed = []
    for position in positions(file, count, chance):
        changed = bytearray(good)
        changed[position] ^= chance.randrange(1, 256)
        file.write_bytes(changed)
        if not signed.fails(target):
            missed.append(f"{position:#x}: {good[position]:02x} to {changed[position]:02x}")
    file.write_bytes(good + b"\0")
    if name != ".inf":
        assert signed.fails(target), "a byte appended"
    assert missed == []


def test_signing_changes_nothing_else(
    built: Tree, signed: Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("msi", "exe"):
        unsigned = built.root / "dist" / signed.path(kind).name
        assert read(unsigned) != read(signed.path(kind))
        assert cli.main(["verify", "--compare", str(unsigned), str(signed.path(kind))]) == 0
    for name in ("xenvbd.sys", "xenvbd.cat"):
        assert compare.paths(built.root / "target/winlh/amd64/debug" / name, signed.path("driver") / name) == []
    assert capsys.readouterr().out.count("equal up to signatures") == 2


@pytest.mark.parametrize("kind", ["msi", "exe"])
def test_a_comparison_says_where(built: Tree, kind: str) -> None:
    one, other = (built.root / "dist" / f"gplpv {name}x64 0.12.0.1.{kind}" for name in ("XP", "2003"))
    said = "\n".join(map(str, compare.paths(one, other)))
    inside = "cabinet/" if kind == "msi" else "payload/$INSTDIR"
    assert "xenpci.sys/" in said
    assert inside in said
    assert ("LaunchCondition" in said) == (kind == "msi")
    assert "xenpci.cat/attribute OS: 'XPX64' and 'Server2003X64'" in said
    assert "xenpci.cat/member xenpci.sys 20: " in said


def test_a_comparison_of_folders_names_both_bytes(
    built: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = built.root / "target/winxp/amd64/debug"
    shutil.copytree(source, tmp_path / "a")
    shutil.copytree(source, tmp_path / "b")
    data = bytearray((tmp_path / "b/xenpci.sys").read_bytes())
    data[0x410] ^= 0xFF
    (tmp_path / "b/xenpci.sys").write_bytes(data)
    (tmp_path / "b/xenhide.inf").unlink()
    with zipfile.ZipFile(tmp_path / "a/one.zip", "w") as archive:
        archive.writestr("x", b"abc")
    with zipfile.ZipFile(tmp_path / "b/one.zip", "w") as archive:
        archive.writestr("x", b"abd")
    assert cli.main(["verify", "--compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "one.zip/x: at 0x2 63 and 64",
        "xenhide.inf: only in the first",
        f"xenpci.sys/.text: at 0x410 {data[0x410] ^ 0xFF:02x} and {data[0x410]:02x}",
    ]
