/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which emulated devices the PV ones stand in for.
 *
 * xenhide has kept emulated disks and networks from Windows since the PCI bus was first looked at; only those have a
 * PV device here, for a disk that is seen twice is lost.  When a network connects, or when every disk does that has an
 * emulated twin, this is made final: xenhide agrees, and the device model is told to unplug the emulated ones, which
 * cannot be undone before the next reset.  Until then, whatever goes wrong, xenhide shows the emulated devices again,
 * and the PV ones of that class go.  For disks, that ends when Windows has started its boot drivers (xenhide knows
 * when), for networks after a while.
 */
#include "xenpci.h"
#include "hide.h"
#include "gplpv_version.h"
#include "pool.h"
#include "xen/unplug.h"
#include <intrin.h>

#define BUILD_NUMBER \
    ((ULONG)(GPLPV_VERSION_MAJOR << 24 | GPLPV_VERSION_MINOR << 16 | GPLPV_VERSION_PATCH << 8 | GPLPV_VERSION_BUILD))

#define NETWORK_TIMEOUT_S 120 /* from our start; a network that connects later than that is too late */
#define PLACES 4              /* emulated hard disks and CD drives, at most */
#define FIRST_PLACE 1         /* the bit of the one that Windows is booted from */

struct class {
    PCSTR type;
    PCSTR directory;
    LONG hidden; /* HIDE_ */
    UCHAR mask;
};

static const struct class classes[] = {
    {"vbd", "device/vbd", HIDE_DISKS, XEN_UNPLUG_ALL_DISKS},
    {"vif", "device/vif", HIDE_NETWORKS, XEN_UNPLUG_ALL_NICS},
};

static struct {
    volatile LONG covered; /* HIDE_: classes whose PV devices are used */
    LONG committed;        /* of these, for good */
    LONG needed;           /* places of emulated disks, a bit each, whose PV twins must work */
    volatile LONG working; /* those whose do */
    BOOLEAN offered;       /* the device model can unplug */
    UCHAR unplugged;       /* XEN_UNPLUG_ */
    PCALLBACK_OBJECT line; /* to xenhide; NULL: there is nothing to be said, or no way to */
    PVOID registration;    /* for what xenhide says */
    struct worker_item hide_again;
    struct worker_item give_up;
    KTIMER timer; /* for give_up */
    KDPC dpc;
} takeover;

static const struct class *class_of(PCSTR type)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(classes); i++)
        if (strcmp(classes[i].type, type) == 0)
            return &classes[i];
    return NULL;
}

static BOOLEAN open_line(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;

    if (takeover.line != NULL)
        return TRUE;
    RtlInitUnicodeString(&name, HIDE_CALLBACK_NAME);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
    return NT_SUCCESS(ExCreateCallback(&takeover.line, &attributes, TRUE, TRUE));
}

static VOID close_line(VOID)
{
    if (takeover.line == NULL)
        return;
    ObDereferenceObject(takeover.line);
    takeover.line = NULL;
}

/* Without xenhide, nothing is hidden.  With the line open. */
static LONG talk_to_xenhide(enum hide_request request, LONG which)
{
    struct hide_message message;

    message.size = sizeof(message);
    message.request = request;
    message.classes = which;
    message.hidden = 0;
    ExNotifyCallback(takeover.line, &message, NULL);
    return (LONG)message.hidden;
}

/* Any IRQL.  FALSE: the device model cannot unplug. */
static BOOLEAN introduce_ourselves(VOID)
{
    if (__inword(XEN_UNPLUG_MAGIC_PORT) != XEN_UNPLUG_MAGIC)
        return FALSE;
    if (__inbyte(XEN_UNPLUG_VERSION_PORT) == 0)
        return TRUE;
    __outword(XEN_UNPLUG_PRODUCT_PORT, XEN_UNPLUG_PRODUCT_GPLPV);
    __outdword(XEN_UNPLUG_BUILD_PORT, BUILD_NUMBER);
    return TRUE;
}

/* Any IRQL, after introduce_ourselves: the device model knows of a reason why this driver must not make it unplug. */
static BOOLEAN is_blacklisted(VOID)
{
    return __inword(XEN_UNPLUG_MAGIC_PORT) != XEN_UNPLUG_MAGIC;
}

/*
 * The bit of the place at which the device model emulates a disk of this number too, or 0 (xen-vbd-interface: a device
 * number is major << 8 | minor; hda to hdd have majors 3 and 22 and 64 minors each, xvda and its like major 202 and
 * 16).
 */
