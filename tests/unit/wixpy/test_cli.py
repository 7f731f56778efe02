# SPDX-License-Identifier: MIT
"""The command line: what it prints and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wixpy import cli, commands
from wixpy.database import Database
from wixpy.summary import Pid

Source = Callable[..., Path]


@pytest.fixture
def built(source: Source, tmp_path: Path) -> Path:
    out = tmp_path / "x.msi"
    assert cli.main(["build", str(source()), "-o", str(out), "--epoch", "1200000000"]) == 0
    return out


def test_build_defines_variables(source: Source, tmp_path: Path) -> None:
    path, out = source("<Property Id='P' Value='$(var.A)$(var.B)'/>"), tmp_path / "x.msi"
    assert cli.main(["build", str(path), "-o", str(out), "-d", "A=1", "-d", "B=x=y"]) == 0
    assert Database.open(out).property("P") == "1x=y"


def test_build_takes_its_time_from_the_environment(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    cli.main(["build", str(source()), "-o", str(tmp_path / "x.msi")])
    assert str(Database.open(tmp_path / "x.msi").summary[Pid.CREATED]) == "2001-09-09 01:46:40+00:00"


def test_build_without_a_time_is_reproducible(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    cli.main(["build", str(source()), "-o", str(tmp_path / "x.msi")])
    assert str(Database.open(tmp_path / "x.msi").summary[Pid.CREATED]).startswith("1980-01-01")


def test_a_reader_that_has_seen_enough_is_no_error(built: Path) -> None:
    """As in `wixpy dump x.msi Media | head -1`, where all that is said fits a buffer."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "wixpy", "dump", str(built), "Media"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    outcome = subprocess.run(words, env=buffered, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (outcome.returncode, outcome.stderr) == (1, "")


