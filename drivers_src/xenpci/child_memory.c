/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device's grants and the pages that are granted for as long as they exist.
 */
#include "xenpci.h"
#include "pool.h"

struct pages {
    LIST_ENTRY link; /* in the device's list, under holdings, or in that of lingering ones */
    PUCHAR memory;
    ULONG count;
    grant_ref_t references[1]; /* one for each page */
};

/* Pages that no one here needs and a back end still has mapped. */
static struct {
    KSPIN_LOCK lock; /* DISPATCH_LEVEL */
    LIST_ENTRY list;
} lingering;

VOID pages_init(VOID)
{
    KeInitializeSpinLock(&lingering.lock);
    InitializeListHead(&lingering.list);
}

static VOID mark(struct pdo *pdo, grant_ref_t reference, BOOLEAN reserved)
{
    volatile LONG *word = (volatile LONG *)&pdo->references[reference / 32];
    LONG bit = (LONG)1 << reference % 32;

    if (reserved)
        InterlockedOr(word, bit);
    else
        InterlockedAnd(word, ~bit);
}

NTSTATUS NTAPI child_reserve(PVOID context, ULONG count, grant_ref_t *references)
{
    struct pdo *pdo = context;
    NTSTATUS status;
    ULONG i;

    if (!pdo->open)
        return STATUS_NO_SUCH_DEVICE;
    status = grant_reserve(count, references);
    for (i = 0; i < count && NT_SUCCESS(status); i++)
        mark(pdo, references[i], TRUE);
    return status;
}

VOID NTAPI child_release(PVOID context, ULONG count, const grant_ref_t *references)
{
    struct pdo *pdo = context;
    ULONG i;

    if (!pdo->open)
        return;
    for (i = 0; i < count; i++)
        if (references[i] < GRANT_REFERENCES)
            mark(pdo, references[i], FALSE);
    grant_release(count, references);
}

VOID NTAPI child_grant(PVOID context, grant_ref_t reference, ULONG_PTR frame, BOOLEAN readonly)
{
    struct pdo *pdo = context;

    if (pdo->open && reference < GRANT_REFERENCES)
        grant_begin(reference, pdo->backend_domain, frame, readonly);
}

BOOLEAN NTAPI child_end_grant(PVOID context, grant_ref_t reference)
{
    struct pdo *pdo = context;

    return !pdo->open || reference >= GRANT_REFERENCES || grant_end(reference);
}

ULONG NTAPI child_give(PVOID context, ULONG count, const ULONG_PTR *frames)
{
    struct pdo *pdo = context;

    return pdo->open ? xen_give(count, frames) : 0;
}

/* A driver may have holes to fill after its device has gone. */
ULONG NTAPI child_take(PVOID context, ULONG count, const ULONG_PTR *frames)
{
    UNREFERENCED_PARAMETER(context);
    return xen_take(count, frames);
}

VOID NTAPI child_accept(PVOID context, grant_ref_t reference, ULONG_PTR frame)
{
    struct pdo *pdo = context;

    if (pdo->open && reference < GRANT_REFERENCES)
        transfer_begin(reference, pdo->backend_domain, frame);
}

/* With the device its references have gone, and what came by them nobody can tell. */
enum xenpci_transfer NTAPI child_end_transfer(PVOID context, grant_ref_t reference)
{
    struct pdo *pdo = context;

    return pdo->open && reference < GRANT_REFERENCES ? transfer_end(reference) : XENPCI_TRANSFER_PENDING;
}

static VOID grant_all(struct pdo *pdo, struct pages *pages)
{
    ULONG i;

    for (i = 0; i < pages->count; i++) {
        PHYSICAL_ADDRESS address = MmGetPhysicalAddress(pages->memory + i * PAGE_SIZE);

        grant_begin(pages->references[i], pdo->backend_domain, (ULONG_PTR)(address.QuadPart >> PAGE_SHIFT), FALSE);
    }
}

