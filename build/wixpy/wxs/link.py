# SPDX-License-Identifier: MIT
"""What can be done only when all of the source is read: cabinets, sequences, features' components, derived codes."""

from __future__ import annotations

import hashlib
import uuid

from wixpy.actions import standard
from wixpy.errors import WixpyError
from wixpy.strings import codec
from wixpy.summary import Pid
from wixpy.wxs import media, shortnames
from wixpy.wxs.compilation import STANDARD_DIRECTORIES, AutomaticGuid, Compilation, Membership, derived_guid, guid
from wixpy.wxs.grammar import nearest
from wixpy.wxs.sequence import Step, resolve
from wixpy.wxs.source import NAMESPACE, Node

_COMPONENT_NAMESPACE = uuid.UUID("3064E5C6-FB63-4FE9-AC49-E446A792EFA5")
_ROOT_NAMES = {-1: "MachineUser", 0: "ClassesRoot", 1: "CurrentUser", 2: "LocalMachine", 3: "Users"}


def link(compilation: Compilation, root: Node, outputs: media.Outputs) -> None:
    """Complete the database; WixpyError, with the line, for what does not fit together."""
    if compilation.assemblies:
        from wixpy.wxs.assemblies import name_all  # noqa: PLC0415 - few packages have any

        name_all(compilation)
    if compilation.module is not None:
        _link_module(compilation, root, outputs)
        return
    shortnames.assign(compilation.names)
    _merge(compilation)
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


def _merge(compilation: Compilation) -> None:
    """Take in merge modules, which most packages have not."""
    members = (*compilation.features.values(), *compilation.feature_groups.values())
    if compilation.merges or any(member.kind == "Merge" for listed in members for member in listed):
        from wixpy.wxs.merge import merge_all  # noqa: PLC0415

        merge_all(compilation)


def _link_module(compilation: Compilation, root: Node, outputs: media.Outputs) -> None:
    """Complete a merge module, whose package code is its GUID."""
    from wixpy.wxs import module  # noqa: PLC0415 - a package needs none of it

    module.gather(compilation, root)
    for automatic in compilation.automatic_guids:
        _component_guid(compilation, automatic)
    module.finish(compilation, root, outputs)
    _code_page(compilation)
    compilation.database.add_validation()


def _features(compilation: Compilation) -> None:
    """Fill FeatureComponents and put features below others; every component must belong to a feature.

    What is advertised belongs to one feature: the one with Primary='yes', or else the first.
    """
    placed: dict[str, str] = {}
    primary: dict[str, str] = {}
    for feature, listed in compilation.features.items():
        members = _feature_members(compilation, listed, ())
        for member in (member for member in members if member.kind == "Feature"):
            _nest(compilation, member, feature)
        for component, member in _expand(compilation, [m for m in members if m.kind != "Feature"], ()).items():
            if compilation.database.get("Component", component) is None:
                known = [str(row.key[0]) for row in compilation.database.rows("Component")]
                raise member.node.error(f"the component {component} is not there", nearest(component, known))
            compilation.insert(member.node, "FeatureComponents", feature, component)
            placed.setdefault(component, feature)
            if member.is_primary:
                if component in primary:
                    raise member.node.error(f"{component} has the primary feature {primary[component]}", "keep one")
                primary[component] = feature
    for row in compilation.database.rows("Component"):
        name = str(row.key[0])
        if name not in placed:
            node = compilation.places["Component", row.key]
            raise node.error(f"the component {name} belongs to no feature", f"add <ComponentRef Id='{name}'/> to one")
    placed |= primary
    for table, key, column, component in compilation.advertised:
        row_or_none = compilation.database.get(table, *key)
        assert row_or_none is not None
        compilation.database.replace(row_or_none, **{column: placed[component]})


