# SPDX-License-Identifier: MIT
"""The product itself: summary information, properties, upgrades, media, features, searches."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from wixpy.media import COMPRESSED_SOURCE, SHORT_NAMES
from wixpy.schema import standard
from wixpy.strings import codec
from wixpy.summary import Pid, Value
from wixpy.wxs.actions import SEQUENCES, custom_action, row_reference, sequence, set_directory, set_property
from wixpy.wxs.compilation import ADMIN, HIDDEN, SECURE, Compilation, Membership, guid
from wixpy.wxs.components import component, component_group, component_id, directory, directory_ref
from wixpy.wxs.custom import custom_table
from wixpy.wxs.folders import icon
from wixpy.wxs.grammar import nearest
from wixpy.wxs.information import describe
from wixpy.wxs.media import media, media_template
from wixpy.wxs.rows import element
from wixpy.wxs.searches import compliance_check, property_searches
from wixpy.wxs.source import Node
from wixpy.wxs.ui import reference, ui, ui_sequence
from wixpy.wxs.upgrades import major_upgrade, product_search, upgrade

_WORDS_NO_ELEVATION = 8

_FEATURE_SOURCE, _FEATURE_FOLLOW_PARENT, _FEATURE_ADVERTISE = 1, 2, 4
_FEATURE_NO_ADVERTISE, _FEATURE_NO_ABSENT, _FEATURE_ADVERTISE_ON_SUPPORT = 8, 16, 32


def product(compilation: Compilation, node: Node) -> None:
    """Product: the properties that every package has, and all that is in it."""
    packages = [child for child in node.children if child.name == "Package"]
    if len(packages) != 1:
        raise node.error(f"the product has {len(packages)} Package elements", "write exactly one <Package …/>")
    codepage = node.number("Codepage") or 0
    codec(codepage)
    compilation.database.codepage = codepage
    _package(compilation, packages[0], node)
    code = node.get("Id") or "*"
    compilation.derive_product_code = code == "*"
    for name, value in (
        ("ProductCode", "*" if code == "*" else guid(uuid.UUID(code))),
        ("ProductName", node.need("Name")),
        ("ProductVersion", node.need("Version")),
        ("ProductLanguage", node.need("Language")),
        ("Manufacturer", node.need("Manufacturer")),
        ("UpgradeCode", guid(uuid.UUID(node.need("UpgradeCode")))),
    ):
        compilation.insert(node, "Property", name, value)
    compilation.dispatch(node, PRODUCT_CHILDREN)


def fragment(compilation: Compilation, node: Node) -> None:
    """Fragment: a part of the source; every fragment of the file belongs to the package."""
    node.get("Id")
    compilation.dispatch(node, PRODUCT_CHILDREN)


def _package(compilation: Compilation, node: Node, product_node: Node) -> None:
    """Package: the summary information stream; its revision number, the package code, is derived at the end."""
    if node.get("Id") not in (None, "*"):
        raise node.error(
            "the package code is derived from the content, so that each package has its own", "write Id='*'"
        )
    words = COMPRESSED_SOURCE if node.yes("Compressed", True) else 0
    words |= SHORT_NAMES if node.yes("ShortNames") else 0
    scope, privileges = node.get("InstallScope"), node.get("InstallPrivileges")
    limited = privileges == "limited" or (scope == "perUser" and privileges is None)
    facts: dict[Pid, Value] = {
        Pid.TITLE: "Installation Database",
        Pid.SUBJECT: node.get("Description") or product_node.need("Name"),
        Pid.AUTHOR: node.get("Manufacturer") or product_node.need("Manufacturer"),
        Pid.KEYWORDS: node.get("Keywords") or "Installer",
        Pid.REVISION: "*",
        Pid.WORD_COUNT: words | (_WORDS_NO_ELEVATION if limited else 0),
    }
    describe(compilation, node, node.get("Languages") or product_node.need("Language"), facts)
    if scope == "perMachine":
        compilation.insert(node, "Property", "ALLUSERS", "1")


def _launch_condition(compilation: Compilation, node: Node) -> None:
    if node.get("Level") is not None:
        raise node.error(
            "Level belongs to the condition of a feature", "remove it, or move the condition into a <Feature>"
        )
    if not node.text:
        raise node.error("the condition is empty", "write it as the element's text")
    compilation.insert(node, "LaunchCondition", node.text, node.need("Message"))


def _property(compilation: Compilation, node: Node) -> None:
    name, value = node.need("Id"), node.get("Value")
    compilation.declared.add(name)
    if value is not None and node.text:
        raise node.error(f"the property {name} has both a Value and text", "keep one")
    lists = [kind for flag, kind in (("Secure", SECURE), ("Hidden", HIDDEN), ("Admin", ADMIN)) if node.yes(flag)]
    for kind in lists:
        if kind == SECURE and name != name.upper():
            raise node.error(
                f"the property {name} is private and cannot be secure", "write its name without small letters"
            )
        compilation.collect(kind, name)
    if node.yes("SuppressModularization"):
        compilation.unsuffixed.add(name)
    if node.yes("ComplianceCheck"):
        raise node.error("a property is no compliance check", "put its searches into a <ComplianceCheck>")
    if value or node.text:
        compilation.insert(node, "Property", name, value or node.text)
    elif not lists and not node.children:
        raise node.error(f"the property {name} has no value", "give Value; a property without one does not exist")
    property_searches(compilation, node, name)
    compilation.dispatch(node, {"ProductSearch": product_search}, name)


def _binary(compilation: Compilation, node: Node) -> None:
    compilation.insert(node, "Binary", node.need("Id"), compilation.source_bytes(node, "SourceFile"))


def _feature(compilation: Compilation, node: Node, parent: str | None = None) -> None:
    name = node.need("Id")
    attributes = {"local": 0, "source": _FEATURE_SOURCE, "followParent": _FEATURE_FOLLOW_PARENT}[
        node.get("InstallDefault") or "local"
    ]
    attributes |= {"no": _FEATURE_NO_ADVERTISE, "system": _FEATURE_ADVERTISE_ON_SUPPORT, "yes": 0}[
        node.get("AllowAdvertise") or "yes"
    ]
    attributes |= _FEATURE_ADVERTISE if node.get("TypicalDefault") == "advertise" else 0
    attributes |= _FEATURE_NO_ABSENT if node.get("Absent") == "disallow" else 0
    target = node.get("ConfigurableDirectory")
    if target:
        compilation.refer(node, "Directory", target)
    level = node.number("Level")
    display = _display(node, node.get("Display") or "collapse", compilation.last_display)
    compilation.last_display = max(display, compilation.last_display)
    compilation.insert(
        node, "Feature", name, parent, node.get("Title"), node.get("Description"), display,
        1 if level is None else level, target, attributes,
    )  # fmt: skip
    compilation.features[name] = compilation.features.get(name, [])
    compilation.dispatch(node, FEATURE_CHILDREN, name)


def _display(node: Node, display: str, last: int) -> int:
    """The order of features in dialogs: odd numbers are shown expanded, even ones collapsed, 0 not at all."""
    if display.isdecimal():
        return int(display)
    numbers = {"collapse": (last | 1) + 1, "expand": (last + 1) | 1, "hidden": 0}
    if display not in numbers:
        raise node.error(f"Feature/@Display is “{display}”", "give collapse, expand, hidden or a number")
    return numbers[display]


def _feature_ref(compilation: Compilation, node: Node, parent: str | None = None) -> None:
    """FeatureRef: more content for a feature that is defined elsewhere, which comes below ``parent``."""
    name = node.need("Id")
    compilation.refer(node, "Feature", name)
    compilation.features.setdefault(name, [])
    if parent is not None:
        compilation.features[parent].append(Membership("Feature", name, node))
    compilation.dispatch(node, FEATURE_CHILDREN, name)


def _feature_group(compilation: Compilation, node: Node) -> None:
    """FeatureGroup: what each feature gets that refers to the group; features in it come below that feature."""
    name = node.need("Id")
    compilation.define(node, f"the feature group {name}")
    members = compilation.feature_groups[name] = []
    for child in node.children:
        if child.name == "Component":
            component(compilation, child)
        elif child.name == "Feature":
            _feature(compilation, child)
        elif child.name == "FeatureRef":
            _feature_ref(compilation, child)
        members.append(_membership(child))


def _ensure_table(compilation: Compilation, node: Node) -> None:
    name = node.need("Id")
    if name not in standard():
        raise node.error(f"there is no standard table {name}", nearest(name, standard()))
    if name not in compilation.database.tables:
        compilation.database.add_table(standard()[name])


def _feature_condition(compilation: Compilation, node: Node, feature: str) -> None:
    level = node.number("Level")
    if level is None or not node.text:
        raise node.error(
            "the condition of a feature needs Level and a text", "write <Condition Level='0'>…</Condition>"
        )
    compilation.insert(node, "Condition", feature, level, node.text)


def _feature_component(compilation: Compilation, node: Node, feature: str) -> None:
    component(compilation, node)
    compilation.features[feature].append(_membership(node))


def _feature_member(compilation: Compilation, node: Node, feature: str) -> None:
    compilation.features[feature].append(_membership(node))


def _membership(node: Node) -> Membership:
    name = component_id(node) if node.name == "Component" else node.need("Id")
    return Membership(node.name.removesuffix("Ref"), name, node, node.yes("Primary"))


def _instances(compilation: Compilation, node: Node) -> None:
    """InstanceTransforms: noted until the rest of the package is known."""
    if compilation.instances is not None:
        raise node.error("the package has two InstanceTransforms", "put all Instance elements into one")
    compilation.refer(node, "Property", node.need("Property"))
    compilation.instances = node


def _done(_: Compilation, __: Node) -> None:
    """Package was compiled first: other elements depend on its platform."""


FEATURE_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Feature": _feature,
    "FeatureRef": _feature_ref,
    "Component": _feature_component,
    "ComponentRef": _feature_member,
    "ComponentGroupRef": _feature_member,
    "FeatureGroupRef": _feature_member,
    "MergeRef": _feature_member,
    "Condition": _feature_condition,
}
PRODUCT_CHILDREN: Mapping[str, Callable[..., None]] = {
    "Package": _done,
    "Media": media,
    "MediaTemplate": media_template,
    "MajorUpgrade": major_upgrade,
    "Upgrade": upgrade,
    "Condition": _launch_condition,
    "Property": _property,
    "SetProperty": set_property,
    "Directory": directory,
    "DirectoryRef": directory_ref,
    "Component": component,
    "ComponentGroup": component_group,
    "Feature": _feature,
    "FeatureRef": _feature_ref,
    "FeatureGroup": _feature_group,
    "CustomAction": custom_action,
    "CustomActionRef": row_reference,
    "PropertyRef": row_reference,
    "SetDirectory": set_directory,
    "ComplianceCheck": compliance_check,
    "EnsureTable": _ensure_table,
    "CustomTable": custom_table,
    "PackageCertificates": element,
    "PatchCertificates": element,
    "SFPCatalog": element,
    "Binary": _binary,
    "Icon": icon,
    **dict.fromkeys(SEQUENCES, sequence),
    "InstanceTransforms": _instances,
    "InstallUISequence": ui_sequence,
    "AdminUISequence": ui_sequence,
    "UI": ui,
    "UIRef": reference,
    "WixVariable": _done,
}
