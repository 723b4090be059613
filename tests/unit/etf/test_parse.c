#include "base/mem.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "test.h"
#include "tools.h"

/* Parses from memory that ends with the text; asserts that a failure leaves nothing behind. */
static enum err parse(struct slice text, const struct etf_parse_rules *rules, struct wr *w, struct fault *f)
{
    struct guard g = guard_of(text);
    size_t before = w->len;
    enum err e = etf_parse(w, g.bytes, rules, f);

    if (e != ERR_NONE) {
        assert_int_equal(w->len, before);
        assert_int_equal(f->err, e);
        assert_true(f->offset <= text.len);
    }
    guard_free(&g);
    return e;
}

static void reads_as(const char *text, struct slice want)
{
    struct fault f = {0};
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (parse(slice_of_str(text), NULL, &w, &f) != ERR_NONE)
        fail_msg("%s: %s at %zu", text, f.text, f.offset);
    if (!slice_eq(wr_written(&w), want))
        fail_msg("%s is read as another term", text);
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_NONE);
    wr_fini(&w);
}

static void is_refused(const char *text, enum err want, size_t offset)
{
    struct fault f = {0};
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    e = parse(slice_of_str(text), NULL, &w, &f);
    if (e != want || f.offset != offset)
        fail_msg("%s: %s at %zu (%s)", text, err_name(e), f.offset, f.text);
    wr_fini(&w);
}

#define READS_AS(text, bytes) reads_as(text, SLICE(bytes))

static void atoms_are_bare_or_quoted(void **state)
{
    (void)state;
    READS_AS("ok", "w\2ok");
    READS_AS("a@B_1", "w\5a@B_1");
    READS_AS("\xc3\xa9t\xc3\xa9", "w\5\xc3\xa9t\xc3\xa9");
    READS_AS("''", "w\0");
    READS_AS("'A b\\n\\x{e9}'", "w\6A b\n\xc3\xa9");
    READS_AS("'\\^Z\\101\\x41\\'\\q'", "w\5\x1a"
                                       "AA'q");
    READS_AS("'end'", "w\3end");
    is_refused("end", ERR_MALFORMED, 0);
    is_refused("maybe", ERR_MALFORMED, 0);
    is_refused("\xc3\x89t", ERR_MALFORMED, 0); /* a capital */
    is_refused("'abc", ERR_MORE, 0);
    is_refused("'\\x{110000}'", ERR_MALFORMED, 1);
    is_refused("'\\x{d800}'", ERR_MALFORMED, 1);
    is_refused("'\\xg'", ERR_MALFORMED, 3);
    is_refused("'\xff'", ERR_MALFORMED, 1);
    is_refused("a.b", ERR_MALFORMED, 1);
    is_refused("X", ERR_MALFORMED, 0);
    is_refused("_", ERR_MALFORMED, 0);
}

static void numbers_are_those_of_erlang(void **state)
{
    (void)state;
    READS_AS("0", "a\0");
    READS_AS("-0", "a\0");
    READS_AS("+7", "a\7");
    READS_AS("- % so\n 1", "b\xff\xff\xff\xff");
    READS_AS("1_000", "b\0\0\3\xe8");
    READS_AS("16#Ff", "a\xff");
    READS_AS("16#f_f", "a\xff");
    READS_AS("36#zZ", "b\0\0\5\xf");
    READS_AS("-2#100", "b\xff\xff\xff\xfc");
    READS_AS("9223372036854775808", "n\x8\0\0\0\0\0\0\0\0\x80");
    READS_AS("-9223372036854775808", "n\x8\1\0\0\0\0\0\0\0\x80");
    READS_AS("18446744073709551616", "n\x9\0\0\0\0\0\0\0\0\0\1");
    READS_AS("18_446_744_073_709_551_616", "n\x9\0\0\0\0\0\0\0\0\0\1");
    READS_AS("16#1_0000000000000000", "n\x9\0\0\0\0\0\0\0\0\0\1");
    READS_AS("1.5", "F\x3f\xf8\0\0\0\0\0\0");
    READS_AS("-0.0", "F\x80\0\0\0\0\0\0\0");
    READS_AS("0_0.1_5e+1", "F\x3f\xf8\0\0\0\0\0\0");
    READS_AS("15.0E-1", "F\x3f\xf8\0\0\0\0\0\0");
    READS_AS("0.0e-999999999999", "F\0\0\0\0\0\0\0\0");
    READS_AS("16#1.8", "F\x3f\xf8\0\0\0\0\0\0");
    READS_AS("16#0.18#e1", "F\x3f\xf8\0\0\0\0\0\0");
    READS_AS("2#11.0#e-1", "F\x3f\xf8\0\0\0\0\0\0");
    READS_AS("10#1.5", "F\x3f\xf8\0\0\0\0\0\0");
}

