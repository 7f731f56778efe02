/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xenstore through xenpci's device. Every routine returns a Windows error code: what xenpci_ioctl.h says, and
 * ERROR_OPERATION_ABORTED once the stop event is set or the device has been stopped. One thread at a time.
 */
#ifndef SHUTDOWNMON_STORE_H
#define SHUTDOWNMON_STORE_H

#include "user.h"
#include "xenpci_ioctl.h"

struct store {
    HANDLE device;
    HANDLE done; /* of the request under way */
    HANDLE stop; /* the caller's; ends every wait */
};

/* ERROR_FILE_NOT_FOUND: there is no such device at the moment. */
DWORD store_open(struct store *store, HANDLE stop);
void store_close(struct store *store);

/* ERROR_INSUFFICIENT_BUFFER: the value does not fit into room bytes with its 0. */
DWORD store_read(struct store *store, const char *path, char *value, DWORD room);
DWORD store_write(struct store *store, const char *path, const char *value);
DWORD store_watch(struct store *store, const char *path);

/* Returns when a watch has fired. */
DWORD store_wait(struct store *store);

#endif
