# SPDX-License-Identifier: GPL-2.0-or-later
"""What ties an image to its symbols: the GUID and age in the image's debug directory and in the PDB.

A debugger loads a PDB only when both agree. Sources: the PE format (Debug Directory, type CodeView, "RSDS" record)
and LLVM's description of the MSF container and the PDB info stream (llvm.org/docs/PDB).
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

import pefile

from gplpv.errors import GplpvError

_MSF_MAGIC = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0"
_INFO_STREAM, _DBI_STREAM = 1, 3


@dataclass(frozen=True)
class SymbolIdentity:
    """GUID and age of a build of an image."""

    guid: uuid.UUID
    age: int

    def __str__(self) -> str:
        """As a symbol store names the folder: 32 hexadecimal digits and the age."""
        return f"{self.guid.hex.upper()}{self.age:X}"


def of_pdb(path: Path) -> SymbolIdentity:
    """Read the identity out of a PDB: the GUID of the info stream, the age of the DBI stream.

    Raises:
        GplpvError: it is not a PDB, or it is cut short.
    """
    return of_pdb_bytes(path.read_bytes(), str(path))


def of_pdb_bytes(data: bytes, path: str) -> SymbolIdentity:
    """The same of a PDB that was read; `path` is its name."""
    if not data.startswith(_MSF_MAGIC):
        raise GplpvError(f"{path} is not a PDB.", "Rebuild it.")
    try:
        info = _stream(data, _INFO_STREAM)
        guid = uuid.UUID(bytes_le=info[12:28])
        (age,) = struct.unpack_from("<I", _stream(data, _DBI_STREAM), 8)
    except (struct.error, IndexError, ValueError) as error:
        raise GplpvError(f"{path} is damaged: {error}.", "Rebuild it.") from error
    return SymbolIdentity(guid, age)


def _stream(data: bytes, number: int) -> bytes:
    """Return one stream of an MSF file: superblock -> block map -> directory -> blocks."""
    block_size, _, _, directory_size, _, map_block = struct.unpack_from("<6I", data, 32)

    def read(blocks: tuple[int, ...], size: int) -> bytes:
        joined = b"".join(data[block * block_size : (block + 1) * block_size] for block in blocks)[:size]
        if len(joined) != size:
            raise ValueError("a stream ends early")
        return joined

    def count(size: int) -> int:
        return (size + int(block_size) - 1) // int(block_size)

    directory_blocks = struct.unpack_from(f"<{count(directory_size)}I", data, map_block * block_size)
    directory = read(directory_blocks, directory_size)
    (streams,) = struct.unpack_from("<I", directory)
    sizes = struct.unpack_from(f"<{streams}I", directory, 4)
    before = sum(count(size) for size in sizes[:number] if size != 0xFFFFFFFF)
    blocks = struct.unpack_from(f"<{count(sizes[number])}I", directory, 4 + 4 * (streams + before))
    return read(blocks, sizes[number])


def of_image(image: Path) -> tuple[SymbolIdentity, str]:
    """Read identity and PDB name out of an image's debug directory.

    Raises:
        GplpvError: the image has no CodeView record.
    """
    return identity_of(pefile.PE(data=image.read_bytes(), fast_load=True), str(image))


def identity_of(pe: pefile.PE, image: str) -> tuple[SymbolIdentity, str]:
    """The same of an image that was read; `image` is its name."""
    pe.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_DEBUG"]])
    for entry in getattr(pe, "DIRECTORY_ENTRY_DEBUG", []):
        if entry.struct.Type == pefile.DEBUG_TYPE["IMAGE_DEBUG_TYPE_CODEVIEW"]:
            record = bytes(pe.get_data(entry.struct.AddressOfRawData, entry.struct.SizeOfData))
            if record[:4] == b"RSDS":
                age = int.from_bytes(record[20:24], "little")
                name = record[24:].split(b"\0")[0].decode("utf-8")
                return SymbolIdentity(uuid.UUID(bytes_le=record[4:20]), age), name
    raise GplpvError(f"{image} names no PDB.", "Link it with /debug.")


def require_match(image: Path, symbols: Path) -> SymbolIdentity:
    """Return the identity that `image` and `symbols` share.

    Raises:
        GplpvError: GUID, age or file name differ, so that no debugger would load the symbols.
    """
    wanted, name = of_image(image)
    have = of_pdb(symbols)
    if wanted != have or name != symbols.name:
        raise GplpvError(
            f"{image.name} asks for {name} {wanted}, but {symbols.name} is {have}.",
            "They come from different links: build both again.",
        )
    return wanted
