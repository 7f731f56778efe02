# SPDX-License-Identifier: MIT
"""What side-by-side assemblies are known by (Windows Installer SDK, “MsiAssemblyName Table”): a .NET assembly says it
in its metadata, a Win32 one in its manifest, and what a source says in AssemblyName elements goes before both."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from wixpy.clr import identity

if TYPE_CHECKING:
    from wixpy.blob import Blob
    from wixpy.wxs.compilation import Assembly, Compilation

_MANIFEST = "urn:schemas-microsoft-com:asm.v1 assemblyIdentity"
_ARCHITECTURES = {"x64": "amd64"}
_NEUTRAL = "neutral"


def name_all(compilation: Compilation) -> None:
    """Add the rows of MsiAssemblyName that the source leaves to its files."""
    for each in compilation.assemblies:
        said = {child.need("Id").lower() for child in each.node.children if child.name == "AssemblyName"}
        parts = _of_net(each, said) if each.kind == ".net" else _of_win32(compilation, each)
        if not parts and not said:
            what = "is no .NET assembly" if each.kind == ".net" else "is no manifest, or names no assembly"
            raise each.node.error(
                f"the assembly has no name: {_manifest(each)} {what}",
                "add <AssemblyName Id='Name' Value='…'/> and its other parts",
            )
        architecture = each.node.get("ProcessorArchitecture")
        if architecture:
            parts["processorArchitecture"] = _ARCHITECTURES.get(architecture, architecture)
        for name, value in parts.items():
            if name.lower() not in said:
                compilation.insert(each.node, "MsiAssemblyName", each.component, name, value)


def _manifest(each: Assembly) -> str:
    return each.node.get("AssemblyManifest") or each.file


def _of_net(each: Assembly, said: set[str]) -> dict[str, str]:
    found = identity(each.content)
    if found is None:
        return {}
    if not found.token and "publickeytoken" not in said and each.node.get("AssemblyApplication") is None:
        raise each.node.error(
            f"the assembly {found.name} has no strong name, which the global assembly cache wants",
            "sign it, or install it for one program by AssemblyApplication",
        )
    return {
        "name": found.name, "version": found.version, "culture": found.culture or _NEUTRAL,
        "publicKeyToken": found.token or _NEUTRAL,
    }  # fmt: skip


def _of_win32(compilation: Compilation, each: Assembly) -> dict[str, str]:
    """The attributes of the first assemblyIdentity in the manifest, which is a file of the package."""
    key = _manifest(each)
    contents = [payload.content for payload in compilation.payloads if payload.key == key]
    return _identity(contents[0]) if contents else {}


def _identity(manifest: Blob) -> dict[str, str]:
    found: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == _MANIFEST:
            found.append(attributes)

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    try:
        parser.Parse(manifest[:], True)
    except expat.ExpatError:
        return {}
    return dict(found[0]) if found else {}
