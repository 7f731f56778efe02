/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A miniport of NDIS 6.0 whose wire leads back to itself: what is sent is received. It has no hardware; a timer object
 * stands for its interrupt, and a work item completes some requests. What the lab's NDIS is tested with.
 */
#include "adapter.h"

VOID set_timer(struct wire *wire)
{
    LARGE_INTEGER due;

    due.QuadPart = -10000;
    NdisSetTimerObject(wire->timer, due, 0, NULL);
}

/* Data */

/* DISPATCH_LEVEL or below. Copies what a buffer holds of at most `room` bytes; returns its length. */
static ULONG copy_frame(NET_BUFFER *buffer, PUCHAR to, ULONG room)
{
    ULONG length = buffer->DataLength < room ? buffer->DataLength : room;
    ULONG offset = buffer->CurrentMdlOffset, done = 0, part;
    PMDL mdl = buffer->CurrentMdl;
    PUCHAR from;

    if (MUTANT(IGNORES_THE_CHAIN)) {
        from = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
        RtlCopyMemory(to, from + offset, length);
        return length;
    }
    for (; done < length; mdl = mdl->Next, offset = 0) {
        part = mdl->ByteCount - offset;
        if (part > length - done)
            part = length - done;
        from = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
        if (from == NULL)
            return 0;
        if (MUTANT(USES_START_VA))
            from = (PUCHAR)mdl->StartVa + mdl->ByteOffset;
        RtlCopyMemory(to + done, from + offset, part);
        if (MUTANT(CHANGES_THE_DATA) && part > 0)
            from[offset] ^= 1;
        done += part;
    }
    return length;
}

static USHORT sum(const UCHAR *data, ULONG length)
{
    ULONG total = 0, i;

    for (i = 0; i < length; ++i)
        total += i % 2 ? data[i] : (ULONG)data[i] << 8;
    while (total >> 16)
        total = (total & 0xFFFF) + (total >> 16);
    return (USHORT)total;
}

static VOID put_sum(PUCHAR at, USHORT value)
{
    at[0] = (UCHAR)(value >> 8);
    at[1] = (UCHAR)value;
}

/* Fills in the checksums that a list leaves to the miniport. */
static VOID fill_in(PUCHAR frame, ULONG length, ULONG_PTR info)
{
    ULONG at = (ULONG)(info >> 16) & 0x3FF;

    if (info & 12)
        put_sum(frame + at + (info & 4 ? 16 : 6), (USHORT)~sum(frame + at, length - at));
    if (info & 16)
        put_sum(frame + 24, (USHORT)~sum(frame + 14, (frame[14] & 15) * 4));
}

static struct entry *take_entry(struct wire *wire)
{
    ULONG i;

    for (i = 0; i < ENTRIES; ++i) {
        if (!wire->entries[i].busy)
            return &wire->entries[i];
    }
    return NULL;
}

/* What the miniport says of a frame's checksums when it is back. */
static ULONG_PTR judge(struct wire *wire, ULONG_PTR info)
{
    if (MUTANT(JUDGES_UNASKED))
        return 0x20;
    if (!wire->encapsulated || !(info & 1) || !(info & 4) || !(wire->offload.Checksum.IPv4Receive.TcpChecksum))
        return 0;
    if (MUTANT(RIGHT_AND_WRONG))
        return 9;
    return MUTANT(JUDGES_WHAT_IS_NOT_THERE) ? 0x10 : 8;
}

/* DISPATCH_LEVEL, under the lock. Puts a frame of a list that was sent into an entry. */
static struct entry *receive(struct wire *wire, NET_BUFFER_LIST *sent, NET_BUFFER *buffer)
{
    struct entry *entry = take_entry(wire);
    NET_BUFFER *own;

    if (entry == NULL)
        return NULL;
    own = entry->list->FirstNetBuffer;
    own->DataLength = copy_frame(buffer, entry->data + OFFSET, FRAME);
    if (own->DataLength == 0)
        return NULL;
    fill_in(entry->data + OFFSET, own->DataLength, (ULONG_PTR)sent->NetBufferListInfo[CHECKSUM_INFO]);
    if (MUTANT(WRONG_CURRENT_MDL))
        own->CurrentMdlOffset = 0;
    if (MUTANT(TOO_MUCH_DATA))
        own->DataLength = FRAME + OFFSET + 1;
    if (MUTANT(TOO_LONG_A_FRAME))
        own->DataLength = MTU + 15;
    entry->list->NetBufferListInfo[TAG_INFO] = sent->NetBufferListInfo[TAG_INFO];
    entry->list->NetBufferListInfo[CHECKSUM_INFO] =
        (PVOID)judge(wire, (ULONG_PTR)sent->NetBufferListInfo[CHECKSUM_INFO]);
    entry->list->SourceHandle = MUTANT(NO_SOURCE_HANDLE) ? NULL : wire->handle;
    entry->list->Status = MUTANT(INDICATES_A_BAD_STATUS) ? NDIS_STATUS_FAILURE : NDIS_STATUS_SUCCESS;
    entry->list->Next = NULL;
    entry->busy = TRUE;
    ++wire->busy;
    return entry;
}

