/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The devices that the store names under device/<type>/<number>, each as a physical device object.  A watch on "device"
 * keeps the list true; Windows is told when it changes.
 */
#include "xenpci.h"
#include "pool.h"

#define LISTING_RETRY_100NS (-100 * 10 * 1000)
#define LISTING_TRIES 50

static struct {
    struct pnp_device *function;
    KMUTEX lock; /* for the list, and present and reported of what is in it */
    LIST_ENTRY devices;
    struct watch watch;
} bus;

static VOID lock_bus(VOID)
{
    KeWaitForSingleObject(&bus.lock, Executive, KernelMode, FALSE, NULL);
}

static VOID unlock_bus(VOID)
{
    KeReleaseMutex(&bus.lock, FALSE);
}

static struct pdo *find(PCSTR type, ULONG number)
{
    PLIST_ENTRY link;

    for (link = bus.devices.Flink; link != &bus.devices; link = link->Flink) {
        struct pdo *pdo = CONTAINING_RECORD(link, struct pdo, link);

        if (pdo->present && pdo->number == number && strcmp(pdo->type, type) == 0)
            return pdo;
    }
    return NULL;
}

/* As it is printed: "07" would be told from 7 here, and not by Windows. */
static BOOLEAN is_number(PCSTR text)
{
    ULONG digits = 0;

    while (text[digits] >= '0' && text[digits] <= '9')
        digits++;
    return digits > 0 && digits < 10 && text[digits] == 0 && (text[0] != '0' || digits == 1);
}

/* Every type that there is has a name of small letters and digits.  Windows takes large ones for small. */
static BOOLEAN is_type(PCSTR text)
{
    ULONG i;

    for (i = 0; (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '-'; i++)
        continue;
    return i > 0 && i < sizeof(((struct pdo *)0)->type) && text[i] == 0;
}

/* A device that is still being written, or taken away, has no back end. */
static BOOLEAN is_complete(PCSTR type, PCSTR number)
{
    CHAR path[XENPCI_PATH_SIZE], backend[XENPCI_PATH_SIZE];

    _snprintf(path, sizeof(path) - 1, "device/%s/%s/backend", type, number);
    path[sizeof(path) - 1] = 0;
    return NT_SUCCESS(store_read(0, path, backend, sizeof(backend)));
}

/*
 * What the store names now, as a list of "type/number", each terminated, an empty one at the end.  An error leaves the
 * list unknown: nobody is to conclude from it that a device has gone.
 */
struct listing {
    CHAR types[XENPCI_VALUE_SIZE];
    CHAR numbers[XENPCI_VALUE_SIZE];
    CHAR names[XENPCI_VALUE_SIZE];
    ULONG used;
};

static NTSTATUS list_device(struct listing *listing, PCSTR type, PCSTR number)
{
    ULONG size = (ULONG)(strlen(type) + 1 + strlen(number) + 1);

    if (!is_number(number) || !is_complete(type, number))
        return STATUS_SUCCESS;
    if (listing->used + size + 1 > sizeof(listing->names))
        return STATUS_BUFFER_OVERFLOW;
    _snprintf(listing->names + listing->used, size, "%s/%s", type, number);
    listing->used += size;
    return STATUS_SUCCESS;
}

static NTSTATUS list_type(struct listing *listing, PCSTR type)
{
    CHAR path[XENPCI_PATH_SIZE];
    NTSTATUS status;
    PCSTR number;

    if (!is_type(type) || !takeover_covers(type))
        return STATUS_SUCCESS;
    _snprintf(path, sizeof(path), "device/%s", type);
    status = store_directory(0, path, listing->numbers, sizeof(listing->numbers));
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        return STATUS_SUCCESS;
    for (number = listing->numbers; NT_SUCCESS(status) && *number != 0; number += strlen(number) + 1)
        status = list_device(listing, type, number);
    return status;
}

static NTSTATUS list_all(struct listing *listing)
{
    NTSTATUS status;
    PCSTR type;

    listing->used = 0;
    status = store_directory(0, "device", listing->types, sizeof(listing->types));
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        listing->types[0] = 0;
        status = STATUS_SUCCESS;
    }
    for (type = listing->types; NT_SUCCESS(status) && *type != 0; type += strlen(type) + 1)
        status = list_type(listing, type);
    listing->names[listing->used] = 0;
    return status;
}

static BOOLEAN is_listed(const struct listing *listing, const struct pdo *pdo)
{
    PCSTR name;

    for (name = listing->names; *name != 0; name += strlen(name) + 1)
        if (strcmp(name, pdo->frontend + sizeof("device/") - 1) == 0)
            return TRUE;
    return FALSE;
}

/* With the lock.  TRUE: a device has gone. */
static BOOLEAN drop_unlisted(const struct listing *listing)
{
    BOOLEAN changed = FALSE;
    PLIST_ENTRY link;

    for (link = bus.devices.Flink; link != &bus.devices; link = link->Flink) {
        struct pdo *pdo = CONTAINING_RECORD(link, struct pdo, link);

        if (!pdo->present || is_listed(listing, pdo))
            continue;
        GPLPV_DEBUG(("%s has gone\n", pdo->frontend));
        pdo->present = FALSE;
        changed = TRUE;
    }
    return changed;
}

/* With the lock.  TRUE: there is a new device. */
static BOOLEAN add_listed(PCSTR name)
{
    PCSTR slash = strchr(name, '/');
    CHAR type[sizeof(((struct pdo *)0)->type)];
    ULONG number = (ULONG)atol(slash + 1);
    struct pdo *pdo;
    NTSTATUS status;

    RtlZeroMemory(type, sizeof(type));
    RtlCopyMemory(type, name, slash - name);
    if (find(type, number) != NULL)
        return FALSE;
    status = pdo_create(bus.function->object->DriverObject, type, number, &pdo);
    if (!NT_SUCCESS(status)) {
        GPLPV_DEBUG(("%s cannot be added: %08x\n", name, status));
        return FALSE;
    }
    InsertTailList(&bus.devices, &pdo->link);
    GPLPV_DEBUG(("%s is there\n", pdo->frontend));
    return TRUE;
}

