# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures that NDIS 6.0 shares with miniports lie as two sets of headers have them, each written by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gplpv.ddk import ImageOptions, ZiglangDdk
from xenlab.ndis.structures import layout

from .conftest import HERE, INCLUDES, ROOT, Arch

OURS = (HERE.parents[2] / "build/xenlab/ndis/data/ndis6.layout").read_text(encoding="utf-8")
NAMES: list[str] = re.findall(r"^struct (\w+)(?![\w.])", OURS, re.MULTILINE)
# What the test miniport has no use for.
NOT_IN_WIRE = {
    "NDIS_MINIPORT_DRIVER_CHARACTERISTICS", "NDIS_MINIPORT_INIT_PARAMETERS", "NDIS_MINIPORT_PAUSE_PARAMETERS",
    "NDIS_MINIPORT_RESTART_PARAMETERS", "NET_BUFFER_LIST_CONTEXT",
    "NDIS_OFFLOAD_ENCAPSULATION",
}  # fmt: skip
IN_COMPAT = {
    "NET_BUFFER", "NET_BUFFER_LIST", "NDIS_MINIPORT_DRIVER_CHARACTERISTICS", "NDIS_MINIPORT_INIT_PARAMETERS",
    "NDIS_MINIPORT_PAUSE_PARAMETERS", "NDIS_MINIPORT_RESTART_PARAMETERS", "NET_DEVICE_PNP_EVENT",
    "NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES", "NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES",
    "NDIS_MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES", "NDIS_OID_REQUEST", "NDIS_STATUS_INDICATION", "NDIS_LINK_STATE",
    "NDIS_CONFIGURATION_OBJECT", "NDIS_OFFLOAD", "NDIS_OFFLOAD_PARAMETERS",
}  # fmt: skip


def offload(path: str) -> str:
    """NDIS_OFFLOAD's structures in structures have no names of their own; its bit fields have no offset."""
    path = re.sub(r"^(IPv[46](Transmit|Receive))", r"Checksum.\1", path)
    path = re.sub(r"^LsoV1\.", "LsoV1.IPv4.", path)
    return re.sub(r"^LsoV2(IPv[46])", r"LsoV2.\1", path)


def in_wire(name: str, path: str) -> str:
    if name == "NDIS_OFFLOAD":
        return offload(path)
    path = path.removeprefix("NetBufferHeader.NetBufferData.").removeprefix("NetBufferListHeader.")
    return path.replace("NdisReserved1", "DataPhysicalAddress").replace("BytesWritten", "BytesDone")


def in_compat(name: str, path: str) -> str:
    if name == "NDIS_OFFLOAD":
        return offload(path)
    path = path.replace("NetBufferData.DataLength", "NetBufferData.NbDataLength.DataLength")
    path = path.replace("NetBufferListHeader.", "NetBufferListHeader.NetBufferListData.")
    return path.replace("DATA.", "DATA.QUERY_INFORMATION.")


def checks(names: set[str], arch: Arch, renamed: Callable[[str, str], str]) -> Iterator[str]:
    for name in sorted(names):
        known = layout(name, arch)
        if name not in ("NDIS_OFFLOAD_PARAMETERS", "NDIS_OFFLOAD"):
            yield f"typedef char size_{name}[sizeof({name}) == {known.size} ? 1 : -1];"
        for index, (path, field) in enumerate(known.fields.items()):
            if field.scalar and not re.search(r"Padding|MethodRest|\.Bits$|\[0\]", path):
                offset = f"__builtin_offsetof({name}, {renamed(name, path)})"
                yield f"typedef char offset_{name}_{index}[{offset} == {field.offset} ? 1 : -1];"


@pytest.mark.parametrize("arch", ["x32", "x64"])
def test_the_structures_are_those_of_the_headers(arch: Arch, tmp_path: Path) -> None:
    wire = ["#include <wire.h>", *checks(set(NAMES) - NOT_IN_WIRE, arch, in_wire)]
    wire = [line for line in wire if "NDIS_MINIPORT_DRIVER" not in line]
    compat = ["#define NDIS60_MINIPORT 1", "#include <ndis.h>", *checks(IN_COMPAT, arch, in_compat)]
    for name, lines in (("wire", wire), ("compat", compat)):
        source = tmp_path / f"{name}.c"
        source.write_text("\n".join([*lines, ""]), encoding="ascii")
        options = ImageOptions(arch, (6, 0), True, "kernel", ROOT)
        ZiglangDdk().compile(source, tmp_path / f"{name}.obj", options, [HERE, *INCLUDES], ())
