# SPDX-License-Identifier: GPL-2.0-or-later
"""A xenstored that is not at its most convenient."""

from __future__ import annotations

from xenlab.nt.codes import Status
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.scenarios.user import WRITE, Client
from xenlab.xen.abi import XENSTORE_RING_SIZE
from xenlab.xen.storering import Manner

_OTHERS = 150
_LONG = 2000


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


@scenario(
    "watched-store", "xenstored looks at its ring between any two instructions: nothing is shown before it is there"
)
def watched_store(new: NewLab) -> None:
    lab = new()
    lab.attach("hda", lab.boot_disk)
    ring = lab.xen.ring
    ring.watchful = True
    with lab.machine.between_instructions(lambda _: ring.glance()):
        lab.boot()
        lab.pv_disk("hda")
    lab.shut_down()


@scenario("long-values", "values of several times xenstored's ring are written and read, each while the store is idle")
def long_values(new: NewLab) -> None:
    lab = new()
    lab.boot()
    client = Client(lab).opened()
    for length in (XENSTORE_RING_SIZE - 1, XENSTORE_RING_SIZE, _LONG):
        lab.run(0.1)
        value = "".join(lab.world.random.choices("0123456789abcdef", k=length))
        client.expect(client.tell(WRITE, "data/long", value), Status.SUCCESS, f"{length} bytes are written")
        lab.expect(client.read("data/long") == value.encode(), f"{length} bytes are read as they were written")
    client.close()
    lab.run(0.5)
    lab.shut_down()
