# SPDX-License-Identifier: GPL-2.0-or-later
"""Our Xen ABI, the drivers' headers as Windows targets see them and the lab's tables, agrees with Xen's own headers.

The values come out of the compiler: an array of them is compiled to assembly for each target. Xen's headers (Debian's
libxen-dev) are compiled for Linux, the one system for whose compilers they are right.
"""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from gplpv.tools import Zig
from xenlab.xen import abi
from xenlab.xen.blkring import BlockRing
from xenlab.xen.netring import RX_SLOTS, TX_SLOTS, Gso, Multicast, pack_extra

ROOT = Path(__file__).parents[2]
XEN_HEADERS = Path("/usr/include/xen")
ZIG = Zig()
MINGW = ZIG.library / "libc" / "include" / "any-windows-any"
WINDOWS = {
    "x64": ["--target=x86_64-w64-windows-gnu", "-D_AMD64_", "-D_WIN64"],
    "x32": ["--target=i586-w64-windows-gnu", "-march=i586", "-D_X86_"],
}
LINUX = {"x64": ["--target=x86_64-linux-gnu"], "x32": ["--target=i386-linux-gnu"]}
INTERFACE = ["-D__XEN_INTERFACE_VERSION__=0x00040d00"]
PREAMBLE = """
#include <stddef.h>
#include <stdint.h>
typedef int8_t s8;
#include <xen/xen.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>
#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
"""
# Offset of every value, so that none is 0 or negative and each becomes one line of assembly.
BIAS = 1 << 40

# Ours by ABI, and no such name of Xen's: helpers, and the unplug protocol, which is documented in prose.
OURS_ALONE = re.compile(
    r"GPLPV_|XEN_ABI_|XEN_UNPLUG_|XEN_HYPERCALL_ENTRY_SIZE|XEN_BITS_PER_WORD|XEN_PAGE_|XEN_RING_BROKEN|HVM_CALLBACK_"
    r"|GRANT_ENTRIES_PER_FRAME|BLKIF_SEGMENTS_PER_INDIRECT_PAGE|BLKIF_SECTOR_SIZE|XEN_CPUID_LAST_BASE"
    r"|XEN_CPUID_BASE_STEP|XEN_CPUID_LEAF_\w+|XEN_IO_PROTO_|blkif_"
)


def values(flags: list[str], preamble: str, expressions: list[str], folder: Path) -> dict[str, int]:
    """Return what each C expression is worth when compiled with these flags."""
    source, assembly = folder / "abi.c", folder / "abi.s"
    items = "".join(f"    (long long)({expression}) + {BIAS}LL,\n" for expression in expressions)
    source.write_text(f"{preamble}\nconst long long abi_values[] = {{\n{items}}};\n")
    ZIG.run(["clang", "-S", "-std=gnu89", "-ffreestanding", "-nostdinc", *flags, "-o", assembly, source])
    found = [int(text) - BIAS for text in re.findall(r"\.quad\s+(\d+)", assembly.read_text())]
    if not found:
        pairs = re.findall(r"\.long\s+(\d+)[^\n]*\n\s*\.long\s+(\d+)", assembly.read_text())
        found = [int(low) + (int(high) << 32) - BIAS for low, high in pairs]
    assert len(found) == len(expressions)
    return dict(zip(expressions, found, strict=True))


def of_xen(arch: str, expressions: list[str], folder: Path) -> dict[str, int]:
    assert XEN_HEADERS.is_dir(), "Xen's public headers are missing. Install them: apt-get install libxen-dev"
    flags = [*LINUX[arch], *INTERFACE, "-isystem", str(ZIG.library / "include"), "-isystem", "/usr/include"]
    return values(flags, PREAMBLE, expressions, folder)


def headers() -> list[Path]:
    return sorted((ROOT / "drivers_src" / "include" / "xen").rglob("*.h"))


