#include "test.h"

#include "http/duration.h"

static struct http_wait_input input(const char *timeout, const char *prefer, const char *grpc)
{
    return (struct http_wait_input){.has_timeout = timeout != NULL,
                                    .has_prefer = prefer != NULL,
                                    .has_grpc = grpc != NULL,
                                    .timeout = slice_of_str(timeout),
                                    .prefer = slice_of_str(prefer),
                                    .grpc = slice_of_str(grpc),
                                    .default_ms = 5000,
                                    .max_ms = 60000};
}

static void assert_wait(const char *timeout, const char *prefer, const char *grpc, uint64_t ms,
                        enum http_wait_source source, uint64_t applied_s)
{
    struct http_wait_input in = input(timeout, prefer, grpc);
    struct http_wait w;

    assert_int_equal(http_wait_choose(&in, &w, NULL), ERR_NONE);
    assert_int_equal(w.ms, ms);
    assert_int_equal(w.source, source);
    assert_int_equal(w.applied_s, applied_s);
}

static void refuse_wait(const char *timeout, const char *prefer, const char *grpc, const char *culprit)
{
    struct http_wait_input in = input(timeout, prefer, grpc);
    const char *parameter = NULL;
    struct http_wait w;

    assert_int_equal(http_wait_choose(&in, &w, &parameter), ERR_INVALID);
    assert_string_equal(parameter, culprit);
}

static void the_smallest_wins(void **state)
{
    (void)state;
    assert_wait(NULL, NULL, NULL, 5000, HTTP_WAIT_DEFAULT, 0);
    assert_wait("100", NULL, NULL, 100, HTTP_WAIT_TIMEOUT, 0);
    assert_wait("10000", NULL, NULL, 10000, HTTP_WAIT_TIMEOUT, 0);
    assert_wait("10000", "wait=7", NULL, 7000, HTTP_WAIT_PREFER, 7);
    assert_wait("7000", "wait=7", "7S", 7000, HTTP_WAIT_TIMEOUT, 0);
    assert_wait("10000", "wait=7", "6S", 6000, HTTP_WAIT_GRPC, 0);
    assert_wait(NULL, "respond-async, wait=\"3\"; x=y", NULL, 3000, HTTP_WAIT_PREFER, 3);
}

static void the_maximum_cuts(void **state)
{
    (void)state;
    assert_wait("60001", NULL, NULL, 60000, HTTP_WAIT_TIMEOUT, 0);
    assert_wait("99999999999999999999999", NULL, NULL, 60000, HTTP_WAIT_TIMEOUT, 0);
    assert_wait(NULL, "wait=99999999999999999999999", NULL, 60000, HTTP_WAIT_PREFER, 60);
    assert_wait(NULL, NULL, "99999999H", 60000, HTTP_WAIT_GRPC, 0);
}

static void zero_and_infinity_are_refused(void **state)
{
    (void)state;
    refuse_wait("0", NULL, NULL, "timeout");
    refuse_wait("infinity", NULL, NULL, "timeout");
    refuse_wait("", NULL, NULL, "timeout");
    refuse_wait("-1", NULL, NULL, "timeout");
    refuse_wait("1.5", NULL, NULL, "timeout");
    refuse_wait("5s", NULL, NULL, "timeout");
    refuse_wait("5", "wait=0", NULL, "header:Prefer");
    refuse_wait(NULL, NULL, "0m", "header:Grpc-Timeout");
    refuse_wait(NULL, NULL, "5", "header:Grpc-Timeout");
    refuse_wait(NULL, NULL, "5s", "header:Grpc-Timeout");
    refuse_wait(NULL, NULL, "123456789m", "header:Grpc-Timeout");
}

static void a_malformed_preference_is_ignored_as_rfc_7240_wants(void **state)
{
    (void)state;
    assert_wait(NULL, "wait", NULL, 5000, HTTP_WAIT_DEFAULT, 0);
    assert_wait(NULL, "wait=soon", NULL, 5000, HTTP_WAIT_DEFAULT, 0);
    assert_wait(NULL, "handling=strict, waiting=5", NULL, 5000, HTTP_WAIT_DEFAULT, 0);
    assert_wait(NULL, "wait=soon, WAIT = 2", NULL, 2000, HTTP_WAIT_PREFER, 2);
    assert_wait(NULL, "x=\"wait=1\"", NULL, 5000, HTTP_WAIT_DEFAULT, 0);
}

static void grpc_units_are_rounded_up_to_ms(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {{"1H", 3600000}, {"2M", 120000}, {"3S", 3000}, {"4m", 4},         {"1u", 1},
                 {"1000u", 1},    {"1001u", 2},   {"1n", 1},    {"99999999n", 100}};
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(http_grpc_timeout(slice_of_str(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_wins),
        cmocka_unit_test(the_maximum_cuts),
        cmocka_unit_test(zero_and_infinity_are_refused),
        cmocka_unit_test(a_malformed_preference_is_ignored_as_rfc_7240_wants),
        cmocka_unit_test(grpc_units_are_rounded_up_to_ms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
