# SPDX-License-Identifier: MIT
"""Other versions of a product: MajorUpgrade, Upgrade, and searches for products (Windows Installer SDK, “Upgrade
Table”)."""

from __future__ import annotations

import uuid

from wixpy.wxs.actions import schedule
from wixpy.wxs.compilation import SECURE, Compilation, guid
from wixpy.wxs.source import Node

_MIGRATE_FEATURES, _ONLY_DETECT, _IGNORE_FAILURE = 1, 2, 4
_MIN_INCLUSIVE, _MAX_INCLUSIVE, _EXCLUDE_LANGUAGES = 0x100, 0x200, 0x400
_SCHEDULES = {
    "afterInstallValidate": "InstallValidate",
    "afterInstallInitialize": "InstallInitialize",
    "afterInstallExecute": "InstallExecute",
    "afterInstallExecuteAgain": "InstallExecuteAgain",
    "afterInstallFinalize": "InstallFinalize",
}
_UPGRADES = {"MigrateFeatures": _MIGRATE_FEATURES, "OnlyDetect": _ONLY_DETECT, "IgnoreRemoveFailure": _IGNORE_FAILURE}
_RANGES = {
    "IncludeMinimum": (_MIN_INCLUSIVE, True),
    "IncludeMaximum": (_MAX_INCLUSIVE, False),
    "ExcludeLanguages": (_EXCLUDE_LANGUAGES, False),
}
UPGRADE_DETECTED, DOWNGRADE_DETECTED = "WIX_UPGRADE_DETECTED", "WIX_DOWNGRADE_DETECTED"


def major_upgrade(compilation: Compilation, node: Node) -> None:
    """MajorUpgrade: remove older versions, refuse to replace newer ones."""
    code, version = compilation.database.property("UpgradeCode"), compilation.database.property("ProductVersion")
    migrate = _MIGRATE_FEATURES if node.yes("MigrateFeatures", True) else 0
    attributes = migrate | (_IGNORE_FAILURE if node.yes("IgnoreRemoveFailure") else 0)
    attributes |= _MAX_INCLUSIVE if node.yes("AllowSameVersionUpgrades") else 0
    downgrades, message = node.yes("AllowDowngrades"), node.get("DowngradeErrorMessage")
    if downgrades == (message is not None):
        raise node.error(
            "give either DowngradeErrorMessage or AllowDowngrades='yes'", "a package must say what a downgrade does"
        )
    maximum = None if downgrades else version
    minimum = "0" if downgrades else None
    features = node.get("RemoveFeatures")
    if downgrades:
        attributes = attributes & ~_MAX_INCLUSIVE | _MIN_INCLUSIVE
    compilation.insert(node, "Upgrade", code, minimum, maximum, None, attributes, features, UPGRADE_DETECTED)
    compilation.collect(SECURE, UPGRADE_DETECTED)
    if message:
        compilation.insert(node, "Upgrade", code, version, None, None, _ONLY_DETECT, None, DOWNGRADE_DETECTED)
        compilation.insert(node, "LaunchCondition", f"NOT {DOWNGRADE_DETECTED}", message)
        compilation.collect(SECURE, DOWNGRADE_DETECTED)
    refusal = node.get("DisallowUpgradeErrorMessage")
    if node.yes("Disallow") != (refusal is not None):
        raise node.error("Disallow='yes' and DisallowUpgradeErrorMessage go together", "give both, or none")
    if refusal:
        compilation.insert(node, "LaunchCondition", f"NOT {UPGRADE_DETECTED}", refusal)
    after = _SCHEDULES[node.get("Schedule") or "afterInstallValidate"]
    schedule(compilation, node, "InstallExecuteSequence", "RemoveExistingProducts", after=after)


def upgrade(compilation: Compilation, node: Node) -> None:
    """Upgrade: ranges of versions of a family of products."""
    code = guid(uuid.UUID(node.need("Id")))
    compilation.dispatch(node, {"UpgradeVersion": _upgrade_version}, code)


def _upgrade_version(compilation: Compilation, node: Node, code: str) -> None:
    bits = sum(bit for name, bit in _UPGRADES.items() if node.yes(name))
    _range(compilation, node, code, node.need("Property"), bits, node.get("RemoveFeatures"))


def _range(compilation: Compilation, node: Node, code: str, name: str, bits: int, features: str | None) -> None:
    """A row of Upgrade: the versions from Minimum to Maximum, whose codes the property gets."""
    minimum, maximum = node.get("Minimum"), node.get("Maximum")
    if minimum is None and maximum is None:
        raise node.error(f"the {node.name} has no range", "give Minimum, Maximum or both")
    bits |= sum(bit for attribute, (bit, default) in _RANGES.items() if node.yes(attribute, default))
    compilation.insert(node, "Upgrade", code, minimum, maximum, node.get("Language"), bits, features, name)
    compilation.collect(SECURE, name)


def product_search(compilation: Compilation, node: Node, name: str) -> None:
    """ProductSearch: a property that becomes the codes of installed products, which stay."""
    code = (
        compilation.guid(node, "UpgradeCode")
        if node.get("UpgradeCode")
        else compilation.database.property("UpgradeCode")
    )
    _range(compilation, node, str(code), name, _ONLY_DETECT, None)
