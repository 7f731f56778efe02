# SPDX-License-Identifier: GPL-2.0-or-later
"""What port drivers share with miniports and the PnP manager has the shape that the headers say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from gplpv.ddk import ImageOptions, ZiglangDdk
from xenlab.ports import Interrupt, Range, Resources, read_resources, srb

Machines = Callable[..., Any]
Arch = Literal["x32", "x64"]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
ROOT = Path(__file__).parents[3]
INCLUDES = [ROOT / "drivers_src" / "include" / name for name in ("ddk-compat", "")]


def test_a_resource_list_is_read_as_start_device_has_it(lab: Machines) -> None:
    made = lab("x32")
    kernel = made.kernel
    word = lambda *values: b"".join(value.to_bytes(4, "little") for value in values)  # noqa: E731
    memory = b"\x03\x01\0\0" + (0xE0000000).to_bytes(8, "little") + word(0x1000)
    port = b"\x01\x01\0\0" + (0xC000).to_bytes(8, "little") + word(16)

    def listed(level: int, vector: int) -> int:
        interrupt = b"\x02\x03\0\0" + word(level, vector, 1)
        block = word(1, 15, 0) + b"\x01\0\x01\0" + word(3) + port + memory + interrupt
        address = kernel.alloc(len(block))
        kernel.write(address, block)
        return address

    found = read_resources(kernel, listed(11, 11), listed(6, 0x3B))
    assert found.ranges == (Range(0xC000, 16, False), Range(0xE0000000, 0x1000, True))
    assert found.interrupt == Interrupt(11, 11, 6, 0x3B, False)
    assert read_resources(kernel, 0, 0) == Resources()


@pytest.mark.parametrize("arch", ARCHES)
def test_the_shared_structures_are_those_of_the_headers(arch: Arch, tmp_path: Path) -> None:
    names = {
        "srb.h": {name: name for name in ("SCSI_REQUEST_BLOCK", "ACCESS_RANGE", "HW_INITIALIZATION_DATA")}
        | {"PORT_CONFIGURATION_INFORMATION": "PORT_CONFIGURATION_INFORMATION"},
        "storport.h": {
            "STORPORT_CONFIGURATION_INFORMATION": "PORT_CONFIGURATION_INFORMATION",
            "STORPORT_HW_INITIALIZATION_DATA": "HW_INITIALIZATION_DATA",
            "VIRTUAL_HW_INITIALIZATION_DATA": "VIRTUAL_HW_INITIALIZATION_DATA",
            "STOR_SCATTER_GATHER_ELEMENT": "STOR_SCATTER_GATHER_ELEMENT",
            "STOR_SCATTER_GATHER_LIST": "STOR_SCATTER_GATHER_LIST",
            "MEMORY_REGION": "MEMORY_REGION",
        },
    }
    for header, structures in names.items():
        lines = ["#include <ntddk.h>", f"#include <{header}>"]
        for ours, theirs in structures.items():
            known = srb.layout(ours, arch)
            lines.append(f"typedef char size_{ours}[sizeof({theirs}) == {known.size} ? 1 : -1];")
            renamed = {"Reserved": "MiniportDumpData"} if ours.startswith("STORPORT_CONF") else {}
            for index, (path, field_) in enumerate(known.fields.items()):
                offset = f"FIELD_OFFSET({theirs}, {renamed.get(path, path)})"
                lines.append(f"typedef char offset_{ours}_{index}[{offset} == {field_.offset} ? 1 : -1];")
        source = tmp_path / f"{header}.c"
        source.write_text("\n".join([*lines, ""]), encoding="ascii")
        options = ImageOptions(arch, (6, 0), True, "kernel", ROOT)
        ZiglangDdk().compile(source, tmp_path / f"{header}.obj", options, INCLUDES, ())
