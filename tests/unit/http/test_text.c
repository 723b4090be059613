#include "test.h"

#include "http/text.h"

static void tokens_are_what_rfc_9110_says(void **state)
{
    (void)state;
    assert_true(text_is_token(SLICE("X-Request-Id")));
    assert_true(text_is_token(SLICE("!#$%&'*+-.^_`|~09azAZ")));
    assert_false(text_is_token(SLICE("")));
    assert_false(text_is_token(SLICE("Content-Length ")));
    assert_false(text_is_token(SLICE("a:b")));
    assert_false(text_is_token(SLICE("a\tb")));
    assert_false(text_is_token(SLICE("\xC3\xA9")));
    assert_false(text_is_token(slice_of("a\0b", 3)));
}

static void case_is_ignored_for_ascii_letters_alone(void **state)
{
    (void)state;
    assert_true(text_eq_nocase(SLICE("hOsT"), "Host"));
    assert_false(text_eq_nocase(SLICE("Hosts"), "Host"));
    assert_false(text_eq_nocase(SLICE("["), "{")); /* they differ in the bit that letters' case does */
    assert_false(text_eq_nocase(SLICE("@"), "`"));
}

static void list_elements_are_split_at_commas_outside_of_quotes(void **state)
{
    struct slice in = SLICE(" a , ,\"b,\\\"c\" ;q=1,\t, d"), e;

    (void)state;
    assert_true(text_take_element(&in, &e));
    assert_true(slice_eq_str(e, "a"));
    assert_true(text_take_element(&in, &e));
    assert_true(slice_eq_str(e, "\"b,\\\"c\" ;q=1"));
    assert_true(text_take_element(&in, &e));
    assert_true(slice_eq_str(e, "d"));
    assert_false(text_take_element(&in, &e));
}

static void a_quote_without_an_end_is_a_character(void **state)
{
    struct slice in = SLICE("\"a,b"), e;

    (void)state;
    assert_true(text_take_element(&in, &e));
    assert_true(slice_eq_str(e, "\"a"));
    assert_true(text_take_element(&in, &e));
    assert_true(slice_eq_str(e, "b"));
}

static void values_are_tokens_or_quoted(void **state)
{
    struct slice in = SLICE("\"a b\"rest"), v;

    (void)state;
    assert_true(text_take_value(&in, &v));
    assert_true(slice_eq_str(v, "a b"));
    assert_true(slice_eq_str(in, "rest"));
    in = SLICE("\"open");
    assert_false(text_take_value(&in, &v));
    in = SLICE("");
    assert_false(text_take_value(&in, &v));
}

static void numbers_are_digits_and_saturate(void **state)
{
    uint64_t v;

    (void)state;
    assert_true(text_read_uint(SLICE("0"), &v));
    assert_int_equal(v, 0);
    assert_true(text_read_uint(SLICE("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    assert_true(text_read_uint(SLICE("18446744073709551616"), &v));
    assert_true(v == UINT64_MAX);
    assert_true(text_read_uint(SLICE("99999999999999999999999999999999"), &v));
    assert_true(v == UINT64_MAX);
    assert_false(text_read_uint(SLICE(""), &v));
    assert_false(text_read_uint(SLICE("+1"), &v));
    assert_false(text_read_uint(SLICE("-1"), &v));
    assert_false(text_read_uint(SLICE("1 "), &v));
    assert_false(text_read_uint(SLICE("infinity"), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_what_rfc_9110_says),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_alone),
        cmocka_unit_test(list_elements_are_split_at_commas_outside_of_quotes),
        cmocka_unit_test(a_quote_without_an_end_is_a_character),
        cmocka_unit_test(values_are_tokens_or_quoted),
        cmocka_unit_test(numbers_are_digits_and_saturate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
