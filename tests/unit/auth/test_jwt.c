#include "test.h"

#include "auth/base64url.h"
#include "auth/jwt.h"
#include "signing.h"

enum { NOW = 1800000000 };

static struct auth_keys *keys;
static struct auth_jwt_rules rules = {.issuer = "https://id.example", .audience = "erlgate", .claim = "sub"};

#define CLAIMS "{\"iss\":\"https://id.example\",\"aud\":\"erlgate\",\"exp\":1800000100,\"sub\":\"alice\"}"

static enum auth_why judge(const char *token)
{
    struct auth_jwt jwt = {0};

    return auth_jwt_verify(&rules, slice_of_str(token), NOW, &jwt);
}

static enum auth_why judge_at(const char *token, int64_t now)
{
    struct auth_jwt jwt = {0};

    return auth_jwt_verify(&rules, slice_of_str(token), now, &jwt);
}

static enum auth_why claims(const char *text)
{
    return judge(sign("{}", text, AUTH_EDDSA));
}

/* Parts as they are given, in base64url. */
static const char *assemble(const char *header, const char *body, const char *signature)
{
    static char out[8192];
    char h[2048], b[4096];

    auth_base64url_print((const uint8_t *)header, strlen(header), h);
    auth_base64url_print((const uint8_t *)body, strlen(body), b);
    snprintf(out, sizeof out, "%s.%s.%s", h, b, signature);
    return out;
}

static int load(void **state)
{
    struct auth_fault f;

    (void)state;
    keys = auth_keys_read(
        "keys.json",
        SLICE(JWKS(RS_JWK(KID("r")) "," ES_JWK(KID("e")) "," ED_JWK(KID("d")) "," HS_JWK(KID("h")))), &f);
    if (!keys)
        fail_msg("%s: %s", f.file, f.what);
    rules.keys = keys;
    return 0;
}

static int unload(void **state)
{
    (void)state;
    auth_keys_free(keys);
    return 0;
}

#define JOE    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define RFC_HS "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define RFC_RS                                                                                               \
    "eyJhbGciOiJSUzI1NiJ9." JOE ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh" \
    "-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvk" \
    "SjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOY" \
    "EUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RFC_ES                                                                                               \
    "eyJhbGciOiJFUzI1NiJ9." JOE ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTU" \
    "JqPP3-Kg6NU1Q"
#define RFC_ED                                                                                              \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6d" \
    "WbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

/* They are of Joe, who names no audience: what is wrong with them is found behind their signature. */
static void the_rfcs_examples_are_signed_well(void **state)
{
    const char *const all[] = {RFC_HS, RFC_RS, RFC_ES};

    (void)state;
    rules.issuer = "joe";
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(judge_at(all[i], 1300819379), AUTH_WRONG_AUDIENCE);
        assert_int_equal(judge_at(all[i], 1300819380 + AUTH_LEEWAY_S), AUTH_EXPIRED);
    }
    rules.issuer = "https://id.example";
    assert_int_equal(judge_at(all[0], 1300819379), AUTH_WRONG_ISSUER);
    assert_int_equal(judge(RFC_ED), AUTH_MALFORMED); /* its claims are no JSON */
}

static void a_changed_byte_anywhere_is_noticed(void **state)
{
    const char *const all[] = {RFC_HS, RFC_RS, RFC_ES, RFC_ED};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char bad[1024];
        size_t len = strlen(all[i]);

        for (size_t at = 0; at < len; at += 1 + len / 40) {
            enum auth_why why;

            snprintf(bad, sizeof bad, "%s", all[i]);
            bad[at] = bad[at] == 'A' ? 'B' : 'A';
            why = judge_at(bad, 1300819379);
            if (why != AUTH_BAD_SIGNATURE && why != AUTH_MALFORMED && why != AUTH_BAD_ALG &&
                why != AUTH_UNKNOWN_KEY)
                fail_msg("%zu at %zu: %s", i, at, auth_why_text(why));
        }
    }
}

