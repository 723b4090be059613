#include "test.h"

#include "auth/fault.h"
#include "auth/principal.h"

static void names_that_are_valid(void **state)
{
    char longest[AUTH_PRINCIPAL_MAX];
    struct auth_principal p = {0};

    (void)state;
    memset(longest, 'a', sizeof longest);
    assert_true(auth_principal_set(&p, SLICE("billing")));
    assert_true(slice_eq(auth_principal_name(&p), SLICE("billing")));
    assert_true(auth_principal_set(&p, slice_of(longest, sizeof longest)));
    assert_int_equal(p.name[AUTH_PRINCIPAL_MAX], 0);
    assert_true(auth_principal_is_valid(SLICE("CN=kv worker,O=Łódź")));
}

static void names_that_are_not(void **state)
{
    char too_long[AUTH_PRINCIPAL_MAX + 1];
    struct auth_principal p = {.name = "kept", .len = 4};

    (void)state;
    memset(too_long, 'a', sizeof too_long);
    assert_false(auth_principal_set(&p, slice_of(too_long, sizeof too_long)));
    assert_false(auth_principal_set(&p, SLICE("")));
    assert_false(auth_principal_set(&p, SLICE("two\nlines")));
    assert_false(auth_principal_set(&p, SLICE("nul\0byte")));
    assert_false(auth_principal_set(&p, SLICE("del\x7f")));
    assert_false(auth_principal_set(&p, SLICE("c1\xc2\x85")));
    assert_false(auth_principal_set(&p, SLICE("latin\xe9")));
    assert_false(auth_principal_set(&p, SLICE("long form\xc0\x80")));
    assert_string_equal(p.name, "kept");
}

static void a_fault_says_where_and_what_to_do(void **state)
{
    struct auth_fault f;
    char text[200];

    (void)state;
    assert_false(auth_fault_set(&f, "tokens.yaml", 3, 5, "write it so", "%s is no hash", "this"));
    auth_fault_print(&f, text, sizeof text);
    assert_string_equal(text, "tokens.yaml:3:5: this is no hash; write it so");
    assert_false(auth_fault_set(&f, "rules.yaml", 2, 1, "a list has them", "did you mean this?"));
    auth_fault_print(&f, text, sizeof text);
    assert_string_equal(text, "rules.yaml:2:1: did you mean this? a list has them");
    assert_false(auth_fault_set(&f, "keys.json", 0, 0, NULL, "cannot be read"));
    auth_fault_print(&f, text, sizeof text);
    assert_string_equal(text, "keys.json: cannot be read");
    assert_false(auth_fault_set(NULL, "x", 0, 0, NULL, "y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_valid),
        cmocka_unit_test(names_that_are_not),
        cmocka_unit_test(a_fault_says_where_and_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
