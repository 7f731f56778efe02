# SPDX-License-Identifier: GPL-2.0-or-later
"""What an INF installs, on golden files whose catalogs say the same, and on small ones for each rule."""

from __future__ import annotations

import pytest

from gplpv.inf.parse import parse
from gplpv.inf.target import Target
from gplpv.inf.view import Inf, number

XP = Target("x86", (5, 1))
XP64 = Target("amd64", (5, 2))


def read(text: str) -> Inf:
    return Inf(parse(text.encode()))


def test_a_manufacturer_is_a_name_and_a_models_section():
    found = read("[Manufacturer]\n%A%=M,NTx86,,NTamd64\nPlain\n[Strings]\nA=The maker\n").manufacturers()
    assert [(one.name, one.models, one.decorations) for one in found] == [
        ("The maker", "M", ("NTx86", "NTamd64")),
        ("Plain", "Plain", ()),
    ]


def test_models_are_those_of_the_windows():
    inf = read("[Manufacturer]\nA=M,NTamd64\n[M]\nOld=I,PCI\\X86\n[M.NTamd64]\nNew=J,PCI\\X64,PCI\\CC,,PCI\\C\n")
    assert [model.hardware_id for model in inf.models(XP)] == ["PCI\\X86"]
    (model,) = inf.models(XP64)
    assert (model.description, model.install, model.ids) == ("New", "J", ("PCI\\X64", "PCI\\CC", "PCI\\C"))


def test_ids_are_those_of_all_models_in_the_order_of_the_catalog():
    inf = read(
        "[Manufacturer]\nA=M,NTamd64\nB=N\n[N]\nx=I,Z\n[M.NTamd64]\nx=I,%ID%,C1\ny=I,,C1,C2\n[M]\nx=I,A\n[Strings]\nID=B\n"
    )
    assert inf.hardware_ids() == ["a", "b", "c1", "c2", "z"]


@pytest.mark.parametrize(
    ("sections", "taken"),
    [("[I]\n[I.NT]\n[I.NTx86]", "I.NTx86"), ("[I]\n[i.nt]", "I.NT"), ("[I]\n[I.NTamd64]", "I"), ("[I.NTamd64]", None)],
)
def test_the_install_section_is_the_most_decorated(sections: str, taken: str | None):
    assert read(sections).install_section("I", XP) == taken


FILES = """[Manufacturer]
A=M,NTamd64,NTx86
[M.NTamd64]
a=I,X
[M.NTx86]
a=I,X
[I.NTx86]
CopyFiles=@plain.sys
[I.NTamd64]
CopyFiles=List , Second
[I.NTamd64.CoInstallers]
CopyFiles=Third
[List]
there.sys,here.sys,,2
key=is.not
[Second]
second.sys
unlisted.sys
[Third]
co.dll
[SourceDisksNames]
1=disk,,,\\top
2=other
[SourceDisksFiles]
here.sys=1
plain.sys=2
second.sys=1,\\sub
[SourceDisksFiles.amd64]
HERE.SYS=2,\\x64
co.dll=2
[DestinationDirs]
DefaultDestDir=12
Third=11,folder
"""


def test_members_are_what_is_copied_and_listed_under_the_names_that_they_get():
    inf = read(FILES)
    assert inf.members(Target("x86", (5, 1))) == [("plain.sys", "plain.sys")]
    assert inf.members(XP64) == [
        ("there.sys", "x64\\HERE.SYS"),
        ("second.sys", "top\\sub\\second.sys"),
        ("co.dll", "co.dll"),
    ]


def test_a_copied_file_has_source_and_flags():
    (copy, *_) = read(FILES).copied(XP64)
    assert (copy.target, copy.source, copy.flags, copy.section) == ("there.sys", "here.sys", "2", "List")


def test_a_list_goes_where_destination_dirs_says():
    inf = read(FILES)
    assert inf.destination("Third") == ("11", "folder")
    assert inf.destination("List") == inf.destination("") == ("12", "")
    assert read("[List]").destination("List") is None


def test_services_and_the_function_driver():
    inf = read("[I.Services]\nAddService=a,0x802,S,Log\nAddService=b,,T\nAddService=,2\nDelService=c\n")
    assert [(one.name, one.section, one.event_log, one.is_function_driver) for one in inf.services("I")] == [
        ("a", "S", "Log", True),
        ("b", "T", "", False),
    ]
    assert [one.is_function_driver for one in inf.add_services("I")] == [True, False, True]


def test_a_registry_line_has_five_parts():
    lines = read('[R]\nHKR,k,"v",0x10000,a,b\nHKLM\n').registry_lines("R")
    assert [(one.root, one.key, one.value, one.flags, one.data) for one in lines] == [
        ("HKR", "k", "v", "0x10000", ("a", "b")),
        ("HKLM", "", "", "", ()),
    ]


def test_the_catalog_is_that_of_the_architecture_else_of_nt_else_any():
    inf = read("[Version]\nCatalogFile=any.cat\nCatalogFile.NTx86=x86.cat\n")
    assert inf.catalog_file(XP) == "x86.cat"
    assert inf.catalog_file(XP64) == "any.cat"
    assert read("[Version]\nCatalogFile.NT=nt.cat\nCatalogFile=any.cat\n").catalog_file(XP) == "nt.cat"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0x1F", 31),
        ("010", 10),
        ("-1", -1),
        ("", None),
        ("x", None),
        ("1_0", None),
        ("0x", None),
        ("9" * 5000, None),
    ],
)
def test_numbers_are_decimal_or_hexadecimal(text: str, value: int | None):
    assert number(text) == value
