/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A RAM disk behind a simulated device, as a miniport of either port driver: what the lab's port drivers are tested
 * with. Every callback runs under the port driver's lock; Storport's completions go through a DPC.
 */
#include "ramdisk.h"

DRIVER_INITIALIZE DriverEntry;

static VOID put_be32(PUCHAR at, ULONG value)
{
    at[0] = (UCHAR)(value >> 24);
    at[1] = (UCHAR)(value >> 16);
    at[2] = (UCHAR)(value >> 8);
    at[3] = (UCHAR)value;
}

static ULONG get_be32(const UCHAR *at)
{
    return (ULONG)at[0] << 24 | (ULONG)at[1] << 16 | (ULONG)at[2] << 8 | at[3];
}

static VOID next_request(struct ramdisk *disk, UCHAR path, UCHAR target, UCHAR lun)
{
#ifndef RAMDISK_STORPORT
    if (MUTANT(FORGETS_NEXT_REQUEST))
        return;
    if (RAMDISK_QUEUE > 1 || MUTANT(SENDS_NEXT_LU_REQUEST))
        ScsiPortNotification(NextLuRequest, disk, path, target, lun);
    else
        ScsiPortNotification(NextRequest, disk);
#else
    (void)disk, (void)path, (void)target, (void)lun;
#endif
}

/* The SRB is gone afterwards. */
static VOID complete(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, UCHAR status)
{
    UCHAR path = srb->PathId, target = srb->TargetId, lun = srb->Lun;
    struct ramdisk_command *command = srb->SrbExtension;

    srb->SrbStatus = status;
    if (MUTANT(COMPLETES_PENDING))
        srb->SrbStatus = SRB_STATUS_PENDING;
    if (MUTANT(COMPLETES_FROZEN))
        srb->SrbStatus |= SRB_STATUS_QUEUE_FROZEN;
    if (MUTANT(COMPLETES_TOO_LONG))
        srb->DataTransferLength += 512;
    if (MUTANT(CHANGES_THE_SRB))
        srb->OriginalRequest = disk;
    PORT(Notification)(RequestComplete, disk, MUTANT(COMPLETES_UNKNOWN) ? (PSCSI_REQUEST_BLOCK)disk : srb);
    if (MUTANT(COMPLETES_TWICE))
        PORT(Notification)(RequestComplete, disk, srb);
    if (MUTANT(READS_SRB_AFTERWARDS))
        path = *(volatile UCHAR *)&srb->PathId;
    if (MUTANT(WRITES_EXTENSION_AFTERWARDS))
        *(volatile ULONG *)&command->cookie = NO_COOKIE;
#ifdef RAMDISK_STORPORT
    if (MUTANT(LIST_AFTERWARDS))
        StorPortGetScatterGatherList(disk, srb);
#endif
    if (RAMDISK_QUEUE == 1)
        next_request(disk, path, target, lun);
}

static UCHAR fail(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, UCHAR key, UCHAR code)
{
    PSENSE_DATA sense = srb->SenseInfoBuffer;
    ULONG i;

    srb->ScsiStatus = SCSISTAT_CHECK_CONDITION;
    srb->DataTransferLength = 0;
    disk->sense_key = key;
    disk->sense_code = code;
    if (!RAMDISK_AUTOSENSE || sense == NULL || srb->SenseInfoBufferLength < sizeof(*sense))
        return SRB_STATUS_ERROR;
    for (i = 0; i < sizeof(*sense); ++i)
        ((PUCHAR)sense)[i] = 0;
    sense->ErrorCode = 0x70;
    sense->SenseKey = key;
    sense->AdditionalSenseCode = code;
    sense->AdditionalSenseLength = 10;
    return SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID;
}

static UCHAR inquire(struct ramdisk_command *command)
{
    static const CHAR name[] = "LAB     RAM DISK        1   ";
    ULONG i;

    command->answer[2] = 4;
    command->answer[4] = 31;
    for (i = 0; i < 28; ++i)
        command->answer[8 + i] = (UCHAR)name[i];
    command->answer_length = 36;
    return SRB_STATUS_PENDING;
}

static UCHAR transfer(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, struct ramdisk_command *command, ULONG operation)
{
    command->operation = operation;
    command->block = get_be32(&srb->Cdb[2]);
    command->blocks = (ULONG)srb->Cdb[7] << 8 | srb->Cdb[8];
    if (command->block > disk->blocks || command->blocks > disk->blocks - command->block)
        return fail(disk, srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_BLOCK);
    if (command->blocks * BLOCK_SIZE != srb->DataTransferLength)
        return SRB_STATUS_INVALID_REQUEST;
    return SRB_STATUS_PENDING;
}

