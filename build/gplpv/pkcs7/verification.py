# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and verifying the signatures of Windows files: PKCS #7 as Authenticode uses it, and their time stamps.

Nothing is believed: every byte of a signature is either covered by a signature that was verified or has the one value
that its place allows, so no byte can change unnoticed. Sources: RFC 2315 (PKCS #7), RFC 5652 (CMS), RFC 3161 and
RFC 5816 (time stamps), RFC 5280 (certificates), "Windows Authenticode Portable Executable Signature Format".
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from asn1crypto import core, tsp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from gplpv import chains, der
from gplpv.chains import Chain, Trust
from gplpv.pkcs7 import signer as signers
from gplpv.pkcs7.signer import HASHES, hash_of
from gplpv.pkcs7.structures import (
    CERTIFICATE_V1,
    CERTIFICATE_V2,
    INDIRECT_DATA,
    NESTED_SIGNATURE,
    OLD_STAMP,
    RFC3161_STAMP,
    SIGNING_TIME,
    TST_INFO,
    SignedData,
    Signer,
    Wrong,
    content_octets,
    indirect_data,
    need,
    need_complete,
    signed_data,
)

_DATA = "1.2.840.113549.1.7.1"


@dataclass(frozen=True)
class TimeStamp:
    """A verified statement of an authority that a signature existed at a time."""

    kind: str
    time: datetime.datetime
    chain: Chain

    def __str__(self) -> str:
        return f"{self.kind} time stamp {self.time:%Y-%m-%d %H:%M:%S} UTC by {self.chain.root_text}"


@dataclass
class Signature:
    """One signature as it was read, and everything that is wrong with it."""

    digest: str = ""
    """Name of the digest algorithm, as in "sha256"."""
    faults: list[str] = field(default_factory=list)
    chain: Chain | None = None
    signing_time: datetime.datetime | None = None
    """As the signer claims it."""
    time_stamp: TimeStamp | None = None
    nested: list[Signature] = field(default_factory=list)
    content: bytes = b""
    """What is signed, encoded, without tag and length of its outermost value."""

    def all(self) -> Iterator[Signature]:
        """This one and those nested in it."""
        yield self
        for other in self.nested:
            yield from other.all()

    def __str__(self) -> str:
        signer = self.chain.leaf_text if self.chain else "nobody that can be verified"
        return f"{self.digest or 'unknown digest'} by {signer}"


@dataclass(frozen=True)
class Expected:
    """What a signature must be about.

    Attributes:
        content: object identifier of the content, :data:`INDIRECT_DATA` or :data:`TRUST_LIST`.
        subject: for indirect data, the identifier of the kind of file.
        digest_of: for indirect data, the file's digest by the name of the algorithm.
    """

    content: str
    subject: str = ""
    digest_of: Callable[[str], bytes] | None = None


def verify(data: bytes, expected: Expected, trust: Trust) -> Signature:
    """Read a signature, those nested in it and their time stamps, and verify all of it."""
    found = Signature()
    fault = der.fault(data)
    if fault:
        found.faults.append(f"it is not in the distinguished encoding: {fault}")
        return found
    try:
        _verify_signed_data(found, data, expected, trust)
    except Wrong as error:
        found.faults.append(str(error))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, UnsupportedAlgorithm) as error:
        found.faults.append(f"its structure is malformed ({' '.join(str(error).split())[:120]})")
    return found


def _read(data: bytes, version: int) -> tuple[SignedData, Signer]:
    signed = signed_data(data, version)
    need(isinstance(signed["crls"], core.Void), "it carries revocation lists, which nothing covers")
    need_complete(signed)
    return signed, signers.only(signed)


def _verify_signed_data(found: Signature, data: bytes, expected: Expected, trust: Trust) -> None:
    signed, signer = _read(data, 1)
    found.digest = signers.digest_name(signer, signed)
    content = signed["content"]
    need(content["type"].dotted == expected.content, f"it signs {content['type'].dotted}, not {expected.content}")
    found.content = content_octets(signed)
    if expected.content == INDIRECT_DATA:
        _verify_indirect(found, signed, expected)
    pool = signers.certificates(signed)
    used: set[bytes] = set()
    attributes = signers.signed_attributes(signer, expected.content, hash_of(found.digest, found.content))
    found.signing_time = _time_of(attributes)
    _verify_unsigned(found, signer, expected, trust, pool, used)
    leaf = signers.leaf(signer, pool)
    signers.verify_value(signer, leaf, found.digest)
    moment = found.time_stamp.time if found.time_stamp else found.signing_time
    found.chain, faults = chains.build(leaf, pool, trust, ExtendedKeyUsageOID.CODE_SIGNING, moment)
    found.faults += faults
    if not found.time_stamp:
        found.faults += chains.expired(found.chain, trust.now)
    used |= found.chain.encoded
    for unused in (certificate for encoded, certificate in pool.items() if encoded not in used):
        found.faults.append(f"the certificate “{chains.name_of(unused)}” is part of no chain: nothing covers it")


def _verify_indirect(found: Signature, signed: SignedData, expected: Expected) -> None:
    data = indirect_data(signed)
    kind = data["data"]["type"].dotted
    need(kind == expected.subject, f"it is made for another kind of file ({kind})")
    name = data["digest"]["digest_algorithm"]["algorithm"].native
    need(name == found.digest, f"the file's digest is {name}, the signature's {found.digest}")
    if not expected.digest_of or data["digest"]["digest"].native != expected.digest_of(name):
        found.faults.append("the file is not the one that was signed: its digest differs")


