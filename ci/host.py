# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine that builds: which tools it has, which package brings a missing one, and whether we may install it.

What is needed and how each package manager calls it is data, in tools.json.
"""

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from progress import NOT_ALLOWED, Failure, show

HERE = Path(__file__).resolve().parent
DATA = HERE / "tools.json"
ADMINISTRATORS_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def load(path=DATA):
    """The tables of tools.json: {"managers": {name: …}, "tools": {name: …}}."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return json.load(file)


def which(command):
    """`command` itself when PATH has it, its full path when only an administrator's PATH would, else None."""
    if shutil.which(command):
        return command
    return shutil.which(command, path=ADMINISTRATORS_PATH)


def find(tool):
    """The first of the tool's commands that this machine has, its Python module's name or its file; None without."""
    if "module" in tool:
        return tool["module"] if importlib.util.find_spec(tool["module"]) else None
    if "file" in tool:
        return tool["file"] if Path(tool["file"]).is_file() else None
    for command in tool["commands"]:
        found = which(command) or installed_by_registry(tool, command)
        if found:
            return found
    return None


def installed_by_registry(tool, command):
    """On Windows, `command` in the folder that the tool's installer noted in the registry."""
    if os.name != "nt" or "registry" not in tool:
        return None
    import winreg  # noqa: PLC0415

    for view in (winreg.KEY_WOW64_32KEY, winreg.KEY_WOW64_64KEY):
        with contextlib.suppress(OSError):
            key = winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, tool["registry"], 0, winreg.KEY_READ | view)
            with key:
                found = shutil.which(command, path=winreg.QueryValueEx(key, "")[0])
            if found:
                return found
    return None


def os_release(path="/etc/os-release"):
    """The fields of os-release(5); empty where there is no such file."""
    fields = {}
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                fields[name] = "".join(shlex.split(value))
    return fields


def lock(path, holder):
    """Hold `path` exclusively until it is closed; says that it waits for `holder` if another process has it."""
    file = open(path, "w", encoding="ascii")  # noqa: SIM115, PTH123
    try:
        hold(file, wait=False)
    except OSError:
        print("waiting for {}".format(holder), file=sys.stderr, flush=True)
        hold(file, wait=True)
    return file


if os.name == "nt":
    import msvcrt

    def hold(file, wait):
        while True:
            try:
                return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    raise

else:
    import fcntl

    def hold(file, wait):
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


class Host:
    """One package manager and the rights to use it."""

    def __init__(self, tables, steps):
        self.tables = tables
        self.steps = steps
        self.name = next((name for name, row in tables["managers"].items() if which(row["program"])), None)
        self.manager = tables["managers"].get(self.name, {})
        self.prefix = self._rights()

    def _rights(self):
        """The words before a privileged command: none for root, `sudo -n env …` without a password, else None."""
        if os.environ.get("GPLPV_NO_INSTALL") or not self.manager.get("automatic"):
            return None
        if os.geteuid() == 0:
            return []
        passed = ["{}={}".format(name, os.environ[name]) for name in PASSED_ON if name in os.environ]
        if shutil.which("sudo") and subprocess.call(["sudo", "-n", "true"], stderr=subprocess.DEVNULL) == 0:
            return ["sudo", "-n", "env"] + passed
        return None

    @property
    def may_install(self):
        return self.prefix is not None

    def elevated(self, command):
        """`command` as it runs with an administrator's rights and unattended; only where `may_install`."""
        words = ["{}={}".format(name, value) for name, value in self.manager.get("environment", {}).items()]
        return self.prefix + ["env"] + words + command

    def packages(self, tools):
        """The packages that bring `tools`, each once; raises Failure for a tool this manager has no package of."""
        chosen = []
        for name in tools:
            rows = self.tables["tools"][name]["packages"].get(self.name)
            if rows is None:
                raise Failure(
                    "{} is missing: {}.".format(name, self.tables["tools"][name]["purpose"]),
                    "Install it from {} so that it is on PATH.".format(self.tables["tools"][name]["home"]),
                    NOT_ALLOWED,
                )
            chosen += [self._available(row) for row in rows]
        return list(dict.fromkeys(chosen))

    def _available(self, alternatives):
        """The first of `a | b` that the package manager knows, as in a Debian dependency field."""
        version = "{}.{}".format(*sys.version_info)
        names = [name.strip().format(version=version) for name in alternatives.split("|")]
        query = self.manager.get("query")
        for name in names[:-1]:
            if query and self.steps.attempt(query + [name])[0] == 0:
                return name
        return names[-1]

    def commands(self, packages):
        """The commands that install `packages`, first to last; none when there is nothing to install."""
        return self.manager.get("refresh", []) + [self.manager["install"] + packages] if packages else []

    def one_line(self, commands):
        """The commands as the one line that a person types."""
        line = " && ".join(show(command) for command in commands)
        if os.name == "nt" or not self.manager.get("privileged", True) or os.geteuid() == 0:
            return line
        asking = ["sudo", "sh", "-c"] if shutil.which("sudo") else ["su", "-c"]
        return "{} {}".format(" ".join(asking), shlex.quote(line))

    def refuse(self, what, commands):
        """The Failure that names what is missing and the one command that installs it."""
        if self.name is None:
            hint = "Install it by hand: this machine has no package manager that is known here."
        else:
            hint = "Run this, then try again:\n\n    {}\n".format(self.one_line(commands))
        return Failure("Missing, and not to be installed from here: {}.".format(what), hint, NOT_ALLOWED)

    def refresh(self):
        """Mend an interrupted installation and bring the package lists up to date.

        Neither has to succeed: where it matters, the installation that follows says what is wrong.
        """
        for command in self.manager.get("repair", []) + self.manager.get("refresh", []):
            self.steps.attempt(self.elevated(command), whole=True)

    def install(self, packages, hint):
        command = self.manager["install"] + self.manager.get("unattended", []) + packages
        self.steps.run(self.elevated(command), hint, whole=True)