/* Fills in the device's command; the status of what needs no device. */
static UCHAR make_command(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, struct ramdisk_command *command)
{
    ULONG i;

    for (i = 0; i < sizeof(*command); ++i)
        ((PUCHAR)command)[i] = 0;
    command->operation = DEVICE_ANSWER;
    switch (srb->Cdb[0]) {
    case SCSIOP_INQUIRY:
        return srb->Cdb[1] & 1 ? fail(disk, srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_INVALID_CDB) : inquire(command);
    case SCSIOP_READ_CAPACITY:
        put_be32(command->answer, disk->blocks - 1);
        put_be32(command->answer + 4, BLOCK_SIZE);
        command->answer_length = 8;
        return SRB_STATUS_PENDING;
    case SCSIOP_MODE_SENSE:
        command->answer[0] = 3;
        command->answer_length = 4;
        return SRB_STATUS_PENDING;
    case SCSIOP_REQUEST_SENSE:
        command->answer[0] = 0x70;
        command->answer[2] = disk->sense_key;
        command->answer[7] = 10;
        command->answer[12] = disk->sense_code;
        command->answer_length = 18;
        return SRB_STATUS_PENDING;
    case SCSIOP_TEST_UNIT_READY:
    case SCSIOP_SYNCHRONIZE_CACHE:
        command->operation = DEVICE_NOTHING;
        return SRB_STATUS_PENDING;
    case SCSIOP_READ:
        return transfer(disk, srb, command, DEVICE_READ);
    case SCSIOP_WRITE:
        return transfer(disk, srb, command, DEVICE_WRITE);
    default:
        return fail(disk, srb, SCSI_SENSE_ILLEGAL_REQUEST, SCSI_ADSENSE_ILLEGAL_COMMAND);
    }
}

#ifndef RAMDISK_PIO
static VOID add_element(struct ramdisk_command *command, PHYSICAL_ADDRESS address, ULONG length)
{
    struct ramdisk_element *element = &command->element[command->elements];

    if (MUTANT(FORGETS_A_PIECE) && command->elements > 0 && command->operation == DEVICE_READ)
        return;
    element->low = address.LowPart;
    element->high = (ULONG)address.HighPart;
    element->length = length;
    ++command->elements;
}

/* The buffer as the device reaches it. */
static VOID list_elements(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, struct ramdisk_command *command)
{
#ifdef RAMDISK_STORPORT
    PSTOR_SCATTER_GATHER_LIST list = StorPortGetScatterGatherList(disk, srb);
    ULONG i;

    for (i = 0; list != NULL && i < list->NumberOfElements; ++i)
        add_element(command, list->List[i].PhysicalAddress, list->List[i].Length);
#else
    ULONG done = 0, length = 0;

    while (done < srb->DataTransferLength) {
        PUCHAR at = (PUCHAR)srb->DataBuffer + done;
        PHYSICAL_ADDRESS address = ScsiPortGetPhysicalAddress(disk, srb, at, &length);

        if (MUTANT(USES_VIRTUAL_ADDRESS))
            address.QuadPart = (LONGLONG)(ULONG_PTR)at;
        if (length > srb->DataTransferLength - done)
            length = srb->DataTransferLength - done;
        add_element(command, address, length);
        done += length;
    }
#endif
}
#endif

#if defined(RAMDISK_PIO) || defined(RAMDISK_STORPORT)
static VOID move_bytes(PUCHAR to, const UCHAR *from, ULONG count)
{
    while (count-- > 0)
        *to++ = *from++;
}

static VOID answer_directly(PSCSI_REQUEST_BLOCK srb, struct ramdisk_command *command)
{
    if (command->answer_length < srb->DataTransferLength)
        srb->DataTransferLength = command->answer_length;
    move_bytes(srb->DataBuffer, command->answer, srb->DataTransferLength);
    command->operation = DEVICE_NOTHING;
}
#endif