def test_an_error_has_its_place_and_a_hint(source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = source("<Featrue/>")
    assert cli.main(["build", str(path), "-o", str(tmp_path / "x.msi")]) == 1
    printed = capsys.readouterr().err
    assert f"wixpy: error: {path}:11: Product has no element Featrue" in printed
    assert "hint: did you mean Feature" in printed


def test_warnings_do_not_fail_a_build(source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = source(f"<CustomAction Id='A' FileKey='main' ExeCommand='{'x' * 300}'/>")
    assert cli.main(["build", str(path), "-o", str(tmp_path / "x.msi")]) == 0
    assert "ICE03 warning" in capsys.readouterr().err


def test_check_of_a_sound_package(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(built)]) == 0
    assert capsys.readouterr().out == ""


def test_check_of_a_faulty_package(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = Database.open(built)
    database.delete("FeatureComponents", "All", "Main")
    database.commit(built)
    assert cli.main(["check", str(built)]) == 1
    assert "ICE21 error" in capsys.readouterr().out


def test_check_makes_chosen_checks_and_prints_json(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = Database.open(built)
    database.delete("FeatureComponents", "All", "Main")
    database.delete("Property", "Manufacturer")
    database.commit(built)
    assert cli.main(["check", str(built), "--ice", "ICE21", "ICE08", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"rule": "ICE21", "level": "error", "message": "Main belongs to no feature", "table": "Component",
         "key": ["Main"]}
    ]  # fmt: skip
    assert cli.main(["check", str(built), "--ice", "ICE08"]) == 0
    assert cli.main(["check", str(built), "--ice", "ICE8"]) == 1
    assert "no check ICE8" in capsys.readouterr().err


def test_check_lists_its_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--list"]) == 0
    assert "\nICE08\terror\tNo two components have one GUID.\n" in capsys.readouterr().out
    assert cli.main(["check", "--list", "--json", "--ice", "ICE08"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["levels"] == ["error"]
    assert cli.main(["check"]) == 2


def test_a_build_may_ignore_a_check(source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = source("<CustomAction Id='A' FileKey='main' ExeCommand='[#none]'/>")
    assert cli.main(["build", str(path), "-o", str(tmp_path / "x.msi"), "--ignore", "ICE69"]) == 0
    assert "ICE69 warning: [#none] refers to File" in capsys.readouterr().err
    assert cli.main(["build", str(path), "-o", str(tmp_path / "x.msi"), "--ignore", "ICE08"]) == 1
    assert "ICE69 error" in capsys.readouterr().err
    assert cli.main(["build", str(path), "-o", str(tmp_path / "x.msi"), "--ignore", "ICE6"]) == 1
    assert "there is no check ICE6" in capsys.readouterr().err


def test_help_says_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["check"], ["diff"]):
        with pytest.raises(SystemExit):
            cli.main([*command, "--help"])
        assert "Exit codes: 0 done" in capsys.readouterr().out


def test_the_page_names_every_command_and_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0
    assert set(commands.RUN) == {words[0] for words in map(str.split, printed.splitlines()) if words} & set(
        commands.RUN
    )
    assert max(map(len, printed.splitlines())) <= 80
    assert all("--json" in cli.parser(name).format_help() for name in commands.RUN)


def test_a_command_that_is_not_there_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["biuld"])
    assert capsys.readouterr().err == "wixpy: error: there is no command biuld\nhint: did you mean build?\n"


def test_words_come_in_any_order(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", str(built), "-o", str(tmp_path / "out"), "File", "--quiet"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["File.idt"]
    assert capsys.readouterr().out == ""


def test_a_build_names_its_package_after_the_source(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source(f"<CustomAction Id='A' FileKey='main' ExeCommand='{'x' * 300}'/>")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cli.main(["build", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["package"], printed["findings"][0]["rule"]) == ("sample.msi", "ICE03")
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["sample.msi"]
    assert cli.main(["build", str(path), "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("place", ["wixpy.cab._records", "wixpy.package._findings"])
def test_ctrl_c_leaves_the_package_as_it_was(
    place: str, built: Path, source: Source, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    path, before = source("<Property Id='NEW' Value='1'/>"), built.read_bytes()
    names = sorted(built.parent.iterdir())
    monkeypatch.setattr(place, interrupted)
    assert cli.main(["build", str(path), "-o", str(built)]) == 130
    assert capsys.readouterr().err == "wixpy: interrupted\n"
    assert (built.read_bytes(), sorted(built.parent.iterdir())) == (before, names)


def test_output_that_cannot_be_written_is_an_error(built: Path) -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "wixpy", "dump", str(built)]
        outcome = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("wixpy: error: cannot write the output: No space left on device\n")


def test_tables_lists_columns_and_rows(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tables", str(built)]) == 0
    assert "CreateFolder" not in (printed := capsys.readouterr().out)
    assert "File* s72" in printed
    assert cli.main(["tables", str(built), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["Media"]["rows"] == 1
    assert listed["Media"]["columns"][0] == {"name": "DiskId", "type": "i2", "key": True}


def test_dump_prints_summary_and_rows(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dump", str(built)]) == 0
    printed = capsys.readouterr().out
    assert "template\tx64;1033" in printed
    assert "ProductName\tSample" in printed
    assert cli.main(["dump", str(built), "File", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert list(content["tables"]) == ["File"]
    assert content["tables"]["File"][0]["FileSize"] == 80


def test_dump_of_a_table_that_is_not_there(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dump", str(built), "Nothing"]) == 1
    assert "no table Nothing" in capsys.readouterr().err


def test_extract_unpacks_the_files(built: Path, tmp_path: Path) -> None:
    assert cli.main(["extract", str(built), "-o", str(tmp_path / "out")]) == 0
    content = (tmp_path / "out" / "ProgramFiles64Folder" / "Sample" / "main.txt").read_bytes()
    assert content == (tmp_path / "main.txt").read_bytes()


@pytest.mark.parametrize("name", ["..", "A|../../evil", "A|/evil", "A|a\\b"])
def test_extract_never_leaves_its_folder(
    built: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database.open(built)
    row = database.get("File", "main")
    assert row is not None
    database.replace(row, FileName=name)
    database.commit(built)
    assert cli.main(["extract", str(built), "-o", str(tmp_path / "out")]) == 1
    assert "not extracted" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_query_prints_what_it_finds(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT `File`, `FileSize`, `Version` FROM `File` WHERE `FileSize` = ?"
    assert cli.main(["query", str(built), sql, "80"]) == 0
    assert capsys.readouterr().out == "File\tFileSize\tVersion\nmain\t80\t\n"
    assert cli.main(["query", str(built), sql, "80", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "columns": [
            {"name": "File", "type": "s72"},
            {"name": "FileSize", "type": "i4"},
            {"name": "Version", "type": "S72"},
        ],
        "rows": [["main", 80, None]],
    }
    assert cli.main(["query", str(built), "SELECT 'x', `File` FROM `File`"]) == 0
    assert capsys.readouterr().out == "\tFile\nx\tmain\n"


def test_query_saves_what_it_changes_and_leaves_the_file_when_it_fails(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.main(["query", str(built), "INSERT INTO `Property` (`Property`, `Value`) VALUES (?, ?)", "A", "it's"]) == 0
    )
    assert Database.open(built).property("A") == "it's"
    before = built.read_bytes()
    assert cli.main(["query", str(built), "DELETE FROM `Proprety`"]) == 1
    printed = capsys.readouterr().err
    assert printed == "wixpy: error: Unknown table 'Proprety' in SQL query: DELETE FROM `Proprety` (error 2228)\n"
    assert built.read_bytes() == before


def test_export_and_import_say_what_they_did(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", str(built), "File", "-o", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [str(tmp_path / "out" / "File.idt")]
    archive = tmp_path / "out" / "File.idt"
    archive.write_bytes(archive.read_bytes().replace(b"\t80\t", b"\t81\t"))
    assert cli.main(["import", str(built), str(archive), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["File"]
    assert [row["FileSize"] for row in Database.open(built).rows("File")] == [81]


def test_an_import_that_fails_half_way_changes_nothing(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["export", str(built), "File", "-o", str(tmp_path)])
    (tmp_path / "Bad.idt").write_bytes(b"K\r\nx9\r\nBad\tK\r\n")
    before = built.read_bytes()
    assert cli.main(["import", str(built), str(tmp_path / "File.idt"), str(tmp_path / "Bad.idt")]) == 1
    assert "Import file format error: Bad.idt, Line 2" in capsys.readouterr().err
    assert built.read_bytes() == before


@pytest.mark.parametrize("command", ["check", "tables", "dump"])
def test_a_file_that_is_no_package(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.msi"
    path.write_bytes(b"something else" * 1000)
    assert cli.main([command, str(path)]) == 1
    assert f"wixpy: error: {path}: this is not a compound file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["frobnicate"], ["build"], ["extract", "x.msi"], ["build", "x.wxs", "-o", "y", "-d", "=v"]]
)
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


def test_the_module_runs(built: Path) -> None:
    command = [sys.executable, "-m", "wixpy", "tables", str(built)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ), timeout=60)
    assert "Property" in done.stdout
