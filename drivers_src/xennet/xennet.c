/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adapter: its life, its address, and what becomes of frames. */
#include "xennet.h"

/* IEEE 802: in the first byte of an address. */
#define GROUP_ADDRESS 0x01
#define LOCALLY_ADMINISTERED 0x02

/* PASSIVE_LEVEL. A locally administered address below Xen's prefix, another one for each adapter of this boot. */
static VOID make_address(UCHAR *address)
{
    static LONG adapters;
    LONG ordinal = InterlockedIncrement(&adapters);

    address[0] = 0x00 | LOCALLY_ADMINISTERED;
    address[1] = 0x16;
    address[2] = 0x3E;
    address[3] = (UCHAR)(ordinal >> 16);
    address[4] = (UCHAR)(ordinal >> 8);
    address[5] = (UCHAR)ordinal;
}

VOID xennet_setup(struct xennet_adapter *adapter, NDIS_HANDLE handle, ULONG driver_version)
{
    adapter->handle = handle;
    adapter->driver_version = driver_version;
    adapter->link = NdisMediaStateDisconnected;
    adapter->lookahead = XENNET_MTU;
    NdisAllocateSpinLock(&adapter->lock);
    make_address(adapter->permanent_address);
    NdisMoveMemory(adapter->current_address, adapter->permanent_address, XENNET_ADDRESS_LENGTH);
    xennet_list_oids(adapter);
}

VOID xennet_cleanup(struct xennet_adapter *adapter)
{
    NdisFreeSpinLock(&adapter->lock);
}

static BOOLEAN is_station_address(const UCHAR *address)
{
    UCHAR any = 0;
    ULONG i;

    for (i = 0; i < XENNET_ADDRESS_LENGTH; i++) {
        any |= address[i];
    }
    return any != 0 && !(address[0] & GROUP_ADDRESS);
}

VOID xennet_configure_address(struct xennet_adapter *adapter, NDIS_HANDLE configuration)
{
    NDIS_STATUS status;
    PVOID address;
    UINT length;

    NdisReadNetworkAddress(&status, &address, &length, configuration);
    if (status != NDIS_STATUS_SUCCESS) {
        return;
    }
    if (length != XENNET_ADDRESS_LENGTH || !is_station_address(address)) {
        GPLPV_DEBUG(("NetworkAddress is not the address of a station: ignored\n"));
        return;
    }
    NdisMoveMemory(adapter->current_address, address, XENNET_ADDRESS_LENGTH);
}

VOID xennet_set_state(struct xennet_adapter *adapter, enum xennet_state state)
{
    if (adapter->state == XENNET_REMOVED && state != XENNET_HALTED) {
        return;
    }
    adapter->state = state;
}

NDIS_STATUS xennet_refuse(struct xennet_adapter *adapter, ULONG frames)
{
    NdisAcquireSpinLock(&adapter->lock);
    adapter->sent.errors += frames;
    NdisReleaseSpinLock(&adapter->lock);

    switch (adapter->state) {
#ifdef NDIS60_MINIPORT
    case XENNET_PAUSED:
        return NDIS_STATUS_PAUSED;
#endif
    case XENNET_RUNNING:
        return XENNET_STATUS_DISCONNECTED;

    default:
        return NDIS_STATUS_FAILURE;
    }
}
