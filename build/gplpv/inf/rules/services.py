# SPDX-License-Identifier: GPL-2.0-or-later
"""Services: the device has one function driver, and what each service is made of is right.

Source: "INF AddService Directive", "INF DDInstall.Services Section", "Specifying Driver Load Order".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gplpv.inf.check import Found, Subject, rule
from gplpv.inf.parse import Entry
from gplpv.inf.view import Service, number

_KNOWN_FLAGS = 0x0006FDFB
_START_SERVICE = 0x800
_TYPES = {0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x50, 0x60, 0xD0, 0xE0, 0x110, 0x120}
_KERNEL_DRIVER, _AUTO_START, _DISABLED = 0x1, 2, 4
_REQUIRED = ("ServiceType", "StartType", "ErrorControl", "ServiceBinary")
_RANGES = {"StartType": range(5), "ErrorControl": range(4)}
_LONGEST_NAME = 256
# Windows' names of one folder: the drivers' and the system's below the Windows folder.
_FOLDERS = {"12": r"%10%\system32\drivers", "11": r"%10%\system32"}
# What Windows brings and services of vendors run in, without a copy.
_INBOX = ("wudfrd.sys", "winusb.sys", "usbser.sys", "hidusb.sys", "mshidumdf.sys", "mshidkmdf.sys", "svchost.exe")
_DRIVERLESS = ("monitor", "modem", "extension", "softwarecomponent", "printer", "netclient", "netservice", "nettrans")


@rule(
    "INF501", "warning", "A device's install section adds its function driver: AddService with 0x2, or AddService=,2."
)
def function_driver(subject: Subject) -> Iterator[Found]:
    if subject.inf.version("Class").lower() in _DRIVERLESS:
        return
    for install in subject.device_installs:
        others = any(subject.takes_from_others(name) for name in (install, f"{install}.Services"))
        if not others and not any(one.is_function_driver for one in subject.inf.add_services(install)):
            yield subject.header(install), f"[{install}.Services] has no AddService with the flag 0x00000002."


@rule("INF502", "error", "A device has one function driver.")
def one_function_driver(subject: Subject) -> Iterator[Found]:
    for install in subject.device_installs:
        found = [one for one in subject.inf.add_services(install) if one.is_function_driver]
        for one in found[1:]:
            yield (
                one.entry.start,
                f"{found[0].name or 'Nothing'} is the function driver in [{install}.Services] already.",
            )


@rule("INF503", "error", "AddService has a number of known flags, and a service section where it has a name.")
def add_service(subject: Subject) -> Iterator[Found]:
    for service in _added(subject):
        flags = number(service.flags or "0")
        if flags is None:
            yield service.entry.place(1), f"{service.flags} are no flags."
        elif flags & ~_KNOWN_FLAGS:
            yield service.entry.place(1), f"{service.flags} has flags that AddService does not know."
        if service.name and not service.section:
            yield service.entry.start, f"The service {service.name} has no section."
        if not service.name and not service.is_function_driver:
            yield service.entry.start, "AddService names no service; a device without a driver says AddService=,2."


@rule("INF504", "error", "A service has ServiceType, StartType, ErrorControl and ServiceBinary.")
def service_whole(subject: Subject) -> Iterator[Found]:
    for service in _with_section(subject):
        for key in _REQUIRED:
            entry = subject.document.first(service.section, key)
            if entry is None or not entry.text(0):
                yield subject.header(service.section), f"The service {service.name} has no {key}."


@rule("INF505", "error", "ServiceType, StartType and ErrorControl are numbers that Windows knows.")
def service_numbers(subject: Subject) -> Iterator[Found]:
    for service in _with_section(subject):
        for entry in subject.document.section(service.section):
            text = subject.inf.expand(entry.text(0))
            for key, known in (("ServiceType", _TYPES), *_RANGES.items()):
                if entry.named(key) and text and number(text) not in known:
                    yield entry.place(0), f"{text} is no {key}."


@rule(
    "INF506", "error", "A service's binary is one of Windows, or among the files that the INF copies, to where it says."
)
def binary_copied(subject: Subject) -> Iterator[Found]:
    for install in subject.installs:
        if any(subject.takes_from_others(name) for name in (install, f"{install}.Services")):
            continue
        for service in subject.inf.services(install):
            entry = subject.document.first(service.section, "ServiceBinary")
            if entry:
                message = _misplaced(subject, subject.inf.expand(entry.text(0)))
                yield from [(entry.place(0), message)] if message else []


@rule("INF507", "warning", "A device's driver starts with the system or on demand, not automatically and not never.")
def start_fits(subject: Subject) -> Iterator[Found]:
    for service in _with_section(subject):
        entry = subject.document.first(service.section, "StartType")
        start = number(subject.inf.expand(entry.text(0))) if entry else None
        if entry and service.is_function_driver and start in (_AUTO_START, _DISABLED):
            what = "is disabled" if start == _DISABLED else "starts automatically, which is for services"
            yield entry.place(0), f"The driver {service.name} {what}."


@rule("INF508", "error", "A function driver is a kernel driver, and AddService does not start it.")
def kernel_driver(subject: Subject) -> Iterator[Found]:
    for service in _with_section(subject):
        entry = subject.document.first(service.section, "ServiceType")
        kind = number(subject.inf.expand(entry.text(0))) if entry else None
        if entry and service.is_function_driver and kind in _TYPES and kind != _KERNEL_DRIVER:
            yield entry.place(0), f"The function driver {service.name} is no kernel driver (ServiceType 1)."
        if service.is_function_driver and (number(service.flags) or 0) & _START_SERVICE:
            yield service.entry.place(1), f"The flag 0x800 cannot start the device driver {service.name}."


@rule("INF509", "error", "A service's name has no slash or backslash and at most 256 characters.")
def service_named(subject: Subject) -> Iterator[Found]:
    for service in _added(subject):
        if re.search(r"[\\/]", service.name) or len(service.name) > _LONGEST_NAME:
            yield service.entry.place(0), f"{service.name} is no service's name."


@rule("INF510", "warning", "No install section asks for a restart: Windows finds out by itself.")
def no_restart(subject: Subject) -> Iterator[Found]:
    for install in subject.installs:
        for section in (install, f"{install}.Services"):
            for entry in subject.document.section(section):
                if _is_reboot(entry):
                    yield entry.start, f"[{section}] asks for a restart of the machine."


def _is_reboot(entry: Entry) -> bool:
    word = entry.key.text if entry.key else entry.text(0)
    return word.lower() in ("reboot", "restart")


def _added(subject: Subject) -> list[Service]:
    found: dict[int, Service] = {}
    for name in subject.document.sections:
        if name.endswith(".services"):
            for service in subject.inf.add_services(name.removesuffix(".services")):
                found[service.entry.start] = service
    return list(found.values())


def _with_section(subject: Subject) -> list[Service]:
    return [one for one in _added(subject) if one.name and subject.document.has_section(one.section)]


def _misplaced(subject: Subject, path: str) -> str:
    """What is wrong with a ServiceBinary, nothing if it is copied there."""
    folder, _, name = path.rpartition("\\")
    if name.lower().split(" ")[0] in _INBOX:
        return ""
    copies = [copy for copy in subject.copies if copy.target.lower() == name.lower()]
    if not copies:
        return f"{name} is the service's binary, and no CopyFiles copies it."
    places = {_place(*place) for copy in copies if (place := subject.inf.destination(copy.section))}
    if places and _place("", folder) not in places:
        return f"The service's binary is {path}, but {name} is copied to {' and '.join(sorted(places))}."
    return ""


def _place(directory: str, folder: str) -> str:
    """One name for a folder, by directory number, by path from ``%12%`` on, or both."""
    known = number(directory)
    path = "\\".join(part for part in (f"%{known}%" if known is not None else "", folder) if part).lower()
    for digits, whole in _FOLDERS.items():
        path = path.replace(f"%{digits}%", whole)
    return path
