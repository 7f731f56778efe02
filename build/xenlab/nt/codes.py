# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of the driver interface: NTSTATUS values, IRP functions, flags and states.

Source: ntstatus.h and wdm.h of the Windows Driver Kit; the tests compare each with mingw-w64's headers.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Status(IntEnum):
    """NTSTATUS values by the name behind ``STATUS_``."""

    SUCCESS = 0x00000000
    ALERTED = 0x00000101
    TIMEOUT = 0x00000102
    PENDING = 0x00000103
    OBJECT_NAME_EXISTS = 0x40000000
    DATATYPE_MISALIGNMENT = 0x80000002
    BUFFER_OVERFLOW = 0x80000005
    DEVICE_BUSY = 0x80000011
    NO_MORE_FILES = 0x80000006
    NO_MORE_ENTRIES = 0x8000001A
    UNSUCCESSFUL = 0xC0000001
    NOT_IMPLEMENTED = 0xC0000002
    INVALID_INFO_CLASS = 0xC0000003
    INFO_LENGTH_MISMATCH = 0xC0000004
    ACCESS_VIOLATION = 0xC0000005
    INVALID_HANDLE = 0xC0000008
    INVALID_PARAMETER = 0xC000000D
    NO_SUCH_DEVICE = 0xC000000E
    NO_SUCH_FILE = 0xC000000F
    INVALID_DEVICE_REQUEST = 0xC0000010
    END_OF_FILE = 0xC0000011
    MORE_PROCESSING_REQUIRED = 0xC0000016
    NO_MEMORY = 0xC0000017
    CONFLICTING_ADDRESSES = 0xC0000018
    NOT_MAPPED_VIEW = 0xC0000019
    INVALID_VIEW_SIZE = 0xC000001F
    INVALID_FILE_FOR_SECTION = 0xC0000020
    ACCESS_DENIED = 0xC0000022
    BUFFER_TOO_SMALL = 0xC0000023
    OBJECT_TYPE_MISMATCH = 0xC0000024
    OBJECT_NAME_INVALID = 0xC0000033
    OBJECT_NAME_NOT_FOUND = 0xC0000034
    OBJECT_NAME_COLLISION = 0xC0000035
    OBJECT_PATH_INVALID = 0xC0000039
    OBJECT_PATH_NOT_FOUND = 0xC000003A
    OBJECT_PATH_SYNTAX_BAD = 0xC000003B
    SHARING_VIOLATION = 0xC0000043
    SECTION_TOO_BIG = 0xC0000040
    QUOTA_EXCEEDED = 0xC0000044
    INVALID_PAGE_PROTECTION = 0xC0000045
    SECTION_PROTECTION = 0xC000004E
    DELETE_PENDING = 0xC0000056
    PRIVILEGE_NOT_HELD = 0xC0000061
    DISK_FULL = 0xC000007F
    ALLOTTED_SPACE_EXCEEDED = 0xC0000099
    INSUFFICIENT_RESOURCES = 0xC000009A
    DEVICE_NOT_CONNECTED = 0xC000009D
    DEVICE_NOT_READY = 0xC00000A3
    INVALID_PARAMETER_1 = 0xC00000EF
    INVALID_PARAMETER_2 = 0xC00000F0
    INVALID_PARAMETER_3 = 0xC00000F1
    INVALID_PARAMETER_4 = 0xC00000F2
    INVALID_PARAMETER_8 = 0xC00000F6
    MAPPED_FILE_SIZE_ZERO = 0xC000011E
    FILE_IS_A_DIRECTORY = 0xC00000BA
    NOT_SUPPORTED = 0xC00000BB
    DEBUGGER_INACTIVE = 0xC0000354
    CANNOT_DELETE = 0xC0000121
    NOT_A_DIRECTORY = 0xC0000103
    CANCELLED = 0xC0000120
    NAME_TOO_LONG = 0xC0000106
    KEY_DELETED = 0xC000017C
    KEY_HAS_CHILDREN = 0xC0000180
    CHILD_MUST_BE_VOLATILE = 0xC0000181
    INVALID_DEVICE_STATE = 0xC0000184
    NOT_FOUND = 0xC0000225


class Major(IntEnum):
    """Major functions by the name behind ``IRP_MJ_``."""

    CREATE = 0x00
    CLOSE = 0x02
    READ = 0x03
    WRITE = 0x04
    FLUSH_BUFFERS = 0x09
    DEVICE_CONTROL = 0x0E
    INTERNAL_DEVICE_CONTROL = 0x0F
    SHUTDOWN = 0x10
    CLEANUP = 0x12
    POWER = 0x16
    SYSTEM_CONTROL = 0x17
    PNP = 0x1B


MAXIMUM_FUNCTION = 0x1B