static BOOLEAN compare(const struct listing *listing)
{
    BOOLEAN changed;
    PCSTR name;

    lock_bus();
    changed = drop_unlisted(listing);
    for (name = listing->names; *name != 0; name += strlen(name) + 1)
        if (add_listed(name))
            changed = TRUE;
    unlock_bus();
    return changed;
}

/* Xenstore does not tell a second time, so memory is waited for. */
static struct listing *allocate_listing(VOID)
{
    struct listing *listing;
    LARGE_INTEGER delay;
    ULONG tries;

    delay.QuadPart = LISTING_RETRY_100NS;
    for (tries = 0; tries < LISTING_TRIES; tries++) {
        listing = ExAllocatePoolWithTag(PagedPool, sizeof(*listing), GPLPV_POOL_TAG);
        if (listing != NULL)
            return listing;
        KeDelayExecutionThread(KernelMode, FALSE, &delay);
    }
    return NULL;
}

/* TRUE: the list is another one now. */
static BOOLEAN scan(VOID)
{
    struct listing *listing = allocate_listing();
    BOOLEAN changed = FALSE;
    NTSTATUS status;

    if (listing == NULL)
        return FALSE;
    status = list_all(listing);
    if (NT_SUCCESS(status))
        changed = compare(listing);
    else
        GPLPV_DEBUG(("the devices cannot be listed: %08x\n", status));
    ExFreePool(listing);
    return changed;
}

static VOID devices_changed(PVOID argument)
{
    UNREFERENCED_PARAMETER(argument);
    if (scan())
        IoInvalidateDeviceRelations(bus.function->physical, BusRelations);
}

VOID bus_rescan(VOID)
{
    worker_queue(&bus.watch.item);
}

static ULONG count_present(VOID)
{
    ULONG count = 0;
    PLIST_ENTRY link;

    for (link = bus.devices.Flink; link != &bus.devices; link = link->Flink)
        if (CONTAINING_RECORD(link, struct pdo, link)->present)
            count++;
    return count;
}

static VOID report(PDEVICE_RELATIONS relations)
{
    PLIST_ENTRY link;

    relations->Count = 0;
    for (link = bus.devices.Flink; link != &bus.devices; link = link->Flink) {
        struct pdo *pdo = CONTAINING_RECORD(link, struct pdo, link);

        pdo->reported = pdo->present;
        if (!pdo->present)
            continue;
        ObReferenceObject(pdo->device.object);
        relations->Objects[relations->Count++] = pdo->device.object;
    }
}

NTSTATUS bus_relations(PDEVICE_RELATIONS *relations)
{
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;

    lock_bus();
    *relations = ExAllocatePoolWithTag(PagedPool, FIELD_OFFSET(DEVICE_RELATIONS, Objects) +
                                                      (count_present() + 1) * sizeof(PDEVICE_OBJECT),
                                       GPLPV_POOL_TAG);
    if (*relations != NULL) {
        report(*relations);
        status = STATUS_SUCCESS;
    }
    unlock_bus();
    if (!NT_SUCCESS(status))
        IoInvalidateDeviceRelations(bus.function->physical, BusRelations);
    return status;
}

VOID bus_forget(struct pdo *pdo)
{
    lock_bus();
    RemoveEntryList(&pdo->link);
    InitializeListHead(&pdo->link);
    unlock_bus();
}

/* Windows has no more to do with a device that was never reported, or is removed and could be started again. */
static BOOLEAN is_ours_alone(const struct pdo *pdo)
{
    return pdo->device.state == PNP_NOT_STARTED;
}

/* A device that Windows still knows, since ours was torn out from under it, goes when it is removed. */
static VOID let_go(struct pdo *pdo)
{
    RemoveEntryList(&pdo->link);
    InitializeListHead(&pdo->link);
    child_close(pdo);
    pdo->present = FALSE;
    pdo->reported = FALSE;
    if (is_ours_alone(pdo))
        pdo_delete(pdo);
}

static VOID let_all_go(VOID)
{
    lock_bus();
    while (!IsListEmpty(&bus.devices))
        let_go(CONTAINING_RECORD(bus.devices.Flink, struct pdo, link));
    unlock_bus();
}

NTSTATUS bus_start(struct pnp_device *function)
{
    NTSTATUS status;

    bus.function = function;
    KeInitializeMutex(&bus.lock, 0);
    InitializeListHead(&bus.devices);
    scan();
    bus.watch.event = NULL;
    worker_item_init(&bus.watch.item, devices_changed, NULL);
    status = watch_set(&bus.watch, "device");
    if (!NT_SUCCESS(status))
        let_all_go();
    return status;
}

VOID bus_stop(VOID)
{
    watch_end(&bus.watch);
    let_all_go();
}

VOID bus_suspend(VOID)
{
    PLIST_ENTRY link;

    lock_bus();
    for (link = bus.devices.Flink; link != &bus.devices; link = link->Flink)
        child_suspend(CONTAINING_RECORD(link, struct pdo, link));
}

VOID bus_resume(BOOLEAN lost)
{
    PLIST_ENTRY link;

    for (link = bus.devices.Flink; link != &bus.devices; link = link->Flink)
        child_resume(CONTAINING_RECORD(link, struct pdo, link), lost);
    unlock_bus();
}
