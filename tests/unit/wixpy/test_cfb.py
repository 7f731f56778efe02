# SPDX-License-Identifier: MIT
"""Compound files, against [MS-CFB] and olefile."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

import olefile
import pytest

from wixpy import cfb
from wixpy.blob import Buffer, FileBlob
from wixpy.errors import WixpyError

CLSID = UUID("000c1084-0000-0000-c000-000000000046")


def written(root: cfb.Storage, sector: int = 512) -> bytes:
    out = BytesIO()
    cfb.write(root, out, sector)
    return out.getvalue()


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def streams(*sizes: int) -> cfb.Storage:
    return cfb.Storage({f"s{size}": content(size) for size in sizes}, CLSID)


def test_header_of_version_3() -> None:
    data = written(streams(5000))
    assert data[:8].hex() == "d0cf11e0a1b11ae1"
    assert data[0x18:0x22].hex(" ", 2) == "3e00 0300 feff 0900 0600"
    assert data[0x38:0x3C].hex() == "00100000", "mini stream cutoff 4096"


def test_header_of_version_4_counts_directory_sectors() -> None:
    data = written(streams(5000), 4096)
    assert data[0x1A:0x22].hex(" ", 2) == "0400 feff 0c00 0600"
    assert int.from_bytes(data[0x28:0x2C], "little") == 1


# Around the mini sector, the sector, the cutoff of the mini stream, and enough (8 MB) for a DIFAT sector.
@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("sizes", [(), (0,), (1, 63, 64, 65), (511, 512, 513), (4095, 4096, 4097), (8_000_000, 3)])
def test_olefile_reads_what_was_written(sizes: tuple[int, ...], sector: int) -> None:
    root = streams(*sizes)
    with olefile.OleFileIO(written(root, sector)) as ole:
        assert sorted(ole.listdir()) == sorted([name] for name in root.children)
        for name, expected in root.children.items():
            assert ole.openstream(name).read() == expected
        assert UUID(ole.root.clsid) == CLSID
        assert ole.parsing_issues == []


@pytest.mark.parametrize("sector", [512, 4096])
def test_what_was_written_is_read(sector: int) -> None:
    root = streams(0, 1, 64, 4095, 4096, 100_000)
    file = cfb.CompoundFile(written(root, sector))
    assert {name: file.read(entry) for name, entry in file.root.children.items()} == root.children
    assert file.root.clsid == CLSID


@pytest.mark.parametrize("sector", [512, 4096])
def test_streams_are_read_where_they_lie(sector: int) -> None:
    root = streams(0, 1, 4095, 4096, 100_001)
    file = cfb.CompoundFile(FileBlob(BytesIO(written(root, sector))))
    for name, entry in file.root.children.items():
        blob = file.blob(entry)
        expected = root.children[name]
        assert isinstance(expected, bytes)
        assert blob[:] == expected
        assert blob[50:5000] == expected[50:5000]


class Zeros:
    """Content of zeros that takes no memory."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice, /) -> bytes:
        first, last, _ = part.indices(self.size)
        return bytes(last - first)


# 109 FAT sectors of 4096 bytes, all that the header lists, are enough for 436 MiB.
def test_a_large_stream_takes_a_list_of_fat_sectors(tmp_path: Path) -> None:
    size = 440 << 20
    path = tmp_path / "large"
    with path.open("wb") as out:
        # Zeros are skipped, so that the file takes no room.
        cfb.write(cfb.Storage({"large": Zeros(size), "after": b"x" * 5000}), cast("BinaryIO", SparseWriter(out)), 4096)
    with path.open("rb") as file:
        compound = cfb.CompoundFile(FileBlob(file))
        blob = compound.blob(compound.root.children["large"])
        assert len(blob) == size
        assert blob[size - 10 :] == bytes(10)
        assert compound.read(compound.root.children["after"]) == b"x" * 5000
        header = FileBlob(file)[:512]
    assert int.from_bytes(header[72:76], "little") > 0, "DIFAT sectors"
    with olefile.OleFileIO(path) as ole:
        assert ole.get_size("large") == size
        assert ole.openstream("after").read() == b"x" * 5000
        assert ole.parsing_issues == []


