/* Listening, limits, and the ways to stop: http/server.c. */
#include "harness.h"

static void a_bad_configuration_is_told(void **state)
{
    static const struct http_route twice[] = {{.method = "GET", .pattern = "/a", .handle = handle_echo},
                                              {.method = "GET", .pattern = "/a", .handle = handle_echo}};
    struct http_server *s;

    (void)state;
    assert_int_equal(http_server_start(h.loop, &(struct http_config){.host = "nowhere"}, &s), ERR_INVALID);
    assert_int_equal(http_server_start(h.loop, &(struct http_config){.host = "192.0.2.1"}, &s), ERR_INVALID);
    assert_int_equal(http_server_start(h.loop, &(struct http_config){.routes = twice, .route_count = 2}, &s),
                     ERR_INVALID);
    assert_int_equal(http_server_start(h.loop, &(struct http_config){.port = http_server_port(h.server)}, &s),
                     ERR_ADDRESS_IN_USE);
}

static void want_of_memory_at_the_start_is_told(void **state)
{
    struct http_server *s;
    enum err e;
    size_t n = 0;

    (void)state;
    do {
        mem_fail_from(++n);
        e = http_server_start(h.loop, &(struct http_config){.routes = routes, .route_count = 2}, &s);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
    } while (e != ERR_NONE);
    http_server_stop(s);
    http_server_stop(NULL);
}

