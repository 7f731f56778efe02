# SPDX-License-Identifier: GPL-2.0-or-later
"""sign=test, sign=release, sign=detached: what is signed, with what, and that secrets and unsigned files stay out."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gplpv import catalog, plan, signing
from gplpv.cli import main
from gplpv.config import Config
from signing_materials import CANARY, Authority, Watch, certificate, key, key_pem, pem, pfx

from .tree import Outcome, Tree, copy

ONE = ("platform=Vista2008", "arch=x64")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Vista and later, x64, signed for testing."""
    tree = copy(tmp_path_factory.mktemp("signed"))
    outcome = tree.scons(*ONE, "sign=test")
    assert outcome.exit_code == 0, outcome.output
    return tree


def signed_files(tree: Tree, settings: Config) -> list[tuple[Path, Path]]:
    """Each signed file with the unsigned one that it was made of."""
    (variant,) = settings.matrix.select(["Vista2008"], ["x64"], [False])
    places = plan.Places(variant)
    drivers = plan.drivers(settings, variant)
    names = [image.file for image in (*drivers, *plan.programs(settings))] + [driver.catalog for driver in drivers]
    pairs = [(places.images / name, places.unsigned / name) for name in names]
    pairs += [(places.dist(kind), places.unsigned / variant.package(kind)) for kind in ("msi", "exe")]
    return [(tree.root / one, tree.root / other) for one, other in pairs]


