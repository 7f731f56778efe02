# SPDX-License-Identifier: GPL-2.0-or-later
"""wixpy.msilib against Windows Installer as Wine has it: a package that a program written for msilib makes installs
and goes, and Wine's automation objects find and change what wixpy's SQL does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wixpy import idt
from wixpy.database import Database
from wixpy.msi_errors import MsiError
from wixpy.msilib import MSIDBOPEN_READONLY, OpenDatabase
from wixpy.record import Record
from wixpy.store import Store
from wixpy.view import ModifyMode as Mode
from wixpy.view import View

from .prefix import PROJECT
from .windows import Windows

PROGRAM = PROJECT / "tests" / "unit" / "wixpy" / "programs" / "bdist_msi.py"
FILES = {"hello.exe": b"no program\r\n", "lib/a module.py": b"pass\n", "lib/sub/data.txt": b"text" * 20_000}
QUERIES = [
    "SELECT `File`, `FileSize`, `Sequence` FROM `File` WHERE `FileSize` > 6",
    "SELECT `File` FROM `File` WHERE `FileSize` <= 5 OR `Version` IS NOT NULL",
    "SELECT `File` FROM `File` WHERE `Version` = '' AND `Sequence` <> 1",
    "SELECT `Action` FROM `InstallExecuteSequence` WHERE `Condition` = 'VersionNT'",
    "SELECT `Action`, `Sequence` FROM `InstallUISequence` WHERE `Condition` <> 'not Installed' AND `Sequence` >= 900",
    "SELECT `Control` FROM `Control` WHERE `Attributes` < 3 AND (`Type` = 'Line' OR `Type` = 'PushButton')",
    "SELECT `File`.`FileName`, `Directory`.`DefaultDir` FROM `File`, `Component`, `Directory` "
    "WHERE `File`.`Component_` = `Component`.`Component` AND `Component`.`Directory_` = `Directory`.`Directory`",
    "SELECT `Control`.`Control`, `Event` FROM `ControlEvent`, `Control` WHERE `ControlEvent`.`Dialog_` = "
    "`Control`.`Dialog_` AND `ControlEvent`.`Control_` = `Control`.`Control` AND `Event` = 'SpawnDialog'",
    "SELECT DISTINCT `Type` FROM `Control`",
    "SELECT `Dialog`, `Width` FROM `Dialog` WHERE `Control_Cancel` IS NULL",
    "SELECT `Level` FROM `Feature` WHERE `Display` = 1",
    "SELECT `Ordering` FROM `ControlEvent` WHERE `Ordering` < 3",
    "SELECT `Name` FROM `_Tables`",
    "SELECT `Number`, `Name`, `Type` FROM `_Columns` WHERE `Table` = 'Control'",
    "SELECT `Name` FROM `_Streams`",
    "SELECT `Dialog`, '' FROM `Dialog`",
]
REFUSED = ["SELECT `Nothing` FROM `File`", "SELECT `File` FROM `Nothing`", "SELECT `File` FROM", "UPDATE `File` SET"]
SCRIPT = """\
Set database = CreateObject("WindowsInstaller.Installer").OpenDatabase(WScript.Arguments(0), 0)
Set queries = CreateObject("Scripting.FileSystemObject").OpenTextFile(WScript.Arguments(1))
Do Until queries.AtEndOfStream
  sql = queries.ReadLine
  WScript.Echo "? " & sql
  On Error Resume Next
  Set view = Nothing
  Set view = database.OpenView(sql)
  If view Is Nothing Then
    WScript.Echo "refused"
  Else
    view.Execute
    Do
      Set record = view.Fetch
      If record Is Nothing Then Exit Do
      line = "="
      For field = 1 To record.FieldCount
        line = line & vbTab & record.StringData(field)
      Next
      WScript.Echo line
    Loop
  End If
