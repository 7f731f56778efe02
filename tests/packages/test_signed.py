# SPDX-License-Identifier: GPL-2.0-or-later
"""sign=test: drivers, programs and packages carry signatures that osslsigncode verifies."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gplpv import catalog, plan, sign
from gplpv.config import Config

from .tree import Tree, copy


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """XP x64 debug, signed."""
    tree = copy(tmp_path_factory.mktemp("signed"))
    outcome = tree.scons("platform=XP", "arch=x64", "debug=1", "sign=test")
    assert outcome.exit_code == 0, outcome.output
    yield tree


def signed_files(tree: Tree, settings: Config) -> list[tuple[Path, Path]]:
    """Each signed file with the unsigned one that it was made of."""
    (variant,) = settings.matrix.select(["XP"], ["x64"], [True])
    places = plan.Places(variant)
    drivers = plan.drivers(settings, variant)
    names = [image.file for image in (*drivers, *plan.programs(settings))] + [driver.catalog for driver in drivers]
    pairs = [(places.images / name, places.unsigned / name) for name in names]
    pairs += [(places.dist(kind), places.unsigned / variant.package(kind)) for kind in ("msi", "exe")]
    return [(tree.root / one, tree.root / other) for one, other in pairs]


def verify(path: Path, certificate: Path, *options: str) -> int:
    command = ["osslsigncode", "verify", "-CAfile", str(certificate), *options, "-in", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_every_signature_verifies(signed: Tree, settings: Config) -> None:
    certificate = signed.root / sign.TEST_FILES[0]
    outcomes = {path.name: verify(path, certificate) for path, _ in signed_files(signed, settings)}
    assert len(outcomes) == 14
    assert set(outcomes.values()) == {0}, outcomes


def test_each_driver_is_in_its_own_catalog_and_no_other(signed: Tree, settings: Config) -> None:
    (variant,) = settings.matrix.select(["XP"], ["x64"], [True])
    folder, certificate = signed.root / plan.Places(variant).images, signed.root / sign.TEST_FILES[0]
    drivers = plan.drivers(settings, variant)
    for driver in drivers:
        for other in drivers[:2]:
            outcome = verify(folder / driver.file, certificate, "-catalog", str(folder / other.catalog))
            assert (outcome == 0) == (driver == other), (driver.file, other.catalog)
    read = catalog.read((folder / "xenpci.cat").read_bytes())
    assert (read.signed, read.systems, read.this_update) == (True, ["XPX64"], settings.moment)
    assert read.hardware_ids == ["pci\\ven_5853&dev_0001"]


def test_the_unsigned_file_stays_under_another_name(signed: Tree, settings: Config) -> None:
    certificate = signed.root / sign.TEST_FILES[0]
    for path, unsigned in signed_files(signed, settings):
        assert path.read_bytes() != unsigned.read_bytes()
        assert verify(unsigned, certificate) != 0


def test_a_changed_byte_is_found(signed: Tree, settings: Config, tmp_path: Path) -> None:
    path, _ = signed_files(signed, settings)[0]
    data = bytearray(path.read_bytes())
    data[0x400] ^= 1
    changed = tmp_path / path.name
    changed.write_bytes(data)
    assert verify(changed, signed.root / sign.TEST_FILES[0]) != 0


def test_the_key_is_its_owners_alone_and_in_no_package(signed: Tree) -> None:
    certificate, key = (signed.root / path for path in sign.TEST_FILES)
    assert key.stat().st_mode & 0o077 == 0
    secret = key.read_text().splitlines()[5].encode()
    for path in (signed.root / "dist").iterdir():
        assert secret not in path.read_bytes()
    assert secret not in (signed.root / ".sconsign.dblite").read_bytes()
    assert certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_turning_signing_off_makes_the_packages_anew(signed: Tree, settings: Config) -> None:
    outcome = signed.scons("platform=XP", "arch=x64", "debug=1", "sign=off")
    assert outcome.exit_code == 0, outcome.output
    for path, unsigned in signed_files(signed, settings):
        assert path.read_bytes() == unsigned.read_bytes()
