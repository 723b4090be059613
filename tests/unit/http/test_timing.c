#include "http/timing.h"

#include "test.h"

static void stages_add_up_to_the_total(void **state)
{
    char text[HTTP_TIMING_TEXT_MAX];
    struct http_timing t;

    (void)state;
    http_timing_start(&t, 1000);
    http_timing_add(&t, HTTP_STAGE_READ, 1010);
    http_timing_add(&t, HTTP_STAGE_AUTH, 1015);
    http_timing_add(&t, HTTP_STAGE_READ, 1025);
    http_timing_add(&t, HTTP_STAGE_NODE, 3025);
    assert_string_equal(http_timing_write(&t, text),
                        "read;dur=0.020, auth;dur=0.005, node;dur=2.000, total;dur=2.025");
}

static void a_stage_that_took_no_time_was_there(void **state)
{
    char text[HTTP_TIMING_TEXT_MAX];
    struct http_timing t;

    (void)state;
    http_timing_start(&t, 5);
    http_timing_add(&t, HTTP_STAGE_DECODE, 5);
    assert_string_equal(http_timing_write(&t, text), "decode;dur=0.000, total;dur=0.000");
}

static void nothing_is_kept_unless_asked_for(void **state)
{
    struct http_timing t = {0};

    (void)state;
    http_timing_add(&t, HTTP_STAGE_READ, 10);
    assert_int_equal(t.seen, 0);
    assert_int_equal(t.last_us, 0);
}

static void the_longest_text_fits(void **state)
{
    char text[HTTP_TIMING_TEXT_MAX];
    struct http_timing t;

    (void)state;
    http_timing_start(&t, 0);
    for (unsigned i = 0; i < HTTP_STAGE_COUNT; i++) {
        t.last_us = 0;
        http_timing_add(&t, (enum http_stage)i, UINT64_MAX);
    }
    http_timing_write(&t, text);
    assert_non_null(strstr(text, "total;dur=18446744073709551.615"));
}

static void the_last_stage_is_what_was_missing(void **state)
{
    struct http_timing t;

    (void)state;
    http_timing_start(&t, 0);
    assert_int_equal(http_timing_last(&t, false, false), HTTP_STAGE_READ);
    assert_int_equal(http_timing_last(&t, true, false), HTTP_STAGE_ENCODE);
    assert_int_equal(http_timing_last(&t, true, true), HTTP_STAGE_NODE);
    http_timing_add(&t, HTTP_STAGE_DECODE, 1);
    assert_int_equal(http_timing_last(&t, true, false), HTTP_STAGE_NODE);
    http_timing_add(&t, HTTP_STAGE_NODE, 2);
    assert_int_equal(http_timing_last(&t, true, true), HTTP_STAGE_ENCODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_add_up_to_the_total),
        cmocka_unit_test(a_stage_that_took_no_time_was_there),
        cmocka_unit_test(nothing_is_kept_unless_asked_for),
        cmocka_unit_test(the_longest_text_fits),
        cmocka_unit_test(the_last_stage_is_what_was_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
