/* rig: a loop, and turns of it until something has come true. Nothing sleeps: a turn ends when something
 * happens. */
#ifndef ERLGATE_TESTS_UNIT_EPMD_RIG_H
#define ERLGATE_TESTS_UNIT_EPMD_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include "loop/stream.h"

enum { RIG_TURNS = 2000 };

/* Turns the loop l until condition holds; a test that waits in vain fails after some seconds. */
#define RIG_UNTIL(l, condition)                      \
    do {                                             \
        int turns_ = 0;                              \
        while (!(condition) && turns_++ < RIG_TURNS) \
            loop_turn((l), 5);                       \
        assert_true(condition);                      \
    } while (0)

/* The other end of a connection, that says what a test wants and keeps what it hears. */
struct rig_end {
    struct loop *loop;
    struct loop_stream *s;
    uint8_t buf[1 << 16];
    size_t got;
    bool is_ended, is_failed;
};

static inline uint8_t *rig_room(void *ctx, size_t *ret_len)
{
    struct rig_end *e = ctx;

    if (e->got == sizeof e->buf)
        e->got = 0;
    *ret_len = sizeof e->buf - e->got;
    return e->buf + e->got;
}

static inline void rig_received(void *ctx, size_t n)
{
    ((struct rig_end *)ctx)->got += n;
}

static inline void rig_writable(void *ctx)
{
    (void)ctx;
}

static inline void rig_ended(void *ctx, enum err why)
{
    struct rig_end *e = ctx;

    (void)why;
    e->is_ended = true;
    loop_stream_close(e->s);
    e->s = NULL;
}

static inline const struct loop_stream_ops *rig_ops(void)
{
    static const struct loop_stream_ops ops = {rig_room, rig_received, rig_writable, rig_ended};

    return &ops;
}

static inline void rig_dialled(void *ctx, uint64_t id, struct loop_stream *s, enum err why)
{
    struct rig_end *e = ctx;

    (void)id;
    (void)why;
    e->s = s;
    e->is_failed = !s;
    if (s)
        loop_stream_start(s, rig_ops(), e);
}

static inline void rig_connect(struct rig_end *e, struct loop *l, uint16_t port)
{
    *e = (struct rig_end){.loop = l};
    assert_true(loop_dial(l, "127.0.0.1", port, 5000, rig_dialled, e, 0) != 0);
    RIG_UNTIL(l, e->s || e->is_failed);
    assert_non_null(e->s);
}

static inline void rig_say(struct rig_end *e, struct slice bytes)
{
    size_t taken = 0;

    assert_int_equal(loop_stream_write(e->s, bytes, &taken), ERR_NONE);
    assert_int_equal(taken, bytes.len);
}

static inline void rig_close(struct rig_end *e)
{
    loop_stream_close(e->s);
    e->s = NULL;
}

#endif
