/*
 * jwt: a JSON Web Token (RFC 7519), signed and in compact form, held against keys and expectations.
 *
 * What is refused before any signature is looked at (RFC 8725): an alg that is none of the four, so `none`,
 * too; a key of another kind than the alg (an RSA key is never a secret); crit, zip and b64; a kid that no
 * key has; duplicate members; another alphabet than base64url's, or bits that no byte uses. A header's jku,
 * x5u, jwk and x5c are not looked at. The signature is librhonabwy's to verify, with the one key that was
 * found.
 *
 * Pure: the time is an argument.
 */
#ifndef ERLGATE_AUTH_JWT_H
#define ERLGATE_AUTH_JWT_H

#include "auth/keys.h"
#include "auth/principal.h"
#include "auth/why.h"

enum {
    AUTH_JWT_MAX = 8192, /* bytes */
    AUTH_LEEWAY_S = 30,  /* between clocks */
};

struct auth_jwt_rules {
    const struct auth_keys *keys; /* borrowed */
    const char *issuer, *audience;
    const char *claim; /* whose value is the principal: "sub" */
};

struct auth_jwt {
    struct auth_principal principal;
    int64_t expires_s; /* leeway and all */
    const struct auth_key *key;
};

/* ret is written on AUTH_FINE alone. */
MUST_USE enum auth_why auth_jwt_verify(const struct auth_jwt_rules *rules, struct slice text, int64_t now_s,
                                       struct auth_jwt *ret);
/* Three parts with dots between them: it wants to be one. */
bool auth_jwt_is_one(struct slice text);

#endif
