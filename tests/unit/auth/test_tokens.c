#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/tokens.h"
#include "auth/when.h"
#include "base/mem.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct auth_faults faults;
static const struct auth_fault *const fault = &faults.at[0]; /* the first */

static struct auth_tokens *read_tokens(const char *text)
{
    memset(&faults, 0, sizeof faults);
    return auth_tokens_read("tokens.yaml", slice_of_str(text), 7, &faults);
}

static void assert_refused(const char *text, unsigned line, unsigned column, const char *what)
{
    if (read_tokens(text))
        fail_msg("taken: %s", text);
    if (!strstr(fault->what, what) || fault->line != line || fault->column != column)
        fail_msg("%u:%u: %s, of %s", fault->line, fault->column, fault->what, text);
    assert_string_equal(fault->file, "tokens.yaml");
}

static const struct auth_token *find(const struct auth_tokens *t, const char *hex)
{
    struct auth_digest d;

    assert_true(auth_digest_read(slice_of_str(hex), &d));
    return auth_tokens_find(t, &d);
}

static void a_principal_has_any_number_of_tokens(void **state)
{
    struct auth_tokens *t = read_tokens("# those of the team\n"
                                        "- {principal: billing, sha256: " A64 "}\n"
                                        "- principal: billing\n"
                                        "  sha256: " B64 "\n"
                                        "  expires: 2027-01-31\n"
                                        "  comment: until its second replica is gone\n");
    const struct auth_token *a, *b;

    (void)state;
    assert_non_null(t);
    assert_int_equal(t->count, 2);
    a = find(t, A64);
    b = find(t, B64);
    assert_string_equal(a->principal.name, "billing");
    assert_true(a->expires_s == INT64_MAX);
    assert_int_equal(b->expires_s, 1801353600);
    assert_null(find(t, "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"));
    assert_true(auth_tokens_have(t, a->credential));
    assert_true(auth_tokens_have(t, b->credential));
    assert_true(a->credential != b->credential);
    assert_false(auth_tokens_have(t, a->credential + 1));
    auth_tokens_free(t);
}

static void an_empty_file_admits_nobody(void **state)
{
    struct auth_tokens *t = read_tokens("");

    (void)state;
    assert_non_null(t);
    assert_int_equal(t->count, 0);
    assert_null(find(t, A64));
    auth_tokens_free(t);
    t = read_tokens("# nothing yet\n");
    assert_non_null(t);
    auth_tokens_free(t);
    t = read_tokens("[]");
    assert_non_null(t);
    auth_tokens_free(t);
}

static void a_mistake_is_told_with_its_place(void **state)
{
    (void)state;
    assert_refused("billing: " A64, 1, 1, "list of tokens");
    assert_refused("- billing", 1, 3, "no token");
    assert_refused("- [a]", 1, 3, "no token");
    assert_refused("- {principal: a}", 1, 3, "lacks its sha256");
    assert_refused("- {sha256: " A64 "}", 1, 3, "lacks its principal");
    assert_refused("- {principal: a, sha256: " A64 "}\n- {principal: a,\n   sha265: x}", 3, 4,
                   "no member sha265");
    assert_refused("- {principal: a, principal: b, sha256: " A64 "}", 1, 18, "second time");
    assert_refused("- {principal: [a], sha256: " A64 "}", 1, 15, "to be a text");
    assert_refused("- {principal: \"\", sha256: " A64 "}", 1, 15, "a principal is");
    assert_refused("- {principal: \"a\\nb\", sha256: " A64 "}", 1, 15, "a principal is");
    assert_refused("- {principal: a, sha256: abc}", 1, 26, "64 hexadecimal digits");
    assert_refused("- {principal: a, sha256: " A64 ", expires: tomorrow}", 1, 101, "no date");
    assert_refused("- {principal: a, sha256: " A64 "}\n- {principal: b, sha256: " A64 "}", 2, 3, "twice");
    assert_refused("- {principal: a", 2, 1, "");
    assert_refused("- {[a]: b}", 1, 4, "no member");
    assert_refused("- \x01", 1, 1, "");
}

