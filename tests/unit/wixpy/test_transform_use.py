# SPDX-License-Identifier: MIT
"""Transforms in use: for which packages they are, what shows them, the functions of Windows Installer, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wixpy import cli, transform
from wixpy.database import Database
from wixpy.diff import compare
from wixpy.errors import WixpyError
from wixpy.msi_errors import MsiError
from wixpy.msilib import MSIDBOPEN_READONLY, MSIDBOPEN_TRANSACT, OpenDatabase
from wixpy.store import Store
from wixpy.summary import Pid
from wixpy.transform import Condition, Validation

from .sqlkit import run

CODE, OTHER = "{11111111-2222-3333-4444-AAAAAAAAAAAA}", "{11111111-2222-3333-4444-BBBBBBBBBBBB}"
UPGRADE = "{11111111-2222-3333-4444-CCCCCCCCCCCC}"


def product(name: str = "Hello", code: str = CODE, version: str = "1.2.3", template: str = "x64;1033") -> Database:
    database = Database(1252)
    for each in (("ProductCode", code), ("ProductVersion", version), ("ProductName", name), ("Manufacturer", "Maker"),
                 ("UpgradeCode", UPGRADE)):  # fmt: skip
        database.insert("Property", *each)
    database.summary = {Pid.CODEPAGE: 1252, Pid.TEMPLATE: template, Pid.PAGE_COUNT: 200, Pid.WORD_COUNT: 2}
    return database


def test_the_summary_says_what_the_transform_is_for() -> None:
    changed = product("Hallo", OTHER, "1.3", "x64;1031")
    changed.summary[Pid.PAGE_COUNT] = 300
    data = changed.generate_transform(product(), Condition.ADD_EXISTING_ROW, Validation.PRODUCT | Validation.LANGUAGE)
    assert data is not None
    assert transform.Transform.parse(data).summary == {
        Pid.CODEPAGE: 1252, Pid.TITLE: "Transform", Pid.SUBJECT: "Hallo", Pid.AUTHOR: "Maker",
        Pid.KEYWORDS: "Installer", Pid.TEMPLATE: "x64;1033", Pid.LAST_AUTHOR: "x64;1031",
        Pid.REVISION: f"{CODE}1.2.3;{OTHER}1.3;{UPGRADE}", Pid.PAGE_COUNT: 300, Pid.CHARACTER_COUNT: 0x30001,
        Pid.APPLICATION: "wixpy", Pid.SECURITY: 4,
    }  # fmt: skip
    database = product()
    database.apply_transform(data)
    assert (database.property("ProductName"), database.summary[Pid.TEMPLATE]) == ("Hallo", "x64;1031")


def test_a_package_without_what_the_summary_tells_has_none() -> None:
    bare = product("Hallo")
    bare.delete("Property", "UpgradeCode")
    assert bare.generate_transform(product(), validation=Validation.PRODUCT)
    with pytest.raises(MsiError, match="no UpgradeCode") as failure:
        bare.generate_transform(product(), validation=Validation.UPGRADE_CODE)
    assert failure.value.status == 1620
    bare.delete("Property", "ProductVersion")
    with pytest.raises(MsiError, match="no ProductVersion"):
        bare.generate_transform(product(), validation=Validation.PRODUCT)


V = Validation
VERSIONS = V.MAJOR_VERSION, V.MINOR_VERSION, V.UPDATE_VERSION
# What is validated of a transform for version 1.2.3, and the packages that it is then for and not for.
VALID: list[tuple[Validation, list[Database], list[Database]]] = [
    (V.NONE, [product("x", OTHER, "9", "Intel;1031")], []),
    (V.PRODUCT, [product(version="9")], [product(code=OTHER)]),
    (V.LANGUAGE, [product(), product(template="Intel;1033,1031")], [product(template="x64;1031,1033")]),
    (V.PLATFORM, [product(template="x64;1031")], [product(template="Intel;1033")]),
    (V.UPGRADE_CODE, [product()], [Database()]),
    (V.MAJOR_VERSION, [product(version="1.9")], [product(version="2.2.3")]),
    (V.MINOR_VERSION, [product(version="1.2.9")], [product(version="1.3.3")]),
    (V.UPDATE_VERSION, [product(version="1.2.3.9")], [product(version="1.2.4")]),
    (V.MINOR_VERSION | V.LESS, [product(version="1.1.9")], [product(version="1.2.1"), product(version="1.3")]),
    (V.UPDATE_VERSION | V.LESS_OR_EQUAL, [product(), product(version="1.2")], [product(version="1.2.4")]),
    (V.MAJOR_VERSION | V.EQUAL, [product(version="1.0")], [product(version="2")]),
    (V.MINOR_VERSION | V.GREATER_OR_EQUAL, [product(version="1.2.1")], [product(version="1.1.9")]),
    (V.GREATER, [product(version="1.2.4")], [product()]),
]


@pytest.mark.parametrize(("validation", "fitting", "others"), VALID, ids=[repr(each[0]) for each in VALID])
def test_a_transform_is_for_some_packages(
    validation: Validation, fitting: list[Database], others: list[Database]
) -> None:
    summary = transform.describe(product(), product("Hallo"), validation=validation)
    for database in fitting:
        transform.check(summary, database)
    for database in others:
        with pytest.raises(WixpyError, match="the transform is for") as failure:
            transform.check(summary, database)
        assert failure.value.hint


def changed_files(folder: Path) -> tuple[Path, Path]:
    """A package and what became of it."""
    one, two = product(), product("Hallo")
    one.insert("Binary", "pic", b"old")
    two.insert("Binary", "pic", b"new")
    one.insert("Error", 1, "One")
    two.insert("Icon", "i", b"icon")
    two.delete("Property", "Manufacturer")
    two.insert("Property", "Added", "1")
    paths = folder / "one.msi", folder / "two.msi"
    one.commit(paths[0])
    two.commit(paths[1])
    return paths


SHOWN = [
    ("Binary", "Data", "pic", "Binary.pic", "Binary.pic"), ("Error", "DROP", None, None, None),
    ("Icon", "CREATE", None, None, None), ("Icon", "Data", "i", "Icon.i", None), ("Icon", "Data", None, "2304", "2"),
    ("Icon", "INSERT", "i", None, None), ("Icon", "Name", None, "11592", "1"),
    ("Property", "DELETE", "Manufacturer", None, None), ("Property", "INSERT", "Added", None, None),
    ("Property", "Value", "Added", "1", None), ("Property", "Value", "ProductName", "Hallo", "Hello"),
]  # fmt: skip


def test_the_functions_of_windows_installer(tmp_path: Path) -> None:
    paths, file = changed_files(tmp_path), tmp_path / "x.mst"
    one, two = (OpenDatabase(path, MSIDBOPEN_READONLY) for path in paths)
    assert not one.GenerateTransform(one)
    assert two.GenerateTransform(one, file)
    assert transform.Transform.parse(file.read_bytes()).summary == {}
    two.CreateTransformSummaryInfo(one, file, Condition.ADD_EXISTING_ROW, Validation.PRODUCT)
    assert transform.conditions(transform.Transform.parse(file.read_bytes()).summary) == Condition.ADD_EXISTING_ROW

    database = OpenDatabase(paths[0], MSIDBOPEN_TRANSACT)
    database.ApplyTransform(file, Condition.VIEW)
    query = "SELECT * FROM `_TransformView` ORDER BY `Table`, `Column`, `Row`"
    assert sorted(run(database.store, query), key=repr) == sorted(SHOWN, key=repr)
    assert database.store.database.property("ProductName") == "Hello"
    run(database.store, "ALTER TABLE `_TransformView` FREE")
    assert database.store.table("_TransformView") is None

    view = database.OpenView("SELECT `Value` FROM `Property` WHERE `Property` = 'ProductName'")
    view.Execute()
    database.ApplyTransform(file)
    assert next(iter(view)).GetString(1) == "Hallo"
    with pytest.raises(MsiError, match="2251"):
        database.ApplyTransform(file, Condition.DELETE_MISSING_TABLE | Condition.ADD_EXISTING_TABLE)
    database.Commit()
    assert list(compare(Database.open(paths[0]), Database.open(paths[1]))) == []


def test_functions_refuse(tmp_path: Path) -> None:
    paths = changed_files(tmp_path)
    one, two = (OpenDatabase(path, MSIDBOPEN_READONLY) for path in paths)
    with pytest.raises(MsiError) as failure:
        one.ApplyTransform(paths[1])
    assert (failure.value.number, failure.value.status) == (2246, 110)
    two.GenerateTransform(one, tmp_path / "x.mst")
    with pytest.raises(MsiError, match="2212"):
        one.ApplyTransform(tmp_path / "x.mst")
    with pytest.raises(MsiError) as failure:
        two.GenerateTransform(one, tmp_path / "none" / "x.mst")
    assert failure.value.status == 1631
    store = OpenDatabase(paths[0], MSIDBOPEN_TRANSACT)
    run(store.store, "ALTER TABLE `Property` ADD `Note` CHAR(9) TEMPORARY HOLD")
    with pytest.raises(MsiError, match="2225"):
        store.ApplyTransform(tmp_path / "x.mst")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = map(str, changed_files(tmp_path))
    file, out = str(tmp_path / "x.mst"), str(tmp_path / "out.msi")
    assert cli.main(["transform", "create", one, two, "-o", file, "--validate", "product", "--validate", "equal"]) == 0
    assert cli.main(["transform", "show", file, one, "--json"]) == 0
    assert capsys.readouterr().out.startswith(f"{file}\n[\n")
    assert cli.main(["transform", "show", file, one]) == 0
    assert "Property\tValue\tProductName\tHallo\tHello\n" in capsys.readouterr().out
    assert cli.main(["transform", "apply", file, one, "-o", out]) == 0
    assert cli.main(["diff", two, out]) == 0
    capsys.readouterr()

    assert cli.main(["transform", "apply", file, out, "-o", out]) == 1
    assert "there is no table Error to drop: the transform was made for another package (error 2253)" in (
        capsys.readouterr().err
    )
    assert cli.main(["transform", "apply", file, out, "-o", out, "--force", "-q"]) == 0
    assert cli.main(["diff", two, out]) == 0
    product(code=OTHER).commit(Path(one))
    assert cli.main(["transform", "apply", file, one, "-o", out]) == 1
    assert f"the transform is for the product {CODE}, and the package has {OTHER}" in capsys.readouterr().err
    assert cli.main(["transform", "create", one, one, "-o", out]) == 1
    assert "are equal" in capsys.readouterr().err
    assert cli.main(["transform", "create", one, two]) == 2
    assert cli.main(["dump", file]) == 1
    assert "this is a transform" in capsys.readouterr().err


def test_transforms_in_a_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = changed_files(tmp_path)
    out = tmp_path / "out.msi"
    two_database = Database.open(two)
    two_database.streams["one.cab"] = b"x"
    two_database.commit(two)
    assert cli.main(["transform", "create", str(one), str(two), "-o", ":1031"]) == 0
    assert "warning: the packages differ in one.cab" in capsys.readouterr().err
    assert cli.main(["transform", "show", ":1031", str(one), "--json"]) == 0
    assert next(tuple(row.values()) for row in json.loads(capsys.readouterr().out)) == (
        "Error",
        "DROP",
        None,
        None,
        None,
    )
    assert cli.main(["transform", "apply", ":1031", str(one), "-o", str(out)]) == 0
    assert Database.open(out).property("ProductName") == "Hallo"
    assert cli.main(["transform", "apply", ":1036", str(one), "-o", str(out)]) == 1
    assert "inside are: :1031" in capsys.readouterr().err
    assert cli.main(["transform", "create", str(one), str(two), "-o", ":a/b"]) == 1
    # As a statement finds it: the transform as a file of its own.
    [(data,)] = run(Store(Database.open(one)), "SELECT `Data` FROM `_Storages` WHERE `Name` = '1031'")
    assert isinstance(data, bytes)
    assert transform.Transform.parse(data).summary[Pid.TITLE] == "Transform"
