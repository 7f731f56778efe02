# SPDX-License-Identifier: MIT
"""``python -m wixpy.checks`` prints docs/wixpy/checks.md from the registry."""

from __future__ import annotations

from wixpy.checks import RULES, by_number

_HEAD = """\
# The checks

`wixpy check x.msi` makes them all, and so does every `wixpy build`, which knows the hashes of what it has just packed
and does not unpack it again. Each is named after the internal consistency evaluator (ICE) of the Windows Installer SDK
that it corresponds to; CAB, NAME and SOURCE are wixpy's own. An **error** makes a package unfit: `check` ends with code
1, `build` leaves no package. A **warning** points at something that works and is questionable.

    wixpy check x.msi                            everything, errors first
    wixpy check x.msi --ice ICE03 ICE08          these two
    wixpy check x.msi --json                     rule, level, message, table and key of each finding
    wixpy check --list                           this table
    wixpy build x.wxs -o x.msi --ignore ICE43    build although this check fails; it is told as a warning

Columns are described by the package's `_Validation`, and where it has none by the standard tables: null or not, numbers
and texts that are permitted, the tables that a key must be in, and a data category (Identifier, Condition, Formatted,
Filename, Path, Guid, Version, …), whose syntax is that of the SDK's “Column Data Types”. When a standard
table lacks columns (ICE06) only that is told. Where a package sets ALLUSERS to 1 in its Property table, desktop, start
menu and templates are the machine's, and HKMU is HKLM: ICE38, ICE43, ICE57 and ICE64 then leave them alone.

| check | levels | what must hold |
|---|---|---|
"""
_TAIL = """
Not here: ICE01 (tests the mechanism of Windows' own validation). What needs Windows itself is not looked at: whether a
custom action works, a DLL exports its entry point, a condition ever holds.
"""


def document() -> str:
    """The page of all checks."""
    lines = []
    for name in sorted(RULES, key=by_number):
        levels = ", ".join(level.name.lower() for level in RULES[name].levels)
        lines.append(f"| {name} | {levels} | {RULES[name].description} |\n")
    return _HEAD + "".join(lines) + _TAIL


if __name__ == "__main__":
    print(document(), end="")
