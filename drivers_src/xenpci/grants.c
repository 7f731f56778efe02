/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The grant table, version 1: which of our pages which other domain may use.
 *
 * A reference is free, reserved by someone, or given back while the other domain still has the page mapped, and then
 * kept until it has let go.  Who has reserved it writes the entry without a lock.
 */
#include "xenpci.h"
#include "pool.h"
#include "xen/grant_table.h"
#include "xen/memory.h"

#define FIRST_PAGE 1  /* of the platform's memory */
#define MAX_FRAMES (GRANT_REFERENCES / GRANT_ENTRIES_PER_FRAME)
#define FRAMES_OF_XEN_3_1 4 /* which does not let a guest ask */

static struct {
    struct grant_entry_v1 *entries;
    ULONG most_frames;
    KSPIN_LOCK lock; /* high; for all below */
    ULONG frames;
    ULONG hint; /* no reference below is free */
    ULONG used[GRANT_REFERENCES / 32];
    ULONG lingering[GRANT_REFERENCES / 32]; /* used by no one here any more, but still mapped */
    ULONG lingering_count;
} grants;

static BOOLEAN is_set(const ULONG *bits, grant_ref_t reference)
{
    return (bits[reference / 32] >> reference % 32 & 1) != 0;
}

static VOID set(PULONG bits, grant_ref_t reference)
{
    bits[reference / 32] |= (ULONG)1 << reference % 32;
}

static VOID clear(PULONG bits, grant_ref_t reference)
{
    bits[reference / 32] &= ~((ULONG)1 << reference % 32);
}

/* With the lock. */
static NTSTATUS grow(VOID)
{
    NTSTATUS status;

    if (grants.frames == grants.most_frames)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = xen_place(XENMAPSPACE_grant_table, grants.frames, platform_frame(FIRST_PAGE + grants.frames));
    if (NT_SUCCESS(status))
        grants.frames++;
    return status;
}

static VOID free_reference(grant_ref_t reference)
{
    clear(grants.used, reference);
    grants.hint = min(grants.hint, reference);
}

/* Whether an entry with these flags is Xen's or the other domain's at this moment. */
static BOOLEAN is_busy(SHORT flags)
{
    if ((flags & GTF_type_mask) == GTF_accept_transfer)
        return (flags & (GTF_transfer_committed | GTF_transfer_completed)) == GTF_transfer_committed;
    return (flags & (GTF_reading | GTF_writing)) != 0;
}

/* An entry of either type.  FALSE: it cannot be ended now.  *last: the flags that it had. */
static BOOLEAN end(grant_ref_t reference, PSHORT last)
{
    volatile SHORT *flags = (volatile SHORT *)&grants.entries[reference].flags;

    do {
        *last = *flags;
        if (is_busy(*last))
            return FALSE;
    } while (InterlockedCompareExchange16(flags, 0, *last) != *last);
    return TRUE;
}

/* With the lock: frees what other domains have let go of since. */
static VOID reap(VOID)
{
    ULONG limit = grants.frames * GRANT_ENTRIES_PER_FRAME;
    grant_ref_t reference;
    SHORT last;

    for (reference = 0; reference < limit && grants.lingering_count != 0; reference++) {
        if (!is_set(grants.lingering, reference) || !end(reference, &last))
            continue;
        clear(grants.lingering, reference);
        grants.lingering_count--;
        free_reference(reference);
    }
}

/* With the lock. */
static NTSTATUS take(grant_ref_t *reference)
{
    for (; grants.hint < grants.frames * GRANT_ENTRIES_PER_FRAME; grants.hint++) {
        if (is_set(grants.used, grants.hint))
            continue;
        *reference = grants.hint;
        set(grants.used, *reference);
        return STATUS_SUCCESS;
    }
    return STATUS_NO_MORE_ENTRIES;
}

static NTSTATUS take_or_grow(grant_ref_t *reference)
{
    NTSTATUS status;

    status = take(reference);
    if (NT_SUCCESS(status))
        return status;
    status = grow();
    return NT_SUCCESS(status) ? take(reference) : status;
}

/* With the lock. */
static VOID give_back(grant_ref_t reference)
{
    SHORT last;

    if (!is_set(grants.used, reference) || is_set(grants.lingering, reference))
        return;
    if (end(reference, &last)) {
        free_reference(reference);
        return;
    }
    set(grants.lingering, reference);
    grants.lingering_count++;
}

NTSTATUS grant_reserve(ULONG count, grant_ref_t *references)
{
    NTSTATUS status = STATUS_SUCCESS;
    ULONG taken;
    KIRQL before;

    before = high_lock(&grants.lock);
    reap();
    for (taken = 0; taken < count; taken++) {
        status = take_or_grow(&references[taken]);
        if (!NT_SUCCESS(status))
            break;
    }
    if (!NT_SUCCESS(status))
        while (taken > 0)
            give_back(references[--taken]);
    high_unlock(&grants.lock, before);
    return status;
}

