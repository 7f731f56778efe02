/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A block back end, from blkif.h: written apart from the driver, layouts by number, so that the two can disagree. */
#include "world.h"

#define SECTOR 512

struct shape {
    ULONG slot, id, sector, segments, extent, handle, refs, response_status;
};

static const struct shape shapes[] = {
    { 108, 4, 12, 20, 20, 20, 24, 10 },
    { 112, 8, 16, 24, 24, 24, 28, 10 },
};

static uint64_t number(const UCHAR *at, ULONG bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0) {
        value = value << 8 | at[bytes];
    }
    return value;
}

static UCHAR *slot(ULONG index)
{
    return (UCHAR *)backend.ring + 64 + (index & (backend.slots - 1)) * shapes[backend.protocol].slot;
}

void backend_attach(void *ring, ULONG bytes, enum xenvbd_protocol protocol)
{
    ULONG fitting = (bytes - 64) / shapes[protocol].slot;

    backend.ring = ring;
    backend.protocol = protocol;
    for (backend.slots = 1; backend.slots * 2 <= fitting;) {
        backend.slots *= 2;
    }
    backend.cons = backend.prod = 0;
    backend.pending = 0;
    backend.awake = TRUE;
    backend.event = backend.lied = FALSE;
}

static BOOLEAN sleep_now(void)
{
    backend.ring->req_event = backend.cons + 1;
    __sync_synchronize();
    backend.awake = backend.ring->req_prod != backend.cons;
    return FALSE;
}

/* Maps what the entry grants, or lets go of it. */
static void map(const UCHAR *entry, int change)
{
    const struct shape *shape = &shapes[backend.protocol];
    const UCHAR *segments = entry + shape->segments;
    ULONG count = entry[1], i;

    if (entry[0] == BLKIF_OP_INDIRECT) {
        segments = granted((grant_ref_t)number(entry + shape->refs, 4), FALSE);
        count = (ULONG)number(entry + 2, 2);
        hold((grant_ref_t)number(entry + shape->refs, 4), change);
    } else if (entry[0] > BLKIF_OP_WRITE) {
        return;
    }
    for (i = 0; i < count; i++) {
        hold((grant_ref_t)number(segments + 8 * i, 4), change);
    }
}

void backend_vanish(void)
{
    backend.ring = NULL;
    backend.pending = 0;
    backend.awake = backend.event = backend.keeps = FALSE;
    grants_lose();
}

BOOLEAN backend_take(void)
{
    if (backend.ring == NULL || backend.lied) {
        return FALSE;
    }
    if (!backend.awake || backend.pending == 512) {
        return FALSE;
    }
    if (backend.ring->req_prod == backend.cons) {
        return sleep_now();
    }
    if (backend.ring->req_prod - backend.cons > backend.slots) {
        die("more requests than slots");
    }
    if ((LONG)(backend.cons - backend.prod) >= (LONG)backend.slots) {
        die("the ring is overfull");
    }
    memcpy(backend.taken[backend.pending++].entry, slot(backend.cons), shapes[backend.protocol].slot);
    map(backend.taken[backend.pending - 1].entry, 1);
    backend.cons++;
    backend.requests++;
    return TRUE;
}

static SHORT transfer(const UCHAR *segments, ULONG count, uint64_t sector, BOOLEAN read)
{
    uint64_t start = sector;
    ULONG i;

    for (i = 0; i < count; i++, segments += 8) {
        ULONG first = segments[4], last = segments[5], bytes = (last - first + 1) * SECTOR;
        UCHAR *page = granted((grant_ref_t)number(segments, 4), read);

        if (first > last || last > 7) {
            die("segment of sectors %u to %u", first, last);
        }
        if (sector * SECTOR + bytes > DISK_BYTES) {
            die("transfer past the end of the disk");
        }
        if (read) {
            memcpy(page + first * SECTOR, backend.disk + sector * SECTOR, bytes);
        } else {
            memcpy(backend.disk + sector * SECTOR, page + first * SECTOR, bytes);
        }
        sector += bytes / SECTOR;
    }
    if ((start * SECTOR) % backend.block_size != 0 || (sector * SECTOR) % backend.block_size != 0) {
        die("a transfer of sectors %llu to %llu is not of whole blocks", (unsigned long long)start,
            (unsigned long long)sector);
    }
    return BLKIF_RSP_OKAY;
}

