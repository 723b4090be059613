#include "tools.h"

#define ALL UINT64_C(0x6D07DF7FBC) /* as OTP 29, hidden */
#define V5  (ALL & ~DIST_FLAG_HANDSHAKE_23 & ~DIST_FLAG_MANDATORY_25_DIGEST)

static void two_ends_meet_in_every_version_however_the_bytes_are_cut(void **state)
{
    static const struct {
        unsigned version;
        uint64_t flags_a, flags_b, both;
    } cases[] = {
        {6, ALL, ALL, ALL},
        {5, ALL, ALL, ALL},
        {5, V5, ALL, V5 & UINT32_MAX},
        {5, ALL, V5, V5 & UINT32_MAX},
        {6, ALL & ~DIST_FLAG_FRAGMENTS, ALL & ~DIST_FLAG_ALIAS,
         ALL & ~DIST_FLAG_FRAGMENTS & ~DIST_FLAG_ALIAS},
        {6, DIST_FLAG_MANDATORY_25_DIGEST, ALL, DIST_FLAG_MANDATORY_25_DIGEST | DIST_FLAGS_25_DIGEST},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step < 60; step++) {
            struct pair p;

            pair_config(&p, cases[i].flags_a, cases[i].flags_b);
            p.step = step;
            assert_true(pair_open(&p, cases[i].version));
            pair_settle(&p);
            assert_true(p.up_a && p.up_b);
            assert_int_equal(dist_conn_peer_flags(p.a), cases[i].both);
            assert_int_equal(dist_conn_peer_flags(p.b), cases[i].both);
            assert_slice_str(dist_conn_peer_name(p.a), NAME_B);
            assert_slice_str(dist_conn_peer_name(p.b), NAME_A);
            /* A creation has no room in version 5 alone. */
            assert_int_equal(dist_conn_peer_creation(p.a), i == 2 || i == 3 ? 0 : 12);
            assert_int_equal(dist_conn_peer_creation(p.b), i == 2 || i == 3 ? 0 : 11);
            assert_int_equal(dist_conn_queued(p.a) + dist_conn_queued(p.b), 0);
            pair_close(&p);
        }
    }
}

static void the_opening_message_is_the_one_of_the_specification(void **state)
{
    struct pair p;
    struct slice want = bytes_of_hex("0016 4e 0000006d07df7fbc 0000000b 0007 6161 40 686f7374");
    (void)state;

    pair_config(&p, ALL, ALL);
    assert_true(pair_open(&p, 6));
    assert_true(slice_eq(dist_conn_output(p.a), want));
    pair_close(&p);
    bytes_free(want);
    want = bytes_of_hex("000e 6e 0005 07df7fbc 6161 40 686f7374");
    assert_true(pair_open(&p, 5));
    assert_true(slice_eq(dist_conn_output(p.a), want));
    pair_close(&p);
    bytes_free(want);
}

static void hidden_is_who_is_not_published_on_both_sides(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair p;

        pair_up(&p, ALL | (i & 1), ALL | (i >> 1 & 1));
        assert_int_equal(dist_conn_peer_is_hidden(p.a), i != 3);
        assert_int_equal(dist_conn_peer_is_hidden(p.b), i != 3);
        pair_close(&p);
    }
}

static void meet(struct pair *p, enum dist_status status)
{
    pair_config(p, ALL, ALL);
    p->status = status;
    assert_true(pair_open(p, 6));
}

static void each_status_ends_as_the_specification_says(void **state)
{
    struct pair p;
    (void)state;

    meet(&p, DIST_STATUS_OK_SIMULTANEOUS);
    pair_settle(&p);
    assert_true(p.up_a && p.up_b);
    pair_close(&p);

    meet(&p, DIST_STATUS_NOK);
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_NAME_TAKEN);
    assert_int_equal(p.down_b.err, ERR_NAME_TAKEN);
    pair_close(&p);

    meet(&p, DIST_STATUS_NOT_ALLOWED);
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_NOT_ALLOWED);
    assert_int_equal(p.down_b.err, ERR_NOT_ALLOWED);
    pair_close(&p);

    meet(&p, DIST_STATUS_ALIVE);
    pair_settle(&p);
    assert_true(p.up_a && p.up_b);
    pair_close(&p);

    meet(&p, DIST_STATUS_ALIVE);
    p.insist = false;
    pair_settle(&p);
    assert_false(p.up_a || p.up_b);
    assert_int_equal(p.down_a.err, ERR_NAME_TAKEN);
    assert_int_equal(p.down_b.err, ERR_NAME_TAKEN);
    pair_close(&p);
}

