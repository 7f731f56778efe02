# SPDX-License-Identifier: MIT
"""The string pool."""

import struct

import pytest

from wixpy import summary
from wixpy.errors import WixpyError
from wixpy.strings import StringPool
from wixpy.summary import Pid


def test_the_streams_of_a_small_pool() -> None:
    pool = StringPool(1252)
    assert [pool.intern(text) for text in ("one", "é", "one")] == [1, 2, 1]
    assert pool.serialize() == (struct.pack("<I4H", 1252, 3, 2, 1, 1), b"one\xe9")


def test_a_string_of_64_kib_has_its_length_in_the_next_entry() -> None:
    pool = StringPool(65001)
    pool.intern("x" * 0x10000)
    pool.intern("y")
    assert pool.serialize()[0] == struct.pack("<I6H", 65001, 0, 1, 0, 1, 1, 1)


@pytest.mark.parametrize("length", [0xFFFF, 0x10000, 200_000])
def test_long_strings_come_back(length: int) -> None:
    pool = StringPool()
    for text in ("before", "x" * length, "after"):
        pool.intern(text)
    assert StringPool.parse(*pool.serialize()).strings == [None, "before", "x" * length, "after"]


def test_references_take_three_bytes_from_65536_strings_on() -> None:
    pool = StringPool()
    for number in range(0xFFFF):
        pool.intern(str(number))
    assert pool.reference_width == 2
    pool.intern("one more")
    assert pool.reference_width == 3
    assert pool.serialize()[0][:4] == bytes.fromhex("00000080")
    assert StringPool.parse(*pool.serialize()).reference_width == 3


def test_reference_counts_stop_at_what_16_bits_hold() -> None:
    pool = StringPool()
    for _ in range(70_000):
        pool.intern("x")
    assert StringPool.parse(*pool.serialize()).counts[1] == 0xFFFF


def test_an_unused_number_is_null_and_keeps_its_place() -> None:
    pool = StringPool.parse(struct.pack("<I4H", 1252, 0, 0, 1, 1), b"a")
    assert pool.strings == [None, None, "a"]


def test_text_that_the_code_page_lacks_is_refused_with_the_way_out() -> None:
    pool = StringPool(1252)
    pool.intern("Ω")
    with pytest.raises(WixpyError, match="code page 1252 lacks") as caught:
        pool.serialize()
    assert "65001" in str(caught.value.hint)


@pytest.mark.parametrize("codepage", [437, 850, 1250, 1251, 1252, 1254, 1256, 20866, 28591, 28605])
def test_every_byte_is_a_character_of_its_own(codepage: int) -> None:
    every = bytes(range(1, 256))
    pool = StringPool.parse(struct.pack("<I2H", codepage, len(every), 1), every)
    text = pool.strings[1]
    assert text is not None
    assert len(set(text)) == 255
    assert pool.serialize()[1] == every
    decoded = summary.decode(summary.encode({Pid.CODEPAGE: codepage, Pid.TITLE: text}))
    assert decoded[Pid.TITLE] == text


@pytest.mark.parametrize(
    ("codepage", "text"),
    [(932, "日本語"), (936, "中文"), (949, "한국어"), (950, "中文"), (54936, "中文€"), (51949, "한국")],
)
def test_code_pages_of_several_bytes_a_character(codepage: int, text: str) -> None:
    pool = StringPool(codepage)
    pool.intern(text)
    assert StringPool.parse(*pool.serialize()).strings == [None, text]
    with pytest.raises(WixpyError, match="not text in code page"):
        StringPool.parse(struct.pack("<I2H", codepage, 1, 1), b"\x81")


def test_a_control_character_that_the_code_page_uses_otherwise_is_refused() -> None:
    pool = StringPool(1252)
    pool.intern("\x80")
    with pytest.raises(WixpyError, match="code page 1252 lacks"):
        pool.serialize()


def test_an_unknown_code_page_is_refused() -> None:
    with pytest.raises(WixpyError, match="code page 4711"):
        StringPool(4711)


@pytest.mark.parametrize(
    ("pool", "data"),
    [
        (b"", b""),
        (b"\0\0\0", b""),
        (struct.pack("<I2H", 0, 5, 1), b"four"),
        (struct.pack("<I2H", 0, 0, 1), b""),
        (struct.pack("<I2H", 65001, 1, 1), b"\xff"),
    ],
)
def test_damaged_streams_are_refused(pool: bytes, data: bytes) -> None:
    with pytest.raises(WixpyError):
        StringPool.parse(pool, data)


def test_a_reference_beyond_the_pool_is_refused() -> None:
    with pytest.raises(WixpyError, match="string 7"):
        StringPool().cell(7)