static NTSTATUS fill(struct pages *pages, ULONG count)
{
    PHYSICAL_ADDRESS highest;
    NTSTATUS status;

    highest.QuadPart = -1;
    pages->count = count;
    pages->memory = MmAllocateContiguousMemory((SIZE_T)count * PAGE_SIZE, highest);
    if (pages->memory == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(pages->memory, (SIZE_T)count * PAGE_SIZE);
    status = grant_reserve(count, pages->references);
    if (!NT_SUCCESS(status))
        MmFreeContiguousMemory(pages->memory);
    return status;
}

NTSTATUS NTAPI child_pages_allocate(PVOID context, ULONG count, PVOID *memory, grant_ref_t *references)
{
    struct pdo *pdo = context;
    struct pages *pages;
    NTSTATUS status;

    if (!pdo->open)
        return STATUS_NO_SUCH_DEVICE;
    pages = ExAllocatePoolWithTag(NonPagedPool, FIELD_OFFSET(struct pages, references) + count * sizeof(grant_ref_t),
                                  GPLPV_POOL_TAG);
    if (pages == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = fill(pages, count);
    if (!NT_SUCCESS(status)) {
        ExFreePool(pages);
        return status;
    }
    grant_all(pdo, pages);
    KeWaitForSingleObject(&pdo->holdings, Executive, KernelMode, FALSE, NULL);
    InsertTailList(&pdo->pages, &pages->link);
    KeReleaseMutex(&pdo->holdings, FALSE);
    *memory = pages->memory;
    RtlCopyMemory(references, pages->references, count * sizeof(*references));
    return STATUS_SUCCESS;
}

static BOOLEAN end_all(struct pages *pages)
{
    BOOLEAN ended = TRUE;
    ULONG i;

    for (i = 0; i < pages->count; i++)
        if (!grant_end(pages->references[i]))
            ended = FALSE;
    return ended;
}

static VOID destroy(struct pages *pages)
{
    grant_release(pages->count, pages->references);
    MmFreeContiguousMemory(pages->memory);
    ExFreePool(pages);
}

/* One that can be freed now, taken from the list. */
static struct pages *take_ended(VOID)
{
    struct pages *found = NULL;
    PLIST_ENTRY link;
    KIRQL before;

    KeAcquireSpinLock(&lingering.lock, &before);
    for (link = lingering.list.Flink; link != &lingering.list && found == NULL; link = link->Flink) {
        struct pages *pages = CONTAINING_RECORD(link, struct pages, link);

        if (end_all(pages))
            found = pages;
    }
    if (found != NULL)
        RemoveEntryList(&found->link);
    KeReleaseSpinLock(&lingering.lock, before);
    return found;
}

VOID pages_reap(VOID)
{
    struct pages *pages = take_ended();

    for (; pages != NULL; pages = take_ended())
        destroy(pages);
}

/* Off the device's list already. */
static VOID let_go(struct pages *pages)
{
    KIRQL before;

    KeAcquireSpinLock(&lingering.lock, &before);
    InsertTailList(&lingering.list, &pages->link);
    KeReleaseSpinLock(&lingering.lock, before);
    pages_reap();
}

/* With memory NULL: any. */
static struct pages *take(struct pdo *pdo, PVOID memory)
{
    struct pages *found = NULL;
    PLIST_ENTRY link;

    KeWaitForSingleObject(&pdo->holdings, Executive, KernelMode, FALSE, NULL);
    for (link = pdo->pages.Flink; link != &pdo->pages && found == NULL; link = link->Flink) {
        struct pages *pages = CONTAINING_RECORD(link, struct pages, link);

        if (memory == NULL || pages->memory == memory)
            found = pages;
    }
    if (found != NULL)
        RemoveEntryList(&found->link);
    KeReleaseMutex(&pdo->holdings, FALSE);
    return found;
}

VOID NTAPI child_pages_free(PVOID context, PVOID memory)
{
    struct pages *pages = take(context, memory);

    if (pages != NULL)
        let_go(pages);
}

VOID child_grant_pages(struct pdo *pdo)
{
    PLIST_ENTRY link;

    KeWaitForSingleObject(&pdo->holdings, Executive, KernelMode, FALSE, NULL);
    for (link = pdo->pages.Flink; link != &pdo->pages; link = link->Flink)
        grant_all(pdo, CONTAINING_RECORD(link, struct pages, link));
    KeReleaseMutex(&pdo->holdings, FALSE);
}

VOID child_free_memory(struct pdo *pdo)
{
    struct pages *pages = take(pdo, NULL);
    grant_ref_t reference;

    for (; pages != NULL; pages = take(pdo, NULL))
        let_go(pages);
    for (reference = 0; reference < GRANT_REFERENCES; reference++)
        if ((pdo->references[reference / 32] >> reference % 32 & 1) != 0)
            grant_release(1, &reference);
}
