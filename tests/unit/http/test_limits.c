/* What clients may cost, and how that changes while the server runs: http/limits.c, http/listener.c. */
#include "harness.h"

#include <sys/resource.h>

#include "http/internal.h"

#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static const struct http_server_stats *stats(void)
{
    return http_server_stats(h.server);
}

static void limit(struct http_limits limits)
{
    if (!limits.streams.min_heartbeat_ms)
        limits.streams.min_heartbeat_ms = 1;
    http_server_set_limits(h.server, &limits);
}

/* ---- one by one ---- */

static void there_are_no_limits_of_zero(void **state)
{
    const struct http_limits *l = http_server_limits(h.server);

    (void)state;
    assert_true(l->max_body && l->max_bodies && l->max_headers && l->max_connections &&
                l->max_connections_per_address && l->max_in_flight && l->idle_ms && l->streams.max_streams);
    limit((struct http_limits){.max_body = 100000000});
    assert_int_equal(l->max_body, 100000000);
    assert_int_equal(l->max_bodies, 400000000);
}

static const char *post(size_t len)
{
    static char text[70000];
    int n = snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", len);

    memset(text + n, 'b', len);
    text[(size_t)n + len] = '\0';
    return text;
}

static void the_body_may_become_smaller_and_larger(void **state)
{
    struct client c = dial();

    (void)state;
    say(&c, post(1000));
    assert_int_equal(hear(&c)->status, 200);
    limit((struct http_limits){.max_body = 999});
    say(&c, post(1000));
    assert_problem(hear(&c), 413, "body-too-large");
    say(&c, post(999));
    assert_int_equal(hear(&c)->status, 200);
    limit((struct http_limits){.max_body = 60000});
    say(&c, post(60000));
    assert_int_equal(hear(&c)->status, 200);
    assert_int_equal(stats()->over_max_body, 1);
    assert_int_equal(stats()->connections, 1);
    hang_up(&c);
}

static void requests_in_flight_may_become_fewer(void **state)
{
    struct client a = dial(), b = dial();

    (void)state;
    say(&a, GET("/hold"));
    TURN_UNTIL(h.held_count == 1);
    limit((struct http_limits){.max_in_flight = 1});
    say(&b, GET("/hold"));
    assert_problem(hear(&b), 503, "overloaded");
    assert_int_equal(stats()->over_max_in_flight, 1);
    limit((struct http_limits){.max_in_flight = 2});
    say(&b, GET("/hold"));
    TURN_UNTIL(h.held_count == 2);
    answer_text(h.held[0], 200, "a", 1);
    answer_text(h.held[1], 200, "b", 1);
    assert_string_equal(hear(&a)->body, "a");
    assert_string_equal(hear(&b)->body, "b");
    hang_up(&a);
    hang_up(&b);
}

static void streams_may_become_fewer(void **state)
{
    struct client a = dial(), b = dial();

    (void)state;
    say(&a, GET("/monitor"));
    TURN_UNTIL(h.attached_count == 1);
    limit((struct http_limits){.streams = {.max_streams = 1}});
    say(&b, GET("/monitor"));
    assert_problem(hear(&b), 503, "overloaded");
    assert_int_equal(stats()->over_max_streams, 1);
    hang_up(&a);
    hang_up(&b);
}

static void connections_may_become_fewer(void **state)
{
    struct client many[40], late;
    size_t closed = 0;

    (void)state;
    limit((struct http_limits){.max_connections = 20});
    for (size_t i = 0; i < 30; i++) /* 20, and 10 to be told */
        many[i] = dial();
    TURN_UNTIL(http_server_connections(h.server) == 30);
    say(&many[0], GET("/echo/x"));
    assert_int_equal(hear(&many[0])->status, 200);
    say(&many[20], GET("/echo/x"));
    assert_problem(hear(&many[20]), 503, "overloaded");
    assert_true(ends(&many[20]));
    late = dial();
    TURN_UNTIL(http_server_connections(h.server) == 30);
    for (size_t i = 30; i < 40; i++)
        many[i] = dial();
    for (size_t i = 30; i < 40; i++) {
        TURN_UNTIL((poll_client(&many[i]), many[i].is_eof));
        closed++;
    }
    assert_int_equal(closed, 10);
    assert_int_equal(http_server_connections(h.server), 30);
    assert_int_equal(stats()->over_max_connections, 10 + 1 + 10);
    hang_up(&late);
    for (size_t i = 0; i < 40; i++)
        hang_up(&many[i]);
    TURN_UNTIL(http_server_connections(h.server) == 0);
    assert_int_equal(ask(GET("/echo/x"))->status, 200);
}

