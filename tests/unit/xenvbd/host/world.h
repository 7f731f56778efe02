/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world round the core of xenvbd: memory whose pages lie scrambled, a grant table, and a back end that checks what
 * it is given. Whatever a real one would crash on, or lose data by, ends the program with a message (die).
 */
#ifndef WORLD_H
#define WORLD_H

#include "xenvbd.h"

#define DISK_BYTES (8 * 1024 * 1024)

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint32_t pick(uint32_t below); /* a random number; the seed decides */
extern uint64_t random_state;

/* Memory: everything the back end may see is in the arena. */
void world_init(void);
void *arena_take(size_t bytes); /* page-aligned */
uint64_t page_of(const void *address);
ULONG extent_of(const void *address, ULONG limit, uint64_t *physical);

/* Grants. */
extern unsigned grant_limit, grants_reserved, grants_most;
grant_ref_t reserve(void); /* XENVBD_NO_REF: there is none left */
void unreserve(grant_ref_t ref);
void grant(grant_ref_t ref, uint64_t page, BOOLEAN readonly);
BOOLEAN ungrant(grant_ref_t ref); /* FALSE: it is mapped */
void grants_lose(void); /* the back end has mapped nothing any more */
void *granted(grant_ref_t ref, BOOLEAN write);
void hold(grant_ref_t ref, int change); /* mapped by the back end: 1, no longer: -1 */

/* The back end. */
struct backend {
    UCHAR *disk;
    struct xen_ring_shared *ring;
    enum xenvbd_protocol protocol;
    ULONG slots, cons, prod;
    ULONG fail_percent;
    BOOLEAN can_flush;   /* FLUSH_DISKCACHE */
    BOOLEAN can_barrier;
    BOOLEAN can_discard;
    BOOLEAN persistent;  /* offered */
    BOOLEAN keeps;       /* both ends want it, so mappings are kept */
    ULONG indirect;      /* most segments of an indirect request; 0: not offered */
    ULONG block_size;
    ULONG order;         /* largest offered */
    ULONG info;
    ULONG sectors;
    BOOLEAN online;
    USHORT handle;
    BOOLEAN awake;       /* has been notified */
    BOOLEAN lied;        /* has broken the ring: waits to be found out */
    BOOLEAN event;       /* an event to the front end is on its way */
    ULONG pending;
    struct { UCHAR entry[112]; } taken[512];
    ULONG64 last_id;     /* answered */
    unsigned long long flushes;
    unsigned long long notifications, events, requests;
};
extern struct backend backend;

void backend_attach(void *ring, ULONG bytes, enum xenvbd_protocol protocol);
BOOLEAN backend_take(void);   /* reads one request; FALSE: there is none, and it sleeps */
BOOLEAN backend_answer(void); /* carries out and answers one it has taken, at random */
void backend_respond(ULONG64 id, UCHAR operation, SHORT status);
void backend_forget(ULONG number); /* what it has taken, without answering it */
void backend_vanish(void);    /* as after a save and restore, and at the end of a connection */

/* xenstore: the device's two folders. */
enum end { FRONT, BACK };
const char *store_get(enum end end, const char *node); /* NULL: there is no such node */
void store_set(enum end end, const char *node, const char *text);
void store_number(enum end end, const char *node, ULONG value);
ULONG store_state(enum end end);
extern BOOLEAN store_changed; /* in the back end's folder, since the front end was last told */
void otherend_reset(void);    /* a new back end: Initialising */
BOOLEAN otherend_step(void);  /* the back end looks at the front end's state; TRUE: it did something */
void otherend_close(void);

/* xenpci. */
struct bus {
    const struct xenpci_child *child;
    PVOID argument;
    evtchn_port_t port;
    xenpci_event_callback *event;
    PVOID listener;    /* its argument */
    BOOLEAN masked;
    int locked;        /* the port driver's lock is held */
    int pages_fail_in; /* this allocation fails; 0: none */
    int write_fail_in;
    BOOLEAN dumping;   /* nothing but events may be asked for */
    ULONG block_count;
    struct { PVOID pages; ULONG count; grant_ref_t references[32]; } blocks[16];
};
extern struct bus bus;
extern struct xenpci_block block;


/* The port driver. */
extern uint32_t port_busy_percent; /* of the requests whose data cannot be mapped */
void completed(PSCSI_REQUEST_BLOCK srb);

#endif
