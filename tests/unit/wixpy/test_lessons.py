# SPDX-License-Identifier: MIT
"""The lessons of the WiX v3 tutorial (Gábor Deák Jáhn): what they teach is built, or refused with a word of advice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import wixpy
from wixpy.errors import WixpyError

from .clrkit import assembly
from .conftest import EPOCH

FIRST = """\
<?xml version="1.0" encoding="windows-1252"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Name="Sample 1.0" Id="ABCDDCBA-86C7-4D14-AEC0-86416A69ABDE" Language="1033" Codepage="1252" Version="1.0.0"
 Manufacturer="Maker" UpgradeCode="ABCDDCBA-7349-453F-94F6-BCB5110BA4FD">
<Package Id="*" Keywords="Installer" Description="Sample" Comments="A comment" Manufacturer="Maker"
 InstallerVersion="200" Languages="1033" Compressed="yes" SummaryCodepage="1252"/>
<Media Id="1" Cabinet="Sample.cab" EmbedCab="yes" DiskPrompt="CD-ROM #1"/>
<Property Id="DiskPrompt" Value="Sample, disk [1]"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder" Name="PFiles">
<Directory Id="Maker" Name="Maker"><Directory Id="INSTALLDIR" Name="Sample 1.0">
<Component Id="Program" Guid="ABCDDCBA-83F1-4F22-985B-FDB3C8ABD471">
<File Id="Program" Name="Sample.exe" DiskId="1" Source="Sample.exe" KeyPath="yes">
<Shortcut Id="StartMenu" Directory="ProgramMenuDir" Name="Sample 1.0" WorkingDirectory="INSTALLDIR" Icon="Sample.exe"
 IconIndex="0" Advertise="yes"/><Shortcut Id="Desktop" Directory="DesktopFolder" Name="Sample 1.0"
 WorkingDirectory="INSTALLDIR" Icon="Sample.exe" IconIndex="0" Advertise="yes"/>{file}</File>{inside}</Component>
<Component Id="Library" Guid="ABCDDCBA-6BE3-460D-A14F-75658D16550B">
<File Id="Library" Name="Helper.dll" DiskId="1" Source="Helper.dll" KeyPath="yes"/></Component>{beside}</Directory>
</Directory></Directory><Directory Id="ProgramMenuFolder" Name="Programs">
<Directory Id="ProgramMenuDir" Name="Sample 1.0">
<Component Id="ProgramMenuDir" Guid="ABCDDCBA-7E98-44CE-B049-C477CC0A2B00"><RemoveFolder Id="ProgramMenuDir"
 On="uninstall"/><RegistryValue Root="HKCU" Key="Software\\[Manufacturer]\\[ProductName]" Type="string" Value=""
 KeyPath="yes"/></Component></Directory></Directory>
<Directory Id="DesktopFolder" Name="Desktop"/></Directory>
<Feature Id="Complete" Title="Sample" Description="All of it." Display="expand" Level="1"
 ConfigurableDirectory="INSTALLDIR">
<ComponentRef Id="Program"/><ComponentRef Id="Library"/><ComponentRef Id="ProgramMenuDir"/></Feature>
<Icon Id="Sample.exe" SourceFile="Sample.exe"/>{body}</Product>{after}</Wix>
"""


@dataclass
class Lesson:
    title: str
    warned: set[str] = field(default_factory=set)
    refused: str = ""
    parts: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(("file", "inside", "beside", "body", "after"), "")
    )


def lessons() -> list[Lesson]:
    found: list[Lesson] = []
    place = ""
    for line in Path(__file__).with_name("lessons.cases").read_text("utf-8").splitlines():
        if line.startswith("==== "):
            found.append(Lesson(line[5:]))
        elif line.startswith("= "):
            found[-1].warned = set(line[2:].split())
        elif line.startswith("! "):
            found[-1].refused = line[2:]
        elif line.startswith("["):
            place = line.strip("[]")
        elif found:
            found[-1].parts[place] += line + "\n"
    return found


LESSONS = lessons()


@pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.title for lesson in LESSONS])
def test_a_lesson(lesson: Lesson, tmp_path: Path) -> None:
    contents = dict.fromkeys(("Sample.exe", "Helper.dll", "Web.txt"), b"content")
    for name, content in {**contents, "Assembly.dll": assembly(), "License.rtf": b"{\\rtf1 Yes}"}.items():
        (tmp_path / name).write_bytes(content)
    source, package = tmp_path / "x.wxs", tmp_path / "x.msi"
    source.write_text(FIRST.format(**lesson.parts), "cp1252")
    if lesson.refused:
        with pytest.raises(WixpyError) as caught:
            wixpy.build(source, package, epoch=EPOCH)
        assert lesson.refused in str(caught.value)
        assert caught.value.hint
        assert caught.value.file is not None
        return
    assert {finding.rule for finding in wixpy.build(source, package, epoch=EPOCH)} == lesson.warned
