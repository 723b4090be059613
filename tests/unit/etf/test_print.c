#include "etf/integer.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "test.h"
#include "tools.h"

static void prints_as(struct slice term, const char *want)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct fault f = {0};
    struct wr text, back;

    wr_init(&text, SIZE_MAX);
    wr_init(&back, SIZE_MAX);
    assert_int_equal(etf_print(&text, &r), ERR_NONE);
    assert_int_equal(rd_left(&r.rd), 0);
    if (!slice_eq_str(wr_written(&text), want))
        fail_msg("%.*s is not %s", SLICE_FMT(wr_written(&text)), want);
    if (etf_parse(&back, wr_written(&text), NULL, &f) != ERR_NONE)
        fail_msg("%s: %s at %zu", want, f.text, f.offset);
    assert_true(etf_equal(term, NULL, wr_written(&back), NULL));
    wr_fini(&text);
    wr_fini(&back);
}

#define PRINTS_AS(bytes, text) prints_as(SLICE(bytes), text)

static void atoms_are_quoted_when_they_must_be(void **state)
{
    (void)state;
    PRINTS_AS("w\2ok", "ok");
    PRINTS_AS("w\5a@B_1", "a@B_1");
    PRINTS_AS("w\3\xc3\xa9t", "\xc3\xa9t");
    PRINTS_AS("s\2\xe9t", "\xc3\xa9t");
    PRINTS_AS("w\0", "''");
    PRINTS_AS("w\2Ok", "'Ok'");
    PRINTS_AS("w\3\xc3\x89t", "'\xc3\x89t'");
    PRINTS_AS("w\3a.b", "'a.b'");
    PRINTS_AS("w\3a b", "'a b'");
    PRINTS_AS("w\2\xc3\xb7", "'\xc3\xb7'"); /* the sign of division */
    PRINTS_AS("w\3\xc4\x80"
              "a",
              "'\xc4\x80"
              "a'");
    PRINTS_AS("w\4it's", "'it\\'s'");
    PRINTS_AS("w\7\n\x1b\x7f\1\xc2\x80\\", "'\\n\\e\\d\\001\\200\\\\'");
    PRINTS_AS("w\3end", "'end'");
    PRINTS_AS("w\5maybe", "'maybe'");
    PRINTS_AS("w\4else", "'else'");
    PRINTS_AS("w\4ends", "ends");
}

static void numbers_are_printed_in_full(void **state)
{
    (void)state;
    PRINTS_AS("a\5", "5");
    PRINTS_AS("b\xff\xff\xff\xff", "-1");
    PRINTS_AS("n\x8\1\0\0\0\0\0\0\0\x80", "-9223372036854775808");
    PRINTS_AS("n\x8\0\0\0\0\0\0\0\0\x80", "9223372036854775808");
    PRINTS_AS("n\x9\1\0\0\0\0\0\0\0\0\1", "-18446744073709551616");
    PRINTS_AS("n\3\0\5\0\0", "5");
    PRINTS_AS("F\x3f\xf0\0\0\0\0\0\0", "1.0");
    PRINTS_AS("F\x80\0\0\0\0\0\0\0", "-0.0");
    PRINTS_AS("c1.50000000000000000000e+00\0\0\0\0\0", "1.5");
}

static void an_integer_of_more_than_10000_digits_is_printed_as_bytes(void **state)
{
    static uint8_t magnitude[5000];
    struct wr w, text;
    struct etf_rd r;

    (void)state;
    wr_init(&w, SIZE_MAX);
    wr_init(&text, SIZE_MAX);
    memset(magnitude, 0xFF, sizeof magnitude);
    etf_write_big(&w, false, slice_of(magnitude, 4152));
    r = etf_rd_of(wr_written(&w), NULL);
    assert_int_equal(etf_print(&text, &r), ERR_NONE);
    assert_true(text.len <= ETF_DEFAULT_MAX_DIGITS && text.buf[0] >= '0' && text.buf[0] <= '9');
    wr_reset(&w);
    wr_reset(&text);
    etf_write_big(&w, false, slice_of(magnitude, 4153));
    r = etf_rd_of(wr_written(&w), NULL);
    assert_int_equal(etf_print(&text, &r), ERR_NONE);
    assert_memory_equal(text.buf, "#Etf<", 5);
    wr_fini(&w);
    wr_fini(&text);
}

static void so_are_further_ones_of_many(void **state)
{
    static uint8_t magnitude[4000];
    struct wr w, text;
    struct etf_rd r;
    size_t encoded = 0;

    (void)state;
    wr_init(&w, SIZE_MAX);
    wr_init(&text, SIZE_MAX);
    memset(magnitude, 0xFF, sizeof magnitude);
    etf_write_list(&w, 400);
    for (int i = 0; i < 400; i++)
        etf_write_big(&w, true, slice_of(magnitude, sizeof magnitude));
    etf_write_nil(&w);
    r = etf_rd_of(wr_written(&w), NULL);
    assert_int_equal(etf_print(&text, &r), ERR_NONE);
    for (size_t i = 0; i < text.len; i++)
        encoded += text.buf[i] == '#';
    assert_int_equal(400 - encoded, ETF_DIGITS_BUDGET / (501 * 501));
    wr_fini(&w);
    wr_fini(&text);
}

