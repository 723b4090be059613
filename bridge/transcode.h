/*
 * transcode: JSON text to an encoded term and back, each in one pass: no tree, no allocation a node, no
 * recursion.
 *
 * The rules are docs/terms.md's. What comes out of transcode_json_to_etf passes etf_validate, so it may be
 * sent to a peer that can take the bits of ret_uses.
 */
#ifndef ERLGATE_BRIDGE_TRANSCODE_H
#define ERLGATE_BRIDGE_TRANSCODE_H

#include "base/wr.h"
#include "etf/validate.h"

enum {
    TRANSCODE_DEFAULT_MAX_DEPTH = ETF_DEFAULT_MAX_DEPTH,
    TRANSCODE_POINTER_MAX = 256,
};

/* Zeroes are the defaults. Pointers are borrowed for the call. */
struct transcode_options {
    struct slice null_atom;    /* what null stands for; empty: "null". UTF-8, at most 255 characters */
    bool keys_as_atoms;        /* in: object keys become atoms */
    bool tags_off;             /* in: keys that start with '$' are plain keys */
    bool charlists_as_strings; /* out, plain: non-empty lists of printable characters become strings */
    bool bigints_as_strings;   /* out: integers past +-(2^53 - 1) are quoted, or tagged when typed */
    uint32_t max_depth;        /* of the term; 0: TRANSCODE_DEFAULT_MAX_DEPTH */
    uint32_t max_digits;       /* in: of an integer; 0: 10,000 */
    size_t max_bytes;          /* in: what one $etf may inflate to; 0: 64 MiB */
    uint32_t refuse;           /* in: enum etf_use bits that are refused, with ERR_PEER_UNSUPPORTED */
    uint64_t seed;             /* of the hashes of keys: random where the input may be hostile */
    /* In: told of each atom that the text introduces (tags, node names, modules and functions, keys with
     * keys_as_atoms; not of true, false and the null atom), once at least. A failure ends the call with that
     * error. */
    enum err (*on_atom)(void *ctx, struct etf_atom atom);
    void *ctx;
};

struct transcode_fault {
    struct fault fault;    /* offset: bytes from the start of the text; text: what is wrong and what to do */
    unsigned line, column; /* from 1; columns count Unicode characters */
    /* JSON Pointer (RFC 6901) to the value, NUL-terminated, "" for the whole. One that does not fit is cut
     * behind the last reference token that does: it then points to what holds the value. */
    char pointer[TRANSCODE_POINTER_MAX];
};

/*
 * Appends to out the term (without version byte) that the text stands for: one value, blanks around it
 * allowed. ret_uses (may be NULL) gets what not every peer can take. On failure, what out holds is not to be
 * used, and f (may be NULL) says where and why: ERR_MORE, ERR_MALFORMED, ERR_DUPLICATE_KEY, ERR_DEPTH,
 * ERR_TOO_LARGE (max_digits, out's ceiling), ERR_PEER_UNSUPPORTED, ERR_NOMEM, or what on_atom gave.
 */
MUST_USE enum err transcode_json_to_etf(struct slice json, const struct transcode_options *options,
                                        struct wr *out, uint32_t *ret_uses, struct transcode_fault *f);

/*
 * Appends one validated term as JSON: plain, or typed (which reads back as the same term). Integers of any
 * size come as all their digits up to 32 KiB of magnitude (79,000 digits), longer ones as {"$etf": …}; so do
 * further ones when a term holds more long ones than ETF_DIGITS_BUDGET is for, and a map with an integer of
 * more than 64 bytes as a key is no object. ERR_DEPTH, ERR_NOMEM, ERR_TOO_LARGE
 * (out's ceiling), ERR_MALFORMED for what validation would have refused.
 */
MUST_USE enum err transcode_etf_to_json(struct etf_rd *term, const struct transcode_options *options,
                                        bool typed, struct wr *out);

/*
 * The same for bytes that nobody has validated: false if they do not begin with a sound term, or if for any
 * other reason it cannot be told in this way; nothing is then said of it, and out's bytes are not to be used.
 * True: etf_validate takes the term (with max_depth as here and trusts_keys), it has been appended as above,
 * and `term` stands behind it. So a reply is walked through once, not twice.
 */
MUST_USE bool transcode_unjudged_to_json(struct etf_rd *term, const struct transcode_options *options,
                                         bool typed, struct wr *out);

/* Appends a reference token (RFC 6901), with its '/', to the JSON Pointer of len bytes at `at`, where cap
 * bytes are, one of them for the caller's NUL. Gives the new length; len: it does not fit whole. */
size_t transcode_pointer_add(char *at, size_t cap, size_t len, struct slice token);

/* Fills line and column of f from its offset into text. */
void transcode_fault_place(struct transcode_fault *f, struct slice text);

#endif
