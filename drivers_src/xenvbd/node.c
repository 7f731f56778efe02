/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in the device's nodes in xenstore. PASSIVE_LEVEL. */
#include "xenvbd.h"

#define NUMBER_SIZE 24

/* FALSE: the text is not a decimal number of 64 bits. */
static BOOLEAN parse(PCSTR text, PULONGLONG value)
{
    *value = 0;
    if (*text == 0) {
        return FALSE;
    }
    for (; *text != 0; text++) {
        ULONG digit = (ULONG)(*text - '0');

        if (digit > 9 || *value > (ULONGLONG)-1 / 10 - 1) {
            return FALSE;
        }
        *value = *value * 10 + digit;
    }
    return TRUE;
}

ULONGLONG xenvbd_node_number(struct xenvbd_adapter *adapter, enum xenpci_base base, PCSTR node, ULONGLONG otherwise)
{
    CHAR text[NUMBER_SIZE];
    ULONGLONG value;

    if (!NT_SUCCESS(adapter->xen->read(adapter->xen->context, 0, base, node, text, sizeof(text))) ||
        !parse(text, &value)) {
        return otherwise;
    }
    return value;
}

ULONG xenvbd_node_ulong(struct xenvbd_adapter *adapter, enum xenpci_base base, PCSTR node, ULONG otherwise)
{
    ULONGLONG value = xenvbd_node_number(adapter, base, node, otherwise);

    return value > 0xFFFFFFFF ? otherwise : (ULONG)value;
}
