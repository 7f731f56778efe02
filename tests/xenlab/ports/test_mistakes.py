# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mistake that the miniport can be built with ends the run, and says what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from xenlab.errors import Violation
from xenlab.ports.disk import Workload

Machines = Callable[..., Any]
Arch = Literal["x32", "x64"]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
SCSI, QUEUED = (), ("RAMDISK_QUEUE=4",)
STORPORT = ("RAMDISK_STORPORT", "RAMDISK_QUEUE=8")


def outcome(made: Any) -> None:
    """Everything that a miniport goes through: start, I/O, removal."""
    Workload([made.disk()], 60, depth=10).run()
    made.remove()


MUTANTS: list[tuple[str, tuple[str, ...], str]] = [
    ("COMPLETES_TWICE", SCSI, "is completed twice"),
    ("COMPLETES_TWICE", STORPORT, "is completed twice"),
    ("COMPLETES_UNKNOWN", SCSI, "completed that the miniport was not given"),
    ("COMPLETES_UNKNOWN", STORPORT, "completed that the miniport was not given"),
    ("COMPLETES_PENDING", SCSI, "with SRB_STATUS_PENDING"),
    ("COMPLETES_FROZEN", STORPORT, "with SRB_STATUS_QUEUE_FROZEN"),
    ("COMPLETES_TOO_LONG", SCSI, "bytes transferred"),
    ("NEVER_COMPLETES", SCSI, "is never completed, not even after two resets"),
    ("NEVER_COMPLETES", STORPORT, "is never completed, not even after two resets"),
    ("FORGETS_NEXT_REQUEST", SCSI, "NextRequest never came"),
    ("SENDS_NEXT_LU_REQUEST", SCSI, "NextLuRequest is sent without MultipleRequestPerLu"),
    ("READS_SRB_AFTERWARDS", SCSI, "is read: 5 bytes into freed .* 'ScSr'"),
    ("READS_SRB_AFTERWARDS", STORPORT, "is read: 5 bytes into freed .* 'ScSr'"),
    ("WRITES_EXTENSION_AFTERWARDS", QUEUED, "is written: 0 bytes into freed .* 'ScEx'"),
    ("CHANGES_THE_SRB", SCSI, "has changed OriginalRequest"),
    ("OVERRUNS_THE_EXTENSION", STORPORT, "behind .*the nonpaged pool block of .* 'ScEx'"),
    ("USES_DATA_BUFFER", SCSI, "is read: nothing is there"),
    ("USES_DATA_BUFFER", STORPORT, "is read: a null pointer"),
    ("USES_VIRTUAL_ADDRESS", SCSI, "There is no memory at physical addresses"),
    ("FORGETS_A_PIECE", SCSI, "reads wrong"),
    ("FORGETS_A_PIECE", STORPORT, "reads wrong"),
    ("ASKS_UNCACHED_TWICE", SCSI, "an uncached extension is asked for twice"),
    ("ASKS_UNCACHED_LATE", SCSI, "GetUncachedExtension is called from HwInitialize; it may be called only from"),
    ("ASKS_UNCACHED_LATE", STORPORT, "GetUncachedExtension is called from HwInitialize; it may be called only from"),
    ("MAPS_LATE", SCSI, "FreeDeviceBase is called from HwInitialize"),
    ("OVERFILLS_CONTROL_TYPES", SCSI, "more control types than MaxControlType"),
    ("REFUSES_A_REQUEST", SCSI, "HwStartIo returns FALSE"),
    ("REFUSES_A_REQUEST", STORPORT, "HwStartIo returns FALSE .* without completing it"),
    ("DEFERS_WITHOUT_END", ("RAMDISK_DEFERS",), "returns without CallDisableInterrupts"),
    ("BAD_ALIGNMENT", SCSI, "AlignmentMask is 0x5"),
    ("LEAVES_BREAKS_UNSET", STORPORT, "NumberOfPhysicalBreaks is set|leaves NumberOfPhysicalBreaks unset"),
    ("COMPLETES_IN_BUILD", STORPORT, "HwBuildIo has completed .* and returns TRUE"),
    ("LOCKS_TWICE", STORPORT, "the StartIo lock is acquired while it is held"),
    ("LOCKS_IN_WRONG_ORDER", STORPORT, "the StartIo lock is acquired after the interrupt lock"),
    ("KEEPS_THE_LOCK", STORPORT, "is called at IRQL 2 and returns at|has not released"),
    ("MAKES_DPC_LATE", STORPORT, "StorPortInitializeDpc is called from HwInitialize"),
    ("LIST_AFTERWARDS", STORPORT, "an SRB at .* that was completed before"),
]


@pytest.mark.parametrize(
    ("mutant", "defines", "message"),
    MUTANTS,
    ids=[f"{each[0]}-{'stor' if each[1] == STORPORT else 'scsi'}port" for each in MUTANTS],
)
def test_a_mistake_ends_the_run(mutant: str, defines: tuple[str, ...], message: str, lab: Machines) -> None:
    arch = ARCHES[[each[0] for each in MUTANTS].index(mutant) % 2]
    made = lab(arch, *defines, f"RAMDISK_MUTANT={mutant}")
    with pytest.raises(Violation, match=f"(?i){message}"):
        outcome(made)


@pytest.mark.parametrize("defines", [SCSI, QUEUED, STORPORT])
def test_without_a_mistake_the_same_run_ends_well(defines: tuple[str, ...], lab: Machines) -> None:
    outcome(lab("x64", *defines))


def test_storport_gives_the_one_uncached_extension_again(lab: Machines) -> None:
    outcome(lab("x64", *STORPORT, "RAMDISK_MUTANT=ASKS_UNCACHED_TWICE"))


def test_a_notification_without_the_adapters_lock_ends_the_run(lab: Machines) -> None:
    made = lab("x64")
    adapter = made.start()
    notify = made.kernel.exported_address("scsiport.sys", "ScsiPortNotification")
    with pytest.raises(Violation, match=r"NextRequest\) is called without the adapter's lock, from outside of any"):
        made.kernel.run_to_end(made.kernel.call(notify, 1, adapter.extension))


def test_a_handle_that_is_no_device_extension_ends_the_run(lab: Machines) -> None:
    made = lab("x64")
    made.start()
    notify = made.kernel.exported_address("scsiport.sys", "ScsiPortNotification")
    with pytest.raises(Violation, match="0x1234, which is no device extension"):
        made.kernel.run_to_end(made.kernel.call(notify, 1, 0x1234))
