# SPDX-License-Identifier: MIT
"""Stand-ins for parts of the standard library that take longer to load than a small package takes to build.

``dataclasses`` loads ``inspect`` and compiles the methods of each class; ``typing`` is large; a regular
expression takes longer to compile than to match once.  For a type checker these are the originals.  Modules that a
build needs import them from here, and ``typing`` only where ``TYPE_CHECKING`` is true, which no running program sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from re import compile as pattern
    from typing import Any, Protocol

__all__ = ["Protocol", "dataclass", "field", "pattern", "replace"]

if not TYPE_CHECKING:
    Protocol = object


class _Pattern:
    """A regular expression that is compiled when it is first used."""

    def __init__(self, text: str, flags: int) -> None:
        self._source = text, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._source), name)
        setattr(self, name, value)
        return value


class _Factory:
    """The default of a field, made anew for each object."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def _decorate(cls: type[Any], frozen: bool) -> type[Any]:
    """Give a class what its annotations say: see :mod:`dataclasses`."""
    names = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    factories = {name: value.make for name, value in defaults.items() if isinstance(value, _Factory)}
    plain = {name: value for name, value in defaults.items() if name not in factories}
    for name in factories:
        delattr(cls, name)
    finish = getattr(cls, "__post_init__", None)

    def initialize(self: Any, *values: Any, **named: Any) -> None:
        state = self.__dict__
        state.update(plain)
        for name, make in factories.items():
            state[name] = make()
        state.update(zip(names, values))  # noqa: B905 - what is too many is found below
        state.update(named)
        if len(state) != len(names) or len(values) > len(names) or not named.keys().isdisjoint(names[: len(values)]):
            words = [*map(repr, values), *(f"{name}={value!r}" for name, value in named.items())]
            raise TypeError(f"{cls.__name__}({', '.join(names)}) cannot be made of ({', '.join(words)})")
        if finish is not None:
            finish(self)

    def content(self: Any) -> tuple[Any, ...]:
        state = self.__dict__
        return tuple([state[name] for name in names])

    def equal(self: Any, other: object) -> Any:
        return content(self) == content(other) if other.__class__ is self.__class__ else NotImplemented

    def show(self: Any) -> str:
        return f"{cls.__qualname__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in names)})"

    def refuse(self: Any, name: str, *_: object) -> None:
        raise AttributeError(f"cannot change {name}: a {self.__class__.__name__} is frozen")

    methods: dict[str, Any] = {"__init__": initialize, "__repr__": show, "__eq__": equal, "__hash__": None}
    if frozen:
        methods |= {"__hash__": lambda self: hash(content(self)), "__setattr__": refuse, "__delattr__": refuse}
    for name, method in methods.items():
        if name not in cls.__dict__ or name == "__hash__":
            setattr(cls, name, method)
    cls._fields = names
    return cls


if not TYPE_CHECKING:

    def dataclass(cls=None, *, frozen=False):
        """As :func:`dataclasses.dataclass`, for classes without a base that is one."""
        return (lambda each: _decorate(each, frozen)) if cls is None else _decorate(cls, frozen)

    def field(*, default_factory):
        """As :func:`dataclasses.field`."""
        return _Factory(default_factory)

    def replace(value, **changes):
        """As :func:`dataclasses.replace`."""
        state = value.__dict__
        return value.__class__(**{**{name: state[name] for name in value._fields}, **changes})

    def pattern(text, flags=0):
        """As :func:`re.compile`."""
        return _Pattern(text, flags)
