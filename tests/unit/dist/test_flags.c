#include "tools.h"

static void what_is_offered_satisfies_each_release(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_offered & 0x403070F94, 0x403070F94);
    assert_int_equal(dist_flags_offered & DIST_FLAGS_25_DIGEST, DIST_FLAGS_25_DIGEST);
    assert_int_equal(dist_flags_offered & DIST_FLAG_PUBLISHED, 0);
    /* OTP 29's own, hidden; but that we trace no sequences, by which we know it from nodes like us. */
    assert_int_equal(dist_flags_offered, 0x6D07DF7FBC & ~DIST_FLAG_BIG_SEQTRACE_LABELS);
}

static void what_is_demanded_is_offered_and_known_to_otp_21(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_demanded & ~dist_flags_offered, 0);
    assert_int_equal(dist_flags_demanded & ~UINT32_MAX, 0);
    assert_int_equal(dist_flags_demanded & DIST_FLAG_HANDSHAKE_23, 0);
    assert_true(dist_flags_demanded & DIST_FLAG_UTF8_ATOMS);
}

static void the_digest_flag_stands_for_eleven_others(void **state)
{
    (void)state;
    assert_int_equal(dist_flags_expand(0), 0);
    assert_int_equal(dist_flags_expand(DIST_FLAG_MANDATORY_25_DIGEST),
                     DIST_FLAG_MANDATORY_25_DIGEST | DIST_FLAGS_25_DIGEST);
    assert_int_equal(dist_flags_expand(DIST_FLAG_V4_NC), DIST_FLAG_V4_NC);
    /* The documentation's bit 36 means nothing. */
    assert_int_equal(dist_flags_expand(UINT64_C(1) << 36), UINT64_C(1) << 36);
}

static void a_flag_has_a_name_and_a_missing_one_is_named(void **state)
{
    (void)state;
    assert_string_equal(dist_flag_name(DIST_FLAG_UTF8_ATOMS), "UTF8_ATOMS");
    assert_string_equal(dist_flag_name(DIST_FLAG_NATIVE_RECORDS), "NATIVE_RECORDS");
    assert_null(dist_flag_name(UINT64_C(1) << 63));
    assert_null(dist_flag_name(DIST_FLAG_ALIAS | DIST_FLAG_SPAWN));
    assert_non_null(strstr(dist_flags_missing_text(DIST_FLAG_MAP_TAG | DIST_FLAG_BIG_CREATION), "MAP_TAG"));
    assert_non_null(dist_flags_missing_text(UINT64_C(1) << 63));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_offered_satisfies_each_release),
        cmocka_unit_test(what_is_demanded_is_offered_and_known_to_otp_21),
        cmocka_unit_test(the_digest_flag_stands_for_eleven_others),
        cmocka_unit_test(a_flag_has_a_name_and_a_missing_one_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
