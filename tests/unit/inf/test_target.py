# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sections a Windows takes, by the examples of "INF Manufacturer Section" and their neighbours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gplpv import config
from gplpv.inf.target import Target, decoration, install_suffixes, models_section, targets_for, targets_of

DATACENTER = 0x80


@pytest.mark.parametrize(
    ("decorations", "target", "taken"),
    [
        # The examples of the page.
        (["NTx86....0x80", "NTamd64"], Target("x86", (5, 1), suite=DATACENTER), "M.NTx86....0x80"),
        (["NTx86....0x80", "NTamd64"], Target("amd64", (5, 2)), "M.NTamd64"),
        (["NTx86....0x80", "NTamd64"], Target("x86", (5, 0), suite=DATACENTER), "M"),
        (["NT", "NT.5", "NT.5.5", "NT....0x80"], Target("x86", (5, 1)), "M.NT.5"),
        (["NT", "NT.5", "NT.5.5", "NT....0x80"], Target("x86", (5, 1), suite=DATACENTER), "M.NT.5"),
        (["NT", "NT.7.8"], Target("x86", (7, 8)), "M.NT.7.8"),
        (["NT", "NT.7.8"], Target("x86", (5, 1)), "M.NT"),
        (["NTx86.5.1"], Target("x86", (5, 0)), "M"),
        (["NTamd64.10.0...14393"], Target("amd64", (10, 0), build=14393), "M.NTamd64.10.0...14393"),
        (["NTamd64.10.0...14393"], Target("amd64", (10, 0), build=14392), None),
        (["NTamd64.10.0...14393"], Target("amd64", (10, 1)), "M.NTamd64.10.0...14393"),
        # The highest version that is not higher than the machine's.
        (["NTx86.5.1", "NTx86.6.0"], Target("x86", (5, 2)), "M.NTx86.5.1"),
        (["NTx86.6.0", "NTx86.5.1"], Target("x86", (6, 1)), "M.NTx86.6.0"),
        # Product types have to match.
        (["NTamd64.5.2.3", "NTamd64.5.2.1"], Target("amd64", (5, 2), product=1), "M.NTamd64.5.2.1"),
        (["NTamd64.5.2.3"], Target("amd64", (5, 2), product=1), None),
        (["NTamd64.6.0", "NTamd64.6.0.3"], Target("amd64", (6, 0), product=3), "M.NTamd64.6.0.3"),
        # From Server 2003 SP1 on, only x86 reads models without an architecture.
        ([], Target("amd64", (5, 2)), None),
        (["NT"], Target("amd64", (6, 1)), None),
        ([], Target("x86", (6, 1)), "M"),
        ([], Target("ia64", (5, 1)), "M"),
        # What is no decoration is passed over.
        (["NTx87", "later"], Target("x86", (5, 1)), "M"),
    ],
)
def test_the_models_section_is_the_closest(decorations: list[str], target: Target, taken: str | None):
    assert models_section("M", decorations, target) == taken


@pytest.mark.parametrize(
    "text", ["NT", "ntx86", "NTamd64.6.1", "NTx86.5.1..0x80", "NTarm64.10.0...16299", "NT.6.0.0x3"]
)
def test_a_decoration_is_read(text: str):
    assert decoration(text)


@pytest.mark.parametrize("text", ["", "x86", "NTx64", "NT6.0", "NT.6.0.1.2.3.4", "NTamd64.six", "NT-x86"])
def test_what_is_no_decoration_is_not_read(text: str):
    assert decoration(text) is None


@given(st.text("NTx86amd0.9- "))
def test_no_text_upsets_it(text: str):
    decoration(text)
    decoration(f"NT.{text}")


def test_install_sections_are_looked_for_from_the_arch_to_none():
    assert install_suffixes(Target("amd64", (6, 0))) == (".NTamd64", ".NT", "")


def test_an_inf_is_for_the_oldest_windows_of_each_decoration():
    assert targets_of(["NTx86", "NTamd64.6.1", "NTamd64.6.1"]) == [Target("x86", (5, 1)), Target("amd64", (6, 1))]
    assert targets_of([]) == [Target("x86", (5, 0))]


def test_a_package_is_for_its_oldest_and_newest_windows():
    matrix = config.load().matrix
    (xp,) = matrix.select(["XP"], ["x64"], [False])
    (vista,) = matrix.select(["Vista2008"], ["x32"], [False])
    assert targets_for(xp) == [Target("amd64", (5, 2), product=1)]
    assert targets_for(vista) == [Target("x86", (6, 0)), Target("x86", (6, 1))]