static void each_algorithm_with_its_key(void **state)
{
    static const char *const kids[AUTH_ALG_COUNT] = {"r", "e", "d", "h"};

    (void)state;
    for (size_t i = 0; i < AUTH_ALG_COUNT; i++) {
        char header[40];
        struct auth_jwt jwt = {0};
        const char *token;

        snprintf(header, sizeof header, "{\"kid\":\"%s\",\"typ\":\"at+jwt\"}", kids[i]);
        token = sign(header, CLAIMS, (enum auth_alg)i);
        assert_int_equal(auth_jwt_verify(&rules, slice_of_str(token), NOW, &jwt), AUTH_FINE);
        assert_string_equal(jwt.principal.name, "alice");
        assert_int_equal(jwt.expires_s, 1800000100 + AUTH_LEEWAY_S);
        assert_int_equal(jwt.key->alg, i);
        assert_int_equal(judge(sign("{}", CLAIMS, (enum auth_alg)i)),
                         AUTH_FINE); /* the only one of its kind */
    }
}

static void none_is_no_algorithm(void **state)
{
    static const char *const names[] = {"none",  "None",  "NONE",   "",      "HS512",  "RS512",
                                        "PS256", "ES384", "ES256K", "hs256", "HS256 ", "EdDSA\\u0000"};
    char header[64];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        enum auth_why why;

        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", names[i]);
        why = judge(assemble(header, CLAIMS, "AAAA"));
        if (why != AUTH_BAD_ALG && why != AUTH_MALFORMED)
            fail_msg("%s: %s", names[i], auth_why_text(why));
        assert_int_equal(judge(assemble(header, CLAIMS, "")), why);
    }
    assert_int_equal(judge(assemble("{}", CLAIMS, "AAAA")), AUTH_BAD_ALG);
    assert_int_equal(judge(assemble("{\"alg\":1}", CLAIMS, "AAAA")), AUTH_BAD_ALG);
    assert_int_equal(judge(assemble("{\"alg\":null}", CLAIMS, "AAAA")), AUTH_BAD_ALG);
    assert_int_equal(judge(assemble("{\"alg\":[\"RS256\"]}", CLAIMS, "AAAA")), AUTH_BAD_ALG);
}

