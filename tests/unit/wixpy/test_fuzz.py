# SPDX-License-Identifier: MIT
"""Damaged input through every reader, check, dump and comparison: a WixpyError with a reason, and nothing else.

`WIXPY_FUZZ=N` tries N examples of each instead of a few.
"""

from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache, partial
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lzxkit
from wixpy import cab, cfb, checks, cli, diff, idt, names, strings, summary
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.package import installed_files
from wixpy.record import Record
from wixpy.store import Store
from wixpy.summary import Pid
from wixpy.transform import Condition, Transform, apply, view
from wixpy.transform.validity import EVERY_CONDITION
from wixpy.view import ModifyMode, View

EXAMPLES = int(os.environ.get("WIXPY_FUZZ", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    database=None, deadline=10_000, derandomize="WIXPY_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
WHEN = datetime(2008, 1, 1, tzinfo=timezone.utc)
MEMORY = 64 << 20


@cache
def whole() -> bytes:
    """A package with rows of every kind, a cabinet, a large and a small stream."""
    database = Database(1252)
    database.summary.update({
        Pid.CODEPAGE: 1252, Pid.TITLE: "Tïtle", Pid.TEMPLATE: "x64;1033", Pid.PAGE_COUNT: 200, Pid.WORD_COUNT: 2,
        Pid.REVISION: "{6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A48}", Pid.CREATED: WHEN,
    })  # fmt: skip
    files = [cab.CabinetFile(name, name.encode() * 9000, WHEN) for name in ("a", "b")]
    database.streams["c"] = cab.write([files])
    database.insert("Directory", "TARGETDIR", None, "SourceDir")
    database.insert("Component", "C", None, "TARGETDIR", 0, "X AND $C > 2", "a")
    database.insert("Media", 1, 2, None, "#c", None, None)
    for number, name in enumerate(("a", "b"), 1):
        database.insert("File", name, "C", f"{name}.txt", 9000, None, None, 0, number)
        database.insert("MsiFileHash", name, 0, 1, 2, 3, 4)
    database.insert("Binary", "large", bytes(5000))
    database.insert("InstallExecuteSequence", "InstallFiles", "A", 4000)
    database.insert("CustomAction", "Do", 1, "large", "[#a]")
    database.insert("Dialog", "D", 1, 1, 1, 1, 1, "[ProductName]", "x", None, None)
    database.insert("Control", "D", "x", "PushButton", 1, 1, 1, 1, 3, None, "{\\S}t", "x", None)
    database.insert("Property", "Long", "ü" * 70_000)
    database.add_validation()
    return database.to_bytes()


INTERESTING = st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF])
EDIT = st.tuples(
    st.integers(0, 1 << 24), st.sampled_from("BHI"), st.one_of(INTERESTING, st.integers(0, 0xFFFFFFFF)),
)  # fmt: skip
EDITS = st.lists(EDIT, min_size=1, max_size=8)
SIZES = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFFFFFF}


def spoil(data: bytes, edits: list[tuple[int, str, int]], keep: float = 1.0) -> bytes:
    """Numbers of one, two or four bytes overwritten at places modulo the length, and the end cut off."""
    damaged = bytearray(data[: int(len(data) * keep)])
    for place, kind, value in edits:
        size = struct.calcsize(kind)
        if len(damaged) >= size:
            struct.pack_into("<" + kind, damaged, place % (len(damaged) - size + 1), value & SIZES[kind])
    return bytes(damaged)


def refused(work: Callable[[], object]) -> bool:
    """Whether work ends with a reason; more memory than the input explains fails, as any other exception does."""
    outermost = not tracemalloc.is_tracing()
    if outermost:
        tracemalloc.start()
    try:
        work()
    except WixpyError as error:
        assert error.message
        return True
    finally:
        _, peak = tracemalloc.get_traced_memory()
        if outermost:
            tracemalloc.stop()
        assert peak < MEMORY, f"{peak >> 20} MiB"
    return False


def examine(data: bytes) -> None:
    """All that can be done with a package."""
    database = Database.parse(data)
    checks.run(database)
    for change in diff.compare(database, Database.parse(whole())):
        str(change)
    refused(lambda: list(installed_files(database)))
    refused(lambda: Database.parse(database.to_bytes()))


KEPT = st.sampled_from([1.0, 1.0, 1.0, 0.999, 0.5, 0.1])


@given(EDITS, KEPT)
@FUZZ
def test_damaged_compound_files(edits: list[tuple[int, str, int]], keep: float) -> None:
    refused(lambda: examine(spoil(whole(), edits, keep)))


@given(EDITS)
@FUZZ
def test_damaged_headers_and_directories(edits: list[tuple[int, str, int]]) -> None:
    # Where the structure is: the header, and the sectors at the end (directory, FAT).
    data = whole()
    head, tail = data[:512], data[-4096:]
    refused(lambda: examine(spoil(head, edits[:1]) + data[512:]))
    refused(lambda: examine(data[:-4096] + spoil(tail, edits)))


