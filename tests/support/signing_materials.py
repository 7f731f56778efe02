# SPDX-License-Identifier: GPL-2.0-or-later
"""What signing is tried on: small unsigned files of each kind, certificates good and bad, a time-stamp authority."""

from __future__ import annotations

import datetime
import io
import struct
import subprocess
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from asn1crypto import core
from asn1crypto.parser import emit
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wixpy.cfb import Storage, write

NOW = datetime.datetime(2026, 11, 28, tzinfo=datetime.timezone.utc)
CANARY = "canary-1f7b9e-password"


def image(bits: int = 64, extra: bytes = b"") -> bytes:
    """A native image that is only headers and one section, and `extra` behind it."""
    optional = bytearray(240 if bits == 64 else 224)
    struct.pack_into("<H", optional, 0, 0x20B if bits == 64 else 0x10B)
    struct.pack_into("<II", optional, 32, 0x1000, 0x200)  # alignments
    struct.pack_into("<HH", optional, 48, 5, 2)  # subsystem version
    struct.pack_into("<IIIH", optional, 56, 0x2000, 0x200, 0, 1)  # sizes, checksum, subsystem
    struct.pack_into("<I", optional, 108 if bits == 64 else 92, 16)  # directories
    dos = struct.pack("<2s58xI", b"MZ", 0x40)
    machine = 0x8664 if bits == 64 else 0x14C
    header = struct.pack("<4sHHIIIHH", b"PE\0\0", machine, 1, 0, 0, 0, len(optional), 0x22)
    section = struct.pack("<8sIIIIIIHHI", b".text", 0x200, 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0x60000020)
    headers = dos + header + optional + section
    return headers + bytes(0x200 - len(headers)) + bytes(range(256)) * 2 + extra


def package() -> bytes:
    """A compound file with a small stream, a large one, an empty one and a storage."""
    inner = Storage({"inner": b"i" * 70}, uuid.UUID(int=7))
    children = {"small": b"s" * 100, "large": b"l" * 5000, "nothing": b"", "folder": inner}
    out = io.BytesIO()
    write(Storage(children, uuid.UUID("000c1084-0000-0000-c000-000000000046")), out)
    return out.getvalue()


def catalog() -> bytes:
    """An unsigned catalog without members (reference: szOID_CTL, szOID_CATALOG_LIST)."""

    def sequence(*parts: bytes) -> bytes:
        return bytes(emit(0, 1, 16, b"".join(parts)))

    def oid(text: str) -> bytes:
        return bytes(core.ObjectIdentifier(text).dump())

    ctl = sequence(
        sequence(oid("1.3.6.1.4.1.311.12.1.1")),
        core.OctetString(bytes(16)).dump(),
        bytes(emit(0, 0, 23, b"261122000000Z")),
        sequence(oid("1.3.6.1.4.1.311.12.1.2"), core.Null().dump()),
        sequence(),
    )
    content = sequence(oid("1.3.6.1.4.1.311.10.1"), bytes(emit(2, 1, 0, ctl)))
    signed = sequence(core.Integer(1).dump(), b"\x31\x00", content, b"\x31\x00")
    return sequence(oid("1.2.840.113549.1.7.2"), bytes(emit(2, 1, 0, signed)))


FILES: dict[str, Callable[[], bytes]] = {
    "driver.sys": image,
    "odd.sys": lambda: image(32, b"overlay"),
    "program.exe": lambda: image(32),
    "driver.cat": catalog,
    "package.msi": package,
}


def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    private: rsa.RSAPrivateKey,
    *,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CODE_SIGNING,
    start: datetime.datetime = NOW - datetime.timedelta(days=30),
    end: datetime.datetime = NOW + datetime.timedelta(days=3000),
    name: str = "Throwaway publisher",
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(private, hashes.SHA256())


def pem(path: Path, *things: x509.Certificate) -> Path:
    path.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in things))
    return path


def key_pem(path: Path, private: rsa.RSAPrivateKey, password: str = "") -> Path:
    encryption = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return path


def pfx(path: Path, private: rsa.RSAPrivateKey | None, one: x509.Certificate, password: str = CANARY) -> Path:
    encryption = serialization.BestAvailableEncryption(password.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"signer", private, one, None, encryption))
    return path


@dataclass
class Authority:
    """OpenSSL's time-stamp authority behind HTTP on the loopback; `answers` says what becomes of each request."""

    folder: Path
    answers: list[str]
    asked: int = 0
    digest: str = "sha256"

    def __post_init__(self) -> None:
        private = key()
        made = certificate(private, usage=ExtendedKeyUsageOID.TIME_STAMPING, name="Throwaway clock")
        pem(self.folder / "tsa.pem", made)
        key_pem(self.folder / "tsa.key", private)
        (self.folder / "serial").write_text("01\n")
        (self.folder / "tsa.cnf").write_text(
            f"[tsa]\nserial={self.folder}/serial\nsigner_cert={self.folder}/tsa.pem\nsigner_key={self.folder}/tsa.key\n"
            "signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\ness_cert_id_alg=sha256\n"
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._released = threading.Event()
        self._one_at_a_time = threading.Lock()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def reply(self, request: bytes) -> bytes:
        command = ["openssl", "ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf", "-section", "tsa"]
        with self._one_at_a_time:
            (self.folder / "query").write_bytes(request)
            return subprocess.run(command, cwd=self.folder, capture_output=True, check=False).stdout

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"]))
                answer = authority.answers[min(authority.asked, len(authority.answers) - 1)]
                authority.asked += 1
                if answer == "slow":
                    authority._released.wait(10)
                elif answer == "500":
                    self.send_error(500)
                elif answer == "stalls":
                    self._send(b"x", 1000)
                    authority._released.wait(10)
                else:
                    body = {"good": lambda: authority.reply(request), "garbage": lambda: b"<html>no</html>"}[answer]()
                    self._send(body, len(body))

            def _send(self, body: bytes, length: int) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


class Watch:
    """Reads the command lines of all processes while it lives, and counts sightings of a kind of them."""

    def __init__(self, kind: bytes) -> None:
        self.lines: set[bytes] = set()
        self.sightings = 0
        self._kind = kind
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                self.lines.add(line)
                self.sightings += self._kind in line
