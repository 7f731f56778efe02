# SPDX-License-Identifier: GPL-2.0-or-later

"""An adapter's configuration in the registry, as NDIS reads it for a miniport.

The values are those of the adapter's driver key. Setup's network class installer puts the default of each parameter
of ``Ndi\\params`` there that is not optional (:func:`write_defaults`), and the owner of the machine may change them.
What NdisReadConfiguration returns is NDIS's memory, until NdisCloseConfiguration.
Source also: "Specifying Configuration Parameters for the Advanced Properties Page".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xenlab.ndis.codes import NdisStatus
from xenlab.ndis.memory import NDIS
from xenlab.ndis.structures import layout, view
from xenlab.nt.registry import Key, RegType, Value
from xenlab.nt.routine import PASSIVE_LEVEL, PVOID, ULONG, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

INTEGER, HEX_INTEGER, STRING, MULTI_STRING, BINARY = range(5)
_WINDOWS_NT = 2
_MAC_DIGITS = "0123456789abcdef"
_TYPES = {
    STRING: (RegType.SZ, RegType.EXPAND_SZ),
    MULTI_STRING: (RegType.MULTI_SZ,),
    BINARY: (RegType.BINARY,),
}


def write_defaults(driver_key: Key) -> None:
    """Give a new adapter the defaults that its INF has for its advanced parameters."""
    parameters = driver_key.find(r"Ndi\params")
    for key in parameters.keys.values() if parameters else ():
        default, optional = key.get("default"), key.get("optional")
        is_optional = optional is not None and optional.text() == "1"
        if default and default.text() and not is_optional and not driver_key.get(key.name):
            driver_key.set(key.name, default.text())


@dataclass(eq=False)
class Configuration:
    """An open configuration: its key, and what it has lent to the driver."""

    key: Key
    where: int
    blocks: list[int] = field(default_factory=list)


class Configurations:
    """The open configurations, by handle."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._open: dict[int, Configuration] = {}

    def open(self, key: Key) -> int:
        """Return a handle; 0 without memory."""
        kernel = self._kernel
        if kernel.pool.refuses("NdCf", kernel.pointer_size):
            return 0
        handle = kernel.alloc(kernel.pointer_size, "NdCf")
        self._open[handle] = Configuration(key, kernel.caller())
        return handle

    def at(self, handle: int, what: str) -> Configuration:
        if handle not in self._open:
            self._kernel.violation(f"{what} is given {handle:#x}, which is no open configuration.")
        return self._open[handle]

    def lend(self, configuration: Configuration, size: int) -> int:
        """Return memory that is the driver's to read until it closes the configuration; 0 without."""
        if self._kernel.pool.refuses("NdPa", size):
            return 0
        configuration.blocks.append(self._kernel.alloc(size, "NdPa"))
        return configuration.blocks[-1]

    def close(self, handle: int) -> None:
        for block in (*self.at(handle, "NdisCloseConfiguration").blocks, handle):
            self._kernel.free(block)
        del self._open[handle]

    def outstanding(self) -> list[str]:
        describe = self._kernel.symbols.describe
        return [
            f"The configuration opened by {describe(it.where, True)} is never closed." for it in self._open.values()
        ]


def _open(kernel: Kernel, status: int, result: int, key: Key | None) -> None:
    handle = kernel.part(Configurations).open(key) if key else 0
    kernel.put_ptr(result, handle)
    kernel.put_u32(status, NdisStatus.SUCCESS if handle else NdisStatus.RESOURCES if key else NdisStatus.FAILURE)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisOpenConfigurationKeyByName(kernel: Kernel, status: PVOID, handle: PVOID, name: PVOID, result: PVOID) -> None:
    configuration = kernel.part(Configurations).at(handle, "NdisOpenConfigurationKeyByName")
    _open(kernel, status, result, configuration.key.find(kernel.unicode_string(name)))


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisOpenConfigurationKeyByIndex(
    kernel: Kernel, status: PVOID, handle: PVOID, index: ULONG, name: PVOID, result: PVOID
) -> None:
    configurations = kernel.part(Configurations)
    configuration = configurations.at(handle, "NdisOpenConfigurationKeyByIndex")
    keys = list(configuration.key.keys.values())
    if index >= len(keys):
        kernel.put_ptr(result, 0)
        kernel.put_u32(status, NdisStatus.FAILURE)
        return
    _open(kernel, status, result, keys[index])
    data = keys[index].name.encode("utf-16-le")
    buffer = configurations.lend(configuration, len(data) + 2)
    if buffer:
        kernel.write(buffer, data)
        _put_string(kernel, name, buffer, len(data))


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisCloseConfiguration(kernel: Kernel, handle: PVOID) -> None:
    kernel.part(Configurations).close(handle)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisReadConfiguration(
    kernel: Kernel, status: PVOID, result: PVOID, handle: PVOID, keyword: PVOID, kind: ULONG
) -> None:
    configurations = kernel.part(Configurations)
    configuration = configurations.at(handle, "NdisReadConfiguration")
    name = kernel.unicode_string(keyword)
    kernel.put_ptr(result, 0)
    found = _built_in(kernel, name) or _converted(configuration.key.get(name), kind)
    if found is None:
        kernel.put_u32(status, NdisStatus.FAILURE)
        return
    parameter = _make(kernel, configuration, *found)
    kernel.put_ptr(result, parameter)
    kernel.put_u32(status, NdisStatus.SUCCESS if parameter else NdisStatus.RESOURCES)


