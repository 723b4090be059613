#include "tools.h"

#include "etf/validate.h"

#define ALL UINT64_C(0x6D07DF7FBC) /* as OTP 29, hidden */

/* The flags that choose how messages are framed. */
#define NO_FRAGMENTS (ALL & ~DIST_FLAG_FRAGMENTS)
#define NO_HEADER    (ALL & ~DIST_FLAG_DIST_HDR_ATOM_CACHE & ~DIST_FLAG_FRAGMENTS)
static const uint64_t framings[] = {ALL, ALL & ~DIST_FLAG_DIST_HDR_ATOM_CACHE, NO_FRAGMENTS, NO_HEADER};

/* The flags that choose the form of a message. */
static const uint64_t forms[] = {
    0,
    DIST_FLAG_EXIT_PAYLOAD,
    DIST_FLAG_SEND_SENDER,
    DIST_FLAG_ALTACT_SIG,
    DIST_FLAG_EXIT_PAYLOAD | DIST_FLAG_SEND_SENDER | DIST_FLAG_ALTACT_SIG | DIST_FLAG_UNLINK_ID,
};

static const struct slice ok_atom = SLICE_LIT("w\2ok");

static struct slice binary_term(size_t len)
{
    static struct wr w;
    uint8_t *p;

    wr_fini(&w);
    wr_init(&w, SIZE_MAX);
    wr_u8(&w, ETF_BINARY_EXT);
    wr_be32(&w, (uint32_t)len);
    p = wr_room(&w, len);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 31 + i / 256);
    w.len += len;
    return wr_written(&w);
}

static struct dist_ctl send_to_name(const char *name)
{
    return (struct dist_ctl){.op = DIST_CTL_REG_SEND, .from = end_pid(NAME_A, 1), .to = end_name(name)};
}

static enum err send(struct pair *p, struct dist_ctl ctl, struct slice payload)
{
    return dist_conn_send(p->a, &ctl, &payload, 1);
}

static void each_message_arrives_as_it_was_sent(struct pair *p)
{
    struct etf_pid leader = pid_of(NAME_A, 9);
    struct dist_ctl ctls[] = {
        {.op = DIST_CTL_LINK},
        {.op = DIST_CTL_EXIT, .reason = ok_atom},
        {.op = DIST_CTL_EXIT2, .reason = ok_atom, .token = ok_atom},
        {.op = DIST_CTL_UNLINK_ID, .id = 7},
        {.op = DIST_CTL_MONITOR_P, .ref = ref_of(NAME_A)},
        {.op = DIST_CTL_DEMONITOR_P, .ref = ref_of(NAME_A)},
        {.op = DIST_CTL_MONITOR_P_EXIT, .ref = ref_of(NAME_B), .reason = ok_atom},
        {.op = DIST_CTL_GROUP_LEADER, .group_leader = leader},
        {.op = DIST_CTL_SEND},
        {.op = DIST_CTL_SEND, .token = ok_atom},
        {.op = DIST_CTL_REG_SEND, .to = end_name("kv")},
        {.op = DIST_CTL_ALIAS_SEND, .to = end_ref(NAME_B)},
        {.op = DIST_CTL_SPAWN_REPLY, .ref = ref_of(NAME_B), .id = 2, .reason = ok_atom},
    };

    for (size_t i = 0; i < sizeof ctls / sizeof *ctls; i++) {
        struct dist_event ev;
        bool has_payload = i >= 8 && i <= 11;

        ctls[i].from = end_pid(NAME_A, 1);
        if (ctls[i].to.kind == DIST_END_NONE)
            ctls[i].to = end_pid(NAME_B, 2);
        assert_ok(dist_conn_send(p->a, &ctls[i], &ok_atom, has_payload));
        assert_true(pair_next(p, &ev));
        assert_int_equal(ev.message.ctl.to.kind, ctls[i].to.kind);
        if (ctls[i].op != DIST_CTL_UNLINK_ID)
            assert_int_equal(ev.message.ctl.op, ctls[i].op);
        assert_true(slice_eq(ev.message.ctl.reason, ctls[i].reason));
        if (ctls[i].op != DIST_CTL_MONITOR_P_EXIT)
            assert_true(slice_eq(ev.message.ctl.token, ctls[i].token));
        assert_true(slice_eq(ev.message.payload, has_payload ? ok_atom : (struct slice){0}));
        if (ctls[i].to.kind == DIST_END_PID)
            assert_true(etf_pid_eq(&ev.message.ctl.to.pid, &ctls[i].to.pid));
        if (ctls[i].ref.count)
            assert_true(etf_ref_eq(&ev.message.ctl.ref, &ctls[i].ref));
        assert_false(pull(p, p->b, &ev));
    }
}

