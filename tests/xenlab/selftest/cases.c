/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the lab's own tests run: one function of a table a case. A line marked with a comment in capitals is the one that
 * the report must name.
 */
#include <ntddk.h>
#include <intrin.h>

#define CASE(name) static ULONG_PTR NTAPI name(ULONG_PTR argument)
#define TAG 0x74736554 /* Test */

DRIVER_INITIALIZE DriverEntry;

static KEVENT event;
static KSEMAPHORE semaphore;
static KMUTEX mutex;
static KTIMER timer;
static KDPC dpc;
static KSPIN_LOCK lock, other_lock;
static volatile LONG counter, seen;
static const ULONG constant = 7;
static ULONG variable = 7;

CASE(echo)
{
    return argument + variable;
}

CASE(adds_64_bits)
{
    LARGE_INTEGER sum;

    sum.QuadPart = 0x1FFFFFFFFLL;
    ExInterlockedAddLargeInteger(&sum, RtlConvertUlongToLargeInteger((ULONG)argument), &lock);
    return (ULONG_PTR)sum.HighPart;
}

static VOID wait_until(LONGLONG due)
{
    LARGE_INTEGER time;

    time.QuadPart = due;
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, time, NULL);
}

CASE(waits_for_timer)
{
    UNREFERENCED_PARAMETER(argument);
    wait_until(-50 * 10000);
    return (ULONG_PTR)KeWaitForSingleObject(&timer, Executive, KernelMode, FALSE, NULL);
}

CASE(times_out)
{
    LARGE_INTEGER time;

    time.QuadPart = -(LONGLONG)argument * 10000;
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    return (ULONG_PTR)KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &time);
}

static VOID NTAPI count_dpc(PKDPC self, PVOID context, PVOID first, PVOID second)
{
    UNREFERENCED_PARAMETER(self);
    counter += (LONG)(ULONG_PTR)context + (LONG)(ULONG_PTR)first + (LONG)(ULONG_PTR)second;
    seen = KeGetCurrentIrql();
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
}

CASE(dpc_wakes_thread)
{
    UNREFERENCED_PARAMETER(argument);
    counter = 0;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeInitializeDpc(&dpc, count_dpc, (PVOID)1);
    if (!KeInsertQueueDpc(&dpc, (PVOID)10, (PVOID)100))
        return 0;
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    return (ULONG_PTR)(counter * 10 + seen);
}

CASE(dpc_waits_for_irql)
{
    KIRQL old;
    LONG before;

    UNREFERENCED_PARAMETER(argument);
    counter = 0;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeInitializeDpc(&dpc, count_dpc, (PVOID)1);
    KeAcquireSpinLock(&lock, &old);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    for (before = 0; before < 5000; before++)
        seen = before;
    before = counter;
    KeReleaseSpinLock(&lock, old);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    return (ULONG_PTR)(before * 10 + counter);
}

CASE(counts_in_a_loop)
{
    ULONG_PTR i;

    for (i = 0; i < argument; i++)
        counter++;
    return (ULONG_PTR)counter;
}

static BOOLEAN NTAPI service_routine(PKINTERRUPT interrupt, PVOID context)
{
    UNREFERENCED_PARAMETER(interrupt);
    seen++;
    *(volatile LONG *)context = counter;
    WRITE_PORT_UCHAR((PUCHAR)0x42, 1);
    return TRUE;
}

static BOOLEAN NTAPI refusing_service_routine(PKINTERRUPT interrupt, PVOID context)
{
    UNREFERENCED_PARAMETER(interrupt);
    UNREFERENCED_PARAMETER(context);
    return FALSE;
}

static BOOLEAN NTAPI forgetful_service_routine(PKINTERRUPT interrupt, PVOID context)
{
    UNREFERENCED_PARAMETER(interrupt);
    UNREFERENCED_PARAMETER(context);
    return TRUE;
}

CASE(times_seen)
{
    UNREFERENCED_PARAMETER(argument);
    return (ULONG_PTR)seen;
}

