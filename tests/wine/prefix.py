# SPDX-License-Identifier: GPL-2.0-or-later
"""A Wine prefix in processes and mounts of its own: copied from a template in a moment, ended without trace.

Every prefix lives in its own PID and mount namespace (``namespaces(7)``), where its folder is ``/mnt``.  The first
process there is a ``cat`` on a pipe that the test run holds: when the prefix is closed, or the test run dies however
brutally, the kernel ends every process inside and drops the mounts.

A template takes Wine ten seconds to make, so each kind of hardware has one under the cache folder; a prefix is a copy
of it in which Wine's own system files are hard links.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PROVISION = "Run ./runtests as root: it installs what the tests need."
INSIDE = "/mnt"
HOLDER = (
    f'mount --bind "$1" "$2{INSIDE}" && mount -t proc proc "$2/proc" &&'
    """ exec chroot "$2/" sh -c 'echo ready && exec cat'"""
)
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": INSIDE,
    "USER": "tester",
    "LANG": "C.UTF-8",
    "WINEPREFIX": f"{INSIDE}/prefix",
    "WINEDEBUG": "-all,warn+debugstr",
    "WINEDLLOVERRIDES": "mscoree,mshtml=;winedbg.exe,winemenubuilder.exe=d",
}
SHARED_FOLDERS = ("system32", "syswow64", "winsxs")
SHARED_SUFFIXES = (".dll", ".exe", ".drv", ".ocx", ".cpl", ".acm", ".tlb", ".ds", ".nls")

# Wine makes them on first use, which would look like something that a package left behind.
FOLDERS_WINE_LACKS = ("Installer", "system32/catroot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}")


class MachineError(Exception):
    """The machine cannot be made or did not do what it was told; the hint says what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n{hint}" if hint else message)


@dataclass(frozen=True)
class Hardware:
    """A kind of machine: the root folder that Wine is installed in, its programs there, the Windows it starts as."""

    name: str
    bits: int
    version: str
    root: Path
    loaders: tuple[str, ...]
    servers: tuple[str, ...]
    install: str

    @cached_property
    def loader(self) -> str:
        """The program that starts Windows programs, as a path inside the root."""
        return self._program(self.loaders)

    @cached_property
    def server(self) -> str:
        """The wineserver program, as a path inside the root."""
        return self._program(self.servers)

    def _program(self, candidates: tuple[str, ...]) -> str:
        for program in candidates:
            if (self.root / program.lstrip("/")).is_file():
                return program
        raise MachineError(
            f"The {self.name} test machine needs {candidates[0]} in {self.root}, which is not there.",
            f"{PROVISION} By hand: {self.install}",
        )


def hardware(name: str) -> Hardware:
    """``x64``: a 64-bit machine; ``x32``: a 32-bit machine; ``wow64``: a 64-bit machine that also runs x86 programs.

    Under ``x64`` an x86 program does nothing and reports success.
    """
    if name == "x64":
        return Hardware(
            name,
            bits=64,
            version="winxp64",
            root=Path("/"),
            loaders=("/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"),
            servers=("/usr/lib/wine/wineserver64", "/usr/bin/wineserver"),
            install="apt-get install --no-install-recommends wine wine64",
        )
    root = _wine32_root()
    if name == "x32":
        return Hardware(
            name,
            bits=32,
            version="winxp",
            root=root,
            loaders=("/usr/lib/wine/wine",),
            servers=("/usr/lib/wine/wineserver32",),
            install=f"chroot {root} apt-get install --no-install-recommends wine wine32",
        )
    if name == "wow64":
        return Hardware(
            name,
            bits=64,
            version="winxp64",
            root=root,
            loaders=("/usr/lib/wine/wine64",),
            servers=("/usr/lib/wine/wineserver64",),
            install=f"chroot {root} sh -c 'dpkg --add-architecture amd64 && apt-get update &&"
            " apt-get install --no-install-recommends wine64:amd64'",
        )
    raise ValueError(f"no hardware is called {name!r}: x64, x32 or wow64")


