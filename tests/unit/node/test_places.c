#include "node/places.h"

#include <stdio.h>

#include "base/mem.h"
#include "test.h"

static void the_port_last_seen_is_remembered(void **state)
{
    struct places p;

    (void)state;
    places_init(&p, 1);
    assert_null(places_find(&p, SLICE("kv@host")));
    places_saw(&p, SLICE("kv@host"), 1000, 6, 1);
    assert_int_equal(places_find(&p, SLICE("kv@host"))->port, 1000);
    places_saw(&p, SLICE("kv@host"), 2000, 5, 2);
    assert_int_equal(places_find(&p, SLICE("kv@host"))->port, 2000);
    assert_int_equal(places_find(&p, SLICE("kv@host"))->highest, 5);
    assert_null(places_find(&p, SLICE("kv@hos")));
    places_forget(&p, SLICE("kv@host"));
    places_forget(&p, SLICE("kv@host"));
    assert_null(places_find(&p, SLICE("kv@host")));
    assert_int_equal(p.seen, 0);
    places_fini(&p);
}

static void a_list_of_names_without_versions_takes_none_away(void **state)
{
    struct places p;

    (void)state;
    places_init(&p, 1);
    places_saw(&p, SLICE("kv@host"), 1000, 5, 1);
    places_saw(&p, SLICE("kv@host"), 1000, 0, 2);
    assert_int_equal(places_find(&p, SLICE("kv@host"))->highest, 5);
    places_saw(&p, SLICE("kv@host"), 1001, 0, 3); /* another node, for all we know */
    assert_int_equal(places_find(&p, SLICE("kv@host"))->highest, 0);
    places_fini(&p);
}

static void what_is_fixed_stays(void **state)
{
    struct places p;

    (void)state;
    places_init(&p, 1);
    places_saw(&p, SLICE("kv@host"), 1000, 6, 1);
    assert_int_equal(places_fix(&p, SLICE("kv@host"), "10.0.0.1", 4000), ERR_NONE);
    places_saw(&p, SLICE("kv@host"), 1000, 6, 2);
    places_forget(&p, SLICE("kv@host"));
    assert_string_equal(places_find(&p, SLICE("kv@host"))->host, "10.0.0.1");
    assert_int_equal(places_find(&p, SLICE("kv@host"))->port, 4000);
    assert_int_equal(places_fix(&p, SLICE("kv@host"), "10.0.0.2", 4001), ERR_NONE);
    assert_string_equal(places_find(&p, SLICE("kv@host"))->host, "10.0.0.2");
    assert_int_equal(p.seen, 0);
    places_fini(&p);
}

static void no_more_are_remembered_than_there_is_room_for_and_the_oldest_go(void **state)
{
    struct places p;
    char name[32];

    (void)state;
    places_init(&p, 1);
    assert_int_equal(places_fix(&p, SLICE("fixed@host"), "host", 1), ERR_NONE);
    for (unsigned i = 0; i < PLACES_SEEN_MAX + 100; i++) {
        snprintf(name, sizeof name, "n%u@host", i);
        places_saw(&p, slice_of_str(name), (uint16_t)(i + 1), 6, i);
    }
    assert_int_equal(p.seen, PLACES_SEEN_MAX);
    assert_int_equal(p.by_name.count, PLACES_SEEN_MAX + 1);
    assert_null(places_find(&p, SLICE("n99@host")));
    assert_non_null(places_find(&p, SLICE("n100@host")));
    assert_non_null(places_find(&p, SLICE("fixed@host")));
    places_fini(&p);
}

static void without_memory_nothing_is_remembered(void **state)
{
    struct places p;

    (void)state;
    places_init(&p, 1);
    for (size_t n = 1; n <= 3; n++) {
        mem_fail_from(n);
        assert_int_equal(places_fix(&p, SLICE("kv@host"), "h", 1), ERR_NOMEM);
    }
    for (size_t n = 1; n <= 2; n++) {
        mem_fail_from(n);
        places_saw(&p, SLICE("kv@host"), 1, 6, 1);
    }
    mem_fail_from(0);
    assert_null(places_find(&p, SLICE("kv@host")));
    assert_int_equal(p.seen, 0);
    places_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_last_seen_is_remembered),
        cmocka_unit_test(a_list_of_names_without_versions_takes_none_away),
        cmocka_unit_test(what_is_fixed_stays),
        cmocka_unit_test(no_more_are_remembered_than_there_is_room_for_and_the_oldest_go),
        cmocka_unit_test(without_memory_nothing_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