Loop
"""


# Changes through a view, one after the other: mode, whether the record is fetched (that of key a) or a new one, its key
# and number.  Wine lacks REPLACE and most of VALIDATE, and lets a MERGE with other data pass.
CHANGES = [
    (Mode.INSERT, "new", "c", 3), (Mode.INSERT, "new", "a", 9), (Mode.UPDATE, "fetched", "a", 5),
    (Mode.UPDATE, "new", "a", 6), (Mode.ASSIGN, "new", "a", 7), (Mode.ASSIGN, "new", "d", 4),
    (Mode.MERGE, "new", "a", 7), (Mode.MERGE, "new", "e", 5), (Mode.INSERT_TEMPORARY, "new", "f", 6),
    (Mode.INSERT_TEMPORARY, "new", "f", 7), (Mode.REFRESH, "fetched", "a", 8), (Mode.DELETE, "fetched", "a", 7),
]  # fmt: skip
MODIFY = """\
Set installer = CreateObject("WindowsInstaller.Installer")
Set database = installer.OpenDatabase(WScript.Arguments(0), 1)
Set changes = CreateObject("Scripting.FileSystemObject").OpenTextFile(WScript.Arguments(1))
Do Until changes.AtEndOfStream
  words = Split(changes.ReadLine, " ")
  If words(1) = "fetched" Then
    Set view = database.OpenView("SELECT * FROM `T` WHERE `K` = 'a'")
    view.Execute
    Set record = view.Fetch
  Else
    Set view = database.OpenView("SELECT * FROM `T`")
    view.Execute
    Set record = installer.CreateRecord(2)
    record.StringData(1) = words(2)
  End If
  record.IntegerData(2) = CInt(words(3))
  On Error Resume Next
  Err.Clear
  view.Modify CInt(words(0)), record
  line = "done"
  If Err.Description <> "" Then line = "refused"
  On Error Goto 0
  view.Close
  Set view = database.OpenView("SELECT * FROM `T`")
  view.Execute
  Do
    Set record = view.Fetch
    If record Is Nothing Then Exit Do
    line = line & " " & record.StringData(1) & record.StringData(2)
  Loop
  view.Close
  WScript.Echo line
Loop
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Windows]:
    windows = Windows("x64")
    yield windows
    windows.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What cx_Freeze's bdist_msi makes of FILES."""
    folder = tmp_path_factory.mktemp("package")
    for name, content in {**FILES, "hello.ico": b"\0", "license.rtf": b"{\\rtf1 none}"}.items():
        (folder / "frozen" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "frozen" / name).write_bytes(content)
    subprocess.run([sys.executable, PROGRAM, folder / "frozen", folder / "out"], check=True, cwd=folder)
    return folder / "out" / "hello-1.2.3-win64.msi"


def our_answers(package: Path) -> dict[str, list[list[str]]]:
    store = OpenDatabase(package, MSIDBOPEN_READONLY).store
    answers = {}
    for sql in QUERIES:
        view = View(store, sql)
        view.Execute()
        rows = []
        while record := view.Fetch():
            rows.append([record.GetString(field + 1) for field in range(record.GetFieldCount())])
        answers[sql] = sorted(rows)
    return answers


def their_answers(machine: Windows, package: Path, folder: Path) -> dict[str, list[list[str]]]:
    (folder / "query.vbs").write_text(SCRIPT)
    (folder / "queries.txt").write_text("\r\n".join([*QUERIES, *REFUSED]))
    paths = [machine.put(path) for path in (folder / "query.vbs", package, folder / "queries.txt")]
    answers: dict[str, list[list[str]]] = {}
    for line in machine.run("cscript", "//nologo", *paths).stdout.split("\n"):
        if line.startswith("? "):
            rows = answers[line[2:]] = []
        elif line:
            rows.append(line.split("\t")[1:])
    return {sql: sorted(rows) for sql, rows in answers.items()}


