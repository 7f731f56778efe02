/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen public ABI: how a guest finds the hypervisor (xen/include/public/arch-x86/cpuid.h).
 *
 * The leaves start at 0x40000000, or at a later multiple of 0x100 when the leaves of another hypervisor interface
 * (Viridian) stand first.  Leaf 0 of the block gives the block's last leaf in EAX and the signature "XenVMMXenVMM" in
 * EBX, ECX, EDX; leaf 1 gives the version in EAX, major in the upper and minor in the lower half.
 */
#ifndef GPLPV_XEN_CPUID_H
#define GPLPV_XEN_CPUID_H

#define XEN_CPUID_FIRST_LEAF 0x40000000
#define XEN_CPUID_LAST_BASE 0x40010000
#define XEN_CPUID_BASE_STEP 0x100
#define XEN_CPUID_LEAF_VERSION 1
#define XEN_CPUID_LEAF_HYPERCALL 2 /* EAX: hypercall pages; EBX: the MSR that takes their addresses */

#define XEN_CPUID_SIGNATURE_EBX 0x566e6558
#define XEN_CPUID_SIGNATURE_ECX 0x65584d4d
#define XEN_CPUID_SIGNATURE_EDX 0x4d4d566e

#endif
