# SPDX-License-Identifier: GPL-2.0-or-later
"""What a catalog means: a list of files by digest, each with attributes, and attributes of the whole."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gplpv.authenticode import Kind

FLAGS = 0x10010001
"""Of every attribute by name: CRYPTCAT_ATTR_AUTHENTICATED, _NAMEASCII and _DATAASCII."""
OBSOLETE = "<<<Obsolete>>>"
"""Link text of hosts before 2014 or so; later ones leave it empty."""
PAGE_HASH_CLASS = bytes.fromhex("a6b586d5b4a12466ae05a217da8e60d6")


@dataclass(frozen=True)
class NameValue:
    """An attribute by name, of a member or of the catalog."""

    name: str
    value: str
    flags: int = FLAGS


@dataclass(frozen=True)
class Unknown:
    """A member's attribute that is none of the four known ones; `values` are whole DER encodings."""

    oid: str
    values: tuple[bytes, ...]


@dataclass(frozen=True)
class UnknownExtension:
    """An extension of the list that is no attribute by name; `value` is what its octet string holds."""

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True)
class Link:
    """SpcLink: nearly always ``file`` with an empty text; a ``moniker`` carries page hashes."""

    kind: Literal["file", "ascii-file", "url", "moniker"] = "file"
    text: str = ""
    class_id: bytes = b""
    data: bytes = b""


@dataclass(frozen=True)
class Indirect:
    """SpcIndirectDataContent: the digest again, with its algorithm.

    Attributes:
        image: whether the data is SpcPeImageData, which has flags before the link.
        flags: octets of that bit string, the count of unused bits first.
    """

    algorithm: Literal["sha1", "sha256"]
    digest: bytes
    image: bool
    link: Link = Link()
    flags: bytes = b"\x05\xa0"


@dataclass(frozen=True)
class Member:
    """One file of a catalog; V2 has two of these for each file, by SHA-1 and by SHA-256.

    Attributes:
        tag: V1: the SHA-1 digest as UTF-16 text with a NUL; V2: the digest.
        attributes: File, OSAttr and whatever else goes by name, in the order of the encoding.
        kind: by its member info; None when it has none.
        version: of a V1 member info.
    """

    tag: bytes
    attributes: tuple[NameValue, ...] = ()
    kind: Kind | None = None
    version: int = 512
    indirect: Indirect | None = None
    unknown: tuple[Unknown, ...] = ()

    def value(self, name: str) -> str:
        """Return an attribute's value; empty without one."""
        return next((each.value for each in self.attributes if each.name == name), "")

    @property
    def file(self) -> str:
        """Lower-case destination name; empty if the catalog does not tell."""
        return self.value("File")

    @property
    def digest(self) -> bytes:
        """The digest that the tag is or spells; empty when it is a name that somebody made up."""
        if len(self.tag) in (20, 32):
            return self.tag
        try:
            return bytes.fromhex(self.tag.decode("utf-16-le").removesuffix("\0"))
        except ValueError:
            return b""


Extension: TypeAlias = "NameValue | UnknownExtension"


@dataclass(frozen=True)
class Catalog:
    """A catalog's list; whoever signed the file around it is not part of its meaning.

    Attributes:
        version: 1 (SHA-1 only) or 2 (SHA-1 and SHA-256, Windows 8 and later).
        identifier: listIdentifier, a GUID as Windows stores one.
        this_update: UTC, whole seconds.
        extensions: in the order of the file: OS, then the hardware IDs from the last to the first.
        signed: whether the file that it was read from has a signer.
    """

    version: Literal[1, 2]
    identifier: bytes
    this_update: datetime.datetime
    members: tuple[Member, ...]
    extensions: tuple[Extension, ...] = ()
    signed: bool = field(default=False, compare=False)

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes by name, in the order in which they were added."""
        return {each.name: each.value for each in reversed(self.extensions) if isinstance(each, NameValue)}

    @property
    def hardware_ids(self) -> list[str]:
        found = {int(name[4:]): value for name, value in self.attributes.items() if _is_hardware_id(name)}
        return [found[number] for number in sorted(found)]

    @property
    def systems(self) -> list[str]:
        """Tokens of the OS attribute, such as XPX86."""
        return [token for token in self.attributes.get("OS", "").split(",") if token]


def _is_hardware_id(name: str) -> bool:
    return name.startswith("HWID") and name[4:].isdecimal()