def of_ours(arch: str, expressions: list[str], folder: Path) -> dict[str, int]:
    includes = [ROOT / "drivers_src/include/ddk-compat", ROOT / "drivers_src/include"]
    system = [ZIG.library / "include", MINGW, MINGW / "ddk"]
    flags = [*WINDOWS[arch], "-D_WIN32_WINNT=0x0501", "-DNTDDI_VERSION=0x05010000", "-DNTDDI_WINVISTA=0x06000000"]
    flags += [*(f"-I{path}" for path in includes), *(word for path in system for word in ("-isystem", str(path)))]
    included = "".join(f'#include "{path.relative_to(includes[1]).as_posix()}"\n' for path in headers())
    return values(flags, "#include <ntddk.h>\n" + included, expressions, folder)


def structures() -> dict[str, list[str]]:
    """Map each structure of the drivers' headers to its plain fields (a nested one counts as one field)."""
    found = {}
    for header in headers():
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.MULTILINE | re.DOTALL):
            members = re.sub(r"^#.*$", "", body, flags=re.MULTILINE)
            while "{" in members:
                members = re.sub(r"\b(?:struct|union) \{[^{}]*\}", "struct x", members)
            found[name] = re.findall(r"(\w+)(?:\[[^\]]*\])?;", members)
    return found


# Our own arrangement of what Xen's headers make with macros; blkif is compared layout by layout below.
OTHERWISE = {"xen_ring_shared", "xen_front_ring"}
ABSENT = {("x64", "arch_shared_info", "wc_sec_hi"), ("x32", "shared_info", "wc_sec_hi")}


def plain_structures() -> dict[str, list[str]]:
    return {name: fields for name, fields in structures().items() if name not in OTHERWISE and "_x86_" not in name}


def blkif_structures(arch: str) -> dict[str, list[str]]:
    tag = {"x64": "_x86_64_", "x32": "_x86_32_"}[arch]
    return {name: fields for name, fields in structures().items() if tag in name}


def layout_expressions(found: dict[str, list[str]], arch: str) -> list[str]:
    """What makes a layout: the structure's size, and the place and size of each field."""
    expressions = []
    for name, fields in found.items():
        expressions.append(f"sizeof(struct {name})")
        for field in fields:
            if (arch, name, field) not in ABSENT and field != "pad":
                expressions += [place(name, field), width(name, field)]
    return expressions


def place(structure: str, field: str) -> str:
    return f"__builtin_offsetof(struct {structure}, {field})"


def width(structure: str, field: str) -> str:
    return f"sizeof(((struct {structure} *)0)->{field})"


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_structures_of_the_drivers_are_xens(arch: str, tmp_path: Path):
    expressions = layout_expressions(plain_structures(), arch)
    assert len(expressions) > 200
    ours = of_ours(arch, expressions, tmp_path)
    xens = of_xen(arch, expressions, tmp_path)
    assert ours == xens


@pytest.mark.parametrize("seen_from", ["x64", "x32"])
@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_both_block_layouts_are_right_on_both_machines(arch: str, seen_from: str, tmp_path: Path):
    expressions = layout_expressions(blkif_structures(arch), arch)
    plain = {expression: re.sub(r"_x86_(32|64)_", "_", expression) for expression in expressions}
    ours = of_ours(seen_from, expressions, tmp_path)
    xens = of_xen(arch, list(plain.values()), tmp_path)
    assert {plain[expression]: value for expression, value in ours.items()} == xens


def constants() -> list[str]:
    """The macros and enumerators of the drivers' headers that Xen has too."""
    names = []
    for header in headers():
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        names += re.findall(r"^#define (\w+)[ \t]+\S", text, re.MULTILINE)
        names += re.findall(r"^    (\w+) = \d+,?$", text, re.MULTILINE)
    return [name for name in names if not OURS_ALONE.match(name)]


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_constants_of_the_drivers_are_xens(arch: str, tmp_path: Path):
    names = constants()
    assert len(names) > 120
    assert of_ours(arch, names, tmp_path) == of_xen(arch, names, tmp_path)