/* Prepares what the device or the CPU needs to move the data. */
static VOID prepare(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, struct ramdisk_command *command)
{
    if (MUTANT(USES_DATA_BUFFER) && srb->DataTransferLength > 0)
        (void)*(volatile UCHAR *)srb->DataBuffer;
#if defined(RAMDISK_PIO) || defined(RAMDISK_STORPORT)
    if (command->operation == DEVICE_ANSWER) {
        answer_directly(srb, command);
        return;
    }
#endif
#ifdef RAMDISK_PIO
    if (command->operation == DEVICE_WRITE)
        move_bytes(disk->medium + command->block * BLOCK_SIZE, srb->DataBuffer, srb->DataTransferLength);
    command->operation = DEVICE_NOTHING;
#else
    if (srb->DataTransferLength > 0)
        list_elements(disk, srb, command);
#endif
}

static BOOLEAN submit(struct ramdisk *disk, PSCSI_REQUEST_BLOCK srb, struct ramdisk_command *command)
{
    ULONG cookie, length = 0;
    PHYSICAL_ADDRESS address;

    for (cookie = 0; cookie < RAMDISK_QUEUE; ++cookie) {
        if (disk->held[cookie] == NULL)
            break;
    }
    if (cookie == RAMDISK_QUEUE)
        return FALSE;
    disk->held[cookie] = srb;
    command->cookie = cookie;
    address = PORT(GetPhysicalAddress)(disk, NULL, command, &length);
    if (MUTANT(NEVER_COMPLETES) && command->operation == DEVICE_WRITE)
        return TRUE;
    WRITE_PORT(disk, disk->ports + REGISTER_HIGH, (ULONG)address.HighPart);
    WRITE_PORT(disk, disk->ports + REGISTER_LOW, address.LowPart);
    return TRUE;
}

static VOID finish(struct ramdisk *disk, ULONG cookie)
{
    PSCSI_REQUEST_BLOCK srb = disk->held[cookie];

    disk->held[cookie] = NULL;
    if (srb == NULL)
        return;
#ifdef RAMDISK_PIO
    if (srb->Cdb[0] == SCSIOP_READ)
        move_bytes(srb->DataBuffer, disk->medium + get_be32(&srb->Cdb[2]) * BLOCK_SIZE, srb->DataTransferLength);
#else
    if (srb->Cdb[0] != SCSIOP_READ && srb->Cdb[0] != SCSIOP_WRITE) {
        struct ramdisk_command *command = srb->SrbExtension;

        if (command->answer_length > 0 && command->answer_length < srb->DataTransferLength)
            srb->DataTransferLength = command->answer_length;
    }
#endif
    complete(disk, srb, SRB_STATUS_SUCCESS);
}

/* Completes what the device has done; FALSE if there is nothing. */
static BOOLEAN collect(struct ramdisk *disk)
{
    BOOLEAN found = FALSE;
    ULONG cookie;

    while ((cookie = READ_PORT(disk, disk->ports + REGISTER_DONE)) != NO_COOKIE) {
        found = TRUE;
        if (cookie == BUS_CHANGED)
            PORT(Notification)(BusChangeDetected, disk, 0);
        else if (cookie < RAMDISK_QUEUE)
            finish(disk, cookie);
    }
    return found;
}

#if RAMDISK_POLLED
static VOID NTAPI timer(PVOID extension)
{
    collect(extension);
    PORT(Notification)(RequestTimerCall, extension, timer, 10000);
}
#endif

#ifdef RAMDISK_STORPORT
/* DISPATCH_LEVEL. */
static VOID NTAPI dpc_routine(PSTOR_DPC dpc, PVOID extension, PVOID argument1, PVOID argument2)
{
    struct ramdisk *disk = extension;
    STOR_LOCK_HANDLE start_io, interrupt;

    (void)dpc, (void)argument1, (void)argument2;
    if (MUTANT(LOCKS_IN_WRONG_ORDER)) {
        StorPortAcquireSpinLock(disk, InterruptLock, NULL, &interrupt);
        StorPortAcquireSpinLock(disk, StartIoLock, NULL, &start_io);
    }
    StorPortAcquireSpinLock(disk, StartIoLock, NULL, &start_io);
    if (MUTANT(LOCKS_TWICE))
        StorPortAcquireSpinLock(disk, StartIoLock, NULL, &interrupt);
    StorPortAcquireSpinLock(disk, InterruptLock, NULL, &interrupt);
    collect(disk);
    WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 1);
    StorPortReleaseSpinLock(disk, &interrupt);
    if (!MUTANT(KEEPS_THE_LOCK))
        StorPortReleaseSpinLock(disk, &start_io);
}

/* PASSIVE_LEVEL. */
static BOOLEAN NTAPI passive(PVOID extension)
{
    struct ramdisk *disk = extension;

    StorPortInitializeDpc(disk, &disk->dpc, dpc_routine);
    disk->has_dpc = TRUE;
    return TRUE;
}

