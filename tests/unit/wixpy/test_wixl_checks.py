# SPDX-License-Identifier: MIT
"""The checks on packages of wixl: they find what is wrong there, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import wixpy

# wixl makes no 8.3 names, which Windows Installer wants.
NAMES = """<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Name="Foobar 1.0" Id="ABCDDCBA-86C7-4D14-AEC0-86416A69ABDE" UpgradeCode="ABCDDCBA-7349-453F-94F6-BCB5110BA4FD"
 Language="1033" Codepage="1252" Version="1.0.0" Manufacturer="Acme Ltd.">
<Package Id="*" InstallerVersion="200" Languages="1033" Compressed="yes" SummaryCodepage="1252"/>
<Media Id="1" Cabinet="Sample.cab" EmbedCab="yes" DiskPrompt="CD-ROM #1"/>
<Property Id="DiskPrompt" Value="Acme's Foobar 1.0 Installation [1]"/>
<MajorUpgrade DowngradeErrorMessage="Newer."/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFilesFolder">
<Directory Id="INSTALLDIR" Name="{folder}"><Component Id="Main" Guid="ABCDDCBA-83F1-4F22-985B-FDB3C8ABD471">
<File Id="exe" Name="{file}" DiskId="1" Source="main.txt" KeyPath="yes"/></Component></Directory></Directory>
<Directory Id="ProgramMenuFolder"><Directory Id="Menu" Name="Foobar">
<Component Id="Menu" Guid="ABCDDCBA-7E98-44CE-B049-C477CC0A2B00"><RemoveFolder Id="Menu" On="uninstall"/>
<Shortcut Id="s" Directory="Menu" Name="Foobar" Target="[INSTALLDIR]main.txt" WorkingDirectory="INSTALLDIR"/>
<RegistryValue Root="HKCU" Key="Software" Name="[ProductName]" Type="string" Value="" KeyPath="yes"/></Component>
</Directory></Directory></Directory>
<Feature Id="Complete" Level="1"><ComponentRef Id="Main"/><ComponentRef Id="Menu"/></Feature>
</Product></Wix>"""


@pytest.mark.parametrize("folder", ["Foobar", "Foobar 1.0"])
def test_the_checks_find_in_its_package_what_is_wrong_and_nothing_else(folder: str, tmp_path: Path) -> None:
    (tmp_path / "x.wxs").write_text(NAMES.format(folder=folder, file=f"{folder.partition(' ')[0]}.exe"))
    (tmp_path / "main.txt").write_text("content")
    subprocess.run(["wixl", "-o", "x.msi", "x.wxs"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    findings = [str(finding) for finding in wixpy.check(tmp_path / "x.msi")]
    wrong = "ICE03 error: DefaultDir: “Foobar 1.0” is not of the category DefaultDir [Directory INSTALLDIR]"
    assert findings == ([wrong] if " " in folder else [])
    assert wixpy.build(tmp_path / "x.wxs", tmp_path / "ours.msi", epoch=1) == []
