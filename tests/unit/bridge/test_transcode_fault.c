/* What is refused, with which error, where, and under which pointer. */
#include "bridge/transcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

struct refusal {
    const char *json;
    enum err err;
    unsigned line, column;
    const char *pointer;
};

static void assert_refused_with(const struct transcode_options *o, const struct refusal *want)
{
    struct transcode_fault f;
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    e = transcode_json_to_etf(slice_of_str(want->json), o, &w, NULL, &f);
    if (e != want->err)
        fail_msg("%s: %s instead of %s", want->json, err_name(e), err_name(want->err));
    assert_int_equal(f.fault.err, e);
    if (f.line != want->line || f.column != want->column || strcmp(f.pointer, want->pointer) != 0)
        fail_msg("%s: %u:%u \"%s\" instead of %u:%u \"%s\" (%s)", want->json, f.line, f.column, f.pointer,
                 want->line, want->column, want->pointer, f.fault.text);
    assert_true(strlen(f.fault.text) > 10);
    wr_fini(&w);
}

static void assert_refusals(const struct refusal *all, size_t n)
{
    static const struct transcode_options none = {.max_depth = 0};

    for (size_t i = 0; i < n; i++)
        assert_refused_with(&none, &all[i]);
}

static void what_is_no_json(void **state)
{
    static const struct refusal all[] = {
        {"", ERR_MORE, 1, 1, ""},
        {"  ", ERR_MORE, 1, 3, ""},
        {"1 2", ERR_MALFORMED, 1, 3, ""},
        {"[1,\n  2,\n  x]", ERR_MALFORMED, 3, 3, "/2"},
        {"[1 2]", ERR_MALFORMED, 1, 4, "/0"},
        {"[1,]", ERR_MALFORMED, 1, 4, "/1"},
        {"[1", ERR_MORE, 1, 3, "/0"},
        {"{\"a\":1", ERR_MORE, 1, 7, "/a"},
        {"{\"a\"", ERR_MORE, 1, 5, "/a"},
        {"{\"a\" 1}", ERR_MALFORMED, 1, 6, "/a"},
        {"{\"a\":1,}", ERR_MALFORMED, 1, 8, ""},
        {"{a:1}", ERR_MALFORMED, 1, 2, ""},
        {"{\"a\":{\"b\":[0,{\"c\":tru}]}}", ERR_MALFORMED, 1, 19, "/a/b/1/c"},
        {"{\"a/b\":{\"m~n\":[01]}}", ERR_MALFORMED, 1, 17, "/a~1b/m~0n/0"},
        {"[-]", ERR_MALFORMED, 1, 3, "/0"},
        {"[1.]", ERR_MALFORMED, 1, 4, "/0"},
        {"[1e+]", ERR_MALFORMED, 1, 5, "/0"},
        {"[1e]", ERR_MALFORMED, 1, 4, "/0"},
        {"[1e400]", ERR_MALFORMED, 1, 2, "/0"},
        {"[\"a", ERR_MORE, 1, 4, "/0"},
        {"[\"a\tb\"]", ERR_MALFORMED, 1, 4, "/0"},
        {"[\"\\x\"]", ERR_MALFORMED, 1, 3, "/0"},
        {"[\"\\ud800x\"]", ERR_MALFORMED, 1, 3, "/0"},
        {"[\"\\udc00\"]", ERR_MALFORMED, 1, 3, "/0"},
        {"[\"a\xFF\"]", ERR_MALFORMED, 1, 4, "/0"},
        /* columns count characters, not bytes */
        {"[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\", x]", ERR_MALFORMED, 1, 9, "/1"},
        {"[\r\n\t1, x]", ERR_MALFORMED, 2, 5, "/1"},
    };

    (void)state;
    assert_refusals(all, ARRAY_LEN(all));
}

