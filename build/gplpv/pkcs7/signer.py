# SPDX-License-Identifier: GPL-2.0-or-later
"""One signer held against what it signed: digest, signed attributes, certificate and signature value.

Each function raises :class:`gplpv.pkcs7.structures.Wrong` with a sentence about the signature. Sources: RFC 2315 and
RFC 5652, sections on SignerInfo; RFC 5754 (algorithms).
"""

from __future__ import annotations

import hashlib

from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from gplpv import chains
from gplpv.pkcs7.structures import CONTENT_TYPE, MESSAGE_DIGEST, SignedData, Signer, Wrong, need, need_complete

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_Pool = dict[bytes, x509.Certificate]


def hash_of(name: str, data: bytes) -> bytes:
    return hashlib.new(name, data, usedforsecurity=False).digest()


def only(signed: SignedData) -> Signer:
    """The one signer."""
    need(len(signed["signers"]) == 1, f"it has {len(signed['signers'])} signers, not one")
    signer: Signer = signed["signers"][0]
    return signer


def certificates(signed: SignedData) -> _Pool:
    """The certificates that came with it, by their encoding."""
    if isinstance(signed["certificates"], core.Void):
        return {}
    # Some signers put one in twice; each byte of both copies still has to be that of a certificate in a chain.
    return {one: chains.load(one) for one in {certificate.dump() for certificate in signed["certificates"]}}


def digest_name(signer: Signer, signed: SignedData) -> str:
    """The digest algorithm, which must be named the same way wherever it is."""
    algorithm = signer["digest_algorithm"]
    name = str(algorithm["algorithm"].native)
    need(name in HASHES, f"its digest algorithm is {name}")
    need_no_parameters(algorithm)
    listed = [one.dump() for one in signed["digest_algorithms"]]
    need(listed == [algorithm.dump()], "its list of digest algorithms is not that of its signer")
    return name


def signed_attributes(signer: Signer, content_type: str, digest: bytes) -> dict[str, core.SetOf]:
    """The signed attributes by identifier; content type and message digest are checked."""
    need_complete(signer)
    need(str(signer["version"].native) == "v1", "its signer has another version than 1")
    found: dict[str, core.SetOf] = {}
    for attribute in signer["signed_attrs"] if not isinstance(signer["signed_attrs"], core.Void) else ():
        need(attribute["type"].dotted not in found, "a signed attribute is there twice")
        found[attribute["type"].dotted] = attribute["values"]
    need(CONTENT_TYPE in found and MESSAGE_DIGEST in found, "it lacks the signed attributes that tell its content")
    need(
        len(found[CONTENT_TYPE]) == 1 and found[CONTENT_TYPE][0].dotted == content_type,
        "its signed attributes tell another kind of content",
    )
    need(
        len(found[MESSAGE_DIGEST]) == 1 and found[MESSAGE_DIGEST][0].native == digest,
        "its content was changed after signing",
    )
    return found


def leaf(signer: Signer, pool: _Pool) -> x509.Certificate:
    """The certificate of the signer."""
    identifier = signer["sid"]
    need(identifier.name == "issuer_and_serial_number", "it does not name its signer by issuer and serial number")
    issuer, serial = identifier.chosen["issuer"].dump(), identifier.chosen["serial_number"].native
    for encoded, certificate in pool.items():
        read = asn1_x509.Certificate.load(encoded)["tbs_certificate"]
        if read["serial_number"].native == serial and read["issuer"].dump() == issuer:
            return certificate
    # Names that only compare equal after normalisation are not what signers write.
    raise Wrong("the certificate of its signer is not in it")


def verify_value(signer: Signer, certificate: x509.Certificate, digest: str, *, bare: bool = False) -> None:
    """Verify the signature value over the signed attributes; `bare`: it may sign their digest unnamed."""
    message = b"\x31" + bytes(signer["signed_attrs"].dump()[1:])  # as they were signed: a plain set
    algorithm = signer["signature_algorithm"]
    name = algorithm["algorithm"].native
    key = certificate.public_key()
    chosen = HASHES[digest]()
    signature = signer["signature"].native
    try:
        if isinstance(key, rsa.RSAPublicKey):
            # `sha256_rsa` would mean the same; one name for one thing leaves no byte to choose.
            need(name == "rsassa_pkcs1v15", f"its signature algorithm is {name}, not rsaEncryption")
            need_no_parameters(algorithm)
            if not (bare and _signs_bare_digest(key, signature, hash_of(digest, message))):
                key.verify(signature, message, padding.PKCS1v15(), chosen)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            need(name == f"{digest}_ecdsa", f"its signature algorithm is {name}")
            need(isinstance(algorithm["parameters"], core.Void), "its signature algorithm has parameters")
            key.verify(signature, message, ec.ECDSA(chosen))
        else:
            raise Wrong(f"its signer's key is a {type(key).__name__}, which Windows does not take")
    except InvalidSignature:
        raise Wrong("its signature value is not that of its signer: signature or signed attributes changed") from None


def _signs_bare_digest(key: rsa.RSAPublicKey, signature: bytes, digest: bytes) -> bool:
    """Whether it signs a digest without its algorithm (PKCS #1 without DigestInfo), as VeriSign's old authority did."""
    return key.recover_data_from_signature(signature, padding.PKCS1v15(), None) == digest


def need_no_parameters(algorithm: core.Sequence) -> None:
    """Parameters of digests and of RSA are absent or null (RFC 5754, section 2)."""
    parameters = algorithm["parameters"]
    need(isinstance(parameters, core.Void | core.Null), "an algorithm has parameters that it does not take")
