# SPDX-License-Identifier: GPL-2.0-or-later
"""What a miniport of NDIS 6.0 says of itself: the attributes that it sets, and the states that it indicates.

Source: Windows Driver Kit, NdisMSetMiniportAttributes and the page of each attributes structure, "Initializing a
Miniport Adapter", NdisMIndicateStatusEx, NDIS_STATUS_LINK_STATE, NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.ndis.codes import NdisStatus, Oid, describe, oid_name
from xenlab.ndis.codes6 import MEDIUM_ETHERNET, Attribute, Media, Type
from xenlab.ndis.nic import Checksums, Offload
from xenlab.ndis.objects6 import checked, size_of
from xenlab.ndis.offload6 import Options, read_offload, read_options
from xenlab.ndis.structures import view

if TYPE_CHECKING:
    from xenlab.ndis.adapter6 import Adapter6
    from xenlab.nt.objects import Struct

_ADDRESS_LENGTH = 6
_MOST_OIDS = 256
_INITIALIZE = "InitializeHandlerEx"
# NET_IF_ACCESS_BROADCAST; SENDRECEIVE, SENDONLY, RECEIVEONLY; DEDICATED, PASSIVE, DEMAND; ifType ethernetCsmacd.
_INTERFACE = {"AccessType": (2,), "DirectionType": (0, 1, 2), "ConnectionType": (1, 2, 3), "IfType": (6,)}
# What NDIS says itself, or what NDIS 6.0 has another indication for.
_NOT_INDICATED = (
    NdisStatus.RESET_START, NdisStatus.RESET_END, NdisStatus.MEDIA_CONNECT, NdisStatus.MEDIA_DISCONNECT,
    NdisStatus.LINK_SPEED_CHANGE,
)  # fmt: skip


class Attributes:
    """One adapter's attributes, by field, and what became of them.

    Attributes:
        registration, general: the structures' numbers, empty until they are set.
        oids: the supported list.
        permanent_mac, mac: its addresses.
        media: NDIS_MEDIA_CONNECT_STATE, and `speed` in bits a second.
        hardware: what the miniport can be told to do; None: it has set no offload attributes.
        offload: what it does at this moment, and `options`: with which packets.
        encapsulated: it was told what a frame's headers look like, so that what it does can begin.
    """

    def __init__(self, adapter: Adapter6) -> None:
        self.adapter = adapter
        self.kernel = adapter.kernel
        self.registration: dict[str, int] = {}
        self.general: dict[str, int] = {}
        self.oids: list[int] = []
        self.permanent_mac = self.mac = bytes(_ADDRESS_LENGTH)
        self.media = Media.UNKNOWN
        self.speed = 0
        self.hardware: Offload | None = None
        self.offload = Offload()
        self.options: dict[str, Options] = {}
        self.encapsulated = False
        self.offload_indications = 0
        self._judging = Checksums.NONE

    # NdisMSetMiniportAttributes

    def set(self, address: int) -> int:
        adapter = self.adapter
        adapter.within("NdisMSetMiniportAttributes", _INITIALIZE)
        header = view(self.kernel, "NDIS_OBJECT_HEADER", address)
        kinds = {
            Type.MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES: ("REGISTRATION", self._set_registration),
            Type.MINIPORT_ADAPTER_GENERAL_ATTRIBUTES: ("GENERAL", self._set_general),
            Type.MINIPORT_ADAPTER_OFFLOAD_ATTRIBUTES: ("OFFLOAD", self._set_offload),
        }
        kind = header["Type"]
        if kind not in kinds:
            adapter.violation(f"NdisMSetMiniportAttributes is given a structure of type {kind:#x}")
        name, take = kinds[Type(kind)]
        given = checked(self.kernel, f"NDIS_MINIPORT_ADAPTER_{name}_ATTRIBUTES", address, "NdisMSetMiniportAttributes")
        if header["Revision"] > 1:
            return NdisStatus.BAD_VERSION
        if name != "REGISTRATION" and not self.registration:
            adapter.violation(f"the {name.lower()} attributes are set before the registration attributes")
        if name == "OFFLOAD" and not self.general:
            adapter.violation("the offload attributes are set before the general attributes")
        if self.kernel.pool.refuses("NdAt", given.layout.size):
            return NdisStatus.RESOURCES
        take(given)
        return NdisStatus.SUCCESS

    def _set_registration(self, given: Struct) -> None:
        flags = given["AttributeFlags"]
        if flags & ~sum(Attribute):
            self.adapter.violation(f"AttributeFlags of the registration attributes are {flags:#x}")
        self.registration = _numbers(given)
        self.adapter.context = given["MiniportAdapterContext"]

    def _set_general(self, given: Struct) -> None:
        adapter, kernel = self.adapter, self.kernel
        if given["MediaType"] != MEDIUM_ETHERNET:
            adapter.violation(f"MediaType of the general attributes is {given['MediaType']}, which is not Ethernet")
        if given["MacAddressLength"] != _ADDRESS_LENGTH:
            adapter.violation(f"MacAddressLength of an Ethernet adapter is {given['MacAddressLength']}")
        if not given["MtuSize"]:
            adapter.violation("MtuSize of the general attributes is 0")
        for name, known in _INTERFACE.items():
            if given[name] not in known:
                adapter.violation(f"{name} of the general attributes is {given[name]}, which no Ethernet adapter has")
        for name in ("PermanentMacAddress", "CurrentMacAddress"):
            mac = kernel.read(given.at(name), _ADDRESS_LENGTH)
            if mac[0] & 1 or not any(mac):
                adapter.violation(f"{name} of the general attributes is {mac.hex(':')}, which no station has")
        self.general = _numbers(given)
        self.permanent_mac = kernel.read(given.at("PermanentMacAddress"), _ADDRESS_LENGTH)
        self.mac = kernel.read(given.at("CurrentMacAddress"), _ADDRESS_LENGTH)
        self._set_media(given["MediaConnectState"], given["XmitLinkSpeed"])
        self._read_oids(given["SupportedOidList"], given["SupportedOidListLength"])

    def _set_media(self, state: int, speed: int) -> None:
        if state not in set(Media):
            self.adapter.violation(f"a MediaConnectState of {state} is none")
        self.media, self.speed = Media(state), speed

    def _read_oids(self, address: int, length: int) -> None:
        """SupportedOidListLength is in bytes."""
        if not address or length % 4 or not 0 < length <= 4 * _MOST_OIDS:
            self.adapter.violation(f"SupportedOidList is at {address:#x}, SupportedOidListLength {length} bytes")
        self.oids = [self.kernel.u32(address + at) for at in range(0, length, 4)]
        twice = {each for each in self.oids if self.oids.count(each) > 1}
        if twice:
            self.adapter.violation(f"the list of supported OIDs has {oid_name(min(twice))} twice")

    def _set_offload(self, given: Struct) -> None:
        what = "NdisMSetMiniportAttributes"
        current, hardware = given["DefaultOffloadConfiguration"], given["HardwareOffloadCapabilities"]
        if bool(current) != bool(hardware):
            self.adapter.violation("one of DefaultOffloadConfiguration and HardwareOffloadCapabilities is NULL")
        if hardware:
            self.hardware = read_offload(self.kernel, hardware, what)
            self.offload = read_offload(self.kernel, current, what)
            self.options = read_options(self.kernel, current)
            self._require_possible(self.offload, "DefaultOffloadConfiguration")

    def _require_possible(self, given: Offload, what: str) -> None:
        """A configuration has nothing that the hardware has not."""
        hardware = self.hardware or Offload()
        for direction in ("tx", "rx"):
            more = getattr(given, direction) & ~getattr(hardware, direction)
            if more:
                self.adapter.violation(f"{what} has {more!r} for {direction}, which the hardware capabilities have not")
        for name in ("lso_v1", "lso_v2_ipv4", "lso_v2_ipv6"):
            if getattr(given, name) and not getattr(hardware, name):
                self.adapter.violation(f"{what} has {name}, which the hardware capabilities have not")

    def require_complete(self) -> None:
        """MiniportInitializeEx has returned success: what it must have set is set."""
        for name, given in (("registration", self.registration), ("general", self.general)):
            if not given:
                self.adapter.violation(f"MiniportInitializeEx succeeds without {name} attributes")

    @property
    def stays_in_sleep(self) -> bool:
        """Whether the miniport is told of power states, not halted."""
        wants = self.registration["AttributeFlags"] & Attribute.NO_HALT_ON_SUSPEND
        return bool(wants or self.general["PowerManagementCapabilities"])

    # NdisMIndicateStatusEx

    def indicate(self, address: int) -> None:
        adapter, what = self.adapter, "NdisMIndicateStatusEx"
        given = checked(self.kernel, "NDIS_STATUS_INDICATION", address, what)
        if not self.registration:
            adapter.violation(f"{what} is called before the registration attributes are set")
        if given["SourceHandle"] != adapter.handle:
            adapter.violation(f"SourceHandle of a status indication is {given['SourceHandle']:#x}")
        if given["PortNumber"]:
            adapter.violation(f"a status is indicated for port {given['PortNumber']}, which was never allocated")
        status, buffer, size = given["StatusCode"], given["StatusBuffer"], given["StatusBufferSize"]
        if status in _NOT_INDICATED:
            adapter.violation(f"{describe(status)} is indicated, which miniports of NDIS 6.0 do not")
        if bool(buffer) != bool(size):
            adapter.violation(f"StatusBuffer is {buffer:#x} and StatusBufferSize {size}")
        adapter.statuses.append(status)
        if status == NdisStatus.LINK_STATE:
            self._take_link_state(buffer, size)
        elif status == NdisStatus.TASK_OFFLOAD_CURRENT_CONFIG:
            self._take_configuration(buffer, size)

    def _sized(self, name: str, buffer: int, size: int) -> Struct:
        if size < size_of(name, self.kernel):
            self.adapter.violation(f"StatusBufferSize of a {name} is {size}")
        return checked(self.kernel, name, buffer, "NdisMIndicateStatusEx")

    def _take_link_state(self, buffer: int, size: int) -> None:
        given = self._sized("NDIS_LINK_STATE", buffer, size)
        self._set_media(given["MediaConnectState"], given["XmitLinkSpeed"])
        if self.adapter.nic:
            self.adapter.nic.link_up = self.is_connected

    def _take_configuration(self, buffer: int, size: int) -> None:
        self._sized("NDIS_OFFLOAD", buffer, size)
        self._judging = self.offload.rx
        self.offload = read_offload(self.kernel, buffer, "NdisMIndicateStatusEx")
        self.options = read_options(self.kernel, buffer)
        self._require_possible(self.offload, "NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG")
        self.offload_indications += 1
        if self.adapter.nic:
            self.adapter.nic.offload = self.offload

    # What follows

    @property
    def is_connected(self) -> bool:
        return self.media is Media.CONNECTED

    @property
    def may_judge(self) -> Checksums:
        """The received checksums that the miniport may have an opinion about; a change takes a moment."""
        return self.offload.rx | self._judging if self.encapsulated else Checksums.NONE

    def settle_offload(self) -> None:
        """The change of configuration is over."""
        self._judging = Checksums.NONE

    def answer(self, oid: int) -> bytes | None:
        """Return what NDIS answers a query with, out of the attributes; None: the miniport is asked."""
        general, number = self.general, None
        match oid:
            case Oid.ETHERNET_PERMANENT_ADDRESS:
                return self.permanent_mac
            case Oid.ETHERNET_CURRENT_ADDRESS:
                return self.mac
            case Oid.GEN_SUPPORTED_LIST:
                return b"".join(each.to_bytes(4, "little") for each in self.oids)
            case Oid.GEN_MAXIMUM_FRAME_SIZE:
                number = general["MtuSize"]
            case Oid.GEN_MAXIMUM_LOOKAHEAD:
                number = general["LookaheadSize"]
            case Oid.GEN_MAC_OPTIONS:
                number = general["MacOptions"]
            case Oid.GEN_MEDIA_SUPPORTED | Oid.GEN_MEDIA_IN_USE:
                number = general["MediaType"]
            case Oid.GEN_PHYSICAL_MEDIUM:
                number = general["PhysicalMediumType"]
            case Oid.GEN_LINK_SPEED:
                number = min(self.speed // 100, 0xFFFFFFFF)
            case Oid.GEN_MEDIA_CONNECT_STATUS:
                number = int(not self.is_connected)
            case Oid.ETHERNET_MAXIMUM_LIST_SIZE:
                number = general["MaxMulticastListSize"]
        return None if number is None else number.to_bytes(4, "little")


def _numbers(given: Struct) -> dict[str, int]:
    return {path: given[path] for path, each in given.layout.fields.items() if each.scalar and each.count == 1}