static void messages_pass_in_every_framing_and_form_however_they_are_cut(void **state)
{
    static const size_t steps[] = {0, 1, 2, 3, 5, 7, 64};
    (void)state;

    for (size_t f = 0; f < sizeof framings / sizeof *framings; f++) {
        for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
            for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
                struct pair p;
                uint64_t flags = framings[f] & ~(DIST_FLAG_EXIT_PAYLOAD | DIST_FLAG_SEND_SENDER |
                                                 DIST_FLAG_ALTACT_SIG | DIST_FLAG_UNLINK_ID);

                pair_up(&p, flags | forms[k], ALL);
                p.step = steps[s];
                each_message_arrives_as_it_was_sent(&p);
                assert_int_equal(dist_conn_stats(p.a).messages_out, 13);
                assert_int_equal(dist_conn_stats(p.b).messages_in, 13);
                pair_close(&p);
            }
        }
    }
}

static void large_messages_pass_whatever_their_size(void **state)
{
    static const size_t sizes[] = {65000, 65440, 65450, 65460, 65470, 65480,  65490,  65500,  65510,
                                   65520, 65530, 65536, 65537, 66000, 131000, 131072, 131100, 1 << 20};
    (void)state;

    for (size_t f = 0; f < sizeof framings / sizeof *framings; f++) {
        struct pair p;

        pair_up(&p, framings[f], ALL);
        p.step = 1000;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct slice term = binary_term(sizes[i]);
            struct slice parts[3] = {
                {term.ptr, 5}, {term.ptr + 5, 40000}, {term.ptr + 40005, term.len - 40005}};
            struct dist_ctl ctl = send_to_name("kv");
            struct dist_event ev;

            assert_ok(dist_conn_send(p.a, &ctl, parts, 3));
            assert_true(pair_next(&p, &ev));
            assert_true(slice_eq(ev.message.payload, term));
            assert_slice_str(ev.message.ctl.to.name.text, "kv");
        }
        assert_int_equal(p.down_b.err, ERR_NONE);
        pair_close(&p);
    }
}

static void the_first_large_step_is_fragments_of_64_kib(void **state)
{
    struct pair p;
    struct slice out;
    (void)state;

    pair_up(&p, ALL, ALL);
    assert_ok(send(&p, send_to_name("kv"), binary_term(200000)));
    out = dist_conn_output(p.a);
    assert_int_equal(out.ptr[4], 131);
    assert_int_equal(out.ptr[5], 69);
    assert_int_equal(out.ptr[21], 4); /* the number of fragments */
    pair_close(&p);
}

static void thousands_of_names_pass_through_the_cache(void **state)
{
    struct pair p;
    (void)state;

    pair_up(&p, ALL, ALL);
    for (int i = 0; i < 6000; i++) {
        char name[32];
        struct dist_event ev;

        snprintf(name, sizeof name, "name_%d", i * 7 % 3001);
        assert_ok(send(&p, send_to_name(name), ok_atom));
        assert_true(pair_next(&p, &ev));
        assert_slice_str(ev.message.ctl.to.name.text, name);
        assert_slice_str(ev.message.ctl.from.pid.node.text, NAME_A);
    }
    pair_close(&p);
}

static void a_cached_name_makes_frames_short(void **state)
{
    struct pair p;
    size_t first, second;
    (void)state;

    pair_up(&p, ALL, ALL);
    assert_ok(send(&p, send_to_name("a_rather_long_name"), ok_atom));
    first = dist_conn_queued(p.a);
    assert_ok(send(&p, send_to_name("a_rather_long_name"), ok_atom));
    second = dist_conn_queued(p.a) - first;
    assert_true(second + strlen(NAME_A) + strlen("a_rather_long_name") <= first);
    pair_close(&p);
}

/* ---- bytes of real nodes ---- */

