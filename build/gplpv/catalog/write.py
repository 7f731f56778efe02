# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a catalog means to its bytes, as the vendor's inf2cat writes them: strict DER, sets sorted.

The layouts are those of :mod:`gplpv.catalog.asn1`; what they leave open (which attributes a member has, the order of
members and extensions) follows catalogs made by the vendor's tool.
"""

from __future__ import annotations

import datetime
import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from asn1crypto import core, x509

from gplpv import authenticode
from gplpv.authenticode import Kind
from gplpv.catalog import asn1, systems
from gplpv.catalog.model import Catalog, Extension, Indirect, Link, Member, NameValue, UnknownExtension
from gplpv.catalog.systems import System

GUIDS = {
    Kind.PE: "{C689AAB8-8E78-11D0-8C47-00C04FC295EE}",
    Kind.CAB: "{C689AABA-8E78-11D0-8C47-00C04FC295EE}",
    Kind.FLAT: "{DE351A42-8E59-11D0-8C47-00C04FC295EE}",
}
"""V1 member info: who knows this kind of file."""
SHAPES = {Kind.PE: b"\x80\x00", Kind.CAB: b"\x81\x00", Kind.FLAT: b"\x82\x00"}
"""V2 member info: an empty choice."""
_FIRST_LONG_YEAR = 2050


@dataclass(frozen=True)
class File:
    """A file to be catalogued: its lower-case destination name, kind, and digests of its source."""

    name: str
    kind: Kind
    sha1: bytes
    sha256: bytes


def hash_file(name: str, data: bytes) -> File:
    """Return a file's entry.

    Raises:
        GplpvError: it is a damaged image or cabinet.
    """
    sha1, sha256 = (authenticode.digest(data, algorithm) for algorithm in ("sha1", "sha256"))
    return File(name.lower(), authenticode.kind(data), sha1, sha256)


def build(
    files: Iterable[File],
    targets: Sequence[System],
    hardware_ids: Iterable[str],
    moment: datetime.datetime,
    *,
    identifier: bytes | None = None,
    link_text: str = "",
) -> Catalog:
    """Return the catalog that inf2cat makes of these.

    Args:
        files: one content with two names counts once, under the first of them.
        identifier: listIdentifier; by default one that follows from everything else but the moment.
        link_text: :data:`gplpv.catalog.model.OBSOLETE` to repeat a catalog made on an old host.
    """
    chosen: Literal[1, 2] = 2 if systems.version(targets) == 2 else 1
    os_attribute = systems.os_attribute(targets)
    members: dict[bytes, Member] = {}
    for file in files:
        for member in _MAKERS[chosen](file, os_attribute, Link(text=link_text)):
            members.setdefault(member.tag, member)
    ordered = tuple(members[tag] for tag in sorted(members))
    added = [NameValue(f"HWID{number}", each) for number, each in enumerate(hardware_ids, 1)]
    added.append(NameValue("OS", ",".join(system.token for system in targets)))
    extensions = tuple(reversed(added))
    if identifier is None:
        identifier = _identifier(ordered, extensions)
    moment = moment.astimezone(datetime.timezone.utc).replace(microsecond=0)
    return Catalog(chosen, identifier, moment, ordered, extensions)


def _members_v1(file: File, os_attribute: str, link: Link) -> list[Member]:
    tag = (file.sha1.hex().upper() + "\0").encode("utf-16-le")
    indirect = Indirect("sha1", file.sha1, file.kind is Kind.PE, link)
    return [Member(tag, _named(file, os_attribute), file.kind, indirect=indirect)]


def _members_v2(file: File, os_attribute: str, link: Link) -> list[Member]:
    named = _named(file, os_attribute)
    indirect = Indirect("sha256", file.sha256, file.kind is Kind.PE, link)
    return [Member(file.sha1, named, file.kind), Member(file.sha256, named, file.kind, indirect=indirect)]


_MAKERS = {1: _members_v1, 2: _members_v2}


def _named(file: File, os_attribute: str) -> tuple[NameValue, ...]:
    """In the order that DER gives them, which depends on their lengths."""
    found = (NameValue("File", file.name), NameValue("OSAttr", os_attribute))
    return tuple(sorted(found, key=lambda each: bytes(name_value(each).dump())))


def _identifier(members: Iterable[Member], extensions: Iterable[Extension]) -> bytes:
    """A GUID of version 4 in all but chance: equal catalogs have equal ones."""
    seed = b"".join(_member(member, 1).dump() for member in members) + b"".join(map(_extension_bytes, extensions))
    return uuid.UUID(bytes=hashlib.sha256(seed).digest()[:16], version=4).bytes_le


def write(catalog: Catalog) -> bytes:
    """Return the whole unsigned file: SignedData with no algorithms, no certificates and no signers."""
    return _envelope(encode(catalog))


def encode(catalog: Catalog) -> bytes:
    """Return the DER of the list alone; a signature covers its contents, without tag and length."""
    value: dict[str, Any] = {
        "usage": [asn1.CATALOG_LIST],
        "identifier": catalog.identifier,
        "this_update": _time(catalog.this_update),
        "subject_algorithm": {"algorithm": asn1.SUBJECTS[catalog.version], "parameters": core.Null()},
        "members": [_member(member, catalog.version) for member in catalog.members],
    }
    if catalog.extensions:
        value["extensions"] = [asn1.Extension.load(_extension_bytes(each)) for each in catalog.extensions]
    return bytes(asn1.TrustList(value).dump())


def _envelope(ctl: bytes) -> bytes:
    signed = {
        "version": 1,
        "algorithms": asn1.RawSet.of(()),
        "content": {"type": asn1.CTL, "content": asn1.TrustList.load(ctl)},
        "signers": asn1.RawSet.of(()),
    }
    return bytes(asn1.Envelope({"type": asn1.SIGNED_DATA, "content": signed}).dump())


def _time(moment: datetime.datetime) -> x509.Time:
    """UTCTime, from 2050 on GeneralizedTime (RFC 5280, 4.1.2.5)."""
    name, form = (
        ("utc_time", core.UTCTime) if moment.year < _FIRST_LONG_YEAR else ("general_time", core.GeneralizedTime)
    )
    return x509.Time(name=name, value=form(moment))


def _extension_bytes(extension: Extension) -> bytes:
    if isinstance(extension, UnknownExtension):
        value = {"id": extension.oid, "critical": extension.critical, "value": extension.value}
    else:
        value = {"id": asn1.NAME_VALUE, "value": name_value(extension).dump()}
    return bytes(asn1.Extension(value).dump())


def name_value(attribute: NameValue) -> asn1.NameValue:
    """Return an attribute by name as ASN.1."""
    value = (attribute.value + "\0").encode("utf-16-le", "surrogatepass")
    return asn1.NameValue({"name": attribute.name, "flags": attribute.flags, "value": value})


def _member(member: Member, version: int) -> asn1.Member:
    found = [(asn1.NAME_VALUE, [name_value(each).dump()]) for each in member.attributes]
    if member.kind:
        found.append((asn1.MEMBER_INFO[version], [_info(member, member.kind, version)]))
    if member.indirect:
        found.append((asn1.INDIRECT_DATA, [_indirect(member.indirect).dump()]))
    found += [(each.oid, list(each.values)) for each in member.unknown]
    attributes = [{"type": oid, "values": asn1.RawSet.of(values)} for oid, values in found]
    return asn1.Member({"tag": member.tag, "attributes": attributes})


def _info(member: Member, kind: Kind, version: int) -> bytes:
    if version == 1:
        return bytes(asn1.MemberInfo({"guid": GUIDS[kind], "version": member.version}).dump())
    return SHAPES[kind]


def _indirect(indirect: Indirect) -> asn1.IndirectData:
    link = _link(indirect.link)
    if indirect.image:
        flags = core.BitString.load(bytes([3, len(indirect.flags)]) + indirect.flags)
        data: dict[str, Any] = {"type": asn1.PE_IMAGE_DATA, "value": asn1.ImageData({"flags": flags, "file": link})}
    else:
        data = {"type": asn1.LINK_DATA, "value": link}
    algorithm = {"algorithm": asn1.DIGESTS[indirect.algorithm], "parameters": core.Null()}
    return asn1.IndirectData({"data": data, "digest": {"algorithm": algorithm, "digest": indirect.digest}})


def _link(link: Link) -> asn1.Link:
    if link.kind == "moniker":
        return asn1.Link("moniker", {"class_id": link.class_id, "data": link.data})
    if link.kind == "url":
        return asn1.Link("url", link.text)
    return asn1.Link("file", asn1.SpcString("unicode" if link.kind == "file" else "ascii", link.text))
