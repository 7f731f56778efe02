/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user has configured: the INF's advanced properties, under the standard keywords where there are such. */
#include "xennet.h"

#define OFFER_TIMEOUT_MS 5000
/* A back end that starts has written what it offers when it waits for us; one that has closed has left it there. */
#define OFFERED (1 << XenbusStateInitWait | 1 << XenbusStateConnected | 1 << XenbusStateClosing | 1 << XenbusStateClosed)
#define TX 1 /* the values of a checksum's keyword */
#define RX 2

#define KEYWORD(text) { sizeof(text) - sizeof(WCHAR), sizeof(text), text }

struct keyword {
    NDIS_STRING name;
    ULONG otherwise;
    ULONG least;
    ULONG most;
};

/* A value that cannot be is that of the default. */
static ULONG read(NDIS_HANDLE configuration, const struct keyword *keyword)
{
    PNDIS_CONFIGURATION_PARAMETER parameter;
    NDIS_STRING name = keyword->name;
    NDIS_STATUS status;
    ULONG value;

    NdisReadConfiguration(&status, &parameter, configuration, &name, NdisParameterInteger);
    if (status != NDIS_STATUS_SUCCESS) {
        return keyword->otherwise;
    }
    value = parameter->ParameterData.IntegerData;
    return value >= keyword->least && value <= keyword->most ? value : keyword->otherwise;
}

static BOOLEAN read_switch(NDIS_HANDLE configuration, const struct keyword *keyword)
{
    return read(configuration, keyword) != 0;
}

static VOID read_sums(struct xennet_config *config, NDIS_HANDLE configuration)
{
    static const struct {
        ULONG sum;
        struct keyword keyword;
    } sums[] = {
        { XENNET_SUM_IP4, { KEYWORD(L"*IPChecksumOffloadIPv4"), TX | RX, 0, TX | RX } },
        { XENNET_SUM_TCP4, { KEYWORD(L"*TCPChecksumOffloadIPv4"), TX | RX, 0, TX | RX } },
        { XENNET_SUM_UDP4, { KEYWORD(L"*UDPChecksumOffloadIPv4"), TX | RX, 0, TX | RX } },
        { XENNET_SUM_TCP6, { KEYWORD(L"*TCPChecksumOffloadIPv6"), TX | RX, 0, TX | RX } },
        { XENNET_SUM_UDP6, { KEYWORD(L"*UDPChecksumOffloadIPv6"), TX | RX, 0, TX | RX } }
    };
    ULONG i, value;

    for (i = 0; i < RTL_NUMBER_OF(sums); i++) {
        value = read(configuration, &sums[i].keyword);
        config->tx_sums |= value & TX ? sums[i].sum : 0;
        config->rx_sums |= value & RX ? sums[i].sum : 0;
    }
}

/* "Locally Administered Address". */
static VOID read_address(struct xennet_adapter *adapter, NDIS_HANDLE configuration)
{
    NDIS_STATUS status;
    PVOID address;
    UINT length;

    NdisReadNetworkAddress(&status, &address, &length, configuration);
    if (status != NDIS_STATUS_SUCCESS) {
        return;
    }
    if (length != XENNET_ADDRESS_LENGTH || !xennet_is_station(address)) {
        GPLPV_DEBUG(("NetworkAddress is not the address of a station: ignored\n"));
        return;
    }
    NdisMoveMemory(adapter->current_address, address, XENNET_ADDRESS_LENGTH);
}

/*
 * The toolstack's MTU (netif.h, "MTU") is what the network carries: it counts, unless the user has chosen one between the
 * usual and that.
 */
static ULONG agreed_mtu(struct xennet_adapter *adapter)
{
    ULONG chosen = adapter->config.mtu;
    ULONG told = xennet_node(adapter, XENPCI_FRONTEND, "mtu", 0);

    if (told < XENNET_MTU_LEAST || told > XENNET_MTU_MAX) {
        return chosen;
    }
    return chosen == XENNET_MTU_MIN ? told : min(chosen, told);
}

/* As far as frames of it can be sent: without chains a frame is within a page. */
VOID xennet_limit_mtu(struct xennet_adapter *adapter)
{
    const struct xenpci_interface *xen = &adapter->xen;
    const ULONG overhead = XENNET_HEADER_LENGTH + XENNET_TAG_LENGTH;
    struct xennet_config *config = &adapter->config;
    struct xennet_offer offer;
    enum xenbus_state back;

    config->mtu = agreed_mtu(adapter);
    if (config->mtu + overhead > XEN_PAGE_SIZE) {
        xen->backend_wait(xen->context, OFFERED, OFFER_TIMEOUT_MS, &back);
        xennet_offer_read(adapter, &offer);
        if (!offer.chains) {
            config->mtu = XEN_PAGE_SIZE - overhead;
        }
    }
    adapter->frame_limit = config->mtu + overhead;
    adapter->total_size = config->mtu + XENNET_HEADER_LENGTH;
    adapter->buffer_space = XENNET_SLOTS * adapter->total_size;
    adapter->lookahead = config->mtu;
}

VOID xennet_configure(struct xennet_adapter *adapter, NDIS_HANDLE configuration)
{
    static const struct keyword jumbo = {
        KEYWORD(L"*JumboPacket"), XENNET_MTU_MIN + XENNET_HEADER_LENGTH, XENNET_MTU_MIN + XENNET_HEADER_LENGTH,
        XENNET_MTU_MAX + XENNET_HEADER_LENGTH
    };
    static const struct keyword lso_v1 = { KEYWORD(L"*LsoV1IPv4"), 1, 0, 1 };
    static const struct keyword lso_v2_ip4 = { KEYWORD(L"*LsoV2IPv4"), 1, 0, 1 };
    static const struct keyword lso_v2_ip6 = { KEYWORD(L"*LsoV2IPv6"), 1, 0, 1 };
    static const struct keyword moderation = { KEYWORD(L"*InterruptModeration"), 0, 0, 1 };
    static const struct keyword scatter_gather = { KEYWORD(L"ScatterGather"), 1, 0, 1 };
    static const struct keyword coalesce = { KEYWORD(L"RxCoalescing"), 8, 2, 64 };
    struct xennet_config *config = &adapter->config;

    read_address(adapter, configuration);
    read_sums(config, configuration);
    config->mtu = read(configuration, &jumbo) - XENNET_HEADER_LENGTH;
    config->lso_v1 = read_switch(configuration, &lso_v1);
    config->lso_v2_ip4 = read_switch(configuration, &lso_v2_ip4);
    config->lso_v2_ip6 = read_switch(configuration, &lso_v2_ip6);
    config->moderation = read_switch(configuration, &moderation);
    config->scatter_gather = read_switch(configuration, &scatter_gather);
    config->coalesce = read(configuration, &coalesce);
}
