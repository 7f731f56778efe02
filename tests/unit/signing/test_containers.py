# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures in and out of each kind of file; osslsigncode makes them, and verifies what we put together."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pefile
import pytest

from gplpv import pkcs7
from gplpv.errors import GplpvError, UsageError
from gplpv.matrix import SigningPolicy
from gplpv.signing import containers, detached
from gplpv.signing.signers import ByPolicy, Osslsigncode, Published
from signing_materials import FILES, certificate, image, key, key_pem, pem

EPOCH = 1764201600
POLICY = SigningPolicy(sys="dual", exe="sha1", cat="sha1", msi="sha256")


@pytest.fixture(scope="session")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Osslsigncode:
    folder = tmp_path_factory.mktemp("hand")
    private = key()
    chain = pem(folder / "chain.pem", certificate(private))
    return Osslsigncode(("-certs", chain, "-key", key_pem(folder / "key.pem", private)), "throwaway", EPOCH)


@pytest.fixture(params=FILES)
def unsigned(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_bytes(FILES[request.param]())
    return path


def sign(hand: Osslsigncode, unsigned: Path) -> Path:
    target = unsigned.parent / "signed" / unsigned.name
    ByPolicy(hand, POLICY).sign(unsigned, target, "A test & more")
    return target


def verify(path: Path, hand: Osslsigncode) -> subprocess.CompletedProcess[str]:
    chain = str(hand.arguments[1])
    command = ["osslsigncode", "verify", "-CAfile", chain, "-in", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_osslsigncode_verifies_what_was_attached(hand: Osslsigncode, unsigned: Path) -> None:
    outcome = verify(sign(hand, unsigned), hand)
    assert outcome.returncode == 0, outcome.stdout
    counts = {"driver.sys": 2, "odd.sys": 2}
    assert outcome.stdout.count("Signature verification: ok") == counts.get(unsigned.name, 1)


def test_the_order_and_digests_are_the_policys(hand: Osslsigncode, unsigned: Path) -> None:
    signature = containers.signature_of(sign(hand, unsigned))
    assert signature
    digests = [message.digest_algorithm for message in pkcs7.parse(signature, "it").all()]
    assert digests == {"sys": ["sha1", "sha256"], "msi": ["sha256"]}.get(unsigned.suffix[1:], ["sha1"])


def test_signing_again_gives_the_same_bytes(hand: Osslsigncode, unsigned: Path) -> None:
    first = sign(hand, unsigned).read_bytes()
    assert sign(hand, unsigned).read_bytes() == first
    assert unsigned.read_bytes() == FILES[unsigned.name]()


def test_a_digest_is_the_same_before_and_after(hand: Osslsigncode, unsigned: Path) -> None:
    signed = sign(hand, unsigned)
    for algorithm in ("sha1", "sha256"):
        assert containers.digest(signed, algorithm) == containers.digest(unsigned, algorithm)


def test_extracted_and_attached_again_it_is_the_same_file(hand: Osslsigncode, unsigned: Path, tmp_path: Path) -> None:
    signed, store = sign(hand, unsigned), detached.Store(tmp_path / "signatures")
    extracted = store.extract(signed)
    assert extracted.name.startswith(f"{unsigned.name}.")
    Published(store, POLICY).sign(unsigned, tmp_path / "again", "not used")
    assert (tmp_path / "again").read_bytes() == signed.read_bytes()


def test_a_signature_is_attached_to_no_other_bytes(hand: Osslsigncode, unsigned: Path, tmp_path: Path) -> None:
    signature = containers.signature_of(sign(hand, unsigned)) or b""
    data = bytearray(unsigned.read_bytes())
    position = data.index(b"261122") if unsigned.suffix == ".cat" else 0x230
    data[position] ^= 1
    unsigned.write_bytes(data)
    with pytest.raises(GplpvError, match="made for another file"):
        containers.attach(unsigned, signature)
    with pytest.raises(GplpvError, match="none of its name is there"):
        detached.Store(tmp_path).attached(unsigned)


def test_a_flipped_byte_of_what_was_signed_is_found(hand: Osslsigncode, tmp_path: Path) -> None:
    """In the content, in the signed attributes, in the signature: every third byte of each."""
    unsigned = tmp_path / "driver.sys"
    unsigned.write_bytes(image())
    good = hand.signature(unsigned, "sha256", "x", tmp_path)
    message = pkcs7.parse(good, "it")
    content = good.index(message.content_octets)
    attributes = good.index(bytes.fromhex("2a864886f70d010904"))  # messageDigest
    signature = good.index(message.encrypted_digest)
    passed = []
    for start, length in ((content, len(message.content_octets)), (attributes, 40), (signature, 256)):
        for position in range(start, start + length, 3):
            bad = bytearray(good)
            bad[position] ^= 0x10
            try:
                containers.require_covers(unsigned, bytes(bad))
                passed.append(position)
            except GplpvError:
                pass
    assert passed == []


def test_nesting_leaves_every_octet_that_the_signers_wrote(hand: Osslsigncode, tmp_path: Path) -> None:
    unsigned = tmp_path / "driver.sys"
    unsigned.write_bytes(image())
    one, other = (pkcs7.parse(hand.signature(unsigned, name, "x", tmp_path), "it") for name in ("sha1", "sha256"))
    nested = pkcs7.nest([one, other]).data
    kept = (other.data, one.content_octets, one._signed["certificates"][0].dump(), one._signer.contents)
    assert [part in nested for part in kept] == [True] * 4


def test_an_image_has_the_checksum_that_pefile_computes(hand: Osslsigncode, tmp_path: Path) -> None:
    for name in ("driver.sys", "odd.sys"):
        unsigned = tmp_path / name
        unsigned.write_bytes(FILES[name]())
        with pefile.PE(str(sign(hand, unsigned))) as pe:
            assert pe.verify_checksum()


def test_a_signed_file_is_not_signed_again(hand: Osslsigncode, unsigned: Path) -> None:
    signed = sign(hand, unsigned)
    with pytest.raises(GplpvError, match="signed already"):
        containers.attach(signed, containers.signature_of(signed) or b"")


def test_what_another_program_put_together_is_not_published(hand: Osslsigncode, tmp_path: Path) -> None:
    """osslsigncode lays an .msi out its own way."""
    unsigned = tmp_path / "package.msi"
    unsigned.write_bytes(FILES[unsigned.name]())
    foreign = tmp_path / "foreign.msi"
    words = ["osslsigncode", "sign", *map(str, hand.arguments), "-in", str(unsigned), "-out", str(foreign)]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(GplpvError, match="would not come out the same"):
        detached.Store(tmp_path / "signatures").extract(foreign)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.sys", b"MZ", "no program or driver image"),
        ("a.exe", image()[:0x98] + b"\xff" * 0x168, r"a\.exe: The image's certificate table .* is not the end"),
        ("a.msi", b"no compound file", "no Windows Installer package"),
        ("a.cat", b"\x30\x03\x02\x01\x01", "no PKCS #7 message"),
        ("a.cat", b"", "no PKCS #7 message"),
    ],
)
def test_what_is_not_such_a_file_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GplpvError, match=says):
        containers.signature_of(tmp_path / name)


def test_a_kind_that_is_never_signed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of no kind that is signed"):
        containers.kind_of(tmp_path / "xenpci.inf")


def test_without_embedding_a_driver_is_left_to_its_catalog(hand: Osslsigncode, tmp_path: Path) -> None:
    policy = SigningPolicy(sys="sha1", exe="sha1", cat="sha1", msi="sha1", embed=False)
    unsigned, signed = tmp_path / "driver.sys", tmp_path / "out" / "driver.sys"
    unsigned.write_bytes(image())
    ByPolicy(hand, policy).sign(unsigned, signed, "x")
    assert signed.read_bytes() == unsigned.read_bytes()
