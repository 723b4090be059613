#include "etf/validate.h"

#include <zlib.h>

#include "base/mem.h"
#include "etf/write.h"
#include "test.h"
#include "tools.h"

static enum err check(struct slice term, uint32_t *ret_uses)
{
    struct fault f = {0};
    struct guard g = guard_of(term);
    enum err e = etf_validate(g.bytes, NULL, NULL, ret_uses, &f);

    assert_int_equal(f.err, e);
    assert_true(f.offset <= term.len);
    guard_free(&g);
    return e;
}

static void each_tag_is_accepted_whole_and_refused_at_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct slice s = samples[i].bytes;

        for (size_t cut = 0; cut < s.len; cut++) {
            if (check(slice_of(s.ptr, cut), NULL) != ERR_MORE)
                fail_msg("%s cut at %zu", samples[i].name, cut);
        }
        if (check(s, NULL) != ERR_NONE)
            fail_msg("%s", samples[i].name);
    }
}

static void what_follows_a_term_is_told_by_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct slice s = samples[i].bytes;
        uint8_t longer[256];
        struct fault f;
        size_t len;

        memcpy(longer, s.ptr, s.len);
        longer[s.len] = 'j';
        assert_int_equal(etf_validate(slice_of(longer, s.len + 1), NULL, NULL, NULL, &f), ERR_MALFORMED);
        assert_int_equal(f.offset, s.len);
        assert_int_equal(etf_validate_prefix(slice_of(longer, s.len + 1), NULL, NULL, &len, NULL, NULL),
                         ERR_NONE);
        assert_int_equal(len, s.len);
    }
}

static void what_otp_refuses_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct slice bytes;
        enum err err;
    } cases[] = {
        {"unknown tag", SLICE_LIT("\x01"), ERR_UNSUPPORTED},
        {"version byte inside", SLICE_LIT("\x83j"), ERR_UNSUPPORTED},
        {"compressed inside", SLICE_LIT("h\1P\0\0\0\1x"), ERR_MALFORMED},
        {"atom that is not UTF-8", SLICE_LIT("w\1\xe9"), ERR_MALFORMED},
        {"atom with a surrogate", SLICE_LIT("w\3\xed\xa0\x80"), ERR_MALFORMED},
        {"infinity", SLICE_LIT("F\x7f\xf0\0\0\0\0\0\0"), ERR_MALFORMED},
        {"no number", SLICE_LIT("F\x7f\xf8\0\0\0\0\0\0"), ERR_MALFORMED},
        {"bitstring of nine bits", SLICE_LIT("M\0\0\0\1\x9\1"), ERR_MALFORMED},
        {"bitstring of no bits", SLICE_LIT("M\0\0\0\1\0\1"), ERR_MALFORMED},
        {"bitstring of no bytes", SLICE_LIT("M\0\0\0\0\1"), ERR_MALFORMED},
        {"pid of a number's node", SLICE_LIT("Xa\1\0\0\0\1\0\0\0\2\0\0\0\3"), ERR_MALFORMED},
        {"old pid of creation 4", SLICE_LIT("gw\3a@b\0\0\0\1\0\0\0\2\4"), ERR_MALFORMED},
        {"old port of creation 4", SLICE_LIT("fw\3a@b\0\0\0\1\4"), ERR_MALFORMED},
        {"old reference of creation 4", SLICE_LIT("ew\3a@b\0\0\0\1\4"), ERR_MALFORMED},
        {"old reference of 19 bits", SLICE_LIT("ew\3a@b\0\4\0\0\3"), ERR_MALFORMED},
        {"reference of six words",
         SLICE_LIT("Z\0\6w\1a\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_MALFORMED},
        {"external fun of a negative arity", SLICE_LIT("qw\1aw\1bb\xff\xff\xff\xff"), ERR_MALFORMED},
        {"external fun of an atom", SLICE_LIT("qw\1aw\1bw\1c"), ERR_MALFORMED},
        {"external fun of a number", SLICE_LIT("qa\1w\1ba\1"), ERR_MALFORMED},
        {"record of unknown flags", SLICE_LIT("C\0\0\0\0\2w\1mw\1r"), ERR_MALFORMED},
        {"record of a field twice", SLICE_LIT("C\0\0\0\2\0w\1mw\1rw\1xw\1xjj"), ERR_DUPLICATE_KEY},
        {"record of a field twice in Latin-1", SLICE_LIT("C\0\0\0\2\0w\1mw\1rw\2\xc3\xa9s\1\xe9jj"),
         ERR_DUPLICATE_KEY},
        {"empty list with a tail", SLICE_LIT("l\0\0\0\0a\1"), ERR_MALFORMED},
        {"local term inside", SLICE_LIT("h\1y\1\2\3\4j"), ERR_MALFORMED},
        {"unknown atom of a header", SLICE_LIT("R\0"), ERR_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (check(cases[i].bytes, NULL) != cases[i].err)
            fail_msg("%s: %s", cases[i].name, err_name(check(cases[i].bytes, NULL)));
    }
}

static void a_closure_must_be_as_long_as_it_says_and_made_of_the_right_parts(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{4, 0x36}, {4, 0x38}, {4, 0}, {30, 'j'}, {33, 'w'}, {35, 'j'}, {37, 'h'}};
    struct slice closure = {0};
    uint8_t copy[64];

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        if (samples[i].bytes.ptr[0] == ETF_NEW_FUN_EXT)
            closure = samples[i].bytes;
    }
    assert_int_equal(closure.ptr[30], 'w');
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memcpy(copy, closure.ptr, closure.len);
        copy[wrong[i].at] = wrong[i].value;
        if (check(slice_of(copy, closure.len), NULL) == ERR_NONE)
            fail_msg("byte %zu", wrong[i].at);
    }
}

