# SPDX-License-Identifier: GPL-2.0-or-later
"""The installer's source, with files that stand for the drivers, passes every check of Windows Installer's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

import wixpy
from gplpv import config, packages
from gplpv.matrix import Variant

CONFIG = config.load()
# Same versions are replaced on purpose: AllowSameVersionUpgrades.
INTENDED = {"ICE61"}


@pytest.mark.parametrize("variant", [variant for variant in CONFIG.matrix.variants() if variant.debug])
def test_the_product_breaks_no_rule(variant: Variant, tmp_path: Path) -> None:
    for item in packages.package(CONFIG, variant).items:
        path = tmp_path / item.source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(item.source).encode())
    packages.write_wxs(CONFIG, variant, tmp_path / "x.wxs")
    warnings = wixpy.build(tmp_path / "x.wxs", tmp_path / "x.msi", defines={"root": str(tmp_path)}, epoch=CONFIG.epoch)
    assert {finding.rule for finding in warnings} == INTENDED
