# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and verifying the signatures of Windows files: PKCS #7 as Authenticode uses it, and their time stamps.

Nothing is believed: every byte of a signature is either covered by a signature that was verified or has the one value
that its place allows, so no byte can change unnoticed. Sources: RFC 2315 (PKCS #7), RFC 5652 (CMS), RFC 3161 and
RFC 5816 (time stamps), RFC 5280 (certificates), "Windows Authenticode Portable Executable Signature Format".
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gplpv import chains, der
from gplpv.chains import Chain, Trust

INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
TRUST_LIST = "1.3.6.1.4.1.311.10.1"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_NESTED = "1.3.6.1.4.1.311.2.4.1"
_TOKEN = "1.3.6.1.4.1.311.3.3.1"
_COUNTERSIGNATURE = "1.2.840.113549.1.9.6"
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME = (f"1.2.840.113549.1.9.{part}" for part in (3, 4, 5))
_CERTIFICATE_V1, _CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_ECDSA = {"sha1_ecdsa", "sha256_ecdsa", "sha384_ecdsa", "sha512_ecdsa"}


class _Content(core.Sequence):  # type: ignore[misc]
    """What is signed: PKCS #7 has any value here, CMS a string of octets."""

    _fields = [  # noqa: RUF012  asn1crypto's way
        ("type", core.ObjectIdentifier),
        ("value", core.Any, {"explicit": 0, "optional": True}),
    ]


class _SignedData(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("digest_algorithms", cms.DigestAlgorithms),
        ("content", _Content),
        ("certificates", core.SetOf, {"spec": core.Any, "implicit": 0, "optional": True}),
        ("crls", core.SetOf, {"spec": core.Any, "implicit": 1, "optional": True}),
        ("signers", cms.SignerInfos),
    ]


class ContentInfo(core.Sequence):  # type: ignore[misc]
    """A message of Authenticode, whose content is a value, not a string of octets."""

    _fields = [("type", core.ObjectIdentifier), ("content", _SignedData, {"explicit": 0})]  # noqa: RUF012


class _Attribute(core.Sequence):  # type: ignore[misc]
    """An attribute whose values are left as they are."""

    _fields = [("type", core.ObjectIdentifier), ("values", core.SetOf, {"spec": core.Any})]  # noqa: RUF012


class _Attributes(core.SetOf):  # type: ignore[misc]
    _child_spec = _Attribute


class _IndirectData(core.Sequence):  # type: ignore[misc]
    """SpcIndirectDataContent: what kind of file, and its digest."""

    class _Type(core.Sequence):  # type: ignore[misc]
        _fields = [("type", core.ObjectIdentifier), ("value", core.Any, {"optional": True})]  # noqa: RUF012

    _fields = [("data", _Type), ("digest", algos.DigestInfo)]  # noqa: RUF012


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


class _Wrong(ValueError):
    """A sentence about a signature that cannot be followed further."""


def verify(data: bytes, expected: Expected, trust: Trust) -> Signature:
    """Read a signature, those nested in it and their time stamps, and verify all of it."""
    found = Signature()
    fault = der.fault(data)
    if fault:
        found.faults.append(f"it is not in the distinguished encoding: {fault}")
        return found
    try:
        _verify_signed_data(found, data, expected, trust)
    except _Wrong as error:
        found.faults.append(str(error))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, UnsupportedAlgorithm) as error:
        found.faults.append(f"its structure is malformed ({' '.join(str(error).split())[:120]})")
    return found


def content_of(data: bytes) -> bytes:
    """What a message signs, signed or not yet; ValueError when it is none."""
    info = ContentInfo.load(data, strict=True)
    _need(info["type"].dotted == _SIGNED_DATA, "it is not PKCS #7 signed data")
    content: bytes = info["content"]["content"]["value"].contents
    return content


def _signed_data(data: bytes, version: str) -> _SignedData:
    info = ContentInfo.load(data, strict=True)
    _need(info["type"].dotted == _SIGNED_DATA, "it is not PKCS #7 signed data")
    signed: _SignedData = info["content"]
    _need(str(signed["version"].native) == version, f"its version is {signed['version'].native}, not {version}")
    _need(isinstance(signed["crls"], core.Void), "it carries revocation lists, which nothing covers")
    _need_complete(signed)
    _need(len(signed["signers"]) == 1, f"it has {len(signed['signers'])} signers, not one")
    return signed


