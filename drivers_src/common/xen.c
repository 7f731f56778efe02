/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "xen.h"
#include "xen/cpuid.h"
#include <intrin.h>

enum { EAX, EBX, ECX, EDX, REGISTERS };

static BOOLEAN is_xen_base(int base)
{
    int leaf[REGISTERS];

    __cpuid(leaf, base);
    return leaf[EBX] == XEN_CPUID_SIGNATURE_EBX && leaf[ECX] == XEN_CPUID_SIGNATURE_ECX &&
           leaf[EDX] == XEN_CPUID_SIGNATURE_EDX && leaf[EAX] >= base + XEN_CPUID_LEAF_HYPERCALL;
}

/* The first of Xen's leaves, or 0. */
static int find_base(VOID)
{
    int base;

    for (base = XEN_CPUID_FIRST_LEAF; base <= XEN_CPUID_LAST_BASE; base += XEN_CPUID_BASE_STEP)
        if (is_xen_base(base))
            return base;
    return 0;
}

NTSTATUS xen_detect(struct xen_version *version)
{
    int leaf[REGISTERS];
    int base = find_base();

    if (base == 0)
        return STATUS_NOT_FOUND;
    __cpuid(leaf, base + XEN_CPUID_LEAF_VERSION);
    version->major = (USHORT)((ULONG)leaf[EAX] >> 16);
    version->minor = (USHORT)leaf[EAX];
    return STATUS_SUCCESS;
}

ULONG xen_hypercall_msr(VOID)
{
    int leaf[REGISTERS];
    int base = find_base();

    if (base == 0)
        return 0;
    __cpuid(leaf, base + XEN_CPUID_LEAF_HYPERCALL);
    return (ULONG)leaf[EBX];
}
