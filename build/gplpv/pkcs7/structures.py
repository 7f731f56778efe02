# SPDX-License-Identifier: GPL-2.0-or-later
"""The ASN.1 of signatures (RFC 2315, PKCS #7 1.5; RFC 5652, CMS, for time stamps; "Windows Authenticode Portable
Executable Signature Format" 1.0).

What a signer signed is read by the library's types. What hangs on a signature unsigned stays as it is, so that a
message that gets one more of these keeps every other octet.
"""

from __future__ import annotations

from asn1crypto import algos, cms, core

from gplpv import der

INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
TRUST_LIST = "1.3.6.1.4.1.311.10.1"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
SIGNED_DATA = "1.2.840.113549.1.7.2"
NESTED_SIGNATURE = "1.3.6.1.4.1.311.2.4.1"
RFC3161_STAMP = "1.3.6.1.4.1.311.3.3.1"
OLD_STAMP = "1.2.840.113549.1.9.6"
"""A PKCS #9 countersignature."""
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = (f"1.2.840.113549.1.9.{part}" for part in (3, 4, 5))
CERTIFICATE_V1, CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"


class Wrong(ValueError):
    """A sentence about a signature that cannot be followed further."""


def need(holds: bool, sentence: str) -> None:
    if not holds:
        raise Wrong(sentence)


class Values(core.SetOf):  # type: ignore[misc]  # asn1crypto has no type hints
    """Any values, left as they are."""

    _child_spec = core.Any


class Attribute(core.Sequence):  # type: ignore[misc]
    """An attribute whose values are left as they are."""

    _fields = [("type", core.ObjectIdentifier), ("values", Values)]  # noqa: RUF012  asn1crypto's way


class Attributes(core.SetOf):  # type: ignore[misc]
    _child_spec = Attribute


class Signer(core.Sequence):  # type: ignore[misc]
    """SignerInfo."""

    _fields = [  # noqa: RUF012
        ("version", cms.CMSVersion),
        ("sid", cms.SignerIdentifier),
        ("digest_algorithm", algos.DigestAlgorithm),
        ("signed_attrs", cms.CMSAttributes, {"implicit": 0, "optional": True}),
        ("signature_algorithm", algos.SignedDigestAlgorithm),
        ("signature", core.OctetString),
        ("unsigned_attrs", Attributes, {"implicit": 1, "optional": True}),
    ]


class Signers(core.SetOf):  # type: ignore[misc]
    _child_spec = Signer


class Content(core.Sequence):  # type: ignore[misc]
    """What is signed: PKCS #7 has any value here, CMS a string of octets."""

    _fields = [  # noqa: RUF012
        ("type", core.ObjectIdentifier),
        ("value", core.Any, {"explicit": 0, "optional": True}),
    ]


class SignedData(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("digest_algorithms", cms.DigestAlgorithms),
        ("content", Content),
        ("certificates", Values, {"implicit": 0, "optional": True}),
        ("crls", Values, {"implicit": 1, "optional": True}),
        ("signers", Signers),
    ]


class ContentInfo(core.Sequence):  # type: ignore[misc]
    """A message of Authenticode, whose content is a value, not a string of octets."""

    _fields = [("type", core.ObjectIdentifier), ("content", SignedData, {"explicit": 0})]  # noqa: RUF012


class IndirectData(core.Sequence):  # type: ignore[misc]
    """SpcIndirectDataContent: what kind of file, and its digest."""

    class _Type(core.Sequence):  # type: ignore[misc]
        _fields = [("type", core.ObjectIdentifier), ("value", core.Any, {"optional": True})]  # noqa: RUF012

    _fields = [("data", _Type), ("digest", algos.DigestInfo)]  # noqa: RUF012


def signed_data(data: bytes, version: int) -> SignedData:
    """The signed data in a message; ValueError when it is none of that version."""
    info = ContentInfo.load(data, strict=True)
    need(info["type"].dotted == SIGNED_DATA, "it is not PKCS #7 signed data")
    signed: SignedData = info["content"]
    need(signed["version"].native == version, f"its version is v{signed['version'].native}, not v{version}")
    return signed


def content_octets(signed: SignedData) -> bytes:
    """What messageDigest covers: the content without its outermost tag and length."""
    octets: bytes = signed["content"]["value"].parse(spec=core.Sequence).contents
    return octets


def content_of(data: bytes) -> bytes:
    """What a message signs, signed or not yet; ValueError when it is none."""
    return content_octets(signed_data(data, 1))


def indirect_data(signed: SignedData) -> IndirectData:
    """What a signature says of a file other than a catalog; ValueError when it says something else."""
    content = signed["content"]
    need(content["type"].dotted == INDIRECT_DATA, f"it signs {content['type'].dotted}, not {INDIRECT_DATA}")
    encoded = content["value"].parse(spec=core.Sequence).untag().dump()
    indirect: IndirectData = IndirectData.load(encoded, strict=True)
    return indirect


def need_complete(value: core.Sequence) -> None:
    """The library passes over an element that fits no field where the fields that are left are optional."""
    present = sum(not isinstance(value[name], core.Void) for name, *_ in value._fields)
    need(der.count(value.contents) == present, "it has an element that does not belong there")