class SparseWriter:
    """Writes into a file, and passes over what is all zeros."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out

    def write(self, content: Buffer) -> int:
        if isinstance(content, bytes) and not content.strip(b"\0"):
            self.out.seek(len(content), 1)
        else:
            self.out.write(content)
        return len(content)


def test_more_than_two_gib_are_refused() -> None:
    with pytest.raises(WixpyError, match="larger than 2 GiB") as caught:
        cfb.write(cfb.Storage({"large": Zeros(1 << 31)}), BytesIO())
    assert "beside the package" in str(caught.value.hint)
    with pytest.raises(WixpyError, match="larger than 2 GiB"):
        cfb.write(cfb.Storage({"a": Zeros(1 << 30), "b": Zeros((1 << 30) - 4096)}), BytesIO(), 4096)


def test_storages_nest() -> None:
    inner = cfb.Storage({"deep": content(10)}, UUID(int=7))
    data = written(cfb.Storage({"folder": inner, "top": content(5000)}))
    file = cfb.CompoundFile(data)
    folder = file.root.children["folder"]
    assert folder.clsid == UUID(int=7)
    assert file.read(folder.children["deep"]) == content(10)
    with olefile.OleFileIO(data) as ole:
        assert ole.openstream("folder/deep").read() == content(10)


def test_siblings_are_sorted_by_length_then_upper_case() -> None:
    assert sorted(["b", "AA", "Z", "a", "é", "aB"], key=cfb.sort_key) == ["a", "b", "Z", "é", "AA", "aB"]


def directory(data: bytes) -> list[bytes]:
    start = (int.from_bytes(data[0x30:0x34], "little") + 1) * 512
    return [data[at : at + 128] for at in range(start, len(data), 128)]


def black_height(entries: list[bytes], number: int, low: str, high: str) -> int:
    """The count of black nodes on every path; fails when order, colours or balance break [MS-CFB] 2.6.4."""
    if number == 0xFFFFFFFF:
        return 1
    entry = entries[number]
    name = entry[: int.from_bytes(entry[64:66], "little") - 2].decode("utf-16-le")
    assert not low or cfb.sort_key(low) < cfb.sort_key(name)
    assert not high or cfb.sort_key(name) < cfb.sort_key(high)
    children = [int.from_bytes(entry[at : at + 4], "little") for at in (68, 72)]
    is_black = entry[67]
    if not is_black:
        assert all(child == 0xFFFFFFFF or entries[child][67] for child in children), "a red node has a red child"
    left = black_height(entries, children[0], low, name)
    right = black_height(entries, children[1], name, high)
    assert left == right
    return left + is_black


@pytest.mark.parametrize("count", range(1, 20))
def test_the_directory_is_a_red_black_tree(count: int) -> None:
    entries = directory(written(cfb.Storage({f"s{number}": b"x" for number in range(count)})))
    root = int.from_bytes(entries[0][76:80], "little")
    assert entries[root][67] == cfb.BLACK
    black_height(entries, root, "", "")


def test_equal_content_gives_equal_bytes() -> None:
    names = ["b", "a", "c"]
    forward = cfb.Storage({name: content(100) for name in names})
    assert written(forward) == written(cfb.Storage({name: content(100) for name in sorted(names)}))


def test_time_stamps_are_zero() -> None:
    assert all(entry[100:116] == bytes(16) for entry in directory(written(streams(1, 2)))[:3])


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(WixpyError, match="not a compound file"):
        cfb.CompoundFile(b"MZ" + bytes(4096))


def test_a_chain_in_a_circle_is_refused() -> None:
    data = bytearray(written(streams(5000)))
    fat = (int.from_bytes(data[76:80], "little") + 1) * 512
    data[fat + 36 : fat + 40] = (0).to_bytes(4, "little")
    file = cfb.CompoundFile(bytes(data))
    with pytest.raises(WixpyError, match="circle"):
        file.read(file.root.children["s5000"])


def test_a_name_longer_than_31_units_is_refused() -> None:
    with pytest.raises(WixpyError, match="no name for a stream"):
        written(cfb.Storage({"x" * 32: b""}))


def test_damaged_files_give_a_reason_and_no_other_error() -> None:
    whole = written(streams(0, 10, 700, 5000))
    generator = random.Random(1)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.2 else whole)
        for _ in range(generator.randrange(1, 8)):
            if damaged:
                damaged[generator.randrange(min(len(damaged), 1024) if generator.random() < 0.5 else len(damaged))] = (
                    generator.randrange(256)
                )
        try:
            file = cfb.CompoundFile(bytes(damaged))
            for entry in file.root.children.values():
                file.read(entry)
        except WixpyError as error:
            assert error.message
            refused += 1
    assert refused > 700
