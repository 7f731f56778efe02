# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule finds its fault, in the smallest change of a good INF that makes it, and leaves alone what is like it."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gplpv.inf.check import Finding, Subject, check, rules
from gplpv.inf.parse import parse
from gplpv.inf.target import Target

from .good import GOOD

TODAY = datetime.date(2012, 1, 2)
LONG = "x" * 4096
FILTER = r"HKLM,SYSTEM\CurrentControlSet\Control\Class\{4d36e97d-e325-11ce-bfc1-08002be10318},UpperFilters"
NEEDS = "[Install.NT]\nInclude=b.inf\nNeeds=One\n[One]\nNeeds=Two\n[Two]\nNeeds=One\n"

HOSTED = """ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%12%\\a.sys
[Install.NT.Services]
AddService=host,,Host
[Host]
ServiceType=0x20
StartType=2
ErrorControl=1
ServiceBinary="%11%\\svchost.exe -k ours"
"""

# Code, what is replaced in the good INF, by what, what the finding says, and the codes that come with it.
FAULTS = [
    ("INF101", '"The disk"', '"The disk', "closing quotation mark", ()),
    ("INF102", "[Values]", "[Values", "[Values is no section", ()),
    ("INF102", "[Files]", "[]\n[Files]", "lacks a name", ()),
    ("INF103", "[Version]", "a=b\n[Version]", "before the first section", ()),
    ("INF104", "[Files]", "[Files] all of them", "all of them", ()),
    ("INF105", "[Version]", "\ufeff[Version]\n; \udcff", "not UTF-8", ()),
    ("INF106", "Provider=", "Provider=\0", "NUL", ()),
    ("INF107", 'Device="The device"\n', 'Device="The device"\n\x1amore', "^Z", ()),
    ("INF108", '"a,b"', f'"{LONG}"', "4096 characters", ("INF112",)),
    ("INF108", '"a,b"', '"' + "%Maker%" * 500 + '"', "strings put in", ()),
    ("INF109", "[Values]", f"[{'x' * 256}]\n[Values]", "255", ("INF122",)),
    ("INF110", 'Device="The device"\n', 'Device="The device"\\', "backslash", ()),
    ("INF111", "The maker", "The m\u00e4ker", "code page", ()),
    ("INF112", "[Files]", f";{LONG}\n[Files]", "4097 characters", ()),
    ("INF120", "[Values]", "[Files]\n[Values]", "line 24", ()),
    ("INF121", "AddReg=Values", "AddReg=Values,Valves", "[Valves]", ()),
    ("INF121", "a,2,Service", "a,2,Service,Log", "[Log]", ()),
    ("INF122", "[Values]", "[Alone]\n[Values]", "[Alone]", ()),
    ("INF122", "[Values]", "[Alone.NTx86]\n[Alone.NTx86.Services]\n[Values]", "[Alone.NTx86]", ()),
    ("INF123", "[Install.NT]\n", NEEDS, "needs itself", ("INF124", "INF125")),
    ("INF123", "[Install.NT]\n", "[Install.NT]\nInclude=b.inf,A.INF\n", "includes itself", ()),
    (
        "INF124",
        "[Install.NT]\n",
        "[Install.NT]\nNeeds=A\n[A]\nInclude=b.inf\nNeeds=B\n",
        "Needs of its own",
        ("INF501",),
    ),
    ("INF125", "[Install.NT]\n", "[Install.NT]\nNeeds=B\n", "[B] is neither here", ()),
    ("INF150", "Key,Text", "Key,%Text%", "%Text%", ()),
    ("INF151", 'Device="', 'More="x"\nDevice="', "More", ()),
    ("INF152", 'Device="', 'DEVICE="x"\nDevice="', "Device", ()),
    ("INF154", "[Strings]", '[Strings.0407]\nMaker="A"\nDisk="B"\n[Strings]', "lacks the string Device", ()),
    ("INF155", "[Strings]", "[Strings]\nalone", "defines no string", ()),
    ("INF201", "$Windows NT$", "$Windows 95$", "$Windows 95$", ()),
    ("INF201", 'Signature="$Windows NT$"\n', "", "no Signature", ()),
    ("INF202", "Class=System", "Class=Net", "of Net is {4d36e972", ()),
    ("INF202", "{4d36e97d-e325", "{4d36e97d_e325", "no GUID", ()),
    ("INF202", "Class=System\n", "", "no Class", ()),
    ("INF202", "Class=System", "Class=Mine", "ClassGUID of System", ("INF203",)),
    ("INF203", "Class=System\nClassGUID={4d3", "Class=Mine\nClassGUID={123", "class Mine", ()),
    ("INF204", "Class=System\nClassGUID={4d36e97d", "Class=Unknown\nClassGUID={4d36e97e", "Unknown", ()),
    ("INF205", "Class=System\nClassGUID={4d3", f"Class={'M' * 33}\nClassGUID={{123", "32", ("INF203",)),
    ("INF206", "Provider=%Maker%\n", "", "Provider", ()),
    ("INF207", "DriverVer=01/02/2012,1.2.3.4\n", "", "no DriverVer", ()),
    ("INF207", "01/02/2012", "1/2/2012", "no date", ()),
    ("INF207", "01/02/2012", "02/30/2012", "no date", ()),
    ("INF207", "1.2.3.4", "1.2.3.65535", "1.2.3.65535", ()),
    ("INF207", "1.2.3.4", "1.2.3.4.5", "1.2.3.4.5", ()),
    ("INF208", "1.2.3.4", "1.2.3", "1.2.3", ()),
    ("INF209", "01/02/2012", "01/03/2012", "after 01/02/2012", ()),
    ("INF210", "CatalogFile=a.cat\n", "", "CatalogFile", ()),
    ("INF211", "a.cat", "sub\\a.cat", "sub\\a.cat", ()),
    ("INF211", "a.cat", "a.txt", "a.txt", ()),
    ("INF212", "PnpLockdown=1\n[Dest", "[Dest", "PnpLockdown", ()),
    ("INF213", "PnpLockdown=1", "PnpLockdown=1\nLayoutFile=layout.inf", "LayoutFile", ()),
    ("INF214", "PnpLockdown=1", "PnpLockdown=1\nDontReflectOffline=1", "DontReflectOffline", ()),
    ("INF301", "[Manufacturer]", "[Manufacturers]", "installs nothing", ("INF122", "INF304")),
    ("INF302", "Models,NTamd64", "Models,NTamd64,NTx64", "NTx64", ("INF303",)),
    ("INF303", "Models,NTamd64", "Models,NTamd64,NTamd64.6.0", "[Models.NTamd64.6.0]", ("INF304",)),
    ("INF304", "Models,NTamd64\n[Models.NTamd64]", "Models\n[Models]", "undecorated", ()),
    ("INF304", "NTamd64", "NTamd64.6.2", "Windows 6.0 amd64", ()),
    ("INF305", "=Install,PCI\\VEN_1&DEV_2", "=Install", "no hardware ID", ()),
    ("INF305", "=Install,", "=,", "no install section", ("INF122",)),
    ("INF306", "VEN_1&DEV_2", "VEN_1 & DEV_2", "no device's ID", ()),
    ("INF306", "PCI\\VEN_1&DEV_2", '"PCI\\VEN_1,2"', "no device's ID", ()),
    ("INF306", "VEN_1&DEV_2", "V" * 200, "204 characters", ()),
    ("INF306", "PCI\\VEN_1&DEV_2", '"PCI\\"', "lacks what stands", ()),
    ("INF307", "VEN_1&DEV_2", "VEN_1\\DEV_2", "more than one backslash", ()),
    ("INF308", "[Install.NT]", "%Device%=Install,pci\\ven_1&dev_2\n[Install.NT]", "already", ()),
    ("INF309", "=Install,PCI", "=Install2,PCI", "[Install2]", ("INF122",)),
    ("INF309", "[Install.NT]", "[Install.NTx86]", "there is only [Install.NTx86]", ()),
    ("INF310", "%Maker%=", f"{'M' * 256}=", "256 characters", ()),
    ("INF401", "a.sys=1", "b.sys=1", "a.sys is copied", ("INF402", "INF403")),
    ("INF402", "a.sys=1", "a.sys=1\nb.sys=1", "b.sys is listed", ()),
    ("INF403", "a.sys=1", "a.sys=1,sub", "sub\\a.sys", ()),
    ("INF405", "a.sys=1", "a.sys=2", "disk 2", ()),
    ("INF406", "DefaultDestDir=12", "", "[Files]", ()),
    ("INF407", "DestDir=12", "DestDir=%12%", "%12% is no directory number", ("INF506",)),
    ("INF408", "DestDir=12\n", "DestDir=12\nFiles=99\n", "99", ("INF506",)),
    ("INF408", '"a,b"', '"%99%"', "99", ()),
    ("INF409", "DestDir=12", "DestDir=12\nFliles=11", "[Fliles]", ()),
    ("INF410", "a.sys,,,2", "a.sys,,,2\na?.sys", "a?.sys", ("INF401",)),
    ("INF411", "a.sys,,,2", "a.sys,,,two", "two", ()),
    ("INF411", "a.sys,,,2", "a.sys,,,3", "exclude each other", ()),
    ("INF411", "a.sys,,,2", "a.sys,,,0x12", "exclude each other", ()),
    ("INF412", "a.sys=1", "a.sys=1\na.cat=1", "a.cat", ("INF402",)),
    ("INF413", "a.sys,,,2", "a.sys,,,2\n%Maker%", "%Maker%", ("INF401",)),
    ("INF501", "a,2,Service", "a,,Service", "0x00000002", ()),
    ("INF502", "a,2,Service", "a,2,Service\nAddService=b,2,Service", "already", ()),
    ("INF502", "a,2,Service", "a,2,Service\nAddService=,2", "already", ()),
    ("INF503", "a,2,Service", "a,two,Service", "two", ("INF501",)),
    ("INF503", "a,2,Service", "a,0x100002,Service", "0x100002", ()),
    ("INF503", "a,2,Service", "a,2,Service\nAddService=b", "no section", ()),
    ("INF504", "StartType=3\n", "", "no StartType", ()),
    ("INF504", "ServiceBinary=%12%\\a.sys\n", "", "no ServiceBinary", ()),
    ("INF505", "StartType=3", "StartType=5", "5 is no StartType", ()),
    ("INF505", "ErrorControl=1", "ErrorControl=high", "high is no ErrorControl", ()),
    ("INF505", "ServiceType=1", "ServiceType=3", "3 is no ServiceType", ()),
    ("INF506", "%12%\\a.sys", "%12%\\b.sys", "no CopyFiles copies it", ()),
    ("INF506", "%12%\\a.sys", "%11%\\a.sys", "is copied to", ()),
    ("INF507", "StartType=3", "StartType=2", "automatically", ()),
    ("INF507", "StartType=3", "StartType=4", "disabled", ()),
    ("INF508", "ServiceType=1", "ServiceType=0x10", "no kernel driver", ()),
    ("INF508", "a,2,Service", "a,0x802,Service", "0x800", ()),
    ("INF509", "a,2,Service", "a/b,2,Service", "a/b", ()),
    ("INF510", "[Install.NT]\n", "[Install.NT]\nReboot\n", "restart", ()),
    ("INF601", "HKR,Key", "HKXY,Key", "HKXY", ()),
    ("INF602", "0x00010001,7", "0x00020001000,7", "no flags", ("INF604",)),
    ("INF602", "0x00010001,7", "dword,7", "dword", ()),
    ("INF602", "0x00010001,7", "0x00010101,7", "0x00010101", ()),
    ("INF603", "0x00010001,7", "0x00010001,seven", "seven is no DWORD", ()),
    ("INF603", "0x00010001,7", "0x00010001,0x100000000", "no DWORD", ()),
    ("INF603", "0x00010001,7", "0x00010001", "Nothing is no DWORD", ()),
    ("INF603", "1,01,fe", "1,01,fg", "fg", ()),
    ("INF604", '"a,b"', "a,b", "b is a second value", ()),
    ("INF605", "HKR,Key", f"{FILTER},0x00010000,a\nHKR,Key", "replaced", ("INF606",)),
    ("INF606", "HKR,Key", f"{FILTER},0x00010008,a\nHKR,Key", "never removed", ()),
    ("INF607", "HKR,Key", f"HKR,a\\{'k' * 256}", "255", ()),
    ("INF608", "[Install.NT]\n", "[DefaultInstall]\nAddReg=Values\n[Install.NT]\n", "HKR", ()),
    ("INF609", "0x00010001,7", "0x00010009,7", "0x00010009", ()),
]

