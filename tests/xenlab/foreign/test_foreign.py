# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers that share nothing with the project's own run in the lab, and what cannot run is refused in one sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gplpv.matrix import ArchName

from . import build

ARCHES: tuple[ArchName, ...] = ("x64", "x32")
CANNOT_RUN = 3
DECORATED = {"x64": "IoBrewCoffee", "x32": "IoBrewCoffee@4"}
OVER_THE_DEVICE = "    Place.Frame = (ULONG_PTR)(Extension->Memory.QuadPart >> PAGE_SHIFT);\n    if"
OVER_RAM = """    Covered = ExAllocatePoolWithTag(NonPagedPool, PAGE_SIZE, PLAT_TAG);
    Extension->Memory = MmGetPhysicalAddress(Covered);
    Place.Frame = (ULONG_PTR)(Extension->Memory.QuadPart >> PAGE_SHIFT);
    if"""
TAKEN_OUT = "        Hypercall(Extension, HYPERVISOR_MEMORY_OP, XENMEM_REMOVE_FROM_PHYSMAP, &Place);\n"
LEFT = "        UNREFERENCED_PARAMETER(Place);\n"
SERVICE_LINE = "AddService = plat, %SPSVCINST_ASSOCSERVICE%, Plat_Service"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ArchName], Path]:
    """Return a function from an arch to a folder with the function driver, the class filter and the miniport."""
    folders: dict[str, Path] = {}

    def make(arch: ArchName) -> Path:
        if arch not in folders:
            folders[arch] = tmp_path_factory.mktemp(f"foreign-{arch}")
            for name in ("plat", "shade"):
                build.build(name, arch, folders[arch])
            build.build("tub", arch, folders[arch], modules=["scsiport.sys", "ntoskrnl.exe"])
        return folders[arch]

    return make


