#include "test.h"

#include "base/mem.h"
#include "http/target.h"

/* Parses a copy that ends where its block ends, so that a sanitizer sees a byte too far. */
static uint8_t *block;

static enum http_target_result parse(const void *text, size_t len, struct http_target *t)
{
    mem_free(block);
    block = mem_alloc(len);
    assert_non_null(block);
    if (len)
        memcpy(block, text, len);
    return http_target_parse(block, len, t);
}

static enum http_target_result parse_str(const char *text, struct http_target *t)
{
    return parse(text, strlen(text), t);
}

static int free_block(void **state)
{
    (void)state;
    mem_free(block);
    block = NULL;
    return 0;
}

static void paths_are_split_before_they_are_decoded(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("/v1/nodes/a%40b/processes/my%2Fserver", &t), HTTP_TARGET_OK);
    assert_int_equal(t.segment_count, 5);
    assert_true(slice_eq_str(t.segments[0], "v1"));
    assert_true(slice_eq_str(t.segments[2], "a@b"));
    assert_true(slice_eq_str(t.segments[4], "my/server"));
}

static void escapes_are_decoded_once(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("/%252F?a=%2541", &t), HTTP_TARGET_OK);
    assert_true(slice_eq_str(t.segments[0], "%2F"));
    assert_true(slice_eq_str(t.params[0].value, "%41"));
}

static void a_plus_is_a_space_in_the_query_alone(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("/a+b?c+d=e+f%2B", &t), HTTP_TARGET_OK);
    assert_true(slice_eq_str(t.segments[0], "a+b"));
    assert_true(slice_eq_str(t.params[0].name, "c d"));
    assert_true(slice_eq_str(t.params[0].value, "e f+"));
}

static void parameters_come_in_their_order(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("/?verbose&&a=1&a=&b=x=y?z&", &t), HTTP_TARGET_OK);
    assert_int_equal(t.segment_count, 0);
    assert_int_equal(t.param_count, 4);
    assert_true(slice_eq_str(t.params[0].name, "verbose"));
    assert_int_equal(t.params[0].value.len, 0);
    assert_true(slice_eq_str(t.params[1].value, "1"));
    assert_int_equal(t.params[2].value.len, 0);
    assert_true(slice_eq_str(t.params[3].value, "x=y?z"));
}

static void dots_and_bytes_beyond_ascii_are_characters_as_others(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("/../\xC3\xA9/%c3%A9/.", &t), HTTP_TARGET_OK);
    assert_int_equal(t.segment_count, 4);
    assert_true(slice_eq_str(t.segments[0], ".."));
    assert_true(slice_eq(t.segments[1], t.segments[2]));
}

static void bad_escapes_are_refused_wherever_they_stand(void **state)
{
    static const char *const bad[] = {"/%",   "/a%",   "/%2",      "/%g0",     "/%0g",    "/%%41",
                                      "/a/%", "/?%",   "/?a=%",    "/?a=%4",   "/?%zz=1", "/?a=1&b=%",
                                      "/%2/", "/%4?1", "/?a=%4&1", "/?a%4=21", "/%+1"};
    struct http_target t;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse_str(bad[i], &t) != HTTP_TARGET_BAD_ESCAPE)
            fail_msg("taken: %s", bad[i]);
    }
}

static void nul_is_refused(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("/a%00b", &t), HTTP_TARGET_NUL);
    assert_int_equal(parse_str("/?a=%00", &t), HTTP_TARGET_NUL);
    assert_int_equal(parse_str("/?%00", &t), HTTP_TARGET_NUL);
    assert_int_equal(parse("/a\0b", 4, &t), HTTP_TARGET_BAD_FORM);
}

