/* What event streams may cost, and how they end with the server: http/streams.c, http/due.c. */
#include "events_client.h"

#include <inttypes.h>

/* ---- bounds ---- */

static void a_slow_reader_costs_a_bounded_sum_and_finds_a_gap(void **state)
{
    enum { LEN = 1000, EVENTS = 20000 };
    static char data[LEN + 1];
    struct http_streams_info all;
    struct listener l;
    unsigned lost;
    const char *gap;

    (void)state;
    stop();
    start(&(struct http_config){.limits.streams = {.max_bytes = 100000}});
    memset(data, '1', LEN);
    listen_to(&l, "/monitor");
    for (unsigned i = 0; i < EVENTS; i++) {
        emit("message", data);
        if (i % 100 == 0)
            loop_turn(h.loop, 0);
        assert_true(look().bytes <= 100000);
    }
    http_streams_look(h.server, &all);
    assert_int_equal(all.bytes, look().bytes);
    assert_true(all.lost > EVENTS / 2);
    emit("last", "1");
    TURN_UNTIL(has_text(&l, "event: last"));
    gap = memmem(l.text.buf, l.text.len, "{\"lost\":", 8);
    assert_non_null(gap);
    assert_int_equal(sscanf(gap, "{\"lost\":%u}", &lost), 1);
    assert_true(lost > 0);
    leave(&l);
}

/* The oldest events of one that takes nothing are lost; after a while it is cut off, and may come back. */
static void a_client_that_reads_nothing_is_cut_off_and_may_resume(void **state)
{
    static char data[10001];
    struct listener l;

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 1000});
    memset(data, '1', sizeof data - 1);
    listen_to(&l, "/monitor?heartbeat=50");
    for (int i = 0; i < 1000; i++) {
        emit("message", data);
        loop_turn(h.loop, 0);
    }
    TURN_UNTIL(!look().has_reader);
    assert_int_equal(h.stream_gone_count, 0);
    leave(&l);
}

static void all_streams_together_are_bounded(void **state)
{
    enum { STREAMS = 50, CEILING = 200000 };
    static char data[1001];
    struct http_streams_info all;
    uint64_t ids[STREAMS];

    (void)state;
    stop();
    start(&(struct http_config){.limits.streams = {.max_bytes = 100000, .max_total_bytes = CEILING}});
    memset(data, '1', sizeof data - 1);
    for (int i = 0; i < STREAMS; i++) {
        make_mailbox();
        ids[i] = h.stream;
        for (int k = 0; k < 200; k++)
            emit("message", data);
        http_streams_look(h.server, &all);
        assert_true(all.bytes <= CEILING + CEILING / 4);
    }
    /* Each can still keep something. */
    for (int i = 0; i < STREAMS; i++) {
        h.stream = ids[i];
        emit("message", data);
        assert_true(look().events > 0);
    }
    for (int i = 0; i < STREAMS; i++)
        http_stream_drop(h.server, ids[i]);
    http_streams_look(h.server, &all);
    assert_int_equal(all.bytes, 0);
    assert_int_equal(all.streams, 0);
}

