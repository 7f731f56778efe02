# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of a linked image's headers (Microsoft PE/COFF specification).

Nowhere is an image closed: it is read at once, and ``pefile.PE.close`` would collect the garbage of the whole process.
"""

from __future__ import annotations

import struct
import sys
from array import array
from pathlib import Path

import pefile

from gplpv.ddk import ImageOptions

_SUBSYSTEMS = {"kernel": ("native", 1), "user": ("console", 3)}
_RELOCATIONS_STRIPPED = 1
_MACHINES = {"x32": 0x014C, "x64": 0x8664}


def faults(image: Path, options: ImageOptions) -> list[str]:
    """Return what is wrong with an image's headers, a sentence a fault; empty when it is fit for its target."""
    return faults_of(pefile.PE(data=image.read_bytes(), fast_load=True), options)


def faults_of(pe: pefile.PE, options: ImageOptions) -> list[str]:
    """The same of an image that was read."""
    return [*_header_faults(pe, options), *_content_faults(pe, options)]


def _header_faults(pe: pefile.PE, options: ImageOptions) -> list[str]:
    header = pe.OPTIONAL_HEADER
    name, subsystem = _SUBSYSTEMS[options.mode]
    wanted = ".".join(map(str, options.nt))
    found = []
    if pe.FILE_HEADER.Machine != _MACHINES[options.arch]:
        found.append(f"machine is {pe.FILE_HEADER.Machine:#06x}, not {options.arch}")
    if header.Subsystem != subsystem:
        found.append(f"subsystem is {header.Subsystem}, not {name} ({subsystem})")
    if (header.MajorSubsystemVersion, header.MinorSubsystemVersion) != options.nt:
        version = f"{header.MajorSubsystemVersion}.{header.MinorSubsystemVersion}"
        found.append(f"subsystem version is {version}, not {wanted}")
    if (header.MajorOperatingSystemVersion, header.MinorOperatingSystemVersion) != options.nt:
        version = f"{header.MajorOperatingSystemVersion}.{header.MinorOperatingSystemVersion}"
        found.append(f"operating system version is {version}, not {wanted}")
    data = bytes(pe.__data__)
    if header.CheckSum != checksum(data, header.get_field_absolute_offset("CheckSum")):
        found.append("checksum is wrong: the kernel refuses to load such a boot driver")
    return found


def _content_faults(pe: pefile.PE, options: ImageOptions) -> list[str]:
    found = []
    directories = pe.OPTIONAL_HEADER.DATA_DIRECTORY
    sections = {section.Name.rstrip(b"\0").decode("ascii", "replace"): section for section in pe.sections}
    if options.arch == "x64" and not directories[pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_EXCEPTION"]].Size:
        found.append("there are no unwind tables: neither debugger nor exception handling can walk its stack")
    if pe.FILE_HEADER.Characteristics & _RELOCATIONS_STRIPPED:
        found.append("relocations are stripped: the kernel cannot load it where it has room")
    if ".rsrc" not in sections:
        found.append("there is no version resource")
    writable_code = [name for name, section in sections.items() if section.Characteristics & 0xA0000000 == 0xA0000000]
    found.extend(f"section {name} is both writable and executable" for name in writable_code)
    return found


def checksum(data: bytes, place: int) -> int:
    """The checksum of an image whose field for it is at `place` (ImageHlp, CheckSumMappedFile).

    It is the sum of all 16-bit words but the field's, folded into 16 bits, and the length.
    """
    words = array("H", data + bytes(len(data) % 2))
    if sys.byteorder == "big":
        words.byteswap()
    total: int = sum(words) - sum(struct.unpack_from("<HH", data, place))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total + len(data)
