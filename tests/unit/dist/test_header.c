#include "tools.h"

#include "dist/header.h"

/* From the number of atoms on. Two new atoms: slot 7:223 "harness@localhost", slot 0:113 "n29@localhost"; as
 * OTP 29 sent. */
#define TWO_NEW "02 f8 00 71 0d 6e3239406c6f63616c686f7374 df 11 6861726e657373406c6f63616c686f7374"
/* The same two by reference. */
#define TWO_OLD "02 70 00 71 df"

static enum err read_hex(struct dist_cache_in *c, const char *hex)
{
    struct slice s = bytes_of_hex(hex);
    struct rd r = rd_of(s);
    enum err e = dist_header_read(c, &r);

    if (e == ERR_NONE)
        assert_int_equal(rd_left(&r), 0);
    bytes_free(s);
    return e;
}

static void atoms_come_with_their_text_once_and_by_reference_after(void **state)
{
    struct dist_cache_in *c = dist_cache_in_new();
    (void)state;

    assert_ok(read_hex(c, TWO_NEW));
    assert_int_equal(c->view.count, 2);
    assert_slice_str(c->view.at[0].text, "n29@localhost");
    assert_slice_str(c->view.at[1].text, "harness@localhost");
    assert_ok(read_hex(c, TWO_OLD));
    assert_int_equal(c->view.count, 2);
    assert_slice_str(c->view.at[1].text, "harness@localhost");
    assert_ok(read_hex(c, "00"));
    assert_int_equal(c->view.count, 0);
    dist_cache_in_free(c);
}

static void a_slot_that_was_never_filled_is_malformed(void **state)
{
    struct dist_cache_in *c = dist_cache_in_new();
    (void)state;

    assert_int_equal(read_hex(c, TWO_OLD), ERR_MALFORMED);
    assert_int_equal(c->view.count, 0);
    dist_cache_in_free(c);
}

static void a_header_cut_anywhere_is_incomplete(void **state)
{
    struct slice s = bytes_of_hex(TWO_NEW);
    (void)state;

    for (size_t cut = 0; cut < s.len; cut++) {
        struct dist_cache_in *c = dist_cache_in_new();
        struct slice part = bytes_copy(slice_of(s.ptr, cut));
        struct rd r = rd_of(part);

        assert_int_equal(dist_header_read(c, &r), ERR_MORE);
        bytes_free(part);
        dist_cache_in_free(c);
    }
    bytes_free(s);
}

static void long_atoms_have_lengths_of_two_bytes(void **state)
{
    struct dist_cache_in *c = dist_cache_in_new();
    char hex[3000] = "01 18 05 0100 ";
    (void)state;

    for (int i = 0; i < 128; i++) /* 128 characters of two bytes */
        strcat(hex, "c3a9");
    assert_ok(read_hex(c, hex));
    assert_int_equal(c->view.at[0].text.len, 256);
    dist_cache_in_free(c);
}

static void an_atom_that_is_too_long_or_no_utf8_is_malformed(void **state)
{
    struct dist_cache_in *c = dist_cache_in_new();
    char hex[3000] = "01 18 05 0100 ";
    (void)state;

    for (int i = 0; i < 256; i++)
        strcat(hex, "61");
    assert_int_equal(read_hex(c, hex), ERR_MALFORMED);
    assert_int_equal(read_hex(c, "01 08 05 02 c328"), ERR_MALFORMED);
    dist_cache_in_free(c);
}

/* Nobody sends that; what it must not do is free a text that the header has named already. */
static void a_slot_may_change_twice_in_one_header(void **state)
{
    struct dist_cache_in *c = dist_cache_in_new();
    (void)state;

    assert_ok(read_hex(c, "01 08 05 01 61"));
    assert_ok(read_hex(c, "04 88 80 00 05 01 62 05 01 63 05 05 01 64"));
    assert_slice_str(c->view.at[0].text, "b");
    assert_slice_str(c->view.at[1].text, "c");
    assert_slice_str(c->view.at[2].text, "c");
    assert_slice_str(c->view.at[3].text, "d");
    dist_cache_in_free(c);
    c = dist_cache_in_new();
    assert_ok(read_hex(c, "03 88 08 05 01 62 05 01 63 05 01 64"));
    assert_slice_str(c->view.at[0].text, "b");
    assert_slice_str(c->view.at[2].text, "d");
    dist_cache_in_free(c);
}

