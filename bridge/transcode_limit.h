/*
 * transcode_limit: far from both ends, of what is read and of what is written, a loop need not ask how far
 * those are. For the two loops of transcode_in.c and transcode_out.c.
 *
 * What begins before the limit has LIMIT_AHEAD bytes to read from its first on, and LIMIT_ROOM bytes to
 * write: a byte that is read becomes at most LIMIT_SWELL bytes. (It is five of JSON's brackets, and seven of
 * an empty tuple, {"$tuple":[]}.) So both are looked at once for a long way, and not for each token.
 *
 * A term ends without a byte of its own: what closes a container has been counted with its head. But the
 * heads of those that are open where the limit is worked out lie behind: what closes them is kept back,
 * LIMIT_CLOSING bytes each, of which the longest way, ],"$tail": and }, is eleven. (JSON closes what it
 * opens.)
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
    LIMIT_CLOSING = 12,
};

/* From p on, with the ends of both; p where there is no such way. open: containers that close by themselves.
 */
static inline const uint8_t *limit_of(const uint8_t *p, const uint8_t *end, const uint8_t *o,
                                      const uint8_t *o_end, uint32_t open)
{
    ptrdiff_t kept_back = LIMIT_ROOM + (ptrdiff_t)LIMIT_CLOSING * open;
    ptrdiff_t ahead = end - p - LIMIT_AHEAD, room = (o_end - o - kept_back) / LIMIT_SWELL;
    ptrdiff_t least = ahead < room ? ahead : room;

    return least > 0 ? p + least : p;
}

#endif
