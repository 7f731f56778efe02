/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xennet as a miniport of NDIS 5: what its files have of each other. */
#ifndef XENNET_MINIPORT5_H
#define XENNET_MINIPORT5_H

#include "xennet.h"

/* ndis5packet.c: DISPATCH_LEVEL or below. */
VOID NTAPI xennet_ndis5_send(NDIS_HANDLE context, PPNDIS_PACKET packets, UINT count);
VOID NTAPI xennet_ndis5_return(NDIS_HANDLE context, PNDIS_PACKET packet);

#endif
