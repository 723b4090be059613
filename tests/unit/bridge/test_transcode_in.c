/* JSON to terms: what each form becomes, byte for byte. Refusals: test_transcode_fault.c. */
#include "bridge/transcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "etf/write.h"

static const struct transcode_options plain = {.max_depth = 0};

static void assert_term_with(const struct transcode_options *o, struct slice json, struct slice want)
{
    struct transcode_fault f;
    struct wr w;
    uint32_t uses = 0;
    enum err e;

    wr_init(&w, SIZE_MAX);
    e = transcode_json_to_etf(json, o, &w, &uses, &f);
    if (e != ERR_NONE)
        fail_msg("%.*s: %s: %s", SLICE_FMT(json), err_name(e), f.fault.text);
    if (!slice_eq(wr_written(&w), want)) {
        for (size_t i = 0; i < w.len; i++)
            fprintf(stderr, "\\x%02x", w.buf[i]);
        fail_msg(" came of %.*s", SLICE_FMT(json));
    }
    assert_int_equal(
        etf_validate(wr_written(&w), NULL, &(struct etf_rules){.max_depth = o->max_depth}, NULL, NULL),
        ERR_NONE);
    wr_fini(&w);
}

#define assert_term(json, bytes) assert_term_with(&plain, SLICE(json), SLICE(bytes))

static void words_become_atoms(void **state)
{
    static const struct transcode_options nil = {.null_atom = SLICE_LIT("nil")};

    (void)state;
    assert_term("true", "\x77\x04true");
    assert_term(" false ", "\x77\x05"
                           "false");
    assert_term("null", "\x77\x04null");
    assert_term_with(&nil, SLICE("null"), SLICE("\x77\x03nil"));
    assert_term_with(&nil, SLICE("\"null\""), SLICE("\x6d\0\0\0\x04null"));
}

