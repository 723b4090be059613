#include "json/write.h"

#include "base/digits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_written(struct slice text, const char *want)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    json_write_string(&w, text);
    assert_true(wr_ok(&w));
    if (!slice_eq_str(wr_written(&w), want))
        fail_msg("%.*s instead of %s", SLICE_FMT(wr_written(&w)), want);
    wr_fini(&w);
}

static void strings_are_escaped_where_they_must_be(void **state)
{
    (void)state;
    assert_written(SLICE(""), "\"\"");
    assert_written(SLICE("plain"), "\"plain\"");
    assert_written(SLICE("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    assert_written(SLICE("\b\f\n\r\t\x1f"), "\"\\b\\f\\n\\r\\t\\u001f\"");
    assert_written(SLICE("\x7f\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
                   "\"\x7f\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    assert_written(slice_of("\0", 1), "\"\\u0000\"");
}

static void what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    assert_written(SLICE("a\x80z"), "\"a\xEF\xBF\xBDz\"");
    assert_written(SLICE("\xC3"), "\"\xEF\xBF\xBD\"");
    assert_written(SLICE("\xFF\xFE"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void every_byte_at_every_place_of_a_block_reads_back(void **state)
{
    (void)state;
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned c = 0; c < 0x80; c++) {
                uint8_t text[64], back[128], *o = back;
                const uint8_t *p;
                struct wr w;

                memset(text, 'x', len);
                text[at] = (uint8_t)c;
                wr_init(&w, SIZE_MAX);
                json_write_string(&w, slice_of(text, len));
                p = w.buf + 1;
                assert_int_equal(json_copy_string(&p, w.buf + w.len, &o, back + sizeof back), JSON_COPIED);
                assert_ptr_equal(p, w.buf + w.len);
                assert_int_equal(o - back, len);
                assert_memory_equal(back, text, len);
                wr_fini(&w);
            }
        }
    }
}

static void a_string_that_is_too_long_stops_at_the_ceiling(void **state)
{
    struct wr w;
    char text[200];

    (void)state;
    memset(text, '\n', sizeof text);
    wr_init(&w, 100);
    json_write_string(&w, slice_of(text, sizeof text));
    assert_int_equal(w.err, ERR_TOO_LARGE);
    assert_true(w.len <= 100);
    wr_fini(&w);
}

static void integers_come_with_all_their_digits(void **state)
{
    static const uint64_t edges[] = {0,
                                     9,
                                     10,
                                     99,
                                     100,
                                     999,
                                     1000,
                                     9999,
                                     10000,
                                     99999,
                                     100000,
                                     4294967295u,
                                     9999999999999999999u,
                                     10000000000000000000u,
                                     UINT64_MAX};
    uint64_t v = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(edges) + 1000; i++) {
        uint8_t text[DIGITS_ROOM + 1];
        char want[32];

        v = i < ARRAY_LEN(edges) ? edges[i] : (v * 6364136223846793005u + 1442695040888963407u);
        *digits_put(text, i < ARRAY_LEN(edges) ? v : v >> i % 64) = 0;
        snprintf(want, sizeof want, "%llu", (unsigned long long)(i < ARRAY_LEN(edges) ? v : v >> i % 64));
        assert_string_equal((char *)text, want);
    }
    struct wr w;
    wr_init(&w, SIZE_MAX);
    json_write_int64(&w, INT64_MIN);
    wr_u8(&w, ' ');
    json_write_double(&w, 0.5);
    assert_true(slice_eq_str(wr_written(&w), "-9223372036854775808 0.5"));
    wr_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_where_they_must_be),
        cmocka_unit_test(what_is_no_utf8_is_replaced),
        cmocka_unit_test(every_byte_at_every_place_of_a_block_reads_back),
        cmocka_unit_test(a_string_that_is_too_long_stops_at_the_ceiling),
        cmocka_unit_test(integers_come_with_all_their_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