static VOID NTAPI other_thread(PVOID context)
{
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    counter += 5;
    KeReleaseMutex(&mutex, FALSE);
    KeReleaseSemaphore(&semaphore, IO_NO_INCREMENT, 1, FALSE);
    PsTerminateSystemThread((NTSTATUS)(ULONG_PTR)context);
}

CASE(threads_meet)
{
    HANDLE handle;
    PVOID objects[2];
    PVOID thread;

    counter = 0;
    KeInitializeSemaphore(&semaphore, 0, 1);
    KeInitializeMutex(&mutex, 0);
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, other_thread, (PVOID)argument);
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    counter += 2;
    KeReleaseMutex(&mutex, FALSE);
    objects[0] = &semaphore;
    objects[1] = thread;
    KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL);
    ObDereferenceObject(thread);
    return (ULONG_PTR)counter;
}

CASE(physical_differs)
{
    PUCHAR memory = MmAllocateNonCachedMemory(2 * PAGE_SIZE);
    PHYSICAL_ADDRESS first = MmGetPhysicalAddress(memory);
    PHYSICAL_ADDRESS second = MmGetPhysicalAddress(memory + PAGE_SIZE + 5);
    PVOID view = MmMapIoSpace(first, PAGE_SIZE, MmNonCached);
    ULONG_PTR same;

    *(ULONG_PTR *)memory = argument;
    same = *(ULONG_PTR *)view;
    MmUnmapIoSpace(view, PAGE_SIZE);
    MmFreeNonCachedMemory(memory, 2 * PAGE_SIZE);
    return same + (ULONG_PTR)(second.QuadPart - first.QuadPart);
}

CASE(maps_mdl)
{
    PULONG memory = ExAllocatePoolWithTag(PagedPool, 3 * PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(memory, 3 * PAGE_SIZE, FALSE, FALSE, NULL);
    PULONG mapped;
    KIRQL old;

    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    mapped = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    mapped[2 * PAGE_SIZE / sizeof(ULONG)] = (ULONG)argument;
    KeLowerIrql(old);
    argument = memory[2 * PAGE_SIZE / sizeof(ULONG)];
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    ExFreePool(memory);
    return argument;
}

CASE(finds_routine)
{
    UNICODE_STRING name;
    VOID(NTAPI *found)(PKEVENT, EVENT_TYPE, BOOLEAN);

    RtlInitUnicodeString(&name, argument ? L"KeInitializeEvent" : L"KeInitializeEventually");
    found = (VOID(NTAPI *)(PKEVENT, EVENT_TYPE, BOOLEAN))MmGetSystemRoutineAddress(&name);
    if (found == NULL)
        return 0;
    found(&event, NotificationEvent, TRUE);
    return (ULONG_PTR)KeReadStateEvent(&event);
}

CASE(reads_processor)
{
    int leaf[4];

    __cpuid(leaf, (int)argument);
    return (ULONG_PTR)(ULONG)leaf[0];
}

CASE(asks_hypervisor)
{
    ULONG_PTR result;

#ifdef _AMD64_
    __asm__ __volatile__("vmcall" : "=a"(result) : "a"(17), "D"(argument) : "memory");
#else
    __asm__ __volatile__("vmcall" : "=a"(result) : "a"(17), "b"(argument) : "memory");
#endif
    return result;
}

CASE(writes_model_register)
{
    __writemsr(0x40000000, argument);
    return (ULONG_PTR)__readmsr(0x40000000);
}

/* Rules. */

CASE(passive_routine_at_dispatch)
{
    KIRQL old;
    HANDLE handle = (HANDLE)argument;

    KeRaiseIrql(DISPATCH_LEVEL, &old);
    ZwClose(handle); /* WRONG IRQL */
    KeLowerIrql(old);
    return 0;
}

CASE(waits_at_dispatch)
{
    KIRQL old;

    UNREFERENCED_PARAMETER(argument);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL); /* WAIT AT DISPATCH */
    KeLowerIrql(old);
    return 0;
}

CASE(returns_raised)
{
    KIRQL old;

    UNREFERENCED_PARAMETER(argument);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    return 0;
}

