# SPDX-License-Identifier: MIT
"""Integrity checks of a database, each named after the internal consistency evaluator (ICE) of the Windows Installer
SDK that it corresponds to (“ICE Reference”).  Checks that no evaluator makes are named CAB (cabinets against the
tables), SOURCE (uncompressed files against them) and NAME (8.3 names).

A check is a function registered by :func:`wixpy.checks.finding.rule`; its docstring is its description.
"""

from __future__ import annotations

from collections.abc import Collection

from wixpy.checks import actions, advertising, cabinets, components, data, dialogs, files, folders, product, registry
from wixpy.checks.finding import RULES, Finding, Level, Rule
from wixpy.database import Database
from wixpy.errors import WixpyError

__all__ = ["MODULES", "RULES", "Finding", "Level", "Rule", "by_number", "require", "run"]

MODULES = (actions, advertising, cabinets, components, data, dialogs, files, folders, product, registry)


def by_number(name: str) -> tuple[str, int]:
    """The order of checks for people: ICE2 before ICE10, wixpy's own first.

    >>> sorted(["ICE10", "ICE2", "CAB"], key=by_number)
    ['CAB', 'ICE2', 'ICE10']
    """
    number = name.removeprefix("ICE")
    return ("ICE", int(number)) if number.isdecimal() else (name, 0)


def require(names: Collection[str]) -> None:
    """Raise WixpyError for a name that is no check's.

    >>> require(["ICE03"])
    >>> require(["ICE3"])
    Traceback (most recent call last):
    wixpy.errors.WixpyError: there is no check ICE3
    """
    for name in names:
        if name not in RULES:
            raise WixpyError(f"there is no check {name}", "wixpy check --list names them")


def run(database: Database, only: Collection[str] = ()) -> list[Finding]:
    """All findings, or those of some rules, errors first; empty for a sound package.

    When standard tables lack columns (ICE06) there is nothing for other checks to go by, and only that is reported.
    WixpyError for a rule that does not exist.

    >>> database = Database()
    >>> _ = database.insert("Component", "Main", None, "INSTALLDIR", 0, None, None)
    >>> for finding in run(database, ["ICE03", "ICE21"]):
    ...     print(finding)
    ICE03 error: Directory_: “INSTALLDIR” is not in Directory [Component Main]
    ICE21 error: Main belongs to no feature [Component Main]
    """
    require(only)
    findings = list(data.columns(database))
    if findings:
        return findings
    chosen = [rule for name, rule in RULES.items() if not only or name in only]
    findings = [finding for rule in chosen for finding in rule.run(database)]
    return sorted(findings, key=lambda finding: (finding.level, finding.rule, finding.table, str(finding.key)))
