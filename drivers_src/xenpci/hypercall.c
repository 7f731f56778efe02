/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Calls to the hypervisor.
 *
 * Xen fills a page with one entry for each hypercall, in the instructions of the processor at hand.  The registers in
 * which the entries take their arguments are not those of Windows' calling conventions, and no compiler of x64 Windows
 * has inline assembly in common with the other: so a second page holds a few bytes of code that move the arguments.
 */
#include "xenpci.h"
#include "pool.h"
#include "xen.h"
#include "xen/errno.h"
#include "xen/hypercall.h"
#include "xen/memory.h"
#include "xen/hvm/params.h"
#include <intrin.h>

typedef LONG_PTR NTAPI mover(ULONG_PTR first, ULONG_PTR second, ULONG_PTR third, const VOID *entry);

#ifdef _WIN64
static const UCHAR mover_code[] = {
    0x57,                   /* push rdi */
    0x56,                   /* push rsi */
    0x48, 0x89, 0xcf,       /* mov rdi, rcx */
    0x48, 0x89, 0xd6,       /* mov rsi, rdx */
    0x4c, 0x89, 0xc2,       /* mov rdx, r8 */
    0x41, 0xff, 0xd1,       /* call r9 */
    0x5e,                   /* pop rsi */
    0x5f,                   /* pop rdi */
    0xc3                    /* ret */
};
#else
static const UCHAR mover_code[] = {
    0x53,                   /* push ebx */
    0x8b, 0x5c, 0x24, 0x08, /* mov ebx, [esp + 8] */
    0x8b, 0x4c, 0x24, 0x0c, /* mov ecx, [esp + 12] */
    0x8b, 0x54, 0x24, 0x10, /* mov edx, [esp + 16] */
    0xff, 0x54, 0x24, 0x14, /* call [esp + 20] */
    0x5b,                   /* pop ebx */
    0xc2, 0x10, 0x00        /* ret 16 */
};
#endif

/* The hypercall page and, behind it, the page with the mover; nonpaged pool, which is executable. */
static PUCHAR pages;

/* Any IRQL. */
static LONG call(ULONG number, ULONG_PTR first, ULONG_PTR second, ULONG_PTR third)
{
    mover *move = (mover *)(ULONG_PTR)(pages + XEN_PAGE_SIZE);

    return (LONG)move(first, second, third, pages + number * XEN_HYPERCALL_ENTRY_SIZE);
}

VOID hypercall_resume(VOID)
{
    __writemsr(xen_hypercall_msr(), (ULONG64)MmGetPhysicalAddress(pages).QuadPart);
}

NTSTATUS hypercall_start(VOID)
{
    if (xen_hypercall_msr() == 0)
        return STATUS_NOT_SUPPORTED;
    pages = ExAllocatePoolWithTag(NonPagedPool, 2 * XEN_PAGE_SIZE, GPLPV_POOL_TAG);
    if (pages == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlZeroMemory(pages, 2 * XEN_PAGE_SIZE);
    RtlCopyMemory(pages + XEN_PAGE_SIZE, mover_code, sizeof(mover_code));
    hypercall_resume();
    return STATUS_SUCCESS;
}

VOID hypercall_stop(VOID)
{
    ExFreePool(pages);
    pages = NULL;
}

LONG xen_event_channel_op(ULONG command, PVOID argument)
{
    return call(__HYPERVISOR_event_channel_op, command, (ULONG_PTR)argument, 0);
}

LONG xen_grant_table_op(ULONG command, PVOID argument, ULONG count)
{
    return call(__HYPERVISOR_grant_table_op, command, (ULONG_PTR)argument, count);
}

LONG xen_sched_op(ULONG command, PVOID argument)
{
    return call(__HYPERVISOR_sched_op, command, (ULONG_PTR)argument, 0);
}

LONG xen_version_op(ULONG command, PVOID argument)
{
    return call(__HYPERVISOR_xen_version, command, (ULONG_PTR)argument, 0);
}

static LONG memory_op(ULONG command, PVOID argument)
{
    return call(__HYPERVISOR_memory_op, command, (ULONG_PTR)argument, 0);
}

static LONG hvm_op(ULONG command, PVOID argument)
{
    return call(__HYPERVISOR_hvm_op, command, (ULONG_PTR)argument, 0);
}

NTSTATUS xen_status(LONG result)
{
    switch (result) {
    case -XEN_ENOMEM:
        return STATUS_INSUFFICIENT_RESOURCES;
    case -XEN_ENOSPC:
        return STATUS_INSUFFICIENT_RESOURCES;
    case -XEN_ENOSYS:
        return STATUS_NOT_SUPPORTED;
    case -XEN_EACCES:
    case -XEN_EPERM:
        return STATUS_ACCESS_DENIED;
    case -XEN_EINVAL:
        return STATUS_INVALID_PARAMETER;
    default:
        return result < 0 ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
    }
}

NTSTATUS xen_get_param(ULONG index, PULONG64 value)
{
    struct xen_hvm_param param;
    LONG result;

    RtlZeroMemory(&param, sizeof(param));
    param.domid = DOMID_SELF;
    param.index = index;
    result = hvm_op(HVMOP_get_param, &param);
    *value = param.value;
    return xen_status(result);
}

NTSTATUS xen_set_param(ULONG index, ULONG64 value)
{
    struct xen_hvm_param param;

    RtlZeroMemory(&param, sizeof(param));
    param.domid = DOMID_SELF;
    param.index = index;
    param.value = value;
    return xen_status(hvm_op(HVMOP_set_param, &param));
}

NTSTATUS xen_set_upcall_vector(ULONG vcpu, UCHAR vector)
{
    struct xen_hvm_evtchn_upcall_vector upcall;

    RtlZeroMemory(&upcall, sizeof(upcall));
    upcall.vcpu = vcpu;
    upcall.vector = vector;
    return xen_status(hvm_op(HVMOP_set_evtchn_upcall_vector, &upcall));
}

NTSTATUS xen_place(ULONG space, ULONG index, xen_pfn_t frame)
{
    struct xen_add_to_physmap place;

    RtlZeroMemory(&place, sizeof(place));
    place.domid = DOMID_SELF;
    place.space = space;
    place.idx = index;
    place.gpfn = frame;
    return xen_status(memory_op(XENMEM_add_to_physmap, &place));
}

static ULONG change_reservation(ULONG command, ULONG count, const ULONG_PTR *frames)
{
    struct xen_memory_reservation change;
    LONG done;

    RtlZeroMemory(&change, sizeof(change));
    change.extent_start = (xen_pfn_t *)frames; /* Xen writes the same numbers there, if anything */
    change.nr_extents = count;
    change.domid = DOMID_SELF;
    done = memory_op(command, &change);
    return done < 0 ? 0 : (ULONG)done;
}

ULONG xen_give(ULONG count, const ULONG_PTR *frames)
{
    return change_reservation(XENMEM_decrease_reservation, count, frames);
}

ULONG xen_take(ULONG count, const ULONG_PTR *frames)
{
    return change_reservation(XENMEM_populate_physmap, count, frames);
}

VOID xen_take_away(xen_pfn_t frame)
{
    struct xen_remove_from_physmap place;

    RtlZeroMemory(&place, sizeof(place));
    place.domid = DOMID_SELF;
    place.gpfn = frame;
    memory_op(XENMEM_remove_from_physmap, &place);
}
