# SPDX-License-Identifier: MIT
"""Files made to harm a reader: what random damage seldom hits."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from wixpy import cab, cfb, checks, cli, media, names
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import installed_files
from wixpy.summary import Pid
from wixpy.tables import Column, Table


def test_streams_that_share_their_sectors_are_refused_before_they_are_read() -> None:
    out = BytesIO()
    cfb.write(cfb.Storage({"a": bytes(100_000), **{f"b{number}": bytes(5000) for number in range(8)}}), out)
    data = bytearray(out.getvalue())
    start = next(at for at in range(0, len(data), 128) if data[at : at + 4] == b"a\0\0\0")
    whole = data[start + 116 : start + 124]
    assert struct.unpack("<II", whole)[1] == 100_000
    for number in range(8):
        entry = data.index(f"b{number}".encode("utf-16-le"))
        data[entry + 116 : entry + 124] = whole
    with pytest.raises(WixpyError, match="together larger"):
        cfb.CompoundFile(bytes(data))


def test_a_table_with_two_columns_of_one_name_is_refused() -> None:
    database = Database()
    database.add_table(Table("T", (Column("A", "i2", key=True), Column("B", "i2"))))
    columns = database.tables["T"].columns
    object.__setattr__(database.tables["T"], "columns", (columns[0], Column("A", "i2")))
    with pytest.raises(WixpyError, match="two columns of one name"):
        Database.parse(database.to_bytes())


def test_a_validation_table_of_another_form_says_nothing() -> None:
    database = Database()
    database.add_table(Table("_Validation", (Column("Table", "s32", key=True), Column("Column", "s32", key=True))))
    database.insert("Property", "A", "1")
    database.insert("_Validation", "Property", "Value")
    read = Database.parse(database.to_bytes())
    assert read.tables["Property"].column("Property").category == "Identifier"
    assert [finding.rule for finding in checks.run(read)] == ["ICE06"]


@pytest.mark.parametrize("table", ["Directory", "Feature"])
def test_parents_in_a_circle_do_not_hang(table: str) -> None:
    database = Database()
    database.insert("Component", "C", None, "A", 0, None, None)
    database.insert("FeatureComponents", "A", "C")
    database.insert("IsolatedComponent", "C", "C")
    for one, other in (("A", "B"), ("B", "A")):
        if table == "Directory":
            database.insert(table, one, other, one)
        else:
            database.insert(table, one, other, None, None, None, 1, None, 0)
    assert checks.run(database)


def test_names_that_no_encoding_can_print_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (tmp_path / name for name in ("1.msi", "2.msi"))
    database = Database()
    database.insert("Property", "A", "1")
    database.commit(one)
    database.streams[names.decode("\ud800x")[0]] = b"x"
    database.commit(two)
    assert cli.main(["diff", str(one), str(two)]) == 1
    assert "stream" in capsys.readouterr().out


def cabinet_of(folders: list[tuple[int, int]], files: list[tuple[int, int, int]], data: bytes) -> bytes:
    """A cabinet whose folders (place in the data, blocks) and files (size, offset, folder) are what they say."""
    records = b"".join(struct.pack("<IIHHHH", *file, 0, 0, 0) + b"f%d\0" % n for n, file in enumerate(files))
    files_at = 36 + 8 * len(folders)
    start = files_at + len(records)
    places = b"".join(struct.pack("<IHH", start + at, blocks, 1) for at, blocks in folders)
    counts = struct.pack("<2BHH2HH", 3, 1, len(folders), len(files), 0, 0, 0)
    return struct.pack("<4s5I", b"MSCF", 0, start + len(data), 0, files_at, 0) + counts + places + records + data


def zeros(blocks: int) -> bytes:
    """Blocks of zeros, as small as they go."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"CK" + packer.compress(bytes(cab.BLOCK)) + packer.flush()
    return (struct.pack("<IHH", 0, len(packed), cab.BLOCK) + packed) * blocks


RECORD = len(zeros(1))


