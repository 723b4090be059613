#include "base/utf8.h"

#include "test.h"

static void every_scalar_value_goes_there_and_back(void **state)
{
    uint8_t out[4];

    (void)state;
    for (uint32_t cp = 0; cp <= 0x110100; cp++) {
        size_t n = utf8_encode(cp, out);
        const uint8_t *p = out;

        if ((cp >= 0xD800 && cp <= 0xDFFF) || cp > 0x10FFFF) {
            assert_int_equal(n, 0);
            continue;
        }
        if (utf8_next(&p, out + n) != (int32_t)cp || p != out + n)
            fail_msg("U+%X", cp);
        for (size_t cut = 1; cut < n; cut++) {
            p = out;
            assert_int_equal(utf8_next(&p, out + cut), UTF8_INVALID);
            assert_ptr_equal(p, out);
        }
    }
}

static void what_is_not_the_shortest_form_is_invalid(void **state)
{
    static const struct slice bad[] = {
        SLICE_LIT("\x80"),         SLICE_LIT("\xbf"),
        SLICE_LIT("\xc0\x80"),     SLICE_LIT("\xc1\xbf"),
        SLICE_LIT("\xe0\x9f\xbf"), SLICE_LIT("\xf0\x8f\xbf\xbf"),
        SLICE_LIT("\xff"),         SLICE_LIT("\xf5\x80\x80\x80"),
        SLICE_LIT("\xed\xa0\x80"), SLICE_LIT("\xf4\x90\x80\x80"),
        SLICE_LIT("\xc3\x28"),     SLICE_LIT("\xe2\x82\x28"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(utf8_valid_prefix(bad[i]), 0);
        assert_false(utf8_is_valid(bad[i]));
    }
}

static void the_valid_prefix_ends_where_the_fault_begins(void **state)
{
    uint8_t text[40];

    (void)state;
    /* Whatever its place in the words of eight bytes that are looked at at once. */
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        text[at] = 0xFF;
        assert_int_equal(utf8_valid_prefix(slice_of(text, sizeof text)), at);
        text[at] = 0xC3;
        assert_int_equal(utf8_valid_prefix(slice_of(text, at + 1)), at);
        if (at + 1 < sizeof text) {
            text[at + 1] = 0xA9;
            assert_true(utf8_is_valid(slice_of(text, sizeof text)));
            assert_int_equal(utf8_count(slice_of(text, sizeof text)), sizeof text - 1);
        }
    }
    assert_true(utf8_is_valid((struct slice){0}));
    assert_int_equal(utf8_count((struct slice){0}), 0);
}

static void latin1_becomes_utf8(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    utf8_write_latin1(&w, SLICE("a\xe9\xff"));
    utf8_write(&w, 0x1F600);
    assert_true(slice_eq(wr_written(&w), SLICE("a\xc3\xa9\xc3\xbf\xf0\x9f\x98\x80")));
    wr_fini(&w);
}

static void printable_is_what_the_shell_prints_in_a_string(void **state)
{
    static const struct {
        uint32_t first, last;
        bool is;
    } ranges[] = {{0, 7, false},
                  {8, 13, true},
                  {14, 26, false},
                  {27, 27, true},
                  {28, 31, false},
                  {32, 126, true},
                  {127, 159, false},
                  {160, 0xD7FF, true},
                  {0xD800, 0xDFFF, false},
                  {0xE000, 0xFFFD, true},
                  {0xFFFE, 0xFFFF, false},
                  {0x10000, 0x10FFFF, true},
                  {0x110000, 0x110001, false}};

    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        assert_int_equal(utf8_is_printable(ranges[i].first), ranges[i].is);
        assert_int_equal(utf8_is_printable(ranges[i].last), ranges[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_goes_there_and_back),
        cmocka_unit_test(what_is_not_the_shortest_form_is_invalid),
        cmocka_unit_test(the_valid_prefix_ends_where_the_fault_begins),
        cmocka_unit_test(latin1_becomes_utf8),
        cmocka_unit_test(printable_is_what_the_shell_prints_in_a_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
