# SPDX-License-Identifier: GPL-2.0-or-later
"""A Wine prefix as one Windows machine: put packages on it, run them, look at what they did."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from .prefix import MachineError, Prefix, decode, hardware
from .registry import Hive, Value, parse_reg

__all__ = ["Hive", "MachineError", "Result", "Value", "Windows", "wait_until"]

SCRATCH = "C:\\run"
SERVICES = "HKLM\\System\\CurrentControlSet\\Services"
# SERVICE_STATUS.dwCurrentState, winsvc.h.
STATES = {
    1: "stopped",
    2: "start pending",
    3: "stop pending",
    4: "running",
    5: "continue pending",
    6: "pause pending",
    7: "paused",
}

UNKNOWN_PROGRAM = 9009


@dataclass(frozen=True)
class Result:
    """What a command left: its whole 32-bit exit code, what it printed, and what the debugger saw meanwhile."""

    exit_code: int
    stdout: str
    log: str


class Windows:
    """One machine, switched on when made.  Text paths are Windows paths (``C:\\...``), ``pathlib.Path`` the host's."""

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self._count = 0
        self.hardware = hardware(name)
        self._prefix = Prefix.create(self.hardware, environment)
        try:
            self._prefix.start()
        except BaseException:
            self.close()
            raise

    @property
    def console(self) -> str:
        """What the debugger saw since the machine was made: DbgPrint, OutputDebugString, errors of programs."""
        return self._prefix.console

    def close(self) -> None:
        """End all that runs and remove the machine."""
        self._prefix.close()

    def reboot(self, environment: Mapping[str, str] | None = None) -> None:
        """Switch off and on: boot drivers and services start as they are registered; environment adds variables."""
        self._prefix.stop()
        self._prefix.environment.update(environment or {})
        self._prefix.start()

    def set_version(self, version: str) -> None:
        """Be another Windows from now on, by the names of ``winecfg -v``: win2k, winxp, winxp64, win2003, vista ..."""
        self._prefix.tool(self.hardware.loader, "winecfg", "-v", version)
        self.reboot()

    def run(self, *args: str, timeout: float = 60) -> Result:
        """Run a program and wait for it.  MachineError, with the machine switched off, when it takes too long."""
        return self.cmd(subprocess.list2cmdline(args).replace("%", "%%"), timeout=timeout)

    def ask(self, *args: str) -> Result:
        """Run a program that only reads.  On a busy host Wine's cmd now and then ends without having started it, with
        no exit code or as a program that it does not know: then it is asked again, twice at most."""
        for _ in range(2):
            try:
                result = self.run(*args)
            except MachineError:
                continue
            if result.exit_code != UNKNOWN_PROGRAM:
                return result
        return self.run(*args)

    def cmd(self, line: str, timeout: float = 60) -> Result:
        """Run one line of a batch file.  The exit code is read inside: Wine's launcher keeps only its low 8 bits."""
        batch, begun, code = (self.scratch(suffix) for suffix in ("bat", "begun", "code"))
        script = f"@echo off\r\necho 1 >{begun}\r\n{line}\r\necho %ERRORLEVEL% >{code}\r\n"
        self.path(batch).write_bytes(script.encode("ascii"))
        for _ in range(3):
            before = len(self.console)
            _, stdout = self._prefix.wine(self.hardware.loader, "cmd", "/c", batch, timeout=timeout)
            log = self.console[before:]
            if self.exists(begun):  # Else nothing of it has run: once in some thousand times, on a busy host.
                break
        if not self.exists(code):
            raise MachineError(f"{line}\ndid not come back to its batch file.\n{stdout}{log}")
        return Result(int(self.path(code).read_text()) & 0xFFFFFFFF, stdout, log)

    def scratch(self, suffix: str) -> str:
        """A new name in the harness's own folder, which `files` does not show."""
        self._count += 1
        self.path(SCRATCH).mkdir(exist_ok=True)
        return f"{SCRATCH}\\{self._count:04}.{suffix}"

    def path(self, windows_path: str) -> Path:
        """Where a file of the machine is on the host; names match whatever their case, as on Windows."""
        pure = PureWindowsPath(windows_path)
        if pure.drive.upper() != "C:":
            raise ValueError(f"{windows_path}: not on drive C:")
        found = self._prefix.drive
        for part in pure.parts[1:]:
            same = found / part
            if not same.exists() and found.is_dir():
                same = next((entry for entry in found.iterdir() if entry.name.lower() == part.lower()), same)
            found = same
        return found

    def exists(self, windows_path: str) -> bool:
        """Is there such a file or folder?"""
        return self.path(windows_path).exists()

    def files(self, folder: str = "C:\\") -> set[str]:
        """Every file and folder below, as lower-case Windows paths."""
        top = self.path(folder)
        found = {f"c:\\{entry.relative_to(self._prefix.drive)}".replace("/", "\\").lower() for entry in top.rglob("*")}
        return {name for name in found if not (name + "\\").startswith(SCRATCH.lower() + "\\")}

    def put(self, path: Path, folder: str = SCRATCH) -> str:
        """Copy a file onto the machine; returns its Windows path."""
        self.path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, self.path(folder) / path.name)
        return f"{folder}\\{path.name}"

    def registry(self, key: str, view: int | None = None) -> Hive:
        """The values of a key and of all keys below it; empty when there is no such key.

        key is written as ``reg`` takes it: ``HKLM\\Software\\...``.  view is 32 or 64, by default the machine's own.
        """
        file = self.scratch("reg")
        result = self.ask("reg", "export", key, file, "/y", f"/reg:{view or self.hardware.bits}")
        if result.exit_code == 0:
            return parse_reg(decode(self.path(file).read_bytes()))
        if "Unable to find" not in result.stdout + result.log:
            raise MachineError(f"reg export {key} failed with {result.exit_code}.\n{result.stdout}{result.log}")
        return Hive()

    def set_value(self, key: str, name: str, value: str, kind: str = "REG_SZ") -> None:
        """Set one value.  In a batch file an ampersand outside quotes would end the command."""
        result = self.cmd(f'reg add "{key}" /v {name} /t {kind} /d "{value}" /f')
        if result.exit_code != 0:
            raise MachineError(f"{key}\\{name} cannot be set.\n{result.stdout}{result.log}")

    def service(self, name: str) -> str | None:
        """The state of a service or driver ("running", "stopped", ...); None when it is not registered."""
        result = self.ask("sc", "query", name)
        for line in result.stdout.splitlines():
            label, _, value = line.partition(":")
            if label.strip() == "STATE":
                return STATES[int(value.split()[0])]
        if self.registry(f"{SERVICES}\\{name}"):
            raise MachineError(f"{name} is in the registry but the service manager does not know it.\n{result}")
        return None

    def msiexec(self, package: Path | str, *args: str, action: str = "/i", timeout: float = 120) -> tuple[int, str]:
        """Run Windows Installer silently on a package of the host, or on a Windows path or product code.

        Returns its exit code and its verbose log.
        """
        source = self.put(package) if isinstance(package, Path) else package
        log = self.scratch("log")
        result = self.run("msiexec", action, source, "/qn", "/l*v", log, *args, timeout=timeout)
        return result.exit_code, decode(self.path(log).read_bytes()) if self.exists(log) else ""


def wait_until(condition: Callable[[], bool], timeout: float = 15) -> bool:
    """Poll a condition that Windows reaches in its own time; False when it never came true."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()
