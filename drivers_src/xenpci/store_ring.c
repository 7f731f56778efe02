/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The two byte rings of the page shared with xenstored, and the messages in them.  What xenstored writes is not trusted:
 * indices or lengths that cannot be end the connection, until a resume makes another.
 */
#include "xenpci.h"
#include "xen/hvm/params.h"

#define RESUME_RETRY_100NS (-100 * 10 * 1000)
#define RESUME_TRIES 300

static struct {
    struct xenstore_domain_interface *page;
    evtchn_port_t port;
    BOOLEAN broken;
    KEVENT space;       /* xenstored may have taken something */
    KSPIN_LOCK lock;    /* DISPATCH_LEVEL; for what follows */
    ULONG have;         /* bytes of the message that is coming in, header included */
    struct xsd_sockmsg header;
    CHAR body[XENSTORE_PAYLOAD_MAX + 1]; /* terminated for its reader */
} ring;

static NTSTATUS break_off(PCSTR why)
{
    UNREFERENCED_PARAMETER(why);
    GPLPV_DEBUG(("the store connection is broken: %s\n", why));
    ring.broken = TRUE;
    return STATUS_IO_DEVICE_ERROR;
}

/* Copies into the request ring as much as there is room for; how much that was, or an error. */
static NTSTATUS put_some(const CHAR *bytes, ULONG length, PULONG done)
{
    ULONG produced = ring.page->req_prod;
    ULONG used = produced - ring.page->req_cons;
    ULONG start = MASK_XENSTORE_IDX(produced);

    if (used > XENSTORE_RING_SIZE)
        return break_off("request indices");
    *done = min(length, min(XENSTORE_RING_SIZE - used, XENSTORE_RING_SIZE - start));
    if (*done == 0)
        return STATUS_SUCCESS;
    KeMemoryBarrier();
    RtlCopyMemory(ring.page->req + start, bytes, *done);
    KeMemoryBarrier();
    ring.page->req_prod = produced + *done;
    return STATUS_SUCCESS;
}

static NTSTATUS wait_for_space(VOID)
{
    LARGE_INTEGER timeout;

    timeout.QuadPart = -(LONGLONG)XENPCI_STORE_TIMEOUT_MS * 10 * 1000;
    if (KeWaitForSingleObject(&ring.space, Executive, KernelMode, FALSE, &timeout) == STATUS_TIMEOUT)
        return break_off("xenstored takes nothing");
    return STATUS_SUCCESS;
}

static NTSTATUS put(const VOID *bytes, ULONG length)
{
    NTSTATUS status = STATUS_SUCCESS;
    ULONG offset = 0, done;

    while (NT_SUCCESS(status) && offset < length) {
        KeClearEvent(&ring.space);
        status = put_some((const CHAR *)bytes + offset, length - offset, &done);
        if (!NT_SUCCESS(status))
            break;
        offset += done;
        if (done == 0) {
            event_notify(ring.port);
            status = wait_for_space();
        }
    }
    return status;
}

NTSTATUS store_ring_send(const struct xsd_sockmsg *header, const struct store_part *parts, ULONG count)
{
    NTSTATUS status;
    ULONG i;

    if (ring.broken)
        return STATUS_IO_DEVICE_ERROR;
    status = put(header, sizeof(*header));
    for (i = 0; i < count && NT_SUCCESS(status); i++)
        status = put(parts[i].bytes, parts[i].length);
    if (NT_SUCCESS(status))
        event_notify(ring.port);
    return status;
}

/* Copies up to `length` bytes out of the reply ring and says how many. */
static ULONG take_some(PVOID bytes, ULONG length)
{
    ULONG consumed = ring.page->rsp_cons;
    ULONG available = ring.page->rsp_prod - consumed;
    ULONG start = MASK_XENSTORE_IDX(consumed);

    if (available > XENSTORE_RING_SIZE) {
        break_off("reply indices");
        return 0;
    }
    length = min(length, min(available, XENSTORE_RING_SIZE - start));
    if (length == 0)
        return 0;
    KeMemoryBarrier();
    RtlCopyMemory(bytes, ring.page->rsp + start, length);
    KeMemoryBarrier();
    ring.page->rsp_cons = consumed + length;
    return length;
}

