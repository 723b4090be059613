/*
 * handshake: the messages by which two nodes meet, each with its reader and its writer (erl_dist_protocol,
 * "Distribution Handshake"). A message stands behind a 2-byte length; readers get what stands after it,
 * writers write both.
 *
 * Two versions live side by side: 6 (`N`: 64-bit flags, creation) since OTP 23, and 5 (`n`: 32-bit flags). A
 * dialler of version 5 whose flags hold HANDSHAKE_23 gets a challenge of version 6 and sends what was missing
 * as a complement.
 *
 * Slices that are read borrow from the body. Readers give ERR_MORE or ERR_MALFORMED for what is no such
 * message, those of names and challenges ERR_UNSUPPORTED for a version that nobody speaks any more.
 */
#ifndef ERLGATE_DIST_HANDSHAKE_H
#define ERLGATE_DIST_HANDSHAKE_H

#include "base/rd.h"
#include "base/wr.h"
#include "dist/digest.h"

enum { DIST_NAME_MAX_CHARS = 255, DIST_NAME_MAX_BYTES = 1020 };

/* The longest body of each message, known before it is stored. A name may be followed by bytes to be ignored.
 */
enum {
    DIST_HS_NAME_MAX = 2048,
    DIST_HS_STATUS_MAX = 1 + 6 + 2 + DIST_NAME_MAX_BYTES + 4,
    DIST_HS_CHALLENGE_MAX = 2048,
    DIST_HS_COMPLEMENT_MAX = 1 + 4 + 4,
    DIST_HS_REPLY_MAX = 1 + 4 + DIST_DIGEST_LEN,
    DIST_HS_ACK_MAX = 1 + DIST_DIGEST_LEN,
};

/* What the dialler opens with. */
struct dist_hs_name {
    unsigned version; /* 5 or 6 */
    uint64_t flags;
    uint32_t creation; /* version 5: 0 */
    struct slice name;
};
void dist_hs_write_name(struct wr *w, const struct dist_hs_name *m);
MUST_USE enum err dist_hs_read_name(struct slice body, struct dist_hs_name *ret);

/* What the acceptor says to that; and the dialler's answer to ALIVE, which is TRUE or FALSE. */
enum dist_hs_verdict {
    DIST_HS_OK,
    DIST_HS_OK_SIMULTANEOUS,
    DIST_HS_NOK,
    DIST_HS_NOT_ALLOWED,
    DIST_HS_ALIVE,
    DIST_HS_NAMED,
    DIST_HS_TRUE,
    DIST_HS_FALSE,
};
struct dist_hs_status {
    enum dist_hs_verdict verdict;
    struct slice name; /* NAMED: the name given, and its creation */
    uint32_t creation;
};
void dist_hs_write_status(struct wr *w, const struct dist_hs_status *m);
MUST_USE enum err dist_hs_read_status(struct slice body, struct dist_hs_status *ret);

/* The acceptor's challenge, with its own name. */
struct dist_hs_challenge {
    unsigned version; /* 5 or 6 */
    uint64_t flags;
    uint32_t challenge;
    uint32_t creation; /* version 5: 0 */
    struct slice name;
};
void dist_hs_write_challenge(struct wr *w, const struct dist_hs_challenge *m);
MUST_USE enum err dist_hs_read_challenge(struct slice body, struct dist_hs_challenge *ret);

/* What a name of version 5 had no room for. */
struct dist_hs_complement {
    uint32_t flags_high;
    uint32_t creation;
};
void dist_hs_write_complement(struct wr *w, const struct dist_hs_complement *m);
MUST_USE enum err dist_hs_read_complement(struct slice body, struct dist_hs_complement *ret);

/* The dialler's answer to the challenge, and its own challenge. */
struct dist_hs_reply {
    uint32_t challenge;
    uint8_t digest[DIST_DIGEST_LEN];
};
void dist_hs_write_reply(struct wr *w, const struct dist_hs_reply *m);
MUST_USE enum err dist_hs_read_reply(struct slice body, struct dist_hs_reply *ret);

/* The acceptor's answer to that: the last message. */
struct dist_hs_ack {
    uint8_t digest[DIST_DIGEST_LEN];
};
void dist_hs_write_ack(struct wr *w, const struct dist_hs_ack *m);
MUST_USE enum err dist_hs_read_ack(struct slice body, struct dist_hs_ack *ret);

/* name@host: UTF-8, one @ with something on both sides, no control characters, at most 255 characters. */
bool dist_name_is_plausible(struct slice name);
/* The host alone, as a node sends it that wants to be named. */
bool dist_host_is_plausible(struct slice host);

#endif