def _time_of(attributes: dict[str, core.SetOf]) -> datetime.datetime | None:
    values = attributes.get(SIGNING_TIME)
    if values is None:
        return None
    time: datetime.datetime = values[0].native
    return time


def _verify_unsigned(
    found: Signature,
    signer: Signer,
    expected: Expected,
    trust: Trust,
    pool: dict[bytes, x509.Certificate],
    used: set[bytes],
) -> None:
    """Verify what hangs on a signature without being signed: time stamps and further signatures."""
    seen = set()
    for attribute in signer["unsigned_attrs"] if not isinstance(signer["unsigned_attrs"], core.Void) else ():
        need_complete(attribute)
        kind = attribute["type"].dotted
        need(kind not in seen, "an unsigned attribute is there twice")
        seen.add(kind)
        values = [value.dump() for value in attribute["values"]]
        need(bool(values), "an unsigned attribute is empty")
        if kind == NESTED_SIGNATURE:
            found.nested += [verify(value, expected, trust) for value in values]
        elif kind == RFC3161_STAMP:
            need(len(values) == 1, "it has several time stamps of one kind")
            found.time_stamp = _verify_token(found, values[0], signer["signature"].native, trust)
        elif kind == OLD_STAMP:
            need(len(values) == 1, "it has several time stamps of one kind")
            need(RFC3161_STAMP not in seen, "it has time stamps of both kinds")
            found.time_stamp = _verify_countersignature(found, values[0], signer["signature"].native, trust, pool, used)
        else:
            raise Wrong(f"it has an unsigned attribute {kind}, which nothing covers")


def _verify_token(found: Signature, data: bytes, stamped: bytes, trust: Trust) -> TimeStamp:
    """An RFC 3161 token: a CMS message about a digest of the signature value."""
    signed, signer = _read(data, 3)
    digest = signers.digest_name(signer, signed)
    content = signed["content"]
    need(content["type"].dotted == TST_INFO, "its time stamp is of an unknown kind")
    encoded = content["value"].parse(spec=core.OctetString).native
    info = tsp.TSTInfo.load(encoded, strict=True)
    imprint = info["message_imprint"]
    name = str(imprint["hash_algorithm"]["algorithm"].native)
    need(name in HASHES, f"its time stamp uses {name}")
    need(imprint["hashed_message"].native == hash_of(name, stamped), "its time stamp is of another signature")
    pool = signers.certificates(signed)
    attributes = signers.signed_attributes(signer, TST_INFO, hash_of(digest, encoded))
    leaf = signers.leaf(signer, pool)
    signers.verify_value(signer, leaf, digest)
    need(_names_certificate(attributes, leaf), "its time stamp does not name the certificate of its authority")
    need(isinstance(signer["unsigned_attrs"], core.Void), "its time stamp has unsigned attributes")
    time: datetime.datetime = info["gen_time"].native
    chain, faults = chains.build(leaf, pool, trust, ExtendedKeyUsageOID.TIME_STAMPING, time)
    found.faults += [f"time stamp: {fault}" for fault in faults]
    for encoded_certificate, certificate in pool.items():
        if encoded_certificate not in chain.encoded:
            found.faults.append(f"time stamp: “{chains.name_of(certificate)}” is part of no chain: nothing covers it")
    return TimeStamp("RFC 3161", time, chain)


def _names_certificate(attributes: dict[str, core.SetOf], leaf: x509.Certificate) -> bool:
    """RFC 2634, SigningCertificate, and RFC 5035, SigningCertificateV2: the digest of the authority's certificate."""
    encoded = chains.encode(leaf)
    for kind, default in ((CERTIFICATE_V1, "sha1"), (CERTIFICATE_V2, "sha256")):
        if kind in attributes:
            first = attributes[kind][0]["certs"][0]
            name = first["hash_algorithm"]["algorithm"].native if kind == CERTIFICATE_V2 else default
            if name not in HASHES or first["cert_hash"].native != hash_of(name, encoded):
                return False
    return CERTIFICATE_V1 in attributes or CERTIFICATE_V2 in attributes


def _verify_countersignature(
    found: Signature,
    data: bytes,
    stamped: bytes,
    trust: Trust,
    pool: dict[bytes, x509.Certificate],
    used: set[bytes],
) -> TimeStamp:
    """A PKCS #9 countersignature: a signer of the signature value, its certificates beside those of the signature."""
    signer = Signer.load(data, strict=True)
    digest = str(signer["digest_algorithm"]["algorithm"].native)
    need(digest in HASHES, f"its countersignature uses {digest}")
    signers.need_no_parameters(signer["digest_algorithm"])
    attributes = signers.signed_attributes(signer, _DATA, hash_of(digest, stamped))
    need(isinstance(signer["unsigned_attrs"], core.Void), "its countersignature has unsigned attributes")
    time = _time_of(attributes)
    if time is None:
        raise Wrong("its countersignature tells no time")
    leaf = signers.leaf(signer, pool)
    signers.verify_value(signer, leaf, digest, bare=True)
    chain, faults = chains.build(leaf, pool, trust, ExtendedKeyUsageOID.TIME_STAMPING, time)
    found.faults += [f"time stamp: {fault}" for fault in faults]
    used |= chain.encoded
    return TimeStamp("PKCS #9", time, chain)
