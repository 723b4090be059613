#include "etf/write.h"

#include "etf/integer.h"
#include "etf/validate.h"
#include "test.h"
#include "tools.h"

static struct wr w;

static int setup(void **state)
{
    (void)state;
    wr_init(&w, SIZE_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wr_fini(&w);
    return 0;
}

static struct slice written(void)
{
    assert_true(wr_ok(&w));
    return wr_written(&w);
}

static void integers_take_their_shortest_form(void **state)
{
    static const struct {
        int64_t v;
        struct slice bytes;
    } cases[] = {
        {0, SLICE_LIT("a\0")},
        {255, SLICE_LIT("a\xff")},
        {256, SLICE_LIT("b\0\0\1\0")},
        {-1, SLICE_LIT("b\xff\xff\xff\xff")},
        {INT32_MAX, SLICE_LIT("b\x7f\xff\xff\xff")},
        {INT32_MIN, SLICE_LIT("b\x80\0\0\0")},
        {(int64_t)INT32_MAX + 1, SLICE_LIT("n\4\0\0\0\0\x80")},
        {(int64_t)INT32_MIN - 1, SLICE_LIT("n\4\1\1\0\0\x80")},
        {INT64_MIN, SLICE_LIT("n\x8\1\0\0\0\0\0\0\0\x80")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wr_reset(&w);
        etf_write_int64(&w, cases[i].v);
        assert_bytes_equal(written(), cases[i].bytes);
    }
    wr_reset(&w);
    etf_write_uint64(&w, UINT64_MAX);
    assert_bytes_equal(written(), SLICE("n\x8\0\xff\xff\xff\xff\xff\xff\xff\xff"));
    wr_reset(&w);
    etf_write_big(&w, true, SLICE("\0\0\0\x80\0\0"));
    assert_bytes_equal(written(), SLICE("b\x80\0\0\0"));
    wr_reset(&w);
    etf_write_big(&w, true, SLICE("\0\0"));
    assert_bytes_equal(written(), SLICE("a\0"));
}

static void lists_of_bytes_are_strings_up_to_65535_of_them(void **state)
{
    static uint8_t many[65536];
    struct etf_rd r;
    uint32_t n;

    (void)state;
    etf_write_string(&w, SLICE(""));
    assert_bytes_equal(written(), SLICE("j"));
    wr_reset(&w);
    etf_write_string(&w, SLICE("ab"));
    assert_bytes_equal(written(), SLICE("k\0\2ab"));
    wr_reset(&w);
    etf_write_string(&w, slice_of(many, sizeof many));
    r = etf_rd_of(written(), NULL);
    assert_true(etf_read_list(&r, &n));
    assert_int_equal(n, 65536);
    assert_int_equal(etf_validate(written(), NULL, NULL, NULL, NULL), ERR_NONE);
}

static void unused_bits_of_a_bitstring_are_zero(void **state)
{
    (void)state;
    etf_write_bitstring(&w, SLICE("\xff\xff"), 3);
    assert_bytes_equal(written(), SLICE("M\0\0\0\2\3\xff\xe0"));
    wr_reset(&w);
    etf_write_bitstring(&w, SLICE("\xff"), 8);
    assert_bytes_equal(written(), SLICE("m\0\0\0\1\xff"));
    wr_reset(&w);
    etf_write_bitstring(&w, SLICE(""), 3);
    assert_bytes_equal(written(), SLICE("m\0\0\0\0"));
}

static void atoms_are_utf8_in_the_shorter_form_that_holds_them(void **state)
{
    static uint8_t text[255];
    struct etf_atom latin1 = {.text = slice_of(text, sizeof text), .is_latin1 = true};

    (void)state;
    memset(text, 0xE9, sizeof text);
    etf_write_atom_as(&w, latin1);
    assert_int_equal(w.buf[0], ETF_ATOM_UTF8_EXT);
    assert_int_equal(w.len, 3 + 510);
    assert_int_equal(etf_validate(written(), NULL, NULL, NULL, NULL), ERR_NONE);
    wr_reset(&w);
    etf_write_atom_str(&w, "ok");
    assert_bytes_equal(written(), SLICE("w\2ok"));
}

static void a_port_takes_64_bits_only_when_it_needs_them(void **state)
{
    struct etf_port port = {.node = {.text = SLICE("a@b")}, .id = (1 << 28) - 1, .creation = 4};

    (void)state;
    etf_write_port(&w, &port);
    assert_int_equal(w.buf[0], ETF_NEW_PORT_EXT);
    wr_reset(&w);
    port.id++;
    etf_write_port(&w, &port);
    assert_int_equal(w.buf[0], ETF_V4_PORT_EXT);
}

/* What each sample becomes; the same where none is given. */
static void a_copy_is_canonical_and_equal(void **state)
{
    static const struct {
        const char *name;
        struct slice bytes;
    } changed[] = {
        {"float as text", SLICE_LIT("F\x3f\xf8\0\0\0\0\0\0")},
        {"port of old", SLICE_LIT("\x59w\3a@b\0\0\0\1\0\0\0\3")},
        {"pid of old", SLICE_LIT("\x58w\3a@b\0\0\0\1\0\0\0\2\0\0\0\3")},
        {"reference of old", SLICE_LIT("Z\0\1w\3a@b\0\0\0\3\0\0\0\1")},
        {"newer reference", SLICE_LIT("Z\0\2w\3a@b\0\0\0\3\0\0\0\1\0\0\0\2")},
        {"large tuple", SLICE_LIT("h\2a\1j")},
        {"large big", SLICE_LIT("n\5\0\1\2\3\4\5")},
        {"latin-1 atom", SLICE_LIT("w\3a\xc3\xa9")},
        {"small latin-1 atom", SLICE_LIT("w\3a\xc3\xa9")},
        {"atom", SLICE_LIT("w\2\xc3\xa9")},
        {"fun of old", SLICE_LIT("u\0\0\0\1Xw\3a@b\0\0\0\1\0\0\0\2\0\0\0\3w\1aa\0a\1j")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct slice want = samples[i].bytes;
        struct etf_rd r = etf_rd_of(samples[i].bytes, NULL);

        for (size_t k = 0; k < sizeof changed / sizeof *changed; k++) {
            if (strcmp(changed[k].name, samples[i].name) == 0)
                want = changed[k].bytes;
        }
        wr_reset(&w);
        assert_int_equal(etf_copy(&w, &r), ERR_NONE);
        assert_int_equal(rd_left(&r.rd), 0);
        if (!slice_eq(written(), want))
            fail_msg("%s", samples[i].name);
        assert_true(etf_equal(samples[i].bytes, NULL, written(), NULL));
    }
}

static void a_list_in_a_tail_becomes_one_list(void **state)
{
    struct etf_rd r = etf_rd_of(SLICE("l\0\0\0\1jl\0\0\0\1a\1k\0\2ab"), NULL);

    (void)state;
    assert_int_equal(etf_copy(&w, &r), ERR_NONE);
    assert_bytes_equal(written(), SLICE("l\0\0\0\4ja\1aaabj"));
    wr_reset(&w);
    r = etf_rd_of(SLICE("l\0\0\0\1a\1l\0\0\0\1a\2j"), NULL);
    assert_int_equal(etf_copy(&w, &r), ERR_NONE);
    assert_bytes_equal(written(), SLICE("k\0\2\1\2"));
    wr_reset(&w);
    r = etf_rd_of(SLICE("l\0\0\0\1a\1a\2"), NULL);
    assert_int_equal(etf_copy(&w, &r), ERR_NONE);
    assert_bytes_equal(written(), SLICE("l\0\0\0\1a\1a\2"));
}

static void a_copy_needs_no_header_any_more(void **state)
{
    const struct etf_atom at[] = {{.text = SLICE("kv@host")}, {.text = SLICE("caf\xe9"), .is_latin1 = true}};
    const struct etf_atoms atoms = {.at = at, .count = 2};
    struct slice term = SLICE("h\2R\1XR\0\0\0\0\1\0\0\0\2\0\0\0\3");
    struct etf_rd r = etf_rd_of(term, &atoms);

    (void)state;
    assert_int_equal(etf_copy(&w, &r), ERR_NONE);
    assert_bytes_equal(written(), SLICE("h\2w\5caf\xc3\xa9Xw\7kv@host\0\0\0\1\0\0\0\2\0\0\0\3"));
    assert_true(etf_equal(term, &atoms, written(), NULL));
}

static void a_copy_fails_cleanly_at_each_lack_of_room(void **state)
{
    struct slice term = SLICE("h\3k\0\2abl\0\0\0\1a\1l\0\0\0\1a\2jt\0\0\0\1a\1w\2ok");

    (void)state;
    for (size_t ceiling = 0; ceiling < 20; ceiling++) {
        struct etf_rd r = etf_rd_of(term, NULL);
        struct wr small;

        wr_init(&small, ceiling);
        assert_int_equal(etf_copy(&small, &r), ERR_TOO_LARGE);
        assert_ptr_equal(r.rd.pos, term.ptr);
        wr_fini(&small);
    }
}

static void integers_of_any_size_go_through_their_digits(void **state)
{
    static const size_t sizes[] = {1, 7, 8, 9, 19, 20, 21, 38, 40, 100, 1000, 9999, 10000};
    static uint8_t digits[10000];
    struct wr text;

    (void)state;
    wr_init(&text, SIZE_MAX);
    for (size_t i = 0; i < sizeof digits; i++)
        digits[i] = (uint8_t)('0' + (i * 7 + i / 13 + 1) % 10);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct etf_rd r;
        struct slice m;
        bool negative;

        wr_reset(&w);
        wr_reset(&text);
        assert_int_equal(etf_integer_parse(&w, true, slice_of(digits, sizes[i]), 10), ERR_NONE);
        r = etf_rd_of(written(), NULL);
        if (!etf_read_big(&r, &negative, &m))
            continue;
        assert_true(negative);
        assert_int_equal(etf_integer_print(&text, negative, m), ERR_NONE);
        assert_int_equal(text.buf[0], '-');
        assert_bytes_equal(slice_of(text.buf + 1, text.len - 1), slice_of(digits, sizes[i]));
    }
    wr_fini(&text);
}

static void an_integer_past_the_bound_is_not_converted(void **state)
{
    static uint8_t bytes[ETF_INTEGER_MAX_BYTES + 1];
    static uint8_t digits[8 * ETF_INTEGER_MAX_BYTES + 2];

    (void)state;
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(etf_integer_print(&w, false, slice_of(bytes, sizeof bytes)), ERR_TOO_LARGE);
    assert_int_equal(w.len, 0);
    assert_true(wr_ok(&w));
    memset(digits, '1', sizeof digits);
    assert_int_equal(etf_integer_parse(&w, false, slice_of(digits, sizeof digits), 10), ERR_TOO_LARGE);
    assert_int_equal(etf_integer_parse(&w, false, slice_of(digits, sizeof digits), 2), ERR_TOO_LARGE);
    assert_int_equal(etf_integer_parse(&w, false, slice_of(digits, sizeof digits - 2), 2), ERR_NONE);
    assert_int_equal(w.len, 6 + ETF_INTEGER_MAX_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_take_their_shortest_form, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_of_bytes_are_strings_up_to_65535_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(unused_bits_of_a_bitstring_are_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(atoms_are_utf8_in_the_shorter_form_that_holds_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_takes_64_bits_only_when_it_needs_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_canonical_and_equal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_in_a_tail_becomes_one_list, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_needs_no_header_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_fails_cleanly_at_each_lack_of_room, setup, teardown),
        cmocka_unit_test_setup_teardown(integers_of_any_size_go_through_their_digits, setup, teardown),
        cmocka_unit_test_setup_teardown(an_integer_past_the_bound_is_not_converted, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
