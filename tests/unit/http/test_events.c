/* Event streams over real sockets: http/streams.c, http/reader.c, http/reading.c, http/due.c. */
#include "harness.h"

#include <inttypes.h>

enum { EPOCH_DIGITS = 32 };

/* ---- a client that reads a stream ---- */

struct listener {
    struct client c;
    struct reply head;
    struct wr text; /* what came, without the chunks around it */
    bool is_over;   /* the last chunk was there */
};

static void listen_head(struct listener *l, const char *request)
{
    const char *end;
    size_t len;

    *l = (struct listener){.c = dial()};
    wr_init(&l->text, SIZE_MAX);
    say(&l->c, request);
    TURN_UNTIL((poll_client(&l->c), find_bytes(&l->c, "\r\n\r\n")) || l->c.is_eof);
    end = find_bytes(&l->c, "\r\n\r\n");
    assert_non_null(end);
    len = (size_t)(end - (const char *)l->c.in.buf) + 4;
    assert_true(len < sizeof l->head.head);
    memcpy(l->head.head, l->c.in.buf, len);
    l->head.head[len] = '\0';
    assert_int_equal(sscanf(l->head.head, "HTTP/1.1 %u ", &l->head.status), 1);
    take(&l->c, len);
}

/* Moves whole chunks from what was received to the text. */
static void hear_chunks(struct listener *l)
{
    for (;;) {
        const char *line;
        unsigned long size;
        size_t head;

        poll_client(&l->c);
        line = find_bytes(&l->c, "\r\n");
        if (!line || l->is_over)
            return;
        size = strtoul((const char *)l->c.in.buf, NULL, 16);
        head = (size_t)(line - (const char *)l->c.in.buf) + 2;
        if (l->c.in.len < head + size + 2)
            return;
        l->is_over = size == 0;
        wr_bytes(&l->text, l->c.in.buf + head, size);
        take(&l->c, head + size + 2);
    }
}

static bool has_text(struct listener *l, const char *what)
{
    hear_chunks(l);
    return l->text.len && memmem(l->text.buf, l->text.len, what, strlen(what));
}

static bool is_over(struct listener *l)
{
    hear_chunks(l);
    return l->is_over;
}

static void forget_text(struct listener *l)
{
    wr_reset(&l->text);
}

static void leave(struct listener *l)
{
    hang_up(&l->c);
    wr_fini(&l->text);
}

#define assert_text(l, want)                                                        \
    do {                                                                            \
        hear_chunks(l);                                                             \
        if (!slice_eq_str(wr_written(&(l)->text), want))                            \
            fail_msg("got: %.*s", (int)(l)->text.len, (const char *)(l)->text.buf); \
    } while (0)

/* The epoch of the id that comes first in the text. */
static const char *epoch_in(struct listener *l)
{
    static char epoch[EPOCH_DIGITS + 1];
    const char *at = memmem(l->text.buf, l->text.len, "id: ", 4);

    assert_non_null(at);
    memcpy(epoch, at + 4, EPOCH_DIGITS);
    epoch[EPOCH_DIGITS] = '\0';
    return epoch;
}

static void emit(const char *event, const char *data)
{
    assert_int_equal(http_stream_emit(h.server, h.stream, event, slice_of_str(data)), ERR_NONE);
}

static void emit_numbers(unsigned from, unsigned to)
{
    char text[16];

    for (unsigned i = from; i <= to; i++) {
        snprintf(text, sizeof text, "%u", i);
        emit("message", text);
    }
}

static struct http_stream_info look(void)
{
    struct http_stream_info info;

    assert_true(http_stream_look(h.server, h.stream, &info));
    return info;
}

static void make_mailbox(void)
{
    h.stream = http_stream_new(h.server, &(struct http_stream_config){.is_kept = true, .tag = 5});
    assert_true(h.stream != 0);
}

static void listen_to(struct listener *l, const char *target)
{
    char request[512];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    listen_head(l, request);
    assert_int_equal(l->head.status, 200);
}

static void resume(struct listener *l, const char *path, const char *epoch, unsigned seq)
{
    char request[512];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "Last-Event-ID: %s-%u\r\n\r\n", path, epoch,
             seq);
    listen_head(l, request);
}

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

/* ---- leaving and coming back ---- */

