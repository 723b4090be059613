#include <stdio.h>

#include "base/idtab.h"
#include "base/map.h"
#include "base/mem.h"
#include "test.h"

enum { MANY = 3000 };

static void an_id_is_never_valid_twice(void **state)
{
    struct idtab t;
    int thing;
    uint64_t first, second;

    (void)state;
    idtab_init(&t);
    first = idtab_add(&t, &thing);
    assert_ptr_equal(idtab_remove(&t, first), &thing);
    second = idtab_add(&t, &thing);
    assert_int_not_equal(first, second);
    assert_null(idtab_get(&t, first));
    assert_null(idtab_remove(&t, first));
    assert_ptr_equal(idtab_get(&t, second), &thing);
    assert_null(idtab_get(&t, 0));
    assert_null(idtab_get(&t, UINT64_MAX));
    idtab_fini(&t);
}

static void a_map_finds_what_is_in_it_and_nothing_else(void **state)
{
    static int values[MANY];
    struct map m;
    char key[32];

    (void)state;
    map_init(&m, 42);
    assert_null(map_get(&m, SLICE("none")));
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(map_put(&m, slice_of_str(key), &values[i]), ERR_NONE);
    }
    for (int i = 0; i < MANY; i += 2) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(map_remove(&m, slice_of_str(key)), &values[i]);
        assert_null(map_remove(&m, slice_of_str(key)));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(map_get(&m, slice_of_str(key)), i % 2 ? &values[i] : NULL);
    }
    assert_int_equal(m.count, MANY / 2);
    assert_int_equal(map_put(&m, SLICE("key-1"), &values[0]), ERR_NONE);
    assert_ptr_equal(map_get(&m, SLICE("key-1")), &values[0]);
    assert_int_equal(m.count, MANY / 2);
    map_fini(&m);
}

static void a_map_gives_back_what_a_crowd_has_left(void **state)
{
    static int values[MANY];
    size_t cursor = 0, most;
    struct map m;
    char key[32];
    int left = 0;

    (void)state;
    map_init(&m, 42);
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(map_put(&m, slice_of_str(key), &values[i]), ERR_NONE);
    }
    most = m.cap;
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        if (i % 100)
            assert_ptr_equal(map_remove(&m, slice_of_str(key)), &values[i]);
    }
    assert_in_range(m.cap, MANY / 100, most / 8);
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(map_get(&m, slice_of_str(key)), i % 100 ? NULL : &values[i]);
    }
    while (map_next(&m, &cursor, NULL))
        left++;
    assert_int_equal(left, MANY / 100);
    for (int i = 0; i < MANY; i += 100) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(map_remove(&m, slice_of_str(key)), &values[i]);
    }
    assert_in_range(m.cap, 0, 16);
    map_fini(&m);
}

static void keys_that_differ_in_nul_bytes_are_different(void **state)
{
    struct map m;
    int a, b;

    (void)state;
    map_init(&m, 1);
    assert_int_equal(map_put(&m, slice_of("x", 1), &a), ERR_NONE);
    assert_int_equal(map_put(&m, slice_of("x\0", 2), &b), ERR_NONE);
    assert_ptr_equal(map_get(&m, slice_of("x", 1)), &a);
    assert_ptr_equal(map_get(&m, slice_of("x\0", 2)), &b);
    map_fini(&m);
}

static void without_memory_both_stay_as_they_were(void **state)
{
    struct idtab t;
    struct map m;
    int thing;

    (void)state;
    idtab_init(&t);
    map_init(&m, 1);
    mem_fail_from(1);
    assert_int_equal(idtab_add(&t, &thing), 0);
    assert_int_equal(map_put(&m, SLICE("k"), &thing), ERR_NOMEM);
    mem_fail_from(2); /* the table can grow, the key cannot be copied */
    assert_int_equal(map_put(&m, SLICE("k"), &thing), ERR_NOMEM);
    mem_fail_from(0);
    assert_null(map_get(&m, SLICE("k")));
    assert_int_equal(m.count, 0);
    map_fini(&m);
    idtab_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_never_valid_twice),
        cmocka_unit_test(a_map_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(a_map_gives_back_what_a_crowd_has_left),
        cmocka_unit_test(keys_that_differ_in_nul_bytes_are_different),
        cmocka_unit_test(without_memory_both_stay_as_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