@pytest.mark.parametrize(
    ("folders", "files", "message"),
    [
        ([(0, 9)] * 60_000, [(9, 0, 1)], "share their data"),
        ([(0, 9), (RECORD, 8)], [(9 * cab.BLOCK, 0, 0)], "runs into the next"),
        ([(0, 9)], [(cab.BLOCK, 5, 0), (cab.BLOCK, 6, 0)], "share a part"),
        ([(0, 9)], [(9 * cab.BLOCK, 0, 0)] * 20_000, "too often"),
    ],
    ids=["folders", "the end of a folder", "parts of files", "files"],
)
def test_cabinets_that_are_larger_inside_than_their_data(
    folders: list[tuple[int, int]], files: list[tuple[int, int, int]], message: str
) -> None:
    with pytest.raises(WixpyError, match=message):
        for entry in (cabinet := cab.Cabinet(cabinet_of(folders, files, zeros(9)))).files:
            cabinet.read(entry)


def test_files_that_are_equal_may_share_their_data() -> None:
    cabinet = cab.Cabinet(cabinet_of([(0, 2)], [(5, 0, 0)] * 3, zeros(2)))
    assert [cabinet.read(entry) for entry in cabinet.files] == [bytes(5)] * 3


def test_many_folders_that_are_begun_take_little_memory() -> None:
    folders = [(RECORD * 2 * number, 2) for number in range(2000)]
    cabinet = cab.Cabinet(cabinet_of(folders, [(40_000, 0, n) for n in range(2000)], zeros(4000)))
    tracemalloc.start()
    for entry in cabinet.files:
        assert len(next(iter(cabinet.chunks(entry)))) == cab.BLOCK
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_small_streams_with_long_chains_cost_what_they_hold() -> None:
    # Each stream's entry names the start of one chain of 8,000 mini sectors: all read, that would be 2 GB.
    out = BytesIO()
    cfb.write(cfb.Storage({**{f"{number:04}": b"x" * 4000 for number in range(4000)}, "z": bytes(1000)}), out)
    data = bytearray(out.getvalue())
    file = cfb.CompoundFile(bytes(data))
    fat = file._mini_fat
    for number in range(len(fat) - 1):
        fat[number] = number + 1
    file._mini_fat = fat
    started = time.process_time()
    assert all(len(file.read(entry)) == entry.size for entry in file.root.children.values())
    assert time.process_time() - started < 2


def test_a_long_text_in_every_cell_is_refused() -> None:
    database = Database()
    database.add_table(Table("T", (Column("A", "i4", key=True), *(Column(f"C{n}", "S0") for n in range(30)))))
    text = "x" * 300_000
    for number in range(40):
        database.insert("T", number, *[text] * 30)
    content = database.to_bytes()
    assert len(content) < 400_000
    with pytest.raises(WixpyError, match="repeat long text"):
        Database.parse(content)


def test_a_key_that_is_no_name_of_a_stream_is_refused() -> None:
    database = Database()
    database.add_table(Table("T", (Column("A", "s0", key=True), Column("B", "V0"))))
    database.insert("T", "x" * 70, None)
    assert Database.parse(database.to_bytes()).rows("T")
    database.insert("T", "y" * 70, "a stream")
    with pytest.raises(WixpyError, match="too long for the name of a stream"):
        Database.parse(database.to_bytes())


def test_directories_that_are_too_deep_for_a_path() -> None:
    database = Database()
    database.insert("Directory", "TARGETDIR", None, "SourceDir")
    for number in range(200):
        database.insert("Directory", f"D{number}", f"D{number - 1}" if number else "TARGETDIR", "d")
    for number, attributes in enumerate((media.COMPRESSED, media.NONCOMPRESSED), 1):
        database.insert("Component", f"C{number}", None, "D199", 0, None, f"f{number}")
        database.insert("Media", number, number, None, f"#c{number}", None, None)
        database.insert("File", f"f{number}", f"C{number}", "f", 1, None, None, attributes, number)
        database.streams[f"c{number}"] = cabinet_of([(0, 1)], [(1, 0, 0)], zeros(1)).replace(b"f0", b"f1")
    with pytest.raises(WixpyError, match="too deep"):
        list(installed_files(database))
    database.summary[Pid.WORD_COUNT] = 0
    with pytest.raises(WixpyError, match="too deep"):
        media.source_path(database, database.rows("File")[1])
