/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What xenpci and xenhide say to each other, over the callback object HIDE_CALLBACK_NAME, with a struct hide_message as
 * the first argument of the notification: xenpci's requests, which xenhide answers in the message before the
 * notification returns, and xenhide's own HIDE_SHOWN.  Without xenhide no one answers, and nothing is hidden.
 * PASSIVE_LEVEL.
 */
#ifndef GPLPV_HIDE_H
#define GPLPV_HIDE_H

#include <ntddk.h>

#define HIDE_CALLBACK_NAME L"\\Callback\\GplpvHide"

/* As in the unplug protocol (XEN_UNPLUG_). */
#define HIDE_DISKS 1
#define HIDE_NETWORKS 2

enum hide_request {
    HIDE_ASK,       /* what is hidden, or was and is unplugged? */
    HIDE_COMMIT,    /* PV devices of these classes work: from now on only xenpci has these shown */
    HIDE_UNPLUGGED, /* of these, committed before, only what is no rival to PV devices is left, and may be seen */
    HIDE_AGAIN,     /* a new device model has plugged in the rivals of these again */
    HIDE_SHOW,      /* show these: from now on, and for good */
    HIDE_SHOWN      /* from xenhide: these are being shown, whoever wanted it */
};

struct hide_message {
    ULONG size;
    enum hide_request request;
    ULONG classes; /* what the request is about */
    ULONG hidden;  /* out: the answer to HIDE_ASK; for HIDE_COMMIT, which of the message's it is granted for */
};

#endif