def _verify_signed_data(found: Signature, data: bytes, expected: Expected, trust: Trust) -> None:
    signed = _signed_data(data, "1")
    signer = signed["signers"][0]
    found.digest = _digest_name(signer, signed)
    content = signed["content"]
    _need(content["type"].dotted == expected.content, f"it signs {content['type'].dotted}, not {expected.content}")
    value = content["value"].parse(spec=core.Sequence)
    found.content = value.contents
    if expected.content == INDIRECT_DATA:
        _verify_indirect(found, value.untag().dump(), expected)
    pool = _certificates(signed)
    used: set[bytes] = set()
    attributes = _signer_attributes(signer, expected.content, _hash(found.digest, found.content))
    found.signing_time = _time_of(attributes)
    _verify_unsigned(found, signer, expected, trust, pool, used)
    leaf = _leaf(signer, pool)
    _verify_value(signer, leaf, found.digest, _attributes_der(signer))
    moment = found.time_stamp.time if found.time_stamp else found.signing_time
    found.chain, faults = chains.build(leaf, pool, trust, ExtendedKeyUsageOID.CODE_SIGNING, moment)
    found.faults += faults
    if not found.time_stamp:
        found.faults += chains.expired(found.chain, trust.now)
    used |= found.chain.encoded
    for unused in (certificate for encoded, certificate in pool.items() if encoded not in used):
        found.faults.append(f"the certificate “{chains.name_of(unused)}” is part of no chain: nothing covers it")


def _verify_indirect(found: Signature, encoded: bytes, expected: Expected) -> None:
    data = _IndirectData.load(encoded, strict=True)
    kind = data["data"]["type"].dotted
    _need(kind == expected.subject, f"it is made for another kind of file ({kind})")
    name = data["digest"]["digest_algorithm"]["algorithm"].native
    _need(name == found.digest, f"the file's digest is {name}, the signature's {found.digest}")
    if not expected.digest_of or data["digest"]["digest"].native != expected.digest_of(name):
        found.faults.append("the file is not the one that was signed: its digest differs")


def _certificates(signed: _SignedData) -> dict[bytes, x509.Certificate]:
    if isinstance(signed["certificates"], core.Void):
        return {}
    # Some signers put one in twice; each byte of both copies still has to be that of a certificate in a chain.
    return {one: chains.load(one) for one in {certificate.dump() for certificate in signed["certificates"]}}


def _digest_name(signer: cms.SignerInfo, signed: _SignedData) -> str:
    """The digest algorithm, which must be named the same way wherever it is."""
    algorithm = signer["digest_algorithm"]
    name = str(algorithm["algorithm"].native)
    _need(name in _HASHES, f"its digest algorithm is {name}")
    _need_no_parameters(algorithm)
    listed = [one.dump() for one in signed["digest_algorithms"]]
    _need(listed == [algorithm.dump()], "its list of digest algorithms is not that of its signer")
    return name


def _signer_attributes(signer: cms.SignerInfo, content_type: str, digest: bytes) -> dict[str, core.SetOf]:
    """The signed attributes by identifier; content type and message digest are checked."""
    _need_complete(signer)
    _need(str(signer["version"].native) == "v1", "its signer has another version than 1")
    found: dict[str, core.SetOf] = {}
    for attribute in signer["signed_attrs"] if not isinstance(signer["signed_attrs"], core.Void) else ():
        _need(attribute["type"].dotted not in found, "a signed attribute is there twice")
        found[attribute["type"].dotted] = attribute["values"]
    _need(_CONTENT_TYPE in found and _MESSAGE_DIGEST in found, "it lacks the signed attributes that tell its content")
    _need(
        len(found[_CONTENT_TYPE]) == 1 and found[_CONTENT_TYPE][0].dotted == content_type,
        "its signed attributes tell another kind of content",
    )
    _need(
        len(found[_MESSAGE_DIGEST]) == 1 and found[_MESSAGE_DIGEST][0].native == digest,
        "its content was changed after signing",
    )
    return found


