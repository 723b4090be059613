#include "tools.h"

#include "dist/frag.h"

static const struct etf_atoms no_atoms;

static void pieces_of_several_sequences_interleave(void **state)
{
    struct dist_frags f;
    struct dist_seq *done;
    (void)state;

    dist_frags_init(&f, 1 << 20, 1);
    assert_ok(dist_frags_first(&f, 1, 3, &no_atoms, SLICE("one"), 0));
    assert_ok(dist_frags_first(&f, 2, 2, &no_atoms, SLICE("two"), 0));
    assert_ok(dist_frags_next(&f, 1, 2, SLICE("-1"), &done));
    assert_null(done);
    assert_ok(dist_frags_next(&f, 2, 1, SLICE("!"), &done));
    assert_non_null(done);
    assert_slice_str(wr_written(&done->data), "two!");
    dist_seq_free(done);
    assert_ok(dist_frags_next(&f, 1, 1, SLICE("-2"), &done));
    assert_slice_str(wr_written(&done->data), "one-1-2");
    dist_seq_free(done);
    assert_int_equal(f.held, 0);
    assert_int_equal(f.open.count, 0);
    dist_frags_fini(&f);
}

static void a_fragment_out_of_turn_or_of_no_sequence_is_malformed(void **state)
{
    struct dist_frags f;
    struct dist_seq *done = NULL;
    (void)state;

    dist_frags_init(&f, 1 << 20, 1);
    assert_ok(dist_frags_first(&f, 1, 4, &no_atoms, SLICE("x"), 0));
    assert_int_equal(dist_frags_first(&f, 1, 4, &no_atoms, SLICE("x"), 0), ERR_MALFORMED);
    assert_int_equal(dist_frags_next(&f, 1, 4, SLICE("x"), &done), ERR_MALFORMED);
    assert_int_equal(dist_frags_next(&f, 1, 2, SLICE("x"), &done), ERR_MALFORMED);
    assert_int_equal(dist_frags_next(&f, 1, 0, SLICE("x"), &done), ERR_MALFORMED);
    assert_int_equal(dist_frags_next(&f, 9, 3, SLICE("x"), &done), ERR_MALFORMED);
    assert_ok(dist_frags_next(&f, 1, 3, SLICE("x"), &done));
    assert_int_equal(dist_frags_next(&f, 1, 3, SLICE("x"), &done), ERR_MALFORMED);
    dist_frags_fini(&f);
}

static void what_all_sequences_hold_is_bounded(void **state)
{
    struct dist_frags f;
    struct dist_seq *done = NULL;
    uint8_t *data = calloc(1, 6000);
    (void)state;

    dist_frags_init(&f, 10000, 1);
    assert_ok(dist_frags_first(&f, 1, 4, &no_atoms, slice_of(data, 6000), 100));
    assert_ok(dist_frags_first(&f, 2, 3, &no_atoms, slice_of(data, 6000), 200)); /* cut at once */
    assert_in_range(f.held, 6200, 6200 + 2 * sizeof *done);
    assert_ok(dist_frags_next(&f, 1, 3, slice_of(data, 3000), &done));
    assert_ok(dist_frags_next(&f, 1, 2, slice_of(data, 3000), &done)); /* cut now */
    assert_in_range(f.held, 300, 300 + 2 * sizeof *done);
    assert_int_equal(dist_frags_next(&f, 1, 2, slice_of(data, 1), &done), ERR_MALFORMED);
    assert_ok(dist_frags_next(&f, 1, 1, slice_of(data, 3000), &done));
    assert_true(done->is_cut);
    assert_int_equal(done->data.len, 100);
    dist_seq_free(done);
    /* There is room for others meanwhile, and after it. */
    assert_ok(dist_frags_first(&f, 3, 2, &no_atoms, slice_of(data, 4000), 0));
    assert_ok(dist_frags_next(&f, 3, 1, slice_of(data, 4000), &done));
    assert_false(done->is_cut);
    assert_int_equal(done->data.len, 8000);
    dist_seq_free(done);
    assert_ok(dist_frags_next(&f, 2, 2, slice_of(data, 6000), &done));
    assert_ok(dist_frags_next(&f, 2, 1, slice_of(data, 6000), &done));
    assert_true(done->is_cut);
    assert_int_equal(done->data.len, 200);
    dist_seq_free(done);
    assert_int_equal(f.held, 0);
    /* The largest is the one that is too much, whoever comes. */
    assert_ok(dist_frags_first(&f, 6, 3, &no_atoms, slice_of(data, 5500), 100));
    assert_ok(dist_frags_next(&f, 6, 2, slice_of(data, 4000), &done));
    assert_ok(dist_frags_first(&f, 7, 2, &no_atoms, slice_of(data, 300), 100));
    assert_ok(dist_frags_next(&f, 7, 1, slice_of(data, 2000), &done));
    assert_false(done->is_cut);
    assert_int_equal(done->data.len, 2300);
    dist_seq_free(done);
    assert_ok(dist_frags_next(&f, 6, 1, slice_of(data, 10), &done));
    assert_true(done->is_cut);
    dist_seq_free(done);
    assert_int_equal(f.held, 0);
    /* What is kept of them is bounded, too. */
    assert_ok(dist_frags_first(&f, 4, 2, &no_atoms, slice_of(data, 6000), 6000));
    assert_int_equal(dist_frags_first(&f, 5, 2, &no_atoms, slice_of(data, 6000), 6000), ERR_TOO_LARGE);
    dist_frags_fini(&f);
    free(data);
}

