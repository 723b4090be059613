/*
 * grow: a term and the JSON that stands for it, made together of any bytes.
 *
 * A fuzzer that changes bytes seldom gets deep, seldom wide, and is seldom right. Here each byte is a
 * decision of a grammar: what comes next, how many, in which of its spellings. So whatever the bytes are,
 * both texts are valid, and one is what the other must become; a byte can make a nest of three hundred levels
 * or a tuple of a thousand elements, which is where limits are crossed and where what has been written moves.
 *
 * Without bytes everything grows to its end as shortly as it can.
 */
#ifndef ERLGATE_TESTS_FUZZ_GROW_H
#define ERLGATE_TESTS_FUZZ_GROW_H

#include "base/rd.h"
#include "base/wr.h"

enum { GROW_MAX_DEPTH = 400, GROW_MAX_KEYS = 40 };

/* Of objects: a set that several have. */
struct grow_keys {
    struct wr texts;
    size_t end[GROW_MAX_KEYS]; /* of each, in texts */
    uint32_t count;            /* 0: not yet grown */
};

/* Made by grow_init, ended by grow_fini. */
struct grow {
    struct rd seed;   /* the decisions left; borrowed */
    struct wr json;   /* owned */
    struct wr term;   /* owned: without version byte, not always in canonical form */
    bool atom_keys;   /* an object's keys are atoms */
    bool nil_is_null; /* null is the atom nil */
    bool has_bits;    /* some binaries are written as bitstrings of whole bytes */
    bool has_rare;    /* the term has a list as the tail of a list */
    uint8_t blanks;   /* which ones stand between tokens */
    uint32_t depth;   /* of containers that are open */
    uint32_t deepest; /* that it has been */
    uint32_t nest;    /* levels to go in a nest that has begun: each of the same decisions, */
    struct rd level;  /* these */
    struct grow_keys keys[3];
    uint32_t number; /* of the next thing that must differ from all others */
};

void grow_init(struct grow *g, struct slice seed);
void grow_fini(struct grow *g);
/* Appends a term and its JSON. */
void grow_term(struct grow *g);

/* ---- For grow_leaf.c and grow.c ---- */

/* A decision among n: below n, 0 where the seed has ended. */
uint32_t grow_pick(struct grow *g, uint32_t n);
/* Where blanks may stand, perhaps some. */
void grow_blanks(struct grow *g);
/* Something that holds nothing. */
void grow_leaf(struct grow *g);
void grow_atom(struct grow *g);
/* A text of up to max characters, UTF-8, appended to text. is_key: one that is no tag. */
void grow_text(struct grow *g, struct wr *text, uint32_t max, bool is_key);
/* Appends bytes to the term alone. */
void grow_binary(struct grow *g, struct slice bytes);
/* Appends text as a string of JSON, in one of its spellings. */
void grow_string(struct grow *g, struct slice text);
/* Appends the head of a tag's object, {"$name": */
void grow_tag(struct grow *g, const char *name);

#endif