static void empty_segments_name_nothing(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("//", &t), HTTP_TARGET_EMPTY_SEGMENT);
    assert_int_equal(parse_str("/a/", &t), HTTP_TARGET_EMPTY_SEGMENT);
    assert_int_equal(parse_str("/a//b", &t), HTTP_TARGET_EMPTY_SEGMENT);
    assert_int_equal(parse_str("//a", &t), HTTP_TARGET_EMPTY_SEGMENT);
    assert_int_equal(parse_str("/a/?b", &t), HTTP_TARGET_EMPTY_SEGMENT);
    assert_int_equal(parse_str("/", &t), HTTP_TARGET_OK);
}

static void targets_that_are_no_paths(void **state)
{
    struct http_target t;

    (void)state;
    assert_int_equal(parse_str("*", &t), HTTP_TARGET_OK);
    assert_true(t.is_asterisk);
    assert_int_equal(parse_str("http://LocalHost:80/a?b=1", &t), HTTP_TARGET_OK);
    assert_true(slice_eq_str(t.authority, "LocalHost:80"));
    assert_int_equal(t.segment_count, 1);
    assert_int_equal(t.param_count, 1);
    assert_int_equal(parse_str("HTTP://a", &t), HTTP_TARGET_OK);
    assert_int_equal(t.segment_count, 0);
    assert_int_equal(parse_str("http://a?b", &t), HTTP_TARGET_OK);
    assert_int_equal(t.param_count, 1);
    assert_int_equal(parse_str("", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("http:///a", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("https://a/b", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("a/b", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("localhost:80", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("?a", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("/a b", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("/a#b", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("/a\x7F", &t), HTTP_TARGET_BAD_FORM);
    assert_int_equal(parse_str("/a\tb", &t), HTTP_TARGET_BAD_FORM);
}

static void more_than_there_is_room_for_is_refused(void **state)
{
    static char text[4 * 10000 + 1];
    struct http_target t;

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i += 2)
        memcpy(text + i, "/a", 2);
    assert_int_equal(parse_str(text, &t), HTTP_TARGET_EMPTY_SEGMENT);
    text[HTTP_SEGMENTS_MAX * 2] = '\0';
    assert_int_equal(parse_str(text, &t), HTTP_TARGET_OK);
    assert_int_equal(t.segment_count, HTTP_SEGMENTS_MAX);
    text[0] = '/';
    text[1] = '?';
    for (size_t i = 2; i < sizeof text - 1; i += 2)
        memcpy(text + i, "a&", 2);
    assert_int_equal(parse_str(text, &t), HTTP_TARGET_TOO_MANY);
    text[2 + HTTP_PARAMS_MAX * 2] = '\0';
    assert_int_equal(parse_str(text, &t), HTTP_TARGET_OK);
    assert_int_equal(t.param_count, HTTP_PARAMS_MAX);
}

static void each_cut_of_a_target_is_survived(void **state)
{
    static const char text[] = "http://h:1/a%2Fb/%C3%A9/c?x=%20y&z+=%zz&=&&q";
    struct http_target t;

    (void)state;
    for (size_t n = 0; n < sizeof text; n++)
        parse(text, n, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(paths_are_split_before_they_are_decoded, free_block),
        cmocka_unit_test_teardown(escapes_are_decoded_once, free_block),
        cmocka_unit_test_teardown(a_plus_is_a_space_in_the_query_alone, free_block),
        cmocka_unit_test_teardown(parameters_come_in_their_order, free_block),
        cmocka_unit_test_teardown(dots_and_bytes_beyond_ascii_are_characters_as_others, free_block),
        cmocka_unit_test_teardown(bad_escapes_are_refused_wherever_they_stand, free_block),
        cmocka_unit_test_teardown(nul_is_refused, free_block),
        cmocka_unit_test_teardown(empty_segments_name_nothing, free_block),
        cmocka_unit_test_teardown(targets_that_are_no_paths, free_block),
        cmocka_unit_test_teardown(more_than_there_is_room_for_is_refused, free_block),
        cmocka_unit_test_teardown(each_cut_of_a_target_is_survived, free_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
