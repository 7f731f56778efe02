/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What xenpci and xenhide say to each other, over the callback object HIDE_CALLBACK_NAME: xenpci notifies it, with a
 * struct hide_message as the first argument, and xenhide answers in the message before the notification returns.
 * Without xenhide no one answers, and nothing is hidden.  PASSIVE_LEVEL.
 */
#ifndef GPLPV_HIDE_H
#define GPLPV_HIDE_H

#include <ntddk.h>

#define HIDE_CALLBACK_NAME L"\\Callback\\GplpvHide"

/* As in the unplug protocol (XEN_UNPLUG_). */
#define HIDE_DISKS 1
#define HIDE_NETWORKS 2

enum hide_request {
    HIDE_ASK,    /* what is hidden? */
    HIDE_COMMIT, /* PV devices of these classes work: they must not be shown any more, but by HIDE_SHOW */
    HIDE_SHOW    /* show these again: from now on, and for good */
};

struct hide_message {
    ULONG size;
    enum hide_request request;
    ULONG classes; /* what the request is about */
    ULONG hidden;  /* out: which of all classes are hidden, for HIDE_COMMIT which of the message's */
};

#endif