# What looks like a fault and is none.
ALLOWED = [
    ("[Files]", ";\u00e9\n[Files]"),
    ("[Values]", "[Values] ; all of them"),
    ("$Windows NT$", "$CHICAGO$"),
    ("$Windows NT$", "$WINDOWS NT$"),
    ("{4d36e97d-e325", "{4D36E97D-E325"),
    ("01/02/2012", "01-02-2012"),
    ("CatalogFile=a.cat", "CatalogFile.NTamd64=a.cat"),
    ("PnpLockdown=1\n[Dest", "PnpLockdown=0\n[Dest"),
    ("Class=System\nClassGUID={4d3", "[ClassInstall32]\n[Version]\nClass=Mine\nClassGUID={123"),
    ("[Models.NTamd64]", "[Models.ntAMD64]"),
    ("PCI\\VEN_1&DEV_2", "*PNP0A03"),
    ("PCI\\VEN_1&DEV_2", "ROOT\\MAKER\\DEVICE"),
    ("PCI\\VEN_1&DEV_2", ",PCI\\CC_0100"),
    ("[Install.NT]", "[Install]\n[Install.NT]"),
    ("%12%\\a.sys", "%10%\\System32\\drivers\\a.sys"),
    ("%12%\\a.sys", "%12%\\WUDFRd.sys"),
    ("ServiceType=1\nStartType=3\nErrorControl=1\nServiceBinary=%12%\\a.sys", HOSTED),
    ("DestDir=12", "DestDir=10,System32\\Drivers"),
    ("DestDir=12", "DestDir=16422\nFiles=12"),
    ("a.sys,,,2", "a.sys,,,0x00000002"),
    ("a.sys,,,2", "a.sys,,,0x10"),
    ("a.sys=1", "a.sys=1,,"),
    ("CopyFiles=Files\n", "CopyFiles=@a.sys,Files\n"),
    ("a,2,Service", "a,2,Service\nAddService=b,,Service"),
    ("0x00010001,7", "0x00010003,-1"),
    ("0x00010001,7", "0x00010001,01,00,00,00"),
    ("0x00010001,7", "0x10"),
    ("HKR,,Bytes,1,", "HKR,,Bytes,0x00380001,"),
    ("0x00010000,a,b", "0x00010008,a"),
    ('"a,b"', '"%%SystemRoot%%\\x"'),
    ("HKR,Key,Text", "HKR,,UpperFilters,0x00010000,a\nHKR,Key,Text"),
    ("[Values]\n", f"[Values]\n{FILTER},0x00010008,a\n[Install.NT]\nDelReg=Old\n[Old]\n{FILTER}\n[Values]\n"),
    ("[Strings]", '[Strings.0407]\nMaker="A"\nDisk="B"\nDevice="C"\n[Strings]'),
    ("[Install.NT]\n", "[Install.NT]\nInclude=b.inf\nNeeds=One\n"),
    ("[Values]", "[Alone] ; infcheck: allow INF122\n[Values]"),
    ("[Values]", "; our own program names it; infcheck: allow INF122, INF120\n[Alone]\n[Values]"),
]