def _feature_members(compilation: Compilation, members: list[Membership], path: tuple[str, ...]) -> list[Membership]:
    """Members with feature groups replaced by what is in them."""
    flat: list[Membership] = []
    for member in members:
        if member.kind != "FeatureGroup":
            flat.append(member)
            continue
        if member.name in path:
            raise member.node.error(f"the feature group {member.name} contains itself", "remove one FeatureGroupRef")
        if member.name not in compilation.feature_groups:
            hint = nearest(member.name, compilation.feature_groups)
            raise member.node.error(f"the feature group {member.name} is not there", hint)
        inside = _feature_members(compilation, compilation.feature_groups[member.name], (*path, member.name))
        flat += [_within(each, member) for each in inside]
    return flat


def _nest(compilation: Compilation, member: Membership, parent: str) -> None:
    """Put a feature below another one."""
    row = compilation.database.get("Feature", member.name)
    assert row is not None
    if row["Feature_Parent"] not in (None, parent):
        raise member.node.error(
            f"the feature {member.name} is in {row['Feature_Parent']} and in {parent}", "refer to it from one"
        )
    above: str | None = parent
    while above:
        if above == member.name:
            raise member.node.error(f"the feature {member.name} contains itself", "remove one FeatureRef")
        upper = compilation.database.get("Feature", above)
        above = upper.text("Feature_Parent") if upper else None
    compilation.database.replace(row, Feature_Parent=parent)


def _expand(compilation: Compilation, members: list[Membership], path: tuple[str, ...]) -> dict[str, Membership]:
    """The components behind references to components, groups and merge modules, as members."""
    components: dict[str, Membership] = {}
    for member in members:
        if member.kind == "Component":
            components.setdefault(member.name, member)
            continue
        if member.kind == "Merge":
            components |= dict.fromkeys(compilation.merges[member.name].components, member)
            continue
        if member.name in path:
            raise member.node.error(
                f"the component group {member.name} contains itself", "remove one ComponentGroupRef"
            )
        if member.name not in compilation.groups:
            hint = nearest(member.name, compilation.groups)
            raise member.node.error(f"the component group {member.name} is not there", hint)
        inside = _expand(compilation, compilation.groups[member.name], (*path, member.name))
        components |= {name: _within(each, member) for name, each in inside.items()}
    return components


def _within(member: Membership, group: Membership) -> Membership:
    """A member of a group, which is primary when its group is."""
    return member._replace(is_primary=member.is_primary or group.is_primary)


def _component_guid(compilation: Compilation, automatic: AutomaticGuid) -> None:
    """Derive a component's GUID from its key path as WiX does: the same place gives the same GUID in every version.

    WiX v3 tells the place of a registry value in one way, v4 and v5 in another; the language of the source decides.
    """
    database = compilation.database
    row = database.get("Component", automatic.component)
    assert row is not None
    key_path = row.text("KeyPath")
    registry = database.get("Registry", key_path) if row.number("Attributes") & 4 else None
    file = database.get("File", key_path) if key_path else None
    if registry is not None:
        root = registry.text("Root") if automatic.node.namespace == NAMESPACE else _ROOT_NAMES[registry.number("Root")]
        bits = "64" if row.number("Attributes") & 256 else ""
        place = f"{bits}{root}\\{registry.text('Key')}\\{registry.text('Name')}".lower()
    elif file is not None:
        folder, *names = _path(compilation, row.text("Directory_"))
        place = "\\".join([folder, *(name.lower() for name in (*names, file.text("FileName").rpartition("|")[2]))])
    else:
        what = "a data source" if key_path else "a directory"
        raise automatic.node.error(
            f"the GUID of the component {automatic.component} cannot be derived: its key path is {what}",
            "give Guid, or make a file or a registry value the key path",
        )
    digest = hashlib.sha1(_COMPONENT_NAMESPACE.bytes + place.encode("utf-16-le"), usedforsecurity=False).digest()
    database.replace(row, ComponentId=guid(uuid.UUID(bytes=digest[:16], version=5)))


def _path(compilation: Compilation, directory: str) -> list[str]:
    """Where a directory is: the standard directory or the root, and the names from there on."""
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
    return [directory, *parts]


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
    if compilation.instances is not None:
        from wixpy.wxs import instances  # noqa: PLC0415 - most packages have none

        instances.embed(compilation, compilation.instances)
    database.summary[Pid.REVISION] = derived_guid("package", database.digest().hex())