static void duplicate_keys(void **state)
{
    static const struct refusal all[] = {
        {"{\"a\":1,\"a\":2}", ERR_DUPLICATE_KEY, 1, 8, "/a"},
        {"{\"a\":1,\"\\u0061\":2}", ERR_DUPLICATE_KEY, 1, 8, "/a"},
        {"[{\"\":1,\"b\":{\"x\":1},\"\":2}]", ERR_DUPLICATE_KEY, 1, 20, "/0/"},
        {"{\"abcd\":1,\"abcde\":2,\"abcd\":3}", ERR_DUPLICATE_KEY, 1, 21, "/abcd"},
        {"{\"$map\":[[1,2],[3,4],[1,5]]}", ERR_DUPLICATE_KEY, 1, 22, "/$map/2/0"},
        {"{\"$map\":[[0.0,2],[-0.0,4]]}", ERR_DUPLICATE_KEY, 1, 18, "/$map/1/0"},
        {"{\"$map\":[[\"a\",2],[{\"$binary\":\"YQ==\"},4]]}", ERR_DUPLICATE_KEY, 1, 18, "/$map/1/0"},
        {"{\"$map\":[[{\"$map\":[[1,2],[3,4]]},0],[{\"$map\":[[3,4],[1,2]]},0]]}", ERR_DUPLICATE_KEY, 1, 37,
         "/$map/1/0"},
        {"{\"$etf\":\"g3QAAAACYQFhAmEBYQM=\"}", ERR_DUPLICATE_KEY, 1, 9, "/$etf"},
        {"{\"$erl\":\"#{a => 1, a => 2}\"}", ERR_DUPLICATE_KEY, 1, 20, "/$erl"},
    };
    static const struct transcode_options atoms = {.keys_as_atoms = true};
    static const struct refusal as_atom = {"{\"a\":1,\"b\":2,\"a\":3}", ERR_DUPLICATE_KEY, 1, 14, "/a"};

    (void)state;
    assert_refusals(all, ARRAY_LEN(all));
    assert_refused_with(&atoms, &as_atom);
}

static void tags_with_wrong_keys(void **state)
{
    static const struct refusal all[] = {
        {"{\"$foo\":1}", ERR_MALFORMED, 1, 2, "/$foo"},
        {"{\"$\":1}", ERR_MALFORMED, 1, 2, "/$"},
        {"{\"\\u0024foo\":1}", ERR_MALFORMED, 1, 2, "/$foo"},
        {"{\"a\":1,\"$atom\":\"x\"}", ERR_MALFORMED, 1, 8, "/$atom"},
        {"{\"a\":{\"b\":1,\"$x\":2}}", ERR_MALFORMED, 1, 13, "/a/$x"},
        {"{\"$atom\":\"x\",\"a\":1}", ERR_MALFORMED, 1, 13, "/$atom"},
        {"{\"$atom\":\"x\",\"$atom\":\"x\"}", ERR_MALFORMED, 1, 13, "/$atom"},
        {"{\"$atom\" \"x\"}", ERR_MALFORMED, 1, 10, "/$atom"},
        {"{\"$tuple\":[1],\"a\":1}", ERR_MALFORMED, 1, 14, ""},
        {"{\"$map\":[],\"a\":1}", ERR_MALFORMED, 1, 11, ""},
        {"{\"$list\":[1]}", ERR_MALFORMED, 1, 13, "/$tail"},
        {"{\"$tail\":1}", ERR_MALFORMED, 1, 11, "/$tail"},
        {"{\"$list\":[1],\"a\":2}", ERR_MALFORMED, 1, 14, "/$tail"},
        {"{\"$list\":[1],\"$list\":[2]}", ERR_MALFORMED, 1, 14, "/$tail"},
        {"{\"$tail\":1,\"$tail\":2}", ERR_MALFORMED, 1, 12, "/$tail"},
        {"{\"$list\":[1],\"$tail\":2,\"a\":3}", ERR_MALFORMED, 1, 23, ""},
        {"{\"$list\":[],\"$tail\":2}", ERR_MALFORMED, 1, 11, "/$list/0"},
    };

    (void)state;
    assert_refusals(all, ARRAY_LEN(all));
}

