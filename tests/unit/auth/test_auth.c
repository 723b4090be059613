#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/jwt.h"
#include "auth/tokens.h"
#include "base/mem.h"
#include "signing.h"

enum { NOW = 1800000000 };

#define CLAIMS "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100,\"sub\":\"carol\"}"

static const char *const principals[] = {"alice=cert:CN=alice", "bob=cert:CN=bob", "alice=uid:1000", NULL};

static struct {
    char folder[40], tokens[60], keys[60], good[AUTH_TOKEN_LEN + 1], expired[AUTH_TOKEN_LEN + 1];
    struct auth *auth;
    struct auth_sessions *sessions;
    struct auth_cache *cache;
    struct auth_verdict v;
} t;

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_token(uint8_t n, char out[AUTH_TOKEN_LEN + 1], const char *principal, int64_t expires_s,
                       char *line)
{
    uint8_t random[AUTH_TOKEN_RANDOM] = {n};
    struct auth_digest d;

    auth_token_make(random, out);
    assert_true(auth_digest_of(slice_of_str(out), &d));
    assert_true(auth_token_print(&d, slice_of_str(principal), expires_s, SLICE(""), line));
}

static const struct auth_config *config(void)
{
    static struct auth_config c;

    c = (struct auth_config){.token_file = t.tokens,
                             .jwks_file = t.keys,
                             .jwt_issuer = "i",
                             .jwt_audience = "a",
                             .principals = principals,
                             .seed = 7};
    return &c;
}

static struct auth *load_with(const struct auth_config *c)
{
    struct auth_faults f;
    struct auth *a = auth_load(c, &f);

    if (!a)
        fail_msg("%s: %s", f.at[0].file, f.at[0].what);
    return a;
}

static int set_up(void **state)
{
    char text[3 * AUTH_LINE_MAX];

    (void)state;
    memset(&t, 0, sizeof t);
    snprintf(t.folder, sizeof t.folder, "/tmp/erlgate-auth-XXXXXX");
    assert_non_null(mkdtemp(t.folder));
    snprintf(t.tokens, sizeof t.tokens, "%s/tokens", t.folder);
    snprintf(t.keys, sizeof t.keys, "%s/keys", t.folder);
    make_token(1, t.good, "alice", INT64_MAX, text);
    make_token(2, t.expired, "alice", NOW, text + strlen(text));
    put(t.tokens, text);
    put(t.keys, JWKS(ED_JWK(KID("d"))));
    t.auth = load_with(config());
    t.sessions = auth_sessions_new(7);
    t.cache = auth_cache_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    auth_free(t.auth);
    auth_sessions_free(t.sessions);
    auth_cache_free(t.cache);
    unlink(t.tokens);
    unlink(t.keys);
    rmdir(t.folder);
    return 0;
}

static enum auth_why ask(struct auth_question q)
{
    q.uid = q.uid ? q.uid : -1;
    return auth_judge(t.auth, t.sessions, t.cache, &q, NOW, &t.v);
}

static struct auth_question bearer(const char *token)
{
    static char text[4][9000];
    static unsigned turn;
    char *at = text[turn++ % 4];

    snprintf(at, sizeof text[0], "Bearer %s", token);
    return (struct auth_question){.authorization = slice_of_str(at), .authorization_count = 1};
}

#define assert_is(principal_, kind_)                         \
    do {                                                     \
        assert_string_equal(t.v.principal.name, principal_); \
        assert_int_equal(t.v.kind, kind_);                   \
        assert_true(auth_has(t.auth, t.v.credential));       \
    } while (0)

static void by_each_way(void **state)
{
    (void)state;
    assert_int_equal(ask((struct auth_question){0}), AUTH_NOTHING_SHOWN);
    assert_int_equal(ask(bearer(t.good)), AUTH_FINE);
    assert_is("alice", AUTH_BY_TOKEN);
    assert_true(t.v.expires_s == INT64_MAX);
    assert_int_equal(ask(bearer(t.expired)), AUTH_EXPIRED);
    assert_int_equal(ask(bearer(sign("{\"kid\":\"d\"}", CLAIMS, AUTH_EDDSA))), AUTH_FINE);
    assert_is("carol", AUTH_BY_JWT);
    assert_int_equal(ask((struct auth_question){.cert_subject = "CN=bob"}), AUTH_FINE);
    assert_is("bob", AUTH_BY_CERT);
    assert_int_equal(ask((struct auth_question){.uid = 1000}), AUTH_FINE);
    assert_is("alice", AUTH_BY_UID);
    assert_int_equal(ask((struct auth_question){.uid = 1001}), AUTH_NOTHING_SHOWN);
    assert_int_equal(ask((struct auth_question){.cert_subject = "CN=eve"}), AUTH_NOTHING_SHOWN);
}