def _wine32_root() -> Path:
    """The root folder in which ``./runtests`` put 32-bit Wine: the host's own, or an i386 root made by debootstrap."""
    command = [sys.executable, str(PROJECT / "ci" / "wine32.py")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise MachineError(f"There is no 32-bit Wine. {found.stdout.strip()} {found.stderr.strip()}".strip(), PROVISION)
    return Path(found.stdout.strip())


class Namespace:
    """The processes and mounts of one prefix, which live and die together."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._own = [] if os.geteuid() == 0 else ["--user"]
        as_root = ["--map-root-user"] if self._own else []
        self._holder = subprocess.Popen(
            ["unshare", *self._own, *as_root, "--mount", "--pid", "--fork", "--kill-child",
             "sh", "-c", HOLDER, "sh", str(folder), str(root).rstrip("/")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout
        if self._holder.stdout.readline() != "ready\n":
            _, reason = self._holder.communicate()
            raise MachineError(
                f"A test machine needs a PID and a mount namespace of its own: {reason.strip()}",
                "Run ./runtests as root; in a container, start that with --privileged.",
            )
        pid = self._holder.pid
        self._init = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def command(self, *args: str, env: dict[str, str], folder: str) -> list[str]:
        """The command line that runs args inside, in folder, with env as its whole environment."""
        variables = [f"{name}={value}" for name, value in env.items()]
        enter = ["nsenter", f"--target={self._init}", *self._own, "--mount", "--pid", "--root", "--wd"]
        return [*enter, "env", "-i", f"--chdir={folder}", *variables, *args]

    def end(self) -> None:
        """End every process inside and wait until the last is gone; may be called again."""
        for stream in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert stream
            stream.close()
        self._holder.wait()


class Prefix:
    """One prefix and what runs in it.  `close` it in any case."""

    def __init__(self, kind: Hardware, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.environment = {**ENVIRONMENT, "WINEARCH": f"win{kind.bits}", **(environment or {})}
        self.folder = folder
        self.drive = folder / "prefix" / "drive_c"
        self.drive.mkdir(parents=True, exist_ok=True)
        self._console = folder / "console.log"
        self._console.touch()
        self._born = time.time_ns()
        self._namespace = Namespace(folder, kind.root)

    @classmethod
    def create(cls, kind: Hardware, environment: Mapping[str, str] | None = None) -> Prefix:
        """A fresh copy of the template, switched off; environment adds variables, such as DISPLAY."""
        template = _template(kind)
        folder = Path(tempfile.mkdtemp(prefix=f"{kind.name}-{os.getpid()}-", dir=_machines()))
        _clone(template, folder)
        return cls(kind, folder, environment)

    @property
    def console(self) -> str:
        """What the debugger saw since the prefix was made: DbgPrint, OutputDebugString, errors of programs."""
        return self._console.read_text("utf-8", "replace")

    def start(self) -> None:
        """Switch on.  Services that start by themselves do so, and all stays on until `stop`.

        Once in some hundred times Wine's services.exe ends at once under load and wineboot with it: then once more.
        """
        try:
            self._start()
        except MachineError:
            self.stop()
            self._start()

    def _start(self) -> None:
        self.tool(self.kind.server, "-p")
        self.tool(self.kind.loader, "wineboot")

    def stop(self) -> None:
        """Switch off; the registry reaches the disk."""
        self.tool(self.kind.server, "-k")
        self.tool(self.kind.server, "-w")

    def tool(self, *args: str, timeout: float = 60) -> None:
        """Run a command of Wine's own; MachineError when it fails."""
        code, output = self.wine(*args, timeout=timeout)
        if code != 0:
            raise MachineError(f"{' '.join(args)} failed with {code}.\n{output}{self.console[-4000:]}")

    def wine(self, *args: str, timeout: float = 60) -> tuple[int, str]:
        """Run a host program inside: its exit code (8 bits) and what it printed.

        MachineError when it takes longer than timeout (seconds); nothing runs in the prefix any more then.
        """
        # Files, not pipes: services started by the command keep its output open long after it has ended.
        with self._console.open("ab") as console, tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                self._namespace.command(*args, env=self.environment, folder=f"{INSIDE}/prefix/drive_c"),
                stdin=subprocess.DEVNULL, stdout=output, stderr=console, start_new_session=True,
            )  # fmt: skip
            try:
                process.wait(timeout)
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self._namespace.end()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise MachineError(f"{args} still ran after {timeout} s.\n{self.console[-4000:]}") from None
                raise
            output.seek(0)
            return process.returncode, decode(output.read())

    def end(self) -> None:
        """End every process."""
        self._namespace.end()

    def close(self) -> None:
        """End every process and remove the folder; MachineError when a file shared with the template was written to."""
        self.end()
        stats = [(path, path.stat()) for path in _shared_files(self.folder)]
        damaged = [path for path, stat in stats if stat.st_nlink > 1 and stat.st_mtime_ns > self._born]
        shutil.rmtree(self.folder)
        if damaged:
            shutil.rmtree(_template_folder(self.kind), ignore_errors=True)
            raise MachineError(f"A test wrote to {damaged[0]}, a file of Wine that all test machines share.")


