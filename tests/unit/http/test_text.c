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
    assert_true(text_same_nocase((struct slice){0}, (struct slice){0}));
    assert_false(text_eq_nocase(SLICE("@"), "`"));
}

static int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Whatever byte differs, wherever it stands. */
static void case_is_compared_by_the_word_as_by_the_byte(void **state)
{
    uint8_t a[19], b[19];

    (void)state;
    memset(a, 'q', sizeof a);
    memset(b, 'Q', sizeof b);
    for (size_t len = 1; len <= sizeof a; len++)
        for (int x = 0; x < 256; x++)
            for (int y = 0; y < 256; y++) {
                a[len / 2] = (uint8_t)x;
                b[len / 2] = (uint8_t)y;
                assert_int_equal(text_same_nocase(slice_of(a, len), slice_of(b, len)),
                                 ascii_lower(x) == ascii_lower(y));
                a[len / 2] = 'q';
                b[len / 2] = 'Q';
            }
    assert_false(text_same_nocase(slice_of(a, 9), slice_of(b, 8)));
    assert_true(text_same_nocase(slice_of(a, 0), slice_of(b, 0)));
}

static void a_byte_that_no_url_has_is_found_wherever_it_stands(void **state)
{
    uint8_t s[21];

    (void)state;
    for (size_t at = 0; at < sizeof s; at++)
        for (int c = 0; c < 256; c++) {
            memset(s, at % 2 ? 0xFF : '!', sizeof s);
            s[at] = (uint8_t)c;
            assert_int_equal(text_is_of_url(slice_of(s, sizeof s)), c > 0x20 && c != 0x7F && c != '#');
        }
    assert_true(text_is_of_url(slice_of(s, 0)));
}

static void hex_has_each_half_of_each_byte_once(void **state)
{
    char out[8];

    (void)state;
    for (unsigned shift = 0; shift < 32; shift += 4)
        for (uint32_t v = 0; v < 16; v++) {
            unsigned found = 0;

            text_put_hex(out, v << shift);
            for (size_t i = 0; i < sizeof out; i++) {
                assert_true(out[i] == '0' || out[i] == "0123456789abcdef"[v]);
                found += out[i] != '0';
            }
            assert_int_equal(found, v != 0);
        }
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
    assert_true(text_read_uint(SLICE("9999999999999999999"), &v));
    assert_int_equal(v, 9999999999999999999u);
    assert_true(text_read_uint(SLICE("0000000000000000000000007"), &v));
    assert_int_equal(v, 7);
    assert_false(text_read_uint(SLICE("12345678901234567890x"), &v));
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
        cmocka_unit_test(case_is_compared_by_the_word_as_by_the_byte),
        cmocka_unit_test(a_byte_that_no_url_has_is_found_wherever_it_stands),
        cmocka_unit_test(hex_has_each_half_of_each_byte_once),
        cmocka_unit_test(list_elements_are_split_at_commas_outside_of_quotes),
        cmocka_unit_test(a_quote_without_an_end_is_a_character),
        cmocka_unit_test(values_are_tokens_or_quoted),
        cmocka_unit_test(numbers_are_digits_and_saturate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
