#include "test.h"

#include "auth/keys.h"
#include "signing.h"

static struct auth_fault fault;

static struct auth_keys *read_keys(const char *text)
{
    memset(&fault, 0, sizeof fault);
    return auth_keys_read("keys.json", slice_of_str(text), &fault);
}

static void assert_refused(const char *text, const char *what)
{
    struct auth_keys *k = read_keys(text);

    if (k)
        fail_msg("taken: %s", text);
    if (!strstr(fault.what, what))
        fail_msg("not '%s' but '%s' of %s", what, fault.what, text);
    assert_string_equal(fault.file, "keys.json");
}

static void the_key_alone_says_what_it_is_for(void **state)
{
    struct auth_keys *k = read_keys(JWKS(RS_JWK(KID("r") ",\"alg\":\"RS256\",\"use\":\"sig\"") "," ES_JWK(
        KID("e") ",\"key_ops\":[\"verify\"]") "," ED_JWK(KID("d")) "," HS_JWK(KID("h"))));

    (void)state;
    assert_non_null(k);
    assert_int_equal(k->count, 4);
    assert_int_equal(k->passed_over, 0);
    assert_true(k->has_secret);
    assert_int_equal(auth_keys_find(k, "r", AUTH_RS256)->alg, AUTH_RS256);
    assert_null(auth_keys_find(k, "r", AUTH_HS256));
    assert_null(auth_keys_find(k, "x", AUTH_RS256));
    assert_non_null(auth_keys_find(k, NULL, AUTH_ES256));
    auth_keys_free(k);
}

/* As Keycloak and others publish them. */
static void keys_for_something_else_are_passed_over(void **state)
{
    struct auth_keys *k = read_keys(
        JWKS(RS_JWK(",\"use\":\"enc\",\"alg\":\"RSA-OAEP\"") "," RS_JWK(",\"alg\":\"RS512\"") "," RS_JWK(
            ",\"key_ops\":[\"encrypt\"]") ",{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"},"
                                          "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"},{\"kty\":"
                                          "\"new\"}," ED_JWK("")));

    (void)state;
    assert_non_null(k);
    assert_int_equal(k->count, 1);
    assert_int_equal(k->passed_over, 6);
    assert_false(k->has_secret);
    auth_keys_free(k);
    assert_refused(JWKS(RS_JWK(",\"alg\":\"RS512\"")), "none of the keys");
    assert_refused(JWKS(""), "none of the keys");
}

/* Neither a private part, nor a URL, nor a certificate gets as far as the library. */
static void a_key_is_kept_bare(void **state)
{
    struct auth_keys *k =
        read_keys(JWKS(ED_JWK(",\"d\":\"" ED_D "\",\"x5u\":\"https://127.0.0.1:1/c\",\"x5c\":[\"AAAA\"]")));

    (void)state;
    assert_non_null(k);
    assert_int_equal(json_object_size(k->list[0].jwk), 3);
    assert_null(json_object_get(k->list[0].jwk, "d"));
    assert_null(json_object_get(k->list[0].jwk, "x5u"));
    auth_keys_free(k);
}

static void what_is_no_key_set(void **state)
{
    (void)state;
    assert_refused("", "no JSON");
    assert_refused("{\"keys\":[", "no JSON");
    assert_int_equal(fault.line, 1);
    assert_refused("[]", "no array");
    assert_refused("{\"keys\":{}}", "no array");
    assert_refused("{\"keys\":[],\"keys\":[]}", "no JSON");
    assert_refused("{\"keys\":[7]}", "keys[0] is no key");
    assert_refused(JWKS(ED_JWK("") ",{\"kid\":\"x\"}"), "keys[1] is no key");
    assert_refused(JWKS(RS_JWK(",\"alg\":\"HS256\"")), "not for keys of its kty");
    assert_refused(JWKS(HS_JWK(",\"alg\":\"RS256\"")), "not for keys of its kty");
    assert_refused(JWKS("{\"kty\":\"RSA\",\"n\":\"" RS_N "\"}"), "a member is missing");
    assert_refused(JWKS("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ES_X "\"}"), "a member is missing");
    assert_refused(JWKS(ED_JWK(KID("a")) "," ED_JWK(KID("a"))), "keys[1] has the kid of another");
}

static void keys_that_are_too_weak(void **state)
{
    (void)state;
    assert_refused(JWKS("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}"), "less than 32 bytes");
    assert_refused(JWKS("{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"),
                   "less than 32");
    assert_refused(JWKS("{\"kty\":\"oct\",\"k\":\"\"}"), "");
    assert_refused(
        JWKS("{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"u6DVVL1ew0wzE2fJ5yPU3YULv1L9kwnHqgMUMJSjXwD3A1bV3C1LRq5"
             "iXbVNf0sYnBwXkbXc3Dz8bK8PVZ0F7Q\"}"),
        "less than 2048 bits");
}

/* A secret that a fault quoted would be in the log. */
static void a_fault_quotes_nothing(void **state)
{
    (void)state;
    assert_null(read_keys("{\"keys\":[{\"kty\":\"oct\",\"k\":\"" HS_K "\" oops}]}"));
    assert_null(strstr(fault.what, "AyM1"));
    assert_null(strstr(fault.what, "oops"));
}

static void the_same_key_has_the_same_mark(void **state)
{
    struct auth_keys *a = read_keys(JWKS(ED_JWK(KID("a")) "," ES_JWK("")));
    struct auth_keys *b = read_keys(JWKS(ES_JWK(KID("x")) "," ED_JWK("")));

    (void)state;
    assert_memory_equal(&a->list[0].mark, &b->list[1].mark, sizeof a->list[0].mark);
    assert_memory_not_equal(&a->list[0].mark, &a->list[1].mark, sizeof a->list[0].mark);
    auth_keys_free(a);
    auth_keys_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_alone_says_what_it_is_for),
        cmocka_unit_test(keys_for_something_else_are_passed_over),
        cmocka_unit_test(a_key_is_kept_bare),
        cmocka_unit_test(what_is_no_key_set),
        cmocka_unit_test(keys_that_are_too_weak),
        cmocka_unit_test(a_fault_quotes_nothing),
        cmocka_unit_test(the_same_key_has_the_same_mark),
    };

    (void)sign;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
