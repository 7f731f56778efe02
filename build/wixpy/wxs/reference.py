# SPDX-License-Identifier: MIT
"""The page of supported elements, ``docs/wixpy/elements.md``, made from the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wixpy.wxs.grammar import ACTION, Element, elements, refused

_PREFACE = """\
# Elements of .wxs sources

`wixpy build x.wxs … -o x.msi` compiles the language of WiX v3 (`http://schemas.microsoft.com/wix/2006/wi`) and the
spelling of v4 and v5 (`http://wixtoolset.org/schemas/v4/wxs`). What is not on this page is an error with file and line,
and so is an attribute that would have no effect where it stands. The page is made by `wixpy elements --markdown`.

## Preprocessor

`<?define?>`, `<?undef?>`, `<?if?>`, `<?ifdef?>`, `<?ifndef?>`, `<?elseif?>`, `<?else?>`, `<?endif?>`, `<?foreach?>`,
`<?include?>`, `<?require?>` (as `include`, once; wixl's), `<?error?>`, `<?warning?>`. Variables: `$(var.NAME)` or
`$(NAME)`, `$(env.NAME)`, `$(sys.CURRENTDIR)`, `$(sys.SOURCEFILEDIR)`, `$(sys.SOURCEFILEPATH)`, `$(sys.BUILDARCH)`,
`$(sys.PLATFORM)`, `$(fun.AutoVersion(1.0))`. A value given by `-d` wins over `<?define?>`. Binder variables:
`!(bind.FileVersion.FILE)`, `!(bind.FileLanguage.FILE)`, `!(bind.Property.NAME)`, and `!(bindpath.NAME)`, the folder
given by `-b NAME=FOLDER`.

Paths are relative to the folder of the source, includes are looked for there and in the folders of `-I`.

## Version 4

The elements below are those of v3. In a source of v4 they are spelled as WiX v4 spells them: `Package` for Product and
Package, with `Scope` and `SummaryInformation`; `StandardDirectory`; `Bitness`; `BinaryRef`, `FileRef`; `Launch` and
`Level`; `AllowAbsent`; `MultiString`; conditions and values that were text as the attributes `Condition` and `Value`.
`Directory` needs no Id and takes `Name="a\\b"`; a `File` may stand where a Component may, and `Files Include="…"` for
many, with `Exclude Files="…"` in it; each, and a Component or ComponentGroup, takes a `Subdirectory`. `ui:WixUI` stands
for a UIRef. Left out, there are a cabinet in the package, the directory `INSTALLFOLDER`, one feature for everything, a
MajorUpgrade (not with `UpgradeStrategy="none"`) and code page 65001. The platform is that of `--arch`, as with WiX.

## What is chosen for you

- `Guid="*"` of a component: a name-based UUID (RFC 4122, version 5) of where its key path is installed, in small
  letters, by WiX's own rule. The same place has the same GUID in every version, and the one that WiX gave it.
- `Id="*"` of a product, and the package code: a UUID of the content of the package.
- The name of an assembly, with version, culture and the token of its key, from its metadata; of a Win32 one from its
  manifest. `AssemblyName` goes before both.
- 8.3 names: four letters, `~` and three characters of a checksum of the name, unique in the directory.
- Versions and languages of files from their resources, hashes of files without.

## Merge modules

A source with `Module` in the place of `Product` becomes a merge module (`wixpy build lib.wxs -o lib.msm`): its
identifiers get the suffix of its GUID wherever they stand. `Merge` in a directory and `MergeRef` in a feature take a
module in, of wixpy or another maker, with its sequences, dependencies, exclusions and what `ConfigurationData` says.
Its cabinet must be MSZIP or uncompressed; bit fields to configure, and languages other than the module's own, are
refused. `SuppressModularization` is about modules and changes nothing in a package.

## Elements

`*` marks what must be given; `a | b` are the words that are allowed.
"""
_WIDTH = 118


def markdown() -> str:
    """The page."""
    known = {name: element for name, element in elements().items() if not name.isupper() or name in ("MIME", "UI")}
    parts = [_PREFACE]
    for name in sorted(known, key=str.lower):
        parts += ["", f"### {_title(name)}", "", *_entry(known, name)]
    parts += ["", "## Known and refused", "", "| element or attribute | why | instead |", "|---|---|---|"]
    parts += [f"| `{name}` | {reason} | {_code(instead)} |" for name, (reason, instead) in refused().items()]
    return "\n".join(parts) + "\n"


def _code(text: str) -> str:
    """Markup in a sentence, marked as such."""
    return re.sub(r"<[^>]*>", lambda match: f"`{match[0]}`", text)


def _title(name: str) -> str:
    parent, _, child = name.rpartition("/")
    return f"{child} in {parent}" if parent else child


def _entry(known: dict[str, Element], name: str) -> Iterator[str]:
    element = known[name]
    parents = sorted(parent for parent, other in known.items() if name in other.children)
    if parents:
        yield from _wrapped(f"In {', '.join(parents)}.{' Has text.' if element.text else ''}", ", ")
    attributes = [
        f"`{attribute}`{'*' if attribute in element.required else ''}{_words(kind)}"
        for attribute, kind in element.attributes.items()
    ]
    if attributes:
        yield ""
        yield from _wrapped(", ".join(attributes) + ".", ", ")
    if ACTION in element.children:
        yield ""
        yield "Has standard actions by name, with `Before`, `After`, `Sequence`, `Suppress` and a condition as text."
    tables = sorted({row.table for row in element.rows})
    if tables:
        yield ""
        yield f"Rows of {', '.join(tables)}."


def _words(kind: str) -> str:
    words = [word.partition("=")[0].strip() for word in kind.split("|")]
    return f" ({' | '.join(words)})" if len(words) > 1 else ""


def _wrapped(text: str, separator: str) -> Iterator[str]:
    """Lines that break after a separator."""
    line = ""
    for part in text.split(separator):
        candidate = f"{line}{separator}{part}" if line else part
        if len(candidate) > _WIDTH and line:
            yield line + separator.rstrip()
            candidate = part
        line = candidate
    yield line
