# SPDX-License-Identifier: GPL-2.0-or-later
"""Catalogs that the vendor's inf2cat made of virtio-win packages, rebuilt byte for byte (golden/catalogs/README.md)."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gplpv import catalog
from gplpv.authenticode import Kind
from gplpv.catalog import package, systems
from gplpv.catalog.read import trust_list

GOLDEN = Path(__file__).parents[1] / "golden" / "catalogs"
LISTS = {
    "wxp-x86-viostor": "XP_X86,Server2003_X86",
    "wnet-amd64-viostor": "XP_X64,Server2003_X64",
    "wlh-x86-balloon": "Vista_X86,Server2008_X86,7_X86",
    "wlh-amd64-viostor": "Vista_X64,Server2008_X64,7_X64,Server2008R2_X64",
    "win7-x86-vioser": "Server2008_X86,7_X86",
    "win8-x86-balloon": "8_X86",
    "win8-amd64-balloon": "8_X64,Server8_X64",
    "win8-amd64-viorng": "8_X64",
}
"""The /os: of each, as the package's build scripts or its OS attribute have it."""


@dataclass(frozen=True)
class Golden:
    """One package: the signed catalog, the INF and what members.json tells of the other files."""

    name: str
    catalog: bytes
    inf: Path
    facts: dict[str, Any]

    @property
    def targets(self) -> tuple[systems.System, ...]:
        return systems.parse(LISTS[self.name].split(","))


@pytest.fixture(params=LISTS)
def golden(request: pytest.FixtureRequest) -> Golden:
    folder = GOLDEN / request.param
    (inf,), (made,) = folder.glob("*.inf"), folder.glob("*.cat")
    return Golden(request.param, made.read_bytes(), inf, json.loads((folder / "members.json").read_text()))


def rebuild(golden: Golden) -> catalog.Catalog:
    """Members from members.json, hardware IDs from the INF, systems from the list of names."""
    files = [
        catalog.File(name, Kind(facts["kind"]), bytes.fromhex(facts["sha1"]), bytes.fromhex(facts["sha256"]))
        for name, facts in golden.facts["members"].items()
    ]
    return catalog.build(
        files,
        golden.targets,
        package.source(golden.inf).inf.hardware_ids(),
        datetime.datetime.strptime(golden.facts["this_update"] + "+0000", "17:%y%m%d%H%M%SZ%z"),
        identifier=bytes.fromhex(golden.facts["list_identifier"]),
        link_text=catalog.OBSOLETE if golden.facts["obsolete_link_text"] else "",
    )


def test_the_list_is_rebuilt_byte_for_byte(golden: Golden) -> None:
    assert catalog.encode(rebuild(golden)) == trust_list(golden.catalog)[0]


def test_what_is_read_means_the_same_and_encodes_to_the_same_bytes(golden: Golden) -> None:
    read = catalog.read(golden.catalog)
    assert read == rebuild(golden)
    assert read.signed
    assert catalog.encode(read) == trust_list(golden.catalog)[0]
    assert read.systems == golden.facts["os"]
    assert read.hardware_ids == package.source(golden.inf).inf.hardware_ids()


def test_the_inf_tells_which_files_are_members(golden: Golden) -> None:
    source = package.source(golden.inf)
    targets = [target for system in golden.targets for target in system.targets]
    found = {name for target in targets for name, _ in source.inf.members(target)}
    assert {golden.inf.name.lower(), *found} == set(golden.facts["members"])


def test_an_inf_that_is_listed_has_the_digest_listed(golden: Golden) -> None:
    file = catalog.hash_file(golden.inf.name, golden.inf.read_bytes())
    facts = golden.facts["members"][golden.inf.name.lower()]
    assert (file.kind.value, file.sha1.hex(), file.sha256.hex()) == (facts["kind"], facts["sha1"], facts["sha256"])