static BOOLEAN NTAPI interrupt(PVOID extension)
{
    struct ramdisk *disk = extension;

    if (!disk->has_dpc)
        return collect(disk);
    WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 0);
    StorPortIssueDpc(disk, &disk->dpc, NULL, NULL);
    return TRUE;
}
#else
#ifdef RAMDISK_DEFERS
static BOOLEAN NTAPI disable_interrupts(PVOID extension)
{
    struct ramdisk *disk = extension;

    WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 1);
    return TRUE;
}

/* DISPATCH_LEVEL; the device's interrupt is off. */
static BOOLEAN NTAPI enable_interrupts(PVOID extension)
{
    collect(extension);
    if (!MUTANT(DEFERS_WITHOUT_END))
        ScsiPortNotification(CallDisableInterrupts, extension, disable_interrupts);
    return TRUE;
}
#endif

static BOOLEAN NTAPI interrupt(PVOID extension)
{
#ifdef RAMDISK_DEFERS
    struct ramdisk *disk = extension;

    WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 0);
    ScsiPortNotification(CallEnableInterrupts, disk, enable_interrupts);
    return TRUE;
#else
    return collect(extension);
#endif
}
#endif

static BOOLEAN NTAPI start_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    struct ramdisk *disk = extension;
    struct ramdisk_command *command = srb->SrbExtension;
    UCHAR path = srb->PathId, target = srb->TargetId, lun = srb->Lun;
    UCHAR status;

    if (MUTANT(REFUSES_A_REQUEST) && srb->Cdb[0] == SCSIOP_WRITE)
        return FALSE;
    if (srb->TargetId != 0 || srb->Lun != 0 || !READ_PORT(disk, disk->ports + REGISTER_ENABLE))
        status = SRB_STATUS_SELECTION_TIMEOUT;
    else if (srb->Function != SRB_FUNCTION_EXECUTE_SCSI)
        status = SRB_STATUS_SUCCESS;
    else
        status = make_command(disk, srb, command);
    if (MUTANT(OVERRUNS_THE_EXTENSION))
        *(volatile UCHAR *)(command + 1) = 0;
    if (status == SRB_STATUS_PENDING) {
        prepare(disk, srb, command);
        if (!submit(disk, srb, command))
            status = SRB_STATUS_BUSY;
    }
    if (status != SRB_STATUS_PENDING)
        complete(disk, srb, status);
    if (RAMDISK_QUEUE > 1)
        next_request(disk, path, target, lun);
    return TRUE;
}

#ifdef RAMDISK_STORPORT
/* DISPATCH_LEVEL, without a lock. */
static BOOLEAN NTAPI build_io(PVOID extension, PSCSI_REQUEST_BLOCK srb)
{
    if (MUTANT(COMPLETES_IN_BUILD) && srb->Cdb[0] == SCSIOP_READ_CAPACITY) {
        srb->SrbStatus = SRB_STATUS_SUCCESS;
        StorPortNotification(RequestComplete, extension, srb);
    }
    return TRUE;
}
#endif

static BOOLEAN NTAPI reset_bus(PVOID extension, ULONG path)
{
    struct ramdisk *disk = extension;
    ULONG cookie;

    if (!MUTANT(NEVER_COMPLETES)) {
        for (cookie = 0; cookie < RAMDISK_QUEUE; ++cookie)
            disk->held[cookie] = NULL;
        PORT(CompleteRequest)(disk, (UCHAR)path, SP_UNTAGGED, SP_UNTAGGED, SRB_STATUS_BUS_RESET);
    }
    next_request(disk, (UCHAR)path, 0, 0);
    return TRUE;
}

static BOOLEAN NTAPI initialize(PVOID extension)
{
    struct ramdisk *disk = extension;

    WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 1);
    if (MUTANT(ASKS_UNCACHED_LATE))
        PORT(GetUncachedExtension)(disk, NULL, 4096);
    if (MUTANT(MAPS_LATE))
        PORT(FreeDeviceBase)(disk, disk->ports);
#if RAMDISK_POLLED
    PORT(Notification)(RequestTimerCall, disk, timer, 10000);
#endif
#ifdef RAMDISK_STORPORT
    if (MUTANT(MAKES_DPC_LATE))
        StorPortInitializeDpc(disk, &disk->dpc, dpc_routine);
    return StorPortEnablePassiveInitialization(disk, passive);
#else
    return TRUE;
#endif
}

