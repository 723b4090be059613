/*
 * rest: when the loop had better rest before it waits for more (docs/decisions/0019).
 *
 * Many requests wait, and few are answered at a time: it is others who are slow. Each turn of ours then takes
 * the processor from them for one or two answers, wakes a client for each, and sends the node one call. After
 * a rest of some 50 µs there is more to a turn, for us and for both of them.
 *
 * Counted are those alone that began to wait a moment ago: what waits for long waits for something else, and
 * must not slow down the few who are answered at once. That moment is this window of time and the one before.
 */
#include "http/internal.h"

enum {
    REST_US = 50,
    WINDOW_MS = 8,
    MANY = 32,             /* each of which then waits for more than a rest already */
    MANY_OF_A_THREAD = 16, /* … when several threads share what there is */
    FEW = 6,               /* in a turn */
};

static void move_on(struct http_rest *rest, uint64_t now_ms)
{
    uint64_t window = now_ms / WINDOW_MS;

    if (window <= rest->window)
        return;
    rest->young[1] = window == rest->window + 1 ? rest->young[0] : 0;
    rest->young[0] = 0;
    rest->window = window;
}

void http_rest_begin(struct http_rest *rest, uint64_t now_ms)
{
    move_on(rest, now_ms);
    rest->young[0]++;
}

void http_rest_end(struct http_rest *rest, uint64_t since_ms)
{
    uint64_t age = rest->window - since_ms / WINDOW_MS;

    /* The time within a run of libmicrohttpd may be a little old: then it is the wrong one of the two. */
    if (age < 2 && rest->young[age] > 0)
        rest->young[age]--;
    rest->answered++;
}

unsigned http_rest_us(struct http_rest *rest, uint64_t now_ms, bool is_shared)
{
    unsigned answered = rest->answered, many = is_shared ? MANY_OF_A_THREAD : MANY;

    rest->answered = 0;
    move_on(rest, now_ms);
    return answered < FEW && rest->young[0] + rest->young[1] >= many ? REST_US : 0;
}
