/* Requests that are not suspended for the first moment: http/linger.c. */
#include "harness.h"
#include "http/internal.h"

static struct http_listener *listener(void)
{
    return (h.worker ? h.worker : h.server)->listeners[0];
}

#define HOLD "GET /hold HTTP/1.1\r\n" HOST "\r\n"

/* The last one held is answered, and the client hears it. */
static void answer_last(struct client *c)
{
    answer_text(h.held[h.held_count - 1], 200, "now", 3);
    assert_string_equal(hear(c)->body, "now");
}

static void hold_next(struct client *c)
{
    size_t before = h.held_count;

    say(c, HOLD);
    TURN_UNTIL(h.held_count == before + 1);
}

static void who_is_answered_soon_is_never_suspended(void **state)
{
    struct client c = dial();

    (void)state;
    for (int i = 0; i < 100; i++) {
        hold_next(&c);
        assert_int_equal(listener()->lingering, 1);
        answer_last(&c);
        assert_int_equal(listener()->lingering, 0);
    }
    hang_up(&c);
    TURN_UNTIL(h.done_count == 100);
    assert_int_equal(h.gone_count, 0);
}

static void who_is_not_is_suspended_without_anything_happening(void **state)
{
    struct client c = dial();

    (void)state;
    hold_next(&c);
    assert_int_equal(listener()->lingering, 1);
    TURN_UNTIL(listener()->lingering == 0);
    turn_for(30);
    answer_last(&c);
    hold_next(&c);
    answer_last(&c);
    hang_up(&c);
}

static void where_answers_come_late_nobody_lingers(void **state)
{
    struct client c = dial();
    size_t lingered = 0;

    (void)state;
    for (int i = 0; i < 120; i++) {
        hold_next(&c);
        lingered += listener()->lingering;
        TURN_UNTIL(listener()->lingering == 0);
        answer_last(&c);
    }
    assert_in_range(lingered, 10, 60);
    hang_up(&c);
}

static void a_client_that_resets_meanwhile_has_left(void **state)
{
    struct client c = dial();

    (void)state;
    hold_next(&c);
    reset(&c);
    TURN_UNTIL(h.gone_count == 1);
    assert_int_equal(h.gone_id, h.held[0]);
    assert_int_equal(h.gone_tag, 77);
    assert_int_equal(in_flight(), 0);
    TURN_UNTIL(h.done_count == 1);
    assert_int_equal(h.last_status, 0);
    assert_int_equal(listener()->lingering, 0);
    answer_text(h.held[0], 200, "late", 4);
    turn_for(50);
    assert_int_equal(h.gone_count, 1);
}

static void what_a_client_says_meanwhile_is_read_afterwards(void **state)
{
    struct client c = dial();

    (void)state;
    hold_next(&c);
    say(&c, HOLD "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    turn_for(1);
    assert_int_equal(h.held_count, 1);
    answer_last(&c);
    TURN_UNTIL(h.held_count == 2);
    answer_last(&c);
    assert_string_equal(hear(&c)->body, "POST||abc");
    hang_up(&c);
}

/* Bodies and answers of any size go on while another one lingers. */
static void others_are_served_meanwhile(void **state)
{
    enum { SIZE = 3 << 20 };
    struct client slow = dial(), c;
    char *body = malloc(SIZE);
    uint64_t began = now_ms();
    struct wr w;

    (void)state;
    assert_non_null(body);
    memset(body, 'x', SIZE);
    for (int i = 0; i < 10; i++) {
        hold_next(&slow);
        c = dial();
        wr_init(&w, SIZE_MAX);
        wr_printf(&w, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", SIZE);
        wr_bytes(&w, body, SIZE);
        for (size_t at = 0; at < w.len;) {
            ssize_t n = send(c.fd, w.buf + at, w.len - at, MSG_NOSIGNAL);

            if (n > 0)
                at += (size_t)n;
            loop_turn(h.loop, 0);
        }
        TURN_UNTIL(h.held_count == 2 * (size_t)i + 2);
        answer_text(h.held[h.held_count - 1], 200, body, SIZE);
        TURN_UNTIL((poll_client(&c), c.in.len > SIZE));
        hang_up(&c);
        wr_fini(&w);
        answer_text(h.held[h.held_count - 2], 200, "now", 3);
        assert_string_equal(hear(&slow)->body, "now");
    }
    assert_true(now_ms() - began < PATIENCE_MS);
    hang_up(&slow);
    free(body);
}

static void only_so_many_linger(void **state)
{
    enum { N = 300 };
    static struct client clients[N];
    unsigned most = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        clients[i] = dial();
        say(&clients[i], HOLD);
    }
    while (h.held_count < N) {
        loop_turn(h.loop, 0);
        most = listener()->lingering > most ? listener()->lingering : most;
    }
    assert_in_range(most, 1, 256);
    for (size_t i = 0; i < N; i++)
        answer_text(h.held[i], 200, "now", 3);
    for (int i = 0; i < N; i++) {
        assert_string_equal(hear(&clients[i])->body, "now");
        hang_up(&clients[i]);
    }
    assert_int_equal(listener()->lingering, 0);
}

/* As when the process is stopped for longer than a connection may be idle. */
static void an_answer_that_comes_after_a_stop_is_given(void **state)
{
    const struct http_config config = {.limits.idle_ms = 1000};
    struct client c;

    (void)state;
    start(&config);
    c = dial();
    hold_next(&c);
    assert_int_equal(listener()->lingering, 1);
    poll(NULL, 0, 1300);
    answer_last(&c);
    hold_next(&c);
    poll(NULL, 0, 1300);
    turn_for(30);
    answer_last(&c);
    hang_up(&c);
}

static void the_server_can_stop_meanwhile(void **state)
{
    struct client c = dial();

    (void)state;
    hold_next(&c);
    say(&c, HOLD);
    assert_int_equal(listener()->lingering, 1);
    stop();
    wr_fini(&c.in);
    close(c.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_answered_soon_is_never_suspended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_not_is_suspended_without_anything_happening, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_answers_come_late_nobody_lingers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_resets_meanwhile_has_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_client_says_meanwhile_is_read_afterwards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_are_served_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_so_many_linger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_comes_after_a_stop_is_given, NULL, tear_down),
        cmocka_unit_test_setup_teardown(the_server_can_stop_meanwhile, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