static PVOID map(struct ramdisk *disk, PPORT_CONFIGURATION_INFORMATION config, ULONG index)
{
    PACCESS_RANGE range = &(*config->AccessRanges)[index];

    return PORT(GetDeviceBase)(disk, config->AdapterInterfaceType, config->SystemIoBusNumber, range->RangeStart,
                               range->RangeLength, (BOOLEAN)!range->RangeInMemory);
}

#ifdef RAMDISK_STORPORT
PUCHAR NTAPI StorPortAllocateRegistryBuffer(PVOID extension, PULONG length);
VOID NTAPI StorPortFreeRegistryBuffer(PVOID extension, PUCHAR buffer);
BOOLEAN NTAPI StorPortRegistryRead(PVOID extension, PUCHAR name, ULONG global, ULONG type, PUCHAR buffer,
                                   PULONG length);
BOOLEAN NTAPI StorPortRegistryWrite(PVOID extension, PUCHAR name, ULONG global, ULONG type, PUCHAR buffer,
                                    ULONG length);

/* A string is ASCII here, and what is there for every adapter is not there for this one. */
static BOOLEAN registry_works(struct ramdisk *disk)
{
    ULONG length = 16, room = 3;
    PUCHAR buffer = StorPortAllocateRegistryBuffer(disk, &length);
    BOOLEAN works;

    if (buffer == NULL)
        return FALSE;
    RtlCopyMemory(buffer, "disk", 5);
    works = StorPortRegistryWrite(disk, (PUCHAR)"Name", TRUE, REG_SZ, buffer, 5);
    buffer[0] = 0;
    works = works && !StorPortRegistryRead(disk, (PUCHAR)"Name", TRUE, REG_SZ, buffer, &room) && room == 5;
    works = works && StorPortRegistryRead(disk, (PUCHAR)"Name", TRUE, REG_SZ, buffer, &room) && buffer[0] == 'd';
    works = works && buffer[4] == 0 && !StorPortRegistryRead(disk, (PUCHAR)"Name", FALSE, REG_SZ, buffer, &length);
    StorPortFreeRegistryBuffer(disk, buffer);
    return works;
}
#endif

/* PASSIVE_LEVEL. Whether the routines that nothing else here needs do what they say. */
static BOOLEAN library_works(struct ramdisk *disk, PPORT_CONFIGURATION_INFORMATION config)
{
    ULONG words[3] = {1, 2, 3}, length = 0;
    PACCESS_RANGE range = &(*config->AccessRanges)[1];
    PHYSICAL_ADDRESS address = PORT(GetPhysicalAddress)(disk, NULL, disk->uncached + 100, &length);
    PUCHAR header = NULL;

    if (length != 4900 || PORT(GetVirtualAddress)(disk, address) != disk->uncached + 100)
        return FALSE;
    address = PORT(GetPhysicalAddress)(disk, NULL, disk, &length);
    if (address.QuadPart != 0 || length != 0)
        return FALSE;
    if (PORT(GetLogicalUnit)(disk, 0, 0, 0) != NULL)
        return FALSE;
    if (PORT(GetBusData)(disk, 4, 0, 0, words, sizeof(words)) != sizeof(words) || words[0] != 0x00015853)
        return FALSE;
    if (PORT(GetBusData)(disk, 4, 0, 0, &header, 0) != 256 || header[1] != 0x58)
        return FALSE;
    if (PORT(GetDeviceBase)(disk, config->AdapterInterfaceType, 0, range->RangeStart, 2 * range->RangeLength, FALSE))
        return FALSE;
#ifdef RAMDISK_STORPORT
    if (!registry_works(disk))
        return FALSE;
#else
    if (!ScsiPortValidateRange(disk, config->AdapterInterfaceType, 0, range->RangeStart, range->RangeLength, FALSE))
        return FALSE;
#endif
    PORT(StallExecution)(10);
    PORT(LogError)(disk, NULL, 0, 1, 2, SP_BAD_FW_WARNING, 77);
    return TRUE;
}

