#include "node/deadlines.h"

#include <stdlib.h>

#include "test.h"

enum { MANY = 2000 };

/* A small generator of its own, so that the order is the same everywhere. */
static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

static void the_earliest_is_always_first_whatever_leaves(void **state)
{
    struct deadline *all = calloc(MANY, sizeof *all);
    struct deadlines d;
    uint32_t x = 1;
    uint64_t last = 0;

    (void)state;
    deadlines_init(&d);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(deadlines_add(&d, &all[i], next_random(&x) % 1000), ERR_NONE);
    for (size_t i = 0; i < MANY; i += 3)
        deadlines_remove(&d, &all[i]);
    deadlines_remove(&d, &all[0]); /* again: harmless */
    for (struct deadline *e; (e = deadlines_first(&d));) {
        assert_true(e->at_ms >= last);
        assert_int_not_equal((e - all) % 3, 0);
        last = e->at_ms;
        deadlines_remove(&d, e);
    }
    assert_int_equal(d.count, 0);
    deadlines_fini(&d);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_earliest_is_always_first_whatever_leaves)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
