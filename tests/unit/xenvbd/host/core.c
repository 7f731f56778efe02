/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random requests through the core of xenvbd to the model back end, compared with a model disk byte for byte.
 * Arguments are name=value; the program prints what it counted and ends with 0, or with a message and 1.
 */
#include "world.h"

#define CONTEXTS 24
#define LARGEST (1024 * 1024)
#define SECTORS (DISK_BYTES / 512)

static struct {
    uint32_t seed, requests, protocol, order, indirect, persistent, flush, barrier, discard, block, fail, grants;
    uint32_t suspends, misaligned, busy, depth, restarts, hostile, resizes, pool, info, write, front, dump;
} option = { 1, 1000, XENVBD_X86_64, 0, 0, 0, 1, 0, 1, 512, 0, 8000, 0, 20, 0, CONTEXTS, 0, 0, 0, 0, 0, 0, 1, 0 };

static const struct { const char *name; uint32_t *value; } options[] = {
    { "seed", &option.seed }, { "requests", &option.requests }, { "protocol", &option.protocol },
    { "order", &option.order }, { "indirect", &option.indirect }, { "persistent", &option.persistent },
    { "flush", &option.flush }, { "barrier", &option.barrier }, { "discard", &option.discard },
    { "block", &option.block }, { "fail", &option.fail }, { "grants", &option.grants },
    { "suspends", &option.suspends }, { "misaligned", &option.misaligned }, { "busy", &option.busy },
    { "depth", &option.depth }, { "restarts", &option.restarts }, { "hostile", &option.hostile },
    { "resizes", &option.resizes }, { "pool", &option.pool }, { "info", &option.info },
    { "write", &option.write }, { "front", &option.front }, { "dump", &option.dump },
};

static struct context {
    SCSI_REQUEST_BLOCK srb;
    struct xenvbd_request extension;
    UCHAR sense[18];
    UCHAR *memory;
    BOOLEAN used, completed;
    enum xenvbd_operation operation;
    BOOLEAN force_unit_access;
    ULONG sector, sectors;
    unsigned long long flushes; /* of the back end, when it was issued */
} contexts[CONTEXTS];

static struct xenvbd_extension extension;
static HW_INITIALIZATION_DATA hardware;
static struct xenvbd_adapter *const adapter = &extension.own;
static UCHAR *model, locks[SECTORS]; /* 0xFF: being written; else readers */
static unsigned long long issued, done, failed, busied, suspended, gone, attentions;

void completed(PSCSI_REQUEST_BLOCK srb)
{
    struct context *context = CONTAINING_RECORD(srb, struct context, srb);

    if (!context->used || context->completed) {
        die("an SRB was completed twice");
    }
    context->completed = TRUE;
}

/* The port driver. */

static void interrupt(void)
{
    backend.event = FALSE;
    bus.event(bus.listener);
}

/* Requests. */

static void fill(UCHAR *memory, ULONG bytes)
{
    ULONG i;

    for (i = 0; i + 8 <= bytes; i += 8) {
        pick(2);
        memcpy(memory + i, &random_state, 8);
    }
}

static BOOLEAN lock(struct context *context)
{
    BOOLEAN write = context->operation != XENVBD_READ;
    ULONG i;

    for (i = 0; i < context->sectors; i++) {
        UCHAR held = locks[context->sector + i];

        if (held == 0xFF || held == 0xFE || (write && held != 0)) {
            return FALSE;
        }
    }
    for (i = 0; i < context->sectors; i++) {
        locks[context->sector + i] = write ? 0xFF : locks[context->sector + i] + 1;
    }
    return TRUE;
}

static void unlock(struct context *context)
{
    ULONG i;

    for (i = 0; i < context->sectors; i++) {
        UCHAR *held = &locks[context->sector + i];

        *held = *held == 0xFF ? 0 : *held - 1;
    }
}

static void be(UCHAR *at, ULONG bytes, uint64_t value)
{
    xenvbd_put_be(at, bytes, value);
}

