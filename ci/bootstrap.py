# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes this checkout ready to run: a private `.venv` from the hash-pinned lock, and the system tools.

`python3 ci/bootstrap.py build` is what ./scons calls when something is missing, `… test` what ./runtests calls. Runs on
Python 3.8 syntax with the standard library only, so that an old Python can be told what is needed. Exit codes: 0 ready;
10 something is missing and may not be installed from here (the command to type is printed); 11 a step failed; 12 no
Python that is new enough; 130 interrupted. GPLPV_NO_INSTALL=1 forbids changing the system. Whatever happens, the next
run carries on.
"""

import os
import shutil
import sys
from pathlib import Path

import host
import wine32
from progress import NO_PYTHON, Failure, Steps, end

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 10)
NEWEST = (3, 14)
LOCKS = {"build": "ci/requirements.txt", "test": "ci/requirements-test.txt"}
COVERS = {"build": ("build",), "test": ("build", "test")}
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
PYTHON = "python.exe" if os.name == "nt" else "python"


def choose_python():
    """Start over in a newer Python when this one is too old; raises Failure when there is none."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        newer = shutil.which("python3.{}".format(minor))
        if newer:
            os.execv(newer, [newer] + sys.argv)
    raise Failure(
        "Python 3.10 or newer is needed; this is {}.{}.".format(*sys.version_info),
        "Install a newer Python so that python3 or python3.10 to python3.14 is on PATH, then try again.",
        NO_PYTHON,
    )


def needed(kind, tables):
    """The tools that `kind` ("build", "test", "environment" or "wine32") takes on this machine, by name."""
    return [
        name for name, tool in tables["tools"].items() if kind in tool["for"] and tool.get("only", os.name) == os.name
    ]


class Checkout:
    """The private environment of one working tree.

    `.venv/<kind>.stamp` holds, byte for byte, what `.venv` was made from, and `.venv/<kind>.tools` names, one a line,
    the commands and files that it relies on. launch.sh compares both before every run, without starting Python.
    """

    def __init__(self, root=ROOT):
        self.root = root
        self.venv = root / ".venv"

    def ingredients(self, kind):
        """(what the installed packages follow from, what the installation of this project follows from)."""
        names = (LOCKS[kind], "ci/tools.json")
        packages = os.fsencode(os.path.realpath(self.root)) + b"\n"
        packages += b"".join((self.root / name).read_bytes() for name in names)
        return packages, (self.root / "pyproject.toml").read_bytes()

    def stamp(self, kind):
        """The stamp of the environment as it is; empty where there is none or its Python is gone."""
        path = self.venv / "{}.stamp".format(kind)
        whole = path.exists() and (self.venv / SCRIPTS / PYTHON).exists()
        return path.read_bytes() if whole else b""

    def tools_present(self, kind):
        path = self.venv / "{}.tools".format(kind)
        if not path.exists():
            return False
        return all(host.which(name) or Path(name).exists() for name in path.read_text(encoding="utf-8").splitlines())

    def ready(self, kind):
        return self.stamp(kind) == b"".join(self.ingredients(kind)) and self.tools_present(kind)

    def write(self, folder, kind, suffix, content):
        path = folder / "{}.{}".format(kind, suffix)
        beside = path.with_name(path.name + ".new")
        beside.write_bytes(content)
        os.replace(beside, path)  # noqa: PTH105

    def make_environment(self, steps, kind):
        """Build `.venv` beside the old one and swap them; an old one stays in use until then."""
        new, old = self.root / ".venv.new", self.root / ".venv.old"
        lock = self.root / LOCKS[kind]
        try:
            with steps.step("making a private Python environment"):
                remove(new)
                steps.run([lasting_python(), "-m", "venv", "--prompt", "gplpv", str(new)], "Is the disk full?")
            count = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
            with steps.step("installing the {} locked Python packages".format(count)):
                command = ["--only-binary=:all:", "--require-hashes", "-r", str(lock)]
                pip(steps, new, command, "Is the package index reachable? pip's own configuration is in use.")
            relocate(new, self.venv)
            for covered in COVERS[kind]:
                self.write(new, covered, "stamp", self.ingredients(covered)[0])
            remove(old)
            if self.venv.exists():
                self.venv.rename(old)
            new.rename(self.venv)
        finally:
            remove(new)
        remove(old)

    def install_project(self, steps):
        with steps.step("installing this checkout"):
            command = ["--no-deps", "--no-build-isolation", "--editable", str(self.root)]
            pip(steps, self.venv, command, "pyproject.toml and platforms.yaml must be whole.")

    def provision(self, steps, kind, tables):
        """Bring whatever is missing for `kind`; does nothing twice."""
        packages, project = self.ingredients(kind)
        current = self.stamp(kind).startswith(packages)
        machine = host.Host(tables, steps)
        names = needed(kind, tables) + ([] if current else needed("environment", tables))
        bring_tools(steps, machine, names, with_wine32=kind == "test" and os.name == "posix")
        if not current:
            self.make_environment(steps, kind)
        if self.stamp(kind) != packages + project:
            self.install_project(steps)
        for covered in COVERS[kind]:
            self.write(self.venv, covered, "tools", self.found(covered, tables))
            self.write(self.venv, covered, "stamp", b"".join(self.ingredients(covered)))

    def found(self, kind, tables):
        """The commands and files, one a line, that `kind` relies on from now on."""
        names = [host.find(tables["tools"][name]) for name in needed(kind, tables)]
        if kind == "test" and os.name == "posix":
            names += [str(wine32.locate() / loader) for loader in (wine32.LOADER, wine32.LOADER64)]
        return "".join("{}\n".format(name) for name in names).encode()


