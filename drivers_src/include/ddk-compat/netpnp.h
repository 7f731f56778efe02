/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mingw-w64's netpnp.h numbers NDIS_DEVICE_PNP_EVENT from surprise removal on; Windows (the vendor's reference,
 * MiniportDevicePnPEventNotify) has query-removed and removed before it, query-stopped and stopped after it.
 */
#ifndef DDK_COMPAT_NETPNP_H
#define DDK_COMPAT_NETPNP_H

#include_next <netpnp.h>

#define NdisDevicePnPEventSurpriseRemoved 2
#define NdisDevicePnPEventPowerProfileChanged 5

#endif