static LONG place_of(ULONG number)
{
    ULONG major = number >> 8, minor = number & 0xff, place = PLACES;

    if (major == 3 && minor % 64 == 0)
        place = minor / 64;
    else if (major == 22 && minor % 64 == 0)
        place = 2 + minor / 64;
    else if (major == 202 && minor % 16 == 0)
        place = minor / 16;
    return place < PLACES ? 1 << place : 0;
}

/* A disk of which nothing is known may be one, but is none to build on.  CD drives are not unplugged. */
static VOID count_disk(PCSTR number, PLONG certain, PLONG possible)
{
    CHAR path[XENPCI_PATH_SIZE], kind[16];
    LONG place = place_of((ULONG)atol(number));

    _snprintf(path, sizeof(path) - 1, "device/vbd/%s/device-type", number);
    path[sizeof(path) - 1] = 0;
    if (!NT_SUCCESS(store_read(0, path, kind, sizeof(kind))))
        *possible |= place;
    else if (strcmp(kind, "cdrom") != 0)
        *certain |= place;
}

/* Without a PV disk in the first place the disk that Windows boots from is an emulated one, if others are PV or not. */
static LONG disks_to_cover(PSTR names)
{
    LONG certain = 0, possible = 0;
    PCSTR name;

    for (name = names; *name != 0; name += strlen(name) + 1)
        count_disk(name, &certain, &possible);
    takeover.needed = certain | possible;
    return (certain & FIRST_PLACE) != 0 ? HIDE_DISKS : 0;
}

/* The store's names for the devices of the class, of which there may be none. */
static BOOLEAN list(const struct class *class, PSTR names)
{
    return NT_SUCCESS(store_directory(0, class->directory, names, XENPCI_VALUE_SIZE)) && *names != 0;
}

static LONG classes_with_devices(VOID)
{
    PSTR names = ExAllocatePoolWithTag(PagedPool, XENPCI_VALUE_SIZE, GPLPV_POOL_TAG);
    LONG found = 0;
    ULONG i;

    if (names == NULL)
        return 0;
    for (i = 0; i < RTL_NUMBER_OF(classes); i++)
        if (list(&classes[i], names))
            found |= classes[i].hidden == HIDE_DISKS ? disks_to_cover(names) : classes[i].hidden;
    ExFreePool(names);
    return found;
}

/* PV devices of these classes, unless committed, are used no more: Windows has the emulated ones. */
static VOID withdraw(LONG which)
{
    LONG lost = takeover.covered & which & ~takeover.committed;

    if (lost == 0)
        return;
    GPLPV_DEBUG(("emulated devices %x are used\n", (unsigned int)lost));
    InterlockedAnd(&takeover.covered, ~lost);
    bus_rescan();
}

/* Where xenhide cannot be told, it hears nothing, and shows everything by itself. */
VOID takeover_refuse(VOID)
{
    takeover.covered = 0;
    if (open_line())
        talk_to_xenhide(HIDE_SHOW, HIDE_DISKS | HIDE_NETWORKS);
    close_line();
}

VOID takeover_decide(VOID)
{
    LONG hidden;

    takeover.covered = 0;
    takeover.committed = 0;
    takeover.needed = 0;
    takeover.working = 0;
    takeover.offered = introduce_ourselves();
    if (takeover.offered && is_blacklisted()) {
        GPLPV_DEBUG(("blacklisted: the emulated devices stay\n"));
        takeover_refuse();
        return;
    }
    if (!open_line())
        return;
    hidden = talk_to_xenhide(HIDE_ASK, 0);
    takeover.covered = hidden & classes_with_devices();
    GPLPV_DEBUG(("hidden %x, PV %x\n", (unsigned int)hidden, (unsigned int)takeover.covered));
    if ((hidden & ~takeover.covered) != 0)
        talk_to_xenhide(HIDE_SHOW, hidden & ~takeover.covered);
}

/* PASSIVE_LEVEL, from xenhide and from talk_to_xenhide. */
static VOID NTAPI listen(PVOID context, PVOID argument, PVOID unused)
{
    const struct hide_message *message = argument;

    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(unused);
    if (message != NULL && message->size >= sizeof(*message) && message->request == HIDE_SHOWN)
        withdraw((LONG)message->classes);
}

/* Emulated disks have come back below PV ones in use.  Their controller goes from Windows, and CD drives along. */
static VOID hide_again(PVOID argument)
{
    UNREFERENCED_PARAMETER(argument);
    talk_to_xenhide(HIDE_AGAIN, takeover.committed);
    takeover.unplugged = 0;
}