def find(text: str, is_complete: bool = True, files: tuple[str, ...] = ("a.sys",)) -> list[Finding]:
    """What the rules find when the INF has to install on Vista x64."""
    data = text.encode("utf-8" if text.startswith("\ufeff") else "cp1252", "surrogateescape")
    targets = [Target("amd64", (6, 0))]
    return check("a.inf", Subject("a.inf", parse(data), targets, frozenset(files), is_complete, TODAY))


def changed(what: str, becomes: str) -> str:
    """The good INF with its first `what` replaced; a decoration stands twice and is replaced twice."""
    assert what in GOOD
    return GOOD.replace(what, becomes, -1 if what == "NTamd64" else 1)


def test_the_good_inf_is_good():
    assert find(GOOD) == []


@pytest.mark.parametrize(
    ("code", "what", "becomes", "says", "also"), FAULTS, ids=[f"{one[0]}-{one[2]:.20}" for one in FAULTS]
)
def test_a_fault_is_found(code: str, what: str, becomes: str, says: str, also: tuple[str, ...]):
    findings = find(changed(what, becomes))
    assert [one for one in findings if one.code == code and says in one.message], findings
    assert {one.code for one in findings} - {code, *also} == set(), findings


@pytest.mark.parametrize(("what", "becomes"), ALLOWED)
def test_what_is_allowed_is_not_found(what: str, becomes: str):
    findings = [one for one in find(changed(what, becomes)) if one.code not in ("INF120", "INF501")]
    assert findings == []


