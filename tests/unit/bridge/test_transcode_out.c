/* Terms to JSON, plain and typed; and the law that typed reads back as the same term. */
#include "bridge/transcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "etf/integer.h"
#include "etf/validate.h"
#include "etf/write.h"

/* With a list as a tail, perhaps, which others judge. */
static bool may_have_tails(struct slice term)
{
    size_t lists = 0;

    for (size_t i = 0; i < term.len; i++)
        lists += term.ptr[i] == ETF_LIST_EXT;
    return lists > 1;
}

/* Judged on the way, it comes to the same. */
static void assert_judged(struct slice term, const struct transcode_options *o, bool typed, struct slice want)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct wr w;
    bool is_taken;

    wr_init(&w, SIZE_MAX);
    is_taken = transcode_unjudged_to_json(&r, o, typed, &w);
    assert_true(is_taken || may_have_tails(term));
    if (is_taken) {
        assert_int_equal(rd_left(&r.rd), 0);
        assert_true(slice_eq(wr_written(&w), want));
    }
    wr_fini(&w);
    if (!is_taken)
        return;
    /* With bytes behind it, it ends where it ends; without its last one it is none. */
    wr_slice(&w, term);
    wr_u8(&w, 0xFF);
    r = etf_rd_of(wr_written(&w), NULL);
    wr_init(&w, SIZE_MAX);
    assert_true(transcode_unjudged_to_json(&r, o, typed, &w));
    assert_int_equal(rd_left(&r.rd), 1);
    wr_fini(&w);
    mem_free((void *)(uintptr_t)r.rd.start);
    r = etf_rd_of(slice_of(term.ptr, term.len - 1), NULL);
    assert_false(transcode_unjudged_to_json(&r, o, typed, &w));
    wr_fini(&w);
}

static struct wr written(struct slice term, const struct transcode_options *o, bool typed)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    e = transcode_etf_to_json(&r, o, typed, &w);
    if (e != ERR_NONE)
        fail_msg("%s", err_name(e));
    assert_int_equal(rd_left(&r.rd), 0);
    assert_judged(term, o, typed, wr_written(&w));
    return w;
}

static void assert_written(struct slice term, const struct transcode_options *o, bool typed, const char *want)
{
    struct wr w = written(term, o, typed);

    if (!slice_eq_str(wr_written(&w), want))
        fail_msg("%.*s instead of %s", SLICE_FMT(wr_written(&w)), want);
    wr_fini(&w);
}

/* The same within a list, with much behind it: far from the end the loop has shorter ways. */
static void assert_written_far(struct slice term, const struct transcode_options *o, bool typed,
                               const char *want)
{
    enum { MUCH = 200 };
    char much[MUCH + 1];
    struct wr list, text;

    memset(much, 'z', MUCH);
    much[MUCH] = '\0';
    wr_init(&list, SIZE_MAX);
    wr_init(&text, SIZE_MAX);
    etf_write_list(&list, 3);
    wr_slice(&list, term);
    wr_slice(&list, term);
    etf_write_binary(&list, slice_of_str(much));
    etf_write_nil(&list);
    wr_printf(&text, "[%s,%s,\"%s\"]", want, want, much);
    wr_u8(&text, '\0');
    assert_true(wr_ok(&list) && wr_ok(&text));
    assert_written(wr_written(&list), o, typed, (const char *)text.buf);
    wr_fini(&text);
    wr_fini(&list);
}

/* Plain and typed as they should be, and typed reads back as the same term. */
static void assert_both(struct slice term, const char *plain, const char *typed)
{
    static const struct transcode_options none = {.max_depth = 0};
    struct transcode_fault f;
    struct wr w, back;

    assert_int_equal(etf_validate(term, NULL, &(struct etf_rules){0}, NULL, NULL), ERR_NONE);
    assert_written(term, &none, false, plain);
    assert_written(term, &none, true, typed);
    assert_written_far(term, &none, false, plain);
    assert_written_far(term, &none, true, typed);
    w = written(term, &none, true);
    wr_init(&back, SIZE_MAX);
    if (transcode_json_to_etf(wr_written(&w), &none, &back, NULL, &f) != ERR_NONE)
        fail_msg("%.*s: %s", SLICE_FMT(wr_written(&w)), f.fault.text);
    assert_true(etf_equal(term, NULL, wr_written(&back), NULL));
    wr_fini(&back);
    wr_fini(&w);
}