static void a_node_without_a_name_is_given_one(void **state)
{
    struct pair p;
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_a.name = slice_of_str("host");
    p.status = DIST_STATUS_NAMED;
    p.given_name = slice_of_str("X1@host");
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    assert_true(p.up_a && p.up_b);
    assert_slice_str(dist_conn_own_name(p.a), "X1@host");
    assert_int_equal(dist_conn_own_creation(p.a), 99);
    assert_slice_str(dist_conn_peer_name(p.b), "X1@host");
    assert_int_equal(dist_conn_peer_creation(p.b), 99);
    pair_close(&p);
}

/* OTP takes its name only from a node whose challenge has the flag too. */
static void who_gives_a_name_shows_the_flag(void **state)
{
    struct pair p;
    struct dist_event ev;
    struct slice out, want = bytes_of_hex("4e 0000006f07df7fbc 00000007");
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_a.name = slice_of_str("host");
    p.status = DIST_STATUS_NAMED;
    p.given_name = slice_of_str("X1@host");
    assert_true(pair_open(&p, 6));
    carry(&p, p.a, p.b);
    assert_false(pull(&p, p.b, &ev));
    out = dist_conn_output(p.b);
    assert_true(out.len > 22 + 2 + want.len);
    assert_true(slice_eq(slice_of(out.ptr + 22 + 2, want.len), want));
    bytes_free(want);
    pair_close(&p);
}

static void a_name_is_given_to_who_asks_and_to_nobody_else(void **state)
{
    struct pair p;
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_a.name = slice_of_str("host");
    assert_true(pair_open(&p, 6)); /* answered by a plain ok */
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_NOT_ALLOWED);
    pair_close(&p);

    pair_config(&p, ALL, ALL);
    p.status = DIST_STATUS_NAMED;
    p.given_name = slice_of_str("X1@host");
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_NOT_ALLOWED);
    pair_close(&p);
}

static void each_missing_mandatory_flag_is_refused_by_either_side_and_named(void **state)
{
    (void)state;
    for (uint64_t bit = 1; bit; bit <<= 1) {
        for (unsigned version = 5; version <= 6; version++) {
            uint64_t without = ALL & ~bit & ~DIST_FLAG_MANDATORY_25_DIGEST;
            struct pair p;

            if (!(dist_flags_demanded & bit))
                continue;
            pair_config(&p, without, ALL);
            assert_true(pair_open(&p, version));
            pair_settle(&p);
            assert_int_equal(p.down_b.err, ERR_NOT_ALLOWED);
            assert_non_null(strstr(p.down_b.text, dist_flag_name(bit)));
            assert_int_equal(p.down_a.err, ERR_NOT_ALLOWED);
            pair_close(&p);

            pair_config(&p, ALL, without);
            assert_true(pair_open(&p, version));
            pair_settle(&p);
            assert_int_equal(p.down_a.err, ERR_NOT_ALLOWED);
            assert_non_null(strstr(p.down_a.text, dist_flag_name(bit)));
            pair_close(&p);
        }
    }
}

static void a_wrong_cookie_is_met_with_silence(void **state)
{
    struct pair p;
    size_t sent;
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_b.cookie = slice_of_str("other");
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    assert_int_equal(p.down_b.err, ERR_AUTH);
    sent = (size_t)dist_conn_stats(p.b).bytes_out;
    assert_int_equal(sent, 5 + 2 + 19 + 7); /* the status and the challenge, and nothing after them */
    assert_false(p.up_a);
    /* The socket is closed: that is what the dialler learns. */
    dist_conn_close(p.a, ERR_CLOSED, "closed");
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_AUTH);
    pair_close(&p);
}

static void a_wrong_acknowledgement_is_an_error_of_authentication(void **state)
{
    struct pair p;
    struct dist_event ev;
    uint8_t ack[19];
    (void)state;

    pair_config(&p, ALL, ALL);
    assert_true(pair_open(&p, 6));
    while (!p.up_b) {
        carry(&p, p.a, p.b);
        pull(&p, p.b, &ev);
        if (p.up_b)
            break;
        carry(&p, p.b, p.a);
        pull(&p, p.a, &ev);
    }
    assert_int_equal(dist_conn_queued(p.b), sizeof ack);
    memcpy(ack, dist_conn_output(p.b).ptr, sizeof ack);
    ack[18] ^= 1;
    give(p.a, slice_of(ack, sizeof ack), p.now);
    pull(&p, p.a, &ev);
    assert_int_equal(p.down_a.err, ERR_AUTH);
    pair_close(&p);
}

