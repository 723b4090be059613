/*
 * timing: where a request's time went: for Server-Timing, which a client asks for by `Prefer: timing`.
 *
 * A stopwatch: what has passed since it was last read belongs to the stage that is named. So the stages add
 * up to the total. Off unless asked for: then nothing looks at a clock.
 */
#ifndef ERLGATE_HTTP_TIMING_H
#define ERLGATE_HTTP_TIMING_H

#include "base/slice.h"

enum http_stage {
    HTTP_STAGE_READ,   /* the head and the body come */
    HTTP_STAGE_AUTH,   /* who asks? */
    HTTP_STAGE_DECODE, /* the body and the address become terms */
    HTTP_STAGE_NODE,   /* what is asked of others, until their answer is there */
    HTTP_STAGE_ENCODE, /* the answer becomes text */
    HTTP_STAGE_COUNT,
};

struct http_timing {
    bool is_on;
    unsigned seen; /* stages, as 1 << stage */
    uint64_t started_us, last_us;
    uint64_t spent_us[HTTP_STAGE_COUNT];
};

enum { HTTP_TIMING_TEXT_MAX = 256 };

void http_timing_start(struct http_timing *t, uint64_t now_us);
/* The time since the last such call, or the start, was that stage's. Off: nothing. */
void http_timing_add(struct http_timing *t, enum http_stage stage, uint64_t now_us);
/* The stage that a request is in which is about to be answered: has it got to its handler, has it waited? */
enum http_stage http_timing_last(const struct http_timing *t, bool was_handled, bool has_waited);
/* "read;dur=0.041, node;dur=0.310, total;dur=0.351": milliseconds, of those stages that there were.
 * Gives ret. */
const char *http_timing_write(const struct http_timing *t, char ret[HTTP_TIMING_TEXT_MAX]);

#endif
