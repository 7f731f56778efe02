# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of every kind that wixpy makes: six independent readers find in them what was put in, row for row and byte
for byte; Windows Installer as Wine has it installs and removes them; a second build gives the same bytes.

The readers: msiinfo, msidump and msiextract of msitools, Wine's msidb, olefile, python-msi.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import olefile
import pymsi
import pytest
from pymsi import codepage, streamname

import wixpy
from wixpy.database import Database
from wixpy.tables import Table

from .package import Package
from .prefix import PROJECT
from .windows import Windows

EPOCH = 1_200_000_000
NOISE = random.Random(3).randbytes(40_000)
FILES = {"one.txt": b"line\r\n" * 9_000, "a long name.bin": NOISE * 3, "empty.txt": b"", "4.bin": NOISE}
NAMES = {"one.txt": "Прочти меня.txt", "a long name.bin": "読んで下さい.bin"}
LICENCE = rb"{\rtf1\ansi Use it as you like.\par}"
BDIST_MSI = PROJECT / "tests" / "unit" / "wixpy" / "programs" / "bdist_msi.py"
FOLDER = "C:\\Program Files\\Sample"
SOURCE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="*" Name="{name}" Manufacturer="Maker &amp; Co" Version="1.2.3" Language="1033" Codepage="{codepage}"
 UpgradeCode="6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48">
<Package InstallerVersion="200" InstallScope="perMachine" Platform="x64" {package}/>
{body}
<Property Id="QUOTED" Value="a &quot;b&quot; 'c' ; {{d}}"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder" Name="PFiles">
<Directory Id="INSTALLDIR" Name="Sample"><Component Id="A">{files}
<RegistryValue Root="HKLM" Key="Software\\Sample" Name="n" Type="integer" Value="-7"/></Component>
</Directory></Directory></Directory>
<Feature Id="All"><ComponentRef Id="A"/></Feature>
</Product></Wix>
"""
EMBEDDED = '<MediaTemplate EmbedCab="yes"/>'
CABINETS = """<Media Id="1" Cabinet="one.cab" EmbedCab="yes"/>
<Media Id="2" Cabinet="two.cab" EmbedCab="yes" CompressionLevel="none"/><Binary Id="noise" SourceFile="4.bin"/>"""
DIALOGS = EMBEDDED + '<UIRef Id="WixUI_Minimal"/><WixVariable Id="WixUILicenseRtf" Value="licence.rtf"/>'


MODULE = """\
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><Module Id="Lib" Language="1033" Version="1.2">
<Package Id="11111111-2222-3333-4444-aaaaaaaaaaaa" Manufacturer="Maker" InstallerVersion="200" Platform="x64"/>
<Directory Id="TARGETDIR" Name="SourceDir">
<Component Id="C" Guid="11111111-2222-3333-4444-bbbbbbbbbbbb"><File Id="lib" Source="4.bin" Name="merged file.bin"/>
<RegistryValue Root="HKLM" Key="Software\\Sample" Name="merged" Type="string" Value="[#lib]"/></Component></Directory>
</Module></Wix>
"""
MERGED = """<Feature Id="Second"><MergeRef Id="M"/></Feature><DirectoryRef Id="INSTALLDIR">
<Merge Id="M" SourceFile="{}" Language="1033"/></DirectoryRef>"""


def compiled(folder: Path, out: Path, body: str = EMBEDDED, *, package: str = "", wide: bool = False) -> Path:
    """A package of FILES from a source; with UTF-8 it has names that no other code page has."""
    files = []
    for name in FILES:
        disk = 'DiskId="2"' if "two.cab" in body and name == "4.bin" else ""
        files.append(f'<File Source="{name}" {disk} Name="{NAMES.get(name, name) if wide else name}"/>')
    words = {"name": "Образец 样本 𝄞" if wide else "Sämple", "package": package, "body": body}
    words["codepage"] = "65001" if wide else "1252"
    (folder / "sample.wxs").write_text(SOURCE.format(files="".join(files), **words), "utf-8")
    assert wixpy.build(folder / "sample.wxs", out / "sample.msi", epoch=EPOCH) == []
    return out / "sample.msi"


def merged(folder: Path, out: Path) -> Path:
    """A package that takes in a merge module, which is beside it."""
    (folder / "lib.wxs").write_text(MODULE)
    assert wixpy.build(folder / "lib.wxs", out / "lib.msm", epoch=EPOCH) == []
    return compiled(folder, out, EMBEDDED + MERGED.format(out / "lib.msm"))


SCRIPT = """\
import msilib
code = "{5A4B1F0E-8A57-4F6C-9C62-0F1B7D3C9E11}"
db = msilib.init_database("sample.msi", msilib.schema, "Sämple", code, "1.2.3", "Maker")
msilib.add_tables(db, msilib.sequence)
cab = msilib.CAB("files")
msilib.Feature(db, "All", "All", "Everything", 1, directory="TARGETDIR").set_current()
root = msilib.Directory(db, cab, None, "files", "TARGETDIR", "SourceDir")
programs = msilib.Directory(db, cab, root, ".", "ProgramFiles64Folder", ".")
folder = msilib.Directory(db, cab, programs, ".", "INSTALLDIR", "Sample")
folder.start_component("A")
for name in FILES:
    folder.add_file(name)
