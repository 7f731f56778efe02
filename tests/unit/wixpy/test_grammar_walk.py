# SPDX-License-Identifier: MIT
"""Every attribute and text that the grammar accepts does something: what is built changes with it, or it is refused.

The samples below contain each element in each of its roles.  The test gives every attribute of the grammar other values
in turn, where it stands in a sample, until what comes out is not what came out before.  Identifiers that wixpy derives
from attributes would always change, therefore the samples give identifiers of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wixpy import schema
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.wxs import compile, grammar
from wixpy.wxs.media import Outputs

SPACE = "http://schemas.microsoft.com/wix/2006/wi"
UTIL = "http://schemas.microsoft.com/wix/UtilExtension"
GUID = "11111111-2222-3333-4444-{:012d}"
# An identifier that nothing has and one that something has, two texts …
PROBES = {
    "identifier": ("Other", "main", "INSTALLDIR", "PUBLIC"), "public": ("OTHER", "PUBLIC"),
    "name": ("Other", "other-name"), "text": ("2", "other", "main.txt"),
    "integer": ("1", "2", "900", "0"), "version": ("1.5", "7.0.0"), "guid": (GUID.format(98), GUID.format(99)),
    "auto-guid": ("*", GUID.format(99)), "component-guid": ("", GUID.format(99)), "yesno": ("yes", "no"),
}  # fmt: skip
PACKAGE = """<Wix xmlns="{space}" xmlns:util="{util}"><Product Id="{code}" Name="N" Manufacturer="M" Version="1.2.3"
Language="1033" UpgradeCode="{code}"><Package InstallerVersion="500"/>{media}<Directory Id="TARGETDIR" Name="SourceDir">
<Directory Id="INSTALLDIR" Name="Sample"/></Directory><Feature Id="All"><ComponentRef Id="Main"/></Feature>
<DirectoryRef Id="INSTALLDIR"><Component Id="Main" Guid="{guid}"><File Id="main" Source="main.txt"/>{inside}</Component>
</DirectoryRef>{body}</Product><Fragment Id="F"/></Wix>"""
MEDIA = '<Media Id="1" Cabinet="a.cab" EmbedCab="yes"/>'
SAMPLES = Path(__file__).with_name("elements.samples")
# A fragment's name, which nothing refers to.
NAMES = {"Fragment/@Id"}


def texts() -> Iterator[str]:
    guids = {letter: GUID.format(number) for number, letter in enumerate("ghij", 1)}
    common = {"space": SPACE, "util": UTIL, "code": GUID.format(50), "guid": GUID.format(51)}
    for block in SAMPLES.read_text("utf-8").split("\n==== ")[1:]:
        kind, _, text = block.partition("\n")
        parts = {"media": MEDIA, "inside": "", "body": "", kind: text.format(**common, **guids)}
        yield parts["module"] if kind == "module" else PACKAGE.format(**common, **parts)


CONTENT: dict[Path, bytes] = {}


class Sample:
    """One sample: its elements with their entries of the grammar, and what it becomes."""

    def __init__(self, folder: Path, text: str) -> None:
        self.path, self.root = folder / "x.wxs", ElementTree.fromstring(text)
        self.elements = list(self._walk(self.root, ""))
        self.unchanged = self.outcome()
        assert not self.unchanged.startswith("error"), self.unchanged

    def _walk(self, node: ElementTree.Element, within: str) -> Iterator[tuple[str, ElementTree.Element]]:
        name = node.tag.rpartition("}")[2] if UTIL not in node.tag else f"util:{node.tag.rpartition('}')[2]}"
        known = grammar.elements()
        yield next((entry for entry in (f"{within}/{name}", name) if entry in known), grammar.ACTION), node
        for child in node:
            yield from self._walk(child, name)

    def outcome(self) -> str:
        """A digest of the package and of what lies beside it, or the error."""
        CONTENT[self.path] = ElementTree.tostring(self.root, "utf-8")
        with Outputs() as outputs:
            try:
                database, _ = compile(self.path, {}, 1_200_000_000, outputs=outputs)
            except WixpyError as error:
                return f"error: {error.message}"
            beside = sorted((name, bytes(content[:])) for name, content in outputs.beside.items())
            return hashlib.sha256(database.digest() + repr(beside).encode()).hexdigest()

    def matters(self, node: ElementTree.Element, name: str, kind: str) -> bool:
        """Whether some value of an attribute of an element, or none, makes a difference."""
        before = node.attrib.pop(name, None)
        try:
            if before is not None and self.outcome() != self.unchanged:
                return True
            for value in values(kind):
                node.set(name, value)
                if value != before and self.outcome() != self.unchanged:
                    return True
            return False
        finally:
            node.attrib.pop(name, None)
            if before is not None:
                node.set(name, before)

    def says(self, node: ElementTree.Element) -> bool:
        """Whether the text of an element makes a difference."""
        before, node.text = node.text, "another text"
        try:
            return self.outcome() != self.unchanged
        finally:
            node.text = before


def values(kind: str) -> Iterator[str]:
    words = [word.partition("=")[0].strip() for word in kind.split("|")]
    if kind.startswith("yesno"):
        yield from PROBES["yesno"]
    elif kind.startswith("->"):
        yield from PROBES["identifier"]
    elif kind in PROBES:
        yield from PROBES[kind]
    else:
        yield from (word for word in words if word != "text")


def reachable() -> set[str]:
    """The entries that a source can have."""
    known, found, waiting = grammar.elements(), set[str](), ["Wix"]
    while waiting:
        entry = waiting.pop()
        if entry not in found:
            found.add(entry)
            name = entry.rpartition("/")[2]
            children = known[entry].children
            waiting += [next(key for key in (f"{name}/{child}", child) if key in known) for child in children]
    return found


def test_every_attribute_has_an_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A thousand sources are compiled: from memory, and with the columns of tables in the place of _Validation.
    monkeypatch.setattr("wixpy.wxs.source.read_bytes", lambda path: CONTENT.get(path) or path.read_bytes())
    monkeypatch.setattr(Database, "add_validation", describe)
    (tmp_path / "sub").mkdir()
    for path in (tmp_path / "main.txt", tmp_path / "sub" / "main.txt"):
        path.write_text(str(path.relative_to(tmp_path)))
    compile_module(tmp_path)
    samples = [Sample(tmp_path, text) for text in texts()]
    silent = []
    for entry in sorted(reachable() - {"Wix"}):
        places = [(sample, node) for sample in samples for found, node in sample.elements if found == entry]
        attributes = grammar.elements()[entry].attributes
        if grammar.elements()[entry].text and not any(sample.says(node) for sample, node in places):
            silent.append(f"{entry}/text")
        if not places and attributes:
            silent.append(f"{entry} is in no sample")
        silent += [
            f"{entry}/@{name}"
            for name, kind in attributes.items()
            if places and not any(sample.matters(node, name, kind) for sample, node in places)
        ]
    assert set(silent) == NAMES


def describe(database: Database) -> None:
    own = {name: table for name, table in database.tables.items() if name not in schema.standard()}
    described = [(name, *map(vars, table.columns)) for name, table in own.items()]
    database.streams["columns"] = repr(described).encode()


def compile_module(folder: Path) -> None:
    """The module that a sample merges."""
    (folder / "m.wxs").write_text(next(texts()), "utf-8")
    compile(folder / "m.wxs", {}, 1_200_000_000)[0].commit(folder / "m.msm")
