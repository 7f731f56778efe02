# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificate chains: from a signer's certificate to a root, each link verified (RFC 5280, section 6).

A root is one that the user gave, or a self-signed certificate that came with the signature. The latter is no more than
a test root: it proves that the bytes belong together, not who made them.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gplpv.errors import UsageError

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
_LONGEST = 8
_ALGORITHMS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.4": ("rsa", hashes.MD5()),
    "1.2.840.113549.1.1.5": ("rsa", hashes.SHA1()),
    "1.2.840.113549.1.1.11": ("rsa", hashes.SHA256()),
    "1.2.840.113549.1.1.12": ("rsa", hashes.SHA384()),
    "1.2.840.113549.1.1.13": ("rsa", hashes.SHA512()),
    "1.2.840.10045.4.1": ("ecdsa", hashes.SHA1()),
    "1.2.840.10045.4.3.2": ("ecdsa", hashes.SHA256()),
    "1.2.840.10045.4.3.3": ("ecdsa", hashes.SHA384()),
    "1.2.840.10045.4.3.4": ("ecdsa", hashes.SHA512()),
}
"""Signature algorithms of certificates (RFC 4055, RFC 5758) that are verified: old roots have old ones."""
_KNOWN_CRITICAL = {"2.5.29.15", "2.5.29.19", "2.5.29.37", "2.5.29.32"}
"""Key usage, basic constraints, extended key usage (all checked here), policies (any is good)."""


@dataclass(frozen=True)
class Trust:
    """What a verifier starts from.

    Attributes:
        roots: certificates that the user trusts; with any given, a signature must lead to one of them.
        now: the time of the verification.
    """

    roots: tuple[x509.Certificate, ...]
    now: datetime.datetime


@dataclass(frozen=True)
class Chain:
    """A signer's certificate and its issuers, as far as they were found; `trusted`: ends at a root that was given."""

    certificates: tuple[x509.Certificate, ...]
    trusted: bool

    @property
    def encoded(self) -> set[bytes]:
        return {encode(certificate) for certificate in self.certificates}

    @property
    def leaf_text(self) -> str:
        return f"“{name_of(self.certificates[0])}”"

    @property
    def root_text(self) -> str:
        root = f"“{name_of(self.certificates[-1])}”"
        if self.trusted:
            return f"trusted root {root}"
        return f"test root {root}" if self.certificates[-1].issuer == self.certificates[-1].subject else "no root"


def encode(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def load(encoded: bytes) -> x509.Certificate:
    """Read a certificate; ValueError when it is malformed or names two signature algorithms."""
    inner = asn1_x509.Certificate.load(encoded, strict=True)
    if inner["tbs_certificate"]["signature"].dump() != inner["signature_algorithm"].dump():
        raise ValueError("a certificate names two signature algorithms")
    if inner["signature_value"].contents[:1] != b"\0":
        raise ValueError("the signature of a certificate is no whole number of bytes")
    try:
        with warnings.catch_warnings():
            # Old roots have serial numbers that are no longer allowed.
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(encoded)
            _ = certificate.extensions, certificate.subject, certificate.issuer
    except (x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm) as error:
        raise ValueError(f"a certificate is malformed: {error}") from error
    return certificate


def load_roots(paths: Iterable[Path]) -> tuple[x509.Certificate, ...]:
    """Read certificates that the user trusts, PEM (any number in a file) or DER.

    Raises:
        UsageError: a file cannot be read or holds none.
    """
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            data = path.read_bytes()
            found += x509.load_pem_x509_certificates(data) if b"-----BEGIN" in data else [load(data)]
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}.", "Name a file with the certificate."
            ) from error
        except ValueError as error:
            raise UsageError(f"{path} is not a certificate.", "Give it as PEM or DER.") from error
    return tuple(found)


