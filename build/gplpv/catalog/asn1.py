# SPDX-License-Identifier: GPL-2.0-or-later
"""The ASN.1 of catalogs: certificate trust lists whose subjects are files.

Sources: Windows SDK, wincrypt.h (CTL_INFO), mscat.h and wintrust.h; "Windows Authenticode Portable Executable Signature
Format" (2008) for SpcIndirectDataContent and SpcLink; RFC 2315 for the SignedData around the list, whose content is no
octet string there.
"""

from __future__ import annotations

from collections.abc import Iterable

from asn1crypto import core, parser, x509

SIGNED_DATA = "1.2.840.113549.1.7.2"
CTL = "1.3.6.1.4.1.311.10.1"
CATALOG_LIST = "1.3.6.1.4.1.311.12.1.1"
SUBJECTS = {1: "1.3.6.1.4.1.311.12.1.2", 2: "1.3.6.1.4.1.311.12.1.3"}
"""subjectAlgorithm: members by SHA-1 text (V1), by any digest (V2)."""
NAME_VALUE = "1.3.6.1.4.1.311.12.2.1"
MEMBER_INFO = {1: "1.3.6.1.4.1.311.12.2.2", 2: "1.3.6.1.4.1.311.12.2.3"}
INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
PE_IMAGE_DATA = "1.3.6.1.4.1.311.2.1.15"
LINK_DATA = "1.3.6.1.4.1.311.2.1.25"
"""Called SPC_CAB_DATA_OBJID in wintrust.h; flat files have it too."""
DIGESTS = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1"}
PAGE_HASHES = {"1.3.6.1.4.1.311.2.3.1": "sha1", "1.3.6.1.4.1.311.2.3.2": "sha256"}


class NameValue(core.Sequence):  # type: ignore[misc]
    """CatNameValue: the name in UTF-16, big-endian by its type, the value in UTF-16, little-endian, with a NUL."""

    _fields = [("name", core.BMPString), ("flags", core.Integer), ("value", core.OctetString)]  # noqa: RUF012


class RawSet(core.Asn1Value):  # type: ignore[misc]
    """A set whose elements stay encoded: the library's Any takes no element with a tag of its own, such as 82 00."""

    class_ = 0
    method = 1
    tag = 17

    @classmethod
    def of(cls, elements: Iterable[bytes]) -> RawSet:
        """Return the set of these, in the order that DER wants."""
        return cls(contents=b"".join(sorted(elements)))

    @property
    def elements(self) -> list[bytes]:
        found, start = [], 0
        while start < len(self.contents):
            end = start + parser.peek(self.contents[start:])
            found.append(self.contents[start:end])
            start = end
        return found


class Attribute(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("values", RawSet)]  # noqa: RUF012


class Attributes(core.SetOf):  # type: ignore[misc]
    """DER sorts them by their bytes."""

    _child_spec = Attribute


class Member(core.Sequence):  # type: ignore[misc]
    """TrustedSubject."""

    _fields = [("tag", core.OctetString), ("attributes", Attributes)]  # noqa: RUF012


class Members(core.SequenceOf):  # type: ignore[misc]
    _child_spec = Member


class Usage(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.ObjectIdentifier


class Algorithm(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", core.ObjectIdentifier), ("parameters", core.Null)]  # noqa: RUF012


class Extension(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("id", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("value", core.OctetString),
    ]


class Extensions(core.SequenceOf):  # type: ignore[misc]
    _child_spec = Extension


class TrustList(core.Sequence):  # type: ignore[misc]
    """CertificateTrustList."""

    _fields = [  # noqa: RUF012
        ("usage", Usage),
        ("identifier", core.OctetString),
        ("this_update", x509.Time),
        ("subject_algorithm", Algorithm),
        ("members", Members),
        ("extensions", Extensions, {"explicit": 0, "optional": True}),
    ]


class SpcString(core.Choice):  # type: ignore[misc]
    _alternatives = [  # noqa: RUF012
        ("unicode", core.BMPString, {"implicit": 0}),
        ("ascii", core.IA5String, {"implicit": 1}),
    ]


class SerializedObject(core.Sequence):  # type: ignore[misc]
    _fields = [("class_id", core.OctetString), ("data", core.OctetString)]  # noqa: RUF012


class Link(core.Choice):  # type: ignore[misc]
    """SpcLink."""

    _alternatives = [  # noqa: RUF012
        ("url", core.IA5String, {"implicit": 0}),
        ("moniker", SerializedObject, {"implicit": 1}),
        ("file", SpcString, {"explicit": 2}),
    ]


class ImageData(core.Sequence):  # type: ignore[misc]
    """SpcPeImageData."""

    _fields = [("flags", core.BitString), ("file", Link, {"explicit": 0})]  # noqa: RUF012


class TypeAndValue(core.Sequence):  # type: ignore[misc]
    """SpcAttributeTypeAndOptionalValue."""

    _fields = [("type", core.ObjectIdentifier), ("value", core.Any)]  # noqa: RUF012
    _oid_pair = ("type", "value")
    _oid_specs = {PE_IMAGE_DATA: ImageData, LINK_DATA: Link}  # noqa: RUF012


class DigestInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", Algorithm), ("digest", core.OctetString)]  # noqa: RUF012


class IndirectData(core.Sequence):  # type: ignore[misc]
    """SpcIndirectDataContent."""

    _fields = [("data", TypeAndValue), ("digest", DigestInfo)]  # noqa: RUF012


class MemberInfo(core.Sequence):  # type: ignore[misc]
    """CatMemberInfo of V1: the GUID of what knows the kind of file, and a version."""

    _fields = [("guid", core.BMPString), ("version", core.Integer)]  # noqa: RUF012


class PageHashes(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("values", RawSet)]  # noqa: RUF012


class PageHashSet(core.SetOf):  # type: ignore[misc]
    _child_spec = PageHashes


class Content(core.Sequence):  # type: ignore[misc]
    """ContentInfo around the list."""

    _fields = [("type", core.ObjectIdentifier), ("content", TrustList, {"explicit": 0})]  # noqa: RUF012


class SignedData(core.Sequence):  # type: ignore[misc]
    """RFC 2315 SignedData; the signature's own parts stay as they are."""

    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("algorithms", RawSet),
        ("content", Content),
        ("certificates", RawSet, {"implicit": 0, "optional": True}),
        ("crls", RawSet, {"implicit": 1, "optional": True}),
        ("signers", RawSet),
    ]


class Envelope(core.Sequence):  # type: ignore[misc]
    """ContentInfo of the whole file."""

    _fields = [("type", core.ObjectIdentifier), ("content", SignedData, {"explicit": 0})]  # noqa: RUF012
