#include "epmd/core.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "base/mem.h"

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

static void noted(void *ctx, const struct epmd_note *n)
{
    struct fixture *f = ctx;

    f->notes[n->kind]++;
}

static struct epmd_core_config config_of(struct fixture *f)
{
    return (struct epmd_core_config){.port = PORT,
                                     .is_killable = true,
                                     .now_ms = START_MS,
                                     .wall_s = WALL_S,
                                     .hash_seed = 7,
                                     .note = noted,
                                     .ctx = f};
}

static struct fixture *begin_with(const struct epmd_core_config *config)
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

static struct fixture *begin(void)
{
    return begin_with(NULL);
}

static struct fixture *begin_relaxed(void)
{
    struct epmd_core_config c = config_of(NULL);

    c.is_relaxed = true;
    return begin_with(&c);
}

static void end(struct fixture *f)
{
    epmd_core_free(f->core);
    free(f);
}

static struct client *client_of(struct fixture *f, uint64_t id)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->clients[i].id == id)
            return &f->clients[i];
    fail_msg("an event for a connection that was never opened");
    return NULL;
}

static void pull(struct fixture *f)
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

static struct client *open_as(struct fixture *f, bool is_local)
{
    struct client *c = &f->clients[f->count];

    assert_true(f->count < sizeof f->clients / sizeof *f->clients);
    c->id = epmd_core_open(f->core, is_local, f->count, f->now);
    f->count++;
    assert_true(c->id);
    pull(f);
    return c;
}

static void feed(struct fixture *f, struct client *c, struct slice bytes)
{
    uint8_t *exact = malloc(bytes.len ? bytes.len : 1); /* so that the sanitizer sees its end */

    memcpy(exact, bytes.ptr, bytes.len);
    epmd_core_feed(f->core, c->id, slice_of(exact, bytes.len), f->now);
    free(exact);
    pull(f);
}

static void write_alive2(struct wr *w, struct slice name, uint16_t port, uint16_t highest)
{
    struct epmd_request req = {
        .tag = EPMD_ALIVE2_REQ,
        .entry = {.name = name, .port = port, .type = EPMD_TYPE_NORMAL, .highest = highest, .lowest = 5}};

    wr_init(w, SIZE_MAX);
    epmd_request_write(w, &req);
}

static struct client *alive2(struct fixture *f, const char *name, uint16_t highest)
{
    struct client *c = open_as(f, true);
    struct wr w;

    write_alive2(&w, slice_of_str(name), 1042, highest);
    feed(f, c, wr_written(&w));
    wr_fini(&w);
    return c;
}

static struct epmd_alive2_reply reply_of(const struct client *c)
{
    struct epmd_alive2_reply r = {0};

    assert_int_equal(epmd_alive2_reply_read(slice_of(c->got, c->len), &r), ERR_NONE);
    return r;
}

static void assert_got(const struct client *c, struct slice want, bool is_closed)
{
    assert_int_equal(c->len, want.len);
    if (want.len)
        assert_memory_equal(c->got, want.ptr, want.len);
    assert_int_equal(c->is_closed, is_closed);
}

static void hang_up(struct fixture *f, struct client *c)
{
    epmd_core_closed(f->core, c->id);
    c->is_closed = true;
    pull(f);
}

static void advance(struct fixture *f, uint64_t ms)
{
    f->now += ms;
    epmd_core_advance(f->core, f->now);
    pull(f);
}

/* ---- registrations ---- */

static void a_node_registers_and_is_found(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6), *asker = open_as(f, false);

    (void)state;
    assert_true(reply_of(node).is_extended);
    assert_int_equal(reply_of(node).result, 0);
    assert_false(node->is_closed);
    assert_int_equal(f->notes[EPMD_NOTE_REGISTERED], 1);
    feed(f, asker, BYTES("\0\3zkv"));
    assert_got(asker, BYTES("w\0\x04\x12M\0\0\6\0\5\0\2kv\0\0"), true);
    end(f);
}

static void a_name_that_is_not_there_is_not_found(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);

    (void)state;
    feed(f, c, BYTES("\0\3zkv"));
    assert_got(c, BYTES("w\1"), true);
    end(f);
}

