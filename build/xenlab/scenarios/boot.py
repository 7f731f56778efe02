# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that starts, and is shut down again."""

from __future__ import annotations

from xenlab.scenario import NewLab, scenario


@scenario("viridian", "Xen shows Hyper-V's leaves before its own, as it does for Windows: it is found all the same")
def viridian(new: NewLab) -> None:
    lab = new(viridian=True)
    lab.attach("hda", lab.boot_disk)
    lab.boot()
    lab.expect(bool(lab.pv_disk("hda").blocks), "the PV disk is found")
    lab.shut_down()


@scenario("boot", "the machine starts on Xen, its device is started, and everything goes again without a trace")
def boot(new: NewLab) -> None:
    lab = new()
    lab.boot()
    lab.run(2)
    platform = lab.platform_node()
    lab.expect(platform.operating, f"the platform device works ({platform.problem or platform.state.name})")
    lab.shut_down()
