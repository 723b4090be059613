#include "auth/auth.h"

#include "auth/identities.h"
#include "auth/jwt.h"
#include "auth/shown.h"
#include "auth/tokens.h"
#include "base/mem.h"
#include "base/wr.h"

struct auth {
    struct auth_tokens *tokens;         /* owned; NULL: no file */
    struct auth_keys *keys;             /* owned; NULL: no file */
    struct auth_identities *identities; /* owned */
    char *issuer, *audience, *claim;    /* owned; NULL without keys */
    uint64_t *key_credentials;          /* owned: of each key, with issuer, audience and claim */
};

/* ---- life ---- */

static char *copy(const char *text)
{
    return mem_strndup(text ? text : "", text ? strlen(text) : 0);
}

/* Whatever of this changes, what was verified before has to be verified again. */
static bool set_key_credentials(struct auth *a)
{
    struct wr w;
    bool is_set;

    a->key_credentials = mem_realloc_array(NULL, a->keys->count, sizeof *a->key_credentials);
    wr_init(&w, SIZE_MAX);
    wr_bytes(&w, a->issuer, strlen(a->issuer) + 1);
    wr_bytes(&w, a->audience, strlen(a->audience) + 1);
    wr_bytes(&w, a->claim, strlen(a->claim) + 1);
    is_set = a->key_credentials && wr_ok(&w);
    for (size_t i = 0; is_set && i < a->keys->count; i++) {
        a->key_credentials[i] =
            auth_credential_of("jwt", auth_digest_slice(&a->keys->list[i].mark), wr_written(&w), INT64_MAX);
        is_set = a->key_credentials[i] != 0;
    }
    wr_fini(&w);
    return is_set;
}

static bool load_keys(struct auth *a, const struct auth_config *c, struct auth_fault *fault)
{
    a->keys = auth_keys_load(c->jwks_file, fault);
    if (!a->keys)
        return false;
    a->issuer = copy(c->jwt_issuer);
    a->audience = copy(c->jwt_audience);
    a->claim = copy(c->jwt_claim ? c->jwt_claim : "sub");
    if (!a->issuer || !a->audience || !a->claim || !set_key_credentials(a))
        return auth_fault_set(fault, c->jwks_file, 0, 0, NULL, "out of memory");
    return true;
}

static bool load(struct auth *a, const struct auth_config *c, struct auth_faults *faults)
{
    struct auth_fault *fault = &faults->at[0];

    a->identities = auth_identities_read(c->principals, fault);
    if (!a->identities)
        return false;
    if (c->token_file && !(a->tokens = auth_tokens_load(c->token_file, c->seed, faults)))
        return false;
    faults->count = 1; /* of what follows */
    return !c->jwks_file || load_keys(a, c, fault);
}

struct auth *auth_load(const struct auth_config *config, struct auth_faults *faults)
{
    struct auth *a = mem_zalloc(sizeof *a);

    faults->count = 1;
    if (!a) {
        auth_fault_set(&faults->at[0], "authentication", 0, 0, NULL, "out of memory");
        return NULL;
    }
    if (load(a, config, faults))
        return a;
    auth_free(a);
    return NULL;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    auth_tokens_free(a->tokens);
    auth_keys_free(a->keys);
    auth_identities_free(a->identities);
    mem_free(a->issuer);
    mem_free(a->audience);
    mem_free(a->claim);
    mem_free(a->key_credentials);
    mem_free(a);
}

bool auth_is_on(const struct auth *a)
{
    return a->tokens || a->keys || a->identities->count > 0;
}

static int64_t last_expires(const struct auth_tokens *t)
{
    int64_t last = 0;

    for (size_t i = 0; t && i < t->count; i++)
        last = t->list[i].expires_s > last ? t->list[i].expires_s : last;
    return last;
}

void auth_look(const struct auth *a, struct auth_info *ret)
{
    *ret = (struct auth_info){
        .tokens = a->tokens ? a->tokens->count : 0,
        .last_expires_s = last_expires(a->tokens),
        .keys = a->keys ? a->keys->count : 0,
        .identities = a->identities->count,
        .is_token_file_exposed = a->tokens && a->tokens->is_exposed,
        .is_jwks_file_exposed = a->keys && a->keys->is_exposed && a->keys->has_secret,
    };
}

const char *auth_kind_name(enum auth_kind kind)
{
    static const char *const names[AUTH_BY_COUNT] = {
        [AUTH_BY_NOTHING] = "nothing", [AUTH_BY_TOKEN] = "token",      [AUTH_BY_JWT] = "jwt",
        [AUTH_BY_SESSION] = "session", [AUTH_BY_CERT] = "certificate", [AUTH_BY_UID] = "uid",
    };

    return names[kind];
}

bool auth_has(const struct auth *a, uint64_t credential)
{
    if (a->tokens && auth_tokens_have(a->tokens, credential))
        return true;
    for (size_t i = 0; a->keys && i < a->keys->count; i++)
        if (a->key_credentials[i] == credential)
            return true;
    for (size_t i = 0; i < a->identities->count; i++)
        if (a->identities->list[i].credential == credential)
            return true;
    return false;
}

/* ---- what a request shows ---- */

static enum auth_why judge_token(const struct auth *a, const struct auth_digest *digest, int64_t now_s,
                                 struct auth_verdict *ret)
{
    const struct auth_token *token = a->tokens ? auth_tokens_find(a->tokens, digest) : NULL;

