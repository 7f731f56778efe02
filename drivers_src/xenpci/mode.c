/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenpci.h"
#include "bootmode.h"

/* Xen 3.0 is known to take Dom0 down with it when PV drivers of this kind run on it. */
#define OLDEST_MAJOR 3
#define OLDEST_MINOR 1

static BOOLEAN is_too_old(const struct xen_version *version)
{
    return version->major < OLDEST_MAJOR || (version->major == OLDEST_MAJOR && version->minor < OLDEST_MINOR);
}

static enum xenpci_mode mode_on_xen(const struct xen_version *version)
{
    if (is_too_old(version))
        return XENPCI_XEN_TOO_OLD;
    switch (boot_mode_query()) {
    case BOOT_MODE_NORMAL:
        return XENPCI_ACTIVE;
    case BOOT_MODE_NOGPLPV:
        return XENPCI_SWITCHED_OFF;
    default:
        return XENPCI_SAFE_MODE;
    }
}

enum xenpci_mode xenpci_choose_mode(VOID)
{
    struct xen_version version;
    enum xenpci_mode mode;

    if (!NT_SUCCESS(xen_detect(&version))) {
        GPLPV_DEBUG(("no Xen here, staying out of the way\n"));
        return XENPCI_NO_XEN;
    }
    mode = mode_on_xen(&version);
    GPLPV_DEBUG(("Xen %d.%d, mode %d\n", version.major, version.minor, mode));
    return mode;
}
