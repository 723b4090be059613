/* Clients of an EPMD that is fed by hand, and what they are told: for the tests of epmd/core.c. */
#ifndef ERLGATE_TESTS_UNIT_EPMD_CORE_CLIENTS_H
#define ERLGATE_TESTS_UNIT_EPMD_CORE_CLIENTS_H

#include <stdlib.h>

#include "epmd/core.h"
#include "test.h"

#define BYTES(s) slice_of("" s, sizeof(s) - 1)

enum { START_MS = 1000000, WALL_S = 1700000000, PORT = 4369 };

/* One connection as its other end sees it. */
struct client {
    uint64_t id;
    uint8_t got[1 << 17];
    size_t len;
    bool is_closed;
    uint64_t probed; /* 0: no probe was asked for */
    bool has_probe;
};

struct fixture {
    struct epmd_core *core;
    uint64_t now;
    struct client clients[16];
    size_t count;
    bool is_killed;
    size_t notes[EPMD_NOTE_FULL + 1];
};

static inline void noted(void *ctx, const struct epmd_note *n)
{
    struct fixture *f = ctx;

    f->notes[n->kind]++;
}

static inline struct epmd_core_config config_of(struct fixture *f)
{
    return (struct epmd_core_config){.port = PORT,
                                     .is_killable = true,
                                     .now_ms = START_MS,
                                     .wall_s = WALL_S,
                                     .hash_seed = 7,
                                     .note = noted,
                                     .ctx = f};
}

static inline struct fixture *begin_with(const struct epmd_core_config *config)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct epmd_core_config c = config ? *config : config_of(f);

    assert_non_null(f);
    c.ctx = f;
    f->now = START_MS;
    f->core = epmd_core_new(&c);
    assert_non_null(f->core);
    return f;
}

static inline struct fixture *begin(void)
{
    return begin_with(NULL);
}

static inline struct fixture *begin_relaxed(void)
{
    struct epmd_core_config c = config_of(NULL);

    c.is_relaxed = true;
    return begin_with(&c);
}

static inline void end(struct fixture *f)
{
    epmd_core_free(f->core);
    free(f);
}

static inline struct client *client_of(struct fixture *f, uint64_t id)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->clients[i].id == id)
            return &f->clients[i];
    fail_msg("an event for a connection that was never opened");
    return NULL;
}

static inline void pull(struct fixture *f)
{
    struct epmd_event e;

    while (epmd_core_next(f->core, &e) != EPMD_EVENT_NONE) {
        struct client *c = client_of(f, e.conn);

        if (e.kind == EPMD_EVENT_KILLED) {
            f->is_killed = true;
            continue;
        }
        assert_false(c->is_closed);
        assert_int_equal(e.user, c - f->clients);
        if (e.kind == EPMD_EVENT_SEND) {
            assert_true(c->len + e.bytes.len <= sizeof c->got);
            memcpy(c->got + c->len, e.bytes.ptr, e.bytes.len);
            c->len += e.bytes.len;
        } else if (e.kind == EPMD_EVENT_CLOSE) {
            c->is_closed = true;
        } else {
            c->has_probe = true;
            c->probed = e.probed;
        }
    }
}

static inline struct client *open_as(struct fixture *f, bool is_local)
{
    struct client *c = &f->clients[f->count];

    assert_true(f->count < sizeof f->clients / sizeof *f->clients);
    c->id = epmd_core_open(f->core, is_local, f->count, f->now);
    f->count++;
    assert_true(c->id);
    pull(f);
    return c;
}

static inline void feed(struct fixture *f, struct client *c, struct slice bytes)
{
    uint8_t *exact = malloc(bytes.len ? bytes.len : 1); /* so that the sanitizer sees its end */

    memcpy(exact, bytes.ptr, bytes.len);
    epmd_core_feed(f->core, c->id, slice_of(exact, bytes.len), f->now);
    free(exact);
    pull(f);
}

static inline void write_alive2(struct wr *w, struct slice name, uint16_t port, uint16_t highest)
{
    struct epmd_request req = {
        .tag = EPMD_ALIVE2_REQ,
        .entry = {.name = name, .port = port, .type = EPMD_TYPE_NORMAL, .highest = highest, .lowest = 5}};

    wr_init(w, SIZE_MAX);
    epmd_request_write(w, &req);
}

static inline struct client *alive2(struct fixture *f, const char *name, uint16_t highest)
{
    struct client *c = open_as(f, true);
    struct wr w;

    write_alive2(&w, slice_of_str(name), 1042, highest);
    feed(f, c, wr_written(&w));
    wr_fini(&w);
    return c;
}

static inline struct epmd_alive2_reply reply_of(const struct client *c)
{
    struct epmd_alive2_reply r = {0};

    assert_int_equal(epmd_alive2_reply_read(slice_of(c->got, c->len), &r), ERR_NONE);
    return r;
}

static inline void assert_got(const struct client *c, struct slice want, bool is_closed)
{
    assert_int_equal(c->len, want.len);
    if (want.len)
        assert_memory_equal(c->got, want.ptr, want.len);
    assert_int_equal(c->is_closed, is_closed);
}

static inline void hang_up(struct fixture *f, struct client *c)
{
    epmd_core_closed(f->core, c->id);
    c->is_closed = true;
    pull(f);
}

static inline void advance(struct fixture *f, uint64_t ms)
{
    f->now += ms;
    epmd_core_advance(f->core, f->now);
    pull(f);
}

#endif
