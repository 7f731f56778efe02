# SPDX-License-Identifier: GPL-2.0-or-later
"""A xenstored that is not at its most convenient."""

from __future__ import annotations

from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.storering import Manner

_OTHERS = 150


@scenario("crowded-store", "xenstored's replies are longer than its ring")
def crowded_store(new: NewLab) -> None:
    lab = new()
    lab.xen.ring.manner = Manner(pieces=False)
    for number in range(_OTHERS):
        lab.xen.store.dom0.write(f"{lab.xen.toolstack.home}/device/of-no-known-type-{number}", "")
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    Workload([lab.pv_disk("hda")], 20).run()
    lab.settle()
    lab.shut_down()