def stream_of(table: str) -> str:
    return names.encode(table, table=True)


@given(EDITS, KEPT, st.sampled_from(["_StringPool", "_StringData", "_Tables", "_Columns", "_Validation", "File"]))
@FUZZ
def test_damaged_tables_and_string_pools(edits: list[tuple[int, str, int]], keep: float, table: str) -> None:
    file = cfb.CompoundFile(whole())
    root = file.storage(file.root)
    stored = root.children[stream_of(table)]
    assert isinstance(stored, bytes)
    root.children[stream_of(table)] = spoil(stored, edits, keep)
    out = BytesIO()
    cfb.write(root, out)
    refused(lambda: examine(out.getvalue()))


@given(st.binary(max_size=200), st.binary(max_size=200))
@FUZZ
def test_any_string_pool(pool: bytes, data: bytes) -> None:
    refused(lambda: strings.StringPool.parse(pool, data))


@given(EDITS, KEPT)
@FUZZ
def test_damaged_summaries(edits: list[tuple[int, str, int]], keep: float) -> None:
    good = summary.encode(Database.parse(whole()).summary)

    def work() -> None:
        summary.encode(summary.decode(spoil(good, edits, keep)))

    refused(work)


@given(EDITS, KEPT)
@FUZZ
def test_damaged_cabinets(edits: list[tuple[int, str, int]], keep: float) -> None:
    database = Database.parse(whole())
    database.streams["c"] = spoil(database.streams["c"], edits, keep)
    refused(lambda: checks.run(database))
    refused(lambda: list(installed_files(database)))
    refused(lambda: list(diff.compare(database, Database.parse(whole()))))


LZX = "LZX"


@cache
def cabinet(compression: cab.Compression | str) -> bytes:
    """A cabinet of two folders, one of several blocks; LZX without checksums, so that the decoder sees the damage."""
    folders = [[("a", b"a" * 70_000), ("b", bytes(range(256)) * 9)], [("c", b"c"), ("d", b"")]]
    if compression == LZX:
        blocks = [(1, 900), (2, 400), (3, 99)]
        packed = [(15, files, lzxkit.encode(b"".join(data for _, data in files), 15, blocks, 99)) for files in folders]
        return lzxkit.cabinet(packed, summed=False)
    assert isinstance(compression, cab.Compression)
    files = [[cab.CabinetFile(name, content, WHEN) for name, content in folder] for folder in folders]
    return cab.write(files, compression)


@given(EDITS, KEPT, st.sampled_from([LZX, *cab.Compression]), st.booleans())
@FUZZ
def test_damaged_cabinets_of_every_kind(
    edits: list[tuple[int, str, int]], keep: float, compression: cab.Compression | str, back: bool
) -> None:
    # Where the structure is: headers and lists, at the start.
    data = cabinet(compression)
    damaged = spoil(data[:160], edits[:4]) + spoil(data[160:], edits[4:], keep)

    def work() -> None:
        opened = cab.Cabinet(damaged)
        for entry in reversed(opened.files) if back else opened.files:
            refused(partial(opened.read, entry))

    refused(work)


@cache
def nested() -> bytes:
    """A file of large sectors with storages in it."""
    database = Database(65001)
    database.insert("Property", "A", "\u20ac")
    database.insert("Binary", "b", b"b")
    database.storages["Inner"] = whole()
    return database.to_bytes(4096)


@cache
def transform() -> bytes:
    """A transform with operations of every kind on the package."""
    changed = Database.parse(whole())
    changed.delete("File", "b")
    changed.delete("Binary", "large")
    changed.insert("Binary", "other", b"x")
    changed.insert("Icon", "icon", b"y")
    changed.remove_table("Dialog")
    changed.insert("Property", "Name", "value")
    changed.replace(changed.rows("Control")[0], X=7, Text="other")
    data = changed.generate_transform(Database.parse(whole()))
    assert data is not None
    return data


@given(EDITS, KEPT)
@FUZZ
def test_damaged_transforms(edits: list[tuple[int, str, int]], keep: float) -> None:
    def work() -> None:
        parsed = Transform.parse(spoil(transform(), edits, keep))
        database = Database.parse(whole())
        refused(lambda: list(view(parsed, database)))
        for condition in (Condition.NONE, EVERY_CONDITION):
            refused(lambda: apply(parsed, database, condition).to_bytes())  # noqa: B023

    refused(work)