/* What is written comes out the same at the other end, through 5000 atoms that fight for 2048 slots. */
static void both_ends_agree_while_slots_are_overwritten(void **state)
{
    struct dist_cache_in *in = dist_cache_in_new();
    struct dist_cache_out *out = dist_cache_out_new();
    struct wr head, body;
    size_t references = 0;
    (void)state;

    wr_init(&head, SIZE_MAX);
    wr_init(&body, SIZE_MAX);
    for (int i = 0; i < 5000; i++) {
        char text[3][32];
        struct rd r;
        struct etf_rd er;

        snprintf(text[0], sizeof text[0], "atom%d", i);
        snprintf(text[1], sizeof text[1], "atom%d", i / 2);
        snprintf(text[2], sizeof text[2], "often%d", i % 7);
        wr_reset(&head);
        wr_reset(&body);
        for (int k = 0; k < 3; k++)
            dist_cache_write_atom(out, &body, atom_of(text[k]));
        dist_cache_write_atom(out, &body, atom_of(text[2]));
        dist_header_write(out, &head);
        if (i % 10 == 3) {
            dist_cache_abort(out); /* as if it could not be queued: the other end never sees it */
            continue;
        }
        dist_cache_commit(out);
        r = rd_of(wr_written(&head));
        assert_ok(dist_header_read(in, &r));
        assert_int_equal(rd_left(&r), 0);
        references += in->view.count;
        er = etf_rd_of(wr_written(&body), &in->view);
        for (int k = 0; k < 3; k++) {
            struct etf_atom a;

            assert_true(etf_read_atom(&er, &a));
            assert_true(etf_atom_is(a, text[k]));
        }
    }
    assert_true(references > 5000);
    wr_fini(&head);
    wr_fini(&body);
    dist_cache_in_free(in);
    dist_cache_out_free(out);
}

static void what_the_cache_cannot_take_is_spelled_out(void **state)
{
    struct dist_cache_out *out = dist_cache_out_new();
    char text[256 * 4 + 1] = "";
    struct wr w, head;
    struct etf_rd er;
    struct etf_atom a;
    (void)state;

    wr_init(&w, SIZE_MAX);
    wr_init(&head, SIZE_MAX);
    for (int i = 0; i < 200; i++)
        strcat(text, "\xc3\xa9");
    dist_cache_write_atom(out, &w, atom_of(text));
    dist_cache_write_atom(out, &w, (struct etf_atom){.text = SLICE("\xe9"), .is_latin1 = true});
    dist_cache_write_atom(NULL, &w, atom_of("plain"));
    dist_header_write(out, &head);
    assert_int_equal(head.len, 1);
    assert_int_equal(head.buf[0], 0);
    er = etf_rd_of(wr_written(&w), NULL);
    assert_true(etf_read_atom(&er, &a));
    assert_int_equal(a.text.len, 400);
    assert_true(etf_read_atom(&er, &a));
    assert_slice_str(a.text, "\xc3\xa9");
    assert_true(etf_read_atom(&er, &a));
    wr_fini(&w);
    wr_fini(&head);
    dist_cache_out_free(out);
}

static void more_than_255_atoms_in_a_message_overflow_into_plain_ones(void **state)
{
    struct dist_cache_out *out = dist_cache_out_new();
    struct dist_cache_in *in = dist_cache_in_new();
    struct wr w, head;
    struct rd r;
    struct etf_rd er;
    char texts[400][32];
    (void)state;

    wr_init(&w, SIZE_MAX);
    wr_init(&head, SIZE_MAX);
    for (int i = 0; i < 400; i++) {
        snprintf(texts[i], sizeof texts[i], "a%d", i);
        dist_cache_write_atom(out, &w, atom_of(texts[i]));
    }
    dist_header_write(out, &head);
    r = rd_of(wr_written(&head));
    assert_ok(dist_header_read(in, &r));
    assert_true(in->view.count > 200 && in->view.count <= 255);
    er = etf_rd_of(wr_written(&w), &in->view);
    for (int i = 0; i < 400; i++) {
        char text[32];

        snprintf(text, sizeof text, "a%d", i);
        assert_true(etf_read_atom_is(&er, text));
    }
    wr_fini(&w);
    wr_fini(&head);
    dist_cache_out_free(out);
    dist_cache_in_free(in);
}

static void without_memory_atoms_are_spelled_out_or_the_header_fails(void **state)
{
    struct dist_cache_out *out = dist_cache_out_new();
    struct dist_cache_in *in = dist_cache_in_new();
    struct wr w;
    (void)state;

    mem_fail_from(1);
    assert_null(dist_cache_in_new());
    assert_null(dist_cache_out_new());
    assert_int_equal(read_hex(in, TWO_NEW), ERR_NOMEM);
    mem_fail_from(0);
    wr_init(&w, SIZE_MAX);
    wr_str(&w, ""); /* memory for the writer itself */
    wr_reset(&w);
    mem_fail_from(1);
    dist_cache_write_atom(out, &w, atom_of("x"));
    mem_fail_from(0);
    assert_int_equal(out->count, 0);
    assert_slice_str(wr_written(&w), "w\1x");
    wr_fini(&w);
    dist_cache_in_free(in);
    dist_cache_out_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atoms_come_with_their_text_once_and_by_reference_after),
        cmocka_unit_test(a_slot_that_was_never_filled_is_malformed),
        cmocka_unit_test(a_header_cut_anywhere_is_incomplete),
        cmocka_unit_test(long_atoms_have_lengths_of_two_bytes),
        cmocka_unit_test(an_atom_that_is_too_long_or_no_utf8_is_malformed),
        cmocka_unit_test(a_slot_may_change_twice_in_one_header),
        cmocka_unit_test(both_ends_agree_while_slots_are_overwritten),
        cmocka_unit_test(what_the_cache_cannot_take_is_spelled_out),
        cmocka_unit_test(more_than_255_atoms_in_a_message_overflow_into_plain_ones),
        cmocka_unit_test(without_memory_atoms_are_spelled_out_or_the_header_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
