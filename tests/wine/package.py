# SPDX-License-Identifier: GPL-2.0-or-later
"""A package as its user meets it, whichever of the two formats it has: install it, remove it, read what it says."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from gplpv import config
from gplpv.matrix import Variant

from .prefix import PROJECT, MachineError, decode, lock
from .windows import Value, Windows, wait_until

UNINSTALL_KEY = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
SYSTEM_CLASS_GUID = "{4D36E97D-E325-11CE-BFC1-08002BE10318}"
SCSI_CLASS_GUID = "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
CONTROL = "HKLM\\System\\CurrentControlSet\\Control"
SYSTEM_CLASS = f"{CONTROL}\\Class\\{SYSTEM_CLASS_GUID}"
BOOT_DEVICES = f"{CONTROL}\\CriticalDeviceDatabase"
DONE = 0
RESTART_NEEDED = 3010


@dataclass(frozen=True)
class Outcome:
    """The exit code of an installer and the text of its log."""

    exit_code: int
    log: str


@dataclass(frozen=True)
class Package:
    """One file of dist/."""

    variant: Variant
    path: Path

    @property
    def is_msi(self) -> bool:
        return self.path.suffix == ".msi"

    @property
    def hardware(self) -> str:
        """The machine it is for."""
        return self.variant.arch_name

    @property
    def folder(self) -> str:
        """Where it installs on that machine."""
        return f"C:\\Program Files\\{self.variant.matrix.product.folder}"

    def install(self, machine: Windows, *, trust: bool = False) -> Outcome:
        """Install silently; with consent to trust the certificates of test signing."""
        if self.is_msi:
            return Outcome(*machine.msiexec(self.path, *(["TRUST=1"] if trust else [])))
        return _run_logged(machine, f'"{machine.put(self.path)}" /S{" /TRUST" if trust else ""}')

    def uninstall(self, machine: Windows) -> Outcome:
        """Remove silently, as Add or Remove Programs would, and wait until it is done."""
        if self.is_msi:
            return Outcome(*machine.msiexec(self.path, action="/x"))
        [entry] = entries(machine)
        command = str(entry["QuietUninstallString"])
        outcome = _run_logged(machine, command)
        # The uninstaller goes on from a copy of itself after the program that was started has ended.
        if not wait_until(lambda: not entries(machine) and not machine.exists(command.split('"')[1])):
            raise MachineError(f"{command} did not come to its end.\n{outcome.log}")
        return outcome


def _run_logged(machine: Windows, command: str) -> Outcome:
    log = machine.scratch("log")
    result = machine.cmd(f"{command} /LOG={log}", timeout=120)
    return Outcome(result.exit_code, decode(machine.path(log).read_bytes()) if machine.exists(log) else "")


def entries(machine: Windows) -> list[dict[str, Value]]:
    """The entries in Add or Remove Programs that are of this project."""
    title = config.load(PROJECT).matrix.product.title
    found = machine.registry(UNINSTALL_KEY).values()
    return [values for values in found if str(values.get("DisplayName", "")).startswith(title)]


def upper_filters(machine: Windows) -> Value | None:
    """The filters above every device of class System; None when the registry has no such value."""
    return machine.registry(SYSTEM_CLASS).under().get("UpperFilters")


def boot_devices(machine: Windows) -> dict[str, dict[str, Value]]:
    """What CriticalDeviceDatabase says of the devices that a machine can boot from, by hardware identifier."""
    return {name: values for name, values in machine.registry(BOOT_DEVICES).items() if name}


def kept_catalogs(package: Package) -> set[str]:
    """Catalogs of the INFs that wait for devices, where Windows keeps them.

    Windows takes them out together with the INF (SetupUninstallOEMInf), Wine leaves them, and brings them there before
    it fails to bring the INF.
    """
    folder = "c:\\windows\\system32\\catroot\\{f750e6c3-38ee-11d1-85e5-00c04fc295ee}"
    return {f"{folder}\\{name}.cat" for name, _ in package.variant.drivers() if name != "xenhide"}


def pvinstall(machine: Windows, package: Package, verb: str) -> Outcome:
    """Run the installed helper by itself."""
    log = machine.scratch("log")
    helper, drivers = f"{package.folder}\\pvinstall.exe", f"{package.folder}\\drivers"
    result = machine.run(helper, verb, drivers, "/log", log)
    return Outcome(result.exit_code, decode(machine.path(log).read_bytes()))


def build(platform: str, arch: str, *, debug: bool, sign: str = "off") -> dict[str, Package]:
    """Build a variant with the command a user would type; its packages by short name, such as ``XPx64 debug.msi``."""
    [variant] = config.load(PROJECT).matrix.select([platform], [arch], [debug])
    command = ["./scons", "-s", f"platform={platform}", f"arch={arch}", f"debug={int(debug)}", f"sign={sign}"]
    with lock(PROJECT / "target" / "tests-wine.lock"):
        run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    paths = {f"{variant.name}.{kind}": PROJECT / "dist" / variant.package(kind) for kind in ("msi", "exe")}
    missing = [path.name for path in paths.values() if not path.exists()]
    if run.returncode != 0 or missing:
        words = " ".join(command)
        raise MachineError(f"{words} ended with {run.returncode}; missing: {missing}.\n{run.stdout}{run.stderr}")
    return {name: Package(variant, path) for name, path in paths.items()}