static void lists_of_printable_characters_are_strings(void **state)
{
    (void)state;
    PRINTS_AS("j", "[]");
    PRINTS_AS("k\0\0", "[]");
    PRINTS_AS("k\0\3abc", "\"abc\"");
    PRINTS_AS("k\0\5\"\\\n\t\xe9", "\"\\\"\\\\\\n\\t\xc3\xa9\"");
    PRINTS_AS("k\0\2a\0", "[97,0]");
    PRINTS_AS("k\0\1\x7f", "[127]");
    PRINTS_AS("l\0\0\0\2b\0\1\xf6\0aaj", "\"\xf0\x9f\x98\x80"
                                         "a\"");
    PRINTS_AS("l\0\0\0\1b\0\0\xd8\0j", "[55296]");
    PRINTS_AS("l\0\0\0\1b\0\x11\0\0j", "[1114112]");
    PRINTS_AS("l\0\0\0\2aaw\1bj", "[97,b]");
    PRINTS_AS("l\0\0\0\1aaab", "[97|98]");
    PRINTS_AS("l\0\0\0\1aal\0\0\0\1abj", "\"ab\"");
    PRINTS_AS("l\0\0\0\1aak\0\2bc", "\"abc\"");
    PRINTS_AS("l\0\0\0\1aak\0\1\0", "[97,0]");
    PRINTS_AS("l\0\0\0\1jl\0\0\0\1aaw\1x", "[[],97|x]");
    PRINTS_AS("l\0\0\0\1jl\0\0\0\0j", "[[]]");
    PRINTS_AS("l\0\0\0\0j", "[]");
}

static void binaries_are_text_when_they_are_utf8(void **state)
{
    (void)state;
    PRINTS_AS("m\0\0\0\0", "<<>>");
    PRINTS_AS("m\0\0\0\3abc", "<<\"abc\">>");
    PRINTS_AS("m\0\0\0\2a\n", "<<\"a\\n\">>");
    PRINTS_AS("m\0\0\0\2\xc3\xa9", "<<\"\xc3\xa9\"/utf8>>");
    PRINTS_AS("m\0\0\0\1\xe9", "<<233>>");
    PRINTS_AS("m\0\0\0\3\xe2\x80\xae", "<<\"\\x{202E}\"/utf8>>");
    PRINTS_AS("m\0\0\0\2a\0", "<<97,0>>");
    PRINTS_AS("M\0\0\0\1\3\xff", "<<7:3>>");
    PRINTS_AS("M\0\0\0\2\3"
              "a\xff",
              "<<97,7:3>>");
    PRINTS_AS("M\0\0\0\1\x8"
              "a",
              "<<\"a\">>");
}

static void containers_are_printed_as_the_shell_does(void **state)
{
    (void)state;
    PRINTS_AS("h\0", "{}");
    PRINTS_AS("h\2w\3getm\0\0\0\1k", "{get,<<\"k\">>}");
    PRINTS_AS("t\0\0\0\0", "#{}");
    PRINTS_AS("t\0\0\0\2w\1aa\1w\1bt\0\0\0\1a\1a\2", "#{a => 1,b => #{1 => 2}}");
    PRINTS_AS("l\0\0\0\2h\1jjw\1x", "[{[]},[]|x]");
}

static void what_has_no_syntax_is_printed_as_its_text(void **state)
{
    (void)state;
    PRINTS_AS("Xw\7kv@host\0\0\0\1\0\0\0\2\xff\xff\xff\xff", "#Pid<kv@host:1:2:4294967295>");
    PRINTS_AS("gs\4\xe9@>'\0\0\0\1\0\0\0\2\3", "#Pid<'\xc3\xa9@>\\'':1:2:3>");
    PRINTS_AS("Z\0\3w\3a-b\0\0\0\3\0\0\0\1\0\0\0\0\xff\xff\xff\xff", "#Ref<a-b:3:1.0.4294967295>");
    PRINTS_AS("xw\1a\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\3", "#Port<a:18446744073709551615:3>");
    PRINTS_AS("qw\5listsw\3mapa\2", "fun lists:map/2");
    PRINTS_AS("qw\1Aw\3enda\xff", "fun 'A':'end'/255");
    PRINTS_AS("qw\1aw\1bb\0\0\1\0", "#Etf<g3F3AWF3AWJiAAABAA==>");
    PRINTS_AS("h\1C\0\0\0\1\1w\1mw\1rw\1xa\1", "{#Etf<g0MAAAABAXcBbXcBcncBeGEB>}");
    PRINTS_AS("y\1\2\3\4j", "#Etf<g3kBAgMEag==>");
}

