# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mistake that the miniport can make ends the run, and the report says what it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xenlab.errors import Violation

from .conftest import MUTANTS, Pc
from .workout import drive

MISTAKES = {
    "SHORT_CHARACTERISTICS": "NDIS_MINIPORT_DRIVER_CHARACTERISTICS of revision 1 and 48 bytes",
    "GENERAL_FIRST": "general attributes are set before the registration attributes",
    "NO_GENERAL": "succeeds without general attributes",
    "SHORT_GENERAL": "NDIS_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES of revision 1 and 64 bytes",
    "ATTRIBUTES_OF_NO_TYPE": "a structure of type 0x11",
    "ATTRIBUTES_LATE": "NdisMSetMiniportAttributes is called outside of InitializeHandlerEx",
    "OFFLOAD_BEYOND_HARDWARE": "DefaultOffloadConfiguration has lso_v1",
    "OFFLOAD_OF_NO_SIZE": "LsoV1 of an NDIS_OFFLOAD is there, without a size",
    "OID_LISTED_TWICE": "has OID_GEN_CURRENT_PACKET_FILTER twice",
    "GROUP_ADDRESS": "CurrentMacAddress .* which no station has",
    "NO_ACCESS_TYPE": "AccessType of the general attributes is 0",
    "INITIALIZE_PENDS": "MiniportInitializeEx returns NDIS_STATUS_PENDING",
    "NEVER_DEREGISTERS": "unloaded without NdisMDeregisterMiniportDriver",
    "COMPLETES_TWICE": "is completed twice",
    "COMPLETES_UNKNOWN": "is completed that the miniport was not given",
    "COMPLETES_PENDING": "with the status NDIS_STATUS_PENDING",
    "COMPLETES_UNDER_A_LOCK": "NdisMSendNetBufferListsComplete is called while a spin lock is held",
    "LOSES_A_LIST": "the pause is completed, and the NET_BUFFER_LIST .* is not completed",
    "SAYS_DISPATCH_AT_PASSIVE": "at IRQL 0 with the flag that says DISPATCH_LEVEL",
    "READS_AFTER_COMPLETION": "is read: .* into freed .* 'NdSb'",
    "CHANGES_THE_DATA": "data of a NET_BUFFER that was to be sent has been changed",
    "FORGETS_TO_ADVANCE": "a NET_BUFFER that was to be sent comes back with",
    "CHANGES_A_LIST": "a NET_BUFFER_LIST that was to be sent comes back with Flags changed",
    "SENDS_WHILE_PAUSED": "came while the adapter was paused is completed with success",
    "LSO1_WITHOUT_PAYLOAD": "a large send of 9000 bytes is completed with",
    "LSO2_KEEPS_MSS": "a large send of version 2 is completed with",
    "USES_START_VA": "is read: nothing is there",
    "IGNORES_THE_CHAIN": "is read: .* behind the end of .* 'NdSd'|is read: nothing is there",
    "FREES_A_SENT_LIST": "NdisFreeNetBufferList is given .* which is no NET_BUFFER_LIST",
    "INDICATES_WHILE_PAUSED": "NdisMIndicateReceiveNetBufferLists is called while the adapter is paused",
    "INDICATES_TWICE": "is indicated, which NDIS has not returned yet",
    "MISCOUNTS": "NumberOfNetBufferLists is 2 of a chain of 1",
    "NO_SOURCE_HANDLE": "SourceHandle of an indicated NET_BUFFER_LIST is 0x0",
    "WRONG_CURRENT_MDL": "CurrentMdlOffset 0 of a NET_BUFFER are not where its DataOffset 2 leads",
    "TOO_MUCH_DATA": "has 1521 bytes of data, its MDLs end after 1518",
    "INDICATES_NONE_OF_ITS_OWN": "is indicated, which is no NET_BUFFER_LIST of a pool",
    "INDICATES_A_BAD_STATUS": "Status of an indicated NET_BUFFER_LIST is 0xc0000001",
    "UNKNOWN_PORT": "with the port number 7",
    "TOO_LONG_A_FRAME": "a frame of 1515 bytes is indicated; 1514 is the longest",
    "CHANGES_INDICATED_DATA": "data of a NET_BUFFER_LIST was changed between its indication and its return",
    "CHANGES_AN_INDICATED_LIST": "a NET_BUFFER_LIST was changed between its indication and its return",
    "FREES_AN_INDICATED_LIST": "frees a NET_BUFFER_LIST that NDIS has",
    "JUDGES_UNASKED": "judges .* of a received frame",
    "RIGHT_AND_WRONG": "TCP4 of a received frame is said to be both right and wrong",
    "JUDGES_WHAT_IS_NOT_THERE": "judges UDP4 of a received frame that has none",
    "ANSWERS_TWICE": "which is complete already|which is no request|is completed twice",
    "COMPLETES_AND_RETURNS": "is completed with NdisMOidRequestComplete and answered",
    "COMPLETES_NO_REQUEST": "which is no request that the miniport has",
    "COMPLETES_A_REQUEST_WITH_PENDING": "OID_GEN_VENDOR_ID is completed with NDIS_STATUS_PENDING",
    "DOES_TOO_MUCH": "bytes is completed with .* bytes done",
    "OVERRUNS_THE_BUFFER": "is written: .* behind the end of|Memory behind .* was overwritten",
    "TOUCHES_A_DONE_REQUEST": "is read: .* into freed .* 'NdOr'",
    "LISTS_WHAT_IT_LACKS": "OID_GEN_RCV_OK is in the list of supported OIDs, and is answered",
    "NEEDS_NOTHING": "of 0 bytes is answered NDIS_STATUS_BUFFER_TOO_SHORT, and BytesNeeded is 0",
    "ANSWERS_WITHOUT_A_HEADER": "OID_GEN_STATISTICS is answered with 152 bytes and the header 00000000",
    "STATUS_WITHOUT_SOURCE": "SourceHandle of a status indication is 0x0",
    "STATUS_OF_OLD": "NDIS_STATUS_MEDIA_CONNECT is indicated, which miniports of NDIS 6.0 do not",
    "SHORT_LINK_STATE": "StatusBufferSize of a NDIS_LINK_STATE is 8",
    "CONFIGURES_IN_SILENCE": "NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG after OID_TCP_OFFLOAD_PARAMETERS never comes",
    "CONFIGURES_MORE": "for tx after it was turned off",
    "PAUSE_FAILS": "MiniportPause returns NDIS_STATUS_FAILURE; it cannot fail",
    "PAUSES_TWICE": "a pause is completed that was not begun, or twice",
    "PAUSES_FOR_EVER": "the completion of a pause never comes",
    "PAUSES_TOO_EARLY": "the pause is completed, and the .* is not",
    "RESTARTS_TWICE": "a restart is completed that was not begun, or twice",
    "FREES_POOL_IN_USE": "A pool is freed with 16 NET_BUFFER_LIST structures of it in use",
    "LEAKS_A_POOL": "NET_BUFFER_LIST pool of .* is never freed",
    "LEAKS_A_LIST": "A NET_BUFFER_LIST of .* is never freed",
    "LEAKS_AN_MDL": "The MDL of .* is never freed",
    "FREES_A_BOUND_BUFFER": "frees a NET_BUFFER that came with its NET_BUFFER_LIST",
    "ODD_CONTEXT": "a ContextSize of 3 is no multiple",
    "LEAVES_THE_TIMER": "MiniportHaltEx has returned: The timer object of .* is never freed",
    "FREES_A_SET_TIMER": "NdisFreeTimerObject of a timer object that is set",
    "CANCELS_PERIODIC_AT_DISPATCH": "NdisCancelTimerObject of a periodic timer at IRQL 2",
    "LEAVES_THE_ITEM": "MiniportHaltEx has returned: The I/O work item of .* is never freed",
    "QUEUES_TWICE": "NdisQueueIoWorkItem of a work item that is queued already",
    "LEAVES_CONFIGURATION_OPEN": "never closed",
    "OPENS_CONFIGURATION_AT_DISPATCH": "NdisOpenConfigurationEx is called at IRQL 2",
}
# One that NDIS answers with a status, as documented, and one that takes a bug check to come out (test_life.py).
ELSEWHERE = {"NO_PAUSE_HANDLER", "LOCKS_AT_THE_END"}


def test_every_mistake_has_a_rule() -> None:
    assert set(MUTANTS) - {"NO_MUTANT"} == set(MISTAKES) | ELSEWHERE


@pytest.mark.parametrize("mutant", MISTAKES)
def test_a_mistake_ends_the_run(mutant: str, machine: Callable[..., Pc]) -> None:
    arch = ("x32", "x64")[list(MISTAKES).index(mutant) % 2]
    with pytest.raises(Violation, match=f"(?is){MISTAKES[mutant]}"):
        drive(machine(arch, mutant))


@pytest.mark.parametrize("arch", ["x32", "x64"])
def test_without_a_mistake_the_same_run_ends_well(arch: str, machine: Callable[..., Pc]) -> None:
    drive(machine(arch))


def test_a_driver_without_a_handler_that_ndis_needs_is_not_registered(machine: Callable[..., Pc]) -> None:
    pc = machine("x64", "NO_PAUSE_HANDLER")
    pc.start()
    assert pc.node.problem
