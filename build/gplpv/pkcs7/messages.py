# SPDX-License-Identifier: GPL-2.0-or-later
"""Putting signatures together: what a message covers, nesting one in another, adding a time stamp.

A message is changed only in its unsigned attributes; all other octets stay as its signer wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric import rsa

from gplpv.errors import GplpvError
from gplpv.pkcs7 import signer as signers
from gplpv.pkcs7.structures import (
    NESTED_SIGNATURE,
    OLD_STAMP,
    RFC3161_STAMP,
    Attribute,
    Attributes,
    ContentInfo,
    SignedData,
    Signer,
    Values,
    Wrong,
    content_octets,
    indirect_data,
    need,
    signed_data,
)


@dataclass(frozen=True)
class Message:
    """One signed message, with at most one signer. `name` is whose it is, for errors."""

    name: str
    data: bytes

    @property
    def _signed(self) -> SignedData:
        return signed_data(self.data, 1)

    @property
    def _signer(self) -> Signer:
        return signers.only(self._signed)

    @property
    def is_signed(self) -> bool:
        return len(self._signed["signers"]) == 1

    @property
    def content_octets(self) -> bytes:
        """What messageDigest covers: the content without its outermost tag and length."""
        return content_octets(self._signed)

    @property
    def digest_algorithm(self) -> str:
        return str(self._signer["digest_algorithm"]["algorithm"].native)

    @property
    def encrypted_digest(self) -> bytes:
        """The signature proper, which a time stamp covers."""
        return bytes(self._signer["signature"].native)

    def file_digest(self) -> tuple[str, bytes]:
        """Algorithm and digest of the file that a .sys, .exe or .msi signature is for."""
        info = indirect_data(self._signed)["digest"]
        return str(info["digest_algorithm"]["algorithm"].native), bytes(info["digest"].native)

    def unsigned(self, kind: str) -> list[core.Asn1Value]:
        """Values of the unsigned attributes of a kind."""
        attributes = self._signer["unsigned_attrs"]
        return [value for item in attributes or () if item["type"].dotted == kind for value in item["values"]]

    def is_stamped(self) -> bool:
        return bool(self.unsigned(RFC3161_STAMP) or self.unsigned(OLD_STAMP))

    def nested(self) -> list[Message]:
        return [Message(self.name, value.dump()) for value in self.unsigned(NESTED_SIGNATURE)]

    def all(self) -> Iterator[Message]:
        """This one, and those nested in it."""
        yield self
        for inner in self.nested():
            yield from inner.all()

    def with_unsigned(self, kind: str, value: bytes) -> Message:
        """The same message with one more unsigned attribute."""
        message = ContentInfo.load(self.data)
        signer = message["content"]["signers"][0]
        attribute = Attribute({"type": kind, "values": Values([core.Any(core.load(value))])})
        signer["unsigned_attrs"] = Attributes([*(signer["unsigned_attrs"] or ()), attribute])
        return Message(self.name, message.dump())  # not by force: what was not changed keeps its octets

    def require_consistent(self) -> None:
        """Check that the signer signed the content, with the certificate that the message carries.

        Raises:
            GplpvError: naming what does not fit.
        """
        try:
            signed, signer = self._signed, self._signer
            digest = signers.digest_name(signer, signed)
            content_type = signed["content"]["type"].dotted
            signers.signed_attributes(signer, content_type, signers.hash_of(digest, self.content_octets))
            leaf = signers.leaf(signer, signers.certificates(signed))
            need(isinstance(leaf.public_key(), rsa.RSAPublicKey), "it is not made with an RSA key")
            signers.verify_value(signer, leaf, digest)
        except Wrong as error:
            raise GplpvError(f"The signature of {self.name} does not hold: {error}.", "Sign the file again.") from error


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
        first = first.with_unsigned(NESTED_SIGNATURE, other.data)
    return first
