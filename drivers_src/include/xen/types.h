/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: the scalar types.  Xen's headers say "unsigned long" where the ABI means a word of the guest's width:
 * that is ULONG_PTR here, because unsigned long has 32 bits on every Windows.  Include after <ntddk.h>.
 *
 * XEN_ABI_SIZE and XEN_ABI_OFFSET hold a structure to its size and offsets, given for x64 and x86, at compile time.
 */
#ifndef GPLPV_XEN_TYPES_H
#define GPLPV_XEN_TYPES_H

typedef ULONG_PTR xen_ulong_t;
typedef ULONG_PTR xen_pfn_t;
typedef USHORT domid_t;
typedef ULONG evtchn_port_t;
typedef ULONG grant_ref_t;

#define DOMID_FIRST_RESERVED 0x7ff0
#define DOMID_SELF 0x7ff0

#define XEN_PAGE_SHIFT 12
#define XEN_PAGE_SIZE 4096

#ifdef _WIN64
#define XEN_ABI_CHOOSE(x64, x86) (x64)
#else
#define XEN_ABI_CHOOSE(x64, x86) (x86)
#endif

#define XEN_ABI_CHECK(condition) extern char xen_abi_check[(condition) ? 1 : -1]
#define XEN_ABI_SIZE(type, x64, x86) XEN_ABI_CHECK(sizeof(type) == XEN_ABI_CHOOSE(x64, x86))
#define XEN_ABI_OFFSET(type, field, x64, x86) XEN_ABI_CHECK(FIELD_OFFSET(type, field) == XEN_ABI_CHOOSE(x64, x86))

#endif