static void an_atom_has_at_most_255_characters(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    wr_u8(&w, ETF_ATOM_UTF8_EXT);
    wr_be16(&w, 1020);
    for (int i = 0; i < 255; i++)
        wr_str(&w, "\xf0\x9f\x98\x80");
    assert_int_equal(check(wr_written(&w), NULL), ERR_NONE);
    wr_reset(&w);
    wr_u8(&w, ETF_ATOM_UTF8_EXT);
    wr_be16(&w, 256);
    for (int i = 0; i < 256; i++)
        wr_u8(&w, 'a');
    assert_int_equal(check(wr_written(&w), NULL), ERR_MALFORMED);
    w.buf[0] = ETF_ATOM_EXT;
    assert_int_equal(check(wr_written(&w), NULL), ERR_MALFORMED);
    wr_fini(&w);
}

static void a_term_tells_what_not_every_peer_can_take(void **state)
{
    static const struct {
        struct slice bytes;
        uint32_t uses;
    } cases[] = {
        {SLICE_LIT("h\1a\1"), 0},
        {SLICE_LIT("xw\1a\0\0\0\0\0\0\0\1\0\0\0\1"), ETF_USES_V4_PORT},
        {SLICE_LIT("xw\1a\x10\0\0\0\0\0\0\1\0\0\0\1"), ETF_USES_V4_PORT | ETF_USES_ODD_ID},
        {SLICE_LIT("Yw\1a\x10\0\0\0\0\0\0\1"), ETF_USES_V4_PORT},
        {SLICE_LIT("Z\0\4w\1a\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"), ETF_USES_LONG_REF},
        {SLICE_LIT("Z\0\5w\1a\0\0\0\1\0\0\0\1\0\1\0\1\0\0\0\1\0\0\0\3\0\0\0\0"), ETF_USES_LONG_REF},
        {SLICE_LIT("Z\0\5w\1a\0\0\0\1\0\0\0\1\0\1\0\1\0\0\0\1\0\0\0\1\0\0\0\0"),
         ETF_USES_LONG_REF | ETF_USES_ODD_ID},
        {SLICE_LIT("Z\0\1w\1a\0\0\0\1\0\4\0\0"), ETF_USES_ODD_ID},
        {SLICE_LIT("Xw\1a\0\0\x80\0\0\0\0\0\0\0\0\1"), ETF_USES_BIG_PID},
        {SLICE_LIT("Xw\1a\0\0\0\0\0\0\x20\0\0\0\0\1"), ETF_USES_BIG_PID},
        {SLICE_LIT("Xw\1a\x10\0\0\0\0\0\0\0\0\0\0\1"), ETF_USES_BIG_PID | ETF_USES_ODD_ID},
        {SLICE_LIT("Xw\1a\0\0\0\0\0\0\0\0\0\0\0\0"), ETF_USES_ZERO_CREATION},
        {SLICE_LIT("C\0\0\0\0\0w\1mw\1r"), ETF_USES_RECORD},
        {SLICE_LIT("qw\1aw\1bb\0\0\1\0"), ETF_USES_WIDE_EXPORT},
        {SLICE_LIT("y\1\2\3\4h\0"), ETF_USES_LOCAL},
        {SLICE_LIT("u\0\0\0\0gw\1a\0\0\0\1\0\0\0\2\1w\1aa\0a\1"), ETF_USES_OLD_FUN},
    };
    uint32_t uses;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(check(cases[i].bytes, &uses), ERR_NONE);
        assert_int_equal(uses, cases[i].uses);
        for (uint32_t bit = 1; bit && bit <= cases[i].uses; bit <<= 1) {
            struct etf_rules rules = {.refuse = bit};
            struct fault f;

            if (!(cases[i].uses & bit))
                continue;
            assert_int_equal(etf_validate(cases[i].bytes, NULL, &rules, NULL, &f), ERR_PEER_UNSUPPORTED);
            assert_true(f.text[0]);
        }
    }
}

