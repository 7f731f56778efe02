/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: the states of a device's two ends (xen/include/public/io/xenbus.h).
 */
#ifndef GPLPV_XEN_IO_XENBUS_H
#define GPLPV_XEN_IO_XENBUS_H

enum xenbus_state {
    XenbusStateUnknown = 0,
    XenbusStateInitialising = 1,
    XenbusStateInitWait = 2,    /* has written what it offers, awaits the other end's choice */
    XenbusStateInitialised = 3, /* has written its choice, awaits the connection */
    XenbusStateConnected = 4,
    XenbusStateClosing = 5,
    XenbusStateClosed = 6,
    XenbusStateReconfiguring = 7,
    XenbusStateReconfigured = 8
};

#endif
