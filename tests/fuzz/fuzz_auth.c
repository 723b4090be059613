/*
 * Who asks, as far as strangers write it: Authorization, Cookie, and what a JWT holds; and the files of
 * tokens and keys, which an operator may have got wrong in any way.
 *
 * First byte: what the rest is. 0: the value of Authorization, and behind a newline that of Cookie. 1: a
 * token file. 2: a key set. 3: a JWT whose header and claims are given as they are, a newline between them,
 * signed with the secret that the gateway has: so that what stands behind the signature is reached.
 */
#include <openssl/hmac.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "auth/base64url.h"
#include "auth/jwt.h"
#include "auth/tokens.h"
#include "base/check.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1800000000, INPUT_MAX = 4096 };

static const uint8_t secret[32] = "erlgate fuzzes with this secret";

#define KEYS                                                                                            \
    "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"h\",\"k\":\"ZXJsZ2F0ZSBmdXp6ZXMgd2l0aCB0aGlzIHNlY3JldAA\"}," \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"d\",\"x\":\"11qYAYKxCrfVS_"                         \
    "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static const struct auth_keys *keys(void)
{
    static struct auth_keys *k;

    if (!k)
        CHECK((k = auth_keys_read("keys", SLICE(KEYS), NULL)) && k->count == 2);
    return k;
}

static bool is_within(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static enum auth_why judge(struct slice text)
{
    const struct auth_jwt_rules rules = {.keys = keys(), .issuer = "i", .audience = "a", .claim = "sub"};
    struct auth_jwt jwt;
    enum auth_why why = auth_jwt_verify(&rules, text, NOW, &jwt);

    CHECK(auth_why_text(why) && auth_why_name(why));
    if (why == AUTH_FINE)
        CHECK(auth_principal_is_valid(auth_principal_name(&jwt.principal)) && jwt.expires_s > NOW && jwt.key);
    return why;
}

static void read_headers(struct slice text)
{
    const uint8_t *end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
    struct slice authorization = end ? slice_of(text.ptr, (size_t)(end - text.ptr)) : text, token, value;
    struct slice cookie = end ? slice_of(end + 1, text.len - authorization.len - 1) : (struct slice){0};

    if (auth_bearer_read(authorization, &token) == AUTH_FINE) {
        CHECK(token.len > 0 && is_within(token, authorization));
        if (auth_jwt_is_one(token))
            CHECK(judge(token) != AUTH_FINE); /* nobody guesses a signature */
    }
    if (auth_cookie_read(cookie, AUTH_COOKIE, &value))
        CHECK(is_within(value, cookie));
}

static void tell(const struct auth_fault *f)
{
    char text[700];

    auth_fault_print(f, text, sizeof text);
    CHECK(f->what[0] && memchr(f->what, 0, sizeof f->what) && strlen(text) < sizeof text);
}

static void read_tokens(struct slice text)
{
    struct auth_faults f = {.count = 0};
    struct auth_tokens *t = auth_tokens_read("tokens", text, 7, &f);

    if (!t) {
        CHECK(f.count > 0 && f.count <= AUTH_FAULTS_MAX);
        for (unsigned i = 0; i < f.count; i++)
            tell(&f.at[i]);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        CHECK(auth_principal_is_valid(auth_principal_name(&t->list[i].principal)));
        CHECK(auth_tokens_find(t, &t->list[i].digest) == &t->list[i]);
        CHECK(auth_tokens_have(t, t->list[i].credential));
    }
    auth_tokens_free(t);
}

static void read_keys(struct slice text)
{
    struct auth_fault f = {0};
    struct auth_keys *k = auth_keys_read("keys", text, &f);

    if (!k) {
        tell(&f);
        return;
    }
    CHECK(k->count > 0);
    for (size_t i = 0; i < k->count; i++)
        CHECK(k->list[i].alg < AUTH_ALG_COUNT && json_object_size(k->list[i].jwk) <= 4);
    auth_keys_free(k);
}

static void sign_and_judge(struct slice text)
{
    static char token[4 * INPUT_MAX];
    const uint8_t *end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
    struct slice header = end ? slice_of(text.ptr, (size_t)(end - text.ptr)) : text;
    struct slice claims = end ? slice_of(end + 1, text.len - header.len - 1) : (struct slice){0};
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_len;
    size_t n;

    auth_base64url_print(header.ptr, header.len, token);
    n = strlen(token);
    token[n++] = '.';
    auth_base64url_print(claims.ptr, claims.len, token + n);
    n = strlen(token);
    CHECK(HMAC(EVP_sha256(), secret, sizeof secret, (uint8_t *)token, n, mac, &mac_len));
    token[n++] = '.';
    auth_base64url_print(mac, mac_len, token + n);
    judge(slice_of_str(token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text;
    uint8_t *copy;

    if (size == 0 || size > INPUT_MAX)
        return 0;
    copy = malloc(size > 1 ? size - 1 : 1); /* a block exactly as long as the text */
    if (!copy)
        abort();
    memcpy(copy, data + 1, size - 1);
    text = slice_of(copy, size - 1);
    switch (data[0] % 4) {
    case 0: read_headers(text); break;
    case 1: read_tokens(text); break;
    case 2: read_keys(text); break;
    default: sign_and_judge(text);
    }
    free(copy);
    return 0;
}
