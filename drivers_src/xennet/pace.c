/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt moderation: how many responses the next event may wait for. What has come in one tick of Windows' clock says
 * what to expect in the next, so that a stream has some events a tick, a sparse one an event a frame, and each frame
 * comes within a part of a tick.
 *
 * Who waits for an answer before sending more would wait for the tick then. That shows in what comes: less than half of
 * what was expected. Such a sender is given an event a frame for a while, for twice as long each time.
 */
#include "xennet.h"

#define EVENTS_IN_A_TICK 8
#define REST_MAX 64 /* ticks, about a second */

static ULONG tick_now(VOID)
{
    LARGE_INTEGER ticks;

    KeQueryTickCount(&ticks);
    return ticks.LowPart;
}

static BOOLEAN is_resting(const struct xennet_pace *pace)
{
    return pace->tick - pace->rested < pace->rest;
}

static VOID judge(struct xennet_pace *pace, ULONG came)
{
    if (!pace->held) {
        return;
    }
    if (came >= pace->rate / 2) {
        pace->rest = 0;
        return;
    }
    pace->rest = min(max(pace->rest * 2, 1), REST_MAX);
    pace->rested = pace->tick;
}

static VOID next_tick(struct xennet_pace *pace, ULONG tick, ULONG position)
{
    ULONG came = position - pace->start;
    BOOLEAN adjacent = tick - pace->tick == 1;

    pace->tick = tick;
    judge(pace, came);
    pace->rate = adjacent ? came : 0;
    pace->start = position;
    pace->held = FALSE;
}

VOID xennet_pace_init(struct xennet_pace *pace)
{
    RtlZeroMemory(pace, sizeof(*pace));
}

ULONG xennet_pace_ahead(struct xennet_pace *pace, ULONG position, ULONG most)
{
    ULONG tick = tick_now();
    ULONG ahead;

    if (tick != pace->tick) {
        next_tick(pace, tick, position);
    }
    ahead = min(pace->rate / EVENTS_IN_A_TICK, most);
    if (ahead < 2 || is_resting(pace)) {
        return 1;
    }
    pace->held = TRUE;
    return ahead;
}
