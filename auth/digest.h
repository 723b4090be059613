/*
 * digest: SHA-256 of what must not be kept: tokens, and what tells one credential from another.
 *
 * Pure; the struct is a value.
 */
#ifndef ERLGATE_AUTH_DIGEST_H
#define ERLGATE_AUTH_DIGEST_H

#include "base/err.h"
#include "base/slice.h"

enum { AUTH_DIGEST_LEN = 32, AUTH_DIGEST_HEX = 64 };

struct auth_digest {
    uint8_t bytes[AUTH_DIGEST_LEN];
};

/* False when there is no memory. */
MUST_USE bool auth_digest_of(struct slice text, struct auth_digest *ret);
/* 64 digits of either case; false for anything else. */
MUST_USE bool auth_digest_read(struct slice hex, struct auth_digest *ret);
void auth_digest_print(const struct auth_digest *d, char out[AUTH_DIGEST_HEX + 1]);

static inline struct slice auth_digest_slice(const struct auth_digest *d)
{
    return slice_of(d->bytes, AUTH_DIGEST_LEN);
}

/* What a credential is known by once it has been found good: the same for the same thing with the same
 * principal and end, and else another. Never 0. 0 is what is said when there is no memory. */
uint64_t auth_credential_of(const char *kind, struct slice thing, struct slice principal, int64_t expires_s);

#endif