def decode(data: bytes) -> str:
    """Text of a Windows program: UTF-16 when it says so, else UTF-8; lines end with a line feed."""
    text = data[2:].decode("utf-16-le", "replace") if data[:2] == b"\xff\xfe" else data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def cache_folder() -> Path:
    """The project's cache: ``$XDG_CACHE_HOME/gplpv`` or ``~/.cache/gplpv``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gplpv"


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a file's lock; another test run waits for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _machines() -> Path:
    """The folder prefixes are made in: the templates' file system, for the hard links. Clears away dead runs'."""
    folder = cache_folder() / "wine" / "machines"
    folder.mkdir(parents=True, exist_ok=True)
    for machine in folder.iterdir():
        if not Path("/proc", machine.name.split("-")[1]).exists():
            shutil.rmtree(machine, ignore_errors=True)
    return folder


_EVENT_SOURCE = "HKLM\\System\\CurrentControlSet\\Services\\EventLog\\Application\\Application Error"


def _template_folder(kind: Hardware) -> Path:
    """Named after all that shapes a template: the Wine installed and the recipe in this file."""
    loader = (kind.root / kind.loader.lstrip("/")).stat()
    key = f"{kind.root} {loader.st_size} {loader.st_mtime_ns}".encode() + Path(__file__).read_bytes()
    return cache_folder() / "wine" / f"template-{kind.name}-{hashlib.sha256(key).hexdigest()[:12]}"


def _template(kind: Hardware) -> Path:
    """The template of a kind of hardware, made on first use and whenever its name has changed."""
    template = _template_folder(kind)
    with lock(template.parent / f"{kind.name}.lock"):
        if template.exists():
            return template
        for stale in [*template.parent.glob(f"template-{kind.name}-*"), *template.parent.glob(f"making-{kind.name}-*")]:
            shutil.rmtree(stale)
        prefix = Prefix(kind, Path(tempfile.mkdtemp(prefix=f"making-{kind.name}-", dir=template.parent)))
        try:
            prefix.tool(kind.server, "-p")
            prefix.tool(kind.loader, "wineboot", "-i", timeout=300)
            # Windows has many event sources; Wine has none, and its msiexec removes a key that it leaves empty.
            prefix.tool(kind.loader, "reg", "add", _EVENT_SOURCE, "/v", "TypesSupported", "/t", "REG_DWORD", "/d", "7")
            prefix.tool(kind.loader, "winecfg", "-v", kind.version)
            prefix.stop()
        finally:
            prefix.end()
        _settle(prefix.folder)
        prefix.folder.rename(template)
    return template


def _settle(folder: Path) -> None:
    """Cut a new prefix's ties to the host: drive Z:, folders linked to the home folder, updates by a later Wine."""
    prefix = folder / "prefix"
    if not (prefix / "system.reg").exists():
        raise MachineError(f"wineboot made no registry in {prefix}.")
    (prefix / ".update-timestamp").write_text("disable\n")
    (folder / "console.log").unlink()
    for folder_of_windows in FOLDERS_WINE_LACKS:
        (prefix / "drive_c" / "windows" / folder_of_windows).mkdir(parents=True, exist_ok=True)
    for link in [path for path in prefix.rglob("*") if path.is_symlink() and path.name != "c:"]:
        link.unlink()
        if "drive_c" in link.parts:
            link.mkdir()


def _shared_files(folder: Path) -> list[Path]:
    """The files of Wine itself in a prefix: large, many, and never written by a package."""
    tops = [folder / "prefix" / "drive_c" / "windows" / name for name in SHARED_FOLDERS]
    return [path for top in tops for path in top.rglob("*") if path.suffix.lower() in SHARED_SUFFIXES]


def _clone(template: Path, target: Path) -> None:
    shared = {str(path) for path in _shared_files(template)}

    def take(source: str, destination: str) -> None:
        if source in shared:
            Path(destination).hardlink_to(source)
        else:
            shutil.copy2(source, destination)

    shutil.copytree(template, target, symlinks=True, copy_function=take, dirs_exist_ok=True)
