# SPDX-License-Identifier: MIT
"""The compiler of .wxs sources: WiX v3 (http://schemas.microsoft.com/wix/2006/wi), and the spelling of v4 and v5.

``preprocess`` and ``source`` read XML, ``modern`` translates the newer language into the older, ``stock`` adds the
stock user interface, ``localize`` fills in strings and ``bind`` what other elements say, ``grammar`` says what may
stand where; ``product``, ``components``, ``searches``, ``actions``, ``ui`` and ``rows`` turn elements into rows,
``link`` completes the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.tables import Cell
from wixpy.wxs import bind, grammar, link, localize, product, source, stock
from wixpy.wxs.compilation import PLATFORMS, Compilation
from wixpy.wxs.media import Outputs
from wixpy.wxs.preprocess import Settings
from wixpy.wxs.source import Node

Places = Mapping[tuple[str, tuple[Cell, ...]], Node]


def compile(
    sources: Path | Sequence[Path],
    defines: Mapping[str, str],
    epoch: int,
    localizations: Sequence[Path] = (),
    *,
    cultures: Sequence[str] = (),
    includes: Sequence[Path] = (),
    bind_paths: Sequence[tuple[str, Path]] = (),
    platform: str = "x86",
    warn: Callable[[WixpyError], None] = lambda _: None,
    outputs: Outputs | None = None,
) -> tuple[Database, Places]:
    """The database of one source or several, and the element behind each row (by table and key).

    ``epoch`` (seconds since 1970, UTC) becomes the times in the summary information and of the files; ``localizations``
    are .wxl files, from which ``!(loc.NAME)`` comes, ``cultures`` those that are wanted of several, the first
    preferred; ``includes`` are folders for ``<?include?>``, ``bind_paths`` those of ``!(bindpath.NAME)`` and, without a
    name, for files that are not beside the source; ``platform`` (of PLATFORMS) is for a package that does not name its
    own; ``warn`` gets what ``<?warning?>`` says.  What belongs beside the package goes to ``outputs``, which also holds
    its large cabinets and must outlast the database.  WixpyError, with file and line, for anything that is not
    understood or does not fit together.

    >>> database, places = compile(Path("hello.wxs"), {}, 1_200_000_000)  # the source of docs/wixpy/README.md
    >>> database.rows("File")[0]["FileName"], places["File", ("hello",)].line
    ('hello.txt', 11)
    """
    paths = [sources] if isinstance(sources, Path) else list(sources)
    if platform not in PLATFORMS:
        raise WixpyError(f"there is no platform {platform}", f"give one of {', '.join(PLATFORMS)}")
    settings = Settings(defines, tuple(includes), platform, epoch, dict(bind_paths))
    roots = [_root(path, settings, warn) for path in paths]
    newer = [root for root in roots if root.namespace == source.NAMESPACE_4]
    if newer:
        from wixpy.wxs import modern  # noqa: PLC0415 - the older language needs none of it

        for root in newer:
            modern.translate(root, platform)
        modern.complete(roots, platform)
    whole = roots[0].with_children([child for root in roots for child in root.children])
    strings = localize.load(localizations, cultures, stock=stock.include(whole))
    localize.apply(whole, strings, defines)
    bind.resolve([whole])
    grammar.validate(whole)
    parts = whole.children
    products = [child for child in parts if child.name in ("Product", "Module")]
    if len(products) != 1:
        raise (products[1] if products else whole).error(
            f"the source has {len(products)} Product elements",
            "write exactly one <Product …> or, in version 4, <Package>, or a <Module>",
        )
    root = products[0]
    search = tuple(path for name, path in bind_paths if not name)
    compilation = Compilation(paths[0].parent, epoch, platform, search)
    if root.name == "Module":
        from wixpy.wxs import module  # noqa: PLC0415 - a package needs none of it

        module.module(compilation, root)
    else:
        product.product(compilation, root)
    for child in parts:
        if child.name == "Fragment":
            product.fragment(compilation, child)
    link.link(compilation, root, outputs or Outputs())
    for node in whole.walk():
        _report_unread(node)
    return compilation.database, compilation.places


def makes_module(
    sources: Sequence[Path],
    defines: Mapping[str, str],
    *,
    includes: Sequence[Path] = (),
    bind_paths: Sequence[tuple[str, Path]] = (),
    platform: str = "x86",
) -> bool:
    """Whether sources are of a merge module; WixpyError when they cannot be read.

    >>> makes_module([Path("hello.wxs")], {})  # the source of docs/wixpy/README.md
    False
    """
    settings = Settings(defines, tuple(includes), platform, 0, dict(bind_paths))
    return any(child.name == "Module" for path in sources for child in source.parse(path, settings).children)


def _root(path: Path, settings: Settings, warn: Callable[[WixpyError], None]) -> Node:
    """The tree of a source."""
    root = source.parse(path, settings, warn)
    if root.name != "Wix":
        raise root.error(f"the root element is {root.name}", "write <Wix xmlns='…'>")
    return root


def _report_unread(node: Node) -> None:
    """WixpyError for an attribute that the compiler did not use."""
    unread = sorted(set(node.attributes) - node.read)
    if unread:
        raise node.error(f"{node.name}/@{unread[0]} has no effect here", "remove it")
