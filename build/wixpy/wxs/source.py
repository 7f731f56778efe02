# SPDX-License-Identifier: MIT
"""Reading a .wxs source: XML elements with their lines, after the preprocessor's instructions are carried out.

The parser's events are kept as a list, so that the body of a ``<?foreach?>`` can be carried out several times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from wixpy.errors import WixpyError
from wixpy.files import read_bytes
from wixpy.wxs.preprocess import Settings, Variables

NAMESPACE = "http://schemas.microsoft.com/wix/2006/wi"
NAMESPACE_4 = "http://wixtoolset.org/schemas/v4/wxs"
_EXTENSIONS = {
    "UtilExtension": "util",
    "NetFxExtension": "netfx",
    "FirewallExtension": "firewall",
    "IIsExtension": "iis",
    "SqlExtension": "sql",
    "ComPlusExtension": "complus",
    "DifxAppExtension": "difxapp",
    "HttpExtension": "http",
    "MsmqExtension": "msmq",
    "PSExtension": "powershell",
    "BalExtension": "bal",
    "DependencyExtension": "dependency",
    "GamingExtension": "gaming",
    "VSExtension": "vs",
    "TagExtension": "swid",
}

_MAX_DEPTH = 64
_OPENING, _CLOSING = ("if", "ifdef", "ifndef"), ("elseif", "else", "endif")
_DEFINE = r"""\s*(\w+)\s*(?:=\s*(?:"([^"]*)"|'([^']*)'|(\S*))\s*)?"""