/* The public key is public: if its bytes could be a secret, everybody could sign. */
static void a_public_key_is_no_secret(void **state)
{
    struct auth_keys *only_rsa;
    struct auth_fault f;

    (void)state;
    only_rsa = auth_keys_read("k", slice_of_str(JWKS(RS_JWK(KID("r")))), &f);
    assert_non_null(only_rsa);
    rules.keys = only_rsa;
    assert_int_equal(judge(sign("{\"kid\":\"r\"}", CLAIMS, AUTH_HS256)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{}", CLAIMS, AUTH_HS256)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":\"r\"}", CLAIMS, AUTH_RS256)), AUTH_FINE);
    rules.keys = keys;
    assert_int_equal(judge(sign("{\"kid\":\"r\"}", CLAIMS, AUTH_HS256)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":\"e\"}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    auth_keys_free(only_rsa);
}

static void a_key_is_found_by_its_kid_alone(void **state)
{
    (void)state;
    assert_int_equal(judge(sign("{\"kid\":\"../../etc/passwd\"}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":\"d' OR '1'='1\"}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":\"\"}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":\"D\"}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":7}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":null}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":[\"d\"]}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
}

/* Two of a kind: a token must say which. */
static void without_a_kid_there_must_be_one_key(void **state)
{
    struct auth_keys *two;
    struct auth_fault f;

    (void)state;
    two = auth_keys_read("k", SLICE(JWKS(ED_JWK(KID("a")) "," ED_JWK(KID("b")))), &f);
    assert_non_null(two);
    rules.keys = two;
    assert_int_equal(judge(sign("{}", CLAIMS, AUTH_EDDSA)), AUTH_UNKNOWN_KEY);
    assert_int_equal(judge(sign("{\"kid\":\"b\"}", CLAIMS, AUTH_EDDSA)), AUTH_FINE);
    rules.keys = keys;
    auth_keys_free(two);
    rules.keys = NULL;
    assert_int_equal(judge(sign("{}", CLAIMS, AUTH_EDDSA)), AUTH_NO_KEYS);
    rules.keys = keys;
}

static void what_a_header_may_not_have(void **state)
{
    (void)state;
    assert_int_equal(judge(sign("{\"crit\":[\"exp\"],\"exp\":1}", CLAIMS, AUTH_EDDSA)), AUTH_BAD_HEADER);
    assert_int_equal(judge(assemble("{\"alg\":\"EdDSA\",\"zip\":\"DEF\"}", CLAIMS, "AAAA")), AUTH_BAD_HEADER);
    assert_int_equal(judge(assemble("{\"alg\":\"EdDSA\",\"b64\":false}", CLAIMS, "AAAA")), AUTH_BAD_HEADER);
    assert_int_equal(judge(assemble("{\"alg\":\"none\",\"alg\":\"EdDSA\"}", CLAIMS, "AAAA")), AUTH_MALFORMED);
    assert_int_equal(judge(assemble("[\"EdDSA\"]", CLAIMS, "AAAA")), AUTH_MALFORMED);
    assert_int_equal(judge(assemble("\"EdDSA\"", CLAIMS, "AAAA")), AUTH_MALFORMED);
}

/* A token that brings its own key is held against ours all the same. */
static void a_key_that_a_token_brings_is_not_looked_at(void **state)
{
    (void)state;
    assert_int_equal(judge(sign("{\"jwk\":" HS_JWK("") "}", CLAIMS, AUTH_EDDSA)), AUTH_FINE);
    assert_int_equal(
        judge(
            sign("{\"jku\":\"http://127.0.0.1:1/keys\",\"x5u\":\"https://127.0.0.1:1/c\",\"x5c\":[\"AAAA\"]}",
                 CLAIMS, AUTH_EDDSA)),
        AUTH_FINE);
}

static void what_is_no_token(void **state)
{
    static const char *const bad[] = {"",        ".", "..", "...", "a.b", "a.b.c.d", "eyJhbGciOiJFZERTQSJ9",
                                      "Bearer x"};
    char padded[1024], huge[AUTH_JWT_MAX + 2];
    const char *good = sign("{}", CLAIMS, AUTH_EDDSA);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(judge(bad[i]), AUTH_MALFORMED);
    assert_int_equal(judge(good), AUTH_FINE);
    snprintf(padded, sizeof padded, "%s=", good);
    assert_int_equal(judge(padded), AUTH_MALFORMED);
    snprintf(padded, sizeof padded, "%s\n", good);
    assert_int_equal(judge(padded), AUTH_MALFORMED);
    snprintf(padded, sizeof padded, "%.*s.", (int)(strrchr(good, '.') - good), good); /* stripped */
    assert_int_equal(judge(padded), AUTH_MALFORMED);
    memset(huge, 'A', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    huge[100] = huge[200] = '.';
    assert_int_equal(judge(huge), AUTH_MALFORMED);
}

#define WITH(more) "{\"iss\":\"https://id.example\",\"aud\":\"erlgate\",\"sub\":\"a\"" more "}"

static void when_a_token_is_good(void **state)
{
    (void)state;
    assert_int_equal(claims(WITH(",\"exp\":1800000001")), AUTH_FINE);
    assert_int_equal(claims(WITH(",\"exp\":1800000000.5")), AUTH_FINE);
    assert_int_equal(claims(WITH(",\"exp\":1799999971")), AUTH_FINE); /* clocks differ */
    assert_int_equal(claims(WITH(",\"exp\":1799999970")), AUTH_EXPIRED);
    assert_int_equal(claims(WITH(",\"exp\":0")), AUTH_EXPIRED);
    assert_int_equal(claims(WITH("")), AUTH_BAD_CLAIMS);
    assert_int_equal(claims(WITH(",\"exp\":\"1800000100\"")), AUTH_BAD_CLAIMS);
    assert_int_equal(claims(WITH(",\"exp\":-5")), AUTH_BAD_CLAIMS);
    assert_int_equal(claims(WITH(",\"exp\":1e300")), AUTH_BAD_CLAIMS);
    assert_int_equal(claims(WITH(",\"exp\":null")), AUTH_BAD_CLAIMS);
    assert_int_equal(claims(WITH(",\"exp\":true")), AUTH_BAD_CLAIMS);
    assert_int_equal(claims(WITH(",\"exp\":1800000100,\"nbf\":1800000030")), AUTH_FINE);
    assert_int_equal(claims(WITH(",\"exp\":1800000100,\"nbf\":1800000031")), AUTH_NOT_YET);
    assert_int_equal(claims(WITH(",\"exp\":1800000100,\"iat\":1800000031")), AUTH_NOT_YET);
    assert_int_equal(claims(WITH(",\"exp\":1800000100,\"iat\":1700000000")), AUTH_FINE);
    assert_int_equal(claims(WITH(",\"exp\":1800000100,\"nbf\":\"soon\"")), AUTH_BAD_CLAIMS);
}

#define TO(iss, aud, sub) "{\"exp\":1800000100,\"iss\":" iss ",\"aud\":" aud ",\"sub\":" sub "}"
#define US                "\"https://id.example\""

static void whose_and_whom_for(void **state)
{
    (void)state;
    assert_int_equal(claims(TO(US, "[\"other\",\"erlgate\"]", "\"a\"")), AUTH_FINE);
    assert_int_equal(claims(TO(US, "[\"other\"]", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO(US, "[]", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO(US, "[[\"erlgate\"]]", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO(US, "{\"a\":\"erlgate\"}", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO(US, "\"erlgate2\"", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO(US, "\"Erlgate\"", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO(US, "null", "\"a\"")), AUTH_WRONG_AUDIENCE);
    assert_int_equal(claims(TO("\"https://id.example/\"", "\"erlgate\"", "\"a\"")), AUTH_WRONG_ISSUER);
    assert_int_equal(claims(TO("[" US "]", "\"erlgate\"", "\"a\"")), AUTH_WRONG_ISSUER);
    assert_int_equal(claims(TO(US, "\"erlgate\"", "\"\"")), AUTH_NO_PRINCIPAL);
    assert_int_equal(claims(TO(US, "\"erlgate\"", "7")), AUTH_NO_PRINCIPAL);
    assert_int_equal(claims(TO(US, "\"erlgate\"", "\"a\\nb\"")), AUTH_NO_PRINCIPAL);
    assert_int_equal(claims("{\"exp\":1800000100,\"iss\":" US ",\"aud\":\"erlgate\"}"), AUTH_NO_PRINCIPAL);
    assert_int_equal(claims("{\"exp\":1800000100,\"exp\":1900000000}"), AUTH_MALFORMED);
    rules.claim = "email";
    assert_int_equal(claims(TO(US, "\"erlgate\"", "\"a\"")), AUTH_NO_PRINCIPAL);
    assert_int_equal(
        claims("{\"exp\":1800000100,\"iss\":" US ",\"aud\":\"erlgate\",\"email\":\"a@b.example\"}"),
        AUTH_FINE);
    rules.claim = "sub";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_examples_are_signed_well),
        cmocka_unit_test(a_changed_byte_anywhere_is_noticed),
        cmocka_unit_test(each_algorithm_with_its_key),
        cmocka_unit_test(none_is_no_algorithm),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(a_key_is_found_by_its_kid_alone),
        cmocka_unit_test(without_a_kid_there_must_be_one_key),
        cmocka_unit_test(what_a_header_may_not_have),
        cmocka_unit_test(a_key_that_a_token_brings_is_not_looked_at),
        cmocka_unit_test(what_is_no_token),
        cmocka_unit_test(when_a_token_is_good),
        cmocka_unit_test(whose_and_whom_for),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