#define assert_json(bytes, plain, typed) assert_both(SLICE(bytes), plain, typed)
#define assert_same(bytes, json)         assert_both(SLICE(bytes), json, json)

static void atoms(void **state)
{
    static const struct transcode_options nil = {.null_atom = SLICE_LIT("nil")};

    (void)state;
    assert_same("\x77\x04true", "true");
    assert_same("\x77\x05"
                "false",
                "false");
    assert_same("\x77\x04null", "null");
    assert_same("\x64\0\x04true", "true");
    assert_same("\x73\x04null", "null");
    assert_json("\x77\x02ok", "\"ok\"", "{\"$atom\":\"ok\"}");
    assert_json("\x77\x00", "\"\"", "{\"$atom\":\"\"}");
    assert_json("\x73\x01\xe9", "\"\xC3\xA9\"", "{\"$atom\":\"\xC3\xA9\"}");
    assert_json("\x76\0\x02\"\n", "\"\\\"\\n\"", "{\"$atom\":\"\\\"\\n\"}");
    assert_written(SLICE("\x77\x04null"), &nil, false, "\"null\"");
    assert_written(SLICE("\x77\x04null"), &nil, true, "{\"$atom\":\"null\"}");
    assert_written(SLICE("\x77\x03nil"), &nil, true, "null");
    assert_written(SLICE("\x77\x03nil"), &nil, false, "null");
}

static void numbers(void **state)
{
    static const struct transcode_options big = {.bigints_as_strings = true};

    (void)state;
    assert_same("\x61\0", "0");
    assert_same("\x61\xff", "255");
    assert_same("\x62\xff\xff\xff\xff", "-1");
    assert_same("\x62\x80\0\0\0", "-2147483648");
    assert_same("\x6e\x08\x01\xff\xff\xff\xff\xff\xff\xff\xff", "-18446744073709551615");
    assert_same("\x6e\x09\0\0\0\0\0\0\0\0\0\x01", "18446744073709551616");
    assert_same("\x6e\x01\0\x05", "5");
    assert_same("\x6e\x01\x01\0", "0");
    assert_same("\x46\x3f\xf0\0\0\0\0\0\0", "1.0");
    assert_same("\x46\x80\0\0\0\0\0\0\0", "-0.0");
    assert_same("\x46\x7f\xef\xff\xff\xff\xff\xff\xff", "1.7976931348623157e308");
    assert_same("\x63"
                "1.50000000000000000000e+00\0\0\0\0\0",
                "1.5");
    assert_written(SLICE("\x6e\x07\0\xff\xff\xff\xff\xff\xff\x1f"), &big, false, "9007199254740991");
    assert_written(SLICE("\x6e\x07\0\0\0\0\0\0\0\x20"), &big, false, "\"9007199254740992\"");
    assert_written(SLICE("\x6e\x07\x01\0\0\0\0\0\0\x20"), &big, true, "{\"$integer\":\"-9007199254740992\"}");
    assert_written(SLICE("\x6e\x09\0\0\0\0\0\0\0\0\0\x01"), &big, false, "\"18446744073709551616\"");
    assert_written(SLICE("\x61\x05"), &big, true, "5");
}

static void binaries_and_bitstrings(void **state)
{
    (void)state;
    assert_same("\x6d\0\0\0\0", "\"\"");
    assert_same("\x6d\0\0\0\x06"
                "a\"\n\xE2\x82\xAC",
                "\"a\\\"\\n\xE2\x82\xAC\"");
    assert_same("\x6d\0\0\0\x01\xff", "{\"$binary\":\"/w==\"}");
    assert_same("\x6d\0\0\0\x2b"
                "a long text whose last byte is no UTF-8: !\x80",
                "{\"$binary\":"
                "\"YSBsb25nIHRleHQgd2hvc2UgbGFzdCBieXRlIGlzIG5vIFVURi04OiAhgA==\"}");
    assert_same("\x4d\0\0\0\x01\x03\xbf", "{\"$bitstring\":{\"bytes\":\"oA==\",\"bits\":3}}");
    assert_same("\x4d\0\0\0\x01\x08"
                "a",
                "\"a\"");
}

