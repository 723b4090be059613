/*
 * The walk through what a BEAM has sent: each message is one such term, and most are nothing but lists, maps
 * and tuples of plain things. As keys are not compared, a container is no more than a count of parts, which
 * is kept in a local until it ends or another begins in it. Far from the end of the input nothing asks for it
 * but a binary. What is not so simple is for etf_simple_leaf, and what is rare for etf_validation_head.
 */
#include "etf/validate_parts.h"

/* How many parts the container at *p has, and *p behind its head; 0: it is none, or has none, or is more than
 * fits, or than may be. */
static inline uint64_t begin(const struct etf_validation *v, const uint8_t **p)
{
    enum { LONGEST_HEAD = 5 };
    const uint8_t *behind = *p + LONGEST_HEAD;
    uint64_t parts;

    if (UNLIKELY(v->r.end - *p < LONGEST_HEAD || v->depth == v->cap || v->depth >= v->max_depth))
        return 0;
    switch (**p) {
    case ETF_MAP_EXT: parts = (uint64_t)be_load32(*p + 1) * 2; break;
    case ETF_LIST_EXT:
        parts = be_load32(*p + 1);
        parts += parts != 0;
        break;
    case ETF_SMALL_TUPLE_EXT:
        parts = (*p)[1];
        behind = *p + 2;
        break;
    default: return 0;
    }
    if (UNLIKELY(parts > (uint64_t)(v->r.end - behind)))
        return 0;
    if (parts)
        *p = behind;
    return parts;
}

/* What the innermost container still wants, the term itself being one part of nothing. */
static inline uint64_t parts_left(const struct etf_validation *v)
{
    return v->depth ? v->frames[v->depth - 1].left : 1;
}

/* Puts aside what the innermost container still wants. */
static inline void set_parts_left(struct etf_validation *v, uint64_t left)
{
    if (v->depth)
        v->frames[v->depth - 1].left = left;
}

enum err etf_validate_trusting(struct etf_validation *v)
{
    enum { LOOK_AHEAD = 16 /* bytes, more than any case below reads */, SHORT_ATOM = 8 };
    const uint8_t *p = v->r.pos, *const end = v->r.end, *behind;
    const uint8_t *const far = end - p > LOOK_AHEAD ? end - LOOK_AHEAD : p;
    uint64_t left = 1, parts;
    size_t depth;

part:
    if (UNLIKELY(p >= far))
        goto near_part;
    switch (*p) {
    case ETF_SMALL_INTEGER_EXT: p += 2; break;
    case ETF_INTEGER_EXT: p += 5; break;
    case ETF_NIL_EXT: p++; break;
    case ETF_NEW_FLOAT_EXT:
        if (UNLIKELY((be_load16(p + 1) & 0x7FF0) == 0x7FF0))
            goto other_part;
        p += 9;
        break;
    case ETF_BINARY_EXT:
        parts = be_load32(p + 1);
        if (UNLIKELY(parts > (uint64_t)(end - p - 5)))
            goto other_part;
        p += 5 + parts;
        break;
    case ETF_SMALL_ATOM_UTF8_EXT:
        /* What stands behind it is looked at with it, and mostly is ASCII, too: a tag, a length. */
        if (UNLIKELY(p[1] > SHORT_ATOM || le_load64(p + 2) & 0x8080808080808080))
            goto near_part;
        p += 2 + p[1];
        break;
    case ETF_LIST_EXT:
    case ETF_MAP_EXT:
    case ETF_SMALL_TUPLE_EXT: goto container;
    default: goto near_part;
    }
after_part:
    if (LIKELY(--left))
        goto part;
    v->r.pos = p;
    if (v->depth == 0)
        return ERR_NONE;
    if (LIKELY(v->frames[v->depth - 1].kind == ETF_FRAME_PLAIN))
        v->depth--;
    else
        TRY(etf_validation_pop(v));
    left = parts_left(v);
    goto after_part;

near_part:
    behind = etf_simple_leaf(v, p);
    if (behind) {
        p = behind;
        goto after_part;
    }
container:
    parts = begin(v, &p);
    if (parts) {
        set_parts_left(v, left);
        v->frames[v->depth].kind = ETF_FRAME_PLAIN;
        v->frames[v->depth].habit = HABIT_NONE;
        v->depth++;
        left = parts;
        goto part;
    }
other_part:
    depth = v->depth;
    set_parts_left(v, left);
    v->r.pos = p;
    TRY(etf_validation_head(v));
    p = v->r.pos;
    left = parts_left(v);
    if (v->depth == depth)
        goto after_part;
    goto part; /* of what has begun */
}
