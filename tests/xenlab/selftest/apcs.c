/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the lab's tests of APCs run: one function of a table a case, as in cases.c.
 */
#include <ntddk.h>

#define CASE(name) static ULONG_PTR NTAPI name(ULONG_PTR argument)
#define TAG 0x74736554 /* Test */
#define MILLISECONDS(count) (-(LONGLONG)(count) * 10000)

DRIVER_INITIALIZE DriverEntry;

typedef VOID(NTAPI *NORMAL_ROUTINE)(PVOID context, PVOID first, PVOID second);
typedef VOID(NTAPI *KERNEL_ROUTINE)(PKAPC apc, NORMAL_ROUTINE *normal, PVOID *context, PVOID *first, PVOID *second);
typedef VOID(NTAPI *RUNDOWN_ROUTINE)(PKAPC apc);

NTKERNELAPI VOID NTAPI KeInitializeApc(PKAPC apc, PKTHREAD thread, ULONG environment, KERNEL_ROUTINE kernel,
                                       RUNDOWN_ROUTINE rundown, NORMAL_ROUTINE normal, KPROCESSOR_MODE mode,
                                       PVOID context);
NTKERNELAPI BOOLEAN NTAPI KeInsertQueueApc(PKAPC apc, PVOID first, PVOID second, KPRIORITY increment);

/* Which the headers have for a later Windows, and x64 from its first. */
NTKERNELAPI VOID NTAPI KeEnterGuardedRegion(VOID);
NTKERNELAPI VOID NTAPI KeLeaveGuardedRegion(VOID);
NTKERNELAPI BOOLEAN NTAPI KeAreAllApcsDisabled(VOID);

static KAPC one, two;
static KEVENT event, reached;
static KMUTEX mutex;
static PKTHREAD ran_in;
static volatile ULONG_PTR log;
static volatile LONG status, gone;
static PVOID paged;

/* Append a digit to the log. */
static VOID note(ULONG_PTR digit)
{
    log = log * 10 + digit;
}

/* Note IRQL and sum of the arguments. */
static VOID NTAPI special(PKAPC apc, NORMAL_ROUTINE *normal, PVOID *context, PVOID *first, PVOID *second)
{
    UNREFERENCED_PARAMETER(apc);
    ran_in = KeGetCurrentThread();
    note(*normal == NULL && *context == NULL ? KeGetCurrentIrql() : 9);
    note((ULONG_PTR)*first + (ULONG_PTR)*second);
}

static VOID NTAPI normal(PVOID context, PVOID first, PVOID second)
{
    ran_in = KeGetCurrentThread();
    note(KeGetCurrentIrql() + 5);
    note((ULONG_PTR)context + (ULONG_PTR)first + (ULONG_PTR)second);
}

