# SPDX-License-Identifier: MIT
"""wixl, another compiler of .wxs sources, makes the same rows of what it understands.

Where the two differ on purpose everywhere: wixl has random identifiers for registry values and leaves a backslash at
the end of their keys, runs all custom actions without impersonation, puts custom actions at the end of the sequence
whatever their place, asks for VersionNT where services are concerned, which is true since Windows 2000, has lists of
properties in another order, and a comment of its own in the summary.  Other differences are in wixl.cases.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import wixpy
from wixpy.actions import ActionType, standard_names
from wixpy.database import Database
from wixpy.summary import Pid
from wixpy.tables import Cell
from wixpy.wxs import compile, source
from wixpy.wxs.actions import SEQUENCES
from wixpy.wxs.preprocess import Settings

SOURCE = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<?include names.wxi?>
<?ifdef var.NONE?><?error never?><?endif?>
<?if $(var.V) = "1.2.3"?><?define N = "Sample"?><?else?><?define N = "Other"?><?endif?>
<Product Id="11111111-2222-3333-4444-555555555555" Name="$(var.N)" Manufacturer="Maker" Version="$(var.V)"
 Language="1033" UpgradeCode="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48">
<Package InstallerVersion="200" Compressed="yes" Comments="c" Keywords="k" Description="d"/>
<Media Id="1" Cabinet="a.cab" EmbedCab="yes"/>
<MajorUpgrade DowngradeErrorMessage="Newer."/>
<Upgrade Id="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A49">
<UpgradeVersion Property="OLD" Minimum="1.0" Maximum="1.2" IncludeMinimum="yes" IncludeMaximum="no"/></Upgrade>
<Property Id="P" Value="v"/>
<Property Id="FOUND"><RegistrySearch Id="rs" Root="HKLM" Key="K" Name="n" Type="raw"/></Property>
<Condition Message="No.">Privileged</Condition>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder">
<Directory Id="INSTALLDIR" Name="Sample"/></Directory><Directory Id="ProgramMenuFolder"/></Directory>
<Feature Id="All" Title="T" Level="1"><ComponentGroupRef Id="G"/>
<Feature Id="Sub" Title="S" Description="d" Level="2" Display="expand"><ComponentRef Id="Two"/></Feature></Feature>
<Icon Id="i.ico" SourceFile="main.txt"/><Binary Id="bin" SourceFile="main.txt"/>
<CustomAction Id="CA1" BinaryKey="bin" JScriptCall="f" Execute="deferred" Impersonate="no" Return="ignore"/>
<CustomAction Id="CA2" Property="P" Value="[INSTALLDIR]"/>
<CustomAction Id="CA3" FileKey="main" ExeCommand="/x" Return="asyncNoWait"/>
<InstallExecuteSequence><Custom Action="CA1" After="InstallFiles">NOT Installed</Custom>
<Custom Action="CA2" After="CostFinalize"/></InstallExecuteSequence>
</Product>
<Fragment><ComponentGroup Id="G" Directory="INSTALLDIR">
<Component Id="Main" Guid="11111111-2222-3333-4444-AAAAAAAAAAAA"><File Id="main" Source="main.txt" KeyPath="yes"/>
<RegistryKey Root="HKLM" Key="Software\\Sample"><RegistryValue Name="n" Type="string" Value="#v"/>
<RegistryValue Name="i" Type="integer" Value="5"/></RegistryKey>
<RemoveFolder Id="rmf" On="uninstall"/><CreateFolder/>
<ServiceInstall Id="svc" Name="svc" DisplayName="Svc" Type="ownProcess" Start="auto" ErrorControl="normal"
 Arguments="/a"><ServiceDependency Id="RpcSs"/></ServiceInstall>
<ServiceControl Id="svcc" Name="svc" Start="install" Stop="both" Remove="uninstall" Wait="yes"/>
<Shortcut Id="sc" Directory="ProgramMenuFolder" Name="Sample" Description="d" Target="[INSTALLDIR]main.txt"
 WorkingDirectory="INSTALLDIR"/>
</Component></ComponentGroup>
<DirectoryRef Id="INSTALLDIR"><Component Id="Two" Guid="11111111-2222-3333-4444-BBBBBBBBBBBB">
<RegistryValue Id="reg" KeyPath="yes" Root="HKCU" Key="K" Name="n" Type="string" Value="v"/></Component></DirectoryRef>
</Fragment></Wix>
"""
INCLUDE = "<Include xmlns='http://schemas.microsoft.com/wix/2006/wi'><?define V = \"1.2.3\"?></Include>"
Run = Callable[..., str]


