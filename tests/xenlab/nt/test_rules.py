# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule of requests, devices, locks and power stops a driver that breaks it, and no other."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gplpv import ddk, exports, images, matrix
from gplpv.ddk import ImageOptions
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.errors import Violation
from xenlab.nt.codes import SystemState
from xenlab.nt.inf import Inf
from xenlab.nt.kernel import Kernel
from xenlab.nt.pci import PciFunction
from xenlab.nt.pnp import PnpManager
from xenlab.nt.po import SystemPower
from xenlab.nt.registry import SERVICES
from xenlab.nt.routine import Steps
from xenlab.nt.teardown import remove_everything
from xenlab.nt.zwkey import KernelRegistry
from xenlab.world import World

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NT: dict[str, matrix.Nt] = {"x32": (5, 1), "x64": (5, 2)}
NUMBERS = {
    name: number
    for number, name in enumerate(
        re.findall(r"^    ([A-Z_]+),?$", (HERE / "mistakes.c").read_text().partition("};")[0], re.MULTILINE)
    )
}
IDE = PciFunction(0x09, 0x8086, 0x7010, 0x010180)
RULES = {
    "COMPLETES_TWICE": r"completed already|no IRP|freed .*'Irp '",
    "COMPLETES_WITH_PENDING": "completes a request with STATUS_PENDING",
    "TOUCHES_AFTER_COMPLETION": r"is written: .* freed .*'Irp '",
    "DOES_NOT_PASS_ON": "completes IRP_MN_START_DEVICE with STATUS_SUCCESS instead of passing it on",
    "LOSES_THE_REQUEST": "returns STATUS_SUCCESS for a request that it has not completed or passed on",
    "RETURNS_PENDING_UNMARKED": "returns STATUS_PENDING for a request that it has not marked pending",
    "MARKS_PENDING_RETURNS_STATUS": "returns STATUS_UNSUCCESSFUL for a request that it has marked pending",
    "RETURNS_ANOTHER_STATUS": "returns STATUS_UNSUCCESSFUL for a request that is completed with STATUS_SUCCESS",
    "FORWARDS_UNPREPARED": "the next stack location was not prepared",
    "COPIES_THE_ROUTINE": "with the completion routine of the driver above",
    "DOES_NOT_MARK_IN_ROUTINE": "does not mark",
    "LEAKS_THE_REMOVE_LOCK": r"never removed: Remove lock .* taken at mistakes:\d+",
    "RELEASES_WITH_A_WRONG_TAG": "which does not hold it",
    "DELETES_WHILE_ATTACHED": "still attached to .*: IoDetachDevice comes first",
    "DOES_NOT_DETACH": "keeps its device after IRP_MN_REMOVE_DEVICE",
    "LEAVES_INITIALIZING": "leaves DO_DEVICE_INITIALIZING set",
    "CHANGES_UNKNOWN_STATUS": "changes the status of the PnP minor function 0x18|returns",
    "FAILS_REMOVE": "fails IRP_MN_REMOVE_DEVICE with STATUS_UNSUCCESSFUL, which must not fail",
    "CALLS_WITH_CANCEL_ROUTINE": "passed on with its cancel routine still set",
    "FREES_A_FOREIGN_IRP": "which is not the driver's to free",
    "SENDS_AN_UNINITIALIZED_PNP_IRP": "its maker must set STATUS_NOT_SUPPORTED",
    "LETS_ITS_IRP_COME_UP": "must return STATUS_MORE_PROCESSING_REQUIRED",
    "LEAKS_AN_IRP": r"IRP .* of mistakes.* is still with mistakes|'Irp '.*never freed",
    "LEAKS_A_HANDLE": "Handle 0x.* to the key object .* is still open",
    "FORGETS_START_NEXT": "is done with a power request without PoStartNextPowerIrp",
    "STARTS_NEXT_TWICE": "PoStartNextPowerIrp is called a second time",
    "STARTS_NEXT_TOO_LATE": "PoStartNextPowerIrp is called a second time|current stack location",
    "SENDS_POWER_BY_IO": "is for PoCallDriver",
    "DEREFERENCES_TOO_OFTEN": "is no object|never taken|freed",
    "LEAKS_A_WORK_ITEM": "work item .* is not freed",
    "ASKS_A_FILTER_FOR_PROPERTIES": "which is no PDO",
    "PRINTS_WIDE_AT_DISPATCH": r"%ws at IRQL 2",
}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[matrix.ArchName], Path]:
    """Return a function from an arch to the folder of the driver of mistakes."""
    folders: dict[str, Path] = {}

    def build(arch: matrix.ArchName) -> Path:
        if arch in folders:
            return folders[arch]
        folder = tmp_path_factory.mktemp(f"mistakes-{arch}")
        kit = ddk.get(matrix.load(ROOT / "platforms.yaml").ddks["mingw"])
        options = ImageOptions(arch, NT[arch], False, "kernel", folder)
        for name in ("mistakes.c", "mistakes.inf"):
            shutil.copy(HERE / name, folder)
        includes = [ROOT / "drivers_src/include/ddk-compat", ROOT / "drivers_src/include"]
        kit.compile(folder / "mistakes.c", folder / "mistakes.obj", options, includes, [])
        (folder / "mistakes.rc").write_text("1 VERSIONINFO\nFILEVERSION 1,2,3,4\nBEGIN\nEND\n")
        kit.resource(folder / "mistakes.rc", folder / "mistakes.res", options, [])
        objects = [folder / "mistakes.obj", folder / "mistakes.res"]
        libraries = []
        for module in ("ntoskrnl.exe", "hal.dll"):
            definition = folder / f"{module}.def"
            definition.write_text(exports.definition(module, arch, options.nt))
            libraries.append(folder / f"{module}.lib")
            kit.import_library(definition, libraries[-1], options)
        images.link(kit, objects, libraries, folder / "mistakes.sys", folder / "mistakes.pdb", options)
        folders[arch] = folder
        return folder

    return build


