# SPDX-License-Identifier: MIT
"""What files are known by: COM classes, type libraries, ProgIds, file extensions, verbs and MIME types.

With ``Advertise='yes'`` they are rows of tables of their own, so that Windows Installer installs the feature on first
use; without, they are what the same registration writes to HKEY_CLASSES_ROOT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from wixpy.tables import Cell
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.source import Node

if TYPE_CHECKING:
    from wixpy.wxs.components import Component

_CONTEXTS = ("LocalServer", "LocalServer32", "InprocServer", "InprocServer32")
_HKCR = 0
_RELATIVE_PATH = 1
_CATEGORIES = {
    "SafeForScripting": "{7DD95801-9882-11CF-9FA9-00AA006C42C4}",
    "SafeForInitializing": "{7DD95802-9882-11CF-9FA9-00AA006C42C4}",
}
_TYPE_LIBRARY_FLAGS = {"Restricted": 1, "Control": 2, "Hidden": 4, "HasDiskImage": 8}
_AUTOMATION_PROXY = "{00020424-0000-0000-C000-000000000046}"


class Around(NamedTuple):
    """The elements around the one that is compiled."""

    this: Component
    file: str | None = None
    extension: str | None = None
    prog_id: str | None = None
    clsid: str | None = None
    app_id: str | None = None
    type_library: str | None = None
    advertised: bool = False


def register(compilation: Compilation, node: Node, this: Component, file: str | None = None) -> None:
    """An element of this family in a component or a file."""
    _compile(compilation, node, Around(this, file))


def _compile(compilation: Compilation, node: Node, around: Around) -> None:
    advertise = node.get("Advertise")
    inside = around if advertise is None else around._replace(advertised=advertise == "yes")
    _ELEMENTS[node.name](compilation, node, inside)


def _children(compilation: Compilation, node: Node, around: Around, **changes: Any) -> None:
    for child in node.children:
        if child.name in _ELEMENTS:
            _compile(compilation, child, around._replace(**changes))


def _write(compilation: Compilation, node: Node, this: Component, key: str, value: str | None, name: str = "") -> None:
    """A value of HKEY_CLASSES_ROOT."""
    identifier = compilation.make_id("reg", this.name, "HKCR", key, name)
    text = f"#{value}" if value and value.startswith("#") else value
    compilation.insert(node, "Registry", identifier, _HKCR, key, name or None, text, this.name)


def _later(compilation: Compilation, table: str, key: tuple[Cell, ...], this: Component) -> None:
    """The feature of a row is known when all features are."""
    compilation.advertised.append((table, key, "Feature_", this.name))


def _icon(compilation: Compilation, node: Node, around: Around) -> tuple[str | None, int | None]:
    name, number = node.get("Icon"), node.number("IconIndex")
    if name is not None:
        compilation.refer(node, "Icon" if around.advertised else "File", name)
    return name, number


def _class(compilation: Compilation, node: Node, around: Around) -> None:
    clsid, contexts = compilation.guid(node, "Id"), (node.get("Context") or "").split()
    for context in contexts:
        if context not in _CONTEXTS:
            raise node.error(f"Class/@Context has “{context}”", f"give {', '.join(_CONTEXTS)}")
    app_id = compilation.guid(node, "AppId") if node.get("AppId") else around.app_id
    if around.advertised:
        _advertised_class(compilation, node, around, clsid, contexts, app_id)
    else:
        _registered_class(compilation, node, around, clsid, contexts, app_id)
    key, this = f"CLSID\\{clsid}", around.this
    model = node.get("ThreadingModel")
    for context in contexts if model else ():
        _write(compilation, node, this, f"{key}\\{context}", str(model)[0].upper() + str(model)[1:], "ThreadingModel")
    for name in ("Programmable", "Insertable", "Control"):
        if node.yes(name):
            _write(compilation, node, this, f"{key}\\{name}", None)
    for name, category in _CATEGORIES.items():
        if node.yes(name):
            _write(compilation, node, this, f"{key}\\Implemented Categories\\{category}", None)
    if node.get("Version"):
        _write(compilation, node, this, f"{key}\\Version", node.get("Version"))
    if around.type_library:
        _write(compilation, node, this, f"{key}\\TypeLib", around.type_library)
    _children(compilation, node, around, clsid=clsid)


def _advertised_class(
    compilation: Compilation, node: Node, around: Around, clsid: str, contexts: list[str], app_id: str | None
) -> None:
    if not contexts:
        raise node.error("an advertised class needs a Context", f"give {' or '.join(_CONTEXTS)}")
    if around.file is None:
        raise node.error("an advertised class is that of a file", "put the Class into its <File>")
    icon, number = _icon(compilation, node, around)
    programs = [child.need("Id") for child in node.children if child.name == "ProgId"]
    masks = ";".join(_masks(node))
    for context in contexts:
        compilation.insert(
            node, "Class", clsid, context, around.this.name, programs[0] if programs else None, node.get("Description"),
            app_id, masks or None, icon, number, node.get("Handler"), node.get("Argument"), "-",
            _RELATIVE_PATH if node.yes("RelativePath") else None,
        )  # fmt: skip
        _later(compilation, "Class", (clsid, context, around.this.name), around.this)


def _masks(node: Node) -> list[str]:
    """How the content of a file tells its class: offset, number of bytes, mask, value."""
    return [
        f"{child.number('Offset') or 0},{len(child.need('Value')) // 2},{child.get('Mask') or ''},{child.need('Value')}"
        for child in node.children
        if child.name == "FileTypeMask"
    ]


def _registered_class(
    compilation: Compilation, node: Node, around: Around, clsid: str, contexts: list[str], app_id: str | None
) -> None:
    key, this = f"CLSID\\{clsid}", around.this
    server, foreign = node.get("Server") or around.file, node.get("ForeignServer")
    if node.get("Server"):
        compilation.refer(node, "File", node.get("Server"))
    if contexts and not (server or foreign):
        raise node.error("the class has no server", "give Server or ForeignServer, or put the Class into its <File>")
    where = foreign or (f"[!{server}]" if node.yes("ShortPath") else f"[#{server}]")
    if node.get("Argument"):
        where = f'"{where}" {node.get("Argument")}'
    if node.get("Description") or not contexts:
        _write(compilation, node, this, key, node.get("Description"))
    for context in contexts:
        _write(compilation, node, this, f"{key}\\{context}", where)
    if app_id:
        _write(compilation, node, this, key, app_id, "AppID")
    icon, number = _icon(compilation, node, around)
    if icon:
        _write(compilation, node, this, f"{key}\\DefaultIcon", f'"[#{icon}]",{number or 0}')
    if node.get("Handler"):
        _write(compilation, node, this, f"{key}\\InprocHandler32", node.get("Handler"))
    for position, mask in enumerate(_masks(node)):
        _write(compilation, node, this, f"FileType\\{clsid}\\{position}", mask)
    programs = [child for child in node.children if child.name == "ProgId"]
    if programs:
        _write(compilation, node, this, f"{key}\\ProgID", programs[0].need("Id"))
        nested = [child.need("Id") for child in programs[0].children if child.name == "ProgId"]
        if nested:
            _write(compilation, node, this, f"{key}\\VersionIndependentProgID", nested[0])


def _prog_id(compilation: Compilation, node: Node, around: Around) -> None:
    name, this = node.need("Id"), around.this
    icon, number = _icon(compilation, node, around)
    description = node.get("Description")
    if around.advertised:
        outer = None if around.prog_id else around.clsid
        compilation.insert(node, "ProgId", name, around.prog_id, outer, description, icon, number)
        if node.get("NoOpen") is not None:
            _write(compilation, node, this, name, node.get("NoOpen"), "NoOpen")
        _children(compilation, node, around, prog_id=name)
        return
    _write(compilation, node, this, name, description)
    if around.clsid:
        _write(compilation, node, this, f"{name}\\CLSID", around.clsid)
    if around.prog_id:
        _write(compilation, node, this, f"{name}\\CurVer", around.prog_id)
    if icon:
        _write(compilation, node, this, f"{name}\\DefaultIcon", f'"[#{icon}]",{number or 0}')
    if node.get("NoOpen") is not None:
        _write(compilation, node, this, name, node.get("NoOpen"), "NoOpen")
    _children(compilation, node, around, prog_id=name)


def _extension(compilation: Compilation, node: Node, around: Around) -> None:
    name, content, this = node.need("Id"), node.get("ContentType"), around.this
    if around.advertised:
        defaults = [
            child.get("ContentType") for child in node.children if child.name == "MIME" and child.yes("Default")
        ]
        if len(defaults) > 1 or (defaults and content):
            raise node.error(f"the extension {name} has several default MIME types", "keep one")
        compilation.insert(node, "Extension", name, this.name, around.prog_id, (defaults or [content])[0], "-")
        _later(compilation, "Extension", (name, this.name), this)
    else:
        if around.prog_id:
            _write(compilation, node, this, f".{name}", around.prog_id)
        if content:
            _write(compilation, node, this, f".{name}", content, "Content Type")
    _children(compilation, node, around, extension=name)
    # What an advertised extension says of its content is a key of MIME, which needs no element of its own.
    if around.advertised and content and compilation.database.get("MIME", content) is None:
        compilation.insert(node, "MIME", content, name, around.clsid)


def _verb(compilation: Compilation, node: Node, around: Around) -> None:
    name, command, argument = node.need("Id"), node.get("Command"), node.get("Argument")
    if around.advertised:
        compilation.insert(node, "Verb", around.extension, name, node.number("Sequence"), command, argument)
        return
    file, target = node.get("TargetFile"), node.get("TargetProperty")
    if (file is None) is (target is None):
        raise node.error("a verb that is not advertised needs one target", "give TargetFile or TargetProperty")
    if file:
        compilation.refer(node, "File", file)
    key = f"{around.prog_id or f'.{around.extension}'}\\shell\\{name}"
    if command:
        _write(compilation, node, around.this, key, command)
    program = f'"[#{file}]"' if file else f'"[{target}]"'
    _write(compilation, node, around.this, f"{key}\\command", f"{program} {argument}" if argument else program)


def _mime(compilation: Compilation, node: Node, around: Around) -> None:
    content = node.need("ContentType")
    clsid = compilation.guid(node, "Class") if node.get("Class") else around.clsid
    if around.advertised:
        node.get("Default")
        compilation.insert(node, "MIME", content, around.extension, clsid)
        return
    key = f"MIME\\Database\\Content Type\\{content}"
    _write(compilation, node, around.this, key, f".{around.extension}", "Extension")
    if clsid:
        _write(compilation, node, around.this, key, clsid, "CLSID")
    if node.yes("Default"):
        _write(compilation, node, around.this, f".{around.extension}", content, "Content Type")


def _app_id(compilation: Compilation, node: Node, around: Around) -> None:
    identifier, this = compilation.guid(node, "Id"), around.this
    texts = ("RemoteServerName", "LocalService", "ServiceParameters", "DllSurrogate")
    if around.advertised:
        flags = [1 if node.yes(name) else None for name in ("ActivateAtStorage", "RunAsInteractiveUser")]
        compilation.insert(node, "AppId", identifier, *(node.get(name) for name in texts), *flags)
    else:
        key = f"AppID\\{identifier}"
        _write(compilation, node, this, key, node.get("Description"))
        for name in texts:
            if node.get(name) is not None:
                _write(compilation, node, this, key, node.get(name), name)
        if node.yes("ActivateAtStorage"):
            _write(compilation, node, this, key, "Y", "ActivateAtStorage")
        if node.yes("RunAsInteractiveUser"):
            _write(compilation, node, this, key, "Interactive User", "RunAs")
    _children(compilation, node, around, app_id=identifier)


def _type_library(compilation: Compilation, node: Node, around: Around) -> None:
    identifier, language, this = compilation.guid(node, "Id"), node.number("Language") or 0, around.this
    major, minor = node.number("MajorVersion"), node.number("MinorVersion") or 0
    folder, description = node.get("HelpDirectory"), node.get("Description")
    if folder:
        compilation.refer(node, "Directory", folder)
    if around.advertised:
        version = None if major is None else major << 8 | minor
        compilation.insert(
            node, "TypeLib", identifier, language, this.name, version, description, folder, "-", node.number("Cost")
        )
        _later(compilation, "TypeLib", (identifier, language, this.name), this)
    else:
        key = f"TypeLib\\{identifier}\\{major or 0:x}.{minor:x}"
        resource = node.number("ResourceId")
        path = f"[#{around.file}]" + ("" if resource is None else f"\\{resource}")
        _write(compilation, node, this, key, description)
        _write(compilation, node, this, f"{key}\\{language:x}\\win{64 if this.win64 else 32}", path)
        flags = sum(bit for name, bit in _TYPE_LIBRARY_FLAGS.items() if node.yes(name))
        _write(compilation, node, this, f"{key}\\FLAGS", str(flags))
        if folder:
            _write(compilation, node, this, f"{key}\\HELPDIR", f"[{folder}]")
    _children(compilation, node, around, type_library=identifier)


def _interface(compilation: Compilation, node: Node, around: Around) -> None:
    key, this = f"Interface\\{compilation.guid(node, 'Id')}", around.this
    _write(compilation, node, this, key, node.need("Name"))
    proxy = compilation.guid(node, "ProxyStubClassId") if node.get("ProxyStubClassId") else None
    proxy_32 = compilation.guid(node, "ProxyStubClassId32") if node.get("ProxyStubClassId32") else None
    if around.type_library:
        proxy, proxy_32 = proxy or _AUTOMATION_PROXY, proxy_32 or _AUTOMATION_PROXY
        _write(compilation, node, this, f"{key}\\TypeLib", around.type_library)
    values: Mapping[str, str | None] = {
        "ProxyStubClsid": proxy,
        "ProxyStubClsid32": proxy_32,
        "BaseInterface": compilation.guid(node, "BaseInterface") if node.get("BaseInterface") else None,
        "NumMethods": node.get("NumMethods"),
    }
    for name, value in values.items():
        if value is not None:
            _write(compilation, node, this, f"{key}\\{name}", value)


_ELEMENTS = {
    "Class": _class,
    "ProgId": _prog_id,
    "Extension": _extension,
    "Verb": _verb,
    "MIME": _mime,
    "AppId": _app_id,
    "TypeLib": _type_library,
    "Interface": _interface,
}
FAMILY = ("Class", "ProgId", "Extension", "AppId", "TypeLib", "Interface")
