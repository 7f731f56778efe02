# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written is read again; what is not strict DER or not understood is refused, wherever it stands."""

from __future__ import annotations

import dataclasses
import datetime
import random
import uuid
from pathlib import Path

import pytest
from asn1crypto import core

from gplpv import catalog, config
from gplpv.authenticode import Kind
from gplpv.catalog import asn1, systems
from gplpv.catalog.model import PAGE_HASH_CLASS
from gplpv.catalog.read import page_hashes, trust_list
from gplpv.errors import GplpvError, UsageError

from .samples import START, cabinet, image

FILES = [
    catalog.hash_file("A.sys", image()),
    catalog.hash_file("a.inf", b"[Version]\r\n"),
    catalog.hash_file("a.cab", cabinet()),
]
IDS = ["pci\\ven_5853&dev_0001", "xen\\vbd"]


def made(names: str, files: list[catalog.File] | None = None) -> catalog.Catalog:
    return catalog.build(files or FILES, systems.parse(names.split(",")), IDS, START)


@pytest.mark.parametrize(("names", "version", "members"), [("XP_X86,10_X64", 1, 3), ("8_X86,10_X64", 2, 6)])
def test_a_catalog_is_read_as_it_was_written(names: str, version: int, members: int) -> None:
    built = made(names)
    read = catalog.read(catalog.write(built))
    assert read == built
    assert (read.version, len(read.members), read.signed) == (version, members, False)
    assert read.hardware_ids == IDS
    assert {member.file: member.kind for member in read.members} == {
        "a.sys": Kind.PE, "a.inf": Kind.FLAT, "a.cab": Kind.CAB,
    }  # fmt: skip
    digests = {file.sha1 for file in FILES} | ({file.sha256 for file in FILES} if version == 2 else set())
    assert {member.digest for member in read.members} == digests
    assert [member.tag for member in read.members] == sorted(member.tag for member in read.members)


def test_only_the_sha256_member_of_version_2_repeats_its_digest() -> None:
    for member in made("8_X64").members:
        assert (member.indirect is not None) == (len(member.tag) == 32)
        assert member.indirect is None or member.indirect.digest == member.tag


def test_the_identifier_follows_from_the_content_and_looks_like_version_4() -> None:
    one, later = made("XP_X86"), catalog.build(FILES, systems.parse(["XP_X86"]), IDS, START.replace(year=2027))
    assert one.identifier == later.identifier
    assert one.identifier != made("XP_X86", FILES[:2]).identifier != made("XP_X64", FILES[:2]).identifier
    guid = uuid.UUID(bytes_le=one.identifier)
    assert (guid.version, guid.variant) == (4, uuid.RFC_4122)


