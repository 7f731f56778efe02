# SPDX-License-Identifier: MIT
"""The data categories that ``_Validation`` names, as questions to a text (Windows Installer SDK, “Column Data Types”,
“Conditional Statement Syntax” and, for FormattedSDDLText, “Security Descriptor String Format”)."""

from __future__ import annotations

import re
from collections.abc import Callable

GUID = re.compile(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_VERSION = re.compile(r"\d{1,5}(\.\d{1,5}){0,3}")
_LANGUAGES = r"\d{1,5}(,\d{1,5})*"
_MAX_NUMBER = 65535
_WILD = str.maketrans("*?", "xx")

# “Filename” excludes these characters from a short name and allows all others.
_SHORT_CHARACTER = r'[^\s\\?|><:/*"+,;=\[\].\x00-\x1f]'
_SHORT_NAME = re.compile(rf"{_SHORT_CHARACTER}{{1,8}}(\.{_SHORT_CHARACTER}{{1,3}})?")
_LONG_NAME = re.compile(r'[^\\?|><:/*"\x00-\x1f]{1,255}')
_FULL_PATH = r'([A-Za-z]:\\|\\\\|\[)[^|><:/*?"\x00-\x1f]*'
_RELATIVE_PATH = r'[^|><:/*?"\x00-\x1f]+'
_URL = r"([A-Za-z][\w+.-]*:|\[)\S*"

_MARK = re.compile(r"\[\\.|[\[\]{}]", re.DOTALL)
# What may stand in brackets: a property, an environment variable, a file, a component, a field, a null character.
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*|%[^%]+|[#!$][A-Za-z_][\w.]*|\d+|~|")

_TOKEN = (
    r'\s*(?:(?P<text>"[^"]*")|(?P<number>-?\d+)|(?P<word>[%$?&!]?[A-Za-z_][\w.]*)|(?P<bracket>[()])'
    r"|(?P<compare>~?(?:<>|><|<<|>>|<=|>=|=|<|>)))"
)
_JOINS = frozenset(("AND", "OR", "XOR", "EQV", "IMP"))

_SID = r"(?:[A-Z]{2}|S-1(?:-\d+)+|<[^<>]+>)"
_EXPRESSION = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_ACE = rf"\((?:[^();]*;){{5}}[^();]*(?:;{_EXPRESSION}|;[^()]*)?\)"
_SDDL = rf"(?:O:{_SID})?(?:G:{_SID})?(?:D:[A-Z_]*(?:{_ACE})*)?(?:S:[A-Z_]*(?:{_ACE})*)?"


def is_version(text: str) -> bool:
    """Whether a text is a.b.c.d with parts up to 65535.

    >>> is_version("1.2.65535"), is_version("1.2.65536")
    (True, False)
    """
    return bool(_VERSION.fullmatch(text)) and all(int(part) <= _MAX_NUMBER for part in text.split("."))


def is_filename(text: str) -> bool:
    """Whether a text is an 8.3 name, or one with the long name behind it.

    >>> is_filename("readme.txt"), is_filename("read~1.txt|read me.txt"), is_filename("read me.txt")
    (True, True, False)
    """
    short, bar, long = text.partition("|")
    return bool(_SHORT_NAME.fullmatch(short)) and (not bar or bool(_LONG_NAME.fullmatch(long) and long.strip(". ")))


def is_formatted(text: str) -> bool:
    """Whether brackets and braces come in pairs, and what stands in brackets is something to be put in its place.

    >>> is_formatted("[TARGETDIR]a {[P] and} [[NAME]] [#file] [%PATH] [~] [\\\\[]")
    True
    >>> is_formatted("[a b]"), is_formatted("{a")
    (False, False)
    """
    open_marks: list[str] = []
    contents: list[list[str]] = [[]]
    position = 0
    while match := _MARK.search(text, position):
        contents[-1].append(text[position : match.start()])
        mark, position = match[0], match.end()
        if mark in ("[", "{"):
            open_marks.append(mark)
            contents.append([])
            continue
        if mark in ("]", "}"):
            if not open_marks or open_marks.pop() + mark not in ("[]", "{}"):
                return False
            if mark == "]" and not _REFERENCE.fullmatch("".join(contents[-1])):
                return False
            contents.pop()
        else:
            position = text.find("]", position) + 1
            if not position:
                return False
        contents[-1].append("x")
    return not open_marks


def is_condition(text: str) -> bool:
    """Whether a text is a conditional statement.

    >>> is_condition('NOT Installed AND (A ~= "x" OR &All = 3)'), is_condition("A AND"), is_condition("A B")
    (True, False, False)
    """
    text = text.rstrip()
    position, depth = 0, 0
    expects_value, is_right_side, may_compare = True, False, False
    tokens = re.compile(_TOKEN)
    while position < len(text):
        match = tokens.match(text, position)
        if match is None:
            return False
        position = match.end()
        kind, token = match.lastgroup, match[match.lastgroup or 0]
        word = token.upper() if kind == "word" else ""
        if expects_value:
            if (word == "NOT" or token == "(") and not is_right_side:
                depth += token == "("
            elif kind in ("text", "number", "word") and word not in (*_JOINS, "NOT"):
                expects_value, is_right_side, may_compare = False, False, not is_right_side
            else:
                return False
        elif kind == "compare" and may_compare:
            expects_value, is_right_side = True, True
        elif word in _JOINS:
            expects_value = True
        elif token == ")" and depth:
            depth, may_compare = depth - 1, False
        else:
            return False
    return not expects_value and not depth


def _is_default_dir(text: str) -> bool:
    parts = text.split(":")
    return len(parts) <= 2 and all(part in (".", "SourceDir") or is_filename(part) for part in parts)


def _is_cabinet(text: str) -> bool:
    return bool(IDENTIFIER.fullmatch(text[1:])) if text.startswith("#") else bool(_SHORT_NAME.fullmatch(text))


def _is_path(text: str) -> bool:
    return bool(re.fullmatch(_FULL_PATH, text))


def _is_any_path(text: str) -> bool:
    return is_filename(text) if "|" in text else _is_path(text) or bool(re.fullmatch(_RELATIVE_PATH, text))


def _is_registry_path(text: str) -> bool:
    return not text.startswith("\\") and not text.endswith("\\") and "\\\\" not in text


def _is_language(text: str) -> bool:
    return bool(re.fullmatch(_LANGUAGES, text)) and all(int(part) <= _MAX_NUMBER for part in text.split(","))


def _is_identifier(text: str) -> bool:
    return bool(IDENTIFIER.fullmatch(text))


CATEGORIES: dict[str, Callable[[str], bool]] = {
    "AnyPath": _is_any_path,
    "Cabinet": _is_cabinet,
    "Condition": is_condition,
    "CustomSource": _is_identifier,
    "DefaultDir": _is_default_dir,
    "Filename": is_filename,
    "FormattedSDDLText": lambda text: bool(re.fullmatch(_SDDL, text)),
    "Guid": lambda text: bool(GUID.fullmatch(text)),
    "Identifier": _is_identifier,
    "Language": _is_language,
    "LowerCase": lambda text: text == text.lower(),
    "Path": _is_path,
    "Paths": lambda text: all(map(_is_path, text.split(";"))),
    "Property": lambda text: _is_identifier(text.removeprefix("%")),
    "RegPath": _is_registry_path,
    "Shortcut": lambda text: _is_identifier(text) or text.startswith("["),
    "URL": lambda text: bool(re.fullmatch(_URL, text)),
    "UpperCase": lambda text: text == text.upper(),
    "Version": is_version,
    "WildCardFilename": lambda text: is_filename(text.translate(_WILD)),
}
# Text in which a bracket without its pair is left as it is and an unknown name becomes nothing: it works and is hardly
# meant.
FORMATTED = frozenset(("Formatted", "KeyFormatted", "RegPath", "Template"))
# All that _Validation may name.
KNOWN = CATEGORIES.keys() | FORMATTED | {"Binary", "DoubleInteger", "Integer", "Text", "TimeDate", "Time/Date"}