static void integers_take_their_shortest_form(void **state)
{
    (void)state;
    assert_term("0", "\x61\0");
    assert_term("-0", "\x61\0");
    assert_term("255", "\x61\xff");
    assert_term("256", "\x62\0\0\x01\0");
    assert_term("-1", "\x62\xff\xff\xff\xff");
    assert_term("2147483647", "\x62\x7f\xff\xff\xff");
    assert_term("2147483648", "\x6e\x04\0\0\0\0\x80");
    assert_term("-2147483648", "\x62\x80\0\0\0");
    assert_term("-2147483649", "\x6e\x04\x01\x01\0\0\x80");
    assert_term("18446744073709551615", "\x6e\x08\0\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_term("18446744073709551616", "\x6e\x09\0\0\0\0\0\0\0\0\0\x01");
    assert_term("-9999999999999999999", "\x6e\x08\x01\xff\xff\xe7\x89\x04\x23\xc7\x8a");
    assert_term("{\"$integer\":\"-18446744073709551616\"}", "\x6e\x09\x01\0\0\0\0\0\0\0\0\x01");
    assert_term("{\"$integer\":\"-0\"}", "\x61\0");
}

static void numbers_with_a_point_or_an_exponent_become_floats(void **state)
{
    (void)state;
    assert_term("1.0", "\x46\x3f\xf0\0\0\0\0\0\0");
    assert_term("1e0", "\x46\x3f\xf0\0\0\0\0\0\0");
    assert_term("-0.0", "\x46\x80\0\0\0\0\0\0\0");
    assert_term("-0e5", "\x46\x80\0\0\0\0\0\0\0");
    assert_term("5e-324", "\x46\0\0\0\0\0\0\0\x01");
    assert_term("1e-400", "\x46\0\0\0\0\0\0\0\0");
    assert_term("0.1", "\x46\x3f\xb9\x99\x99\x99\x99\x99\x9a");
    assert_term("0.1000000000000000055511151231257827", "\x46\x3f\xb9\x99\x99\x99\x99\x99\x9a");
    assert_term("1.7976931348623157e308", "\x46\x7f\xef\xff\xff\xff\xff\xff\xff");
    assert_term("{\"$float\":1}", "\x46\x3f\xf0\0\0\0\0\0\0");
    assert_term("{ \"$float\" : -0 }", "\x46\x80\0\0\0\0\0\0\0");
    assert_term("{\"$float\":2.5}", "\x46\x40\x04\0\0\0\0\0\0");
}

static void strings_become_binaries(void **state)
{
    (void)state;
    assert_term("\"\"", "\x6d\0\0\0\0");
    assert_term("\"k\\u00e9\\n\xE2\x82\xAC\"", "\x6d\0\0\0\x07k\xC3\xA9\n\xE2\x82\xAC");
    assert_term("\"\\ud83d\\ude00\\u0000\"", "\x6d\0\0\0\x05\xF0\x9F\x98\x80\0");
    assert_term("\"$x\"", "\x6d\0\0\0\x02$x");
}

static void arrays_become_lists_and_lists_of_bytes_strings(void **state)
{
    (void)state;
    assert_term("[]", "\x6a");
    assert_term("[1]", "\x6b\0\x01\x01");
    assert_term("[ 0 , 255 ]", "\x6b\0\x02\0\xff");
    assert_term("[256]", "\x6c\0\0\0\x01\x62\0\0\x01\0\x6a");
    assert_term("[1,[],2]", "\x6c\0\0\0\x03\x61\x01\x6a\x61\x02\x6a");
    assert_term("[[1],[2,3]]", "\x6c\0\0\0\x02\x6b\0\x01\x01\x6b\0\x02\x02\x03\x6a");
    assert_term("[[],\"a\"]", "\x6c\0\0\0\x02\x6a\x6d\0\0\0\x01"
                              "a\x6a");
    /* As long as two small integers, and beginning as one. */
    assert_term("[97,[],{\"$atom\":\"\"},[]]", "\x6c\0\0\0\x04\x61\x61\x6a\x77\0\x6a\x6a");
}

static void a_list_of_bytes_too_long_for_a_string_stays_a_list(void **state)
{
    size_t counts[] = {65535, 65536};

    (void)state;
    for (size_t c = 0; c < 2; c++) {
        char *text = malloc(counts[c] * 2 + 1);
        struct wr w;
        struct etf_rd r;
        struct slice bytes;
        uint32_t n;

        for (size_t i = 0; i < counts[c]; i++)
            memcpy(text + 2 * i, i ? ",7" : "[7", 2);
        text[counts[c] * 2] = ']';
        wr_init(&w, SIZE_MAX);
        assert_int_equal(transcode_json_to_etf(slice_of(text, counts[c] * 2 + 1), &plain, &w, NULL, NULL),
                         ERR_NONE);
        r = etf_rd_of(wr_written(&w), NULL);
        if (c == 0) {
            assert_true(etf_read_string(&r, &bytes));
            assert_int_equal(bytes.len, 65535);
        } else {
            assert_true(etf_read_list(&r, &n));
            assert_int_equal(n, 65536);
        }
        wr_fini(&w);
        free(text);
    }
}

static void objects_become_maps(void **state)
{
    static const struct transcode_options atoms = {.keys_as_atoms = true};
    static const struct transcode_options off = {.tags_off = true};

    (void)state;
    assert_term("{}", "\x74\0\0\0\0");
    assert_term("{\"a\":1,\"b\":{\"c\":[]}}", "\x74\0\0\0\x02\x6d\0\0\0\x01"
                                              "a\x61\x01\x6d\0\0\0\x01"
                                              "b"
                                              "\x74\0\0\0\x01\x6d\0\0\0\x01"
                                              "c\x6a");
    assert_term("{\"\\u0061\":1}", "\x74\0\0\0\x01\x6d\0\0\0\x01"
                                   "a\x61\x01");
    assert_term("{\"\":{\"\":0}}", "\x74\0\0\0\x01\x6d\0\0\0\0\x74\0\0\0\x01\x6d\0\0\0\0\x61\0");
    assert_term_with(&atoms, SLICE("{\"a\":1,\"\":2}"),
                     SLICE("\x74\0\0\0\x02\x77\x01"
                           "a\x61\x01\x77\0\x61\x02"));
    assert_term_with(&off, SLICE("{\"$atom\":\"a\",\"$x\":1}"),
                     SLICE("\x74\0\0\0\x02\x6d\0\0\0\x05$atom\x6d\0\0\0\x01"
                           "a\x6d\0\0\0\x02$x\x61\x01"));
}

static void tags_become_what_they_name(void **state)
{
    (void)state;
    assert_term("{\"$atom\":\"ok\"}", "\x77\x02ok");
    assert_term("{\"\\u0024atom\":\"\\u00e9\"}", "\x77\x02\xC3\xA9");
    assert_term("{\"$tuple\":[]}", "\x68\0");
    assert_term(" { \"$tuple\" : [ 1 , {\"$tuple\":[2]} ] } ", "\x68\x02\x61\x01\x68\x01\x61\x02");
    assert_term("{\"$binary\":\"/wA=\"}", "\x6d\0\0\0\x02\xff\0");
    assert_term("{\"$binary\":\"/wA\"}", "\x6d\0\0\0\x02\xff\0");
    assert_term("{\"$binary\":\"\"}", "\x6d\0\0\0\0");
    assert_term("{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":3}}", "\x4d\0\0\0\x01\x03\xa0");
    assert_term("{\"$bitstring\": { \"bits\" : 7 , \"bytes\" : \"Af8=\" } }", "\x4d\0\0\0\x02\x07\x01\xfe");
    assert_term("{\"$charlist\":\"abc\"}", "\x6b\0\x03"
                                           "abc");
    assert_term("{\"$charlist\":\"\"}", "\x6a");
    assert_term("{\"$charlist\":\"\\u00e9\"}", "\x6b\0\x01\xe9");
    assert_term("{\"$charlist\":\"a\xE2\x82\xAC\"}", "\x6c\0\0\0\x02\x61\x61\x62\0\0\x20\xac\x6a");
    assert_term("{\"$list\":[1,2],\"$tail\":3}", "\x6c\0\0\0\x02\x61\x01\x61\x02\x61\x03");
    assert_term("{\"$tail\":3,\"$list\":[1,2]}", "\x6c\0\0\0\x02\x61\x01\x61\x02\x61\x03");
    assert_term("{\"$tail\":{\"$tuple\":[1,2,3,4]},\"$list\":[[]]}",
                "\x6c\0\0\0\x01\x6a\x68\x04\x61\x01\x61\x02\x61\x03\x61\x04");
    assert_term("{\"$list\":[{\"$list\":[1],\"$tail\":2}],\"$tail\":{\"$tail\":4,\"$list\":[3]}}",
                "\x6c\0\0\0\x01\x6c\0\0\0\x01\x61\x01\x61\x02\x6c\0\0\0\x01\x61\x03\x61\x04");
    assert_term("{\"$map\":[]}", "\x74\0\0\0\0");
    assert_term("{\"$map\":[[1,2],[{\"$atom\":\"a\"},{\"$map\":[[\"$k\",[]]]}]]}",
                "\x74\0\0\0\x02\x61\x01\x61\x02\x77\x01"
                "a\x74\0\0\0\x01\x6d\0\0\0\x02$k\x6a");
    assert_term("{\"$map\":[[1,\"a\"],[1.0,\"b\"]]}", "\x74\0\0\0\x02\x61\x01\x6d\0\0\0\x01"
                                                      "a"
                                                      "\x46\x3f\xf0\0\0\0\0\0\0\x6d\0\0\0\x01"
                                                      "b");
}