static void lists(void **state)
{
    static const struct transcode_options chars = {.charlists_as_strings = true};

    (void)state;
    assert_same("\x6a", "[]");
    assert_same("\x6b\0\x03"
                "abc",
                "[97,98,99]");
    assert_same("\x6b\0\x01\xff", "[255]");
    assert_same("\x6c\0\0\0\x02\x61\x01\x6a\x6a", "[1,[]]");
    assert_same("\x6c\0\0\0\x01\x61\x01\x61\x02", "{\"$list\":[1],\"$tail\":2}");
    assert_same("\x6c\0\0\0\x01\x6c\0\0\0\x01\x6a\x61\x03\x61\x02",
                "{\"$list\":[{\"$list\":[[]],\"$tail\":3}],\"$tail\":2}");
    /* A tail that is a list is no improper one. */
    assert_same("\x6c\0\0\0\x01\x61\x01\x6c\0\0\0\x01\x61\x02\x6a", "[1,2]");
    assert_same("\x6c\0\0\0\x01\x61\x01\x6b\0\x01\x02", "[1,2]");
    assert_same("\x6c\0\0\0\x01\x61\x01\x6c\0\0\0\x01\x61\x02\x61\x03", "{\"$list\":[1,2],\"$tail\":3}");
    assert_same("\x6c\0\0\0\x01\x61\x01\x6c\0\0\0\x02\x6a\x6c\0\0\0\x01\x6a\x6a\x6d\0\0\0\0",
                "{\"$list\":[1,[],[[]]],\"$tail\":\"\"}");
    assert_written(SLICE("\x6b\0\x03"
                         "abc"),
                   &chars, false, "\"abc\"");
    assert_written(SLICE("\x6b\0\x02\x01"
                         "b"),
                   &chars, false, "[1,98]");
    assert_written(SLICE("\x6b\0\x01\xe9"), &chars, false, "\"\xC3\xA9\"");
    assert_written(SLICE("\x6b\0\x03"
                         "abc"),
                   &chars, true, "[97,98,99]");
    assert_written(SLICE("\x6a"), &chars, false, "[]");
    assert_written(SLICE("\x6c\0\0\0\x02\x62\0\0\x20\xac\x61\x61\x6a"), &chars, false,
                   "\"\xE2\x82\xAC"
                   "a\"");
    /* In pieces, each the tail of the one before. */
    assert_written(SLICE("\x6c\0\0\0\x01\x62\0\0\x20\xac\x6c\0\0\0\x01\x61\x61\x6a"), &chars, false,
                   "\"\xE2\x82\xAC"
                   "a\"");
    assert_written(SLICE("\x6c\0\0\0\x01\x61\x61\x6b\0\x02"
                         "bc"),
                   &chars, false, "\"abc\"");
    assert_written(SLICE("\x6c\0\0\0\x01\x61\x61\x6b\0\x01\x01"), &chars, false, "[97,1]");
    assert_written(SLICE("\x6c\0\0\0\x01\x61\x61\x61\x62"), &chars, false, "{\"$list\":[97],\"$tail\":98}");
    assert_written(SLICE("\x6c\0\0\0\x02\x6c\0\0\0\x01\x62\0\0\x20\xac\x6a\x6c\0\0\0\x01\x6a\x61\x01\x6a"),
                   &chars, false, "[\"\xE2\x82\xAC\",{\"$list\":[[]],\"$tail\":1}]");
}

static void tuples(void **state)
{
    (void)state;
    assert_json("\x68\0", "[]", "{\"$tuple\":[]}");
    assert_json("\x68\x02\x61\x01\x68\x01\x6a", "[1,[[]]]", "{\"$tuple\":[1,{\"$tuple\":[[]]}]}");
    assert_json("\x69\0\0\0\x01\x61\x01", "[1]", "{\"$tuple\":[1]}");
}

