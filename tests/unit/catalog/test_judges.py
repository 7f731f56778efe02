# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that share nothing with ours agree on our catalogs: osslsigncode signs and verifies, signify verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv import catalog
from gplpv.catalog import systems
from gplpv.catalog.read import trust_list

from . import judges
from .samples import START, Identity, image

LATER = START.replace(month=6)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("identity"))


class Package:
    """An image, one of an odd size, an INF, and their signed catalog."""

    def __init__(self, folder: Path, identity: Identity, name: str) -> None:
        self.image, self.inf, self.catalog = folder / "a.sys", folder / "a.inf", folder / "a.cat"
        self.odd = folder / "odd.sys"
        self.image.write_bytes(image())
        self.odd.write_bytes(image(1021))
        self.inf.write_bytes(b"[Version]\r\nSignature=x\r\n")
        files = [catalog.hash_file(path.name, path.read_bytes()) for path in (self.image, self.odd, self.inf)]
        self.built = catalog.build(files, systems.parse([name]), ["pci\\ven_5853"], START)
        unsigned = folder / "unsigned.cat"
        unsigned.write_bytes(catalog.write(self.built))
        identity.sign(unsigned, self.catalog)


@pytest.fixture(params=["XP_X86", "8_X64"], ids=["V1", "V2"])
def package(request: pytest.FixtureRequest, tmp_path: Path, identity: Identity) -> Package:
    return Package(tmp_path, identity, request.param)


def test_signing_leaves_the_list_as_it_is(package: Package) -> None:
    data = package.catalog.read_bytes()
    assert trust_list(data)[0] == catalog.encode(package.built)
    assert catalog.read(data) == package.built
    assert catalog.read(data).signed


def test_osslsigncode_takes_a_member_and_refuses_another_file(
    package: Package, identity: Identity, tmp_path: Path
) -> None:
    for member in (package.image, package.odd):
        assert identity.verify(member, "-catalog", package.catalog).exit_code == 0
    other = tmp_path / "other.sys"
    other.write_bytes(image(1032))
    assert identity.verify(other, "-catalog", package.catalog).exit_code == 1


def test_an_image_signed_itself_is_still_a_member(package: Package, identity: Identity, tmp_path: Path) -> None:
    """Of the odd one too: what is signed is padded, and was hashed as if it were."""
    for member in (package.image, package.odd):
        signed = identity.sign(member, tmp_path / f"signed-{member.name}")
        assert judges.verdict(signed, package.catalog, identity.certificate, LATER) == "OK"


def test_signify_takes_inf_and_image_and_finds_a_flipped_byte(
    package: Package, identity: Identity, tmp_path: Path
) -> None:
    for file in (package.inf, package.image):
        assert judges.verdict(file, package.catalog, identity.certificate, LATER) == "OK", file
        data = bytearray(file.read_bytes())
        data[-5] ^= 1
        flipped = tmp_path / f"flipped{file.suffix}"
        flipped.write_bytes(data)
        assert judges.verdict(flipped, package.catalog, identity.certificate, LATER) == "NOT_SIGNED"


def test_signify_finds_a_byte_flipped_in_the_catalog(package: Package, identity: Identity) -> None:
    data = package.catalog.read_bytes()
    at = data.index("ven_5853".encode("utf-16-le"))
    package.catalog.write_bytes(data[:at] + b"w" + data[at + 1 :])
    assert judges.verdict(package.inf, package.catalog, identity.certificate, LATER) == "INVALID_DIGEST"
