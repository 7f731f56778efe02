# SPDX-License-Identifier: MIT
"""Files by patterns (Files of WiX v5), and directories that elements of v4 name without defining them.

A directory without an Id has one that is derived from where it is, so that two that are the same have the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from wixpy.wxs.compilation import derived_guid
from wixpy.wxs.source import Node

DEFAULT_DIRECTORY = "INSTALLFOLDER"
_DERIVED = r"d[0-9A-F]{32}"
_IN_DIRECTORY = ("Directory", "DirectoryRef")
_WITH_SUBDIRECTORY = ("Component", "ComponentGroup", "File", "Files")


def new(node: Node, name: str, text: str = "", **attributes: str) -> Node:
    """An element in the place of another one, or beside it."""
    return Node(name, attributes, node.file, node.line, text=text, base=node.base, namespace=node.namespace)


def directory_id(parent: str, name: str) -> str:
    """The Id of a directory that has none."""
    return "d" + derived_guid("directory", f"{parent}\\{name}".lower()).strip("{}").replace("-", "")


def is_derived(node: Node) -> bool:
    """Whether an element is a directory with such an Id."""
    return node.name == "Directory" and re.fullmatch(_DERIVED, node.attributes.get("Id", "")) is not None


class Places:
    """The directories of a source that no element defines."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.fragments: list[Node] = []

    def define(self, node: Node, top: str, names: Sequence[str]) -> str:
        """The Id of the directory ``names`` below ``top``."""
        if not names:
            return top
        above = new(node, "DirectoryRef", Id=top)
        fragment = new(node, "Fragment")
        fragment.children.append(above)
        self.fragments.append(fragment)
        for name in names:
            below = new(node, "Directory", Id=directory_id(above.attributes["Id"], name), Name=name)
            above.children.append(below)
            above = below
        return above.attributes["Id"]

    def below(self, container: Node) -> None:
        """Replace Subdirectory of the elements in a container, and of itself, by a directory."""
        for child in container.children:
            if child.name in _WITH_SUBDIRECTORY and "Subdirectory" in child.attributes:
                names = _parts(child.attributes.pop("Subdirectory"))
                child.attributes["Directory"] = self.define(child, where(child, container), names)


def where(node: Node, container: Node) -> str:
    """The directory of what is in a container."""
    own = node.attributes.get("Directory")
    if own is not None:
        return own
    attribute = "Id" if container.name in _IN_DIRECTORY else "Directory"
    return container.attributes.get(attribute, DEFAULT_DIRECTORY)


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def files(node: Node, container: Node, places: Places) -> list[Node]:
    """A File for each file that a Files element names; folders that ``**`` reaches become directories."""
    given = node.attributes
    for name in sorted(set(given) - {"Include", "Directory"}):
        raise node.error(f"Files has no attribute {name}", "there is Include, Directory, Subdirectory")
    if "Include" not in given:
        raise node.error("Files needs the attribute Include", "add Include='folder/**'")
    folder, deep, pattern = _split(given["Include"])
    root = (node.base or Path()) / folder
    found = sorted(path for path in (root.rglob(pattern) if deep else root.glob(pattern)) if path.is_file())
    if not found:
        raise node.error(f"no file is like “{given['Include']}”", "correct the pattern")
    found = _without(node, found)
    top = where(node, container)
    return [_file(node, container, places, top, folder, path.relative_to(root)) for path in found]


def _split(pattern: str) -> tuple[str, bool, str]:
    """A pattern as a folder, whether those below belong to it, and the names of files."""
    folder, _, name = pattern.replace("\\", "/").rpartition("/")
    deep = name == "**" or folder.endswith("**")
    return folder.removesuffix("**").rstrip("/"), deep, "*" if name == "**" else name


def _without(node: Node, found: list[Path]) -> list[Path]:
    """The files without those that an Exclude names; one that names none is an error."""
    for child in node.children:
        if child.name != "Exclude" or set(child.attributes) != {"Files"}:
            raise child.error("Files contains Exclude elements, which have the attribute Files", "correct it")
        folder, deep, pattern = _split(child.attributes["Files"])
        root = (node.base or Path()) / folder
        kept = [path for path in found if not _matches(path, root, deep, pattern)]
        if kept == found:
            raise child.error(f"no file is like “{child.attributes['Files']}”", "correct the pattern, or remove it")
        found = kept
    return found


def _matches(path: Path, root: Path, deep: bool, pattern: str) -> bool:
    inside = path.is_relative_to(root) if deep else path.parent == root
    return inside and fnmatchcase(path.name.lower(), pattern.lower())


def _file(node: Node, container: Node, places: Places, top: str, folder: str, path: Path) -> Node:
    source = "/".join([*([folder] if folder else []), *path.parts])
    named = path.as_posix() if Path(folder).is_absolute() else source  # the same wherever a bind path leads
    code = derived_guid("file", f"{top}\\{named}").strip("{}").replace("-", "")
    file = new(node, "File", Id=f"f{code}", Source=source)
    if path.parts[:-1] or "Directory" in node.attributes:
        file.attributes["Directory"] = places.define(node, top, path.parts[:-1])
    elif container.name not in _IN_DIRECTORY and top != DEFAULT_DIRECTORY:
        file.attributes["Directory"] = top
    return file
