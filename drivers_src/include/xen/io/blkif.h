/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: block devices (xen/include/public/io/blkif.h, io/protocols.h).
 *
 * The layout depends on the machine that the front end names in its "protocol" node: 64-bit fields are aligned to 8
 * bytes in x86_64-abi and to 4 in x86_32-abi.  Where a back end knows no such node it takes its own, so both are here;
 * the unadorned names are those of the driver's own machine.
 */
#ifndef GPLPV_XEN_IO_BLKIF_H
#define GPLPV_XEN_IO_BLKIF_H

#include "../types.h"

#define XEN_IO_PROTO_ABI_X86_32 "x86_32-abi"
#define XEN_IO_PROTO_ABI_X86_64 "x86_64-abi"

#define BLKIF_OP_READ 0
#define BLKIF_OP_WRITE 1
#define BLKIF_OP_WRITE_BARRIER 2
#define BLKIF_OP_FLUSH_DISKCACHE 3
#define BLKIF_OP_DISCARD 5
#define BLKIF_OP_INDIRECT 6

#define BLKIF_MAX_SEGMENTS_PER_REQUEST 11
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8
#define BLKIF_SEGMENTS_PER_INDIRECT_PAGE (XEN_PAGE_SIZE / sizeof(struct blkif_request_segment))

#define BLKIF_RSP_OKAY 0
#define BLKIF_RSP_ERROR (-1)
#define BLKIF_RSP_EOPNOTSUPP (-2)

/* Bits of the back end's "info" node. */
#define VDISK_CDROM 1
#define VDISK_REMOVABLE 2
#define VDISK_READONLY 4

/* What sector numbers, first_sect and last_sect count, unless the front end writes "feature-large-sector-size". */
#define BLKIF_SECTOR_SIZE 512

struct blkif_request_segment {
    grant_ref_t gref;
    UCHAR first_sect; /* of the page, inclusive */
    UCHAR last_sect;  /* of the page, inclusive */
};

#pragma pack(push, 4)
struct blkif_x86_32_request {
    UCHAR operation;
    UCHAR nr_segments;
    USHORT handle;
    ULONG64 id;
    ULONG64 sector_number;
    struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

struct blkif_x86_32_request_discard {
    UCHAR operation;
    UCHAR flag;
    USHORT handle;
    ULONG64 id;
    ULONG64 sector_number;
    ULONG64 nr_sectors;
};

struct blkif_x86_32_request_indirect {
    UCHAR operation;
    UCHAR indirect_op;
    USHORT nr_segments;
    ULONG64 id;
    ULONG64 sector_number;
    USHORT handle;
    grant_ref_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
    ULONG64 pad;
};

struct blkif_x86_32_response {
    ULONG64 id;
    UCHAR operation;
    SHORT status;
};
#pragma pack(pop)

#pragma pack(push, 8)
struct blkif_x86_64_request {
    UCHAR operation;
    UCHAR nr_segments;
    USHORT handle;
    ULONG64 id;
    ULONG64 sector_number;
    struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

struct blkif_x86_64_request_discard {
    UCHAR operation;
    UCHAR flag;
    USHORT handle;
    ULONG64 id;
    ULONG64 sector_number;
    ULONG64 nr_sectors;
};

struct blkif_x86_64_request_indirect {
    UCHAR operation;
    UCHAR indirect_op;
    USHORT nr_segments;
    ULONG64 id;
    ULONG64 sector_number;
    USHORT handle;
    grant_ref_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
};

struct blkif_x86_64_response {
    ULONG64 id;
    UCHAR operation;
    SHORT status;
};
#pragma pack(pop)

#ifdef _WIN64
#define XEN_IO_PROTO_ABI_NATIVE XEN_IO_PROTO_ABI_X86_64
#define blkif_request blkif_x86_64_request
#define blkif_request_discard blkif_x86_64_request_discard
#define blkif_request_indirect blkif_x86_64_request_indirect
#define blkif_response blkif_x86_64_response
#else
#define XEN_IO_PROTO_ABI_NATIVE XEN_IO_PROTO_ABI_X86_32
#define blkif_request blkif_x86_32_request
#define blkif_request_discard blkif_x86_32_request_discard
#define blkif_request_indirect blkif_x86_32_request_indirect
#define blkif_response blkif_x86_32_response
#endif

XEN_ABI_SIZE(struct blkif_request_segment, 8, 8);
XEN_ABI_SIZE(struct blkif_x86_32_request, 108, 108);
XEN_ABI_SIZE(struct blkif_x86_32_request_discard, 28, 28);
XEN_ABI_SIZE(struct blkif_x86_32_request_indirect, 64, 64);
XEN_ABI_SIZE(struct blkif_x86_32_response, 12, 12);
XEN_ABI_SIZE(struct blkif_x86_64_request, 112, 112);
XEN_ABI_SIZE(struct blkif_x86_64_request_discard, 32, 32);
XEN_ABI_SIZE(struct blkif_x86_64_request_indirect, 64, 64);
XEN_ABI_OFFSET(struct blkif_x86_64_request_indirect, indirect_grefs, 28, 28);
XEN_ABI_SIZE(struct blkif_x86_64_response, 16, 16);

#endif