static void what_is_shown_has_to_be_good(void **state)
{
    struct auth_question q = bearer("erlg_nothing");

    (void)state;
    q.cert_subject = "CN=alice";
    assert_int_equal(ask(q), AUTH_UNKNOWN_TOKEN);
    q = bearer(t.good);
    q.cert_subject = "CN=alice";
    assert_int_equal(ask(q), AUTH_FINE);
    assert_is("alice", AUTH_BY_TOKEN);
    q.cert_subject = "CN=bob";
    assert_int_equal(ask(q), AUTH_CONTRADICTION);
    q.cert_subject = "CN=eve"; /* nobody */
    assert_int_equal(ask(q), AUTH_FINE);
    q.authorization_count = 2;
    assert_int_equal(ask(q), AUTH_REPEATED);
    q = (struct auth_question){
        .authorization = SLICE("Basic eDp5"), .authorization_count = 1, .cert_subject = "CN=bob"};
    assert_int_equal(ask(q), AUTH_OTHER_SCHEME);
    q.authorization = SLICE("");
    assert_int_equal(ask(q), AUTH_OTHER_SCHEME);
}

static void open_session(char cookie[80], const char *name, int64_t expires_s)
{
    struct auth_session s = {
        .principal = t.v.principal, .credential = t.v.credential, .expires_s = expires_s};
    uint8_t random[AUTH_SESSION_RANDOM] = {5};
    char value[AUTH_SESSION_LEN + 1];

    assert_true(auth_sessions_open(t.sessions, &s, random, value));
    snprintf(cookie, 80, "%s=%s", name, value);
}

static void a_session_is_for_GET(void **state)
{
    struct auth_question q = {.is_get = true, .cookie_count = 1};
    char cookie[80];

    (void)state;
    assert_int_equal(ask(bearer(t.good)), AUTH_FINE);
    open_session(cookie, "erlgate", NOW + 10);
    q.cookie = slice_of_str(cookie);
    assert_int_equal(ask(q), AUTH_FINE);
    assert_is("alice", AUTH_BY_SESSION);
    assert_int_equal(t.v.expires_s, NOW + 10);
    q.is_get = false;
    assert_int_equal(ask(q), AUTH_NOTHING_SHOWN);
    q.is_get = q.is_secure = true; /* another name is looked for */
    assert_int_equal(ask(q), AUTH_NOTHING_SHOWN);
    q.is_secure = false;
    q.cookie_count = 2;
    assert_int_equal(ask(q), AUTH_NOTHING_SHOWN);
    q.cookie_count = 1;
    q.cert_subject = "CN=bob";
    assert_int_equal(ask(q), AUTH_CONTRADICTION);
    q.cert_subject = NULL;
    q.authorization = SLICE("Bearer x");
    q.authorization_count = 1;
    assert_int_equal(ask(q), AUTH_UNKNOWN_TOKEN);
}

/* A browser sends it without being asked. */
static void an_old_cookie_is_no_credential_on_a_connection_that_has_one(void **state)
{
    struct auth_question q = {.is_get = true, .cookie_count = 1};
    char cookie[80];

    (void)state;
    assert_int_equal(ask(bearer(t.good)), AUTH_FINE);
    open_session(cookie, "erlgate", NOW);
    q.cookie = slice_of_str(cookie);
    assert_int_equal(ask(q), AUTH_UNKNOWN_SESSION);
    q.cert_subject = "CN=bob";
    assert_int_equal(ask(q), AUTH_FINE);
    assert_is("bob", AUTH_BY_CERT);
}

