/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device model's unplug protocol (xen/docs/misc/hvm-emulated-unplug).
 *
 * Read XEN_UNPLUG_MAGIC_PORT: XEN_UNPLUG_MAGIC means that emulated devices can be unplugged.  Read the protocol's
 * version; from version 1 write the product, then the build, and read the magic again: any other value now means that
 * this driver is blacklisted and must leave the emulated devices in charge.  Then write the mask of what to unplug.
 */
#ifndef GPLPV_XEN_UNPLUG_H
#define GPLPV_XEN_UNPLUG_H

#define XEN_UNPLUG_MAGIC_PORT 0x10   /* in, 16 bits */
#define XEN_UNPLUG_MASK_PORT 0x10    /* out, 16 bits */
#define XEN_UNPLUG_BUILD_PORT 0x10   /* out, 32 bits */
#define XEN_UNPLUG_VERSION_PORT 0x12 /* in, 8 bits */
#define XEN_UNPLUG_PRODUCT_PORT 0x12 /* out, 16 bits */
#define XEN_UNPLUG_LOG_PORT 0x12     /* out, 8 bits */

#define XEN_UNPLUG_MAGIC 0x49d2

#define XEN_UNPLUG_ALL_DISKS 1
#define XEN_UNPLUG_ALL_NICS 2
#define XEN_UNPLUG_AUX_DISKS 4 /* every IDE disk but the primary master */

/* xen/include/public/hvm/pvdrivers.h gives every driver set its number. */
#define XEN_UNPLUG_PRODUCT_GPLPV 2

#endif
