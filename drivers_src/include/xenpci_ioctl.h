/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xenstore for user mode: \\.\XenPci, which administrators and the system may open.  It is there while the Xen platform
 * device is started with the PV devices in charge.
 *
 * Paths are relative to the domain's home, or begin with a slash.  Every text is 8-bit and terminated, and lengths count
 * the 0.  Errors are those of xenstore: ERROR_FILE_NOT_FOUND no such node, ERROR_ACCESS_DENIED the domain may not,
 * ERROR_INSUFFICIENT_BUFFER the answer is longer, ERROR_SEM_TIMEOUT the store does not answer, ERROR_BUSY see below.
 * ERROR_FILE_NOT_FOUND of the store and ERROR_NO_SUCH_DEVICE are two things: after the latter the handle is of no more
 * use, since the platform device has been stopped; a new one can be opened when it is there again.
 */
#ifndef GPLPV_XENPCI_IOCTL_H
#define GPLPV_XENPCI_IOCTL_H

#define XENPCI_USER_DEVICE "\\\\.\\XenPci"

/* The longest path or value, with its 0. */
#define XENPCI_USER_PATH_SIZE 256
#define XENPCI_USER_VALUE_SIZE 4097

/* As the system headers' CTL_CODE, with FILE_DEVICE_UNKNOWN, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS. */
#define XENPCI_IOCTL(function) (0x22 << 16 | 3 << 14 | (0x800 + (function)) << 2)

/* In: path.  Out: the value. */
#define IOCTL_XENPCI_READ XENPCI_IOCTL(0)

/* In: path.  Out: the names below it, one after the other, then an empty one. */
#define IOCTL_XENPCI_DIRECTORY XENPCI_IOCTL(1)

/* In: path, then value. */
#define IOCTL_XENPCI_WRITE XENPCI_IOCTL(2)

/* In: path; goes with all below it. */
#define IOCTL_XENPCI_REMOVE XENPCI_IOCTL(3)

/*
 * In: path.  From now on changes there end IOCTL_XENPCI_WAIT of this handle, once at the start in any case, and after
 * every resume of the domain.  A handle has up to 16 watches.
 */
#define IOCTL_XENPCI_WATCH XENPCI_IOCTL(4)

/*
 * Out: the path of a watch that has fired since it was last returned here; XENPCI_USER_PATH_SIZE bytes of room are
 * needed, whatever the path.  Waits for one; can be cancelled, or be used overlapped.  One at a time for each handle
 * (ERROR_BUSY).  A handle that is closed, and a device that stops, cancel it.
 */
#define IOCTL_XENPCI_WAIT XENPCI_IOCTL(5)

#endif
