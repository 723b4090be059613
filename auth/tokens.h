/*
 * tokens: the bearer tokens that a file lists by their hashes, and how a new one is made.
 *
 * A token is `erlg_` and 32 random bytes in base64url, 48 characters. The file has its SHA-256 alone: with
 * 256 bits that nobody chose there is nothing to guess that a slower hash would protect
 * (docs/decisions/0011). It is YAML, a list, one token an item, so that a new one is a line at its end:
 *
 *   - {principal: billing, sha256: 3b5d…, expires: 2027-01-31, comment: its second replica}
 *
 * A principal may have any number of tokens. Made by auth_tokens_load, whole or not at all; immutable; ended
 * by auth_tokens_free.
 */
#ifndef ERLGATE_AUTH_TOKENS_H
#define ERLGATE_AUTH_TOKENS_H

#include "auth/digest.h"
#include "auth/fault.h"
#include "auth/principal.h"
#include "base/map.h"

#define AUTH_TOKEN_PREFIX "erlg_"

enum {
    AUTH_TOKEN_RANDOM = 32, /* bytes */
    AUTH_TOKEN_LEN = 48,    /* characters */
    AUTH_TOKENS_MAX = 100000,
    AUTH_LINE_MAX = 1024,
};

struct auth_token {
    struct auth_digest digest;
    struct auth_principal principal;
    int64_t expires_s; /* seconds since 1970; INT64_MAX: never */
    uint64_t credential;
};

struct auth_tokens {
    struct auth_token *list; /* owned */
    size_t count;
    struct map by_digest, by_credential; /* to what is in list */
    bool is_exposed;                     /* the file can be read by others than its owner */
};

/* NULL, and faults says why. seed: of hashes. */
MUST_USE struct auth_tokens *auth_tokens_load(const char *path, uint64_t seed, struct auth_faults *faults);
/* The same of its text, which name stands for in faults. */
MUST_USE struct auth_tokens *auth_tokens_read(const char *name, struct slice text, uint64_t seed,
                                              struct auth_faults *faults);
void auth_tokens_free(struct auth_tokens *t); /* takes NULL */

/* By the hash of what was shown; NULL when there is none. It may have expired. */
const struct auth_token *auth_tokens_find(const struct auth_tokens *t, const struct auth_digest *shown);

/* Is the credential one of theirs? */
bool auth_tokens_have(const struct auth_tokens *t, uint64_t credential);

/* Does it look like one? Others are taken for a JWT, or nothing. */
bool auth_token_is_one(struct slice text);
/* From random bytes: 48 characters and a NUL. */
void auth_token_make(const uint8_t random[AUTH_TOKEN_RANDOM], char out[AUTH_TOKEN_LEN + 1]);
/* The file's item for it, with the line's end. comment may be empty; expires_s INT64_MAX: never. False: it
 * does not fit, or comment has control characters. */
bool auth_token_print(const struct auth_digest *d, struct slice principal, int64_t expires_s,
                      struct slice comment, char out[AUTH_LINE_MAX]);

#endif
