/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Event identifiers, those of the message table messages.bin: each one's text there is the single insert %1.
 */
#ifndef SHUTDOWNMON_EVENTS_H
#define SHUTDOWNMON_EVENTS_H

#define EVENT_STARTED 1
#define EVENT_STOPPED 2
#define EVENT_DEVICE 3
#define EVENT_FAILED 4
#define EVENT_REQUEST 5
#define EVENT_REFUSED 6

#endif
