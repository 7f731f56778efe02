# SPDX-License-Identifier: MIT
"""Several cabinets, cabinets beside the package, and files in none: Windows Installer SDK, “Using Cabinets and
Compressed Sources”."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy import cab, cli
from wixpy.cab import Cabinet, CabinetFile
from wixpy.checks import Level
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import check, installed_files
from wixpy.payload import Hash
from wixpy.wxs.compilation import Compilation, Payload

SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="*" Name="Sample" Manufacturer="Maker" Version="1.2.3" Language="1033"
 UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
<Package InstallerVersion="200" {package}/>
{media}
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder" Name="PFiles">
<Directory Id="INSTALLDIR" Name="Sample folder">
<Component Id="A"><File Source="a.txt" {a}/></Component>
<Component Id="B"><File Source="a long name.txt" {b}/></Component>
<Component Id="C"><File Source="c.bin" {c}/></Component>
</Directory></Directory></Directory>
<Feature Id="All"><ComponentRef Id="A"/><ComponentRef Id="B"/><ComponentRef Id="C"/></Feature>
</Product></Wix>
"""
FILES = {"a.txt": b"first\n" * 120_000, "a long name.txt": b"second\n" * 50_000, "c.bin": bytes(range(256)) * 3000}
TREE = "PFiles/Sample folder"

