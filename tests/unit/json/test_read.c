#include "json/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

/* All events of a text as one letter each: n t f 0 s k [ ] { }, ending with . or with ! and the offset. */
static const char *events_of(struct slice text, uint32_t max_depth)
{
    static const char letters[] = "!.ntf0sk[]{}";
    static char out[256];
    size_t n = 0;
    struct json_rd r;
    enum json_event event;

    json_rd_init(&r, text, max_depth);
    do {
        event = json_next(&r);
        out[n++] = letters[event];
    } while (event != JSON_FAILED && event != JSON_DONE && n < 200);
    if (event == JSON_FAILED) {
        snprintf(out + n, sizeof out - n, "%zu", r.fault.offset);
        assert_int_equal(json_next(&r), JSON_FAILED);
    } else {
        out[n] = 0;
        assert_int_equal(json_next(&r), JSON_DONE);
    }
    json_rd_fini(&r);
    return out;
}

#define assert_events(text, want) assert_string_equal(events_of(slice_of_str(text), 0), want)

static void a_text_is_a_row_of_events(void **state)
{
    (void)state;
    assert_events("1", "0.");
    assert_events(" \t\r\n null ", "n.");
    assert_events("{}", "{}.");
    assert_events("[]", "[].");
    assert_events("[1,[true,false],{\"a\":\"b\",\"c\":{}}]", "[0[tf]{ksk{}}].");
    assert_events(" [ 1 , 2 ] ", "[00].");
    assert_events(" { \"a\" : 1 , \"b\" : [ ] } ", "{k0k[]}.");
}

static void what_is_no_json_is_refused_at_its_place(void **state)
{
    (void)state;
    assert_events("", "!0");
    assert_events("  ", "!2");
    assert_events("1 2", "0!2");
    assert_events("[1 2]", "[0!3");
    assert_events("[1,]", "[0!3");
    assert_events("[,1]", "[!1");
    assert_events("[1", "[0!2");
    assert_events("]", "!0");
    assert_events("[}", "[!1");
    assert_events("{]", "{!1");
    assert_events("{1:2}", "{!1");
    assert_events("{\"a\" 1}", "{!5");
    assert_events("{\"a\":}", "{k!5");
    assert_events("{\"a\":1,}", "{k0!7");
    assert_events("{\"a\":1 \"b\":2}", "{k0!7");
    assert_events("{,}", "{!1");
    assert_events("nul", "!0");
    assert_events("True", "!0");
    assert_events("\"a", "!2");
    assert_events("'a'", "!0");
    assert_events("\xEF\xBB\xBF"
                  "1",
                  "!0");
    assert_events("/* c */ 1", "!0");
}

static void numbers_obey_the_grammar(void **state)
{
    static const char *const good[] = {
        "0", "-0", "10", "1.5", "-1.5e10", "1E+2", "1e-02", "0.001", "123456789012345678901234567890", "0e0"};
    static const char *const bad[] = {"-",   "+1",  "01",    "1.",       ".5",  "1.e5", "1e",   "1e+", "0x10",
                                      "1_0", "--1", "1e1.5", "Infinity", "NaN", "-a",   "1ee1", "00"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_string_equal(events_of(slice_of_str(good[i]), 0), "0.");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_non_null(strchr(events_of(slice_of_str(bad[i]), 0), '!'));
}

static void depth_has_a_limit(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 8];

    (void)state;
    assert_string_equal(events_of(SLICE("[[1]]"), 2), "[[0]].");
    assert_string_equal(events_of(SLICE("[[[1]]]"), 2), "[[!2");
    assert_string_equal(events_of(SLICE("{\"a\":[{}]}"), 2), "{k[!6");
    memset(text, '[', sizeof text);
    struct json_rd r;
    json_rd_init(&r, slice_of(text, sizeof text), 100000);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        assert_int_equal(json_next(&r), JSON_ARRAY);
    assert_int_equal(json_next(&r), JSON_FAILED);
    assert_int_equal(r.fault.err, ERR_DEPTH);
    json_rd_fini(&r);
}

static void assert_string(const char *text, const char *want, size_t want_len)
{
    struct json_rd r;

    json_rd_init(&r, slice_of_str(text), 0);
    assert_int_equal(json_next(&r), JSON_STRING);
    assert_int_equal(r.text.len, want_len);
    assert_memory_equal(r.text.len ? (const char *)r.text.ptr : "", want, want_len);
    assert_int_equal(json_next(&r), JSON_DONE);
    json_rd_fini(&r);
}

static void strings_come_unescaped(void **state)
{
    (void)state;
    assert_string("\"\"", "", 0);
    assert_string("\"plain\"", "plain", 5);
    assert_string("\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\t\"", "a\"b\\c/d\b\f\n\r\t", 12);
    assert_string("\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC", 6);
    assert_string("\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80", 4);
    assert_string("\"\\u0000\"", "\0", 1);
    assert_string("\"0123456789abcdef0123456789\\n0123456789abcdef\xC3\xA9 and more than a block\"",
                  "0123456789abcdef0123456789\n0123456789abcdef\xC3\xA9 and more than a block", 67);
}

/* Behind what is copied as one block there must still be room for what an escape becomes. */
static void an_escape_may_stand_anywhere_in_the_room(void **state)
{
    char text[600], want[600];

    (void)state;
    for (size_t n = 0; n < 560; n++) {
        memset(text, 'x', sizeof text);
        memset(want, 'x', sizeof want);
        text[0] = '"';
        memcpy(text + 1 + n, "\\ud83d\\ude00\xE2\x82\xAC\"", 17);
        memcpy(want + n, "\xF0\x9F\x98\x80\xE2\x82\xAC", 7);
        assert_string(text, want, n + 7);
    }
}

