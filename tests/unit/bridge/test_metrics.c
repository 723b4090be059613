/*
 * The families of /metrics and docs/metrics.md are the same, and names are as Prometheus wants them.
 */
#include "bridge/metrics.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "bridge/internal.h"
#include "test.h"

static const struct {
    const char *name, *kind, *help;
} families[] = {
#define X(symbol, name, kind, help) {name, #kind, help},
    METRICS_TABLE(X)
#undef X
};

static char *page;

static int read_page(void **state)
{
    FILE *f = fopen(TEST_DATA "/../../docs/metrics.md", "rb");
    size_t cap = 1 << 20, len;

    (void)state;
    assert_non_null(f);
    page = malloc(cap);
    assert_non_null(page);
    len = fread(page, 1, cap - 1, f);
    page[len] = '\0';
    fclose(f);
    return 0;
}

static int drop_page(void **state)
{
    (void)state;
    free(page);
    return 0;
}

static bool is_known(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (strlen(families[i].name) == len && memcmp(families[i].name, name, len) == 0)
            return true;
    return false;
}

static void each_family_has_a_row_in_the_page(void **state)
{
    char row[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        snprintf(row, sizeof row, "\n| `%s` |", families[i].name);
        if (!strstr(page, row))
            fail_msg("docs/metrics.md has no row for %s", families[i].name);
    }
}

static void each_row_of_the_page_is_a_family(void **state)
{
    size_t rows = 0;

    (void)state;
    for (const char *at = page; (at = strstr(at, "\n| `")) != NULL; rows++) {
        at += strlen("\n| `");
        if (!is_known(at, strcspn(at, "`")))
            fail_msg("docs/metrics.md has %.*s, which is no family", (int)strcspn(at, "`"), at);
    }
    assert_int_equal(rows, ARRAY_LEN(families));
}

static bool ends_with(const char *s, const char *end)
{
    return strlen(s) > strlen(end) && strcmp(s + strlen(s) - strlen(end), end) == 0;
}

static void names_follow_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const char *name = families[i].name;

        for (const char *c = name; *c; c++)
            assert_true(islower((unsigned char)*c) || *c == '_');
        assert_true(strncmp(name, "erlgate_", 8) == 0 || strncmp(name, "process_", 8) == 0);
        assert_int_equal(ends_with(name, "_total"), strcmp(families[i].kind, "COUNTER") == 0);
        if (strcmp(families[i].kind, "HISTOGRAM") == 0)
            assert_true(ends_with(name, "_seconds"));
        assert_null(strstr(name, "milli"));
        assert_null(strstr(name, "kilo"));
        assert_true(strlen(families[i].help) > 10);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(families[k].name, name);
    }
}

/* ---- counting ---- */

static void count(struct gateway *g, const char *pattern, const char *method, unsigned status,
                  const char *code, bool is_stream)
{
    struct http_done done = {
        .method = method, .status = status, .code = code, .is_stream = is_stream, .duration_us = 2000};

    for (size_t i = 0; i < gateway_route_count; i++)
        if (strcmp(gateway_routes[i].pattern, pattern) == 0 && strcmp(gateway_routes[i].method, method) == 0)
            done.route = &gateway_routes[i];
    assert_non_null(done.route);
    metrics_count(g, &done);
}

static void each_request_counts_once_by_operation_and_outcome(void **state)
{
    static struct gateway g;
    const struct metrics *m = &g.metrics;
    uint64_t all = 0;

    (void)state;
    count(&g, "/v1/call", "POST", 200, NULL, false);
    count(&g, "/v1/global/{name}/call", "POST", 504, "timeout", false);
    count(&g, "/v1/call", "POST", 0, NULL, false);
    count(&g, "/v1/call", "POST", 422, NULL, false); /* ?unwrap=ok */
    count(&g, "/v1/events", "GET", 200, NULL, true);
    count(&g, "/livez", "GET", 200, NULL, false);
    metrics_count(&g, &(struct http_done){.method = "GET", .status = 404, .code = "not-found"});
    assert_int_equal(m->outcomes[METRICS_OP_CALL][METRICS_OK], 2);
    assert_int_equal(m->outcomes[METRICS_OP_CALL][METRICS_GONE], 1);
    assert_int_equal(m->outcomes[METRICS_OP_MONITOR][METRICS_OK], 1);
    assert_int_equal(m->outcomes[METRICS_OP_OTHER][METRICS_OK], 1);
    for (size_t op = 0; op < METRICS_OPERATIONS; op++)
        for (size_t i = 0; i < METRICS_OUTCOMES; i++)
            all += m->outcomes[op][i];
    assert_int_equal(all, 6);
    assert_int_equal(histogram_count(&m->durations[METRICS_OP_CALL]), 4);
    assert_int_equal(m->durations[METRICS_OP_CALL].sum_us, 8000);
    assert_int_equal(histogram_count(&m->durations[METRICS_OP_MONITOR]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_family_has_a_row_in_the_page),
        cmocka_unit_test(each_row_of_the_page_is_a_family),
        cmocka_unit_test(names_follow_the_rules),
        cmocka_unit_test(each_request_counts_once_by_operation_and_outcome),
    };

    return cmocka_run_group_tests(tests, read_page, drop_page);
}
