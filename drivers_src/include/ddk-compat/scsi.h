/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI commands and replies: mingw-w64's scsi.h with READ_CAPACITY_DATA_EX packed. The reply to READ CAPACITY(16)
 * starts with 12 bytes; unpacked the structure takes 16 and copying it overruns a buffer sized by the field's length.
 */
#ifndef DDK_COMPAT_SCSI_H
#define DDK_COMPAT_SCSI_H

#ifndef _NTSCSI_USER_MODE_
#include <srb.h>
#endif

#define _READ_CAPACITY_DATA_EX _UNPACKED_READ_CAPACITY_DATA_EX
#define READ_CAPACITY_DATA_EX UNPACKED_READ_CAPACITY_DATA_EX
#define PREAD_CAPACITY_DATA_EX PUNPACKED_READ_CAPACITY_DATA_EX
#include_next <scsi.h>
#undef _READ_CAPACITY_DATA_EX
#undef READ_CAPACITY_DATA_EX
#undef PREAD_CAPACITY_DATA_EX
#include <layout.h>

#pragma pack(push, 1)
typedef struct _READ_CAPACITY_DATA_EX {
    LARGE_INTEGER LogicalBlockAddress;
    ULONG BytesPerBlock;
} READ_CAPACITY_DATA_EX, *PREAD_CAPACITY_DATA_EX;
#pragma pack(pop)

LAYOUT_SIZE(READ_CAPACITY_DATA, 8, 8);
LAYOUT_SIZE(READ_CAPACITY_DATA_EX, 12, 12);
LAYOUT_SIZE(CDB, 16, 16);

#endif