def _attributes_der(signer: cms.SignerInfo) -> bytes:
    """The signed attributes as they were signed: as a plain set."""
    return b"\x31" + bytes(signer["signed_attrs"].dump()[1:])


def _time_of(attributes: dict[str, core.SetOf]) -> datetime.datetime | None:
    values = attributes.get(_SIGNING_TIME)
    if values is None:
        return None
    time: datetime.datetime = values[0].native
    return time


def _leaf(signer: cms.SignerInfo, pool: dict[bytes, x509.Certificate]) -> x509.Certificate:
    identifier = signer["sid"]
    _need(identifier.name == "issuer_and_serial_number", "it does not name its signer by issuer and serial number")
    issuer, serial = identifier.chosen["issuer"].dump(), identifier.chosen["serial_number"].native
    for encoded, certificate in pool.items():
        read = asn1_x509.Certificate.load(encoded)["tbs_certificate"]
        if read["serial_number"].native == serial and read["issuer"].dump() == issuer:
            return certificate
    # Names that only compare equal after normalisation are not what signers write.
    raise _Wrong("the certificate of its signer is not in it")


def _verify_value(
    signer: cms.SignerInfo, leaf: x509.Certificate, digest: str, message: bytes, bare: bool = False
) -> None:
    """Verify the signature value over `message` with the signer's key; `bare`: it may sign the digest unnamed."""
    algorithm = signer["signature_algorithm"]
    name = algorithm["algorithm"].native
    key = leaf.public_key()
    chosen = _HASHES[digest]()
    signature = signer["signature"].native
    try:
        if isinstance(key, rsa.RSAPublicKey):
            # `sha256_rsa` would mean the same; one name for one thing leaves no byte to choose.
            _need(name == "rsassa_pkcs1v15", f"its signature algorithm is {name}, not rsaEncryption")
            _need_no_parameters(algorithm)
            if not (bare and _signs_bare_digest(key, signature, _hash(digest, message))):
                key.verify(signature, message, padding.PKCS1v15(), chosen)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            _need(name == f"{digest}_ecdsa" and name in _ECDSA, f"its signature algorithm is {name}")
            _need(isinstance(algorithm["parameters"], core.Void), "its signature algorithm has parameters")
            key.verify(signature, message, ec.ECDSA(chosen))
        else:
            raise _Wrong(f"its signer's key is a {type(key).__name__}, which Windows does not take")
    except InvalidSignature:
        raise _Wrong("its signature value is not that of its signer: signature or signed attributes changed") from None


def _signs_bare_digest(key: rsa.RSAPublicKey, signature: bytes, digest: bytes) -> bool:
    """Whether it signs a digest without its algorithm (PKCS #1 without DigestInfo), as VeriSign's old authority did."""
    return key.recover_data_from_signature(signature, padding.PKCS1v15(), None) == digest


def _verify_unsigned(
    found: Signature,
    signer: cms.SignerInfo,
    expected: Expected,
    trust: Trust,
    pool: dict[bytes, x509.Certificate],
    used: set[bytes],
) -> None:
    """Verify what hangs on a signature without being signed: time stamps and further signatures."""
    seen = set()
    for attribute in _unsigned(signer):
        kind = attribute["type"].dotted
        _need(kind not in seen, "an unsigned attribute is there twice")
        seen.add(kind)
        values = [value.dump() for value in attribute["values"]]
        _need(bool(values), "an unsigned attribute is empty")
        if kind == _NESTED:
            found.nested += [verify(value, expected, trust) for value in values]
        elif kind == _TOKEN:
            _need(len(values) == 1, "it has several time stamps of one kind")
            found.time_stamp = _verify_token(found, values[0], signer["signature"].native, trust)
        elif kind == _COUNTERSIGNATURE:
            _need(len(values) == 1, "it has several time stamps of one kind")
            _need(_TOKEN not in seen, "it has time stamps of both kinds")
            found.time_stamp = _verify_countersignature(found, values[0], signer["signature"].native, trust, pool, used)
        else:
            raise _Wrong(f"it has an unsigned attribute {kind}, which nothing covers")


