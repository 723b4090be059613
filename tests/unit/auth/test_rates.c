#include "test.h"

#include <stdio.h>

#include "auth/rates.h"

static struct auth_rates *rates;
static struct auth_left left;

static bool take(const char *principal, uint64_t now_ms)
{
    return auth_rates_take(rates, slice_of_str(principal), now_ms, &left);
}

static int set_up(void **state)
{
    (void)state;
    rates = auth_rates_new(7);
    assert_non_null(rates);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_rates_free(rates);
    return 0;
}

static void without_a_rate_everything_passes(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(take("a", 0));
    assert_int_equal(auth_rates_count(rates), 0);
}

static void a_bucket_is_emptied_and_fills_again(void **state)
{
    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = 2, .burst = 3});
    assert_true(take("a", 1000));
    assert_int_equal(left.remaining, 2);
    assert_int_equal(left.reset_s, 1);
    assert_true(take("a", 1000));
    assert_true(take("a", 1000));
    assert_int_equal(left.remaining, 0);
    assert_int_equal(left.reset_s, 2);
    assert_int_equal(left.retry_s, 1);
    assert_false(take("a", 1000));
    assert_false(take("a", 1499));
    assert_true(take("a", 1500));
    assert_false(take("a", 1999));
    assert_true(take("a", 2000));
    assert_true(take("a", 1000000)); /* no more than is in it */
    assert_int_equal(left.remaining, 2);
}

static void each_principal_has_its_own(void **state)
{
    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = 1, .burst = 1});
    assert_true(take("a", 0));
    assert_false(take("a", 0));
    assert_true(take("b", 0));
    assert_false(take("b", 0));
}

static void a_slow_rate_says_how_long(void **state)
{
    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = 1, .burst = 60});
    for (int i = 0; i < 60; i++)
        assert_true(take("a", 0));
    assert_false(take("a", 0));
    assert_int_equal(left.retry_s, 1);
    assert_int_equal(left.reset_s, 60);
}

static void a_new_rate_is_for_all(void **state)
{
    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = 1, .burst = 1000});
    assert_true(take("a", 0));
    auth_rates_set(rates, &(struct auth_rate){.rate = 1, .burst = 2});
    assert_true(take("a", 0));
    assert_true(take("a", 0));
    assert_false(take("a", 0));
    auth_rates_set(rates, &(struct auth_rate){0});
    assert_true(take("a", 0));
    assert_int_equal(auth_rates_count(rates), 0);
}

static void there_is_a_bound_to_the_buckets(void **state)
{
    char name[32];

    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = 1, .burst = 1000});
    for (int i = 0; i < 3 * AUTH_RATES_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_true(take(name, 0));
    }
    assert_int_equal(auth_rates_count(rates), AUTH_RATES_MAX);
    /* Those that are full again make room by themselves. */
    for (int i = 0; i < 500; i++)
        assert_true(take(i % 2 ? "x" : "y", 2000 + (uint64_t)i));
    assert_int_equal(auth_rates_count(rates), AUTH_RATES_MAX - 2); /* two went for each that came */
}

static void the_largest_numbers(void **state)
{
    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = AUTH_RATE_MAX, .burst = AUTH_RATE_MAX});
    assert_true(take("a", 0));
    assert_true(take("a", UINT64_MAX));
    assert_int_equal(left.remaining, AUTH_RATE_MAX - 1);
    assert_true(take("a", 5)); /* a clock that goes back is as one that stands */
}

/* Each thread has a clock of its own, which stands while its turn lasts. */
static void clocks_that_are_apart_give_nothing_away(void **state)
{
    (void)state;
    auth_rates_set(rates, &(struct auth_rate){.rate = 10, .burst = 1});
    assert_true(take("a", 1000));
    for (int i = 0; i < 1000; i++)
        assert_false(take("a", i % 2 ? 1050 : 1000));
    assert_true(take("a", 1100));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_rate_everything_passes),
        TEST(a_bucket_is_emptied_and_fills_again),
        TEST(each_principal_has_its_own),
        TEST(a_slow_rate_says_how_long),
        TEST(a_new_rate_is_for_all),
        TEST(there_is_a_bound_to_the_buckets),
        TEST(the_largest_numbers),
        TEST(clocks_that_are_apart_give_nothing_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