def name_of(certificate: x509.Certificate) -> str:
    """The common name of a certificate's subject, or the whole subject."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def build(
    leaf: x509.Certificate,
    pool: Mapping[bytes, x509.Certificate],
    trust: Trust,
    purpose: ObjectIdentifier,
    moment: datetime.datetime | None,
) -> tuple[Chain, list[str]]:
    """Follow issuers from `leaf` through `pool` and the trusted roots; return the chain and what is wrong with it.

    `moment` is when everything must have been valid; without one, now.
    """
    faults: list[str] = []
    path = [leaf]
    roots = {encode(root): root for root in trust.roots}
    while encode(path[-1]) not in roots and path[-1].issuer != path[-1].subject and len(path) < _LONGEST:
        issuer = _issuer(path[-1], [*roots.values(), *pool.values()])
        if issuer is None:
            wanted = path[-1].issuer.rfc4514_string()
            faults.append(
                f"the chain ends at “{name_of(path[-1])}”; its issuer ({wanted}) is not here: give it as --root"
            )
            break
        path.append(issuer)
    chain = Chain(tuple(path), encode(path[-1]) in roots)
    if not faults:
        faults += _root_faults(chain, roots)
    for depth, certificate in enumerate(path):
        faults += _certificate_faults(certificate, depth, purpose, moment or trust.now, len(path))
    # Authenticode, "Certificate": for code signing, or no word of purposes in the whole chain.
    silent = all(_extension(certificate, x509.ExtendedKeyUsage) is None for certificate in path)
    if _extension(leaf, x509.ExtendedKeyUsage) is None and not (silent and purpose == _CODE_SIGNING):
        faults.append(f"“{name_of(leaf)}” does not say that it is for {_purpose(purpose)}")
    return chain, faults


def expired(chain: Chain, now: datetime.datetime) -> list[str]:
    """Without a time stamp nothing shows that a signature was made before its certificates expired."""
    return [
        f"“{name_of(one)}” expired on {one.not_valid_after_utc:%Y-%m-%d}, and no time stamp shows an earlier signature"
        for one in chain.certificates
        if one.not_valid_after_utc < now
    ]


def _issuer(certificate: x509.Certificate, candidates: Iterable[x509.Certificate]) -> x509.Certificate | None:
    for candidate in candidates:
        if candidate.subject == certificate.issuer and _issued(certificate, candidate):
            return candidate
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `certificate` bears the signature of `issuer`; the library's own method no longer takes SHA-1."""
    chosen = _ALGORITHMS.get(certificate.signature_algorithm_oid.dotted_string)
    if not chosen:
        return False
    key, signature, signed = issuer.public_key(), certificate.signature, certificate.tbs_certificate_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey) and chosen[0] == "rsa":
            key.verify(signature, signed, padding.PKCS1v15(), chosen[1])
        elif isinstance(key, ec.EllipticCurvePublicKey) and chosen[0] == "ecdsa":
            key.verify(signature, signed, ec.ECDSA(chosen[1]))
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _root_faults(chain: Chain, roots: Mapping[bytes, x509.Certificate]) -> list[str]:
    root = chain.certificates[-1]
    if chain.trusted:
        return []
    if not _issued(root, root):
        return [f"the certificate “{name_of(root)}” is damaged: it does not bear its own signature"]
    if roots:
        return [f"it leads to “{name_of(root)}”, which is none of the roots that were given"]
    return []


def _certificate_faults(
    certificate: x509.Certificate, depth: int, purpose: ObjectIdentifier, moment: datetime.datetime, length: int
) -> list[str]:
    name = f"“{name_of(certificate)}”"
    found = []
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        found.append(
            f"{name} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}, not on {moment:%Y-%m-%d}"
        )
    unknown = [one.oid.dotted_string for one in certificate.extensions if one.critical]
    found += [f"{name} has a critical extension {one}" for one in unknown if one not in _KNOWN_CRITICAL]
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    is_root = depth == length - 1
    if usages is not None and purpose not in usages and not (is_root and depth):
        found.append(f"{name} is not for {_purpose(purpose)}")
    if depth == 0:
        found += _usage_fault(certificate, name, "digital_signature", "its key is not for signing")
    else:
        found += _authority_faults(certificate, name, depth)
    return found


def _authority_faults(certificate: x509.Certificate, name: str, depth: int) -> list[str]:
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return [f"{name} issued a certificate and is no authority"]
    if constraints.path_length is not None and depth - 1 > constraints.path_length:
        return [f"{name} does not allow so long a chain"]
    return _usage_fault(certificate, name, "key_cert_sign", "its key is not for certificates")


def _usage_fault(certificate: x509.Certificate, name: str, usage: str, sentence: str) -> list[str]:
    key_usage = _extension(certificate, x509.KeyUsage)
    return [f"{name}: {sentence}"] if key_usage is not None and not getattr(key_usage, usage) else []


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _purpose(purpose: ObjectIdentifier) -> str:
    return "code signing" if purpose == _CODE_SIGNING else "time stamps"
