/*
 * auth: everything by which a request can say who it is from, as one snapshot: tokens, keys for JWTs, and
 * what certificates and users are called.
 *
 * Made by auth_load, whole or not at all; immutable, so that a new one takes its place in one step; ended by
 * auth_free. It borrows nothing of its configuration. Sessions and what has been verified already are the
 * caller's, since they outlive a snapshot or end with it.
 *
 * What a request shows is looked at in this order, and the first that is there counts:
 *   1. Authorization: one header, scheme Bearer, a token of the file or a JWT. If that is bad the request is
 *      refused, whatever else would do.
 *   2. A session's cookie, for GET and HEAD. One that has ended is as none if the connection has a name.
 *   3. The connection: the certificate's subject, or the user at the other end of a unix-domain socket.
 * If both the first or second and the third are there and are of different principals, the request is
 * refused.
 */
#ifndef ERLGATE_AUTH_AUTH_H
#define ERLGATE_AUTH_AUTH_H

#include "auth/cache.h"
#include "auth/fault.h"
#include "auth/principal.h"
#include "auth/sessions.h"
#include "auth/why.h"

struct auth;

struct auth_config {
    const char *token_file; /* NULL: no tokens */
    const char *jwks_file;  /* NULL: no JWTs; else with issuer and audience */
    const char *jwt_issuer, *jwt_audience;
    const char *jwt_claim;         /* NULL: "sub" */
    const char *const *principals; /* as identities.h has them, NULL-terminated; NULL: none */
    uint64_t seed;                 /* of hashes */
};

/* NULL, and faults says why: of what is wrong first, principals, tokens or keys. */
MUST_USE struct auth *auth_load(const struct auth_config *config, struct auth_faults *faults);
void auth_free(struct auth *a); /* takes NULL */
/* Is there any way to say who one is? If not, everybody is "anonymous". */
bool auth_is_on(const struct auth *a);

/* For the log: what there is, and whether files can be read by others. */
struct auth_info {
    size_t tokens, keys, identities;
    int64_t last_expires_s; /* of the tokens, the one that is good for longest; INT64_MAX: for ever; 0: there
                               is none */
    bool is_token_file_exposed, is_jwks_file_exposed; /* the second only if it holds a secret */
};

void auth_look(const struct auth *a, struct auth_info *ret);

enum auth_kind {
    AUTH_BY_NOTHING,
    AUTH_BY_TOKEN,
    AUTH_BY_JWT,
    AUTH_BY_SESSION,
    AUTH_BY_CERT,
    AUTH_BY_UID,
    AUTH_BY_COUNT
};

const char *auth_kind_name(enum auth_kind kind); /* "token"; static */

/* What a request shows. */
struct auth_question {
    struct slice authorization; /* of the first such header */
    unsigned authorization_count;
    struct slice cookie; /* likewise */
    unsigned cookie_count;
    const char *cert_subject; /* of a certificate that has been verified; NULL: none */
    int64_t uid;              /* -1: none */
    bool is_get;              /* GET or HEAD */
    bool is_secure;           /* by HTTPS */
};

struct auth_verdict {
    struct auth_principal principal;
    enum auth_kind kind;
    uint64_t credential; /* for auth_has */
    int64_t expires_s;   /* seconds since 1970; INT64_MAX: never */
    bool was_cached;     /* a JWT that did not have to be verified again */
};

/* ret is written on AUTH_FINE alone. cache may be NULL. */
MUST_USE enum auth_why auth_judge(const struct auth *a, struct auth_sessions *sessions,
                                  struct auth_cache *cache, const struct auth_question *q, int64_t now_s,
                                  struct auth_verdict *ret);
/* Is what was found good before still so, but for the time? */
bool auth_has(const struct auth *a, uint64_t credential);
/* The session of a request's cookie, by its name; for ending it. False: it has none. */
bool auth_session_name(const struct auth_question *q, struct slice *ret);

#endif