def _unsigned(signer: cms.SignerInfo) -> Iterable[core.Sequence]:
    attributes = signer["unsigned_attrs"]
    if isinstance(attributes, core.Void):
        return ()
    listed: Iterable[core.Sequence] = _Attributes.load(b"\x31" + attributes.dump()[1:], strict=True)
    return listed


def _verify_token(found: Signature, data: bytes, stamped: bytes, trust: Trust) -> TimeStamp:
    """An RFC 3161 token: a CMS message about a digest of the signature value."""
    signed = _signed_data(data, "3")
    signer = signed["signers"][0]
    digest = _digest_name(signer, signed)
    content = signed["content"]
    _need(content["type"].dotted == _TST_INFO, "its time stamp is of an unknown kind")
    encoded = content["value"].parse(spec=core.OctetString).native
    info = tsp.TSTInfo.load(encoded, strict=True)
    imprint = info["message_imprint"]
    name = str(imprint["hash_algorithm"]["algorithm"].native)
    _need(name in _HASHES, f"its time stamp uses {name}")
    _need(imprint["hashed_message"].native == _hash(name, stamped), "its time stamp is of another signature")
    pool = _certificates(signed)
    attributes = _signer_attributes(signer, _TST_INFO, _hash(digest, encoded))
    leaf = _leaf(signer, pool)
    _verify_value(signer, leaf, digest, _attributes_der(signer))
    _need(_names_certificate(attributes, leaf), "its time stamp does not name the certificate of its authority")
    _need(isinstance(signer["unsigned_attrs"], core.Void), "its time stamp has unsigned attributes")
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
    for kind, default in ((_CERTIFICATE_V1, "sha1"), (_CERTIFICATE_V2, "sha256")):
        if kind in attributes:
            first = attributes[kind][0]["certs"][0]
            name = first["hash_algorithm"]["algorithm"].native if kind == _CERTIFICATE_V2 else default
            if name not in _HASHES or first["cert_hash"].native != _hash(name, encoded):
                return False
    return _CERTIFICATE_V1 in attributes or _CERTIFICATE_V2 in attributes


def _verify_countersignature(
    found: Signature,
    data: bytes,
    stamped: bytes,
    trust: Trust,
    pool: dict[bytes, x509.Certificate],
    used: set[bytes],
) -> TimeStamp:
    """A PKCS #9 countersignature: a signer of the signature value, its certificates beside those of the signature."""
    signer = cms.SignerInfo.load(data, strict=True)
    digest = str(signer["digest_algorithm"]["algorithm"].native)
    _need(digest in _HASHES, f"its countersignature uses {digest}")
    _need_no_parameters(signer["digest_algorithm"])
    attributes = _signer_attributes(signer, "1.2.840.113549.1.7.1", _hash(digest, stamped))
    _need(isinstance(signer["unsigned_attrs"], core.Void), "its countersignature has unsigned attributes")
    time = _time_of(attributes)
    if time is None:
        raise _Wrong("its countersignature tells no time")
    leaf = _leaf(signer, pool)
    _verify_value(signer, leaf, digest, _attributes_der(signer), bare=True)
    chain, faults = chains.build(leaf, pool, trust, ExtendedKeyUsageOID.TIME_STAMPING, time)
    found.faults += [f"time stamp: {fault}" for fault in faults]
    used |= chain.encoded
    return TimeStamp("PKCS #9", time, chain)


def _hash(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


def _need_no_parameters(algorithm: core.Sequence) -> None:
    """Parameters of digests and of RSA are absent or null (RFC 5754, section 2)."""
    parameters = algorithm["parameters"]
    _need(isinstance(parameters, core.Void | core.Null), "an algorithm has parameters that it does not take")


def _need_complete(value: core.Sequence) -> None:
    """The library passes over an element that fits no field where the fields that are left are optional."""
    present = sum(not isinstance(value[name], core.Void) for name, *_ in value._fields)
    _need(der.count(value.contents) == present, "it has an element that does not belong there")


def _need(holds: bool, sentence: str) -> None:
    if not holds:
        raise _Wrong(sentence)


__all__ = ["INDIRECT_DATA", "TRUST_LIST", "Expected", "Signature", "TimeStamp", "Trust", "verify"]
