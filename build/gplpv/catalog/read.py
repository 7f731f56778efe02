# SPDX-License-Identifier: GPL-2.0-or-later
"""From a catalog's bytes, signed or not, to what it means; everything that it holds is kept or refused.

Two checks make the reading strict. All lengths have to be definite and as short as they go, the whole file through
(ITU-T X.690, 10.1). And the meaning that was read, encoded again, has to be the bytes that were read: whatever is not
DER, or would be lost, shows there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

from asn1crypto import core

from gplpv.authenticode import Kind
from gplpv.catalog import asn1, write
from gplpv.catalog.model import (
    PAGE_HASH_CLASS,
    Catalog,
    Extension,
    Indirect,
    Link,
    Member,
    NameValue,
    Unknown,
    UnknownExtension,
)
from gplpv.errors import GplpvError

_HINT = "Make it again with `gplpv inf2cat`, or take a whole copy of it."
_DEEPEST = 64
_VERSIONS: dict[str, Literal[1, 2]] = {asn1.SUBJECTS[1]: 1, asn1.SUBJECTS[2]: 2}
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def read(data: bytes) -> Catalog:
    """Return what a catalog means.

    Raises:
        GplpvError: it is no catalog, not DER, or has something that is not understood; with the place.
    """
    ctl, signed = trust_list(data)
    with _at("the list"):
        parsed = asn1.TrustList.load(ctl, strict=True)
        _expect(parsed["usage"].native, [asn1.CATALOG_LIST], "its usage")
        version = _known(_VERSIONS, parsed["subject_algorithm"])
        identifier, moment = parsed["identifier"].native, parsed["this_update"].native
        members = parsed["members"]
        count = len(members)
    read_members = []
    for number in range(count):
        with _at(f"member {number + 1}"):
            read_members.append(_member(members[number], version))
    with _at("the extensions"):
        extensions = tuple(_extension(each) for each in parsed["extensions"] or ())
    catalog = Catalog(version, identifier, moment, tuple(read_members), extensions, signed)
    _require_same(write.encode(catalog), ctl)
    return catalog


def trust_list(data: bytes) -> tuple[bytes, bool]:
    """Return the DER of a catalog's list, and whether the file around it has a signer.

    Raises:
        GplpvError: the file is not strict DER, or no SignedData around a list.
    """
    _require_der(data)
    with _at("the file"):
        envelope = asn1.Envelope.load(data, strict=True)
        _expect(envelope["type"].native, asn1.SIGNED_DATA, "its type")
        signed = envelope["content"]
        _expect(signed["version"].native, 1, "the version of its SignedData")
        _expect(signed["content"]["type"].native, asn1.CTL, "its content")
        return signed["content"]["content"].untag().dump(), bool(signed["signers"].contents)


def page_hashes(indirect: Indirect) -> dict[str, list[tuple[int, bytes]]]:
    """Return an image's page hashes by algorithm: file offset and digest of each page; none for most members.

    Raises:
        GplpvError: the moniker carries something else.
    """
    if indirect.link.kind != "moniker":
        return {}
    with _at("the page hashes"):
        _expect(indirect.link.class_id, PAGE_HASH_CLASS, "the moniker's class")
        found = {}
        for each in asn1.PageHashSet.load(indirect.link.data, strict=True):
            algorithm = asn1.PAGE_HASHES.get(each["type"].native, "")
            size = {"sha1": 20, "sha256": 32}.get(algorithm)
            (table,) = (core.OctetString.load(value, strict=True).native for value in each["values"].elements)
            if size is None or len(table) % (4 + size):
                raise ValueError(f"{len(table)} bytes of the type {each['type'].native} are no page hashes")
            records = [table[start : start + 4 + size] for start in range(0, len(table), 4 + size)]
            found[algorithm] = [(int.from_bytes(record[:4], "little"), record[4:]) for record in records]
        return found


def _member(parsed: asn1.Member, version: Literal[1, 2]) -> Member:
    named: list[NameValue] = []
    unknown: list[Unknown] = []
    single: dict[str, Any] = {}
    readers = {asn1.MEMBER_INFO[version]: _INFOS[version], asn1.INDIRECT_DATA: _indirect}
    for attribute in parsed["attributes"]:
        oid, values = attribute["type"].native, attribute["values"].elements
        if oid == asn1.NAME_VALUE and len(values) == 1:
            named.append(_name_value(values[0]))
        elif oid in readers and len(values) == 1 and oid not in single:
            with _at(f"attribute {oid}"):
                single[oid] = readers[oid](values[0])
        elif oid == asn1.NAME_VALUE or oid in readers or oid in asn1.MEMBER_INFO.values():
            raise ValueError(f"attribute {oid} has {len(values)} values, stands twice, or belongs to another version")
        else:
            unknown.append(Unknown(oid, tuple(values)))
    kind, number = single.get(asn1.MEMBER_INFO[version], (None, 512))
    indirect = single.get(asn1.INDIRECT_DATA)
    return Member(parsed["tag"].native, tuple(named), kind, number, indirect, tuple(unknown))


def _name_value(data: bytes) -> NameValue:
    parsed = asn1.NameValue.load(data, strict=True)
    value = parsed["value"].native.decode("utf-16-le", "surrogatepass")
    if not value.endswith("\0"):
        raise ValueError(f"the value of {parsed['name'].native} has no NUL at its end")
    return NameValue(parsed["name"].native, value[:-1], parsed["flags"].native)


def _info_v1(data: bytes) -> tuple[Kind, int]:
    parsed = asn1.MemberInfo.load(data, strict=True)
    kinds = {guid: kind for kind, guid in write.GUIDS.items()}
    return _entry(kinds, parsed["guid"].native, "the kind of file"), parsed["version"].native


def _info_v2(data: bytes) -> tuple[Kind, int]:
    return _entry({shape: kind for kind, shape in write.SHAPES.items()}, data, "the kind of file"), 512


_INFOS = {1: _info_v1, 2: _info_v2}


def _indirect(data: bytes) -> Indirect:
    parsed = asn1.IndirectData.load(data, strict=True)
    oid, value = parsed["data"]["type"].native, parsed["data"]["value"]
    image = _entry({asn1.PE_IMAGE_DATA: True, asn1.LINK_DATA: False}, oid, "the type of data")
    flags = value["flags"].contents if image else Indirect.flags
    link = _link(value["file"] if image else value)
    names: dict[str, Literal["sha1", "sha256"]] = {asn1.DIGESTS["sha1"]: "sha1", asn1.DIGESTS["sha256"]: "sha256"}
    algorithm = _known(names, parsed["digest"]["algorithm"])
    return Indirect(algorithm, parsed["digest"]["digest"].native, image, link, flags)


def _link(parsed: asn1.Link) -> Link:
    chosen = parsed.chosen
    if parsed.name == "moniker":
        return Link("moniker", class_id=chosen["class_id"].native, data=chosen["data"].native)
    if parsed.name == "url":
        return Link("url", chosen.native)
    return Link("file" if chosen.name == "unicode" else "ascii-file", chosen.chosen.native)


def _extension(parsed: asn1.Extension) -> Extension:
    oid, critical, value = (parsed[name].native for name in ("id", "critical", "value"))
    if oid == asn1.NAME_VALUE and not critical:
        return _name_value(value)
    return UnknownExtension(oid, critical, value)


def _known(names: dict[str, _Value], algorithm: asn1.Algorithm) -> _Value:
    return _entry(names, algorithm["algorithm"].dotted, "the algorithm")


def _entry(known: dict[_Key, _Value], key: _Key, what: str) -> _Value:
    if key not in known:
        raise ValueError(f"{what} is {key!r}, which is not understood")
    return known[key]


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise ValueError(f"{what} is {found!r}, not {wanted!r}")


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    """Turn what the ASN.1 library finds into one sentence with its place."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError) as error:
        told = " ".join(str(error).split()).rstrip(".")
        raise GplpvError(f"The catalog is not understood at {place}: {told}.", _HINT) from error
    except GplpvError as error:
        within = error.message.replace("understood at ", f"understood at {place}, ", 1)
        raise GplpvError(within, error.hint) from error