def test_msidb_writes_and_reads_the_same_text_archives(machine: Windows, package: Path) -> None:
    database = OpenDatabase(package, MSIDBOPEN_READONLY)
    store = database.store
    theirs, ours = machine.path("C:\\theirs"), machine.path("C:\\ours")
    theirs.mkdir()
    ours.mkdir()
    assert machine.run("msidb", "-d", machine.put(package), "-f", "C:\\theirs", "-e", "*").exit_code == 0
    differing = set()
    for name in store.database.tables:
        written = (theirs / f"{name}.idt").read_bytes()
        if written != idt.export(store, name).text:
            differing.add(name)
        again = Store(Database(1252))
        idt.import_file(again, theirs / f"{name}.idt")
        assert again.database.cells(name) == store.database.cells(name)
    # Wine leaves out the code page before text beyond ASCII, and names files of streams otherwise.
    assert differing == {"Property", "Registry", "Icon"}

    for name in ("Icon", "Control", "File", "_Validation"):
        database.Export(name, ours, f"{name}.idt")
    assert machine.run("msidb", "-c", "-d", "C:\\new.msi", "-f", "C:\\ours", "-i", "*").exit_code == 0
    made = Database.open(machine.path("C:\\new.msi"))
    for name in ("Icon", "Control", "File", "_Validation"):
        assert made.cells(name) == store.database.cells(name)
        assert [column.bits for column in made.tables[name].columns] == [
            column.bits for column in store.database.tables[name].columns
        ]
    assert made.streams["Icon.InstallIcon"] == store.database.streams["Icon.InstallIcon"]


def test_wine_finds_what_wixpy_finds(machine: Windows, package: Path, tmp_path: Path) -> None:
    theirs = their_answers(machine, package, tmp_path)
    assert [theirs.pop(sql) for sql in REFUSED] == [[[]]] * len(REFUSED)
    assert theirs == our_answers(package)


def test_a_package_made_with_msilib_installs_and_goes(machine: Windows, package: Path) -> None:
    assert machine.msiexec(package)[0] == 0
    root = "C:\\Program Files\\hello"
    for name, content in FILES.items():
        assert machine.path(f"{root}\\{name}".replace("/", "\\")).read_bytes() == content
    assert [file for file in machine.files() if file.endswith("programs\\hello.lnk")]
    code = Database.open(package).property("ProductCode")
    key = f"HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{code}"
    assert machine.registry(key).under()["Publisher"] == "Jürgen Müller"

    assert machine.msiexec(package, action="/x")[0] == 0
    assert not machine.exists(root)
    assert not [file for file in machine.files() if file.endswith("hello.lnk")]


def our_changes(store: Store) -> list[str]:
    lines = []
    for mode, kind, key, number in CHANGES:
        view = View(store, "SELECT * FROM `T`" + (" WHERE `K` = 'a'" if kind == "fetched" else ""))
        view.Execute()
        record = view.Fetch() if kind == "fetched" else None
        record = record or Record(2)
        record.SetString(1, key)
        record.SetInteger(2, number)
        try:
            view.Modify(mode, record)
            result = "done"
        except MsiError:
            result = "refused"
        lines.append(" ".join([result, *sorted(f"{k}{n}" for k, n in store.rows("T").values())]))
    return lines


def test_wine_changes_what_wixpy_changes(machine: Windows, tmp_path: Path) -> None:
    (tmp_path / "modify.vbs").write_text(MODIFY)
    (tmp_path / "changes.txt").write_text(
        "".join(f"{int(mode)} {kind} {key} {n}\r\n" for mode, kind, key, n in CHANGES)
    )
    store = Store(Database())
    View(store, "CREATE TABLE `T` (`K` CHAR(9) NOT NULL, `N` SHORT PRIMARY KEY `K`)").Execute()
    for key, number in (("a", 1), ("b", 2)):
        View(store, f"INSERT INTO `T` (`K`, `N`) VALUES ('{key}', {number})").Execute()
    store.database.commit(tmp_path / "modify.msi")
    paths = [machine.put(tmp_path / name) for name in ("modify.vbs", "modify.msi", "changes.txt")]
    lines = machine.run("cscript", "//nologo", *paths).stdout.splitlines()
    theirs = [" ".join([words[0], *sorted(words[1:])]) for words in map(str.split, lines)]
    assert theirs == our_changes(store)