static void integers_past_what_a_node_takes_are_told(void **state)
{
    struct wr w;
    uint32_t uses;

    (void)state;
    wr_init(&w, SIZE_MAX);
    wr_u8(&w, ETF_LARGE_BIG_EXT);
    wr_be32(&w, 524280);
    wr_u8(&w, 0);
    for (int i = 0; i < 524280; i++)
        wr_u8(&w, 0xFF);
    assert_int_equal(check(wr_written(&w), &uses), ERR_NONE);
    assert_int_equal(uses, 0);
    wr_u8(&w, 1);
    w.buf[4]++;
    assert_int_equal(check(wr_written(&w), &uses), ERR_NONE);
    assert_int_equal(uses, ETF_USES_HUGE_INTEGER);
    wr_fini(&w);
}

/* A map of two keys, each of which stands for the values 1. */
static enum err two_keys(struct slice a, struct slice b, size_t *ret_offset)
{
    struct fault f = {0};
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    etf_write_map(&w, 2);
    wr_slice(&w, a);
    etf_write_int64(&w, 1);
    wr_slice(&w, b);
    etf_write_int64(&w, 1);
    e = etf_validate(wr_written(&w), NULL, NULL, NULL, &f);
    *ret_offset = f.offset;
    assert_true(e == ERR_NONE || f.offset <= w.len);
    wr_fini(&w);
    return e;
}

