/*
 * transcode_limit: far from both ends, of what is read and of what is written, a loop need not ask how far
 * those are. For the two loops of transcode_in.c and transcode_out.c.
 *
 * What begins before the limit has LIMIT_AHEAD bytes to read from its first on, and LIMIT_ROOM bytes to
 * write: a byte that is read becomes at most LIMIT_SWELL bytes. (It is five of JSON's brackets, and seven of
 * an empty tuple, {"$tuple":[]}.) So both are looked at once for a long way, and not for each token.
 */
#ifndef ERLGATE_BRIDGE_TRANSCODE_LIMIT_H
#define ERLGATE_BRIDGE_TRANSCODE_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/habit.h"

enum {
    LIMIT_AHEAD = 2 * HABIT_BLOCK,
    LIMIT_ROOM = 64,
    LIMIT_SWELL = 8,
};

/* From p on, with the ends of both; p where there is no such way. */
static inline const uint8_t *limit_of(const uint8_t *p, const uint8_t *end, const uint8_t *o,
                                      const uint8_t *o_end)
{
    ptrdiff_t ahead = end - p - LIMIT_AHEAD, room = (o_end - o - LIMIT_ROOM) / LIMIT_SWELL;
    ptrdiff_t least = ahead < room ? ahead : room;

    return least > 0 ? p + least : p;
}

#endif