def test_every_rule_is_in_the_table_or_has_a_test_of_its_own():
    assert {one.code for one in rules()} - {code for code, *_ in FAULTS} == {"INF153", "INF404"}


@pytest.mark.parametrize(("nt", "length", "codes"), [((5, 2), 511, []), ((5, 2), 512, ["INF153"]), ((6, 0), 4095, [])])
def test_a_string_is_as_long_as_the_oldest_windows_takes(nt: tuple[int, int], length: int, codes: list[str]):
    text = GOOD.replace("The disk", "x" * length)
    subject = Subject("a.inf", parse(text.encode()), [Target("amd64", nt)])
    assert [one.code for one in check("a.inf", subject) if one.code != "INF112"] == codes


def test_an_inf_alone_is_told_so_and_one_that_lacks_a_file_of_its_own_is_wrong():
    two = GOOD.replace("a.sys=1", "a.sys=1\nb.sys=1").replace("a.sys,,,2", "a.sys,,,2\nb.sys")
    assert [one.code for one in find(two, is_complete=False, files=("a.inf",))] == ["INF404"]
    assert [one.code for one in find(two, is_complete=False, files=("a.inf", "a.sys"))] == ["INF403"]
    assert [one.code for one in find(two, is_complete=True, files=("a.inf",))] == ["INF403", "INF403"]


def test_a_finding_tells_file_line_column_severity_and_code():
    (finding,) = find(GOOD.replace("StartType=3", "StartType=9"))
    assert str(finding) == "a.inf:33:11: error INF505: 9 is no StartType."


@settings(max_examples=150)
@given(st.integers(0, len(GOOD)), st.integers(0, 60), st.text('[]=,;"\\%\r\n\t @{}0x9AN.é\x1a\0', max_size=12))
def test_no_change_upsets_a_rule(at: int, length: int, text: str):
    data = (GOOD[:at] + text + GOOD[at + length :]).encode("latin-1")
    check("a.inf", Subject("a.inf", parse(data), files=frozenset(), today=TODAY))
