# SPDX-License-Identifier: GPL-2.0-or-later
"""Authenticode signatures: from an unsigned file to a signed one under another name.

``off`` copies. ``test`` signs with a self-signed certificate that is made on first use and belongs to this work tree
only: Windows trusts it nowhere until somebody installs it.
"""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gplpv import tools
from gplpv.config import Config
from gplpv.files import replacing

_KEY_BITS = 2048
_LIFETIME = datetime.timedelta(days=3650)


class Signer(Protocol):
    """Makes the file that goes into packages out of the unsigned one."""

    @property
    def identity(self) -> str:
        """Text that changes when signed files must be made again."""

    @property
    def done(self) -> str:
        """What is said of a file that it has made."""

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:
        """Write `signed`; `unsigned` stays as it is."""


class Unsigned:
    """sign=off."""

    identity = "off"
    done = "finished, unsigned"

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:  # noqa: ARG002  the protocol's shape
        with replacing(signed) as (partial,):
            shutil.copyfile(unsigned, partial)


@dataclass(frozen=True)
class TestSigner:
    """sign=test: osslsigncode with the work tree's own throwaway certificate, SHA-256, no time stamp.

    Attributes:
        certificate, key: PEM files made by :func:`make_test_certificate`.
        epoch: signing time, seconds since 1970.
    """

    certificate: Path
    key: Path
    epoch: int
    done = "signed"

    @property
    def identity(self) -> str:
        return f"test {self.epoch}"

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:
        with replacing(signed) as (partial,):
            tools.Osslsigncode().run(
                [
                    "sign",
                    "-certs", self.certificate, "-key", self.key,
                    "-h", "sha256", "-n", description, "-time", str(self.epoch),
                    "-in", unsigned, "-out", partial,
                ]
            )  # fmt: skip


@dataclass(frozen=True)
class Signing:
    """A signer, and the files that must exist before it can sign."""

    signer: Signer
    files: tuple[Path, ...] = ()


TEST_FILES = (Path("target/signing/test.pem"), Path("target/signing/test.key"))
"""Certificate and key of sign=test, relative to the project's root."""


def choose(mode: str, config: Config) -> Signing:
    """The signing that a ``sign=`` option asks for."""
    if mode == "off":
        return Signing(Unsigned())
    certificate, key = (config.root / path for path in TEST_FILES)
    return Signing(TestSigner(certificate, key, config.epoch), TEST_FILES)


def make_test_certificate(certificate: Path, key: Path, config: Config) -> None:
    """Make the throwaway certificate (code signing, self-signed) and its unencrypted key, readable by its owner only.

    It is valid from the build's moment, so that signing times lie within.
    """
    private = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{config.matrix.product.title}: test signing only")])
    start = config.moment - datetime.timedelta(days=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(private, hashes.SHA256())
    )
    with replacing(certificate, key) as (partial_certificate, partial_key):
        partial_key.touch(mode=0o600)
        partial_key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        partial_certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
