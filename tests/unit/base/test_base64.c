#include "base/base64.h"

#include "test.h"

static void every_length_goes_there_and_back_with_and_without_padding(void **state)
{
    uint8_t bytes[40];
    struct wr text, back;

    (void)state;
    wr_init(&text, SIZE_MAX);
    wr_init(&back, SIZE_MAX);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(i * 37 + n);
        wr_reset(&text);
        base64_write(&text, slice_of(bytes, n));
        assert_int_equal(text.len, (n + 2) / 3 * 4);
        for (size_t padding = 0; padding <= (3 - n % 3) % 3; padding++) {
            /* All of it, or none. */
            if (padding && padding != (3 - n % 3) % 3)
                continue;
            wr_reset(&back);
            assert_int_equal(base64_read(&back, slice_of(text.buf, text.len - padding), NULL), ERR_NONE);
            assert_true(slice_eq(wr_written(&back), slice_of(bytes, n)));
        }
    }
    wr_fini(&text);
    wr_fini(&back);
}

static void the_examples_of_rfc_4648_hold(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        wr_reset(&w);
        base64_write(&w, slice_of_str(pairs[i][0]));
        assert_true(slice_eq_str(wr_written(&w), pairs[i][1]));
    }
    wr_fini(&w);
}

static void anything_else_is_refused_at_its_place(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
    } bad[] = {{"A", 0},  {"AAAAA", 4}, {"AA!A", 2},  {"A-AA", 1}, {"AA=A", 2},     {"=", 0},    {"==", 0},
               {"AB", 1}, {"AAB=", 2},  {"AA==A", 4}, {"AA ", 2},  {"\xff\xff", 0}, {"A===", 1}, {"AA=", 2}};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t offset = 99;

        if (base64_read(&w, slice_of_str(bad[i].text), &offset) != ERR_MALFORMED || offset != bad[i].offset)
            fail_msg("'%s': at %zu, not %zu", bad[i].text, offset, bad[i].offset);
        assert_int_equal(base64_read(&w, slice_of_str(bad[i].text), NULL), ERR_MALFORMED);
        assert_int_equal(w.len, 0);
    }
    wr_fini(&w);
}

static void what_fits_exactly_under_a_ceiling_is_read(void **state)
{
    struct wr w;

    (void)state;
    for (size_t n = 1; n <= 6; n++) {
        static const char *const texts[] = {"", "Zg==", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE=", "Zm9vYmFy"};

        wr_init(&w, n);
        assert_int_equal(base64_read(&w, slice_of_str(texts[n]), NULL), ERR_NONE);
        assert_int_equal(w.len, n);
        wr_fini(&w);
        wr_init(&w, n - 1);
        assert_int_equal(base64_read(&w, slice_of_str(texts[n]), NULL), ERR_TOO_LARGE);
        wr_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_goes_there_and_back_with_and_without_padding),
        cmocka_unit_test(the_examples_of_rfc_4648_hold),
        cmocka_unit_test(anything_else_is_refused_at_its_place),
        cmocka_unit_test(what_fits_exactly_under_a_ceiling_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
