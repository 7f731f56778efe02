# SPDX-License-Identifier: GPL-2.0-or-later
"""An adapter of NDIS 6.0 from its beginning to its end, in every way that the PnP and the power manager have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from xenlab.errors import Violation
from xenlab.ndis import Ndis
from xenlab.ndis.adapter6 import State
from xenlab.ndis.codes import NdisStatus
from xenlab.nt.codes import Power
from xenlab.nt.ex import BugCheckCallbacks
from xenlab.nt.power import PowerManager

from .conftest import Pc
from .workout import plain, settle

Machines = Callable[..., Pc]


def use(pc: Pc) -> None:
    nic = pc.nic()
    settle(pc, [nic.send(plain(nic, length)) for length in (60, 61, 62)])
    assert len(nic.received) == 3


def test_the_pnp_manager_stops_restarts_and_removes_an_adapter(machine: Machines) -> None:
    pc = machine("x64")
    pc.start()
    use(pc)
    assert pc.perform(pc.pnp.query_stop(pc.node)) == 1
    pc.perform(pc.pnp.stop(pc.node))
    assert not pc.kernel.part(Ndis).adapters
    pc.perform(pc.pnp.restart(pc.node))
    use(pc)
    pc.finish()


def test_an_adapter_without_power_abilities_is_halted_before_sleep(machine: Machines) -> None:
    pc = machine("x32")
    pc.start()
    nic = pc.nic()
    sent = [nic.send(plain(nic, 60)) for _ in range(4)]
    power, device = pc.kernel.part(PowerManager), pc.node.pdo.top()
    power.request(device, Power.SET_POWER, 4)
    pc.kernel.run(lambda: not pc.kernel.part(Ndis).adapters)
    assert all(each.done for each in sent)
    power.request(device, Power.SET_POWER, 1)
    use(pc)
    pc.finish()


def test_a_surprise_leaves_nothing_behind(machine: Machines) -> None:
    pc = machine("x64")
    pc.start()
    nic = pc.nic()
    sent = [nic.send(plain(nic, 60)) for _ in range(4)]
    bus = pc.node.parent
    assert bus
    pc.pnp.pci.take_out(pc.node.pdo)
    pc.perform(pc.pnp.locked(pc.pnp.enumerate(bus)))
    assert all(each.done for each in sent)
    assert nic.send(plain(nic, 60)).status == NdisStatus.CLOSING
    assert not pc.kernel.part(Ndis).adapters
    assert pc.kernel.pool.outstanding() == []


def test_the_end_of_the_machine_is_told_and_nothing_follows(machine: Machines) -> None:
    pc = machine("x64")
    pc.start()
    nic = pc.nic()
    pc.perform(nic.adapter.shut_down())
    assert nic.adapter.state is State.SHUT_DOWN
    assert pc.kernel.calls["NdisFreeMemory"] == 0


@pytest.mark.parametrize(("mutant", "message"), [("NO_MUTANT", ""), ("LOCKS_AT_THE_END", "IRQL 31")])
def test_a_bug_check_is_told_at_high_level(mutant: str, message: str, machine: Machines) -> None:
    pc = machine("x64", mutant)
    pc.start()
    adapter = pc.nic().adapter
    told = pc.kernel.part(BugCheckCallbacks).notify()
    with pytest.raises(Violation, match=message) if message else nullcontext():
        pc.kernel.run_to_end(told, "the end")
        assert adapter.state is State.RUNNING


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 8, 11, 19, 40, 54])
def test_an_adapter_that_gets_no_memory_does_not_start_and_leaves_nothing(number: int, machine: Machines) -> None:
    pc = machine("x64")
    pc.kernel.pool.fail_at(number)
    pc.start()
    assert pc.kernel.pool.count >= number
    pc.kernel.run_for(10**8)
    pc.finish()