#define A(x) "\x6d\0\0\0\x01" x
static void maps(void **state)
{
    (void)state;
    assert_same("\x74\0\0\0\0", "{}");
    assert_same("\x74\0\0\0\x02" A("a") "\x61\x01" A("b") "\x74\0\0\0\x01" A("c") "\x6a",
                "{\"a\":1,\"b\":{\"c\":[]}}");
    assert_json("\x74\0\0\0\x01\x77\x01"
                "a\x61\x01",
                "{\"a\":1}", "{\"$map\":[[{\"$atom\":\"a\"},1]]}");
    assert_json("\x74\0\0\0\x02\x61\x05\x61\x01\x62\xff\xff\xff\xff\x61\x02", "{\"5\":1,\"-1\":2}",
                "{\"$map\":[[5,1],[-1,2]]}");
    assert_json("\x74\0\0\0\x01\x6e\x09\0\0\0\0\0\0\0\0\0\x01\x6a", "{\"18446744073709551616\":[]}",
                "{\"$map\":[[18446744073709551616,[]]]}");
    /* different kinds, different texts */
    assert_json("\x74\0\0\0\x03\x61\x05\x61\x01\x77\x01"
                "a\x61\x02" A("b") "\x61\x03",
                "{\"5\":1,\"a\":2,\"b\":3}", "{\"$map\":[[5,1],[{\"$atom\":\"a\"},2],[\"b\",3]]}");
    /* different kinds, the same text */
    assert_json("\x74\0\0\0\x02\x77\x01"
                "a\x61\x01" A("a") "\x61\x02",
                "{\"$map\":[[\"a\",1],[\"a\",2]]}", "{\"$map\":[[{\"$atom\":\"a\"},1],[\"a\",2]]}");
    assert_json("\x74\0\0\0\x02\x61\x05\x61\x01" A("5") "\x61\x02", "{\"$map\":[[5,1],[\"5\",2]]}",
                "{\"$map\":[[5,1],[\"5\",2]]}");
    /* keys that no object has: the first one, a later one */
    assert_same("\x74\0\0\0\x01" A("$") "\x61\x01", "{\"$map\":[[\"$\",1]]}");
    assert_json("\x74\0\0\0\x01\x77\x02$a\x61\x01", "{\"$map\":[[\"$a\",1]]}",
                "{\"$map\":[[{\"$atom\":\"$a\"},1]]}");
    assert_same("\x74\0\0\0\x02" A("a") "\x61\x01" A("$") "\x61\x02", "{\"$map\":[[\"a\",1],[\"$\",2]]}");
    assert_same("\x74\0\0\0\x02" A("a") "\x61\x01" A("\xff") "\x61\x02",
                "{\"$map\":[[\"a\",1],[{\"$binary\":\"/w==\"},2]]}");
    assert_same("\x74\0\0\0\x02" A("a") "\x61\x01\x46\x3f\xf0\0\0\0\0\0\0\x61\x02",
                "{\"$map\":[[\"a\",1],[1.0,2]]}");
    assert_json("\x74\0\0\0\x02" A("a") "\x61\x01\x68\x01\x77\x01"
                                        "b\x61\x02",
                "{\"$map\":[[\"a\",1],[[\"b\"],2]]}",
                "{\"$map\":[[\"a\",1],[{\"$tuple\":[{\"$atom\":\"b\"}]},2]]}");
    /* the odd one inside a good one, beside a good one, as a key */
    assert_same("\x74\0\0\0\x02" A("a") "\x74\0\0\0\x02" A("x") "\x6a" A("$") "\x6a" A(
                    "b") "\x74\0\0\0\x01" A("y") "\x6a",
                "{\"a\":{\"$map\":[[\"x\",[]],[\"$\",[]]]},\"b\":{\"y\":[]}}");
    assert_same("\x74\0\0\0\x01\x74\0\0\0\x02" A("x") "\x6c\0\0\0\x01\x6a\x6a" A("$") "\x6a\x6a",
                "{\"$map\":[[{\"$map\":[[\"x\",[[]]],[\"$\",[]]]},[]]]}");
}

