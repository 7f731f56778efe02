/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: the xenstore protocol and its ring page (xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt).
 *
 * A message is a header and `len` bytes; it may cross the end of the ring and may be longer than the ring.  A reply
 * carries the request's req_id and, unless it is XS_ERROR, its type; XS_WATCH_EVENT comes unasked.
 */
#ifndef GPLPV_XEN_IO_XS_WIRE_H
#define GPLPV_XEN_IO_XS_WIRE_H

#include "../types.h"

enum xsd_sockmsg_type {
    XS_CONTROL = 0,
    XS_DIRECTORY = 1,
    XS_READ = 2,
    XS_GET_PERMS = 3,
    XS_WATCH = 4,
    XS_UNWATCH = 5,
    XS_TRANSACTION_START = 6,
    XS_TRANSACTION_END = 7,
    XS_INTRODUCE = 8,
    XS_RELEASE = 9,
    XS_GET_DOMAIN_PATH = 10,
    XS_WRITE = 11,
    XS_MKDIR = 12,
    XS_RM = 13,
    XS_SET_PERMS = 14,
    XS_WATCH_EVENT = 15,
    XS_ERROR = 16,
    XS_IS_DOMAIN_INTRODUCED = 17,
    XS_RESUME = 18,
    XS_SET_TARGET = 19,
    XS_RESET_WATCHES = 21, /* Xen from 4.2 */
    XS_DIRECTORY_PART = 22 /* Xen from 4.9 */
};

struct xsd_sockmsg {
    ULONG type;
    ULONG req_id;
    ULONG tx_id; /* 0: outside any transaction */
    ULONG len;   /* of what follows, at most XENSTORE_PAYLOAD_MAX */
};

#define XENSTORE_PAYLOAD_MAX 4096
#define XENSTORE_ABS_PATH_MAX 3072
#define XENSTORE_REL_PATH_MAX 2048

/* The indices run freely; the byte of index i is at i modulo XENSTORE_RING_SIZE. */
#define XENSTORE_RING_SIZE 1024
#define MASK_XENSTORE_IDX(index) ((index) & (XENSTORE_RING_SIZE - 1))

struct xenstore_domain_interface {
    CHAR req[XENSTORE_RING_SIZE];
    CHAR rsp[XENSTORE_RING_SIZE];
    volatile ULONG req_cons;
    volatile ULONG req_prod;
    volatile ULONG rsp_cons;
    volatile ULONG rsp_prod;
    ULONG server_features;
    volatile ULONG connection;
    volatile ULONG error;
};

XEN_ABI_SIZE(struct xsd_sockmsg, 16, 16);
XEN_ABI_SIZE(struct xenstore_domain_interface, 2076, 2076);
XEN_ABI_OFFSET(struct xenstore_domain_interface, req_cons, 2048, 2048);
XEN_ABI_OFFSET(struct xenstore_domain_interface, rsp_prod, 2060, 2060);

#endif