static SHORT direct(const UCHAR *entry, BOOLEAN read)
{
    const struct shape *shape = &shapes[backend.protocol];

    if (entry[1] == 0 || entry[1] > 11) {
        die("%u segments", entry[1]);
    }
    return transfer(entry + shape->segments, entry[1], number(entry + shape->sector, 8), read);
}

static SHORT indirect(const UCHAR *entry)
{
    const struct shape *shape = &shapes[backend.protocol];
    ULONG count = (ULONG)number(entry + 2, 2);

    if (count == 0 || count > backend.indirect || count > 512) {
        die("%u indirect segments", count);
    }
    return transfer(granted((grant_ref_t)number(entry + shape->refs, 4), FALSE), count,
                    number(entry + shape->sector, 8), entry[1] == BLKIF_OP_READ);
}

static SHORT flush(BOOLEAN offered)
{
    if (!offered) {
        return BLKIF_RSP_EOPNOTSUPP;
    }
    backend.flushes++;
    return BLKIF_RSP_OKAY;
}

static SHORT discard(const UCHAR *entry)
{
    const struct shape *shape = &shapes[backend.protocol];
    uint64_t first = number(entry + shape->sector, 8), count = number(entry + shape->extent, 8);

    if (!backend.can_discard) {
        return BLKIF_RSP_EOPNOTSUPP;
    }
    if (entry[1] != 0 || first + count > DISK_BYTES / SECTOR) {
        die("bad discard");
    }
    memset(backend.disk + first * SECTOR, 0, count * SECTOR);
    return BLKIF_RSP_OKAY;
}

static SHORT carry_out(const UCHAR *entry)
{
    const struct shape *shape = &shapes[backend.protocol];
    USHORT handle = (USHORT)number(entry[0] == BLKIF_OP_INDIRECT ? entry + shape->handle : entry + 2, 2);

    if (handle != backend.handle) {
        die("handle %u", handle);
    }
    switch (entry[0]) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        return direct(entry, entry[0] == BLKIF_OP_READ);
    case BLKIF_OP_WRITE_BARRIER:
        return flush(backend.can_barrier);
    case BLKIF_OP_FLUSH_DISKCACHE:
        return flush(backend.can_flush);
    case BLKIF_OP_DISCARD:
        return discard(entry);
    case BLKIF_OP_INDIRECT:
        return indirect(entry);
    default:
        die("operation %u", entry[0]);
    }
}

void backend_respond(ULONG64 id, UCHAR operation, SHORT status)
{
    UCHAR *response = slot(backend.prod);
    ULONG before = backend.prod++;

    backend.last_id = id;
    memcpy(response, &id, 8);
    response[8] = operation;
    memcpy(response + shapes[backend.protocol].response_status, &status, 2);
    __sync_synchronize();
    backend.ring->rsp_prod = backend.prod;
    __sync_synchronize();
    if (backend.prod - backend.ring->rsp_event < backend.prod - before) {
        backend.event = TRUE;
        backend.events++;
    }
}

void backend_forget(ULONG number)
{
    map(backend.taken[number].entry, -1);
    backend.taken[number] = backend.taken[--backend.pending];
}

BOOLEAN backend_answer(void)
{
    static const SHORT failures[] = { BLKIF_RSP_ERROR, BLKIF_RSP_EOPNOTSUPP, 17, -300 };
    UCHAR entry[112];
    ULONG chosen;
    ULONG64 id;
    SHORT status;

    if (backend.pending == 0) {
        return FALSE;
    }
    chosen = pick(backend.pending);
    memcpy(entry, backend.taken[chosen].entry, sizeof(entry));
    backend.taken[chosen] = backend.taken[--backend.pending];
    id = number(entry + shapes[backend.protocol].id, 8);
    status = carry_out(entry);
    map(entry, -1);
    if (pick(100) < backend.fail_percent) {
        status = failures[pick(4)];
    }
    backend_respond(id, entry[0] == BLKIF_OP_INDIRECT ? entry[1] : entry[0], status);
    return TRUE;
}
