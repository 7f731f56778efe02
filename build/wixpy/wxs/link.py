# SPDX-License-Identifier: MIT
"""What can be done only when all of the source is read: cabinets, sequences, features' components, derived codes."""

from __future__ import annotations

from wixpy.actions import standard
from wixpy.errors import WixpyError
from wixpy.strings import codec
from wixpy.summary import Pid
from wixpy.wxs import media, shortnames
from wixpy.wxs.compilation import STANDARD_DIRECTORIES, AutomaticGuid, Compilation, Membership, derived_guid
from wixpy.wxs.grammar import nearest
from wixpy.wxs.sequence import Step, resolve
from wixpy.wxs.source import Node


def link(compilation: Compilation, root: Node, outputs: media.Outputs) -> None:
    """Complete the database; WixpyError, with the line, for what does not fit together."""
    shortnames.assign(compilation.names)
    media.lay_out(compilation, outputs)
    compilation.settle_references()
    _features(compilation)
    for automatic in compilation.automatic_guids:
        _component_guid(compilation, automatic)
    for kind, names in sorted(compilation.properties.items()):
        compilation.insert(root, "Property", kind, ";".join(sorted(names)))
    for table in standard():
        _sequence(compilation, table)
    _code_page(compilation)
    compilation.database.add_validation()
    _codes(compilation)


def _features(compilation: Compilation) -> None:
    """Fill FeatureComponents; every component must belong to a feature."""
    placed: dict[str, str] = {}
    for feature, members in compilation.features.items():
        for component, node in _expand(compilation, members, ()).items():
            if compilation.database.get("Component", component) is None:
                known = [str(row.key[0]) for row in compilation.database.rows("Component")]
                raise node.error(f"the component {component} is not there", nearest(component, known))
            compilation.insert(node, "FeatureComponents", feature, component)
            placed.setdefault(component, feature)
    for row in compilation.database.rows("Component"):
        name = str(row.key[0])
        if name not in placed:
            node = compilation.places["Component", row.key]
            raise node.error(f"the component {name} belongs to no feature", f"add <ComponentRef Id='{name}'/> to one")
    for shortcut, component, _ in compilation.advertised:
        row_or_none = compilation.database.get("Shortcut", shortcut)
        assert row_or_none is not None
        compilation.database.replace(row_or_none, Target=placed[component])


def _expand(compilation: Compilation, members: list[Membership], path: tuple[str, ...]) -> dict[str, Node]:
    """The components behind references to components and groups."""
    components: dict[str, Node] = {}
    for member in members:
        if member.kind == "Component":
            components.setdefault(member.name, member.node)
            continue
        if member.name in path:
            raise member.node.error(
                f"the component group {member.name} contains itself", "remove one ComponentGroupRef"
            )
        if member.name not in compilation.groups:
            hint = nearest(member.name, compilation.groups)
            raise member.node.error(f"the component group {member.name} is not there", hint)
        components |= _expand(compilation, compilation.groups[member.name], (*path, member.name))
    return components


def _component_guid(compilation: Compilation, automatic: AutomaticGuid) -> None:
    """Derive a component's GUID from its key path: the same place gives the same GUID in every version."""
    database = compilation.database
    row = database.get("Component", automatic.component)
    assert row is not None
    key_path = row.text("KeyPath")
    bits = "64" if row.number("Attributes") & 256 else "32"
    if not key_path:
        raise automatic.node.error(
            f"the GUID of the component {automatic.component} cannot be derived: its key path is a directory",
            "give Guid, or make a file or a registry value the key path",
        )
    registry = database.get("Registry", key_path) if row.number("Attributes") & 4 else None
    if registry is not None:
        place = "\\".join([registry.text("Root"), registry.text("Key"), registry.text("Name")])
    else:
        file = database.get("File", key_path)
        assert file is not None
        place = f"{_path(compilation, row.text('Directory_'))}\\{file.text('FileName').rpartition('|')[2]}"
    database.replace(row, ComponentId=derived_guid("component", f"{bits}:{place}".lower()))


def _path(compilation: Compilation, directory: str) -> str:
    """Where a directory is, from a standard directory or the root on."""
    parts: list[str] = []
    seen = set()
    while directory not in STANDARD_DIRECTORIES and directory not in seen:
        seen.add(directory)
        row = compilation.database.get("Directory", directory)
        assert row is not None
        name = row.text("DefaultDir").rpartition("|")[2]
        if name != ".":
            parts.insert(0, name)
        directory = row.text("Directory_Parent")
    return "\\".join([f"[{directory}]", *parts])


def _sequence(compilation: Compilation, table: str) -> None:
    """Fill a sequence table: the actions that the author asks for and those that the tables need."""
    known = standard()[table]
    steps = dict(compilation.steps.get(table, {}))
    suppressed = compilation.suppressed.get(table, set())
    wanted = {
        action.name
        for action in known.values()
        if action.tables is None or any(compilation.database.rows(needed) for needed in action.tables)
    }
    wanted |= {name for step in steps.values() for name in (step.before, step.after) if name and name in known}
    for name in sorted(wanted - suppressed, key=lambda name: known[name].number):
        if name not in steps:
            steps[name] = Step(name, None, known[name].number)
    for action, number in sorted(resolve(steps).items(), key=lambda item: item[1]):
        step = steps[action]
        try:
            compilation.database.insert(table, action, step.condition, number)
        except WixpyError as error:
            raise step.error(error.message, error.hint or "") from error
        if step.node:
            compilation.places[table, (action,)] = step.node


def _code_page(compilation: Compilation) -> None:
    """WixpyError, with the line, for text that the code page of the database lacks."""
    encoding = codec(compilation.database.codepage)
    for (table, key), node in compilation.places.items():
        row = compilation.database.get(table, *key)
        for cell in row.cells if row else ():
            try:
                str(cell).encode(encoding)
            except UnicodeEncodeError:
                raise node.error(
                    f"“{cell}” has a character that code page {compilation.database.codepage} lacks",
                    "give Product/@Codepage: 65001 for UTF-8, or the Windows code page of the language",
                ) from None


def _codes(compilation: Compilation) -> None:
    """Derive the product code, when asked to, and the package code from everything else in the package."""
    database = compilation.database
    row = database.get("Property", "ProductCode")
    assert row is not None
    if compilation.derive_product_code:
        database.replace(row, Value=derived_guid("product", database.digest().hex()))
    database.summary[Pid.REVISION] = derived_guid("package", database.digest().hex())
