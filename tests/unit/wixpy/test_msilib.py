# SPDX-License-Identifier: MIT
"""wixpy.msilib against the documentation of msilib in Python 3.12."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import olefile
import pymsi
import pytest

from wixpy import cab, checks, msilib, summary
from wixpy.database import CLSID, PATCH_CLSID
from wixpy.database import Database as Content
from wixpy.msilib import schema, sequence, text

PROGRAM = Path(__file__).parent / "programs" / "bdist_msi.py"
KILLED = PROGRAM.with_name("killed.py")
CODE = "{12345678-1234-1234-1234-123456789012}"


def create(path: Path) -> msilib._msi.Database:
    return msilib.init_database(str(path), schema, "Hello", CODE, "1.0.0", "Mäker")


def rows(db: msilib._msi.Database, sql: str) -> list[list]:
    view = db.OpenView(sql)
    view.Execute(None)
    return [row.values for row in view]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of files to install."""
    folder = tmp_path / "files"
    (folder / "lib").mkdir(parents=True)
    for name in ("hello.exe", "a long name.txt", "a long name too.txt", "lib/one.py", "lib/two.py", "lib/three.dat"):
        (folder / name).write_bytes(name.encode() * 100)
    return folder


def package(path: Path, files: Path) -> msilib._msi.Database:
    """A package as the documentation's parts make it."""
    db = create(path)
    msilib.add_tables(db, sequence)
    msilib.add_tables(db, text)
    cabinet = msilib.CAB("files")
    feature = msilib.Feature(db, "All", "All", "Everything", 1, directory="TARGETDIR")
    feature.set_current()
    root = msilib.Directory(db, cabinet, None, str(files), "TARGETDIR", "SourceDir")
    root.start_component("Main", keyfile="hello.exe", uuid="{0f0f0f0f-1111-2222-3333-444444444444}")
    root.add_file("hello.exe", version="1.2.3.4", language="1033")
    root.glob("*.txt")
    lib = msilib.Directory(db, cabinet, root, "lib", "lib", "lib", 16)
    assert lib.glob("*", exclude=["three.dat"]) == ["one.py", "three.dat", "two.py"]
    lib.remove_pyc()
    dialog = msilib.Dialog(db, "Dlg", 50, 50, 300, 200, 3, "Title", "Ok", "Ok", "Ok")
    dialog.pushbutton("Ok", 1, 2, 50, 17, 3, "OK", None).event("EndDialog", "Exit", ordering=1)
    group = dialog.radiogroup("Group", 1, 30, 200, 60, 3, "CHOICE", None, "Ok")
    group.add("One", 0, 0, 100, 15, "First")
    group.add("Two", 0, 20, 100, 15, "Second", value="2")
    check = dialog.checkbox("Check", 1, 100, 100, 15, 3, "CHECKED", "Really", "Ok")
    check.condition("Hide", "CHOICE = 2")
    dialog.text("Text", 1, 150, 100, 15, 3, "Text").mapping("ActionText", "Text")
    dialog.line("Line", 0, 170, 300, 0)
    cabinet.commit(db)
    return db


def test_a_program_of_the_documented_parts_makes_a_sound_package(tmp_path: Path, files: Path) -> None:
    package(tmp_path / "x.msi", files)
    content = Content.open(tmp_path / "x.msi")
    # One dialog is no user interface: Windows Installer wants its own, the sequences theirs, and the group its default.
    assert {finding.rule for finding in checks.run(content)} == {"ICE20", "ICE23", "ICE27", "ICE34", "ICE74"}
    assert content.codepage == 1252
    named = {row.text("File"): row.text("FileName") for row in content.rows("File")}
    assert named == {
        "hello.exe": "HELLO.EXE|hello.exe", "a_long_name.txt": "ALONGN~2.TXT|a long name.txt",
        "a_long_name_too.txt": "ALONGN~1.TXT|a long name too.txt", "one.py": "ONE.PY|one.py", "two.py": "TWO.PY|two.py",
    }  # fmt: skip
    unpacked = cab.Cabinet(content.streams["files"])
    assert [entry.name for entry in unpacked.files] == [
        "hello.exe", "a_long_name_too.txt", "a_long_name.txt", "one.py", "two.py",
    ]  # fmt: skip
    assert unpacked.read(unpacked.files[0]) == b"hello.exe" * 100
    assert content.get("Media", 1).cells == (1, 5, None, "#files", None, None)
    assert content.get("Component", "Main").cells == (
        "Main", "{0F0F0F0F-1111-2222-3333-444444444444}", "TARGETDIR", 256, None, "hello.exe",
    )  # fmt: skip
    assert content.get("Component", "lib")["Attributes"] == 256 + 16
    assert content.get("RemoveFile", "libc").cells == ("libc", "lib", "*.pyc", "lib", 2)
    assert content.get("RadioButton", "CHOICE", 2)["Value"] == "2"


