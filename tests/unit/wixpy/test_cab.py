# SPDX-License-Identifier: MIT
"""Cabinets; msiextract reads them out of packages in test_readers.py."""

from __future__ import annotations

import random
import tracemalloc
from datetime import datetime, timezone
from io import BytesIO
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wixpy import cab, cabdata
from wixpy.cab import Attributes, Cabinet, CabinetFile, Compression
from wixpy.errors import WixpyError

TIME = datetime(1997, 3, 12, 11, 13, 52, tzinfo=timezone.utc)

# The sample cabinet of the “Microsoft Cabinet Format” specification, section “Sample .CAB file”: hello.c and welcome.c,
# stored.  Its identifier of a set (bytes 32 and 33) is a number of the author's.
SAMPLE = bytes.fromhex("""
4d534346 00000000 fd000000 00000000 2c000000 00000000 03010100 02000000 22060000 5e000000 01000000 4d000000 00000000
00006c22 ba592000 68656c6c 6f2e6300 4a000000 4d000000 00006c22 e7592000 77656c63 6f6d652e 6300bd5a a6309700 97002369
6e636c75 6465203c 73746469 6f2e683e 0d0a0d0a 766f6964 206d6169 6e28766f 6964290d 0a7b0d0a 20202020 7072696e 74662822
48656c6c 6f2c2077 6f726c64 215c6e22 293b0d0a 7d0d0a23 696e636c 75646520 3c737464 696f2e68 3e0d0a0d 0a766f69 64206d61
696e2876 6f696429 0d0a7b0d 0a202020 20707269 6e746628 2257656c 636f6d65 215c6e22 293b0d0a 7d0d0a0d 0a
""")


def file(name: str, content: bytes) -> CabinetFile:
    return CabinetFile(name, content, TIME)


def test_the_sample_of_the_specification_is_read() -> None:
    cabinet = Cabinet(SAMPLE)
    assert [(entry.name, entry.size) for entry in cabinet.files] == [("hello.c", 77), ("welcome.c", 74)]
    assert cabinet.files[0].modified == TIME
    assert b'printf("Welcome!' in cabinet.read(cabinet.files[1])


def test_the_sample_of_the_specification_is_written() -> None:
    sample = Cabinet(SAMPLE)
    files = [CabinetFile(e.name, sample.read(e), e.modified, e.attributes) for e in sample.files]
    expected = SAMPLE[:32] + b"\0\0" + SAMPLE[34:]
    assert cab.write([files], Compression.NONE) == expected


def plain_checksum(data: bytes) -> int:
    """The checksum as the specification describes it, word by word."""
    result = 0
    for at in range(0, len(data) & ~3, 4):
        result ^= int.from_bytes(data[at : at + 4], "little")
    return result ^ int.from_bytes(data[len(data) & ~3 :], "big")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 100, 4095, 32767, 32768])
def test_checksum_is_that_of_the_specification(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert cabdata.checksum(data) == plain_checksum(data)


CONTENTS = {
    "empty": b"",
    "one": b"x",
    "block": b"ab" * 16384,
    "text": b"".join(b"line %d\n" % number for number in range(20_000)),
    "noise": random.Random(5).randbytes(100_000),
}


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("level", [1, 6, 9])
def test_files_come_back(compression: Compression, level: int) -> None:
    files = [file(name, content) for name, content in CONTENTS.items()]
    cabinet = Cabinet(cab.write([files[:3], files[3:]], compression, level))
    assert {entry.name: cabinet.read(entry) for entry in cabinet.files} == CONTENTS
    assert [entry.folder for entry in cabinet.files] == [0, 0, 0, 1, 1]


def test_incompressible_blocks_stay_within_the_limit_of_mszip() -> None:
    data = cab.write([[file("noise", CONTENTS["noise"])]])
    assert len(data) - 100_000 < 4 * (cab.MAX_MSZIP_BLOCK - cab.BLOCK) + 200


def test_a_block_uses_the_block_before_it_as_history() -> None:
    noise = random.Random(6).randbytes(20_000)
    assert len(cab.write([[file("repeated", noise * 5)]])) < 21_000


@pytest.mark.parametrize("compression", Compression)
def test_any_number_of_threads_gives_the_same_bytes(compression: Compression) -> None:
    files = [file("text", CONTENTS["text"] * 12), file("noise", CONTENTS["noise"] * 7), file("end", b"x" * 5)]
    assert sum(len(each.content) for each in files) > 4 * cab.BATCH

    def written(threads: int) -> bytes:
        out = BytesIO(b"before")
        out.seek(6)
        cab.write_to(out, [files[:2], files[2:]], compression, 4, threads)
        assert out.tell() == len(out.getvalue())
        return out.getvalue()

    one = written(1)
    assert written(2) == written(5) == one
    cabinet = Cabinet(one[6:])
    assert [cabinet.read(entry) for entry in cabinet.files] == [each.content for each in files]


contents = st.lists(
    st.binary(max_size=200) | st.builds(lambda b, n: b * n, st.binary(max_size=9), st.integers(0, 9000))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, min_size=1, max_size=4), st.sampled_from(Compression), st.integers(1, 9))
