# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mistake that the miniport can be built with ends the run, and says what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from xenlab.errors import Violation
from xenlab.ndis.nic import Outgoing
from xenlab.nt.crash import BugCheck
from xenlab.xen import packets

Machines = Callable[..., Any]
Arch = Literal["x32", "x64"]
ARCHES: tuple[Arch, ...] = ("x32", "x64")
V51 = ("NDIS51_MINIPORT=1",)

MUTANTS: list[tuple[str, str]] = [
    ("COMPLETES_TWICE", "NdisMSendComplete names .* no packet that the miniport has to send"),
    ("COMPLETES_UNKNOWN", "NdisMSendComplete names .* no packet that the miniport has to send"),
    ("COMPLETES_PENDING", "NdisMSendComplete is NDIS_STATUS_PENDING"),
    ("COMPLETES_UNDER_LOCK", "NdisMSendComplete is called while a spin lock is held"),
    ("NEVER_COMPLETES", "waits in vain for:\n  the completion of a packet"),
    ("TOUCHES_AFTERWARDS", "is read: .* bytes into freed .* 'NdPk'"),
    ("KEEPS_THE_ARRAY", "is read: 0 bytes into freed .* 'NdAr'"),
    ("CHANGES_THE_DATA", "the miniport has changed the data of a packet"),
    ("USES_USER_ADDRESS", "is read: nothing is there"),
    ("WRITES_BEYOND_ITS_PART", "has written beyond what is its own in a packet"),
    ("KEEPS_THE_STATUS", "a packet is indicated with NDIS_STATUS_PENDING"),
    ("SETS_RESOURCES", "MiniportSendPackets sets NDIS_STATUS_RESOURCES"),
    ("INDICATES_AGAIN", "is indicated again before it was returned"),
    ("INDICATES_FOREIGN", "is indicated, which is no packet of a pool"),
    ("INDICATES_UNDER_LOCK", "NdisMIndicateReceivePacket is called while a spin lock is held"),
    ("INDICATES_FAILURE", "a packet is indicated with NDIS_STATUS_FAILURE"),
    ("INDICATES_WITHOUT_HEADER", "with a header size of 0"),
    ("INDICATES_IN_RESET", "NdisMIndicateReceivePacket is called while the adapter is reset"),
    ("INDICATES_AFTER_HALT", "bytes into freed .* 'NdMB'"),
    ("CHANGES_RECEIVED", "a received packet was changed before the protocol driver had returned it"),
    ("FREES_LENT", "NdisFreePacket of .*, which a protocol driver has not returned"),
    ("HALTS_EARLY", "still between miniport and protocol:\n  a packet of"),
    ("LEAVES_TIMER", "a timer of the adapter is still set"),
    ("LEAVES_SHUTDOWN_HANDLER", "without NdisMDeregisterAdapterShutdownHandler"),
    ("LEAVES_MEMORY", "is unloaded and leaves memory allocated:\n  the nonpaged pool block of 100 bytes 'Loop'"),
    ("LEAVES_SHARED_MEMORY", "the adapter is halted with 1 pieces of shared memory"),
    ("FREES_SHARED_MEMORY_WRONGLY", r"NdisMFreeSharedMemory of 99 bytes at .*; allocated is \(100, False"),
    ("LEAVES_PACKET_POOL", "The packet pool of loopnic!allocate .* is never freed"),
    ("LEAVES_BUFFER_POOL", "The buffer pool of loopnic!allocate .* is never freed"),
    ("LEAVES_CONFIGURATION", "The configuration opened by loopnic!configure .* is never closed"),
    ("LEAVES_STATUS_OPEN", "without NdisMIndicateStatusComplete after NdisMIndicateStatus"),
    ("FREES_POOL_FIRST", "NdisFreePacketPool of a pool with 12 packets"),
    ("FREES_BUFFER_POOL_FIRST", "NdisFreeBufferPool of a pool with 12 buffers"),
    ("FREES_TO_WRONG_POOL", "which names the pool .* and is of"),
    ("FREES_PACKET_TWICE", "NdisFreePacket of .* or is freed already"),
    ("FREES_WRONG_LENGTH", "NdisFreeMemory with the length 99 of a block allocated with 100"),
    ("FREES_WITH_FLAGS", "NdisFreeMemory with the flags 0x1 of a block allocated with 0x0"),
    ("USES_CLOSED_CONFIGURATION", "is read: .* bytes into freed .* 'NdPa'"),
    ("OPENS_CONFIGURATION_LATE", "NdisOpenConfiguration is given .* no WrapperConfigurationContext at this moment"),
    ("ANSWERS_TOO_MUCH", "Query of OID_GEN_SUPPORTED_LIST says that it has 4100 bytes of a buffer of 4096"),
    ("OVERRUNS_THE_ANSWER", "behind .* 'NdOi'|Memory behind .*'NdOi'.* was overwritten"),
    ("NEEDS_NOTHING", "fails with NDIS_STATUS_INVALID_LENGTH, but needs 0 bytes of 0"),
    ("LISTS_UNANSWERED", "OID_802_3_XMIT_ONE_COLLISION is in the supported list, and a query of it is not answered"),
    ("LACKS_MANDATORY", "the supported list lacks OID_GEN_SUPPORTED_LIST"),
    ("COMPLETES_QUERY_TWICE", "a Query is completed, and none pends"),
    ("COMPLETES_WRONG_KIND", "a Set is completed, and none pends"),
    ("COMPLETES_AND_RETURNS", "is completed, and its routine does not return NDIS_STATUS_PENDING"),
    ("NEVER_ANSWERS", "Query of OID_GEN_VENDOR_DESCRIPTION is never completed"),
    ("NEVER_RESETS", "Reset is never completed"),
    ("RELEASES_THE_WRONG_WAY", "A spin lock of NdisDprAcquireSpinLock is released as if of NdisAcquireSpinLock"),
    ("LOCKS_TWICE", "an NDIS spin lock at .* is acquired by its own holder"),
    ("WAITS_UNDER_LOCK", "NdisWaitEvent is called at IRQL 2; 1 is the highest"),
    ("SLEEPS_IN_TIMER", "NdisMSleep is called at IRQL 2; 1 is the highest"),
    ("SELECTS_TOKEN_RING", "which is not NdisMedium802_3"),
    ("SETS_NO_ATTRIBUTES", "MiniportInitialize succeeds without NdisMSetAttributesEx"),
    ("SETS_ATTRIBUTES_LATE", "NdisMSetAttributesEx is called outside of MiniportInitialize"),
    ("SCHEDULES_TWICE", "is scheduled while it is queued"),
    ("COMPLETES_STATUS_ONLY", "NdisMIndicateStatusComplete is called without a status"),
    ("FAILS_POWER", "the Set of OID_PNP_SET_POWER fails with NDIS_STATUS_FAILURE"),
    ("TERMINATES_NOTHING", "failed without NdisTerminateWrapper"),
]