/* DISPATCH_LEVEL. The list and what hangs on it is NDIS's afterwards. */
static VOID complete(struct wire *wire, NET_BUFFER_LIST *list, NDIS_STATUS status, ULONG flags)
{
    NET_BUFFER *buffer = list->FirstNetBuffer;
    ULONG_PTR large = (ULONG_PTR)list->NetBufferListInfo[LARGE_SEND_INFO];
    UCHAR header[128];
    ULONG at = (ULONG)(large >> 20) & 0x3FF;

    if (large & 0x40000000 && !MUTANT(LSO2_KEEPS_MSS)) {
        list->NetBufferListInfo[LARGE_SEND_INFO] = (PVOID)(ULONG_PTR)0x40000000;
    } else if (large && !(large & 0x40000000) && !MUTANT(LSO1_WITHOUT_PAYLOAD)) {
        copy_frame(buffer, header, sizeof(header));
        at += (header[at + 12] >> 4) * 4;
        list->NetBufferListInfo[LARGE_SEND_INFO] =
            (PVOID)(ULONG_PTR)(status == NDIS_STATUS_SUCCESS ? buffer->DataLength - at : 0);
    }
    list->Status = MUTANT(COMPLETES_PENDING) ? NDIS_STATUS_PENDING : status;
    if (MUTANT(CHANGES_A_LIST))
        list->Flags = 1;
    if (MUTANT(FORGETS_TO_ADVANCE))
        NdisAdvanceNetBufferDataStart(buffer, 1, FALSE, NULL);
    if (MUTANT(FREES_A_SENT_LIST))
        NdisFreeNetBufferList(list);
    list->Next = NULL;
    if (MUTANT(COMPLETES_UNDER_A_LOCK))
        NdisAcquireSpinLock(&wire->lock);
    NdisMSendNetBufferListsComplete(wire->handle, MUTANT(COMPLETES_UNKNOWN) ? wire->entries[0].list : list, flags);
    if (MUTANT(COMPLETES_TWICE))
        NdisMSendNetBufferListsComplete(wire->handle, list, flags);
    if (MUTANT(READS_AFTER_COMPLETION))
        wire->sent += buffer->DataLength;
}

/* DISPATCH_LEVEL or below. A pause is over when nothing is on its way. */
static VOID look_for_end(struct wire *wire)
{
    BOOLEAN over;

    NdisAcquireSpinLock(&wire->lock);
    over = wire->state == PAUSING && wire->busy == 0 && wire->first == NULL;
    if (over)
        wire->state = PAUSED;
    NdisReleaseSpinLock(&wire->lock);
    if (over)
        NdisMPauseComplete(wire->handle);
    if (over && MUTANT(PAUSES_TWICE))
        NdisMPauseComplete(wire->handle);
}

static struct entry *entry_of(struct wire *wire, NET_BUFFER_LIST *list)
{
    ULONG i;

    for (i = 0; i < ENTRIES - 1; ++i) {
        if (wire->entries[i].list == list)
            break;
    }
    return &wire->entries[i];
}

/* DISPATCH_LEVEL or below. */
VOID NTAPI take_back(struct wire *wire, NET_BUFFER_LIST *lists, ULONG flags)
{
    NET_BUFFER_LIST *next;

    (void)flags;
    NdisAcquireSpinLock(&wire->lock);
    for (; lists != NULL; lists = next) {
        next = lists->Next;
        entry_of(wire, lists)->busy = FALSE;
        --wire->busy;
    }
    NdisReleaseSpinLock(&wire->lock);
    look_for_end(wire);
}

/* DISPATCH_LEVEL. */
static VOID indicate(struct wire *wire, struct entry *entry)
{
    ULONG flags = AT_DISPATCH | (wire->busy > ENTRIES - LOW ? RESOURCES : 0);
    NET_BUFFER_LIST *list = entry->list;

    if (MUTANT(INDICATES_NONE_OF_ITS_OWN))
        list = (NET_BUFFER_LIST *)list->FirstNetBuffer;
    NdisMIndicateReceiveNetBufferLists(wire->handle, list, MUTANT(UNKNOWN_PORT) ? 7 : 0, MUTANT(MISCOUNTS) ? 2 : 1,
                                       flags);
    if (MUTANT(INDICATES_TWICE))
        NdisMIndicateReceiveNetBufferLists(wire->handle, list, 0, 1, flags);
    if (MUTANT(CHANGES_INDICATED_DATA))
        entry->data[OFFSET] ^= 1;
    if (MUTANT(CHANGES_AN_INDICATED_LIST))
        list->Status = NDIS_STATUS_FAILURE;
    if (MUTANT(FREES_AN_INDICATED_LIST))
        NdisFreeNetBufferList(list);
    if (flags & RESOURCES)
        take_back(wire, list, 0);
}