    if (!token)
        return AUTH_UNKNOWN_TOKEN;
    if (now_s >= token->expires_s)
        return AUTH_EXPIRED;
    *ret = (struct auth_verdict){.principal = token->principal,
                                 .kind = AUTH_BY_TOKEN,
                                 .credential = token->credential,
                                 .expires_s = token->expires_s};
    return AUTH_FINE;
}

static enum auth_why verify_jwt(const struct auth *a, struct slice text, int64_t now_s,
                                struct auth_cached *ret)
{
    const struct auth_jwt_rules rules = {
        .keys = a->keys, .issuer = a->issuer, .audience = a->audience, .claim = a->claim};
    struct auth_jwt jwt;
    enum auth_why why = auth_jwt_verify(&rules, text, now_s, &jwt);

    if (why != AUTH_FINE)
        return why;
    ret->principal = jwt.principal;
    ret->expires_s = jwt.expires_s;
    ret->credential = a->key_credentials[jwt.key - a->keys->list];
    return AUTH_FINE;
}

static enum auth_why judge_jwt(const struct auth *a, struct auth_cache *cache, struct slice text,
                               const struct auth_digest *digest, int64_t now_s, struct auth_verdict *ret)
{
    struct auth_cached new = {.digest = *digest};
    const struct auth_cached *known = cache ? auth_cache_find(cache, digest, now_s) : NULL;
    enum auth_why why = known ? AUTH_FINE : verify_jwt(a, text, now_s, &new);

    if (why != AUTH_FINE)
        return why;
    if (!known && cache)
        auth_cache_put(cache, &new);
    *ret = (struct auth_verdict){.kind = AUTH_BY_JWT, .was_cached = known != NULL};
    ret->principal = known ? known->principal : new.principal;
    ret->credential = known ? known->credential : new.credential;
    ret->expires_s = known ? known->expires_s : new.expires_s;
    return AUTH_FINE;
}

static enum auth_why judge_bearer(const struct auth *a, struct auth_cache *cache,
                                  const struct auth_question *q, int64_t now_s, struct auth_verdict *ret)
{
    struct auth_digest digest;
    struct slice text;
    enum auth_why why =
        q->authorization_count > 1 ? AUTH_REPEATED : auth_bearer_read(q->authorization, &text);

    if (why != AUTH_FINE)
        return why;
    if (text.len > AUTH_JWT_MAX)
        return AUTH_MALFORMED;
    if (!auth_digest_of(text, &digest))
        return AUTH_NO_MEMORY;
    if (!auth_token_is_one(text) && auth_jwt_is_one(text))
        return judge_jwt(a, cache, text, &digest, now_s, ret);
    return judge_token(a, &digest, now_s, ret);
}

bool auth_session_name(const struct auth_question *q, struct slice *ret)
{
    return q->cookie_count == 1 &&
           auth_cookie_read(q->cookie, q->is_secure ? AUTH_COOKIE_SECURE : AUTH_COOKIE, ret);
}

static enum auth_why judge_cookie(const struct auth *a, struct auth_sessions *sessions,
                                  const struct auth_question *q, int64_t now_s, struct auth_verdict *ret)
{
    struct auth_session s;
    struct slice name;

    if (!sessions || !q->is_get || !auth_session_name(q, &name))
        return AUTH_NOTHING_SHOWN;
    if (!auth_sessions_find(sessions, name, now_s, &s))
        return AUTH_UNKNOWN_SESSION;
    if (!auth_has(a, s.credential)) {
        auth_sessions_end(sessions, name);
        return AUTH_UNKNOWN_SESSION;
    }
    *ret = (struct auth_verdict){.principal = s.principal,
                                 .kind = AUTH_BY_SESSION,
                                 .credential = s.credential,
                                 .expires_s = s.expires_s};
    return AUTH_FINE;
}

static const struct auth_identity *connection_of(const struct auth *a, const struct auth_question *q)
{
    if (q->cert_subject)
        return auth_identities_of_cert(a->identities, q->cert_subject);
    return q->uid >= 0 ? auth_identities_of_uid(a->identities, q->uid) : NULL;
}

static bool is_contradicted(const struct auth_verdict *v, const struct auth_identity *i)
{
    return i && !slice_eq(auth_principal_name(&v->principal), auth_principal_name(&i->principal));
}

static void take_identity(const struct auth_identity *i, struct auth_verdict *ret)
{
    *ret = (struct auth_verdict){.principal = i->principal,
                                 .kind = i->subject ? AUTH_BY_CERT : AUTH_BY_UID,
                                 .credential = i->credential,
                                 .expires_s = INT64_MAX};
}

enum auth_why auth_judge(const struct auth *a, struct auth_sessions *sessions, struct auth_cache *cache,
                         const struct auth_question *q, int64_t now_s, struct auth_verdict *ret)
{
    const struct auth_identity *connection = connection_of(a, q);
    struct auth_verdict v;
    enum auth_why why = q->authorization_count ? judge_bearer(a, cache, q, now_s, &v)
                                               : judge_cookie(a, sessions, q, now_s, &v);

    if (why != AUTH_FINE && (q->authorization_count || !connection))
        return why;
    if (why == AUTH_FINE && is_contradicted(&v, connection))
        return AUTH_CONTRADICTION;
    if (why != AUTH_FINE)
        take_identity(connection, &v);
    *ret = v;
    return AUTH_FINE;
}
