# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of NDIS 6.0 beside those that all versions share (:mod:`xenlab.ndis.codes`). Source: ndis.h, ntddndis.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag

SEND_AT_DISPATCH, SEND_CHECK_FOR_LOOPBACK = 1, 2
SEND_COMPLETE_AT_DISPATCH = 1
RECEIVE_AT_DISPATCH, RECEIVE_RESOURCES = 1, 2
RECEIVE_FLAGS = 0x1 | 0x2 | 0x100 | 0x200 | 0x400
RETURN_AT_DISPATCH = 1

MEDIUM_ETHERNET = 0
MAC_OPTION_PRIORITY, MAC_OPTION_VLAN = 0x40, 0x200


class Type(IntEnum):
    """Types of an NDIS_OBJECT_HEADER by the name behind ``NDIS_OBJECT_TYPE_``."""

    DEFAULT = 0x80
    MINIPORT_INIT_PARAMETERS = 0x81
    SG_DMA_DESCRIPTION = 0x83
    MINIPORT_DRIVER_CHARACTERISTICS = 0x8A
    OID_REQUEST = 0x96
    TIMER_CHARACTERISTICS = 0x97
    STATUS_INDICATION = 0x98
    MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES = 0x9E
    MINIPORT_ADAPTER_GENERAL_ATTRIBUTES = 0x9F
    MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES = 0xA0
    OFFLOAD = 0xA7
    OFFLOAD_ENCAPSULATION = 0xA8
    CONFIGURATION_OBJECT = 0xA9


class Request(IntEnum):
    """NDIS_REQUEST_TYPE."""

    QUERY = 0
    SET = 1
    STATISTICS = 2
    METHOD = 12


class Info(IntEnum):
    """Indices of NetBufferListInfo."""

    CHECKSUM = 0
    LARGE_SEND = 2
    IEEE8021Q = 4
    CANCEL_ID = 5
    COUNT = 11


class Attribute(IntFlag):
    """AttributeFlags by the name behind ``NDIS_MINIPORT_ATTRIBUTES_``."""

    HARDWARE_DEVICE = 0x01
    NDIS_WDM = 0x02
    SURPRISE_REMOVE_OK = 0x04
    NOT_CO_NDIS = 0x08
    DO_NOT_BIND_TO_ALL_CO = 0x10
    NO_HALT_ON_SUSPEND = 0x20
    BUS_MASTER = 0x40
    CONTROLS_DEFAULT_PORT = 0x80


class Halt(IntEnum):
    """NDIS_HALT_ACTION by the name behind ``NdisHalt``."""

    DEVICE_DISABLED = 0
    DEVICE_POWERED_DOWN = 2
    DEVICE_SURPRISE_REMOVED = 3
    DEVICE_STOPPED = 6


class DeviceEvent(IntEnum):
    """NDIS_DEVICE_PNP_EVENT by the name behind ``NdisDevicePnPEvent``."""

    QUERY_REMOVED = 0
    REMOVED = 1
    SURPRISE_REMOVED = 2
    QUERY_STOPPED = 3
    STOPPED = 4
    POWER_PROFILE_CHANGED = 5


class Media(IntEnum):
    """NDIS_MEDIA_CONNECT_STATE (NET_IF_MEDIA_CONNECT_STATE)."""

    UNKNOWN = 0
    CONNECTED = 1
    DISCONNECTED = 2


# OIDs that only NDIS 6 has, by the name behind ``OID_``.
OFFLOAD_ENCAPSULATION = 0x0101010A