static void keys_of_equal_value_are_one_key_whatever_their_form(void **state)
{
    static const struct {
        const char *name;
        struct slice a, b;
        bool is_one;
    } cases[] = {
        {"the same", SLICE_LIT("a\1"), SLICE_LIT("a\1"), true},
        {"1 and 2", SLICE_LIT("a\1"), SLICE_LIT("a\2"), false},
        {"1 as an integer", SLICE_LIT("a\1"), SLICE_LIT("b\0\0\0\1"), true},
        {"1 as a big", SLICE_LIT("o\0\0\0\2\0\1\0"), SLICE_LIT("b\0\0\0\1"), true},
        {"1 and 1.0", SLICE_LIT("a\1"), SLICE_LIT("F\x3f\xf0\0\0\0\0\0\0"), false},
        {"1.0 as text", SLICE_LIT("c1.00000000000000000000e+00\0\0\0\0\0"),
         SLICE_LIT("F\x3f\xf0\0\0\0\0\0\0"), true},
        {"both zeroes", SLICE_LIT("F\0\0\0\0\0\0\0\0"), SLICE_LIT("F\x80\0\0\0\0\0\0\0"), true},
        {"an atom in Latin-1", SLICE_LIT("w\2\xc3\xa9"), SLICE_LIT("s\1\xe9"), true},
        {"an atom and a binary", SLICE_LIT("w\1a"), SLICE_LIT("m\0\0\0\1a"), false},
        {"a list and a string", SLICE_LIT("k\0\2\1\2"), SLICE_LIT("l\0\0\0\2a\1a\2j"), true},
        {"a list with a string for its tail", SLICE_LIT("k\0\2\1\2"), SLICE_LIT("l\0\0\0\1a\1k\0\1\2"), true},
        {"an empty string", SLICE_LIT("k\0\0"), SLICE_LIT("j"), true},
        {"tuples of both sizes", SLICE_LIT("h\1a\1"), SLICE_LIT("i\0\0\0\1a\1"), true},
        {"a binary of bits", SLICE_LIT("m\0\0\0\1a"),
         SLICE_LIT("M\0\0\0\1\x8"
                   "a"),
         true},
        {"unused bits", SLICE_LIT("M\0\0\0\1\3\xff"), SLICE_LIT("M\0\0\0\1\3\xe0"), true},
        {"used bits", SLICE_LIT("M\0\0\0\1\3\xff"), SLICE_LIT("M\0\0\0\1\4\xff"), false},
        {"pids of both tags", SLICE_LIT("Xw\1a\0\0\0\1\0\0\0\2\0\0\0\3"),
         SLICE_LIT("gw\1a\0\0\0\1\0\0\0\2\3"), true},
        {"pids of two lives", SLICE_LIT("Xw\1a\0\0\0\1\0\0\0\2\0\0\0\3"),
         SLICE_LIT("Xw\1a\0\0\0\1\0\0\0\2\0\0\0\4"), false},
        {"references of both tags", SLICE_LIT("ew\1a\0\0\0\1\3"), SLICE_LIT("Z\0\1w\1a\0\0\0\3\0\0\0\1"),
         true},
        {"references that end in zeroes", SLICE_LIT("Z\0\1w\1a\0\0\0\3\0\0\0\1"),
         SLICE_LIT("Z\0\2w\1a\0\0\0\3\0\0\0\1\0\0\0\0"), true},
        {"maps in another order", SLICE_LIT("t\0\0\0\2a\1ja\2j"), SLICE_LIT("t\0\0\0\2a\2ja\1j"), true},
        {"maps of other values", SLICE_LIT("t\0\0\0\2a\1ja\2j"), SLICE_LIT("t\0\0\0\2a\2ja\1a\1"), false},
        {"funs of one module and index",
         SLICE_LIT("p\0\0\0\x36\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\0\0\0\0\0\0\0\0w\1aa\0a\7"
                   "Xw\3a@b\0\0\0\1\0\0\0\2\0\0\0\3"),
         SLICE_LIT("p\0\0\0\x36\2\2\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\0\0\0\0\0\0\0\0w\1aa\1a\x8"
                   "Xw\3a@b\0\0\0\2\0\0\0\2\0\0\0\3"),
         true},
    };
    size_t offset;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum err want = cases[i].is_one ? ERR_DUPLICATE_KEY : ERR_NONE;

        if (two_keys(cases[i].a, cases[i].b, &offset) != want ||
            two_keys(cases[i].b, cases[i].a, &offset) != want)
            fail_msg("%s", cases[i].name);
        if (cases[i].is_one)
            assert_int_equal(offset, 5 + cases[i].b.len + 2);
        assert_int_equal(etf_compare_keys(cases[i].a, cases[i].b, NULL) == 0, cases[i].is_one);
        assert_true((etf_compare_keys(cases[i].a, cases[i].b, NULL) < 0) ==
                    (etf_compare_keys(cases[i].b, cases[i].a, NULL) > 0));
    }
}