static void too_many_streams_are_overload(void **state)
{
    struct listener l[2];
    struct reply *r;
    uint64_t second;

    (void)state;
    stop();
    start(&(struct http_config){.limits.streams = {.max_streams = 2}});
    listen_to(&l[0], "/monitor");
    listen_to(&l[1], "/monitor");
    second = h.stream;
    r = ask("GET /monitor HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(r, 503, "overloaded");
    assert_string_equal(header(r, "Retry-After"), "1");
    http_stream_end(h.server, second);
    TURN_UNTIL(is_over(&l[1]));
    leave(&l[1]);
    listen_to(&l[1], "/monitor"); /* what has ended is not in the way */
    leave(&l[0]);
    leave(&l[1]);
}

static void old_events_of_a_mailbox_go_by_themselves(void **state)
{
    (void)state;
    stop();
    start(&(struct http_config){.limits.streams = {.max_age_ms = 50}});
    make_mailbox();
    emit_numbers(1, 10);
    assert_int_equal(look().events, 10);
    TURN_UNTIL(look().events == 0);
    assert_int_equal(look().lost, 10);
}

static void streams_without_memory_are_refused_or_lose_events(void **state)
{
    struct listener l;
    unsigned refused = 0;

    (void)state;
    for (size_t n = 1; n < 12; n++) {
        mem_fail_from(n);
        h.stream = http_stream_new(h.server, &(struct http_stream_config){.key = SLICE("k")});
        if (h.stream) {
            (void)!http_stream_emit(h.server, h.stream, "e", SLICE("1"));
            http_stream_end(h.server, h.stream);
        }
        refused += h.stream == 0;
        mem_fail_from(0);
    }
    assert_true(refused > 0);
    make_mailbox();
    mem_fail_from(1);
    assert_int_equal(http_stream_emit(h.server, h.stream, "e", SLICE("1")), ERR_NOMEM);
    mem_fail_from(0);
    listen_to(&l, "/mailbox");
    TURN_UNTIL(has_text(&l, "{\"lost\":1}"));
    leave(&l);
}

/* Wherever memory runs out in a stream's life: it may be refused, or cut off, and the next one is not. */
static void want_of_memory_at_any_point_is_survived(void **state)
{
    size_t failures = 0, n = 1;

    (void)state;
    for (; n < 60; n++) {
        struct client c = dial();

        say(&c, "GET /monitor?linger=0 HTTP/1.1\r\n" HOST "Last-Event-ID: x\r\n\r\n");
        h.stream = 0;
        mem_fail_from(n);
        for (int i = 0; i < 5; i++) {
            loop_turn(h.loop, 1);
            (void)!http_stream_emit(h.server, h.stream, "message", SLICE("1"));
        }
        failures += mem_failures() > 0;
        mem_fail_from(0);
        for (int i = 0; i < 5; i++)
            loop_turn(h.loop, 1);
        hang_up(&c);
    }
    assert_true(failures > 5);
    TURN_UNTIL(ask("GET /echo/x HTTP/1.1\r\n" HOST "\r\n")->status == 200);
    TURN_UNTIL(in_flight() == 0);
}

/* ---- stopping ---- */

static void stopping_says_bye_to_all(void **state)
{
    enum { N = 200 };
    static struct listener l[N];
    unsigned retry, least = UINT32_MAX, most = 0;
    const char *bye;

    (void)state;
    for (int i = 0; i < N; i++)
        listen_to(&l[i], "/monitor");
    make_mailbox(); /* without a reader */
    emit("message", "1");
    http_server_quiesce(h.server);
    turn_for(50);
    assert_in_flight(0);
    assert_false(has_text(&l[0], "bye"));
    stop();
    for (int i = 0; i < N; i++) {
        hear_chunks(&l[i]);
        assert_true(l[i].is_over);
        assert_true(has_text(&l[i], "event: bye\nid: "));
        wr_u8(&l[i].text, '\0'); /* for sscanf */
        bye = memmem(l[i].text.buf, l[i].text.len, "-0\nretry: ", 10);
        assert_non_null(bye);
        assert_int_equal(sscanf(bye, "-0\nretry: %u\ndata: {}\n\n", &retry), 1);
        assert_true(retry >= 1000 && retry <= 20000);
        least = retry < least ? retry : least;
        most = retry > most ? retry : most;
        leave(&l[i]);
    }
    assert_true(most - least > 1000); /* they do not all come back at once */
    assert_int_equal(h.stream_gone_count, 0);
}

static void stopping_does_not_wait_for_readers_that_are_stuck(void **state)
{
    static char data[10001];
    struct listener l;

    (void)state;
    memset(data, '1', sizeof data - 1);
    listen_to(&l, "/monitor");
    for (int i = 0; i < 1000; i++) {
        emit("message", data);
        loop_turn(h.loop, 0);
    }
    stop();
    leave(&l);
}

/* ---- many ---- */

static void one_end_is_told_to_many_while_others_are_served(void **state)
{
    enum { N = 1500 };
    static struct listener l[N];
    static uint64_t ids[N];
    uint64_t begun, worst = 0;
    int told = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        listen_to(&l[i], "/monitor");
        ids[i] = h.stream;
    }
    begun = now_ms();
    for (int i = 0; i < N; i++) {
        assert_int_equal(http_stream_emit(h.server, ids[i], "down", SLICE("{\"reason\":\"killed\"}")),
                         ERR_NONE);
        http_stream_end(h.server, ids[i]);
    }
    while (told < N) {
        uint64_t turn = loop_now_us();

        loop_turn(h.loop, 10);
        turn = loop_now_us() - turn;
        worst = turn > worst ? turn : worst;
        while (told < N && is_over(&l[told]))
            assert_true(has_text(&l[told++], "event: down"));
        assert_true(now_ms() - begun < PATIENCE_MS);
    }
    print_message("%d readers told within %" PRIu64 " ms; the longest turn took %" PRIu64 " us\n", N,
                  now_ms() - begun, worst);
    for (int i = 0; i < N; i++)
        leave(&l[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_slow_reader_costs_a_bounded_sum_and_finds_a_gap),
        TEST(a_client_that_reads_nothing_is_cut_off_and_may_resume),
        TEST(all_streams_together_are_bounded),
        TEST(too_many_streams_are_overload),
        TEST(old_events_of_a_mailbox_go_by_themselves),
        TEST(streams_without_memory_are_refused_or_lose_events),
        TEST(want_of_memory_at_any_point_is_survived),
        TEST(stopping_says_bye_to_all),
        TEST(stopping_does_not_wait_for_readers_that_are_stuck),
        TEST(one_end_is_told_to_many_while_others_are_served),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