/* PASSIVE_LEVEL. */
static ULONG NTAPI find_adapter(PVOID extension, PVOID context, PVOID bus, PCHAR argument,
                                PPORT_CONFIGURATION_INFORMATION config, PBOOLEAN again)
{
    struct ramdisk *disk = extension;

    (void)context, (void)bus, (void)argument;
    *again = FALSE;
    if (config->NumberOfAccessRanges != 2 || (*config->AccessRanges)[1].RangeLength == 0)
        return SP_RETURN_BAD_CONFIG;
    disk->ports = map(disk, config, 0);
    disk->medium = map(disk, config, 1);
    if (disk->ports == NULL || disk->medium == NULL)
        return SP_RETURN_ERROR;
    disk->blocks = (*config->AccessRanges)[1].RangeLength / BLOCK_SIZE;
    config->MaximumTransferLength = MAXIMUM_TRANSFER;
    if (!MUTANT(LEAVES_BREAKS_UNSET))
        config->NumberOfPhysicalBreaks = MAXIMUM_ELEMENTS - 1;
    config->NumberOfBuses = 1;
    config->InitiatorBusId[0] = 7;
    config->MaximumNumberOfTargets = 2;
    config->ScatterGather = TRUE;
    config->Master = TRUE;
    config->AlignmentMask = MUTANT(BAD_ALIGNMENT) ? 5 : 3;
#ifdef RAMDISK_DMA64
    if (config->Dma64BitAddresses & SCSI_DMA64_SYSTEM_SUPPORTED)
        config->Dma64BitAddresses = SCSI_DMA64_MINIPORT_SUPPORTED;
#else
    config->Dma32BitAddresses = TRUE;
#endif
#ifdef RAMDISK_FULL_DUPLEX
    config->SynchronizationModel = StorSynchronizeFullDuplex;
#endif
    disk->uncached = PORT(GetUncachedExtension)(disk, config, 5000);
    if (disk->uncached == NULL)
        return SP_RETURN_ERROR;
    if (MUTANT(ASKS_UNCACHED_TWICE))
        PORT(GetUncachedExtension)(disk, config, 100);
    disk->uncached[4999] = 1;
#ifdef RAMDISK_LIBRARY
    if (!library_works(disk, config))
        return SP_RETURN_ERROR;
#else
    (void)library_works;
#ifdef RAMDISK_STORPORT
    (void)registry_works;
#endif
#endif
    return SP_RETURN_FOUND;
}

static SCSI_ADAPTER_CONTROL_STATUS NTAPI adapter_control(PVOID extension, SCSI_ADAPTER_CONTROL_TYPE type, PVOID parameters)
{
    struct ramdisk *disk = extension;
    PSCSI_SUPPORTED_CONTROL_TYPE_LIST list = parameters;

    switch (type) {
    case ScsiQuerySupportedControlTypes:
        list->SupportedTypeList[ScsiStopAdapter] = TRUE;
        list->SupportedTypeList[ScsiRestartAdapter] = TRUE;
        if (MUTANT(OVERFILLS_CONTROL_TYPES))
            list->SupportedTypeList[list->MaxControlType] = TRUE;
        return ScsiAdapterControlSuccess;
    case ScsiStopAdapter:
        WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 0);
        return ScsiAdapterControlSuccess;
    case ScsiRestartAdapter:
        WRITE_PORT(disk, disk->ports + REGISTER_ENABLE, 1);
        return ScsiAdapterControlSuccess;
    default:
        return ScsiAdapterControlUnsuccessful;
    }
}

/* PASSIVE_LEVEL. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
    HW_INITIALIZATION_DATA data;
    ULONG i;

    for (i = 0; i < sizeof(data); ++i)
        ((volatile UCHAR *)&data)[i] = 0;
    data.HwInitializationDataSize = sizeof(data);
    data.AdapterInterfaceType = RAMDISK_INTERFACE;
    data.HwInitialize = initialize;
    data.HwStartIo = start_io;
    data.HwFindAdapter = find_adapter;
    data.HwResetBus = reset_bus;
    data.HwAdapterControl = adapter_control;
    data.HwInterrupt = RAMDISK_POLLED ? NULL : interrupt;
    data.DeviceExtensionSize = sizeof(struct ramdisk);
    data.SpecificLuExtensionSize = 16;
    data.SrbExtensionSize = sizeof(struct ramdisk_command);
    data.NumberOfAccessRanges = 2;
    data.NeedPhysicalAddresses = TRUE;
    data.AutoRequestSense = RAMDISK_AUTOSENSE;
#ifdef RAMDISK_STORPORT
    data.HwBuildIo = build_io;
    data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    data.TaggedQueuing = TRUE;
    data.MultipleRequestPerLu = TRUE;
#else
#ifdef RAMDISK_PIO
    data.MapBuffers = TRUE;
#endif
    data.MultipleRequestPerLu = RAMDISK_QUEUE > 1;
#endif
    return (NTSTATUS)PORT(Initialize)(driver, registry_path, &data, NULL);
}
