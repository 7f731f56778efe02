# SPDX-License-Identifier: GPL-2.0-or-later
"""The signed messages inside Authenticode signatures (RFC 2315, PKCS #7 1.5; "Windows Authenticode Portable Executable
Signature Format" 1.0): what they cover, nesting one in another, adding a time stamp.

A message is changed only in its unauthenticated attributes; all other octets stay as its signer wrote them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from asn1crypto import algos, cms, core, x509
from asn1crypto.parser import emit
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gplpv.errors import GplpvError

SIGNED_DATA = "1.2.840.113549.1.7.2"
INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
CATALOG_LIST = "1.3.6.1.4.1.311.10.1"
NESTED_SIGNATURE = "1.3.6.1.4.1.311.2.4.1"
RFC3161_STAMP = "1.3.6.1.4.1.311.3.3.1"
OLD_STAMP = "1.2.840.113549.1.9.6"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}


class _Values(core.SetOf):  # type: ignore[misc]  # asn1crypto has no type hints
    _child_spec = core.Any


class _Attribute(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("values", _Values)]  # noqa: RUF012  asn1crypto's way


class _Attributes(core.SetOf):  # type: ignore[misc]
    _child_spec = _Attribute


class _Content(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("content", core.Sequence, {"explicit": 0, "optional": True})]  # noqa: RUF012


class _Signer(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("issuer", cms.IssuerAndSerialNumber),
        ("digest_algorithm", algos.DigestAlgorithm),
        ("authenticated", _Attributes, {"implicit": 0, "optional": True}),
        ("encryption_algorithm", algos.SignedDigestAlgorithm),
        ("signature", core.OctetString),
        ("unauthenticated", _Attributes, {"implicit": 1, "optional": True}),
    ]


class _Signers(core.SetOf):  # type: ignore[misc]
    _child_spec = _Signer


class _Certificates(core.SetOf):  # type: ignore[misc]
    _child_spec = x509.Certificate


class _SignedData(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("digest_algorithms", cms.DigestAlgorithms),
        ("content", _Content),
        ("certificates", _Certificates, {"implicit": 0, "optional": True}),
        ("lists", _Values, {"implicit": 1, "optional": True}),
        ("signers", _Signers),
    ]


class _Message(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("content", _SignedData, {"explicit": 0})]  # noqa: RUF012


class _DigestInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", algos.DigestAlgorithm), ("digest", core.OctetString)]  # noqa: RUF012


class _IndirectData(core.Sequence):  # type: ignore[misc]
    _fields = [("data", core.Sequence), ("digest", _DigestInfo)]  # noqa: RUF012


@dataclass(frozen=True)
class Message:
    """One signed message, with at most one signer. `name` is whose it is, for errors."""

    name: str
    data: bytes

    @property
    def _signed(self) -> Any:
        message = _Message.load(self.data, strict=True)
        if message["type"].dotted != SIGNED_DATA or message["content"]["version"].native != 1:
            raise ValueError("no SignedData of version 1")
        return message["content"]

    @property
    def is_signed(self) -> bool:
        return len(self._signed["signers"]) == 1

    @property
    def content_octets(self) -> bytes:
        """What messageDigest covers: the content without its outermost tag and length."""
        return bytes(self._signed["content"]["content"].contents)

    @property
    def digest_algorithm(self) -> str:
        return str(self._signer["digest_algorithm"]["algorithm"].native)

    @property
    def encrypted_digest(self) -> bytes:
        """The signature proper, which a time stamp covers."""
        return bytes(self._signer["signature"].native)

    @property
    def certificates(self) -> list[x509.Certificate]:
        return list(self._signed["certificates"])

    @property
    def signer_certificate(self) -> x509.Certificate:
        """The certificate that the signer names.

        Raises:
            GplpvError: the message does not carry it.
        """
        wanted = self._signer["issuer"]
        for certificate in self.certificates:
            if (
                certificate.serial_number == wanted["serial_number"].native
                and certificate.issuer.dump() == wanted["issuer"].dump()
            ):
                return certificate
        raise self._fault("lacks its signer's certificate")

    @property
    def _signer(self) -> Any:
        if not self.is_signed:
            raise self._fault("has not exactly one signer")
        return self._signed["signers"][0]

    def file_digest(self) -> tuple[str, bytes]:
        """Algorithm and digest of the file that a .sys, .exe or .msi signature is for."""
        content = self._signed["content"]
        if content["type"].native != INDIRECT_DATA:
            raise self._fault("is not for a file's digest")
        info = _IndirectData.load(emit(0, 1, 16, self.content_octets))["digest"]
        return str(info["algorithm"]["algorithm"].native), bytes(info["digest"].native)

    def unauthenticated(self, kind: str) -> list[core.Asn1Value]:
        """Values of the unauthenticated attributes of a kind."""
        attributes = self._signer["unauthenticated"]
        return [value for item in attributes or () if item["type"].dotted == kind for value in item["values"]]

    def is_stamped(self) -> bool:
        return bool(self.unauthenticated(RFC3161_STAMP) or self.unauthenticated(OLD_STAMP))

    def nested(self) -> list[Message]:
        return [Message(self.name, value.parsed.dump()) for value in self.unauthenticated(NESTED_SIGNATURE)]

    def all(self) -> Iterator[Message]:
        """This one, and those nested in it."""
        yield self
        for inner in self.nested():
            yield from inner.all()

    def with_unauthenticated(self, kind: str, value: bytes) -> Message:
        """The same message with one more unauthenticated attribute."""
        message = _Message.load(self.data)
        signer = message["content"]["signers"][0]
        attribute = _Attribute({"type": kind, "values": _Values([core.Any(core.load(value))])})
        signer["unauthenticated"] = _Attributes([*(signer["unauthenticated"] or ()), attribute])
        return Message(self.name, message.dump())  # not by force: what was not changed keeps its octets

    def require_consistent(self) -> None:
        """Check that the signer signed the content, with the certificate that the message carries.

        Raises:
            GplpvError: naming what does not fit.
        """
        signer = self._signer
        algorithm = self.digest_algorithm
        listed = [one["algorithm"].native for one in self._signed["digest_algorithms"]]
        if algorithm not in _HASHES or listed != [algorithm]:
            raise self._fault(f"uses the digest {algorithm}")
        if signer["encryption_algorithm"]["algorithm"].native not in ("rsassa_pkcs1v15", f"{algorithm}_rsa"):
            raise self._fault("is not made with an RSA key")
        kinds = {item["type"].dotted: item["values"] for item in signer["authenticated"] or ()}
        digest = hashlib.new(algorithm, self.content_octets).digest()
        if _MESSAGE_DIGEST not in kinds or kinds[_MESSAGE_DIGEST][0].parsed.native != digest:
            raise self._fault("is not over its own content")
        covered = b"\x31" + signer["authenticated"].dump()[1:]
        key = serialization.load_der_public_key(self.signer_certificate.public_key.dump())
        try:
            if not isinstance(key, rsa.RSAPublicKey):
                raise self._fault("is not made with an RSA key")
            key.verify(self.encrypted_digest, covered, padding.PKCS1v15(), _HASHES[algorithm])
        except InvalidSignature:
            raise self._fault("does not belong to its certificate") from None

    def _fault(self, what: str) -> GplpvError:
        return GplpvError(f"The signature of {self.name} {what}.", "Sign the file again.")


def parse(data: bytes, name: str) -> Message:
    """Read a message, signed or (an unsigned catalog) not yet.

    Raises:
        GplpvError: it is none, or has bytes behind its end.
    """
    message = Message(name, data)
    try:
        if message.is_signed:
            message.encrypted_digest  # noqa: B018  reading is what shows that it can be read
        message.content_octets  # noqa: B018
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GplpvError(f"{name} holds no PKCS #7 message that can be read.", "Sign the file again.") from error
    return message


def nest(messages: Sequence[Message]) -> Message:
    """The first message with the others nested in it, as Windows 8 and later look for them."""
    first, *others = messages
    for other in others:
        first = first.with_unauthenticated(NESTED_SIGNATURE, other.data)
    return first