def test_any_files_come_back(folders: list[list[bytes]], compression: Compression, level: int) -> None:
    named = [[file(f"{i}.{j}", content) for j, content in enumerate(folder)] for i, folder in enumerate(folders)]
    cabinet = Cabinet(cab.write(named, compression, level))
    backwards = [cabinet.read(entry) for entry in reversed(cabinet.files)]
    assert backwards[::-1] == [content for folder in folders for content in folder]


def test_going_back_in_a_folder_of_many_blocks() -> None:
    content = b"".join(b"line %d\n" % number for number in range(800_000))
    assert len(content) > 2 * cabdata.MARK * cab.BLOCK
    parts = [content[:100], content[100:5_000_000], content[5_000_000:]]
    cabinet = Cabinet(cab.write([[file(str(n), part) for n, part in enumerate(parts)]], level=1))
    for number in (2, 0, 1, 2, 1):
        assert cabinet.read(cabinet.files[number]) == parts[number]


def test_files_of_one_folder_are_read_by_turns() -> None:
    parts = [CONTENTS["text"], CONTENTS["noise"]]
    cabinet = Cabinet(cab.write([[file(str(n), part) for n, part in enumerate(parts)]]))
    by_turns = zip_longest(*(cabinet.chunks(entry) for entry in cabinet.files), fillvalue=b"")
    assert [b"".join(part) for part in zip(*by_turns, strict=True)] == parts


class Sparse:
    """Content that takes no memory: its offset every 4 KiB, zeros else."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice, /) -> bytes:
        first, last, _ = part.indices(self.size)
        content = bytearray(last - first)
        for at in range(-first % 4096, last - first - 8, 4096):
            content[at : at + 8] = (first + at).to_bytes(8, "little")
        return bytes(content)


def test_a_large_file_passes_through_little_memory() -> None:
    content, out = Sparse(64 << 20), BytesIO()
    seen = 0

    def count(part: bytes | bytearray | memoryview) -> None:
        nonlocal seen
        seen += len(part)

    tracemalloc.start()
    try:
        cab.write_to(out, [[CabinetFile("large", content, TIME, seen=count)]], level=1, threads=2)
        cabinet = Cabinet(out.getvalue())
        position = 0
        for part in cabinet.chunks(cabinet.files[0]):
            assert part == content[position : position + len(part)]
            position += len(part)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert position == seen == len(content)


def test_a_folder_beyond_two_gib_is_refused_before_anything_is_read() -> None:
    with pytest.raises(WixpyError, match="larger than 2 GiB"):
        cab.write_to(BytesIO(), [[CabinetFile("large", Sparse(1 << 31), TIME)]])


def test_names_beyond_ascii_are_utf8_and_marked() -> None:
    cabinet = Cabinet(cab.write([[file("ünï", b"x")]]))
    assert cabinet.files[0].name == "ünï"
    assert cabinet.files[0].attributes & Attributes.NAME_IS_UTF8


def test_attributes_are_kept() -> None:
    wanted = Attributes.READ_ONLY | Attributes.ARCHIVE
    assert Cabinet(cab.write([[CabinetFile("x", b"x", TIME, wanted)]])).files[0].attributes == wanted


def test_the_same_files_give_the_same_bytes() -> None:
    files = [file(name, content) for name, content in CONTENTS.items()]
    assert cab.write([files]) == cab.write([files])


@pytest.mark.parametrize("year", [1979, 2108])
def test_a_time_that_dos_does_not_know_is_refused(year: int) -> None:
    with pytest.raises(WixpyError, match="no date of a cabinet"):
        cab.dos_time(datetime(year, 6, 1, tzinfo=timezone.utc))


def test_a_wrong_checksum_is_found() -> None:
    damaged = bytearray(SAMPLE)
    damaged[-5] ^= 1
    cabinet = Cabinet(bytes(damaged))
    for entry in (*cabinet.files, *cabinet.files):
        with pytest.raises(WixpyError, match="checksum"):
            cabinet.read(entry)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: b"XXXX" + d[4:], "not a cabinet"),
        (lambda d: d[:100], "cut short"),
        (lambda d: d[:30] + b"\1" + d[31:], "one of a set"),
        (lambda d: d[:42] + b"\3" + d[43:], "LZX"),
    ],
)
def test_other_files_are_refused(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(WixpyError, match=message):
        cabinet = Cabinet(change(SAMPLE))
        cabinet.read(cabinet.files[0])


def test_damaged_cabinets_give_a_reason_and_no_other_error() -> None:
    whole = cab.write([[file("text", CONTENTS["text"]), file("one", b"x")]])
    generator = random.Random(2)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.2 else whole)
        for _ in range(generator.randrange(1, 5)):
            if damaged:
                damaged[generator.randrange(min(len(damaged), 150))] = generator.randrange(256)
        try:
            cabinet = Cabinet(bytes(damaged))
            for entry in cabinet.files:
                cabinet.read(entry)
        except WixpyError as error:
            assert error.message
            refused += 1
    assert refused > 700
