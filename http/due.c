/*
 * due: heartbeats, lingering and age of all streams by one timer and a wheel: a slot for each tick, and in it
 * the streams that are due then. Heartbeats are due some seconds ahead and put off again and again; the wheel
 * makes both free of any search.
 */
#include "http/internal.h"
#include "loop/loop.h"

enum { DONE_A_TURN = 1024 };

void http_due_init(struct http_server *s)
{
    struct http_streams *t = &s->streams;

    for (size_t i = 0; i < DUE_SLOTS; i++)
        ring_init(&t->slots[i]);
    ring_init(&t->due);
    t->tick = loop_now_ms(s->loop) / DUE_TICK_MS;
    t->timer_at_ms = UINT64_MAX;
}

static void arm(struct http_server *s, uint64_t at_ms)
{
    struct http_streams *t = &s->streams;
    uint64_t now = loop_now_ms(s->loop);

    if (at_ms >= t->timer_at_ms)
        return;
    t->timer_at_ms = at_ms;
    loop_timer_start(t->timer, at_ms > now ? at_ms - now : 0);
}

void http_due_never(struct http_server *s, struct http_stream *st)
{
    s->streams.timed -= ring_has(&st->due);
    ring_remove(&st->due);
}

void http_due_by(struct http_server *s, struct http_stream *st, uint64_t at_ms)
{
    struct http_streams *t = &s->streams;
    uint64_t tick = at_ms / DUE_TICK_MS + 1;

    if (ring_has(&st->due) && st->due_ms <= at_ms)
        return;
    http_due_never(s, st);
    if (t->timed == 0)
        t->tick = loop_now_ms(s->loop) / DUE_TICK_MS; /* the timer has not run meanwhile */
    if (tick <= t->tick)
        tick = t->tick + 1;
    t->timed++;
    st->due_ms = at_ms;
    ring_append(&t->slots[tick % DUE_SLOTS], &st->due);
    arm(s, tick * DUE_TICK_MS);
}

/* Arms the timer for the next slot that has something in it. */
static void arm_next(struct http_server *s)
{
    struct http_streams *t = &s->streams;

    for (uint64_t tick = t->tick + 1; t->timed > 0 && tick <= t->tick + DUE_SLOTS; tick++) {
        if (!ring_is_empty(&t->slots[tick % DUE_SLOTS])) {
            arm(s, tick * DUE_TICK_MS);
            return;
        }
    }
}

static void empty_slots(struct http_streams *t, uint64_t now_tick)
{
    if (now_tick > t->tick + DUE_SLOTS)
        t->tick = now_tick - DUE_SLOTS; /* one lap empties them all */
    while (t->tick < now_tick)
        ring_move(&t->due, &t->slots[++t->tick % DUE_SLOTS]);
}

void http_due_fired(void *ctx, uint64_t id)
{
    struct http_server *s = ctx;
    struct http_streams *t = &s->streams;
    uint64_t now = loop_now_ms(s->loop);

    (void)id;
    t->timer_at_ms = UINT64_MAX;
    empty_slots(t, now / DUE_TICK_MS);
    for (size_t n = 0; n < DONE_A_TURN && !ring_is_empty(&t->due); n++) {
        struct http_stream *st = LINK_OWNER(t->due.next, struct http_stream, due);
        uint64_t due_ms = st->due_ms;

        http_due_never(s, st);
        if (due_ms > now)
            http_due_by(s, st, due_ms); /* another lap */
        else
            http_stream_due(s, st, now);
    }
    if (ring_is_empty(&t->due))
        arm_next(s);
    else
        arm(s, now);
}