static void numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    is_refused("1__0", ERR_MALFORMED, 2);
    is_refused("1_", ERR_MORE, 2);
    is_refused("1e3", ERR_MALFORMED, 1);
    is_refused("1.0e", ERR_MORE, 4);
    is_refused("1a", ERR_MALFORMED, 1);
    is_refused("1#0", ERR_MALFORMED, 0);
    is_refused("37#0", ERR_MALFORMED, 0);
    is_refused("16#G", ERR_MALFORMED, 3);
    is_refused("2#2", ERR_MALFORMED, 2);
    is_refused("1.0e400", ERR_MALFORMED, 0);
    is_refused("16#1.0#e999", ERR_MALFORMED, 0);
    is_refused("3#0.1", ERR_UNSUPPORTED, 0);
    is_refused("- -1", ERR_MALFORMED, 2);
    is_refused("-a", ERR_MALFORMED, 1);
    is_refused("-", ERR_MORE, 1);
}

static void a_number_has_at_most_as_many_digits_as_allowed(void **state)
{
    static char digits[10002];
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    memset(digits, '9', sizeof digits);
    assert_int_equal(parse(slice_of(digits, 10000), NULL, &w, &f), ERR_NONE);
    assert_int_equal(parse(slice_of(digits, 10001), NULL, &w, &f), ERR_TOO_LARGE);
    digits[1] = '.';
    assert_int_equal(parse(slice_of(digits, 10002), NULL, &w, &f), ERR_TOO_LARGE);
    digits[1] = '9';
    assert_int_equal(parse(slice_of(digits, 6), &(struct etf_parse_rules){.max_digits = 5}, &w, &f),
                     ERR_TOO_LARGE);
    assert_int_equal(parse(slice_of(digits, 10001), &(struct etf_parse_rules){.max_digits = 20000}, &w, &f),
                     ERR_NONE);
    wr_fini(&w);
}

static void characters_are_integers(void **state)
{
    (void)state;
    READS_AS("$a", "aa");
    READS_AS("$ ", "a ");
    READS_AS("$\\n", "a\n");
    READS_AS("$\\s", "a ");
    READS_AS("$\\^a", "a\1");
    READS_AS("$\\^?", "a\x7f");
    READS_AS("$\\e", "a\x1b");
    READS_AS("$\\d", "a\x7f");
    READS_AS("$\\\\", "a\\");
    READS_AS("$\\x{1F600}", "b\0\1\xf6\0");
    READS_AS("$\xf0\x9f\x98\x80", "b\0\1\xf6\0");
    READS_AS("-$a", "b\xff\xff\xff\x9f");
    READS_AS("${", "a{");
    is_refused("$", ERR_MORE, 1);
    is_refused("$\\", ERR_MORE, 2);
    is_refused("$\\^1", ERR_MALFORMED, 3);
}

static void strings_are_lists_of_characters(void **state)
{
    (void)state;
    READS_AS("\"\"", "j");
    READS_AS("\"ab\"", "k\0\2ab");
    READS_AS("\"a\" % and\n \"b\"", "k\0\2ab");
    READS_AS("\"a\nb\\\nc\"", "k\0\5a\nb\nc");
    READS_AS("\"\xc3\xa9\"", "k\0\1\xe9");
    READS_AS("\"\\x{100}a\"", "l\0\0\0\2b\0\0\1\0aaj");
    is_refused("\"a\"\"b\"", ERR_MALFORMED, 3);
    is_refused("\"a", ERR_MORE, 0);
}

