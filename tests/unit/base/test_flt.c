#include "base/flt.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static double double_of(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, 8);
    return v;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, 8);
    return bits;
}

static const char *printed(double v)
{
    static char text[FLT_TEXT_MAX + 1];

    text[flt_print(v, text)] = 0;
    return text;
}

static void assert_reads(const char *text, double want)
{
    double got = -1;

    assert_true(flt_parse(slice_of_str(text), &got));
    if (bits_of(got) != bits_of(want))
        fail_msg("%s: %a instead of %a", text, got, want);
}

static void doubles_are_printed_as_otp_prints_them(void **state)
{
    static const struct {
        double v;
        const char *text;
    } known[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.001, "0.001"},
        {0.0001, "0.0001"},
        {1.0e-5, "1.0e-5"},
        {1.2e-4, "1.2e-4"},
        {100.0, "100.0"},
        {1000.0, "1.0e3"},
        {100000.0, "1.0e5"},
        {123000.0, "1.23e5"},
        {123456.0, "123456.0"},
        {1.0e22, "1.0e22"},
        {9007199254740991.0, "9007199254740991.0"},
        {9007199254740992.0, "9.007199254740992e15"},
        {123456789012345680.0, "1.2345678901234568e17"},
        {5.0e-324, "5.0e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {-1.7976931348623157e308, "-1.7976931348623157e308"},
        {3.141592653589793, "3.141592653589793"},
        {0x1p-383, "5.075883674631299e-116"}, /* the nearest of 16 digits would not read back */
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_string_equal(printed(known[i].v), known[i].text);
}

static void each_printed_double_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = random_bits();
        double v, got;

        if (i % 3 == 1)
            bits = (bits & 0x800FFFFFFFFFFFFFu) | (uint64_t)(1000 + i % 60) << 52;
        if (i % 3 == 2)
            bits &= ~(uint64_t)0 << i % 53;
        v = double_of(bits);
        if (!isfinite(v))
            continue;
        assert_reads(printed(v), v);
        got = strtod(printed(v), NULL);
        assert_true(bits_of(got) == bits);
    }
}

static void no_printed_double_could_be_shorter(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        double v = (double)(random_bits() % 100000000) / pow(10, (double)(i % 9));
        char seventeen[40];
        size_t digits = 0;

        if (v == 0)
            continue;
        for (const char *p = printed(v); *p && *p != 'e'; p++)
            digits += *p >= '0' && *p <= '9';
        for (int precision = 0; precision < 17; precision++) {
            snprintf(seventeen, sizeof seventeen, "%.*e", precision, v);
            if (strtod(seventeen, NULL) == v) {
                /* zeros before or after the digits proper are notation */
                assert_true(digits >= (size_t)precision + 1);
                break;
            }
        }
        assert_true(digits <= 17);
    }
}

static void numbers_are_read_as_strtod_reads_them(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++) {
        char text[80];
        double want, got;
        bool ok;

        snprintf(text, sizeof text, "%s%llu.%llue%d", i % 2 ? "-" : "",
                 (unsigned long long)(random_bits() >> random_bits() % 64),
                 (unsigned long long)(random_bits() >> random_bits() % 64), (int)(random_bits() % 700) - 360);
        want = strtod(text, NULL);
        ok = flt_parse(slice_of_str(text), &got);
        assert_int_equal(ok, isfinite(want));
        if (ok)
            assert_true(bits_of(got) == bits_of(want));
    }
}

static void the_middle_between_two_doubles_goes_to_the_even_one(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_bits() >> 1;
        double low, high;
        char text[1600];
        int n;

        if (i % 4 == 0)
            bits &= 0x000FFFFFFFFFFFFFu;
        if (i % 4 == 1)
            bits = (bits & 0x000FFFFFFFFFFFFFu) | (uint64_t)(1023 + i % 60) << 52;
        low = double_of(bits);
        high = double_of(bits + 1);
        if (!isfinite(low) || !isfinite(high))
            continue;
        n = snprintf(text, sizeof text, "%.1100Lf", ((long double)low + (long double)high) / 2);
        assert_in_range(n, 1, sizeof text - 2);
        assert_reads(text, bits & 1 ? high : low);
        memcpy(text + n, "1", 2); /* a hair above */
        assert_reads(text, high);
    }
}

static void numbers_at_the_ends_of_the_range(void **state)
{
    double v;

    (void)state;
    assert_reads("1e-400", 0.0);
    assert_reads("-1e-400", -0.0);
    assert_reads("0e999999999999999999999", 0.0);
    assert_reads("1e-99999999999999999999", 0.0);
    assert_reads("4.9e-324", 0x1p-1074);
    assert_reads("2.4703282292062327e-324", 0.0); /* under half of the smallest */
    assert_reads("2.4703282292062328e-324", 0x1p-1074);
    assert_reads("2.2250738585072011e-308", 0x0.fffffffffffffp-1022);
    assert_reads("1.7976931348623158e308", 0x1.fffffffffffffp1023);
    assert_false(flt_parse(SLICE("1.7976931348623159e308"), &v));
    assert_false(flt_parse(SLICE("1e309"), &v));
    assert_false(flt_parse(SLICE("-1e99999999999999999999"), &v));
    assert_reads("9007199254740993", 9007199254740992.0);
    assert_reads("9007199254740993.0000000000000000000000000000000001", 9007199254740994.0);
}

static void a_long_row_of_digits_costs_no_more_than_its_length(void **state)
{
    size_t n = 4 << 20;
    char *text = malloc(n);
    double v;

    (void)state;
    assert_non_null(text);
    memset(text, '0', n);
    memcpy(text, "0.", 2);
    text[n - 1] = '1';
    assert_true(flt_parse(slice_of(text, n), &v));
    assert_true(v == 0);
    memset(text, '9', n);
    assert_false(flt_parse(slice_of(text, n), &v));
    memcpy(text, "0.", 2);
    assert_true(flt_parse(slice_of(text, n), &v));
    assert_true(v == 1.0);
    /* An exponent that takes back what the zeros gave. */
    memset(text, '0', n);
    memcpy(text, "0.", 2);
    memcpy(text + n - 10, "1e4194295", 9);
    assert_true(flt_parse(slice_of(text, n - 1), &v));
    assert_true(v == 1e2);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_printed_as_otp_prints_them),
        cmocka_unit_test(each_printed_double_reads_back),
        cmocka_unit_test(no_printed_double_could_be_shorter),
        cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(the_middle_between_two_doubles_goes_to_the_even_one),
        cmocka_unit_test(numbers_at_the_ends_of_the_range),
        cmocka_unit_test(a_long_row_of_digits_costs_no_more_than_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
