#include "http/stats.h"

#include "base/mem.h"
#include "http/problem.h"
#include "test.h"

static const struct http_route routes[] = {{.method = "GET", .pattern = "/a"},
                                           {.method = "POST", .pattern = "/b"}};
static struct http_stats *stats;

static int start(void **state)
{
    (void)state;
    stats = http_stats_new(2);
    return stats ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    mem_free(stats);
    return 0;
}

static void each_status_that_a_problem_has_is_told_apart(void **state)
{
    const struct http_problem_kind *kind;
    size_t cursor = 0;

    (void)state;
    while ((kind = http_problem_kind_next(&cursor))) {
        struct http_done done = {
            .route = &routes[1], .method = "POST", .status = kind->status, .code = kind->code};

        http_stats_count(stats, routes, &done);
        assert_int_equal(stats->problems[cursor - 1], 1);
    }
    assert_int_equal(stats->routes[1].answered[HTTP_STATUS_OTHER], 0);
    assert_int_equal(histogram_count(&stats->routes[1].duration), cursor);
    assert_int_equal(histogram_count(&stats->routes[0].duration), 0);
}

static void what_is_none_of_these_is_counted_all_the_same(void **state)
{
    const unsigned strange[] = {1, 100, 299, 599, 600, 999999};
    size_t kinds = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        http_stats_count(
            stats, routes,
            &(struct http_done){.route = &routes[0], .method = "GET", .status = strange[i], .code = "new"});
    assert_int_equal(stats->routes[0].answered[HTTP_STATUS_OTHER], 6);
    while (http_problem_kind_next(&kinds))
        ;
    assert_int_equal(stats->problems[kinds], 6);
}

static void a_client_that_left_is_gone(void **state)
{
    (void)state;
    http_stats_count(stats, routes, &(struct http_done){.route = &routes[0], .method = "GET"});
    assert_int_equal(stats->routes[0].answered[HTTP_STATUS_GONE], 1);
    assert_string_equal(http_status_slot_name(HTTP_STATUS_GONE), "gone");
    assert_string_equal(http_status_slot_name(HTTP_STATUS_404), "404");
}

static void what_finds_no_route_is_told_apart_by_method_alone(void **state)
{
    (void)state;
    http_stats_count(stats, routes, &(struct http_done){.method = "GET", .status = 404});
    http_stats_count(stats, routes, &(struct http_done){.method = "BREW", .status = 405});
    http_stats_count(stats, routes, &(struct http_done){.method = "", .status = 405});
    assert_int_equal(stats->unrouted[0].answered[HTTP_STATUS_404], 1);
    assert_int_equal(stats->unrouted[HTTP_UNROUTED_METHODS - 1].answered[HTTP_STATUS_405], 2);
    assert_string_equal(http_unrouted_method(HTTP_UNROUTED_METHODS - 1), "other");
}

static void an_event_stream_is_a_request_without_a_duration(void **state)
{
    (void)state;
    http_stats_count(stats, routes,
                     &(struct http_done){.route = &routes[0],
                                         .method = "GET",
                                         .status = 200,
                                         .is_stream = true,
                                         .duration_us = 3600000000,
                                         .bytes_in = 1,
                                         .bytes_out = 2});
    assert_int_equal(stats->routes[0].answered[HTTP_STATUS_200], 1);
    assert_int_equal(stats->routes[0].bytes_in, 1);
    assert_int_equal(stats->routes[0].bytes_out, 2);
    assert_int_equal(histogram_count(&stats->routes[0].duration), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_status_that_a_problem_has_is_told_apart),
        TEST(what_is_none_of_these_is_counted_all_the_same),
        TEST(a_client_that_left_is_gone),
        TEST(what_finds_no_route_is_told_apart_by_method_alone),
        TEST(an_event_stream_is_a_request_without_a_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
