# SPDX-License-Identifier: MIT
"""Small .NET assemblies, made from the words of ECMA-335."""

from __future__ import annotations

import struct

# The key of the standard assemblies, and its token as every .NET installation shows it (ECMA-335, II.6.2.1.3).
STANDARD_KEY, STANDARD_TOKEN = bytes.fromhex("00000000000000000400000000000000"), "B77A5C561934E089"
# Rows of MethodDef of which an index needs four bytes: with 5, 3, 2 and no bits for one of several tables.
FIVE, THREE, TWO, NONE = 1 << 11, 1 << 13, 1 << 14, 1 << 16


def assembly(
    name: str = "Sample",
    culture: str = "",
    key: bytes = STANDARD_KEY,
    *,
    heaps: int = 0,
    strings: int = 0,
    methods: int = 3,
) -> bytes:
    """A PE image with the tables of ECMA-335, II.22, that a compiler makes at least.

    ``heaps`` are the bits of II.24.2.6 for heaps of four-byte indexes, ``strings`` and ``methods`` how much is before.
    """
    string, guid, blob = ("I" if heaps >> bit & 1 else "H" for bit in range(3))
    five, three, two, none = ("I" if methods >= limit else "H" for limit in (FIVE, THREE, TWO, NONE))
    text = bytes(1) + bytes(strings) + b"\0".join(part.encode() for part in (name, culture)) + b"\0"
    at = 1 + strings
    length = struct.pack("B", len(key)) if len(key) < 0x80 else struct.pack(">H", 0x8000 | len(key))
    tables = [
        (0x00, 1, struct.pack(f"<H{string}{guid}{guid}{guid}", 0, at, 1, 0, 0)),  # Module
        (0x01, 2, struct.pack(f"<H{string}{string}", 6, at, 0)),  # TypeRef
        (0x02, 1, struct.pack(f"<I{string}{string}HH{none}", 0, at, 0, 0, 1, 1)),  # TypeDef
        (0x06, methods, struct.pack(f"<IHH{string}{blob}H", 0, 0, 6, at, 0, 1)),  # MethodDef
        (0x0A, 1, struct.pack(f"<{three}{string}{blob}", 9, at, 0)),  # MemberRef: its parent may be a method
        (0x0C, 2, struct.pack(f"<{five}{three}{blob}", 46, 11, 0)),  # CustomAttribute
        (0x0E, 1, struct.pack(f"<H{two}{blob}", 8, 6, 0)),  # DeclSecurity
        (0x20, 1, struct.pack(f"<IHHHHI{blob}{string}{string}", 0x8004, 1, 2, 3, 4, 1, int(bool(key)) and 1, at,
                              at + len(name.encode()) + 1 if culture else 0)),  # Assembly
        (0x23, 1, struct.pack(f"<4HI{blob}{string}{string}{blob}", 4, 0, 0, 0, 0, 0, at, 0, 0)),  # AssemblyRef
    ]  # fmt: skip
    valid = sum(1 << number for number, _, _ in tables)
    stream = struct.pack("<IBBBBQQ", 0, 2, 0, heaps, 1, valid, 0)
    stream += b"".join(struct.pack("<I", count) for _, count, _ in tables) + b"".join(n * row for _, n, row in tables)
    contents = {"#~": stream, "#Strings": text, "#US": bytes(4), "#GUID": bytes(16), "#Blob": bytes(1) + length + key}
    version = b"v4.0.30319\0\0"
    head = struct.pack("<4sHHII", b"BSJB", 1, 1, 0, len(version)) + version + struct.pack("<HH", 0, len(contents))
    names = {each: each.encode() + bytes(4 - len(each) % 4) for each in contents}
    offset = len(head) + sum(8 + len(padded) for padded in names.values())
    body = b""
    for each, content in contents.items():
        padded = content + bytes(-len(content) % 4)
        head += struct.pack("<II", offset + len(body), len(padded)) + names[each]
        body += padded
    return image(head + body)


def image(metadata: bytes) -> bytes:
    """A PE image (PE and COFF specification) of one section: the CLI header (II.25.3.3) and what it points to."""
    section = struct.pack("<IHHIIII", 72, 2, 5, 0x2000 + 72, len(metadata), 9, 0).ljust(72, b"\0") + metadata
    size = -(-len(section) // 512) * 512
    directories = [(0, 0)] * 14 + [(0x2000, 72), (0, 0)]
    optional = struct.pack("<HBBIIIIII", 0x10B, 8, 0, size, 0, 0, 0, 0x2000, 0x2000)
    optional += struct.pack("<IIIHHHHHHIIIIHHIIIIII", 0x400000, 0x2000, 512, 4, 0, 0, 0, 4, 0, 0, 0x2000 + 0x2000 * (
        -(-size // 0x2000)), 512, 0, 3, 0, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)  # fmt: skip
    optional += b"".join(struct.pack("<II", *each) for each in directories)
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", 0x14C, 1, 0, 0, 0, len(optional), 0x2102) + optional
    head += struct.pack("<8sIIIIIIHHI", b".text", len(section), 0x2000, size, 512, 0, 0, 0, 0, 0x60000020)
    return head.ljust(512, b"\0") + section.ljust(size, b"\0")