static void every_tag_comes_back_from_its_print(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct etf_rd r = etf_rd_of(samples[i].bytes, NULL);
        struct wr text, back;

        wr_init(&text, SIZE_MAX);
        wr_init(&back, SIZE_MAX);
        assert_int_equal(etf_print(&text, &r), ERR_NONE);
        if (etf_parse(&back, wr_written(&text), NULL, NULL) != ERR_NONE ||
            !etf_equal(samples[i].bytes, NULL, wr_written(&back), NULL))
            fail_msg("%s", samples[i].name);
        wr_fini(&text);
        wr_fini(&back);
    }
}

static void printing_stops_at_the_ceiling_and_at_what_is_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        for (size_t cut = 0; cut < samples[i].bytes.len; cut++) {
            struct guard g = guard_of(slice_of(samples[i].bytes.ptr, cut));
            struct etf_rd r = etf_rd_of(g.bytes, NULL);
            struct wr w;

            wr_init(&w, SIZE_MAX);
            assert_int_equal(etf_print(&w, &r), ERR_MALFORMED);
            wr_fini(&w);
            wr_init(&w, 0);
            r = etf_rd_of(samples[i].bytes, NULL);
            assert_int_equal(etf_print(&w, &r), ERR_TOO_LARGE);
            wr_fini(&w);
            guard_free(&g);
        }
    }
}

static void texts_of_ids_are_read_whole_or_not_at_all(void **state)
{
    struct slice module, function;
    struct etf_pid pid;
    struct etf_ref ref;
    struct etf_port port;
    struct wr scratch;
    uint8_t arity;

    (void)state;
    wr_init(&scratch, SIZE_MAX);
    assert_true(etf_parse_pid_text(SLICE("kv@host:1:2:3"), &scratch, &pid));
    assert_bytes_equal(pid.node.text, SLICE("kv@host"));
    assert_true(etf_parse_pid_text(SLICE("'a:b':1:2:3"), &scratch, &pid));
    assert_bytes_equal(pid.node.text, SLICE("a:b"));
    assert_false(etf_parse_pid_text(SLICE("kv@host:1:2:3 "), &scratch, &pid));
    assert_false(etf_parse_pid_text(SLICE(" kv@host:1:2:3"), &scratch, &pid));
    assert_false(etf_parse_pid_text(SLICE("a:b:1:2:3"), &scratch, &pid));
    assert_false(etf_parse_pid_text(SLICE("kv@host:1:2:+3"), &scratch, &pid));
    assert_false(etf_parse_pid_text(SLICE("'kv':1:2:3'"), &scratch, &pid));
    assert_false(etf_parse_pid_text(SLICE(""), &scratch, &pid));
    assert_true(etf_parse_ref_text(SLICE("kv@host:4:1.2.3.4.5"), &scratch, &ref));
    assert_int_equal(ref.count, 5);
    assert_int_equal(ref.words[4], 5);
    assert_false(etf_parse_ref_text(SLICE("kv@host:4:"), &scratch, &ref));
    assert_true(etf_parse_port_text(SLICE("kv@host:4:5"), &scratch, &port));
    assert_true(etf_parse_fun_text(SLICE("lists:map/2"), &scratch, &module, &function, &arity));
    assert_true(etf_parse_fun_text(SLICE("'a b':'c/d'/2"), &scratch, &module, &function, &arity));
    assert_bytes_equal(module, SLICE("a b"));
    assert_bytes_equal(function, SLICE("c/d"));
    assert_false(etf_parse_fun_text(SLICE("lists:map/256"), &scratch, &module, &function, &arity));
    assert_false(etf_parse_fun_text(SLICE("lists:map/2 "), &scratch, &module, &function, &arity));
    assert_false(etf_parse_fun_text(SLICE("lists:map"), &scratch, &module, &function, &arity));
    wr_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atoms_are_quoted_when_they_must_be),
        cmocka_unit_test(numbers_are_printed_in_full),
        cmocka_unit_test(an_integer_of_more_than_10000_digits_is_printed_as_bytes),
        cmocka_unit_test(so_are_further_ones_of_many),
        cmocka_unit_test(lists_of_printable_characters_are_strings),
        cmocka_unit_test(binaries_are_text_when_they_are_utf8),
        cmocka_unit_test(containers_are_printed_as_the_shell_does),
        cmocka_unit_test(what_has_no_syntax_is_printed_as_its_text),
        cmocka_unit_test(every_tag_comes_back_from_its_print),
        cmocka_unit_test(printing_stops_at_the_ceiling_and_at_what_is_malformed),
        cmocka_unit_test(texts_of_ids_are_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
