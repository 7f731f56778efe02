# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates: those of sign=test, made once, and the examination of a release's before anything is signed with it.

X.509 as in RFC 5280. A code signing certificate has the extended key usage 1.3.6.1.5.5.7.3.3.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from asn1crypto import algos, pkcs12
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gplpv.config import Config
from gplpv.errors import GplpvError
from gplpv.files import replacing

_KEY_BITS = 2048
_LIFETIME = datetime.timedelta(days=3650)
_PASSWORD_HINT = "Set GPLPV_SIGN_PASSWORD_FD (or GPLPV_SIGN_PASSWORD) to the right one."


def make_test_certificates(chain: Path, key: Path, root: Path, publisher: Path, config: Config) -> None:
    """Make a private authority and the code signing certificate of sign=test, both valid from the build's moment.

    The authority's key is never written: nothing else can be signed with what a test machine is made to trust. SHA-1,
    because Windows before XP SP3 and 2003 verifies nothing else.

    Args:
        chain: PEM, the signer's certificate and the authority's.
        key: PEM, the signer's key, readable by its owner only.
        root, publisher: DER, the authority and the signer, for the stores of these names in Windows.
    """
    title = config.matrix.product.title
    authority_key, signer_key = (rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS) for _ in range(2))
    authority_name = _name(f"{title}: test signing authority")
    start = config.moment - datetime.timedelta(days=1)
    authority = _test_certificate(authority_name, authority_name, authority_key, start).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    signer = (
        _test_certificate(_name(f"{title}: test signing only"), authority_name, signer_key, start)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    )
    made = [_signed_sha1(one, authority_key) for one in (signer, authority)]
    with replacing(chain, key, root, publisher) as (new_chain, new_key, new_root, new_publisher):
        new_key.touch(mode=0o600)
        new_key.write_bytes(
            signer_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        new_chain.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in made))
        new_root.write_bytes(made[1].public_bytes(serialization.Encoding.DER))
        new_publisher.write_bytes(made[0].public_bytes(serialization.Encoding.DER))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _test_certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, start: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
    )


def _signed_sha1(builder: x509.CertificateBuilder, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """`cryptography` signs certificates with SHA-2 only: so the algorithm is exchanged and the signature made anew."""
    made = asn1_x509.Certificate.load(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    algorithm = algos.SignedDigestAlgorithm({"algorithm": "sha1_rsa"})
    made["tbs_certificate"]["signature"] = algorithm
    made["signature_algorithm"] = algorithm
    made["signature_value"] = key.sign(made["tbs_certificate"].dump(), padding.PKCS1v15(), hashes.SHA1())
    return x509.load_der_x509_certificate(made.dump(force=True))


def examine_pfx(path: Path, password: str | None, now: datetime.datetime) -> x509.Certificate:
    """The signer's certificate in a PFX file (RFC 7292) that is fit for signing.

    Raises:
        GplpvError: it cannot be read or opened, lacks its key, or is not for signing code now.
    """
    data = _read(path, "GPLPV_SIGN_PFX")
    try:
        pkcs12.Pfx.load(data, strict=True)["auth_safe"]["content"].native  # noqa: B018  reads it all
    except (ValueError, TypeError, KeyError) as error:
        raise GplpvError(f"{path} is no PFX file.", "Export certificate and key as PKCS #12 (.pfx, .p12).") from error
    try:
        found = load_pkcs12(data, password.encode() if password else None)
    except (ValueError, TypeError) as error:
        raise GplpvError(f"The password does not open {path}.", _PASSWORD_HINT) from error
    if found.key is None or found.cert is None:
        lacking = "private key" if found.key is None else "certificate of its key"
        raise GplpvError(f"{path} has no {lacking}.", "Export it again together with the private key.")
    _require_fit(found.cert.certificate, str(path), now)
    _require_pair(found.cert.certificate, found.key, str(path), str(path))
    return found.cert.certificate


def examine_pem(path: Path, key: Path | None, password: str | None, now: datetime.datetime) -> x509.Certificate:
    """The signer's certificate, the first in a PEM file, that is fit for signing; with its key, unless in a token.

    Raises:
        GplpvError: as :func:`examine_pfx`.
    """
    try:
        certificate = x509.load_pem_x509_certificates(_read(path, "GPLPV_SIGN_PEM"))[0]
    except ValueError as error:
        raise GplpvError(f"{path} holds no PEM certificate.", "Put the signer's first, then its issuers'.") from error
    _require_fit(certificate, str(path), now)
    if key is not None:
        _require_pair(certificate, _load_key(key, password), str(path), str(key))
    return certificate


def _load_key(path: Path, password: str | None) -> object:
    data = _read(path, "GPLPV_SIGN_KEY")
    load: Callable[..., object] = serialization.load_pem_private_key
    encrypted = b"ENCRYPTED" in data
    if encrypted and not password:
        raise GplpvError(f"The key in {path} is encrypted and no password was given.", _PASSWORD_HINT)
    try:
        return load(data, password.encode() if encrypted and password else None)
    except (ValueError, TypeError) as error:
        if encrypted:
            raise GplpvError(f"The password does not open {path}.", _PASSWORD_HINT) from error
        raise GplpvError(f"{path} holds no private key.", "GPLPV_SIGN_KEY names a PEM file with one.") from error


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GplpvError(f"{path} cannot be read: {error.strerror}.", f"{variable} names it.") from error


def _require_fit(certificate: x509.Certificate, where: str, now: datetime.datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise GplpvError(f"The certificate in {where} expired on {end:%Y-%m-%d}.", "Get a new one.")
    if now < start:
        raise GplpvError(f"The certificate in {where} is valid from {start:%Y-%m-%d} only.", "Wait, or mend the clock.")
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        hint = "Get one with an RSA key: these Windows verify nothing else."
        raise GplpvError(f"The certificate in {where} has no RSA key.", hint)
    try:
        usages = list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = []
    if ExtendedKeyUsageOID.CODE_SIGNING not in usages:
        hint = "Get a code signing certificate; those of web servers or for mail will not do."
        raise GplpvError(f"The certificate in {where} is not for signing code.", hint)


def _require_pair(certificate: x509.Certificate, key: object, where: str, key_where: str) -> None:
    public = certificate.public_key()
    if (
        isinstance(key, rsa.RSAPrivateKey)
        and isinstance(public, rsa.RSAPublicKey)
        and key.public_key().public_numbers() == public.public_numbers()
    ):
        return
    message = f"The key in {key_where} does not belong to the certificate in {where}."
    raise GplpvError(message, "Name the key that it was issued for; in a PEM file the signer's certificate is first.")
