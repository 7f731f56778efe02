# SPDX-License-Identifier: GPL-2.0-or-later
"""The smallest images and cabinets that a signer takes, and a certificate to sign with."""

from __future__ import annotations

import datetime
import struct
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gplpv import process, tools
from wixpy import cab

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def image(size: int = 1024, plus: bool = False) -> bytes:
    """A PE32 or PE32+ image of one section, headers in the first 512 bytes."""
    optional = struct.pack("<HBBIII", 0x20B if plus else 0x10B, 14, 0, size - 512, 0, 0)
    optional += struct.pack("<II", 0x1000, 0x1000) + (struct.pack("<Q", 0x400000) if plus else bytes(4) + b"\0\0\x40\0")
    optional += struct.pack("<IIHHHHHHIIIIHH", 4096, 512, 5, 1, 0, 0, 5, 1, 0, 0x2000, 512, 0x12345678, 1, 0)
    optional += bytes(36 if plus else 20) + struct.pack("<I", 16) + bytes(128)
    section = struct.pack("<8sIIIIIIHHI", b".text", size - 512, 0x1000, size - 512, 512, 0, 0, 0, 0, 0x60000020)
    machine = 0x8664 if plus else 0x14C
    headers = b"MZ" + bytes(58) + struct.pack("<I", 64)
    headers += b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x22) + optional + section
    return headers.ljust(512, b"\0") + bytes(index * 7 % 251 for index in range(size - 512))


def cabinet() -> bytes:
    return cab.write([[cab.CabinetFile("readme.txt", b"as it was\r\n" * 99, START)]])


class Identity:
    """A throwaway certificate that is its own authority, and its key, as files."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "test.pem", folder / "test.key"
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Throwaway")])
        built = (
            x509.CertificateBuilder(name, name, private.public_key(), 1, START, START.replace(year=2046))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .sign(private, hashes.SHA256())
        )
        self.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def sign(self, unsigned: Path, signed: Path) -> Path:
        words = ["sign", "-certs", self.certificate, "-key", self.key, "-h", "sha256", "-in", unsigned, "-out", signed]
        tools.Osslsigncode().run(words)
        return signed

    def verify(self, file: Path, *options: str | Path) -> process.Completed:
        """Let osslsigncode judge; any exit code is an answer."""
        words = [tools.Osslsigncode().program, "verify", "-CAfile", self.certificate]
        return process.run([*words, "-ignore-timestamp", "-ignore-cdp", *options, "-in", file], allowed=range(256))