static void tags_with_wrong_values(void **state)
{
    static const struct refusal all[] = {
        {"{\"$atom\":1}", ERR_MALFORMED, 1, 10, "/$atom"},
        {"{\"$atom\":\"\\u00\"}", ERR_MALFORMED, 1, 11, "/$atom"},
        {"{\"$binary\":\"a!==\"}", ERR_MALFORMED, 1, 14, "/$binary"},
        {"{\"$binary\":\"a\"}", ERR_MALFORMED, 1, 13, "/$binary"},
        {"{\"$binary\":\"YR==\"}", ERR_MALFORMED, 1, 14, "/$binary"},
        {"{\"$bitstring\":\"\"}", ERR_MALFORMED, 1, 15, "/$bitstring"},
        {"{\"$bitstring\":{}}", ERR_MALFORMED, 1, 15, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":\"qg==\"}}", ERR_MALFORMED, 1, 24, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":8}}", ERR_MALFORMED, 1, 38, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":0}}", ERR_MALFORMED, 1, 38, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":\"\",\"bits\":3}}", ERR_MALFORMED, 1, 15, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":[],\"bits\":3}}", ERR_MALFORMED, 1, 24, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":3,\"x\":1}}", ERR_MALFORMED, 1, 43, "/$bitstring"},
        {"{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":3},\"x\":1}", ERR_MALFORMED, 1, 40, "/$bitstring"},
        {"{\"$charlist\":[1]}", ERR_MALFORMED, 1, 14, "/$charlist"},
        {"{\"$list\":1,\"$tail\":2}", ERR_MALFORMED, 1, 10, "/$list/0"},
        {"{\"$tail\":1,\"$list\":2}", ERR_MALFORMED, 1, 20, "/$list/0"},
        {"{\"$tuple\":1}", ERR_MALFORMED, 1, 11, "/$tuple"},
        {"{\"$map\":{}}", ERR_MALFORMED, 1, 9, "/$map"},
        {"{\"$map\":[1]}", ERR_MALFORMED, 1, 10, "/$map/0/0"},
        {"{\"$map\":[[1]]}", ERR_MALFORMED, 1, 12, "/$map/0/0"},
        {"{\"$map\":[[]]}", ERR_MALFORMED, 1, 11, "/$map/0/0"},
        {"{\"$map\":[[1,2,3]]}", ERR_MALFORMED, 1, 14, "/$map/0/1"},
        {"{\"$map\":[[1,2],3]}", ERR_MALFORMED, 1, 16, "/$map/1/0"},
        {"{\"$integer\":5}", ERR_MALFORMED, 1, 13, "/$integer"},
        {"{\"$integer\":\"\"}", ERR_MALFORMED, 1, 13, "/$integer"},
        {"{\"$integer\":\"-\"}", ERR_MALFORMED, 1, 13, "/$integer"},
        {"{\"$integer\":\"007\"}", ERR_MALFORMED, 1, 13, "/$integer"},
        {"{\"$integer\":\"1x\"}", ERR_MALFORMED, 1, 15, "/$integer"},
        {"{\"$integer\":\"+1\"}", ERR_MALFORMED, 1, 14, "/$integer"},
        {"{\"$float\":\"1\"}", ERR_MALFORMED, 1, 11, "/$float"},
        {"{\"$float\":1e999}", ERR_MALFORMED, 1, 11, "/$float"},
        {"{\"$float\":}", ERR_MALFORMED, 1, 11, "/$float"},
        {"{\"$pid\":\"kv@host:1:2\"}", ERR_MALFORMED, 1, 9, "/$pid"},
        {"{\"$ref\":\"kv@host:1:\"}", ERR_MALFORMED, 1, 9, "/$ref"},
        {"{\"$ref\":\"kv@host:1:1.2.3.4.5.6\"}", ERR_MALFORMED, 1, 9, "/$ref"},
        {"{\"$port\":\"kv@host\"}", ERR_MALFORMED, 1, 10, "/$port"},
        {"{\"$fun\":\"lists:map\"}", ERR_MALFORMED, 1, 9, "/$fun"},
        {"{\"$fun\":\"lists:map/256\"}", ERR_MALFORMED, 1, 9, "/$fun"},
        {"{\"$erl\":\"{a, }\"}", ERR_MALFORMED, 1, 14, "/$erl"},
        {"{\"$etf\":\"YQE=\"}", ERR_MALFORMED, 1, 9, "/$etf"},
        {"{\"$etf\":\"g2EBAA==\"}", ERR_MALFORMED, 1, 9, "/$etf"},
        {"{\"$etf\":\"g2E=\"}", ERR_MORE, 1, 9, "/$etf"},
    };

    (void)state;
    assert_refusals(all, ARRAY_LEN(all));
}

