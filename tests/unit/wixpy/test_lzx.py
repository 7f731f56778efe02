# SPDX-License-Identifier: MIT
"""LZX: what the encoder of the tests makes is right by the word of cabextract, 7-Zip and msiextract, and wixpy unpacks
it as they do."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lzxkit import ALIGNED, FRAME, UNCOMPRESSED, VERBATIM, Encoder, Token, cabinet, encode
from wixpy import cabdata
from wixpy.cab import Cabinet
from wixpy.database import Database
from wixpy.diff import compare
from wixpy.errors import WixpyError
from wixpy.lzx import Lzx
from wixpy.package import check, installed_files

DICE = random.Random(11)
NOISE = DICE.randbytes(35_000)
TEXT = b"".join(b"line %d of %d\n" % (number, number * number) for number in range(3500))
CALLS = b"".join(
    NOISE[at : at + at % 9] + b"\xe8" + struct.pack("<i", at * 37 % 300_000 - 100_000) for at in range(0, 9000, 3)
)
MIXED = TEXT[:9000] + NOISE[:500] + bytes(3000) + TEXT[4000:30_000] + NOISE[100:400] + b"ab" * 700 + CALLS[:40_000]
# Window, content, kinds and sizes of blocks by turns, and the size that addresses of calls are taken modulo.
FOLDERS = {
    "nothing": (15, b"", [(VERBATIM, 1)], 0),
    "one": (15, b"x", [(ALIGNED, 9)], 0),
    "verbatim": (15, TEXT, [(VERBATIM, 9000)], 0),
    "aligned": (21, TEXT + NOISE[:9000] + TEXT, [(ALIGNED, 50_000)], 0),
    "uncompressed": (16, NOISE * 2, [(UNCOMPRESSED, 20_000)], 0),
    "odd": (17, NOISE, [(UNCOMPRESSED, 3333), (VERBATIM, 4)], 0),
    "all": (18, MIXED, [(VERBATIM, 777), (UNCOMPRESSED, 55), (ALIGNED, 3000), (UNCOMPRESSED, 1)], 0),
    "frames": (19, (MIXED * 2)[: 2 * FRAME], [(ALIGNED, FRAME), (UNCOMPRESSED, FRAME)], 0),
    "far": (20, NOISE + TEXT + NOISE, [(VERBATIM, 40_000), (ALIGNED, 40_000)], 0),
    "calls": (15, CALLS, [(VERBATIM, 30_000), (UNCOMPRESSED, 999), (ALIGNED, 500)], len(CALLS)),
    "calls beyond": (16, CALLS + MIXED, [(ALIGNED, 70_000)], 12_000_000),
}
USED = {
    "literal", "last distance 0", "last distance 1", "last distance 2", "match from before a frame", "longest match",
    "match that overlaps", "long match", "short match", "symbol 17 of the pretree", "symbol 18 of the pretree",
    "symbol 19 of the pretree",
}  # fmt: skip
SEEN: set[str] = set()


@cache
def folder(name: str) -> tuple[int, list[tuple[str, bytes]], list[bytes]]:
    """A folder of two files."""
    window, content, blocks, translation = FOLDERS[name]
    half = len(content) // 3
    files = [(f"{name} 1", content[:half]), (f"{name} 2", content[half:])]
    return window, files, encode(content, window, blocks, translation, SEEN)


@cache
def whole() -> bytes:
    return cabinet([folder(name) for name in FOLDERS])


@cache
def contents() -> dict[str, bytes]:
    return {name: content for each in FOLDERS for name, content in folder(each)[1]}


def unpacked(frames: list[bytes], size: int, window: int) -> bytes:
    decoder = Lzx(window)
    return b"".join(decoder.unpack(frame, min(FRAME, size - FRAME * n)) for n, frame in enumerate(frames))


def test_the_encoder_uses_all_that_the_format_has() -> None:
    whole()
    assert SEEN == USED


@pytest.mark.parametrize("program", ["cabextract", "7zz"])
def test_independent_programs_unpack_what_the_encoder_makes(program: str, tmp_path: Path) -> None:
    found = shutil.which(program) or (shutil.which("7z") if program == "7zz" else None)
    if found is None:
        pytest.fail(f"{program} is missing; install it: apt-get install --no-install-recommends cabextract 7zip")
    (tmp_path / "x.cab").write_bytes(whole())
    arguments = ["-q", "-d", "out", "x.cab"] if program == "cabextract" else ["x", "-y", "-oout", "x.cab"]
    subprocess.run([found, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == contents()


def test_wixpy_unpacks_it_too() -> None:
    read = Cabinet(whole())
    assert {entry.name: read.read(entry) for entry in read.files} == contents()


def package(content: bytes) -> Database:
    """A package with these files."""
    database = Database(1252)
    database.streams["one.cab"] = content
    database.insert("Directory", "TARGETDIR", None, "SourceDir")
    database.insert("Component", "C", None, "TARGETDIR", 0, None, None)
    database.insert("Media", 1, len(contents()), None, "#one.cab", None, None)
    for number, (name, data) in enumerate(contents().items(), 1):
        database.insert("File", name, "C", f"{number}|{name}", len(data), None, None, 0, number)
    return database


def test_msiextract_agrees_about_a_package(run: Callable[..., str], tmp_path: Path) -> None:
    database, path = package(whole()), tmp_path / "x.msi"
    database.commit(path)
    run("msiextract", "-C", tmp_path / "out", path)
    assert {each.name: each.read_bytes() for each in (tmp_path / "out").rglob("*") if each.is_file()} == contents()
    assert dict(installed_files(Database.open(path))) == contents()
    assert check(path, ["CAB"]) == []


def test_check_finds_a_size_and_a_hash_that_are_not_those_of_the_content(tmp_path: Path) -> None:
    database, path = package(whole()), tmp_path / "x.msi"
    database.replace(database.rows("File")[3], FileSize=7)
    database.insert("MsiFileHash", "verbatim 1", 0, 1, 2, 3, 4)
    database.commit(path)
    assert [finding.key for finding in check(path, ["CAB"])] == [("one 2",), ("verbatim 1",)]


def test_packages_are_compared_file_by_file() -> None:
    one, two = package(whole()), package(whole())
    window, files, _ = folder("far")
    changed = [(files[0][0], files[0][1]), (files[1][0], bytes(len(files[1][1])))]
    frames = encode(b"".join(data for _, data in changed), window, [(VERBATIM, 90_000)])
    others = [folder(name) if name != "far" else (window, changed, frames) for name in FOLDERS]
    two.streams["one.cab"] = cabinet(others)
    assert [(change.part, change.key) for change in compare(one, two)] == [("cabinet", ("far 2",))]


pieces = st.binary(max_size=40) | st.builds(lambda data, n: data * n, st.binary(max_size=9), st.integers(0, 3000))
blocks = st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(40, 9000)), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(st.lists(pieces, max_size=12), st.integers(15, 21), blocks, st.sampled_from([0, 1, 5000, 1 << 24]))
def test_any_content_comes_back(parts: list[bytes], window: int, turns: list[tuple[int, int]], calls: int) -> None:
    content = b"".join(parts)
    assert unpacked(encode(content, window, turns, calls), len(content), window) == content


def test_a_large_folder_passes_through_a_window_of_memory() -> None:
    first, further = encode(NOISE[:FRAME] * 2, 16, [(UNCOMPRESSED, FRAME)])
    decoder = Lzx(16)
    tracemalloc.start()
    decoder.unpack(first, FRAME)
    for _ in range(600):
        assert decoder.unpack(further, FRAME) == NOISE[:FRAME]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize("memory", [1 << 20, 1 << 16])
def test_files_are_read_in_any_order(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cabdata, "MARK", 1)
    monkeypatch.setattr(cabdata, "MARKED", memory)
    content = MIXED + TEXT[:50_000]
    files = [(str(at), content[at : at + 9000]) for at in range(0, len(content), 9000)]
    frames = encode(content, 15, [(ALIGNED, 20_000), (UNCOMPRESSED, 3001), (VERBATIM, 9000)])
    read = Cabinet(cabinet([(15, files, frames)]))
    for entry in [*reversed(read.files), *DICE.sample(read.files, len(read.files))]:
        assert read.read(entry) == dict(files)[entry.name]


def test_files_that_share_their_data_cost_no_more_than_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    content = (MIXED * 2)[:70_000]
    start, end = 2 * FRAME - 10, 2 * FRAME + 10
    files = [("before", content[:start]), *[(f"same{n}", b"") for n in range(50)], ("after", content[start:])]
    made = bytearray(cabinet([(15, files, encode(content, 15, [(VERBATIM, 60_000)]))]))
    for number in range(50):
        # Each is the same twenty bytes, on both sides of where a frame ends.
        struct.pack_into("<II", made, made.index(b"same%d\0" % number) - 16, end - start, start)
    struct.pack_into("<II", made, made.index(b"after\0") - 16, len(content) - end, end)
    work: list[int] = []
    unpack = Lzx.unpack
    monkeypatch.setattr(Lzx, "unpack", lambda self, packed, size: work.append(size) or unpack(self, packed, size))
    read = Cabinet(bytes(made))
    assert {read.read(entry) for entry in read.files[1:-1]} == {content[start:end]}
    assert len(work) < 4 + 2 * 50


def bits(*numbers: tuple[int, int]) -> bytes:
    """Numbers of so many bits each as a frame has them."""
    text = "".join(f"{value:0{count}b}" for value, count in numbers)
    text += "0" * (-len(text) % 16)
    return b"".join(struct.pack("<H", int(text[at : at + 16], 2)) for at in range(0, len(text), 16))


HEAD = (0, 1)
# A pretree whose symbols 0 and 1 have one bit each: no length changes, or goes down by one, which is 16 from 0.
PRETREE = [(1, 4), (1, 4), *[(0, 4)] * 18]
FIRST = bits(HEAD, (VERBATIM, 3), (9, 24), *PRETREE)


@pytest.mark.parametrize(
    ("frame", "size", "message"),
    [
        (b"\0", 9, "of type 0"),
        (bits(HEAD, (7, 3), (9, 24)), 9, "of type 7"),
        (bits(HEAD, (UNCOMPRESSED, 3), (9, 24)) + bytes(11), 9, "ends within its data"),
        (bits(HEAD, (UNCOMPRESSED, 3), (9, 24), (0, 4)) + bytes(18), 9, "ends within its data"),
        (bits(HEAD, (ALIGNED, 3), (9, 24), *[(1, 3)] * 8), 9, "aligned tree of an LZX block is no code"),
        (bits(HEAD, (VERBATIM, 3), (9, 24), *[(1, 4)] * 3, *[(0, 4)] * 17), 9, "pretree of an LZX block is no code"),
        (FIRST + bytes(100), 9, "a code that it lacks"),
        (bits(HEAD, (VERBATIM, 3), (9, 24), *PRETREE, *[(1, 1)] * 256, *PRETREE, *[(1, 1)] * 240) + bytes(99), 9,
         "main tree of an LZX block is no code"),
        (bits(HEAD, (VERBATIM, 3), (9, 24), *[(0, 4)] * 18, (1, 4), (1, 4), *[(0, 1), (31, 5)] * 9), 9, "do not fit"),
        (encode(TEXT[:500], 15, [(VERBATIM, 5000)])[0][:-9], 500, "ends within its data"),
        (encode(TEXT[:500], 15, [(VERBATIM, 5000)])[0], FRAME + 1, "a size that LZX does not allow"),
    ],
    ids=["type 0", "type 7", "header", "uncompressed", "aligned", "pretree", "no codes", "main", "lengths",
         "cut", "size"],
)  # fmt: skip
def test_what_is_wrong_with_a_frame_is_said(frame: bytes, size: int, message: str) -> None:
    with pytest.raises(WixpyError, match=message):
        Lzx(15).unpack(frame, size)


def test_a_match_from_before_the_folder_is_refused() -> None:
    with pytest.raises(WixpyError, match="leaves the window"):
        Lzx(15).unpack(made_of(Token(1, 7), Token(8, distance=2)), 9)
    assert Lzx(15).unpack(made_of(Token(1, 7), Token(8, distance=1)), 9) == bytes([7]) * 9


def test_a_match_that_is_longer_than_its_block_is_refused() -> None:
    with pytest.raises(WixpyError, match="or the block"):
        Lzx(15).unpack(made_of(Token(1, 7), Token(9, distance=1)), 9)


def made_of(*tokens: Token) -> bytes:
    """A frame of one block of nine bytes, with these literals and matches."""
    encoder = Encoder(15)
    encoder.writer.put(0, 1)
    encoder.tokens = lambda data, end: iter(tokens)  # type: ignore[method-assign]
    encoder.block(bytes(9), VERBATIM, 9)
    encoder.writer.end_frame()
    return encoder.writer.frames[0]


@pytest.mark.parametrize("window", [0, 14, 22, 31])
def test_a_window_that_lzx_does_not_have_is_refused(window: int) -> None:
    read = Cabinet(cabinet([(window, [("a", b"x")], encode(b"x", 15, [(VERBATIM, 1)]))]))
    with pytest.raises(WixpyError, match="window"):
        read.read(read.files[0])


def test_a_short_block_within_a_folder_is_refused() -> None:
    decoder = Lzx(15)
    first, second, *_ = encode(TEXT, 15, [(UNCOMPRESSED, 50_000)])
    decoder.unpack(first, 100)
    with pytest.raises(WixpyError, match="a size that LZX does not allow"):
        decoder.unpack(second, FRAME)


def test_a_damaged_folder_is_refused_each_time_it_is_read() -> None:
    window, files, frames = folder("all")
    damaged = [frames[0], b"\xff" * 99, *frames[2:]]
    read = Cabinet(cabinet([(window, files, damaged)]))
    for _ in range(3):
        with pytest.raises(WixpyError):
            read.read(read.files[1])
