/* Names and locks of global, without anybody to watch. */
#include "test.h"

#include "base/mem.h"
#include "node/global_tab.h"

static struct global_tab tab;
static uint64_t last_monitor;
static int watched;
static enum err watching;

#define A SLICE("\x61\x01")
#define B SLICE("\x61\x02")
#define M SLICE("\x61\x09")

static enum err watch(void *ctx, const struct etf_pid *pid, uint64_t *ret_monitor)
{
    (void)ctx;
    (void)pid;
    if (watching != ERR_NONE)
        return watching;
    *ret_monitor = ++last_monitor;
    watched++;
    return ERR_NONE;
}

static void unwatch(void *ctx, uint64_t monitor)
{
    (void)ctx;
    (void)monitor;
    watched--;
}

static int set_up(void **state)
{
    (void)state;
    global_tab_init(&tab, 42);
    tab.watch = watch;
    tab.unwatch = unwatch;
    watched = 0;
    watching = ERR_NONE;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    global_tab_fini(&tab);
    return 0;
}

static struct etf_pid pid(const char *node, uint32_t id)
{
    return (struct etf_pid){.node = {.text = slice_of_str(node)}, .id = id, .creation = 5};
}

static void texts_have_a_bound(void **state)
{
    static const uint8_t text[GLOBAL_MAX_TEXT + 1];
    struct slice longest = slice_of(text, GLOBAL_MAX_TEXT - M.len), longer = slice_of(text, longest.len + 1);
    struct etf_pid p = pid("a@h", 1);

    (void)state;
    assert_int_equal(global_tab_put(&tab, longest, &p, M, (struct slice){0}), ERR_NONE);
    assert_int_equal(global_tab_put(&tab, longer, &p, M, (struct slice){0}), ERR_OVERLOADED);
    assert_null(global_tab_get(&tab, longer));
    assert_true(global_lock_set(&tab, longest, B, &p));
    assert_false(global_lock_set(&tab, longer, B, &p));
    assert_true(global_lock_is_free(&tab, longer, B));
    assert_int_equal(watched, 2);
}

static void a_name_is_replaced_and_its_process_watched_once(void **state)
{
    struct etf_pid p = pid("a@h", 1), q = pid("b@h", 1);

    (void)state;
    assert_null(global_tab_get(&tab, A));
    assert_int_equal(global_tab_put(&tab, A, &p, M, (struct slice){0}), ERR_NONE);
    assert_int_equal(global_tab_put(&tab, A, &q, M, SLICE("c@h")), ERR_NONE);
    assert_int_equal(watched, 1);
    assert_true(etf_pid_eq(&global_tab_get(&tab, A)->pid, &q));
    assert_true(slice_eq_str(global_tab_get(&tab, A)->by_node, "c@h"));
    assert_true(global_tab_delete(&tab, A));
    assert_false(global_tab_delete(&tab, A));
    assert_int_equal(watched, 0);
}

static void a_name_goes_with_its_process_and_with_its_node(void **state)
{
    struct etf_pid p = pid("a@h", 1), q = pid("b@h", 1);

    (void)state;
    assert_int_equal(global_tab_put(&tab, A, &p, M, (struct slice){0}), ERR_NONE);
    assert_int_equal(global_tab_put(&tab, B, &q, M, (struct slice){0}), ERR_NONE);
    global_tab_down(&tab, global_tab_get(&tab, A)->monitor);
    assert_null(global_tab_get(&tab, A));
    global_tab_down(&tab, 12345);
    assert_non_null(global_tab_get(&tab, B));
    global_tab_drop_node(&tab, SLICE("b@h"));
    assert_null(global_tab_get(&tab, B));
    assert_int_equal(watched, 0);
}

