# SPDX-License-Identifier: MIT
"""Transforms from files to files: what ``wixpy transform`` does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wixpy import transform
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.files import read_bytes, replacing
from wixpy.names import check_storage
from wixpy.tables import Values
from wixpy.transform import Condition, Validation
from wixpy.transform.generate import left_out
from wixpy.transform.validity import EVERY_CONDITION
from wixpy.transform.view import VIEW

INSIDE = ":"


def create(old: Path, new: Path, out: str, validate: Iterable[str], suppress: Iterable[str]) -> list[str]:
    """Write the transform from one package to another into a file, or for ``:NAME`` into the old package.

    ``validate`` and ``suppress`` are names of Validation and Condition, in small letters with hyphens.  Returns the
    streams and storages that the packages differ in and the transform does not hold.  WixpyError when the packages do
    not differ, or in what a transform cannot change.
    """
    one, two = Database.open(old), Database.open(new)
    made = transform.generate(one, two)
    if made is None:
        raise WixpyError(f"the tables of {old.name} and {new.name} are equal", "there is nothing to transform")
    validation, condition = Validation.NONE, Condition.NONE
    for word in validate:
        validation |= Validation[_member(word)]
    for word in suppress:
        condition |= Condition[_member(word)]
    made.summary = transform.describe(one, two, condition, validation)
    left = left_out(one, two)
    if out.startswith(INSIDE):
        name = out.removeprefix(INSIDE)
        check_storage(name)
        one.storages[name] = made.to_bytes()
        one.commit(old)
    else:
        with replacing(Path(out)) as file:
            made.write(file)
    return left


def _member(word: str) -> str:
    return word.upper().replace("-", "_")


def _named(name: str, database: Database) -> bytes:
    """A transform by its file, or by ``:NAME`` in the package."""
    if not name.startswith(INSIDE):
        return read_bytes(Path(name))
    found = database.storages.get(name.removeprefix(INSIDE))
    if found is None:
        known = ", ".join(f":{each}" for each in sorted(database.storages)) or "none"
        raise WixpyError(f"the package has no transform {name}", f"inside are: {known}")
    return found


def apply(name: str, package: Path, out: Path, *, force: bool = False) -> None:
    """Write the package that a transform makes of another one; WixpyError when it is not for that package.

    ``force`` does what can be done to any package.
    """
    database = Database.open(package)
    data = _named(name, database)
    if not force:
        transform.check(transform.Transform.parse(data).summary, database)
    database.apply_transform(data, EVERY_CONDITION if force else None)
    database.commit(out)


def show(name: str, package: Path) -> tuple[list[str], list[Values]]:
    """What a transform does to a package: the columns and rows of ``_TransformView``."""
    database = Database.open(package)
    made = transform.Transform.parse(_named(name, database))
    return list(VIEW.index), list(transform.view(made, database))