@given(EDITS, st.sampled_from(["_StringPool", "_Tables", "_Columns", "Property", "Control", "Binary", "Icon"]))
@FUZZ
def test_damaged_streams_of_transforms(edits: list[tuple[int, str, int]], table: str) -> None:
    file = cfb.CompoundFile(transform())
    root = file.storage(file.root)
    stored = root.children[stream_of(table)]
    assert isinstance(stored, bytes)
    root.children[stream_of(table)] = spoil(stored, edits)
    out = BytesIO()
    cfb.write(root, out)

    def work() -> None:
        changed = apply(Transform.parse(out.getvalue()), Database.parse(whole()), EVERY_CONDITION)
        changed.to_bytes()
        changed.generate_transform(Database.parse(whole()))

    refused(work)


VOCABULARY = """
    SELECT DISTINCT * FROM WHERE ORDER BY AND OR = <> < IS NOT NULL ? ( ) , . INSERT INTO VALUES TEMPORARY UPDATE SET
    DELETE CREATE TABLE PRIMARY KEY CHAR (9) SHORT LONG OBJECT HOLD FREE ALTER ADD DROP `Property` `Binary` `Value`
    `Name` `Data` `_Streams` `_Storages` `_Columns` `_Tables` 'text' 7 -40000 ` '
"""
STATEMENTS = st.lists(
    st.sampled_from(VOCABULARY.split()),
    max_size=14,
).map(" ".join) | st.sampled_from([
    "SELECT * FROM `Binary`", "SELECT * FROM `Property`, `Binary`", "SELECT `Data` FROM `_Storages`",
    "DELETE FROM `_Storages`", "UPDATE `Property` SET `Value` = ?", "SELECT * FROM `_Streams` ORDER BY `Name`",
    "ALTER TABLE `Binary` ADD `X` LONG", "CREATE TABLE `T` (`A` SHORT NOT NULL PRIMARY KEY `A`)", "DROP TABLE `Binary`",
])  # fmt: skip


@given(EDITS, st.booleans(), st.lists(st.tuples(STATEMENTS, st.sampled_from(ModifyMode)), max_size=4))
@FUZZ
def test_statements_on_a_damaged_database(
    edits: list[tuple[int, str, int]], is_damaged: bool, statements: list[tuple[str, ModifyMode]]
) -> None:
    def work() -> None:
        store = Store(Database.parse(spoil(nested(), edits) if is_damaged else nested()))
        for sql, mode in statements:
            refused(partial(query, store, sql, mode))
        refused(lambda: store.to_save().to_bytes())

    refused(work)


def query(store: Store, sql: str, mode: ModifyMode) -> None:
    """Carry out a statement, and change what it finds."""
    parameters = Record(2)
    parameters.set_values(["x", 1])
    view = View(store, sql)
    view.Execute(parameters)
    while view.has_result and (record := view.Fetch()):
        refused(partial(view.Modify, mode, record))
        record.SetString(1, "changed")
        refused(partial(view.Modify, mode, record))
    view.Close()


ARCHIVE = b"File\tSize\tData\r\ns72\tI4\tV0\r\n1252\tMine\tFile\r\na\t1\t\r\nb\t-2147483647\t\r\n"
WORDS = st.sampled_from([
    b"\t", b"\r\n", b"\n", b"\x11", b"\x19", b"\x18", b"s72", b"i2", b"I4", b"v0", b"L0", b"s999", b"99999", b"1252",
    b"Mine", b"_Tables", b"_SummaryInformation", b"_ForceCodepage", b"..", b"\xff\xfe", b"\0", b"-2147483648", b"a",
])  # fmt: skip


ARCHIVES = st.one_of(
    st.binary(max_size=200), st.lists(WORDS, max_size=40).map(b"".join), st.builds(spoil, st.just(ARCHIVE), EDITS, KEPT)
)


@given(ARCHIVES)
@FUZZ
def test_damaged_archives(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "Mine.idt"
    path.write_bytes(data)
    store = Store(Database(1252))
    if not refused(lambda: idt.import_file(store, path)):
        refused(store.database.to_bytes)


@given(EDITS)
@settings(FUZZ, max_examples=max(EXAMPLES // 6, 5))
def test_the_commands_survive_what_the_readers_take(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, str, int]]
) -> None:
    good, bad = (tmp_path_factory.getbasetemp() / name for name in ("good.msi", "bad.msi"))
    good.write_bytes(whole())
    bad.write_bytes(spoil(whole(), edits))
    for command in (["check"], ["check", "--json"], ["dump"], ["dump", "--json"], ["tables"], ["diff", str(good)],
                    ["query", "--json"], ["extract", "-o", str(bad.with_suffix(""))],
                    ["export", "-o", str(bad.with_suffix(".tables"))]):  # fmt: skip
        sql = ["SELECT * FROM `File`"] if command[0] == "query" else []
        assert cli.main([*command, str(bad), *sql]) in (0, 1, 2)


def test_the_package_that_is_spoilt_is_whole() -> None:
    assert not refused(lambda: examine(whole()))
    assert not refused(lambda: query(Store(Database.parse(nested())), "SELECT * FROM `_Streams`", ModifyMode.REFRESH))