static void triple_quotes_hold_lines(void **state)
{
    (void)state;
    READS_AS("\"\"\"\n  a\n   b\n  \"\"\"", "k\0\4a\n b");
    READS_AS("\"\"\"\n\"\"\"", "j");
    READS_AS("\"\"\"\n\n\"\"\"", "j");
    READS_AS("\"\"\" \t\n a\\n\n\n b\n \"\"\"", "k\0\6a\\n\n\nb");
    READS_AS("\"\"\"\r\n a\r\n\r\n b\r\n \"\"\"", "k\0\6a\r\n\r\nb");
    READS_AS("\"\"\"\"\n \"\"\"\n \"\"\"\"", "k\0\3\"\"\"");
    READS_AS("[\"\"\"\n a\n \"\"\" \"b\"]", "l\0\0\0\1k\0\2abj");
    READS_AS("~\"\"\"\n a\\n\n \"\"\"", "m\0\0\0\3a\\n");
    READS_AS("~b\"\"\"\n a\\n\n \"\"\"", "m\0\0\0\2a\n");
    READS_AS("~s\"\"\"\n a\\\n b\n \"\"\"", "k\0\3a\nb");
    is_refused("\"\"\"a\n\"\"\"", ERR_MALFORMED, 0);
    is_refused("\"\"\"\n  a\n b\n  \"\"\"", ERR_MALFORMED, 8);
    is_refused("\"\"\"\n a\n \"\"\"\"", ERR_MALFORMED, 11);
    is_refused("\"\"\"\n a", ERR_MORE, 0);
    is_refused("\"\"\"\"\"\"", ERR_MORE, 0);
}

static void sigils_are_binaries_or_strings(void **state)
{
    (void)state;
    READS_AS("~\"a\\n\"", "m\0\0\0\2a\n");
    READS_AS("~\"\"", "m\0\0\0\0");
    READS_AS("~b(a\\)b)", "m\0\0\0\3a)b");
    READS_AS("~B|a\\|", "m\0\0\0\2a\\");
    READS_AS("~b\"\\x{100}\"", "m\0\0\0\2\xc4\x80");
    READS_AS("{~s[a],~s{b},~s<c>,~s/d/,~s'e',~s`f`,~s#g#,~S(\\)}",
             "h\x8k\0\1ak\0\1bk\0\1ck\0\1dk\0\1ek\0\1fk\0\1gk\0\1\\");
    is_refused("~q\"a\"", ERR_MALFORMED, 0);
    is_refused("~ \"a\"", ERR_MALFORMED, 0);
    is_refused("~\"a\"x", ERR_MALFORMED, 4);
    is_refused("~\"a\" \"b\"", ERR_MALFORMED, 5);
    is_refused("~b(a", ERR_MORE, 2);
}

