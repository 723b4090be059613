/*
 * header: the distribution header and the atom cache behind it, one cache for each direction of a connection
 * (erl_dist_protocol, "Distribution Header").
 *
 * A header lists the atoms of a message: each is an index into the cache of 2048 slots, and comes with its
 * text when the slot is new or changes. Terms behind the header name them by their place in the list
 * (ATOM_CACHE_REF).
 */
#ifndef ERLGATE_DIST_HEADER_H
#define ERLGATE_DIST_HEADER_H

#include "base/rd.h"
#include "base/wr.h"
#include "etf/term.h"

enum {
    DIST_CACHE_SLOTS = 2048,
    DIST_HEADER_MAX_ATOMS = 255,
    DIST_CACHE_GUESSES = 64,
    DIST_TAG_HEADER = 68,        /* after byte 131 */
    DIST_TAG_FRAG_HEADER = 69,   /* the first fragment, with its header */
    DIST_TAG_FRAG = 70,          /* the others */
    DIST_TAG_PASS_THROUGH = 112, /* in the place of byte 131 */
};

struct dist_cached {
    uint8_t *text; /* owned; NULL: the slot is empty */
    uint16_t len;
};

/* ---- what the peer sends ---- */

struct dist_cache_in {
    struct dist_cached slots[DIST_CACHE_SLOTS];
    size_t filled;                                /* slots */
    struct etf_atom atoms[DIST_HEADER_MAX_ATOMS]; /* of the last header read; texts borrowed from the slots */
    struct etf_atoms view;
    uint8_t *
        replaced[DIST_HEADER_MAX_ATOMS]; /* owned: texts that the last header overwrote, but may still name */
    size_t replaced_count;
    void (*on_new)(void *ctx, struct slice utf8); /* told of each atom that enters a slot; may be NULL */
    void *ctx;                                    /* borrowed */
};

/* NULL when there is no memory. */
MUST_USE struct dist_cache_in *dist_cache_in_new(void);
void dist_cache_in_free(struct dist_cache_in *c); /* takes NULL */
/*
 * Reads the list of atoms (from the number of them on). view then holds them, until the next header is read.
 * ERR_MORE, ERR_MALFORMED (a slot that was never filled, text that is no atom), ERR_NOMEM: the connection is
 * at its end.
 */
MUST_USE enum err dist_header_read(struct dist_cache_in *c, struct rd *r);

/* ---- what we send ---- */

struct dist_cache_out {
    struct dist_cached slots[DIST_CACHE_SLOTS]; /* as the peer knows them */
    size_t filled;                              /* slots */
    struct {
        struct slice asked; /* borrowed: the text it was asked for by, which may be the same one again */
        uint16_t slot;
        struct dist_cached fresh; /* owned; text NULL: the slot's own */
    } used[DIST_HEADER_MAX_ATOMS];
    size_t count;       /* atoms of the message that is being written */
    size_t fresh_bytes; /* that their texts take in the header, with their lengths */
    /* The slot of a text that stood at an address, plus one, by the address: a guess that spares the hash,
     * for the same few atoms are written again and again. */
    uint16_t guesses[DIST_CACHE_GUESSES];
};

MUST_USE struct dist_cache_out *dist_cache_out_new(void);
void dist_cache_out_free(struct dist_cache_out *c); /* takes NULL */
/* Writes atom as a reference, noting it for the header, or spelled out where the cache cannot take it. c
 * NULL: always so. Its text stays as it is until the message is committed or aborted. */
void dist_cache_write_atom(struct dist_cache_out *c, struct wr *w, struct etf_atom atom);
/* The list of atoms noted so far; c NULL: none. */
void dist_header_write(const struct dist_cache_out *c, struct wr *w);
/* How many bytes that writes. */
size_t dist_header_len(const struct dist_cache_out *c);
/* The message has been queued: the peer will know its new atoms; or it has not, and the cache stays as it
 * was. c may be NULL. */
void dist_cache_commit(struct dist_cache_out *c);
void dist_cache_abort(struct dist_cache_out *c);

#endif
