# SPDX-License-Identifier: MIT
"""wixpy.msilib has every name, parameter, constant and message that the documentation of Python 3.12 and msilib's own
module of msi.dll have."""

from __future__ import annotations

import inspect

import pytest

from wixpy import msilib
from wixpy.database import Database as Content
from wixpy.msi_errors import Status
from wixpy.msilib import schema, sequence, text
from wixpy.store import Store

# The objects that functions make.
OBJECTS = {
    "Database": msilib._msi.Database, "View": msilib._msi.View, "Record": msilib._msi.Record,
    "SummaryInformation": msilib._msi.SummaryInformation,
}  # fmt: skip
# Names and parameters as the documentation of Python 3.12 has them; an optional one is in brackets.
DOCUMENTED = {
    "FCICreate": "cabname files",
    "UuidCreate": "",
    "OpenDatabase": "path persist",
    "CreateRecord": "count",
    "init_database": "name schema ProductName ProductCode ProductVersion Manufacturer",
    "add_data": "database table records",
    "Binary": "filename",
    "add_tables": "database module",
    "add_stream": "database name path",
    "gen_uuid": "",
    "CAB": "name",
    "CAB.append": "full file logical",
    "CAB.commit": "database",
    "Directory": "database cab basedir physical logical default [componentflags]",
    "Directory.start_component": "[component] [feature] [flags] [keyfile] [uuid]",
    "Directory.add_file": "file [src] [version] [language]",
    "Directory.glob": "pattern [exclude]",
    "Directory.remove_pyc": "",
    "Feature": "db id title desc display [level] [parent] [directory] [attributes]",
    "Feature.set_current": "",
    "Control": "dlg name",
    "Control.event": "event argument [condition] [ordering]",
    "Control.mapping": "event attribute",
    "Control.condition": "action condition",
    "RadioButtonGroup": "dlg name property",
    "RadioButtonGroup.add": "name x y width height text [value]",
    "Dialog": "db name x y w h attr title first default cancel",
    "Dialog.control": "name type x y width height attributes property text control_next help",
    "Dialog.text": "name x y width height attributes text",
    "Dialog.bitmap": "name x y width height text",
    "Dialog.line": "name x y width height",
    "Dialog.pushbutton": "name x y width height attributes text next_control",
    "Dialog.radiogroup": "name x y width height attributes property text next_control",
    "Dialog.checkbox": "name x y width height attributes property text next_control",
    "Database.OpenView": "sql",
    "Database.Commit": "",
    "Database.GetSummaryInformation": "count",
    "Database.Close": "",
    "View.Execute": "[params]",
    "View.GetColumnInfo": "kind",
    "View.Fetch": "",
    "View.Modify": "kind data",
    "View.Close": "",
    "SummaryInformation.GetProperty": "field",
    "SummaryInformation.GetPropertyCount": "",
    "SummaryInformation.SetProperty": "field value",
    "SummaryInformation.Persist": "",
    "Record.GetFieldCount": "",
    "Record.GetInteger": "field",
    "Record.GetString": "field",
    "Record.SetString": "field value",
    "Record.SetStream": "field value",
    "Record.SetInteger": "field value",
    "Record.ClearData": "",
}
# Values as the headers msi.h and msidefs.h of Windows have them.
CONSTANTS = {
    "MSIDBOPEN_": "READONLY=0 TRANSACT=1 DIRECT=2 CREATE=3 CREATEDIRECT=4 PATCHFILE=16",
    "MSICOLINFO_": "NAMES=0 TYPES=1",
    "MSIMODIFY_": "SEEK=-1 REFRESH=0 INSERT=1 UPDATE=2 ASSIGN=3 REPLACE=4 MERGE=5 DELETE=6 INSERT_TEMPORARY=7 "
    "VALIDATE=8 VALIDATE_NEW=9 VALIDATE_FIELD=10 VALIDATE_DELETE=11",
    "PID_": "CODEPAGE=1 TITLE=2 SUBJECT=3 AUTHOR=4 KEYWORDS=5 COMMENTS=6 TEMPLATE=7 LASTAUTHOR=8 REVNUMBER=9 "
    "LASTPRINTED=11 CREATE_DTM=12 LASTSAVE_DTM=13 PAGECOUNT=14 WORDCOUNT=15 CHARCOUNT=16 APPNAME=18 SECURITY=19",
}


@pytest.mark.parametrize(("name", "parameters"), DOCUMENTED.items())
def test_everything_documented_takes_what_is_documented(name: str, parameters: str) -> None:
    first, *rest = name.split(".")
    target: object = OBJECTS.get(first) or getattr(msilib, first)
    for part in rest:
        target = getattr(target, part)
    found = [p for p in inspect.signature(target).parameters.values() if p.name != "self"]
    wanted = parameters.split()
    assert len(found) == len(wanted)
    assert [p.default is not p.empty for p in found] == [word.startswith("[") for word in wanted]


# What _msi.c prints for a Win32 status without an error record.
STATUSES = {
    5: "access denied", 6: "invalid handle", 13: "invalid data", 87: "invalid parameter", 110: "open failed",
    1608: "unknown error 648", 1609: "unknown error 649", 1627: "function failed", 1631: "create failed",
    5023: "invalid state",
}  # fmt: skip


def test_errors_have_the_messages_of_msilib() -> None:
    assert {status: str(msilib.MSIError(Status(status))) for status in STATUSES} == STATUSES
    own = msilib.MSIError("a program's own")
    assert (str(own), own.args) == ("a program's own", ("a program's own",))
    with pytest.raises(msilib.MSIError, match=r"^unknown error 0$"):
        msilib.CreateRecord(65536)
    view = msilib._msi.View(Store(Content()), "SELECT `Name` FROM `_Tables`")
    for call, message in (
        (lambda: view.Execute(7), "Execute argument must be a record"),
        (lambda: view.Modify(0, 7), "Modify expects a record object"),
        (lambda: msilib.FCICreate("x.cab", ()), "FCICreate expects a list"),
        (lambda: msilib.FCICreate("x.cab", [("a",)]), "FCICreate expects a list of tuples containing two strings"),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value) == message


def test_every_constant_has_its_value() -> None:
    wanted = {
        f"{start}{name}": int(value)
        for start, words in CONSTANTS.items()
        for name, _, value in (word.partition("=") for word in words.split())
    }
    assert len(wanted) == 38
    found = {name: getattr(msilib, name) for name in dir(msilib) if name.startswith(tuple(CONSTANTS))}
    assert found == wanted


def test_the_submodules_have_what_add_tables_and_init_database_need() -> None:
    for module in (sequence, text):
        assert module is getattr(msilib, module.__name__.rpartition(".")[2])
        assert module.tables
        assert all(isinstance(getattr(module, table), list) for table in module.tables)
    assert all(getattr(schema, table.name) is table for table in schema.tables)
    columns = {(table.name, name) for table in schema.tables for _, name, _ in table.fields}
    assert {(row[0], row[1]) for row in schema._Validation_records} == columns