static void a_registration_lives_as_long_as_its_connection(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6), *c;

    (void)state;
    advance(f, 3600000); /* however long that is silent */
    assert_false(node->is_closed);
    hang_up(f, node);
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(f->notes[EPMD_NOTE_UNREGISTERED], 1);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\3zkv"));
    assert_got(c, BYTES("w\1"), true);
    end(f);
}

static void a_byte_after_a_registration_ends_it(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6);

    (void)state;
    feed(f, node, BYTES("\0"));
    assert_true(node->is_closed);
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(epmd_core_connections(f->core), 0);
    end(f);
}

static void creations_grow_by_one_with_each_registration_of_a_name(void **state)
{
    struct fixture *f = begin();

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        struct client *node = alive2(f, "kv", 6);

        assert_int_equal(reply_of(node).creation, WALL_S + 1 + i);
        hang_up(f, node);
    }
    end(f);
}

static void a_new_name_starts_at_the_time_of_day(void **state)
{
    struct fixture *f = begin();

    (void)state;
    advance(f, 42999);
    assert_int_equal(reply_of(alive2(f, "kv", 6)).creation, WALL_S + 42 + 1);
    end(f);
}

static void creations_wrap_past_0_to_3(void **state)
{
    struct epmd_core_config c = config_of(NULL);
    const uint32_t want[] = {UINT32_MAX - 1, UINT32_MAX, 4, 5};
    struct fixture *f;

    (void)state;
    c.wall_s = UINT32_MAX - 2;
    f = begin_with(&c);
    for (size_t i = 0; i < 4; i++) {
        struct client *node = alive2(f, "kv", 6);

        assert_int_equal(reply_of(node).creation, want[i]);
        hang_up(f, node);
    }
    end(f);
    c.wall_s = 0; /* a machine whose clock was never set */
    f = begin_with(&c);
    assert_int_equal(reply_of(alive2(f, "kv", 6)).creation, 4);
    end(f);
}

static void a_node_of_version_5_is_told_another_of_1_to_3_each_time(void **state)
{
    struct fixture *f = begin();
    uint32_t before = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct client *node = alive2(f, "kv", 5);
        struct epmd_alive2_reply r = reply_of(node);

        assert_false(r.is_extended);
        assert_in_range(r.creation, 1, 3);
        assert_int_not_equal(r.creation, before);
        before = r.creation;
        hang_up(f, node);
    }
    end(f);
}

static void names_of_ended_nodes_are_forgotten_in_their_order(void **state)
{
    struct epmd_core_config c = config_of(NULL);
    struct client *asker;
    struct fixture *f;

    (void)state;
    c.max_old = 2;
    f = begin_with(&c);
    hang_up(f, alive2(f, "a", 6));
    hang_up(f, alive2(f, "b", 6));
    hang_up(f, alive2(f, "c", 6));
    asker = open_as(f, true);
    feed(f, asker, BYTES("\0\1d"));
    assert_got(
        asker,
        BYTES("\0\0\x11\x11old/unused name <b>, port = 1042, fd = 0 \n\0"
              "old/unused name <c>, port = 1042, fd = 0 \n\0") /* numbers are used again, as descriptors */,
        true);
    end(f);
}

static void names_that_are_none_are_refused_with_an_answer(void **state)
{
    static const char *const names[] = {"\xff", "\xed\xa0\x80"};
    struct fixture *f = begin();
    struct client *c;
    struct wr w;
    char name[257] = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        c = alive2(f, names[i], 6);
        assert_got(c, BYTES("v\1\0\0\0\x63"), true);
        c = alive2(f, names[i], 5);
        assert_got(c, BYTES("y\1\0\x63"), true);
    }
    memset(name, 'n', 256);
    assert_got(alive2(f, name, 6), BYTES("v\1\0\0\0\x63"), true);
    name[255] = '\0';
    assert_int_equal(reply_of(alive2(f, name, 6)).result, 0);
    c = open_as(f, true);
    write_alive2(&w, slice_of("a\0b", 3), 1, 6);
    feed(f, c, wr_written(&w));
    wr_fini(&w);
    assert_got(c, BYTES(""), true); /* OTP's says nothing to these */
    end(f);
}

/* ---- names that are taken ---- */

