/*
 * digest: the proof that both ends have the same cookie: MD5 of the cookie followed by the challenge in
 * decimal (erl_dist_protocol, "Semantics of gen_digest").
 */
#ifndef ERLGATE_DIST_DIGEST_H
#define ERLGATE_DIST_DIGEST_H

#include "base/err.h"
#include "base/slice.h"

enum { DIST_DIGEST_LEN = 16 };

/* ERR_UNSUPPORTED when the system's OpenSSL has no MD5 (FIPS); ret is then not written. */
MUST_USE enum err dist_digest(struct slice cookie, uint32_t challenge, uint8_t ret[DIST_DIGEST_LEN]);

/* Is digest the right answer to challenge? In a time that does not depend on digest. Errors as dist_digest.
 */
MUST_USE enum err dist_digest_check(struct slice cookie, uint32_t challenge,
                                    const uint8_t digest[DIST_DIGEST_LEN], bool *ret_is_right);

#endif