VOID grant_release(ULONG count, const grant_ref_t *references)
{
    KIRQL before;
    ULONG i;

    before = high_lock(&grants.lock);
    for (i = 0; i < count; i++)
        if (references[i] < GRANT_REFERENCES)
            give_back(references[i]);
    high_unlock(&grants.lock, before);
}

static __inline VOID begin(grant_ref_t reference, domid_t domain, ULONG_PTR frame, ULONG flags)
{
    struct grant_entry_v1 *entry = &grants.entries[reference];

    entry->domid = domain;
    entry->frame = (ULONG)frame;
    KeMemoryBarrier();
    *(volatile USHORT *)&entry->flags = (USHORT)flags;
}

VOID grant_begin(grant_ref_t reference, domid_t domain, ULONG_PTR frame, BOOLEAN readonly)
{
    begin(reference, domain, frame, GTF_permit_access | (readonly ? GTF_readonly : 0));
}

/* An entry that grant_begin has written. */
BOOLEAN grant_end(grant_ref_t reference)
{
    volatile SHORT *flags = (volatile SHORT *)&grants.entries[reference].flags;
    SHORT seen;

    do {
        seen = *flags;
        if ((seen & (GTF_reading | GTF_writing)) != 0)
            return FALSE;
    } while (InterlockedCompareExchange16(flags, 0, seen) != seen);
    return TRUE;
}

VOID transfer_begin(grant_ref_t reference, domid_t domain, ULONG_PTR frame)
{
    begin(reference, domain, frame, GTF_accept_transfer);
}

enum xenpci_transfer transfer_end(grant_ref_t reference)
{
    SHORT last;

    if (!end(reference, &last))
        return XENPCI_TRANSFER_PENDING;
    return (last & GTF_type_mask) == GTF_accept_transfer && (last & GTF_transfer_completed) != 0
               ? XENPCI_TRANSFER_DONE : XENPCI_TRANSFER_NONE;
}

static ULONG ask_size(VOID)
{
    struct gnttab_query_size query;

    RtlZeroMemory(&query, sizeof(query));
    query.dom = DOMID_SELF;
    if (xen_grant_table_op(GNTTABOP_query_size, &query, 1) != 0 || query.status != GNTST_okay)
        return FRAMES_OF_XEN_3_1;
    return query.max_nr_frames;
}

static VOID take_away_frames(VOID)
{
    while (grants.frames > 0)
        xen_take_away(platform_frame(FIRST_PAGE + --grants.frames));
}

NTSTATUS grants_start(VOID)
{
    ULONG most = ask_size();
    NTSTATUS status;

    RtlZeroMemory(&grants, sizeof(grants));
    KeInitializeSpinLock(&grants.lock);
    if (platform.pages <= FIRST_PAGE)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    grants.most_frames = min(min(most, MAX_FRAMES), platform.pages - FIRST_PAGE);
    grants.entries =
        MmMapIoSpace(platform_address(FIRST_PAGE), (SIZE_T)grants.most_frames * XEN_PAGE_SIZE, MmCached);
    if (grants.entries == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = grow();
    if (!NT_SUCCESS(status)) {
        MmUnmapIoSpace(grants.entries, (SIZE_T)grants.most_frames * XEN_PAGE_SIZE);
        return status;
    }
    grants.hint = GNTTAB_NR_RESERVED_ENTRIES;
    grants.used[0] = (1 << GNTTAB_NR_RESERVED_ENTRIES) - 1;
    GPLPV_DEBUG(("grant table of up to %d frames\n", grants.most_frames));
    return STATUS_SUCCESS;
}

VOID grants_stop(VOID)
{
    reap();
    if (grants.lingering_count != 0)
        GPLPV_DEBUG(("%d grants are still in use elsewhere\n", grants.lingering_count));
    take_away_frames();
    MmUnmapIoSpace(grants.entries, (SIZE_T)grants.most_frames * XEN_PAGE_SIZE);
}

/* The new domain's table is empty, so that nothing lingers; whatever was reserved stays reserved. */
VOID grants_resume(VOID)
{
    ULONG frame;
    grant_ref_t reference;

    for (frame = 0; frame < grants.frames; frame++)
        if (!NT_SUCCESS(xen_place(XENMAPSPACE_grant_table, frame, platform_frame(FIRST_PAGE + frame))))
            GPLPV_DEBUG(("grant table frame %d is lost\n", frame));
    for (reference = 0; grants.lingering_count != 0; reference++) {
        if (!is_set(grants.lingering, reference))
            continue;
        clear(grants.lingering, reference);
        grants.lingering_count--;
        free_reference(reference);
    }
}