static void a_name_that_is_taken_is_asked_about_first(void **state)
{
    struct fixture *f = begin();
    struct client *first = alive2(f, "kv", 6), *second = alive2(f, "kv", 6);

    (void)state;
    assert_true(second->has_probe);
    assert_int_equal(second->probed, first->id);
    assert_got(second, BYTES(""), false);
    epmd_core_probed(f->core, second->id);
    pull(f);
    assert_got(second, BYTES("v\1\0\0\0\x63"), true);
    assert_false(first->is_closed);
    end(f);
}

static void a_node_that_restarts_before_its_old_socket_is_noticed_is_let_in(void **state)
{
    struct fixture *f = begin();
    struct client *first = alive2(f, "kv", 6), *second = alive2(f, "kv", 6);

    (void)state;
    hang_up(f, first);
    epmd_core_probed(f->core, second->id);
    pull(f);
    assert_int_equal(reply_of(second).result, 0);
    assert_int_equal(reply_of(second).creation, WALL_S + 2);
    assert_false(second->is_closed);
    epmd_core_probed(f->core, second->id); /* a second answer is none */
    pull(f);
    assert_int_equal(epmd_core_count(f->core), 1);
    end(f);
}

static void of_two_that_wait_for_a_name_one_gets_it(void **state)
{
    struct fixture *f = begin();
    struct client *first = alive2(f, "kv", 6), *second = alive2(f, "kv", 6), *third = alive2(f, "kv", 6);

    (void)state;
    hang_up(f, first);
    epmd_core_probed(f->core, second->id);
    epmd_core_probed(f->core, third->id);
    pull(f);
    assert_int_equal(reply_of(second).result, 0);
    assert_int_equal(reply_of(third).result, 1);
    end(f);
}

static void one_that_waits_for_a_name_may_leave(void **state)
{
    struct fixture *f = begin();
    struct client *second;

    (void)state;
    alive2(f, "kv", 6);
    second = alive2(f, "kv", 6);
    hang_up(f, second);
    epmd_core_probed(f->core, second->id);
    pull(f);
    assert_int_equal(epmd_core_count(f->core), 1);
    second = alive2(f, "kv", 6);
    feed(f, second, BYTES("x"));
    assert_got(second, BYTES(""), true);
    end(f);
}

/* ---- names without a connection ---- */

static void a_name_of_our_own_needs_no_connection(void **state)
{
    struct fixture *f = begin();
    struct epmd_entry entry = {
        .name = SLICE("gate"), .port = 9, .type = EPMD_TYPE_HIDDEN, .highest = 6, .lowest = 5};
    struct epmd_listing l;
    uint32_t creation;
    struct client *c;

    (void)state;
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_NONE);
    assert_int_equal(creation, WALL_S + 1);
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_NAME_TAKEN);
    c = alive2(f, "gate", 6); /* nobody to ask: refused at once */
    assert_got(c, BYTES("v\1\0\0\0\x63"), true);
    assert_false(c->has_probe);
    assert_true(epmd_core_find(f->core, SLICE("gate"), &l));
    assert_int_equal(l.conn, 0);
    epmd_core_unregister(f->core, SLICE("gate"));
    epmd_core_unregister(f->core, SLICE("gate"));
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(reply_of(alive2(f, "gate", 6)).creation, WALL_S + 2);
    epmd_core_unregister(f->core, SLICE("gate")); /* somebody else's now */
    assert_int_equal(epmd_core_count(f->core), 1);
    entry.name = SLICE("\xff");
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_INVALID);
    end(f);
}

/* ---- the other requests ---- */

static void names_and_dump_list_the_newest_first(void **state)
{
    struct fixture *f = begin();
    struct client *c;

    (void)state;
    alive2(f, "a", 6);
    alive2(f, "b", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1n"));
    assert_got(c, BYTES("\0\0\x11\x11name b at port 1042\nname a at port 1042\n"), true);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1d"));
    assert_got(c,
               BYTES("\0\0\x11\x11"
                     "active name     <b> at port 1042, fd = 1\n\0"
                     "active name     <a> at port 1042, fd = 0\n\0"),
               true);
    end(f);
}

static void kill_is_obeyed_when_there_are_no_nodes(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);

    (void)state;
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("OK"), true);
    assert_true(f->is_killed);
    end(f);
}

