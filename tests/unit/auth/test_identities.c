#include "test.h"

#include "auth/identities.h"

static struct auth_fault fault;

#define READ(...) auth_identities_read((const char *const[]){__VA_ARGS__, NULL}, &fault)

static void certificates_and_users_have_names(void **state)
{
    struct auth_identities *i =
        READ("billing=cert:CN=billing,O=Example", "ops=uid:1000", "ops=uid:root", "ops=cert:CN=ops");

    (void)state;
    assert_non_null(i);
    assert_string_equal(auth_identities_of_cert(i, "CN=billing,O=Example")->principal.name, "billing");
    assert_string_equal(auth_identities_of_cert(i, "CN=ops")->principal.name, "ops");
    assert_string_equal(auth_identities_of_uid(i, 1000)->principal.name, "ops");
    assert_string_equal(auth_identities_of_uid(i, 0)->principal.name, "ops");
    assert_true(auth_identities_of_uid(i, 0)->credential != auth_identities_of_uid(i, 1000)->credential);
    assert_null(auth_identities_of_uid(i, 1001));
    assert_null(auth_identities_of_uid(i, -1));
    assert_null(auth_identities_of_cert(i, "CN=billing"));
    assert_null(auth_identities_of_cert(i, "cn=ops"));
    assert_null(auth_identities_of_cert(i, NULL));
    auth_identities_free(i);
}

static void none_at_all(void **state)
{
    struct auth_identities *i = auth_identities_read(NULL, &fault);

    (void)state;
    assert_non_null(i);
    assert_null(auth_identities_of_uid(i, 0));
    assert_null(auth_identities_of_cert(i, "CN=a"));
    auth_identities_free(i);
}

static void what_is_none(void **state)
{
    static const char *const bad[] = {"",
                                      "ops",
                                      "ops=",
                                      "=uid:0",
                                      "ops=uid:",
                                      "ops=uid:-1",
                                      "ops=uid:x y",
                                      "ops=uid:0x10",
                                      "ops=uid:4294967295",
                                      "ops=uid:99999999999999999999",
                                      "ops=cert:",
                                      "ops=gid:0",
                                      "o\nps=uid:0",
                                      "ops=uid:there-is-no-such-user"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (READ("a=uid:5", bad[i]))
            fail_msg("taken: %s", bad[i]);
        assert_string_equal(fault.file, "--principal");
    }
}

static void an_identity_is_one_principals(void **state)
{
    (void)state;
    assert_null(READ("a=uid:0", "b=uid:0"));
    assert_non_null(strstr(fault.what, "second principal"));
    assert_null(READ("a=uid:0", "b=uid:root"));
    assert_null(READ("a=cert:CN=x", "b=cert:CN=x"));
    assert_null(READ("a=cert:CN=x", "a=cert:CN=x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_and_users_have_names),
        cmocka_unit_test(none_at_all),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(an_identity_is_one_principals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
