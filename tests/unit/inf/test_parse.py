# SPDX-License-Identifier: GPL-2.0-or-later
"""Every syntax rule of INF files, each with its smallest file; and any bytes are a document."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gplpv.inf.parse import Document, parse

# What the syntax is made of comes often, so that it meets in every way.
SYNTAX = st.lists(st.sampled_from([*'[]=,;"\\%\r\n \tA1\x1a\0\u00e9', "[A]\r\n", "k=v\n", '"a""b"', "\\ ; c\n"])).map(
    "".join
)
FILES = st.one_of(
    st.binary(),
    SYNTAX.map(lambda text: text.encode("latin-1", "replace")),
    SYNTAX.map(lambda text: text.encode("utf-16")),
)


def read(text: str) -> Document:
    return parse(text.encode("latin-1"))


def words(text: str) -> list[tuple[str | None, tuple[str, ...]]]:
    """Keys and values of the lines of a section."""
    return [(entry.key.text if entry.key else None, entry.texts) for entry in read(f"[S]\n{text}").section("S")]


def faults(text: str) -> list[str]:
    return [fault.kind for fault in read(text).faults]


@settings(max_examples=400)
@given(FILES)
@example(b"\xff\xfe[")
@example(b'[a]\n"')
@example(b"[a]\nb\\")
def test_any_bytes_are_a_document_that_gives_them_back(data: bytes):
    document = parse(data)
    assert document.to_bytes() == data


@given(FILES)
def test_pieces_tile_the_text(data: bytes):
    document = parse(data)
    edges = [0, *(piece.end for piece in document.pieces)]
    assert [piece.start for piece in document.pieces] == edges[:-1]
    assert edges[-1] == len(document.text)


@given(FILES)
def test_places_are_inside_and_hold_what_they_say(data: bytes):
    document = parse(data)
    for section in document.sections.values():
        for entry in section.entries:
            assert 0 <= entry.start <= entry.end <= len(document.text)
            for word in entry.words:
                if not word.quoted and "\\" not in document.text[word.start : word.end]:
                    assert document.text[word.start : word.end] == word.text
    for comment in document.comments:
        assert document.text[comment.start : comment.end] == comment.text


def test_a_long_run_of_backslashes_takes_no_long_time():
    assert parse(b"[a]\n" + b"\\" * 300_000 + b"x").faults[0].kind == "long-field"


def test_an_entry_has_a_key_and_values_or_values_alone():
    assert words("a = b , c\nd,e\n") == [("a", ("b", "c")), (None, ("d", "e"))]


def test_an_equals_sign_behind_a_comma_makes_no_key():
    assert words("HKR,,a=b") == [(None, ("HKR", "", "a=b"))]


def test_empty_values_count():
    assert words("a=\nb=1,,\n") == [("a", ("",)), ("b", ("1", "", ""))]


def test_quotes_keep_blanks_commas_semicolons_and_equals_signs():
    assert words('" a = , ; "=" b,;= "') == [(" a = , ; ", (" b,;= ",))]


def test_a_doubled_quote_is_one():
    assert words('a="b ""c"" d"') == [("a", ('b "c" d',))]


def test_a_comment_ends_a_line_but_not_in_quotes_nor_in_a_token():
    document = read('[S]\na=b ; one\nc=";d"\n%e;f%=g\n;two\n')
    assert [entry.texts for entry in document.section("s")] == [("b",), (";d",), ("g",)]
    assert document.section("s")[2].key and document.section("s")[2].key.text == "%e;f%"
    assert [comment.text for comment in document.comments] == ["; one", ";two"]


@pytest.mark.parametrize("end", ["\\\n", "\\  \n", "\\ ; why\n", "\\\\\n", "\\\r\n", "\\\r"])
def test_a_backslash_at_the_end_goes_on_in_the_next_line(end: str):
    assert words(f"a = b,{end}  c\nd=e") == [("a", ("b", "c")), ("d", ("e",))]


def test_blanks_around_the_end_of_a_line_that_goes_on_do_not_count():
    assert words("a = b c \t\\ \n \t d") == [("a", ("b cd",))]


def test_a_backslash_inside_is_a_backslash():
    assert words("a=b\\c\\ d") == [("a", ("b\\c\\ d",))]


def test_a_quoted_backslash_at_the_end_does_not_go_on():
    assert words('a="b\\"\nc=d') == [("a", ("b\\",)), ("c", ("d",))]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_each_line_end_ends_a_line(end: str):
    assert words(f"a=b{end}c=d{end}") == [("a", ("b",)), ("c", ("d",))]


def test_sections_of_one_name_are_one_section_in_their_order():
    document = read("[One]\na=1\n[Two]\nb=2\n[ONE]\nc=3\n")
    assert [entry.texts for entry in document.section("one")] == [("1",), ("3",)]
    assert [header.text for header in document.sections["one"].headers] == ["One", "ONE"]


def test_an_entry_knows_its_section_line_and_column():
    document = read("[One]\n\n  a = b,c\n")
    entry = document.section("One")[0]
    assert entry.section == "One"
    places = [document.position(at) for at in (entry.start, entry.place(1), entry.place(7))]
    assert [(place.line, place.column) for place in places] == [(3, 3), (3, 9), (3, 3)]


def test_strings_are_put_in():
    document = read('[Strings]\nA="x"\na="y"\n')
    assert document.expand("%a%-%A%-%%-%12%-%none%") == "x-x-%-%12%-%none%"


@pytest.mark.parametrize(
    ("language", "text"),
    [(None, "any"), (0x0407, "german"), (0x0807, "german"), (0x0C0C, "french"), (0x0409, "any")],
)
def test_the_strings_of_a_language_are_one_section(language: int | None, text: str):
    document = read("[Strings]\na=any\n[Strings.0007]\na=german\n[Strings.040c]\na=french\n")
    assert document.strings_of(language)["a"].text == text


def test_text_behind_control_z_is_not_read():
    document = read("[A]\na=1\n\x1a[B]\nb=2\n")
    assert list(document.sections) == ["a"]
    assert faults("[A]\n\x1a[B]") == ["control-z"]
    assert faults("[A]\n\x1a\r\n") == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[A]\na="b\n', "unterminated-string"),
        ('[A]\na="b""\n', "unterminated-string"),
        ("[A\n", "unterminated-header"),
        ("[ ]\n", "nameless-section"),
        ("[A] b\n", "text-after-header"),
        ("a=b\n[A]\n", "text-before-section"),
        ("[A]\na=b\\", "continued-past-the-end"),
        ("[A]\na=\0", "nul"),
        (f"[A]\na={'b' * 4096}", "long-field"),
        (f"[{'A' * 256}]\n", "long-section-name"),
    ],
)
def test_a_fault_is_noted(text: str, kind: str):
    assert faults(text) == [kind]


@pytest.mark.parametrize(
    "text", ["", "; a comment\n[A]\n", '[A] ; b\na=""\n', f"[{'A' * 255}]\na={'b' * 4095}", "[A]\na=b\\\n"]
)
def test_what_is_allowed_is_no_fault(text: str):
    assert faults(text) == []


def test_reading_goes_on_behind_a_fault():
    document = read('[A\na="b\nc=d\n')
    assert [entry.texts for entry in document.section("a")] == [("b",), ("d",)]