static void what_json_has_no_form_for_is_tagged(void **state)
{
    (void)state;
    assert_same("\x58\x77\x07kv@host\0\0\0\x7b\0\0\0\x04\x63\xb0\xcd\0",
                "{\"$pid\":\"kv@host:123:4:1672531200\"}");
    assert_same("\x67\x64\0\x03"
                "a@b\0\0\0\x7b\0\0\0\x04\x03",
                "{\"$pid\":\"a@b:123:4:3\"}");
    assert_same("\x58\x77\x05"
                "a\"b@c\0\0\0\x01\0\0\0\x02\0\0\0\x03",
                "{\"$pid\":\"'a\\\"b@c':1:2:3\"}");
    assert_same("\x59\x77\x07kv@host\0\0\0\x05\x63\xb0\xcd\0", "{\"$port\":\"kv@host:5:1672531200\"}");
    assert_same("\x78\x77\x03"
                "a@b\0\0\0\x10\0\0\0\x05\0\0\0\x01",
                "{\"$port\":\"a@b:68719476741:1\"}");
    assert_same("\x5a\0\x03\x77\x07kv@host\x63\xb0\xcd\0\0\0\0\x01\0\0\0\x02\0\0\0\x03",
                "{\"$ref\":\"kv@host:1672531200:1.2.3\"}");
    assert_same("\x71\x77\x05lists\x77\x03map\x61\x02", "{\"$fun\":\"lists:map/2\"}");
    assert_same(
        "\x70\0\0\0\x36\x01"
        "0123456789abcdef\0\0\0\x07\0\0\0\0\x77\x01m\x61\x07\x61\x08"
        "\x58\x77\x03"
        "a@b\0\0\0\x01\0\0\0\0\0\0\0\x01",
        "{\"$etf\":\"g3AAAAA2ATAxMjM0NTY3ODlhYmNkZWYAAAAHAAAAAHcBbWEHYQhYdwNhQGIAAAABAAAAAAAAAAE=\"}");
}

/* Odd maps in odd maps, each found at its last key only: the work must not double a level. */
static void odd_maps_may_be_nested(void **state)
{
    struct transcode_options deep = {.max_depth = 2000};
    struct wr term, json, back;
    struct etf_rd r;

    (void)state;
    wr_init(&term, SIZE_MAX);
    for (int i = 0; i < 1000; i++)
        wr_bytes(&term,
                 "\x74\0\0\0\x02\x6d\0\0\0\x01"
                 "a",
                 11);
    wr_u8(&term, ETF_NIL_EXT);
    for (int i = 0; i < 1000; i++)
        wr_bytes(&term, "\x6d\0\0\0\x01$\x6a", 7);
    for (int typed = 0; typed < 2; typed++) {
        wr_init(&json, SIZE_MAX);
        wr_init(&back, SIZE_MAX);
        r = etf_rd_of(wr_written(&term), NULL);
        assert_int_equal(transcode_etf_to_json(&r, &deep, typed, &json), ERR_NONE);
        assert_int_equal(transcode_json_to_etf(wr_written(&json), &deep, &back, NULL, NULL), ERR_NONE);
        assert_true(etf_equal(wr_written(&term), NULL, wr_written(&back), NULL));
        wr_fini(&back);
        wr_fini(&json);
    }
    r = etf_rd_of(wr_written(&term), NULL);
    wr_init(&json, SIZE_MAX);
    assert_int_equal(transcode_etf_to_json(&r, &(struct transcode_options){.max_depth = 999}, false, &json),
                     ERR_DEPTH);
    wr_fini(&json);
    wr_fini(&term);
}

