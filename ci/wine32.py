# SPDX-License-Identifier: GPL-2.0-or-later
"""32-bit Wine for the tests: the host's own where it can have it, else a Debian i386 root folder with Wine inside.

64-bit-only Wine runs an x86 program "successfully" with code 0 and no effect, so the tests ask `locate()` and run x86
programs there: directly when it answers `/`, through chroot(8) when it answers another folder.
"""

import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import host
from progress import NOT_ALLOWED, Failure, Steps

PACKAGE = "wine32:i386"
# The i386 half of Wine where distributions (and WineHQ) put it: a Unix half too, or only the Windows half ("new WoW64").
NATIVE = tuple(
    Path(folder) / half
    for folder in ("/usr/lib/i386-linux-gnu/wine", "/usr/lib/x86_64-linux-gnu/wine", "/usr/lib/wine", "/opt/wine-stable/lib/wine")
    for half in ("i386-unix/ntdll.so", "i386-windows/ntdll.dll")
)
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


def evidence():
    """The file that shows where 32-bit Wine is: of this machine, or of a finished i386 root; None when there is none."""
    for path in NATIVE:
        if path.exists():
            return path
    return marker(root_folder()) if complete(root_folder()) else None


def locate():
    """The root folder in which 32-bit Wine runs, `/` being this machine itself; None when there is none yet."""
    found = evidence()
    return None if found is None else Path("/") if found in NATIVE else root_folder()


def command(root, words):
    """The command line that runs `words` in `root` as `locate` answered it; entering a folder takes root or sudo."""
    if root == Path("/"):
        return list(words)
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    return rights + ["unshare", "--mount", "sh", "-c", ENTER, str(root)] + list(words)


def marker(root):
    return root / "usr/bin/wine-stable"


def complete(root):
    """Whether `root` is a finished root: it gets its name only when everything is inside."""
    return marker(root).exists()


def plan(steps, machine, packages):
    """The Plan that brings 32-bit Wine to `machine` beside `packages`, or one that only names what to install by hand."""
    if machine.name != "apt":
        return Plan([], machine.packages(["wine"]), [])
    with steps.step("asking apt whether {} fits beside the other packages".format(PACKAGE)):
        fits = apt_would_install(steps, packages)
    if fits or host.os_release().get("ID") == "ubuntu":
        return Plan([["dpkg", "--add-architecture", "i386"]], [PACKAGE], [])
    debootstrap = [] if host.which("debootstrap") else machine.packages(["debootstrap"])
    root_folder().parent.mkdir(parents=True, exist_ok=True)
    return Plan([], debootstrap, [[sys.executable, str(Path(__file__).resolve()), str(root_folder())]])


def apt_would_install(steps, packages):
    """Whether apt can add `packages` and 32-bit Wine to this machine, removing nothing. Changes nothing.

    The i386 package lists go into a scratch folder, so that this machine's own lists and architectures stay as they are.
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
        uri, suite, *rest = line.split(" ")
        if release() in [suite] + rest[:1] and rest[-1] == "main":
            return uri
    raise Failure(
        "apt has no source for the main component of {}.".format(release() or "this system"),
        "Add the release's own mirror to /etc/apt/sources.list.d, or install 32-bit Wine by hand.",
        NOT_ALLOWED,
    )


def make_root(steps, elevated, root):
    """Make `root` with debootstrap and install Wine in it; it appears under its name only when complete.

    `elevated` puts the words before a command that give it an administrator's rights (mknod, chroot).
    Source: debootstrap(8). Wants about 1.2 GB.
    """
    new = root.with_name(root.name + ".new")
    root.parent.mkdir(parents=True, exist_ok=True)
    holder = host.lock(str(root) + ".lock", lambda: print("waiting for another run to finish", root, file=sys.stderr))
    with holder:
        if complete(root):
            return
        source = mirror()
        hint = "The next run starts the i386 root again."
        with steps.step("clearing an unfinished i386 root" if new.exists() else "preparing the i386 root"):
            discard(steps, elevated, new)
        with steps.step("making a Debian i386 root from {}".format(source)):
            make = [host.which("debootstrap") or "debootstrap", "--arch=i386", "--variant=minbase"]
            if source.startswith("https:"):
                make.append("--include=ca-certificates")
            steps.run(elevated(make + [release(), str(new), source]), hint)

        def inside(words, hint):
            steps.run(elevated(["unshare", "--mount", "sh", "-c", ENTER, str(new)] + words), hint)

        with steps.step("installing Wine in the i386 root"):
            inside(["true"], "In a container, mounting must be allowed (--cap-add SYS_ADMIN) and the kernel take i386.")
            inside(["apt-get", "update"], hint)
            install = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0"]
            inside(["env", "DEBIAN_FRONTEND=noninteractive"] + install + ["wine", "wine32"], hint)
            inside(["apt-get", "clean"], hint)
            inside(["wine", "--version"], hint)
        steps.run(elevated(["mv", "-T", str(new), str(root)]), hint)


def discard(steps, elevated, folder):
    """Remove a root folder, unmounting first what an interrupted debootstrap left mounted in it."""
    if not folder.exists():
        return
    mounted = [line.split(" ")[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for point in sorted((name for name in mounted if Path(str(folder)) in Path(name).parents), reverse=True):
        steps.run(elevated(["umount", point]), "Unmount it by hand.")
    steps.run(elevated(["rm", "-rf", "--one-file-system", str(folder)]), "Remove it by hand.")


def main(arguments):
    """`wine32.py ROOT`: make the i386 root there; `wine32.py` alone: say where 32-bit Wine runs."""
    if not arguments:
        where = locate()
        print(where if where else "no 32-bit Wine")
        return 0 if where else NOT_ALLOWED
    root = Path(arguments[0]).resolve()
    with Steps(str(root) + ".log") as steps:
        make_root(steps, lambda command: command, root)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.code)