def xenlab(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xenlab", *map(str, words)]
    environment = {"PYTHONPATH": str(build.ROOT / "build"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("seed", ["1", "2", "3"])
@pytest.mark.parametrize("arch", ARCHES)
def test_the_command_runs_them(built: Callable[[ArchName], Path], arch: ArchName, seed: str):
    done = xenlab("run", "boot", "--drivers", built(arch), "--seed", seed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"boot: passed ({arch}, ")


@pytest.mark.parametrize("arch", ARCHES)
def test_their_devices_work_and_the_filter_saw_it(built: Callable[[ArchName], Path], arch: ArchName):
    told = xenlab("run", "boot", "-v", "--drivers", built(arch)).stdout
    assert "plat: domain 1" in told
    assert re.search(r"shade: [1-9]\d* PnP requests", told)
    assert re.search(r"INQUIRY of 36 bytes at 0:0:0 is completed: SRB_STATUS_SUCCESS", told)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_driver_that_is_not_all_right_fails_with_its_source_line(tmp_path: Path, arch: ArchName):
    source = (build.HERE / "plat" / "xen.c").read_text()
    given_back = "    ExFreeToNPagedLookasideList(&Extension->Entries, Entry);\n"
    kept = source.replace(f"{given_back}    return Status;", "    return Status;")
    assert kept != source
    folder = build.build("plat", arch, tmp_path / "leaking", change={"xen.c": kept})
    done = xenlab("run", "boot", "--drivers", folder)
    assert done.returncode == 1
    assert re.search(r"pool block of \d+ bytes 'Plat' at 0x[0-9a-f]+, allocated by plat!.*\(xen\.c:\d+\)", done.stdout)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_driver_of_a_later_kit_finds_its_routines_as_they_are_documented(tmp_path: Path, arch: ArchName):
    folder = build.build("later", arch, tmp_path / "later", nt=(6, 1))
    done = xenlab("run", "boot", "-v", "--drivers", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "later: all is so" in done.stdout


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("IoDisconnectInterruptEx(&Extension->Connected);", ";", "Memory is freed that a connected interrupt uses"),
        ("    KeDeregisterProcessorChangeCallback(Handle);\n", "", "processor change callback"),
        ("    PoUnregisterSystemState(State);\n", "", "is never given to PoUnregisterSystemState"),
        (
            "ExReleaseSpinLockExclusive(&Lock, Irql);\n    REQ",
            "KeLowerIrql(Irql);\n    REQ",
            "while a spin lock is held",
        ),
        ("    ExReleaseSpinLockSharedFromDpcLevel(&Lock);\n", "", "while a spin lock is held"),
        ("IoFreeWorkItem(Item);", "(VOID)Item;", "is not freed"),
    ],
)
def test_what_such_a_driver_forgets_is_told(tmp_path: Path, before: str, after: str, told: str):
    source = (build.HERE / "later" / "later.c").read_text()
    assert before in source
    changed = {"later.c": source.replace(before, after)}
    done = xenlab(
        "run", "boot", "--drivers", build.build("later", "x64", tmp_path / "later", nt=(6, 1), change=changed)
    )
    assert done.returncode == 1, done.stdout
    assert told in done.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({OVER_THE_DEVICE: OVER_RAM}, "Memory is freed that has Xen's page shared info in place of its RAM"),
        ({OVER_THE_DEVICE: OVER_RAM, LEFT: TAKEN_OUT}, "has been given back to Xen"),
    ],
)
def test_a_page_of_xens_that_stays_harms_where_memory_was(tmp_path: Path, change: dict[str, str], told: str | None):
    source = (build.HERE / "plat" / "xen.c").read_text().replace(TAKEN_OUT, LEFT)
    for before, after in change.items():
        assert before in source
        source = source.replace(before, after)
    if OVER_RAM in source:
        source = source.replace("static LONG Hypercall(", "static PVOID Covered;\n\nstatic LONG Hypercall(")
        for gone in (LEFT, TAKEN_OUT):
            source = source.replace(gone, f"{gone}        ExFreePool(Covered);\n")
    folder = build.build("plat", "x64", tmp_path / "placed", change={"xen.c": source})
    done = xenlab("run", "boot", "--drivers", folder)
    assert (done.returncode, told is None or told in done.stdout) == (0 if told is None else 1, True), done.stdout


@pytest.mark.parametrize("arch", ARCHES)
def test_every_import_that_is_lacking_is_named_before_anything_runs(tmp_path: Path, arch: ArchName):
    more = f"{DECORATED[arch]}\n{'CmRegisterCallback@12' if arch == 'x32' else ''}\n"
    folder = build.build("lacking", arch, tmp_path / "set", more=more, modules=["ntoskrnl.exe"])
    done = xenlab("run", "boot", "-v", "--drivers", folder)
    assert done.returncode == CANNOT_RUN
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "xenlab: The drivers import what is not there:"
    assert "  lacking.sys imports IoBrewCoffee of ntoskrnl.exe: no Windows exports it." in lines
    assert "  lacking.sys imports CmRegisterCallback of ntoskrnl.exe: the lab lacks it." in lines


def test_an_export_of_a_later_windows_is_named_with_the_first_that_has_it(tmp_path: Path):
    more = "IoBrewCoffee\nKeQueryUnbiasedInterruptTime\n"
    source = (build.HERE / "lacking" / "lacking.c").read_text()
    declared = "NTKERNELAPI ULONGLONG NTAPI KeQueryUnbiasedInterruptTime(VOID);"
    later = source.replace("DRIVER_INITIALIZE DriverEntry;", declared)
    later = later.replace(
        "CmRegisterCallback(NULL, NULL, &", "(VOID)(Cookie.QuadPart = (LONGLONG)KeQueryUnbiasedInterruptTime(), "
    )
    folder = build.build(
        "lacking", "x64", tmp_path / "set", more=more, modules=["ntoskrnl.exe"], change={"lacking.c": later}
    )
    told = xenlab("run", "boot", "--drivers", folder).stderr
    assert "imports KeQueryUnbiasedInterruptTime of ntoskrnl.exe: Windows Server 2003 and XP x64 (5.2) does not" in told
    assert "Windows 7 is the first" in told


