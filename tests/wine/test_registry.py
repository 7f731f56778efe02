# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader of ``reg export`` files, on text as Windows and Wine write it."""

from __future__ import annotations

import pytest

from .registry import parse_reg

HEADER = "Windows Registry Editor Version 5.00\r\n\r\n"


def test_every_type_of_value() -> None:
    text = HEADER + (
        "[HKEY_LOCAL_MACHINE\\Software\\X]\r\n"
        '@="default"\r\n'
        '"quoted \\"name\\" \\\\ "="C:\\\\folder \\"x\\""\r\n'
        '"number"=dword:fffffffe\r\n'
        '"bytes"=hex:00,ff\r\n'
        '"expand"=hex(2):25,00,41,00,25,00,00,00\r\n'
        '"none"=hex(0):\r\n'
    )
    assert parse_reg(text) == {
        "": {
            "": "default",
            'quoted "name" \\ ': 'C:\\folder "x"',
            "number": 0xFFFFFFFE,
            "bytes": b"\x00\xff",
            "expand": "%A%",
            "none": b"",
        }
    }


def test_a_long_multi_sz_is_continued_on_further_lines() -> None:
    text = HEADER + '[K]\r\n"m"=hex(7):61,00,00,00,62,\\\r\n  00,63,00,00,00,00,00\r\n'
    assert parse_reg(text).under() == {"m": ["a", "bc"]}


def test_an_empty_multi_sz_is_an_empty_list() -> None:
    assert parse_reg(HEADER + '[K]\r\n"m"=hex(7):00,00\r\n').under() == {"m": []}


def test_a_string_may_hold_line_breaks() -> None:
    text = HEADER + '[K]\r\n"a"="one\r\n[two]\r\n\r\nthree"\r\n"b"="c"\r\n'
    assert parse_reg(text).under() == {"a": "one\n[two]\n\nthree", "b": "c"}


def test_keys_below_are_named_from_the_key_asked_for() -> None:
    hive = parse_reg(HEADER + '[K]\r\n\r\n[K\\Sub]\r\n"a"="b"\r\n\r\n[K\\Sub\\Deep]\r\n')
    assert hive == {"": {}, "Sub": {"a": "b"}, "Sub\\Deep": {}}
    assert hive.under("SUB") == {"a": "b"}
    assert hive.under("absent") == {}


@pytest.mark.parametrize("text", ["", "REGEDIT4\n", HEADER + "nonsense\n", HEADER + '[K]\n"a"=what:1\n'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a "):
        parse_reg(text)
