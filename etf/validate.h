/*
 * validate: is this exactly one well-formed term, and what does it use?
 *
 * One pass, an explicit stack, no memory beyond `max_depth` levels of it and, for maps that need it, an index
 * of their keys. Whatever passes is accepted by the newest OTP; what an older or poorer peer cannot take is
 * told by the bits of `uses`, and refused where the rules say so. Duplicate keys are compared as terms: 0.0
 * and -0.0 are one key, 1 and 1.0 are two; 1 as SMALL_INTEGER_EXT and as LARGE_BIG_EXT are one; Latin-1 and
 * UTF-8 spellings of an atom are one.
 */
#ifndef ERLGATE_ETF_VALIDATE_H
#define ERLGATE_ETF_VALIDATE_H

#include "base/wr.h"
#include "etf/term.h"

/* What a term contains that not every peer, or no peer, can take. */
enum etf_use {
    ETF_USES_V4_PORT = 1 << 0,      /* V4_PORT_EXT, or a port id of 2^28 or more */
    ETF_USES_LONG_REF = 1 << 1,     /* a reference of 4 or 5 words */
    ETF_USES_BIG_PID = 1 << 2,      /* id of 2^15 or more, or serial of 2^13 or more */
    ETF_USES_RECORD = 1 << 3,       /* RECORD_EXT */
    ETF_USES_WIDE_EXPORT = 1 << 4,  /* external fun of an arity over 255: kills an OTP 27 node */
    ETF_USES_LOCAL = 1 << 5,        /* LOCAL_EXT */
    ETF_USES_OLD_FUN = 1 << 6,      /* FUN_EXT */
    ETF_USES_CACHE_REF = 1 << 7,    /* ATOM_CACHE_REF */
    ETF_USES_HUGE_INTEGER = 1 << 8, /* more than 524,280 bytes */
    ETF_USES_HUGE_TUPLE = 1 << 9,   /* 2^24 elements or more */
    ETF_USES_COMPRESSED = 1 << 10,  /* set by etf_open */
    /* A pid, port or reference that no OTP gives out, and that the very node which it names takes for
     * malformed: pid id of 2^28 or more, port id of 2^60 or more, reference words that break its layout. */
    ETF_USES_ODD_ID = 1 << 11,
    /* A creation of 0. OTP 23 takes it for its own present one, so that two keys of a map can become equal
       there. */
    ETF_USES_ZERO_CREATION = 1 << 12,
};

/* Never sent on to a peer, whatever its flags: terms.md's "never from HTTP". */
#define ETF_USES_NEVER_FROM_OUTSIDE                                                                          \
    (ETF_USES_WIDE_EXPORT | ETF_USES_LOCAL | ETF_USES_OLD_FUN | ETF_USES_CACHE_REF | ETF_USES_HUGE_INTEGER | \
     ETF_USES_HUGE_TUPLE | ETF_USES_ODD_ID)

struct etf_rules {
    uint32_t refuse;    /* enum etf_use bits that are refused, with ERR_PEER_UNSUPPORTED */
    uint32_t max_depth; /* 0: ETF_DEFAULT_MAX_DEPTH */
    uint32_t depth;     /* of what the term stands in: it counts against max_depth */
    size_t max_bytes;   /* of the term once inflated; 0: no limit but the input's own size */
    bool trusts_keys;   /* skip the search for duplicate keys: the sender is a BEAM, which cannot make them */
    /* Told of each atom in the term, cache references too (resolved). A failure ends validation with that
     * error. */
    enum err (*on_atom)(void *ctx, struct etf_atom atom);
    void *ctx;
};

/*
 * Depth counts the containers that are open at once; the tail of a list is inside it.
 *
 * Stricter than OTP on purpose, where no encoder is known to do so: a LIST_EXT without elements whose tail is
 * not NIL, a reference of no words, a NEW_FUN_EXT whose size field is wrong, anything behind the term or
 * inside its compressed form, a LOCAL_EXT that is not the whole term, a FLOAT_EXT without a zero byte at its
 * end or with a comma.
 */
enum { ETF_DEFAULT_MAX_DEPTH = 512 };

/* How many containers may be open in the term itself. */
static inline uint32_t etf_rules_depth_left(const struct etf_rules *rules)
{
    uint32_t max = rules->max_depth ? rules->max_depth : ETF_DEFAULT_MAX_DEPTH;

    return rules->depth < max ? max - rules->depth : 0;
}

/*
 * term: without the version byte, to be used up exactly. ret_uses may be NULL. On failure f (may be NULL)
 * says where and why: ERR_MORE, ERR_MALFORMED, ERR_UNSUPPORTED (a tag that does not exist), ERR_DEPTH,
 * ERR_TOO_LARGE, ERR_DUPLICATE_KEY, ERR_PEER_UNSUPPORTED, ERR_NOMEM, or what on_atom gave.
 */
MUST_USE enum err etf_validate(struct slice term, const struct etf_atoms *atoms,
                               const struct etf_rules *rules, uint32_t *ret_uses, struct fault *f);
/* The same for the first term of a longer input; ret_len gets its length. (LOCAL_EXT takes all that is left.)
 */
MUST_USE enum err etf_validate_prefix(struct slice input, const struct etf_atoms *atoms,
                                      const struct etf_rules *rules, size_t *ret_len, uint32_t *ret_uses,
                                      struct fault *f);

/*
 * From a whole external term (131, …): checks the version byte, inflates a compressed one into scratch
 * (initialised by the caller, borrowed; its ceiling and rules->max_bytes bound it; the announced size must be
 * the real one, and nothing may follow), validates, and gives the term without its version byte: a slice of
 * `whole` or of `scratch`. Errors as etf_validate's. The fault's offset counts from the version byte; in a
 * compressed term, from one before the first inflated byte.
 */
MUST_USE enum err etf_open(struct slice whole, const struct etf_rules *rules, struct wr *scratch,
                           struct slice *ret_term, uint32_t *ret_uses, struct fault *f);

/* Total order over valid terms in which only `=:=` ones (with 0.0 == -0.0) are equal; not Erlang's own order.
 * Without memory the bytes are compared as they stand, which may tell equal terms apart, never the reverse.
 */
int etf_compare_keys(struct slice a, struct slice b, const struct etf_atoms *atoms);

/* Are both `=:=` as OTP 27 and later compare (0.0 and -0.0 differ)? Maps regardless of the order of keys.
 * Closures are equal when all but the pid of their maker is. False when there is no memory to tell. */
bool etf_equal(struct slice a, const struct etf_atoms *a_atoms, struct slice b,
               const struct etf_atoms *b_atoms);

#endif
