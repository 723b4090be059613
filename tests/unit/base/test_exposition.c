#include "base/exposition.h"

#include "test.h"
#include <stdlib.h>

static struct wr w;
static struct exposition x;

static int start(void **state)
{
    (void)state;
    wr_init(&w, SIZE_MAX);
    exposition_init(&x, &w, false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    wr_fini(&w);
    return 0;
}

static void says(const char *wanted)
{
    wr_u8(&w, '\0');
    assert_true(wr_ok(&w));
    assert_string_equal((const char *)w.buf, wanted);
}

static void a_family_says_what_it_is(void **state)
{
    (void)state;
    exposition_family(&x, "a_total", EXPOSITION_COUNTER, "One.");
    exposition_uint(&x, NO_LABELS, UINT64_MAX);
    exposition_family(&x, "b", EXPOSITION_GAUGE, "Two.");
    exposition_int(&x, LABELS({"c", SLICE("d")}, {"e", SLICE("")}), -1);
    exposition_end(&x);
    says("# HELP a_total One.\n# TYPE a_total counter\na_total 18446744073709551615\n"
         "# HELP b Two.\n# TYPE b gauge\nb{c=\"d\",e=\"\"} -1\n");
    assert_int_equal(x.samples, 2);
}

static void in_OpenMetrics_a_counter_has_its_suffix_in_samples_alone(void **state)
{
    (void)state;
    exposition_init(&x, &w, true);
    exposition_family(&x, "a_total", EXPOSITION_COUNTER, "Say \"a\".");
    exposition_uint(&x, NO_LABELS, 1);
    exposition_end(&x);
    says("# HELP a Say \\\"a\\\".\n# TYPE a counter\na_total 1\n# EOF\n");
}

static void what_would_end_a_label_is_escaped(void **state)
{
    (void)state;
    exposition_family(&x, "a", EXPOSITION_GAUGE, "Back\\slash, \"quote\",\nline.");
    exposition_uint(&x, LABELS({"b", SLICE("\"} 1\n\\x\r\tü")}), 2);
    says("# HELP a Back\\\\slash, \"quote\",\\nline.\n# TYPE a gauge\na{b=\"\\\"} 1\\n\\\\x\r\tü\"} 2\n");
}

static void what_is_no_UTF_8_is_replaced(void **state)
{
    (void)state;
    exposition_family(&x, "a", EXPOSITION_GAUGE, "");
    exposition_uint(&x,
                    LABELS({"b", SLICE("\xFF\xC3"
                                       "c\xED\xA0\x80")}),
                    0);
    says("# HELP a \n# TYPE a gauge\na{b=\"\xEF\xBF\xBD\xEF\xBF\xBD"
         "c\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"} 0\n");
}

static void seconds_are_exact(void **state)
{
    (void)state;
    exposition_family(&x, "a", EXPOSITION_GAUGE, "");
    exposition_micros(&x, NO_LABELS, 1);
    exposition_micros(&x, NO_LABELS, 1795633064720000);
    exposition_limit(&x, NO_LABELS, UINT64_MAX);
    exposition_limit(&x, NO_LABELS, 5);
    says("# HELP a \n# TYPE a gauge\na 0.000001\na 1795633064.720000\na +Inf\na 5\n");
}

static void what_does_not_fit_fails_for_good(void **state)
{
    (void)state;
    wr_init(&w, 20);
    exposition_family(&x, "a", EXPOSITION_GAUGE, "This is longer than that.");
    exposition_uint(&x, NO_LABELS, 1);
    assert_int_equal(w.err, ERR_TOO_LARGE);
}

/* ---- histograms ---- */

static void a_bound_belongs_to_its_bucket(void **state)
{
    struct histogram h = {0};

    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUND_COUNT; i++) {
        histogram_add(&h, histogram_bounds_us[i]);
        histogram_add(&h, histogram_bounds_us[i] + 1);
    }
    assert_int_equal(h.counts[0], 1);
    for (size_t i = 1; i < HISTOGRAM_BOUND_COUNT; i++)
        assert_int_equal(h.counts[i], 2);
    assert_int_equal(h.counts[HISTOGRAM_BOUND_COUNT], 1);
    histogram_add(&h, 0);
    histogram_add(&h, UINT32_MAX * (uint64_t)2);
    assert_int_equal(h.counts[0], 2);
    assert_int_equal(h.counts[HISTOGRAM_BOUND_COUNT], 2);
    assert_int_equal(histogram_count(&h), 2 * HISTOGRAM_BOUND_COUNT + 2);
}

static void bounds_grow(void **state)
{
    (void)state;
    for (size_t i = 1; i < HISTOGRAM_BOUND_COUNT; i++)
        assert_true(histogram_bounds_us[i] > histogram_bounds_us[i - 1]);
}

/* Value of the last field of the line that begins with `head`. */
static uint64_t value_of(const char *head)
{
    const char *at = strstr((const char *)w.buf, head);

    assert_non_null(at);
    return strtoull(at + strlen(head), NULL, 10);
}

static void buckets_are_cumulative_and_the_last_is_the_count(void **state)
{
    const char *line;
    uint64_t last = 0, n, lines = 0;
    struct histogram h = {0};

    (void)state;
    for (uint64_t us = 50; us < 1000000000; us *= 3)
        histogram_add(&h, us);
    exposition_family(&x, "a_seconds", EXPOSITION_HISTOGRAM, "");
    exposition_histogram(&x, LABELS({"b", SLICE("c")}), &h);
    wr_u8(&w, '\0');
    for (line = (const char *)w.buf; (line = strstr(line, "_bucket{")); line++) {
        n = strtoull(strchr(line, '}') + 1, NULL, 10);
        assert_true(n >= last);
        last = n;
        lines++;
    }
    assert_int_equal(lines, HISTOGRAM_BOUND_COUNT + 1);
    assert_int_equal(last, histogram_count(&h));
    assert_int_equal(value_of("a_seconds_bucket{b=\"c\",le=\"+Inf\"} "), last);
    assert_int_equal(value_of("a_seconds_count{b=\"c\"} "), last);
    assert_int_equal(value_of("a_seconds_sum{b=\"c\"} "), h.sum_us / 1000000);
    assert_int_equal(x.samples, HISTOGRAM_BOUND_COUNT + 3);
}

static void bounds_are_written_as_seconds(void **state)
{
    struct histogram h = {0};

    (void)state;
    exposition_family(&x, "a", EXPOSITION_HISTOGRAM, "");
    exposition_histogram(&x, NO_LABELS, &h);
    wr_u8(&w, '\0');
    assert_int_equal(value_of("a_bucket{le=\"0.0001\"} "), 0);
    assert_int_equal(value_of("a_bucket{le=\"0.25\"} "), 0);
    assert_int_equal(value_of("a_bucket{le=\"1.0\"} "), 0);
    assert_int_equal(value_of("a_bucket{le=\"300.0\"} "), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_family_says_what_it_is),
        TEST(in_OpenMetrics_a_counter_has_its_suffix_in_samples_alone),
        TEST(what_would_end_a_label_is_escaped),
        TEST(what_is_no_UTF_8_is_replaced),
        TEST(seconds_are_exact),
        TEST(what_does_not_fit_fails_for_good),
        TEST(a_bound_belongs_to_its_bucket),
        TEST(bounds_grow),
        TEST(buckets_are_cumulative_and_the_last_is_the_count),
        TEST(bounds_are_written_as_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
