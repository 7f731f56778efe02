# SPDX-License-Identifier: GPL-2.0-or-later
"""Ready-made lines for debugging the drivers in a domain: what to write where, from the guest to the debugger.

The way is the field's: the guest's COM1 is a pty of Dom0, a TCP port of Dom0 leads to it, a virtual serial port of the
debugging machine leads to that port, and WinDbg or kd uses the virtual port. ``docs/debugging.md`` explains each step.

Sources: xl.cfg(5) and xmdomain.cfg(5), ``serial``; xl(1), ``console -t``; inetd.conf(5); the vendor's "Setting Up a
Null-Modem Cable Connection", "Boot Parameters to Enable Debugging", "Symbol path for Windows debuggers" and "Using a
symbol server".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gplpv.errors import UsageError, nearest
from gplpv.matrix import Matrix, Variant

Toolstack = Literal["xl", "xm"]

BAUD = 115200
_SYMBOL_SERVER = r"SRV*c:\websymbols*http://msdl.microsoft.com/download/symbols"
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9:.-]*")
_COM = re.compile(r"com[1-9][0-9]{0,2}", re.IGNORECASE)
_SERVICE_LENGTH = 64


@dataclass(frozen=True)
class Connection:
    """Between which two machines, and by what.

    Attributes:
        domain: the guest's name.
        host: Dom0's name or address, as the debugging machine knows it.
        port: the TCP port of Dom0 that leads to the guest's serial port.
        com: the virtual serial port of the debugging machine.
        sources: the folder on the debugging machine, a Windows path, that holds the project as it was built.

    Raises:
        UsageError: one of them cannot be that.
    """

    domain: str
    host: str = "dom0"
    port: int = 4440
    com: str = "com8"
    toolstack: Toolstack = "xl"
    sources: str = "c:\\gplpv"

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.domain):
            raise UsageError(f"{self.domain!r} is not a domain's name.", f"{self.toolstack} list shows them.")
        if not _HOST.fullmatch(self.host):
            raise UsageError(f"{self.host!r} is no host name or address.", "Give Dom0 as the other machine knows it.")
        if not 0 < self.port < 1 << 16:
            raise UsageError(f"There is no TCP port {self.port}.", "1 to 65535; 4440 is what the field uses.")
        if not _COM.fullmatch(self.com):
            raise UsageError(f"{self.com!r} is not a serial port.", "com1 to com999; take one that is not used.")
        if not re.match(r"[A-Za-z]:\\|\\\\", self.sources) or re.search(r'[<>"|?*;]', self.sources):
            raise UsageError(f"{self.sources!r} is not a folder of Windows.", r"A whole path, such as c:\gplpv.")

    @property
    def service(self) -> str:
        """The name for /etc/services."""
        return f"windbg_{self.domain}"[:_SERVICE_LENGTH]


@dataclass(frozen=True)
class Step:
    """One place where something is to be written or typed: its title, the lines, and a word about them."""

    title: str
    lines: tuple[str, ...]
    remark: str = ""


def find_variant(matrix: Matrix, package: str) -> Variant:
    """Return the variant that a package's file name tells, whatever its version, folder and extension.

    Raises:
        UsageError: no package is called so.
    """
    name = re.split(r"[/\\]", package)[-1]
    match = re.fullmatch(r"(\S+) (\S+) \S+?( debug)?\.(msi|exe|symbols\.zip)", name)
    known = {variant.name: variant for variant in matrix.variants()}
    if not match or match[1] != matrix.product.name:
        example = next(iter(known.values())).package("msi")
        raise UsageError(f"{name!r} is not the name of a package.", f"They are called as in {example!r}.")
    wanted = match[2] + (match[3] or "")
    if wanted not in known:
        raise UsageError(f"There is no package for {wanted!r}.", nearest(wanted, known))
    return known[wanted]


def steps(variant: Variant, connection: Connection) -> list[Step]:
    """Return what to do, in the order in which it is done."""
    return [
        _guest_configuration(connection),
        _inetd(connection),
        _socat(connection),
        _windows(variant),
        _virtual_port(connection),
        _debugger(variant, connection),
    ]


def symbol_path(variant: Variant, connection: Connection) -> str:
    """The debugger's symbol path: Windows's own symbols from the vendor, the drivers' from the build."""
    tree = str(variant.tree).replace("/", "\\")
    return f"{_SYMBOL_SERVER};{connection.sources}\\target\\{tree}"


def _guest_configuration(connection: Connection) -> Step:
    return Step(
        f"In the configuration of {connection.domain} on Dom0",
        ("serial = 'pty'",),
        "It counts from the domain's next start.",
    )


def _console(connection: Connection) -> str:
    if connection.toolstack == "xm":
        return f"/usr/sbin/xm console {connection.domain}"
    return f"/usr/sbin/xl console -t serial {connection.domain}"


def _inetd(connection: Connection) -> Step:
    return Step(
        "On Dom0 with inetd: a line in /etc/services, one in /etc/inetd.conf",
        (
            f"{connection.service} {connection.port}/tcp",
            f"{connection.service} stream tcp nowait root /usr/sbin/tcpd {_console(connection)}",
        ),
        "Then make inetd read them: kill -HUP its process. Who gets to this port commands the guest's kernel: allow "
        "only the debugging machine in /etc/hosts.allow.",
    )


def _socat(connection: Connection) -> Step:
    identifier = f"$({connection.toolstack} domid {connection.domain})"
    return Step(
        "On Dom0 without inetd: one command, once the domain runs",
        (
            f"socat TCP-LISTEN:{connection.port},bind=127.0.0.1,reuseaddr "
            f'"$(xenstore-read /local/domain/{identifier}/serial/0/tty)",rawer',
        ),
        f"It listens on Dom0 itself only; from the debugging machine: ssh -N -L {connection.port}:127.0.0.1:"
        f"{connection.port} root@{connection.host}, and 127.0.0.1 in place of {connection.host} below.",
    )


def _windows(variant: Variant) -> Step:
    if variant.nt < (6, 0):
        return Step(
            "In the guest: the end of its line in c:\\boot.ini",
            (f"/debug /debugport=com1 /baudrate={BAUD}",),
            "Or for one start: F8 in the boot menu, Debugging Mode.",
        )
    return Step(
        "In the guest, as administrator",
        ("bcdedit /debug on", f"bcdedit /dbgsettings serial debugport:1 baudrate:{BAUD}"),
        "Or for one start: F8 in the boot menu, Debugging Mode.",
    )


def _virtual_port(connection: Connection) -> Step:
    return Step(
        "On the debugging machine, in HW Virtual Serial Port",
        (
            f"IP Address: {connection.host}",
            f"Port: {connection.port}",
            f"Port Name: {connection.com.upper()}",
            "NVT Enable: no",
        ),
        "Then Create COM. Any program that makes a serial port of a TCP connection will do.",
    )


def _debugger(variant: Variant, connection: Connection) -> Step:
    options = f'-y "{symbol_path(variant, connection)}" -srcpath "{connection.sources}"'
    port = f"-k com:port={connection.com.lower()},baud={BAUD}"
    lines = (f"windbg {options} {port}", f"kd {options} {port}")
    package = variant.package("symbols.zip")
    return Step(
        "On the debugging machine: one of them, then start the guest",
        lines,
        f"Without a build of your own, unpack {package!r} and name that folder in place of the target folder."
        + ("" if variant.debug else " Release drivers print nothing: take the debug package to see what they do."),
    )