static void the_zeroes_are_equal_as_keys_and_not_as_terms(void **state)
{
    struct slice plus = SLICE("F\0\0\0\0\0\0\0\0"), minus = SLICE("F\x80\0\0\0\0\0\0\0");

    (void)state;
    assert_int_equal(etf_compare_keys(plus, minus, NULL), 0);
    assert_false(etf_equal(plus, NULL, minus, NULL));
    assert_true(etf_equal(plus, NULL, plus, NULL));
}

static void a_map_inside_a_key_is_looked_through_too(void **state)
{
    struct fault f;

    (void)state;
    assert_int_equal(etf_validate(SLICE("t\0\0\0\1h\1t\0\0\0\2a\1jb\0\0\0\1jj"), NULL, NULL, NULL, &f),
                     ERR_DUPLICATE_KEY);
    assert_int_equal(f.offset, 15);
    assert_int_equal(etf_validate(SLICE("t\0\0\0\1jt\0\0\0\2a\1jb\0\0\0\1j"), NULL, NULL, NULL, &f),
                     ERR_DUPLICATE_KEY);
    assert_int_equal(f.offset, 14);
}

/* n keys that are n values, of mixed forms, in an order that is not sorted; the twin, if any, is at the end.
 */
static void write_many(struct wr *w, uint32_t n, bool has_twin)
{
    wr_reset(w);
    etf_write_map(w, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = has_twin && i == n - 1 ? (n - 1) / 2 : i;
        uint32_t v = key * 2654435761u;

        if (i % 3 == 0 || (has_twin && i == n - 1)) {
            wr_u8(w, ETF_LARGE_TUPLE_EXT);
            wr_be32(w, 1);
            etf_write_uint64(w, v);
        } else {
            etf_write_tuple(w, 1);
            etf_write_uint64(w, v);
        }
        etf_write_nil(w);
    }
}

static void a_twin_is_found_in_maps_of_every_size(void **state)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    for (uint32_t n = 2; n < 20000; n += n < 70 ? 1 : n / 2) {
        write_many(&w, n, false);
        assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_NONE);
        write_many(&w, n, true);
        assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_DUPLICATE_KEY);
        assert_int_equal(
            etf_validate(wr_written(&w), NULL, &(struct etf_rules){.trusts_keys = true}, NULL, NULL),
            ERR_NONE);
    }
    wr_fini(&w);
}

/* keys.c's own. If it becomes another, this test loses its point, and still passes. */
static uint64_t fold(uint64_t h, uint64_t word)
{
    unsigned __int128 m = (unsigned __int128)(h ^ word) * 0x9E3779B97F4A7C15u;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static void keys_made_to_collide_cost_a_sort_and_no_more(void **state)
{
    enum { N = 50000, KEY_LEN = 16 };
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    etf_write_map(&w, N);
    for (uint32_t i = 0; i < N; i++) {
        uint8_t key[KEY_LEN] = {ETF_BINARY_EXT,    0, 0, 0, KEY_LEN - 5, (uint8_t)i, (uint8_t)(i >> 8),
                                (uint8_t)(i >> 16)};
        uint64_t word;

        memcpy(&word, key, 8);
        word = fold(KEY_LEN * 0x9E3779B97F4A7C15u, word);
        memcpy(key + 8, &word, 8);
        wr_bytes(&w, key, sizeof key);
        etf_write_nil(&w);
    }
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_NONE);
    memcpy(w.buf + 5 + 17 * (N - 1), w.buf + 5 + 17 * (N / 2), KEY_LEN);
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, NULL), ERR_DUPLICATE_KEY);
    wr_fini(&w);
}