def test_a_program_that_names_its_codes_gives_the_same_bytes_again(tmp_path: Path, files: Path) -> None:
    for name in ("x.msi", "y.msi"):
        db = package(tmp_path / name, files)
        information = db.GetSummaryInformation(1)
        information.SetProperty(msilib.PID_REVNUMBER, CODE)
        information.Persist()
        db.Commit()
    assert (tmp_path / "x.msi").read_bytes() == (tmp_path / "y.msi").read_bytes()


def test_the_processor_is_what_the_program_says(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msilib, "AMD64", False)
    monkeypatch.setattr(msilib, "Win64", False)
    db = package(tmp_path / "x.msi", files)
    assert db.GetSummaryInformation(0).GetProperty(msilib.PID_TEMPLATE) == b"Intel;1033"
    assert rows(db, "SELECT `Attributes` FROM `Component`") == [[0], [16]]


def test_a_new_database_has_schema_validation_summary_and_properties(tmp_path: Path) -> None:
    db = create(tmp_path / "x.msi")
    content = Content.open(tmp_path / "x.msi")
    assert len(content.tables) == len(schema.tables) > 80
    assert sorted(map(repr, (row.cells for row in content.rows("_Validation")))) == sorted(
        map(repr, schema._Validation_records)
    )
    assert content.property("ProductLanguage") == "1033"
    information = db.GetSummaryInformation(0)
    assert information.GetProperty(msilib.PID_TITLE) == b"Installation Database"
    assert information.GetProperty(msilib.PID_AUTHOR) == "Mäker".encode("cp1252")
    assert information.GetProperty(msilib.PID_PAGECOUNT) == 200
    assert information.GetProperty(msilib.PID_KEYWORDS) is None
    assert information.GetPropertyCount() == 8


def test_summary_information_is_set_within_its_count_and_kinds(tmp_path: Path) -> None:
    path = str(tmp_path / "x.msi")
    db = create(tmp_path / "x.msi")
    information = db.GetSummaryInformation(3)
    moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    information.SetProperty(msilib.PID_SUBJECT, "Ωmega")
    information.SetProperty(msilib.PID_CREATE_DTM, moment)
    information.SetProperty(msilib.PID_SECURITY, 2)
    for field, value, message in (
        (msilib.PID_TITLE, "x", "function failed"), (99, "x", "unknown error 648"),
    ):  # fmt: skip
        with pytest.raises(msilib.MSIError, match=message):
            information.SetProperty(field, value)
    with pytest.raises(msilib.MSIError, match="unknown error 65d"):
        db.GetSummaryInformation(1).SetProperty(msilib.PID_TITLE, 1)
    with pytest.raises(TypeError, match="unsupported type"):
        information.SetProperty(msilib.PID_TITLE, 1.5)
    information.Persist()
    db.Commit()
    back = msilib.OpenDatabase(path, msilib.MSIDBOPEN_READONLY).GetSummaryInformation(0)
    assert back.GetProperty(msilib.PID_SUBJECT) == "Ωmega".encode()
    assert back.GetProperty(msilib.PID_CREATE_DTM) == moment
    assert back.GetProperty(msilib.PID_CODEPAGE) == 65001