static void a_client_that_left_resumes_without_loss(void **state)
{
    struct listener l, again;
    char epoch[EPOCH_DIGITS + 1], want[256];

    (void)state;
    listen_to(&l, "/monitor");
    emit_numbers(1, 3);
    TURN_UNTIL(has_text(&l, "data: 3\n\n"));
    strcpy(epoch, epoch_in(&l));
    leave(&l);
    TURN_UNTIL(!look().has_reader);
    emit_numbers(4, 5);
    resume(&again, "/monitor", epoch, 2);
    assert_int_equal(again.head.status, 200);
    TURN_UNTIL(has_text(&again, "data: 5\n\n"));
    snprintf(want, sizeof want,
             "event: message\nid: %s-3\ndata: 3\n\nevent: message\nid: %s-4\ndata: 4\n\n"
             "event: message\nid: %s-5\ndata: 5\n\n",
             epoch, epoch, epoch);
    assert_true(has_text(&again, want));
    assert_false(has_text(&again, "gap"));
    assert_int_equal(h.attached_count, 1); /* no second stream was made */
    leave(&again);
}

static void the_id_may_stand_in_the_query_and_the_header_wins(void **state)
{
    struct listener l, again;
    char epoch[EPOCH_DIGITS + 1], target[200], request[512];

    (void)state;
    listen_to(&l, "/monitor");
    emit_numbers(1, 4);
    TURN_UNTIL(has_text(&l, "data: 4\n\n"));
    strcpy(epoch, epoch_in(&l));
    leave(&l);
    for (int i = 0; i < 2; i++) {
        snprintf(target, sizeof target, "/monitor?%s=%s-1", i ? "Last-Event-ID" : "last_event_id", epoch);
        listen_to(&again, target);
        TURN_UNTIL(has_text(&again, "data: 2\n\n"));
        assert_false(has_text(&again, "data: 1\n\n"));
        leave(&again);
    }
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "Last-Event-ID: %s-3\r\n\r\n", target,
             epoch);
    listen_head(&again, request);
    TURN_UNTIL(has_text(&again, "data: 4\n\n"));
    assert_false(has_text(&again, "data: 3\n\n"));
    leave(&again);
    assert_int_equal(h.attached_count, 1);
}

static void what_the_ring_no_longer_has_is_a_gap(void **state)
{
    struct listener l, again;
    char epoch[EPOCH_DIGITS + 1], want[128];

    (void)state;
    stop();
    start(&(struct http_config){.limits.streams = {.max_events = 4}});
    listen_to(&l, "/monitor");
    emit_numbers(1, 2);
    TURN_UNTIL(has_text(&l, "data: 2\n\n"));
    strcpy(epoch, epoch_in(&l));
    leave(&l);
    TURN_UNTIL(!look().has_reader);
    emit_numbers(3, 10);
    resume(&again, "/monitor", epoch, 2);
    TURN_UNTIL(has_text(&again, "data: 10\n\n"));
    snprintf(want, sizeof want, "event: gap\nid: %s-6\ndata: {\"lost\":4}\n\nevent: message\nid: %s-7\n",
             epoch, epoch);
    assert_true(has_text(&again, want));
    assert_int_equal(look().lost, 4);
    leave(&again);
}

static void ids_of_another_life_begin_anew_after_a_gap(void **state)
{
    static const char *const ids[] = {"000102030405060708090a0b0c0d0e0f-9", "7", "x-y", "-", "\xC3\xA9"};

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct listener l;
        char request[256];

        snprintf(request, sizeof request, "GET /monitor HTTP/1.1\r\n" HOST "Last-Event-ID: %s\r\n\r\n",
                 ids[i]);
        listen_head(&l, request);
        assert_int_equal(l.head.status, 200);
        emit("monitor", "{}");
        TURN_UNTIL(has_text(&l, "event: monitor"));
        assert_true(has_text(&l, "-0\ndata: {\"lost\":null}\n\nevent: monitor\nid: "));
        assert_int_equal(h.attached_count, i + 1);
        leave(&l);
    }
}

