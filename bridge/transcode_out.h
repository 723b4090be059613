/*
 * transcode_out: the state of one run from a term to JSON, for the files that share it. Not for others.
 */
#ifndef ERLGATE_BRIDGE_TRANSCODE_OUT_H
#define ERLGATE_BRIDGE_TRANSCODE_OUT_H

#include "base/habit.h"
#include "bridge/transcode.h"
#include "bridge/transcode_limit.h"

enum out_kind {
    OUT_LIST,
    OUT_LIST_TAILED, /* {"$list": [ here */
    OUT_TAIL,        /* "$tail": here } */
    OUT_TUPLE,
    OUT_TUPLE_TAGGED, /* {"$tuple": [ here */
    OUT_OBJECT,
    OUT_PAIR_KEY,   /* {"$map": [[ here */
    OUT_PAIR_VALUE, /* {"$map": [[ …, here */
};

struct out_frame {
    uint8_t kind;  /* enum out_kind */
    uint8_t kinds; /* OUT_OBJECT: enum out_key bits of the keys so far */
    uint8_t
        habit; /* a node of out.habit: OUT_OBJECT: of the newest key, before it what is around; else that */
    uint32_t left; /* elements or pairs that are not complete */
};

/* What can be a key of an object. Only keys of different kinds can have the same text. */
enum out_key {
    OUT_KEY_NONE = 0,
    OUT_KEY_BINARY = 1 << 0,
    OUT_KEY_ATOM = 1 << 1,
    OUT_KEY_INTEGER = 1 << 2,
};

enum {
    OUT_FIRST_FRAMES = 64,
    OUT_KEY_MAX_BYTES = 64, /* of an integer that is a key of an object: longer ones cost more than others */
};

struct out {
    const struct transcode_options *options; /* borrowed */
    bool is_typed;
    bool is_judging; /* nobody has validated the term */
    struct slice null_atom;
    struct etf_rd rd;         /* its position is the loop's while that runs a function of ours */
    struct wr *w;             /* borrowed */
    struct out_frame *frames; /* first_frames or owned */
    uint32_t depth, frame_cap, max_depth;
    /* Of each list and each map with elements, in the order in which they begin: must it be {"$list"…} or
     * {"$map"…}? Empty until the first one is found that must and whose beginning did not tell: then the
     * whole term is looked at (transcode_shape.c), and the run begins again. */
    struct wr shapes; /* owned; a byte each */
    size_t next_shape;
    bool has_shapes, wants_shapes;
    uint64_t digits_budget; /* of etf/integer.h */
    struct wr scratch;      /* owned */
    struct habit habit; /* source: the key as a term, from the start of the run's; written: with its colon */
    struct out_frame first_frames[OUT_FIRST_FRAMES];
};

/* The kind of the key at r, or OUT_KEY_NONE when an object cannot have it (typed: binaries only). r moves
 * behind it if it is of a kind at all, whatever its text. */
enum out_key out_key_kind(const struct out *s, struct etf_rd *r);

/* An atom as UTF-8: its text, or what Latin-1 becomes in buf. */
enum { OUT_ATOM_BUF = 2 * ETF_ATOM_MAX_CHARS };
struct slice out_atom_text(struct etf_atom a, uint8_t buf[OUT_ATOM_BUF]);

/* JavaScript's Number.MAX_SAFE_INTEGER. */
#define OUT_SAFE_INTEGER_MAX (((uint64_t)1 << 53) - 1)

/* ---- bridge/transcode_out.c ---- */

enum { OUT_ROOM = LIMIT_ROOM }; /* what the loop wants free for each step */

/* The term at s->rd into s->w. is_judging: ERR_NONE only for what etf_validate takes with rules->trusts_keys;
 * any other error says nothing about the term. ERR_INVALID with wants_shapes: again, when they have been
 * found. */
enum err out_run(struct out *s);

/* ---- bridge/transcode_leaf.c: each takes the term at s->rd ---- */

/* Is it one, as a part of another? Does not move. */
enum err out_judge(const struct out *s);

enum err out_write_atom(struct out *s);
enum err out_write_binary(struct out *s); /* one that is no text */
enum err out_write_bitstring(struct out *s);
/* An integer in a big's form. */
enum err out_write_big(struct out *s);
enum err out_write_old_float(struct out *s);
/* Pids, ports, references and external funs: text in a tag. */
enum err out_write_identity(struct out *s);
/* The bytes of the term, self-contained, in base64. */
enum err out_write_verbatim(struct out *s);
/* Does the list at r hold printable characters and nothing else? */
bool out_is_charlist(struct etf_rd r);
enum err out_write_charlist(struct out *s);
/* Must the map whose first key is at p be written as pairs? Without shapes only that key can tell. */
bool out_is_odd_map(struct out *s, const uint8_t *p);
/* A key that is an atom or an integer, as text in quotes. */
enum err out_write_key(struct out *s, struct out_frame *f);

/* ---- bridge/transcode_shape.c ---- */

/* Fills s->shapes from the term at start. */
enum err shape_find(struct out *s, struct etf_rd start);

#endif