def rows(run: Run, package: Path, table: str) -> list[tuple[str, ...]]:
    """The rows of a table without what the two compilers do differently on purpose."""
    lines = run("msiinfo", "export", package, table).replace("\r", "").rstrip("\n").split("\n")[3:]
    return sorted(filter(None, (_common(table, [*line.split("\t"), *[""] * 4]) for line in lines)))


def _common(table: str, cells: list[str]) -> tuple[str, ...] | None:
    if table == "Registry":
        cells = ["", cells[1], cells[2].rstrip("\\"), *cells[3:]]
    elif table == "CustomAction":
        cells[1] = str(int(cells[1]) & ~ActionType.NO_IMPERSONATE)
    elif table == "Property" and ";" in cells[1]:
        cells[1] = ";".join(sorted(cells[1].split(";")))
    elif table.endswith("Sequence"):
        if cells[0] not in standard_names():
            return (cells[0], cells[1])
        cells[1] = cells[1].replace("VersionNT", "")
    return tuple("\t".join(cells).rstrip("\t").split("\t"))


def test_wixl_makes_the_same_rows(tmp_path: Path, run: Run) -> None:
    if shutil.which("wixl") is None:
        pytest.fail("wixl is missing; install it: apt-get install --no-install-recommends wixl")
    for name, text in (("x.wxs", SOURCE), ("names.wxi", INCLUDE), ("main.txt", "content")):
        (tmp_path / name).write_text(text)
    theirs, ours = tmp_path / "theirs.msi", tmp_path / "ours.msi"
    command = ["wixl", "-o", str(theirs), "x.wxs"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    wixpy.build(tmp_path / "x.wxs", ours, epoch=1, ignore=["ICE43", "ICE57"])
    tables = [name for name in run("msiinfo", "tables", theirs).split() if not name.startswith("_")]
    filled = {name: rows(run, theirs, name) for name in tables}
    filled = {name: content for name, content in filled.items() if content and any(any(row) for row in content)}
    assert len(filled) > 25
    assert {name: rows(run, ours, name) for name in filled} == filled


FRAME = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="11111111-2222-3333-4444-555555555555" Name="N" Manufacturer="M" Version="1.2.3" Language="1033"
 UpgradeCode="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48"><Package InstallerVersion="200" Compressed="yes" {package}/>{media}
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder">
<Directory Id="INSTALLDIR" Name="Sample"><Component Id="Main" Guid="11111111-2222-3333-4444-AAAAAAAAAAAA">
<File Id="main" Source="main.txt" KeyPath="yes">{file}</File>{inside}</Component></Directory></Directory>
<Directory Id="ProgramMenuFolder"/></Directory><Feature Id="All" Level="1"><ComponentRef Id="Main"/></Feature>{body}
</Product></Wix>"""
PARTS = {"package": "", "media": '<Media Id="1" Cabinet="a.cab" EmbedCab="yes"/>', "file": "", "inside": "", "body": ""}
ABOUT = (Pid.TITLE, Pid.SUBJECT, Pid.AUTHOR, Pid.KEYWORDS, Pid.TEMPLATE, Pid.PAGE_COUNT, Pid.WORD_COUNT, Pid.SECURITY)
Rows = set[tuple[str, ...]]


@dataclass
class Case:
    """A snippet, where it belongs, and by table why wixl's rows are others and what wixpy's are that it lacks."""

    place: str
    known_to_wixl: bool
    lines: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Rows] = field(default_factory=dict)


def cases() -> list[Case]:
    found: list[Case] = []
    table = ""
    for line in Path(__file__).with_name("wixl.cases").read_text("utf-8").splitlines():
        sign, _, rest = line.strip().partition(" ")
        if sign and line[0] not in " #":
            found.append(Case(sign, rest != "!"))
        elif sign == "~":
            table, _, reason = rest.partition(": ")
            found[-1].reasons[table], found[-1].rows[table] = reason, set()
        elif sign == "|":
            cells = re.split(r"(?<!\\)\|", rest)
            found[-1].rows[table].add(tuple(cell.strip().replace("\\|", "|") for cell in cells))
        elif line[:1] == " ":
            found[-1].lines.append(line)
    return found


CASES = cases()


def contents(database: Database) -> dict[str, Rows]:
    """The rows by table, and those of the summary, without what the two compilers do differently on purpose."""
    found = {name: {_cells(name, row.cells) for row in database.rows(name)} for name in database.tables}
    summary = {(str(int(pid)), str(database.summary[pid])) for pid in ABOUT if pid in database.summary}
    return {
        "summary": summary,
        **{name: rows for name, rows in found.items() if rows and name not in ("_Validation", "MsiFileHash")},
    }


def _cells(table: str, cells: tuple[Cell, ...]) -> tuple[str, ...]:
    shown = ["-" if cell is None else str(cell) for cell in cells]
    if table == "Registry":
        shown[0], shown[2] = re.sub("^reg[0-9A-F]{32}$", "", shown[0]), shown[2].rstrip("\\")
    elif table == "CustomAction":
        shown[1] = str(int(shown[1]) & ~ActionType.NO_IMPERSONATE)
    elif table == "Property":
        shown[1] = ";".join(sorted(shown[1].split(";")))
    elif table.endswith("Sequence"):
        shown[1] = shown[1].replace("VersionNT", "-")
        shown[2:] = shown[2:] if shown[2].startswith("-") else []
    while shown[-1] == "-":
        shown.pop()
    return tuple(shown)


def order(database: Database, table: str, among: Database) -> list[Cell]:
    """The standard actions of a sequence that two packages have, in the order of one."""
    listed = sorted(database.rows(table), key=lambda row: row.number("Sequence"))
    actions = [row["Action"] for row in listed if row["Action"] in standard_names()]
    return [action for action in actions if among.get(table, action) is not None]


@pytest.mark.parametrize("case", CASES, ids=[" ".join([case.place, *case.lines])[:60] for case in CASES])
def test_an_element_makes_the_rows_that_wixl_makes(case: Case, tmp_path: Path) -> None:
    (tmp_path / "x.wxs").write_text(FRAME.format(**{**PARTS, case.place: "\n".join(case.lines)}))
    (tmp_path / "main.txt").write_text("content")
    command = ["wixl", "-o", "theirs.msi", "x.wxs"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, timeout=60)
    ours, _ = compile(tmp_path / "x.wxs", {}, 1)
    assert (done.returncode == 0) == case.known_to_wixl
    if not case.known_to_wixl:
        return
    theirs = Database.open(tmp_path / "theirs.msi")
    made, expected = contents(ours), contents(theirs)
    others = {name: rows - expected.get(name, set()) for name, rows in made.items() if rows != expected.get(name)}
    others |= {name: set() for name in expected.keys() - made.keys()}
    for name in made.keys() & expected.keys() & set(SEQUENCES.values()):
        if order(ours, name, theirs) != order(theirs, name, ours):
            others.setdefault(name, set())
    assert others == case.rows


def test_the_page_for_users_of_wixl_says_why_rows_differ() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs" / "wixpy" / "from-wixl.md").read_text("utf-8").split())
    reasons = {(reason, name) for case in CASES for name, reason in case.reasons.items()}
    assert reasons
    for reason, name in reasons:
        assert f"`{name}`" in page.partition(reason)[0].rpartition(" - ")[2], (name, reason)


@pytest.mark.parametrize("name", ["gettext.wxi", "gtk3.wxi", "libtiff.wxi"])
def test_the_libraries_that_come_with_wixl_are_understood(tmp_path: Path, name: str) -> None:
    """Its includes list the files of libraries, whose groups have names such as CG.gcc-c++ and CG.win-iconv."""
    folders = list(Path("/usr/share").glob("wixl-*/include"))
    if not folders:
        pytest.fail("the includes of wixl are missing; install them: apt-get install --no-install-recommends wixl")
    defines = {"SourceDir": "src", "Win64": "no", "GLIB_ARCH": "win32"}
    path, head = tmp_path / "x.wxs", f'<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi"><?require {name}?>'
    path.write_text(head + "</Wix>")
    elements = list(source.parse(path, Settings(defines, (folders[0],))).walk())
    groups = [node.attributes["Id"] for node in elements if node.name == "ComponentGroup"]
    files = [node.attributes["Source"] for node in elements if node.name == "File"]
    for file in {file.replace("\\", "/") for file in files}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    refs = "".join(f'<ComponentGroupRef Id="{group}"/>' for group in dict.fromkeys(groups))
    path.write_text(
        f"""{head}<Product Id="*" Name="N" Manufacturer="M" Version="1.0" Language="1033"
        UpgradeCode="6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48"><Package/><MediaTemplate EmbedCab="yes"/>
        <Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="INSTALLDIR" Name="I"/></Directory>
        <Feature Id="F">{refs}</Feature></Product></Wix>"""
    )
    database, _ = compile(path, defines, 1, includes=folders)
    assert len(database.rows("File")) == len(files) > 5