static void a_million_nested_lists_are_too_deep_and_no_more(void **state)
{
    struct fault f;
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    for (int i = 0; i < 1000000; i++)
        etf_write_list(&w, 1);
    for (int i = 0; i < 1000001; i++)
        etf_write_nil(&w);
    assert_int_equal(etf_validate(wr_written(&w), NULL, NULL, NULL, &f), ERR_DEPTH);
    assert_int_equal(f.offset, 5 * ETF_DEFAULT_MAX_DEPTH);
    assert_int_equal(
        etf_validate(wr_written(&w), NULL, &(struct etf_rules){.max_depth = 1000000}, NULL, NULL), ERR_NONE);
    assert_int_equal(etf_validate(wr_written(&w), NULL, &(struct etf_rules){.max_depth = 999999}, NULL, NULL),
                     ERR_DEPTH);
    wr_fini(&w);
}

/* #{#{#{…} => 1} => 1}: the key of a key of a key. */
static enum err nested_keys(uint32_t depth, uint32_t width, struct fault *f)
{
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    for (uint32_t i = 0; i < depth; i++)
        etf_write_map(&w, 2);
    etf_write_tuple(&w, width);
    for (uint32_t i = 0; i < width; i++)
        etf_write_nil(&w);
    for (uint32_t i = 0; i < depth; i++)
        wr_str(&w, "jjj");
    e = etf_validate(wr_written(&w), NULL, NULL, NULL, f);
    wr_fini(&w);
    return e;
}

static void keys_nested_in_keys_may_be_deep_or_large_but_not_both(void **state)
{
    struct fault f = {0};

    (void)state;
    assert_int_equal(nested_keys(500, 300, &f), ERR_NONE);
    assert_int_equal(nested_keys(8, 1000000, &f), ERR_NONE);
    assert_int_equal(nested_keys(500, 100000, &f), ERR_TOO_LARGE);
    assert_int_equal(f.offset, 5);
    assert_non_null(strstr(f.text, "nested too deep"));
}

static enum err no_spies(void *ctx, struct etf_atom atom)
{
    *(int *)ctx += 1;
    return etf_atom_is(atom, "spy") ? ERR_ATOM_BUDGET : ERR_NONE;
}

static void each_atom_is_told_and_may_be_refused(void **state)
{
    const struct etf_atom at[] = {{.text = SLICE("cached")}};
    const struct etf_atoms atoms = {.at = at, .count = 1};
    int n = 0;
    struct etf_rules rules = {.on_atom = no_spies, .ctx = &n};
    struct fault f;

    (void)state;
    assert_int_equal(
        etf_validate(SLICE("h\4w\1aR\0Xw\1a\0\0\0\1\0\0\0\2\0\0\0\3qw\1aw\1ba\1"), &atoms, &rules, NULL, &f),
        ERR_NONE);
    assert_int_equal(n, 5);
    assert_int_equal(etf_validate(SLICE("h\2jXw\3spy\0\0\0\1\0\0\0\2\0\0\0\3"), NULL, &rules, NULL, &f),
                     ERR_ATOM_BUDGET);
    assert_int_equal(f.offset, 4);
}

