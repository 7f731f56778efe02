# SPDX-License-Identifier: MIT
"""The language of WiX v4 and v5 (http://wixtoolset.org/schemas/v4/wxs), translated into that of v3.

What has a new spelling is written in the old one: ``Package`` is Product and Package, ``StandardDirectory`` a
DirectoryRef, ``Bitness`` Win64, ``Condition`` and other attributes are elements or text again.  What may be left out is
put in: the media, the feature, a Component around a File, identifiers of directories.  The old spelling of something
renamed is refused, as WiX refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wixpy.actions import standard_names
from wixpy.wxs.compilation import STANDARD_DIRECTORIES, derived_guid
from wixpy.wxs.components import component_id
from wixpy.wxs.grammar import nearest
from wixpy.wxs.source import Node

DEFAULT_FEATURE, DEFAULT_DIRECTORY = "WixDefaultFeature", "INSTALLFOLDER"
_NO_DIRECTORY = ("Product", "Fragment", "Feature", "FeatureRef", "FeatureGroup")
_INSTALLER_VERSION, _LANGUAGE = "500", "1033"

_BITNESS = {"always32": "no", "always64": "yes", "default": None}
_Renamed = tuple[str, str, Mapping[str, str | None] | None]
_RENAMED: Mapping[str, tuple[_Renamed, ...]] = {
    "Component": (("Bitness", "Win64", _BITNESS),),
    "File": (("Bitness", "Win64", _BITNESS),),
    "RegistrySearch": (("Bitness", "Win64", _BITNESS),),
    "CustomAction": (
        ("Bitness", "Win64", _BITNESS),
        ("BinaryRef", "BinaryKey", None),
        ("FileRef", "FileKey", None),
    ),
    "Feature": (("AllowAbsent", "Absent", {"yes": "allow", "no": "disallow"}),),
}
_OLD_ELEMENTS = {
    "Product": "write <Package …>",
    "Condition": "write the condition as the attribute Condition, or <Launch>, or <Level>",
    "MultiStringValue": "write <MultiString Value='…'/>",
}
_CONDITION_IS_ELEMENT = ("Component", "File", "PermissionEx")
_CONDITION_IS_TEXT = ("Custom", "SetDirectory", "SetProperty")
_TEXT_ATTRIBUTES = {"MultiString": "Value", "ServiceArgument": "Value", "RequiredPrivilege": "Name", "Data": "Value"}
_6432_DIRECTORIES = ("ProgramFiles6432Folder", "CommonFiles6432Folder", "System6432Folder")
_CONTAINERS = (
    "Directory",
    "DirectoryRef",
    "ComponentGroup",
    "Feature",
    "FeatureRef",
    "FeatureGroup",
    "Fragment",
    "Product",
)
_PRODUCT = ("Name", "Manufacturer", "Version", "UpgradeCode", "Codepage")
_PACKAGE = {"Compressed", "InstallerVersion"}
_EITHER_SCOPE = {"ALLUSERS": "2", "MSIINSTALLPERUSER": "1"}
_SUMMARY = {"Codepage": "SummaryCodepage", "Description": "Description", "Keywords": "Keywords",
            "Manufacturer": "Manufacturer", "Comments": "Comments"}  # fmt: skip


def translate(root: Node, platform: str) -> None:
    """Write a source in the words of version 3."""
    for node in list(root.walk()):
        if node.name in _OLD_ELEMENTS:
            raise node.error(f"{node.name} is not in version 4 of the language", _OLD_ELEMENTS[node.name])
    root.children = [_package(child, platform) if child.name == "Package" else child for child in root.children]
    for node in list(root.walk()):
        node.children = [each for child in node.children for each in _wix_ui(child)]
        _rename(node)
        _conditions(node)
        _TRANSLATIONS.get(node.name, _nothing)(node, platform)
    for node in list(root.walk()):
        if node.name == "Directory" and "Id" not in node.attributes:
            raise node.error("the directory has no Id and no Name", "give Name")
        if node.name in _CONTAINERS:
            node.children = [_wrapped(child) for child in _harvested(node)]


def complete(roots: Sequence[Node], platform: str) -> None:
    """Put in what the sources together leave out: the media, a directory, and a feature for all components."""
    nodes = [node for root in roots for node in root.walk()]
    product = next((node for node in nodes if node.name == "Product"), None)
    if product is None:
        return
    if not any(node.name in ("Media", "MediaTemplate") for node in nodes):
        product.children.append(_new(product, "MediaTemplate", EmbedCab="yes"))
    for node in nodes:
        homeless = node.name == "ComponentGroup" or node.name in _NO_DIRECTORY
        if homeless and "Directory" not in node.attributes:
            for child in node.children:
                if child.name == "Component":
                    child.attributes.setdefault("Directory", DEFAULT_DIRECTORY)
    needed = any(node.attributes.get("Directory") == DEFAULT_DIRECTORY for node in nodes)
    if needed and not any(
        node.name == "Directory" and node.attributes.get("Id") == DEFAULT_DIRECTORY for node in nodes
    ):
        name = f"{product.attributes.get('Manufacturer')} {product.attributes.get('Name')}"
        programs = "ProgramFiles64Folder" if platform == "x64" else "ProgramFilesFolder"
        parent = _new(product, "DirectoryRef", Id=programs)
        parent.children = [_new(product, "Directory", Id=DEFAULT_DIRECTORY, Name=name)]
        product.children.append(parent)
    if not any(node.name == "Feature" for node in nodes):
        feature = _new(product, "Feature", Id=DEFAULT_FEATURE, Level="1", Display="hidden")
        feature.children = [
            _new(node, "ComponentRef", Id=component_id(node)) for node in nodes if node.name == "Component"
        ]
        product.children.append(feature)


def _new(node: Node, name: str, text: str = "", **attributes: str) -> Node:
    """An element in the place of another one, or beside it."""
    return Node(name, attributes, node.file, node.line, text=text, base=node.base, namespace=node.namespace)


def _nothing(_: Node, __: str) -> None:
    """Most elements are the same in both versions."""


def _package(node: Node, platform: str) -> Node:
    """Product and Package from the Package of version 4."""
    given = dict(node.attributes)
    identifier, scope = given.pop("Id", None), given.pop("Scope", "perMachine")
    if "UpgradeCode" not in given and identifier is not None:
        given["UpgradeCode"] = derived_guid("upgrade", identifier)
    product = _new(node, "Product", Id=given.pop("ProductCode", "*"), Language=given.pop("Language", _LANGUAGE))
    product.attributes |= {name: given.pop(name) for name in list(given) if name in _PRODUCT}
    for name in sorted(set(given) - _PACKAGE):
        known = sorted({*_PRODUCT, *_PACKAGE, "Id", "Language", "ProductCode", "Scope"})
        raise node.error(f"Package has no attribute {name} in version 4 of the language", nearest(name, known))
    package = _new(node, "Package", InstallerVersion=_INSTALLER_VERSION, Compressed="yes")
    package.attributes |= given | {"Platform": platform}
    summaries = [child for child in node.children if child.name == "SummaryInformation"]
    for child in summaries:
        for name, value in child.attributes.items():
            if name not in _SUMMARY:
                raise child.error(f"SummaryInformation has no attribute {name}", f"there is {', '.join(_SUMMARY)}")
            package.attributes[_SUMMARY[name]] = value
    others = [child for child in node.children if child.name != "SummaryInformation"]
    if scope == "perUserOrMachine":
        package.attributes["InstallPrivileges"] = "limited"
        others += [_new(node, "Property", Id=name, Value=value) for name, value in _EITHER_SCOPE.items()]
    else:
        package.attributes["InstallScope"] = scope
    product.children = [package, *others]
    return product


def _rename(node: Node) -> None:
    """Attributes that are called otherwise."""
    for new, old, words in _RENAMED.get(node.name, ()):
        if old in node.attributes:
            raise node.error(f"{node.name} has no attribute {old} in version 4 of the language", f"write {new}")
        value = node.attributes.pop(new, None)
        if value is not None and words is not None:
            if value not in words:
                raise node.error(f"{node.name}/@{new} is “{value}”", f"give {' or '.join(words)}")
            value = words[value]
        if value is not None:
            node.attributes[old] = value


def _conditions(node: Node) -> None:
    """Attributes that are elements or text in version 3."""
    if node.name in ("Launch", "Level"):
        old = {"Launch": "Message", "Level": "Value"}[node.name]
        for name in ("Condition", old):
            if name not in node.attributes:
                raise node.error(f"{node.name} needs the attribute {name}", f"add {name}='…'")
        node.text = node.attributes.pop("Condition")
        if node.name == "Level":
            node.attributes["Level"] = node.attributes.pop("Value")
        node.name = "Condition"
    elif node.name in _CONDITION_IS_TEXT or node.name in standard_names():
        if node.text:
            raise node.error(f"{node.name} has no text in version 4", "write Condition='…'")
        node.text = node.attributes.pop("Condition", "")
    elif node.name in _CONDITION_IS_ELEMENT:
        text = node.attributes.pop("Condition", "")
        if text:
            node.children.append(_new(node, "Condition", text))
    if node.name in _TEXT_ATTRIBUTES:
        if node.text:
            raise node.error(f"{node.name} has no text in version 4", f"write {_TEXT_ATTRIBUTES[node.name]}='…'")
        node.text = node.attributes.pop(_TEXT_ATTRIBUTES[node.name], "")
        node.name = {"MultiString": "MultiStringValue"}.get(node.name, node.name)


def _standard_directory(node: Node, platform: str) -> None:
    name = node.attributes.get("Id", "")
    if name in _6432_DIRECTORIES:
        bits = "64" if platform == "x64" else ""
        node.attributes["Id"] = name = name.replace("6432", bits)
    if name not in STANDARD_DIRECTORIES:
        raise node.error(f"“{name}” is no standard directory", f"there is {', '.join(sorted(STANDARD_DIRECTORIES))}")
    node.name = "DirectoryRef"
    _name_directories(node, name)


def _named_directory(node: Node, _: str) -> None:
    _name_directories(node, node.attributes.get("Id", ""))


def _name_directories(node: Node, parent: str) -> None:
    """Identifiers for the directories in one that have none, and directories of their own for ``Name='a\\b'``."""
    children: list[Node] = []
    for child in node.children:
        if child.name == "Directory":
            *outer, name = child.attributes.get("Name", "").replace("/", "\\").strip("\\").split("\\")
            holder, above = children, parent
            for part in outer:
                wrapper = _new(child, "Directory", Id=_directory_id(above, part), Name=part)
                holder.append(wrapper)
                holder, above = wrapper.children, wrapper.attributes["Id"]
            if name:
                child.attributes["Name"] = name
                child.attributes.setdefault("Id", _directory_id(above, name))
            holder.append(child)
        else:
            children.append(child)
    node.children = children


def _directory_id(parent: str, name: str) -> str:
    return "d" + derived_guid("directory", f"{parent}\\{name}".lower()).strip("{}").replace("-", "")


def _harvested(node: Node) -> list[Node]:
    """The children, with a File for each file that a Files element names."""
    children: list[Node] = []
    for child in node.children:
        children += _files(child, node) if child.name == "Files" else [child]
    return children


def _files(node: Node, container: Node) -> list[Node]:
    """A File for each file like a pattern; a Directory for each folder below that ``**`` in it reaches."""
    given = node.attributes
    if set(given) - {"Include", "Directory"} or "Include" not in given or node.children:
        raise node.error("of Files only Include and Directory are supported", "write <File …> for what it cannot say")
    folder, _, pattern = given["Include"].replace("\\", "/").rpartition("/")
    deep = pattern == "**" or folder.endswith("**")
    folder, pattern = folder.removesuffix("**").rstrip("/"), "*" if pattern == "**" else pattern
    root = (node.base or Path()) / folder
    found = sorted(path for path in (root.rglob(pattern) if deep else root.glob(pattern)) if path.is_file())
    if not found:
        raise node.error(f"no file is like “{given['Include']}”", "correct the pattern")
    top = given.get("Directory") or container.attributes.get("Id", "")
    inside: dict[tuple[str, ...], Node] = {(): _new(node, "DirectoryRef", Id=top)}
    for path in found:
        inner = path.relative_to(root).parts[:-1]
        for depth in range(1, len(inner) + 1):
            above = inside[inner[: depth - 1]]
            if container.name not in ("Directory", "DirectoryRef"):
                raise node.error(f"“{path.name}” is in a folder of its own", "put the Files into a <Directory>")
            if inner[:depth] not in inside:
                name = inner[depth - 1]
                below = _new(node, "Directory", Id=_directory_id(above.attributes["Id"], name), Name=name)
                inside[inner[:depth]] = below
                above.children.append(below)
        source = "/".join([*([folder] if folder else []), *inner, path.name])
        code = derived_guid("file", f"{top}\\{source}").strip("{}").replace("-", "")
        file = _new(node, "File", Id=f"f{code}", Source=source)
        if "Directory" in given and not inner:
            file.attributes["Directory"] = given["Directory"]
        inside[inner].children.append(_wrapped(file))
    return inside[()].children


def _wrapped(node: Node) -> Node:
    """A Component around a File that stands by itself."""
    if node.name != "File":
        return node
    component = _new(node, "Component")
    for name in ("Directory", "Win64"):
        if name in node.attributes:
            component.attributes[name] = node.attributes.pop(name)
    component.children = [node, *(child for child in node.children if child.name == "Condition")]
    node.children = [child for child in node.children if child.name != "Condition"]
    return component


def _wix_ui(node: Node) -> list[Node]:
    """ui:WixUI is a UIRef, and a property that says what directory the dialogs ask for."""
    if node.name != "ui:WixUI":
        return [node]
    node.name, folder = "UIRef", node.attributes.pop("InstallDirectory", None)
    return [node, *([_new(node, "Property", Id="WIXUI_INSTALLDIR", Value=folder)] if folder else [])]


_TRANSLATIONS: Mapping[str, Callable[[Node, str], None]] = {
    "StandardDirectory": _standard_directory,
    "Directory": _named_directory,
    "DirectoryRef": _named_directory,
}