def live(folder: Path, arch: matrix.ArchName, mistake: str, seed: int) -> None:
    """Boot with the filter twice on a disk controller, sleep, wake and take all away."""
    kernel = Kernel(Machine(arch, World(seed), BarePlatform()), NT[arch])
    pnp, power = kernel.part(PnpManager), kernel.part(SystemPower)
    pnp.install(Inf(folder / "mistakes.inf", arch, kernel.nt))
    for name, value in (("Start", 0), ("Mistake", NUMBERS[mistake])):
        kernel.part(KernelRegistry).tree.set(rf"{SERVICES}\mistakes", name, value)
    for _ in ("lower", "upper"):
        pnp.add_class_filter("mistakes", "{4D36E96A-E325-11CE-BFC1-08002BE10318}")

    def steps() -> Steps:
        yield from pnp.boot([IDE])
        node = pnp.find(r"PCI\CC_0101")
        assert [each.driver.service for each in node.pdo.stack()] == ["pci", "pciide", "mistakes", "mistakes"]
        yield from pnp.locked(pnp.probe(node))
        yield from power.sleep(SystemState.PowerSystemSleeping3)
        yield from power.wake()
        yield from remove_everything(kernel)
        return 0

    kernel.run_to_end(steps())
    assert kernel.drivers == []


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_a_driver_without_a_mistake_passes(built: Callable[[str], Path], arch: matrix.ArchName, seed: int):
    live(built(arch), arch, "NONE", seed)


def test_every_mistake_has_its_rule():
    assert [name for name in NUMBERS if name != "NONE"] == list(RULES)


@pytest.mark.parametrize("mistake", RULES)
@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_a_mistake_is_found(built: Callable[[str], Path], arch: matrix.ArchName, mistake: str):
    """With one of a few seeds: whether a request is answered at once or later decides what some mistakes do."""
    found: list[str] = []
    for seed in range(1, 13):
        try:
            live(built(arch), arch, mistake, seed)
        except Violation as violation:
            found.append(str(violation))
    assert found
    assert all(re.search(RULES[mistake], each, re.DOTALL) for each in found), found[0]