static void feed_hex(struct pair *p, const char *hex, size_t step)
{
    struct slice s = bytes_of_hex(hex);

    for (size_t at = 0; at < s.len;) {
        size_t n = step && s.len - at > step ? step : s.len - at;

        at += give(p->b, slice_of(s.ptr + at, n), p->now);
    }
    bytes_free(s);
}

/* OTP 29.1 to harness@localhost: a gen call's reply to an alias, then an echo. The second leans on the first
 * one's atoms. */
#define FROM_29_REPLY                                                                                        \
    "0000007e 8344 049ca80071 0d6e3239406c6f63616c686f7374 df116861726e657373406c6f63616c686f7374"           \
    "2105616c696173 f803796573 6804 6125 6104 58520000000042000000006b04005e"                                \
    "5a000352010000000700000001000000020000000368026c0000000152025a0003520100000007000000010000000200000003" \
    "5203"
#define FROM_29_ECHO                                                                \
    "0000004c 8344 03140b71df64046563686f 6803 6116 58520000000058000000006b04005e" \
    "585201000000010000000000000007 6803 52026d0000000568656c6c6f 58520000000058000000006b04005e"

static void messages_of_otp_29_are_read(void **state)
{
    (void)state;
    for (size_t step = 0; step < 20; step++) {
        struct pair p;
        struct dist_event ev;
        struct etf_rd r;
        struct slice s;

        pair_up(&p, ALL, ALL);
        feed_hex(&p, FROM_29_REPLY FROM_29_ECHO, step);
        assert_true(pull(&p, p.b, &ev));
        assert_int_equal(ev.message.ctl.op, DIST_CTL_ALIAS_SEND);
        assert_slice_str(ev.message.ctl.from.pid.node.text, "n29@localhost");
        assert_int_equal(ev.message.ctl.to.kind, DIST_END_REF);
        assert_slice_str(ev.message.ctl.to.ref.node.text, "harness@localhost");
        r = etf_rd_of(ev.message.payload, ev.message.atoms);
        assert_true(etf_read_tuple_is(&r, 2));
        assert_true(etf_skip(&r, &s));
        assert_true(etf_read_atom_is(&r, "yes"));
        assert_true(pull(&p, p.b, &ev));
        assert_int_equal(ev.message.ctl.op, DIST_CTL_SEND);
        assert_int_equal(ev.message.ctl.from.kind, DIST_END_PID);
        r = etf_rd_of(ev.message.payload, ev.message.atoms);
        assert_true(etf_read_tuple_is(&r, 3) && etf_read_atom_is(&r, "echo") && etf_read_binary(&r, &s));
        assert_slice_str(s, "hello");
        assert_false(pull(&p, p.b, &ev));
        pair_close(&p);
    }
}

/* What one frame does to a connection with these flags. */
static struct dist_event after(const char *hex, uint64_t flags)
{
    struct pair p;
    struct dist_event ev;

    pair_up(&p, flags, ALL);
    feed_hex(&p, hex, 0);
    while (pull(&p, p.b, &ev)) {
    }
    ev = p.down_b;
    pair_close(&p);
    return ev;
}

#define PID_AA      "58 7707 6161 40 686f7374 00000001 00000000 00000001"
#define PID_BB      "58 7707 6262 40 686f7374 00000001 00000000 00000001"
#define REG_SEND_AA "6804 6106" PID_AA "7700 77026b76"

