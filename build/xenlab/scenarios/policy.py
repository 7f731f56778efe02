# SPDX-License-Identifier: GPL-2.0-or-later
"""Who decides whether a boot uses the PV devices: boot options, safe mode and the administrator's registry policy."""

from __future__ import annotations

from xenlab.lab import Lab
from xenlab.nt.registry import SERVICES
from xenlab.scenario import NewLab, scenario

# Boot options, and whether the PV devices are used with them: as things are, and where they have to be asked for.
_BOOT_OPTIONS = {
    "": (True, False),
    "GPLPV": (True, True),
    "gplpv DEBUG": (True, True),
    "NOGPLPV": (False, False),
    "GPLPV NOGPLPV": (False, False),
    "SAFEBOOT:MINIMAL": (False, False),
    "SAFEBOOT:NETWORK GPLPV": (False, False),
    "NOGPLPVX XGPLPV": (True, False),
}
# The policy value as it may stand in the registry, and whether it says that the PV devices have to be asked for.
_POLICIES = {"installed": (None, False), "0": (0, False), "1": (1, True), "text": ("yes", True)}


@scenario(
    "policy", "all combinations of /NOGPLPV, /GPLPV, safe mode and the opt-in policy: active exactly where it may be"
)
def policy(new: NewLab) -> None:
    for options, allowed in _BOOT_OPTIONS.items():
        for name, (value, opt_in) in _POLICIES.items():
            lab = new(boot_options=options)
            if value is not None:
                lab.pnp.registry.set(rf"{SERVICES}\xenpci\Parameters", "OptIn", value)
            lab.attach("hda", lab.boot_disk)
            lab.boot()
            _require(lab, allowed[opt_in], f"with {options!r} among the boot options and the policy {name}")


def _require(lab: Lab, active: bool, when: str) -> None:
    domain = lab.xen.hypervisor
    lab.expect(lab.platform_node().operating, f"the platform device is started {when}")
    lab.expect(bool(lab.nodes("XEN")) is active, f"PV devices are {'there' if active else 'not there'} {when}")
    events = domain.callback is not None or bool(domain.upcall_vectors)
    lab.expect(events is active, f"events are {'' if active else 'not '}asked for {when}")
    lab.expect(bool(domain.counts) is active, f"hypercalls are {'' if active else 'not '}made {when}")


@scenario("xen-log", "debug builds tell Xen's log what they do, release builds nothing; without Xen no port is touched")
def xen_log(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    lab.xen.toolstack.checkpoint()
    lab.wait(lambda: lab.xen.toolstack.resumes == 1, "a suspension")
    lab.run(1)
    lab.shut_down()
    log = lab.xen.hypervisor.log.decode("ascii")
    if not _is_debug(lab):
        lab.expect(not log, f"a release build writes nothing to Xen's log, not {log[:80]!r}")
    else:
        lab.expect(log.endswith("\n"), "what is in Xen's log ends with a whole line")
        words = {line.partition(": ")[0] for line in log.splitlines()}
        lab.expect({"xenpci", "pvmode", "pnp"} <= words, f"every part of the drivers is in Xen's log: {sorted(words)}")
        lab.expect(all(word.isalnum() for word in words), f"every line begins with a part: {sorted(words)}")
    bare = new(xen="")
    written: list[int] = []

    def port_out(port: int, size: int, value: int) -> None:  # noqa: ARG001
        written.append(port)

    bare.machine.platform.port_out = port_out  # type: ignore[method-assign]
    bare.boot()
    bare.shut_down()
    bare.expect(not written, f"no port is written without Xen, not {sorted(set(written))}")


def _is_debug(lab: Lab) -> bool:
    return any(b"\0DbgPrint\0" in image.read_bytes() for image in lab.folder.images)
