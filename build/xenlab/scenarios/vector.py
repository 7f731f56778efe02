# SPDX-License-Identifier: GPL-2.0-or-later
"""Events by a vector of Windows' own instead of the PCI interrupt line, where Windows and the host let it be.

What a driver asks Windows for is its own affair. What is required of it holds for any: its disks work whatever Windows
grants and whichever host the domain comes to, and nothing arrives at a vector that it has given back.
"""

from __future__ import annotations

from collections.abc import Callable

from xenlab.lab import Lab
from xenlab.nt.arbiter import Arbiter
from xenlab.nt.registry import CONTROL_SET
from xenlab.nt.zwkey import KernelRegistry
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.disk import Disk as Medium
from xenlab.xen.releases import CURRENT, RELEASES

_SECTORS = 2 * 2048
_VISTA = (6, 0)
_OLD = RELEASES["4.3"]


def _by_vector(lab: Lab) -> bool:
    """Whether Xen has been told a vector, which must then be one that Windows has granted."""
    vector = lab.xen.hypervisor.upcall_vectors.get(0)
    granted = lab.kernel.part(Arbiter).messages
    lab.expect(vector is None or vector in granted, f"vector {vector} is one that Windows has granted")
    return vector is not None


def _offered(lab: Lab) -> bool:
    """Whether Windows, the host and the machine's owner let events come by a vector."""
    return lab.nt >= _VISTA and lab.options.messages and lab.options.xen == CURRENT.name


def _prepare(lab: Lab) -> Lab:
    lab.attach("hda", lab.boot_disk)
    lab.attach("xvdb", Medium(_SECTORS))
    lab.boot()
    return lab


def _work(lab: Lab, count: int) -> Workload:
    work = Workload([lab.pv_disk("hda"), lab.pv_disk("xvdb")], count)
    work.begin()
    return work


def _finish(lab: Lab) -> None:
    work = _work(lab, 40)
    lab.wait(lambda: work.finished, "the work", 300)
    lab.settle()


@scenario(
    "vector", "disks work by the vector where it is to be had, and by the line where Windows, Xen or policy refuse"
)
def vector(new: NewLab) -> None:
    for choices in ({}, {"messages": False}, {"xen": _OLD.name}):
        lab = _prepare(new(**choices))
        lab.expect(_by_vector(lab) is _offered(lab), f"the vector is used where it can be, and only there: {choices}")
        _finish(lab)
        lab.shut_down()
    lab = new()
    tree = lab.kernel.part(KernelRegistry).tree
    tree.set(rf"{CONTROL_SET}\Services\xenpci\Parameters", "LineOnly", 1)
    _prepare(lab)
    lab.expect(not _by_vector(lab), "the policy LineOnly is heeded")
    _finish(lab)
    lab.shut_down()


@scenario("vector-migrate", "from a host with the vector to one without and back, under load, and checkpoints between")
def vector_migrate(new: NewLab) -> None:
    lab = _prepare(new(xen=CURRENT.name))
    toolstack = lab.xen.toolstack
    steps: list[tuple[Callable[[], None], bool]] = [
        (toolstack.checkpoint, True),
        (lambda: toolstack.migrate(_OLD), False),
        (toolstack.checkpoint, False),
        (lambda: toolstack.migrate(CURRENT, amd=True), True),
        (toolstack.save_and_restore, True),
        (lambda: toolstack.migrate(_OLD), False),
    ]
    for count, (step, vector_then) in enumerate(steps, 1):
        work = _work(lab, 60)
        lab.run(0.005)
        step()
        lab.wait(lambda count=count: toolstack.resumes == count, "a suspension")  # type: ignore[misc]
        lab.wait(lambda work=work: work.finished, "the work through a suspension", 300)  # type: ignore[misc]
        lab.expect(_by_vector(lab) is (vector_then and _offered(lab)), "the host's own way of events is used")
    _finish(lab)
    lab.shut_down()


@scenario("vector-restart", "the platform device is disabled and enabled: it works again, or declines where it cannot")
def vector_restart(new: NewLab) -> None:
    lab = _prepare(new())
    _finish(lab)
    _restart(lab)
    lab.expect(lab.platform_node().operating, "the device works again")
    _finish(lab)
    was_by_vector = _by_vector(lab)
    lab.kernel.part(Arbiter).grants_messages = False
    begin = lab.world.now
    _restart(lab)
    lab.expect(lab.platform_node().operating is not was_by_vector, "it starts if its events can come to it")
    lab.expect(lab.world.now - begin < 25 * 10**9, "a device whose events cannot come says so soon")
    lab.run(1)
    lab.kernel.part(Arbiter).grants_messages = True
    _restart(lab)
    lab.expect(lab.platform_node().operating, "the device works again with what Windows grants again")
    lab.expect(_by_vector(lab) is was_by_vector, "its events come as before")
    lab.shut_down()


def _restart(lab: Lab) -> None:
    """Disable the platform device and enable it again; its driver is unloaded in between."""
    node = lab.platform_node()
    if node.operating:
        lab.expect(lab.perform(lab.pnp.locked(lab.pnp.query_remove(node)), "a question"), "the device agrees to go")
        lab.perform(lab.pnp.locked(lab.pnp.remove(node)), "the removal")
    lab.run(0.5)
    lab.perform(lab.pnp.locked(lab.pnp.start_again(node)), "the device's start")
