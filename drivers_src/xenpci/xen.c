/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xenpci.h"
#include "xen/cpuid.h"
#include <intrin.h>

enum { EAX, EBX, ECX, EDX, REGISTERS };

static BOOLEAN is_xen_base(int base)
{
    int leaf[REGISTERS];

    __cpuid(leaf, base);
    return leaf[EBX] == XEN_CPUID_SIGNATURE_EBX && leaf[ECX] == XEN_CPUID_SIGNATURE_ECX &&
           leaf[EDX] == XEN_CPUID_SIGNATURE_EDX && leaf[EAX] >= base + XEN_CPUID_LEAF_VERSION;
}

NTSTATUS xen_detect(struct xen_version *version)
{
    int leaf[REGISTERS];
    int base;

    for (base = XEN_CPUID_FIRST_LEAF; base <= XEN_CPUID_LAST_BASE; base += XEN_CPUID_BASE_STEP) {
        if (!is_xen_base(base))
            continue;
        __cpuid(leaf, base + XEN_CPUID_LEAF_VERSION);
        version->major = (USHORT)((ULONG)leaf[EAX] >> 16);
        version->minor = (USHORT)leaf[EAX];
        return STATUS_SUCCESS;
    }
    return STATUS_NOT_FOUND;
}
