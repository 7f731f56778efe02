# SPDX-License-Identifier: GPL-2.0-or-later
"""32-bit Wine for the tests: the host's own where it can have it, else an i386 root folder with Wine inside.

64-bit-only Wine runs an x86 program "successfully" with code 0 and no effect, so the tests ask `python3 ci/wine32.py`,
which prints `/` (this machine itself), the root folder to chroot(8) into with /proc mounted, or fails. The folder is a
Debian i386 system made with debootstrap(8); it has 64-bit Wine too, so that x86 programs also run on 64-bit Windows.
`sudo python3 ci/wine32.py FOLDER` makes it by hand.
"""

import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import host
from progress import NOT_ALLOWED, Failure, Steps, end

PACKAGE = "wine32:i386"
INSIDE = ("wine", "wine32", "wine64:amd64")
LOADER = "usr/lib/wine/wine"
LOADER64 = "usr/lib/wine/wine64"
# Wine finds its own parts through /proc. A mount namespace of its own leaves nothing mounted behind.
ENTER = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'

Plan = collections.namedtuple("Plan", "first packages last")
Plan.__doc__ = "How to bring 32-bit Wine: commands before the packages, the packages, commands after them."


def cache_folder():
    """Where this user's downloads and roots are kept, as the XDG Base Directory Specification says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gplpv"


def release():
    """The code name of this machine's release, such as `bookworm`; empty where there is none."""
    return host.os_release().get("VERSION_CODENAME", "")


def root_folder():
    """Where the i386 root of this release is, or will be."""
    return cache_folder() / "i386-root-{}".format(release())


def complete(root):
    """Whether Debian's loaders for both widths are in `root`, which has its name only when all the rest is too."""
    return (root / LOADER).exists() and (root / LOADER64).exists()


def locate():
    """The root folder in which 32-bit Wine runs, `/` being this machine itself; None when there is none yet."""
    return next((root for root in (Path("/"), root_folder()) if complete(root)), None)


def plan(steps, machine, packages):
    """The Plan that brings 32-bit Wine to `machine` beside `packages`; raises Failure on an unsuitable machine."""
    if machine.name != "apt":
        raise Failure(
            "32-bit Wine for the tests is made from Debian or Ubuntu packages, and this machine has no apt.",
            "Run the tests on Debian or Ubuntu; ./scons builds here too.",
            NOT_ALLOWED,
        )
    with steps.step("asking apt whether {} fits beside the other packages".format(PACKAGE)):
        fits = apt_would_install(steps, packages)
    # Ubuntu has no complete i386 system to make a root of.
    if fits or host.os_release().get("ID") == "ubuntu":
        return Plan([["dpkg", "--add-architecture", "i386"]], [PACKAGE], [])
    debootstrap = [] if host.which("debootstrap") else machine.packages(["debootstrap"])
    root_folder().parent.mkdir(parents=True, exist_ok=True)
    return Plan([], debootstrap, [[sys.executable, str(Path(__file__).resolve()), str(root_folder())]])


def apt_would_install(steps, packages):
    """Whether apt can add `packages` and 32-bit Wine to this machine, removing nothing. Changes nothing.

    The i386 package lists go into a scratch folder: this machine's own lists and architectures stay as they are.
    """
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "partial").mkdir()
        apt = ["apt-get", "-o", "APT::Architectures::=i386", "-o", "Dir::State::Lists={}".format(scratch)]
        apt += ["-o", "Dir::Cache={}".format(scratch), "-o", "APT::Sandbox::User="]
        updated, _ = steps.attempt(apt + ["update"])
        simulate = ["-s", "--no-remove", "--no-install-recommends", "install", PACKAGE]
        return updated == 0 and steps.attempt(apt + simulate + packages)[0] == 0


def mirror():
    """The URL from which apt takes this release's main component, whatever form its sources are written in."""
    wanted = "$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False).stdout
    for line in listed.splitlines():
        uri, suite, codename, component = line.split(" ")
        if release() in (suite, codename) and component == "main":
            return uri
    raise Failure(
        "apt has no source for the main component of {}.".format(release() or "this system"),
        "Add the release's own mirror to /etc/apt/sources.list.d, or install 32-bit Wine by hand.",
        NOT_ALLOWED,
    )


def make_root(steps, elevated, root):
    """Make `root` with debootstrap and install Wine in it; it appears under its name only when complete.

    `elevated` puts the words before a command that give it an administrator's rights. Takes about 1.5 GB.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with host.lock(str(root) + ".lock", "another run that is making {}".format(root)):
        if complete(root):
            return
        new = root.with_name(root.name + ".new")
        source = mirror()
        hint = "The next run starts the i386 root again."
        with steps.step("making a Debian i386 root from {}".format(source)):
            discard(steps, elevated, new)
            make = [host.which("debootstrap") or "debootstrap", "--arch=i386", "--variant=minbase"]
            if source.startswith("https:"):
                make.append("--include=ca-certificates")
            steps.run(elevated(make + [release(), str(new), source]), hint)
        with steps.step("installing Wine in the i386 root"):
            install_wine(steps, elevated, new, hint)
            discard(steps, elevated, root)
            steps.run(elevated(["mv", "-T", str(new), str(root)]), hint)


def install_wine(steps, elevated, root, hint):
    def inside(words, hint):
        steps.run(elevated(["unshare", "--mount", "sh", "-c", ENTER, str(root)] + words), hint)

    inside(["true"], "In a container, mounting must be allowed (--cap-add SYS_ADMIN); the kernel must run i386 code.")
    inside(["dpkg", "--add-architecture", "amd64"], hint)
    inside(["apt-get", "update"], hint)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
    inside(["env", "DEBIAN_FRONTEND=noninteractive"] + install + list(INSIDE), hint)
    inside(["apt-get", "clean"], hint)
    for loader in (LOADER, LOADER64):
        inside(["/" + loader, "--version"], hint)


def discard(steps, elevated, folder):
    """Remove a root folder, unmounting first what an interrupted debootstrap left mounted in it."""
    if not folder.exists():
        return
    mounted = [line.split(" ")[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for point in sorted((name for name in mounted if folder in Path(name).parents), reverse=True):
        steps.run(elevated(["umount", point]), "Unmount it by hand.")
    steps.run(elevated(["rm", "-rf", "--one-file-system", str(folder)]), "Remove it by hand.")


def main(arguments):
    if not arguments:
        where = locate()
        print(where if where else "no 32-bit Wine")
        return 0 if where else NOT_ALLOWED
    root = Path(arguments[0]).resolve()
    with Steps(str(root) + ".log") as steps:
        make_root(steps, lambda command: command, root)
    return 0


if __name__ == "__main__":
    end(main)
