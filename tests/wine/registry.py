# SPDX-License-Identifier: GPL-2.0-or-later
"""The text format of ``reg export`` (Windows Registry Editor Version 5.00), read into Python values."""

from __future__ import annotations

import re

Value = str | int | bytes | list[str]

_NAME = re.compile(r'(?:@|"((?:[^"\\]|\\.)*)")=')


class Hive(dict[str, dict[str, Value]]):
    """Keys below the one asked for (the key itself is ``""``), each with its values by name, all as they are spelt.

    Keys are looked up whatever their case by `values`.
    """

    def under(self, subkey: str = "") -> dict[str, Value]:
        """The values of one key; empty when there is no such key."""
        return next((values for name, values in self.items() if name.lower() == subkey.lower()), {})


def parse_reg(text: str) -> Hive:
    """REG_SZ and REG_EXPAND_SZ give str, REG_DWORD int, REG_MULTI_SZ a list of str, anything else bytes.

    Raises ValueError at a line that is none of: header, key, value, blank.
    """
    lines = re.sub(r"\\\n\s*", "", text.replace("\r\n", "\n")).split("\n")
    if lines[0].lstrip("\ufeff") != "Windows Registry Editor Version 5.00":
        raise ValueError(f"not a registry export: {lines[0]!r}")
    hive = Hive()
    top: str | None = None
    values: dict[str, Value] = {}
    for line in _join_strings(lines[1:]):
        if line.startswith("[") and line.endswith("]"):
            top = line[1:-1] if top is None else top
            values = hive.setdefault(line[1:-1][len(top) :].lstrip("\\"), {})
        elif match := _NAME.match(line):
            values[_unescape(match[1] or "")] = _value(line[match.end() :])
        elif line:
            raise ValueError(f"not a line of a registry export: {line!r}")
    return hive


def _join_strings(lines: list[str]) -> list[str]:
    """A string value may hold line breaks: put the lines of an open quotation back together."""
    joined: list[str] = []
    is_open = False
    for line in lines:
        if is_open:
            joined[-1] += "\n" + line
        else:
            joined.append(line)
        if not joined[-1].startswith("["):
            is_open = len(re.findall(r'(?<!\\)(?:\\\\)*"', joined[-1])) % 2 == 1
    return joined


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _value(text: str) -> Value:
    if text.startswith('"'):
        return _unescape(text[1:-1])
    if text.startswith("dword:"):
        return int(text[6:], 16)
    match = re.fullmatch(r"hex(?:\(([0-9a-f]+)\))?:([0-9a-f,]*)", text)
    if not match:
        raise ValueError(f"not a registry value: {text!r}")
    data = bytes.fromhex(match[2].replace(",", ""))
    kind = int(match[1] or "3", 16)
    if kind in (1, 2):
        return data.decode("utf-16-le").rstrip("\0")
    if kind == 7:
        return [part for part in data.decode("utf-16-le").split("\0") if part]
    return data
