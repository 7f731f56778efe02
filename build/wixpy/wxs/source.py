# SPDX-License-Identifier: MIT
"""Reading a .wxs source: XML elements with their lines, ``<?define?>`` and ``$(var.NAME)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from wixpy.errors import WixpyError
from wixpy.files import read_bytes

NAMESPACE = "http://schemas.microsoft.com/wix/2006/wi"

_REFERENCE = re.compile(r"(\$\$?|!)\(([^()]*)\)")
_DEFINE = re.compile(r"""\s*(\w+)\s*(?:=\s*(?:"([^"]*)"|'([^']*)'|(\S*))\s*)?""")


@dataclass
class Node:
    """An element: attributes with variables filled in, child elements, text, and where it is.

    Reading an attribute marks it; what nothing has read when the compiler is done is reported, so that no attribute is
    ever without effect unnoticed.
    """

    name: str
    attributes: dict[str, str]
    file: Path
    line: int
    children: list[Node] = field(default_factory=list)
    text: str = ""
    read: set[str] = field(default_factory=set)

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
        yield self
        for child in self.children:
            yield from child.walk()

    def error(self, message: str, hint: str | None = None) -> WixpyError:
        """An error about this element, to be raised."""
        return WixpyError(message, hint, self.file, self.line)


class _Reader:
    """Handlers of one expat run."""

    def __init__(self, path: Path, defines: Mapping[str, str]) -> None:
        self.path = path
        self.variables = dict(defines)
        self.root: Node | None = None
        self.stack: list[Node] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.ProcessingInstructionHandler = self.instruction
        self.parser.StartDoctypeDeclHandler = self.doctype

    def error(self, message: str, hint: str | None = None) -> WixpyError:
        return WixpyError(message, hint, self.path, self.parser.CurrentLineNumber)

    def expand(self, text: str) -> str:
        """Fill in ``$(var.NAME)``; ``$$(`` stands for a literal ``$(``."""

        def replacement(match: re.Match[str]) -> str:
            prefix, content = match.groups()
            if prefix == "$$":
                return f"$({content})"
            kind, _, name = content.partition(".")
            if prefix == "!" and kind not in ("loc", "bind", "wix"):
                return match[0]
            if prefix == "!" or kind != "var":
                raise self.error(
                    f"{match[0]} is not supported", "use $(var.NAME) and define NAME; write $$( for a literal $("
                )
            if name not in self.variables:
                raise self.error(
                    f"the variable {name} is not defined", f"add <?define {name}='…'?> or give -d {name}=…"
                )
            return self.variables[name]

        return _REFERENCE.sub(replacement, text)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != NAMESPACE:
            raise self.error(
                f"the element {local} is in the namespace “{namespace}”", f"the root needs xmlns='{NAMESPACE}'"
            )
        values = {}
        for key, value in attributes.items():
            if " " in key:
                raise self.error(f"the attribute {key.split()[1]} is in a namespace of its own", "remove it")
            values[key] = self.expand(value)
        node = Node(local, values, self.path, self.parser.CurrentLineNumber)
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.root = node
        self.stack.append(node)

    def end(self, _: str) -> None:
        node = self.stack.pop()
        node.text = self.expand(node.text.strip())

    def characters(self, text: str) -> None:
        self.stack[-1].text += text

    def instruction(self, target: str, text: str) -> None:
        match = _DEFINE.fullmatch(text) if target == "define" else None
        if match is None:
            raise self.error(
                f"<?{target} {text}?> is not supported", "of the preprocessor only <?define NAME='value'?> is"
            )
        name, *values = match.groups()
        if name not in self.variables:
            self.variables[name] = self.expand(next((value for value in values if value is not None), ""))

    def doctype(self, *_: object) -> None:
        raise self.error("a source has no document type", "remove <!DOCTYPE …>")


def parse(path: Path, defines: Mapping[str, str]) -> Node:
    """The root element of a source.  A variable in ``defines`` wins over its ``<?define?>`` in the source.

    WixpyError, with the line, for what is not well-formed, not defined or not supported.
    """
    reader = _Reader(path, defines)
    try:
        reader.parser.Parse(read_bytes(path), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise WixpyError(
            f"the source is not well-formed XML: {reason}", "correct the markup", path, error.lineno
        ) from error
    assert reader.root is not None
    return reader.root
