# SPDX-License-Identifier: MIT
"""The preprocessor's variables and conditions (WiX Toolset manual, “Preprocessor”).

``$(var.NAME)`` is what ``<?define?>`` or the command line gave, ``$(env.NAME)`` the environment, ``$(sys.NAME)`` what
is known of the source, ``$(fun.NAME(arguments))`` a function, ``$(NAME)`` is short for ``$(var.NAME)``.  A condition
compares with ``= != < <= > >= ~=`` and joins with ``not and or``; a variable by itself is true when it has a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from wixpy.errors import WixpyError

Fail = Callable[[str, str], WixpyError]

_REFERENCE = r"(\$\$?|!)\(((?:[^()]|\([^()]*\))*)\)"
_FUNCTION = r"(\w+)\((.*)\)"
_TOKEN = r'\s*(\$\((?:[^()]|\([^()]*\))*\)|"[^"]*"|~=|!=|<=|>=|[=<>()]|[^\s=<>!~()"]+)'
_OPERATORS = ("=", "!=", "~=", "<", "<=", ">", ">=")
_BIND_PATH = "bindpath."
_FIRST_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)


class Settings(NamedTuple):
    """What a build gives its sources: ``-d`` values, folders for includes, the platform, the time, and bind paths: the
    folders of ``!(bindpath.NAME)``."""

    defines: Mapping[str, str] = {}
    includes: tuple[Path, ...] = ()
    platform: str = "x86"
    epoch: int = 0
    bind_paths: Mapping[str, Path] = {}


class Variables:
    """The variables of one source.  A value from outside wins over a ``<?define?>``."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.settings = settings
        self.path = path
        self.values = dict(settings.defines)

    def define(self, name: str, value: str) -> None:
        if name not in self.settings.defines:
            self.values[name] = value

    def undefine(self, name: str) -> None:
        if name not in self.settings.defines:
            self.values.pop(name, None)

    def find(self, reference: str, fail: Fail) -> str | None:
        """The value of what stands between ``$(`` and ``)``, None when it has none."""
        kind, dot, name = reference.partition(".")
        if kind == "fun" or not dot:
            function = re.fullmatch(_FUNCTION, name if dot else reference)
            if function is not None:
                return self._function(function[1], function[2], fail)
        if not dot:
            return self.values.get(reference)
        if kind == "var":
            return self.values.get(name)
        if kind == "env":
            return os.environ.get(name)
        if kind == "sys":
            return self._system(name, fail)
        raise fail(
            f"$({reference}) is not supported",
            "use $(var.NAME), $(env.NAME), $(sys.NAME) or $(fun.NAME(…)); write $$( for a literal $(",
        )

    def _system(self, name: str, fail: Fail) -> str:
        folder = str(self.path.parent)
        known = {
            "CURRENTDIR": f"{Path.cwd()}{os.sep}",
            "SOURCEFILEDIR": f"{folder}{os.sep}",
            "SOURCEFILEPATH": str(self.path),
            "BUILDARCH": self.settings.platform,
            "BUILDARCHSHORT": self.settings.platform.upper(),
            "PLATFORM": self.settings.platform,
            "WIXMAJORVERSION": "3",
        }
        if name not in known:
            raise fail(f"there is no $(sys.{name})", f"there is {', '.join(known)}")
        return known[name]

    def _bind_path(self, name: str, fail: Fail) -> str:
        if name not in self.settings.bind_paths:
            raise fail(f"there is no bind path {name}", f"give -b {name}=FOLDER")
        return str(self.settings.bind_paths[name].absolute())

    def _function(self, name: str, arguments: str, fail: Fail) -> str:
        argument = self.expand(arguments, fail).strip()
        if name == "AutoVersion":
            if re.fullmatch(r"\d{1,5}\.\d{1,5}", argument) is None:
                raise fail(f"AutoVersion of “{argument}”", "give major.minor")
            time = datetime.fromtimestamp(self.settings.epoch, timezone.utc) - _FIRST_DAY
            return f"{argument}.{max(time.days, 0)}.{time.seconds // 2}"
        changes: Mapping[str, Callable[[str], str]] = {"Upper": str.upper, "Lower": str.lower, "Trim": str.strip}
        if name not in changes:
            raise fail(f"there is no function {name}", f"there is AutoVersion, {', '.join(changes)}")
        return changes[name](argument)

    def expand(self, text: str, fail: Fail) -> str:
        """Fill in all references; ``$$(`` stands for a literal ``$(``."""

        def replacement(match: re.Match[str]) -> str:
            prefix, content = match.groups()
            if prefix == "$$":
                return f"$({content})"
            if prefix == "!" and content.startswith(_BIND_PATH):
                return self._bind_path(content.removeprefix(_BIND_PATH), fail)
            if prefix == "!":
                return match[0]  # filled in when all is read
            value = self.find(content, fail)
            if value is None:
                name = content.rpartition(".")[2]
                if content.startswith("env."):
                    raise fail(f"the environment variable {name} is not set", "set it")
                raise fail(f"the variable {name} is not defined", f"add <?define {name}='…'?> or give -d {name}=…")
            return value

        return re.sub(_REFERENCE, replacement, text) if "(" in text else text

    def is_true(self, condition: str, fail: Fail) -> bool:
        """Whether a condition of ``<?if?>`` holds."""
        return _Condition(self, condition, fail).value()


