# SPDX-License-Identifier: GPL-2.0-or-later
"""A private certification authority, signers of all sorts below it, and osslsigncode to sign with them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gplpv import authenticode, pe, process, tools
from gplpv.chains import Trust

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
START, END = NOW.replace(year=2020), NOW.replace(year=2040)
CODE, STAMPS = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING


@cache
def key(name: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """Keys take long to make, so each is made once in a run."""
    return ec.generate_private_key(ec.SECP256R1()) if name == "ec" else rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Who:
    """A certificate and its key, also as PEM files; `chain` has the certificates of its authorities."""

    certificate: x509.Certificate
    key_name: str
    pem: Path
    key: Path
    chain: Path


class Authority:
    """A root, and who it issues certificates to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = self.issue("root", None, ca=True, key_name="root")

    @property
    def trust(self) -> Trust:
        return Trust((self.root.certificate,), NOW)

    def issue(
        self,
        name: str,
        purpose: x509.ObjectIdentifier | None = CODE,
        *,
        ca: bool = False,
        key_name: str = "leaf",
        start: datetime.datetime = START,
        end: datetime.datetime = END,
        by: Who | None = None,
        signing: bool = True,
    ) -> Who:
        issuer = by or (None if name == "root" else self.root)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer_name = issuer.certificate.subject if issuer else subject
        usage = [signing, False, False, False, False, ca, ca, False, False]
        builder = (
            x509.CertificateBuilder(issuer_name, subject, key(key_name).public_key(), 7 + len(name), start, end)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.KeyUsage(*usage), critical=True)
        )
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=purpose == STAMPS)
        certificate = builder.sign(key(issuer.key_name if issuer else key_name), hashes.SHA256())
        paths = [self.folder / f"{name}.{kind}" for kind in ("pem", "key", "chain.pem")]
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        paths[1].write_bytes(key(key_name).private_bytes(serialization.Encoding.PEM, pkcs8, plain))
        above = issuer.chain.read_bytes() if issuer else b""
        paths[2].write_bytes(paths[0].read_bytes() + above)
        return Who(certificate, key_name, *paths)


def sign(
    unsigned: Path, signed: Path, who: Who, *more: str | Path, digest: str = "sha256", when: datetime.datetime = NOW
) -> bytes:
    """Let osslsigncode sign a file, and return what it wrote."""
    signed.unlink(missing_ok=True)
    words = ["sign", "-certs", who.chain, "-key", who.key, "-h", digest, "-time", str(int(when.timestamp()))]
    tools.Osslsigncode().run([*words, *more, "-in", unsigned, "-out", signed])
    return signed.read_bytes()


def stamped(by: Who, when: datetime.datetime = NOW) -> list[str | Path]:
    """Options for a time stamp by osslsigncode's own authority."""
    return ["-TSA-certs", by.chain, "-TSA-key", by.key, "-TSA-time", str(int(when.timestamp()))]


def osslsigncode_takes(path: Path, root: Path, *more: str | Path) -> bool:
    command = [tools.Osslsigncode().program, "verify", "-CAfile", root, "-TSA-CAfile", root, "-ignore-cdp", "-in", path]
    return process.run([*command, *more], allowed=range(256)).exit_code == 0


def replace_signature(data: bytes, signature: bytes) -> bytes:
    """Another signature in a signed image, laid out as it must be."""
    places = authenticode.layout(data)
    table = signature + bytes(-len(signature) % 8)
    size = len(table) + 8
    changed = bytearray(data[: places.table])
    changed[places.security or 0 : (places.security or 0) + 8] = places.table.to_bytes(4, "little") + size.to_bytes(
        4, "little"
    )
    changed += size.to_bytes(4, "little") + b"\x00\x02\x02\x00" + table
    return repair_checksum(bytes(changed))


def repair_checksum(data: bytes) -> bytes:
    changed = bytearray(data)
    at = authenticode.layout(data).checksum
    changed[at : at + 4] = pe.checksum(data, at).to_bytes(4, "little")
    return bytes(changed)
