/* Clients that leave, and those that never arrive: http/sweep.c. */
#include "harness.h"

static void hold_one(struct client *c)
{
    *c = dial();
    say(c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
}

static void assert_gone_once(void)
{
    TURN_UNTIL(h.gone_count > 0);
    assert_int_equal(h.gone_id, h.held[0]);
    assert_int_equal(h.gone_tag, 77);
    assert_int_equal(in_flight(), 0);
    TURN_UNTIL(h.done_count == 1);
    assert_int_equal(h.last_status, 0);
    answer_text(h.held[0], 200, "late", 4);
    loop_turn(h.loop, 0);
    assert_int_equal(h.gone_count, 1);
}

static void a_client_that_closes_while_suspended_is_noticed(void **state)
{
    struct client c;

    (void)state;
    hold_one(&c);
    hang_up(&c);
    assert_gone_once();
}

/* Nothing else happens on the loop in between, that could have the sweep armed again. */
static void a_client_that_leaves_after_quiet_sweeps_is_noticed(void **state)
{
    struct client c;

    (void)state;
    hold_one(&c);
    turn_for(150);
    hang_up(&c);
    assert_gone_once();
}

static void a_client_that_resets_while_suspended_is_noticed(void **state)
{
    struct client c;

    (void)state;
    hold_one(&c);
    reset(&c);
    assert_gone_once();
}

static void a_client_that_closes_its_half_counts_as_gone(void **state)
{
    struct client c;

    (void)state;
    hold_one(&c);
    shutdown(c.fd, SHUT_WR);
    assert_gone_once();
    assert_true(ends(&c));
    hang_up(&c);
}

static void bytes_of_the_next_request_do_not_hide_that_a_client_left(void **state)
{
    struct client c;

    (void)state;
    hold_one(&c);
    say(&c, "GET /echo/never HTTP/1.1\r\n" HOST "\r\n");
    hang_up(&c);
    assert_gone_once();
    assert_int_equal(h.handled_count, 0);
}

static void a_half_closed_request_that_is_answered_at_once_gets_its_answer(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    shutdown(c.fd, SHUT_WR);
    assert_string_equal(hear(&c)->body, "GET|x|");
    assert_true(ends(&c));
    hang_up(&c);
}

static void half_a_request_and_an_end_close_the_connection(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, "GET /echo/x HTTP/1.1\r\nHos");
    shutdown(c.fd, SHUT_WR);
    assert_true(ends(&c));
    hang_up(&c);
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhal");
    shutdown(c.fd, SHUT_WR);
    assert_true(ends(&c));
    hang_up(&c);
}

static void clients_that_stay_are_left_alone(void **state)
{
    struct client c;

    (void)state;
    hold_one(&c);
    turn_for(120);
    assert_int_equal(h.gone_count, 0);
    answer_text(h.held[0], 200, "here", 4);
    assert_string_equal(hear(&c)->body, "here");
    hang_up(&c);
}

static void many_clients_that_leave_at_once_are_each_told_once(void **state)
{
    enum { N = 600 };
    static struct client clients[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        clients[i] = dial();
        say(&clients[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        loop_turn(h.loop, 0);
    }
    TURN_UNTIL(h.held_count == N);
    for (int i = 0; i < N; i += 2)
        hang_up(&clients[i]);
    TURN_UNTIL(h.gone_count == N / 2);
    turn_for(100);
    assert_int_equal(h.gone_count, N / 2);
    assert_int_equal(in_flight(), N / 2);
    for (int i = 1; i < N; i += 2)
        hang_up(&clients[i]);
}

static void a_head_that_trickles_in_is_cut_off(void **state)
{
    struct client c;

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 50});
    c = dial();
    say(&c, "GET /echo/x HTTP/1.1\r\nX-A: ");
    while (!c.is_eof && say(&c, "a")) {
        loop_turn(h.loop, 5);
        poll_client(&c);
        assert_true(c.in.len < 100000);
    }
    hang_up(&c);
    assert_int_equal(h.handled_count, 0);
}

static void a_body_that_trickles_in_is_cut_off(void **state)
{
    struct client c;

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 50});
    c = dial();
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    while (!c.is_eof && say(&c, "a")) {
        turn_for(5);
        poll_client(&c);
    }
    hang_up(&c);
    assert_int_equal(h.handled_count, 0);
}

static void a_slow_but_steady_body_arrives(void **state)
{
    static char part[4096];
    struct client c;
    uint64_t begun = now_ms();

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 50});
    c = dial();
    memset(part, 'x', sizeof part);
    say(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 61440\r\n\r\n");
    for (int i = 0; i < 15; i++) {
        assert_true(say_bytes(&c, part, sizeof part));
        turn_for(20);
    }
    assert_true(now_ms() - begun > 200);
    assert_int_equal(hear(&c)->status, 200);
    hang_up(&c);
}

static void an_idle_connection_is_closed(void **state)
{
    struct client c, silent;

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 100});
    silent = dial();
    c = dial();
    say(&c, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(hear(&c)->status, 200);
    assert_true(ends(&c));
    assert_true(ends(&silent));
    hang_up(&c);
    hang_up(&silent);
}

static void a_suspended_connection_is_not_idle(void **state)
{
    struct client c;

    (void)state;
    stop();
    start(&(struct http_config){.limits.idle_ms = 50});
    hold_one(&c);
    turn_for(1300);
    answer_text(h.held[0], 200, "here", 4);
    assert_string_equal(hear(&c)->body, "here");
    hang_up(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_that_closes_while_suspended_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_after_quiet_sweeps_is_noticed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_resets_while_suspended_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_closes_its_half_counts_as_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_of_the_next_request_do_not_hide_that_a_client_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_half_closed_request_that_is_answered_at_once_gets_its_answer,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_request_and_an_end_close_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_that_stay_are_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_clients_that_leave_at_once_are_each_told_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_trickles_in_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_that_trickles_in_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_but_steady_body_arrives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idle_connection_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_suspended_connection_is_not_idle, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