static void kill_is_refused_while_there_are_nodes_unless_relaxed(void **state)
{
    struct fixture *f = begin();
    struct client *c;

    (void)state;
    alive2(f, "kv", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("NO"), true);
    assert_false(f->is_killed);
    end(f);
    f = begin_relaxed();
    alive2(f, "kv", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("OK"), true);
    assert_true(f->is_killed);
    end(f);
}

static void a_server_that_is_part_of_a_program_cannot_be_killed(void **state)
{
    struct epmd_core_config config = config_of(NULL);
    struct fixture *f;
    struct client *c;

    (void)state;
    config.is_killable = false;
    f = begin_with(&config);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\1k"));
    assert_got(c, BYTES("NO"), true);
    assert_false(f->is_killed);
    end(f);
}

static void stop_needs_a_relaxed_server(void **state)
{
    struct fixture *f = begin();
    struct client *node = alive2(f, "kv", 6), *c = open_as(f, true);

    (void)state;
    feed(f, c, BYTES("\0\3skv"));
    assert_got(c, BYTES(""), true);
    assert_false(node->is_closed);
    end(f);
    f = begin_relaxed();
    node = alive2(f, "kv", 6);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\4sabc"));
    assert_got(c, BYTES("NOEXIST"), true);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\3skv"));
    assert_got(c, BYTES("STOPPED"), true);
    assert_true(node->is_closed);
    assert_int_equal(epmd_core_count(f->core), 0);
    end(f);
}

static void stop_drops_a_name_without_a_connection_too(void **state)
{
    struct fixture *f = begin_relaxed();
    struct epmd_entry entry = {.name = SLICE("gate"), .highest = 6};
    uint32_t creation;
    struct client *c;

    (void)state;
    assert_int_equal(epmd_core_register(f->core, &entry, f->now, &creation), ERR_NONE);
    c = open_as(f, true);
    feed(f, c, BYTES("\0\5sgate"));
    assert_got(c, BYTES("STOPPED"), true);
    assert_int_equal(epmd_core_count(f->core), 0);
    end(f);
}

static void other_machines_may_only_ask_for_ports_and_names(void **state)
{
    static const struct slice refused[] = {
        SLICE_LIT("\0\1d"), SLICE_LIT("\0\1k"), SLICE_LIT("\0\3skv"),
        SLICE_LIT("\0\1x"), SLICE_LIT("\0\1q"), SLICE_LIT("\0\x0fx\0\1M\0\0\6\0\5\0\2zz\0\0"),
    };
    struct fixture *f = begin_relaxed();
    struct client *c;

    (void)state;
    alive2(f, "kv", 6);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        c = open_as(f, false);
        feed(f, c, refused[i]);
        assert_got(c, BYTES(""), true);
    }
    assert_false(f->is_killed);
    assert_int_equal(epmd_core_count(f->core), 1);
    c = open_as(f, false);
    feed(f, c, BYTES("\0\1n"));
    assert_got(c, BYTES("\0\0\x11\x11name kv at port 1042\n"), true);
    end(f);
}

/* ---- sizes, pieces, time ---- */

static void requests_may_arrive_in_any_pieces(void **state)
{
    struct wr w;

    (void)state;
    write_alive2(&w, SLICE("gr\xc3\xbc\xc3\x9f"), 1042, 6);
    for (size_t cut = 1; cut < w.len; cut++) {
        struct fixture *f = begin();
        struct client *c = open_as(f, true);

        feed(f, c, slice_of(w.buf, cut));
        assert_got(c, BYTES(""), false);
        feed(f, c, slice_of(w.buf + cut, w.len - cut));
        assert_int_equal(reply_of(c).result, 0);
        end(f);
    }
    {
        struct fixture *f = begin();
        struct client *c = open_as(f, true);

        for (size_t i = 0; i < w.len; i++)
            feed(f, c, slice_of(w.buf + i, 1));
        assert_int_equal(reply_of(c).result, 0);
        end(f);
    }
    wr_fini(&w);
}

