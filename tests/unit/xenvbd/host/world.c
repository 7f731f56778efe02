/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include "world.h"

#define ARENA_PAGES 16384
#define GRANTS 8192

uint64_t random_state = 1;
unsigned grant_limit = GRANTS - 8, grants_reserved, grants_most;
struct backend backend;

static UCHAR arena[ARENA_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static uint32_t physical_of[ARENA_PAGES], virtual_of[ARENA_PAGES];
static uint32_t arena_used;
static struct { BOOLEAN reserved, live, readonly; unsigned held; uint64_t page; } table[GRANTS];
static uint32_t next_ref;

void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "violation: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(1);
}

uint32_t pick(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % below);
}

/* Runs of one to four pages stay together, so that extents longer than a page occur. */
void world_init(void)
{
    uint32_t runs[ARENA_PAGES], count = 0, page, place = 0, i;

    for (page = 0; page < ARENA_PAGES; page += 1 + pick(4)) {
        runs[count++] = page;
    }
    runs[count] = ARENA_PAGES;
    for (i = 0; i < count; i++) {
        physical_of[i] = i;
    }
    {
        uint32_t order[ARENA_PAGES];

        for (i = 0; i < count; i++) {
            order[i] = i;
        }
        for (i = count - 1; i > 0; i--) {
            uint32_t other = pick(i + 1), kept = order[i];

            order[i] = order[other];
            order[other] = kept;
        }
        for (i = 0; i < count; i++) {
            uint32_t end = order[i] + 1 < count ? runs[order[i] + 1] : ARENA_PAGES;

            for (page = runs[order[i]]; page < end; page++, place++) {
                physical_of[page] = place;
                virtual_of[place] = page;
            }
        }
    }
}

void *arena_take(size_t bytes)
{
    void *memory = arena[arena_used];

    arena_used += (uint32_t)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
    if (arena_used > ARENA_PAGES) {
        die("the arena is too small");
    }
    return memory;
}

uint64_t page_of(const void *address)
{
    size_t page = (size_t)((const UCHAR *)address - arena[0]) / PAGE_SIZE;

    if (page >= ARENA_PAGES) {
        die("physical address of memory that is none of ours");
    }
    return physical_of[page] + 0x100;
}

ULONG extent_of(const void *address, ULONG limit, uint64_t *physical)
{
    ULONG offset = (ULONG)((ULONG_PTR)address & (PAGE_SIZE - 1)), bytes = PAGE_SIZE - offset;
    const UCHAR *at = address;

    *physical = page_of(address) * PAGE_SIZE + offset;
    while (bytes < limit && page_of(at + bytes) * PAGE_SIZE == *physical + bytes) {
        bytes += PAGE_SIZE;
    }
    return min(bytes, limit);
}

grant_ref_t reserve(void)
{
    uint32_t tries;

    for (tries = 0; tries < GRANTS && grants_reserved < grant_limit; tries++) {
        next_ref = (next_ref + 1) % GRANTS;
        if (next_ref >= 8 && !table[next_ref].reserved) {
            table[next_ref].reserved = TRUE;
            grants_reserved++;
            grants_most = max(grants_most, grants_reserved);
            return next_ref;
        }
    }
    return XENVBD_NO_REF;
}

void unreserve(grant_ref_t ref)
{
    if (ref >= GRANTS || !table[ref].reserved || table[ref].held != 0) {
        die("reference %u given back, which is none or mapped", ref);
    }
    table[ref].reserved = FALSE;
    grants_reserved--;
}

void grant(grant_ref_t ref, uint64_t page, BOOLEAN readonly)
{
    if (ref >= GRANTS || !table[ref].reserved || table[ref].live) {
        die("grant %u given that is not reserved, or given already", ref);
    }
    table[ref].live = TRUE;
    table[ref].readonly = readonly;
    table[ref].page = page;
}

BOOLEAN ungrant(grant_ref_t ref)
{
    if (ref >= GRANTS || !table[ref].live) {
        die("grant %u ended that is none", ref);
    }
    if (table[ref].held != 0) {
        return FALSE;
    }
    table[ref].live = FALSE;
    return TRUE;
}

void grants_lose(void)
{
    ULONG i;

    for (i = 0; i < GRANTS; i++) {
        table[i].held = 0;
    }
}

void *granted(grant_ref_t ref, BOOLEAN write)
{
    uint64_t place;

    if (ref >= GRANTS || !table[ref].live) {
        die("the back end was given grant %u, which is none", ref);
    }
    if (write && table[ref].readonly) {
        die("the back end was given grant %u to write to, which is read-only", ref);
    }
    if (backend.keeps && table[ref].readonly) {
        die("grant %u is read-only, but a persistent mapping is not", ref);
    }
    place = table[ref].page - 0x100;
    if (place >= ARENA_PAGES) {
        die("grant %u is of page %llx, which is none of ours", ref, (unsigned long long)table[ref].page);
    }
    return arena[virtual_of[place]];
}

void hold(grant_ref_t ref, int change)
{
    granted(ref, FALSE);
    if (backend.keeps) {
        table[ref].held = 1;
    } else {
        table[ref].held += change;
    }
}
