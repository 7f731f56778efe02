# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes become text and back without loss, and places are told as a person counts."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gplpv.inf.text import decode

MARKS = [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE]


@given(st.sampled_from(MARKS), st.binary())
def test_any_bytes_come_back(mark: bytes, body: bytes):
    assert decode(mark + body).encode() == mark + body


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "cp1252"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_characters_are_those_of_the_encoding(mark: bytes, encoding: str):
    assert decode(mark + "€é".encode(encoding)).text == "€é"


def test_lines_end_with_each_of_the_three_ends():
    text = decode(b"a\r\nb\rc\nd")
    assert [text.position(text.text.index(letter)).line for letter in "abcd"] == [1, 2, 3, 4]


def test_a_column_counts_characters_and_a_byte_offset_bytes():
    text = decode(codecs.BOM_UTF16_LE + "a\r\n€x".encode("utf-16-le"))
    place = text.position(text.text.index("x"))
    assert (place.line, place.column, place.byte) == (2, 2, 10)


def test_the_end_is_a_place_too():
    place = decode(b"a\n").position(2)
    assert (place.line, place.column, place.byte) == (2, 1, 2)


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (codecs.BOM_UTF8 + b"a\xff", 1),
        (codecs.BOM_UTF16_LE + b"a\0\0\xd8b\0", 1),
        (codecs.BOM_UTF16_LE + b"a\0b", 1),
        (codecs.BOM_UTF16_BE + b"\0a", None),
        (b"\x81\xff", None),
    ],
)
def test_what_the_encoding_does_not_allow_is_found(data: bytes, offset: int | None):
    assert decode(data).misread() == offset
