/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One name for what SCSI port and Storport call differently, and the mistakes that a build can be given. */
#ifndef RAMDISK_H
#define RAMDISK_H

#include <ntddk.h>
#ifdef RAMDISK_STORPORT
#include <storport.h>
#define PORT(name) StorPort##name
#define READ_PORT(extension, port) StorPortReadPortUlong(extension, port)
#define WRITE_PORT(extension, port, value) StorPortWritePortUlong(extension, port, value)
STORPORTAPI ULONG NTAPI StorPortReadPortUlong(PVOID HwDeviceExtension, PULONG Port);
STORPORTAPI VOID NTAPI StorPortWritePortUlong(PVOID HwDeviceExtension, PULONG Port, ULONG Value);
#else
#include <srb.h>
#define PORT(name) ScsiPort##name
#define READ_PORT(extension, port) ((void)(extension), ScsiPortReadPortUlong(port))
#define WRITE_PORT(extension, port, value) ((void)(extension), ScsiPortWritePortUlong(port, value))
#endif
#include <scsi.h>

/* Each is a build of its own: -DRAMDISK_MUTANT=<name>. */
enum ramdisk_mutant {
    NO_MUTANT,
    COMPLETES_TWICE,
    COMPLETES_UNKNOWN,
    COMPLETES_PENDING,
    COMPLETES_FROZEN,
    COMPLETES_TOO_LONG,
    NEVER_COMPLETES,
    FORGETS_NEXT_REQUEST,
    SENDS_NEXT_LU_REQUEST,
    READS_SRB_AFTERWARDS,
    WRITES_EXTENSION_AFTERWARDS,
    CHANGES_THE_SRB,
    OVERRUNS_THE_EXTENSION,
    USES_DATA_BUFFER,
    USES_VIRTUAL_ADDRESS,
    FORGETS_A_PIECE,
    ASKS_UNCACHED_TWICE,
    ASKS_UNCACHED_LATE,
    MAPS_LATE,
    OVERFILLS_CONTROL_TYPES,
    REFUSES_A_REQUEST,
    DEFERS_WITHOUT_END,
    BAD_ALIGNMENT,
    LEAVES_BREAKS_UNSET,
    COMPLETES_IN_BUILD,
    LOCKS_TWICE,
    LOCKS_IN_WRONG_ORDER,
    KEEPS_THE_LOCK,
    MAKES_DPC_LATE,
    LIST_AFTERWARDS
};

#ifndef RAMDISK_MUTANT
#define RAMDISK_MUTANT NO_MUTANT
#endif
#define MUTANT(name) (RAMDISK_MUTANT == (name))

/* RAMDISK_POLLED: no interrupt, a timer looks. RAMDISK_PIO: the CPU moves the data. RAMDISK_QUEUE: requests at once. */
#ifndef RAMDISK_POLLED
#define RAMDISK_POLLED 0
#endif
#ifndef RAMDISK_INTERFACE
#define RAMDISK_INTERFACE PNPBus
#endif
#ifndef RAMDISK_QUEUE
#define RAMDISK_QUEUE 1
#endif
#ifndef RAMDISK_AUTOSENSE
#define RAMDISK_AUTOSENSE TRUE
#endif

#define BLOCK_SIZE 512
#define MAXIMUM_ELEMENTS 17
#define MAXIMUM_TRANSFER (64 * 1024)
#define NO_COOKIE 0xFFFFFFFFu
#define BUS_CHANGED 0xFFFFFFFEu

/* The device's registers: ULONG ports. REGISTER_ENABLE reads as 1 while there is a medium. */
enum { REGISTER_LOW, REGISTER_HIGH, REGISTER_DONE, REGISTER_ENABLE, REGISTER_COUNT };

enum ramdisk_operation { DEVICE_READ, DEVICE_WRITE, DEVICE_ANSWER, DEVICE_NOTHING };

struct ramdisk_element {
    ULONG low;
    ULONG high;
    ULONG length;
    ULONG reserved;
};

/* What the device reads by DMA: the start of each SRB extension. */
struct ramdisk_command {
    ULONG cookie;
    ULONG operation; /* enum ramdisk_operation */
    ULONG block;
    ULONG blocks;
    ULONG elements;
    ULONG answer_length;
    struct ramdisk_element element[MAXIMUM_ELEMENTS];
    UCHAR answer[64];
};

struct ramdisk {
    PULONG ports;
    PUCHAR medium; /* RAMDISK_PIO: the device's memory, mapped */
    ULONG blocks;
    PSCSI_REQUEST_BLOCK held[RAMDISK_QUEUE]; /* by cookie */
    UCHAR sense_key;
    UCHAR sense_code;
    PUCHAR uncached;
#ifdef RAMDISK_STORPORT
    STOR_DPC dpc;
    BOOLEAN has_dpc;
#endif
};

#endif
