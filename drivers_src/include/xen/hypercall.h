/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: hypercall numbers (xen/include/public/xen.h).
 *
 * Entry n of the hypercall page, 32 bytes each, makes hypercall n.  On x64 the arguments are in RDI, RSI, RDX, R10, R8
 * and the result in RAX; on x86 they are in EBX, ECX, EDX, ESI, EDI and the result in EAX.
 */
#ifndef GPLPV_XEN_HYPERCALL_H
#define GPLPV_XEN_HYPERCALL_H

#define XEN_HYPERCALL_ENTRY_SIZE 32

#define __HYPERVISOR_memory_op 12
#define __HYPERVISOR_multicall 13
#define __HYPERVISOR_xen_version 17
#define __HYPERVISOR_console_io 18
#define __HYPERVISOR_grant_table_op 20
#define __HYPERVISOR_vcpu_op 24
#define __HYPERVISOR_sched_op 29
#define __HYPERVISOR_event_channel_op 32
#define __HYPERVISOR_hvm_op 34

/* console_io(command, bytes, buffer) */
#define CONSOLEIO_write 0
#define CONSOLEIO_read 1

/* The byte-wide port whose output goes to the hypervisor's log. */
#define XEN_HVM_DEBUGCONS_IOPORT 0xe9

#endif