static void binaries_are_made_of_segments(void **state)
{
    (void)state;
    READS_AS("<<>>", "m\0\0\0\0");
    READS_AS("<< >>", "m\0\0\0\0");
    READS_AS("<<\"abc\">>", "m\0\0\0\3abc");
    READS_AS("<<\"\xc3\xa9\">>", "m\0\0\0\1\xe9");
    READS_AS("<<\"\xc3\xa9\"/utf8>>", "m\0\0\0\2\xc3\xa9");
    READS_AS("<<\"a\" \"b\", $c, 100 , 16#65>>", "m\0\0\0\5abcde");
    READS_AS("<<-1, 300, +1>>", "m\0\0\0\3\xff\x2c\1");
    READS_AS("<<1:16, 1:16/little, 1:8/unit:2, -2:16/little-signed>>", "m\0\0\0\x8\0\1\1\0\0\1\xfe\xff");
    READS_AS("<<5:3>>", "M\0\0\0\1\3\xa0");
    READS_AS("<<1,5:3>>", "M\0\0\0\2\3\1\xa0");
    READS_AS("<<1:4,\"a\">>", "M\0\0\0\2\4\x16\x10");
    READS_AS("<<1:4,2:4>>", "m\0\0\0\1\x12");
    READS_AS("<<16#123:12/little>>", "M\0\0\0\2\4\x23\x10");
    READS_AS("<<1:0>>", "m\0\0\0\0");
    READS_AS("<<-1:72>>", "m\0\0\0\x9\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    READS_AS("<<16#010203040506070809:72>>", "m\0\0\0\x9\1\2\3\4\5\6\7\x8\x9");
    READS_AS("<<16#010203040506070809:72/little>>", "m\0\0\0\x9\x9\x8\7\6\5\4\3\2\1");
    READS_AS("<<-16#010203040506070809:16>>", "m\0\0\0\2\xf7\xf7");
    READS_AS("<<\"ab\":16>>", "m\0\0\0\4\0a\0b");
    READS_AS("<<1.5/float, 1.5:32/float-little, 1/float>>",
             "m\0\0\0\x14\x3f\xf8\0\0\0\0\0\0\0\0\xc0\x3f\x3f\xf0\0\0\0\0\0\0");
    READS_AS("<<\"\xf0\x9f\x98\x80\"/utf16, $a/utf16-little, 16#1F600/utf32>>",
             "m\0\0\0\xa\xd8\x3d\xde\0a\0\0\1\xf6\0");
    is_refused("<<\"\xc4\x80\">>", ERR_MALFORMED, 2);
    is_refused("<<1.5>>", ERR_MALFORMED, 2);
    is_refused("<<1,>>", ERR_MALFORMED, 4);
    is_refused("<<1", ERR_MORE, 3);
    is_refused("<<1:65537>>", ERR_TOO_LARGE, 4);
    is_refused("<<1:65536/unit:256>>", ERR_TOO_LARGE, 2);
    is_refused("<<1/little-big>>", ERR_MALFORMED, 11);
    is_refused("<<1/strange>>", ERR_MALFORMED, 4);
    is_refused("<<1/unit:8>>", ERR_MALFORMED, 2);
    is_refused("<<1:8/utf8>>", ERR_MALFORMED, 2);
    is_refused("<<16#D800/utf8>>", ERR_MALFORMED, 2);
    is_refused("<<1.0e300:32/float>>", ERR_MALFORMED, 2);
    is_refused("<<1.0:16/float>>", ERR_UNSUPPORTED, 2);
    is_refused("<<\"a\"/binary>>", ERR_UNSUPPORTED, 2);
}

static void lists_tuples_and_maps_nest(void **state)
{
    (void)state;
    READS_AS("[]", "j");
    READS_AS("[ % nothing\n]", "j");
    READS_AS("{}", "h\0");
    READS_AS("#{}", "t\0\0\0\0");
    READS_AS("# { }", "t\0\0\0\0");
    READS_AS("{ok, [1, a]}", "h\2w\2okl\0\0\0\2a\1w\1aj");
    READS_AS("[1,2,3]", "k\0\3\1\2\3");
    READS_AS("[1,256]", "l\0\0\0\2a\1b\0\0\1\0j");
    READS_AS("[1|2]", "l\0\0\0\1a\1a\2");
    READS_AS("[a|[b,c]]", "l\0\0\0\3w\1aw\1bw\1cj");
    READS_AS("[1|[2|[3|[]]]]", "k\0\3\1\2\3");
    READS_AS("[1|[2|x]]", "l\0\0\0\2a\1a\2w\1x");
    READS_AS("[1|\"ab\"]", "k\0\3\1ab");
    READS_AS("[1|\"\"]", "k\0\1\1");
    READS_AS("[1|\"\\x{100}\"]", "l\0\0\0\2a\1b\0\0\1\0j");
    READS_AS("#{a=>1,\"b\"=>#{}}", "t\0\0\0\2w\1aa\1k\0\1bt\0\0\0\0");
    READS_AS("({(a)})", "h\1w\1a");
    is_refused("[a", ERR_MORE, 2);
    is_refused("[a,", ERR_MORE, 3);
    is_refused("[a b]", ERR_MALFORMED, 3);
    is_refused("[a,]", ERR_MALFORMED, 3);
    is_refused("[|a]", ERR_MALFORMED, 1);
    is_refused("[a|b,c]", ERR_MALFORMED, 4);
    is_refused("[a|[b|c]", ERR_MORE, 8);
    is_refused("{a,}", ERR_MALFORMED, 3);
    is_refused("{a]", ERR_MALFORMED, 2);
    is_refused("#{a}", ERR_MALFORMED, 3);
    is_refused("#{a:=1}", ERR_MALFORMED, 3);
    is_refused("#{a=>1,}", ERR_MALFORMED, 7);
    is_refused("(a", ERR_MORE, 2);
    is_refused("#a{}", ERR_MALFORMED, 0);
    is_refused("", ERR_MORE, 0);
    is_refused("% a comment\n", ERR_MORE, 12);
    is_refused("?a", ERR_MALFORMED, 0);
    is_refused("\xff", ERR_MALFORMED, 0);
}

static void a_tuple_may_have_more_than_255_elements(void **state)
{
    struct wr text, w;
    struct fault f = {0};
    struct etf_rd r;
    uint32_t n;

    (void)state;
    wr_init(&text, SIZE_MAX);
    wr_init(&w, SIZE_MAX);
    wr_str(&text, "#{{a");
    for (int i = 0; i < 299; i++)
        wr_str(&text, ",#{x=>1}");
    wr_str(&text, "} => 1, b => c}");
    assert_int_equal(parse(wr_written(&text), NULL, &w, &f), ERR_NONE);
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_NONE);
    r = etf_rd_of(wr_written(&w), NULL);
    assert_true(etf_read_map(&r, &n) && etf_read_tuple(&r, &n));
    assert_int_equal(n, 300);
    wr_fini(&text);
    wr_fini(&w);
}

