# SPDX-License-Identifier: MIT
"""wixpy.msilib against typeshed's description of msilib, which comes with mypy: names, parameters, values."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from wixpy import msilib
from wixpy.msilib import schema, sequence, text

# What is not an object of a module, by its name in typeshed.
OBJECTS = {
    "_View": msilib._msi.View,
    "_SummaryInformation": msilib._msi.SummaryInformation,
    "_Database": msilib._msi.Database,
    "_Record": msilib._msi.Record,
}


def described(file: str) -> list[ast.stmt]:
    """The statements of a stub below its condition on the platform."""
    spec = importlib.util.find_spec("mypy")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / "typeshed" / "stdlib" / file).read_text("utf-8"))
    return [inner for node in tree.body if isinstance(node, ast.If) for inner in node.body]


def functions(body: list[ast.stmt], owner: object) -> Iterator[tuple[str, ast.FunctionDef, object]]:
    """Functions and methods with what is there under their names."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from functions(node.body, OBJECTS.get(node.name) or getattr(owner, node.name))
        elif isinstance(node, ast.FunctionDef):
            yield f"{getattr(owner, '__name__', owner)}.{node.name}", node, getattr(owner, node.name, None)


FUNCTIONS = [found for file in ("msilib/__init__.pyi", "_msi.pyi") for found in functions(described(file), msilib)]


@pytest.mark.parametrize(("name", "stub", "target"), FUNCTIONS, ids=[name for name, _, _ in FUNCTIONS])
def test_functions_take_the_same_parameters(name: str, stub: ast.FunctionDef, target: object) -> None:
    assert callable(target)
    wanted = [argument.arg for argument in [*stub.args.posonlyargs, *stub.args.args]]
    found = list(inspect.signature(target).parameters.values())
    assert [parameter.name for parameter in found] == wanted
    optional = sum(parameter.default is not parameter.empty for parameter in found)
    assert optional == len(stub.args.defaults)
    for parameter, default in zip(found[len(found) - optional :], stub.args.defaults, strict=True):
        if isinstance(default, ast.Constant) and default.value is not ...:
            assert parameter.default == default.value


def test_there_is_something_to_compare() -> None:
    assert len(FUNCTIONS) > 60


def test_constants_have_the_same_names_and_values() -> None:
    for file in ("msilib/__init__.pyi", "_msi.pyi"):
        for node in described(file):
            if isinstance(node, ast.AnnAssign):
                assert isinstance(node.target, ast.Name)
                value = getattr(msilib, node.target.id)
                assert node.value is None or value == ast.literal_eval(node.value)


@pytest.mark.parametrize("module", [schema, sequence, text])
def test_modules_have_the_same_tables(module: object) -> None:
    name = getattr(module, "__name__", "").rpartition(".")[2]
    for node in described(f"msilib/{name}.pyi"):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assert node.target.id == "_SequenceType" or hasattr(module, node.target.id), node.target.id


def test_objects_have_the_same_attributes(tmp_path: Path) -> None:
    db = msilib.init_database(str(tmp_path / "x.msi"), schema, "P", msilib.gen_uuid(), "1", "M")
    cabinet = msilib.CAB("c")
    directory = msilib.Directory(db, cabinet, None, str(tmp_path), "TARGETDIR", "SourceDir")
    dialog = msilib.Dialog(db, "D", 1, 2, 3, 4, 5, "T", "F", None, None)
    group = msilib.RadioButtonGroup(dialog, "G", "P")
    feature = msilib.Feature(db, "F", "T", "D", 1)
    made = {type(one).__name__: one for one in (cabinet, directory, dialog, group, feature, schema.Property)}
    made |= {"Control": msilib.Control(dialog, "C"), "Binary": msilib.Binary("f")}
    for node in described("msilib/__init__.pyi"):
        if isinstance(node, ast.ClassDef) and node.name != "_Unspecified":
            names = [part.target.id for part in node.body if isinstance(part, ast.AnnAssign)]  # type: ignore[union-attr]
            assert [name for name in names if not hasattr(made[node.name], name)] == []
