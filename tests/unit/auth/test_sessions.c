#include "test.h"

#include <stdio.h>

#include "auth/sessions.h"

static struct auth_sessions *t;

static void open_as(const char *principal, uint32_t n, int64_t expires_s, char name[AUTH_SESSION_LEN + 1])
{
    struct auth_session s = {.credential = 9, .expires_s = expires_s};
    uint8_t random[AUTH_SESSION_RANDOM] = {0};

    memcpy(random, &n, sizeof n);
    assert_true(auth_principal_set(&s.principal, slice_of_str(principal)));
    assert_true(auth_sessions_open(t, &s, random, name));
    assert_int_equal(strlen(name), AUTH_SESSION_LEN);
}

/* NULL: there is none. Good until the next call. */
static const struct auth_session *find(const char *name, int64_t now_s)
{
    static struct auth_session found;

    return auth_sessions_find(t, slice_of_str(name), now_s, &found) ? &found : NULL;
}

static int set_up(void **state)
{
    (void)state;
    t = auth_sessions_new(7);
    assert_non_null(t);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_sessions_free(t);
    return 0;
}

static void a_session_is_found_until_its_end(void **state)
{
    char name[AUTH_SESSION_LEN + 1];

    (void)state;
    open_as("alice", 1, 100, name);
    assert_string_equal(find(name, 99)->principal.name, "alice");
    assert_int_equal(find(name, 99)->credential, 9);
    assert_null(find("", 99));
    assert_null(find("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 99));
    assert_null(find(name, 100));
    assert_int_equal(auth_sessions_count(t), 0);
    assert_null(find(name, 50));
}

static void a_session_is_ended(void **state)
{
    char a[AUTH_SESSION_LEN + 1], b[AUTH_SESSION_LEN + 1];

    (void)state;
    open_as("alice", 1, 100, a);
    open_as("alice", 2, 100, b);
    assert_true(auth_sessions_end(t, slice_of_str(a)));
    assert_false(auth_sessions_end(t, slice_of_str(a)));
    assert_null(find(a, 1));
    assert_non_null(find(b, 1));
}

static void a_principals_oldest_makes_room(void **state)
{
    char first[AUTH_SESSION_LEN + 1], others[AUTH_SESSION_LEN + 1], name[AUTH_SESSION_LEN + 1];

    (void)state;
    open_as("bob", 0, 100, others);
    open_as("alice", 1, 100, first);
    for (uint32_t i = 2; i < AUTH_SESSIONS_A_PRINCIPAL + 1; i++)
        open_as("alice", i, 100, name);
    assert_non_null(find(first, 1));
    open_as("alice", 100000, 100, name);
    assert_null(find(first, 1));
    assert_non_null(find(name, 1));
    assert_non_null(find(others, 1));
    assert_int_equal(auth_sessions_count(t), AUTH_SESSIONS_A_PRINCIPAL + 1);
}

static void there_is_a_bound_to_all(void **state)
{
    char first[AUTH_SESSION_LEN + 1], name[AUTH_SESSION_LEN + 1], principal[20];

    (void)state;
    open_as("first", 0, 100, first);
    for (uint32_t i = 1; i <= AUTH_SESSIONS_MAX; i++) {
        snprintf(principal, sizeof principal, "p%u", i / AUTH_SESSIONS_A_PRINCIPAL);
        open_as(principal, i, 100, name);
    }
    assert_int_equal(auth_sessions_count(t), AUTH_SESSIONS_MAX);
    assert_null(find(first, 1));
    assert_non_null(find(name, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_found_until_its_end),
        TEST(a_session_is_ended),
        TEST(a_principals_oldest_makes_room),
        TEST(there_is_a_bound_to_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