@pytest.mark.parametrize(
    ("what", "becomes", "says"),
    [
        ("[Manufacturer]", "[Manufacturer", r"plat\.inf:\d+: \[Manufacturer is no section: it lacks the"),
        ("[Version]", "", r'plat\.inf:\d+: Signature = "\$WINDOWS NT\$" stands before the first section'),
        ('Sample driver of the Xen platform device"', "Sample", r"plat\.inf:\d+: .* lacks a closing quotation mark"),
        ("$WINDOWS NT$", "$Windows 3.1$", r"plat\.inf is not an INF for Windows"),
        ("PCI\\VEN_5853&DEV_0001\n\n[Plat_Install.NT]", "PCI\\VEN_5853&DEV_0001\n\n[Other_Install.NT]", "NAMES"),
        (SERVICE_LINE, "", r"installs no service with \[Plat_Install\.NT\]: it lacks an AddService"),
        ("[Plat_Service]", "[Other_Service]", r"adds the service plat .* section \[Plat_Service\], which is not there"),
        ("ServiceBinary = %12%\\plat.sys", "", r"gives the service plat no ServiceBinary"),
        ("%12%\\plat.sys", "%12%\\plot.sys", r"service plat is in plot\.sys, which is not in the folder"),
        ("StartType     = 3", "StartType = soon", r"'soon' stands in an INF where a number is due"),
        ("[Sample.NTamd64]", "[Sample.NTia64]", r"serves no device on x64 here: its models are in \[Sample\.NTia64\]"),
        ("[Plat_Install.NT]", "[Plat_Install.NTx86]", r"installs on x64 with \[Plat_Install\.NTx86\]: another arch"),
        ("[Manufacturer]", "[Manufacturers]", r"it has neither \[Manufacturer\] nor \[DefaultInstall\]"),
    ],
)
def test_a_broken_inf_is_told_in_a_sentence(
    built: Callable[[ArchName], Path], tmp_path: Path, what: str, becomes: str, says: str
):
    says = r"names the install section \[Plat_Install\], which is not there" if says == "NAMES" else says
    for file in built("x64").iterdir():
        (tmp_path / file.name).symlink_to(file)
    inf = tmp_path / "plat.inf"
    text = inf.read_text()
    assert what in text
    inf.unlink()
    inf.write_text(text.replace(what, becomes))
    done = xenlab("run", "boot", "--drivers", tmp_path)
    assert done.returncode == CANNOT_RUN
    assert re.search(says, done.stderr.splitlines()[0]), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_images_of_two_arches_are_refused(built: Callable[[ArchName], Path], tmp_path: Path):
    for arch, name in (("x64", "plat"), ("x32", "shade")):
        for kind in ("sys", "inf"):
            (tmp_path / f"{name}.{kind}").symlink_to(built(arch) / f"{name}.{kind}")  # type: ignore[arg-type]
    done = xenlab("run", "boot", "--drivers", tmp_path)
    assert done.returncode == CANNOT_RUN
    assert "more than one arch: plat.sys x64, shade.sys x32" in done.stderr


def test_a_file_that_is_no_image_is_refused(tmp_path: Path):
    (tmp_path / "plat.sys").write_text("not an image")
    (tmp_path / "plat.inf").write_text("")
    done = xenlab("run", "boot", "--drivers", tmp_path)
    assert done.returncode == CANNOT_RUN
    assert "plat.sys is no Windows image" in done.stderr


def test_the_outcome_as_data_is_json_and_nothing_else(built: Callable[[ArchName], Path]):
    (outcome,) = json.loads(xenlab("run", "boot", "--json", "--drivers", built("x64")).stdout)
    assert (outcome["scenario"], outcome["passed"], outcome["arch"]) == ("boot", True, "x64")
