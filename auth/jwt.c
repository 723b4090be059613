#include "auth/jwt.h"

#include <rhonabwy.h>

#include "base/base64.h"
#include "base/mem.h"

enum { HEADER_MAX = 2048 };

/* The three parts as they came. */
struct parts {
    struct slice header, claims, signature;
};

static bool split(struct slice text, struct parts *ret)
{
    const uint8_t *one = text.len ? memchr(text.ptr, '.', text.len) : NULL, *two, *end;

    if (!one)
        return false;
    end = text.ptr + text.len;
    two = memchr(one + 1, '.', (size_t)(end - one - 1));
    if (!two || memchr(two + 1, '.', (size_t)(end - two - 1)))
        return false;
    ret->header = slice_of(text.ptr, (size_t)(one - text.ptr));
    ret->claims = slice_of(one + 1, (size_t)(two - one - 1));
    ret->signature = slice_of(two + 1, (size_t)(end - two - 1));
    return true;
}

bool auth_jwt_is_one(struct slice text)
{
    struct parts parts;

    return split(text, &parts);
}

/* base64url without padding, into w. */
static bool decode(struct slice part, struct wr *w)
{
    char plain[AUTH_JWT_MAX];

    if (part.len == 0 || part.len > sizeof plain)
        return false;
    for (size_t i = 0; i < part.len; i++) {
        uint8_t c = part.ptr[i];

        if (c == '+' || c == '/' || c == '=')
            return false;
        plain[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    wr_reset(w);
    return base64_read(w, slice_of(plain, part.len), NULL) == ERR_NONE;
}

/* NULL: it is no JSON object. */
static json_t *decode_object(struct slice part, struct wr *w)
{
    json_t *object;

    if (!decode(part, w))
        return NULL;
    object = json_loadb((const char *)w->buf, w->len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(object))
        return object;
    json_decref(object);
    return NULL;
}

/* ---- the header ---- */

static enum auth_why judge_header(const struct auth_keys *keys, const json_t *header,
                                  const struct auth_key **ret)
{
    const json_t *alg_name = json_object_get(header, "alg"), *kid = json_object_get(header, "kid");
    enum auth_alg alg;

    if (json_object_get(header, "crit") || json_object_get(header, "zip") || json_object_get(header, "b64"))
        return AUTH_BAD_HEADER;
    if (!json_is_string(alg_name) || !auth_alg_read(json_string_value(alg_name), &alg))
        return AUTH_BAD_ALG;
    if (kid && !json_is_string(kid))
        return AUTH_UNKNOWN_KEY;
    *ret = auth_keys_find(keys, json_string_value(kid), alg);
    return *ret ? AUTH_FINE : AUTH_UNKNOWN_KEY;
}

/* ---- the signature ---- */

static const jwa_alg library_algs[AUTH_ALG_COUNT] = {
    [AUTH_RS256] = R_JWA_ALG_RS256,
    [AUTH_ES256] = R_JWA_ALG_ES256,
    [AUTH_EDDSA] = R_JWA_ALG_EDDSA,
    [AUTH_HS256] = R_JWA_ALG_HS256,
};

/* What the library reads must be what we have read: it has the same text, no keys but ours, and may fetch
 * nothing. */
static bool is_signed(struct slice text, const struct auth_key *key)
{
    jws_t *jws = NULL;
    bool is_good = r_jws_init(&jws) == RHN_OK &&
                   r_jws_advanced_compact_parsen(jws, (const char *)text.ptr, text.len, R_PARSE_NONE,
                                                 R_FLAG_IGNORE_REMOTE) == RHN_OK &&
                   r_jws_get_alg(jws) == library_algs[key->alg] &&
                   r_jws_verify_signature(jws, key->jwk, R_FLAG_IGNORE_REMOTE) == RHN_OK;

    r_jws_free(jws);
    return is_good;
}

/* ---- the claims ---- */

/* RFC 7519's NumericDate, which may have a fraction. Absent: fine, and ret as it was. */
static bool read_date(const json_t *claims, const char *name, int64_t *ret)
{
    const json_t *date = json_object_get(claims, name);
    double v;

    if (!date)
        return true;
    if (!json_is_number(date))
        return false;
    v = json_number_value(date);
    if (!(v >= 0 && v < 1e15))
        return false;
    *ret = (int64_t)v;
    return true;
}

static bool is_text(const json_t *value, const char *want)
{
    return json_is_string(value) &&
           slice_eq_str(slice_of(json_string_value(value), json_string_length(value)), want);
}

static bool is_for(const json_t *audience, const char *us)
{
    const json_t *one;
    size_t i;

    json_array_foreach(audience, i, one)
    {
        if (is_text(one, us))
            return true;
    }
    return is_text(audience, us);
}

static enum auth_why judge_time(const json_t *claims, int64_t now_s, int64_t *ret_expires)
{
    int64_t expires = -1, not_before = 0, issued = 0;

    if (!read_date(claims, "exp", &expires) || expires < 0 || !read_date(claims, "nbf", &not_before) ||
        !read_date(claims, "iat", &issued))
        return AUTH_BAD_CLAIMS;
    if (now_s >= expires + AUTH_LEEWAY_S)
        return AUTH_EXPIRED;
    if (not_before > now_s + AUTH_LEEWAY_S || issued > now_s + AUTH_LEEWAY_S)
        return AUTH_NOT_YET;
    *ret_expires = expires + AUTH_LEEWAY_S;
    return AUTH_FINE;
}

static enum auth_why judge_claims(const struct auth_jwt_rules *rules, const json_t *claims, int64_t now_s,
                                  struct auth_jwt *ret)
{
    const json_t *who = json_object_get(claims, rules->claim);
    enum auth_why why = judge_time(claims, now_s, &ret->expires_s);

    if (why != AUTH_FINE)
        return why;
    if (!is_text(json_object_get(claims, "iss"), rules->issuer))
        return AUTH_WRONG_ISSUER;
    if (!is_for(json_object_get(claims, "aud"), rules->audience))
        return AUTH_WRONG_AUDIENCE;
    if (!json_is_string(who) ||
        !auth_principal_set(&ret->principal, slice_of(json_string_value(who), json_string_length(who))))
        return AUTH_NO_PRINCIPAL;
    return AUTH_FINE;
}

static enum auth_why verify(const struct auth_jwt_rules *rules, struct slice text, const struct parts *parts,
                            int64_t now_s, struct wr *w, struct auth_jwt *ret)
{
    json_t *header = decode_object(parts->header, w), *claims = NULL;
    enum auth_why why = header ? judge_header(rules->keys, header, &ret->key) : AUTH_MALFORMED;

    json_decref(header);
    if (why != AUTH_FINE)
        return why;
    /* The library reads base64url less strictly, and gets nothing that could be read in two ways. */
    if (!decode(parts->signature, w) || !decode(parts->claims, w))
        return AUTH_MALFORMED;
    if (!is_signed(text, ret->key))
        return AUTH_BAD_SIGNATURE;
    claims = decode_object(parts->claims, w);
    why = claims ? judge_claims(rules, claims, now_s, ret) : AUTH_MALFORMED;
    json_decref(claims);
    return why;
}

enum auth_why auth_jwt_verify(const struct auth_jwt_rules *rules, struct slice text, int64_t now_s,
                              struct auth_jwt *ret)
{
    struct auth_jwt jwt = {0};
    struct parts parts;
    enum auth_why why;
    struct wr w;

    if (!rules->keys)
        return AUTH_NO_KEYS;
    if (text.len > AUTH_JWT_MAX || !split(text, &parts) || parts.header.len > HEADER_MAX)
        return AUTH_MALFORMED;
    wr_init(&w, AUTH_JWT_MAX);
    why = verify(rules, text, &parts, now_s, &w, &jwt);
    wr_fini(&w);
    if (why == AUTH_FINE)
        *ret = jwt;
    return why;
}
