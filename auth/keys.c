#include "auth/keys.h"

#include <rhonabwy.h>
#include <stdio.h>

#include "auth/file.h"
#include "base/check.h"
#include "base/mem.h"

enum { FILE_MAX = 1 << 20, RSA_BITS_MIN = 2048, SECRET_BITS_MIN = 256, MEMBERS_MAX = 4 };

/* What a key for each is made of. */
static const struct kind {
    const char *alg, *kty, *crv; /* crv NULL: it has none */
    const char *members[MEMBERS_MAX];
    unsigned min_bits;
} kinds[AUTH_ALG_COUNT] = {
    [AUTH_RS256] = {"RS256", "RSA", NULL, {"n", "e"}, RSA_BITS_MIN},
    [AUTH_ES256] = {"ES256", "EC", "P-256", {"x", "y"}, 0},
    [AUTH_EDDSA] = {"EdDSA", "OKP", "Ed25519", {"x"}, 0},
    [AUTH_HS256] = {"HS256", "oct", NULL, {"k"}, SECRET_BITS_MIN},
};

bool auth_alg_read(const char *name, enum auth_alg *ret)
{
    for (size_t i = 0; i < AUTH_ALG_COUNT; i++) {
        if (strcmp(kinds[i].alg, name) == 0) {
            *ret = (enum auth_alg)i;
            return true;
        }
    }
    return false;
}

/* ---- one key ---- */

struct reading {
    const char *name;
    struct auth_fault *fault;
    size_t index; /* of the key */
};

/* JSON's values have no line once they are read: a key is told by its place in the list. */
static bool refuse(const struct reading *r, const char *hint, const char *what)
{
    return auth_fault_set(r->fault, r->name, 0, 0, hint, "keys[%zu] %s", r->index, what);
}

static const char *text_of(const json_t *jwk, const char *member)
{
    const char *text = json_string_value(json_object_get(jwk, member));

    return text ? text : "";
}

static bool is_same(const json_t *jwk, const char *member, const char *want)
{
    return want ? strcmp(text_of(jwk, member), want) == 0 : true;
}

static bool is_for_verifying(const json_t *jwk)
{
    const json_t *ops = json_object_get(jwk, "key_ops"), *op;
    size_t i;

    if (json_object_get(jwk, "use") && !is_same(jwk, "use", "sig"))
        return false;
    if (!ops)
        return true;
    json_array_foreach(ops, i, op)
    {
        if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
            return true;
    }
    return false;
}

/* AUTH_ALG_COUNT: for none of the four. */
static enum auth_alg alg_of(const json_t *jwk)
{
    size_t i = 0;

    while (i < AUTH_ALG_COUNT && !(is_same(jwk, "kty", kinds[i].kty) && is_same(jwk, "crv", kinds[i].crv)))
        i++;
    return (enum auth_alg)i;
}

enum taking { TAKEN, PASSED_OVER, REFUSED };

static enum taking judge(const struct reading *r, const json_t *jwk, enum auth_alg *ret)
{
    enum auth_alg said;

    *ret = alg_of(jwk);
    if (!json_is_object(jwk) || !text_of(jwk, "kty")[0]) {
        refuse(r, "see RFC 7517", "is no key: it has no kty");
        return REFUSED;
    }
    if (*ret == AUTH_ALG_COUNT || !is_for_verifying(jwk))
        return PASSED_OVER;
    if (!json_object_get(jwk, "alg"))
        return TAKEN;
    if (!auth_alg_read(text_of(jwk, "alg"), &said))
        return PASSED_OVER;
    if (said == *ret)
        return TAKEN;
    refuse(r, NULL, "has an alg that is not for keys of its kty");
    return REFUSED;
}

/* A key of the members that make one, and nothing else. NULL: no memory. */
static json_t *strip(const json_t *jwk, enum auth_alg alg)
{
    const struct kind *k = &kinds[alg];
    json_t *bare = json_object();
    bool is_whole = bare && json_object_set_new(bare, "kty", json_string(k->kty)) == 0 &&
                    (!k->crv || json_object_set_new(bare, "crv", json_string(k->crv)) == 0);

    for (size_t i = 0; is_whole && i < MEMBERS_MAX && k->members[i]; i++)
        is_whole = json_object_set_new(bare, k->members[i], json_string(text_of(jwk, k->members[i]))) == 0;
    if (is_whole)
        return bare;
    json_decref(bare);
    return NULL;
}

static bool set_mark(struct auth_key *key)
{
    char *text = json_dumps(key->jwk, JSON_COMPACT | JSON_SORT_KEYS);
    bool is_set = text && auth_digest_of(slice_of_str(text), &key->mark);

    if (text)
        mem_wipe(text, strlen(text)); /* it may be a secret */
    free(text);
    return is_set;
}