/* From the loopback address each connection comes from the machine itself: so they are made up here. */
static void each_address_has_a_limit_of_its_own(void **state)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000201)};
    const struct sockaddr_in b = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000202)};
    struct http_peer pa = http_peer_of((const struct sockaddr *)&a),
                     pb = http_peer_of((const struct sockaddr *)&b);
    struct http_conn conns[40] = {0}, other = {.peer = pb};
    size_t n;

    (void)state;
    limit((struct http_limits){.max_connections_per_address = 16});
    for (n = 0; !http_peer_is_shut_out(h.server, &pa); n++) {
        conns[n].peer = pa;
        http_peer_enter(h.server, &conns[n]);
        assert_int_equal(conns[n].over, n < 16 ? HTTP_OVER_NONE : HTTP_OVER_ADDRESS);
    }
    assert_int_equal(n, 16 + 2 + 8);
    assert_int_equal(stats()->over_max_connections_per_address, 10 + 1);
    assert_false(http_peer_is_shut_out(h.server, &pb));
    http_peer_enter(h.server, &other);
    assert_int_equal(other.over, HTTP_OVER_NONE);
    http_peer_leave(h.server, &other);
    for (size_t i = 0; i < n; i++)
        http_peer_leave(h.server, &conns[i]);
    assert_int_equal(h.server->peers.count, 0);
    assert_false(http_peer_is_shut_out(h.server, &pa));
    assert_int_equal(http_server_connections(h.server), 0);
}

static void without_memory_an_address_is_not_counted(void **state)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000201)};

    (void)state;
    for (size_t n = 1; n < 4; n++) {
        struct http_conn first = {.peer = http_peer_of((const struct sockaddr *)&a)}, second = first;

        mem_fail_from(n);
        http_peer_enter(h.server, &first);
        mem_fail_from(0);
        http_peer_enter(h.server, &second);
        http_peer_leave(h.server, &first);
        http_peer_leave(h.server, &second);
        assert_int_equal(h.server->peers.count, 0);
    }
}

static void no_more_are_taken_than_there_are_descriptors_for(void **state)
{
    struct rlimit before, few = {.rlim_cur = 400};

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    limit((struct http_limits){.max_connections = 100});
    assert_int_equal(http_server_limits(h.server)->max_connections, 100);
    limit((struct http_limits){0});
    assert_in_range(http_server_limits(h.server)->max_connections, 200, 400 - 128 - 8);
    few.rlim_cur = 32;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    limit((struct http_limits){0});
    assert_in_range(http_server_limits(h.server)->max_connections, 1, 128);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void as_many_descriptors_as_are_wanted_are_enough(void **state)
{
    struct rlimit before, few;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    for (unsigned n = 1; n < 200; n += 5) {
        few.rlim_cur = http_descriptors_wanted(1, 1, n);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        limit((struct http_limits){.max_connections = n});
        assert_int_equal(http_server_limits(h.server)->max_connections, n);
        limit((struct http_limits){0});
        assert_in_range(http_server_limits(h.server)->max_connections, n, n + 8);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(http_descriptors_wanted(3, 2, 50) - http_descriptors_wanted(1, 2, 50), 2 * (4 + 2));
}

/* ---- what libmicrohttpd takes only when it starts ---- */

static const char *long_head(size_t len)
{
    static char text[70000];
    int n = snprintf(text, sizeof text, "GET /echo/x HTTP/1.1\r\n" HOST "X-A: ");

    memset(text + n, 'a', len);
    snprintf(text + (size_t)n + len, sizeof text - (size_t)n - len, "\r\n\r\n");
    return text;
}

static void heads_may_become_larger_and_smaller(void **state)
{
    struct client old = dial();

    (void)state;
    say(&old, long_head(10000));
    assert_int_equal(hear(&old)->status, 200);
    assert_int_not_equal(ask(long_head(50000))->status, 200);
    limit((struct http_limits){.max_headers = 60000});
    assert_int_equal(ask(long_head(50000))->status, 200);
    say(&old, long_head(10000));
    assert_int_equal(hear(&old)->status, 200);
    limit((struct http_limits){.max_headers = 5000});
    assert_problem(ask(long_head(6000)), 431, "headers-too-large");
    say(&old, long_head(6000));
    assert_problem(hear(&old), 431, "headers-too-large");
    assert_int_equal(stats()->over_max_headers, 2);
    hang_up(&old);
}

static void the_idle_time_may_change_and_what_is_open_stays(void **state)
{
    struct client old = dial(), waiting = dial(), reader = dial(), fresh;

    (void)state;
    say(&old, GET("/echo/x"));
    assert_int_equal(hear(&old)->status, 200);
    say(&waiting, GET("/hold"));
    TURN_UNTIL(h.held_count == 1);
    say(&reader, GET("/monitor"));
    TURN_UNTIL(h.attached_count == 1);
    limit((struct http_limits){.idle_ms = 100});
    assert_false(ring_is_empty(&h.server->retired));
    fresh = dial();
    say(&fresh, GET("/echo/x"));
    assert_int_equal(hear(&fresh)->status, 200);
    TURN_UNTIL((poll_client(&fresh), fresh.is_eof));
    answer_text(h.held[0], 200, "held", 4);
    assert_string_equal(hear(&waiting)->body, "held");
    assert_int_equal(http_stream_emit(h.server, h.stream, "x", SLICE("{}")), ERR_NONE);
    TURN_UNTIL((poll_client(&reader), find_bytes(&reader, "event: x")));
    hang_up(&old);
    hang_up(&waiting);
    hang_up(&reader);
    hang_up(&fresh);
    TURN_UNTIL(ring_is_empty(&h.server->retired));
    assert_int_equal(ask(GET("/echo/x"))->status, 200);
}

static void limits_that_are_the_same_change_nothing(void **state)
{
    struct MHD_Daemon *daemon = h.server->listeners[0]->daemon;

    (void)state;
    limit(*http_server_limits(h.server));
    assert_ptr_equal(h.server->listeners[0]->daemon, daemon);
    limit((struct http_limits){.max_body = 5, .max_connections = 5, .max_in_flight = 5});
    assert_ptr_equal(h.server->listeners[0]->daemon, daemon);
    assert_true(ring_is_empty(&h.server->retired));
}

static void it_may_change_again_and_again(void **state)
{
    struct client c[20];

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        c[i] = dial();
        say(&c[i], GET("/hold"));
        TURN_UNTIL(h.held_count == i + 1);
        limit((struct http_limits){.max_headers = 2000 + i});
    }
    for (size_t i = 0; i < 20; i++)
        answer_text(h.held[i], 200, "ok", 2);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(hear(&c[i])->status, 200);
        hang_up(&c[i]);
    }
    TURN_UNTIL(ring_is_empty(&h.server->retired));
}

