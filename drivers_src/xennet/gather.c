/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of a frame to be sent, which a chain of MDLs describes. It is read, mostly from front to back. */
#include "xennet.h"

/* Moves the cursor to the MDL that the byte is in, and returns where in it. The frame has that byte. */
static ULONG seek(const struct xennet_send *send, struct xennet_cursor *cursor, ULONG offset)
{
    ULONG position = send->offset + offset;

    if (cursor->mdl == NULL || position < cursor->start) {
        cursor->mdl = send->mdl;
        cursor->start = 0;
    }
    while (cursor->mdl->Next != NULL && position - cursor->start >= MmGetMdlByteCount(cursor->mdl)) {
        cursor->start += MmGetMdlByteCount(cursor->mdl);
        cursor->mdl = cursor->mdl->Next;
    }
    return position - cursor->start;
}

BOOLEAN xennet_gather(const struct xennet_send *send, struct xennet_cursor *cursor, ULONG offset, PVOID to,
                      ULONG length)
{
    PUCHAR destination = to;

    while (length > 0) {
        ULONG within = seek(send, cursor, offset);
        ULONG count = MmGetMdlByteCount(cursor->mdl);
        PUCHAR from;

        if (within >= count) {
            return FALSE; /* the MDLs are shorter than the frame */
        }
        from = MmGetSystemAddressForMdlSafe(cursor->mdl, NormalPagePriority);
        if (from == NULL) {
            return FALSE;
        }
        count = min(count - within, length);
        RtlCopyMemory(destination, from + within, count);
        destination += count;
        offset += count;
        length -= count;
    }
    return TRUE;
}

ULONG xennet_extent(const struct xennet_send *send, struct xennet_cursor *cursor, ULONG offset, ULONG length,
                    ULONG_PTR *frame, ULONG *page_offset)
{
    ULONG within = seek(send, cursor, offset);
    ULONG count = MmGetMdlByteCount(cursor->mdl);
    ULONG position = MmGetMdlByteOffset(cursor->mdl) + within;

    if (within >= count) {
        return 0;
    }
    *frame = MmGetMdlPfnArray(cursor->mdl)[position >> PAGE_SHIFT];
    *page_offset = position & (PAGE_SIZE - 1);
    count = min(count - within, length);
    return min(count, PAGE_SIZE - *page_offset);
}