static bool is_large_enough(const struct reading *r, json_t *jwk, enum auth_alg alg)
{
    unsigned bits = 0;

    if (r_jwk_key_type(jwk, &bits, R_FLAG_IGNORE_REMOTE) == R_KEY_TYPE_NONE)
        return refuse(r, "see RFC 7518, 6", "is no key of its kty: a member is missing or wrong");
    if (bits >= kinds[alg].min_bits)
        return true;
    return refuse(r, "make a new one",
                  alg == AUTH_HS256 ? "has a secret of less than 32 bytes"
                                    : "is an RSA key of less than 2048 bits");
}

static bool make(const struct reading *r, const json_t *jwk, enum auth_alg alg, struct auth_key *ret)
{
    const char *kid = text_of(jwk, "kid");
    struct auth_key key = {.alg = alg, .jwk = strip(jwk, alg)};
    bool is_made = false;

    if (kid[0])
        key.kid = mem_strndup(kid, strlen(kid));
    if (!key.jwk || (kid[0] && !key.kid) || !set_mark(&key))
        refuse(r, NULL, "cannot be kept: out of memory");
    else
        is_made = is_large_enough(r, key.jwk, alg);
    if (is_made) {
        *ret = key;
        return true;
    }
    mem_free(key.kid);
    json_decref(key.jwk);
    return false;
}

/* ---- the file ---- */

static bool add(struct auth_keys *k, const struct reading *r, const json_t *jwk)
{
    struct auth_key *key = &k->list[k->count];
    enum auth_alg alg;

    switch (judge(r, jwk, &alg)) {
    case REFUSED: return false;
    case PASSED_OVER: k->passed_over++; return true;
    case TAKEN: break;
    }
    if (!make(r, jwk, alg, key))
        return false;
    k->count++; /* auth_keys_free ends it from here on */
    k->has_secret |= alg == AUTH_HS256;
    for (size_t i = 0; i + 1 < k->count; i++)
        if (k->list[i].alg == alg && key->kid && k->list[i].kid && strcmp(k->list[i].kid, key->kid) == 0)
            return refuse(r, NULL, "has the kid of another one");
    return true;
}

static bool read_keys(struct auth_keys *k, struct reading *r, const json_t *root)
{
    const json_t *list = json_object_get(root, "keys"), *jwk;

    if (!json_is_array(list))
        return auth_fault_set(r->fault, r->name, 0, 0, "see RFC 7517, 5",
                              "this is no key set: it has no array `keys`");
    if (json_array_size(list) > AUTH_KEYS_MAX)
        return auth_fault_set(r->fault, r->name, 0, 0, NULL, "there are more than %d keys", AUTH_KEYS_MAX);
    k->list = mem_realloc_array(NULL, json_array_size(list) + 1, sizeof *k->list);
    if (!k->list)
        return auth_fault_set(r->fault, r->name, 0, 0, NULL, "out of memory");
    json_array_foreach(list, r->index, jwk)
    {
        if (!add(k, r, jwk))
            return false;
    }
    return k->count > 0 ||
           auth_fault_set(r->fault, r->name, 0, 0, "keys for RS256, ES256, EdDSA or HS256 are",
                          "none of the keys is one that a token may be signed with");
}

struct auth_keys *auth_keys_read(const char *name, struct slice text, struct auth_fault *fault)
{
    struct reading r = {.name = name, .fault = fault};
    struct auth_keys *k = mem_zalloc(sizeof *k);
    json_error_t error = {0};
    json_t *root;
    bool is_read;

    if (!k) {
        auth_fault_set(fault, name, 0, 0, NULL, "out of memory");
        return NULL;
    }
    root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    /* jansson quotes what it stumbles over, which may be a secret. */
    is_read = root ? read_keys(k, &r, root)
                   : auth_fault_set(fault, name, error.line > 0 ? (unsigned)error.line : 0,
                                    error.column > 0 ? (unsigned)error.column : 0, NULL, "this is no JSON");
    json_decref(root);
    if (is_read)
        return k;
    auth_keys_free(k);
    return NULL;
}

struct auth_keys *auth_keys_load(const char *path, struct auth_fault *fault)
{
    struct auth_keys *k;
    struct auth_file f;

    if (!auth_file_read(path, "key set", NULL, FILE_MAX, &f, fault))
        return NULL;
    k = auth_keys_read(path, slice_of(f.text, f.len), fault);
    if (k)
        k->is_exposed = f.is_exposed;
    auth_file_free(&f);
    return k;
}

void auth_keys_free(struct auth_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->count; i++) {
        mem_free(k->list[i].kid);
        json_decref(k->list[i].jwk);
    }
    mem_free(k->list);
    mem_free(k);
}

const struct auth_key *auth_keys_find(const struct auth_keys *k, const char *kid, enum auth_alg alg)
{
    const struct auth_key *found = NULL;

    for (size_t i = 0; i < k->count; i++) {
        const struct auth_key *key = &k->list[i];

        if (key->alg != alg || (kid && (!key->kid || strcmp(key->kid, kid) != 0)))
            continue;
        if (found)
            return NULL; /* without a kid it could be either */
        found = key;
    }
    return found;
}