CASE(touches_paged)
{
    volatile ULONG *memory = ExAllocatePoolWithTag(PagedPool, 8, TAG);
    KIRQL old;

    memory[0] = (ULONG)argument;
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    memory[1] = 2; /* PAGED */
    KeLowerIrql(old);
    return 0;
}

CASE(kernel_touches_paged)
{
    PKEVENT memory = ExAllocatePoolWithTag(PagedPool, sizeof(KEVENT), TAG);
    KIRQL old;

    UNREFERENCED_PARAMETER(argument);
    KeInitializeEvent(memory, NotificationEvent, FALSE);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeSetEvent(memory, IO_NO_INCREMENT, FALSE); /* PAGED EVENT */
    KeLowerIrql(old);
    return 0;
}

CASE(overruns)
{
    volatile UCHAR *memory = ExAllocatePoolWithTag(NonPagedPool, 48, TAG);

    memory[argument] = 1; /* OVERRUN */
    ExFreePool((PVOID)memory);
    return 0;
}

CASE(underruns)
{
    volatile UCHAR *memory = ExAllocatePoolWithTag(NonPagedPool, 48, TAG); /* UNDERRUN BLOCK */

    memory[-(LONG_PTR)argument] = 1;
    ExFreePool((PVOID)memory);
    return 0;
}

CASE(uses_after_free)
{
    volatile ULONG_PTR *memory = ExAllocatePoolWithTag(NonPagedPool, 48, TAG);

    ExFreePool((PVOID)memory);
    return argument + memory[1]; /* USE AFTER FREE */
}

CASE(frees_twice)
{
    PVOID memory = ExAllocatePoolWithTag(NonPagedPool, argument, TAG);

    ExFreePool(memory);
    ExFreePool(memory); /* DOUBLE FREE */
    return 0;
}

CASE(leaks)
{
    PVOID memory = ExAllocatePoolWithTag(NonPagedPool, argument, TAG); /* LEAK */

    counter++;
    return (ULONG_PTR)memory;
}

CASE(allocates_or_fails)
{
    PVOID first = ExAllocatePoolWithTag(NonPagedPool, argument, TAG);
    PVOID second = ExAllocatePoolWithTag(PagedPool, argument, TAG);
    ULONG_PTR made = (first != NULL ? 1 : 0) + (second != NULL ? 2 : 0);

    if (first != NULL)
        ExFreePoolWithTag(first, TAG);
    if (second != NULL)
        ExFreePoolWithTag(second, TAG);
    return made;
}

CASE(frees_live_timer)
{
    PKTIMER memory = ExAllocatePoolWithTag(NonPagedPool, sizeof(KTIMER), TAG);
    LARGE_INTEGER due;

    due.QuadPart = -(LONGLONG)argument;
    KeInitializeTimer(memory);
    KeSetTimer(memory, due, NULL);
    ExFreePool(memory); /* LIVE TIMER */
    return 0;
}

CASE(writes_code)
{
    *(volatile ULONG_PTR *)(ULONG_PTR)DriverEntry = argument; /* WRITE CODE */
    return 0;
}

CASE(writes_constant)
{
    *(volatile ULONG *)&constant = (ULONG)argument; /* WRITE CONSTANT */
    return constant;
}

CASE(runs_data)
{
    UCHAR code[4];
    VOID(NTAPI *volatile run)(VOID) = (VOID(NTAPI *)(VOID))(ULONG_PTR)code;

    code[0] = (UCHAR)argument;
    run(); /* RUN DATA */
    return 1;
}

CASE(reads_null)
{
    return ((volatile ULONG_PTR *)argument)[2]; /* NULL */
}

CASE(recurses_lock)
{
    KIRQL old, older;

    UNREFERENCED_PARAMETER(argument);
    KeAcquireSpinLock(&lock, &older);
    KeAcquireSpinLock(&lock, &old); /* RECURSIVE LOCK */
    KeReleaseSpinLock(&lock, old);
    KeReleaseSpinLock(&lock, older);
    return 0;
}

