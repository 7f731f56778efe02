/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is hidden.  Disks stay hidden only if xenpci says, before Windows has started its boot drivers, that the PV
 * disks work; otherwise they are shown then, and for good: a disk that Windows has met stays.
 */
#include "xenhide.h"

static struct {
    KMUTEX lock;        /* for what follows */
    ULONG classes;      /* HIDE_: hidden, or to be as soon as there is a bus */
    ULONG committed;    /* those whose PV devices are in use, hidden or unplugged */
    BOOLEAN heard;      /* from xenpci */
    PDEVICE_OBJECT bus; /* where it is done; referenced.  NULL: Windows may have met everything */
    PCALLBACK_OBJECT callback;
    PVOID registration;
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

BOOLEAN hidden_begin(PDEVICE_OBJECT bus)
{
    BOOLEAN first;

    lock();
    first = hidden.bus == NULL && hidden.classes != 0;
    if (first) {
        ObReferenceObject(bus);
        hidden.bus = bus;
    }
    unlock();
    return first;
}

VOID hidden_end(PDEVICE_OBJECT bus)
{
    lock();
    hidden.classes = 0;
    hidden.committed = 0;
    hidden.bus = NULL;
    unlock();
    ObDereferenceObject(bus);
}

static VOID look_again(VOID)
{
    lock();
    if (hidden.bus != NULL)
        IoInvalidateDeviceRelations(hidden.bus, BusRelations);
    unlock();
}

/* xenpci's PV devices of these classes have to go.  Without the lock, since xenpci may have one of its own. */
static VOID tell_shown(ULONG classes)
{
    struct hide_message message;

    message.size = sizeof(message);
    message.request = HIDE_SHOWN;
    message.classes = classes;
    message.hidden = 0;
    ExNotifyCallback(hidden.callback, &message, NULL);
}

static VOID show(ULONG classes)
{
    ULONG shown;

    lock();
    shown = (hidden.classes | hidden.committed) & classes;
    hidden.classes &= ~shown;
    hidden.committed &= ~shown;
    unlock();
    if (shown == 0)
        return;
    GPLPV_DEBUG(("shows %x\n", shown));
    tell_shown(shown);
    look_again();
}

VOID hidden_give_up(ULONG classes)
{
    show(classes & ~hidden.committed);
}

/* A driver that was loaded after Windows had met the bus has nothing hidden, and never will have. */
static ULONG ask(VOID)
{
    ULONG classes;

    lock();
    if (hidden.bus == NULL)
        hidden.classes = 0;
    classes = hidden.classes | hidden.committed;
    unlock();
    return classes;
}

static ULONG commit(ULONG classes)
{
    ULONG granted = ask() & classes;

    lock();
    granted &= hidden.classes | hidden.committed;
    hidden.committed |= granted;
    unlock();
    return granted;
}

static VOID set_hidden(ULONG classes, BOOLEAN now)
{
    lock();
    classes &= hidden.committed;
    if (now)
        hidden.classes |= classes;
    else
        hidden.classes &= ~classes;
    unlock();
    look_again();
}

static VOID answer(struct hide_message *message)
{
    switch (message->request) {
    case HIDE_ASK:
        message->hidden = ask();
        break;
    case HIDE_COMMIT:
        message->hidden = commit(message->classes);
        break;
    case HIDE_UNPLUGGED:
    case HIDE_AGAIN:
        set_hidden(message->classes, message->request == HIDE_AGAIN);
        break;
    case HIDE_SHOW:
        show(message->classes);
        break;
    default:
        break;
    }
}

/* PASSIVE_LEVEL, from xenpci, and from tell_shown. */
static VOID NTAPI listen(PVOID context, PVOID argument, PVOID unused)
{
    struct hide_message *message = argument;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(unused);
    if (message == NULL || message->size < sizeof(*message) || message->request == HIDE_SHOWN)
        return;
    hidden.heard = TRUE;
    answer(message);
}

/*
 * Windows has started all boot drivers there are, and is about to look for its disk.  Networks come up later than this,
 * and a machine can be mended without.
 */
static VOID NTAPI last_look(PDRIVER_OBJECT driver, PVOID context, ULONG count)
{
    UNREFERENCED_PARAMETER(driver);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(count);
    hidden_give_up(hidden.heard ? HIDE_DISKS : HIDE_DISKS | HIDE_NETWORKS);
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
        IoRegisterBootDriverReinitialization(driver, last_look, NULL);
    return STATUS_SUCCESS;
}

VOID hidden_stop(VOID)
{
    if (hidden.registration == NULL)
        return;
    ExUnregisterCallback(hidden.registration);
    ObDereferenceObject(hidden.callback);
}