def outcome(made: Any) -> None:
    """Everything that a miniport goes through: start, frames, requests, a reset, sleep, removal."""
    made.boot()
    if not made.ndis.drivers:
        made.shut_down()
        return
    nic = made.nic()
    frame = nic.mac + bytes(6) + b"\x08\x06" + bytes(100)
    for _ in range(4):
        nic.send_many([Outgoing(frame)] * 3)
        made.run(20)
    nic.send(frame)
    made.kernel.run(lambda: bool(made.adapter.nic.held()))
    nic.reset()
    nic.send_many([Outgoing(frame)] * 3)
    made.set_power(False)
    made.set_power(True)
    nic = made.nic()
    nic.send_many([Outgoing(frame)] * 4)
    made.kernel.run(lambda: any("received" in each for each in nic.held()))
    made.shut_down()


@pytest.mark.parametrize(("mutant", "message"), MUTANTS, ids=[each[0] for each in MUTANTS])
def test_a_mistake_ends_the_run(mutant: str, message: str, pc: Machines) -> None:
    arch = ARCHES[[each[0] for each in MUTANTS].index(mutant) % 2]
    kind = ("LOOPNIC_POWER=1",) if mutant == "FAILS_POWER" else ("LOOPNIC_DMA=1",) if "SHARED" in mutant else ()
    made = pc(arch, *V51, *kind, mutant=mutant)
    with pytest.raises(Violation, match=f"(?i){message}"):
        outcome(made)


def test_at_a_bug_check_the_shutdown_handler_may_do_nearly_nothing(pc: Machines) -> None:
    made = pc("x64", *V51, mutant="ALLOCATES_IN_SHUTDOWN").boot()
    made.nic()
    with pytest.raises(Violation, match="NdisAllocateMemoryWithTag is called at IRQL 31"):
        made.kernel.part(BugCheck).stop(0xD1)


def test_a_large_send_is_answered_with_how_much_was_sent(pc: Machines) -> None:
    made = pc("x32", *V51, mutant="LEAVES_LARGE_SEND").boot()
    nic = made.nic()
    ip = packets.ipv4(bytes(4), bytes(4), packets.TCP, packets.tcp(1, 2, 3, 4, bytes(5000)))
    nic.send_many([Outgoing(packets.ethernet(nic.mac, bytes(6), packets.IPV4, ip), mss=1460)])
    with pytest.raises(Violation, match="a large send of 5000 bytes is completed with NDIS_STATUS_SUCCESS and 0x5b4"):
        made.run(20)


def test_the_handle_of_a_halted_adapter_is_none_any_more(pc: Machines) -> None:
    made = pc("x64", *V51).boot()
    made.nic()
    handle = made.adapter.handle
    made.shut_down()
    tell = made.kernel.exported_address("ndis.sys", "NdisMIndicateStatusComplete")
    with pytest.raises(Violation, match=f"{handle:#x}, which is no handle of an adapter"):
        made.kernel.run_to_end(made.kernel.call(tell, handle))


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("power", [(), ("LOOPNIC_POWER=1",)])
def test_without_a_mistake_the_same_run_ends_well(power: tuple[str, ...], arch: Arch, pc: Machines) -> None:
    outcome(pc(arch, *V51, *power))