static void a_term_larger_than_allowed_is_told_from_one_that_is_cut(void **state)
{
    struct etf_rules rules = {.max_bytes = 5};
    size_t len;

    (void)state;
    assert_int_equal(etf_validate(SLICE("k\0\3abc"), NULL, &rules, NULL, NULL), ERR_TOO_LARGE);
    assert_int_equal(etf_validate(SLICE("k\0\2ab"), NULL, &rules, NULL, NULL), ERR_NONE);
    assert_int_equal(etf_validate_prefix(SLICE("k\0\3abc"), NULL, &rules, &len, NULL, NULL), ERR_TOO_LARGE);
    assert_int_equal(etf_validate_prefix(SLICE("k\0\2abcdef"), NULL, &rules, &len, NULL, NULL), ERR_NONE);
    assert_int_equal(etf_validate_prefix(SLICE("k\0\3a"), NULL, &rules, &len, NULL, NULL), ERR_MORE);
}

static void without_memory_nothing_is_accepted_and_nothing_leaks(void **state)
{
    struct wr w;
    size_t n = 0;
    enum err e;

    (void)state;
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    for (int i = 0; i < 100; i++)
        etf_write_tuple(&w, 1);
    etf_write_nil(&w);
    etf_write_map(&w, 100);
    for (int i = 0; i < 100; i++) {
        etf_write_list(&w, 1);
        etf_write_int64(&w, i);
        etf_write_nil(&w);
        etf_write_nil(&w);
    }
    wr_slice(&w, SLICE("t\0\0\0\2t\0\0\0\1a\1a\1jt\0\0\0\1a\2a\1j"));
    do {
        struct fault f = {0};

        mem_fail_from(++n);
        e = etf_validate(wr_written(&w), NULL, NULL, NULL, &f);
        assert_true(e == ERR_NOMEM || mem_failures() == 0);
        assert_true(f.err == e);
    } while (e != ERR_NONE);
    mem_fail_from(0);
    assert_true(n > 4);
    wr_fini(&w);
}

/* ---- whole external terms
 * ------------------------------------------------------------------------------------ */

static size_t compressed(uint8_t *out, size_t room, uint32_t says, struct slice term)
{
    uLongf len = room - 6;

    out[0] = ETF_VERSION;
    out[1] = ETF_COMPRESSED;
    for (int i = 0; i < 4; i++)
        out[2 + i] = (uint8_t)(says >> (24 - 8 * i));
    assert_int_equal(compress(out + 6, &len, term.ptr, term.len), Z_OK);
    return len + 6;
}

static enum err open_with(struct slice whole, const struct etf_rules *rules, struct slice want)
{
    struct fault f = {0};
    struct slice term;
    struct wr scratch;
    uint32_t uses;
    enum err e;

    wr_init(&scratch, 1 << 20);
    e = etf_open(whole, rules, &scratch, &term, &uses, &f);
    if (e == ERR_NONE)
        assert_bytes_equal(term, want);
    else
        assert_int_equal(f.err, e);
    wr_fini(&scratch);
    return e;
}

static void a_whole_term_begins_with_its_version(void **state)
{
    (void)state;
    assert_int_equal(open_with(SLICE("\x83j"), NULL, SLICE("j")), ERR_NONE);
    assert_int_equal(open_with(SLICE("\x83"), NULL, SLICE("")), ERR_MORE);
    assert_int_equal(open_with(SLICE(""), NULL, SLICE("")), ERR_MORE);
    assert_int_equal(open_with(SLICE("\x82j"), NULL, SLICE("")), ERR_MALFORMED);
    assert_int_equal(open_with(SLICE("\x83jj"), NULL, SLICE("")), ERR_MALFORMED);
}

