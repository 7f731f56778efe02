# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots in which PV drivers must leave the emulated devices in charge: they load, touch nothing, and go again."""

from __future__ import annotations

from xenlab.lab import Lab
from xenlab.scenario import NewLab, scenario
from xenlab.xen.qemu import Model


@scenario("no-xen", "bare hardware that has the platform device all the same: the drivers load, do nothing and unload")
def no_xen(new: NewLab) -> None:
    lab = new(xen="")
    lab.boot()
    lab.run(1)
    _require_no_children(lab)
    lab.shut_down()


@scenario("no-platform-device", "no device for the drivers at all: what is started at boot loads and unloads")
def no_platform_device(new: NewLab) -> None:
    for xen in ("", new.options.xen):
        lab = new(xen=xen, platform_device=False)
        lab.boot()
        lab.shut_down()


@scenario("xen-3.0", "a Xen whose Dom0 such drivers bring down: not one hypercall is made")
def xen_3_0(new: NewLab) -> None:
    _decline(new(xen="3.0"))


@scenario("switched-off", "/NOGPLPV among the boot options")
def switched_off(new: NewLab) -> None:
    for options in ("NOGPLPV", "nogplpv", "DEBUG NOGPLPV DEBUGPORT=COM1"):
        _decline(new(boot_options=options))


@scenario("safe-mode", "safe mode, with and without network")
def safe_mode(new: NewLab) -> None:
    for options in ("SAFEBOOT:MINIMAL", "SAFEBOOT:NETWORK  NOGUIBOOT"):
        _decline(new(boot_options=options))


@scenario("switched-off-traditional", "/NOGPLPV with the traditional device model")
def switched_off_traditional(new: NewLab) -> None:
    model: Model = "traditional"
    _decline(new(boot_options="NOGPLPV", device_model=model))


def _decline(lab: Lab) -> None:
    """Boot, with a PV disk on offer, and see that everything is as if the drivers were not there."""
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    lab.run(2)
    model, domain = lab.xen.model, lab.xen.hypervisor
    lab.expect(not domain.dom0_crashes, f"Dom0 survives the drivers ({', '.join(domain.dom0_crashes)})")
    lab.expect(not domain.counts, f"no hypercall is made in this mode, but: {dict(domain.counts)}")
    lab.expect(domain.callback is None, "no event interrupt is asked for")
    lab.expect(all(disk.attached for disk in model.disks) and model.nics > 0, "the emulated devices stay plugged in")
    lab.expect(model.product is None, "the unplug protocol is left alone")
    for function in ("ide", "nic"):
        lab.expect(lab.has_emulated(function), f"Windows sees the emulated {function}")
    _require_no_children(lab)
    lab.shut_down()


def _require_no_children(lab: Lab) -> None:
    lab.expect(not lab.nodes("XEN"), "no PV device appears")
