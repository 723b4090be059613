/*
 * term: a cursor over one encoded term, read in place.
 *
 * A received term stays the bytes it came as, plus the atoms that its distribution header resolved. Made on
 * the stack by etf_rd_of over borrowed bytes; nothing to free. The bytes need not have been validated: a read
 * past the end or of another type fails (false) and leaves the cursor where it was, so a caller can try one
 * shape and then another. Recursion is never used: etf_skip keeps a counter.
 */
#ifndef ERLGATE_ETF_TERM_H
#define ERLGATE_ETF_TERM_H

#include "base/rd.h"
#include "etf/tag.h"

enum { ETF_ATOM_MAX_CHARS = 255, ETF_ATOM_MAX_BYTES = 1020, ETF_REF_MAX_WORDS = 5 };

/* An atom's text: UTF-8, or Latin-1 when the old tags carried it. */
struct etf_atom {
    struct slice text; /* borrowed */
    bool is_latin1;
    bool
        is_checked; /* the text is known to be an atom's: that of a header has been judged once, as it came */
};

/* The atoms of a distribution header, by the internal index that ATOM_CACHE_REF names (erl_dist_protocol). */
struct etf_atoms {
    const struct etf_atom *at; /* borrowed */
    uint32_t count;
};

/* Its node's text is borrowed from where it was read: to have it for longer, etf_pid_keep. */
struct etf_pid {
    struct etf_atom node;
    uint32_t id, serial, creation;
};

struct etf_port {
    struct etf_atom node;
    uint64_t id;
    uint32_t creation;
};

/* As of etf_pid: etf_ref_keep. */
struct etf_ref {
    struct etf_atom node;
    uint32_t creation;
    uint32_t count;                    /* 1 to ETF_REF_MAX_WORDS */
    uint32_t words[ETF_REF_MAX_WORDS]; /* wire order */
};

struct etf_rd {
    struct rd rd;
    const struct etf_atoms *atoms; /* borrowed; NULL: ATOM_CACHE_REF is an error */
};

enum etf_kind {
    ETF_KIND_NONE, /* end of input, or a tag that does not exist */
    ETF_KIND_ATOM,
    ETF_KIND_INTEGER, /* of any size */
    ETF_KIND_FLOAT,
    ETF_KIND_BINARY,
    ETF_KIND_BITSTRING,
    ETF_KIND_NIL,
    ETF_KIND_STRING, /* STRING_EXT: a list of bytes */
    ETF_KIND_LIST,   /* LIST_EXT */
    ETF_KIND_TUPLE,
    ETF_KIND_MAP,
    ETF_KIND_PID,
    ETF_KIND_PORT,
    ETF_KIND_REF,
    ETF_KIND_FUN,    /* NEW_FUN_EXT, FUN_EXT */
    ETF_KIND_EXPORT, /* EXPORT_EXT */
    ETF_KIND_RECORD, /* RECORD_EXT */
    ETF_KIND_LOCAL,
};

/* s: an encoded term without the version byte. */
static inline struct etf_rd etf_rd_of(struct slice s, const struct etf_atoms *atoms)
{
    return (struct etf_rd){.rd = rd_of(s), .atoms = atoms};
}

enum etf_kind etf_peek(const struct etf_rd *r);

/* Each reads the one term that follows if it is of that type; else false and nothing has moved. */
MUST_USE bool etf_read_atom(struct etf_rd *r, struct etf_atom *ret);
MUST_USE bool etf_read_int64(struct etf_rd *r, int64_t *ret); /* false too when it does not fit */
MUST_USE bool etf_read_uint64(struct etf_rd *r, uint64_t *ret);
/* An integer in a big's form, whatever its value: what int64 and uint64 cannot take. The magnitude is
 * little-endian, borrowed, without high zero bytes; zero is not negative. Its digits: etf/integer.h. */
MUST_USE bool etf_read_big(struct etf_rd *r, bool *ret_negative, struct slice *ret_magnitude);
MUST_USE bool etf_read_float(struct etf_rd *r, double *ret);
MUST_USE bool etf_read_binary(struct etf_rd *r, struct slice *ret);
/* A binary or a bitstring. ret_bits: how many bits of the last byte count, 1 to 8 (8 for a binary, an empty
 * one too); they are its highest, and the others may be anything. */
MUST_USE bool etf_read_bitstring(struct etf_rd *r, struct slice *ret, unsigned *ret_bits);
MUST_USE bool etf_read_pid(struct etf_rd *r, struct etf_pid *ret);
MUST_USE bool etf_read_port(struct etf_rd *r, struct etf_port *ret);
MUST_USE bool etf_read_ref(struct etf_rd *r, struct etf_ref *ret);
MUST_USE bool etf_read_export(struct etf_rd *r, struct etf_atom *ret_module, struct etf_atom *ret_function,
                              uint64_t *ret_arity);
MUST_USE bool etf_read_nil(struct etf_rd *r);
/* The header; the elements follow. */
MUST_USE bool etf_read_tuple(struct etf_rd *r, uint32_t *ret_arity);
MUST_USE bool etf_read_map(struct etf_rd *r, uint32_t *ret_pairs);
/* LIST_EXT's header: ret_len elements follow, and then the tail as one more term. NIL_EXT gives 0 with no
 * tail: tell them apart by etf_peek. */
MUST_USE bool etf_read_list(struct etf_rd *r, uint32_t *ret_len);
MUST_USE bool etf_read_string(struct etf_rd *r, struct slice *ret_bytes);

/* {Text} of exactly this atom / a tuple of exactly this arity: the usual questions when a message is taken
 * apart. */
MUST_USE bool etf_read_atom_is(struct etf_rd *r, const char *text);
MUST_USE bool etf_read_tuple_is(struct etf_rd *r, uint32_t arity);

/* Passes over one whole term; false when it is malformed. ret (may be NULL) gets its bytes, borrowed. */
MUST_USE bool etf_skip(struct etf_rd *r, struct slice *ret);

/* Can an atom have that text: UTF-8, at most ETF_ATOM_MAX_CHARS characters, which may be none? */
bool etf_is_atom_text(struct slice utf8);
/* ascii must be ASCII. */
bool etf_atom_is(struct etf_atom a, const char *ascii);
bool etf_atom_eq(struct etf_atom a, struct etf_atom b);
bool etf_pid_eq(const struct etf_pid *a, const struct etf_pid *b);
bool etf_ref_eq(const struct etf_ref *a, const struct etf_ref *b);

/* A copy that lasts, with the text of its node, in one piece: ended by mem_free (base/mem.h). NULL: no
 * memory.
 */
MUST_USE struct etf_pid *etf_pid_keep(const struct etf_pid *pid);
MUST_USE struct etf_ref *etf_ref_keep(const struct etf_ref *ref);

#endif
