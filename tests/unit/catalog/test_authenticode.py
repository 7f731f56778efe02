# SPDX-License-Identifier: GPL-2.0-or-later
"""Digests of images, cabinets and other files, as osslsigncode computes them too."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from gplpv import authenticode
from gplpv.authenticode import Kind
from gplpv.errors import GplpvError

from .samples import Identity, cabinet, image


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("identity"))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (image(), Kind.PE),
        (image(plus=True), Kind.PE),
        (cabinet(), Kind.CAB),
        (b"MZ" + bytes(62), Kind.FLAT),
        (b"MZ", Kind.FLAT),
        (image()[:66], Kind.FLAT),
        (b"", Kind.FLAT),
    ],
)
def test_what_a_file_holds_decides(data: bytes, kind: Kind) -> None:
    assert authenticode.kind(data) is kind


@pytest.mark.parametrize("plus", [False, True], ids=["PE32", "PE32+"])
@pytest.mark.parametrize("size", [1024, 1022, 1017])
def test_an_image_has_the_digest_that_osslsigncode_signs(
    tmp_path: Path, identity: Identity, size: int, plus: bool
) -> None:
    """Before and after signing; one that does not end on 8 bytes is padded by the signer."""
    unsigned, signed = tmp_path / "a.sys", tmp_path / "b.sys"
    unsigned.write_bytes(image(size, plus))
    data = identity.sign(unsigned, signed).read_bytes()
    digest = authenticode.digest(unsigned.read_bytes(), "sha256")
    assert digest == authenticode.digest(data, "sha256")
    (certificate,) = authenticode.certificates(data)
    assert (certificate.revision, certificate.kind) == (0x200, 2)
    assert digest in certificate.content
    assert identity.verify(signed).exit_code == 0


def test_only_what_signing_changes_is_left_out() -> None:
    data = image()
    places = authenticode.layout(data)
    assert places.security is not None
    checksum, security = range(places.checksum, places.checksum + 4), places.security
    # A change of these makes it another kind of file, or a damaged one.
    structure = {0, 1, *range(60, 68), 88, 89, *range(security - 36, security - 32), *range(security, security + 8)}
    plain = authenticode.digest(data, "sha1")
    for offset in sorted({*range(0, 1024, 13), *checksum} - structure):
        changed = bytearray(data)
        changed[offset] ^= 0x10
        assert (authenticode.digest(bytes(changed), "sha1") == plain) == (offset in checksum), offset


def test_a_cabinet_has_the_digest_that_osslsigncode_signs(tmp_path: Path, identity: Identity) -> None:
    unsigned, signed = tmp_path / "a.cab", tmp_path / "b.cab"
    unsigned.write_bytes(cabinet())
    data = identity.sign(unsigned, signed).read_bytes()
    assert authenticode.digest(data, "sha256") in data[-4096:]
    assert identity.verify(signed).exit_code == 0
    plain = cabinet()
    assert authenticode.digest(plain, "sha1") == hashlib.sha1(plain[:4] + plain[8:]).digest()


def test_everything_else_is_hashed_whole() -> None:
    assert authenticode.digest(b"[Version]\r\n", "sha256") == hashlib.sha256(b"[Version]\r\n").digest()


def with_table(table: int, size: int, more: bytes = b"") -> bytes:
    data = bytearray(image())
    places = authenticode.layout(bytes(data))
    assert places.security
    struct.pack_into("<II", data, places.security, table, size)
    return bytes(data) + more


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (image()[:80], "ends within its headers"),
        (image()[:120], "ends within its headers"),
        (image()[:190], "ends within its data directories"),
        (image()[:88] + b"\x07\x01" + image()[90:], "unknown magic 0x107"),
        (with_table(1024, 16, bytes(24)), "is not the end of the file"),
        (with_table(1024, 0), "is not the end of the file"),
        (with_table(64, 960), "is not the end of the file"),
        (cabinet()[:30], "cabinet ends within its header"),
        (cabinet()[:30] + b"\4\0" + bytes(20), "cabinet ends within its header"),
        (cabinet()[:30] + b"\4\0" + bytes(4) + struct.pack("<IIIII", 20, 0, 60, 9, 0) + bytes(20), "not the end"),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(GplpvError, match=told):
        authenticode.digest(data, "sha1")


@pytest.mark.parametrize("length", [0, 7, 17])
def test_a_damaged_certificate_table_is_refused(length: int) -> None:
    with pytest.raises(GplpvError, match="damaged at offset 1024"):
        authenticode.certificates(with_table(1024, 16, struct.pack("<IHH", length, 0x200, 2) + bytes(8)))


def test_an_unsigned_image_has_no_certificates_and_other_files_no_layout() -> None:
    assert authenticode.certificates(image()) == []
    with pytest.raises(GplpvError, match="no image"):
        authenticode.layout(b"text")
