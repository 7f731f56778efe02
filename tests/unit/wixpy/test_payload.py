# SPDX-License-Identifier: MIT
"""Versions, hashes and names of files."""

import hashlib
import struct

import pytest

from wixpy.filenames import is_long, is_short, shorten
from wixpy.payload import FileVersion, file_hash, file_version


def test_the_version_resource_of_an_image(versioned_dll: bytes) -> None:
    assert file_version(versioned_dll) == FileVersion("1.2.3.4", "1033")


@pytest.mark.parametrize("content", [b"", b"text", b"MZ", b"MZ" + bytes(500)])
def test_what_is_no_image_has_no_version(content: bytes) -> None:
    assert file_version(content) is None


def test_the_hash_is_md5_as_four_signed_numbers() -> None:
    assert struct.pack("<4i", *(file_hash(b"content") or ())) == hashlib.md5(b"content").digest()


def test_an_empty_file_has_a_hash_of_zeros() -> None:
    assert file_hash(b"") == (0, 0, 0, 0)


@pytest.mark.parametrize("name", ["readme.txt", "A", "ABCDEFGH.EXE", "a-b_c.~1"])
def test_short_names(name: str) -> None:
    assert is_short(name)


@pytest.mark.parametrize("name", ["", "ABCDEFGHI", "a.html", "a b", "a.b.c", "a+b", ".txt", "é"])
def test_names_that_are_not_short(name: str) -> None:
    assert not is_short(name)


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a:b", "a*", "..", "end.", "end ", "x" * 256])
def test_names_that_windows_does_not_allow(name: str) -> None:
    assert not is_long(name)


@pytest.mark.parametrize(
    "name", ["shutdownmon.exe", "a long name.html", ".gitignore", "été.txt", "a+b", "no extension"]
)
def test_shortened_names_are_short_and_keep_the_extension(name: str) -> None:
    short = shorten(name, set())
    assert is_short(short)
    assert short == shorten(name.upper(), set()).lower() or short.lower() == shorten(name.upper(), set()).lower()


def test_shortened_names_avoid_those_taken() -> None:
    taken: set[str] = set()
    for number in range(200):
        name = shorten(f"long name number {number}.txt", taken)
        assert name.lower() not in taken
        taken.add(name.lower())