def test_the_ring_header_is_as_long_as_xens(tmp_path: Path):
    xens = of_xen("x64", ["offsetof(struct blkif_sring, ring)"], tmp_path)
    assert of_ours("x64", ["sizeof(struct xen_ring_shared)"], tmp_path) == {
        "sizeof(struct xen_ring_shared)": xens["offsetof(struct blkif_sring, ring)"]
    }


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_a_ring_page_has_as_many_slots_as_xens(arch: str, tmp_path: Path):
    xens = of_xen(arch, ["__CONST_RING_SIZE(blkif, 4096)", "__CONST_RING_SIZE(blkif, 16384)"], tmp_path)
    slots = [BlockRing([None] * pages, arch).slots for pages in (1, 4)]  # type: ignore[list-item,arg-type]
    assert slots == list(xens.values())


@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_layouts_of_the_lab_are_xens(arch: abi.Arch, tmp_path: Path):
    ours: dict[str, int] = {}
    for name, layout in abi.Layout.known.items():
        ours[f"sizeof(struct {name})"] = layout.size(arch)
        for field, offset in layout.fields(arch).items():
            if not field.startswith("pad"):
                ours[place(name, field)] = offset
                ours[width(name, field)] = layout.width(arch, field)
    ours["offsetof(struct blkif_sring, ring)"] = ours.pop("sizeof(struct blkif_sring)")
    assert ours == of_xen(arch, list(ours), tmp_path)


def lab_constants() -> dict[str, int]:
    """Every constant of the lab under the name of Xen's macro."""
    prefixes = {"HYPERVISOR": "__HYPERVISOR_", "XenbusState": "XenbusState"}
    found = {name: value for name, value in vars(abi).items() if isinstance(value, int) and name.isupper()}
    found["SCHEDOP_yield"] = abi.SCHEDOP_yield
    for kind in vars(abi).values():
        if isinstance(kind, type) and issubclass(kind, IntEnum) and kind is not IntEnum:
            found |= {prefixes.get(kind.__name__, kind.__name__ + "_") + member.name: int(member) for member in kind}
    return found


def test_constants_of_the_lab_are_xens(tmp_path: Path):
    ours = lab_constants()
    assert ours == of_xen("x64", list(ours), tmp_path)


def test_the_cpuid_signature_is_xens(tmp_path: Path):
    names = [f"XEN_CPUID_SIGNATURE_{register}" for register in ("EBX", "ECX", "EDX")]
    words = of_xen("x64", names, tmp_path).values()
    assert b"".join(word.to_bytes(4, "little") for word in words) == abi.XEN_CPUID_SIGNATURE


def test_the_network_rings_have_as_many_slots_as_xens(tmp_path: Path):
    xens = of_xen("x64", ["__CONST_RING_SIZE(netif_tx, 4096)", "__CONST_RING_SIZE(netif_rx, 4096)"], tmp_path)
    header = of_xen("x64", ["offsetof(struct netif_tx_sring, ring)", "sizeof(union netif_tx_sring_entry)"], tmp_path)
    assert list(xens.values()) == [TX_SLOTS, RX_SLOTS]
    assert list(header.values()) == [64, 12]


def test_an_extra_info_is_laid_out_as_xens(tmp_path: Path):
    names = ["gso.size", "gso.type", "gso.features", "mcast.addr"]
    xens = of_xen("x32", [f"offsetof(struct netif_extra_info, u.{name})" for name in names], tmp_path).values()
    assert list(xens) == [2, 4, 6, 2]
    assert pack_extra(Gso(0x1234, abi.XEN_NETIF_GSO_TYPE.TCPV6), more=True) == bytes.fromhex("0101341202000000")
    assert pack_extra(Multicast(True, bytes(range(6)))) == bytes.fromhex("0200000102030405")
