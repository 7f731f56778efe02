# SPDX-License-Identifier: GPL-2.0-or-later
"""What a signature says of a file: the Authenticode digest of an image, that of a cabinet, the plain one of the rest.

Sources: "Windows Authenticode Portable Executable Signature Format" (2008), "Calculating the PE Image Hash"; Microsoft
PE/COFF specification, "The Attribute Certificate Table"; the layout of signed cabinets ([MS-CAB] 2.1 with a reserve of
20 bytes in the header) as osslsigncode reads it. An image's digest does not change when the image is signed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from gplpv.errors import GplpvError

_HINT = "It is damaged or was cut off: take a whole copy of it."
_SECURITY = 4
"""Index of the security directory, the only one that counts file offsets, not addresses."""
_OPTIONAL_HEADERS = {0x10B: 96, 0x20B: 112}
"""Magic of PE32 and PE32+, and where the data directories begin in that optional header."""
_PREVIOUS, _NEXT, _RESERVE = 1, 2, 4
"""Flags of a cabinet's header: which optional fields follow it."""


class Kind(Enum):
    """How a file is hashed; decided by what it holds, never by its name."""

    PE = "pe"
    CAB = "cab"
    FLAT = "flat"


@dataclass(frozen=True)
class Layout:
    """The places of an image that signing changes, as file offsets.

    Attributes:
        checksum: of CheckSum in the optional header (4 bytes).
        security: of the security directory (8 bytes); None when the image has too few directories to be signed.
        table: of the certificate table, or the end of the file when it is unsigned.
        size: bytes of the certificate table; 0 when it is unsigned.
    """

    checksum: int
    security: int | None
    table: int
    size: int


@dataclass(frozen=True)
class WinCertificate:
    """One entry of the certificate table: `kind` is 2 for PKCS #7 SignedData; `content` may end in zero padding."""

    revision: int
    kind: int
    content: bytes


def kind(data: bytes) -> Kind:
    """Tell an image (MZ that leads to PE) and a cabinet (MSCF) from everything else."""
    if data[:2] == b"MZ" and len(data) >= 64:
        start = _u32(data, 60)
        if data[start : start + 4] == b"PE\0\0":
            return Kind.PE
    return Kind.CAB if data[:4] == b"MSCF" else Kind.FLAT


def digest(data: bytes, algorithm: str) -> bytes:
    """Return the digest that a signature or a catalog has for these bytes.

    Args:
        algorithm: a name that hashlib knows, such as "sha1" or "sha256".

    Raises:
        GplpvError: an image or cabinet whose headers contradict the file.
    """
    hasher = hashlib.new(algorithm)
    for part in _PARTS[kind(data)](data):
        hasher.update(part)
    return hasher.digest()


def layout(data: bytes) -> Layout:
    """Find what the digest of an image leaves out.

    Raises:
        GplpvError: it is no image, its headers are cut off, or the certificate table does not end the file.
    """
    if kind(data) is not Kind.PE:
        raise GplpvError("The file is no image: no MZ header leads to a PE header.", "Name an .exe, .dll or .sys.")
    optional = _u32(data, 60) + 24
    if optional + 2 > len(data):
        raise GplpvError("The image ends within its headers.", _HINT)
    magic = struct.unpack_from("<H", data, optional)[0]
    if magic not in _OPTIONAL_HEADERS:
        raise GplpvError(f"The image's optional header has the unknown magic {magic:#x}.", _HINT)
    directories = optional + _OPTIONAL_HEADERS[magic]
    if directories > len(data):
        raise GplpvError("The image ends within its headers.", _HINT)
    security = directories + 8 * _SECURITY
    if _u32(data, directories - 4) <= _SECURITY:
        return Layout(optional + 64, None, len(data), 0)
    if security + 8 > len(data):
        raise GplpvError("The image ends within its data directories.", _HINT)
    table, size = struct.unpack_from("<II", data, security)
    if not table and not size:
        return Layout(optional + 64, security, len(data), 0)
    if table < security + 8 or not size or table + size != len(data):
        raise GplpvError(
            f"The image's certificate table ({size} bytes at {table}) is not the end of the file ({len(data)} bytes).",
            _HINT,
        )
    return Layout(optional + 64, security, table, size)


def certificates(data: bytes) -> list[WinCertificate]:
    """Return the entries of an image's certificate table; none when it is unsigned.

    Raises:
        GplpvError: the table is damaged.
    """
    found, places = [], layout(data)
    offset = places.table
    while offset < len(data):
        left = len(data) - offset
        length, revision, what = struct.unpack_from("<IHH", data, offset) if left >= 8 else (0, 0, 0)
        if not 8 <= length <= left:
            raise GplpvError(f"The image's certificate table is damaged at offset {offset}.", _HINT)
        found.append(WinCertificate(revision, what, data[offset + 8 : offset + length]))
        offset += -(-length // 8) * 8
    return found


def _flat_parts(data: bytes) -> Iterator[bytes]:
    yield data


def _image_parts(data: bytes) -> Iterator[bytes]:
    """Everything but CheckSum, the security directory and the certificate table.

    A signer pads an unsigned image to 8 bytes before it appends that table, so it is hashed as if it were padded.
    """
    places = layout(data)
    after = places.checksum + 4
    yield data[: places.checksum]
    if places.security is not None:
        yield data[after : places.security]
        after = places.security + 8
    yield data[after : places.table]
    if not places.size:
        yield bytes(-len(data) % 8)


def _cabinet_parts(data: bytes) -> Iterator[bytes]:
    """Everything but reserved1 and, in a signed one, iCabinet, the reserve's sizes and the signature's place."""
    if len(data) < 36:
        raise GplpvError("The cabinet ends within its header.", _HINT)
    yield data[:4]
    end = _cabinet_signature(data)
    if not end:
        yield data[8:]
        return
    folders, flags = struct.unpack_from("<H", data, 26)[0], struct.unpack_from("<H", data, 30)[0]
    start = 60
    for flag in (_PREVIOUS, _NEXT):
        for _ in range(2 if flags & flag else 0):
            start = data.find(b"\0", start, end) + 1 or end
    if start + 8 * folders != _u32(data, 16):
        raise GplpvError("The cabinet's files do not follow its folders.", _HINT)
    yield data[8:34]
    yield data[56:end]


def _cabinet_signature(data: bytes) -> int:
    """Offset of a cabinet's signature; 0 when it is unsigned."""
    if not struct.unpack_from("<H", data, 30)[0] & _RESERVE:
        return 0
    if len(data) < 60:
        raise GplpvError("The cabinet ends within its header.", _HINT)
    if _u32(data, 36) != 20:
        return 0
    position, size = struct.unpack_from("<II", data, 44)
    if not size:
        return 0
    if position < 60 or position + size != len(data):
        raise GplpvError("The cabinet's signature is not the end of the file.", _HINT)
    return int(position)


def _u32(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("<I", data, offset)[0])


_PARTS = {Kind.PE: _image_parts, Kind.CAB: _cabinet_parts, Kind.FLAT: _flat_parts}
