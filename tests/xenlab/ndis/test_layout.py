# SPDX-License-Identifier: GPL-2.0-or-later
"""What NDIS 5 shares with miniports has the shape that the headers say."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from gplpv.ddk import ImageOptions, ZiglangDdk
from xenlab.ndis.structures import layout

Arch = Literal["x32", "x64"]
ROOT = Path(__file__).parents[3]
INCLUDES = [ROOT / "drivers_src" / "include" / name for name in ("ddk-compat", "")]
NAMES = (
    "NDIS_SPIN_LOCK", "NDIS_EVENT", "NDIS_TIMER", "NDIS_MINIPORT_TIMER", "NDIS_WORK_ITEM", "NDIS_RW_LOCK", "LOCK_STATE",
    "NDIS_CONFIGURATION_PARAMETER", "NDIS_PNP_CAPABILITIES", "NDIS_PACKET_PRIVATE", "NDIS_PACKET",
    "NDIS_PACKET_OOB_DATA", "NDIS_PACKET_EXTENSION", "NDIS50_MINIPORT_CHARACTERISTICS",
    "NDIS51_MINIPORT_CHARACTERISTICS", "NDIS_MINIPORT_BLOCK", "NDIS_TASK_OFFLOAD_HEADER", "NDIS_TASK_OFFLOAD",
    "NDIS_TASK_TCP_IP_CHECKSUM", "NDIS_TASK_TCP_LARGE_SEND",
)  # fmt: skip
# What has another name in C. The size of what is declared in part is open; padding is ours, Absolute a bit field.
RENAMED = {
    "Encapsulation": "EncapsulationFormat.Encapsulation",
    "EncapsulationFlags": "EncapsulationFormat.Flags",
    "EncapsulationHeaderSize": "EncapsulationFormat.EncapsulationHeaderSize",
    "MinMagicPacketWakeUp": "WakeUpCapabilities.MinMagicPacketWakeUp",
    "MinPatternWakeUp": "WakeUpCapabilities.MinPatternWakeUp",
    "MinLinkChangeWakeUp": "WakeUpCapabilities.MinLinkChangeWakeUp",
}
PARTIAL = ("NDIS_RW_LOCK", "NDIS_MINIPORT_BLOCK")
UNCHECKED = ("Padding", "Absolute")


@pytest.mark.parametrize("arch", ["x32", "x64"])
def test_the_structures_are_those_of_the_headers(arch: Arch, tmp_path: Path) -> None:
    lines = ["#define NDIS_MINIPORT_DRIVER 1", "#include <ndis.h>"]
    for name in NAMES:
        known = layout(name, arch)
        if name not in PARTIAL:
            lines.append(f"typedef char size_{name}[sizeof({name}) == {known.size} ? 1 : -1];")
        for index, (path, field) in enumerate(known.fields.items()):
            if path.rpartition(".")[2] not in UNCHECKED:
                offset = f"FIELD_OFFSET({name}, {RENAMED.get(path, path)})"
                lines.append(f"typedef char offset_{name}_{index}[{offset} == {field.offset} ? 1 : -1];")
    source = tmp_path / "layout.c"
    source.write_text("\n".join([*lines, ""]), encoding="ascii")
    options = ImageOptions(arch, (5, 2), True, "kernel", ROOT)
    ZiglangDdk().compile(source, tmp_path / "layout.obj", options, INCLUDES, ("NDIS51_MINIPORT=1",))