static void strings_that_break_the_rules_are_refused(void **state)
{
    static const char *const bad[] = {
        "\"\\x41\"",        "\"\\u12\"",
        "\"\\u123g\"",      "\"\\ud800\"",
        "\"\\udc00\"",      "\"\\ud800\\u0041\"",
        "\"\\ud800\\n\"",   "\"\\ud800\\ud800\"",
        "\"\x01\"",         "\"\n\"",
        "\"\t\"",           "\"\x80\"",
        "\"\xC3\"",         "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
        "\"\\\"",           "\"\\",
        "\"\\u00",          "\"\xE2\x82\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(events_of(slice_of_str(bad[i]), 0)[0], '!');
}

static void a_text_cut_anywhere_is_refused(void **state)
{
    static const char text[] = "{\"a\":[1.5e3,true,false,null,\"x\\u00e9\xE2\x82\xAC\"],\"b\":{\"c\":-12}}";

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        uint8_t *copy = malloc(n ? n : 1); /* as large as the input, for the sanitizer */

        memcpy(copy, text, n);
        assert_non_null(strchr(events_of(slice_of(copy, n), 0), '!'));
        free(copy);
    }
    assert_null(strchr(events_of(slice_of_str(text), 0), '!'));
}

static void a_value_can_be_skipped_and_its_text_kept(void **state)
{
    struct json_rd r;
    struct slice text;

    (void)state;
    json_rd_init(&r, SLICE("{\"a\": [1, {\"b\": 2}] ,\"c\": \"x\\n\", \"d\":12}"), 0);
    assert_int_equal(json_next(&r), JSON_OBJECT);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_skip(&r, &text), JSON_ARRAY);
    assert_true(slice_eq_str(text, "[1, {\"b\": 2}]"));
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_true(slice_eq_str(r.text, "c"));
    assert_int_equal(json_skip(&r, &text), JSON_STRING);
    assert_true(slice_eq_str(text, "\"x\\n\""));
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_skip(&r, &text), JSON_NUMBER);
    assert_true(slice_eq_str(text, "12"));
    assert_int_equal(json_skip(&r, &text), JSON_OBJECT_END);
    assert_int_equal(json_next(&r), JSON_DONE);
    json_rd_fini(&r);

    json_rd_init(&r, SLICE("[[1,2"), 0);
    assert_int_equal(json_next(&r), JSON_ARRAY);
    assert_int_equal(json_skip(&r, &text), JSON_FAILED);
    assert_int_equal(r.fault.err, ERR_MORE);
    json_rd_fini(&r);
}

/* {"k": text: what json_pass gives for the value, and the letter of the event behind it. */
static void assert_passed(const char *text, const char *want, enum json_event behind)
{
    struct slice value;
    struct json_rd r;

    json_rd_init(&r, slice_of_str(text), 0);
    assert_int_equal(json_next(&r), JSON_OBJECT);
    assert_int_equal(json_next(&r), JSON_KEY);
    assert_int_equal(json_pass(&r, &value), want != NULL);
    if (want)
        assert_true(slice_eq_str(value, want));
    assert_int_equal(json_next(&r), behind);
    json_rd_fini(&r);
}

static void a_value_can_be_passed_without_a_look_inside(void **state)
{
    (void)state;
    assert_passed("{\"k\": [1, {\"a\": \"]}\\\"\\\\\"}] , \"l\": 1}", "[1, {\"a\": \"]}\\\"\\\\\"}]",
                  JSON_KEY);
    assert_passed("{\"k\":12}", "12", JSON_OBJECT_END);
    assert_passed("{\"k\":\"a\\\"b\"\n}", "\"a\\\"b\"", JSON_OBJECT_END);
    assert_passed("{\"k\":nonsense,\"l\":1}", "nonsense", JSON_KEY);
    assert_passed("{\"k\": [1}, 2", "[1}", JSON_FAILED);
    assert_passed("{\"k\": [\"\\", "[\"\\", JSON_FAILED);
    assert_passed("{\"k\": 1 2}", "1", JSON_FAILED);
    assert_passed("{\"k\": ,", NULL, JSON_FAILED);
    assert_passed("{\"k\": }", NULL, JSON_FAILED);
    assert_passed("{\"k\": ", NULL, JSON_FAILED);
}

static void passing_needs_a_place_for_a_value(void **state)
{
    struct slice value;
    struct json_rd r;

    (void)state;
    json_rd_init(&r, SLICE("{\"k\": 1}"), 0);
    assert_int_equal(json_next(&r), JSON_OBJECT);
    assert_false(json_pass(&r, &value));
    assert_false(json_pass(&r, &value));
    assert_int_equal(json_next(&r), JSON_FAILED);
    json_rd_fini(&r);
}

static void want_of_memory_is_told(void **state)
{
    struct json_rd r;

    (void)state;
    json_rd_init(&r, SLICE("\"a\\n\""), 0);
    mem_fail_from(1);
    assert_int_equal(json_next(&r), JSON_FAILED);
    mem_fail_from(0);
    assert_int_equal(r.fault.err, ERR_NOMEM);
    json_rd_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_row_of_events),
        cmocka_unit_test(what_is_no_json_is_refused_at_its_place),
        cmocka_unit_test(numbers_obey_the_grammar),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(strings_come_unescaped),
        cmocka_unit_test(an_escape_may_stand_anywhere_in_the_room),
        cmocka_unit_test(strings_that_break_the_rules_are_refused),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
        cmocka_unit_test(a_value_can_be_skipped_and_its_text_kept),
        cmocka_unit_test(a_value_can_be_passed_without_a_look_inside),
        cmocka_unit_test(passing_needs_a_place_for_a_value),
        cmocka_unit_test(want_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
