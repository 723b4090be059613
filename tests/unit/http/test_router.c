#include "test.h"

#include <stdio.h>

#include "base/mem.h"
#include "http/router.h"
#include "http/target.h"

static void nothing(void *ctx, struct http_request *req)
{
    (void)ctx;
    (void)req;
}

#define ROUTE(m, p, op)                                                     \
    {                                                                       \
        .method = (m), .pattern = (p), .handle = nothing, .operation = (op) \
    }

static const struct http_route table[] = {
    ROUTE("GET", "/", 1),
    ROUTE("GET", "/v1/nodes", 2),
    ROUTE("GET", "/v1/nodes/monitor", 3),
    ROUTE("GET", "/v1/nodes/{node}", 4),
    ROUTE("PUT", "/v1/nodes/{node}", 5),
    ROUTE("DELETE", "/v1/nodes/{n}", 6),
    ROUTE("GET", "/v1/nodes/{node}/ping", 7),
    ROUTE("POST", "/v1/nodes/{node}/processes/{name}/call", 8),
    ROUTE("GET", "/v1/{any}/monitor/x", 9),
    ROUTE("POST", "/v1/call", 10),
};

static struct http_router *router;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(http_router_new(table, sizeof table / sizeof table[0], ~0u, &router), ERR_NONE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_router_free(router);
    return 0;
}

/* 0: no such path; -1: no such method. */
static int find(const char *method, const char *path, struct http_match *m)
{
    static struct http_target t;
    static char copy[256];

    snprintf(copy, sizeof copy, "%s", path);
    assert_int_equal(http_target_parse((uint8_t *)copy, strlen(copy), &t), HTTP_TARGET_OK);
    if (!http_router_find(router, slice_of_str(method), t.segments, t.segment_count, m))
        return 0;
    return m->route ? (int)m->route->operation : -1;
}

static void paths_lead_to_their_rows(void **state)
{
    struct http_match m;

    (void)state;
    assert_int_equal(find("GET", "/", &m), 1);
    assert_int_equal(find("GET", "/v1/nodes", &m), 2);
    assert_int_equal(find("PUT", "/v1/nodes/a%40b", &m), 5);
    assert_int_equal(find("DELETE", "/v1/nodes/a", &m), 6);
    assert_int_equal(find("POST", "/v1/call", &m), 10);
    assert_int_equal(find("POST", "/v1/nodes/n/processes/p/call", &m), 8);
    assert_int_equal(m.holes[0], 2);
    assert_int_equal(m.holes[1], 4);
}

static void a_literal_is_preferred_and_a_hole_is_tried_after_it(void **state)
{
    struct http_match m;

    (void)state;
    assert_int_equal(find("GET", "/v1/nodes/monitor", &m), 3);
    assert_int_equal(find("GET", "/v1/nodes/monitor/ping", &m), 7);
    assert_int_equal(m.holes[0], 2);
    assert_int_equal(find("PUT", "/v1/nodes/monitor", &m), 5);
    assert_int_equal(find("GET", "/v1/nodes/monitor/x", &m), 9);
    assert_int_equal(m.holes[0], 1);
}

static void paths_that_lead_nowhere(void **state)
{
    struct http_match m;

    (void)state;
    assert_int_equal(find("GET", "/v1", &m), 0);
    assert_int_equal(find("GET", "/v2/nodes", &m), 0);
    assert_int_equal(find("GET", "/v1/nodes/a/pings", &m), 0);
    assert_int_equal(find("GET", "/v1/nodes/a/ping/b", &m), 0);
    assert_int_equal(find("GET", "/V1/nodes", &m), 0);
    assert_int_equal(find("GET", "/v1%2Fnodes", &m), 0);
}

