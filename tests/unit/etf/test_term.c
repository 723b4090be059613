#include "etf/term.h"

#include "base/mem.h"
#include "etf/write.h"
#include "test.h"
#include "tools.h"

static void each_tag_is_passed_over_whole_and_never_in_part(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        for (size_t cut = 0; cut <= samples[i].bytes.len; cut++) {
            struct guard g = guard_of(slice_of(samples[i].bytes.ptr, cut));
            struct etf_rd r = etf_rd_of(g.bytes, NULL);
            struct slice all;
            bool whole = cut == samples[i].bytes.len;

            if (etf_skip(&r, &all) != whole)
                fail_msg("%s cut at %zu", samples[i].name, cut);
            if (whole)
                assert_int_equal(all.len, cut);
            else
                assert_ptr_equal(r.rd.pos, g.bytes.ptr);
            guard_free(&g);
        }
    }
}

static void a_header_that_promises_more_than_there_is_is_left_at_once(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("l\xff\xff\xff\xffj"), NULL);

    (void)state;
    assert_false(etf_skip(&r, NULL));
    r = etf_rd_of(SLICE("t\xff\xff\xff\xffj"), NULL);
    assert_false(etf_skip(&r, NULL));
    r = etf_rd_of(SLICE("\x43\xff\xff\xff\xff\0j"), NULL);
    assert_false(etf_skip(&r, NULL));
}

static void a_million_nested_lists_are_passed_over_without_a_stack(void **state)
{
    enum { N = 1000000 };
    struct wr w;
    struct etf_rd r;

    (void)state;
    wr_init(&w, SIZE_MAX);
    for (int i = 0; i < N; i++)
        etf_write_list(&w, 1);
    etf_write_nil(&w);
    for (int i = 0; i < N; i++)
        etf_write_nil(&w);
    r = etf_rd_of(wr_written(&w), NULL);
    assert_true(etf_skip(&r, NULL));
    assert_int_equal(rd_left(&r.rd), 0);
    wr_fini(&w);
}

static void a_read_of_another_type_moves_nothing(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("w\2ok"), NULL);
    struct etf_atom atom;
    struct slice bytes;
    uint32_t n;
    int64_t i;
    double d;

    (void)state;
    assert_false(etf_read_int64(&r, &i));
    assert_false(etf_read_float(&r, &d));
    assert_false(etf_read_binary(&r, &bytes));
    assert_false(etf_read_tuple(&r, &n));
    assert_false(etf_read_map(&r, &n));
    assert_false(etf_read_list(&r, &n));
    assert_false(etf_read_string(&r, &bytes));
    assert_false(etf_read_nil(&r));
    assert_false(etf_read_pid(&r, &(struct etf_pid){0}));
    assert_false(etf_read_port(&r, &(struct etf_port){0}));
    assert_false(etf_read_ref(&r, &(struct etf_ref){0}));
    assert_false(etf_read_atom_is(&r, "no"));
    assert_false(etf_read_tuple_is(&r, 2));
    assert_true(etf_read_atom(&r, &atom));
    assert_true(etf_atom_is(atom, "ok"));
    assert_int_equal(etf_peek(&r), ETF_KIND_NONE);
    assert_false(etf_read_atom(&r, &atom));
}

static void integers_of_all_forms_are_read_when_they_fit(void **state)
{
    static const struct {
        struct slice bytes;
        bool fits_int64, fits_uint64;
        int64_t i;
        uint64_t u;
    } cases[] = {
        {SLICE_LIT("a\xff"), true, true, 255, 255},
        {SLICE_LIT("b\xff\xff\xff\xff"), true, false, -1, 0},
        {SLICE_LIT("b\x80\0\0\0"), true, false, INT32_MIN, 0},
        {SLICE_LIT("n\x8\0\xff\xff\xff\xff\xff\xff\xff\x7f"), true, true, INT64_MAX, INT64_MAX},
        {SLICE_LIT("n\x8\1\0\0\0\0\0\0\0\x80"), true, false, INT64_MIN, 0},
        {SLICE_LIT("n\x8\0\0\0\0\0\0\0\0\x80"), false, true, 0, (uint64_t)1 << 63},
        {SLICE_LIT("n\x8\1\1\0\0\0\0\0\0\x80"), false, false, 0, 0},
        {SLICE_LIT("n\x9\0\0\0\0\0\0\0\0\0\1"), false, false, 0, 0},
        {SLICE_LIT("n\x9\0\5\0\0\0\0\0\0\0\0"), true, true, 5, 5},
        {SLICE_LIT("n\0\1"), true, true, 0, 0},
        {SLICE_LIT("o\0\0\0\1\1\7"), true, false, -7, 0},
    };

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct etf_rd r = etf_rd_of(cases[k].bytes, NULL);
        uint64_t u = 99;
        int64_t i = 99;

        assert_int_equal(etf_read_int64(&r, &i), cases[k].fits_int64);
        assert_true(!cases[k].fits_int64 || (i == cases[k].i && rd_left(&r.rd) == 0));
        r = etf_rd_of(cases[k].bytes, NULL);
        assert_int_equal(etf_read_uint64(&r, &u), cases[k].fits_uint64);
        assert_true(!cases[k].fits_uint64 || u == cases[k].u);
        assert_true(cases[k].fits_int64 || i == 99);
    }
}

