/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Message interrupts as IoConnectInterruptEx has them. DriverEntry leaves its routines where its test finds them.
 */
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

static PIO_INTERRUPT_MESSAGE_INFO table;
static volatile ULONG calls, number, level;
static PKINTERRUPT object;

static BOOLEAN NTAPI service(PKINTERRUPT interrupt, PVOID context, ULONG message)
{
    object = interrupt;
    number = message;
    level = KeGetCurrentIrql();
    *(volatile ULONG *)context = ++calls;
    return TRUE;
}

/* Connect the messages of a device; `address` for its line if it has none. */
static NTSTATUS NTAPI connect_messages(PDEVICE_OBJECT device, PVOID routine)
{
    IO_CONNECT_INTERRUPT_PARAMETERS parameters;
    NTSTATUS status;

    RtlZeroMemory(&parameters, sizeof(parameters));
    parameters.Version = CONNECT_MESSAGE_BASED;
    parameters.MessageBased.PhysicalDeviceObject = device;
    parameters.MessageBased.ConnectionContext.InterruptMessageTable = &table;
    parameters.MessageBased.MessageServiceRoutine = routine;
    parameters.MessageBased.ServiceContext = (PVOID)&calls;
    status = IoConnectInterruptEx(&parameters);
    if (NT_SUCCESS(status) && parameters.Version != CONNECT_MESSAGE_BASED)
        return STATUS_UNSUCCESSFUL;
    return status;
}

/* What the table says of the one message: its vector, if all else is as it should be. */
static ULONG NTAPI described(ULONG irql)
{
    PIO_INTERRUPT_MESSAGE_INFO_ENTRY entry = &table->MessageInfo[0];

    if (table->UnifiedIrql != irql || table->MessageCount != 1 || entry->Irql != irql || entry->Mode != Latched)
        return 0;
    if (entry->MessageAddress.QuadPart >> 20 != 0xFEE || (entry->MessageData & 0xFF) != entry->Vector)
        return 1;
    return entry->TargetProcessorSet == 1 && entry->InterruptObject != NULL ? entry->Vector : 2;
}

/* The calls so far, if each was as it should be. */
static ULONG NTAPI seen(ULONG irql)
{
    if (calls != 0 && (object != table->MessageInfo[0].InterruptObject || number != 0 || level != irql))
        return 99;
    return calls;
}

static VOID NTAPI disconnect_messages(ULONG version)
{
    IO_DISCONNECT_INTERRUPT_PARAMETERS parameters;

    parameters.Version = version;
    parameters.ConnectionContext.InterruptMessageTable = table;
    IoDisconnectInterruptEx(&parameters);
}

static const PVOID routines[] = {
    (PVOID)(ULONG_PTR)service, (PVOID)(ULONG_PTR)connect_messages,    (PVOID)(ULONG_PTR)described,
    (PVOID)(ULONG_PTR)seen,    (PVOID)(ULONG_PTR)disconnect_messages,
};

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->FastIoDispatch = (PVOID)routines;
    return STATUS_SUCCESS;
}
