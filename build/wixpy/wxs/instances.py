# SPDX-License-Identifier: MIT
"""InstanceTransforms: transforms in the package with which it is installed several times on one machine (Windows
Installer SDK, “Authoring Multiple Instances with Instance Transforms”).

Each gives the product another product code and, if it says so, another name and upgrade code, and its Id to a property.
``msiexec /i x.msi TRANSFORMS=:Id MSINEWINSTANCE=1`` installs that instance.
"""

from __future__ import annotations

import uuid

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.names import check_storage
from wixpy.transform import Validation
from wixpy.wxs.compilation import Compilation, derived_guid, guid
from wixpy.wxs.source import Node


def embed(compilation: Compilation, node: Node) -> None:
    """Make the transforms of InstanceTransforms; the package is complete but for its package code."""
    database = compilation.database
    if not node.children:
        raise node.error("InstanceTransforms is empty", "add <Instance Id='…' ProductCode='*'/>, or remove it")
    for child in node.children:
        name = child.need("Id")
        if name in database.storages:
            raise child.error(f"the instance {name} is defined twice", "give one another Id")
        try:
            check_storage(name)
        except WixpyError as error:
            raise child.error(error.message, error.hint) from error
        changed = _instance(compilation, child, node.need("Property"))
        made = changed.generate_transform(database, validation=Validation.NONE)
        assert made is not None, "it has another product code"
        database.storages[name] = made


def _instance(compilation: Compilation, node: Node, selector: str) -> Database:
    """The package as one instance has it."""
    name, changed = node.need("Id"), compilation.database.copy()
    code = node.get("ProductCode")
    old_upgrade = changed.property("UpgradeCode")
    upgrade = node.get("UpgradeCode")
    values = {
        selector: name,
        "ProductCode": derived_guid("instance", f"{changed.property('ProductCode')} {name}")
        if code == "*" else compilation.guid(node, "ProductCode"),
        "ProductName": node.get("ProductName"),
        "UpgradeCode": guid(uuid.UUID(upgrade)) if upgrade else None,
    }  # fmt: skip
    if values["ProductCode"] == changed.property("ProductCode"):
        raise node.error(f"the instance {name} has the product code of the package", "give it another, or *")
    for key, value in values.items():
        if value is not None and changed.property(key) is not None:
            changed.delete("Property", key)
        if value is not None:
            changed.insert("Property", key, value)
    if upgrade:
        for row in changed.rows("Upgrade"):
            if row["UpgradeCode"] == old_upgrade:
                changed.delete("Upgrade", *row.key)
                changed.insert("Upgrade", values["UpgradeCode"], *row.cells[1:])
    for row in changed.rows("Component"):
        if row["ComponentId"] and compilation.places["Component", row.key].yes("MultiInstance"):
            changed.replace(row, ComponentId=derived_guid("component of instance", f"{row['ComponentId']} {name}"))
    return changed