static void identities_are_the_texts_that_were_given_out(void **state)
{
    (void)state;
    assert_term("{\"$pid\":\"kv@host:123:4:1672531200\"}",
                "\x58\x77\x07kv@host\0\0\0\x7b\0\0\0\x04\x63\xb0\xcd\0");
    assert_term("{\"$port\":\"kv@host:5:1672531200\"}", "\x59\x77\x07kv@host\0\0\0\x05\x63\xb0\xcd\0");
    assert_term("{\"$ref\":\"kv@host:1672531200:1.2.3\"}",
                "\x5a\0\x03\x77\x07kv@host\x63\xb0\xcd\0\0\0\0\x01\0\0\0\x02\0\0\0\x03");
    assert_term("{\"$fun\":\"lists:map/2\"}", "\x71\x77\x05lists\x77\x03map\x61\x02");
    assert_term("{\"$fun\":\"'Elixir.Enum':'map!'/255\"}", "\x71\x77\x0b"
                                                           "Elixir.Enum\x77\x04map!\x61\xff");
}

static void erlang_and_encoded_terms_can_stand_inside(void **state)
{
    (void)state;
    assert_term("[{\"$erl\":\"{a, 1}\"}]", "\x6c\0\0\0\x01\x68\x02\x77\x01"
                                           "a\x61\x01\x6a");
    assert_term("[{\"$etf\":\"g2EB\"}]", "\x6b\0\x01\x01");
    assert_term("{\"$etf\":\"g2gCYQFhAg==\"}", "\x68\x02\x61\x01\x61\x02");
}

