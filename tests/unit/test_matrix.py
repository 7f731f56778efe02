# SPDX-License-Identifier: GPL-2.0-or-later
"""platforms.yaml: what it spans, and how each kind of mistake in it is refused."""

from pathlib import Path

import pytest

from gplpv import matrix
from gplpv.errors import GplpvError, UsageError

ROOT = Path(__file__).parents[2]
YAML = (ROOT / "platforms.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def loaded():
    return matrix.load(ROOT / "platforms.yaml")


def test_seven_targets_each_debug_and_release(loaded):
    names = [variant.name for variant in loaded.variants()]
    targets = ["2000x32", "XPx32", "XPx64", "2003x32", "2003x64", "Vista2008x32", "Vista2008x64"]
    assert names == [name for target in targets for name in (target, f"{target} debug")]


@pytest.mark.parametrize(
    ("name", "tree", "package"),
    [
        ("XPx64 debug", "winxp/amd64/debug", "gplpv XPx64 1.2.3.4 debug.msi"),
        ("2000x32", "win2k/i386/release", "gplpv 2000x32 1.2.3.4.msi"),
        ("2003x32", "winnet/i386/release", "gplpv 2003x32 1.2.3.4.msi"),
        ("Vista2008x64 debug", "winlh/amd64/debug", "gplpv Vista2008x64 1.2.3.4 debug.msi"),
    ],
)
def test_names_of_a_variant(loaded, name, tree, package):
    (variant,) = [variant for variant in loaded.variants() if variant.name == name]
    assert variant.tree.as_posix() == tree
    assert variant.package("msi", "1.2.3.4") == package


def test_package_names_carry_the_version_of_the_file(loaded):
    assert f" {loaded.product.version}" in loaded.variants()[0].package("exe")


def test_what_each_platform_is_built_for(loaded):
    facts = {
        (variant.platform_name, variant.arch_name): (
            variant.nt,
            variant.platform.drivers["xenvbd"],
            variant.platform.drivers["xennet"],
            variant.target.catalog_os[0],
        )
        for variant in loaded.variants()
    }
    assert facts == {
        ("2000", "x32"): ((5, 0), "scsiport", "ndis50", "2000"),
        ("XP", "x32"): ((5, 1), "scsiport", "ndis51", "XP_X86"),
        ("XP", "x64"): ((5, 2), "scsiport", "ndis51", "XP_X64"),
        ("2003", "x32"): ((5, 2), "scsiport", "ndis51", "Server2003_X86"),
        ("2003", "x64"): ((5, 2), "scsiport", "ndis51", "Server2003_X64"),
        ("Vista2008", "x32"): ((6, 0), "storport", "ndis60", "Vista_X86"),
        ("Vista2008", "x64"): ((6, 0), "storport", "ndis60", "Vista_X64"),
    }


def test_selecting_refuses_an_arch_that_the_platform_lacks(loaded):
    with pytest.raises(UsageError) as caught:
        loaded.select(["2000"], ["x64"], [True])
    assert "platform=2000 arch=x64" in caught.value.message
    assert caught.value.hint == "2000 has x32."


MISTAKES = {
    "misspelt key": ("winver: win2k", "winvr: win2k", "winvr", "'winver'"),
    "unknown DDK": ("ddk: mingw", "ddk: minwg", "no DDK 'minwg'", "'mingw'"),
    "unknown flavour": ("xenvbd: storport", "xenvbd: storprt", "no flavour of xenvbd 'storprt'", "'storport'"),
    "unknown driver": ("xenstub: wdm}\n\n  XP", "xenstb: wdm}\n\n  XP", "no driver 'xenstb'", "'xenstub'"),
    "unknown arch": ('x64: {nt: "5.2", catalog_os: [XP', 'x65: {nt: "5.2", catalog_os: [XP', "'x65'", ""),
    "unknown DDK kind": ("kind: ziglang", "kind: gcc", "ziglang", ""),
    "unquoted version": ('nt: "5.0"', "nt: 5.0", "string", ""),
    "absurd NT version": ('nt: "5.0"', 'nt: "five"', '"5.1" (quoted)', ""),
    "short product version": ("0.12.0.1", "0.12.0", "w.x.y.z", ""),
    "product version too large": ("0.12.0.1", "0.12.0.65535", "0..65534", ""),
    "version too large for an MSI": ("0.12.0.1", "256.12.0.1", "at most 255", ""),
    "until before nt": ('until: "6.1"', 'until: "5.1"', "before nt 6.0", ""),
    "one folder for two platforms": ("winver: winnet", "winver: winxp", "already the output folder of XP", ""),
    "platform twice": ("  XP:\n", '  "2000":\n', "stands twice", ""),
    "path out of the project": ("folder: drivers_src/shutdownmon", "folder: ../shutdownmon", "inside the project", ""),
    "folder name Windows refuses": ("folder: Xen GPLPV", "folder: Xen/GPLPV", "one Windows folder", ""),
    "no catalog systems": ('catalog_os: ["2000"]', "catalog_os: []", "at least 1", ""),
    "SHA-256 alone before 7": ("{sys: dual, exe", "{sys: sha256, exe", "6.0 does not verify SHA-256", "dual"),
    "SHA-256 alone on XP": (
        "{sys: sha1, exe: sha1, cat: sha1",
        "{sys: sha1, exe: sha1, cat: sha256",
        "5.0 does not",
        "",
    ),
    "SHA-1 alone on 10": (
        'cat: sha1, msi: sha1}\n    winver: winlh\n    ddk: mingw\n    until: "6.1"',
        'cat: sha1, msi: sha1}\n    winver: winlh\n    ddk: mingw\n    until: "10.0"',
        "10.0 does not take SHA-1 alone",
        "sha256",
    ),
    "two signatures in a catalog": ("exe: dual, cat: sha1", "exe: dual, cat: dual", "one signature only", ""),
    "two signatures in an .msi": (
        "cat: sha1, msi: sha1}\n    winver: winlh",
        "cat: sha1, msi: dual}\n    winver: winlh",
        "one signature only",
        "",
    ),
    "x64 boot drivers without": (
        "cat: sha1, msi: sha1}\n    winver: winlh",
        "cat: sha1, msi: sha1, embed: false}\n    winver: winlh",
        "starts no boot driver",
        "true",
    ),
    "misspelt policy": ("{sys: sha1,", "{sy: sha1,", "'sy'", "'sys'"),
    "misspelt digest": ("{sys: sha1,", "{sys: sha2,", "'sha1', 'sha256' or 'dual'", ""),
    "misspelt signing key": ("  timestamp:\n", "  timestmp:\n", "'timestmp'", "'timestamp'"),
    "no time stamp server": ("servers: [http://timestamp.digicert.com, ", "servers: [digicert, ", "http://", ""),
    "no tries": ("tries: 3 ", "tries: 0 ", "greater than 0", ""),
    "broken YAML": ("arches:\n", "arches: [\n", "expected", ""),
}


@pytest.mark.parametrize(("right", "wrong", "says", "hints"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_with_its_line(tmp_path, right, wrong, says, hints):
    assert right in YAML
    mistaken = YAML.replace(right, wrong, 1)
    path = tmp_path / "platforms.yaml"
    path.write_text(mistaken, encoding="utf-8")
    with pytest.raises(GplpvError) as caught:
        matrix.load(path)
    assert says in caught.value.message
    assert hints in caught.value.hint
    line = int(caught.value.message.split(":")[1])
    first = YAML[: YAML.index(right)].count("\n") + 1
    assert first <= line <= first + right.count("\n") + 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- 1\n- 2\n", b"!!python/object:os.system {}"])
def test_a_file_that_is_no_matrix_is_refused(tmp_path, content):
    path = tmp_path / "platforms.yaml"
    path.write_bytes(content)
    with pytest.raises(GplpvError):
        matrix.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(GplpvError, match="cannot be read"):
        matrix.load(tmp_path / "platforms.yaml")