def bring_tools(steps, machine, names, with_wine32):
    """Install the tools among `names` that are missing, and 32-bit Wine; raises Failure where that is not allowed."""
    missing = [name for name in names if not host.find(machine.tables["tools"][name])]
    with_wine32 = with_wine32 and not wine32.locate()
    if not missing and not with_wine32:
        return
    if machine.may_install:
        with steps.step("refreshing the package lists of {}".format(machine.name)):
            machine.refresh()
    packages = machine.packages(missing)
    plan = wine32.plan(steps, machine, packages) if with_wine32 else wine32.Plan([], [], [])
    packages += plan.packages
    if not machine.may_install:
        what = ", ".join(missing + ["32-bit Wine"] * with_wine32)
        raise machine.refuse(what, plan.first + machine.commands(packages) + plan.last)
    for command in plan.first:
        steps.run(machine.elevated(command), "The next run tries again.")
        machine.refresh()
    if packages:
        typed = machine.one_line(machine.commands(packages))
        with steps.step("installing {}".format(", ".join(packages))):
            machine.install(packages, "Is the network there? The next run tries again; or type: {}".format(typed))
    if plan.last:
        wine32.make_root(steps, machine.elevated, wine32.root_folder())
    still = [name for name in names if not host.find(machine.tables["tools"][name])]
    if still:
        raise Failure(
            "{} is still missing after its package was installed.".format(", ".join(still)),
            "Is the folder it was installed to on PATH? What was done: {}".format(steps.path),
        )


def lasting_python():
    """This Python by a name that a later system upgrade removes rather than turns into another version."""
    versioned = Path(sys.executable).with_name("python{}.{}".format(*sys.version_info))
    return str(versioned if versioned.exists() else sys.executable)


def pip(steps, venv, arguments, hint):
    """Run the environment's own pip; the user's configuration (index, proxy, certificates) stays in force."""
    command = [str(venv / SCRIPTS / PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    steps.run(command + arguments, hint, env={"PIP_USER": "0"})


def relocate(new, final):
    """Let the scripts of the environment in `new` name `final`, the path at which it is about to be."""
    for path in [new / "pyvenv.cfg", *(new / SCRIPTS).iterdir()]:
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            moved = content.replace(os.fsencode(str(new)), os.fsencode(str(final)))
            if moved != content:
                path.write_bytes(moved)


def remove(folder):
    if folder.exists():
        shutil.rmtree(folder)


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in LOCKS:
        raise Failure("bootstrap.py takes one word: build or test.", "Usage: python3 ci/bootstrap.py build", 2)
    choose_python()
    kind, checkout = arguments[0], Checkout()
    if checkout.ready(kind):
        return
    with host.lock(ROOT / ".venv.lock", "another run that is setting up this folder"):
        if not checkout.ready(kind):
            with Steps(ROOT / "target" / "bootstrap.log") as steps:
                checkout.provision(steps, kind, host.load())


if __name__ == "__main__":
    end(main)