Build = Callable[..., Path]
Run = Callable[..., str]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds a package of FILES and gives its path, in a folder of its own."""

    def build(media: str, package: str = "", a: str = "", b: str = "", c: str = "", out: str = "sample.msi") -> Path:
        for name, content in FILES.items():
            (tmp_path / name).write_bytes(content)
        source = tmp_path / "sample.wxs"
        source.write_text(SOURCE.format(media=media, package=package, a=a, b=b, c=c))
        (tmp_path / "out").mkdir(exist_ok=True)
        wixpy.build(source, tmp_path / "out" / out, epoch=1_200_000_000)
        return tmp_path / "out" / out

    return build


def media_rows(package: Path) -> list[tuple[object, ...]]:
    return [row.cells[:4] for row in Database.open(package).rows("Media")]


def sequences(package: Path) -> dict[str, object]:
    return {row.text("FileName").rpartition("|")[2]: row["Sequence"] for row in Database.open(package).rows("File")}


def extracted(package: Path, folder: Path) -> dict[str, bytes]:
    assert cli.main(["extract", str(package), "-o", str(folder)]) == 0
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def beside(package: Path) -> set[str]:
    folder = package.parent
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {package.name}


def test_a_build_holds_its_rows_against_what_it_packed(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def insert(compilation: Compilation, payload: Payload, value: Hash) -> None:
        compilation.insert(payload.node, "MsiFileHash", payload.key, 0, 1, 2, 3, 4)

    monkeypatch.setattr("wixpy.wxs.media._add_hash", insert)
    with pytest.raises(WixpyError, match=r"CAB error: the hash of a\.txt is not that"):
        build('<Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>')


def test_files_are_on_the_disk_that_they_name(build: Build, tmp_path: Path, run: Run) -> None:
    media = "".join(f'<Media Id="{n}" Cabinet="disk{n}.cab" EmbedCab="yes" DiskPrompt="Disk {n}"/>' for n in (1, 2, 3))
    package = build(media, a='DiskId="3"', c='DiskId="3"')
    assert media_rows(package) == [
        (1, 1, "Disk 1", "#disk1.cab"),
        (2, 1, "Disk 2", None),
        (3, 3, "Disk 3", "#disk3.cab"),
    ]
    assert sequences(package) == {"a long name.txt": 1, "a.txt": 2, "c.bin": 3}
    assert {name for name in Database.open(package).streams if name.endswith(".cab")} == {"disk1.cab", "disk3.cab"}
    assert extracted(package, tmp_path / "x") == {f"{TREE}/{name}": content for name, content in FILES.items()}
    run("msiextract", "-C", tmp_path / "y", package)
    assert {path.name: path.read_bytes() for path in (tmp_path / "y").rglob("*.*") if path.is_file()} == FILES


def test_a_template_makes_as_many_cabinets_as_its_limit_asks_for(build: Build, tmp_path: Path) -> None:
    package = build('<MediaTemplate EmbedCab="yes" CabinetTemplate="p{0}.cab" MaximumUncompressedMediaSize="1"/>')
    # 720,000 + 350,000 bytes are more than 1 MiB, 350,000 + 768,000 too.
    assert media_rows(package) == [(n, n, None, f"#p{n}.cab") for n in (1, 2, 3)]
    assert extracted(package, tmp_path / "x") == {f"{TREE}/{name}": content for name, content in FILES.items()}
    assert [row[3] for row in media_rows(build('<MediaTemplate EmbedCab="yes"/>'))] == ["#cab1.cab"]


def test_cabinets_beside_the_package(build: Build, tmp_path: Path, run: Run) -> None:
    package = build('<MediaTemplate MaximumUncompressedMediaSize="1"/>')
    assert [row[3] for row in media_rows(package)] == ["cab1.cab", "cab2.cab", "cab3.cab"]
    assert beside(package) == {"cab1.cab", "cab2.cab", "cab3.cab"}
    assert check(package) == []
    assert extracted(package, tmp_path / "x") == {f"{TREE}/{name}": content for name, content in FILES.items()}
    run("msiextract", "-C", tmp_path / "y", package)
    assert {path.name: path.read_bytes() for path in (tmp_path / "y").rglob("*.*") if path.is_file()} == FILES

    (package.parent / "cab1.cab").rename(package.parent / "CAB1.CAB")
    (package.parent / "cab2.cab").unlink()
    damaged = bytearray((package.parent / "cab3.cab").read_bytes())
    damaged[-5] ^= 1
    (package.parent / "cab3.cab").write_bytes(damaged)
    found = [(finding.rule, finding.level, finding.message) for finding in check(package)]
    assert [finding[:2] for finding in found] == [("CAB", Level.ERROR)] * 2
    assert "no cabinet cab2.cab" in found[0][2]
    assert "checksum" in found[1][2]
    assert cli.main(["extract", str(package), "-o", str(tmp_path / "z")]) == 1


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ('Compressed="no"', "PFiles/Sample folder/a long name.txt"),
        ('Compressed="no" ShortNames="yes"', "PFiles/{directory}/{file}"),
    ],
)
def test_uncompressed_files_lie_in_the_tree_of_source_directories(
    build: Build, tmp_path: Path, package: str, expected: str
) -> None:
    path = build('<Media Id="1"/>', package)
    database = Database.open(path)
    directory = database.get("Directory", "INSTALLDIR")
    file = next(row for row in database.rows("File") if "long" in row.text("FileName"))
    assert directory is not None
    short = {"directory": directory.text("DefaultDir"), "file": file.text("FileName")}
    where = expected.format(**{key: value.partition("|")[0] for key, value in short.items()})
    assert where in beside(path)
    assert (path.parent / where).read_bytes() == FILES["a long name.txt"]
    assert len(beside(path)) == 3
    assert media_rows(path) == [(1, 3, None, None)]
    assert check(path) == []
    assert extracted(path, tmp_path / "x") == {f"{TREE}/{name}": content for name, content in FILES.items()}

    (path.parent / where).write_bytes(FILES["a long name.txt"][:-1] + b"!")
    assert [finding.rule for finding in check(path)] == ["SOURCE"]
    (path.parent / where).write_bytes(b"")
    assert "0 bytes and 350000" in check(path)[0].message
    (path.parent / where).unlink()
    assert "is not beside the package" in check(path)[0].message
    shutil.rmtree(tmp_path / "x")
    assert cli.main(["extract", str(path), "-o", str(tmp_path / "x")]) == 1


def test_a_file_that_is_not_compressed_lies_beside_a_compressed_package(build: Build, tmp_path: Path) -> None:
    package = build('<Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>', c='Compressed="no"')
    assert beside(package) == {"c.bin"}
    database = Database.open(package)
    attributes = {row.text("FileName"): row.number("Attributes") & 0x6000 for row in database.rows("File")}
    assert attributes.pop("c.bin") == 0x2000, "msidbFileAttributesNoncompressed"
    assert set(attributes.values()) == {0}
    assert len(Cabinet(database.streams["one.cab"]).files) == 2
    assert extracted(package, tmp_path / "x") == {f"{TREE}/{name}": content for name, content in FILES.items()}


def test_a_file_that_is_compressed_in_a_package_that_is_not(build: Build, tmp_path: Path) -> None:
    package = build('<Media Id="1" Cabinet="one.cab"/>', 'Compressed="no"', c='Compressed="yes"')
    assert beside(package) == {"one.cab", "PFiles/Sample folder/a.txt", "PFiles/Sample folder/a long name.txt"}
    row = Database.open(package).get("File", "c.bin")
    assert row is not None
    assert row.number("Attributes") & 0x6000 == 0x4000, "msidbFileAttributesCompressed"
    assert extracted(package, tmp_path / "x") == {f"{TREE}/{name}": content for name, content in FILES.items()}


@pytest.mark.parametrize("level", ["none", "low", "medium", "high", "mszip"])
def test_levels_of_compression(build: Build, level: str) -> None:
    package = build(f'<Media Id="1" Cabinet="one.cab" EmbedCab="yes" CompressionLevel="{level}"/>')
    size = len(Database.open(package).streams["one.cab"])
    assert size > sum(map(len, FILES.values())) if level == "none" else size < 30_000


@pytest.mark.parametrize(
    ("media", "options", "message"),
    [
        ("<Media Id='0' Cabinet='a.cab'/>", {}, "Id is 0"),
        ("<Media Id='1' Cabinet='a.cab'/><Media Id='1' Cabinet='b.cab'/>", {}, "defined twice"),
        ("<Media Id='1' Cabinet='a.cab'/><Media Id='2' Cabinet='A.cab'/>", {}, "defined twice"),
        ("<Media Id='1' EmbedCab='yes'/>", {}, "no cabinet to embed"),
        ("<Media Id='1' Cabinet='a long name.cab'/>", {}, "beside the package has the name"),
        ("<Media Id='1'/>", {"a": "Compressed='yes'"}, "has no cabinet"),
        ("<Media Id='1'/>", {"a": "Name='x'", "c": "Name='X'"}, "two files “X”"),
        ("<Media Id='1' Cabinet='x.msi'/>", {"out": "X.msi"}, "both X.msi"),
        ("<MediaTemplate CabinetTemplate='all.cab'/>", {}, "CabinetTemplate"),
        ("<MediaTemplate MaximumUncompressedMediaSize='0'/>", {}, "MediaSize is 0"),
        ("<MediaTemplate/><Media Id='2'/>", {}, "Media and MediaTemplate"),
    ],
)
def test_what_media_cannot_be(build: Build, tmp_path: Path, media: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        build(media, **options)
    assert not list((tmp_path / "out").iterdir()), "nothing is left of a build that failed"


def test_large_files_pass_through_little_memory(build: Build, tmp_path: Path) -> None:
    build('<Media Id="1" Cabinet="one.cab" EmbedCab="yes" CompressionLevel="none"/>')
    source = tmp_path / "sample.wxs"
    (tmp_path / "large.bin").touch()
    os.truncate(tmp_path / "large.bin", 32 << 20)
    source.write_text(source.read_text().replace('Source="a.txt"', 'Source="large.bin"'))
    package = tmp_path / "out" / "sample.msi"
    tracemalloc.start()
    try:
        wixpy.build(source, package, epoch=1_200_000_000)
        assert cli.main(["extract", str(package), "-o", str(tmp_path / "x")]) == 0
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "x" / TREE / "large.bin").stat().st_size == 32 << 20


def test_a_cabinet_that_lacks_a_file_is_not_extracted(build: Build, tmp_path: Path) -> None:
    package = build('<Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>')
    database = Database.open(package)
    cabinet = Cabinet(database.streams["one.cab"])
    kept = [CabinetFile(entry.name, cabinet.read(entry), entry.modified) for entry in cabinet.files[1:]]
    database.streams["one.cab"] = cab.write([kept])
    database.commit(package)
    with pytest.raises(WixpyError, match=f"{cabinet.files[0].name} is not in the cabinet"):
        list(installed_files(Database.open(package)))


def test_a_package_that_breaks_a_rule_leaves_nothing_beside_it(build: Build, tmp_path: Path) -> None:
    with pytest.raises(WixpyError, match="ICE"):
        build("<Media Id='1' Cabinet='a.cab'/><Condition Message='x'>(</Condition>")
    assert not list((tmp_path / "out").iterdir())
