# SPDX-License-Identifier: MIT
"""Integrity checks of a database, each named after the internal consistency evaluator (ICE) of the Windows Installer
SDK that it corresponds to; checks that no evaluator makes are named CAB (cabinets against the tables)
and SOURCE (uncompressed files against them).
"""

from __future__ import annotations

from wixpy.checks import actions, data, package
from wixpy.checks.finding import Finding, Level
from wixpy.database import Database

__all__ = ["CHECKS", "Finding", "Level", "run"]

CHECKS = (*data.CHECKS, *actions.CHECKS, *package.CHECKS)


def run(database: Database) -> list[Finding]:
    """All findings, errors first; empty for a sound package.

    When standard tables lack columns (ICE06) there is nothing for other checks to go by, and only that is reported.
    """
    findings = list(data.columns(database))
    if findings:
        return findings
    findings = [finding for rule in CHECKS for finding in rule(database)]
    return sorted(findings, key=lambda finding: (finding.level, finding.rule, finding.table, str(finding.key)))