/* Neither by an id that has not come yet, nor by one of a stream of something else. */
static void a_stream_is_resumed_by_its_own_ids_and_key_alone(void **state)
{
    struct listener l, again;
    char epoch[EPOCH_DIGITS + 1];
    uint64_t first;

    (void)state;
    listen_to(&l, "/monitor");
    emit_numbers(1, 2);
    TURN_UNTIL(has_text(&l, "data: 2\n\n"));
    strcpy(epoch, epoch_in(&l));
    first = h.stream;
    resume(&again, "/monitor", epoch, 3);
    TURN_UNTIL(has_text(&again, "{\"lost\":null}"));
    assert_true(h.stream != first);
    leave(&again);
    epoch[EPOCH_DIGITS - 1] = epoch[EPOCH_DIGITS - 1] == '0' ? '1' : '0'; /* guessed, but for a digit */
    resume(&again, "/monitor", epoch, 1);
    TURN_UNTIL(has_text(&again, "{\"lost\":null}"));
    assert_int_equal(h.attached_count, 3);
    leave(&again);
    h.stream = http_stream_new(h.server, &(struct http_stream_config){.key = SLICE("other")});
    epoch[EPOCH_DIGITS - 1] ^= 1;
    emit("message", "{\"secret\":1}");
    listen_to(&again, "/mailbox");
    TURN_UNTIL(has_text(&again, "secret"));
    strcpy(epoch, epoch_in(&again));
    leave(&again);
    resume(&again, "/monitor", epoch, 0);
    TURN_UNTIL(has_text(&again, "{\"lost\":null}"));
    emit("message", "2");
    TURN_UNTIL(has_text(&again, "data: 2\n"));
    assert_false(has_text(&again, "secret"));
    leave(&again);
    leave(&l);
}

static void a_mailbox_collects_while_nobody_reads(void **state)
{
    struct listener l;

    (void)state;
    make_mailbox();
    emit_numbers(1, 3);
    assert_int_equal(look().unread, 3);
    listen_to(&l, "/mailbox");
    TURN_UNTIL(has_text(&l, "data: 3\n\n"));
    assert_true(has_text(&l, "data: 1\n\n"));
    assert_int_equal(look().unread, 0);
    leave(&l);
    TURN_UNTIL(!look().has_reader);
    emit_numbers(4, 4);
    /* Who comes without an id goes on where the last one was; who asks for all there is gets it. */
    listen_to(&l, "/mailbox");
    TURN_UNTIL(has_text(&l, "data: 4\n\n"));
    assert_false(has_text(&l, "data: 3\n\n"));
    leave(&l);
    listen_to(&l, "/mailbox?last_event_id=earliest");
    TURN_UNTIL(has_text(&l, "data: 4\n\n"));
    assert_true(has_text(&l, "data: 1\n\n"));
    assert_false(has_text(&l, "gap"));
    leave(&l);
    assert_int_equal(h.stream_gone_count, 0);
}

static void a_newer_reader_takes_over(void **state)
{
    struct listener old, new;

    (void)state;
    make_mailbox();
    listen_to(&old, "/mailbox");
    emit_numbers(1, 1);
    TURN_UNTIL(has_text(&old, "data: 1\n\n"));
    listen_to(&new, "/mailbox");
    TURN_UNTIL(is_over(&old));
    assert_true(has_text(&old, "data: 1\n\nevent: bye\nid: "));
    assert_true(has_text(&old, "-1\nretry: "));
    emit_numbers(2, 2);
    TURN_UNTIL(has_text(&new, "data: 2\n\n"));
    assert_false(has_text(&new, "data: 1\n\n"));
    assert_true(look().has_reader);
    leave(&old);
    turn_for(50);
    assert_true(look().has_reader);
    leave(&new);
    TURN_UNTIL(!look().has_reader);
}

static void a_stream_lingers_and_then_is_given_up(void **state)
{
    struct listener l, again;
    char epoch[EPOCH_DIGITS + 1];
    uint64_t begun;

    (void)state;
    listen_to(&l, "/monitor?linger=300");
    emit_numbers(1, 1);
    TURN_UNTIL(has_text(&l, "data: 1\n\n"));
    strcpy(epoch, epoch_in(&l));
    leave(&l);
    TURN_UNTIL(!look().has_reader);
    resume(&again, "/monitor?linger=200", epoch, 1);
    assert_int_equal(again.head.status, 200);
    turn_for(400);
    assert_int_equal(h.stream_gone_count, 0);
    leave(&again);
    TURN_UNTIL(!look().has_reader);
    begun = now_ms();
    TURN_UNTIL(h.stream_gone_count == 1);
    assert_true(now_ms() - begun >= 150);
    assert_int_equal(h.stream_gone_id, h.stream);
    assert_int_equal(h.stream_gone_tag, 88);
    turn_for(50);
    assert_int_equal(h.stream_gone_count, 1);
    resume(&again, "/monitor", epoch, 1);
    TURN_UNTIL(has_text(&again, "{\"lost\":null}"));
    leave(&again);
}

