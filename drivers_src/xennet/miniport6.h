/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xennet as a miniport of NDIS 6.0: what its files have of each other. DISPATCH_LEVEL or below. */
#ifndef XENNET_MINIPORT6_H
#define XENNET_MINIPORT6_H

#include "xennet.h"

/* ndis6.c */
VOID xennet_ndis6_indicate(struct xennet_adapter *adapter, NDIS_STATUS status, PVOID buffer, ULONG size);

/* ndis6send.c */
VOID NTAPI xennet_ndis6_send(NDIS_HANDLE context, PNET_BUFFER_LIST lists, NDIS_PORT_NUMBER port, ULONG flags);

/* ndis6receive.c */
VOID NTAPI xennet_ndis6_return(NDIS_HANDLE context, PNET_BUFFER_LIST lists, ULONG flags);

/* ndis6offload.c: PASSIVE_LEVEL. Tells NDIS what can be done, and what is done from the start. */
NDIS_STATUS xennet_ndis6_offer(struct xennet_adapter *adapter);

#endif