static void a_compressed_term_must_be_what_it_says(void **state)
{
    static uint8_t large[50000], out[1000];
    struct slice term = slice_of(large, sizeof large);
    struct etf_rules rules = {.max_bytes = 50000};
    size_t n;

    (void)state;
    large[0] = ETF_BINARY_EXT;
    large[3] = (sizeof large - 5) >> 8;
    large[4] = (sizeof large - 5) & 0xFF;
    n = compressed(out, sizeof out, sizeof large, term);
    assert_int_equal(open_with(slice_of(out, n), &rules, term), ERR_NONE);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(open_with(slice_of(out, cut), &rules, term), ERR_MORE);
    assert_int_equal(open_with(slice_of(out, n + 1), &rules, term), ERR_MALFORMED);
    out[n - 1] ^= 1; /* the checksum */
    assert_int_equal(open_with(slice_of(out, n), &rules, term), ERR_MALFORMED);
    n = compressed(out, sizeof out, sizeof large - 1, term);
    assert_int_equal(open_with(slice_of(out, n), &rules, term), ERR_MALFORMED);
    n = compressed(out, sizeof out, sizeof large + 1, term);
    assert_int_equal(open_with(slice_of(out, n), NULL, term), ERR_MALFORMED);
    assert_int_equal(open_with(slice_of(out, n), &rules, term), ERR_TOO_LARGE);
    n = compressed(out, sizeof out, UINT32_MAX, term);
    assert_int_equal(open_with(slice_of(out, n), NULL, term), ERR_TOO_LARGE);
    n = compressed(out, sizeof out, sizeof large, term);
    rules.refuse = ETF_USES_COMPRESSED;
    assert_int_equal(open_with(slice_of(out, n), &rules, term), ERR_PEER_UNSUPPORTED);
}

static void a_compressed_term_inside_a_compressed_one_is_refused(void **state)
{
    uint8_t inner[100], outer[200];
    size_t n = compressed(inner, sizeof inner, 1, SLICE("j"));

    (void)state;
    n = compressed(outer, sizeof outer, (uint32_t)(n - 1), slice_of(inner + 1, n - 1));
    assert_int_equal(open_with(slice_of(outer, n), NULL, SLICE("")), ERR_MALFORMED);
}

static void inflating_survives_each_failing_allocation(void **state)
{
    uint8_t out[100];
    size_t len = compressed(out, sizeof out, 5, SLICE("l\0\0\0\1")), n = 0;
    enum err e;

    (void)state;
    len = compressed(out, sizeof out, 1, SLICE("j"));
    do {
        mem_fail_from(++n);
        e = open_with(slice_of(out, len), NULL, SLICE("j"));
        assert_true(e == ERR_NOMEM || mem_failures() == 0);
    } while (e != ERR_NONE);
    mem_fail_from(0);
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tag_is_accepted_whole_and_refused_at_every_cut),
        cmocka_unit_test(what_follows_a_term_is_told_by_its_place),
        cmocka_unit_test(what_otp_refuses_is_refused),
        cmocka_unit_test(a_closure_must_be_as_long_as_it_says_and_made_of_the_right_parts),
        cmocka_unit_test(an_atom_has_at_most_255_characters),
        cmocka_unit_test(a_term_tells_what_not_every_peer_can_take),
        cmocka_unit_test(integers_past_what_a_node_takes_are_told),
        cmocka_unit_test(keys_of_equal_value_are_one_key_whatever_their_form),
        cmocka_unit_test(the_zeroes_are_equal_as_keys_and_not_as_terms),
        cmocka_unit_test(a_map_inside_a_key_is_looked_through_too),
        cmocka_unit_test(a_twin_is_found_in_maps_of_every_size),
        cmocka_unit_test(keys_made_to_collide_cost_a_sort_and_no_more),
        cmocka_unit_test(a_million_nested_lists_are_too_deep_and_no_more),
        cmocka_unit_test(keys_nested_in_keys_may_be_deep_or_large_but_not_both),
        cmocka_unit_test(each_atom_is_told_and_may_be_refused),
        cmocka_unit_test(a_term_larger_than_allowed_is_told_from_one_that_is_cut),
        cmocka_unit_test(without_memory_nothing_is_accepted_and_nothing_leaks),
        cmocka_unit_test(a_whole_term_begins_with_its_version),
        cmocka_unit_test(a_compressed_term_must_be_what_it_says),
        cmocka_unit_test(a_compressed_term_inside_a_compressed_one_is_refused),
        cmocka_unit_test(inflating_survives_each_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