static void the_final_dot_is_optional_and_ends_the_text(void **state)
{
    (void)state;
    READS_AS("a.", "w\1a");
    READS_AS(" a . \n", "w\1a");
    READS_AS("a.%c", "w\1a");
    READS_AS("1.", "a\1");
    READS_AS("\xc2\xa0"
             "a\xc2\x85",
             "w\1a");
    is_refused("a b", ERR_MALFORMED, 2);
    is_refused("a. b", ERR_MALFORMED, 3);
    is_refused("a..", ERR_MALFORMED, 1);
    is_refused("a;", ERR_MALFORMED, 1);
    is_refused("{a}{b}", ERR_MALFORMED, 3);
}

static void what_has_no_syntax_in_erlang_is_read_from_its_text(void **state)
{
    (void)state;
    READS_AS("#Pid<kv@host:1:2:3>", "Xw\7kv@host\0\0\0\1\0\0\0\2\0\0\0\3");
    READS_AS("#Pid<'a>\\n:b':1:2:3>", "Xw\5a>\n:b\0\0\0\1\0\0\0\2\0\0\0\3");
    READS_AS("#Ref<a@b-c.d:3:1.2>", "Z\0\2w\7a@b-c.d\0\0\0\3\0\0\0\1\0\0\0\2");
    READS_AS("#Port<a:1:3>", "Yw\1a\0\0\0\1\0\0\0\3");
    READS_AS("#Port<a:268435456:3>", "xw\1a\0\0\0\0\x10\0\0\0\0\0\0\3");
    READS_AS("fun lists:map/2", "qw\5listsw\3mapa\2");
    READS_AS("fun 'A':'end' / 0", "qw\1Aw\3enda\0");
    READS_AS("[#Etf<g2EB>]", "k\0\1\1");
    READS_AS("#Etf<g3kBAgMEag==>", "y\1\2\3\4j");
    is_refused("[#Etf<g3kBAgMEag==>]", ERR_MALFORMED, 1);
    is_refused("#Etf<g2EB", ERR_MORE, 5);
    is_refused("#Etf<g2E!>", ERR_MALFORMED, 8);
    is_refused("#Etf<g2EBAA>", ERR_MALFORMED, 0);
    is_refused("#Etf<>", ERR_MALFORMED, 0);
    is_refused("#Pid<a:1:2>", ERR_MALFORMED, 5);
    is_refused("#Pid<a:1:2:4294967296>", ERR_MALFORMED, 5);
    is_refused("#Pid<a:01:2:3>", ERR_MALFORMED, 5);
    is_refused("#Pid<a b:1:2:3>", ERR_MALFORMED, 5);
    is_refused("#Pid<:1:2:3>", ERR_MALFORMED, 5);
    is_refused("#Ref<a:3:1.2.3.4.5.6>", ERR_MALFORMED, 5);
    is_refused("#Ref<a:3:1.>", ERR_MALFORMED, 5);
    is_refused("#Port<a:18446744073709551616:3>", ERR_MALFORMED, 6);
    is_refused("fun a:b/256", ERR_MALFORMED, 8);
    is_refused("fun a/1", ERR_MALFORMED, 5);
    is_refused("fun a:b", ERR_MORE, 7);
    is_refused("fun (X) -> X end", ERR_MALFORMED, 4);
}

