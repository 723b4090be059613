/* What the tests of this layer share: cmocka, bytes from hexadecimal text, two connections joined by buffers.
 */
#ifndef ERLGATE_TESTS_DIST_TOOLS_H
#define ERLGATE_TESTS_DIST_TOOLS_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dist/conn.h"
#include "etf/write.h"

#define assert_ok(e)           assert_int_equal((e), ERR_NONE)
#define assert_slice_str(s, t) assert_true(slice_eq_str((s), (t)))

/* Spaces are skipped. Freed by bytes_free; exactly as long as the bytes, so that a sanitizer sees a read past
 * them. */
static inline struct slice bytes_of_hex(const char *hex)
{
    uint8_t *p = malloc(strlen(hex) + 1);
    size_t n = 0;

    for (; *hex; hex++) {
        char pair[3] = {hex[0], hex[0] == ' ' ? 0 : hex[1], 0};

        if (*hex == ' ')
            continue;
        p[n++] = (uint8_t)strtoul(pair, NULL, 16);
        hex++;
    }
    return slice_of(realloc(p, n ? n : 1), n);
}

static inline struct slice bytes_copy(struct slice s)
{
    uint8_t *p = malloc(s.len ? s.len : 1);

    if (s.len)
        memcpy(p, s.ptr, s.len);
    return slice_of(p, s.len);
}

static inline void bytes_free(struct slice s)
{
    free((void *)(uintptr_t)s.ptr);
}

static inline struct etf_atom atom_of(const char *text)
{
    return (struct etf_atom){.text = slice_of_str(text)};
}

static inline struct etf_pid pid_of(const char *node, uint32_t id)
{
    return (struct etf_pid){.node = atom_of(node), .id = id, .serial = 1, .creation = 0x6b040250};
}

static inline struct dist_end end_pid(const char *node, uint32_t id)
{
    return (struct dist_end){.kind = DIST_END_PID, .pid = pid_of(node, id)};
}

static inline struct dist_end end_name(const char *name)
{
    return (struct dist_end){.kind = DIST_END_NAME, .name = atom_of(name)};
}

static inline struct etf_ref ref_of(const char *node)
{
    return (struct etf_ref){.node = atom_of(node), .creation = 9, .count = 3, .words = {1, 2, 3}};
}

static inline struct dist_end end_ref(const char *node)
{
    return (struct dist_end){.kind = DIST_END_REF, .ref = ref_of(node)};
}

/* ---- two connections joined by buffers: `a` dialled, `b` accepted ---- */

#define NAME_A "aa@host"
#define NAME_B "bb@host"

struct pair {
    struct dist_conn_config config_a, config_b;
    struct dist_conn *a, *b;
    uint64_t now;
    size_t step;             /* bytes carried at once; 0: all */
    enum dist_status status; /* what b answers to PEER */
    struct slice given_name;
    bool insist; /* what a answers to ALIVE */
    struct dist_event down_a, down_b;
    bool up_a, up_b;
};

static inline void pair_config(struct pair *p, uint64_t flags_a, uint64_t flags_b)
{
    *p = (struct pair){.now = 1000, .insist = true};
    p->config_a = (struct dist_conn_config){.name = slice_of_str(NAME_A),
                                            .cookie = slice_of_str("cookie"),
                                            .creation = 11,
                                            .flags = flags_a,
                                            .challenge = 0xdeadbeef};
    p->config_b = p->config_a;
    p->config_b.name = slice_of_str(NAME_B);
    p->config_b.creation = 12;
    p->config_b.flags = flags_b;
    p->config_b.challenge = 7;
}

static inline bool pair_open(struct pair *p, unsigned version)
{
    p->a = dist_conn_dial(&p->config_a, slice_of_str(NAME_B), version, p->now);
    p->b = dist_conn_accept(&p->config_b, p->now);
    return p->a && p->b;
}

static inline void pair_close(struct pair *p)
{
    dist_conn_free(p->a);
    dist_conn_free(p->b);
    p->a = p->b = NULL;
}

/* Gives bytes to c as far as its room goes; how many. */
static inline size_t give(struct dist_conn *c, struct slice s, uint64_t now)
{
    size_t len, n;
    uint8_t *room = dist_conn_room(c, &len);

    if (!room)
        return 0;
    n = s.len < len ? s.len : len;
    if (n)
        memcpy(room, s.ptr, n);
    dist_conn_received(c, n, now);
    return n;
}

static inline size_t carry(struct pair *p, struct dist_conn *from, struct dist_conn *to)
{
    struct slice out = dist_conn_output(from);
    size_t n = p->step && out.len > p->step ? p->step : out.len;

    if (!n)
        return 0;
    n = give(to, slice_of(out.ptr, n), p->now);
    dist_conn_sent(from, n, p->now);
    return n;
}

/* Pulls what c has until a message (true, in *ret) or nothing. */
static inline bool pull(struct pair *p, struct dist_conn *c, struct dist_event *ret)
{
    for (;;) {
        switch (dist_conn_next(c, ret)) {
        case DIST_EVENT_NONE: return false;
        case DIST_EVENT_MESSAGE: return true;
        case DIST_EVENT_PEER: dist_conn_admit(c, p->status, p->given_name, 99); break;
        case DIST_EVENT_ALIVE: dist_conn_replace(c, p->insist); break;
        case DIST_EVENT_UP: *(c == p->a ? &p->up_a : &p->up_b) = true; break;
        case DIST_EVENT_DOWN: *(c == p->a ? &p->down_a : &p->down_b) = *ret; break;
        }
    }
}

/* Until both are silent. Messages are not expected. */
static inline void pair_settle(struct pair *p)
{
    struct dist_event ev;
    bool is_moving = true;

    while (is_moving) {
        is_moving = carry(p, p->a, p->b) > 0;
        assert_false(pull(p, p->b, &ev));
        is_moving |= carry(p, p->b, p->a) > 0;
        assert_false(pull(p, p->a, &ev));
    }
}

static inline void pair_up(struct pair *p, uint64_t flags_a, uint64_t flags_b)
{
    pair_config(p, flags_a, flags_b);
    assert_true(pair_open(p, 6));
    pair_settle(p);
    assert_true(p->up_a && p->up_b);
}

/* Carries from a to b until b has a message. */
static inline bool pair_next(struct pair *p, struct dist_event *ret)
{
    do {
        if (pull(p, p->b, ret))
            return true;
    } while (carry(p, p->a, p->b) > 0);
    return pull(p, p->b, ret);
}

#endif
