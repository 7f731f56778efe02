/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is hidden: chosen once before the PCI bus is first looked at.  Disks stay hidden only if xenpci says, before
 * Windows has started its boot drivers, that a PV disk works; otherwise they are shown again then.  Showing is for good:
 * a disk that Windows has met stays.
 */
#include "xenhide.h"

#define BUSES_MAX 8

static struct {
    KMUTEX lock;     /* for the classes */
    ULONG classes;   /* HIDE_ */
    ULONG committed; /* of these, what only xenpci may have shown */
    BOOLEAN heard;   /* from xenpci */
    PCALLBACK_OBJECT callback;
    PVOID registration;
    ULONG bus_count;
    PDEVICE_OBJECT buses[BUSES_MAX]; /* referenced */
} hidden;

static VOID lock(VOID)
{
    KeWaitForSingleObject(&hidden.lock, Executive, KernelMode, FALSE, NULL);
}

static VOID unlock(VOID)
{
    KeReleaseMutex(&hidden.lock, FALSE);
}

ULONG hidden_classes(VOID)
{
    return hidden.classes;
}

static ULONG commit(ULONG classes)
{
    ULONG granted;

    lock();
    granted = hidden.classes & classes;
    hidden.committed |= granted;
    unlock();
    return granted;
}

static VOID show(ULONG classes)
{
    ULONG shown, i;

    lock();
    shown = hidden.classes & classes;
    hidden.classes &= ~classes;
    unlock();
    if (shown == 0)
        return;
    GPLPV_DEBUG(("shows %x\n", shown));
    for (i = 0; i < hidden.bus_count; i++)
        IoInvalidateDeviceRelations(hidden.buses[i], BusRelations);
}

/* Networks come up later than this, and a machine can be mended without. */
static VOID show_missed(VOID)
{
    lock();
    show((hidden.heard ? HIDE_DISKS : HIDE_DISKS | HIDE_NETWORKS) & ~hidden.committed);
    unlock();
}

/* PASSIVE_LEVEL, from xenpci. */
static VOID NTAPI listen(PVOID context, PVOID argument, PVOID unused)
{
    struct hide_message *message = argument;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(unused);
    if (message == NULL || message->size < sizeof(*message))
        return;
    hidden.heard = TRUE;
    if (message->request == HIDE_SHOW)
        show(message->classes);
    message->hidden = message->request == HIDE_COMMIT ? commit(message->classes) : hidden_classes();
}

/* Windows has started all boot drivers there are, and is about to look for its disk. */
static VOID NTAPI last_look(PDRIVER_OBJECT driver, PVOID context, ULONG count)
{
    UNREFERENCED_PARAMETER(driver);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(count);
    show_missed();
}

/* Windows 2000 has only the routine that calls back some time later. */
static VOID ask_for_last_look(PDRIVER_OBJECT driver)
{
    VOID(NTAPI *ask)(PDRIVER_OBJECT, PDRIVER_REINITIALIZE, PVOID);
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, L"IoRegisterBootDriverReinitialization");
    *(PVOID *)&ask = MmGetSystemRoutineAddress(&name);
    if (ask == NULL)
        ask = IoRegisterDriverReinitialization;
    ask(driver, last_look, NULL);
}

NTSTATUS hidden_start(PDRIVER_OBJECT driver)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    NTSTATUS status;

    KeInitializeMutex(&hidden.lock, 0);
    RtlInitUnicodeString(&name, HIDE_CALLBACK_NAME);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ExCreateCallback(&hidden.callback, &attributes, TRUE, TRUE);
    if (!NT_SUCCESS(status))
        return status;
    hidden.registration = ExRegisterCallback(hidden.callback, listen, NULL);
    if (hidden.registration == NULL) {
        ObDereferenceObject(hidden.callback);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    hidden.classes = choose_hidden();
    if (hidden.classes != 0)
        ask_for_last_look(driver);
    return STATUS_SUCCESS;
}

VOID hidden_stop(VOID)
{
    if (hidden.registration == NULL)
        return;
    ExUnregisterCallback(hidden.registration);
    ObDereferenceObject(hidden.callback);
    while (hidden.bus_count > 0)
        ObDereferenceObject(hidden.buses[--hidden.bus_count]);
}

VOID hidden_add_bus(PDEVICE_OBJECT physical)
{
    if (hidden.bus_count == BUSES_MAX)
        return;
    ObReferenceObject(physical);
    hidden.buses[hidden.bus_count++] = physical;
}
