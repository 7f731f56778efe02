# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether an INF can install anything here: what Setup would stumble over, said before a machine is started.

Source: Windows Driver Kit, "INF Manufacturer Section", "INF Models Section", "INF DDInstall Section", "INF
DDInstall.Services Section", "INF AddService Directive" (a device without a service says so with ``AddService=,2``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gplpv.errors import GplpvError, nearest
from xenlab.nt.inf import Inf, Service, number

_CORRECT = "Correct the INF."
_PLATFORMS = {"x64": ("amd64", "NTamd64"), "x32": ("x86", "NTx86")}


def check(inf: Inf, binaries: Collection[str]) -> None:
    """Look whether `inf` installs its devices, or its class filter, with drivers among the file names `binaries`.

    Raises:
        GplpvError: a section or a driver file that it names is not there, or it serves nothing on this arch.
    """
    for install in _install_sections(inf):
        for service in _services(inf, install):
            _check_service(inf, install, service, binaries)


def _install_sections(inf: Inf) -> Iterator[str]:
    """The install sections that this Windows would take, decorated."""
    models = inf.models()
    wanted = list(dict.fromkeys(model.install for model in models)) or ["DefaultInstall"]
    if not models and not inf.install_section("DefaultInstall"):
        raise GplpvError(f"{inf.path} serves no device on {inf.arch} here: {_what_it_serves(inf)}.", _hint(inf))
    for name in wanted:
        section = inf.install_section(name)
        if section is None:
            others = inf.decorations(name)
            if others:
                listed = ", ".join(f"[{each}]" for each in others)
                raise GplpvError(f"{inf.path} installs on {inf.arch} with {listed}: another architecture.", _hint(inf))
            raise GplpvError(f"{inf.path} names the install section [{name}], which is not there.", _CORRECT)
        yield section


def _what_it_serves(inf: Inf) -> str:
    manufacturers = inf.section("Manufacturer")
    if not manufacturers:
        return "it has neither [Manufacturer] nor [DefaultInstall]"
    names = [inf.models_section(line) for line in manufacturers]
    others = [each for line in manufacturers for each in inf.decorations(line.word(0))]
    if others and not any(inf.has_section(name) for name in names):
        return f"its models are in {', '.join(f'[{each}]' for each in others)}"
    lacking = [name for name in names if not inf.has_section(name)]
    if lacking:
        return f"its models section [{lacking[0]}] is not there"
    return f"its models section [{names[0]}] is empty"


def _hint(inf: Inf) -> str:
    return f"{inf.arch} is {_PLATFORMS[inf.arch][0]} in an INF: a section for it ends in .{_PLATFORMS[inf.arch][1]}."


def _services(inf: Inf, install: str) -> list[Service]:
    section = f"{install}.Services"
    lines = inf.section(section)
    if not any(line.key.lower() == "addservice" for line in lines):
        if any(line.key.lower() == "needs" for line in (*lines, *inf.section(install))):
            return []
        raise GplpvError(
            f"{inf.path} installs no service with [{install}]: it lacks an AddService in [{section}].",
            "A device without a driver says AddService=,2.",
        )
    return inf.services(install)


def _check_service(inf: Inf, install: str, service: Service, binaries: Collection[str]) -> None:
    lines = {line.key.lower(): line for line in inf.section(service.section)}
    if not inf.has_section(service.section):
        raise GplpvError(
            f"{inf.path} adds the service {service.name} in [{install}.Services] with the section "
            f"[{service.section}], which is not there.",
            _CORRECT,
        )
    binary = lines["servicebinary"].word(0).rpartition("\\")[2] if "servicebinary" in lines else ""
    if not binary:
        raise GplpvError(f"{inf.path} gives the service {service.name} no ServiceBinary.", _CORRECT)
    for name in ("ServiceType", "StartType", "ErrorControl"):
        if name.lower() not in lines:
            raise GplpvError(f"{inf.path} gives the service {service.name} no {name}.", _CORRECT)
        number(lines[name.lower()].word(0))
    if binary.lower() not in {each.lower() for each in binaries}:
        raise GplpvError(
            f"{inf.path} says that the service {service.name} is in {binary}, which is not in the folder.",
            nearest(binary, binaries) if binaries else "Put the driver beside its INF.",
        )