static void large_tuples_get_the_large_header(void **state)
{
    char text[4096];
    struct wr w;
    struct etf_rd r;
    uint32_t arity;

    (void)state;
    for (unsigned n = 254; n <= 257; n++) {
        size_t len = (size_t)sprintf(text, "[{\"$tuple\":[\"first\"");

        for (unsigned i = 1; i < n; i++)
            len += (size_t)sprintf(text + len, ",%u", i);
        len += (size_t)sprintf(text + len, "]},\"behind\"]");
        wr_init(&w, SIZE_MAX);
        assert_int_equal(transcode_json_to_etf(slice_of(text, len), &plain, &w, NULL, NULL), ERR_NONE);
        assert_int_equal(etf_validate(wr_written(&w), NULL, &(struct etf_rules){0}, NULL, NULL), ERR_NONE);
        assert_int_equal(w.buf[5], n <= 255 ? ETF_SMALL_TUPLE_EXT : ETF_LARGE_TUPLE_EXT);
        r = etf_rd_of(wr_written(&w), NULL);
        assert_true(etf_read_list(&r, &arity) && etf_read_tuple(&r, &arity));
        assert_int_equal(arity, n);
        wr_fini(&w);
    }
}

static void keys_are_compared_however_many_they_are(void **state)
{
    (void)state;
    for (unsigned n = 2; n < 400; n += n < 40 ? 1 : 37) {
        for (unsigned twin = 0; twin <= n; twin += 1 + n / 7) {
            char *text = malloc(n * 24 + 64);
            size_t len = 1;
            struct transcode_fault f;
            char pointer[32];
            struct wr w;
            enum err e;

            text[0] = '{';
            for (unsigned i = 0; i < n; i++)
                len += (size_t)sprintf(text + len, "%s\"key %u\":{\"a\":[1,\"}\"]}", i ? "," : "", i);
            len += (size_t)sprintf(text + len, ",\"key %u\":0}", twin);
            wr_init(&w, SIZE_MAX);
            e = transcode_json_to_etf(slice_of(text, len), &plain, &w, NULL, &f);
            if (twin == n) {
                assert_int_equal(e, ERR_NONE);
            } else {
                assert_int_equal(e, ERR_DUPLICATE_KEY);
                sprintf(pointer, "/key %u", twin);
                assert_string_equal(f.pointer, pointer);
                assert_int_equal(f.fault.offset, strrchr(text, ',') + 1 - text);
            }
            wr_fini(&w);
            free(text);
        }
    }
}

/* form with its one % replaced */
static void print_key(char *key, size_t size, const char *form, unsigned number)
{
    const char *percent = strchr(form, '%');

    snprintf(key, size, "%.*s%u%s", (int)(percent - form), form, number, percent + 1);
}

