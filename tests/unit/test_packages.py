# SPDX-License-Identifier: GPL-2.0-or-later
"""What packages carry, and which Windows each of them accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gplpv import config, nsis, packages
from gplpv.errors import GplpvError
from gplpv.packages import Home
from gplpv.signing import STORES

SETTINGS = config.load(Path(__file__).parents[2])
RELEASE = SETTINGS.matrix.variants()[0]
HOMES = packages.homes(SETTINGS, RELEASE)

# Version, bits and MsiNTProductType (1 workstation, 2 domain controller, 3 server) of what users run.
WINDOWS = {
    "2000": (500, 32, 1),
    "2000 Server": (500, 32, 3),
    "XP": (501, 32, 1),
    "XP x64": (502, 64, 1),
    "2003": (502, 32, 3),
    "2003 domain controller": (502, 32, 2),
    "2003 x64": (502, 64, 3),
    "Vista": (600, 32, 1),
    "2008 x64": (600, 64, 3),
    "7": (601, 32, 1),
    "2008 R2": (601, 64, 3),
    "NT 4": (400, 32, 1),
    "8 x64": (602, 64, 1),
    "10": (603, 32, 1),
}
RIGHT = {
    "2000": "2000x32",
    "2000 Server": "2000x32",
    "XP": "XPx32",
    "XP x64": "XPx64",
    "2003": "2003x32",
    "2003 domain controller": "2003x32",
    "2003 x64": "2003x64",
    "Vista": "Vista2008x32",
    "2008 x64": "Vista2008x64",
    "7": "Vista2008x32",
    "2008 R2": "Vista2008x64",
}


def msi_accepts(home: Home, windows: tuple[int, int, int]) -> bool:
    version, bits, product_type = windows
    expression = home.msi_condition
    for theirs, ours in (("NOT", "not"), ("AND", "and"), ("<>", "!="), (" = ", " == ")):
        expression = expression.replace(theirs, ours)
    names = {"VersionNT": version, "VersionNT64": version if bits == 64 else 0, "MsiNTProductType": product_type}
    return bool(eval(expression, {"__builtins__": {}}, names))


def exe_accepts(home: Home, windows: tuple[int, int, int]) -> bool:
    version, bits, product_type = windows
    values = {"$Nt": version, "$Bits": bits, "$Edition": "workstation" if product_type == 1 else "server"}
    statements = re.findall(r"\$\{(?:If|AndIf)\} (\S+) (==|>=|<=) (\S+)", nsis.condition(home))
    assert len(statements) == nsis.condition(home).count("${")
    tests = {"==": lambda a, b: a == b, ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b}
    return all(tests[sign](values[name], type(values[name])(value.strip('"'))) for name, sign, value in statements)


@pytest.mark.parametrize("accepts", [msi_accepts, exe_accepts])
@pytest.mark.parametrize("name", WINDOWS)
def test_each_windows_has_one_package_or_none(name, accepts):
    assert [home.name for home in HOMES if accepts(home, WINDOWS[name])] == ([RIGHT[name]] if name in RIGHT else [])


def test_homes_are_of_the_same_flavour():
    debug = next(variant for variant in SETTINGS.matrix.variants() if variant.debug)
    assert {home.variant.debug for home in packages.homes(SETTINGS, debug)} == {True}
    assert len(HOMES) == 7


def test_a_release_package_carries_no_symbols_and_a_debug_one_all():
    release, debug = (packages.payload(SETTINGS, variant) for variant in SETTINGS.matrix.variants()[:2])
    assert not [item for item in release if item.destination.suffix == ".pdb"]
    images = {item.destination.stem for item in debug if item.destination.suffix in {".sys", ".exe"}}
    assert {item.destination.stem for item in debug if item.destination.suffix == ".pdb"} == images


def test_every_driver_lies_beside_its_inf():
    names = {str(item.destination) for item in packages.payload(SETTINGS, RELEASE)}
    for driver in RELEASE.platform.drivers:
        assert {f"drivers\\{driver}\\{driver}.{kind}" for kind in ("inf", "sys", "cat")} <= names


def rendered(tmp_path: Path, text: str) -> str:
    (tmp_path / "installer").mkdir()
    (tmp_path / "installer" / "t.wxs.j2").write_text(text)
    return packages.render(config.Config(tmp_path, SETTINGS.matrix, 0), "t.wxs.j2", given="<a & b>")


def test_a_template_escapes_what_xml_would_misread(tmp_path):
    assert rendered(tmp_path, "{{ given }}\n") == "&lt;a &amp; b&gt;\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [("{{ missing }}", "'missing' is undefined"), ("\n{% if %}", "t.wxs.j2:2: Expected an expression")],
)
def test_a_wrong_template_is_refused_by_name(tmp_path, text, says):
    with pytest.raises(GplpvError) as caught:
        rendered(tmp_path, text)
    assert says in caught.value.message


def test_certificates_are_in_test_signed_packages_only_and_gone_after_another_package():
    plain = packages.package(SETTINGS, RELEASE)
    trusting = packages.package(SETTINGS, RELEASE, STORES.values())
    names = {"trust\\Root.cer", "trust\\TrustedPublisher.cer"}
    assert {str(item.destination) for item in set(trusting.items) - set(plain.items)} == names
    assert names <= {str(path) for path in packages.leftovers(SETTINGS, RELEASE)}
    assert not names & {str(path) for path in packages.leftovers(SETTINGS, RELEASE, STORES.values())}
