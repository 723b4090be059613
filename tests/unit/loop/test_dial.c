#include "loop/loop.h"
#include "loop/stream.h"
#include "test.h"

static void told(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    unsigned *count = ctx;

    (void)id;
    (void)e;
    assert_null(s);
    ++*count;
}

/* Its thread cannot be called off, and may be at it when everything else has ended. */
static void a_name_that_is_still_looked_up_does_not_outlive_the_loop(void **state)
{
    enum { TIMES = 3000 };
    unsigned count = 0;
    (void)state;

    for (unsigned i = 0; i < TIMES; i++) {
        struct loop *l = loop_new();
        uint64_t dial;

        assert_non_null(l);
        dial = loop_dial(l, "localhost", 1, 1000, told, &count, 0);
        assert_true(dial != 0);
        loop_turn(l, 0); /* begins */
        for (uint64_t until_us = loop_now_us() + i % 100; loop_now_us() < until_us;) {
            /* the thread takes it up at some time of these */
        }
        loop_dial_cancel(l, dial);
        loop_free(l);
    }
    assert_true(count <= TIMES); /* those that had failed before they were cancelled */
}

static void told_why(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    (void)id;
    assert_null(s);
    *(enum err *)ctx = e;
}

/* A label of DNS's has 63 characters at most, so nobody has to be asked. */
static void a_name_that_leads_nowhere_is_told_apart(void **state)
{
    struct loop *l = loop_new();
    enum err why = ERR_NONE;
    char name[65] = {0};

    (void)state;
    assert_non_null(l);
    memset(name, 'x', sizeof name - 1);
    assert_true(loop_dial(l, name, 1, 5000, told_why, &why, 0) != 0);
    while (why == ERR_NONE)
        loop_turn(l, 1000);
    assert_int_equal(why, ERR_NO_HOST);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_still_looked_up_does_not_outlive_the_loop),
        cmocka_unit_test(a_name_that_leads_nowhere_is_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