class Node:
    """An element: attributes with variables filled in, child elements, text, and where it is.

    Reading an attribute marks it; what nothing has read when the compiler is done is reported, so that no attribute is
    ever without effect unnoticed.
    """

    def __init__(
        self,
        name: str,
        attributes: dict[str, str],
        file: Path,
        line: int,
        text: str = "",
        base: Path | None = None,
        namespace: str = NAMESPACE,
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.file = file
        self.line = line
        self.text = text
        self.base = base
        self.namespace = namespace
        self.within = ""
        self.children: list[Node] = []
        self.read: set[str] = set()

    def get(self, name: str) -> str | None:
        """An attribute, None when it is not given."""
        self.read.add(name)
        return self.attributes.get(name)

    def need(self, name: str) -> str:
        """An attribute that must be there."""
        value = self.get(name)
        if value is None:
            raise self.error(f"{self.name} needs the attribute {name}", f"add {name}='…'")
        return value

    def yes(self, name: str, default: bool = False) -> bool:
        """A yes/no attribute."""
        value = self.get(name)
        return default if value is None else value == "yes"

    def number(self, name: str) -> int | None:
        """An integer attribute, None when it is not given."""
        value = self.get(name)
        return None if value is None else int(value)

    def walk(self) -> Iterator[Node]:
        """This element and all below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)

    @property
    def place(self) -> str:
        """Where the element is, for another's error: ``file:line``."""
        return f"{self.file}:{self.line}"

    def with_children(self, children: list[Node]) -> Node:
        """This element with other children; what is read of one of the two is read of both."""
        other = Node(self.name, self.attributes, self.file, self.line, self.text, self.base, self.namespace)
        other.children, other.read, other.within = children, self.read, self.within
        return other

    def error(self, message: str, hint: str | None = None) -> WixpyError:
        """An error about this element, to be raised."""
        return WixpyError(message, hint, self.file, self.line)


class _Event(NamedTuple):
    """What the XML parser found in ``line``: the start or end of an element, text, or an instruction."""

    kind: str
    line: int
    name: str = ""
    attributes: Mapping[str, str] = {}


def _events(path: Path) -> list[_Event]:
    """All events of a file in order."""
    events: list[_Event] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def add(kind: str, name: str, attributes: Mapping[str, str] | None = None) -> None:
        events.append(_Event(kind, parser.CurrentLineNumber, name, attributes or {}))

    def doctype(*_: object) -> None:
        raise WixpyError("a source has no document type", "remove <!DOCTYPE …>", path, parser.CurrentLineNumber)

    parser.StartElementHandler = lambda name, attributes: add("start", name, attributes)
    parser.EndElementHandler = lambda name: add("end", name)
    parser.CharacterDataHandler = lambda text: add("text", text)
    parser.ProcessingInstructionHandler = lambda target, text: add("instruction", target, {"text": text})
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(read_bytes(path), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise WixpyError(
            f"the source is not well-formed XML: {reason}", "correct the markup", path, error.lineno
        ) from error
    return events


def _known(namespace: str, local: str) -> tuple[str, str]:
    """The version of the language that an element belongs to, and its name: of an extension util:NAME and the like."""
    older, _, name = namespace.rpartition("/")
    if older == "http://schemas.microsoft.com/wix" and name in _EXTENSIONS:
        return NAMESPACE, f"{_EXTENSIONS[name]}:{local}"
    if older == NAMESPACE_4:
        return NAMESPACE_4, f"{name}:{local}"
    return namespace, local


class _Reader:
    """Carries out the instructions and builds the tree."""

    def __init__(self, path: Path, settings: Settings, warn: Callable[[WixpyError], None]) -> None:
        self.base = path.parent
        self.path = path
        self.line = 1
        self.variables = Variables(path, settings)
        self.warn = warn
        self.root: Node | None = None
        self.stack: list[Node] = []
        self.including: list[Path] = [path]
        self.required: set[Path] = set()
        self.namespace = ""

    def error(self, message: str, hint: str | None = None) -> WixpyError:
        return WixpyError(message, hint, self.path, self.line)

    def expand(self, text: str) -> str:
        return self.variables.expand(text, self.error)

    def run(self, events: Sequence[_Event]) -> None:
        """Carry out events; instructions that have an end take what is between as a list."""
        position = 0
        while position < len(events):
            event = events[position]
            position += 1
            self.line = event.line
            if event.kind == "start":
                self.start(event)
            elif event.kind == "end":
                node = self.stack.pop()
                node.text = self.expand(node.text.strip())
            elif event.kind == "text":
                if self.stack:
                    self.stack[-1].text += event.name
            elif event.name in _OPENING:
                parts, position = self.branches(events, position - 1)
                self.choose(parts)
            elif event.name == "foreach":
                end = self.end_of(events, position, "foreach", "endforeach")
                self.foreach(event, events[position:end])
                position = end + 1
            else:
                self.instruction(event.name, event.attributes["text"])

    def start(self, event: _Event) -> None:
        namespace, local = _known(*event.name.rpartition(" ")[::2])
        if namespace not in (NAMESPACE, NAMESPACE_4):
            hint = f"the root needs xmlns='{NAMESPACE}' or '{NAMESPACE_4}'"
            raise self.error(f"the element {local} is in the namespace “{namespace}”", hint)
        if self.namespace and namespace != self.namespace:
            raise self.error("the source mixes two versions of the language", f"use '{self.namespace}' throughout")
        self.namespace = namespace
        values = {}
        for key, value in event.attributes.items():
            if " " in key:
                raise self.error(f"the attribute {key.split()[1]} is in a namespace of its own", "remove it")
            values[key] = self.expand(value)
        node = Node(local, values, self.path, event.line, base=self.base, namespace=namespace)
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.root = node
        self.stack.append(node)

    def end_of(self, events: Sequence[_Event], position: int, opening: str, closing: str) -> int:
        """Where the instruction ``closing`` is that belongs to the one before ``position``."""
        depth, elements = 1, 0
        for index in range(position, len(events)):
            event = events[index]
            elements += {"start": 1, "end": -1}.get(event.kind, 0)
            if event.kind == "instruction":
                depth += (event.name == opening) - (event.name == closing)
            if depth == 0 and elements == 0:
                return index
            if depth == 0 or elements < 0:
                break
        raise self.error(f"<?{opening}?> has no <?{closing}?> in the same element", f"add <?{closing}?>")

    def branches(self, events: Sequence[_Event], position: int) -> tuple[list[tuple[_Event, list[_Event]]], int]:
        """The parts of a condition, each after the instruction that decides on it, and where the events go on."""
        parts: list[tuple[_Event, list[_Event]]] = []
        depth, elements = 0, 0
        for index in range(position, len(events)):
            event = events[index]
            name = event.name if event.kind == "instruction" else ""
            elements += {"start": 1, "end": -1}.get(event.kind, 0)
            depth += name in _OPENING
            if depth == 1 and name in (*_OPENING, *_CLOSING):
                if elements:
                    break
                if name == "endif":
                    return parts, index + 1
                if parts and parts[-1][0].name == "else":
                    self.line = event.line
                    raise self.error(f"<?{name}?> comes after <?else?>", "put <?else?> last")
                parts.append((event, []))
                continue
            depth -= name == "endif"
            parts[-1][1].append(event)
        raise self.error(f"<?{events[position].name}?> has no <?endif?> in the same element", "add <?endif?>")

    def choose(self, parts: list[tuple[_Event, list[_Event]]]) -> None:
        """Carry out the first part whose condition holds."""
        for event, body in parts:
            self.line = event.line
            text = event.attributes["text"].strip()
            if event.name in ("ifdef", "ifndef"):
                name = text.removeprefix("$(").removesuffix(")")
                holds = (self.variables.find(name, self.error) is not None) is (event.name == "ifdef")
            else:
                holds = event.name == "else" or self.variables.is_true(text, self.error)
            if holds:
                return self.run(body)
        return None

    def foreach(self, event: _Event, body: Sequence[_Event]) -> None:
        name, word, values = (*event.attributes["text"].split(None, 2), "", "", "")[:3]
        name = name.removeprefix("$(var.").removesuffix(")")
        if word != "in" or not name.isidentifier():
            raise self.error("the <?foreach?> is not understood", "write <?foreach NAME in first;second?>")
        before = self.variables.values.get(name)
        for value in self.expand(values.strip().strip("\"'")).split(";"):
            self.variables.values[name] = value.strip()
            self.run(body)
        if before is None:
            self.variables.values.pop(name, None)
        else:
            self.variables.values[name] = before

    def instruction(self, target: str, text: str) -> None:
        """An instruction that stands by itself."""
        if target == "define":
            match = re.fullmatch(_DEFINE, text)
            if match is None:
                raise self.error(f"<?define {text}?> is not understood", "write <?define NAME='value'?>")
            name, *values = match.groups()
            self.variables.define(name, self.expand(next((value for value in values if value is not None), "")))
        elif target == "undef":
            self.variables.undefine(text.strip().removeprefix("$(var.").removesuffix(")"))
        elif target in ("include", "require"):
            self.include(self.expand(text.strip().strip("\"'")), once=target == "require")
        elif target == "error":
            raise self.error(self.expand(text.strip()) or "the source says that this is an error", "see the source")
        elif target == "warning":
            self.warn(self.error(self.expand(text.strip())))
        else:
            known = "define undef if ifdef ifndef elseif else endif foreach endforeach include require error warning"
            raise self.error(f"<?{target} {text}?> is not supported here", f"the preprocessor has {known}")

    def include(self, name: str, *, once: bool) -> None:
        """Take the content of an ``<Include>`` file in the place of the instruction."""
        folders = [self.path.parent, self.base, *self.variables.settings.includes]
        relative = name.replace("\\", "/")
        path = next((folder / relative for folder in folders if (folder / relative).is_file()), None)
        if path is None:
            raise self.error(f"there is no file “{name}” to include", "correct the name, or give its folder with -I")
        if once and path in self.required:
            return
        self.required.add(path)
        if path in self.including or len(self.including) > _MAX_DEPTH:
            raise self.error(f"“{name}” includes itself", "remove an <?include?>")
        events = _events(path)
        first = next(index for index, event in enumerate(events) if event.kind == "start")
        outside = (self.path, self.line, self.variables.path)
        self.path, self.line, self.variables.path = path, events[first].line, path
        if events[first].name.rpartition(" ")[2] not in ("Include", "Wix"):
            raise self.error(f"the root of “{name}” is not Include", "write <Include xmlns='…'>")
        last = max(index for index, event in enumerate(events) if event.kind == "end")
        self.including.append(path)
        self.run([*events[:first], *events[first + 1 : last], *events[last + 1 :]])
        self.including.pop()
        self.path, self.line, self.variables.path = outside


def _quiet(_: WixpyError) -> None:
    """Warnings of a source that nobody asked for."""


def parse(path: Path, settings: Settings | Mapping[str, str], warn: Callable[[WixpyError], None] = _quiet) -> Node:
    """The root element of a source.

    ``settings`` may be the ``-d`` values alone; one of those wins over its ``<?define?>`` in the source.  ``warn`` gets
    what ``<?warning?>`` says.  WixpyError, with the line, for what is not well-formed, not defined or not supported.
    """
    reader = _Reader(path, settings if isinstance(settings, Settings) else Settings(settings), warn)
    reader.run(_events(path))
    assert reader.root is not None
    return reader.root