/* Note the IRQL, and have the normal routine get other arguments. */
static VOID NTAPI before_normal(PKAPC apc, NORMAL_ROUTINE *routine, PVOID *context, PVOID *first, PVOID *second)
{
    UNREFERENCED_PARAMETER(apc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(second);
    note(*routine == normal ? KeGetCurrentIrql() : 9);
    *first = (PVOID)((ULONG_PTR)*first + 1);
}

static VOID NTAPI run_down(PKAPC apc)
{
    gone += apc == &one ? 1 : 2;
}

static VOID prepare(PKAPC apc, PKTHREAD thread, BOOLEAN is_special)
{
    if (is_special)
        KeInitializeApc(apc, thread, 0, special, NULL, NULL, UserMode, (PVOID)3);
    else
        KeInitializeApc(apc, thread, 0, before_normal, run_down, normal, KernelMode, (PVOID)3);
}

CASE(special_to_itself)
{
    log = 0;
    prepare(&one, KeGetCurrentThread(), TRUE);
    if (!KeInsertQueueApc(&one, (PVOID)argument, (PVOID)2, 0))
        return 0;
    note(KeGetCurrentIrql() + 7);
    return log * (ran_in == KeGetCurrentThread());
}

CASE(special_waits_for_irql)
{
    KIRQL old;

    log = 0;
    prepare(&one, KeGetCurrentThread(), TRUE);
    KeRaiseIrql(APC_LEVEL, &old);
    KeInsertQueueApc(&one, (PVOID)argument, (PVOID)2, 0);
    if (KeInsertQueueApc(&one, NULL, NULL, 0))
        note(9);
    note(8);
    KeLowerIrql(old);
    KeInitializeEvent(&event, NotificationEvent, FALSE); /* On x64 the IRQL falls without a call of the kernel. */
    note(7);
    return log;
}

CASE(normal_to_itself)
{
    log = 0;
    prepare(&one, KeGetCurrentThread(), FALSE);
    KeInsertQueueApc(&one, (PVOID)argument, (PVOID)2, 0);
    return log;
}

/* In a critical region, and with a mutex, special APCs run and normal ones wait; special ones go before them. */
CASE(normal_is_held_off)
{
    log = 0;
    prepare(&one, KeGetCurrentThread(), FALSE);
    prepare(&two, KeGetCurrentThread(), TRUE);
    KeInitializeMutex(&mutex, 0);
    KeEnterCriticalRegion();
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    KeInsertQueueApc(&one, NULL, NULL, 0);
    KeInsertQueueApc(&two, (PVOID)argument, NULL, 0);
    note(KeAreApcsDisabled());
    KeLeaveCriticalRegion();
    note(KeAreApcsDisabled());
    KeReleaseMutex(&mutex, FALSE);
    note(KeAreApcsDisabled());
    return log;
}

#ifdef _WIN64
/* In a guarded region none runs. */
CASE(all_are_held_off)
{
    log = 0;
    prepare(&one, KeGetCurrentThread(), FALSE);
    prepare(&two, KeGetCurrentThread(), TRUE);
    KeEnterGuardedRegion();
    KeInsertQueueApc(&one, NULL, NULL, 0);
    KeInsertQueueApc(&two, (PVOID)argument, NULL, 0);
    note(KeAreApcsDisabled() + KeAreAllApcsDisabled());
    KeLeaveGuardedRegion();
    note(KeAreApcsDisabled() + KeAreAllApcsDisabled());
    return log;
}
#endif

#define ALERTABLE 1
#define USER 2
#define DELAY 4

static VOID NTAPI waiter(PVOID context)
{
    ULONG_PTR how = (ULONG_PTR)context;
    KPROCESSOR_MODE mode = how & USER ? UserMode : KernelMode;
    LARGE_INTEGER time;

    time.QuadPart = MILLISECONDS(50);
    KeSetEvent(&reached, IO_NO_INCREMENT, FALSE);
    if (how & DELAY)
        status = KeDelayExecutionThread(mode, (how & ALERTABLE) != 0, &time);
    else
        status = KeWaitForSingleObject(&event, Executive, mode, (how & ALERTABLE) != 0, &time);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static PKTHREAD start_waiter(ULONG_PTR how)
{
    HANDLE handle;
    PVOID thread;
    LARGE_INTEGER time;

    log = 0;
    status = -1;
    gone = 0;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    KeInitializeEvent(&reached, NotificationEvent, FALSE);
    PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, waiter, (PVOID)how);
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    KeWaitForSingleObject(&reached, Executive, KernelMode, FALSE, NULL);
    time.QuadPart = MILLISECONDS(1);
    KeDelayExecutionThread(KernelMode, FALSE, &time);
    return thread;
}

static VOID end_waiter(PKTHREAD thread)
{
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
}

/* Both kinds interrupt a wait, the special one first, and the wait then goes on. */
CASE(kernel_apcs_interrupt_a_wait)
{
    PKTHREAD thread = start_waiter(argument);
    LARGE_INTEGER time;
    KIRQL old;

    prepare(&one, thread, FALSE);
    prepare(&two, thread, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    KeInsertQueueApc(&one, NULL, NULL, 0);
    KeInsertQueueApc(&two, (PVOID)4, NULL, 0);
    KeLowerIrql(old);
    time.QuadPart = MILLISECONDS(1);
    KeDelayExecutionThread(KernelMode, FALSE, &time);
    if (ran_in != thread || status != -1)
        return 0;
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    end_waiter(thread);
    return status == STATUS_SUCCESS ? log : (ULONG_PTR)status;
}

CASE(user_apc_and_a_wait)
{
    PKTHREAD thread = start_waiter(argument);
    PKAPC second = ExAllocatePoolWithTag(NonPagedPool, sizeof(*second), TAG);

    KeInitializeApc(&one, thread, 0, before_normal, run_down, normal, UserMode, NULL);
    KeInitializeApc(second, thread, 0, before_normal, NULL, normal, UserMode, NULL);
    KeInsertQueueApc(&one, NULL, NULL, 0);
    KeInsertQueueApc(second, NULL, NULL, 0);
    end_waiter(thread);
    return gone == 1 && log == 0 ? (ULONG_PTR)status : 0x999;
}

CASE(waits_alertably)
{
    end_waiter(start_waiter(argument));
    return (ULONG_PTR)status;
}

CASE(too_late)
{
    PKTHREAD thread = start_waiter(0);

    prepare(&one, thread, argument != 0);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    argument = KeInsertQueueApc(&one, NULL, NULL, 0);
    ObDereferenceObject(thread);
    return argument;
}

CASE(frees_queued_apc)
{
    PKAPC apc = ExAllocatePoolWithTag(NonPagedPool, sizeof(*apc), TAG);

    prepare(apc, KeGetCurrentThread(), FALSE);
    KeEnterCriticalRegion();
    KeInsertQueueApc(apc, NULL, NULL, 0);
    ExFreePool(apc); /* FREES QUEUED APC */
    return argument;
}

CASE(initialised_twice)
{
    prepare(&one, KeGetCurrentThread(), FALSE);
    KeEnterCriticalRegion();
    KeInsertQueueApc(&one, NULL, NULL, 0);
    KeInitializeApc(&one, KeGetCurrentThread(), 0, special, NULL, NULL, KernelMode, NULL); /* QUEUED APC */
    return argument;
}

CASE(uninitialised)
{
    RtlZeroMemory(&one, sizeof(one));
    return KeInsertQueueApc(&one, (PVOID)argument, NULL, 0); /* UNINITIALISED APC */
}

CASE(paged_apc)
{
    paged = ExAllocatePoolWithTag(PagedPool, sizeof(KAPC), TAG);
    prepare(paged, KeGetCurrentThread(), TRUE);
    return KeInsertQueueApc(paged, (PVOID)argument, NULL, 0); /* PAGED APC */
}

CASE(ends_in_critical_region)
{
    KeEnterCriticalRegion();
    return argument;
}

CASE(leaves_region_never_entered)
{
    KeLeaveCriticalRegion(); /* NEVER ENTERED */
    return argument;
}

CASE(queues_to_thread)
{
    prepare(&one, (PKTHREAD)argument, FALSE);
    return KeInsertQueueApc(&one, NULL, NULL, 0);
}

#define ENTRY(name) {#name, (PVOID)(ULONG_PTR)name}

static const struct case_entry {
    const char *name;
    PVOID function;
} cases[] = {
    ENTRY(special_to_itself),
    ENTRY(special_waits_for_irql),
    ENTRY(normal_to_itself),
    ENTRY(normal_is_held_off),
#ifdef _WIN64
    ENTRY(all_are_held_off),
#endif
    ENTRY(kernel_apcs_interrupt_a_wait),
    ENTRY(user_apc_and_a_wait),
    ENTRY(waits_alertably),
    ENTRY(too_late),
    ENTRY(frees_queued_apc),
    ENTRY(initialised_twice),
    ENTRY(uninitialised),
    ENTRY(paged_apc),
    ENTRY(ends_in_critical_region),
    ENTRY(leaves_region_never_entered),
    ENTRY(queues_to_thread),
    {NULL, NULL},
};

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    *(const struct case_entry **)driver->DeviceObject = cases;
    return STATUS_SUCCESS;
}
