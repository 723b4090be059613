/*
 * habit: which key of a map has followed which, so that the keys of the next map are known by one comparison.
 *
 * The maps of one term mostly are records: the same keys in the same order. A habit is a tree: a node is a
 * key in the company of those before it in its map, and has a guess at the key that comes `next`, and at the
 * first key of a map `inside` its value. Who reads a map goes along the guesses; where one is wrong, the key
 * is read and compared with the others as if there were no habit, and then learnt. So the keys on the way
 * from the first one of a map to any node are different from each other: that has been seen once, and need
 * not be again.
 *
 * It starts at the first list: what is not in one mostly is not repeated. The table has an end, and a node
 * few alternatives: then a map is read without (HABIT_NONE), which is slower, not wrong.
 *
 * Lives on the stack of who reads; holds offsets, so the bytes may move. Nothing to free.
 */
#ifndef ERLGATE_BASE_HABIT_H
#define ERLGATE_BASE_HABIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    HABIT_NODES = 64,
    HABIT_BLOCK =
        32, /* bytes that are compared, and must be readable; also the longest key with its surroundings */
    HABIT_ALTERNATIVES = 4,
    HABIT_PLACES = 8, /* lists that begin a tree */
    HABIT_NONE = 0,   /* the node that no bytes match, and that nothing follows */
};

struct habit_node {
    uint64_t mask;    /* a bit for each byte that counts; of HABIT_NONE, one that no comparison gives */
    uint32_t source;  /* where the key was read; as the owner counts */
    uint32_t written; /* where it was written */
    uint8_t len;      /* bytes at source, at most HABIT_BLOCK */
    uint8_t written_len;
    uint8_t next; /* guesses: nodes */
    uint8_t inside;
    uint8_t other;  /* the node that is guessed less than this one, in the same place */
    uint8_t before; /* of a map's first key: the node around it */
    bool is_first;
};

struct habit {
    uint32_t count; /* nodes in use */
    uint32_t places;
    struct habit_node nodes[HABIT_NODES];
};

static inline void habit_init(struct habit *h)
{
    h->count = 1;
    h->places = 0;
    h->nodes[HABIT_NONE] = (struct habit_node){.mask = (uint64_t)1 << HABIT_BLOCK};
}

/* Are the bytes of both, as far as the mask has bits, the same? HABIT_BLOCK bytes of each are readable. */
static inline bool habit_is(const struct habit_node *n, const uint8_t *a, const uint8_t *b)
{
#ifdef __SSE2__
    __m128i a0 = _mm_loadu_si128((const __m128i *)(const void *)a);
    __m128i a1 = _mm_loadu_si128((const __m128i *)(const void *)(a + 16));
    __m128i b0 = _mm_loadu_si128((const __m128i *)(const void *)b);
    __m128i b1 = _mm_loadu_si128((const __m128i *)(const void *)(b + 16));
    uint64_t low = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a0, b0));
    uint64_t high = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a1, b1));

    return (n->mask & ~(low | high << 16)) == 0;
#else
    return n->len && memcmp(a, b, n->len) == 0;
#endif
}

/* Copies what was written for a key, HABIT_BLOCK bytes with what is behind it; the two may overlap. (As
 * memmove would, which gcc calls for so many.) */
static inline void habit_copy(uint8_t *to, const uint8_t *from)
{
#ifdef __SSE2__
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));

    _mm_storeu_si128((__m128i *)(void *)to, low);
    _mm_storeu_si128((__m128i *)(void *)(to + 16), high);
#else
    memmove(to, from, HABIT_BLOCK);
#endif
}

/* The node of what is not a key but a place: the elements of the outermost list. HABIT_NONE: no room. */
static inline unsigned habit_begin(struct habit *h)
{
    if (h->count == HABIT_NODES || h->places == HABIT_PLACES)
        return HABIT_NONE;
    h->places++;
    h->nodes[h->count] = (struct habit_node){.mask = (uint64_t)1 << HABIT_BLOCK};
    return h->count++;
}

/*
 * Behind node `before` (is_first: inside its value) this key was found, and not as guessed; its mask and its
 * places in the tree need not be filled in. Gives its node, which is the guess from now on. HABIT_NONE: it
 * cannot have one, or its bytes are those of a key before it in the map. base: what source counts from.
 */
unsigned habit_learn(struct habit *h, unsigned before, bool is_first, struct habit_node key,
                     const uint8_t *base);

#endif