static void the_number_of_open_sequences_is_bounded(void **state)
{
    struct dist_frags f;
    (void)state;

    dist_frags_init(&f, SIZE_MAX, 1);
    for (uint64_t id = 0; id < DIST_FRAG_MAX_SEQUENCES; id++)
        assert_ok(dist_frags_first(&f, id, 2, &no_atoms, (struct slice){0}, 0));
    assert_int_equal(dist_frags_first(&f, UINT64_MAX, 2, &no_atoms, (struct slice){0}, 0), ERR_TOO_LARGE);
    dist_frags_fini(&f);
}

static void the_atoms_are_kept_although_the_cache_moves_on(void **state)
{
    char text[] = "first";
    struct etf_atom at[2] = {{.text = slice_of(text, 5)}, {.text = {0}}};
    struct etf_atoms atoms = {at, 2};
    struct dist_frags f;
    struct dist_seq *done = NULL;
    (void)state;

    dist_frags_init(&f, 1 << 20, 1);
    assert_ok(dist_frags_first(&f, 1, 2, &atoms, SLICE("x"), 0));
    memset(text, '?', 5);
    at[0].text.len = 1;
    assert_ok(dist_frags_next(&f, 1, 1, SLICE("y"), &done));
    assert_int_equal(done->view.count, 2);
    assert_slice_str(done->view.at[0].text, "first");
    assert_int_equal(done->view.at[1].text.len, 0);
    dist_seq_free(done);
    dist_frags_fini(&f);
}

static void each_allocation_may_fail(void **state)
{
    struct etf_atom at = {.text = SLICE("atom")};
    struct etf_atoms atoms = {&at, 1};
    (void)state;

    for (size_t n = 1;; n++) {
        struct dist_frags f;
        enum err e;

        dist_frags_init(&f, 1 << 20, 1);
        mem_fail_from(n);
        e = dist_frags_first(&f, 1, 2, &atoms, SLICE("x"), 0);
        mem_fail_from(0);
        if (e == ERR_NONE) {
            assert_true(n > 3);
            dist_frags_fini(&f);
            break;
        }
        assert_int_equal(e, ERR_NOMEM);
        assert_int_equal(f.held, 0);
        assert_int_equal(f.open.count, 0);
        dist_frags_fini(&f);
    }
}

static void pieces_are_cut_wherever_asked(void **state)
{
    const struct slice at[] = {SLICE_LIT("ab"), SLICE_LIT(""), SLICE_LIT("cdef"), SLICE_LIT("g")};
    (void)state;

    for (size_t cut = 0; cut <= 7; cut++) {
        struct dist_pieces p = {.at = at, .count = 4};
        struct wr w;

        wr_init(&w, SIZE_MAX);
        assert_int_equal(dist_pieces_len(&p), 7);
        dist_pieces_write(&p, &w, cut);
        assert_int_equal(dist_pieces_len(&p), 7 - cut);
        assert_true(slice_eq(wr_written(&w), slice_of("abcdefg", cut)));
        dist_pieces_write(&p, &w, 7 - cut);
        assert_slice_str(wr_written(&w), "abcdefg");
        wr_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_several_sequences_interleave),
        cmocka_unit_test(a_fragment_out_of_turn_or_of_no_sequence_is_malformed),
        cmocka_unit_test(what_all_sequences_hold_is_bounded),
        cmocka_unit_test(the_number_of_open_sequences_is_bounded),
        cmocka_unit_test(the_atoms_are_kept_although_the_cache_moves_on),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(pieces_are_cut_wherever_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
