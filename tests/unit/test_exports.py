# SPDX-License-Identifier: GPL-2.0-or-later
"""The export tables: what they promise about each Windows, and what a linked image may import."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pefile
import pytest

from gplpv import exports
from gplpv.errors import GplpvError
from gplpv.exports import Export, ExportTable
from gplpv.matrix import ArchName, Nt
from gplpv.tools import Zig

TARGETS: list[tuple[ArchName, Nt]] = [
    ("x32", (5, 0)),
    ("x32", (5, 1)),
    ("x32", (5, 2)),
    ("x32", (6, 0)),
    ("x64", (5, 2)),
    ("x64", (6, 0)),
]
NEWEST = (6, 1)
MACHINE = {"x32": "i386", "x64": "i386:x86-64"}
TRIPLE = {"x32": "i586-w64-windows-gnu", "x64": "x86_64-w64-windows-gnu"}
DRIVER = Path(__file__).parent / "data" / "exports" / "driver.c"


def build(folder: Path, arch: ArchName, nt: Nt, modules: Iterable[str], source: Path, *options: str) -> Path:
    """Compile and link `source` with the generated import libraries of `modules` and more linker options."""
    zig = Zig()
    libraries = []
    for module in modules:
        (folder / f"{module}.def").write_text(exports.definition(module, arch, nt))
        libraries.append(library(folder, arch, module))
    zig.run(["clang", f"--target={TRIPLE[arch]}", "-c", "-Wall", "-Wextra", "-o", folder / "image.o", source])
    image = folder / "image.sys"
    zig.run([
        "lld-link", "/driver", "/subsystem:native", "/nodefaultlib", "/Brepro", "/entry:Main", f"/out:{image}",
        *(["/machine:x86", "/safeseh:no"] if arch == "x32" else ["/machine:x64"]),
        folder / "image.o", *libraries, *options,
    ])  # fmt: skip
    return image


def library(folder: Path, arch: ArchName, module: str) -> Path:
    made = folder / f"{module}.lib"
    undecorate = ["-k"] if arch == "x32" else []
    Zig().run(["dlltool", "-m", MACHINE[arch], *undecorate, "-d", folder / f"{module}.def", "-l", made])
    return made


def refer(folder: Path, symbols: Iterable[str]) -> Path:
    """Write an assembler source whose image imports each symbol."""
    source = folder / "image.s"
    lines = [".globl Main", ".globl _Main", ".text", "Main:", "_Main:", "ret", ".data"]
    source.write_text("\n".join([*lines, *(f'.long "__imp_{symbol}"@imgrel' for symbol in symbols), ""]))
    return source


def symbol(export: Export, arch: ArchName) -> str:
    """The symbol that a compiler makes of the name: x86 puts an underscore before all but fastcall."""
    line = export.definition(arch).removesuffix(" DATA")
    return line if arch == "x64" or line.startswith("@") else f"_{line}"


def imported(image: Path) -> set[tuple[str, str]]:
    with pefile.PE(str(image)) as pe:
        return {
            (entry.dll.decode(), item.name.decode()) for entry in pe.DIRECTORY_ENTRY_IMPORT for item in entry.imports
        }


# The tables


@pytest.mark.parametrize("module", exports.modules())
def test_a_table_is_sorted_unique_and_says_where_it_comes_from(module: str) -> None:
    path = exports.FOLDER / f"{module}.tsv"
    rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert all(one.split("\t")[0] < other.split("\t")[0] for one, other in pairwise(rows))
    assert len(rows) == len(exports.read(path).exports)
    assert "# Versions" in path.read_text()


def test_the_tables_cover_a_driver_set_and_its_installer() -> None:
    least = {
        "ntoskrnl.exe": 450, "hal.dll": 60, "scsiport.sys": 30, "storport.sys": 40, "ndis.sys": 200,
        "kernel32.dll": 250, "advapi32.dll": 100, "user32.dll": 100, "shell32.dll": 5,
        "setupapi.dll": 100, "cfgmgr32.dll": 20, "newdev.dll": 2, "crypt32.dll": 15, "powrprof.dll": 15,
    }  # fmt: skip
    assert sorted(least) == exports.modules()
    assert all(len(exports.load(module).exports) >= count for module, count in least.items())


@pytest.mark.parametrize("arch", ["x32", "x64"])
def test_a_newer_windows_exports_all_that_an_older_one_does(arch: ArchName) -> None:
    for module in exports.modules():
        table = exports.load(module)
        for older, newer in pairwise(exports.VERSIONS.values()):
            assert table.available(arch, older) <= table.available(arch, newer)
        assert arch == "x32" or not table.available(arch, (5, 1))


SINCE: list[tuple[str, str, Nt | None, Nt | None]] = [
    # Windows 2000 has these, whatever newer documentation says.
    ("ntoskrnl.exe", "ExAllocatePoolWithTag", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "ExFreePoolWithTag", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "IoGetDmaAdapter", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "IoAllocateWorkItem", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "IoAcquireRemoveLockEx", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "IoWMIRegistrationControl", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "MmAllocateContiguousMemorySpecifyCache", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "MmGetSystemRoutineAddress", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "PsGetVersion", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "_snwprintf", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "_vsnprintf", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "RtlCompareMemory", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "_aulldiv", (5, 0), None),
    ("ntoskrnl.exe", "InitSafeBootMode", (5, 0), (5, 2)),
    # What Windows XP added, and 2000 therefore lacks.
    ("ntoskrnl.exe", "RtlGetVersion", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "RtlVerifyVersionInfo", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "_vsnwprintf", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "DbgPrintEx", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "IoForwardIrpSynchronously", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "IoCsqInitialize", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "IoAttachDeviceToDeviceStackSafe", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "IoSetCompletionRoutineEx", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "InterlockedPushEntrySList", (5, 1), None),
    # Windows 2000 SP3, XP SP1, XP SP2 and Server 2003 SP1 do not make their Windows newer; x64 began with the last.
    ("ntoskrnl.exe", "RtlPrefetchMemoryNonTemporal", (5, 1), (5, 2)),
    ("ntoskrnl.exe", "KeRegisterBugCheckReasonCallback", (5, 2), (5, 2)),
    ("ntoskrnl.exe", "KeFlushQueuedDpcs", (5, 2), (5, 2)),
    ("ntoskrnl.exe", "KeAcquireGuardedMutex", (6, 0), (5, 2)),
    ("ntoskrnl.exe", "MmAllocatePagesForMdlEx", (6, 0), (5, 2)),
    # The IRQL and its locks: the HAL on x86, the kernel on x64.
    ("hal.dll", "KfAcquireSpinLock", (5, 0), None),
    ("hal.dll", "KfRaiseIrql", (5, 0), None),
    ("hal.dll", "KeGetCurrentIrql", (5, 0), None),
    ("hal.dll", "ExAcquireFastMutex", (5, 0), None),
    ("hal.dll", "KeAcquireInStackQueuedSpinLock", (5, 1), None),
    ("hal.dll", "READ_PORT_ULONG", (5, 0), None),
    ("hal.dll", "KeStallExecutionProcessor", (5, 0), (5, 2)),
    ("ntoskrnl.exe", "KeAcquireSpinLockRaiseToDpc", None, (5, 2)),
    ("ntoskrnl.exe", "KeGetCurrentIrql", None, (5, 2)),
    ("ntoskrnl.exe", "KeAcquireInStackQueuedSpinLock", None, (5, 2)),
    ("ntoskrnl.exe", "ExAcquireFastMutex", None, (5, 2)),
    # A function on one arch, inline code on the other.
    ("ntoskrnl.exe", "memcmp", None, (5, 2)),
    ("ntoskrnl.exe", "IoIs32bitProcess", None, (5, 2)),
    ("ntoskrnl.exe", "KeQuerySystemTime", (5, 0), None),
    ("ntoskrnl.exe", "KeTickCount", (5, 0), None),
    ("ntoskrnl.exe", "READ_REGISTER_ULONG", (5, 0), None),
    ("user32.dll", "SetWindowLongPtrW", None, (5, 2)),
    ("kernel32.dll", "InterlockedIncrement", (5, 0), None),
    # Windows Vista and 7.
    ("ntoskrnl.exe", "IoConnectInterruptEx", (6, 0), (6, 0)),
    ("ntoskrnl.exe", "KeQueryActiveProcessorCount", (6, 0), (6, 0)),
    ("ntoskrnl.exe", "memcpy_s", (6, 1), (6, 1)),
    # Port drivers.
    ("scsiport.sys", "ScsiPortNotification", (5, 0), (5, 2)),
    ("storport.sys", "StorPortInitialize", (5, 2), (5, 2)),
    ("storport.sys", "StorPortExtendedFunction", (6, 0), (6, 0)),
    ("ndis.sys", "NdisMRegisterMiniport", (5, 0), (5, 2)),
    ("ndis.sys", "NdisMSendComplete", (5, 0), (5, 2)),
    ("ndis.sys", "NdisMGetDmaAlignment", (5, 1), (5, 2)),
    ("ndis.sys", "NdisMRegisterMiniportDriver", (6, 0), (6, 0)),
    ("ndis.sys", "NdisAllocateRWLock", (6, 1), (6, 1)),
    # Programs.
    ("advapi32.dll", "RegisterServiceCtrlHandlerExW", (5, 0), (5, 2)),
    ("advapi32.dll", "ChangeServiceConfig2W", (5, 0), (5, 2)),
    ("advapi32.dll", "RegDeleteKeyExW", (6, 0), (5, 2)),
    ("advapi32.dll", "RegDeleteTreeW", (6, 0), (6, 0)),
    ("kernel32.dll", "AttachConsole", (5, 1), (5, 2)),
    ("kernel32.dll", "IsWow64Process", (5, 1), (5, 2)),
    ("kernel32.dll", "GetNativeSystemInfo", (5, 1), (5, 2)),
    ("kernel32.dll", "Wow64DisableWow64FsRedirection", (6, 0), (5, 2)),
    ("kernel32.dll", "SetDllDirectoryW", (5, 2), (5, 2)),
    ("kernel32.dll", "GetTickCount64", (6, 0), (6, 0)),
    ("setupapi.dll", "SetupCopyOEMInfW", (5, 0), (5, 2)),
    ("setupapi.dll", "SetupUninstallOEMInfW", (5, 1), (5, 2)),
    ("newdev.dll", "UpdateDriverForPlugAndPlayDevicesW", (5, 0), (5, 2)),
    ("newdev.dll", "DiInstallDriverW", (6, 0), (6, 0)),
    ("newdev.dll", "DiUninstallDevice", (6, 1), (6, 1)),
]


@pytest.mark.parametrize(("module", "name", "x32", "x64"), SINCE, ids=[f"{row[0]}-{row[1]}" for row in SINCE])
def test_a_name_is_exported_since(module: str, name: str, x32: Nt | None, x64: Nt | None) -> None:
    export = exports.load(module).exports[name]
    assert (export.since("x32"), export.since("x64")) == (x32, x64)


@pytest.mark.parametrize(
    "name", ["RtlStringCbPrintfW", "IoCreateDeviceSecure", "IoAttachDeviceToDeviceStackSecure", "KfFoo"]
)
def test_library_routines_are_no_exports(name: str) -> None:
    assert not [module for module in exports.modules() if name in exports.load(module).exports]


# The x86 decoration, against two independent accounts of it

UNLIKE_DEFINITIONS = {
    # gendef reads the bytes that a function pops from its code, which cannot work here:
    "ntoskrnl.exe": {
        # arguments in registers
        "ExAcquireRundownProtectionCacheAwareEx", "ExAcquireRundownProtectionEx", "KeAcquireSpinLockForDpc",
        # no return
        "ExRaiseException", "RtlRaiseException",
        # a variable
        "NtBuildNumber",
        # compilers call them without @16
        "_alldiv", "_alldvrm", "_allmul", "_allrem", "_aulldiv", "_aulldvrm", "_aullrem",
    },
    # variable arguments
    "ndis.sys": {"NdisWriteErrorLogEntry"},
}  # fmt: skip


def definitions(path: Path) -> dict[str, str]:
    """Convention by name, of an x86 module definition file of mingw-w64."""
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"(@?)(\w+?)(?:@(\d+))?(==\w+)?(\s+DATA)?\s*(;.*)?$", line)
        if match and match[2] not in ("LIBRARY", "EXPORTS"):
            found[match[2]] = "d" if match[5] else f"f{match[3]}" if match[1] else match[3] or "c"
    return found


@pytest.mark.parametrize("module", [module for module in exports.modules() if module != "storport.sys"])
def test_decorations_agree_with_the_module_definitions_of_mingw(module: str) -> None:
    known = definitions(Zig().library / "libc" / "mingw" / "lib32" / f"{Path(module).stem}.def")
    shared = [e for e in exports.load(module).exports.values() if e.x32 and e.name in known]
    unlike = {e.name for e in shared if e.convention != known[e.name]}
    assert len(shared) > 1
    assert unlike == UNLIKE_DEFINITIONS.get(module, set())


HEADERS = {
    "kernel": (("ntoskrnl.exe", "hal.dll"), ["ntifs.h"], 900),
    "scsiport": (("scsiport.sys",), ["ntddk.h", "scsi.h", "srb.h"], 40),
    "programs": (
        (
            "kernel32.dll", "advapi32.dll", "user32.dll", "shell32.dll", "setupapi.dll", "cfgmgr32.dll", "newdev.dll",
            "crypt32.dll", "powrprof.dll",
        ),
        [
            "windows.h", "tlhelp32.h", "shlobj.h", "aclapi.h", "sddl.h", "setupapi.h", "cfgmgr32.h", "newdev.h",
            "wincrypt.h", "powrprof.h",
        ],
        1400,
    ),
}  # fmt: skip
# Their declarations lack the NTAPI that the vendor's compiler supplies.
UNLIKE_HEADERS = {
    "KeDeregisterProcessorChangeCallback", "KeInitializeSpinLock", "KeRegisterProcessorChangeCallback",
    "KeRemoveQueueEx",
}  # fmt: skip


@pytest.mark.parametrize("group", HEADERS)
def test_decorations_agree_with_the_prototypes_of_mingw(group: str, tmp_path: Path) -> None:
    modules, headers, least = HEADERS[group]
    table = {e.name: e for module in modules for e in exports.load(module).exports.values() if e.x32}
    used = prototyped(tmp_path, headers, table)
    unlike = {name for name, decorated in used.items() if decorated != symbol(table[name], "x32")}
    assert len(used) >= least
    assert unlike - UNLIKE_HEADERS == set()


def prototyped(folder: Path, headers: list[str], names: Iterable[str]) -> dict[str, str]:
    """Return the x86 symbol of each of the names that the headers declare."""
    library = Zig().library
    windows = library / "libc/include/any-windows-any"
    flags = [
        f"--target={TRIPLE['x32']}", "-c", "-w", "-ffreestanding", "-fno-builtin", "-ferror-limit=0", "-nostdinc",
        "-D_X86_", "-D_WIN32_WINNT=0x0601", "-DWINVER=0x0601", "-DNTDDI_VERSION=0x06010000",
        "-DNTDDI_WINVISTA=0x06000000", *(f"-isystem{path}" for path in (library / "include", windows, windows / "ddk")),
    ]  # fmt: skip
    source, compiled = folder / "prototypes.c", folder / "prototypes.o"
    wanted = sorted(names)
    while True:
        lines = [f"void *refer_{name} = (void *)&{name};" for name in wanted]
        source.write_text("\n".join([*(f"#include <{header}>" for header in headers), *lines, ""]))
        output = subprocess.run(
            [Zig().program, "clang", *flags, "-o", compiled, source], capture_output=True, text=True, check=False
        ).stderr
        errors = re.findall(r"prototypes\.c:(\d+):\d+: error", output)
        undeclared = {int(number) - len(headers) - 1 for number in errors}
        if not undeclared:
            break
        wanted = [name for index, name in enumerate(wanted) if index not in undeclared]
    symbols = re.findall(rb"(?<=\0)(?:__imp_)?([_@][A-Za-z_]\w*(?:@\d+)?)(?=\0)", compiled.read_bytes())
    bare = {re.sub(r"@\d+$", "", text[1:]): text for text in (found.decode() for found in symbols)}
    return {name: bare[name] for name in wanted if name in bare}


# Import libraries


def test_a_definition_lists_what_that_windows_exports_decorated_on_x86() -> None:
    table = ExportTable("hal.dll", {
        "A": Export("A", "8", (5, 0), (5, 2)), "B": Export("B", "f4", (5, 0), None),
        "C": Export("C", "c", (5, 0), (5, 2)), "D": Export("D", "d", (5, 0), (5, 2)),
        "E": Export("E", "4", (5, 1), (6, 0)),
    })  # fmt: skip
    assert table.definition("x32", (5, 0)) == 'LIBRARY "hal.dll"\nEXPORTS\nA@8\n@B@4\nC\nD DATA\n'
    assert table.definition("x64", (5, 2)) == 'LIBRARY "hal.dll"\nEXPORTS\nA\nC\nD DATA\n'
    assert table.definition("x64", (6, 0)).endswith("E\n")


@pytest.mark.parametrize("arch", ["x32", "x64"])
@pytest.mark.parametrize("module", exports.modules())
def test_every_export_links_and_is_imported_by_its_own_name(module: str, arch: ArchName, tmp_path: Path) -> None:
    table = exports.load(module)
    names = table.available(arch, NEWEST)
    source = refer(tmp_path, [symbol(table.exports[name], arch) for name in sorted(names)])
    image = build(tmp_path, arch, NEWEST, [module], source)
    assert imported(image) == {(module, name) for name in names}


@pytest.mark.parametrize(("arch", "nt"), TARGETS)
def test_a_driver_linked_for_a_target_is_clean(arch: ArchName, nt: Nt, tmp_path: Path) -> None:
    image = build(tmp_path, arch, nt, ["ntoskrnl.exe", "hal.dll"], DRIVER)
    assert exports.check_imports(image, arch, nt) == []
    assert ("ntoskrnl.exe", "IofCallDriver") in imported(image)


def test_llvm_reads_the_same_imports(tmp_path: Path) -> None:
    program = shutil.which("llvm-readobj-19") or shutil.which("llvm-readobj")
    assert program, "llvm-readobj is not installed: sudo apt-get install llvm-19"
    image = build(tmp_path, "x32", (5, 0), ["ntoskrnl.exe", "hal.dll"], DRIVER)
    text = subprocess.run([program, "--coff-imports", str(image)], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"Symbol: (\S+)", text)) == {name for _, name in imported(image)}
    assert set(re.findall(r"Name: (\S+)", text)) == {"ntoskrnl.exe", "hal.dll"}


# Checking an image


def test_a_vista_function_in_an_image_for_windows_2000_is_a_violation(tmp_path: Path) -> None:
    image = build(tmp_path, "x32", (6, 0), ["ntoskrnl.exe"], refer(tmp_path, ["_IoGetDevicePropertyData@32"]))
    assert [str(found) for found in exports.check_imports(image, "x32", (5, 0))] == [
        "IoGetDevicePropertyData is exported by ntoskrnl.exe since Windows Vista (6.0); "
        "this image is for Windows 2000 (5.0)."
    ]
    assert exports.check_imports(image, "x32", (6, 0)) == []


def foreign(folder: Path, module: str, *lines: str) -> Path:
    """An x64 image that imports from a module as if that exported the lines."""
    (folder / f"{module}.def").write_text("\n".join([f'LIBRARY "{module}"', "EXPORTS", *lines, ""]))
    made = library(folder, "x64", module)
    return build(folder, "x64", (5, 2), [], refer(folder, [line.split()[0] for line in lines]), str(made))


def messages(image: Path) -> list[str]:
    return [found.message for found in exports.check_imports(image, "x64", (5, 2))]


def test_an_unknown_name_comes_with_the_nearest_ones(tmp_path: Path) -> None:
    (message,) = messages(foreign(tmp_path, "ntoskrnl.exe", "IoCreateDevize"))
    assert message.startswith("IoCreateDevize is not in the export table of ntoskrnl.exe; nearest: IoCreateDevice")


def test_a_name_of_another_module_comes_with_that_module(tmp_path: Path) -> None:
    assert messages(foreign(tmp_path, "ntoskrnl.exe", "KeStallExecutionProcessor")) == [
        "KeStallExecutionProcessor is not in the export table of ntoskrnl.exe; hal.dll has it."
    ]


def test_a_name_that_only_the_other_arch_has_comes_with_the_module_that_has_it(tmp_path: Path) -> None:
    assert messages(foreign(tmp_path, "hal.dll", "KeGetCurrentIrql")) == [
        "KeGetCurrentIrql is not exported by hal.dll on x64; ntoskrnl.exe has it."
    ]


def test_a_module_without_a_table_is_a_violation(tmp_path: Path) -> None:
    (message,) = messages(foreign(tmp_path, "MSVCR90.dll", "malloc"))
    assert message.startswith("malloc is imported from msvcr90.dll, which has no export table")


def test_an_import_by_ordinal_is_a_violation(tmp_path: Path) -> None:
    (message,) = messages(foreign(tmp_path, "ntoskrnl.exe", "Secret @7 NONAME"))
    assert message.startswith("#7 of ntoskrnl.exe is imported by its ordinal")


def test_the_case_of_a_module_name_does_not_matter(tmp_path: Path) -> None:
    assert messages(foreign(tmp_path, "NTOSKRNL.EXE", "IoCreateDevice")) == []


def test_a_delay_import_is_checked_too(tmp_path: Path) -> None:
    source = tmp_path / "image.s"
    source.write_text(
        ".globl Main\n.globl __delayLoadHelper2\n.text\nMain:\ncall GetTickCount64\n__delayLoadHelper2:\nret\n"
    )
    (tmp_path / "kernel32.dll.def").write_text(exports.definition("kernel32.dll", "x64", (6, 0)))
    made = library(tmp_path, "x64", "kernel32.dll")
    image = build(tmp_path, "x64", (5, 2), [], source, "/delayload:kernel32.dll", str(made))
    (message,) = messages(image)
    assert message.startswith("GetTickCount64 is exported by kernel32.dll since Windows Vista (6.0)")


def test_an_image_of_the_other_arch_is_refused(tmp_path: Path) -> None:
    image = foreign(tmp_path, "ntoskrnl.exe", "IoCreateDevice")
    with pytest.raises(GplpvError, match="is not an x32 image"):
        exports.check_imports(image, "x32", (5, 1))


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.sys").write_text("not a driver, whatever its name says")
    with pytest.raises(GplpvError, match="is not a PE image"):
        exports.check_imports(tmp_path / "text.sys", "x64", (5, 2))


def test_an_import_directory_that_points_nowhere_is_refused(tmp_path: Path) -> None:
    image = foreign(tmp_path, "ntoskrnl.exe", "IoCreateDevice")
    with pefile.PE(str(image)) as pe:
        pe.OPTIONAL_HEADER.DATA_DIRECTORY[1].VirtualAddress = 0x00F00000
        pe.write(str(tmp_path / "broken.sys"))
    with pytest.raises(GplpvError, match="import directory cannot be read"):
        exports.check_imports(tmp_path / "broken.sys", "x64", (5, 2))


# Bad tables

GOOD = "Alpha\t8\t5.0\t5.2\n"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("Beta\t8\t5.0", "3 columns"),
        ("Beta 8 5.0 5.2", "1 columns"),
        ("Be ta\t8\t5.0\t5.2", "'Be ta' is not a name"),
        ("Beta\tstdcall\t5.0\t5.2", "'stdcall' is not a convention"),
        ("Beta\t7\t5.0\t5.2", "'7' is not a convention"),
        ("Beta\t8\t4.0\t5.2", "'4.0' is not a version"),
        ("Beta\t8\t5.0\t", "'' is not a version"),
        ("Beta\t8\t5.0\t5.1", "5.1 never existed on x64"),
        ("Beta\t8\t-\t-", "exported on neither arch"),
        ("Alpha\t8\t5.0\t5.2", "Alpha comes after Alpha"),
        ("AAA\t8\t5.0\t5.2", "AAA comes after Alpha"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(row: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.dll.tsv"
    path.write_text(f"# comment\n{GOOD}{row}\n")
    with pytest.raises(GplpvError, match=re.escape(f"{path}:3: ")) as caught:
        exports.read(path)
    assert complaint in caught.value.message


def test_an_unknown_module_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(GplpvError) as caught:
        exports.definition("ntoskrnl.ex", "x64", (5, 2))
    assert "ntoskrnl.exe" in caught.value.hint
