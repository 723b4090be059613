#include "test.h"

#include "auth/shown.h"

static void assert_bearer(const char *header, const char *token)
{
    struct slice got = {0};

    assert_int_equal(auth_bearer_read(slice_of_str(header), &got), AUTH_FINE);
    assert_true(slice_eq_str(got, token));
}

static void a_bearer_token(void **state)
{
    (void)state;
    assert_bearer("Bearer abc", "abc");
    assert_bearer("bearer abc", "abc");
    assert_bearer("BEARER   a.b-c_d~e+f/g==", "a.b-c_d~e+f/g==");
}

static void what_is_no_bearer_token(void **state)
{
    static const char *const other[] = {"",          "Basic abc",   "Bearerx abc",
                                        "Beare abc", " Bearer abc", "\"Bearer\" abc"};
    static const char *const malformed[] = {"Bearer",         "Bearer ",      "Bearer\tabc",
                                            "Bearer abc def", "Bearer a,b",   "Bearer a=b",
                                            "Bearer =",       "Bearer abc ",  "Bearer \"abc\"",
                                            "Bearer a\001b",  "Bearer a\xff", "Bearer abc, Bearer def"};
    struct slice got;

    (void)state;
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_int_equal(auth_bearer_read(slice_of_str(other[i]), &got), AUTH_OTHER_SCHEME);
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_equal(auth_bearer_read(slice_of_str(malformed[i]), &got), AUTH_MALFORMED);
    assert_int_equal(auth_bearer_read((struct slice){0}, &got), AUTH_OTHER_SCHEME);
}

static void assert_cookie(const char *header, const char *value)
{
    struct slice got = {0};

    assert_true(auth_cookie_read(slice_of_str(header), "erlgate", &got));
    assert_true(slice_eq_str(got, value));
}

static void a_cookie_by_its_name(void **state)
{
    static const char *const none[] = {"",
                                       "a=b",
                                       "xerlgate=1",
                                       "erlgatex=1",
                                       "erlgate",
                                       "Erlgate=1",
                                       "__Host-erlgate=1",
                                       "a=erlgate=1",
                                       "erlgate=1; erlgate=2",
                                       ";;;",
                                       "erlgate =1"};
    struct slice got;

    (void)state;
    assert_cookie("erlgate=abc", "abc");
    assert_cookie("a=b; erlgate=abc", "abc");
    assert_cookie("a=b;erlgate=abc ;c=d", "abc");
    assert_cookie("erlgate=", "");
    assert_cookie("erlgate=a=b", "a=b");
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (auth_cookie_read(slice_of_str(none[i]), "erlgate", &got))
            fail_msg("found in %s", none[i]);
    assert_false(auth_cookie_read((struct slice){0}, "erlgate", &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearer_token),
        cmocka_unit_test(what_is_no_bearer_token),
        cmocka_unit_test(a_cookie_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
