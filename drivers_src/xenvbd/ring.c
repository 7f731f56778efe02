/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blkif ring in either layout (xen/include/public/io/blkif.h): ring entries are written field by field at the
 * offsets of the protocol that the two ends agreed on, and never read back, for the back end may write to them.
 */
#include "xenvbd.h"

struct layout {
    ULONG slot;
    ULONG id;
    ULONG sector;
    ULONG segments;
    ULONG sectors;
    ULONG indirect_id;
    ULONG indirect_sector;
    ULONG indirect_handle;
    ULONG indirect_refs;
    ULONG status;
};

#define LAYOUT(abi) \
    { \
        sizeof(struct blkif_##abi##_request), \
            FIELD_OFFSET(struct blkif_##abi##_request, id), \
            FIELD_OFFSET(struct blkif_##abi##_request, sector_number), \
            FIELD_OFFSET(struct blkif_##abi##_request, seg), \
            FIELD_OFFSET(struct blkif_##abi##_request_discard, nr_sectors), \
            FIELD_OFFSET(struct blkif_##abi##_request_indirect, id), \
            FIELD_OFFSET(struct blkif_##abi##_request_indirect, sector_number), \
            FIELD_OFFSET(struct blkif_##abi##_request_indirect, handle), \
            FIELD_OFFSET(struct blkif_##abi##_request_indirect, indirect_grefs), \
            FIELD_OFFSET(struct blkif_##abi##_response, status) \
    }

/* In the order of enum xenvbd_protocol. */
static const struct layout layouts[] = { LAYOUT(x86_32), LAYOUT(x86_64) };

static const PCSTR protocol_names[] = { XEN_IO_PROTO_ABI_X86_32, XEN_IO_PROTO_ABI_X86_64 };

PCSTR xenvbd_protocol_name(enum xenvbd_protocol protocol)
{
    return protocol_names[protocol];
}

BOOLEAN xenvbd_protocol_named(PCSTR name, enum xenvbd_protocol *protocol)
{
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(protocol_names); i++) {
        if (strcmp(name, protocol_names[i]) == 0) {
            *protocol = (enum xenvbd_protocol)i;
            return TRUE;
        }
    }
    return FALSE;
}

VOID xenvbd_ring_init(struct xenvbd_ring *ring, PVOID pages, ULONG bytes, enum xenvbd_protocol protocol, USHORT handle)
{
    ring->protocol = protocol;
    ring->handle = handle;
    xen_front_ring_init(&ring->front, pages, bytes, layouts[protocol].slot);
}

BOOLEAN xenvbd_ring_has_room(const struct xenvbd_ring *ring)
{
    return xen_front_ring_free(&ring->front) != 0;
}

BOOLEAN xenvbd_ring_push(struct xenvbd_ring *ring)
{
    return ring->front.req_prod != ring->front.shared->req_prod && xen_front_ring_push(&ring->front);
}

ULONG xenvbd_ring_answers(struct xenvbd_ring *ring)
{
    ULONG count = xen_front_ring_unconsumed(&ring->front);

    return count != 0 ? count : xen_front_ring_final_check(&ring->front);
}

static VOID put_indirect(const struct xenvbd_ring *ring, PUCHAR slot, const struct xenvbd_entry *entry)
{
    const struct layout *layout = &layouts[ring->protocol];

    slot[0] = BLKIF_OP_INDIRECT;
    slot[1] = entry->operation;
    *(PUSHORT)(slot + 2) = (USHORT)entry->segments;
    *(ULONG64 *)(slot + layout->indirect_id) = entry->id;
    *(ULONG64 *)(slot + layout->indirect_sector) = entry->sector;
    *(PUSHORT)(slot + layout->indirect_handle) = ring->handle;
    *(grant_ref_t *)(slot + layout->indirect_refs) = entry->indirect;
}

static VOID put_direct(const struct xenvbd_ring *ring, PUCHAR slot, const struct xenvbd_entry *entry)
{
    const struct layout *layout = &layouts[ring->protocol];

    slot[0] = entry->operation;
    slot[1] = (UCHAR)entry->segments; /* of a discard: no flags */
    *(PUSHORT)(slot + 2) = ring->handle;
    *(ULONG64 *)(slot + layout->id) = entry->id;
    *(ULONG64 *)(slot + layout->sector) = entry->sector;
    if (entry->operation == BLKIF_OP_DISCARD) {
        *(ULONG64 *)(slot + layout->sectors) = entry->sectors;
    } else if (entry->segments != 0) {
        RtlCopyMemory(slot + layout->segments, entry->segment, entry->segments * sizeof(*entry->segment));
    }
}

VOID xenvbd_ring_put(struct xenvbd_ring *ring, const struct xenvbd_entry *entry)
{
    PUCHAR slot = xen_front_ring_slot(&ring->front, ring->front.req_prod);

    if (entry->indirect != XENVBD_NO_REF) {
        put_indirect(ring, slot, entry);
    } else {
        put_direct(ring, slot, entry);
    }
    ring->front.req_prod++;
}

VOID xenvbd_ring_take(struct xenvbd_ring *ring, struct xenvbd_response *response)
{
    const volatile UCHAR *slot = xen_front_ring_slot(&ring->front, ring->front.rsp_cons);

    response->id = *(const volatile ULONG64 *)slot;
    response->status = *(const volatile SHORT *)(slot + layouts[ring->protocol].status);
    ring->front.rsp_cons++;
}