class Pnp(IntEnum):
    """Minor functions of IRP_MJ_PNP by the name behind ``IRP_MN_``."""

    START_DEVICE = 0x00
    QUERY_REMOVE_DEVICE = 0x01
    REMOVE_DEVICE = 0x02
    CANCEL_REMOVE_DEVICE = 0x03
    STOP_DEVICE = 0x04
    QUERY_STOP_DEVICE = 0x05
    CANCEL_STOP_DEVICE = 0x06
    QUERY_DEVICE_RELATIONS = 0x07
    QUERY_INTERFACE = 0x08
    QUERY_CAPABILITIES = 0x09
    QUERY_RESOURCES = 0x0A
    QUERY_RESOURCE_REQUIREMENTS = 0x0B
    QUERY_DEVICE_TEXT = 0x0C
    FILTER_RESOURCE_REQUIREMENTS = 0x0D
    READ_CONFIG = 0x0F
    WRITE_CONFIG = 0x10
    EJECT = 0x11
    SET_LOCK = 0x12
    QUERY_ID = 0x13
    QUERY_PNP_DEVICE_STATE = 0x14
    QUERY_BUS_INFORMATION = 0x15
    DEVICE_USAGE_NOTIFICATION = 0x16
    SURPRISE_REMOVAL = 0x17
    QUERY_LEGACY_BUS_INFORMATION = 0x18


class Power(IntEnum):
    """Minor functions of IRP_MJ_POWER by the name behind ``IRP_MN_``."""

    WAIT_WAKE = 0x00
    POWER_SEQUENCE = 0x01
    SET_POWER = 0x02
    QUERY_POWER = 0x03


class Relations(IntEnum):
    """DEVICE_RELATION_TYPE."""

    BusRelations = 0
    EjectionRelations = 1
    PowerRelations = 2
    RemovalRelations = 3
    TargetDeviceRelation = 4


class IdType(IntEnum):
    """BUS_QUERY_ID_TYPE."""

    BusQueryDeviceID = 0
    BusQueryHardwareIDs = 1
    BusQueryCompatibleIDs = 2
    BusQueryInstanceID = 3


class SystemState(IntEnum):
    """SYSTEM_POWER_STATE: S0 is PowerSystemWorking, S4 PowerSystemHibernate, S5 PowerSystemShutdown."""

    PowerSystemUnspecified = 0
    PowerSystemWorking = 1
    PowerSystemSleeping1 = 2
    PowerSystemSleeping2 = 3
    PowerSystemSleeping3 = 4
    PowerSystemHibernate = 5
    PowerSystemShutdown = 6


class DeviceState(IntEnum):
    """DEVICE_POWER_STATE."""

    PowerDeviceUnspecified = 0
    PowerDeviceD0 = 1
    PowerDeviceD1 = 2
    PowerDeviceD2 = 3
    PowerDeviceD3 = 4


SYSTEM_POWER_STATE, DEVICE_POWER_STATE = 0, 1


class ShutdownType(IntEnum):
    """POWER_ACTION, as far as it appears in power requests."""

    PowerActionNone = 0
    PowerActionSleep = 2
    PowerActionHibernate = 3
    PowerActionShutdown = 4
    PowerActionShutdownReset = 5
    PowerActionShutdownOff = 6


class Usage(IntEnum):
    """DEVICE_USAGE_NOTIFICATION_TYPE."""

    DeviceUsageTypePaging = 1
    DeviceUsageTypeHibernation = 2
    DeviceUsageTypeDumpFile = 3


class Stack(IntFlag):
    """IO_STACK_LOCATION.Control, by the name behind ``SL_``."""

    PENDING_RETURNED = 0x01
    INVOKE_ON_CANCEL = 0x20
    INVOKE_ON_SUCCESS = 0x40
    INVOKE_ON_ERROR = 0x80


class Do(IntFlag):
    """DEVICE_OBJECT.Flags, by the name behind ``DO_``."""

    BUFFERED_IO = 0x00000004
    EXCLUSIVE = 0x00000008
    DIRECT_IO = 0x00000010
    DEVICE_HAS_NAME = 0x00000040
    DEVICE_INITIALIZING = 0x00000080
    BUS_ENUMERATED_DEVICE = 0x00001000
    POWER_PAGABLE = 0x00002000
    POWER_INRUSH = 0x00004000


class DeviceFlags(IntFlag):
    """PNP_DEVICE_STATE, by the name behind ``PNP_DEVICE_``."""

    DISABLED = 0x00000001
    DONT_DISPLAY_IN_UI = 0x00000002
    FAILED = 0x00000004
    REMOVED = 0x00000008
    RESOURCE_REQUIREMENTS_CHANGED = 0x00000010
    NOT_DISABLEABLE = 0x00000020


class Resource(IntEnum):
    """Types of a resource descriptor, by the name behind ``CmResourceType``."""

    Port = 1
    Interrupt = 2
    Memory = 3


class IrpFlag(IntFlag):
    """IRP.Flags, by the name behind ``IRP_``."""

    SYNCHRONOUS_API = 0x00000004
    BUFFERED_IO = 0x00000010
    DEALLOCATE_BUFFER = 0x00000020
    INPUT_OPERATION = 0x00000040


IO_TYPE_DEVICE, IO_TYPE_DRIVER, IO_TYPE_FILE, IO_TYPE_IRP = 3, 4, 5, 6
IO_TYPE_DEVICE_OBJECT_EXTENSION = 13


def nt_success(status: int) -> bool:
    """NT_SUCCESS: success and informational values."""
    return status & 0x80000000 == 0


def describe(status: int) -> str:
    """Return a value as a person writes it: its name, or its number."""
    try:
        return f"STATUS_{Status(status).name}"
    except ValueError:
        return f"0x{status:08x}"
