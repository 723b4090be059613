#include "tools.h"

#include "dist/digest.h"

static void the_digest_is_md5_of_cookie_and_decimal_challenge(void **state)
{
    uint8_t sum[DIST_DIGEST_LEN];
    struct slice want = bytes_of_hex("5dfd181e69aa587cc812eb333e6536b6");
    (void)state;

    assert_ok(dist_digest(slice_of_str("secret"), UINT32_MAX, sum));
    assert_memory_equal(sum, want.ptr, sizeof sum);
    bytes_free(want);
    want = bytes_of_hex("cfcd208495d565ef66e7dff9f98764da");
    assert_ok(dist_digest((struct slice){0}, 0, sum));
    assert_memory_equal(sum, want.ptr, sizeof sum);
    bytes_free(want);
}

static void each_wrong_bit_of_a_digest_is_noticed(void **state)
{
    uint8_t sum[DIST_DIGEST_LEN];
    bool is_right = false;
    (void)state;

    assert_ok(dist_digest(slice_of_str("c"), 5, sum));
    assert_ok(dist_digest_check(slice_of_str("c"), 5, sum, &is_right));
    assert_true(is_right);
    assert_ok(dist_digest_check(slice_of_str("d"), 5, sum, &is_right));
    assert_false(is_right);
    assert_ok(dist_digest_check(slice_of_str("c"), 6, sum, &is_right));
    assert_false(is_right);
    for (size_t bit = 0; bit < sizeof sum * 8; bit++) {
        sum[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_ok(dist_digest_check(slice_of_str("c"), 5, sum, &is_right));
        assert_false(is_right);
        sum[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_is_md5_of_cookie_and_decimal_challenge),
        cmocka_unit_test(each_wrong_bit_of_a_digest_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
