# SPDX-License-Identifier: MIT
"""The language of WiX v4 and v5 (http://wixtoolset.org/schemas/v4/wxs), translated into that of v3.

What has a new spelling is written in the old one: ``Package`` is Product and Package, ``StandardDirectory`` a
DirectoryRef, ``Bitness`` Win64, ``Condition`` and other attributes are elements or text again.  What may be left out is
put in: the media, the feature, a Component around a File, identifiers of directories.  The old spelling of something
renamed is refused, as WiX refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from wixpy.actions import standard_names
from wixpy.wxs.compilation import PLATFORMS, STANDARD_DIRECTORIES, derived_guid
from wixpy.wxs.components import component_id
from wixpy.wxs.grammar import nearest
from wixpy.wxs.harvest import DEFAULT_DIRECTORY, Places, directory_id, files, is_derived, new
from wixpy.wxs.source import Node

DEFAULT_FEATURE = "WixDefaultFeature"
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
_PACKAGE = {"Compressed", "InstallerVersion", "ShortNames"}
_STRATEGIES = ("majorUpgrade", "none")
_DOWNGRADE = "A newer version of [ProductName] is already installed."
_UTF_8, _WESTERN = "65001", "1252"
_EITHER_SCOPE = {"ALLUSERS": "2", "MSIINSTALLPERUSER": "1"}
_SUMMARY = {"Codepage": "SummaryCodepage", "Description": "Description", "Keywords": "Keywords",
            "Manufacturer": "Manufacturer", "Comments": "Comments"}  # fmt: skip


def translate(root: Node, platform: str) -> None:
    """Write a source in the words of version 3."""
    for node in list(root.walk()):
        if node.name in _OLD_ELEMENTS:
            raise node.error(f"{node.name} is not in version 4 of the language", _OLD_ELEMENTS[node.name])
    root.children = [_SECTIONS.get(child.name, _same)(child, platform) for child in root.children]
    for node in list(root.walk()):
        node.children = [each for child in node.children for each in _wix_ui(child)]
        _rename(node)
        _conditions(node)
        _TRANSLATIONS.get(node.name, _nothing)(node, platform)
    places = Places(root)
    for node in list(root.walk()):
        if node.name == "Directory" and "Id" not in node.attributes:
            raise node.error("the directory has no Id and no Name", "give Name")
        if node.name in _CONTAINERS:
            places.below(node)
            node.children = [
                _wrapped(each)
                for child in node.children
                for each in (files(child, node, places) if child.name == "Files" else [child])
            ]
    root.children += places.fragments


def complete(roots: Sequence[Node], platform: str) -> None:
    """Put in what the sources together leave out: the media, a directory, and a feature for all components."""
    nodes = [node for root in roots for node in root.walk()]
    product = next((node for node in nodes if node.name == "Product"), None)
    if product is None:
        return
    upgrades = any(node.name in ("MajorUpgrade", "Upgrade") for node in nodes)
    if product.attributes.pop("UpgradeStrategy", "none") == _STRATEGIES[0] and not upgrades:
        product.children.append(new(product, "MajorUpgrade", DowngradeErrorMessage=_DOWNGRADE))
    _join_directories(nodes)
    if not any(node.name in ("Media", "MediaTemplate") for node in nodes):
        product.children.append(new(product, "MediaTemplate", EmbedCab="yes"))
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
        programs = "ProgramFiles64Folder" if PLATFORMS[platform].is_64bit else "ProgramFilesFolder"
        parent = new(product, "DirectoryRef", Id=programs)
        parent.children = [new(product, "Directory", Id=DEFAULT_DIRECTORY, Name=name)]
        product.children.append(parent)
    if not any(node.name == "Feature" for node in nodes):
        feature = new(product, "Feature", Id=DEFAULT_FEATURE, Level="1", Display="hidden")
        feature.children = [
            new(node, "ComponentRef", Id=component_id(node)) for node in nodes if node.name == "Component"
        ]
        product.children.append(feature)


def _nothing(_: Node, __: str) -> None:
    """Most elements are the same in both versions."""


def _package(node: Node, platform: str) -> Node:
    """Product and Package from the Package of version 4."""
    given = dict(node.attributes)
    identifier, scope = given.pop("Id", None), given.pop("Scope", "perMachine")
    if "UpgradeCode" not in given and identifier is not None:
        given["UpgradeCode"] = derived_guid("upgrade", identifier)
    product = new(node, "Product", Id=given.pop("ProductCode", "*"), Language=given.pop("Language", _LANGUAGE))
    product.attributes["UpgradeStrategy"] = strategy = given.pop("UpgradeStrategy", _STRATEGIES[0])
    if strategy not in _STRATEGIES:
        raise node.error(f"Package/@UpgradeStrategy is “{strategy}”", f"give {' or '.join(_STRATEGIES)}")
    product.attributes |= {name: given.pop(name) for name in list(given) if name in _PRODUCT}
    product.attributes.setdefault("Codepage", _UTF_8)
    for name in sorted(set(given) - _PACKAGE):
        known = sorted({*_PRODUCT, *_PACKAGE, "Id", "Language", "ProductCode", "Scope", "UpgradeStrategy"})
        raise node.error(f"Package has no attribute {name} in version 4 of the language", nearest(name, known))
    package = new(node, "Package", InstallerVersion=_INSTALLER_VERSION, Compressed="yes")
    package.attributes |= given | {"Platform": platform}
    _summary(node, package)
    shown = "".join([*product.attributes.values(), *package.attributes.values()])
    package.attributes.setdefault("SummaryCodepage", _WESTERN if _is_western(shown) else _UTF_8)
    others = [child for child in node.children if child.name != "SummaryInformation"]
    if scope == "perUserOrMachine":
        package.attributes["InstallPrivileges"] = "limited"
        others += [new(node, "Property", Id=name, Value=value) for name, value in _EITHER_SCOPE.items()]
    else:
        package.attributes["InstallScope"] = scope
    product.children = [package, *others]
    return product


def _summary(node: Node, package: Node) -> None:
    """What SummaryInformation says is of the Package in version 3."""
    for child in (child for child in node.children if child.name == "SummaryInformation"):
        for name, value in child.attributes.items():
            if name not in _SUMMARY:
                raise child.error(f"SummaryInformation has no attribute {name}", f"there is {', '.join(_SUMMARY)}")
            package.attributes[_SUMMARY[name]] = value


def _same(node: Node, _: str) -> Node:
    return node


def _module(node: Node, platform: str) -> Node:
    """Module and Package from the Module of version 4."""
    given = node.attributes
    if "Guid" not in given:
        raise node.error("Module needs the attribute Guid", "add Guid='…'")
    installer = given.pop("InstallerVersion", _INSTALLER_VERSION)
    package = new(node, "Package", Id=given.pop("Guid"), InstallerVersion=installer, Platform=platform)
    _summary(node, package)
    node.children = [package, *(child for child in node.children if child.name != "SummaryInformation")]
    return node


def _is_western(text: str) -> bool:
    try:
        text.encode(f"cp{_WESTERN}")
    except UnicodeEncodeError:
        return False
    return True


def _rename(node: Node) -> None:
    """Attributes that are called otherwise."""
    for name, old, words in _RENAMED.get(node.name, ()):
        if old in node.attributes:
            raise node.error(f"{node.name} has no attribute {old} in version 4 of the language", f"write {name}")
        value = node.attributes.pop(name, None)
        if value is not None and words is not None:
            if value not in words:
                raise node.error(f"{node.name}/@{name} is “{value}”", f"give {' or '.join(words)}")
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
            node.children.append(new(node, "Condition", text))
    if node.name in _TEXT_ATTRIBUTES:
        if node.text:
            raise node.error(f"{node.name} has no text in version 4", f"write {_TEXT_ATTRIBUTES[node.name]}='…'")
        node.text = node.attributes.pop(_TEXT_ATTRIBUTES[node.name], "")
        node.name = {"MultiString": "MultiStringValue"}.get(node.name, node.name)


def _standard_directory(node: Node, platform: str) -> None:
    name = node.attributes.get("Id", "")
    if name in _6432_DIRECTORIES:
        bits = "64" if PLATFORMS[platform].is_64bit else ""
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
                wrapper = new(child, "Directory", Id=directory_id(above, part), Name=part)
                holder.append(wrapper)
                holder, above = wrapper.children, wrapper.attributes["Id"]
            if name:
                child.attributes["Name"] = name
                child.attributes.setdefault("Id", directory_id(above, name))
            holder.append(child)
        else:
            children.append(child)
    node.children = children


def _join_directories(nodes: Sequence[Node]) -> None:
    """Directories without an Id of their own are one when they have the same name in the same place."""
    first: dict[str, Node] = {}
    for node in nodes:
        kept: list[Node] = []
        for child in node.children:
            earlier = first.setdefault(child.attributes.get("Id", ""), child) if is_derived(child) else child
            if earlier is child:
                kept.append(child)
            else:
                earlier.children += child.children
        node.children = kept


def _wrapped(node: Node) -> Node:
    """A Component around a File that stands by itself."""
    if node.name != "File":
        return node
    component = new(node, "Component")
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
    return [node, *([new(node, "Property", Id="WIXUI_INSTALLDIR", Value=folder)] if folder else [])]


_TRANSLATIONS: Mapping[str, Callable[[Node, str], None]] = {
    "StandardDirectory": _standard_directory,
    "Directory": _named_directory,
    "DirectoryRef": _named_directory,
}
_SECTIONS: Mapping[str, Callable[[Node, str], Node]] = {"Package": _package, "Module": _module}