CASE(releases_twice)
{
    KIRQL old;

    UNREFERENCED_PARAMETER(argument);
    KeAcquireSpinLock(&lock, &old);
    KeReleaseSpinLock(&lock, DISPATCH_LEVEL);
    KeReleaseSpinLock(&lock, old); /* SECOND RELEASE */
    return 0;
}

CASE(inverts_locks)
{
    KIRQL old;

    KeAcquireSpinLock(argument ? &other_lock : &lock, &old);
    KeAcquireSpinLockAtDpcLevel(argument ? &lock : &other_lock); /* LOCK ORDER */
    KeReleaseSpinLockFromDpcLevel(argument ? &lock : &other_lock);
    KeReleaseSpinLock(argument ? &other_lock : &lock, old);
    return 0;
}

CASE(keeps_lock)
{
    KIRQL old;

    UNREFERENCED_PARAMETER(argument);
    KeAcquireSpinLock(&lock, &old);
    KeLowerIrql(old); /* KEPT LOCK */
    return 0;
}

CASE(releases_foreign_mutex)
{
    UNREFERENCED_PARAMETER(argument);
    KeInitializeMutex(&mutex, 0);
    KeReleaseMutex(&mutex, FALSE); /* FOREIGN MUTEX */
    return 0;
}

CASE(waits_for_nothing)
{
    UNREFERENCED_PARAMETER(argument);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    return 0;
}

CASE(overflows_stack)
{
    volatile UCHAR room[1024];

    room[argument & 1023] = 1; /* STACK */
    return argument == 0 ? 0 : overflows_stack(argument + 2) + room[1];
}

CASE(tail_calls)
{
    return (ULONG_PTR)ExAllocatePoolWithTag(NonPagedPool, argument, TAG);
}

CASE(leaves_timer)
{
    LARGE_INTEGER due;

    due.QuadPart = -(LONGLONG)argument;
    KeInitializeTimer(&timer);
    KeInitializeDpc(&dpc, count_dpc, NULL);
    KeSetTimer(&timer, due, &dpc);
    return 0;
}

CASE(ends_with_live_timer)
{
    KTIMER local;
    LARGE_INTEGER due;

    due.QuadPart = -(LONGLONG)argument;
    KeInitializeTimer(&local);
    KeSetTimer(&local, due, NULL);
    return 0;
}

__attribute__((noinline, section("PAGE"))) static ULONG NTAPI pageable_code(ULONG value)
{
    return value + counter;
}

CASE(runs_pageable_code)
{
    ULONG result;
    KIRQL old;

    counter = 1;
    KeRaiseIrql((KIRQL)argument, &old);
    result = pageable_code(2); /* PAGEABLE CODE */
    KeLowerIrql(old);
    return result;
}

__attribute__((noinline, section("INIT"))) static ULONG NTAPI initialise(ULONG value)
{
    return value + counter;
}

CASE(runs_discarded_code)
{
    counter = 1;
    argument = initialise((ULONG)argument); /* DISCARDED CODE */
    counter++;
    return argument;
}

CASE(locks_scattered_pages)
{
    PHYSICAL_ADDRESS low, high, skip;
    PMDL mdl;
    PULONG mapped;

    low.QuadPart = skip.QuadPart = 0;
    high.QuadPart = 0xFFFFFFFF;
    mdl = MmAllocatePagesForMdl(low, high, skip, 4 * PAGE_SIZE);
    mapped = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    mapped[3 * PAGE_SIZE / sizeof(ULONG)] = (ULONG)argument;
    argument = mapped[3 * PAGE_SIZE / sizeof(ULONG)] + mapped[0];
    MmUnmapLockedPages(mapped, mdl);
    MmFreePagesFromMdl(mdl);
    ExFreePool(mdl);
    return argument;
}

CASE(frees_locked_mdl)
{
    PVOID memory = ExAllocatePoolWithTag(NonPagedPool, argument, TAG);
    PMDL mdl = IoAllocateMdl(memory, (ULONG)argument, FALSE, FALSE, NULL);

    MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
    IoFreeMdl(mdl); /* LOCKED MDL */
    return 0;
}

