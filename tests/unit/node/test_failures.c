#include "node/failures.h"

#include <stdio.h>

#include "test.h"

#include "base/mem.h"

static void the_last_one_counts(void **state)
{
    struct failures f = {0};

    (void)state;
    assert_null(failures_find(&f, SLICE("a@b")));
    failures_note(&f, SLICE("a@b"), ERR_NO_NODE, "nobody", 1);
    failures_note(&f, SLICE("a@b"), ERR_AUTH, NULL, 2);
    assert_int_equal(failures_find(&f, SLICE("a@b"))->err, ERR_AUTH);
    assert_int_equal(failures_find(&f, SLICE("a@b"))->at_ms, 2);
    assert_string_equal(failures_find(&f, SLICE("a@b"))->text, "");
    assert_null(failures_find(&f, SLICE("a@bc")));
    failures_clear(&f, SLICE("a@b"));
    failures_clear(&f, SLICE("a@b"));
    assert_null(failures_find(&f, SLICE("a@b")));
    failures_fini(&f);
}

static void the_oldest_makes_room(void **state)
{
    struct failures f = {0};
    char name[16];

    (void)state;
    for (unsigned i = 0; i < FAILURES_MAX + 3; i++) {
        snprintf(name, sizeof name, "n%u@h", i);
        failures_note(&f, slice_of_str(name), ERR_TIMEOUT, name, i == 0 ? 10000 : i);
    }
    assert_null(failures_find(&f, SLICE("n1@h")));
    assert_null(failures_find(&f, SLICE("n3@h")));
    assert_string_equal(failures_find(&f, SLICE("n0@h"))->text, "n0@h");
    assert_non_null(failures_find(&f, SLICE("n4@h")));
    failures_fini(&f);
}

static void a_long_text_is_cut(void **state)
{
    static char text[1000];
    struct failures f = {0};

    (void)state;
    memset(text, 'x', sizeof text - 1);
    failures_note(&f, SLICE("a@b"), ERR_MALFORMED, text, 1);
    assert_int_equal(strlen(failures_find(&f, SLICE("a@b"))->text), FAILURE_TEXT_MAX - 1);
    memcpy(text + FAILURE_TEXT_MAX - 3, "\xe2\x82\xac", 3); /* but in no character */
    failures_note(&f, SLICE("a@b"), ERR_MALFORMED, text, 1);
    assert_int_equal(strlen(failures_find(&f, SLICE("a@b"))->text), FAILURE_TEXT_MAX - 3);
    failures_fini(&f);
}

static void without_memory_it_is_not_kept(void **state)
{
    struct failures f = {0};

    (void)state;
    mem_fail_from(1);
    failures_note(&f, SLICE("a@b"), ERR_MALFORMED, "x", 1);
    mem_fail_from(0);
    assert_null(failures_find(&f, SLICE("a@b")));
    failures_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_one_counts),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(without_memory_it_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