static void all_of_a_node_goes_however_much_it_is(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t name[] = {98, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};
        struct etf_pid p = pid(i % 2 ? "a@h" : "b@h", i);

        assert_int_equal(global_tab_put(&tab, slice_of(name, sizeof name), &p, M, (struct slice){0}),
                         ERR_NONE);
        assert_true(global_lock_set(&tab, slice_of(name, sizeof name), M, &p));
    }
    global_tab_drop_node(&tab, SLICE("a@h"));
    assert_int_equal(tab.names.count, 500);
    assert_int_equal(tab.locks.count, 500);
    assert_int_equal(watched, 1000);
}

static void a_lock_is_its_requesters(void **state)
{
    struct etf_pid p = pid("a@h", 1), q = pid("b@h", 1);

    (void)state;
    assert_true(global_lock_is_free(&tab, M, A));
    assert_true(global_lock_set(&tab, M, A, &p));
    assert_true(global_lock_set(&tab, M, A, &p)); /* twice is once */
    assert_int_equal(watched, 1);
    assert_true(global_lock_is_free(&tab, M, A));
    assert_false(global_lock_is_free(&tab, M, B));
    assert_false(global_lock_set(&tab, M, B, &q));
    assert_true(global_lock_set(&tab, M, A, &q)); /* shared by one requester's processes */
    global_lock_del(&tab, M, B, &p);              /* not the requester */
    global_lock_del(&tab, M, A, &p);
    assert_true(global_lock_is_set(&tab, M));
    global_lock_del(&tab, M, A, &p); /* not any more */
    global_lock_del(&tab, M, A, &q);
    assert_false(global_lock_is_set(&tab, M));
    assert_int_equal(watched, 0);
}

static void names_change_only_under_the_lock_that_was_taken_for_it(void **state)
{
    struct etf_pid p = pid("a@h", 1), q = pid("b@h", 1);

    (void)state;
    assert_true(global_lock_permits(&tab, &p, A)); /* nobody has locked, nobody has lost it */
    assert_true(global_lock_set(&tab, global_resource, A, &p));
    assert_true(global_lock_permits(&tab, &p, (struct slice){0}));
    assert_false(global_lock_permits(&tab, &q, (struct slice){0}));
    assert_true(global_lock_permits(&tab, NULL, A));
    assert_false(global_lock_permits(&tab, NULL, B));
    assert_false(global_lock_permits(&tab, NULL, (struct slice){0}));
    /* The holder is gone: what it had under way must not count. */
    global_tab_down(&tab, last_monitor);
    assert_false(global_lock_permits(&tab, &p, (struct slice){0}));
    assert_false(global_lock_permits(&tab, NULL, A));
    /* Until somebody has had it and given it back. */
    assert_true(global_lock_set(&tab, global_resource, B, &q));
    global_lock_del(&tab, global_resource, B, &q);
    assert_true(global_lock_permits(&tab, &p, (struct slice){0}));
}

static void without_memory_or_watch_nothing_is_left(void **state)
{
    struct etf_pid p = pid("a@h", 1);

    for (size_t n = 1; n < 16; n++) {
        mem_fail_from(n);
        if (global_tab_put(&tab, A, &p, M, (struct slice){0}) != ERR_NONE)
            assert_null(global_tab_get(&tab, A));
        if (!global_lock_set(&tab, global_resource, A, &p))
            assert_false(global_lock_is_set(&tab, global_resource));
        mem_fail_from(0);
        (void)global_tab_delete(&tab, A);
        global_lock_del(&tab, global_resource, A, &p);
        assert_int_equal(watched, 0);
        assert_int_equal(tab.holders.count + tab.names_by_monitor.count + tab.locks.count + tab.names.count,
                         0);
        tear_down(state);
        set_up(state);
    }
    watching = ERR_OVERLOADED;
    assert_int_equal(global_tab_put(&tab, A, &p, M, (struct slice){0}), ERR_OVERLOADED);
    assert_false(global_lock_set(&tab, global_resource, A, &p));
    assert_int_equal(tab.names.count + tab.locks.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_have_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_is_replaced_and_its_process_watched_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_goes_with_its_process_and_with_its_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_of_a_node_goes_however_much_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_is_its_requesters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_change_only_under_the_lock_that_was_taken_for_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_memory_or_watch_nothing_is_left, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
