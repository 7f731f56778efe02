# SPDX-License-Identifier: GPL-2.0-or-later
"""The layouts of NT structures agree with mingw-w64's driver headers, compiled for both arches."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import ziglang

from gplpv.errors import GplpvError
from xenlab.nt import codes, objects
from xenlab.nt.objects import Arch, Layout, Struct, layout, layouts, parse

ARCHES: tuple[Arch, ...] = ("x32", "x64")
ZIG = Path(ziglang.__file__).parent
HEADERS = ZIG / "lib" / "libc" / "include" / "any-windows-any"
TARGET = {
    "x32": ["--target=i586-w64-windows-gnu", "-D_X86_", "-Di386=1"],
    "x64": ["--target=x86_64-w64-windows-gnu", "-D_AMD64_", "-D_WIN64"],
}
# Windows pads it to 0x150 on x64, mingw-w64's header does not (its fields agree): the public symbols of ntoskrnl.
SIZE_DIFFERS = {("DEVICE_OBJECT", "x64")}
# From Vista on an interrupt's wish has a tail, which mingw-w64's header lacks; the whole union is no larger for it.
# WISH declares it as the Windows Driver Kit does (IO_RESOURCE_DESCRIPTOR).
LACKING = re.compile(r"u\.Interrupt(\.(AffinityPolicy|PriorityPolicy|TargetedProcessors))?$")
# What one C field covers in another shape: bit fields and the words of a union that the kernel alone uses.
UNNAMED = re.compile(r"(^|\.)(Absolute|Inserted|Region|Hint)$|^Bits$")
NAMED_AFTER_ALL = re.compile(r"(DeviceQueueEntry|Apc)\.Inserted$")


def has_c_name(structure: str, path: str) -> bool:
    if structure.startswith("IO_RESOURCE_") and LACKING.search(path):
        return False
    if structure in ("KAPC", "KDEVICE_QUEUE_ENTRY") or NAMED_AFTER_ALL.search(path):
        return True
    return not UNNAMED.search(path)


def source(known: dict[str, Layout], arch: Arch) -> str:
    lines = ["#include <ntifs.h>", "#include <ntddk.h>"]
    for name, structure in known.items():
        if "." in name:
            continue
        if (name, arch) not in SIZE_DIFFERS:
            lines.append(f'_Static_assert(sizeof({name}) == {structure.size}, "sizeof {name}");')
        for path, field in structure.fields.items():
            if has_c_name(name, path):
                where = f"__builtin_offsetof({name}, {path})"
                whole = f"sizeof((({name} *)0)->{path})"
                lines.append(f'_Static_assert({where} == {field.offset}, "offset {name}.{path}");')
                lines.append(f'_Static_assert({whole} == {field.size * field.count}, "size {name}.{path}");')
    return "\n".join([*lines, ""])


WISH = """#include <ntddk.h>
struct wish {
    ULONG MinimumVector, MaximumVector;
    int AffinityPolicy, PriorityPolicy; /* IRQ_DEVICE_POLICY, IRQ_PRIORITY */
    KAFFINITY TargetedProcessors;
};
"""


def compile_c(text: str, arch: Arch, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / f"{arch}.c"
    file.write_text(text, encoding="utf-8")
    include = ["-isystem", ZIG / "lib" / "include", "-isystem", HEADERS, "-isystem", HEADERS / "ddk"]
    version = ["-D_WIN32_WINNT=0x0502", "-DNTDDI_VERSION=0x05020000", "-DNTDDI_WINVISTA=0x06000000"]
    command = [ZIG / "zig", "clang", *TARGET[arch], "-ferror-limit=0", "-w", "-fsyntax-only", "-ffreestanding"]
    return subprocess.run(
        [*command, "-nostdinc", *version, *include, file], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arch", ARCHES)
def test_every_offset_and_size_is_that_of_the_headers(arch: Arch, tmp_path: Path):
    done = compile_c(source(layouts(arch), arch), arch, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arch", ARCHES)
def test_the_tail_of_an_interrupts_wish_is_as_the_driver_kit_declares_it(arch: Arch, tmp_path: Path):
    fields = layout("IO_RESOURCE_DESCRIPTOR", arch).fields

    def at(name: str) -> int:
        return fields[f"u.Interrupt.{name}"].offset - fields["u.Interrupt.MinimumVector"].offset

    lines = [
        f'_Static_assert(__builtin_offsetof(struct wish, {name}) == {at(name)}, "");'
        for name in ("MaximumVector", "AffinityPolicy", "PriorityPolicy", "TargetedProcessors")
    ]
    lines.append(f'_Static_assert(sizeof(struct wish) == {fields["u.Interrupt"].size}, "");')
    done = compile_c(WISH + "\n".join([*lines, ""]), arch, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arch", ARCHES)
def test_a_wrong_declaration_is_found(arch: Arch, tmp_path: Path):
    wrong = parse("struct KBUGCHECK_CALLBACK_RECORD\n  Entry:ptr CallbackRoutine:ptr\n", arch, "wrong")
    done = compile_c(source(wrong, arch), arch, tmp_path)
    for what in ("sizeof KBUG", "size KBUGCHECK_CALLBACK_RECORD.Entry", "offset KBUGCHECK_CALLBACK_RECORD.Callback"):
        assert what in done.stderr


def test_windows_pads_a_device_object_on_x64():
    assert layout("DEVICE_OBJECT", "x64").size == 0x150


PREFIXES = {
    codes.Status: "STATUS_",
    codes.Major: "IRP_MJ_",
    codes.Pnp: "IRP_MN_",
    codes.Power: "IRP_MN_",
    codes.Stack: "SL_",
    codes.Do: "DO_",
    codes.DeviceFlags: "PNP_DEVICE_",
    codes.Resource: "CmResourceType",
    codes.IrpFlag: "IRP_",
}
UNPREFIXED = (
    codes.Relations, codes.IdType, codes.SystemState, codes.DeviceState, codes.ShutdownType, codes.Usage,
)  # fmt: skip


@pytest.mark.parametrize("arch", ARCHES)
def test_every_constant_is_that_of_the_headers(arch: Arch, tmp_path: Path):
    lines = ["#include <ntifs.h>", "#include <ntddk.h>"]
    for kind in (*PREFIXES, *UNPREFIXED):
        for member in kind:
            name = f"{PREFIXES.get(kind, '')}{member.name}"
            lines.append(f'_Static_assert((ULONG){name} == {int(member)}u, "{name}");')
    done = compile_c("\n".join([*lines, ""]), arch, tmp_path)
    assert done.returncode == 0, done.stderr


class Buffer:
    def __init__(self) -> None:
        self.data = bytearray(0x100)

    def read(self, address: int, size: int, /) -> bytes:
        return bytes(self.data[address : address + size])

    def write(self, address: int, data: bytes, /) -> None:
        self.data[address : address + len(data)] = data


def test_a_view_reads_what_it_wrote_where_the_layout_says():
    memory = Buffer()
    irp = Struct(memory, layout("IRP", "x64"), 0x10)
    irp["IoStatus.Status"] = 0xC0000001
    irp["StackCount"] = -1
    assert memory.data[0x40:0x44] == b"\x01\x00\x00\xc0"
    assert irp["StackCount"] == -1
    assert irp["IoStatus.Status"] == 0xC0000001


def test_an_array_is_read_by_element():
    driver = Struct(Buffer(), layout("DRIVER_OBJECT", "x32"), 0)
    driver.set_element("MajorFunction", 27, 0x1234)
    assert driver.at("MajorFunction", 27) == 0x38 + 27 * 4
    assert driver.element("MajorFunction", 27) == 0x1234


def test_an_unknown_field_is_refused_with_the_nearest():
    with pytest.raises(GplpvError, match="CancelRoutin") as caught:
        layout("IRP", "x64").field("CancelRoutin")
    assert "CancelRoutine" in caught.value.hint


def test_a_structure_is_not_a_number():
    with pytest.raises(GplpvError, match="is a structure"):
        Struct(Buffer(), layout("IRP", "x64"), 0)["IoStatus"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("structure X\n", "does not begin"),
        ("struct X\n  field\n", "is not field:type"),
        ("struct X\n  a:Y\n", "not declared before"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused_with_its_line(text: str, message: str):
    with pytest.raises(GplpvError, match=f"here:1: .*{message}"):
        parse(text, "x64", "here")


def test_the_declarations_are_found():
    assert objects.DECLARATIONS.is_file()
