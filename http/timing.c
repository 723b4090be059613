#include "http/timing.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const names[HTTP_STAGE_COUNT] = {"read", "auth", "decode", "node", "encode"};

void http_timing_start(struct http_timing *t, uint64_t now_us)
{
    *t = (struct http_timing){.is_on = true, .started_us = now_us, .last_us = now_us};
}

void http_timing_add(struct http_timing *t, enum http_stage stage, uint64_t now_us)
{
    if (!t->is_on)
        return;
    t->spent_us[stage] += now_us - t->last_us;
    t->seen |= 1u << stage;
    t->last_us = now_us;
}

enum http_stage http_timing_last(const struct http_timing *t, bool was_handled, bool has_waited)
{
    if (!was_handled)
        return HTTP_STAGE_READ;
    if (t->seen & 1u << HTTP_STAGE_NODE)
        return HTTP_STAGE_ENCODE;
    return has_waited || t->seen & 1u << HTTP_STAGE_DECODE ? HTTP_STAGE_NODE : HTTP_STAGE_ENCODE;
}

static size_t put(char *out, size_t cap, const char *name, uint64_t us)
{
    return (size_t)snprintf(out, cap, "%s;dur=%" PRIu64 ".%03" PRIu64, name, us / 1000, us % 1000);
}

const char *http_timing_write(const struct http_timing *t, char ret[HTTP_TIMING_TEXT_MAX])
{
    size_t n = 0;

    for (unsigned i = 0; i < HTTP_STAGE_COUNT; i++) {
        if (!(t->seen & 1u << i))
            continue;
        n += put(ret + n, HTTP_TIMING_TEXT_MAX - n, names[i], t->spent_us[i]);
        n += (size_t)snprintf(ret + n, HTTP_TIMING_TEXT_MAX - n, ", ");
    }
    put(ret + n, HTTP_TIMING_TEXT_MAX - n, "total", t->last_us - t->started_us);
    return ret;
}
