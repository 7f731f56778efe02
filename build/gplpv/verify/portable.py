# SPDX-License-Identifier: GPL-2.0-or-later
"""Executables as Authenticode sees them: what the digest covers, where the signature is, and what nothing covers.

The digest leaves out the checksum, the directory entry of the certificate table and the table ("Windows Authenticode
Portable Executable Signature Format", "Calculating the PE Image Hash"). :func:`layout_faults` pins those down.
"""

from __future__ import annotations

import struct

from gplpv import authenticode
from gplpv.pe import checksum

KIND = "1.3.6.1.4.1.311.2.1.15"
"""SPC_PE_IMAGE_DATA."""
_CERTIFICATE = struct.Struct("<IHH")
_REVISION, _PKCS7 = 0x0200, 0x0002


def signature(data: bytes) -> bytes | None:
    """The PKCS #7 of a signed image without the padding behind it; None when it is unsigned."""
    places = authenticode.layout(data)
    if not places.size:
        return None
    content = data[places.table + _CERTIFICATE.size : places.table + places.size]
    return content[: _der_length(content)]


def layout_faults(data: bytes) -> list[str]:
    """What is wrong with the bytes that no digest covers."""
    places = authenticode.layout(data)
    if not places.size:
        return []
    if places.table % 8 or places.size <= _CERTIFICATE.size:
        return [f"the certificate table ({places.size} bytes at {places.table:#x}) is not where signers put it"]
    found = []
    length, revision, kind = _CERTIFICATE.unpack_from(data, places.table)
    if (length, revision, kind) != (places.size, _REVISION, _PKCS7):
        found.append(f"the certificate table's header is {length:#x}, {revision:#x}, {kind}")
    content = data[places.table + _CERTIFICATE.size :]
    padding = content[_der_length(content) :]
    if len(padding) > 7 or any(padding):
        found.append("there are bytes behind the signature")
    stored = int.from_bytes(data[places.checksum : places.checksum + 4], "little")
    if stored != checksum(data, places.checksum):
        found.append(f"the checksum in the headers is {stored:#x}, not {checksum(data, places.checksum):#x}")
    return found


def _der_length(data: bytes) -> int:
    """The length of a DER value by its first bytes; that of `data` when these make no sense."""
    if len(data) < 2 or data[0] != 0x30:
        return len(data)
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")
