/* Clients of event streams that leave and come back: http/streams.c, http/history.c, http/reading.c. */
#include "events_client.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
