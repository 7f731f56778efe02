# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices that the store names: those of every kind come and go, and whatever else stands there harms nothing."""

from __future__ import annotations

from collections.abc import Mapping

from xenlab.lab import Lab
from xenlab.nt.devnode import Node
from xenlab.ports.disk import Workload
from xenlab.scenario import NewLab, scenario
from xenlab.xen.disk import Disk as Medium

_HELD = ("console", "vfb", "vkbd")
_OTHERS = ("vtpm", "pci", "9pfs", "vusb", "vsnd")
_HUGE = 99999999999999999999


def _device(lab: Lab, kind: str, number: int = 0) -> Node | None:
    """Return a device as Windows has it."""
    found = (each for each in lab.nodes("XEN") if each.hardware_ids == [rf"XEN\{kind}"])
    return next((each for each in found if each.instance_path.endswith(f"&{number}")), None)


@scenario("stubs", "console, frame buffer and keyboard are held by a driver, come, go, and stay through a suspend")
def stubs(new: NewLab) -> None:
    lab = new()
    toolstack = lab.xen.toolstack
    for kind in _HELD:
        toolstack.add_device(kind, 0, {"page-ref": 1})
    lab.boot()
    lab.run(1)
    _require_held(lab, 0)
    toolstack.save_and_restore()
    lab.wait(lambda: toolstack.resumes == 1, "a suspension")
    lab.run(1)
    lab.expect(not lab.nodes("XEN"), "devices that the new host does not have are gone")
    for number in (0, 1):
        for kind in _HELD:
            toolstack.add_device(kind, number)
        lab.run(1)
        _require_held(lab, number)
    for kind in _HELD:
        toolstack.remove_device(kind, 0)
    lab.run(1)
    lab.expect(
        all(_device(lab, kind) is None for kind in _HELD), "devices that the store does not name any more are gone"
    )
    _require_held(lab, 1)
    lab.shut_down()


def _require_held(lab: Lab, number: int) -> None:
    for kind in _HELD:
        node = _device(lab, kind, number)
        lab.expect(node is not None, rf"there is a device XEN\{kind} {number}")
        assert node is not None
        lab.expect(node.operating and not node.problem, f"{kind} {number} works: {node.problem or node.state.name}")
        lab.expect(node.service == "xenstub", f"{kind} {number} asks for no driver")


@scenario("all-kinds", "devices of every kind, known and unknown, are plugged and torn out in the middle of everything")
def all_kinds(new: NewLab) -> None:
    lab = new()
    toolstack = lab.xen.toolstack
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    busy = Workload([lab.pv_disk("hda")], 300, depth=2)
    busy.begin()
    for kind in (*_HELD, *_OTHERS):
        for number in (0, 7):
            toolstack.add_device(kind, number)
        lab.run(lab.world.random.uniform(0.0001, 0.02))
        toolstack.remove_device(kind, 0)
    lab.run(2)
    for kind in (*_HELD, *_OTHERS):
        lab.expect(_device(lab, kind, 7) is not None, rf"there is a device XEN\{kind}")
        lab.expect(_device(lab, kind, 0) is None, rf"the device XEN\{kind} that was torn out is gone")
    for kind in _OTHERS:
        toolstack.remove_device(kind, 7)
    lab.wait(lambda: all(_device(lab, kind, 7) is None for kind in _OTHERS), "devices without driver that go")
    lab.wait(lambda: busy.finished, "the work meanwhile", 300)
    lab.settle()
    lab.shut_down()