cab.commit(db)
information = db.GetSummaryInformation(1)
information.SetProperty(msilib.PID_REVNUMBER, "{7D3B5E0C-2C53-4E0A-8B56-5F3F2F1D0A22}")
information.Persist()
db.Commit()
"""


def programmed(folder: Path, out: Path) -> Path:
    """The same package by a program written for msilib, with codes of its own choice."""
    program = f"import sys, wixpy.msilib\nsys.modules['msilib'] = wixpy.msilib\nFILES = {list(FILES)}\n{SCRIPT}"
    (out / "files").mkdir()
    for name in FILES:
        (out / "files" / name).symlink_to(folder / name)
        os.utime(folder / name, (EPOCH, EPOCH))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run([sys.executable, "-c", program], cwd=out, env=environment, check=True)
    return out / "sample.msi"


Kind = Callable[[Path, Path], Path]
KINDS: dict[str, Kind] = {
    "minimal": compiled,
    "several cabinets": lambda folder, out: compiled(folder, out, CABINETS),
    "no cabinet": lambda folder, out: compiled(folder, out, '<Media Id="1"/>', package='Compressed="no"'),
    "dialogs": lambda folder, out: compiled(folder, out, DIALOGS),
    "UTF-8": lambda folder, out: compiled(folder, out, wide=True),
    "merged": merged,
    "msilib": programmed,
}


@pytest.fixture(scope="module")
def machine() -> Iterator[Windows]:
    windows = Windows("x64")
    yield windows
    windows.close()


def run(*command: str | Path, cwd: Path | None = None) -> bytes:
    return subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, check=True, timeout=60).stdout


Rows = Counter[tuple[str, ...]]


def expected(database: Database, table: Table) -> Rows:
    """The rows of a table as texts, without the columns whose data are streams."""
    columns = [position for position, column in enumerate(table.columns) if not column.is_binary]
    texts = (["" if cell is None else str(cell) for cell in row.cells] for row in database.rows(table.name))
    return Counter(tuple(row[position] for position in columns) for row in texts)


def archived(content: bytes, table: Table, encoding: str = "utf-8") -> Rows:
    """The rows of a text archive whose columns are those of a table."""
    names, types, head, *lines = content.decode(encoding).replace("\r\n", "\n").split("\n")
    assert names.split("\t") == list(table.index)
    assert types.split("\t") == [column.type for column in table.columns]
    keys = head.split("\t")
    assert keys[-1 - table.key_count :] == [table.name, *[column.name for column in table.columns if column.key]]
    columns = [position for position, column in enumerate(table.columns) if not column.is_binary]
    cells = [line.split("\t") for line in lines if line]
    return Counter(tuple(row[position] for position in columns) for row in cells)


def of_msitools(path: Path, database: Database, files: Mapping[str, bytes], folder: Path) -> None:
    """msiinfo, msidump and msiextract."""
    tables = run("msiinfo", "tables", path).decode().split()
    assert set(tables) - {"_SummaryInformation", "_ForceCodepage"} == set(database.tables)
    streams = run("msiinfo", "streams", path).decode().rstrip("\n").split("\n")
    assert set(filter(None, streams)) - {"\x05SummaryInformation"} == set(database.streams)
    for name in database.streams:
        assert run("msiinfo", "extract", path, name) == bytes(database.streams[name][:])
    (folder / "dump").mkdir()
    run("msidump", "-t", "-s", "-d", folder / "dump", path, cwd=folder)  # it writes streams here too
    for name, table in database.tables.items():
        dumped = (folder / "dump" / f"{name}.idt").read_bytes()  # by msiinfo
        assert archived(dumped, table) == expected(database, table), name
    run("msiextract", "-C", folder / "extracted", path)
    extracted = {file.name: file.read_bytes() for file in (folder / "extracted").rglob("*") if file.is_file()}
    assert extracted == files


def of_msidb(path: str, database: Database, machine: Windows) -> None:
    """Wine's msidb, which writes in the code page of the system: what that lacks is a question mark a UTF-16 unit."""
    out = f"{path}.tables"
    machine.path(out).mkdir()
    assert machine.run("msidb", "-d", path, "-f", out, "-e", "*").exit_code == 0

    def western(text: str) -> str:
        return "".join(each if each <= "\xff" else "?" * (len(each.encode("utf-16-le")) // 2) for each in text)

    for name, table in database.tables.items():
        rows = Counter({tuple(map(western, row)): count for row, count in expected(database, table).items()})
        assert archived(machine.path(f"{out}\\{name}.idt").read_bytes(), table, "cp1252") == rows, name


def of_olefile(path: Path, database: Database) -> None:
    """olefile: no stream more or less, and each with its bytes."""
    with olefile.OleFileIO(path) as container:
        assert container.parsing_issues == []
        found = {"/".join(entry): entry for entry in container.listdir()}
        names = {streamname.decode_unicode(name): entry for name, entry in found.items()}
        plain = {name: entry for (name, is_table), entry in names.items() if not is_table}
        assert plain.keys() - {"\x05SummaryInformation"} == database.streams.keys()
        for name in database.streams:
            assert container.openstream(plain[name]).read() == bytes(database.streams[name][:])
        filled = {name for name in database.tables if database.rows(name)}
        system = {"_StringPool", "_StringData", "_Tables", "_Columns"}
        assert {name for name, is_table in names if is_table} == filled | system


def of_python_msi(path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-msi, which does not know UTF-8 by the signed number that the property's type (VT_I2) makes of 65001."""
    monkeypatch.setitem(codepage.PAGES, 65001 - 0x10000, "utf-8")
    with pymsi.Package(path) as package:
        assert set(package.tables) - {"_Tables", "_Columns"} == set(database.tables)
        for name, table in database.tables.items():
            texts = [column.name for column in table.columns if not column.is_binary]
            rows = ([row[column] for column in texts] for row in package.get(name).iter())
            found = Counter(tuple("" if cell is None else str(cell) for cell in row) for row in rows)
            assert found == expected(database, table), name


def digests(folder: Path) -> dict[str, str]:
    """What a build left, by path."""
    found = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_read_installed_and_removed_by_others(
    kind: str, machine: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {**FILES, "licence.rtf": LICENCE}.items():
        (tmp_path / name).write_bytes(content)
    for build in ("first", "second"):
        (tmp_path / build).mkdir()
        path = KINDS[kind](tmp_path, tmp_path / build)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")

    files = {NAMES.get(name, name) if kind == "UTF-8" else name: content for name, content in FILES.items()}
    if kind == "merged":
        files["merged file.bin"] = FILES["4.bin"]
    database = wixpy.open(path)
    assert len(database.tables) > 10
    of_msitools(path, database, {} if kind == "no cabinet" else files, tmp_path)
    of_olefile(path, database)
    of_python_msi(path, database, monkeypatch)

    source = f"C:\\{kind}"
    for beside in path.parent.rglob("*"):
        if beside.is_file():
            below = str(beside.relative_to(path.parent).parent).replace("/", "\\")
            machine.put(beside, source if below == "." else f"{source}\\{below}")
    of_msidb(f"{source}\\sample.msi", database, machine)
    code, log = machine.msiexec(f"{source}\\sample.msi")
    assert code == 0, log
    for module in path.parent.glob("*.msm"):
        content = wixpy.open(module)
        of_olefile(module, content)
        of_python_msi(module, content, monkeypatch)
        of_msidb(f"{source}\\{module.name}", content, machine)
        assert machine.registry("HKLM\\Software\\Sample").under()["merged"] == f"{FOLDER}\\merged file.bin"
    assert {path.name: path.read_bytes() for path in machine.path(FOLDER).iterdir()} == files
    assert machine.msiexec(f"{source}\\sample.msi", action="/x")[0] == 0
    assert not machine.exists(FOLDER)


def test_what_bdist_msi_makes_is_read_by_others(
    machine: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cx_Freeze's command; test_msilib.py installs and removes such a package.  Its package code is random."""
    files = {"hello.exe": NOISE, "lib/a module.py": b"pass\n", "lib/sub/data.txt": b"text" * 20_000}
    for name, content in {**files, "hello.ico": b"\0", "license.rtf": LICENCE}.items():
        (tmp_path / "frozen" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "frozen" / name).write_bytes(content)
    subprocess.run([sys.executable, BDIST_MSI, tmp_path / "frozen", tmp_path / "out"], check=True, cwd=tmp_path)
    path = tmp_path / "out" / "hello-1.2.3-win64.msi"
    database = wixpy.open(path)
    unpacked = {Path(name).name: content for name, content in files.items()}
    of_msitools(path, database, {**unpacked, "hello.ico": b"\0", "license.rtf": LICENCE}, tmp_path)
    of_olefile(path, database)
    of_python_msi(path, database, monkeypatch)
    of_msidb(machine.put(path), database, machine)


def test_the_drivers_packages_are_read_by_msidb(machine: Windows, packages: Mapping[str, Package]) -> None:
    """The other readers are in tests/packages."""
    paths = [package.path for package in packages.values() if package.is_msi]
    assert len(paths) == 2
    for path in paths:
        of_msidb(machine.put(path), wixpy.open(path), machine)
