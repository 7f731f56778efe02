/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which frames are for this station. */
#include "frame.h"

#define GROUP_ADDRESS 0x01 /* IEEE 802: in the first byte */

static BOOLEAN is_same(const UCHAR *one, const UCHAR *other)
{
    ULONG i;

    for (i = 0; i < XENNET_ADDRESS_LENGTH; i++) {
        if (one[i] != other[i]) {
            return FALSE;
        }
    }
    return TRUE;
}

enum xennet_cast xennet_cast_of(const UCHAR *destination)
{
    static const UCHAR everyone[XENNET_ADDRESS_LENGTH] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };

    if (!(destination[0] & GROUP_ADDRESS)) {
        return XENNET_DIRECTED;
    }
    return is_same(destination, everyone) ? XENNET_BROADCAST : XENNET_MULTICAST;
}

BOOLEAN xennet_is_station(const UCHAR *address)
{
    UCHAR any = 0;
    ULONG i;

    for (i = 0; i < XENNET_ADDRESS_LENGTH; i++) {
        any |= address[i];
    }
    return any != 0 && !(address[0] & GROUP_ADDRESS);
}

static BOOLEAN is_member(const struct xennet_filter *filter, const UCHAR *group)
{
    ULONG i;

    for (i = 0; i < filter->multicast_count; i++) {
        if (is_same(filter->multicast[i], group)) {
            return TRUE;
        }
    }
    return FALSE;
}

BOOLEAN xennet_filter_passes(const struct xennet_filter *filter, const UCHAR *own, const UCHAR *destination)
{
    if (filter->want & XENNET_WANT_ALL) {
        return TRUE;
    }
    switch (xennet_cast_of(destination)) {
    case XENNET_BROADCAST:
        return (filter->want & XENNET_WANT_BROADCAST) != 0;

    case XENNET_MULTICAST:
        if (filter->want & XENNET_WANT_ALL_MULTICAST) {
            return TRUE;
        }
        return (filter->want & XENNET_WANT_MULTICAST) != 0 && is_member(filter, destination);

    default:
        return (filter->want & XENNET_WANT_DIRECTED) != 0 && is_same(own, destination);
    }
}