static void a_request_cut_anywhere_leaves_nothing_when_its_sender_leaves(void **state)
{
    struct wr w;

    (void)state;
    write_alive2(&w, SLICE("kv"), 1042, 6);
    for (size_t cut = 0; cut < w.len; cut++) {
        struct fixture *f = begin();
        struct client *c = open_as(f, true);

        feed(f, c, slice_of(w.buf, cut));
        hang_up(f, c);
        assert_int_equal(epmd_core_count(f->core), 0);
        assert_int_equal(epmd_core_connections(f->core), 0);
        end(f);
    }
    wr_fini(&w);
}

static void lengths_outside_the_limits_are_hung_up_on(void **state)
{
    static const struct {
        uint16_t length;
        bool is_closed;
    } cases[] = {
        {0, true}, {1, false}, {EPMD_REQUEST_MAX, false}, {EPMD_REQUEST_MAX + 1, true}, {65535, true}};

    (void)state;
    assert_int_equal(EPMD_LENGTH_BYTES + EPMD_REQUEST_MAX, 3059);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *f = begin();
        struct client *c = open_as(f, true);
        uint8_t length[] = {(uint8_t)(cases[i].length >> 8), (uint8_t)cases[i].length};

        feed(f, c, slice_of(length, 2));
        assert_got(c, BYTES(""), cases[i].is_closed);
        end(f);
    }
}

static void more_bytes_than_the_request_has_are_hung_up_on(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);
    uint8_t flood[2 * EPMD_REQUEST_MAX] = {0};

    (void)state;
    feed(f, c, BYTES("\0\1nn"));
    assert_got(c, BYTES(""), true);
    c = open_as(f, true);
    flood[1] = 1;
    feed(f, c, slice_of(flood, sizeof flood));
    assert_got(c, BYTES(""), true);
    end(f);
}

static void the_largest_request_is_taken(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);
    uint8_t extra[EPMD_EXTRA_BYTES];
    struct epmd_request req = {.tag = EPMD_ALIVE2_REQ,
                               .entry = {.highest = 6, .extra = {extra, sizeof extra}}};
    struct epmd_listing l;
    struct wr name, w;

    (void)state;
    memset(extra, 0xE7, sizeof extra);
    wr_init(&name, SIZE_MAX);
    for (int i = 0; i < EPMD_NAME_CHARS; i++)
        wr_str(&name, "\xf0\x9f\x98\x88");
    req.entry.name = wr_written(&name);
    wr_init(&w, SIZE_MAX);
    epmd_request_write(&w, &req);
    feed(f, c, wr_written(&w));
    assert_int_equal(reply_of(c).result, 0);
    assert_true(epmd_core_find(f->core, wr_written(&name), &l));
    assert_int_equal(l.entry.extra.len, sizeof extra);
    assert_memory_equal(l.entry.extra.ptr, extra, sizeof extra);
    wr_fini(&w);
    wr_fini(&name);
    end(f);
}

static void a_request_has_a_minute_however_it_trickles_in(void **state)
{
    struct fixture *f = begin();
    struct client *c;

    (void)state;
    assert_int_equal(epmd_core_deadline(f->core), UINT64_MAX);
    c = open_as(f, true);
    assert_int_equal(epmd_core_deadline(f->core), START_MS + 60000);
    advance(f, 59999);
    assert_false(c->is_closed);
    feed(f, c, BYTES("\0"));
    assert_int_equal(epmd_core_deadline(f->core), START_MS + 60000);
    advance(f, 1);
    assert_got(c, BYTES(""), true);
    assert_int_equal(f->notes[EPMD_NOTE_TIMED_OUT], 1);
    assert_int_equal(epmd_core_deadline(f->core), UINT64_MAX);
    end(f);
}

static void when_all_places_are_taken_the_oldest_stranger_leaves(void **state)
{
    struct epmd_core_config config = config_of(NULL);
    struct client *node, *older, *newer;
    struct fixture *f;

    (void)state;
    config.max_connections = 3;
    f = begin_with(&config);
    node = alive2(f, "kv", 6);
    older = open_as(f, true);
    newer = open_as(f, true);
    advance(f, 10);
    feed(f, older, BYTES("\0")); /* a byte now and then keeps no place */
    open_as(f, true);
    assert_true(older->is_closed);
    assert_false(newer->is_closed);
    assert_false(node->is_closed);
    assert_int_equal(epmd_core_connections(f->core), 3);
    for (int i = 0; i < 8; i++)
        open_as(f, true);
    assert_int_equal(f->notes[EPMD_NOTE_FULL], 1); /* a flood is told of once a minute */
    advance(f, 60000);
    for (int i = 0; i < 3; i++)
        open_as(f, true);
    assert_int_equal(f->notes[EPMD_NOTE_FULL], 2);
    end(f);
}

