# SPDX-License-Identifier: GPL-2.0-or-later
"""Every release of Xen that the field has, on either device model and on every make of host."""

from __future__ import annotations

from itertools import product

from xenlab.lab import DEVICE_MODELS, Lab
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.qemu import Model
from xenlab.xen.releases import CURRENT, RELEASES


def _add(model: Model) -> None:
    @scenario(f"releases-{model}", f"a boot and a PV disk on every release of Xen with the {model} device model")
    def run(new: NewLab) -> None:
        for release in RELEASES.values():
            if release.crashes_dom0:
                _require_declined(new(xen=release.name, device_model=model))
            else:
                _work(new(xen=release.name, device_model=model))


for _model in DEVICE_MODELS:
    _add(_model)


@scenario(
    "hosts", "AMD's processors with their own hypercall instruction, and Hyper-V's leaves before Xen's: 3.1 and now"
)
def hosts(new: NewLab) -> None:
    for release, viridian, amd in product(("3.1", CURRENT.name), (True, False), (True, False)):
        _work(new(xen=release, viridian=viridian, amd=amd))
    for viridian, amd in product((True, False), (True, False)):
        _require_declined(new(xen="3.0", viridian=viridian, amd=amd))


def _work(lab: Lab) -> None:
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    Workload([lab.pv_disk("hda")], 12).run()
    lab.settle()
    lab.shut_down()


def _require_declined(lab: Lab) -> None:
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    lab.run(1)
    counts = dict(lab.xen.hypervisor.counts)
    lab.expect(not counts, f"no hypercall is made on Xen {lab.options.xen}, where Dom0 dies of them: {counts}")
    lab.expect(not lab.nodes("XEN") and lab.has_emulated("ide"), "the emulated disk is Windows' own")
    lab.xen.model.check_boot(0, pv_connected=False)
    lab.shut_down()