static void equal_keys_are_refused_at_the_second(void **state)
{
    (void)state;
    is_refused("#{a=>1,b=>2,'a'=>3}", ERR_DUPLICATE_KEY, 12);
    is_refused("#{1=>1, 16#1=>2}", ERR_DUPLICATE_KEY, 8);
    is_refused("#{0.0=>1, -0.0=>2}", ERR_DUPLICATE_KEY, 10);
    is_refused("#{\"a\"=>1, [$a]=>2}", ERR_DUPLICATE_KEY, 10);
    is_refused("#{#{a=>1,b=>2}=>1, #{b=>2,a=>1}=>2}", ERR_DUPLICATE_KEY, 19);
    is_refused("#{#{a=>1,a=>2}=>1}", ERR_DUPLICATE_KEY, 2);
    is_refused("#{x=>#{a=>1,a=>2}}", ERR_DUPLICATE_KEY, 12);
    is_refused("#{{1,2}=>#{y=>1},{1,2}=>1}", ERR_DUPLICATE_KEY, 17);
    READS_AS("#{1=>1,1.0=>2}", "t\0\0\0\2a\1a\1F\x3f\xf0\0\0\0\0\0\0a\2");
}

static void nesting_is_bounded(void **state)
{
    static char text[2 * 1000000];
    struct etf_parse_rules rules = {.term = {.max_depth = 3}};
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    memset(text, '[', sizeof text / 2);
    memset(text + sizeof text / 2, ']', sizeof text / 2);
    assert_int_equal(parse(slice_of(text, sizeof text), NULL, &w, &f), ERR_DEPTH);
    assert_int_equal(f.offset, ETF_DEFAULT_MAX_DEPTH);
    assert_int_equal(parse(SLICE("{[{[]}]}"), &rules, &w, &f), ERR_NONE);
    assert_int_equal(parse(SLICE("{[{[1]}]}"), &rules, &w, &f), ERR_DEPTH);
    assert_int_equal(f.offset, 3);
    assert_int_equal(parse(SLICE("{#Etf<g2gBaAFoAA==>}"), &rules, &w, &f), ERR_NONE);
    assert_int_equal(parse(SLICE("{{#Etf<g2gBaAFoAA==>}}"), &rules, &w, &f), ERR_DEPTH);
    wr_fini(&w);
}

static enum err no_spies(void *ctx, struct etf_atom atom)
{
    *(int *)ctx += 1;
    return etf_atom_is(atom, "spy") ? ERR_ATOM_BUDGET : ERR_NONE;
}

static void each_atom_is_told_and_may_be_refused(void **state)
{
    int n = 0;
    struct etf_parse_rules rules = {.term = {.on_atom = no_spies, .ctx = &n}};
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(parse(SLICE("{a,'b',fun c:d/1,#Pid<e:1:2:3>,#Etf<g3cBZg==>}"), &rules, &w, &f),
                     ERR_NONE);
    assert_int_equal(n, 6);
    assert_int_equal(parse(SLICE("{a,spy}"), &rules, &w, &f), ERR_ATOM_BUDGET);
    assert_int_equal(f.offset, 3);
    assert_int_equal(parse(SLICE("[#Pid<spy:1:2:3>]"), &rules, &w, &f), ERR_ATOM_BUDGET);
    assert_int_equal(f.offset, 1);
    assert_int_equal(parse(SLICE("fun a:spy/1"), &rules, &w, &f), ERR_ATOM_BUDGET);
    assert_int_equal(f.offset, 6);
    assert_int_equal(parse(SLICE("{#Etf<g3cDc3B5>}"), &rules, &w, &f), ERR_ATOM_BUDGET);
    wr_fini(&w);
}

static void what_a_peer_cannot_take_is_refused_in_text_too(void **state)
{
    struct etf_parse_rules rules = {
        .term = {.refuse = ETF_USES_V4_PORT | ETF_USES_LONG_REF | ETF_USES_BIG_PID}};
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(parse(SLICE("{#Port<a:268435456:3>}"), &rules, &w, &f), ERR_PEER_UNSUPPORTED);
    assert_int_equal(f.offset, 1);
    assert_int_equal(parse(SLICE("#Ref<a:3:1.2.3.4>"), &rules, &w, &f), ERR_PEER_UNSUPPORTED);
    assert_int_equal(parse(SLICE("#Pid<a:32768:0:3>"), &rules, &w, &f), ERR_PEER_UNSUPPORTED);
    assert_int_equal(parse(SLICE("#Pid<a:32767:0:3>"), &rules, &w, &f), ERR_NONE);
    wr_fini(&w);
}

static enum err hole(void *ctx, struct slice name, struct wr *w)
{
    (void)ctx;
    if (slice_eq_str(name, "Bad"))
        return ERR_NOT_FOUND;
    etf_write_binary(w, name);
    return ERR_NONE;
}