static void choose(struct context *context)
{
    uint32_t kind = pick(100), per_block = option.block / 512, limit = pick(4) == 0 ? LARGEST : 65536;

    context->operation = kind < 45   ? XENVBD_READ
                         : kind < 92 ? XENVBD_WRITE
                         : kind < 96 ? XENVBD_FLUSH
                                     : XENVBD_UNMAP;
    context->force_unit_access = context->operation == XENVBD_WRITE && kind % 5 == 0;
    context->sectors = (1 + pick(limit / option.block)) * per_block;
    context->sector = pick((SECTORS - context->sectors) / per_block + 1) * per_block;
    if (context->operation == XENVBD_FLUSH) {
        context->sectors = 0;
    }
}

static void prepare(struct context *context)
{
    PSCSI_REQUEST_BLOCK srb = &context->srb;
    ULONG block = context->sector / (option.block / 512), blocks = context->sectors / (option.block / 512), part;

    memset(srb, 0, sizeof(*srb));
    memset(&context->extension, 0xEE, sizeof(context->extension));
    srb->Function = SRB_FUNCTION_EXECUTE_SCSI;
    srb->SrbExtension = &context->extension;
    srb->SenseInfoBuffer = context->sense;
    srb->SenseInfoBufferLength = sizeof(context->sense);
    srb->DataBuffer = context->memory + pick(8) * 512 + (pick(100) < option.misaligned ? 2 + 2 * pick(250) : 0);
    srb->DataTransferLength = context->sectors * 512;
    switch (context->operation) {
    case XENVBD_FLUSH:
        srb->Cdb[0] = SCSIOP_SYNCHRONIZE_CACHE;
        break;
    case XENVBD_UNMAP:
        srb->Cdb[0] = SCSIOP_UNMAP;
        part = pick(blocks);
        memset(srb->DataBuffer, 0, 8 + 3 * 16);
        be((UCHAR *)srb->DataBuffer + 2, 2, 48);
        be((UCHAR *)srb->DataBuffer + 8, 8, block);
        be((UCHAR *)srb->DataBuffer + 16, 4, part);
        be((UCHAR *)srb->DataBuffer + 40, 8, block + part);
        be((UCHAR *)srb->DataBuffer + 48, 4, blocks - part);
        srb->DataTransferLength = 56;
        be(srb->Cdb + 7, 2, 56);
        break;
    default:
        srb->Cdb[0] = context->operation == XENVBD_READ ? SCSIOP_READ16 : SCSIOP_WRITE16;
        srb->Cdb[1] = context->force_unit_access ? 8 : 0;
        be(srb->Cdb + 2, 8, block);
        be(srb->Cdb + 10, 4, blocks);
        fill(srb->DataBuffer, context->sectors * 512);
        break;
    }
}

static void settle_model(struct context *context, BOOLEAN succeeded)
{
    UCHAR *expected = model + context->sector * 512, *actual = backend.disk + context->sector * 512;
    ULONG bytes = context->sectors * 512;

    switch (context->operation) {
    case XENVBD_READ:
        if (succeeded && memcmp(context->srb.DataBuffer, expected, bytes) != 0) {
            die("read of sector %u: other data", context->sector);
        }
        break;
    case XENVBD_WRITE:
        if (succeeded && memcmp(context->srb.DataBuffer, actual, bytes) != 0) {
            die("write of sector %u: the disk has other data", context->sector);
        }
        break;
    default:
        break;
    }
    if (context->operation == XENVBD_UNMAP && succeeded) {
        memset(expected, 0, bytes);
    } else if (context->operation != XENVBD_READ) {
        memcpy(expected, actual, bytes); /* what succeeded was compared; what failed may be there in part */
    }
}

