# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures by osslsigncode and by vendors: what holds, what does not, and that other verifiers say the same."""

from __future__ import annotations

import datetime
import hashlib
import random
from functools import partial
from pathlib import Path

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as asn1
from asn1crypto.parser import emit
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gplpv import authenticode, chains, pkcs7
from gplpv.pkcs7 import structures
from gplpv.verify import portable

from .authority import (
    END,
    NOW,
    STAMPS,
    Authority,
    Who,
    key,
    osslsigncode_takes,
    repair_checksum,
    replace_signature,
    sign,
    stamped,
)
from .shared import judges, samples

GOLDEN = Path(__file__).parents[1] / "golden/catalogs"
EARLY = NOW.replace(year=2022)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def unsigned(authority: Authority) -> Path:
    path = authority.folder / "unsigned.exe"
    path.write_bytes(samples.image(2048))
    return path


@pytest.fixture(scope="module")
def people(authority: Authority) -> dict[str, Who]:
    middle = authority.issue("middle", None, ca=True, key_name="middle")
    return {
        "signer": authority.issue("signer"),
        "below": authority.issue("below", by=middle),
        "curve": authority.issue("curve", key_name="ec"),
        "expired": authority.issue("expired", end=NOW.replace(year=2023)),
        "server": authority.issue("server", STAMPS),
        "silent": authority.issue("silent", signing=False),
        "stamps": authority.issue("stamps", STAMPS, key_name="stamps"),
        "false": authority.issue("false", by=authority.issue("no authority")),
    }


def verify(data: bytes, trust: chains.Trust) -> pkcs7.Signature:
    signature = portable.signature(data)
    assert signature
    expected = pkcs7.Expected(pkcs7.INDIRECT_DATA, portable.KIND, partial(authenticode.digest, data))
    return pkcs7.verify(signature, expected, trust)