static void what_otp_drops_a_link_for_is_dropped(void **state)
{
    static const struct {
        uint64_t flags;
        enum err err;
        const char *hex;
    } bad[] = {
        {ALL, ERR_MALFORMED, "00000001 00"},
        {ALL, ERR_MALFORMED, "00000001 83"},
        {ALL, ERR_MALFORMED, "00000002 8343"},
        {ALL, ERR_MALFORMED, "00000003 834400"},
        {ALL, ERR_MALFORMED, "00000004 83440100"},         /* an atom that is not there */
        {ALL, ERR_MALFORMED, "00000007 834400 6801 6163"}, /* unknown control message 99 */
        {ALL, ERR_MALFORMED, "00000007 834400 6801 6105"}, /* NODE_LINK: gone */
        {ALL, ERR_MALFORMED, "00000005 8344 00 68ff"},
        {NO_HEADER, ERR_MALFORMED, "00000003 708368"},                  /* pass-through, cut */
        {NO_HEADER, ERR_MALFORMED, "00000022 7083" REG_SEND_AA},        /* no message */
        {NO_HEADER, ERR_MALFORMED, "00000023 7083" REG_SEND_AA "83"},   /* an empty one */
        {NO_HEADER, ERR_MALFORMED, "00000024 7083" REG_SEND_AA "8400"}, /* no version */
        {NO_HEADER, ERR_MALFORMED,
         "00000025 7083" REG_SEND_AA "835250"}, /* a cache reference without a cache */
        {NO_HEADER, ERR_MALFORMED, "0000002a 7083" REG_SEND_AA "8374 00000002 6a6a"},
        {NO_HEADER, ERR_MALFORMED, "0000003b 7083 6804 6108" PID_AA PID_BB "74 00000002 6a6a6a6a"}, /* EXIT2
            with a reason that has a key twice: it would go on to other links */
        {NO_HEADER, ERR_MALFORMED, "00000024 8344 00" REG_SEND_AA "6a"}, /* a header that was not agreed on */
        {ALL, ERR_MALFORMED, "00000024 7083" REG_SEND_AA "836a"},        /* none where they were */
        {NO_FRAGMENTS, ERR_MALFORMED, "00000012 8346 0000000000000001 0000000000000001"},
        {NO_FRAGMENTS, ERR_MALFORMED, "00000013 8345 0000000000000001 0000000000000002 00"},
        {ALL, ERR_MALFORMED, "00000012 8346 0000000000000001 0000000000000001"}, /* of no sequence */
        {ALL, ERR_MALFORMED, "00000013 8345 0000000000000001 0000000000000000 00"},
        {ALL, ERR_MALFORMED, "0000000b 8345 0000000000000001 00"},
        {ALL, ERR_MALFORMED,
         "00000013 8345 0000000000000001 0000000000000003 00 00000012 8346 0000000000000001 "
         "0000000000000001"},
        {ALL, ERR_TOO_LARGE, "08000001"}, /* a frame of more than 128 MiB */
        {ALL, ERR_TOO_LARGE, "ffffffff 00"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct dist_event down = after(bad[i].hex, bad[i].flags);

        if (down.err != bad[i].err)
            print_error("case %zu: %s\n", i, down.text ? down.text : "");
        assert_int_equal(down.err, bad[i].err);
        assert_true(strlen(down.text) > 0);
    }
}

static void what_is_right_beside_them_is_taken(void **state)
{
    static const struct {
        uint64_t flags;
        const char *hex;
    } good[] = {
        {ALL, "00000000 00000000"},
        {ALL, "00000024 8344 00" REG_SEND_AA "6a"},
        {NO_HEADER, "00000024 7083" REG_SEND_AA "836a"},
        {NO_HEADER, "00000025 7083" REG_SEND_AA "836a6a"}, /* and more, which OTP ignores */
        {ALL, "00000034 8345 0000000000000001 0000000000000001 00" REG_SEND_AA "6a"},
        {ALL, "00000033 8345 0000000000000001 0000000000000002 00" REG_SEND_AA
              "00000013 8346 0000000000000001 0000000000000001 6a"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct pair p;
        struct dist_event ev;

        pair_up(&p, good[i].flags, ALL);
        feed_hex(&p, good[i].hex, 0);
        assert_int_equal(pull(&p, p.b, &ev), i > 0);
        if (i > 0)
            assert_slice_str(ev.message.payload, "j");
        assert_false(pull(&p, p.b, &ev));
        assert_int_equal(p.down_b.err, ERR_NONE);
        pair_close(&p);
    }
}

/* Its keys are compared where a message is passed on. */
static void a_message_with_a_key_twice_is_taken(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_up(&p, NO_HEADER, ALL);
    feed_hex(&p, "0000002c 7083" REG_SEND_AA "8374 00000002 6a6a6a6a", 0);
    assert_true(pull(&p, p.b, &ev));
    assert_int_equal(ev.message.payload.len, 9);
    assert_int_equal(p.down_b.err, ERR_NONE);
    pair_close(&p);
}

static void fragments_of_several_senders_interleave(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_up(&p, ALL, ALL);
    feed_hex(&p, "00000033 8345 0000000000000001 0000000000000002 00" REG_SEND_AA, 0);
    feed_hex(&p, "00000033 8345 0000000000000002 0000000000000002 00" REG_SEND_AA, 0);
    feed_hex(&p, "00000024 8344 00" REG_SEND_AA "6a", 0);
    feed_hex(&p, "00000014 8346 0000000000000002 0000000000000001 6162", 0);
    assert_true(pull(&p, p.b, &ev));
    assert_slice_str(ev.message.payload, "j");
    assert_true(pull(&p, p.b, &ev));
    assert_slice_str(ev.message.payload, "ab");
    feed_hex(&p, "00000013 8346 0000000000000001 0000000000000001 6a", 0);
    assert_true(pull(&p, p.b, &ev));
    assert_slice_str(ev.message.payload, "j");
    pair_close(&p);
}

static void a_message_in_fragments_is_bounded(void **state)
{
    struct pair p;
    struct dist_event ev;
    struct dist_ctl exit_ = {.op = DIST_CTL_EXIT2, .from = end_pid(NAME_A, 1), .to = end_pid(NAME_B, 2)};
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_b.max_message = 300000;
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    assert_ok(send(&p, send_to_name("kv"), binary_term(250000)));
    assert_true(pair_next(&p, &ev));
    assert_false(ev.message.is_cut);
    assert_ok(send(&p, send_to_name("kv"), binary_term(350000)));
    assert_true(pair_next(&p, &ev));
    assert_true(ev.message.is_cut);
    assert_int_equal(ev.message.ctl.op, DIST_CTL_REG_SEND);
    assert_in_range(ev.message.payload.len, 1, 1024);
    assert_slice_str(slice_of(ev.message.payload.ptr, 1), "m");
    exit_.reason = binary_term(350000);
    assert_ok(send(&p, exit_, (struct slice){0}));
    assert_true(pair_next(&p, &ev));
    assert_true(ev.message.is_cut);
    assert_int_equal(ev.message.ctl.op, DIST_CTL_EXIT2);
    assert_int_equal(ev.message.payload.len, 0);
    assert_slice_str(ev.message.ctl.reason, "w\20reason_too_large");
    /* The connection goes on. */
    assert_ok(send(&p, send_to_name("kv"), binary_term(250000)));
    assert_true(pair_next(&p, &ev));
    assert_false(ev.message.is_cut);
    pair_close(&p);
}

/* ---- sending ---- */

static void what_the_peer_has_no_form_for_is_refused(void **state)
{
    struct pair p;
    struct dist_ctl ctl = {.op = DIST_CTL_ALIAS_SEND, .from = end_pid(NAME_A, 1), .to = end_ref(NAME_B)};
    size_t queued;
    (void)state;

    pair_up(&p, ALL & ~DIST_FLAG_ALIAS & ~DIST_FLAG_ALTACT_SIG, ALL);
    queued = dist_conn_queued(p.a);
    assert_int_equal(send(&p, ctl, ok_atom), ERR_PEER_UNSUPPORTED);
    assert_int_equal(dist_conn_queued(p.a), queued);
    pair_close(&p);
}

static void nothing_is_sent_before_up_or_after_down(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_config(&p, ALL, ALL);
    assert_true(pair_open(&p, 6));
    assert_int_equal(send(&p, send_to_name("kv"), ok_atom), ERR_NO_CONNECTION);
    dist_conn_close(p.a, ERR_CANCELLED, "no longer wanted");
    assert_int_equal(send(&p, send_to_name("kv"), ok_atom), ERR_NO_CONNECTION);
    assert_int_equal(dist_conn_next(p.a, &ev), DIST_EVENT_DOWN);
    assert_int_equal(ev.err, ERR_CANCELLED);
    pair_close(&p);
}

static void what_a_peer_refuses_follows_from_its_flags(void **state)
{
    struct pair p;
    (void)state;

    pair_up(&p, ALL, ALL);
    assert_int_equal(dist_conn_peer_refuses(p.a), ETF_USES_NEVER_FROM_OUTSIDE);
    pair_close(&p);
    pair_up(&p, ALL, ALL & ~DIST_FLAG_V4_NC);
    assert_int_equal(dist_conn_peer_refuses(p.a),
                     ETF_USES_NEVER_FROM_OUTSIDE | ETF_USES_V4_PORT | ETF_USES_LONG_REF | ETF_USES_BIG_PID);
    pair_close(&p);
    pair_up(&p, ALL, ALL & ~DIST_FLAG_NATIVE_RECORDS);
    assert_int_equal(dist_conn_peer_refuses(p.a), ETF_USES_NEVER_FROM_OUTSIDE | ETF_USES_RECORD);
    pair_close(&p);
}

static void a_send_without_memory_queues_nothing_and_the_connection_goes_on(void **state)
{
    struct slice large = binary_term(200000);
    size_t failed = 0;
    (void)state;

    for (size_t f = 0; f < sizeof framings / sizeof *framings; f++) {
        for (size_t n = 1;; n++) {
            struct pair p;
            struct dist_event ev;
            enum err e;

            pair_up(&p, framings[f], ALL);
            mem_fail_from(n);
            e = send(&p, send_to_name("kv"), large);
            mem_fail_from(0);
            if (e != ERR_NONE) {
                assert_int_equal(e, ERR_NOMEM);
                assert_int_equal(dist_conn_queued(p.a), 0);
                failed++;
            }
            assert_ok(send(&p, send_to_name("kv"), ok_atom));
            assert_true(pair_next(&p, &ev));
            assert_slice_str(ev.message.ctl.to.name.text, "kv");
            if (e == ERR_NONE)
                assert_true(slice_eq(ev.message.payload, large));
            pair_close(&p);
            if (e == ERR_NONE)
                break;
        }
    }
    assert_true(failed >= 4);
}

static void a_receiver_without_memory_goes_down_and_leaks_nothing(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct pair p;
        struct dist_event ev;
        bool has_come;

        pair_up(&p, ALL, ALL);
        p.step = 5000;
        assert_ok(send(&p, send_to_name("kv"), binary_term(200000)));
        mem_fail_from(n);
        has_come = pair_next(&p, &ev);
        mem_fail_from(0);
        if (!has_come)
            assert_int_equal(p.down_b.err, ERR_NOMEM);
        pair_close(&p);
        if (has_come)
            break;
    }
}

static void what_comes_after_the_end_is_for_nobody(void **state)
{
    struct pair p;
    struct dist_event ev;
    uint8_t junk[4096] = {0};
    (void)state;

    pair_up(&p, ALL, ALL);
    dist_conn_close(p.b, ERR_CANCELLED, "enough");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(give(p.b, slice_of(junk, sizeof junk), p.now), sizeof junk);
    assert_false(pull(&p, p.b, &ev));
    assert_int_equal(p.down_b.err, ERR_CANCELLED);
    assert_int_equal(dist_conn_stats(p.b).ticks_in, 0);
    pair_close(&p);
}

/* ---- time ---- */

static void a_tick_is_answered_only_when_nothing_was_written_in_the_last_second(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_up(&p, ALL, ALL);
    p.now += 999;
    give(p.b, SLICE("\0\0\0\0"), p.now);
    assert_false(pull(&p, p.b, &ev));
    assert_int_equal(dist_conn_queued(p.b), 0);
    p.now += 1;
    give(p.b, SLICE("\0\0\0\0"), p.now);
    assert_false(pull(&p, p.b, &ev));
    assert_int_equal(dist_conn_queued(p.b), 4);
    give(p.b, SLICE("\0\0\0\0"), p.now + 5000); /* one is waiting already */
    assert_false(pull(&p, p.b, &ev));
    assert_int_equal(dist_conn_queued(p.b), 4);
    assert_int_equal(dist_conn_stats(p.b).ticks_in, 3);
    assert_int_equal(dist_conn_stats(p.b).ticks_out, 1);
    pair_close(&p);
}

/* Ten minutes of two idle ends: each is alive, and nobody storms. */
static void two_idle_ends_tick_quietly_for_ever(void **state)
{
    static const uint32_t periods[] = {0, 8000, 60000, 600000};
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            struct pair p;
            uint64_t end;

            pair_config(&p, ALL, ALL);
            p.config_a.tick_ms = periods[i];
            p.config_b.tick_ms = periods[k];
            assert_true(pair_open(&p, 6));
            pair_settle(&p);
            end = p.now + 600000;
            while (p.now < end) {
                uint64_t a = dist_conn_deadline(p.a), b = dist_conn_deadline(p.b);

                assert_true(a > p.now || b > p.now || p.now == 1000);
                p.now = (a < b ? a : b) > p.now ? (a < b ? a : b) : p.now;
                dist_conn_advance(p.a, p.now);
                dist_conn_advance(p.b, p.now);
                pair_settle(&p);
            }
            assert_int_equal(p.down_a.err | p.down_b.err, ERR_NONE);
            assert_true(dist_conn_stats(p.a).ticks_out <= 610);
            assert_true(dist_conn_stats(p.b).ticks_out <= 610);
            assert_true(dist_conn_stats(p.a).ticks_out >= 35);
            pair_close(&p);
        }
    }
}

