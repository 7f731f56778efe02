# SPDX-License-Identifier: GPL-2.0-or-later
"""SCSI request blocks: their constants, their layout, and a request as the lab's side of the port driver keeps it.

Source: Windows Driver Kit, srb.h and "SCSI_REQUEST_BLOCK structure"; SCSI commands: SPC-3 and SBC-2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gplpv.matrix import ArchName
from xenlab.nt.objects import Layout, parse

DECLARATIONS = Path(__file__).parent / "data" / "ports.layout"

UNTAGGED = 0xFF
UNINITIALIZED = 0xFFFFFFFF
QUEUE_FROZEN = 0x40
AUTOSENSE_VALID = 0x80
STATUS_MASK = 0x3F
SIMPLE_TAG = 0x20


class Function(IntEnum):
    """SRB functions by the name behind ``SRB_FUNCTION_``."""

    EXECUTE_SCSI = 0x00
    IO_CONTROL = 0x02
    RELEASE_QUEUE = 0x04
    SHUTDOWN = 0x07
    FLUSH = 0x08
    ABORT_COMMAND = 0x10
    RESET_BUS = 0x12
    RESET_DEVICE = 0x13
    FLUSH_QUEUE = 0x15
    LOCK_QUEUE = 0x18
    UNLOCK_QUEUE = 0x19
    RESET_LOGICAL_UNIT = 0x20


class Srb(IntEnum):
    """SRB status values by the name behind ``SRB_STATUS_``."""

    PENDING = 0x00
    SUCCESS = 0x01
    ABORTED = 0x02
    ABORT_FAILED = 0x03
    ERROR = 0x04
    BUSY = 0x05
    INVALID_REQUEST = 0x06
    INVALID_PATH_ID = 0x07
    NO_DEVICE = 0x08
    TIMEOUT = 0x09
    SELECTION_TIMEOUT = 0x0A
    COMMAND_TIMEOUT = 0x0B
    MESSAGE_REJECTED = 0x0D
    BUS_RESET = 0x0E
    PARITY_ERROR = 0x0F
    REQUEST_SENSE_FAILED = 0x10
    NO_HBA = 0x11
    DATA_OVERRUN = 0x12
    UNEXPECTED_BUS_FREE = 0x13
    PHASE_SEQUENCE_FAILURE = 0x14
    BAD_SRB_BLOCK_LENGTH = 0x15
    REQUEST_FLUSHED = 0x16
    INVALID_LUN = 0x20
    INVALID_TARGET_ID = 0x21
    BAD_FUNCTION = 0x22
    ERROR_RECOVERY = 0x23
    NOT_POWERED = 0x24
    LINK_DOWN = 0x25
    INTERNAL_ERROR = 0x30


class ScsiStatus(IntEnum):
    """SCSI status bytes by the name behind ``SCSISTAT_``."""

    GOOD = 0x00
    CHECK_CONDITION = 0x02
    BUSY = 0x08
    RESERVATION_CONFLICT = 0x18
    COMMAND_TERMINATED = 0x22
    QUEUE_FULL = 0x28


class Flag(IntFlag):
    """SRB flags by the name behind ``SRB_FLAGS_``."""

    QUEUE_ACTION_ENABLE = 0x00000002
    BYPASS_FROZEN_QUEUE = 0x00000010
    DISABLE_AUTOSENSE = 0x00000020
    DATA_IN = 0x00000040
    DATA_OUT = 0x00000080
    NO_QUEUE_FREEZE = 0x00000100
    BYPASS_LOCKED_QUEUE = 0x00080000


class Op(IntEnum):
    """SCSI operation codes by their names."""

    TEST_UNIT_READY = 0x00
    REQUEST_SENSE = 0x03
    READ6 = 0x08
    WRITE6 = 0x0A
    INQUIRY = 0x12
    MODE_SENSE6 = 0x1A
    START_STOP_UNIT = 0x1B
    MEDIUM_REMOVAL = 0x1E
    READ_CAPACITY10 = 0x25
    READ10 = 0x28
    WRITE10 = 0x2A
    VERIFY10 = 0x2F
    SYNCHRONIZE_CACHE10 = 0x35
    UNMAP = 0x42
    MODE_SENSE10 = 0x5A
    READ16 = 0x88
    WRITE16 = 0x8A
    SYNCHRONIZE_CACHE16 = 0x91
    SERVICE_ACTION_IN16 = 0x9E
    REPORT_LUNS = 0xA0
    READ12 = 0xA8
    WRITE12 = 0xAA


READ_WRITE = frozenset((Op.READ6, Op.WRITE6, Op.READ10, Op.WRITE10, Op.READ12, Op.WRITE12, Op.READ16, Op.WRITE16))


class Address(NamedTuple):
    """Where a logical unit is on its adapter."""

    path: int
    target: int
    lun: int

    def __str__(self) -> str:
        return f"{self.path}:{self.target}:{self.lun}"


@dataclass(eq=False)
class Request:
    """One request of a class driver, from its submission until `done` is called with it.

    Attributes:
        data: kernel virtual address of the caller's buffer, of `length` bytes; 0 without one.
        flags: the direction and what else the caller sets in SrbFlags.
        timeout_s: TimeOutValue; 0 for one that never times out.
        victim: the request that ABORT_COMMAND is about; it must be with the miniport.
        status: SrbStatus of the result without its two flags.
        transferred: DataTransferLength of the result.
        frozen: the queue of the logical unit is frozen by this result.
    """

    address: Address
    cdb: bytes = b""
    data: int = 0
    length: int = 0
    flags: int = 0
    function: Function = Function.EXECUTE_SCSI
    timeout_s: int = 10
    sense_length: int = 18
    done: Callable[[Request], None] = field(default=lambda _: None)
    victim: Request | None = None

    status: int = Srb.PENDING
    scsi_status: int = 0
    transferred: int = 0
    sense: bytes = b""
    frozen: bool = False

    @property
    def ok(self) -> bool:
        return self.status == Srb.SUCCESS

    @property
    def read_write(self) -> bool:
        """Whether it reads or writes the medium, the requests whose buffers Storport may leave unmapped."""
        return self.function == Function.EXECUTE_SCSI and self.cdb[0] in READ_WRITE

    @property
    def sense_key(self) -> int | None:
        """The sense key of fixed-format sense data (SPC-3, 4.5.3), or None without sense data."""
        return self.sense[2] & 0x0F if len(self.sense) > 2 else None

    def __str__(self) -> str:
        what = _name(Op, self.cdb[0]) if self.cdb else self.function.name
        return f"{what} of {self.length} bytes at {self.address}"


def status_name(status: int) -> str:
    """Return the name of an SRB status, flags stripped."""
    return f"SRB_STATUS_{_name(Srb, status & STATUS_MASK)}"


def _name(numbers: type[IntEnum], value: int) -> str:
    return next((each.name for each in numbers if each == value), f"{value:#04x}")


@cache
def layout(name: str, arch: ArchName) -> Layout:
    """Return the layout of one of the structures that a port driver shares with miniports, such as
    ``SCSI_REQUEST_BLOCK``."""
    return parse(DECLARATIONS.read_text(encoding="utf-8"), arch, str(DECLARATIONS))[name]