static void retire(struct context *context)
{
    UCHAR status = SRB_STATUS(context->srb.SrbStatus);

    if (status == SRB_STATUS_BUSY && option.busy != 0) {
        busied++;
    } else if (status == SRB_STATUS_NO_DEVICE && (option.restarts != 0 || option.hostile != 0)) {
        gone++;
    } else if (status == SRB_STATUS_ERROR && context->sense[2] == SCSI_SENSE_UNIT_ATTENTION && option.resizes != 0) {
        attentions++;
    } else if (status == SRB_STATUS_ERROR && context->sense[2] == SCSI_SENSE_DATA_PROTECT &&
               (option.info & VDISK_READONLY) && context->operation != XENVBD_READ) {
        failed++;
    } else if (status == SRB_STATUS_ERROR && (option.fail != 0 || option.hostile != 0 ||
                                              (context->operation == XENVBD_UNMAP && !option.discard))) {
        if (!(context->srb.SrbStatus & SRB_STATUS_AUTOSENSE_VALID) || context->srb.DataTransferLength != 0) {
            die("an error without sense data, or with data");
        }
        failed++;
    } else if (status != SRB_STATUS_SUCCESS) {
        die("SRB status %02x", context->srb.SrbStatus);
    } else if (context->operation == XENVBD_READ || context->operation == XENVBD_WRITE) {
        if (context->srb.DataTransferLength != context->sectors * 512) {
            die("length %u", context->srb.DataTransferLength);
        }
    }
    if (status == SRB_STATUS_SUCCESS && (context->operation == XENVBD_FLUSH || context->force_unit_access) &&
        (option.flush || option.barrier) && option.fail == 0 && !(option.info & VDISK_READONLY) &&
        backend.flushes == context->flushes) {
        die("what was to be made durable was not flushed");
    }
    settle_model(context, status == SRB_STATUS_SUCCESS);
    unlock(context);
    context->used = FALSE;
    done++;
}

static BOOLEAN issue(void)
{
    struct context *context = contexts;

    while (context->used) {
        if (++context == contexts + option.depth) {
            return FALSE;
        }
    }
    choose(context);
    if (!lock(context)) {
        return FALSE;
    }
    prepare(context);
    context->flushes = backend.flushes;
    issued++;
    context->used = TRUE;
    context->completed = FALSE;
    bus.locked++;
    xenvbd_start_io(adapter, &context->srb);
    bus.locked--;
    return TRUE;
}

static BOOLEAN collect(void)
{
    BOOLEAN any = FALSE;
    ULONG i;

    for (i = 0; i < CONTEXTS; i++) {
        if (contexts[i].used && contexts[i].completed) {
            retire(&contexts[i]);
            any = TRUE;
        }
    }
    return any;
}

/* Lets the two ends act on each other until neither has anything to say. */
static void negotiate(void)
{
    ULONG i;

    for (i = 0; i < 1000; i++) {
        BOOLEAN moved = otherend_step();

        if (store_changed) {
            store_changed = FALSE;
            moved = TRUE;
            bus.child->changed(bus.argument);
        }
        if (!moved) {
            return;
        }
    }
    die("the two ends never agree: front %u, back %u", store_state(FRONT), store_state(BACK));
}