static void a_silent_peer_is_given_up_and_a_byte_now_and_then_is_not_silence(void **state)
{
    struct pair p;
    struct dist_event ev;
    (void)state;

    pair_config(&p, ALL, ALL);
    p.config_b.tick_ms = 8000;
    assert_true(pair_open(&p, 6));
    pair_settle(&p);
    dist_conn_advance(p.b, 1000 + 9999);
    pull(&p, p.b, &ev);
    assert_int_equal(p.down_b.err, ERR_NONE);
    give(p.b, SLICE("\0\0\0\0"), 1000 + 9999);
    dist_conn_advance(p.b, 1000 + 10000);
    pull(&p, p.b, &ev);
    assert_int_equal(p.down_b.err, ERR_NONE);
    dist_conn_advance(p.b, 1000 + 9999 + 10000);
    pull(&p, p.b, &ev);
    assert_int_equal(p.down_b.err, ERR_TIMEOUT);
    assert_true(dist_conn_deadline(p.b) == UINT64_MAX);
    pair_close(&p);
}

static void a_busy_link_needs_no_ticks_and_a_blocked_one_gets_none(void **state)
{
    struct pair p;
    (void)state;

    pair_up(&p, ALL, ALL);
    for (int i = 0; i < 100; i++) {
        struct dist_event ev;

        p.now += 1000;
        give(p.a, SLICE("\0\0\0\0"), p.now);
        dist_conn_advance(p.a, p.now);
        assert_ok(send(&p, send_to_name("kv"), ok_atom));
        assert_true(pair_next(&p, &ev));
    }
    assert_int_equal(dist_conn_stats(p.a).ticks_out, 0);
    assert_ok(send(&p, send_to_name("kv"), ok_atom)); /* and nobody takes it */
    for (int i = 0; i < 4; i++) {
        p.now += 15000;
        give(p.a, SLICE("\0\0\0\0"), p.now);
        dist_conn_advance(p.a, p.now);
        assert_true(dist_conn_deadline(p.a) > p.now);
    }
    assert_int_equal(dist_conn_stats(p.a).ticks_out, 0);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_pass_in_every_framing_and_form_however_they_are_cut),
        cmocka_unit_test(large_messages_pass_whatever_their_size),
        cmocka_unit_test(the_first_large_step_is_fragments_of_64_kib),
        cmocka_unit_test(thousands_of_names_pass_through_the_cache),
        cmocka_unit_test(a_cached_name_makes_frames_short),
        cmocka_unit_test(messages_of_otp_29_are_read),
        cmocka_unit_test(what_otp_drops_a_link_for_is_dropped),
        cmocka_unit_test(what_is_right_beside_them_is_taken),
        cmocka_unit_test(a_message_with_a_key_twice_is_taken),
        cmocka_unit_test(fragments_of_several_senders_interleave),
        cmocka_unit_test(a_message_in_fragments_is_bounded),
        cmocka_unit_test(what_the_peer_has_no_form_for_is_refused),
        cmocka_unit_test(nothing_is_sent_before_up_or_after_down),
        cmocka_unit_test(what_a_peer_refuses_follows_from_its_flags),
        cmocka_unit_test(a_send_without_memory_queues_nothing_and_the_connection_goes_on),
        cmocka_unit_test(a_receiver_without_memory_goes_down_and_leaks_nothing),
        cmocka_unit_test(what_comes_after_the_end_is_for_nobody),
        cmocka_unit_test(a_tick_is_answered_only_when_nothing_was_written_in_the_last_second),
        cmocka_unit_test(two_idle_ends_tick_quietly_for_ever),
        cmocka_unit_test(a_silent_peer_is_given_up_and_a_byte_now_and_then_is_not_silence),
        cmocka_unit_test(a_busy_link_needs_no_ticks_and_a_blocked_one_gets_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