def _require_same(again: bytes, ctl: bytes) -> None:
    if again != ctl:
        pairs = enumerate(zip(again, ctl, strict=False))
        offset = next((index for index, (one, other) in pairs if one != other), min(len(again), len(ctl)))
        raise GplpvError(f"The catalog's list is not DER as catalogs have it, at byte {offset} of it.", _HINT)


def _require_der(data: bytes) -> None:
    """Refuse lengths that are indefinite, longer than need be or beyond their parent, and bytes behind the end."""
    end = _walk(data, 0, len(data), 0)
    if end != len(data):
        raise GplpvError(f"{len(data) - end} bytes follow the catalog's end at byte {end}.", _HINT)


def _walk(data: bytes, start: int, limit: int, depth: int) -> int:
    """Pass over one value and return where it ends."""
    if start + 2 > limit or depth > _DEEPEST:
        raise GplpvError(f"The catalog is cut off or no DER at byte {start}.", _HINT)
    body, size = start + 2, data[start + 1]
    if data[start] & 0x1F == 0x1F:
        raise GplpvError(f"The catalog has a tag of more than one byte at byte {start}.", _HINT)
    if size & 0x80:
        body += size & 0x7F
        octets = data[start + 2 : min(body, limit)]
        size = int.from_bytes(octets, "big")
        if not octets or not octets[0] or size < 0x80 or body > limit:
            raise GplpvError(f"The length at byte {start} of the catalog is not DER.", _HINT)
    end = body + size
    if end > limit:
        raise GplpvError(f"The catalog is cut off: its value at byte {start} ends at {end}, beyond {limit}.", _HINT)
    while data[start] & 0x20 and body < end:
        body = _walk(data, body, end, depth + 1)
    return end
