/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which emulated devices the PV ones stand in for.
 *
 * xenhide has kept emulated disks and networks from Windows since the PCI bus was first looked at; only those have a PV
 * device here, for a disk that is seen twice is lost.  The first PV device of a class that is connected makes it final:
 * xenhide agrees, and the device model is told to unplug the emulated ones, which cannot be undone.  Until then,
 * whatever goes wrong, xenhide shows the emulated devices again, and the PV ones of that class go.
 */
#include "xenpci.h"
#include "hide.h"
#include "gplpv_version.h"
#include "pool.h"
#include "xen/unplug.h"
#include <intrin.h>

#define BUILD_NUMBER \
    ((ULONG)(GPLPV_VERSION_MAJOR << 24 | GPLPV_VERSION_MINOR << 16 | GPLPV_VERSION_PATCH << 8 | GPLPV_VERSION_BUILD))

static const struct {
    PCSTR type;
    PCSTR directory;
    ULONG hidden;
    UCHAR mask;
} classes[] = {
    {"vbd", "device/vbd", HIDE_DISKS, XEN_UNPLUG_ALL_DISKS},
    {"vif", "device/vif", HIDE_NETWORKS, XEN_UNPLUG_ALL_NICS},
};

static struct {
    ULONG covered;   /* HIDE_: classes whose PV devices are used */
    ULONG committed; /* of these, for good */
    BOOLEAN offered; /* the device model can unplug */
    UCHAR unplugged; /* XEN_UNPLUG_ */
} takeover;

/* Without xenhide, nothing is hidden. */
static ULONG talk_to_xenhide(enum hide_request request, ULONG which)
{
    struct hide_message message;
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    PCALLBACK_OBJECT callback;

    message.size = sizeof(message);
    message.request = request;
    message.classes = which;
    message.hidden = 0;
    RtlInitUnicodeString(&name, HIDE_CALLBACK_NAME);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (!NT_SUCCESS(ExCreateCallback(&callback, &attributes, TRUE, TRUE)))
        return 0;
    ExNotifyCallback(callback, &message, NULL);
    ObDereferenceObject(callback);
    return message.hidden;
}

/* Any IRQL.  FALSE: the device model cannot unplug, or knows of a reason why this driver must not make it. */
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

static BOOLEAN is_blacklisted(VOID)
{
    return __inword(XEN_UNPLUG_MAGIC_PORT) != XEN_UNPLUG_MAGIC;
}

/* Whether the store names a device of the class, other than CD drives, which stay emulated. */
static BOOLEAN has_devices(PCSTR directory, PSTR names)
{
    CHAR path[XENPCI_PATH_SIZE], kind[16];
    PCSTR name;

    if (!NT_SUCCESS(store_directory(0, directory, names, XENPCI_VALUE_SIZE)))
        return FALSE;
    for (name = names; *name != 0; name += strlen(name) + 1) {
        _snprintf(path, sizeof(path) - 1, "%s/%s/device-type", directory, name);
        path[sizeof(path) - 1] = 0;
        if (!NT_SUCCESS(store_read(0, path, kind, sizeof(kind))) || strcmp(kind, "cdrom") != 0)
            return TRUE;
    }
    return FALSE;
}

static ULONG classes_with_devices(VOID)
{
    PSTR names = ExAllocatePoolWithTag(PagedPool, XENPCI_VALUE_SIZE, GPLPV_POOL_TAG);
    ULONG found = 0, i;

    if (names == NULL)
        return 0;
    for (i = 0; i < RTL_NUMBER_OF(classes); i++)
        if (has_devices(classes[i].directory, names))
            found |= classes[i].hidden;
    ExFreePool(names);
    return found;
}

VOID takeover_refuse(VOID)
{
    takeover.covered = 0;
    talk_to_xenhide(HIDE_SHOW, HIDE_DISKS | HIDE_NETWORKS);
}

VOID takeover_decide(VOID)
{
    ULONG hidden = talk_to_xenhide(HIDE_ASK, 0);

    takeover.committed = 0;
    takeover.unplugged = 0;
    takeover.offered = introduce_ourselves();
    if (takeover.offered && is_blacklisted()) {
        GPLPV_DEBUG(("blacklisted: the emulated devices stay\n"));
        takeover_refuse();
        return;
    }
    takeover.covered = hidden & classes_with_devices();
    GPLPV_DEBUG(("hidden %x, PV %x\n", hidden, takeover.covered));
    if ((hidden & ~takeover.covered) != 0)
        talk_to_xenhide(HIDE_SHOW, hidden & ~takeover.covered);
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
static VOID finish(ULONG hidden, UCHAR mask)
{
    takeover.committed |= hidden;
    if (!takeover.offered)
        return;
    takeover.unplugged |= mask;
    unplug(mask);
    talk_to_xenhide(HIDE_SHOW, hidden);
}

static NTSTATUS commit(ULONG hidden, UCHAR mask)
{
    if ((takeover.committed & hidden) != 0)
        return STATUS_SUCCESS;
    if (talk_to_xenhide(HIDE_COMMIT, hidden) == 0) {
        GPLPV_DEBUG(("too late: emulated devices %x are seen\n", hidden));
        takeover.covered &= ~hidden;
        bus_rescan();
        return STATUS_DEVICE_NOT_CONNECTED;
    }
    GPLPV_DEBUG(("takes over from emulated devices %x\n", hidden));
    finish(hidden, mask);
    return STATUS_SUCCESS;
}

NTSTATUS takeover_commit(PCSTR type)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(classes); i++)
        if (strcmp(classes[i].type, type) == 0)
            return commit(classes[i].hidden, classes[i].mask);
    return STATUS_SUCCESS;
}

VOID unplug_again(VOID)
{
    if (takeover.unplugged != 0 && introduce_ourselves())
        unplug(takeover.unplugged);
}

BOOLEAN takeover_covers(PCSTR type)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(classes); i++)
        if (strcmp(classes[i].type, type) == 0)
            return (takeover.covered & classes[i].hidden) != 0;
    return TRUE;
}

UCHAR unplugged_classes(VOID)
{
    return takeover.unplugged;
}