# What may stand in a device's directory: nothing of it makes a device that works.
_GARBAGE: Mapping[str, Mapping[str, object]] = {
    "without back end": {"backend-id": 0},
    "without the back end's domain": {"backend": "/local/domain/0/backend/vbd/1/5"},
    "with a domain that is no number": {"backend": "/local/domain/0/backend/vbd/1/5", "backend-id": "zero"},
    "with a domain below all": {"backend": "/local/domain/0/backend/vbd/1/5", "backend-id": -1},
    "with a domain beyond all": {"backend": "/local/domain/0/backend/vbd/1/5", "backend-id": _HUGE},
    "with a reserved domain": {"backend": "/local/domain/0/backend/vbd/1/5", "backend-id": 0x7FF0},
    "with an endless back end": {"backend": "/" + "b" * 1500, "backend-id": 0},
    "with an empty back end": {"backend": "", "backend-id": 0},
    "with a back end that is no path": {"backend": "//\\ ?", "backend-id": 0},
    "with states from nowhere": {"backend": "/nowhere", "backend-id": 0, "state": _HUGE},
    "with a state that is no number": {"backend": "/nowhere", "backend-id": 0, "state": "ready"},
}
# What may stand among the device types and numbers.
_NAMES = (
    "vbd/+1", "vbd/-1", "vbd/1x", "vbd/00768", f"vbd/{_HUGE}", "vbd/4294967296", "VBD/768", "Vif/0", "console/000",
    "a-very-long-type-of-device/0", f"{'t' * 100}/0", "x/0/1/2/3/4/5/6/7/8/9", "@/0", "+/0", "_/0", "vbd/768/a/b/c/d",
)  # fmt: skip


@scenario(
    "garbage-in-store", "missing keys, no numbers, huge values and odd names among the devices: they harm nothing"
)
def garbage_in_store(new: NewLab) -> None:
    for at_boot in (True, False):
        lab = new()
        lab.attach("hda", lab.boot_disk)
        lab.attach("xvdb", Medium(2048))
        if at_boot:
            _write_garbage(lab)
        lab.boot()
        if not at_boot:
            lab.run(1)
            _write_garbage(lab)
        lab.run(1)
        _write_garbage(lab)
        Workload([lab.pv_disk("hda"), lab.pv_disk("xvdb")], 40).run()
        _require_sense(lab)
        lab.settle()
        lab.shut_down()


def _require_sense(lab: Lab) -> None:
    """Only what is named as devices are has become one, and works only where it says whom to talk to."""
    there = [each.instance_path.removeprefix("XEN\\") for each in lab.nodes("XEN")]
    lab.expect(all(path.partition("\\")[0] in ("console", "vbd", "vdev", "x") for path in there), f"no such: {there}")
    disks = [path for path in there if path.startswith("vbd\\")]
    lab.expect(len(disks) == 2, f"there are two disks, not {disks}")
    for number, what in enumerate(_GARBAGE, 10):
        node = _device(lab, "console", number)
        usable = {"backend", "backend-id"} <= _GARBAGE[what].keys() and _GARBAGE[what]["backend-id"] == 0
        usable &= what not in ("with an endless back end", "with a back end that is no path")
        lab.expect(
            (node is not None and node.operating) is usable, f"a device {what} {'works' if usable else 'does not'}"
        )


def _write_garbage(lab: Lab) -> None:
    dom0, devices = lab.xen.store.dom0, f"{lab.xen.toolstack.home}/device"
    for number, nodes in enumerate(_GARBAGE.values(), 10):
        for name, value in nodes.items():
            dom0.write(f"{devices}/vdev/{number}/{name}", str(value))
            dom0.write(f"{devices}/console/{number}/{name}", str(value))
    for name in _NAMES:
        dom0.write(f"{devices}/{name}/backend", "/nowhere")


@scenario(
    "endless-list", "more devices than a message of the store can name: what is known works, and more when it fits"
)
def endless_list(new: NewLab) -> None:
    lab = new()
    toolstack, dom0 = lab.xen.toolstack, lab.xen.store.dom0
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    lab.run(1)
    names = [f"{toolstack.home}/device/{'of-an-endless-kind' * 3}-{number}" for number in range(120)]
    for name in names:
        dom0.write(name, "")
    lab.attach("xvdb", Medium(2048))
    lab.run(2)
    Workload([lab.pv_disk("hda")], 40).run()
    for name in names:
        dom0.remove(name)
    Workload([lab.pv_disk("xvdb")], 40).run()
    lab.settle()
    lab.shut_down()