static ULONG take_header(VOID)
{
    ULONG taken = take_some((PUCHAR)&ring.header + ring.have, sizeof(ring.header) - ring.have);

    ring.have += taken;
    if (ring.have == sizeof(ring.header) && ring.header.len > XENSTORE_PAYLOAD_MAX)
        break_off("length of a reply");
    return taken;
}

static ULONG take_body(VOID)
{
    ULONG offset = ring.have - sizeof(ring.header);
    ULONG taken = take_some(ring.body + offset, ring.header.len - offset);

    ring.have += taken;
    return taken;
}

static VOID deliver_if_complete(VOID)
{
    if (ring.have < sizeof(ring.header) || ring.have < sizeof(ring.header) + ring.header.len)
        return;
    ring.body[ring.header.len] = 0;
    ring.have = 0;
    store_deliver(&ring.header, ring.body);
}

/* With the lock.  FALSE: the ring is empty, or broken. */
static BOOLEAN receive(VOID)
{
    ULONG taken = ring.have < sizeof(ring.header) ? take_header() : take_body();

    if (taken == 0 || ring.broken)
        return FALSE;
    deliver_if_complete();
    return TRUE;
}

/* DISPATCH_LEVEL. */
static VOID NTAPI event(PVOID argument)
{
    BOOLEAN received = FALSE;

    UNREFERENCED_PARAMETER(argument);
    KeAcquireSpinLockAtDpcLevel(&ring.lock);
    if (!ring.broken)
        while (receive())
            received = TRUE;
    KeReleaseSpinLockFromDpcLevel(&ring.lock);
    if (received)
        event_notify(ring.port);
    KeSetEvent(&ring.space, IO_NO_INCREMENT, FALSE);
}

static const struct event_target target = {event, NULL, &ring, XENPCI_EVENT_DPC};

static NTSTATUS map_page(VOID)
{
    PHYSICAL_ADDRESS address;
    ULONG64 frame;
    NTSTATUS status;

    status = xen_get_param(HVM_PARAM_STORE_PFN, &frame);
    if (!NT_SUCCESS(status))
        return status;
    if (frame == 0)
        return STATUS_DEVICE_NOT_CONNECTED;
    address.QuadPart = (LONGLONG)(frame << XEN_PAGE_SHIFT);
    ring.page = MmMapIoSpace(address, XEN_PAGE_SIZE, MmCached);
    return ring.page != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS store_ring_start(VOID)
{
    ULONG64 port;
    NTSTATUS status;

    RtlZeroMemory(&ring, sizeof(ring));
    KeInitializeEvent(&ring.space, NotificationEvent, FALSE);
    KeInitializeSpinLock(&ring.lock);
    status = xen_get_param(HVM_PARAM_STORE_EVTCHN, &port);
    if (!NT_SUCCESS(status))
        return status;
    status = map_page();
    if (!NT_SUCCESS(status))
        return status;
    ring.port = (evtchn_port_t)port;
    status = event_adopt(ring.port, &target);
    if (!NT_SUCCESS(status))
        MmUnmapIoSpace(ring.page, XEN_PAGE_SIZE);
    else
        event_raise(ring.port);
    return status;
}

/* The port stays open: it is the domain's, and the next driver's. */
VOID store_ring_stop(VOID)
{
    event_disown(ring.port, &ring);
    MmUnmapIoSpace(ring.page, XEN_PAGE_SIZE);
}

/* The page may be another one now, and the port as well.  Without a store the machine is lost, so memory is waited for. */
NTSTATUS store_ring_resume(VOID)
{
    LARGE_INTEGER delay;
    NTSTATUS status;
    ULONG tries;

    delay.QuadPart = RESUME_RETRY_100NS;
    MmUnmapIoSpace(ring.page, XEN_PAGE_SIZE);
    status = store_ring_start();
    for (tries = 0; status == STATUS_INSUFFICIENT_RESOURCES && tries < RESUME_TRIES; tries++) {
        KeDelayExecutionThread(KernelMode, FALSE, &delay);
        status = store_ring_start();
    }
    return status;
}