@pytest.mark.parametrize("who", ["signer", "below", "curve"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384"])
def test_a_good_signature_is_followed_to_its_root(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path, who: str, digest: str
) -> None:
    found = verify(sign(unsigned, tmp_path / "a.exe", people[who], digest=digest), authority.trust)
    assert (found.faults, found.digest, found.signing_time) == ([], digest, NOW)
    assert found.chain and found.chain.trusted and found.chain.certificates[0] == people[who].certificate


def test_a_root_that_only_the_signature_brings_is_a_test_root(
    people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    found = verify(sign(unsigned, tmp_path / "a.exe", people["signer"]), chains.Trust((), NOW))
    assert found.faults == []
    assert found.chain and found.chain.root_text == "test root “root”"


@pytest.mark.parametrize(
    ("who", "when", "says"),
    [
        ("expired", NOW, "not on 2026-11-01"),
        ("expired", EARLY, "no time stamp shows an earlier signature"),
        ("server", NOW, "is not for code signing"),
        ("silent", NOW, "its key is not for signing"),
        ("false", NOW, "is no authority"),
    ],
)
def test_a_signer_who_may_not_is_named(
    authority: Authority,
    people: dict[str, Who],
    unsigned: Path,
    tmp_path: Path,
    who: str,
    when: datetime.datetime,
    says: str,
) -> None:
    found = verify(sign(unsigned, tmp_path / "a.exe", people[who], when=when), authority.trust)
    assert says in "; ".join(found.faults)


def test_a_stranger_is_not_trusted(people: dict[str, Who], unsigned: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").issue("somebody", key_name="ec")
    trust = chains.Trust((people["stamps"].certificate,), NOW)
    found = verify(sign(unsigned, tmp_path / "a.exe", other), trust)
    assert "none of the roots that were given" in "; ".join(found.faults)


def test_a_time_stamp_outlives_the_certificate(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    data = sign(unsigned, tmp_path / "a.exe", people["expired"], *stamped(people["stamps"], EARLY), when=EARLY)
    found = verify(data, authority.trust)
    assert found.faults == []
    assert found.time_stamp and (found.time_stamp.kind, found.time_stamp.time) == ("RFC 3161", EARLY)


def test_a_time_stamp_by_somebody_who_may_not_is_refused(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    data = sign(unsigned, tmp_path / "a.exe", people["signer"])
    other = sign(unsigned, tmp_path / "b.exe", people["signer"], *stamped(people["stamps"]), when=EARLY)
    moved = replace_signature(data, with_unsigned(data, unsigned_of(other)))
    assert "its time stamp is of another signature" in verify(moved, authority.trust).faults


def test_a_second_signature_is_verified_like_the_first(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    first = tmp_path / "first.exe"
    sign(unsigned, first, people["signer"], digest="sha1")
    data = sign(first, tmp_path / "both.exe", people["signer"], "-nest")
    found = verify(data, authority.trust)
    assert [(one.digest, one.faults) for one in found.all()] == [("sha1", []), ("sha256", [])]
    inner = bytearray(data)
    inner[0x300] ^= 1
    assert all(one.faults for one in verify(bytes(inner), authority.trust).all())


def test_an_old_countersignature_is_a_time_stamp(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    data = sign(unsigned, tmp_path / "a.exe", people["expired"], "-ac", people["stamps"].pem, when=EARLY)
    good = replace_signature(data, with_unsigned(data, countersignature(data, people["stamps"], EARLY)))
    found = verify(good, authority.trust)
    assert found.faults == []
    assert found.time_stamp and (found.time_stamp.kind, found.time_stamp.time) == ("PKCS #9", EARLY)
    (tmp_path / "good.exe").write_bytes(good)
    assert osslsigncode_takes(tmp_path / "good.exe", authority.root.pem)
    late = replace_signature(data, with_unsigned(data, countersignature(data, people["stamps"], END.replace(2041))))
    assert any("not on 2041" in fault for fault in verify(late, authority.trust).faults)


def test_an_unknown_unsigned_attribute_is_refused(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    data = sign(unsigned, tmp_path / "a.exe", people["signer"])
    attribute = cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Integer(5)]})
    changed = replace_signature(data, with_unsigned(data, attribute))
    assert "which nothing covers" in "; ".join(verify(changed, authority.trust).faults)


def test_an_element_behind_an_unsigned_attribute_is_refused(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path
) -> None:
    data = sign(unsigned, tmp_path / "a.exe", people["signer"], *stamped(people["stamps"]))
    longer = structures.Attribute.load(emit(0, 1, 16, unsigned_of(data).contents + core.Null().dump()))
    changed = replace_signature(data, with_unsigned(data, longer))
    assert "it has an element that does not belong there" in verify(changed, authority.trust).faults


@pytest.mark.parametrize("dual", [False, True])
def test_every_bit_of_a_stamped_signature_counts(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path, dual: bool
) -> None:
    """The checksum is put right after each change, so that only the signature can tell; one bit a byte, at random."""
    data = sign(unsigned, tmp_path / "a.exe", people["below"], *stamped(people["stamps"]), digest="sha1")
    if dual:
        data = sign(tmp_path / "a.exe", tmp_path / "b.exe", people["signer"], "-nest", *stamped(people["stamps"]))
    places = authenticode.layout(data)
    chance = random.Random(5)
    missed = []
    for position in range(places.table, len(data), 23 if dual else 13):
        changed = bytearray(data)
        changed[position] ^= 1 << chance.randrange(8)
        if not _faults(repair_checksum(bytes(changed)), authority.trust):
            missed.append(position - places.table)
    assert missed == []


def _faults(data: bytes, trust: chains.Trust) -> list[str]:
    found = verify(data, trust)
    return [*portable.layout_faults(data), *(fault for one in found.all() for fault in one.faults)]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in GOLDEN.glob("*/*.cat")))
def test_vendors_catalogs_hold_up_to_the_last_certificate_that_they_bring(name: str) -> None:
    """Chains of VeriSign and Symantec, signers of 2012 to 2023, time stamps of both kinds (tests/unit/golden)."""
    (path,) = (GOLDEN / name).glob("*.cat")
    data = path.read_bytes()
    expected = pkcs7.Expected(pkcs7.TRUST_LIST)
    loose = pkcs7.verify(data, expected, chains.Trust((), NOW))
    assert loose.chain and loose.time_stamp
    roots = (loose.chain.certificates[-1], loose.time_stamp.chain.certificates[-1])
    found = pkcs7.verify(data, expected, chains.Trust(roots, NOW))
    assert found.faults == []
    changed = data.replace(b"\0x\0e\0n", b"\0x\0e\0m", 1) if b"\0x\0e\0n" in data else data[:400] + b"\1" + data[401:]
    assert pkcs7.verify(changed, expected, chains.Trust(roots, NOW)).faults


SAMPLES = ("good", "below", "curve", "stamped", "outlived", "dual", "expired", "server", "changed", "stranger")


@pytest.mark.parametrize("sample", SAMPLES)
def test_osslsigncode_and_signify_say_the_same(
    authority: Authority, people: dict[str, Who], unsigned: Path, tmp_path: Path, sample: str
) -> None:
    path = tmp_path / "sample.exe"
    who = {"good": "signer", "stamped": "signer", "outlived": "expired", "dual": "signer", "changed": "signer"}
    root = authority.root
    if sample == "stranger":
        sign(unsigned, path, people["signer"])
        root = Authority(tmp_path).issue("root", None, ca=True, key_name="ec")
    elif sample in ("stamped", "outlived"):
        sign(unsigned, path, people[who[sample]], *stamped(people["stamps"], EARLY), when=EARLY)
    elif sample == "dual":
        sign(unsigned, tmp_path / "first.exe", people["signer"], digest="sha1")
        sign(tmp_path / "first.exe", path, people["signer"], "-nest")
    else:
        sign(unsigned, path, people[who.get(sample, sample)])
    if sample == "changed":
        data = bytearray(path.read_bytes())
        data[0x280] ^= 1
        path.write_bytes(repair_checksum(bytes(data)))
    found = verify(path.read_bytes(), chains.Trust((root.certificate,), NOW))
    ours = not any(one.faults for one in found.all())
    assert ours == (sample not in ("expired", "server", "changed", "stranger")), found.faults
    assert osslsigncode_takes(path, root.pem) == ours
    assert _signify_takes(path, root.pem) == ours


def _signify_takes(path: Path, root: Path) -> bool:
    store = judges.CertificateStore([judges.Certificate.from_pem(root.read_bytes())], trusted=True)
    with path.open("rb") as stream:
        result, _ = judges.AuthenticodeFile.from_stream(stream).explain_verify(
            multi_verify_mode="all",
            trusted_certificate_store=store,
            verification_context_kwargs={"timestamp": NOW},
        )
    return str(result.name) == "OK"


def unsigned_of(data: bytes) -> cms.CMSAttribute:
    """The first unsigned attribute of a signed image."""
    return structures.ContentInfo.load(portable.signature(data))["content"]["signers"][0]["unsigned_attrs"][0]


def with_unsigned(data: bytes, attribute: cms.CMSAttribute) -> bytes:
    """The signature of an image with that unsigned attribute."""
    info = structures.ContentInfo.load(portable.signature(data))
    info["content"]["signers"][0]["unsigned_attrs"] = [structures.Attribute.load(attribute.dump())]
    return bytes(info.dump())


def countersignature(data: bytes, who: Who, when: datetime.datetime) -> cms.CMSAttribute:
    """PKCS #9 (RFC 2985, 5.3.6): a signer of the signature's value."""
    value = structures.ContentInfo.load(portable.signature(data))["content"]["signers"][0]["signature"].native
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "signing_time", "values": [cms.Time({"utc_time": when})]},
            {"type": "message_digest", "values": [hashlib.sha1(value).digest()]},
        ]
    )
    # The distinguished encoding: elements by their bytes.
    content = b"".join(sorted(one.dump() for one in attributes))
    attributes = cms.CMSAttributes.load(b"\x31" + core.OctetString(content).dump()[1:])
    private = key(who.key_name)
    assert isinstance(private, rsa.RSAPrivateKey)
    certificate = asn1.Certificate.load(chains.encode(who.certificate))
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": {
                "issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
            },
            "digest_algorithm": {"algorithm": "sha1"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
            "signature": private.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA1()),
        }
    )
    return cms.CMSAttribute({"type": "counter_signature", "values": [signer]})