static void when_all_places_are_nodes_a_stranger_is_turned_away(void **state)
{
    struct epmd_core_config config = config_of(NULL);
    struct client *first;
    struct fixture *f;

    (void)state;
    config.max_connections = 2;
    f = begin_with(&config);
    first = alive2(f, "a", 6);
    alive2(f, "b", 6);
    assert_int_equal(epmd_core_open(f->core, true, 0, f->now), 0);
    assert_int_equal(f->notes[EPMD_NOTE_FULL], 1);
    hang_up(f, first);
    assert_int_not_equal(epmd_core_open(f->core, true, 2, f->now), 0);
    end(f);
}

static void ids_that_are_gone_find_nothing(void **state)
{
    struct fixture *f = begin();
    struct client *c = alive2(f, "kv", 6);

    (void)state;
    hang_up(f, c);
    epmd_core_feed(f->core, c->id, BYTES("\0\1n"), f->now);
    epmd_core_closed(f->core, c->id);
    epmd_core_probed(f->core, c->id);
    epmd_core_feed(f->core, 0, BYTES("\0\1n"), f->now);
    epmd_core_feed(f->core, UINT64_MAX, BYTES("\0\1n"), f->now);
    pull(f);
    end(f);
}

static void an_end_noticed_between_answer_and_close_is_the_end(void **state)
{
    struct fixture *f = begin();
    struct client *c = open_as(f, true);
    struct epmd_event e;

    (void)state;
    epmd_core_feed(f->core, c->id, BYTES("\0\1n"), f->now);
    assert_int_equal(epmd_core_next(f->core, &e), EPMD_EVENT_SEND);
    epmd_core_closed(f->core, c->id);
    assert_int_equal(epmd_core_next(f->core, &e), EPMD_EVENT_NONE);
    end(f);
}

static void a_thousand_nodes_register_and_leave(void **state)
{
    enum { NODES = 1000 };
    struct fixture *f = begin();
    uint64_t ids[NODES];
    struct epmd_event e;
    const struct epmd_reg *cursor = NULL;
    struct epmd_listing l;
    size_t listed = 0;

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < NODES; i++) {
            char name[16];
            struct wr w;

            snprintf(name, sizeof name, "node%d", i);
            write_alive2(&w, slice_of_str(name), (uint16_t)(1000 + i), 6);
            ids[i] = epmd_core_open(f->core, true, 0, f->now);
            assert_true(ids[i]);
            epmd_core_feed(f->core, ids[i], wr_written(&w), f->now);
            wr_fini(&w);
            assert_int_equal(epmd_core_next(f->core, &e), EPMD_EVENT_SEND);
            assert_int_equal(e.bytes.ptr[1], 0);
            assert_int_equal(epmd_core_next(f->core, &e), EPMD_EVENT_NONE);
        }
        assert_int_equal(epmd_core_count(f->core), NODES);
        for (listed = 0; epmd_core_list(f->core, &cursor, &l); listed++)
            assert_int_equal(l.creation, WALL_S + 1 + round);
        assert_int_equal(listed, NODES);
        for (int i = 0; i < NODES; i++)
            epmd_core_closed(f->core, ids[round == 1 ? NODES - 1 - i : i]);
        assert_int_equal(epmd_core_count(f->core), 0);
        assert_int_equal(epmd_core_connections(f->core), 0);
    }
    end(f);
}

/* ---- memory ---- */

