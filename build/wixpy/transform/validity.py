# SPDX-License-Identifier: MIT
"""For which packages a transform is, in its summary information (MsiCreateTransformSummaryInfo; Windows Installer SDK,
“Summary Property Descriptions”).

The character count holds what must hold of the package in its upper half, and in its lower half the conditions that are
no errors when the transform is applied.  The template is platform and language of the package that the transform is
for, the last author platform and languages of what it makes; the revision number is the product codes and versions of
both, and the upgrade code.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from operator import eq, ge, gt, le, lt
from typing import Any

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.msi_errors import MsiError, Status
from wixpy.summary import Pid, Summary, Value

READ_ONLY = 4
_LANGUAGE = "ProductLanguage"
_VERSION_PARTS = 3


class Condition(IntFlag):
    """What may be wrong while a transform is applied (MSITRANSFORM_ERROR); VIEW asks for the table _TransformView."""

    NONE = 0
    ADD_EXISTING_ROW = 0x01
    DELETE_MISSING_ROW = 0x02
    ADD_EXISTING_TABLE = 0x04
    DELETE_MISSING_TABLE = 0x08
    CHANGE_MISSING_ROW = 0x10
    CHANGE_CODEPAGE = 0x20
    VIEW = 0x100


EVERY_CONDITION = Condition(0x3F)


class Validation(IntFlag):
    """What must hold of a package (MSITRANSFORM_VALIDATE): equal to the base, or so compared with its version."""

    NONE = 0
    LANGUAGE = 0x001
    PRODUCT = 0x002
    PLATFORM = 0x004
    MAJOR_VERSION = 0x008
    MINOR_VERSION = 0x010
    UPDATE_VERSION = 0x020
    LESS = 0x040
    LESS_OR_EQUAL = 0x080
    EQUAL = 0x100
    GREATER_OR_EQUAL = 0x200
    GREATER = 0x400
    UPGRADE_CODE = 0x800


_RELATIONS: dict[Validation, tuple[Callable[[Any, Any], bool], str]] = {
    Validation.LESS: (lt, "less than"), Validation.LESS_OR_EQUAL: (le, "at most"), Validation.EQUAL: (eq, "equal to"),
    Validation.GREATER_OR_EQUAL: (ge, "at least"), Validation.GREATER: (gt, "greater than"),
}  # fmt: skip
_PARTS = {Validation.MAJOR_VERSION: 1, Validation.MINOR_VERSION: 2, Validation.UPDATE_VERSION: 3}


def describe(
    reference: Database, changed: Database, suppressed: Condition = Condition.NONE,
    validation: Validation = Validation.NONE,
) -> Summary:  # fmt: skip
    """The summary information of a transform from ``reference`` to ``changed``; MsiError when one of them has no
    product code, version or, with Validation.UPGRADE_CODE, upgrade code."""
    codes = [_product(reference), _product(changed)]
    upgrade = changed.property("UpgradeCode") or ""
    if validation & Validation.UPGRADE_CODE and not (upgrade and reference.property("UpgradeCode")):
        raise _lacks("UpgradeCode")
    platform, language = base(reference)
    pages = [number for each in (reference, changed) if isinstance(number := each.summary.get(Pid.PAGE_COUNT), int)]
    facts: dict[Pid, Value | None] = {
        Pid.CODEPAGE: changed.summary.get(Pid.CODEPAGE),
        Pid.TITLE: "Transform",
        Pid.SUBJECT: changed.property("ProductName"),
        Pid.AUTHOR: changed.property("Manufacturer"),
        Pid.KEYWORDS: "Installer",
        Pid.TEMPLATE: f"{platform};{language}",
        Pid.LAST_AUTHOR: changed.summary.get(Pid.TEMPLATE),
        Pid.REVISION: ";".join([*codes, upgrade]),
        Pid.CREATED: changed.summary.get(Pid.CREATED),
        Pid.PAGE_COUNT: max(pages, default=None),
        Pid.CHARACTER_COUNT: validation << 16 | suppressed & EVERY_CONDITION,
        Pid.APPLICATION: "wixpy",
        Pid.SECURITY: READ_ONLY,
    }
    return {pid: value for pid, value in facts.items() if value is not None and value != ""}


def _product(database: Database) -> str:
    for name in ("ProductCode", "ProductVersion"):
        if not database.property(name):
            raise _lacks(name)
    return f"{database.property('ProductCode')}{database.property('ProductVersion')}"


def _lacks(name: str) -> MsiError:
    return MsiError(
        Status.PACKAGE_INVALID,
        text=f"a package has no {name}",
        hint="give both packages of the transform that property",
    )


def base(database: Database) -> tuple[str, str]:
    """The platform and the first language of a package."""
    platform, _, languages = str(database.summary.get(Pid.TEMPLATE, "")).partition(";")
    return platform.split(",")[0], languages.split(",")[0] or database.property(_LANGUAGE) or ""


def conditions(summary: Summary) -> Condition:
    """The conditions that the summary of a transform says are no errors."""
    return Condition(_flags(summary) & EVERY_CONDITION)


def _flags(summary: Summary) -> int:
    value = summary.get(Pid.CHARACTER_COUNT, 0)
    return value if isinstance(value, int) else 0


def check(summary: Summary, database: Database) -> None:
    """WixpyError when a transform with this summary is not for a package."""
    flags = Validation(_flags(summary) >> 16 & 0xFFF)
    platform, _, language = str(summary.get(Pid.TEMPLATE, "")).partition(";")
    parts = str(summary.get(Pid.REVISION, "")).split(";")
    product, version = parts[0][:38], parts[0][38:]
    upgrade = parts[2] if len(parts) > 2 else ""
    own_platform, own_language = base(database)
    equal = [
        (Validation.LANGUAGE, "language", language.split(",")[0], own_language),
        (Validation.PLATFORM, "platform", platform, own_platform),
        (Validation.PRODUCT, "product", product, database.property("ProductCode")),
        (Validation.UPGRADE_CODE, "upgrade code", upgrade, database.property("UpgradeCode")),
    ]
    for flag, what, wanted, own in equal:
        if flag in flags and wanted.lower() != str(own or "").lower():
            raise _refused(f"the {what} {wanted}", str(own))
    _check_version(flags, version, database.property("ProductVersion") or "")


def _check_version(flags: Validation, base: str, own: str) -> None:
    counts = [count for flag, count in _PARTS.items() if flag in flags]
    relations = [relation for flag, relation in _RELATIONS.items() if flag in flags]
    if not counts and not relations:
        return
    count = max(counts, default=_VERSION_PARTS)
    for holds, words in relations or [_RELATIONS[Validation.EQUAL]]:
        if not holds(_numbers(own, count), _numbers(base, count)):
            shown = ".".join(map(str, _numbers(base, count)))
            raise _refused(f"versions {words} {shown}", own)


def _numbers(version: str, count: int) -> tuple[int, ...]:
    """The first parts of a version, 0 for those that it lacks."""
    parts = [int(part) if part.isdecimal() else 0 for part in version.split(".")]
    return tuple([*parts, *[0] * count][:count])


def _refused(what: str, own: str) -> WixpyError:
    return WixpyError(
        f"the transform is for {what}, and the package has {own}", "give the package that it was made for"
    )
