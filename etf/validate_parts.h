/*
 * validate_parts: a validation under way, and what it asks of terms without parts.
 *
 * Private to etf/: validate.c walks, validate_trusting.c too where keys are not looked at, validate_parts.c
 * judges atoms, identifiers, integers and external funs, validate_keys.c the keys of maps.
 */
#ifndef ERLGATE_ETF_VALIDATE_PARTS_H
#define ERLGATE_ETF_VALIDATE_PARTS_H

#include "base/check.h"
#include "base/habit.h"
#include "base/utf8.h"
#include "etf/keys.h"
#include "etf/validate.h"
#include "etf/wire.h"

enum { ETF_INLINE_FRAMES = 32 };

struct etf_frame {
    enum { ETF_FRAME_PLAIN, ETF_FRAME_MAP, ETF_FRAME_FUN } kind;
    /* A node of the validation's habit. ETF_FRAME_MAP: of the newest key, before it what is around; else
     * that. While it is one, the map's keys are on the way to it, and nowhere else. */
    uint8_t habit;
    uint32_t scratch;  /* ETF_FRAME_MAP: scratch's length before its keys */
    uint64_t left;     /* parts that are not complete */
    uint64_t parts;    /* ETF_FRAME_MAP: of all */
    size_t keys;       /* ETF_FRAME_MAP: the first of its keys on the stack of keys */
    size_t next_check; /* ETF_FRAME_MAP: the number of keys at which they are compared early */
    size_t at;         /* ETF_FRAME_MAP: where the key at hand starts; ETF_FRAME_FUN: where it must end */
};

/* Made and ended in `validate`. A map's keys are gathered for the outermost map only: a map inside a key is
 * looked through when that key is put into canonical form. */
struct etf_validation {
    struct rd r;
    const struct etf_atoms *atoms;
    const struct etf_rules *rules;
    struct fault *fault; /* never NULL */
    uint32_t uses;
    bool in_key; /* of a map whose keys are gathered */
    bool is_odd; /* something in the present key is not in canonical form */
    bool is_cut; /* the input is longer, but may not be used further than here */
    size_t depth, cap, max_depth;
    struct etf_frame *frames; /* first or owned */
    struct etf_keys keys;
    struct wr scratch;  /* keys in canonical form */
    uint64_t budget;    /* bytes that may still be spent on making it */
    struct habit habit; /* source: in the input */
    struct etf_frame first[ETF_INLINE_FRAMES];
};

#define TRY(expr)                          \
    do {                                   \
        enum err try_err = (expr);         \
        if (UNLIKELY(try_err != ERR_NONE)) \
            return try_err;                \
    } while (0)

enum err etf_invalid(struct etf_validation *v, enum err e, size_t at, const char *text);
/* The cursor has failed while reading the term at `at`; what a reader of wire.h calls malformed has this
 * text. */
enum err etf_invalid_read(struct etf_validation *v, size_t at, const char *text);
/* Notes a bit of enum etf_use, which may be refused. */
MUST_USE enum err etf_uses(struct etf_validation *v, uint32_t bit, size_t at);

/* Each judges what stands behind a tag that has been taken at `at`. */
MUST_USE enum err etf_check_atom(struct etf_validation *v, uint8_t tag, size_t at);
MUST_USE enum err etf_check_pid(struct etf_validation *v, uint8_t tag, size_t at);
MUST_USE enum err etf_check_port(struct etf_validation *v, uint8_t tag, size_t at);
MUST_USE enum err etf_check_ref(struct etf_validation *v, uint8_t tag, size_t at);
MUST_USE enum err etf_check_big(struct etf_validation *v, uint8_t tag, size_t at);
MUST_USE enum err etf_check_export(struct etf_validation *v, size_t at);
/* And these, a part of another term with its tag: an atom; an integer, which OTP wants to fit into one word
 * of its own. */
MUST_USE enum err etf_check_part_atom(struct etf_validation *v);
MUST_USE enum err etf_check_small(struct etf_validation *v, int64_t *ret);

/*
 * What nearly all terms without parts are, and right: the position behind the one at p. NULL: not this, or
 * not so simple; etf_validation_head knows.
 */
static ALWAYS_INLINE const uint8_t *etf_simple_leaf(struct etf_validation *v, const uint8_t *p)
{
    enum { LONGEST_HEAD = 9 };
    size_t left = (size_t)(v->r.end - p), n;
    uint64_t word;

    if (UNLIKELY(left < LONGEST_HEAD))
        return NULL;
    switch (*p) {
    case ETF_SMALL_INTEGER_EXT: return p + 2;
    case ETF_INTEGER_EXT: v->is_odd |= !(p[1] | p[2] | p[3]); return p + 5;
    case ETF_NEW_FLOAT_EXT:
        word = be_load64(p + 1);
        v->is_odd |= word << 1 == 0;
        return LIKELY((word >> 52 & 0x7FF) != 0x7FF) ? p + 9 : NULL;
    case ETF_NIL_EXT: return p + 1;
    case ETF_BINARY_EXT: n = be_load32(p + 1); return LIKELY(left - 5 >= n) ? p + 5 + n : NULL;
    case ETF_SMALL_ATOM_UTF8_EXT:
        n = p[1];
        return LIKELY(left - 2 >= n && !v->rules->on_atom && utf8_is_ascii(slice_of(p + 2, n))) ? p + 2 + n
                                                                                                : NULL;
    case ETF_ATOM_CACHE_REF:
        if (UNLIKELY(v->rules->on_atom || v->rules->refuse & ETF_USES_CACHE_REF || !v->atoms ||
                     p[1] >= v->atoms->count || !v->atoms->at[p[1]].is_checked))
            return NULL;
        v->uses |= ETF_USES_CACHE_REF;
        v->is_odd = true;
        return p + 2;
    default: return NULL;
    }
}

/* ---- etf/validate.c ---- */

/* One tag with what belongs to it alone; a container that has parts is on the stack afterwards. */
MUST_USE enum err etf_validation_head(struct etf_validation *v);
/* The innermost container is complete. */
MUST_USE enum err etf_validation_pop(struct etf_validation *v);

/* ---- etf/validate_trusting.c ---- */

/* The whole term at v->r, when keys are trusted and nobody is to be told of atoms. */
MUST_USE enum err etf_validate_trusting(struct etf_validation *v);

/* ---- etf/validate_keys.c ---- */

static inline struct etf_key_bases etf_validation_bases(const struct etf_validation *v)
{
    return (struct etf_key_bases){.of = {v->r.start, v->scratch.buf}};
}

/* Are two of the keys gathered from the one numbered `from` on equal? */
MUST_USE enum err etf_check_twins(struct etf_validation *v, size_t from);
/* The key of the map f that began at f->at has been read. */
MUST_USE enum err etf_check_key(struct etf_validation *v, struct etf_frame *f);

#endif
