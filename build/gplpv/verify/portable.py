# SPDX-License-Identifier: GPL-2.0-or-later
"""Executables as Authenticode sees them: what the digest covers, where the signature is, and what nothing covers.

The digest leaves out the checksum, the directory entry of the certificate table and the table ("Windows Authenticode
Portable Executable Signature Format", "Calculating the PE Image Hash"). :func:`layout_faults` pins those down.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from array import array
from dataclasses import dataclass

KIND = "1.3.6.1.4.1.311.2.1.15"
"""SPC_PE_IMAGE_DATA."""
_CERTIFICATE = struct.Struct("<IHH")
_REVISION, _PKCS7 = 0x0200, 0x0002
_SECURITY_DIRECTORY = 4
_DIRECTORIES = {0x10B: 96, 0x20B: 112}


class NotPortable(ValueError):
    """The bytes are no PE image."""


@dataclass(frozen=True)
class Image:
    """Offsets into an image's file: of the checksum, of the directory entry, and the certificate table."""

    machine: int
    checksum_at: int
    entry_at: int
    table: int
    table_size: int

    @property
    def signed(self) -> bool:
        return bool(self.table or self.table_size)


def parse(data: bytes) -> Image:
    """Find what the digest leaves out.

    Raises:
        NotPortable: the headers are not those of an image, or they end early.
    """
    try:
        (new_header,) = struct.unpack_from("<I", data, 60)
        if data[:2] != b"MZ" or data[new_header : new_header + 4] != b"PE\0\0":
            raise NotPortable("it does not begin as a program or driver does")
        (machine,) = struct.unpack_from("<H", data, new_header + 4)
        optional = new_header + 24
        (magic,) = struct.unpack_from("<H", data, optional)
        if magic not in _DIRECTORIES:
            raise NotPortable(f"its optional header has the unknown magic {magic:#x}")
        directories = optional + _DIRECTORIES[magic]
        (count,) = struct.unpack_from("<I", data, directories - 4)
        if count <= _SECURITY_DIRECTORY:
            raise NotPortable("its headers have no place for a signature")
        entry = directories + 8 * _SECURITY_DIRECTORY
        table, size = struct.unpack_from("<II", data, entry)
    except struct.error:
        raise NotPortable("its headers end early") from None
    return Image(machine, optional + 64, entry, table, size)


def digest(data: bytes, name: str) -> bytes:
    """The Authenticode digest; an unsigned image counts as padded with zeros to a multiple of eight bytes."""
    image = parse(data)
    view = memoryview(data)
    state = hashlib.new(name, usedforsecurity=False)
    state.update(view[: image.checksum_at])
    state.update(view[image.checksum_at + 4 : image.entry_at])
    state.update(view[image.entry_at + 8 : image.table if image.signed else len(data)])
    if not image.signed:
        state.update(bytes(-len(data) % 8))
    return state.digest()


def signature(data: bytes) -> bytes | None:
    """The PKCS #7 of a signed image without the padding behind it; None when it is unsigned."""
    image = parse(data)
    if not image.signed:
        return None
    content = data[image.table + _CERTIFICATE.size : image.table + image.table_size]
    return content[: _der_length(content)]


def layout_faults(data: bytes) -> list[str]:
    """What is wrong with the bytes that no digest covers."""
    image = parse(data)
    if not image.signed:
        return []
    if image.table % 8 or image.table < image.entry_at or image.table + image.table_size != len(data):
        return [
            f"the certificate table ({image.table:#x}, {image.table_size:#x} bytes) does not end where the file does"
        ]
    found = []
    if image.table_size <= _CERTIFICATE.size:
        return ["the certificate table is empty"]
    length, revision, kind = _CERTIFICATE.unpack_from(data, image.table)
    if (length, revision, kind) != (image.table_size, _REVISION, _PKCS7):
        found.append(f"the certificate table's header is {length:#x}, {revision:#x}, {kind}")
    content = data[image.table + _CERTIFICATE.size :]
    padding = content[_der_length(content) :]
    if len(padding) > 7 or any(padding):
        found.append("there are bytes behind the signature")
    stored = int.from_bytes(data[image.checksum_at : image.checksum_at + 4], "little")
    if stored != checksum(data, image.checksum_at):
        found.append(f"the checksum in the headers is {stored:#x}, not {checksum(data, image.checksum_at):#x}")
    return found


def checksum(data: bytes, checksum_at: int) -> int:
    """The image checksum (ImageHlp's CheckSumMappedFile): the folded sum of 16-bit words, and the length."""
    words = array("H", data + bytes(len(data) % 2))
    if sys.byteorder == "big":
        words.byteswap()
    low, high = struct.unpack_from("<HH", data, checksum_at) if checksum_at % 2 == 0 else (0, 0)
    total: int = sum(words) - low - high
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total + len(data)


def _der_length(data: bytes) -> int:
    """The length of a DER value by its first bytes; that of `data` when these make no sense."""
    if len(data) < 2 or data[0] != 0x30:
        return len(data)
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")