static void keys_of_pairs_are_compared_as_terms(void **state)
{
    static const char *const forms[] = {
        "%",          "\"%\"",     "{\"$atom\":\"%\"}", "%.5", "{\"$tuple\":[%]}",
        "[%,\"[,\"]", "{\"k\":%}", "1234567890%"};
    (void)state;
    for (size_t form = 0; form < ARRAY_LEN(forms); form++) {
        for (unsigned n = 2; n < 200; n += n < 20 ? 1 : 61) {
            for (unsigned twin = 0; twin <= n; twin += 1 + n / 3) {
                struct transcode_fault f;
                char pointer[32];
                struct wr json, w;
                enum err e;

                wr_init(&json, SIZE_MAX);
                wr_init(&w, SIZE_MAX);
                wr_str(&json, "{\"$map\":[");
                for (unsigned i = 0; i <= n; i++) {
                    char key[64];

                    print_key(key, sizeof key, forms[form], i < n ? i : twin);
                    wr_printf(&json, "%s[%s,{\"a\":[1,\"}\"]}]", i ? " , " : "", key);
                }
                wr_str(&json, "]}");
                e = transcode_json_to_etf(wr_written(&json), &plain, &w, NULL, &f);
                if (twin == n) {
                    assert_int_equal(e, ERR_NONE);
                } else {
                    assert_int_equal(e, ERR_DUPLICATE_KEY);
                    sprintf(pointer, "/$map/%u/0", n);
                    assert_string_equal(f.pointer, pointer);
                    assert_memory_equal(json.buf + f.fault.offset - 3, " , [", 4);
                }
                wr_fini(&w);
                wr_fini(&json);
            }
        }
    }
}

static enum err count_atom(void *ctx, struct etf_atom atom)
{
    char *names = ctx;

    assert_false(atom.is_latin1);
    snprintf(names + strlen(names), 256 - strlen(names), "%.*s ", SLICE_FMT(atom.text));
    return slice_eq_str(atom.text, "forbidden") ? ERR_ATOM_BUDGET : ERR_NONE;
}

static void assert_atoms(const char *json, bool keys_as_atoms, enum err want, const char *names)
{
    char told[256] = "";
    struct transcode_options o = {.keys_as_atoms = keys_as_atoms, .on_atom = count_atom, .ctx = told};
    struct wr w;

    wr_init(&w, SIZE_MAX);
    assert_int_equal(transcode_json_to_etf(slice_of_str(json), &o, &w, NULL, NULL), want);
    assert_string_equal(told, names);
    wr_fini(&w);
}

static void atoms_are_told_of(void **state)
{
    (void)state;
    assert_atoms("[true,false,null]", false, ERR_NONE, "");
    assert_atoms("{\"a\":{\"$atom\":\"b\"}}", false, ERR_NONE, "b ");
    assert_atoms("{\"a\":{\"$atom\":\"b\"}}", true, ERR_NONE, "a b ");
    assert_atoms("{\"$pid\":\"kv@host:1:0:1\"}", false, ERR_NONE, "kv@host ");
    assert_atoms("{\"$fun\":\"m:f/1\"}", false, ERR_NONE, "m f ");
    assert_atoms("{\"$erl\":\"{x, [y]}\"}", false, ERR_NONE, "x y ");
    assert_atoms("{\"$etf\":\"g3cBeg==\"}", false, ERR_NONE, "z ");
    assert_atoms("[1,{\"$atom\":\"forbidden\"}]", false, ERR_ATOM_BUDGET, "forbidden ");
    assert_atoms("{\"forbidden\":1}", true, ERR_ATOM_BUDGET, "forbidden ");
}

static void what_not_every_peer_takes_is_told_or_refused(void **state)
{
    static const struct {
        const char *json;
        uint32_t use;
    } uses[] = {
        {"[{\"$ref\":\"a@b:1:1.2.3.4\"}]", ETF_USES_LONG_REF},
        {"{\"$pid\":\"a@b:40000:0:1\"}", ETF_USES_BIG_PID},
        {"{\"$port\":\"a@b:268435456:1\"}", ETF_USES_V4_PORT},
        {"{\"$erl\":\"#Ref<a@b:1:1.2.3.4.5>\"}", ETF_USES_LONG_REF},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        struct transcode_options o = {.refuse = uses[i].use};
        uint32_t used = 0;
        struct wr w;

        wr_init(&w, SIZE_MAX);
        assert_int_equal(transcode_json_to_etf(slice_of_str(uses[i].json), &plain, &w, &used, NULL),
                         ERR_NONE);
        assert_int_equal(used & uses[i].use, uses[i].use);
        wr_reset(&w);
        assert_int_equal(transcode_json_to_etf(slice_of_str(uses[i].json), &o, &w, NULL, NULL),
                         ERR_PEER_UNSUPPORTED);
        wr_fini(&w);
    }
}