static void longer_integers_come_encoded(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    static uint8_t magnitude[40000];
    struct wr term, json;
    struct etf_rd r;

    (void)state;
    memset(magnitude, 0xAB, sizeof magnitude);
    wr_init(&term, SIZE_MAX);
    wr_init(&json, SIZE_MAX);
    etf_write_big(&term, false, slice_of(magnitude, 30000));
    r = etf_rd_of(wr_written(&term), NULL);
    assert_int_equal(transcode_etf_to_json(&r, &none, false, &json), ERR_NONE);
    assert_int_equal(json.len, 72248);
    wr_reset(&term);
    wr_reset(&json);
    etf_write_big(&term, false, slice_of(magnitude, sizeof magnitude));
    r = etf_rd_of(wr_written(&term), NULL);
    assert_int_equal(transcode_etf_to_json(&r, &none, false, &json), ERR_NONE);
    assert_memory_equal(json.buf, "{\"$etf\":\"", 9);
    wr_fini(&json);
    wr_fini(&term);
}

static size_t count_of(struct slice text, const char *what)
{
    size_t n = 0;

    for (const char *p; (p = memmem(text.ptr, text.len, what, strlen(what))); n++)
        text = slice_of(p + strlen(what), (size_t)(slice_end(text) - (const uint8_t *)p) - strlen(what));
    return n;
}

/* Nobody else is served meanwhile. An improper list is found at its end, and written again. */
static void digits_of_many_long_integers_come_encoded(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    static uint8_t magnitude[ETF_INTEGER_MAX_BYTES];

    (void)state;
    memset(magnitude, 0xAB, sizeof magnitude);
    for (int is_improper = 0; is_improper < 2; is_improper++) {
        size_t numbers;
        struct wr term, json;
        struct etf_rd r;

        wr_init(&term, SIZE_MAX);
        wr_init(&json, SIZE_MAX);
        etf_write_list(&term, 16);
        for (int i = 0; i < 16; i++)
            etf_write_big(&term, false, slice_of(magnitude, sizeof magnitude));
        if (is_improper)
            etf_write_int64(&term, 1);
        else
            etf_write_nil(&term);
        r = etf_rd_of(wr_written(&term), NULL);
        assert_int_equal(transcode_etf_to_json(&r, &none, false, &json), ERR_NONE);
        numbers = 16 - count_of(wr_written(&json), "{\"$etf\":\"");
        assert_int_equal(numbers, ETF_DIGITS_BUDGET / (4097 * 4097));
        wr_fini(&json);
        wr_fini(&term);
    }
}

static void a_key_may_be_a_binary_in_a_bitstrings_form(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};

    (void)state;
    assert_written(SLICE("\x74\0\0\0\1\x4d\0\0\0\4\x08"
                         "kept\x61\1"),
                   &none, false, "{\"kept\":1}");
    assert_written(SLICE("\x74\0\0\0\2\x4d\0\0\0\2\x08"
                         "12\x61\1\x6d\0\0\0\1"
                         "a\x61\2"),
                   &none, true, "{\"12\":1,\"a\":2}");
    /* Beside others of the same text, or one that looks like a tag. */
    assert_written(SLICE("\x74\0\0\0\2\x4d\0\0\0\2\x08"
                         "12\x61\1\x61\x0c\x61\2"),
                   &none, false, "{\"$map\":[[\"12\",1],[12,2]]}");
    assert_written(SLICE("\x74\0\0\0\1\x4d\0\0\0\2\x08"
                         "$a\x61\1"),
                   &none, false, "{\"$map\":[[\"$a\",1]]}");
}

static void a_long_integer_is_no_key_of_an_object(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    static uint8_t magnitude[65];

    (void)state;
    memset(magnitude, 1, sizeof magnitude);
    for (size_t len = 64; len <= 65; len++) {
        struct wr term, json;
        struct etf_rd r;

        wr_init(&term, SIZE_MAX);
        wr_init(&json, SIZE_MAX);
        etf_write_map(&term, 1);
        etf_write_big(&term, false, slice_of(magnitude, len));
        etf_write_int64(&term, 1);
        r = etf_rd_of(wr_written(&term), NULL);
        assert_int_equal(transcode_etf_to_json(&r, &none, false, &json), ERR_NONE);
        assert_int_equal(memcmp(json.buf, "{\"$map\":[[", 10) == 0, len == 65);
        wr_fini(&json);
        wr_fini(&term);
    }
}

