/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenvbd: the disk of one XEN\vbd device as a SCSI adapter with one logical unit, 0:0:0.
 *
 * xenvbd.c, command.c and miniport.c are the core; scsiport.c and storport.c fit it to the port driver of the platform.
 * The port driver owns the adapter: it is the device extension, allocated and zeroed before HwFindAdapter and freed
 * after the adapter has stopped. The port driver serialises every call into the core, which therefore needs no lock.
 */
#ifndef XENVBD_H
#define XENVBD_H

#include <ntddk.h>
#ifdef XENVBD_STORPORT
#include <storport.h>
#else
#include <srb.h>
#endif
#include <scsi.h>

#define GPLPV_MODULE "xenvbd"
#include "debug.h"

#define XENVBD_MAXIMUM_TRANSFER (256 * 1024)
#define XENVBD_SERIAL_LENGTH 20

enum xenvbd_state {
    XENVBD_STOPPED,      /* before HwInitialize and after ScsiStopAdapter */
    XENVBD_DISCONNECTED, /* running without a back end: there is no logical unit */
    XENVBD_CONNECTED     /* running, and the disk below is that of the back end */
};

struct xenvbd_disk {
    ULONGLONG blocks;
    ULONG block_size; /* bytes */
    UCHAR device_type; /* DIRECT_ACCESS_DEVICE or READ_ONLY_DIRECT_ACCESS_DEVICE */
    BOOLEAN read_only;
    BOOLEAN removable;
    BOOLEAN write_cache; /* the back end offers flushes, so what is written may still be in a cache */
    CHAR serial[XENVBD_SERIAL_LENGTH]; /* padded with blanks */
};

struct xenvbd_adapter {
    enum xenvbd_state state; /* changed by xenvbd_set_state alone */
    struct xenvbd_disk disk; /* valid while XENVBD_CONNECTED */
};

/* What a CDB asks of the medium. */
enum xenvbd_operation {
    XENVBD_NOTHING, /* the command is answered already */
    XENVBD_READ,
    XENVBD_WRITE,
    XENVBD_FLUSH
};

struct xenvbd_io {
    enum xenvbd_operation operation;
    BOOLEAN force_unit_access;
    ULONG blocks;
    ULONGLONG first_block;
};

/*
 * PASSIVE_LEVEL, from DriverEntry. Fills in all that the port driver is told of the miniport; map_buffers is for which
 * SRBs DataBuffer has to be an address that the driver can read, in the port driver's terms.
 */
VOID xenvbd_describe(PHW_INITIALIZATION_DATA data, PHW_STARTIO start_io, UCHAR map_buffers);

/* DIRQL or below. */
VOID xenvbd_set_state(struct xenvbd_adapter *adapter, enum xenvbd_state state);

/* DIRQL or below. Returns the status with which the caller completes the SRB, once and now. */
UCHAR xenvbd_start_io(struct xenvbd_adapter *adapter, PSCSI_REQUEST_BLOCK srb);

/*
 * DIRQL or below; the disk is connected. Answers the SRB's command as far as that needs no medium, and returns the
 * SRB status; *io tells what is left to do when that is SRB_STATUS_PENDING.
 */
UCHAR xenvbd_command(const struct xenvbd_disk *disk, PSCSI_REQUEST_BLOCK srb, struct xenvbd_io *io);

/* DIRQL or below. Fails the command with fixed-format sense data (SPC-3, 4.5.3) and returns the SRB status. */
UCHAR xenvbd_sense(PSCSI_REQUEST_BLOCK srb, UCHAR key, UCHAR code, UCHAR qualifier);

#endif