/* The test makes a hole of the frame that CPUID names. */
CASE(touches_page_of_xens)
{
    PHYSICAL_ADDRESS highest;
    volatile ULONG *page;
    ULONG_PTR found;
    int registers[4];

    highest.QuadPart = -1;
    page = MmAllocateContiguousMemory(4096, highest);
    *page = (ULONG)argument;
    __cpuid(registers, (int)(MmGetPhysicalAddress((PVOID)page).QuadPart >> 12));
    found = *page;
    MmFreeContiguousMemory((PVOID)page);
    return found;
}

CASE(physical_of_paged)
{
    PVOID memory = ExAllocatePoolWithTag(PagedPool, argument, TAG);
    PHYSICAL_ADDRESS found = MmGetPhysicalAddress(memory); /* PHYSICAL OF PAGED */

    counter++;
    return (ULONG_PTR)found.QuadPart;
}

CASE(counts_with_interrupts_off)
{
    ULONG_PTR i;
    LONG before;

    __asm__ __volatile__("cli" : : : "memory");
    for (i = 0; i < argument; i++)
        counter++;
    before = seen;
    __asm__ __volatile__("sti" : : : "memory");
    for (i = 0; i < argument; i++)
        counter++;
    return (ULONG_PTR)(before * 10 + seen);
}

/* One parameter more than its caller passes. */
static ULONG_PTR NTAPI takes_two(ULONG_PTR first, ULONG_PTR second)
{
    return first + second;
}

#define ENTRY(name) {#name, (PVOID)(ULONG_PTR)name}

/* What the tests find the cases by: DriverEntry leaves its address where the device object would be. */
static const struct case_entry {
    const char *name;
    PVOID function;
} cases[] = {
    ENTRY(echo),
    ENTRY(adds_64_bits),
    ENTRY(waits_for_timer),
    ENTRY(times_out),
    ENTRY(dpc_wakes_thread),
    ENTRY(dpc_waits_for_irql),
    ENTRY(counts_in_a_loop),
    ENTRY(times_seen),
    ENTRY(threads_meet),
    ENTRY(physical_differs),
    ENTRY(maps_mdl),
    ENTRY(finds_routine),
    ENTRY(reads_processor),
    ENTRY(asks_hypervisor),
    ENTRY(writes_model_register),
    ENTRY(passive_routine_at_dispatch),
    ENTRY(waits_at_dispatch),
    ENTRY(returns_raised),
    ENTRY(touches_paged),
    ENTRY(kernel_touches_paged),
    ENTRY(overruns),
    ENTRY(underruns),
    ENTRY(uses_after_free),
    ENTRY(frees_twice),
    ENTRY(leaks),
    ENTRY(allocates_or_fails),
    ENTRY(frees_live_timer),
    ENTRY(writes_code),
    ENTRY(writes_constant),
    ENTRY(runs_data),
    ENTRY(reads_null),
    ENTRY(recurses_lock),
    ENTRY(releases_twice),
    ENTRY(inverts_locks),
    ENTRY(keeps_lock),
    ENTRY(releases_foreign_mutex),
    ENTRY(waits_for_nothing),
    ENTRY(overflows_stack),
    ENTRY(tail_calls),
    ENTRY(leaves_timer),
    ENTRY(ends_with_live_timer),
    ENTRY(runs_pageable_code),
    ENTRY(runs_discarded_code),
    ENTRY(locks_scattered_pages),
    ENTRY(frees_locked_mdl),
    ENTRY(touches_page_of_xens),
    ENTRY(physical_of_paged),
    ENTRY(counts_with_interrupts_off),
    ENTRY(service_routine),
    ENTRY(refusing_service_routine),
    ENTRY(forgetful_service_routine),
    ENTRY(takes_two),
    {NULL, NULL},
};

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    DbgPrint("bye");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverUnload = unload;
    *(const struct case_entry **)driver->DeviceObject = cases;
    return path->Length == 6 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}