static void each_token_tells_its_own_fault(void **state)
{
    (void)state;
    assert_null(read_tokens("- {principal: a}\n- {principal: b, sha256: " A64
                            "}\n- 7\n- {principal: c, sha256: " A64 "}\n"));
    assert_int_equal(faults.count, 3);
    assert_int_equal(faults.at[0].line, 1);
    assert_int_equal(faults.at[1].line, 3);
    assert_int_equal(faults.at[2].line, 4);
    assert_refused("[]\n---\n[]\n", 2, 1, "second document");
}

/* Who puts the token where its hash belongs does not find it in the log. */
static void a_fault_never_shows_what_may_be_a_token(void **state)
{
    (void)state;
    assert_refused("- {principal: a, sha256: erlg_secretsecret}", 1, 26, "hash of a token");
    assert_null(strstr(fault->what, "secretsecret"));
}

static void nested_without_end(void **state)
{
    char *deep = malloc(5001);

    (void)state;
    memset(deep, '[', 5000);
    deep[5000] = '\0';
    assert_null(read_tokens(deep));
    free(deep);
}

static void a_new_token_is_recognized_and_is_in_the_file_that_is_printed(void **state)
{
    static const uint8_t random[AUTH_TOKEN_RANDOM] = {0, 1, 2, 3, 250, 251, 252, 253, 254, 255};
    char token[AUTH_TOKEN_LEN + 1], line[AUTH_LINE_MAX], hex[AUTH_DIGEST_HEX + 1];
    struct auth_digest d;
    struct auth_tokens *t;

    (void)state;
    auth_token_make(random, token);
    assert_int_equal(strlen(token), AUTH_TOKEN_LEN);
    assert_string_equal(token, "erlg_AAECA_r7_P3-_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_true(auth_token_is_one(slice_of_str(token)));
    assert_false(auth_token_is_one(SLICE("erlg_")));
    assert_false(auth_token_is_one(SLICE("ghp_abc")));
    assert_true(auth_digest_of(slice_of_str(token), &d));
    auth_digest_print(&d, hex);
    assert_true(auth_token_print(&d, SLICE("a \"b\" \\ c: #d"), 1801353600, SLICE("it's, {here}"), line));
    assert_null(strstr(line, token));
    t = read_tokens(line);
    assert_non_null(t);
    assert_string_equal(t->list[0].principal.name, "a \"b\" \\ c: #d");
    assert_int_equal(t->list[0].expires_s, 1801353600);
    assert_ptr_equal(auth_tokens_find(t, &d), &t->list[0]);
    auth_tokens_free(t);
    assert_true(auth_token_print(&d, SLICE("a"), INT64_MAX, SLICE(""), line));
    assert_null(strstr(line, "expires"));
    assert_false(auth_token_print(&d, SLICE("a\n"), INT64_MAX, SLICE(""), line));
    assert_false(auth_token_print(&d, SLICE("a"), INT64_MAX, SLICE("two\nlines"), line));
    assert_false(auth_token_print(&d, SLICE("a"), INT64_MAX, SLICE("\xff"), line));
}

/* FIPS 180-4's example. */
static void a_digest(void **state)
{
    char hex[AUTH_DIGEST_HEX + 1];
    struct auth_digest d, again;

    (void)state;
    assert_true(auth_digest_of(SLICE("abc"), &d));
    auth_digest_print(&d, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(
        auth_digest_read(SLICE("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"), &again));
    assert_memory_equal(&d, &again, sizeof d);
    assert_false(auth_digest_read(SLICE("ba7816bf"), &again));
    hex[5] = 'g';
    assert_false(auth_digest_read(slice_of_str(hex), &again));
}

static void what_a_credential_is_known_by(void **state)
{
    uint64_t id = auth_credential_of("token", SLICE("ab"), SLICE("c"), 5);

    (void)state;
    assert_true(id != 0);
    assert_true(id == auth_credential_of("token", SLICE("ab"), SLICE("c"), 5));
    assert_true(id != auth_credential_of("token", SLICE("a"), SLICE("bc"), 5));
    assert_true(id != auth_credential_of("cert", SLICE("ab"), SLICE("c"), 5));
    assert_true(id != auth_credential_of("token", SLICE("ab"), SLICE("c"), 6));
}

static void moments(void **state)
{
    static const char *const bad[] = {"",
                                      "2027",
                                      "2027-02-30",
                                      "2027-13-01",
                                      "2027-00-10",
                                      "27-01-01",
                                      "2027/01/01",
                                      "2027-1-31 ",
                                      "2027-01-31T25:00:00Z",
                                      "2027-01-31T18:60:00Z",
                                      "2027-01-31T18:00:00",
                                      "2027-01-31T18:00:00+",
                                      "never"};
    char text[AUTH_WHEN_MAX];
    int64_t s = 5;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (auth_when_read(slice_of_str(bad[i]), &s))
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(s, 5);
    assert_true(auth_when_read(SLICE("1970-01-01"), &s));
    assert_int_equal(s, 0);
    assert_true(auth_when_read(SLICE("2028-02-29T23:59:59Z"), &s));
    auth_when_print(s, text);
    assert_string_equal(text, "2028-02-29T23:59:59Z");
    auth_when_print(INT64_MAX, text);
    assert_string_equal(text, "");
}

static void a_file_is_read_and_its_mode_looked_at(void **state)
{
    char path[] = "/tmp/erlgate-tokens-XXXXXX";
    int fd = mkstemp(path);
    struct auth_tokens *t;

    (void)state;
    assert_true(fd >= 0);
    assert_true(write(fd, "- {principal: a, sha256: " A64 "}\n", 27 + 64) == 27 + 64);
    close(fd);
    t = auth_tokens_load(path, 7, &faults);
    assert_non_null(t);
    assert_false(t->is_exposed);
    auth_tokens_free(t);
    assert_int_equal(chmod(path, 0644), 0);
    t = auth_tokens_load(path, 7, &faults);
    assert_non_null(t);
    assert_true(t->is_exposed);
    auth_tokens_free(t);
    unlink(path);
    assert_null(auth_tokens_load(path, 7, &faults));
    assert_non_null(strstr(fault->what, "No such file"));
    assert_null(auth_tokens_load("/tmp", 7, &faults));
    assert_non_null(strstr(fault->what, "no regular file"));
    assert_null(auth_tokens_load("/dev/zero", 7, &faults));
}

/* The first allocation fails, then the second, and so on, until none does. */
static void want_of_memory_is_told(void **state)
{
    struct auth_tokens *t = NULL;

    (void)state;
    for (size_t n = 1; !t; n++) {
        mem_fail_from(n);
        t = read_tokens("- {principal: a, sha256: " A64 "}\n- {principal: b, sha256: " B64 "}\n");
        if (!t)
            assert_non_null(strstr(fault->what, "memory"));
        assert_true(n < 100);
    }
    mem_fail_from(0);
    auth_tokens_free(t);
}

/* libyaml would take a minute for these, and an hour for what else a file has room for. */
static void brackets_without_end_are_refused_at_once(void **state)
{
    enum { BRACKETS = 200000 };
    char *text = mem_alloc(BRACKETS + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < BRACKETS; i++)
        text[i] = i % 2 ? '[' : '{';
    text[BRACKETS] = '\0';
    if (read_tokens(text))
        fail_msg("taken");
    assert_non_null(strstr(fault->what, "nested too deep"));
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_principal_has_any_number_of_tokens),
        cmocka_unit_test(an_empty_file_admits_nobody),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(each_token_tells_its_own_fault),
        cmocka_unit_test(a_fault_never_shows_what_may_be_a_token),
        cmocka_unit_test(nested_without_end),
        cmocka_unit_test(brackets_without_end_are_refused_at_once),
        cmocka_unit_test(a_new_token_is_recognized_and_is_in_the_file_that_is_printed),
        cmocka_unit_test(a_digest),
        cmocka_unit_test(what_a_credential_is_known_by),
        cmocka_unit_test(moments),
        cmocka_unit_test(a_file_is_read_and_its_mode_looked_at),
        cmocka_unit_test(want_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
