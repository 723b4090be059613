/* Event streams over real sockets: http/streams.c, http/reader.c, http/reading.c, http/due.c. */
#include "events_client.h"

/* ---- on the wire ---- */

static void a_stream_says_ok_and_then_each_event_with_its_id(void **state)
{
    struct listener l;
    char want[512];

    (void)state;
    listen_to(&l, "/monitor");
    assert_string_equal(header(&l.head, "Content-Type"), "text/event-stream; charset=utf-8");
    assert_string_equal(header(&l.head, "Cache-Control"), "no-store");
    assert_string_equal(header(&l.head, "X-Accel-Buffering"), "no");
    assert_string_equal(header(&l.head, "Transfer-Encoding"), "chunked");
    assert_null(header(&l.head, "Connection"));
    TURN_UNTIL(has_text(&l, "\n\n"));
    assert_memory_equal(l.text.buf, ":ok\nretry: ", 11);
    forget_text(&l);
    emit("monitor", "{\"target\":\"/x\"}");
    emit("down", "{\"reason\":1}");
    TURN_UNTIL(has_text(&l, "down"));
    snprintf(want, sizeof want,
             "event: monitor\nid: %s-1\ndata: {\"target\":\"/x\"}\n\n"
             "event: down\nid: %s-2\ndata: {\"reason\":1}\n\n",
             epoch_in(&l), epoch_in(&l));
    assert_text(&l, want);
    http_stream_end(h.server, h.stream);
    TURN_UNTIL(is_over(&l));
    assert_text(&l, want);
    TURN_UNTIL(h.done_count == 1);
    assert_int_equal(h.last_status, 200);
    assert_true(h.last_bytes_out > strlen(want));
    /* The connection can be used further. */
    say(&l.c, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_string_equal(hear(&l.c)->body, "GET|x|");
    leave(&l);
    assert_int_equal(h.stream_gone_count, 0);
}

static void by_accept_it_is_ndjson(void **state)
{
    struct listener l;
    const char *id;

    (void)state;
    listen_head(&l, "GET /monitor HTTP/1.1\r\n" HOST "Accept: application/x-ndjson\r\n\r\n");
    assert_string_equal(header(&l.head, "Content-Type"), "application/x-ndjson");
    TURN_UNTIL(has_text(&l, "{\"event\":\"ping\",\"retry\":"));
    forget_text(&l);
    emit("down", "{\"reason\":1}");
    TURN_UNTIL(has_text(&l, "\n"));
    assert_memory_equal(l.text.buf, "{\"event\":\"down\",\"id\":\"", 22);
    id = strstr((const char *)l.text.buf, "-1\",\"data\":{\"reason\":1}}\n");
    assert_int_equal(id - (const char *)l.text.buf, 22 + EPOCH_DIGITS);
    leave(&l);
}

static void what_cannot_be_a_stream_is_refused_before_it_begins(void **state)
{
    static const char *const bad[][2] = {
        {"heartbeat=0", "heartbeat"},
        {"heartbeat=x", "heartbeat"},
        {"heartbeat=300001", "heartbeat"},
        {"heartbeat=", "heartbeat"},
        {"heartbeat=5&heartbeat=5", "heartbeat"},
        {"heartbeat=1.5", "heartbeat"},
        {"heartbeat=99999999999999999999999999", "heartbeat"},
        {"ping=yes", "ping"},
        {"linger=600001", "linger"},
        {"linger=-1", "linger"},
        {"last_event_id=a&Last-Event-ID=a", "last_event_id"},
        {"pong=1", "pong"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char request[256], want[64];
        struct reply *r;

        snprintf(request, sizeof request, "GET /monitor?%s HTTP/1.1\r\n" HOST "\r\n", bad[i][0]);
        r = ask(request);
        assert_problem(r, 400, "bad-parameter");
        snprintf(want, sizeof want, "\"parameter\":\"%s\"", bad[i][1]);
        if (!strstr(r->body, want))
            fail_msg("%s: %s", bad[i][0], r->body);
    }
    assert_problem(ask("GET /monitor HTTP/1.1\r\n" HOST "Accept: application/json\r\n\r\n"), 406,
                   "not-acceptable");
    assert_problem(ask("GET /monitor HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx"), 400, "bad-parameter");
    assert_problem(ask("POST /monitor HTTP/1.1\r\n" HOST "\r\n"), 405, "method-not-allowed");
    assert_int_equal(h.attached_count, 0);
}

static void head_answers_status_and_headers_alone(void **state)
{
    static const char *const targets[] = {"/monitor", "/mailbox"};
    struct reply r;

    (void)state;
    make_mailbox();
    emit("message", "1");
    for (size_t i = 0; i < 2; i++) {
        struct client c = dial();
        char request[128];

        snprintf(request, sizeof request, "HEAD %s HTTP/1.1\r\n" HOST "\r\n", targets[i]);
        say(&c, request);
        assert_true(hear_reply(&c, &r, true));
        assert_int_equal(r.status, 200);
        assert_string_equal(header(&r, "Content-Type"), "text/event-stream; charset=utf-8");
        assert_string_equal(header(&r, "X-Accel-Buffering"), "no");
        assert_string_equal(header(&r, "Connection"), "close");
        assert_true(ends(&c)); /* and nothing after it */
        hang_up(&c);
    }
    assert_int_equal(h.attached_count, 1);
    assert_false(look().has_reader);
    assert_int_equal(look().unread, 1);
    assert_problem(ask("GET /monitor?ping=1 HTTP/1.1\r\n" HOST "\r\n"), 400, "bad-parameter");
}

static void http_1_0_is_given_events_until_the_connection_ends(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /monitor HTTP/1.0\r\n\r\n");
    TURN_UNTIL((poll_client(&c), find_bytes(&c, ":ok\n")));
    assert_null(find_bytes(&c, "chunked"));
    emit("down", "{}");
    http_stream_end(h.server, h.stream);
    TURN_UNTIL((poll_client(&c), c.is_eof));
    assert_non_null(find_bytes(&c, "\n\nevent: down\nid: "));
    assert_null(find_bytes(&c, "\r\n0\r\n"));
    hang_up(&c);
}

static void a_large_event_arrives_whole(void **state)
{
    enum { LEN = 700 * 1000 };
    struct listener l;
    char *data = mem_alloc(LEN + 1);

    (void)state;
    data[0] = '"';
    for (size_t i = 1; i < LEN - 1; i++)
        data[i] = (char)('a' + i % 23);
    data[LEN - 1] = '"';
    data[LEN] = '\0';
    listen_to(&l, "/monitor");
    emit("message", data);
    emit("after", "{}");
    TURN_UNTIL(has_text(&l, "event: after"));
    assert_non_null(memmem(l.text.buf, l.text.len, data, LEN));
    mem_free(data);
    leave(&l);
}

static void a_stream_may_begin_long_after_its_request(void **state)
{
    struct listener l = {.c = dial()};

    (void)state;
    wr_init(&l.text, SIZE_MAX);
    say(&l.c, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    make_mailbox();
    emit("monitor", "{}");
    assert_int_equal(in_flight(), 1);
    assert_true(http_stream_attach(h.server, h.held[0], h.stream, &h.reading));
    assert_in_flight(0); /* a stream is no call */
    assert_false(http_stream_attach(h.server, h.held[0], h.stream, &h.reading));
    TURN_UNTIL((poll_client(&l.c), find_bytes(&l.c, "event: monitor")));
    leave(&l);
    TURN_UNTIL(!look().has_reader);
    assert_int_equal(h.gone_count, 0);
}

static void a_request_whose_client_left_is_not_attached(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    hang_up(&c);
    TURN_UNTIL(h.gone_count == 1);
    make_mailbox();
    assert_false(http_stream_attach(h.server, h.held[0], h.stream, &h.reading));
    assert_false(look().has_reader);
}

static void no_such_stream_is_gone(void **state)
{
    (void)state;
    h.stream = 12345;
    assert_problem(ask("GET /mailbox HTTP/1.1\r\n" HOST "\r\n"), 410, "gone");
    assert_int_equal(http_stream_emit(h.server, h.stream, "x", SLICE("1")), ERR_NOT_FOUND);
    http_stream_end(h.server, h.stream);
    http_stream_drop(h.server, h.stream);
}

/* ---- heartbeats ---- */

static void a_silent_stream_has_a_heartbeat(void **state)
{
    struct listener l, pings, lines;

    (void)state;
    listen_to(&l, "/monitor?heartbeat=20");
    listen_to(&pings, "/monitor?heartbeat=20&ping=event");
    listen_head(&lines, "GET /monitor?heartbeat=20 HTTP/1.1\r\n" HOST "Accept: application/x-ndjson\r\n\r\n");
    TURN_UNTIL(has_text(&l, "\n\n:\n\n:\n\n:\n\n"));
    TURN_UNTIL(has_text(&pings, "\n\nevent: ping\ndata: {}\n\nevent: ping\ndata: {}\n\n"));
    TURN_UNTIL(has_text(&lines, "}\n{\"event\":\"ping\",\"data\":{}}\n{\"event\":\"ping\",\"data\":{}}\n"));
    leave(&l);
    leave(&pings);
    leave(&lines);
}

static void events_put_the_heartbeat_off(void **state)
{
    struct listener l;

    (void)state;
    listen_to(&l, "/monitor?heartbeat=400");
    for (uint64_t until = now_ms() + 1000; now_ms() < until;) {
        emit("message", "1");
        turn_for(20);
    }
    /* On a machine that stands still now and then there may be one after all. */
    hear_chunks(&l);
    forget_text(&l);
    TURN_UNTIL(has_text(&l, ":\n\n"));
    leave(&l);
}

static void a_stream_may_be_silent_for_longer_than_a_connection(void **state)
{
    struct listener l;

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 50});
    listen_to(&l, "/monitor?heartbeat=300000");
    turn_for(1500);
    emit("still", "1");
    TURN_UNTIL(has_text(&l, "still"));
    leave(&l);
}

/* Neither one that rests, nor one whose client takes nothing, nor one that has no reader keeps the loop
 * awake. */
static void silent_and_stuck_streams_let_the_loop_sleep(void **state)
{
    static char data[10001];
    struct listener l, stuck;
    int turns = 0;

    (void)state;
    stop();
    start(&(struct http_config){.gone_ms = 10000});
    memset(data, '1', sizeof data - 1);
    listen_to(&stuck, "/monitor");
    for (int i = 0; i < 1000; i++) {
        emit("message", data);
        loop_turn(h.loop, 0);
    }
    make_mailbox();
    emit("message", "1");
    listen_to(&l, "/monitor");
    TURN_UNTIL(has_text(&l, ":ok"));
    emit("message", "2");
    TURN_UNTIL(has_text(&l, "data: 2"));
    for (uint64_t begun = now_ms(); now_ms() - begun < 300; turns++)
        loop_turn(h.loop, 50);
    assert_true(turns < 15); /* else something spins */
    leave(&l);
    leave(&stuck);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_says_ok_and_then_each_event_with_its_id),
        TEST(by_accept_it_is_ndjson),
        TEST(what_cannot_be_a_stream_is_refused_before_it_begins),
        TEST(head_answers_status_and_headers_alone),
        TEST(http_1_0_is_given_events_until_the_connection_ends),
        TEST(a_large_event_arrives_whole),
        TEST(a_stream_may_begin_long_after_its_request),
        TEST(a_request_whose_client_left_is_not_attached),
        TEST(no_such_stream_is_gone),
        TEST(a_silent_stream_has_a_heartbeat),
        TEST(events_put_the_heartbeat_off),
        TEST(a_stream_may_be_silent_for_longer_than_a_connection),
        TEST(silent_and_stuck_streams_let_the_loop_sleep),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
