# SPDX-License-Identifier: MIT
"""Assemblies of .NET and of Win32, and the names that they have by themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy.clr import Identity, identity
from wixpy.database import Database
from wixpy.errors import WixpyError

from .clrkit import FIVE, NONE, STANDARD_TOKEN, THREE, TWO, assembly, image

Package = Callable[..., Database]


@pytest.mark.parametrize("heaps", range(8))
def test_an_identity_is_read_whatever_the_width_of_indexes(heaps: int) -> None:
    for strings, methods in (
        (0, 3),
        (70_000 if heaps & 1 else 9, 3),
        *((0, limit) for limit in (FIVE, THREE, TWO, NONE)),
    ):
        data = assembly(heaps=heaps, strings=strings, methods=methods)
        assert identity(data) == Identity("Sample", "1.2.3.4", "", STANDARD_TOKEN)


def test_the_culture_and_a_key_of_two_bytes_length() -> None:
    key = bytes(range(160))
    found = identity(assembly("Größe.resources", "de-DE", key))
    assert found == Identity("Größe.resources", "1.2.3.4", "de-DE", hashlib.sha1(key).digest()[-8:][::-1].hex().upper())


def test_an_assembly_without_a_key_has_no_token() -> None:
    assert identity(assembly(key=b"")) == Identity("Sample", "1.2.3.4", "", "")


def test_other_files_are_no_assemblies(versioned_dll: bytes) -> None:
    for data in (b"", b"MZ", b"text", versioned_dll, image(b"BSJC" + bytes(100)), image(b"")):
        assert identity(data) is None


def test_a_damaged_assembly_is_none_or_has_a_name() -> None:
    data = assembly()
    start = data.index(b"BSJB")
    for place in range(start, len(data), 3):
        for value in (0, 0xFF):
            found = identity(data[:place] + bytes([value]) + data[place + 1 :])
            assert found is None or isinstance(found.name, str)
    for end in range(start, len(data), 7):
        identity(data[:end])


FILE = "<Component Id='Asm'><File Id='asm' Name='Sample.dll' Source='{source}' KeyPath='yes' {more}</Component>"


@pytest.fixture
def named(package: Package, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The rows of MsiAssemblyName for a file of a component, which has attributes and elements."""

    def build(more: str, content: bytes = b"") -> dict[str, str]:
        (tmp_path / "asm.dll").write_bytes(content)
        database = package(beside=FILE.format(source="asm.dll", more=more))
        assert wixpy.check(tmp_path / "sample.msi") == []
        assert {row["Component_"] for row in database.rows("MsiAssemblyName")} == {"Asm"}
        return {row.text("Name"): row.text("Value") for row in database.rows("MsiAssemblyName")}

    return build


SIGNED = {"name": "Sample", "version": "1.2.3.4", "culture": "neutral", "publicKeyToken": STANDARD_TOKEN}


def test_a_net_assembly_names_itself(named: Callable[..., dict[str, str]]) -> None:
    assert named("Assembly='.net'/>", assembly()) == SIGNED
    more = named("Assembly='.net' ProcessorArchitecture='x64'/>", assembly(culture="fr"))
    assert more == {**SIGNED, "culture": "fr", "processorArchitecture": "amd64"}


def test_what_the_source_says_goes_before(named: Callable[..., dict[str, str]]) -> None:
    own = named("Assembly='.net'><AssemblyName Id='Version' Value='9.0.0.0'/></File>", assembly())
    assert own == {**{name: value for name, value in SIGNED.items() if name != "version"}, "Version": "9.0.0.0"}


def test_an_assembly_of_one_program_needs_no_strong_name(named: Callable[..., dict[str, str]]) -> None:
    own = named("Assembly='.net' AssemblyApplication='main'/>", assembly(key=b""))
    assert own == {**SIGNED, "publicKeyToken": "neutral"}
    with pytest.raises(WixpyError, match="Sample has no strong name"):
        named("Assembly='.net'/>", assembly(key=b""))


def test_a_win32_assembly_is_named_by_its_manifest(named: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "Sample.manifest").write_text(
        """<?xml version="1.0"?><assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
        <assemblyIdentity type="win32" name="Maker.Sample" version="1.0.0.0" processorArchitecture="x86"
        publicKeyToken="0123456789abcdef"/><dependency><dependentAssembly><assemblyIdentity name="Other"/>
        </dependentAssembly></dependency></assembly>"""
    )
    manifest = "<File Id='man' Source='Sample.manifest'/>"
    assert named(f"Assembly='win32' AssemblyManifest='man'/>{manifest}") == {
        "type": "win32", "name": "Maker.Sample", "version": "1.0.0.0", "processorArchitecture": "x86",
        "publicKeyToken": "0123456789abcdef",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("Assembly='.net'/>", "the assembly has no name: asm is no .NET assembly"),
        ("Assembly='win32' AssemblyManifest='main'/>", "the assembly has no name: main is no manifest"),
        ("Assembly='win32'/>", "the assembly has no name: asm is no manifest"),
        ("ProcessorArchitecture='x64'/>", "ProcessorArchitecture has no effect"),
    ],
)
def test_an_assembly_without_a_name_is_refused(named: Callable[..., dict[str, str]], more: str, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        named(more, b"no assembly")
    assert caught.value.line is not None
