/* How much an EPMD takes, in which pieces, for how long, and without memory: epmd/core.c. */
#include "core_clients.h"

#include <stdio.h>

#include "base/mem.h"

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
    size_t told = c->len;

    (void)state;
    hang_up(f, c);
    epmd_core_feed(f->core, c->id, BYTES("\0\1n"), f->now);
    epmd_core_closed(f->core, c->id);
    epmd_core_probed(f->core, c->id);
    epmd_core_feed(f->core, 0, BYTES("\0\1n"), f->now);
    epmd_core_feed(f->core, UINT64_MAX, BYTES("\0\1n"), f->now);
    pull(f);
    assert_int_equal(c->len, told);
    assert_int_equal(epmd_core_count(f->core), 0);
    assert_int_equal(epmd_core_connections(f->core), 0);
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