@pytest.mark.parametrize("year", [1980, 2049, 2050, 2106])
def test_any_moment_of_a_build_can_be_written(year: int) -> None:
    moment = datetime.datetime(year, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    built = catalog.build(FILES, systems.parse(["XP_X86"]), IDS, moment)
    assert catalog.read(catalog.write(built)).this_update == moment


def test_one_content_under_two_names_is_one_member() -> None:
    built = made("XP_X86", [*FILES, dataclasses.replace(FILES[0], name="z.sys")])
    assert [member.file for member in built.members if member.kind is Kind.PE] == ["a.sys"]


@pytest.mark.parametrize(
    ("names", "token", "attribute"),
    [
        ("2000", "2000", "2:5.00"),
        ("XP_x64", "XPX64", "2:5.1,2:5.2"),
        ("server2003_x64,xp_x86, XP_X86", "XPX86,Server2003X64", "2:5.1,2:5.2"),
        ("10_X64,7_X86", "7X86,_v100_X64", "2:6.1,2:10.0"),
        ("Server6_3_X64,Server10_X64", "_v63_Server_X64,Server_v100_X64", "2:6.3,2:10.0"),
        ("10_VB_X64,10_RS3_X86", "_v100_RS3,_v100_X64_Vb", "2:10.0"),
    ],
)
def test_systems_in_the_order_of_the_table(names: str, token: str, attribute: str) -> None:
    built = made(names)
    assert built.attributes["OS"] == token
    assert {member.value("OSAttr") for member in built.members} == {attribute}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("XPX86", "Did you mean 'XP_X86'"),
        ("Vista_32", "Did you mean 'Vista_X"),
        ("??", "Known: 2000"),
        (" ,", "Name some"),
    ],
)
def test_an_unknown_system_is_refused_with_the_nearest(names: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        systems.parse(names.split(","))
    assert told in caught.value.hint


def test_the_systems_of_platforms_yaml_are_those_that_the_drivers_are_for() -> None:
    for variant in config.load(Path(__file__).parents[3]).matrix.variants():
        chosen = systems.parse(variant.target.catalog_os)
        assert {system.arch for system in chosen} == {variant.arch.machine}, variant.name
        versions = sorted(system.nt for system in chosen)
        assert (versions[0], versions[-1]) == (variant.nt, variant.until), variant.name


def test_what_others_put_in_is_kept() -> None:
    """Page hashes, attributes of any kind and extensions survive; the order within a set is DER's own."""
    table = b"\0\2\0\0" + bytes(32)
    values = asn1.RawSet.of([core.OctetString(table).dump()])
    hashes = asn1.PageHashes({"type": "1.3.6.1.4.1.311.2.3.2", "values": values})
    moniker = catalog.Link("moniker", class_id=PAGE_HASH_CLASS, data=asn1.PageHashSet([hashes]).dump())
    built = made("8_X64")
    (member,) = (each for each in built.members if each.kind is Kind.PE and each.indirect)
    assert member.indirect
    changed = dataclasses.replace(
        member,
        attributes=(catalog.NameValue("B", "2"), *member.attributes, catalog.NameValue("Longer", "text", 0x10001)),
        indirect=dataclasses.replace(member.indirect, link=moniker),
        unknown=(catalog.Unknown("1.2.3.5", ()), catalog.Unknown("1.2.3.4", (b"\x85\x01\x00", b"\x85\x00"))),
    )
    extension = catalog.UnknownExtension("1.2.3.6", True, b"any")
    built = dataclasses.replace(
        built,
        members=tuple(changed if each is member else each for each in built.members),
        extensions=(extension, *built.extensions),
    )
    read = catalog.read(catalog.write(built))
    kept = next(each for each in read.members if each.tag == member.tag)
    assert set(kept.attributes) == set(changed.attributes)
    assert kept.unknown == (changed.unknown[0], catalog.Unknown("1.2.3.4", (b"\x85\x00", b"\x85\x01\x00")))
    assert kept.indirect == changed.indirect
    assert kept.indirect and page_hashes(kept.indirect) == {"sha256": [(0x200, bytes(32))]}
    assert read.extensions == built.extensions
    assert catalog.encode(read) == catalog.encode(built)


def test_a_catalog_needs_neither_names_nor_extensions() -> None:
    """As MakeCat writes them from a list without attributes."""
    bare = catalog.Catalog(1, bytes(16), START, (catalog.Member("readme".encode("utf-16-le")),))
    read = catalog.read(catalog.write(bare))
    assert read == bare
    assert (read.members[0].digest, read.members[0].file, read.hardware_ids, read.systems) == (b"", "", [], [])


DATA = catalog.write(made("XP_X86"))
# Members stand by digest, and that of the cabinet is zlib's doing: the first that is an image or a cabinet, from 1.
FIRST = next(index for index, member in enumerate(made("XP_X86").members, 1) if member.kind is not Kind.FLAT)


def change(old: str, new: str) -> bytes:
    """DATA with the first of some bytes replaced."""
    before, found, after = DATA.partition(bytes.fromhex(old))
    assert found
    return before + bytes.fromhex(new) + after


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "cut off or no DER at byte 0"),
        (b"MZ" * 40, "cut off"),
        (DATA[:-1], "cut off"),
        (DATA + b"\0", "1 bytes follow"),
        (b"\x30\x80" + DATA[4:] + b"\0\0", "length at byte 0 of the catalog is not DER"),
        (b"\x30\x83\0" + DATA[2:], "length at byte 0 of the catalog is not DER"),
        (b"\x30\x03\x02\x01\x01", "not understood at the file"),
        (change("82370a01", "82370a02"), "its content is"),
        (change("82370c0102", "82370c0104"), "the algorithm is"),
        (change("82370c0101", "82370c0104"), "its usage is"),
        (change("0043003600380039", "0043003600380038"), rf"member {FIRST}, attribute .*2\.2: the kind of file is"),
        (change("2b0e03021a", "2b0e03021b"), "member 1, attribute .*the algorithm is"),
        (change("82370c0202", "82370c0203"), "member 1: .*another version"),
        (change("7300790073000000", "7300790073002100"), "the value of File has no NUL"),
        (change(b"260101000000Z".hex(), b"260101000060Z".hex()), "not understood at the list"),
        (change(b"260101000000Z".hex(), b"2601010000+0Z".hex()), "the list"),
    ],
)
def test_what_is_no_catalog_is_refused_with_the_place(data: bytes, told: str) -> None:
    with pytest.raises(GplpvError, match=told) as caught:
        catalog.read(data)
    assert caught.value.hint


def test_a_set_out_of_order_is_no_der() -> None:
    attributes = asn1.TrustList.load(trust_list(DATA)[0])["members"][0]["attributes"].contents
    swapped = b"".join(reversed(asn1.RawSet(contents=attributes).elements))
    with pytest.raises(GplpvError, match="not DER as catalogs have it, at byte"):
        catalog.read(DATA.replace(attributes, swapped))


def test_whatever_is_damaged_the_answer_is_a_catalog_or_one_sentence() -> None:
    """And whatever is read encodes to the bytes that were read."""
    chance = random.Random(4)
    refused = 0
    for _ in range(150):
        damaged = bytearray(DATA)
        for _ in range(chance.choice((1, 1, 3))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            read = catalog.read(bytes(damaged))
        except GplpvError:
            refused += 1
        else:
            assert catalog.encode(read) in bytes(damaged)
    assert refused > 25