def verify(path: Path, certificates: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["osslsigncode", "verify", "-CAfile", str(certificates), *more, "-in", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_signature_verifies_and_follows_the_policy(signed: Tree, settings: Config) -> None:
    chain = signed.root / signing.TEST_FILES[0]
    outcomes = {path.name: verify(path, chain) for path, _ in signed_files(signed, settings)}
    assert len(outcomes) == 14
    assert {outcome.returncode for outcome in outcomes.values()} == {0}, outcomes
    counts = {name: outcome.stdout.count("Signature verification: ok") for name, outcome in outcomes.items()}
    assert {name: count for name, count in counts.items() if count != 2} == {
        name: 1 for name in outcomes if name.endswith((".msi", ".cat"))
    }


def test_each_driver_is_in_its_own_catalog_and_no_other(signed: Tree, settings: Config) -> None:
    (variant,) = settings.matrix.select(["Vista2008"], ["x64"], [False])
    folder, chain = signed.root / plan.Places(variant).images, signed.root / signing.TEST_FILES[0]
    drivers = plan.drivers(settings, variant)
    for driver in drivers:
        for other in drivers[:2]:
            outcome = verify(folder / driver.file, chain, "-catalog", str(folder / other.catalog))
            assert (outcome.returncode == 0) == (driver == other), (driver.file, other.catalog)
    read = catalog.read((folder / "xenpci.cat").read_bytes())
    systems = ["VistaX64", "Server2008X64", "7X64", "Server2008R2X64"]
    assert (read.signed, read.systems, read.this_update) == (True, systems, settings.moment)
    assert read.hardware_ids == ["pci\\ven_5853&dev_0001"]


def test_the_unsigned_file_stays_under_another_name(signed: Tree, settings: Config) -> None:
    chain = signed.root / signing.TEST_FILES[0]
    for path, unsigned in signed_files(signed, settings):
        assert path.read_bytes() != unsigned.read_bytes()
        assert verify(unsigned, chain).returncode != 0


def test_a_changed_byte_is_found(signed: Tree, settings: Config, tmp_path: Path) -> None:
    path, _ = signed_files(signed, settings)[0]
    data = bytearray(path.read_bytes())
    data[0x400] ^= 1
    changed = tmp_path / path.name
    changed.write_bytes(data)
    assert verify(changed, signed.root / signing.TEST_FILES[0]).returncode != 0


def test_the_test_key_is_its_owners_alone_and_in_no_package(signed: Tree) -> None:
    secret_file = signed.root / signing.TEST_FILES[1]
    assert secret_file.stat().st_mode & 0o077 == 0
    secret = secret_file.read_text().splitlines()[5].encode()
    for path in (signed.root / "dist").iterdir():
        assert secret not in path.read_bytes()
    assert secret not in (signed.root / ".sconsign.dblite").read_bytes()


def test_signing_again_gives_the_same_bytes(signed: Tree, settings: Config) -> None:
    before = digests(signed)
    path, _ = signed_files(signed, settings)[-2]
    path.unlink()
    assert signed.scons(*ONE, "sign=test").exit_code == 0
    assert digests(signed) == before


def own_verifier(tree: Tree, settings: Config, *roots: Path) -> tuple[int, list[str]]:
    """The exit code and the lines of `gplpv verify --signed` on the packages and on what they are made of."""
    (variant,) = settings.matrix.select(["Vista2008"], ["x64"], [False])
    paths = [*sorted((tree.root / "dist").iterdir()), tree.root / plan.Places(variant).images]
    words = [word for root in roots for word in ("--root", str(root))]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(["verify", "--signed", *words, *map(str, paths)])
    return code, said.getvalue().splitlines()


def test_our_own_verifier_finds_nothing_but_good(signed: Tree, settings: Config) -> None:
    code, lines = own_verifier(signed, settings, signed.root / signing.STORES["Root"])
    told = [line.rpartition(": ")[2] for line in lines[:-1] if not line.startswith("ok ")]
    assert told == ["a test certificate, which Windows trusts if whoever installs agrees"] * 4
    assert (code, lines[-1].partition(", ")[2]) == (0, "4 warn, 0 FAIL")
    checked = {(line.split("  ")[3], line.split("  ")[2].rpartition(".")[2]) for line in lines[:-1]}
    wanted = {("signature", kind) for kind in ("msi", "exe", "sys", "cat")} | {("catalog", "inf"), ("rules", "inf")}
    assert wanted <= checked


def test_an_unsigned_package_and_a_strangers_fail(
    signed: Tree, settings: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = pem(tmp_path / "stranger.pem", certificate(key(), name="Stranger"))
    for kind in (-2, -1):
        path, unsigned = signed_files(signed, settings)[kind]
        assert main(["verify", "--signed", str(unsigned)]) == 1
        assert f"FAIL  {unsigned.name}  signature  it is not signed\n" in capsys.readouterr().out
        assert main(["verify", "--root", str(stranger), str(path)]) == 1
        assert "which is none of the roots that were given" in capsys.readouterr().out


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("tsa"), ["good"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def release(
    signed: Tree, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, Watch, Path, Path]:
    """The same tree signed as a release with a throwaway certificate: what it printed, which processes ran, the
    certificate, and the folder for temporary files."""
    folder = tmp_path_factory.mktemp("release")
    scratch = folder / "scratch"
    scratch.mkdir()
    private = key()
    made = certificate(private)
    variables = {
        "GPLPV_SIGN_PFX": str(pfx(folder / "release.pfx", private, made)),
        "GPLPV_SIGN_TIMESTAMP": authority.url,
        "TMPDIR": str(scratch),
    }
    with Watch(b"osslsigncode\0sign\0") as watch:
        outcome = signed.scons(*ONE, "sign=release", variables=variables, password=CANARY)
    assert outcome.exit_code == 0, outcome.output
    return outcome, watch, pem(folder / "release.pem", made), scratch


def digests(tree: Tree) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tree.root / "dist").iterdir()}


def test_a_release_is_signed_and_stamped(
    signed: Tree, release: tuple[Outcome, Watch, Path, Path], authority: Authority, settings: Config
) -> None:
    stamps = ("-TSA-CAfile", str(authority.folder / "tsa.pem"))
    for path, _ in signed_files(signed, settings):
        outcome = verify(path, release[2], *stamps)
        assert outcome.returncode == 0, outcome.stdout
        signatures = outcome.stdout.count("\nSignature verification: ok")
        assert outcome.stdout.count("Timestamp Server Signature verification: ok") == signatures > 0


def test_our_own_verifier_takes_the_release(
    signed: Tree, release: tuple[Outcome, Watch, Path, Path], authority: Authority, settings: Config
) -> None:
    code, lines = own_verifier(signed, settings, release[2], authority.folder / "tsa.pem")
    assert [line for line in lines[:-1] if not line.startswith("ok ")] == []
    assert code == 0
    signatures = [line for line in lines if "  signature  " in line]
    assert len(signatures) > 14
    assert all("RFC 3161 time stamp 20" in line for line in signatures)


def test_the_password_is_nowhere(signed: Tree, release: tuple[Outcome, Watch, Path, Path]) -> None:
    outcome, watch, _, scratch = release
    secret = CANARY.encode()
    assert CANARY not in outcome.output
    assert watch.sightings > 3
    assert not [line for line in watch.lines if secret in line]
    assert list(scratch.iterdir()) == []
    outputs = [path for path in signed.root.rglob("*") if path.is_file() and path.name != "signing_materials.py"]
    assert len(outputs) > 100
    assert not [path for path in outputs if secret in path.read_bytes()]


def test_a_release_carries_no_certificate_to_be_trusted(
    signed: Tree, release: tuple[Outcome, Watch, Path, Path], settings: Config
) -> None:
    msi = signed_files(signed, settings)[-2][0]
    listed = subprocess.run(["msiinfo", "export", msi, "File"], capture_output=True, text=True, check=True).stdout
    assert "pvinstall.exe" in listed
    assert "TrustedPublisher" not in listed


def test_anybody_attaches_the_published_signatures_to_a_build_of_their_own(
    signed: Tree, release: tuple[Outcome, Watch, Path, Path], settings: Config, tmp_path: Path
) -> None:
    signatures = tmp_path / "signatures"
    folders = [str(signed.root / "target/winlh"), str(signed.root / "dist")]
    assert main(["signatures", "extract", *folders, "--to", str(signatures)]) == 0
    assert len(list(signatures.iterdir())) == 14

    other = copy(tmp_path / "elsewhere")
    shutil.copytree(signatures, other.root / "published")
    outcome = other.scons(*ONE, "sign=detached", "signatures=published")
    assert outcome.exit_code == 0, outcome.output
    assert digests(other) == digests(signed)
    for path, _ in signed_files(other, settings):
        assert path.read_bytes() == (signed.root / path.relative_to(other.root)).read_bytes()

    # By hand, without the build: the same files.
    unsigned, by_hand = signed_files(other, settings)[0][1].parent, tmp_path / "by hand"
    assert main(["signatures", "attach", str(unsigned), "--from", str(signatures), "--to", str(by_hand)]) == 0
    assert len(list(by_hand.iterdir())) == 14
    for path, _ in signed_files(other, settings):
        assert (by_hand / path.name).read_bytes() == path.read_bytes()

    # Another source is another file: nothing published fits.
    source = other.root / "drivers_src/xenpci/driver.c"
    source.write_text(source.read_text().replace("return STATUS_SUCCESS;", "return STATUS_PENDING;"))
    (other.root / "dist" / signed_files(other, settings)[-2][0].name).unlink()
    outcome = other.scons(*ONE, "sign=detached", "signatures=published")
    assert outcome.exit_code == 2
    assert "xenpci.sys: those there are for other bytes" in outcome.output
    assert not [name for name in other.dist() if name.endswith(".msi")]


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A sign command that says when it was called, waits for a .msi's sake, and then fails."""
    private = key()
    chain, secret = pem(tmp_path / "s.pem", certificate(private)), key_pem(tmp_path / "s.key", private)
    script = tmp_path / "service.sh"
    of_msi = f'touch {tmp_path}/called; [ -e {tmp_path}/hang ] && sleep 60; cp "$1" "$2"; exit 3'
    sign = f'exec osslsigncode sign -certs {chain} -key {secret} -h "$3" -in "$1" -out "$2"'
    script.write_text(f'#!/bin/sh\ncase "$1" in *.msi) {of_msi};; esac\n{sign}\n')
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("end", ["fails", "killed"])
def test_nothing_unsigned_gets_into_dist(signed: Tree, service: Path, end: str) -> None:
    for path in (signed.root / "dist").iterdir():
        path.unlink()
    variables = {"GPLPV_SIGN_COMMAND": f"{service} {{input}} {{output}} {{digest}}", "GPLPV_SIGN_TIMESTAMP": "off"}
    if end == "killed":
        (service.parent / "hang").touch()
        called = (service.parent / "called").exists
        signed.scons(*ONE, "sign=release", "msi", variables=variables, until=called, sends=signal.SIGKILL)
    else:
        outcome = signed.scons(*ONE, "sign=release", "msi", variables=variables)
        assert outcome.exit_code == 2
        assert "The sign command could not sign gplpv Vista2008x64" in outcome.output
        assert "GPLPV_SIGN_COMMAND" in outcome.output
    assert [path for path in (signed.root / "dist").rglob("*") if path.is_file()] == []


def test_turning_signing_off_makes_the_packages_anew(signed: Tree, settings: Config) -> None:
    outcome = signed.scons(*ONE, "sign=off")
    assert outcome.exit_code == 0, outcome.output
    for path, unsigned in signed_files(signed, settings):
        assert path.read_bytes() == unsigned.read_bytes()


def test_packages_that_are_signed_otherwise_do_not_outlive_a_build_that_fails(signed: Tree) -> None:
    """Those of the build before are unsigned, and nobody must take them for this release."""
    assert len(signed.dist()) == 3
    variables = {"GPLPV_SIGN_COMMAND": "false {input} {output}", "GPLPV_SIGN_TIMESTAMP": "off"}
    outcome = signed.scons(*ONE, "sign=release", variables=variables)
    assert outcome.exit_code == 2
    assert "The sign command could not sign" in outcome.output
    assert [name for name in signed.dist() if not name.endswith(".symbols.zip")] == []