static void methods_that_a_path_does_not_have_are_told(void **state)
{
    struct http_match m;

    (void)state;
    assert_int_equal(find("POST", "/v1/nodes/x", &m), -1);
    assert_non_null(strstr(m.allow, "GET, HEAD"));
    assert_non_null(strstr(m.allow, "PUT"));
    assert_non_null(strstr(m.allow, "DELETE"));
    assert_non_null(strstr(m.allow, "OPTIONS"));
    assert_null(strstr(m.allow, "POST"));
    assert_int_equal(find("get", "/v1/nodes", &m), -1);
    assert_int_equal(find("HEAD", "/v1/call", &m), -1);
    assert_string_equal(m.allow, "POST, OPTIONS");
    assert_string_equal(m.pattern, "/v1/call");
}

static void head_finds_what_get_finds(void **state)
{
    struct http_match m;

    (void)state;
    assert_int_equal(find("HEAD", "/v1/nodes/x", &m), 4);
}

static void wrong_tables_are_refused(void **state)
{
    static const struct http_route twice[] = {ROUTE("GET", "/a/{x}", 0), ROUTE("GET", "/a/{y}", 0)};
    static const struct http_route bad[][1] = {
        {ROUTE("GET", "", 0)},
        {ROUTE("GET", "a", 0)},
        {ROUTE("GET", "//", 0)},
        {ROUTE("GET", "/a/", 0)},
        {ROUTE("GET", "/a//b", 0)},
        {ROUTE(NULL, "/a", 0)},
        {ROUTE("GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", 0)},
    };
    struct http_router *r;

    (void)state;
    assert_int_equal(http_router_new(twice, 2, ~0u, &r), ERR_INVALID);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(http_router_new(bad[i], 1, ~0u, &r), ERR_INVALID);
}

static void an_empty_table_finds_nothing(void **state)
{
    struct http_router *r;
    struct http_match m;
    struct slice one = SLICE("a");

    (void)state;
    assert_int_equal(http_router_new(NULL, 0, ~0u, &r), ERR_NONE);
    assert_false(http_router_find(r, SLICE("GET"), &one, 1, &m));
    assert_false(http_router_find(r, SLICE("GET"), &one, 0, &m));
    http_router_free(r);
    http_router_free(NULL);
}

static void many_routes_are_all_found(void **state)
{
    enum { N = 3000 };
    static struct http_route many[N];
    static char patterns[N][32];
    struct http_router *r;
    struct http_match m;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        snprintf(patterns[i], sizeof patterns[i], "/r/s%u/{x}/t%u", i / 3, i);
        many[i] = (struct http_route)ROUTE("GET", patterns[i], i);
    }
    assert_int_equal(http_router_new(many, N, ~0u, &r), ERR_NONE);
    for (unsigned i = 0; i < N; i++) {
        struct slice segments[4] = {SLICE("r"), {0}, SLICE("any"), {0}};
        const char *s = patterns[i] + 3;

        segments[1] = slice_of(s, strcspn(s, "/"));
        segments[3] = slice_of_str(s + segments[1].len + 5);
        assert_true(http_router_find(r, SLICE("GET"), segments, 4, &m));
        assert_int_equal(m.route->operation, i);
    }
    http_router_free(r);
}

static void want_of_memory_is_told_at_each_allocation(void **state)
{
    struct http_router *r;
    enum err e;
    size_t n = 0;

    (void)state;
    do {
        mem_fail_from(++n);
        e = http_router_new(table, sizeof table / sizeof table[0], ~0u, &r);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
    } while (e != ERR_NONE);
    http_router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_lead_to_their_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_literal_is_preferred_and_a_hole_is_tried_after_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(paths_that_lead_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(methods_that_a_path_does_not_have_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(head_finds_what_get_finds, set_up, tear_down),
        cmocka_unit_test(wrong_tables_are_refused),
        cmocka_unit_test(an_empty_table_finds_nothing),
        cmocka_unit_test(many_routes_are_all_found),
        cmocka_unit_test(want_of_memory_is_told_at_each_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
