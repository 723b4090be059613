/*
 * rest: when the loop had better rest before it waits for more (docs/decisions/0019).
 *
 * Many requests wait, and few are answered at a time: it is others who are slow. Each turn of ours then takes
 * the processor from them for one or two answers, wakes a client for each, and sends the node one call. After
 * a rest there is more to a turn, for us and for both of them. It is as long as some answers take at the pace
 * of the last window: a hundred µs of short calls, and more where each answer takes its time anyway.
 *
 * Counted are those alone that began to wait a moment ago: what waits for long waits for something else, and
 * must not slow down the few who are answered at once. That moment is this window of time and the one before.
 */
#include "http/internal.h"

enum {
    WINDOW_MS = 8,
    MANY = 32,             /* each of which then waits for more than a rest already */
    MANY_OF_A_THREAD = 16, /* … when several threads share what there is */
    FEW = 6,               /* in a turn */
    FEW_MORE = 8,          /* that a rest is to bring … */
    PART_OF_MANY = 8,      /* … and at most one of so many that wait: no call takes much longer for it */
    REST_MIN_US = 50,      /* less costs as much as it saves */
    REST_MAX_US = 200,     /* for whoever calls somebody else */
    SLACK_US = 50,         /* by which the system sleeps longer than it is told to */
};

static void move_on(struct http_rest *rest, uint64_t now_ms)
{
    uint64_t window = now_ms / WINDOW_MS;
    bool is_next = window == rest->window + 1;

    if (window <= rest->window)
        return;
    rest->young[1] = is_next ? rest->young[0] : 0;
    rest->young[0] = 0;
    rest->answered[1] = is_next ? rest->answered[0] : 0;
    rest->answered[0] = 0;
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
    rest->answered[0]++;
    rest->answered_now++;
}

/* In which some more answers come, at the pace of the window before. */
static unsigned time_for(unsigned answers, unsigned a_window)
{
    unsigned us;

    if (a_window == 0)
        return REST_MIN_US;
    us = answers * WINDOW_MS * 1000 / a_window;
    if (us < REST_MIN_US + SLACK_US)
        return REST_MIN_US;
    return us - SLACK_US < REST_MAX_US ? us - SLACK_US : REST_MAX_US;
}

unsigned http_rest_us(struct http_rest *rest, uint64_t now_ms, bool is_shared)
{
    unsigned answered = rest->answered_now, many = is_shared ? MANY_OF_A_THREAD : MANY, waiting, more;

    rest->answered_now = 0;
    move_on(rest, now_ms);
    waiting = rest->young[0] + rest->young[1];
    if (answered >= FEW || waiting < many)
        return 0;
    more = waiting / PART_OF_MANY;
    return time_for(more < FEW_MORE ? more : FEW_MORE, rest->answered[1]);
}