static const char everything[] =
    "\x6c\0\0\0\x0a\x61\x01\x62\xff\xff\xff\xff\x46\x3f\xf0\0\0\0\0\0\0\x77\x02ok\x6d\0\0\0\x01"
    "a\x4d\0\0\0\x01\x03\xa0\x6b\0\x02"
    "ab\x68\x02\x61\x01\x6a\x74\0\0\0\x02\x6d\0\0\0\x01"
    "a\x61\x01\x61\x05\x6e\x09\0\0\0\0\0\0\0\0\0\x01\x6c\0\0\0\x01\x58\x77\x03"
    "a@b\0\0\0\x01\0\0\0\0\0\0\0\x01\x71\x77\x01m\x77\x01"
    "f\x61\x01\x6a";

static void a_term_that_was_not_validated_does_no_harm(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    const size_t len = sizeof everything - 1;

    (void)state;
    assert_int_equal(etf_validate(slice_of(everything, len), NULL, &(struct etf_rules){0}, NULL, NULL),
                     ERR_NONE);
    for (size_t n = 0; n < len; n++) {
        for (int typed = 0; typed < 2; typed++) {
            uint8_t *copy = malloc(n ? n : 1);
            struct etf_rd r = etf_rd_of(slice_of(copy, n), NULL);
            struct wr w;

            memcpy(copy, everything, n);
            wr_init(&w, SIZE_MAX);
            assert_int_equal(transcode_etf_to_json(&r, &none, typed, &w), ERR_MALFORMED);
            wr_fini(&w);
            free(copy);
        }
    }
}

static void each_failing_allocation_is_survived(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};

    (void)state;
    for (int typed = 0; typed < 2; typed++) {
        enum err e = ERR_NOMEM;

        for (size_t n = 1; e == ERR_NOMEM; n++) {
            struct etf_rd r = etf_rd_of(slice_of(everything, sizeof everything - 1), NULL);
            struct wr w;

            wr_init(&w, SIZE_MAX);
            mem_fail_from(n);
            e = transcode_etf_to_json(&r, &none, typed, &w);
            mem_fail_from(0);
            assert_true(e == ERR_NONE || e == ERR_NOMEM);
            wr_fini(&w);
        }
    }
}

static void the_ceiling_is_exact(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};

    (void)state;
    for (int typed = 0; typed < 2; typed++) {
        struct wr w = written(slice_of(everything, sizeof everything - 1), &none, typed);
        size_t need = w.len;

        wr_fini(&w);
        for (size_t ceiling = need - 20; ceiling <= need; ceiling++) {
            struct etf_rd r = etf_rd_of(slice_of(everything, sizeof everything - 1), NULL);

            wr_init(&w, ceiling);
            assert_int_equal(transcode_etf_to_json(&r, &none, typed, &w),
                             ceiling < need ? ERR_TOO_LARGE : ERR_NONE);
            wr_fini(&w);
        }
    }
}

static void atoms_of_a_header_are_resolved(void **state)
{
    static const struct transcode_options none = {.max_depth = 0};
    struct etf_atom at[] = {{.text = SLICE_LIT("zero")}, {.text = SLICE_LIT("\xe9"), .is_latin1 = true}};
    struct etf_atoms table = {at, 2};
    struct etf_rd r = etf_rd_of(SLICE("\x68\x02\x52\x00\x74\0\0\0\x01\x52\x01\x52\x00"), &table);
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(transcode_etf_to_json(&r, &none, false, &w), ERR_NONE);
    assert_true(slice_eq_str(wr_written(&w), "[\"zero\",{\"\xC3\xA9\":\"zero\"}]"));
    wr_fini(&w);
}

