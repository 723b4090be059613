#include "http/internal.h"

#include "test.h"

enum { NOW = 1000000, MANY = 32, FEW = 6 };

static void begin(struct http_rest *rest, unsigned count, uint64_t now_ms)
{
    while (count-- > 0)
        http_rest_begin(rest, now_ms);
}

static void end(struct http_rest *rest, unsigned count, uint64_t since_ms)
{
    while (count-- > 0)
        http_rest_end(rest, since_ms);
}

static void many_that_wait_give_a_rest(void **state)
{
    struct http_rest rest = {0};

    (void)state;
    assert_int_equal(http_rest_us(&rest, NOW, false), 0);
    begin(&rest, MANY - 1, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, false), 0);
    begin(&rest, 1, NOW);
    assert_in_range(http_rest_us(&rest, NOW, false), 1, 100);
    end(&rest, 1, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, false), 0);
}

static void of_several_threads_each_has_its_part(void **state)
{
    struct http_rest rest = {0};

    (void)state;
    begin(&rest, MANY / 2 - 1, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, true), 0);
    begin(&rest, 1, NOW);
    assert_int_not_equal(http_rest_us(&rest, NOW, true), 0);
    assert_int_equal(http_rest_us(&rest, NOW, false), 0);
}

static void each_turn_counts_its_own_answers(void **state)
{
    struct http_rest rest = {0};

    (void)state;
    begin(&rest, MANY / 2 - 1, NOW);
    end(&rest, 1, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, true), 0);
    assert_int_equal(rest.answered_now, 0);
    begin(&rest, MANY, NOW);
    assert_int_not_equal(http_rest_us(&rest, NOW, true), 0);
    end(&rest, FEW, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, true), 0);
    assert_int_not_equal(http_rest_us(&rest, NOW, true), 0);
}

static void answers_by_the_dozen_give_none(void **state)
{
    struct http_rest rest = {0};

    (void)state;
    begin(&rest, 2 * MANY, NOW);
    end(&rest, FEW, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, false), 0);
    /* They were those of one turn. */
    assert_int_not_equal(http_rest_us(&rest, NOW, false), 0);
    end(&rest, FEW - 1, NOW);
    assert_int_not_equal(http_rest_us(&rest, NOW, false), 0);
}

static void what_waits_for_long_does_not_count(void **state)
{
    struct http_rest rest = {0};
    uint64_t later = NOW;

    (void)state;
    begin(&rest, 1000, NOW);
    assert_int_not_equal(http_rest_us(&rest, NOW + 8, false), 0);
    while (http_rest_us(&rest, later, false) > 0)
        later++;
    assert_in_range(later, NOW + 9, NOW + 16);
    /* Nor does its end. */
    begin(&rest, MANY, later);
    end(&rest, 1000, NOW);
    (void)http_rest_us(&rest, later, false);
    assert_int_not_equal(http_rest_us(&rest, later, false), 0);
    /* After a while without requests all are old. */
    assert_int_equal(http_rest_us(&rest, later + 1000, false), 0);
}

static void a_time_that_is_a_little_old_does_no_harm(void **state)
{
    struct http_rest rest = {0};

    (void)state;
    begin(&rest, 1, NOW);
    begin(&rest, MANY - 1, NOW - 8);
    assert_int_not_equal(http_rest_us(&rest, NOW, false), 0);
    end(&rest, MANY - 1, NOW - 8);
    end(&rest, 1, NOW);
    assert_int_equal(http_rest_us(&rest, NOW, false), 0);
    /* None of the two has become less than none. */
    begin(&rest, MANY, NOW + 8);
    assert_int_not_equal(http_rest_us(&rest, NOW + 8, false), 0);
    end(&rest, MANY, NOW + 8);
    (void)http_rest_us(&rest, NOW + 8, false);
    assert_int_equal(rest.young[0], 0);
}

/* How long it is when so many wait, and so many were answered in the window before. */
static unsigned rest_after(unsigned answered, unsigned waiting, bool is_shared)
{
    struct http_rest rest = {0};

    begin(&rest, answered, NOW);
    end(&rest, answered, NOW);
    begin(&rest, waiting, NOW + 8);
    (void)http_rest_us(&rest, NOW + 8, is_shared); /* of a turn that had all these answers */
    return http_rest_us(&rest, NOW + 8, is_shared);
}

static void it_is_as_long_as_some_answers_take(void **state)
{
    (void)state;
    /* Of 64 an eighth: 8 answers at 20,000 a second take 400 µs, which is longer than anybody else shall wait
     * … */
    assert_int_equal(rest_after(160, 64, false), 200);
    /* … at 40,000 they take 200, of which the system sleeps 50 by itself … */
    assert_int_equal(rest_after(320, 64, false), 150);
    /* … and at 70,000 114. */
    assert_int_equal(rest_after(560, 64, false), 64);
    /* Of fewer who wait fewer, so that no call takes much longer for it. */
    assert_int_equal(rest_after(320, 32, false), 50);
    assert_int_equal(rest_after(160, 32, false), 150);
    assert_int_equal(rest_after(80, 16, true), 150);
    /* Of more who wait not more. */
    assert_int_equal(rest_after(320, 512, false), 150);
    /* What costs as much as it saves is none. */
    assert_int_equal(rest_after(100000, 64, false), 50);
    /* Before there is a pace: the least. */
    assert_int_equal(rest_after(0, 64, false), 50);
}

static void the_pace_is_that_of_the_window_before(void **state)
{
    struct http_rest rest = {0};

    (void)state;
    begin(&rest, 160, NOW);
    end(&rest, 160, NOW);
    begin(&rest, 64, NOW + 8);
    end(&rest, 1, NOW + 8);
    assert_int_equal(http_rest_us(&rest, NOW + 8, false), 0); /* that turn had more than few */
    assert_int_equal(http_rest_us(&rest, NOW + 8, false), 200);
    begin(&rest, 64, NOW + 16);
    end(&rest, 1, NOW + 16);
    assert_int_equal(http_rest_us(&rest, NOW + 16, false), 200); /* one answer in the window before */
    begin(&rest, 64, NOW + 1000);
    assert_int_equal(http_rest_us(&rest, NOW + 1000, false), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_that_wait_give_a_rest),
        cmocka_unit_test(of_several_threads_each_has_its_part),
        cmocka_unit_test(each_turn_counts_its_own_answers),
        cmocka_unit_test(answers_by_the_dozen_give_none),
        cmocka_unit_test(what_waits_for_long_does_not_count),
        cmocka_unit_test(a_time_that_is_a_little_old_does_no_harm),
        cmocka_unit_test(it_is_as_long_as_some_answers_take),
        cmocka_unit_test(the_pace_is_that_of_the_window_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
