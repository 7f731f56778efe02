# SPDX-License-Identifier: GPL-2.0-or-later
"""Transforms that wixpy makes, as Windows Installer as Wine has it shows and applies them: to a database, in an
installation with TRANSFORMS, and as an instance of one package."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import wixpy
from gplpv.ddk import ImageOptions
from small_images import make
from wixpy.database import Database
from wixpy.tables import Column, Table
from wixpy.transform import Transform, Validation, view

from .prefix import PROJECT
from .windows import Windows

EPOCH = 1_200_000_000
SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="11111111-2222-3333-4444-aaaaaaaaaaaa" Name="Sample" Manufacturer="Maker" Version="1.2.3" Language="1033"
 Codepage="1252" UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
<Package InstallerVersion="200" InstallScope="perMachine" Platform="x64"/><MediaTemplate EmbedCab="yes"/>
<Property Id="GREETING" Value="Hello"/><Property Id="INSTANCE" Value="First"/>
<InstanceTransforms Property="INSTANCE"><Instance Id="Second" ProductCode="*" ProductName="Second sample"/>
</InstanceTransforms><Binary Id="data" SourceFile="one.txt"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder" Name="PFiles">
<Directory Id="INSTALLDIR" Name="Sample"><Component Id="Main"><File Source="one.txt"/></Component>
<Component Id="Value" Guid="11111111-2222-3333-4444-bbbbbbbbbbbb" MultiInstance="yes">
<RegistryValue Id="v" Root="HKLM" Key="Software\\Sample\\[INSTANCE]" Name="n" Type="string" Value="[GREETING]"/>
</Component></Directory></Directory></Directory>
<Feature Id="All"><ComponentRef Id="Main"/><ComponentRef Id="Value"/></Feature>
</Product></Wix>
"""
KEY = "HKLM\\Software\\Sample"


@pytest.fixture(scope="module")
def machine() -> Iterator[Windows]:
    windows = Windows("x64")
    yield windows
    windows.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "one.txt").write_bytes(b"one\r\n" * 3000)
    (folder / "sample.wxs").write_text(SOURCE, "utf-8")
    wixpy.build(folder / "sample.wxs", folder / "sample.msi", epoch=EPOCH)
    database = Database.open(folder / "sample.msi")
    database.add_table(Table("Gone", (Column("Gone", "s32", key=True), Column("Data", "V0"))))
    database.insert("Gone", "row", b"data")
    database.commit(folder / "sample.msi")
    return folder / "sample.msi"


def changed(package: Path) -> Database:
    """The package with rows, tables and columns that are new, others that are not there, and others that differ."""
    database = Database.open(package)
    greeting = database.get("Property", "GREETING")
    assert greeting is not None
    database.replace(greeting, Value="Grüß dich")
    database.insert("Property", "ADDED", "x" * 70_000)
    database.insert("Registry", "w", 2, "Software\\Sample\\[INSTANCE]", "w", "[ADDED2]", "Value")
    database.insert("Property", "ADDED2", "second")
    database.delete("Property", "Manufacturer")
    database.insert("Property", "Manufacturer", "Another")
    database.streams["Binary.data"] = b"other"
    database.insert("Binary", "more", b"more" * 3000)
    database.add_table(Table("Tree", (Column("Tree", "s32", key=True), Column("Number", "I4", key=True),
                                      Column("Height", "I2"), Column("Note", "L0"))))  # fmt: skip
    database.remove_table("Gone")
    database.insert("Tree", "oak", 70_000, None, "höher")
    database.insert("Tree", "ash", None, -7, None)
    feature = database.tables["Feature"]
    database.tables["Feature"] = Table("Feature", (*feature.columns, Column("Extra", "S9")))
    rows = database.cells("Feature")
    rows.update({key: (*row, "more") for key, row in rows.items()})
    return database


def content(database: Database) -> dict[str, object]:
    tables = {
        name: ([(column.name, column.bits) for column in table.columns], database.cells(name))
        for name, table in database.tables.items()
    }
    streams = {name: data for name, data in database.streams.items() if name.startswith("Binary.")}
    return {**tables, **streams}


@pytest.fixture(scope="module")
def applying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program msitransform.c."""
    program = tmp_path_factory.mktemp("program") / "msitransform.exe"
    options = ImageOptions("x64", (6, 0), False, "user", PROJECT)
    return make(program, [Path(__file__).with_name("msitransform.c")], ["kernel32.dll"], options)


def test_windows_installer_shows_and_applies_it(
    machine: Windows, package: Path, applying: Path, tmp_path: Path
) -> None:
    database = Database.open(package)
    data = changed(package).generate_transform(database)
    assert data is not None
    (tmp_path / "x.mst").write_bytes(data)
    shutil.copy(package, tmp_path / "x.msi")
    program, put, _ = (machine.put(path) for path in (applying, tmp_path / "x.msi", tmp_path / "x.mst"))
    assert machine.run(program).exit_code == 0

    shown = [tuple(line.split("\t")) for line in machine.path("C:\\run\\x.txt").read_text("utf-8").splitlines()]
    ours = [tuple((cell or "").replace("\t", "|") for cell in row) for row in view(Transform.parse(data), database)]
    assert sorted(map(alike, filter(any_data, shown))) == sorted(map(alike, filter(any_data, ours)))
    theirs, wanted = content(Database.open(machine.path(put))), content(changed(package))
    # Wine keeps the data of a row that is there already.
    assert theirs.pop("Binary.data") == database.streams["Binary.data"]
    assert wanted.pop("Binary.data") == b"other"
    assert theirs.keys() == wanted.keys()
    assert {name for name in wanted if theirs[name] != wanted[name]} == set()


def any_data(row: tuple[str, ...]) -> bool:
    """Whether a row tells more than that a cell of a new row is null, which Wine tells too."""
    return row[1].isupper() or bool(row[3] or row[4])


def alike(row: tuple[str, ...]) -> tuple[str, ...]:
    """A row with a null key and the old data of a binary cell as Wine has them; a null key is a space, says the
    documentation of _TransformView, and what was there is told."""
    return *row[:2], row[2].replace("| ", "|"), row[3], "" if row[4].startswith("Binary.") else row[4]


def test_an_installation_is_transformed(machine: Windows, package: Path, tmp_path: Path) -> None:
    data = changed(package).generate_transform(Database.open(package), validation=Validation.PRODUCT)
    assert data is not None
    (tmp_path / "x.mst").write_bytes(data)
    transform = machine.put(tmp_path / "x.mst")
    code, log = machine.msiexec(package, f"TRANSFORMS={transform}")
    assert code == 0, log
    assert machine.registry(f"{KEY}\\First").under() == {"n": "Grüß dich", "w": "second"}
    assert machine.msiexec(package, action="/x")[0] == 0


def test_an_instance_of_the_package(machine: Windows, package: Path) -> None:
    # Wine does not know MSINEWINSTANCE: once the package itself is installed, it takes an instance for that.
    second = Database.open(package)
    second.apply_transform(second.storages["Second"])
    product = second.property("ProductCode")
    assert product is not None
    code, log = machine.msiexec(package, "TRANSFORMS=:Second", "MSINEWINSTANCE=1")
    assert code == 0, log
    key = f"HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{product}"
    assert machine.registry(key).under()["DisplayName"] == "Second sample"
    assert machine.registry(f"{KEY}\\Second").under() == {"n": "Hello"}
    assert machine.msiexec(package, "TRANSFORMS=:Second", action="/x")[0] == 0
    assert not machine.registry(f"{KEY}\\Second")
