# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated devices give way exactly when the PV devices work: never both, never neither."""

from __future__ import annotations

from xenlab.lab import DEVICE_MODELS, Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.abi import XenbusState
from xenlab.xen.qemu import Model


@scenario("unplug", "with a PV boot disk, on both device models: the emulated disk is out of reach, the PV disk works")
def unplug(new: NewLab) -> None:
    for model in DEVICE_MODELS:
        lab = new(device_model=model)
        lab.attach("hda", lab.boot_disk)
        lab.boot()
        lab.run(1)
        lab.expect(_is_connected(lab), f"the PV disk is connected with the {model} device model")
        emulated = lab.xen.model.disk(0).attached and lab.has_emulated("ide")
        lab.expect(not emulated, f"the emulated disk is gone with the {model} device model")
        told = lab.xen.model.product is not None and lab.xen.model.build is not None
        lab.expect(told, f"the {model} device model is told who unplugs its devices, for its blacklist")
        Workload([lab.pv_disk("hda")], 40).run()
        lab.shut_down()


@scenario("no-pv-disk", "Xen without a PV disk for this machine: the emulated disk stays")
def no_pv_disk(new: NewLab) -> None:
    for model in DEVICE_MODELS:
        lab = new(device_model=model)
        lab.boot()
        lab.run(1)
        lab.xen.model.check_boot(0, pv_connected=False)
        lab.expect(lab.has_emulated("ide"), f"Windows sees the emulated disk with the {model} device model")
        lab.shut_down()


@scenario("blacklisted", "the device model refuses this driver: the emulated disk stays, and no PV disk beside it")
def blacklisted(new: NewLab) -> None:
    model: Model = "traditional"
    lab = new(device_model=model)
    lab.attach("hda", lab.boot_disk)
    lab.xen.model.blacklists_all = True
    lab.boot()
    lab.run(1)
    lab.expect(lab.xen.model.disk(0).attached and lab.has_emulated("ide"), "Windows has the emulated disk")
    lab.expect(not any("VBD" in node.instance_path.upper() for node in lab.nodes("XEN")), "there is no PV disk")
    lab.shut_down()


@scenario(
    "silent-back-end", "the back end offers a PV disk and never answers: whatever the drivers decide, they do not hang"
)
def silent_back_end(new: NewLab) -> None:
    lab = new()
    vbd = lab.attach("hda", lab.boot_disk)
    lab.world.advance(60_000_000)
    vbd.backend.vanish()
    lab.boot(seconds=300)
    lab.run(1)
    lab.xen.model.check_boot(0, pv_connected=False)
    lab.expect(lab.has_emulated("ide"), "Windows sees the emulated disk")
    lab.shut_down()


def _is_connected(lab: Lab) -> bool:
    return lab.xen.toolstack.vbds["hda"].backend.state is XenbusState.Connected