/* A network that has not connected by now: nobody knows when it will. */
static VOID give_up_networks(PVOID argument)
{
    UNREFERENCED_PARAMETER(argument);
    if ((takeover.covered & ~takeover.committed & HIDE_NETWORKS) != 0)
        talk_to_xenhide(HIDE_SHOW, HIDE_NETWORKS);
}

/* DISPATCH_LEVEL. */
static VOID NTAPI timed_out(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    worker_queue(&takeover.give_up);
}

static VOID set_timer(VOID)
{
    LARGE_INTEGER due;

    due.QuadPart = (LONGLONG)NETWORK_TIMEOUT_S * -10 * 1000 * 1000;
    KeInitializeDpc(&takeover.dpc, timed_out, NULL);
    KeInitializeTimer(&takeover.timer);
    KeSetTimer(&takeover.timer, due, &takeover.dpc);
}

static VOID cancel_timer(VOID)
{
    KeCancelTimer(&takeover.timer);
    KeRemoveQueueDpc(&takeover.dpc);
}

/* What xenhide has shown since it was asked, or will show unheard, has no PV devices. */
VOID takeover_start(VOID)
{
    worker_item_init(&takeover.hide_again, hide_again, NULL);
    worker_item_init(&takeover.give_up, give_up_networks, NULL);
    if (takeover.line == NULL)
        return;
    takeover.registration = ExRegisterCallback(takeover.line, listen, NULL);
    if (takeover.registration == NULL)
        talk_to_xenhide(HIDE_SHOW, HIDE_DISKS | HIDE_NETWORKS);
    withdraw(~talk_to_xenhide(HIDE_ASK, 0));
    set_timer();
}

/* What is unplugged stays so until the next reset: there is nothing else to be shown. */
VOID takeover_stop(VOID)
{
    if (takeover.line == NULL)
        return;
    cancel_timer();
    if (takeover.registration != NULL)
        ExUnregisterCallback(takeover.registration);
    worker_cancel(&takeover.hide_again);
    worker_cancel(&takeover.give_up);
    takeover.covered = 0;
    talk_to_xenhide(HIDE_SHOW, (HIDE_DISKS | HIDE_NETWORKS) & ~takeover.unplugged);
    close_line();
}

/* Any IRQL. */
static VOID unplug(UCHAR mask)
{
    __outword(XEN_UNPLUG_MASK_PORT, mask);
}

/*
 * Where the disks are unplugged their controller may be seen: only the CD drives, which are not unplugged, are left on
 * it.  Where they cannot be, it stays hidden with them.
 */
static VOID finish(const struct class *class)
{
    takeover.committed |= class->hidden;
    if (!takeover.offered)
        return;
    takeover.unplugged |= class->mask;
    unplug(class->mask);
    talk_to_xenhide(HIDE_UNPLUGGED, class->hidden);
}

static BOOLEAN all_disks_work(ULONG number)
{
    InterlockedOr(&takeover.working, place_of(number));
    return (takeover.needed & ~takeover.working) == 0;
}

NTSTATUS takeover_commit(PCSTR type, ULONG number)
{
    const struct class *class = class_of(type);

    if (class == NULL || (takeover.committed & class->hidden) != 0)
        return STATUS_SUCCESS;
    if ((takeover.covered & class->hidden) == 0)
        return STATUS_DEVICE_NOT_CONNECTED;
    if (class->hidden == HIDE_DISKS && !all_disks_work(number))
        return STATUS_SUCCESS;
    if (talk_to_xenhide(HIDE_COMMIT, class->hidden) == 0) {
        withdraw(class->hidden);
        return STATUS_DEVICE_NOT_CONNECTED;
    }
    GPLPV_DEBUG(("takes over from emulated devices %x\n", (unsigned int)class->hidden));
    finish(class);
    return STATUS_SUCCESS;
}

VOID takeover_failed(PCSTR type, ULONG number)
{
    const struct class *class = class_of(type);

    if (class == NULL || ((takeover.covered & ~takeover.committed) & class->hidden) == 0)
        return;
    if (class->hidden != HIDE_DISKS || (takeover.needed & place_of(number)) != 0)
        talk_to_xenhide(HIDE_SHOW, class->hidden);
}

VOID unplug_again(VOID)
{
    if (takeover.unplugged == 0)
        return;
    if (introduce_ourselves() && !is_blacklisted())
        unplug(takeover.unplugged);
    else
        worker_queue(&takeover.hide_again);
}

BOOLEAN takeover_covers(PCSTR type)
{
    const struct class *class = class_of(type);

    return class == NULL || (takeover.covered & class->hidden) != 0;
}

UCHAR unplugged_classes(VOID)
{
    return takeover.unplugged;
}
