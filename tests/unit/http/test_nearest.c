#include "test.h"

#include <stdio.h>

#include "http/nearest.h"
#include "http/target.h"

#define PROCESS "/v1/nodes/{node}/processes/{name}"
#define GROUP   "/v1/groups/{scope}/{group}"

static const struct http_route table[] = {
    {.method = "GET", .pattern = "/"},
    {.method = "GET", .pattern = PROCESS},
    {.method = "POST", .pattern = PROCESS "/call"},
    {.method = "POST", .pattern = PROCESS "/cast"},
    {.method = "GET", .pattern = GROUP},
    {.method = "POST", .pattern = GROUP "/call"},
    {.method = "POST", .pattern = "/v1/call"},
    {.method = "GET", .pattern = "/v1/processes/{id}"},
    {.method = "GET", .pattern = "/v1/pids/{pid}"},
    {.method = "GET", .pattern = "/v1/nodes"},
    {.method = "GET", .pattern = "/v1/nodes/{node}"},
    {.method = "PUT", .pattern = "/v1/nodes/{node}"},
    {.method = "POST", .pattern = "/v1/nodes/{node}/rpc/{module}/{function}"},
    {.method = "GET", .pattern = "/healthz"},
};

/* As "METHOD pattern"; "": none. */
static const char *nearest(const char *method, const char *path, bool has_method)
{
    static struct http_target t;
    static char copy[512], text[128];
    const struct http_route *found;

    snprintf(copy, sizeof copy, "%s", path);
    assert_int_equal(http_target_parse((uint8_t *)copy, strlen(copy), &t), HTTP_TARGET_OK);
    found = http_nearest(table, sizeof table / sizeof table[0], slice_of_str(method), has_method, t.segments,
                         t.segment_count);
    snprintf(text, sizeof text, "%s%s%s", found ? found->method : "", found ? " " : "",
             found ? found->pattern : "");
    return text;
}

static void a_segment_that_was_left_out_is_found(void **state)
{
    (void)state;
    assert_string_equal(nearest("GET", "/nodes", false), "GET /v1/nodes");
    assert_string_equal(nearest("POST", "/v1/nodes/kv@h/kv/call", false), "POST " PROCESS "/call");
    assert_string_equal(nearest("POST", "/v1/groups/stores/call", true), "POST " GROUP "/call");
    assert_string_equal(nearest("POST", "/v1/nodes/kv@h/rpc/erlang:node", false),
                        "POST /v1/nodes/{node}/rpc/{module}/{function}");
    assert_string_equal(nearest("POST", "/v1/nodes/kv@h/processes/kv", true), "POST " PROCESS "/call");
    assert_string_equal(nearest("PUT", "/v1/nodes", true), "PUT /v1/nodes/{node}");
}

static void so_is_one_too_many(void **state)
{
    (void)state;
    assert_string_equal(nearest("POST", "/v1/call/kv", false), "POST /v1/call");
    assert_string_equal(nearest("POST", "/api/v1/call", false), "POST /v1/call");
}

static void so_is_a_word_that_was_misspelt(void **state)
{
    (void)state;
    assert_string_equal(nearest("GET", "/v1/proceses/p1", false), "GET /v1/processes/{id}");
    assert_string_equal(nearest("GET", "/v1/pid/p1", false), "GET /v1/pids/{pid}");
    assert_string_equal(nearest("POST", "/v1/node/kv@h/process/kv/cast", false), "POST " PROCESS "/cast");
    assert_string_equal(nearest("GET", "/health", false), "GET /healthz");
    assert_string_equal(nearest("HEAD", "/health", false), "GET /healthz");
}

static void another_method_will_do_unless_the_path_is_right(void **state)
{
    (void)state;
    assert_string_equal(nearest("GET", "/v1/nodes/kv@h/kv/call", false), "POST " PROCESS "/call");
    assert_string_equal(nearest("GET", "/v1/nodes/kv@h/kv/call", true), "");
    assert_string_equal(nearest("PATCH", "/v1/nodes/kv@h", true), "");
}

static void what_is_like_none_has_none(void **state)
{
    char deep[2 * HTTP_SEGMENTS_MAX + 1], wide[200];

    (void)state;
    assert_string_equal(nearest("GET", "/wp-login.php", false), "");
    assert_string_equal(nearest("GET", "/v1/x", false), "");
    assert_string_equal(nearest("GET", "/v1/nope", false), ""); /* half of nodes */
    assert_string_equal(nearest("GET", "/v1/x/y/z", false), "");
    for (size_t i = 0; i < HTTP_SEGMENTS_MAX; i++)
        memcpy(deep + 2 * i, "/a", 2);
    deep[sizeof deep - 1] = '\0';
    assert_string_equal(nearest("GET", deep, false), "");
    memset(wide, 'n', sizeof wide);
    memcpy(wide, "/v1/", 4);
    wide[sizeof wide - 1] = '\0';
    assert_string_equal(nearest("GET", wide, false), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_that_was_left_out_is_found),
        cmocka_unit_test(so_is_one_too_many),
        cmocka_unit_test(so_is_a_word_that_was_misspelt),
        cmocka_unit_test(another_method_will_do_unless_the_path_is_right),
        cmocka_unit_test(what_is_like_none_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