static void a_stream_that_has_ended_is_read_to_its_end_and_then_204(void **state)
{
    struct listener l, again;
    char epoch[EPOCH_DIGITS + 1];

    (void)state;
    listen_to(&l, "/monitor?linger=0");
    emit_numbers(1, 1);
    TURN_UNTIL(has_text(&l, "data: 1\n\n"));
    strcpy(epoch, epoch_in(&l));
    leave(&l);
    TURN_UNTIL(h.stream_gone_count == 1 || !look().has_reader);
    /* A linger of 0 is over at once: another one. */
    assert_int_equal(h.attached_count, 1);
    listen_to(&l, "/monitor");
    emit_numbers(1, 1);
    TURN_UNTIL(has_text(&l, "data: 1\n\n"));
    strcpy(epoch, epoch_in(&l));
    leave(&l);
    TURN_UNTIL(!look().has_reader);
    emit_numbers(2, 2);
    http_stream_end(h.server, h.stream);
    assert_int_equal(http_stream_emit(h.server, h.stream, "late", SLICE("1")), ERR_NOT_FOUND);
    resume(&again, "/monitor", epoch, 1);
    assert_int_equal(again.head.status, 200);
    TURN_UNTIL(is_over(&again));
    assert_true(has_text(&again, "-2\ndata: 2\n\n"));
    leave(&again);
    for (int i = 0; i < 2; i++) {
        resume(&again, i ? "/mailbox" : "/monitor", epoch, 2);
        assert_int_equal(again.head.status, 204);
        leave(&again);
    }
    assert_int_equal(h.attached_count, 3);
}

static void a_stream_that_is_dropped_ends_its_reader(void **state)
{
    struct listener l;

    (void)state;
    make_mailbox();
    listen_to(&l, "/mailbox");
    emit_numbers(1, 1);
    TURN_UNTIL(has_text(&l, "data: 1\n\n"));
    http_stream_drop(h.server, h.stream);
    TURN_UNTIL(is_over(&l));
    assert_false(has_text(&l, "bye"));
    leave(&l);
    assert_problem(ask("GET /mailbox HTTP/1.1\r\n" HOST "\r\n"), 410, "gone");
    assert_int_equal(h.stream_gone_count, 0);
}

static void a_silent_client_that_leaves_is_noticed(void **state)
{
    struct listener l;

    (void)state;
    listen_to(&l, "/monitor?linger=0");
    TURN_UNTIL(has_text(&l, ":ok"));
    reset(&l.c);
    wr_fini(&l.text);
    TURN_UNTIL(h.stream_gone_count == 1);
    TURN_UNTIL(h.done_count == 1);
    assert_int_equal(h.last_status, 200);
    listen_to(&l, "/monitor?linger=0");
    TURN_UNTIL(has_text(&l, ":ok"));
    leave(&l);
    TURN_UNTIL(h.stream_gone_count == 2);
}

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
        TEST(a_client_that_left_resumes_without_loss),
        TEST(the_id_may_stand_in_the_query_and_the_header_wins),
        TEST(what_the_ring_no_longer_has_is_a_gap),
        TEST(ids_of_another_life_begin_anew_after_a_gap),
        TEST(a_stream_is_resumed_by_its_own_ids_and_key_alone),
        TEST(a_mailbox_collects_while_nobody_reads),
        TEST(a_newer_reader_takes_over),
        TEST(a_stream_lingers_and_then_is_given_up),
        TEST(a_stream_that_has_ended_is_read_to_its_end_and_then_204),
        TEST(a_stream_that_is_dropped_ends_its_reader),
        TEST(a_silent_client_that_leaves_is_noticed),
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