def _built_in(kernel: Kernel, name: str) -> tuple[int, int | bytes] | None:
    """The keywords that NDIS answers itself."""
    known = {"environment": _WINDOWS_NT, "processortype": 0, "ndisversion": version(kernel)}
    return (INTEGER, known[name.lower()]) if name.lower() in known else None


def version(kernel: Kernel) -> int:
    """NDIS's version as NdisGetVersion has it: 5.0 came with Windows 2000, 5.1 with XP, 6.0 with Vista."""
    newest = {(5, 0): (5, 0), (5, 1): (5, 1), (5, 2): (5, 1), (6, 0): (6, 1), (6, 1): (6, 20)}[kernel.nt]
    return newest[0] << 16 | newest[1]


def _converted(value: Value | None, kind: int) -> tuple[int, int | bytes] | None:
    """A value as a driver asks for it, None if it cannot be had so; a number may be stored as text."""
    if value is None:
        return None
    if kind in (INTEGER, HEX_INTEGER):
        number = _number(value, 10 if kind == INTEGER else 16)
        return None if number is None else (INTEGER, number)
    return (kind, value.data) if value.type in _TYPES.get(kind, ()) else None


def _number(value: Value, base: int) -> int | None:
    if value.type == RegType.DWORD:
        return value.number()
    try:
        return int(value.text().strip(), base) & 0xFFFFFFFF if value.type == RegType.SZ else None
    except ValueError:
        return None


def _make(kernel: Kernel, configuration: Configuration, kind: int, data: int | bytes) -> int:
    configurations = kernel.part(Configurations)
    address = configurations.lend(configuration, layout("NDIS_CONFIGURATION_PARAMETER", kernel.arch).size)
    if not address:
        return 0
    made = view(kernel, "NDIS_CONFIGURATION_PARAMETER", address)
    made["ParameterType"] = kind
    if isinstance(data, int):
        made["ParameterData.IntegerData"] = data
        return address
    buffer = configurations.lend(configuration, max(len(data), 1))
    if not buffer:
        return 0
    kernel.write(buffer, data)
    if kind == BINARY:
        made["ParameterData.BinaryData.Length"], made["ParameterData.BinaryData.Buffer"] = len(data), buffer
    else:
        terminated = kind == STRING and data.endswith(b"\0\0")
        _put_string(kernel, made.at("ParameterData.StringData"), buffer, len(data) - 2 * terminated)
    return address


def _put_string(kernel: Kernel, at: int, buffer: int, length: int) -> None:
    fields = view(kernel, "UNICODE_STRING", at)
    fields["Length"], fields["MaximumLength"], fields["Buffer"] = length, length + 2, buffer


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisWriteConfiguration(kernel: Kernel, status: PVOID, handle: PVOID, keyword: PVOID, parameter: PVOID) -> None:
    key = kernel.part(Configurations).at(handle, "NdisWriteConfiguration").key
    given = view(kernel, "NDIS_CONFIGURATION_PARAMETER", parameter)
    name, kind = kernel.unicode_string(keyword), given["ParameterType"]
    if kind == INTEGER:
        key.set(name, given["ParameterData.IntegerData"])
    elif kind == STRING:
        key.set(name, kernel.unicode_string(given.at("ParameterData.StringData")))
    elif kind == BINARY:
        data = given["ParameterData.BinaryData.Buffer"], given["ParameterData.BinaryData.Length"]
        key.set(name, kernel.read(*data))
    else:
        kernel.put_u32(status, NdisStatus.NOT_SUPPORTED)
        return
    kernel.put_u32(status, NdisStatus.SUCCESS)


@routine(NDIS, irql_max=PASSIVE_LEVEL)
def NdisReadNetworkAddress(kernel: Kernel, status: PVOID, result: PVOID, length: PVOID, handle: PVOID) -> None:
    """The address that the owner of the machine has given the adapter, from its hexadecimal digits."""
    configurations = kernel.part(Configurations)
    configuration = configurations.at(handle, "NdisReadNetworkAddress")
    value = configuration.key.get("NetworkAddress")
    text = value.text().replace("-", "").lower() if value else ""
    kernel.put_u32(length, 0)
    if not text or len(text) % 2 or any(each not in _MAC_DIGITS for each in text):
        kernel.put_u32(status, NdisStatus.FAILURE)
        return
    address = configurations.lend(configuration, len(text) // 2)
    if address:
        kernel.write(address, bytes.fromhex(text))
        kernel.put_ptr(result, address)
        kernel.put_u32(length, len(text) // 2)
    kernel.put_u32(status, NdisStatus.SUCCESS if address else NdisStatus.RESOURCES)