static void what_is_taken_out_of_the_files_is_no_credential_any_more(void **state)
{
    struct auth_question q = {.is_get = true, .cookie_count = 1};
    uint64_t by_token, by_jwt, by_cert;
    char cookie[80], line[AUTH_LINE_MAX];
    struct auth_config c;

    (void)state;
    assert_int_equal(ask(bearer(t.good)), AUTH_FINE);
    by_token = t.v.credential;
    open_session(cookie, "erlgate", NOW + 10);
    q.cookie = slice_of_str(cookie);
    assert_int_equal(ask(bearer(sign("{}", CLAIMS, AUTH_EDDSA))), AUTH_FINE);
    by_jwt = t.v.credential;
    assert_int_equal(ask((struct auth_question){.cert_subject = "CN=bob"}), AUTH_FINE);
    by_cert = t.v.credential;

    c = *config();
    auth_free(t.auth);
    t.auth = load_with(&c); /* the same again */
    assert_true(auth_has(t.auth, by_token) && auth_has(t.auth, by_jwt) && auth_has(t.auth, by_cert));
    assert_int_equal(ask(q), AUTH_FINE);

    make_token(1, t.good, "bob", INT64_MAX, line); /* the token is another's now */
    put(t.tokens, line);
    put(t.keys, JWKS(RS_JWK("")));
    c.principals = (const char *const[]){"carol=cert:CN=bob", NULL};
    auth_free(t.auth);
    t.auth = load_with(&c);
    assert_false(auth_has(t.auth, by_token) || auth_has(t.auth, by_jwt) || auth_has(t.auth, by_cert));
    assert_int_equal(ask(q), AUTH_UNKNOWN_SESSION);
    assert_int_equal(auth_sessions_count(t.sessions), 0);
}

/* Another audience would be another promise. */
static void a_jwt_of_other_rules_is_verified_again(void **state)
{
    struct auth_config c = *config();
    uint64_t before;

    (void)state;
    assert_int_equal(ask(bearer(sign("{}", CLAIMS, AUTH_EDDSA))), AUTH_FINE);
    before = t.v.credential;
    c.jwt_audience = "b";
    auth_free(t.auth);
    t.auth = load_with(&c);
    assert_false(auth_has(t.auth, before));
}

static void a_jwt_is_verified_once(void **state)
{
    const char *token = sign("{}", CLAIMS, AUTH_EDDSA), *bad = sign("{}", "{\"exp\":1}", AUTH_EDDSA);
    struct auth_question q = bearer(token);

    (void)state;
    q.uid = -1;
    assert_int_equal(ask(q), AUTH_FINE);
    assert_false(t.v.was_cached);
    assert_int_equal(ask(q), AUTH_FINE);
    assert_true(t.v.was_cached);
    assert_is("carol", AUTH_BY_JWT);
    assert_int_equal(auth_judge(t.auth, t.sessions, t.cache, &q, t.v.expires_s - 1, &t.v), AUTH_FINE);
    assert_int_equal(auth_judge(t.auth, t.sessions, t.cache, &q, t.v.expires_s, &t.v), AUTH_EXPIRED);
    auth_cache_empty(t.cache);
    assert_int_equal(ask(q), AUTH_FINE);
    assert_false(t.v.was_cached);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask(bearer(bad)), AUTH_EXPIRED);
    assert_int_equal(auth_judge(t.auth, NULL, NULL, &q, NOW, &t.v), AUTH_FINE); /* without either */
}

static void too_long_to_be_one(void **state)
{
    static char huge[AUTH_JWT_MAX + 20];

    (void)state;
    memset(huge, 'a', sizeof huge - 1);
    assert_int_equal(ask(bearer(huge)), AUTH_MALFORMED);
    huge[AUTH_JWT_MAX] = '\0';
    assert_int_equal(ask(bearer(huge)), AUTH_UNKNOWN_TOKEN);
}

static void without_anything_nobody_is_asked(void **state)
{
    struct auth *a = load_with(&(struct auth_config){.seed = 1});
    struct auth_info info;

    (void)state;
    assert_false(auth_is_on(a));
    assert_true(auth_is_on(t.auth));
    auth_free(a);
    auth_look(t.auth, &info);
    assert_int_equal(info.tokens, 2);
    assert_int_equal(info.keys, 1);
    assert_int_equal(info.identities, 3);
}

static void want_of_memory_is_told(void **state)
{
    struct auth_faults f;
    struct auth *a = NULL;

    (void)state;
    for (size_t n = 1; !a; n++) {
        mem_fail_from(n);
        a = auth_load(config(), &f);
        assert_true(n < 200);
    }
    mem_fail_from(0);
    auth_free(a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(by_each_way),
        TEST(what_is_shown_has_to_be_good),
        TEST(a_session_is_for_GET),
        TEST(an_old_cookie_is_no_credential_on_a_connection_that_has_one),
        TEST(what_is_taken_out_of_the_files_is_no_credential_any_more),
        TEST(a_jwt_of_other_rules_is_verified_again),
        TEST(a_jwt_is_verified_once),
        TEST(too_long_to_be_one),
        TEST(without_anything_nobody_is_asked),
        TEST(want_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
