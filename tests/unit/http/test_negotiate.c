#include "test.h"

#include "base/check.h"
#include "http/negotiate.h"

static void assert_content(const char *value, enum http_media want)
{
    enum http_media got;

    if (http_media_of_content(slice_of_str(value), &got) != ERR_NONE)
        fail_msg("refused: %s", value);
    if (got != want)
        fail_msg("%s is %d", value, (int)got);
}

static void refuse_content(const char *value)
{
    enum http_media got;

    if (http_media_of_content(slice_of_str(value), &got) != ERR_UNSUPPORTED)
        fail_msg("taken: %s", value);
}

static void bodies_are_json_unless_they_say_otherwise(void **state)
{
    (void)state;
    assert_content("", HTTP_MEDIA_JSON);
    assert_content("application/json", HTTP_MEDIA_JSON);
    assert_content("application/x-www-form-urlencoded", HTTP_MEDIA_JSON);
    assert_content("APPLICATION/JSON; Charset=\"UTF-8\"", HTTP_MEDIA_JSON);
    assert_content("application/json;charset=utf-8;", HTTP_MEDIA_JSON);
    assert_content(" application/vnd.erlang.typed+json ; ; profile=x", HTTP_MEDIA_TYPED_JSON);
    assert_content("text/x-erlang", HTTP_MEDIA_ERLANG);
    assert_content("application/vnd.erlang.etf", HTTP_MEDIA_ETF);
}

static void other_bodies_are_not_understood(void **state)
{
    (void)state;
    refuse_content("application/json;charset=latin1");
    refuse_content("text/x-erlang; charset=iso-8859-1");
    refuse_content("text/plain");
    refuse_content("multipart/form-data; boundary=x");
    refuse_content("application/problem+json");
    refuse_content("application/*");
    refuse_content("application");
    refuse_content("application/");
    refuse_content("/json");
    refuse_content("application/json, text/plain");
    refuse_content("application/json;charset");
    refuse_content("application/json;charset=");
    refuse_content("application/json x");
}

static void assert_choice(const char *accept, enum http_media want)
{
    enum http_media got;

    if (http_media_choose(slice_of_str(accept), http_media_terms, HTTP_MEDIA_TERMS, &got) != ERR_NONE)
        fail_msg("refused: %s", accept);
    if (got != want)
        fail_msg("%s gives %d", accept, (int)got);
}

static void refuse_choice(const char *accept)
{
    enum http_media got;

    if (http_media_choose(slice_of_str(accept), http_media_terms, HTTP_MEDIA_TERMS, &got) != ERR_UNSUPPORTED)
        fail_msg("taken: %s", accept);
}

static void the_client_gets_what_it_likes_best(void **state)
{
    (void)state;
    assert_choice("", HTTP_MEDIA_JSON);
    assert_choice("*/*", HTTP_MEDIA_JSON);
    assert_choice("application/*", HTTP_MEDIA_JSON);
    assert_choice("text/*", HTTP_MEDIA_ERLANG);
    assert_choice("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTTP_MEDIA_JSON);
    assert_choice("application/vnd.erlang.etf", HTTP_MEDIA_ETF);
    assert_choice("application/json;q=0.5, application/vnd.erlang.typed+json", HTTP_MEDIA_TYPED_JSON);
    assert_choice("application/json;q=0.5, text/x-erlang;q=0.501", HTTP_MEDIA_ERLANG);
    assert_choice("Application/Json;charset=utf-8", HTTP_MEDIA_JSON);
}

static void the_most_specific_range_says_the_quality(void **state)
{
    (void)state;
    assert_choice("*/*, application/json;q=0", HTTP_MEDIA_TYPED_JSON);
    assert_choice("*/*;q=0.1, application/*;q=0, text/x-erlang;q=0.2", HTTP_MEDIA_ERLANG);
    assert_choice("application/json;q=0.1, */*", HTTP_MEDIA_TYPED_JSON);
    assert_choice("application/json;q=0, application/*;q=0, */*", HTTP_MEDIA_ERLANG);
}

static void what_cannot_be_given_is_refused(void **state)
{
    (void)state;
    refuse_choice("text/html");
    refuse_choice("*/*;q=0");
    refuse_choice("application/json;q=0");
    refuse_choice("application/json;q=0.000");
    refuse_choice("*/json");
    refuse_choice("json");
}

static void malformed_ranges_are_passed_over(void **state)
{
    (void)state;
    assert_choice("application/json;q=2, text/x-erlang", HTTP_MEDIA_ERLANG);
    assert_choice("application/json;q=1.001, text/x-erlang", HTTP_MEDIA_ERLANG);
    assert_choice("application/json;q=0.0001, text/x-erlang;q=0.1", HTTP_MEDIA_ERLANG);
    assert_choice("application/json;q=, text/x-erlang", HTTP_MEDIA_ERLANG);
    assert_choice(",,;;,text/x-erlang", HTTP_MEDIA_ERLANG);
    assert_choice("application/json;q=1.000, text/x-erlang;q=0.9", HTTP_MEDIA_JSON);
}

static void names_say_the_charset_where_it_matters(void **state)
{
    (void)state;
    assert_string_equal(http_media_name(HTTP_MEDIA_JSON), "application/json");
    assert_string_equal(http_media_name(HTTP_MEDIA_ERLANG), "text/x-erlang; charset=utf-8");
    assert_string_equal(http_media_name(HTTP_MEDIA_NDJSON), "application/x-ndjson");
}

static void any_bytes_are_survived(void **state)
{
    enum http_media got;
    uint8_t in[24];
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        static const char alphabet[] = "*/,;=q\"\\ 01.a\t";
        size_t len = (size_t)round % sizeof in;

        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525 + 1013904223;
            in[i] = (uint8_t)alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        if (http_media_of_content(slice_of(in, len), &got) == ERR_NONE)
            assert_true(got <= HTTP_MEDIA_ETF);
        if (http_media_choose(slice_of(in, len), http_media_terms, HTTP_MEDIA_TERMS, &got) == ERR_NONE)
            assert_true(got <= HTTP_MEDIA_ETF);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_json_unless_they_say_otherwise),
        cmocka_unit_test(other_bodies_are_not_understood),
        cmocka_unit_test(the_client_gets_what_it_likes_best),
        cmocka_unit_test(the_most_specific_range_says_the_quality),
        cmocka_unit_test(what_cannot_be_given_is_refused),
        cmocka_unit_test(malformed_ranges_are_passed_over),
        cmocka_unit_test(names_say_the_charset_where_it_matters),
        cmocka_unit_test(any_bytes_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