/* DISPATCH_LEVEL. The wire's end: sends one list, and receives what was in it. */
static VOID carry(struct wire *wire, NET_BUFFER_LIST *list)
{
    struct entry *entries[8], *entry;
    ULONG count = 0, i;
    NET_BUFFER *buffer;

    NdisAcquireSpinLock(&wire->lock);
    for (buffer = list->FirstNetBuffer; buffer != NULL; buffer = buffer->Next) {
        ++wire->sent;
        entry = NULL;
        if (list->NetBufferListInfo[LARGE_SEND_INFO] == NULL && wire->state == RUNNING && count < 8)
            entry = receive(wire, list, buffer);
        if (entry != NULL)
            entries[count++] = entry;
    }
    NdisReleaseSpinLock(&wire->lock);
    if (!MUTANT(LOSES_A_LIST) || list->FirstNetBuffer->DataLength != 714)
        complete(wire, list, NDIS_STATUS_SUCCESS, AT_DISPATCH);
    for (i = 0; i < count; ++i)
        indicate(wire, entries[i]);
}

static NET_BUFFER_LIST *take_all(struct wire *wire)
{
    NET_BUFFER_LIST *first;

    NdisAcquireSpinLock(&wire->lock);
    first = wire->first;
    wire->first = NULL;
    wire->last = &wire->first;
    NdisReleaseSpinLock(&wire->lock);
    return first;
}

/* DISPATCH_LEVEL. Completes what was begun and left for a tick. */
static VOID finish_operations(struct wire *wire)
{
    BOOLEAN restarting, resetting;

    NdisAcquireSpinLock(&wire->lock);
    restarting = wire->restarting;
    resetting = wire->resetting;
    wire->restarting = wire->resetting = FALSE;
    if (restarting)
        wire->state = RUNNING;
    NdisReleaseSpinLock(&wire->lock);
    if (restarting)
        NdisMRestartComplete(wire->handle, NDIS_STATUS_SUCCESS);
    if (resetting)
        NdisMResetComplete(wire->handle, NDIS_STATUS_SUCCESS, TRUE);
}

/* DISPATCH_LEVEL: the function of the timer object. */
VOID NTAPI tick(PVOID unused, struct wire *wire, PVOID first, PVOID second)
{
    NET_BUFFER_LIST *list, *next;

    (void)unused, (void)first, (void)second;
    finish_operations(wire);
    for (list = take_all(wire); list != NULL; list = next) {
        next = list->Next;
        carry(wire, list);
    }
    look_for_end(wire);
}

/* DISPATCH_LEVEL or below. */
VOID NTAPI send_lists(struct wire *wire, NET_BUFFER_LIST *lists, ULONG port, ULONG flags)
{
    NET_BUFFER_LIST *next;
    BOOLEAN running;

    (void)port;
    for (; lists != NULL; lists = next) {
        next = lists->Next;
        lists->Next = NULL;
        NdisAcquireSpinLock(&wire->lock);
        running = wire->state == RUNNING && !MUTANT(SAYS_DISPATCH_AT_PASSIVE);
        if (running) {
            *wire->last = lists;
            wire->last = &lists->Next;
        }
        NdisReleaseSpinLock(&wire->lock);
        if (MUTANT(SAYS_DISPATCH_AT_PASSIVE))
            flags |= AT_DISPATCH;
        if (!running)
            complete(wire, lists, MUTANT(SENDS_WHILE_PAUSED) ? NDIS_STATUS_SUCCESS : NDIS_STATUS_PAUSED,
                     flags & AT_DISPATCH);
    }
    set_timer(wire);
}

/* DISPATCH_LEVEL or below. Gives back what waits, of one cancel ID or all. */
static VOID abort_sends(struct wire *wire, PVOID id)
{
    NET_BUFFER_LIST *list, *next, *kept = NULL, **end = &kept;

    for (list = take_all(wire); list != NULL; list = next) {
        next = list->Next;
        if (id == NULL || list->NetBufferListInfo[CANCEL_ID_INFO] == id) {
            complete(wire, list, NDIS_STATUS_REQUEST_ABORTED, 0);
            continue;
        }
        list->Next = NULL;
        *end = list;
        end = &list->Next;
    }
    NdisAcquireSpinLock(&wire->lock);
    if (kept != NULL) {
        *end = wire->first;
        if (wire->first == NULL)
            wire->last = end;
        wire->first = kept;
    }
    NdisReleaseSpinLock(&wire->lock);
}

VOID NTAPI cancel_send(struct wire *wire, PVOID id)
{
    abort_sends(wire, id);
}

NDIS_STATUS NTAPI reset(struct wire *wire, PBOOLEAN addressing_reset)
{
    abort_sends(wire, NULL);
    wire->filter = 0;
    look_for_end(wire);
    if (wire->hung) {
        wire->hung = FALSE;
        wire->resetting = TRUE;
        set_timer(wire);
        return NDIS_STATUS_PENDING;
    }
    *addressing_reset = TRUE;
    return NDIS_STATUS_SUCCESS;
}

/* PASSIVE_LEVEL. */
BOOLEAN NTAPI check_for_hang(struct wire *wire)
{
    return wire->hung;
}