static void a_server_stops_with_what_is_retired(void **state)
{
    struct client waiting = dial(), reader = dial();

    (void)state;
    say(&waiting, GET("/hold"));
    TURN_UNTIL(h.held_count == 1);
    say(&reader, GET("/monitor"));
    TURN_UNTIL(h.attached_count == 1);
    limit((struct http_limits){.max_headers = 2000});
    http_server_stop(h.server);
    h.server = NULL;
    assert_problem(hear(&waiting), 503, "overloaded");
    poll_client(&reader);
    assert_non_null(find_bytes(&reader, "event: bye"));
    hang_up(&waiting);
    hang_up(&reader);
}

static void a_sockets_file_goes_over(void **state)
{
    char folder[] = "/tmp/erlgate-unit-XXXXXX", path[sizeof folder + 8];
    const struct http_listen listens[] = {{.port = 0}, {.path = path}};

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    stop();
    start(&(struct http_config){.listens = listens, .listen_count = 2});
    limit((struct http_limits){.max_headers = 2000});
    assert_int_equal(ask_on(dial_path(path), GET("/echo/x"))->status, 200);
    TURN_UNTIL(ring_is_empty(&h.server->retired));
    assert_int_equal(ask_on(dial_path(path), GET("/echo/x"))->status, 200);
    stop();
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
}

static void without_memory_it_goes_on_as_before(void **state)
{
    (void)state;
    for (size_t n = 1; n < 6; n++) {
        mem_fail_from(n);
        limit((struct http_limits){.max_headers = 2000 + n});
        mem_fail_from(0);
        assert_int_equal(ask(GET("/echo/x"))->status, 200);
    }
}

static void nothing_is_renewed_while_it_stops(void **state)
{
    (void)state;
    http_server_quiesce(h.server);
    limit((struct http_limits){.max_headers = 2000});
    assert_true(ring_is_empty(&h.server->retired));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(there_are_no_limits_of_zero),
        TEST(the_body_may_become_smaller_and_larger),
        TEST(requests_in_flight_may_become_fewer),
        TEST(streams_may_become_fewer),
        TEST(connections_may_become_fewer),
        TEST(each_address_has_a_limit_of_its_own),
        TEST(without_memory_an_address_is_not_counted),
        TEST(no_more_are_taken_than_there_are_descriptors_for),
        TEST(as_many_descriptors_as_are_wanted_are_enough),
        TEST(heads_may_become_larger_and_smaller),
        TEST(the_idle_time_may_change_and_what_is_open_stays),
        TEST(limits_that_are_the_same_change_nothing),
        TEST(it_may_change_again_and_again),
        TEST(a_server_stops_with_what_is_retired),
        TEST(a_sockets_file_goes_over),
        TEST(without_memory_it_goes_on_as_before),
        TEST(nothing_is_renewed_while_it_stops),
    };

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