static void a_bitstring_of_all_its_bits_is_a_binary(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("M\0\0\0\2\x8"
                                      "ab"),
                                NULL);
    struct slice s;
    unsigned bits;

    (void)state;
    assert_int_equal(etf_peek(&r), ETF_KIND_BINARY);
    assert_true(etf_read_binary(&r, &s));
    assert_bytes_equal(s, SLICE("ab"));
    r = etf_rd_of(SLICE("M\0\0\0\2\3"
                        "ab"),
                  NULL);
    assert_int_equal(etf_peek(&r), ETF_KIND_BITSTRING);
    assert_false(etf_read_binary(&r, &s));
    assert_true(etf_read_bitstring(&r, &s, &bits));
    assert_int_equal(bits, 3);
    r = etf_rd_of(SLICE("M\0\0\0\1\x9"
                        "a"),
                  NULL);
    assert_false(etf_read_bitstring(&r, &s, &bits));
    r = etf_rd_of(SLICE("M\0\0\0\0\x1"), NULL);
    assert_false(etf_read_bitstring(&r, &s, &bits));
}

static void floats_as_text_are_read_as_strictly_as_otp_does(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        double v;
    } cases[] = {{"1.5", true, 1.5},        {"+1.5", true, 1.5},   {"-1.5e+3", true, -1500},
                 {"0001.5E-1", true, 0.15}, {"1.0e-400", true, 0}, {"1", false, 0},
                 {"1.", false, 0},          {".5", false, 0},      {"1.5e", false, 0},
                 {" 1.5", false, 0},        {"1.5 ", false, 0},    {"1.0e400", false, 0},
                 {"inf", false, 0},         {"0x1.0p1", false, 0}, {"", false, 0},
                 {"1.5e1e1", false, 0},     {"--1.5", false, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[32] = {ETF_FLOAT_EXT};
        struct etf_rd r = etf_rd_of(slice_of(bytes, sizeof bytes), NULL);
        double v;

        memcpy(bytes + 1, cases[i].text, strlen(cases[i].text));
        if (etf_read_float(&r, &v) != cases[i].ok)
            fail_msg("'%s'", cases[i].text);
        assert_true(!cases[i].ok || v == cases[i].v);
    }
}

static void a_float_that_is_no_number_is_none(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("F\x7f\xf0\0\0\0\0\0\0"), NULL);
    double v;

    (void)state;
    assert_false(etf_read_float(&r, &v));
    r = etf_rd_of(SLICE("F\xff\xf8\0\0\0\0\0\0"), NULL);
    assert_false(etf_read_float(&r, &v));
}

static void atoms_of_a_header_are_found_by_their_index(void **state)
{
    const struct etf_atom at[] = {{.text = SLICE("zero")}, {.text = SLICE("one")}};
    const struct etf_atoms atoms = {.at = at, .count = 2};
    struct etf_rd r = etf_rd_of(SLICE("R\1"), &atoms);
    struct etf_atom a;

    (void)state;
    assert_true(etf_read_atom(&r, &a));
    assert_true(etf_atom_is(a, "one"));
    r = etf_rd_of(SLICE("R\2"), &atoms);
    assert_false(etf_read_atom(&r, &a));
    r = etf_rd_of(SLICE("R\0"), NULL);
    assert_false(etf_read_atom(&r, &a));
}

static void latin1_and_utf8_spellings_of_an_atom_are_one(void **state)
{
    struct etf_atom latin1 = {.text = SLICE("a\xe9"), .is_latin1 = true}, utf8 = {.text = SLICE("a\xc3\xa9")};
    struct etf_atom same_bytes = {.text = SLICE("a\xe9")}, longer = {.text = SLICE("a\xc3\xa9"
                                                                                   "b")};

    (void)state;
    assert_true(etf_atom_eq(latin1, utf8));
    assert_true(etf_atom_eq(utf8, latin1));
    assert_false(etf_atom_eq(latin1, same_bytes));
    assert_false(etf_atom_eq(latin1, longer));
}

static void an_atom_longer_than_any_is_no_atom(void **state)
{
    struct etf_atom a;
    struct etf_rd r;
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    wr_u8(&w, ETF_ATOM_EXT);
    wr_be16(&w, 256);
    for (int i = 0; i < 256; i++)
        wr_u8(&w, 'a');
    r = etf_rd_of(wr_written(&w), NULL);
    assert_false(etf_read_atom(&r, &a));
    w.buf[0] = ETF_ATOM_UTF8_EXT;
    assert_true(etf_read_atom(&r, &a)); /* that it has too many characters is for validation to say */
    wr_fini(&w);
}

