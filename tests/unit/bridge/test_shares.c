#include "bridge/shares.h"

#include "test.h"

#include "base/mem.h"

static void one_alone_leaves_the_last_eighth(void **state)
{
    struct share *of[16];
    struct shares s;
    size_t n = 0;

    (void)state;
    shares_init(&s, 1);
    for (; n < 16 && shares_allow_process(&s, SLICE("mallory"), n, 16); n++)
        of[n] = shares_enter(&s, SLICE("mallory"), true);
    assert_int_equal(n, 14);
    assert_true(shares_allow_process(&s, SLICE("alice"), n, 16));
    of[n++] = shares_enter(&s, SLICE("alice"), true);
    assert_false(shares_allow_process(&s, SLICE("mallory"), n, 16));
    assert_true(shares_allow_process(&s, SLICE("alice"), n, 16));
    of[n++] = shares_enter(&s, SLICE("alice"), true);
    assert_true(
        shares_allow_process(&s, SLICE("mallory"), n, 16)); /* that there is none is not for shares to say */
    while (n > 0)
        shares_leave(&s, of[--n], true);
    shares_fini(&s);
}

static void processes_and_streams_are_counted_apart(void **state)
{
    struct share *stream, *process;
    struct shares s;

    (void)state;
    shares_init(&s, 1);
    stream = shares_enter(&s, SLICE("a"), false);
    process = shares_enter(&s, SLICE("a"), true);
    assert_ptr_equal(stream, process);
    assert_int_equal(stream->processes, 1);
    assert_int_equal(stream->streams, 2);
    assert_true(shares_allow_process(&s, SLICE("a"), 15, 16));
    assert_false(shares_allow_stream(&s, SLICE("a"), 15, 16));
    shares_leave(&s, process, true);
    shares_leave(&s, stream, false);
    shares_fini(&s);
}

static void small_limits_have_no_eighth(void **state)
{
    struct shares s;

    (void)state;
    shares_init(&s, 1);
    for (size_t limit = 1; limit < 8; limit++)
        for (size_t all = 0; all < 10; all++)
            assert_true(shares_allow_process(&s, SLICE("a"), all, limit));
    shares_fini(&s);
}

static void without_memory_nobody_is_counted(void **state)
{
    struct shares s;

    (void)state;
    shares_init(&s, 1);
    for (size_t n = 1; n < 3; n++) {
        mem_fail_from(n);
        shares_leave(&s, shares_enter(&s, SLICE("a"), true), true);
        mem_fail_from(0);
        assert_int_equal(s.by_name.count, 0);
    }
    shares_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_leaves_the_last_eighth),
        cmocka_unit_test(processes_and_streams_are_counted_apart),
        cmocka_unit_test(small_limits_have_no_eighth),
        cmocka_unit_test(without_memory_nobody_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