/* One of everything; true when nothing failed. */
static bool live(struct fixture *f)
{
    static const struct slice requests[] = {
        SLICE_LIT("\0\1n"),
        SLICE_LIT("\0\1d"),
        SLICE_LIT("\0\3zkv"),
        SLICE_LIT("\0\3skv"),
        SLICE_LIT("\0\4sabc"),
        SLICE_LIT("\0\x0fx\0\1M\0\0\6\0\5\0\2zz\0\0"),
        SLICE_LIT("\0\x0fx\0\1M\0\0\6\0\5\0\2zz\0\0"),
    };
    struct epmd_entry own = {.name = SLICE("gate"), .highest = 6};
    struct epmd_event e;
    uint32_t creation;

    if (epmd_core_register(f->core, &own, f->now, &creation) != ERR_NONE)
        epmd_core_unregister(f->core, own.name);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        uint64_t id = epmd_core_open(f->core, true, 0, f->now);

        epmd_core_feed(f->core, id, slice_of(requests[i].ptr, 3), f->now);
        epmd_core_feed(f->core, id, slice_of(requests[i].ptr + 3, requests[i].len - 3), f->now);
        while (epmd_core_next(f->core, &e) != EPMD_EVENT_NONE)
            if (e.kind == EPMD_EVENT_PROBE)
                epmd_core_probed(f->core, e.conn);
    }
    return mem_failures() == 0;
}

static void no_failed_allocation_is_the_end(void **state)
{
    bool is_through = false;

    (void)state;
    for (size_t n = 1; !is_through; n++) {
        struct epmd_core_config config = config_of(NULL);
        struct fixture *f = calloc(1, sizeof *f);

        config.is_relaxed = true;
        config.note = NULL;
        f->now = START_MS;
        mem_fail_from(n);
        f->core = epmd_core_new(&config);
        is_through = f->core && live(f);
        mem_fail_from(0);
        if (f->core && !is_through) { /* and with memory again it serves as before */
            live(f);
            assert_true(epmd_core_count(f->core) >= 1);
        }
        end(f);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_registers_and_is_found),
        cmocka_unit_test(a_name_that_is_not_there_is_not_found),
        cmocka_unit_test(a_registration_lives_as_long_as_its_connection),
        cmocka_unit_test(a_byte_after_a_registration_ends_it),
        cmocka_unit_test(creations_grow_by_one_with_each_registration_of_a_name),
        cmocka_unit_test(a_new_name_starts_at_the_time_of_day),
        cmocka_unit_test(creations_wrap_past_0_to_3),
        cmocka_unit_test(a_node_of_version_5_is_told_another_of_1_to_3_each_time),
        cmocka_unit_test(names_of_ended_nodes_are_forgotten_in_their_order),
        cmocka_unit_test(names_that_are_none_are_refused_with_an_answer),
        cmocka_unit_test(a_name_that_is_taken_is_asked_about_first),
        cmocka_unit_test(a_node_that_restarts_before_its_old_socket_is_noticed_is_let_in),
        cmocka_unit_test(of_two_that_wait_for_a_name_one_gets_it),
        cmocka_unit_test(one_that_waits_for_a_name_may_leave),
        cmocka_unit_test(a_name_of_our_own_needs_no_connection),
        cmocka_unit_test(names_and_dump_list_the_newest_first),
        cmocka_unit_test(kill_is_obeyed_when_there_are_no_nodes),
        cmocka_unit_test(kill_is_refused_while_there_are_nodes_unless_relaxed),
        cmocka_unit_test(a_server_that_is_part_of_a_program_cannot_be_killed),
        cmocka_unit_test(stop_needs_a_relaxed_server),
        cmocka_unit_test(stop_drops_a_name_without_a_connection_too),
        cmocka_unit_test(other_machines_may_only_ask_for_ports_and_names),
        cmocka_unit_test(requests_may_arrive_in_any_pieces),
        cmocka_unit_test(a_request_cut_anywhere_leaves_nothing_when_its_sender_leaves),
        cmocka_unit_test(lengths_outside_the_limits_are_hung_up_on),
        cmocka_unit_test(more_bytes_than_the_request_has_are_hung_up_on),
        cmocka_unit_test(the_largest_request_is_taken),
        cmocka_unit_test(a_request_has_a_minute_however_it_trickles_in),
        cmocka_unit_test(when_all_places_are_taken_the_oldest_stranger_leaves),
        cmocka_unit_test(when_all_places_are_nodes_a_stranger_is_turned_away),
        cmocka_unit_test(ids_that_are_gone_find_nothing),
        cmocka_unit_test(an_end_noticed_between_answer_and_close_is_the_end),
        cmocka_unit_test(a_thousand_nodes_register_and_leave),
        cmocka_unit_test(no_failed_allocation_is_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