static void a_text_is_an_atoms_by_its_characters(void **state)
{
    static const char *const all[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

    (void)state;
    assert_true(etf_is_atom_text((struct slice){0}));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t n = strlen(all[i]);
        char text[4 * 256];

        for (size_t j = 0; j < 256; j++)
            memcpy(text + j * n, all[i], n);
        assert_true(etf_is_atom_text(slice_of((uint8_t *)text, 255 * n)));
        assert_false(etf_is_atom_text(slice_of((uint8_t *)text, 256 * n)));
        if (n > 1)
            assert_false(etf_is_atom_text(slice_of((uint8_t *)text, 2 * n - 1)));
    }
    assert_false(etf_is_atom_text(SLICE("a\xe9")));        /* Latin-1 */
    assert_false(etf_is_atom_text(SLICE("\xed\xa0\x80"))); /* a surrogate */
}

static void ids_of_old_and_new_tags_are_read_alike(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("gw\3a@b\0\0\0\1\0\0\0\2\3Xw\3a@b\0\0\0\1\0\0\0\2\0\0\0\3"), NULL);
    struct etf_ref ref, other;
    struct etf_pid old, new;

    (void)state;
    assert_true(etf_read_pid(&r, &old));
    assert_true(etf_read_pid(&r, &new));
    assert_true(etf_pid_eq(&old, &new));
    new.serial++;
    assert_false(etf_pid_eq(&old, &new));
    r = etf_rd_of(SLICE("ew\3a@b\0\0\0\1\3Z\0\1w\3a@b\0\0\0\3\0\0\0\1Z\0\6w\1a\0\0\0\3"), NULL);
    assert_true(etf_read_ref(&r, &ref));
    assert_true(etf_read_ref(&r, &other));
    assert_true(etf_ref_eq(&ref, &other));
    assert_false(etf_read_ref(&r, &ref)); /* six words */
}

static void what_is_kept_outlives_what_it_was_read_from(void **state)
{
    struct slice bytes = SLICE("Xw\3a@b\0\0\0\1\0\0\0\2\0\0\0\3Z\0\1w\3a@b\0\0\0\3\0\0\0\1"),
                 text = SLICE("a@b");
    struct guard g = guard_of(bytes);
    struct etf_rd r = etf_rd_of(g.bytes, NULL);
    struct etf_pid pid, *kept_pid;
    struct etf_ref ref, *kept_ref;

    (void)state;
    assert_true(etf_read_pid(&r, &pid));
    assert_true(etf_read_ref(&r, &ref));
    kept_pid = etf_pid_keep(&pid);
    kept_ref = etf_ref_keep(&ref);
    guard_free(&g);
    pid.node.text = ref.node.text = text;
    assert_true(etf_pid_eq(kept_pid, &pid));
    assert_true(etf_ref_eq(kept_ref, &ref));
    mem_free(kept_pid);
    mem_free(kept_ref);
    mem_fail_from(1);
    assert_null(etf_pid_keep(&pid));
    mem_fail_from(0);
}

static void an_external_fun_is_read_with_its_arity(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("qw\1aw\1bb\0\0\1\0"), NULL);
    struct etf_atom m, f;
    uint64_t arity;

    (void)state;
    assert_true(etf_read_export(&r, &m, &f, &arity));
    assert_int_equal(arity, 256);
    assert_true(etf_atom_is(m, "a") && etf_atom_is(f, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tag_is_passed_over_whole_and_never_in_part),
        cmocka_unit_test(what_is_kept_outlives_what_it_was_read_from),
        cmocka_unit_test(a_header_that_promises_more_than_there_is_is_left_at_once),
        cmocka_unit_test(a_million_nested_lists_are_passed_over_without_a_stack),
        cmocka_unit_test(a_read_of_another_type_moves_nothing),
        cmocka_unit_test(integers_of_all_forms_are_read_when_they_fit),
        cmocka_unit_test(a_bitstring_of_all_its_bits_is_a_binary),
        cmocka_unit_test(floats_as_text_are_read_as_strictly_as_otp_does),
        cmocka_unit_test(a_float_that_is_no_number_is_none),
        cmocka_unit_test(atoms_of_a_header_are_found_by_their_index),
        cmocka_unit_test(latin1_and_utf8_spellings_of_an_atom_are_one),
        cmocka_unit_test(an_atom_longer_than_any_is_no_atom),
        cmocka_unit_test(a_text_is_an_atoms_by_its_characters),
        cmocka_unit_test(ids_of_old_and_new_tags_are_read_alike),
        cmocka_unit_test(an_external_fun_is_read_with_its_arity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
