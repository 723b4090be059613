/* Who is in which group, as a scope of pg keeps it. */
#include "test.h"

#include "base/mem.h"
#include "node/pg_view.h"

static struct pg_view view;
static int joined, left;

static void changed(void *ctx, const struct pg_group *g, const struct etf_pid *pid, int64_t times)
{
    (void)ctx;
    (void)g;
    (void)pid;
    if (times > 0)
        joined += (int)times;
    else
        left -= (int)times;
}

static int set_up(void **state)
{
    (void)state;
    pg_view_init(&view, 42);
    view.changed = changed;
    joined = left = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_view_fini(&view);
    return 0;
}

static struct etf_pid pid(const char *node, uint32_t id)
{
    return (struct etf_pid){.node = {.text = slice_of_str(node)}, .id = id, .creation = 5};
}

static const struct slice g = SLICE_LIT("\x77\x01g"), h = SLICE_LIT("\x77\x01h");

static void one_joins_twice_and_leaves_twice(void **state)
{
    struct etf_pid p = pid("a@h", 1);
    struct pg_owner *o = pg_owner_add(&view, &p, true);

    (void)state;
    assert_int_equal(pg_join(&view, o, g, &p), ERR_NONE);
    assert_int_equal(pg_join(&view, o, g, &p), ERR_NONE);
    assert_int_equal(pg_group_get(&view, g)->count, 2);
    assert_int_equal(pg_group_get(&view, g)->local_count, 2);
    assert_true(pg_leave(&view, o, g, &p));
    assert_false(pg_leave(&view, o, h, &p));
    assert_true(pg_leave(&view, o, g, &p));
    assert_false(pg_leave(&view, o, g, &p));
    assert_null(pg_group_get(&view, g));
    assert_int_equal(joined, 2);
    assert_int_equal(left, 2);
}

static void a_sync_tells_only_what_differs(void **state)
{
    struct etf_pid scope = pid("b@h", 9), p = pid("b@h", 1), q = pid("b@h", 2);
    struct pg_owner *o = pg_owner_add(&view, &scope, false);

    (void)state;
    assert_int_equal(pg_join(&view, o, g, &p), ERR_NONE);
    assert_int_equal(pg_join(&view, o, h, &p), ERR_NONE);
    pg_sync_begin(&view, o);
    assert_int_equal(pg_sync_fresh(&view, o, g, &p), ERR_NONE);
    assert_int_equal(pg_sync_fresh(&view, o, g, &q), ERR_NONE);
    assert_int_equal(pg_sync_fresh(&view, o, g, &q), ERR_NONE);
    pg_sync_end(&view, o);
    assert_int_equal(joined, 4);
    assert_int_equal(left, 1);
    assert_int_equal(pg_group_get(&view, g)->count, 3);
    assert_int_equal(pg_group_get(&view, g)->local_count, 0);
    assert_null(pg_group_get(&view, h));
    pg_owner_drop(&view, o);
    assert_int_equal(left, 4);
    assert_null(pg_owner_get(&view, &scope));
    assert_int_equal(view.members.count + view.groups.count + view.owners.count, 0);
}

static void another_owner_cannot_take_a_member_out(void **state)
{
    struct etf_pid a = pid("a@h", 9), b = pid("b@h", 9), p = pid("a@h", 1);
    struct pg_owner *one = pg_owner_add(&view, &a, false), *two = pg_owner_add(&view, &b, false);

    (void)state;
    assert_int_equal(pg_join(&view, one, g, &p), ERR_NONE);
    assert_false(pg_leave(&view, two, g, &p));
    pg_owner_drop(&view, two);
    assert_int_equal(pg_group_get(&view, g)->count, 1);
}

static void repetitions_are_members_too_where_there_are_too_many(void **state)
{
    struct etf_pid a = pid("a@h", 9), b = pid("b@h", 9), p = pid("a@h", 1), q = pid("b@h", 1);
    struct pg_owner *one = pg_owner_add(&view, &a, false), *two = pg_owner_add(&view, &b, false);

    (void)state;
    assert_int_equal(pg_join(&view, two, h, &q), ERR_NONE);
    for (int i = 1; i < PG_MAX_MEMBERS; i++)
        if (pg_join(&view, one, g, &p) != ERR_NONE)
            fail_msg("join %d was refused", i);
    assert_int_equal(pg_join(&view, one, g, &p), ERR_OVERLOADED);
    assert_int_equal(pg_join(&view, two, g, &q), ERR_OVERLOADED);
    assert_int_equal(pg_group_get(&view, g)->count, PG_MAX_MEMBERS - 1);

    /* One that says anew all it has has as much room as before. */
    pg_sync_begin(&view, one);
    for (int i = 1; i < PG_MAX_MEMBERS; i++)
        if (pg_sync_fresh(&view, one, g, &p) != ERR_NONE)
            fail_msg("%d of a sync was refused", i);
    assert_int_equal(pg_sync_fresh(&view, one, g, &p), ERR_OVERLOADED);
    assert_int_equal(pg_sync_fresh(&view, one, h, &p), ERR_OVERLOADED);
    pg_sync_end(&view, one);
    assert_int_equal(pg_group_get(&view, g)->count, PG_MAX_MEMBERS - 1);
    assert_int_equal(pg_group_get(&view, h)->count, 1);

    assert_true(pg_leave(&view, one, g, &p));
    assert_int_equal(pg_join(&view, two, g, &q), ERR_NONE);
    pg_owner_drop(&view, one);
    assert_int_equal(view.count, 2);
    pg_owner_drop(&view, two);
    assert_int_equal(view.count, 0);
}

static void without_memory_nobody_joins_and_nothing_is_left(void **state)
{
    struct etf_pid p = pid("a@h", 1);

    (void)state;
    for (size_t n = 1; n < 14; n++) {
        struct pg_owner *o;

        mem_fail_from(n);
        o = pg_owner_add(&view, &p, true);
        if (o && pg_join(&view, o, g, &p) == ERR_NONE)
            assert_non_null(pg_group_get(&view, g));
        else
            assert_null(pg_group_get(&view, g));
        mem_fail_from(0);
        if (o)
            pg_owner_drop(&view, o);
        assert_int_equal(view.members.count + view.groups.count + view.owners.count, 0);
        tear_down(state);
        set_up(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_joins_twice_and_leaves_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sync_tells_only_what_differs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_owner_cannot_take_a_member_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repetitions_are_members_too_where_there_are_too_many, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nobody_joins_and_nothing_is_left, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
