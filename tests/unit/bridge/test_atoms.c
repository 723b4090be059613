#include "bridge/atoms.h"

#include "test.h"

static void the_budget_counts_each_new_atom_once(void **state)
{
    struct atoms a;

    (void)state;
    assert_int_equal(atoms_init(&a, 2, 1, NULL, false), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("one")), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("one")), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("two")), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("three")), ERR_ATOM_BUDGET);
    assert_int_equal(atoms_use(&a, SLICE("two")), ERR_NONE);
    assert_int_equal(atoms_introduced(&a), 2);
    atoms_fini(&a);
}

static void what_a_peer_has_is_free(void **state)
{
    struct atoms a;

    (void)state;
    assert_int_equal(atoms_init(&a, 0, 1, NULL, false), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("ok")), ERR_ATOM_BUDGET);
    atoms_learn(&a, SLICE("ok"));
    assert_int_equal(atoms_use(&a, SLICE("ok")), ERR_NONE);
    assert_int_equal(atoms_introduced(&a), 0);
    atoms_fini(&a);
}

static void latin1_and_utf8_spellings_are_one_atom(void **state)
{
    struct atoms a;

    (void)state;
    assert_int_equal(atoms_init(&a, 1, 1, NULL, false), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("\xC3\xA9")), ERR_NONE);
    assert_int_equal(atoms_on_atom(&a, (struct etf_atom){.text = SLICE("\xE9"), .is_latin1 = true}),
                     ERR_NONE);
    assert_int_equal(atoms_introduced(&a), 1);
    atoms_fini(&a);
}

static void threads_share_one_budget(void **state)
{
    struct atoms a, b;

    (void)state;
    assert_int_equal(atoms_init(&a, 2, 1, NULL, true), ERR_NONE);
    assert_int_equal(atoms_init(&b, 2, 2, a.pool, true), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("one")), ERR_NONE);
    assert_int_equal(atoms_use(&b, SLICE("one")), ERR_NONE); /* which is known */
    assert_int_equal(atoms_use(&b, SLICE("two")), ERR_NONE);
    assert_int_equal(atoms_use(&a, SLICE("three")), ERR_ATOM_BUDGET);
    assert_int_equal(atoms_introduced(&b), 2);
    atoms_learn(&a, SLICE("four"));
    assert_int_equal(atoms_use(&b, SLICE("four")), ERR_NONE);
    assert_int_equal(a.refused, 1);
    assert_int_equal(b.refused, 0);
    atoms_fini(&b);
    atoms_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_counts_each_new_atom_once),
        cmocka_unit_test(what_a_peer_has_is_free),
        cmocka_unit_test(latin1_and_utf8_spellings_are_one_atom),
        cmocka_unit_test(threads_share_one_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