static void atoms_that_are_too_long(void **state)
{
    static const struct transcode_options atoms = {.keys_as_atoms = true};
    char json[1200];
    struct transcode_fault f;
    struct wr w;

    (void)state;
    for (unsigned chars = 255; chars <= 256; chars++) {
        for (int is_key = 0; is_key < 2; is_key++) {
            size_t n = (size_t)sprintf(json, is_key ? "{\"" : "{\"$atom\":\"");

            for (unsigned i = 0; i < chars; i++)
                n += (size_t)sprintf(json + n, "\xE2\x82\xAC");
            n += (size_t)sprintf(json + n, is_key ? "\":1}" : "\"}");
            wr_init(&w, SIZE_MAX);
            assert_int_equal(transcode_json_to_etf(slice_of(json, n), &atoms, &w, NULL, &f),
                             chars == 255 ? ERR_NONE : ERR_MALFORMED);
            if (chars == 255)
                assert_int_equal(etf_validate(wr_written(&w), NULL, &(struct etf_rules){0}, NULL, NULL),
                                 ERR_NONE);
            wr_fini(&w);
        }
    }
}

static void limits(void **state)
{
    static const struct transcode_options three = {.max_depth = 3, .max_digits = 25};
    static const struct refusal all[] = {
        {"[[[[]]]]", ERR_DEPTH, 1, 4, "/0/0/0"},
        {"[{\"a\":{\"$tuple\":[[]]}}]", ERR_DEPTH, 1, 18, "/0/a/$tuple/0"},
        {"{\"$map\":[[1,[[[]]]]]}", ERR_DEPTH, 1, 15, "/$map/0/1/0/0"},
        {"{\"$list\":[1],\"$tail\":[[[]]]}", ERR_DEPTH, 1, 24, "/$tail/0/0"},
        {"[[{\"$erl\":\"[[[a]]]\"}]]", ERR_DEPTH, 1, 13, "/0/0/$erl"},
        {"[[[{\"$erl\":\"[a]\"}]]]", ERR_DEPTH, 1, 13, "/0/0/0/$erl"},
        {"[[[{\"$erl\":\"#Etf<g2wAAAABYQFq>\"}]]]", ERR_DEPTH, 1, 13, "/0/0/0/$erl"},
        {"[[[{\"$etf\":\"g2wAAAABYQFq\"}]]]", ERR_DEPTH, 1, 12, "/0/0/0/$etf"},
        {"[[[{\"$charlist\":\"a\u0100\"}]]]", ERR_DEPTH, 1, 17, "/0/0/0/$charlist"},
        {"[12345678901234567890123456]", ERR_TOO_LARGE, 1, 2, "/0"},
        {"{\"$integer\":\"-12345678901234567890123456\"}", ERR_TOO_LARGE, 1, 13, "/$integer"},
    };
    static const char *const fit[] = {
        "[[[]]]",
        "[{\"a\":{\"$tuple\":[{\"$atom\":\"x\"},{\"$pid\":\"a@b:1:1:1\"}]}}]",
        "-1234567890123456789012345",
        "[[{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":3}},{\"$etf\":\"g2wAAAABYQFq\"}]]",
        "[[[{\"$erl\":\"a\"},{\"$erl\":\"#Etf<g2EB>\"},{\"$etf\":\"g2o=\"},{\"$charlist\":\"ab\"}]]]",
    };
    struct wr w;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_refused_with(&three, &all[i]);
    for (size_t i = 0; i < ARRAY_LEN(fit); i++) {
        wr_init(&w, SIZE_MAX);
        assert_int_equal(transcode_json_to_etf(slice_of_str(fit[i]), &three, &w, NULL, NULL), ERR_NONE);
        wr_fini(&w);
    }
}