static void what_came_before_in_the_writer_stays(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    etf_write_version(&w);
    assert_int_equal(transcode_json_to_etf(SLICE("{\"$tail\":1,\"$list\":[\"a\"]}"), &plain, &w, NULL, NULL),
                     ERR_NONE);
    assert_true(slice_eq(wr_written(&w), SLICE("\x83\x6c\0\0\0\x01\x6d\0\0\0\x01"
                                               "a\x61\x01")));
    assert_int_equal(w.open, 0);
    wr_fini(&w);
}

static void the_ceiling_is_exact(void **state)
{
    static const char json[] = "[\"0123456789012345678901234567890123456789\",1.5,{\"a\":[1,2,3]}]";
    struct wr w;
    size_t need;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(transcode_json_to_etf(slice_of_str(json), &plain, &w, NULL, NULL), ERR_NONE);
    need = w.len;
    wr_fini(&w);
    for (size_t ceiling = 0; ceiling <= need; ceiling++) {
        wr_init(&w, ceiling);
        assert_int_equal(transcode_json_to_etf(slice_of_str(json), &plain, &w, NULL, NULL),
                         ceiling < need ? ERR_TOO_LARGE : ERR_NONE);
        assert_int_equal(w.ceiling, ceiling);
        wr_fini(&w);
    }
}

static void each_failing_allocation_is_survived(void **state)
{
    struct wr json;
    enum err e = ERR_NOMEM;

    (void)state;
    wr_init(&json, SIZE_MAX);
    wr_str(&json, "{\"$tail\":{\"$bitstring\":{\"bytes\":\"qg==\",\"bits\":3}},\"$list\":[");
    for (int i = 0; i < 100; i++)
        wr_str(&json, "[");
    for (int i = 0; i < 100; i++)
        wr_str(&json, "]");
    wr_str(&json, ",{\"$map\":[[1,2],[{\"$charlist\":\"\\u00e9\"},4]]},{\"$integer\":"
                  "\"123456789012345678901234567890\"}");
    for (int i = 0; i < 200; i++)
        wr_printf(&json, "%s\"k%d\":{}", i ? "," : ",{", i);
    wr_str(&json, "},{\"$etf\":\"g2EB\"},{\"$pid\":\"'a b@c':1:2:3\"}]}");
    for (size_t n = 1; e == ERR_NOMEM; n++) {
        struct transcode_fault f;
        struct wr w;

        wr_init(&w, SIZE_MAX);
        mem_fail_from(n);
        e = transcode_json_to_etf(wr_written(&json), &plain, &w, NULL, &f);
        if (mem_failures() == 0)
            assert_int_equal(e, ERR_NONE);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
        wr_fini(&w);
        assert_true(n < 1000);
    }
    wr_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_atoms),
        cmocka_unit_test(integers_take_their_shortest_form),
        cmocka_unit_test(numbers_with_a_point_or_an_exponent_become_floats),
        cmocka_unit_test(strings_become_binaries),
        cmocka_unit_test(arrays_become_lists_and_lists_of_bytes_strings),
        cmocka_unit_test(a_list_of_bytes_too_long_for_a_string_stays_a_list),
        cmocka_unit_test(objects_become_maps),
        cmocka_unit_test(tags_become_what_they_name),
        cmocka_unit_test(identities_are_the_texts_that_were_given_out),
        cmocka_unit_test(erlang_and_encoded_terms_can_stand_inside),
        cmocka_unit_test(large_tuples_get_the_large_header),
        cmocka_unit_test(keys_are_compared_however_many_they_are),
        cmocka_unit_test(keys_of_pairs_are_compared_as_terms),
        cmocka_unit_test(atoms_are_told_of),
        cmocka_unit_test(what_not_every_peer_takes_is_told_or_refused),
        cmocka_unit_test(what_came_before_in_the_writer_stays),
        cmocka_unit_test(the_ceiling_is_exact),
        cmocka_unit_test(each_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
