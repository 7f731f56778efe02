# SPDX-License-Identifier: MIT
"""The data categories of columns: what each takes and what it refuses, as “Column Data Types” of the SDK has it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixpy import schema
from wixpy.checks.categories import CATEGORIES, KNOWN, is_condition, is_formatted

# A category, what it takes, what it refuses; a line each, texts between bars of their own (│).
TEXTS = r"""
AnyPath   \\server\share\temp │ c:\temp │ \temp │ projec~1|Project Status │ [WindowsFolder]x │ a\b c
        - c:\temp\projec~1|c:\temp one\Project Status │ a|b|c │ a*b │ a:b │ "x"
Cabinet   #cab1.cab │ disk1.cab
        - #1.cab │ # │ a long name.cab │ a\b.cab
Condition A │ NOT A │ A = 1 │ A ~= "x" │ A >< "b" AND NOT (B << "c" OR %PATH >> "d") │ $C=3 │ &F > 1 │ "x"=A │ ?C = -1
Condition NOT NOT A │ A xor B eqv C Imp D │ 1 │ A~<>"()" │ ((A)) │ VersionNT>=501 │ A AND(B)
        - A B │ A AND │ AND A │ A = │ (A │ A) │ () │ A = B = C │ (A) = 1 │ "A │ A & B │ A == 1 │ NOT │ A = NOT B │ 1.5
CustomSource bin │ _x.1
        - 1x │ a b
DefaultDir . │ SourceDir │ a │ a~1|a long name │ t:s │ .:s │ t~1|target:s~1|source
        - a:b:c │ a long name │ a\b │ :a │ a:
Filename  status.txt │ projec~1.txt|Project Status.txt │ grüße.txt │ a|. b
        - a long name.txt │ nine_char.x │ a.long │ a+b │ a|b:c │ a|.. │ a.b.c │ |a │ a|b|c │ a b
FormattedSDDLText D:(A;;GA;;;WD) │ O:BAG:SYD:PAI(A;OICI;FA;;;BA)(D;;GR;;;S-1-5-32-545)S:ARAI(AU;SAFA;FA;;;WD) │ D:
FormattedSDDLText O:<[%USERDOMAIN]\[%USERNAME]>G:BAD:(A;OICI;GRGWGX;;;<Domain\User>)
FormattedSDDLText D:(XA;;FX;;;S-1-1-0;(@User.Title=="PM" && (@User.A=="b" || @User.C=="d")))
        - x │ D:(A;;GA;;WD) │ D:(A;;GA;;;WD │ G:BAO:SY │ O:nobody
Guid      {6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48}
        - {6b1f7c1e-3a0c-4d0e-9d5b-5f2b0c1f9a48} │ 6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48 │ {6B1F7C1E}
Identifier a │ _a.1
        - 1a │ a b │ .a │ ä
Language  1033 │ 0,1033
        - en │ 1033, │ 99999 │ 1033;1031
LowerCase abc
        - aBc
Path      \\server\share │ c:\temp │ [DRIVE]\temp
        - temp │ \temp │ c:temp │ c:\a?b
Paths     c:\a;[B]\c
        - c:\a;b
Property  ABC │ %PATH
        - %% │ a-b
RegPath   Software\A │ [P]\A
        - \Software │ Software\ │ Software\\A
Shortcut  Feature │ [#file] │ [DIR]x.exe
        - c:\x.exe
URL       http://example.com/x │ [URL]
        - a b │ x
UpperCase ABC1
        - ABc
Version   1.2.3.4 │ 65535
        - 1. │ 1.2.3.4.5 │ 65536 │ 1.x
WildCardFilename *.txt │ a?.* │ proj*.txt|Project *.txt
        - a*b:c │ a b*
Formatted plain │ [P] │ [#file] [!file] [$comp] [%PATH] [~] [1] │ [[P]] │ {[P] and [Q]} │ {\Style}text
Formatted [\[]x[\]] │ {}[]
        - [a b] │ [a │ a] │ {a │ a} │ [{]} │ [#1] │ [[P]
"""


def texts() -> list[tuple[str, str, bool]]:
    found, category = [], ""
    for line in TEXTS.strip().splitlines():
        head, rest = line.strip().split(maxsplit=1)
        category = category if head == "-" else head
        found += [(category, text.strip(), head != "-") for text in rest.split("│")]
    return found


@pytest.mark.parametrize(("category", "text", "good"), texts())
def test_a_category_takes_what_the_sdk_says(category: str, text: str, good: bool) -> None:
    assert CATEGORIES.get(category, is_formatted)(text) is good


def test_every_category_is_tried_and_the_schema_uses_no_other() -> None:
    assert {category for category, _, _ in texts()} == {*CATEGORIES, "Formatted"}
    used = {column.category for table in schema.standard().values() for column in table.columns}
    assert used - {None} <= KNOWN


NAMES = st.sampled_from(["A", "$c", '"x y"', "7", "%P"])
CONDITIONS = st.recursive(
    NAMES | st.builds("{} {} {}".format, NAMES, st.sampled_from(["=", "~<>", "><", "<=", ">>"]), NAMES),
    lambda inner: (
        st.builds("({})".format, inner)
        | st.builds("NOT ({})".format, inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["AND", "or", "Xor", "EQV", "IMP"]), inner)
    ),
    max_leaves=8,
)


@given(CONDITIONS)
def test_every_condition_of_the_grammar_is_one_and_none_with_a_part_too_many(text: str) -> None:
    assert is_condition(text)
    for spoiled in (f"{text} B", f"{text} AND", f"{text})", f"({text}", f"NOT {text} =", f"= {text}"):
        assert not is_condition(spoiled)


def test_hostile_texts_take_no_time_and_no_stack() -> None:
    start = time.monotonic()
    assert is_condition("(" * 50_000 + "A" + ")" * 50_000)
    assert is_formatted("[" * 50_000 + "A" + "]" * 50_000)
    for text in ("[" * 50_000, "[\\a" * 50_000, "{[a]" * 50_000, "[a]{" * 50_000):
        assert not is_formatted(text)
    for ace in ("(A;;;;;WD)", "(XA;;;;;WD;(a (b) (c)))", "(A;;;;;WD;(", "(;;;;;;()"):
        assert not CATEGORIES["FormattedSDDLText"]("D:" + ace * 500 + "!")
    assert time.monotonic() - start < 10