static void variables_and_holes_are_the_callers(void **state)
{
    struct etf_parse_rules rules = {.on_variable = hole};
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(parse(SLICE("{User,_,${path.id:binary}}"), &rules, &w, &f), ERR_NONE);
    assert_bytes_equal(wr_written(&w), SLICE("h\3m\0\0\0\4Userm\0\0\0\1_m\0\0\0\x11${path.id:binary}"));
    assert_int_equal(parse(SLICE("{ok,Bad}"), &rules, &w, &f), ERR_NOT_FOUND);
    assert_int_equal(f.offset, 4);
    assert_int_equal(parse(SLICE("${path"), &rules, &w, &f), ERR_MORE);
    wr_fini(&w);
}

static void a_term_larger_than_allowed_is_refused(void **state)
{
    struct etf_parse_rules rules = {.term = {.max_bytes = 10}};
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(parse(SLICE("\"1234567\""), &rules, &w, &f), ERR_NONE);
    assert_int_equal(parse(SLICE("\"12345678\""), &rules, &w, &f), ERR_TOO_LARGE);
    wr_fini(&w);
    wr_init(&w, 9);
    assert_int_equal(parse(SLICE("\"1234567\""), NULL, &w, &f), ERR_TOO_LARGE);
    wr_fini(&w);
}

static const char all_kinds[] = "[{a,'B',1,-2,123456789012345678901234567890,1_0.5,$c}, \"d\" \"e\", "
                                "\"\"\"\n f\n \"\"\", ~b|g|,<<\"h\",1:4>>,"
                                "#{{i} => [j|k], [l] => #{}}, fun m:n/1, #Pid<'o p':1:2:3>, #Ref<q:1:2.3>, "
                                "#Port<r:1:2>, #Etf<g2EB>] % s\n.";

static void a_text_cut_anywhere_is_incomplete_or_wrong_but_never_read(void **state)
{
    struct fault f = {0};
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    assert_int_equal(parse(slice_of_str(all_kinds), NULL, &w, &f), ERR_NONE);
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_NONE);
    for (size_t cut = 0; cut < sizeof all_kinds - 8; cut++) {
        enum err e = parse(slice_of(all_kinds, cut), NULL, &w, &f);

        if (e != ERR_MORE && e != ERR_MALFORMED)
            fail_msg("cut at %zu: %s", cut, err_name(e));
    }
    wr_fini(&w);
}

static void without_memory_nothing_is_read_and_nothing_leaks(void **state)
{
    size_t n = 0;
    enum err e;

    (void)state;
    do {
        struct fault f = {0};
        struct wr w;

        wr_init(&w, SIZE_MAX);
        mem_fail_from(++n);
        e = etf_parse(&w, slice_of_str(all_kinds), NULL, &f);
        assert_true(e == ERR_NOMEM || mem_failures() == 0);
        assert_int_equal(f.err, e);
        mem_fail_from(0);
        wr_fini(&w);
    } while (e != ERR_NONE);
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atoms_are_bare_or_quoted),
        cmocka_unit_test(numbers_are_those_of_erlang),
        cmocka_unit_test(numbers_that_are_none_are_refused),
        cmocka_unit_test(a_number_has_at_most_as_many_digits_as_allowed),
        cmocka_unit_test(characters_are_integers),
        cmocka_unit_test(strings_are_lists_of_characters),
        cmocka_unit_test(triple_quotes_hold_lines),
        cmocka_unit_test(sigils_are_binaries_or_strings),
        cmocka_unit_test(binaries_are_made_of_segments),
        cmocka_unit_test(lists_tuples_and_maps_nest),
        cmocka_unit_test(a_tuple_may_have_more_than_255_elements),
        cmocka_unit_test(the_final_dot_is_optional_and_ends_the_text),
        cmocka_unit_test(what_has_no_syntax_in_erlang_is_read_from_its_text),
        cmocka_unit_test(equal_keys_are_refused_at_the_second),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(each_atom_is_told_and_may_be_refused),
        cmocka_unit_test(what_a_peer_cannot_take_is_refused_in_text_too),
        cmocka_unit_test(variables_and_holes_are_the_callers),
        cmocka_unit_test(a_term_larger_than_allowed_is_refused),
        cmocka_unit_test(a_text_cut_anywhere_is_incomplete_or_wrong_but_never_read),
        cmocka_unit_test(without_memory_nothing_is_read_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
