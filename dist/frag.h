/*
 * frag: fragmented messages: the pieces of many of them interleave on one connection and are put together
 * here, each in its own buffer (erl_dist_protocol, "Distribution Header for fragmented messages"); and the
 * cutting of our own.
 *
 * A sequence begins with a fragment that holds the header and counts down to 1. Its atoms are copied, for the
 * cache may have changed before its end. What all open sequences hold is bounded, in bytes and in number. One
 * that would pass the bound in bytes is cut: its beginning is kept, so that it is known at its end for whom
 * it was, and the rest goes by.
 */
#ifndef ERLGATE_DIST_FRAG_H
#define ERLGATE_DIST_FRAG_H

#include "base/map.h"
#include "base/wr.h"
#include "etf/term.h"

enum { DIST_FRAG_MAX_SEQUENCES = 4096, DIST_FRAG_SIZE = 64 * 1024 };

/* One message under way. Made by dist_frags_first, owned by the table until its last fragment, then by whom
 * it was given to. */
struct dist_seq {
    uint64_t id;
    uint64_t next;  /* the number that the next fragment must have */
    struct wr data; /* control message and payload, as far as they have come */
    size_t keep;    /* bytes of data that stay when it is cut */
    bool is_cut;
    struct etf_atom *atoms; /* owned, texts in the same block */
    struct etf_atoms view;
    size_t overhead; /* bytes that it holds besides data */
};
void dist_seq_free(struct dist_seq *s); /* takes NULL */

struct dist_frags {
    struct map open; /* by id; owned */
    size_t held;     /* bytes in all of them */
    size_t max_held;
};

void dist_frags_init(struct dist_frags *f, size_t max_held, uint64_t seed);
void dist_frags_fini(struct dist_frags *f);

/*
 * The first fragment of a sequence (count > 1 of them in all), and a later one. keep: bytes of the first that
 * stay should it be cut, at most data.len. *ret_done (NULL otherwise) gets the sequence once its last
 * fragment is in; free it with dist_seq_free. ERR_MALFORMED: a number out of turn, an id that is open
 * already, or is not. ERR_TOO_LARGE: too many sequences, or over max_held by what those that are cut keep.
 * ERR_NOMEM. After a failure the connection is at its end.
 */
MUST_USE enum err dist_frags_first(struct dist_frags *f, uint64_t id, uint64_t count,
                                   const struct etf_atoms *atoms, struct slice data, size_t keep);
MUST_USE enum err dist_frags_next(struct dist_frags *f, uint64_t id, uint64_t number, struct slice data,
                                  struct dist_seq **ret_done);

/* A message's bytes, scattered: where a cut-up message is read from. */
struct dist_pieces {
    const struct slice *at; /* borrowed */
    size_t count;
    size_t offset; /* into at[0] */
};
size_t dist_pieces_len(const struct dist_pieces *p);
/* Appends the next n bytes. */
void dist_pieces_write(struct dist_pieces *p, struct wr *w, size_t n);

#endif