static void a_close_before_the_digests_is_no_error_of_authentication(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_config(&p, ALL, ALL);
    assert_true(pair_open(&p, 6));
    dist_conn_close(p.a, ERR_CLOSED, "closed");
    pull(&p, p.a, &ev);
    assert_int_equal(p.down_a.err, ERR_CLOSED);
    assert_string_equal(p.down_a.text, "closed");
    assert_int_equal(dist_conn_next(p.a, &ev), DIST_EVENT_NONE);
    pair_close(&p);
}

static void another_node_than_the_dialled_one_is_refused(void **state)
{
    struct pair p;
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_b.name = slice_of_str("cc@host");
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_NOT_ALLOWED);
    pair_close(&p);
}

static void a_node_that_bears_our_name_gets_nok(void **state)
{
    struct pair p;
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_a.name = slice_of_str(NAME_B);
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    assert_int_equal(p.down_a.err, ERR_NAME_TAKEN);
    assert_int_equal(p.down_b.err, ERR_NAME_TAKEN);
    pair_close(&p);
}

/* The whole handshake must be over in 7 seconds, whoever is late. */
static void a_handshake_that_takes_too_long_ends(void **state)
{
    (void)state;
    for (int who = 0; who < 2; who++) {
        struct pair p;
        struct dist_conn *c;
        struct dist_event ev;

        pair_config(&p, ALL, ALL);
        assert_true(pair_open(&p, 6));
        c = who ? p.b : p.a;
        assert_int_equal(dist_conn_deadline(c), 8000);
        give(c, SLICE("\0"), 7999); /* a byte now and then does not help */
        dist_conn_advance(c, 7999);
        assert_false(pull(&p, c, &ev));
        assert_int_equal(p.down_a.err | p.down_b.err, ERR_NONE);
        dist_conn_advance(c, 8000);
        pull(&p, c, &ev);
        assert_int_equal((who ? p.down_b : p.down_a).err, ERR_TIMEOUT);
        assert_true(dist_conn_deadline(c) == UINT64_MAX);
        pair_close(&p);
    }
}

static void a_caller_that_does_not_answer_is_late_too(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_config(&p, ALL, ALL);
    assert_true(pair_open(&p, 6));
    carry(&p, p.a, p.b);
    assert_int_equal(dist_conn_next(p.b, &ev), DIST_EVENT_PEER);
    assert_int_equal(dist_conn_next(p.b, &ev), DIST_EVENT_NONE);
    dist_conn_advance(p.b, 8000);
    assert_int_equal(dist_conn_next(p.b, &ev), DIST_EVENT_DOWN);
    assert_int_equal(ev.err, ERR_TIMEOUT);
    dist_conn_admit(p.b, DIST_STATUS_OK, (struct slice){0}, 0);
    dist_conn_replace(p.b, true);
    assert_int_equal(dist_conn_queued(p.b), 0);
    pair_close(&p);
}

/* What an acceptor does with bytes that are no opening message. */
static void bad_openings_end_the_connection(void **state)
{
    static const char *bad[] = {
        "0000",
        "0001 4e",
        "0801",
        "ffff",
        "0003 000102",
        "000e 78 0005 07df7fbc 616140686f7374",
        "0016 4e 0000006d07df7fbc 0000000b 0008 616140686f7374", /* a name longer than what is there */
        "0014 4e 0000006d07df7fbc 0000000b 0005 6161616161",     /* no @ */
        "0012 4e 0000006d07df7fbc 0000000b 0003 40ffff",
        "000e 6e 0006 07df7fbc 616140686f7374",
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice s = bytes_of_hex(bad[i]);
        struct pair p;
        struct dist_event ev;

        pair_config(&p, ALL, ALL);
        assert_true(pair_open(&p, 6));
        give(p.b, s, p.now);
        pull(&p, p.b, &ev);
        assert_int_not_equal(p.down_b.err, ERR_NONE);
        assert_int_equal(dist_conn_queued(p.b), 0);
        assert_true(strlen(p.down_b.text) > 0);
        pair_close(&p);
        bytes_free(s);
    }
}

