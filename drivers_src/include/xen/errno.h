/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: errors (xen/include/public/errno.h).  A hypercall that fails returns one of these negated.
 */
#ifndef GPLPV_XEN_ERRNO_H
#define GPLPV_XEN_ERRNO_H

#define XEN_EPERM 1
#define XEN_ENOENT 2
#define XEN_ESRCH 3
#define XEN_EIO 5
#define XEN_ENXIO 6
#define XEN_E2BIG 7
#define XEN_EAGAIN 11
#define XEN_ENOMEM 12
#define XEN_EACCES 13
#define XEN_EFAULT 14
#define XEN_EBUSY 16
#define XEN_EEXIST 17
#define XEN_ENODEV 19
#define XEN_EISDIR 21
#define XEN_EINVAL 22
#define XEN_ENOSPC 28
#define XEN_EROFS 30
#define XEN_ENOSYS 38
#define XEN_ENOTEMPTY 39
#define XEN_EOPNOTSUPP 95
#define XEN_EISCONN 106

#endif