class _Condition:
    """A recursive-descent reader: or < and < not < comparison."""

    def __init__(self, variables: Variables, text: str, fail: Fail) -> None:
        self.variables = variables
        self.text = text
        self.fail = fail
        self.tokens: list[str] = []
        position, tokens = 0, re.compile(_TOKEN)
        while text[position:].strip():
            match = tokens.match(text, position)
            if match is None:
                raise self.wrong()
            self.tokens.append(match[1])
            position = match.end()

    def wrong(self) -> WixpyError:
        return self.fail(f"“{self.text.strip()}” is not a condition", 'write such as $(var.NAME) = "value" and not …')

    def value(self) -> bool:
        result = self.either()
        if self.tokens:
            raise self.wrong()
        return result

    def either(self) -> bool:
        result = self.both()
        while self.take("or"):
            result = self.both() or result
        return result

    def both(self) -> bool:
        result = self.single()
        while self.take("and"):
            result = self.single() and result
        return result

    def single(self) -> bool:
        if self.take("not"):
            return not self.single()
        if self.take("("):
            result = self.either()
            if not self.take(")"):
                raise self.wrong()
            return result
        return self.comparison()

    def take(self, word: str) -> bool:
        if self.tokens and self.tokens[0].lower() == word:
            del self.tokens[0]
            return True
        return False

    def comparison(self) -> bool:
        left = self.operand()
        if not self.tokens or self.tokens[0] not in _OPERATORS:
            return bool(left)
        operator, right = self.tokens.pop(0), self.operand()
        if left is None or right is None:
            raise self.fail(f"“{self.text.strip()}” compares a variable that is not defined", "ask <?ifdef?> first")
        if operator == "~=":
            return left.lower() == right.lower()
        if operator in ("=", "!="):
            return (left == right) is (operator == "=")
        try:
            difference = int(left) - int(right)
        except ValueError:
            raise self.fail(f"“{left} {operator} {right}” does not compare integers", "use = or !=") from None
        return {"<": difference < 0, "<=": difference <= 0, ">": difference > 0, ">=": difference >= 0}[operator]

    def operand(self) -> str | None:
        if not self.tokens or self.tokens[0] in (*_OPERATORS, "(", ")"):
            raise self.wrong()
        token = self.tokens.pop(0)
        if token.startswith("$("):
            return self.variables.find(token[2:-1], self.fail)
        return self.variables.expand(token.strip('"'), self.fail)
