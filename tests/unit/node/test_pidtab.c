#include "node/pidtab.h"

#include <stdlib.h>

#include "base/mem.h"
#include "node/process.h"
#include "test.h"

enum { MANY = 5000 };

static void numbers_are_unique_and_found_until_removed(void **state)
{
    struct process *all = calloc(MANY, sizeof *all);
    struct pidtab t;

    (void)state;
    pidtab_init(&t);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pidtab_add(&t, &all[i], &all[i].number), ERR_NONE);
        assert_int_not_equal(all[i].number, 0);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(pidtab_get(&t, all[i].number), &all[i]);
    for (size_t i = 0; i < MANY; i += 2)
        pidtab_remove(&t, all[i].number);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(pidtab_get(&t, all[i].number), i % 2 ? &all[i] : NULL);
    assert_int_equal(t.count, MANY / 2);
    pidtab_fini(&t);
    free(all);
}

static void a_number_in_use_is_passed_over_when_the_sequence_wraps(void **state)
{
    struct process alive = {0}, next = {0};
    struct pidtab t;

    (void)state;
    pidtab_init(&t);
    assert_int_equal(pidtab_add(&t, &alive, &alive.number), ERR_NONE);
    assert_int_equal(alive.number, 1);
    t.next = (1u << PIDTAB_BITS) - 1;
    assert_int_equal(pidtab_add(&t, &next, &next.number), ERR_NONE);
    assert_int_equal(next.number, (1u << PIDTAB_BITS) - 1);
    pidtab_remove(&t, next.number);
    assert_int_equal(pidtab_add(&t, &next, &next.number), ERR_NONE);
    assert_int_equal(next.number, 2);
    pidtab_fini(&t);
}

static void no_memory_is_said_and_changes_nothing(void **state)
{
    struct process p = {0};
    struct pidtab t;

    (void)state;
    pidtab_init(&t);
    mem_fail_from(1);
    assert_int_equal(pidtab_add(&t, &p, &p.number), ERR_NOMEM);
    mem_fail_from(0);
    assert_int_equal(t.count, 0);
    assert_null(pidtab_get(&t, 1));
    pidtab_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_unique_and_found_until_removed),
        cmocka_unit_test(a_number_in_use_is_passed_over_when_the_sequence_wraps),
        cmocka_unit_test(no_memory_is_said_and_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