NTSTATUS KeWaitForSingleObject(PKEVENT event, int reason, int mode, BOOLEAN alertable, PLARGE_INTEGER timeout)
{
    (void)reason;
    (void)mode;
    (void)alertable;
    (void)timeout;
    negotiate();
    return event->set ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

static void connect(void)
{
    negotiate();
    if (adapter->state != XENVBD_CONNECTED) {
        die("not connected: front %u, back %u", store_state(FRONT), store_state(BACK));
    }
}

/* The domain goes on elsewhere: another back end on the same disk, which knows nothing of what was in the ring. */
static void suspend(void)
{
    bus.child->suspend(bus.argument);
    while (issued < option.requests && pick(3) != 0) {
        issue();
    }
    suspended++;
    if (pick(4) == 0) {
        bus.child->resume(bus.argument, FALSE);
        return;
    }
    store_number(FRONT, "state", XenbusStateInitialising);
    otherend_reset();
    bus.port = 0;
    bus.child->resume(bus.argument, TRUE);
    connect();
}

static void attack(void)
{
    ULONG64 id = ((ULONG64)random_state << 16) | pick(200);
    UCHAR entry[112];

    if (backend.ring == NULL || backend.lied || adapter->state != XENVBD_CONNECTED || backend.cons - backend.prod < 2 ||
        backend.pending == 0) {
        return;
    }
    backend.lied = TRUE;
    switch (pick(3)) {
    case 0: /* an answer to nothing, or to what was answered before */
        id = pick(2) ? id : backend.last_id;
        backend_respond(id, BLKIF_OP_READ, BLKIF_RSP_OKAY);
        break;
    case 1: /* more answers than requests */
        backend.ring->rsp_prod = backend.prod + backend.slots + 1 + pick(0xFFFFFF);
        backend.lied = FALSE; /* unless the next true answer comes first */
        break;
    default: /* an answer given twice */
        memcpy(entry, backend.taken[0].entry, sizeof(entry));
        memcpy(&id, entry + (backend.protocol == XENVBD_X86_32 ? 4 : 8), 8);
        backend_forget(0);
        backend_respond(id, BLKIF_OP_READ, BLKIF_RSP_ERROR);
        backend_respond(id, BLKIF_OP_READ, BLKIF_RSP_ERROR);
        break;
    }
    backend.event = TRUE;
}

static void set_up(void)
{
    uint32_t i;

    world_init();
    backend.disk = malloc(DISK_BYTES);
    model = malloc(DISK_BYTES);
    fill(backend.disk, DISK_BYTES);
    memcpy(model, backend.disk, DISK_BYTES);
    backend.can_flush = option.flush;
    backend.can_barrier = option.barrier;
    backend.can_discard = option.discard;
    backend.persistent = option.persistent;
    backend.indirect = option.indirect;
    backend.order = option.order;
    backend.block_size = option.block;
    backend.info = option.info;
    backend.sectors = DISK_BYTES / 512;
    backend.online = TRUE;
    backend.fail_percent = option.fail;
    backend.handle = 768;
    for (i = 0; i < CONTEXTS; i++) {
        contexts[i].memory = arena_take(LARGEST + 2 * PAGE_SIZE);
    }
    port_busy_percent = option.busy;
    bus.pages_fail_in = (int)option.pool;
    bus.write_fail_in = (int)option.write;
    store_number(FRONT, "state", option.front);
    if (option.protocol != XENVBD_NATIVE) {
        store_set(FRONT, "protocol", xenvbd_protocol_name((enum xenvbd_protocol)option.protocol));
    }
    otherend_reset();
    grant_limit = option.grants;
}

static void tear_down(void)
{
    if (grants_reserved != 0 || bus.block_count != 0 || bus.port != 0) {
        die("%u references, %u allocations and port %u are left", grants_reserved, bus.block_count, bus.port);
    }
}

static void start(void)
{
    PORT_CONFIGURATION_INFORMATION config;
    BOOLEAN again;

    memset(&config, 0xFF, sizeof(config));
    xenvbd_describe(&hardware, FALSE);
    if (hardware.HwFindAdapter(&extension, NULL, NULL, NULL, &config, &again) != SP_RETURN_FOUND) {
        tear_down();
        printf("refused\n");
        exit(0);
    }
    if (bus.port != 0 && !bus.masked) {
        die("an event could come before the interrupt is connected");
    }
    hardware.HwInitialize(&extension);
    connect();
    if (bus.masked) {
        die("events stay masked");
    }
}

static BOOLEAN due(uint32_t times)
{
    return times != 0 && issued < option.requests && pick(option.requests * 8 / times + 1) == 0;
}

static void disturb(void)
{
    if (due(option.suspends) && adapter->state == XENVBD_CONNECTED) {
        suspend();
    }
    if (due(option.restarts) && store_state(BACK) == XenbusStateConnected) {
        otherend_close();
    }
    if (due(option.hostile)) {
        attack();
    }
    if (due(option.resizes) && adapter->state == XENVBD_CONNECTED) {
        backend.sectors = DISK_BYTES / 512 + 8 * (1 + pick(100));
        store_number(BACK, "sectors", backend.sectors);
        store_number(BACK, "state", XenbusStateConnected);
    }
}

static void run(void)
{
    uint64_t idle = 0;

    while (issued < option.requests || done < issued) {
        BOOLEAN progress = FALSE;

        if (issued < option.requests && pick(3) == 0) {
            progress = issue();
        }
        disturb();
        if (pick(2) == 0) {
            progress |= backend_take();
        }
        if (pick(3) == 0) {
            progress |= backend_answer();
        }
        if (pick(8) == 0) {
            progress |= otherend_step();
        }
        if (store_changed && pick(8) == 0) {
            store_changed = FALSE;
            bus.child->changed(bus.argument);
            progress = TRUE;
        }
        if (backend.event && bus.port != 0 && pick(4) == 0) {
            interrupt();
            progress = TRUE;
        }
        progress |= collect();
        idle = progress ? 0 : idle + 1;
        if (idle > 100000) {
            die("nothing moves: %llu of %llu requests are done; front %u, back %u", done, issued,
                store_state(FRONT), store_state(BACK));
        }
    }
}

/* The machine has crashed with requests in flight; what is left is the dump's copy of the driver, which polls. */
static void dump(void)
{
    static struct xenvbd_extension copy;
    PORT_CONFIGURATION_INFORMATION config;
    struct context *context = &contexts[0];
    char arguments[] = "dump=1;";
    ULONG i, written = 0;
    BOOLEAN again;

    while (done < option.requests / 2) {
        issue();
        backend_take();
        if (pick(3) == 0) {
            backend_answer();
        }
        if (backend.event) {
            interrupt();
        }
        collect();
    }
    memset(&config, 0xFF, sizeof(config));
    if (hardware.HwFindAdapter(&copy, NULL, NULL, arguments, &config, &again) != SP_RETURN_FOUND) {
        die("the dump finds no adapter");
    }
    hardware.HwInitialize(&copy);
    memset(locks, 0, sizeof(locks));
    bus.locked++;
    bus.dumping = TRUE;
    for (i = 0; i < option.requests; i++) {
        choose(context);
        context->operation = XENVBD_WRITE;
        context->sectors = min(max(context->sectors, 8), 128);
        prepare(context);
        context->used = TRUE;
        context->completed = FALSE;
        xenvbd_start_io(copy.adapter, &context->srb);
        xenvbd_dump_wait(copy.adapter);
        if (!context->completed || context->srb.SrbStatus != SRB_STATUS_SUCCESS ||
            memcmp(backend.disk + context->sector * 512, context->srb.DataBuffer, context->sectors * 512) != 0) {
            die("the dump's write of sector %u is not on the disk", context->sector);
        }
        written++;
    }
    printf("dumped %u\n", written);
    exit(0);
}

static void whole(const struct xenvbd_stack *stack, const char *what)
{
    ULONG count = 0;
    USHORT item;

    for (item = stack->count == 0 ? XENVBD_NONE : stack->free; item != XENVBD_NONE; item = stack->items[item].next) {
        count++;
    }
    if (count != stack->count) {
        die("%u of %u %s are lost", stack->count - count, stack->count, what);
    }
}

static void stop(void)
{
    if (!IsListEmpty(&adapter->waiting) || !IsListEmpty(&adapter->flying)) {
        die("requests are left");
    }
    if (memcmp(model, backend.disk, DISK_BYTES) != 0) {
        die("the disk is not the model");
    }
    if (adapter->state == XENVBD_CONNECTED) {
        whole(&adapter->refs, "references");
        whole(&adapter->frames, "frames");
        whole(&adapter->indirect, "indirect frames");
    }
    bus.child->stop(bus.argument);
    if (pick(2)) {
        bus.child->start(bus.argument);
        connect();
        bus.child->stop(bus.argument);
    }
    hardware.HwAdapterControl(&extension, ScsiStopAdapter, NULL);
    if (store_state(FRONT) != XenbusStateClosed || bus.child != NULL) {
        die("the front end is left at %u", store_state(FRONT));
    }
}

int main(int argc, char **argv)
{
    ULONG i, k;

    for (k = 1; k < (ULONG)argc; k++) {
        const char *value = strchr(argv[k], '=');

        for (i = 0; i < RTL_NUMBER_OF(options); i++) {
            if (value != NULL && strncmp(argv[k], options[i].name, (size_t)(value - argv[k])) == 0 &&
                options[i].name[value - argv[k]] == 0) {
                *options[i].value = (uint32_t)strtoul(value + 1, NULL, 0);
                break;
            }
        }
        if (i == RTL_NUMBER_OF(options)) {
            die("no option %s", argv[k]);
        }
    }
    random_state = 0x9E3779B97F4A7C15ull * (option.seed + 1);
    set_up();
    start();
    if (option.dump) {
        dump();
    }
    run();
    stop();
    tear_down();
    printf("done %llu failed %llu busy %llu suspended %llu gone %llu attentions %llu ", done, failed, busied, suspended,
           gone, attentions);
    printf("entries %llu notifications %llu events %llu grants %u\n", backend.requests, backend.notifications,
           backend.events, grants_most);
    return 0;
}