static void all_addresses_may_be_listened_on(void **state)
{
    (void)state;
    stop();
    start(&(struct http_config){.host = ""});
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\nHost: 10.9.8.7\r\n\r\n")->status, 200);
    assert_problem(ask("GET /echo/x HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421, "misdirected-host");
}

static void requests_beyond_the_limit_are_told_at_once(void **state)
{
    struct client a, b;
    struct reply *r;

    (void)state;
    stop();
    start(&(struct http_config){.limits.max_in_flight = 1});
    a = dial();
    b = dial();
    say(&a, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    say(&b, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    r = hear(&b);
    assert_problem(r, 503, "overloaded");
    assert_string_equal(header(r, "Retry-After"), "1");
    answer_text(h.held[0], 200, "ok", 2);
    assert_int_equal(hear(&a)->status, 200);
    say(&b, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(hear(&b)->status, 200);
    hang_up(&a);
    hang_up(&b);
}

static void connections_beyond_the_limit_are_told_and_closed(void **state)
{
    struct client a, b;

    (void)state;
    stop();
    start(&(struct http_config){.limits.max_connections = 1});
    a = dial();
    say(&a, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(hear(&a)->status, 200);
    b = dial();
    say(&b, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_problem(hear(&b), 503, "overloaded");
    assert_true(ends(&b));
    hang_up(&a);
    hang_up(&b);
    loop_turn(h.loop, 10);
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\n" HOST "\r\n")->status, 200);
}

static void a_quiet_server_takes_nothing_new_and_finishes_the_old(void **state)
{
    struct client waiting = dial(), idle = dial(), half = dial();
    uint16_t port = http_server_port(h.server);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct reply *r;
    int fd;

    (void)state;
    say(&waiting, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    say(&idle, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    say(&half, "GET /echo/x HTTP/1.1\r\nX-A: b");
    TURN_UNTIL(h.held_count == 1);
    assert_int_equal(hear(&idle)->status, 200);
    http_server_quiesce(h.server);
    http_server_quiesce(h.server);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    close(fd);
    say(&half, "\r\n" HOST "\r\n");
    r = hear(&half);
    assert_int_equal(r->status, 200);
    assert_string_equal(header(r, "Connection"), "close");
    assert_true(ends(&idle));
    assert_true(http_server_is_busy(h.server));
    answer_text(h.held[0], 200, "done", 4);
    r = hear(&waiting);
    assert_string_equal(r->body, "done");
    assert_string_equal(header(r, "Connection"), "close");
    assert_true(ends(&waiting));
    TURN_UNTIL(!http_server_is_busy(h.server));
    hang_up(&waiting);
    hang_up(&idle);
    hang_up(&half);
}

static void a_request_that_is_on_its_way_when_the_server_closes_is_served(void **state)
{
    struct client fresh = dial(), kept = dial(), unaccepted;

    (void)state;
    say(&kept, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(hear(&kept)->status, 200);
    unaccepted = dial();
    http_server_quiesce(h.server);
    assert_true(http_server_is_busy(h.server));
    say(&fresh, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    say(&kept, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    say(&unaccepted, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(hear(&fresh)->status, 200);
    assert_int_equal(hear(&kept)->status, 200);
    assert_int_equal(hear(&unaccepted)->status, 200);
    TURN_UNTIL(!http_server_is_busy(h.server));
    hang_up(&fresh);
    hang_up(&kept);
    hang_up(&unaccepted);
}

static void who_has_been_told_to_leave_is_served_all_the_same(void **state)
{
    struct client kept = dial();
    struct reply *r;

    (void)state;
    say(&kept, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    assert_null(header(hear(&kept), "Connection"));
    http_server_leave(h.server);
    say(&kept, "GET /echo/x HTTP/1.1\r\n" HOST "\r\n");
    r = hear(&kept);
    assert_int_equal(r->status, 200);
    assert_string_equal(header(r, "Connection"), "close");
    assert_true(ends(&kept));
    assert_int_equal(ask("GET /echo/x HTTP/1.1\r\n" HOST "\r\n")->status, 200);
    hang_up(&kept);
}

static void stopping_answers_what_is_pending(void **state)
{
    enum { N = 50 };
    struct client clients[N], half = dial();

    (void)state;
    for (int i = 0; i < N; i++) {
        clients[i] = dial();
        say(&clients[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    }
    say(&half, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhal");
    TURN_UNTIL(h.held_count == N);
    http_server_stop(h.server);
    h.server = NULL;
    for (int i = 0; i < N; i++) {
        assert_problem(hear(&clients[i]), 503, "overloaded");
        assert_true(ends(&clients[i]));
        hang_up(&clients[i]);
    }
    assert_true(ends(&half));
    hang_up(&half);
    assert_int_equal(h.gone_count, 0);
    loop_free(h.loop);
    h.loop = NULL;
}

static void stopping_does_not_wait_for_a_client_that_reads_nothing(void **state)
{
    enum { N = 8 << 20 };
    struct client c = dial();
    uint8_t *body = mem_zalloc(N);
    uint64_t begun;

    (void)state;
    say(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    http_answer(h.server, h.held[0],
                &(struct http_response){.status = 200, .content_type = "x/y", .body = body, .body_len = N});
    loop_turn(h.loop, 0);
    begun = now_ms();
    http_server_stop(h.server);
    h.server = NULL;
    assert_true(now_ms() - begun < 5000);
    hang_up(&c);
    loop_free(h.loop);
    h.loop = NULL;
}

static void a_quiet_loop_sleeps(void **state)
{
    struct client c = dial();
    int turns = 0;
    uint64_t begun;

    (void)state;
    stop();
    start(&(struct http_config){.gone_ms = 10000});
    hang_up(&c);
    c = dial();
    say(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 1);
    answer_text(h.held[0], 200, "ok", 2);
    assert_int_equal(hear(&c)->status, 200);
    say(&c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(h.held_count == 2);
    for (begun = now_ms(); now_ms() - begun < 200; turns++)
        loop_turn(h.loop, 50);
    assert_true(turns < 12); /* else something spins */
    hang_up(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bad_configuration_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(want_of_memory_at_the_start_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_addresses_may_be_listened_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_beyond_the_limit_are_told_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_beyond_the_limit_are_told_and_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_that_is_on_its_way_when_the_server_closes_is_served, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_has_been_told_to_leave_is_served_all_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_quiet_server_takes_nothing_new_and_finishes_the_old, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stopping_answers_what_is_pending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_does_not_wait_for_a_client_that_reads_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_quiet_loop_sleeps, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
