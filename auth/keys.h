/*
 * keys: the keys of a JWKS file (RFC 7517) that a JWT may be signed with.
 *
 * Four ways to sign, each with keys of its own kind: RS256 (RSA of 2048 bits and more), ES256 (P-256), EdDSA
 * (Ed25519), HS256 (32 bytes and more). The key alone decides which it is for: by its kty and crv, and its
 * alg, which may not contradict them. Keys for something else (use enc, RS512) are passed over, as identity
 * providers publish them beside. Of a key only the members that make it are kept: a URL (x5u) or a
 * certificate (x5c) in the file is never looked at, and nothing is fetched.
 *
 * Made by auth_keys_load, whole or not at all; immutable; ended by auth_keys_free.
 */
#ifndef ERLGATE_AUTH_KEYS_H
#define ERLGATE_AUTH_KEYS_H

#include <jansson.h>

#include "auth/digest.h"
#include "auth/fault.h"

enum { AUTH_KEYS_MAX = 256 };

enum auth_alg { AUTH_RS256, AUTH_ES256, AUTH_EDDSA, AUTH_HS256, AUTH_ALG_COUNT };

struct auth_key {
    enum auth_alg alg;
    char *kid;               /* owned; NULL: it has none */
    json_t *jwk;             /* owned; what librhonabwy takes for a key */
    struct auth_digest mark; /* of what makes it: the same for the same key */
};

struct auth_keys {
    struct auth_key *list; /* owned */
    size_t count;
    size_t passed_over;
    bool has_secret; /* a key for HS256 */
    bool is_exposed; /* the file can be read by others than its owner */
};

MUST_USE struct auth_keys *auth_keys_load(const char *path, struct auth_fault *fault);
/* The same of its text, which name stands for in faults. */
MUST_USE struct auth_keys *auth_keys_read(const char *name, struct slice text, struct auth_fault *fault);
void auth_keys_free(struct auth_keys *k); /* takes NULL */

/* "RS256"; false for none of the four. */
bool auth_alg_read(const char *name, enum auth_alg *ret);
/* The key with that kid, for that alg. kid NULL: the only one for that alg. NULL: there is none. */
const struct auth_key *auth_keys_find(const struct auth_keys *k, const char *kid, enum auth_alg alg);

#endif
