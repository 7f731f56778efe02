# SPDX-License-Identifier: MIT
"""The compiler of .wxs sources, the WiX v3 language (http://schemas.microsoft.com/wix/2006/wi).

``source`` reads XML and variables, ``grammar`` says what may stand where, ``product``, ``components`` and ``actions``
turn elements into rows, ``link`` completes the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wixpy.database import Database
from wixpy.tables import Cell
from wixpy.wxs import grammar, link, product, source
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.media import Outputs
from wixpy.wxs.source import Node

Places = Mapping[tuple[str, tuple[Cell, ...]], Node]


def compile(
    path: Path, defines: Mapping[str, str], epoch: int, outputs: Outputs | None = None
) -> tuple[Database, Places]:
    """The database of a source, and the element behind each row (by table and key).

    ``epoch`` (seconds since 1970, UTC) becomes the times in the summary information and of the files.  What belongs
    beside the package goes to ``outputs``, which also holds its large cabinets and must outlast the database.
    WixpyError, with file and line, for anything that is not understood or does not fit together.
    """
    root = source.parse(path, defines)
    if root.name != "Wix":
        raise root.error(f"the root element is {root.name}", "write <Wix xmlns='…'>")
    grammar.validate(root)
    products = [child for child in root.children if child.name == "Product"]
    if len(products) != 1:
        raise root.error(f"the source has {len(products)} Product elements", "write exactly one <Product …>")
    compilation = Compilation(path.parent, epoch)
    product.product(compilation, products[0])
    for child in root.children:
        if child.name == "Fragment":
            product.fragment(compilation, child)
    link.link(compilation, products[0], outputs or Outputs())
    for node in root.walk():
        _report_unread(node)
    return compilation.database, compilation.places


def _report_unread(node: Node) -> None:
    """WixpyError for an attribute that the compiler did not use."""
    unread = sorted(set(node.attributes) - node.read)
    if unread:
        raise node.error(f"{node.name}/@{unread[0]} has no effect here", "remove it")
