# SPDX-License-Identifier: GPL-2.0-or-later
"""INFs are read as Windows Setup reads them, and do to the registry what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv.errors import GplpvError
from xenlab.nt.inf import Inf
from xenlab.nt.registry import SERVICES, Registry, RegType

HEAD = """; comment
[Version]
Signature="$Windows NT$" ; behind a line
Class=%ClassName%
ClassGUID={4d36e97d-e325-11ce-bfc1-08002be10318}

[Strings]
ClassName="System"
Maker = "A ""quoted"", name"
"""
MODELS = """
[Manufacturer]
%Maker%=Models,NTx86,NTamd64,NTamd64.6.0

[Models]
Old=Install,PCI\\OLD
[Models.NTx86]
One=Install,PCI\\X86,PCI\\CC_01,PCI\\CC_02
[Models.NTamd64]
One=Install,PCI\\X64
[Models.NTamd64.6.0]
One=Install,PCI\\VISTA
"""
INSTALL = """
[Install]
[Install.NTx86]
[Install.NTx86.Services]
AddService=svc,2,Service
AddService=,2
[Service]
DisplayName="A service, with a comma"
ServiceType=1
StartType=0x3
ErrorControl=1
ServiceBinary=%12%\\svc.sys
Dependencies=one,two
AddReg=Values
[Values]
HKR,Parameters,Number,0x00010001,0x10
HKR,Parameters,Text,,"a;b" \\
  ; goes on
HKR,Parameters,Many,0x00010000,one,,"two three"
HKR,Parameters,Many,0x00010008,four
HKR,Parameters,Bytes,1,01,fe
HKR,Parameters,Expand,0x00020000,%%SystemRoot%%
HKR,Parameters,Gone,,was
HKR,Parameters,Gone,4
HKR,Parameters,Number,0x00010003,7
HKR,Only,,0x10
HKLM,Software\\Test,,,default
"""


def inf(tmp_path: Path, text: str, arch: str = "x32", nt: tuple[int, int] = (5, 1)) -> Inf:
    path = tmp_path / "test.inf"
    path.write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    assert arch in ("x32", "x64")
    return Inf(path, arch, nt)


@pytest.mark.parametrize(
    ("arch", "nt", "hardware_id"),
    [
        ("x32", (5, 0), r"PCI\OLD"),
        ("x32", (5, 1), r"PCI\X86"),
        ("x64", (5, 2), r"PCI\X64"),
        ("x64", (6, 0), r"PCI\VISTA"),
        ("x32", (6, 0), r"PCI\X86"),
    ],
)
def test_the_models_section_is_the_newest_that_fits(tmp_path: Path, arch: str, nt: tuple[int, int], hardware_id: str):
    [model] = inf(tmp_path, HEAD + MODELS, arch, nt).models()
    assert model.hardware_id == hardware_id


def test_further_ids_of_a_model_are_compatible_ids(tmp_path: Path):
    [model] = inf(tmp_path, HEAD + MODELS).models()
    assert model.compatible_ids == (r"PCI\CC_01", r"PCI\CC_02")


def test_the_decorated_install_section_wins(tmp_path: Path):
    assert inf(tmp_path, HEAD + INSTALL).install_section("Install") == "Install.NTx86"
    assert inf(tmp_path, HEAD + INSTALL, "x64").install_section("Install") == "Install"
    assert inf(tmp_path, HEAD).install_section("Install") is None


def test_strings_are_put_in(tmp_path: Path):
    read = inf(tmp_path, HEAD + MODELS)
    assert read.class_name == "System"
    assert read.section("Manufacturer")[0].key == 'A "quoted", name'


def test_a_service_is_written_to_the_registry(tmp_path: Path):
    registry = Registry()
    [service] = inf(tmp_path, HEAD + INSTALL).add_services("Install.NTx86", registry)
    assert (service.name, service.associated) == ("svc", True)
    key = registry.find(rf"{SERVICES}\svc")
    assert key is not None
    text = {name: key.values[name.lower()].text() for name in ("DisplayName", "ImagePath")}
    assert text == {"DisplayName": "A service, with a comma", "ImagePath": r"system32\DRIVERS\svc.sys"}
    assert {name: key.values[name.lower()].number() for name in ("Type", "Start", "ErrorControl")} == {
        "Type": 1, "Start": 3, "ErrorControl": 1,
    }  # fmt: skip
    assert key.values["dependonservice"].texts() == ["one", "two"]


def test_values_have_the_type_of_their_flags(tmp_path: Path):
    registry = Registry()
    inf(tmp_path, HEAD + INSTALL).add_services("Install.NTx86", registry)
    key = registry.find(rf"{SERVICES}\svc\Parameters")
    assert key is not None
    found = {value.name: (value.type, value.data) for value in key.values.values()}
    assert found["Number"] == (RegType.DWORD, b"\x10\0\0\0")
    assert found["Bytes"] == (RegType.BINARY, b"\x01\xfe")
    assert key.values["many"].texts() == ["one", "two three", "four"]
    assert found["Text"][1].decode("utf-16-le") == "a;b\0"
    assert found["Expand"] == (RegType.EXPAND_SZ, "%SystemRoot%\0".encode("utf-16-le"))
    assert "Gone" not in found
    assert registry.find(rf"{SERVICES}\svc\Only") is not None
    assert registry.get(r"\Registry\Machine\Software\Test", "").text() == "default"  # type: ignore[union-attr]


def test_the_control_set_is_found_by_its_number_too():
    registry = Registry()
    registry.set(r"\Registry\Machine\SYSTEM\CurrentControlSet\Control", "A", 1)
    assert registry.get(r"\REGISTRY\MACHINE\System\ControlSet001\Control", "a") is not None


def test_what_is_no_inf_is_refused(tmp_path: Path):
    with pytest.raises(GplpvError, match="not an INF"):
        inf(tmp_path, "[Other]\n")


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(GplpvError, match="cannot be read"):
        Inf(tmp_path / "none.inf", "x64", (5, 2))


def test_a_number_that_is_none_is_refused(tmp_path: Path):
    text = HEAD + INSTALL.replace("ServiceType=1", "ServiceType=kernel")
    with pytest.raises(GplpvError, match="kernel"):
        inf(tmp_path, text).add_services("Install.NTx86", Registry())


def test_unknown_flags_are_refused(tmp_path: Path):
    text = HEAD + INSTALL.replace("0x00010001,0x10", "0x00090001,0x10")
    with pytest.raises(GplpvError, match="0x00090001"):
        inf(tmp_path, text).add_services("Install.NTx86", Registry())


def test_a_key_that_has_subkeys_cannot_be_deleted():
    registry = Registry()
    with pytest.raises(GplpvError, match="cannot be deleted"):
        registry.create(SERVICES.rpartition("\\")[0]).delete()