/* …and a dialler with what is no answer; each status that cannot be one too. */
static void bad_answers_end_the_connection(void **state)
{
    static const char *bad[] = {
        "0000",
        "0005 7374727565",
        "0006 7366616c7365",
        "0003 736f6f",
        "0900",
        "0003 6f6f6b",
        "000d 73 6e616d65643a 0003 614062 00000007", /* a name that was not asked for */
        "0003 736f6b 0001 4e",
        "0003 736f6b 0016 4e 0000006d07df7fbc 0000000b 0007 6262",
        "0003 736f6b 0012 6e 0005 07df7fbc 00000001 626240686f7374", /* version 5 to an `N` */
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice s = bytes_of_hex(bad[i]);
        struct pair p;
        struct dist_event ev;

        pair_config(&p, ALL, ALL);
        assert_true(pair_open(&p, 6));
        give(p.a, s, p.now);
        pull(&p, p.a, &ev);
        if (i == 8) { /* incomplete, not wrong */
            assert_int_equal(p.down_a.err, ERR_NONE);
        } else {
            assert_int_not_equal(p.down_a.err, ERR_NONE);
        }
        pair_close(&p);
        bytes_free(s);
    }
}

static void a_stranger_cannot_make_us_hold_more_than_a_little(void **state)
{
    struct pair p;
    struct dist_event ev;
    uint8_t junk[4096] = {0};
    size_t held = 0, n;
    (void)state;

    pair_config(&p, ALL, ALL);
    assert_true(pair_open(&p, 6));
    carry(&p, p.a, p.b);
    assert_int_equal(dist_conn_next(p.b, &ev), DIST_EVENT_PEER); /* and our caller takes its time */
    while ((n = give(p.b, slice_of(junk, sizeof junk), p.now)) > 0)
        held += n;
    assert_true(held <= 64 * 1024);
    assert_int_equal(dist_conn_next(p.b, &ev), DIST_EVENT_DOWN);
    assert_int_equal(ev.err, ERR_OVERLOADED);
    pair_close(&p);
}

static void each_allocation_of_a_handshake_may_fail(void **state)
{
    size_t n = 0;
    (void)state;

    for (;;) {
        struct pair p;
        struct dist_event ev;
        bool is_whole;

        pair_config(&p, ALL, ALL);
        mem_fail_from(++n);
        is_whole = pair_open(&p, 6);
        for (int i = 0; is_whole && i < 10; i++) {
            carry(&p, p.a, p.b);
            pull(&p, p.b, &ev);
            carry(&p, p.b, p.a);
            pull(&p, p.a, &ev);
        }
        if (mem_failures() == 0) {
            pair_close(&p);
            break;
        }
        mem_fail_from(0);
        assert_false(p.up_a && p.up_b);
        if (is_whole)
            assert_true(p.down_a.err == ERR_NOMEM || p.down_b.err == ERR_NOMEM);
        pair_close(&p);
    }
    mem_fail_from(0);
    assert_true(n > 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ends_meet_in_every_version_however_the_bytes_are_cut),
        cmocka_unit_test(the_opening_message_is_the_one_of_the_specification),
        cmocka_unit_test(hidden_is_who_is_not_published_on_both_sides),
        cmocka_unit_test(each_status_ends_as_the_specification_says),
        cmocka_unit_test(a_node_without_a_name_is_given_one),
        cmocka_unit_test(who_gives_a_name_shows_the_flag),
        cmocka_unit_test(a_name_is_given_to_who_asks_and_to_nobody_else),
        cmocka_unit_test(each_missing_mandatory_flag_is_refused_by_either_side_and_named),
        cmocka_unit_test(a_wrong_cookie_is_met_with_silence),
        cmocka_unit_test(a_wrong_acknowledgement_is_an_error_of_authentication),
        cmocka_unit_test(a_close_before_the_digests_is_no_error_of_authentication),
        cmocka_unit_test(another_node_than_the_dialled_one_is_refused),
        cmocka_unit_test(a_node_that_bears_our_name_gets_nok),
        cmocka_unit_test(a_handshake_that_takes_too_long_ends),
        cmocka_unit_test(a_caller_that_does_not_answer_is_late_too),
        cmocka_unit_test(bad_openings_end_the_connection),
        cmocka_unit_test(bad_answers_end_the_connection),
        cmocka_unit_test(a_stranger_cannot_make_us_hold_more_than_a_little),
        cmocka_unit_test(each_allocation_of_a_handshake_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
