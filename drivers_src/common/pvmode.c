/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pvmode.h"
#include "bootmode.h"
#include "registry.h"
#include "xen.h"

#define GPLPV_MODULE "pvmode"
#include "debug.h"

/* Xen 3.0 is known to take Dom0 down with it when PV drivers of this kind run on it. */
#define OLDEST_MAJOR 3
#define OLDEST_MINOR 1

static BOOLEAN is_too_old(const struct xen_version *version)
{
    return version->major < OLDEST_MAJOR || (version->major == OLDEST_MAJOR && version->minor < OLDEST_MINOR);
}

/* A policy that is there and cannot be read is the strict one. */
static BOOLEAN must_be_asked_for(VOID)
{
    ULONG opt_in = 0;
    NTSTATUS status;

    status = registry_read_number(PV_POLICY_KEY, PV_POLICY_VALUE, &opt_in);
    return opt_in != 0 || (!NT_SUCCESS(status) && status != STATUS_OBJECT_NAME_NOT_FOUND);
}

static enum pv_mode mode_on_xen(VOID)
{
    switch (boot_mode_query()) {
    case BOOT_MODE_GPLPV:
        return PV_ACTIVE;
    case BOOT_MODE_NORMAL:
        return must_be_asked_for() ? PV_NOT_ASKED_FOR : PV_ACTIVE;
    case BOOT_MODE_NOGPLPV:
        return PV_SWITCHED_OFF;
    default:
        return PV_SAFE_MODE;
    }
}

enum pv_mode pv_mode_choose(VOID)
{
    struct xen_version version;
    enum pv_mode mode;

    if (!NT_SUCCESS(xen_detect(&version))) {
        GPLPV_DEBUG(("no Xen here, staying out of the way\n"));
        return PV_NO_XEN;
    }
    mode = is_too_old(&version) ? PV_XEN_TOO_OLD : mode_on_xen();
    GPLPV_DEBUG(("Xen %d.%d, mode %d\n", version.major, version.minor, mode));
    return mode;
}