/* [[], …, {{…[7, …]…}}, {}, …]: what closes all these tuples reads no byte, and what follows swells most. */
static void write_nest(struct wr *term, struct wr *text, bool typed, unsigned deep, unsigned few,
                       unsigned nils)
{
    enum { FOLLOWERS = 300 };
    const char *open = typed ? "{\"$tuple\":[" : "[", *close = typed ? "]}" : "]";

    etf_write_list(term, nils + 1 + FOLLOWERS);
    wr_u8(text, '[');
    for (unsigned i = 0; i < nils; i++) {
        etf_write_nil(term);
        wr_str(text, "[],");
    }
    for (unsigned i = 0; i < deep; i++) {
        etf_write_tuple(term, 1);
        wr_str(text, open);
    }
    etf_write_list(term, few);
    wr_u8(text, '[');
    for (unsigned i = 0; i < few; i++) {
        etf_write_int64(term, 7);
        wr_str(text, i ? ",7" : "7");
    }
    etf_write_nil(term);
    wr_u8(text, ']');
    for (unsigned i = 0; i < deep; i++)
        wr_str(text, close);
    for (unsigned i = 0; i < FOLLOWERS; i++) {
        etf_write_tuple(term, 0);
        wr_u8(text, ',');
        wr_str(text, open);
        wr_str(text, close);
    }
    etf_write_nil(term);
    wr_u8(text, ']');
}

static void what_closes_has_room(void **state)
{
    static const struct transcode_options deep_options = {.max_depth = 600};

    (void)state;
    for (unsigned deep = 1; deep < 520; deep += deep < 60 ? 7 : 60) {
        for (unsigned few = 2; few < 400; few += 31) {
            for (unsigned nils = 0; nils < 600; nils += 97) {
                for (int typed = 0; typed < 2; typed++) {
                    struct wr term, text;

                    wr_init(&term, SIZE_MAX);
                    wr_init(&text, SIZE_MAX);
                    write_nest(&term, &text, typed, deep, few, nils);
                    wr_u8(&text, '\0');
                    assert_written(wr_written(&term), &deep_options, typed, (const char *)text.buf);
                    wr_fini(&term);
                    wr_fini(&text);
                }
            }
        }
    }
}

/* One level each to who validates; so the loop must not take it for none. */
static void tails_of_tails_are_judged_by_others(void **state)
{
    static const struct transcode_options few = {.max_depth = 40};

    (void)state;
    for (unsigned tails = 1; tails < 100; tails++) {
        struct etf_rules rules = {.max_depth = 40, .trusts_keys = true};
        struct etf_rd r;
        struct wr term, json;
        bool is_sound;

        wr_init(&term, SIZE_MAX);
        wr_init(&json, SIZE_MAX);
        for (unsigned i = 0; i < tails; i++) {
            etf_write_list(&term, 1);
            etf_write_int64(&term, 1);
        }
        etf_write_nil(&term);
        is_sound = etf_validate(wr_written(&term), NULL, &rules, NULL, NULL) == ERR_NONE;
        r = etf_rd_of(wr_written(&term), NULL);
        assert_true(is_sound || !transcode_unjudged_to_json(&r, &few, false, &json));
        wr_fini(&term);
        wr_fini(&json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atoms),
        cmocka_unit_test(numbers),
        cmocka_unit_test(binaries_and_bitstrings),
        cmocka_unit_test(lists),
        cmocka_unit_test(tuples),
        cmocka_unit_test(maps),
        cmocka_unit_test(what_json_has_no_form_for_is_tagged),
        cmocka_unit_test(odd_maps_may_be_nested),
        cmocka_unit_test(longer_integers_come_encoded),
        cmocka_unit_test(digits_of_many_long_integers_come_encoded),
        cmocka_unit_test(a_key_may_be_a_binary_in_a_bitstrings_form),
        cmocka_unit_test(a_long_integer_is_no_key_of_an_object),
        cmocka_unit_test(a_term_that_was_not_validated_does_no_harm),
        cmocka_unit_test(each_failing_allocation_is_survived),
        cmocka_unit_test(the_ceiling_is_exact),
        cmocka_unit_test(atoms_of_a_header_are_resolved),
        cmocka_unit_test(what_closes_has_room),
        cmocka_unit_test(tails_of_tails_are_judged_by_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