static void local_terms_stand_alone(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(transcode_json_to_etf(SLICE("{\"$etf\":\"g3kBAgMEYQE=\"}"), &none, &w, NULL, NULL),
                     ERR_NONE);
    wr_reset(&w);
    assert_int_equal(transcode_json_to_etf(SLICE("[{\"$etf\":\"g3kBAgMEYQE=\"}]"), &none, &w, NULL, NULL),
                     ERR_PEER_UNSUPPORTED);
    wr_fini(&w);
}

static void a_pointer_that_is_too_long_ends_at_what_holds_the_value(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    struct transcode_fault f;
    struct wr json, w;

    (void)state;
    wr_init(&json, SIZE_MAX);
    wr_init(&w, SIZE_MAX);
    for (int i = 0; i < 100; i++)
        wr_printf(&json, "{\"level%d\":", i);
    assert_int_equal(transcode_json_to_etf(wr_written(&json), &none, &w, NULL, &f), ERR_MORE);
    assert_true(strlen(f.pointer) < TRANSCODE_POINTER_MAX);
    assert_memory_equal(f.pointer, "/level0/level1/level2/", 22);
    assert_string_equal(strrchr(f.pointer, '/'), "/level32");
    wr_fini(&w);
    wr_fini(&json);
}

static void a_text_cut_anywhere_is_refused_at_its_end(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    static const char text[] =
        "{\"a\":[1.5e3,true,false,null,\"x\\u00e9\xE2\x82\xAC\\ud83d\\ude00\"],\"b\":{\"c\":-12},\"t\":{\"$"
        "tuple\":[1,[]]},"
        "\"m\":{\"$map\":[[1,2],[3,4]]},\"l\":{\"$list\":[1],\"$tail\":2},\"k\":{\"$tail\":2,\"$list\":[1]},"
        "\"s\":{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":3}},\"p\":{\"$pid\":\"a@b:1:2:3\"},\"f\":{\"$"
        "float\":1},"
        "\"e\":{\"$etf\":\"g2EB\"},\"long\":\"0123456789abcdef0123456789abcdef\"}";

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        uint8_t *copy = malloc(n ? n : 1); /* as large as the input, for the sanitizer */
        struct transcode_fault f = {0};
        struct wr w;
        enum err e;

        memcpy(copy, text, n);
        wr_init(&w, SIZE_MAX);
        e = transcode_json_to_etf(slice_of(copy, n < sizeof text ? n : n - 1), &none, &w, NULL, &f);
        if (n == sizeof text - 1)
            assert_int_equal(e, ERR_NONE);
        else
            assert_true(e == ERR_MORE || e == ERR_MALFORMED);
        wr_fini(&w);
        free(copy);
    }
}

/* Tails before lists, and tuples whose size is not known, make bytes move: not without end. */
static void moving_is_bounded(void **state)
{
    static const struct transcode_options deep = {.max_depth = 100000};
    struct wr json, w;
    enum err e;

    (void)state;
    wr_init(&json, SIZE_MAX);
    wr_init(&w, SIZE_MAX);
    for (int i = 0; i < 2000; i++)
        wr_str(&json, "{\"$tail\":");
    wr_u8(&json, '"');
    for (int i = 0; i < 1000000; i++)
        wr_u8(&json, 'x');
    wr_u8(&json, '"');
    for (int i = 0; i < 2000; i++)
        wr_str(&json, ",\"$list\":[1]}");
    e = transcode_json_to_etf(wr_written(&json), &deep, &w, NULL, NULL);
    assert_int_equal(e, ERR_TOO_LARGE);
    wr_fini(&w);
    wr_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(tags_with_wrong_keys),
        cmocka_unit_test(tags_with_wrong_values),
        cmocka_unit_test(atoms_that_are_too_long),
        cmocka_unit_test(limits),
        cmocka_unit_test(local_terms_stand_alone),
        cmocka_unit_test(a_pointer_that_is_too_long_ends_at_what_holds_the_value),
        cmocka_unit_test(a_text_cut_anywhere_is_refused_at_its_end),
        cmocka_unit_test(moving_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
