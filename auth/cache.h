/*
 * cache: JWTs whose signatures have been verified, by their SHA-256, until they expire.
 *
 * A fixed number of places, a token's place being given by its hash: what comes later takes it. Only tokens
 * that were good get in, so that nobody without one can push others out. Whoever puts new keys in force
 * empties it. Made by auth_cache_new, ended by auth_cache_free.
 */
#ifndef ERLGATE_AUTH_CACHE_H
#define ERLGATE_AUTH_CACHE_H

#include "auth/digest.h"
#include "auth/principal.h"

enum { AUTH_CACHE_PLACES = 4096 };

struct auth_cached {
    struct auth_digest digest; /* of the token */
    struct auth_principal principal;
    int64_t expires_s;
    uint64_t credential; /* 0: the place is free */
};

struct auth_cache;

MUST_USE struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache *c); /* takes NULL */
void auth_cache_empty(struct auth_cache *c);
/* NULL: it is not there, or has expired. Borrowed until the next put. */
const struct auth_cached *auth_cache_find(const struct auth_cache *c, const struct auth_digest *d,
                                          int64_t now_s);
void auth_cache_put(struct auth_cache *c, const struct auth_cached *new);

#endif