def test_a_summary_that_its_code_page_cannot_hold_is_refused(tmp_path: Path) -> None:
    db = create(tmp_path / "x.msi")
    information = db.GetSummaryInformation(2)
    information.SetProperty(msilib.PID_CODEPAGE, 1252)
    information.SetProperty(msilib.PID_SUBJECT, "Ωmega")
    with pytest.raises(msilib.MSIError, match="function failed"):
        information.Persist()
    db.store.database.summary = {summary.Pid.CODEPAGE: 1252, summary.Pid.SUBJECT: "Ωmega"}
    with pytest.raises(msilib.MSIError, match="2262"):
        rows(db, "SELECT `Data` FROM `_Streams`")
    with pytest.raises(msilib.MSIError, match="2213"):
        db.Commit()


def test_nothing_is_on_the_disk_before_commit(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    db = msilib.OpenDatabase(str(path), msilib.MSIDBOPEN_CREATE)
    schema.Property.create(db)
    assert list(tmp_path.iterdir()) == []
    db.Commit()
    before = path.read_bytes()
    db = msilib.OpenDatabase(str(path), msilib.MSIDBOPEN_TRANSACT)
    msilib.add_data(db, "Property", [("A", "1")])
    db.Close()
    assert path.read_bytes() == before
    with pytest.raises(msilib.MSIError, match="invalid handle"):
        db.Commit()


@pytest.mark.parametrize("mode", [msilib.MSIDBOPEN_CREATEDIRECT, msilib.MSIDBOPEN_DIRECT])
def test_a_direct_database_is_saved_when_it_goes(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.msi"
    Content().commit(path)
    db = msilib.OpenDatabase(str(path), mode)
    schema.Property.create(db)
    msilib.add_data(db, "Property", [("A", "1")])
    del db
    assert Content.open(path).property("A") == "1"


def test_a_read_only_database_is_not_changed(tmp_path: Path) -> None:
    create(tmp_path / "x.msi")
    before = (tmp_path / "x.msi").read_bytes()
    db = msilib.OpenDatabase(str(tmp_path / "x.msi"), msilib.MSIDBOPEN_READONLY)
    assert rows(db, "SELECT `Value` FROM `Property` WHERE `Property` = 'ProductName'") == [["Hello"]]
    with pytest.raises(msilib.MSIError, match="Could not insert"):
        msilib.add_data(db, "Property", [("A", "1")])
    with pytest.raises(msilib.MSIError, match="access denied"):
        db.GetSummaryInformation(1)
    db.Commit()
    assert (tmp_path / "x.msi").read_bytes() == before


def test_a_failed_commit_leaves_the_file_and_the_changes(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    create(path)
    before = path.read_bytes()
    db = msilib.OpenDatabase(path, msilib.MSIDBOPEN_TRANSACT)
    msilib.add_data(db, "Property", [("A", "Ω")])
    with pytest.raises(msilib.MSIError, match="2213"):
        db.Commit()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.msi"]
    assert rows(db, "SELECT `Value` FROM `Property` WHERE `Property` = 'A'") == [["Ω"]]


def test_a_program_that_is_killed_at_any_step_of_a_commit_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    content = Content(1252)
    content.insert("Property", "Old", "1")
    for number in range(8):
        content.streams[f"data{number}"] = bytes(5000)
    content.commit(path)
    done = subprocess.run([sys.executable, KILLED, path], check=True, capture_output=True, text=True, timeout=60)
    *steps, last = done.stdout.splitlines()
    writes = steps[: steps.index("flush old")]
    assert set(writes) == {"write old"}
    assert len(writes) > 8
    # All of it is on the disk before it takes the name, and nothing is done to the file after that.
    assert [*steps[len(writes) :], last] == ["flush old", "rename old", "renamed new", "done new"]
    assert dict(Content.open(path).streams) == dict(content.streams)
    assert list(tmp_path.iterdir()) == [path], "the last commit cleared away what the killed ones left"


def test_a_commit_keeps_the_rights_the_link_and_the_sectors(tmp_path: Path) -> None:
    path, link = tmp_path / "x.msi", tmp_path / "link.msi"
    content = Content()
    content.insert("Property", "A", "1")
    content.commit(path, 4096)
    path.chmod(0o640)
    link.symlink_to(path)
    db = msilib.OpenDatabase(link, msilib.MSIDBOPEN_TRANSACT)
    view = db.OpenView("INSERT INTO `Property` (`Property`, `Value`) VALUES ('B', '2') TEMPORARY")
    view.Execute(None)
    db.Commit()
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert Content.open(path).sector == 4096
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["link.msi", "x.msi"]


def test_files_that_are_no_databases(tmp_path: Path) -> None:
    path = tmp_path / "x.msi"
    for content, hint in (
        (None, f"cannot read {path}: No such file or directory"),
        (b"text" * 999, f"{path} is no database: this is not a compound file"),
        (Content().to_bytes()[:700], f"{path} is no database: the compound file ends before its sector 3"),
    ):
        if content:
            path.write_bytes(content)
        with pytest.raises(msilib.MSIError) as caught:
            msilib.OpenDatabase(str(path), msilib.MSIDBOPEN_READONLY)
        assert (str(caught.value), caught.value.hint) == ("open failed", hint)
    with pytest.raises(msilib.MSIError, match=r"^create failed$"):
        msilib.OpenDatabase(str(tmp_path / "none" / "x.msi"), msilib.MSIDBOPEN_CREATE)
    for name in ("a\0b", str(tmp_path)):
        with pytest.raises(msilib.MSIError, match=r"^open failed$"):
            msilib.OpenDatabase(name, msilib.MSIDBOPEN_READONLY)
    with pytest.raises(msilib.MSIError, match="invalid parameter"):
        msilib.OpenDatabase(str(path), 7)


def test_a_patch_file_is_one_and_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "x.msp"
    msilib.OpenDatabase(path, msilib.MSIDBOPEN_CREATE | msilib.MSIDBOPEN_PATCHFILE).Commit()
    msilib.OpenDatabase(path, msilib.MSIDBOPEN_TRANSACT | msilib.MSIDBOPEN_PATCHFILE).Commit()
    assert PATCH_CLSID != CLSID
    with olefile.OleFileIO(path) as ole:
        assert ole.root.clsid == "000C1086-0000-0000-C000-000000000046"


def test_records_convert_and_refuse(tmp_path: Path) -> None:
    record = msilib.CreateRecord(3)
    assert record.GetFieldCount() == 3
    record.SetInteger(1, -5)
    record.SetString(2, "12")
    assert (record.GetString(1), record.GetInteger(2), record.GetString(3)) == ("-5", 12, "")
    (tmp_path / "data").write_bytes(b"data")
    record.SetStream(3, str(tmp_path / "data"))
    assert record.GetStream(3) == b"data"
    for call in (lambda: record.SetInteger(4, 1), lambda: record.SetString(-1, "x")):
        with pytest.raises(msilib.MSIError, match="invalid parameter"):
            call()
    with pytest.raises(TypeError):
        record.SetString(1, 5)
    with pytest.raises(msilib.MSIError, match="1101"):
        record.SetStream(1, str(tmp_path / "none"))
    record.ClearData()
    with pytest.raises(msilib.MSIError, match="could not convert record field to integer"):
        record.GetInteger(1)


def test_data_of_every_kind_is_added_or_refused(tmp_path: Path) -> None:
    db = create(tmp_path / "x.msi")
    (tmp_path / "tool").write_bytes(b"tool")
    msilib.add_data(db, "Binary", [("tool", msilib.Binary(str(tmp_path / "tool")))])
    msilib.add_stream(db, "extra", str(tmp_path / "tool"))
    assert rows(db, "SELECT `Data` FROM `Binary`") == [[b"tool"]]
    [[data]] = rows(db, "SELECT `Data` FROM `_Streams` WHERE `Name` = '\x05SummaryInformation'")
    assert summary.decode(data)[summary.Pid.AUTHOR] == "Mäker"
    assert rows(db, "SELECT `Name` FROM `_Streams`") == [["\x05SummaryInformation"], ["Binary.tool"], ["extra"]]
    with pytest.raises(msilib.MSIError) as caught:
        msilib.add_data(db, "Property", [("A", "1"), ("ProductName", "x")])
    assert str(caught.value) == "Could not insert [('A', '1'), ('ProductName', 'x')] into Property"
    assert caught.value.hint == "('ProductName', 'x'): Table(s) Update failed"
    with pytest.raises(msilib.MSIError, match="Property has 2 columns, not 1"):
        msilib.add_data(db, "Property", [("A",)])
    with pytest.raises(TypeError, match="Unsupported type float"):
        msilib.add_data(db, "Property", [("A", 1.5)])


def test_a_number_is_text_in_a_column_of_text_and_text_is_null_in_one_of_numbers(tmp_path: Path) -> None:
    # The standard library's own test makes a feature of such values.
    db = create(tmp_path / "x.msi")
    feature = msilib.Feature(db, 0, "Feature", "A feature", "Python")  # type: ignore[arg-type]
    directory = msilib.Directory(db, msilib.CAB("c"), None, str(tmp_path), "TARGETDIR", "SourceDir", 0)
    directory.start_component(None, feature, None, "keyfile")
    assert rows(db, "SELECT `Feature`, `Display`, `Level` FROM `Feature`") == [["0", None, 1]]
    assert rows(db, "SELECT `KeyPath` FROM `Component`") == [["keyfile"]]
    msilib.add_data(db, "Feature", [("F", None, None, None, "12", "-3", None, 0)])
    assert rows(db, "SELECT `Display`, `Level` FROM `Feature` WHERE `Feature` = 'F'") == [[12, -3]]
    with pytest.raises(msilib.MSIError, match="Could not insert"):
        msilib.add_data(db, "Feature", [("G", None, None, None, None, "no number", None, 0)])


def test_a_cabinet_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1200000000")
    (tmp_path / "a").write_bytes(b"content")
    msilib.FCICreate(str(tmp_path / "x.cab"), [(str(tmp_path / "a"), "inside")])
    cabinet = cab.Cabinet((tmp_path / "x.cab").read_bytes())
    assert [(entry.name, entry.size) for entry in cabinet.files] == [("inside", 7)]
    assert cabinet.files[0].modified.timestamp() == 1_200_000_000
    for target, source, number in (("x.cab", "none", 1), ("none/x.cab", "a", 8)):
        with pytest.raises(ValueError, match=f"FCI error {number}"):
            msilib.FCICreate(str(tmp_path / target), [(str(tmp_path / source), "inside")])


def test_files_of_a_cabinet_have_names_of_their_own(tmp_path: Path) -> None:
    cabinet = msilib.CAB("c")
    added = [cabinet.append("x", "a b", name) for name in (None, "a_b", "main", "main")]
    assert added == [(1, "a_b"), (2, "a_b.1"), (3, "main"), (4, "a_b.2")]
    assert cabinet.append(str(tmp_path), "folder", None) is None


def test_what_msilib_makes_of_its_arguments(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msilib._layout, "_current", [])
    with pytest.raises(AttributeError, match="no attribute 'current_feature'"):
        _ = msilib.current_feature
    code = CODE.replace("1234", "abcd")
    db = msilib.init_database(str(tmp_path / "x.msi"), schema, "Hello", code, "1.0.0", "Maker")
    root = msilib.Directory(db, msilib.CAB("c"), None, str(files), "TARGETDIR", "SourceDir")
    with pytest.raises(ValueError, match="no feature is current"):
        root.add_file("hello.exe")
    feature = msilib.Feature(db, "All", "All", "Everything", 1)
    feature.set_current()
    assert msilib.current_feature is feature
    assert root.add_file("lib/one.py") == "one.py"
    assert msilib.Directory(db, root.cab, root, "none", "none", "none").glob("*") == []
    assert rows(db, "SELECT `FileName`, `FileSize` FROM `File`") == [["ONE.PY|one.py", 1000]]
    assert rows(db, "SELECT `Value` FROM `Property` WHERE `Property` = 'ProductCode'") == [[code.upper()]]


def test_short_names_are_short_and_differ(tmp_path: Path) -> None:
    directory = msilib.Directory(create(tmp_path / "x.msi"), msilib.CAB("c"), None, "", "TARGETDIR", "SourceDir")
    made = [
        directory.make_short(name)
        for name in ("a.txt", "A.TXT", "a b.txt", "a.b.c", ".hidden", "ünï", "x+y", "Makefile")
    ]
    assert made == ["A.TXT", "A~1.TXT", "AB~1.TXT", "AB~1.C", "HIDDEN~1", "N~1", "X_Y~1", "MAKEFILE"]
    many = [directory.make_short(f"a long name {number}.text") for number in range(1200)]
    assert len(set(many)) == 1200
    assert all(len(name.partition(".")[0]) <= 8 and name.endswith(".TEX") for name in many)


def test_sequences_are_in_order_and_can_be_changed() -> None:
    for name in sequence.tables:
        numbers = [number for _, _, number in getattr(sequence, name)]
        assert numbers == sorted(set(numbers))
    assert ("RemoveExistingProducts", None, 6700) in sequence.InstallExecuteSequence
    actions = list(sequence.InstallExecuteSequence)
    msilib.change_sequence(actions, "InstallFiles", seqno=4001)
    assert ("InstallFiles", None, 4001) in actions
    with pytest.raises(ValueError, match="Action not found in sequence"):
        msilib.change_sequence(actions, "Nothing", 1)


def test_texts_cover_the_standard_actions() -> None:
    described = {row[0] for row in text.ActionText}
    executed = {row[0] for row in sequence.InstallExecuteSequence}
    assert executed - described <= {"InstallInitialize", "InstallFinalize"}


def test_directories_have_names_of_their_own_in_each_database(tmp_path: Path) -> None:
    for name in ("x.msi", "y.msi"):
        db, cabinet = create(tmp_path / name), msilib.CAB("c")
        made = [msilib.Directory(db, cabinet, None, str(tmp_path), "TARGETDIR", "SourceDir") for _ in range(2)]
        assert [directory.logical for directory in made] == ["TARGETDIR", "TARGETDIR1"]


def test_bdist_msi_of_cx_freeze_runs_unchanged(files: Path, tmp_path: Path, run: Callable[..., str]) -> None:
    for name in ("hello.ico", "license.rtf"):
        (files / name).write_bytes(b"{\\rtf1}")
    subprocess.run([sys.executable, PROGRAM, files, tmp_path / "out"], check=True, cwd=tmp_path, timeout=60)
    made = tmp_path / "out" / "hello-1.2.3-win64.msi"
    run("msiextract", "-C", tmp_path / "unpacked", made)
    unpacked = {path.name: path.read_bytes() for path in (tmp_path / "unpacked").rglob("*") if path.is_file()}
    assert unpacked == {path.name: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert "Author: J\udcfcrgen" in run("msiinfo", "suminfo", made)  # the bytes as they are, in code page 1252
    assert "S_APP_0\tProgramMenuFolder\tHello\tTARGETDIR" in run("msiinfo", "export", made, "Shortcut")
    content = Content.open(made)
    with pymsi.Package(made) as read:
        for name, table in content.tables.items():
            columns = [column.name for column in table.columns if not column.is_binary]
            found = sorted(repr([row[column] for column in columns]) for row in read.get(name).iter())
            assert found == sorted(repr([row[column] for column in columns]) for row in content.rows(name)), name
    # What is left is in rows that bdist_msi writes so on Windows too.
    assert {(finding.rule, finding.table) for finding in checks.run(content)} == {
        ("ICE03", "Registry"), ("ICE33", "Registry"), ("ICE43", "Shortcut"),
        ("ICE57", "Component"), ("ICE61", "Upgrade"),
    }  # fmt: skip
