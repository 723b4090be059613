/*
 * The walk through what a BEAM has sent: each message is one such term, and most are nothing but lists, maps
 * and tuples of plain things. As keys are not compared, a container is no more than a count of parts, which
 * is kept in a local until it ends or another begins in it. What is rare is for etf_validation_head.
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
    const uint8_t *p = v->r.pos;
    uint64_t left = 1, parts;

    for (;;) {
        const uint8_t *behind = etf_simple_leaf(v, p);

        if (LIKELY(behind != NULL)) {
            p = behind;
        } else if ((parts = begin(v, &p)) != 0) {
            set_parts_left(v, left);
            v->frames[v->depth].kind = ETF_FRAME_PLAIN;
            v->frames[v->depth].habit = HABIT_NONE;
            v->depth++;
            left = parts;
            continue;
        } else {
            size_t depth = v->depth;

            set_parts_left(v, left);
            v->r.pos = p;
            TRY(etf_validation_head(v));
            p = v->r.pos;
            left = parts_left(v);
            if (v->depth != depth)
                continue; /* with the parts of what has begun */
        }
        while (--left == 0) {
            v->r.pos = p;
            if (v->depth == 0)
                return ERR_NONE;
            if (v->frames[v->depth - 1].kind == ETF_FRAME_PLAIN)
                v->depth--;
            else
                TRY(etf_validation_pop(v));
            left = parts_left(v);
        }
    }
}
