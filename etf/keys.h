/*
 * keys: the keys of one map, as canonical bytes (canon.h), and the question whether two of them are equal.
 *
 * Private to etf/. A growing array used as a stack: a map inside a map's value puts its keys on top and takes
 * them off again. Made by etf_keys_init, ended by etf_keys_fini.
 */
#ifndef ERLGATE_ETF_KEYS_H
#define ERLGATE_ETF_KEYS_H

#include "base/slice.h"

enum { ETF_KEYS_INLINE = 32 };

struct etf_key {
    uint64_t hash; /* of all bytes */
    uint32_t at;   /* where its bytes start, in the base that is_scratch tells */
    uint32_t len : 31;
    uint32_t is_scratch : 1;
    uint32_t source; /* where the term stands that the person sent */
    uint32_t end;    /* for the owner's use */
};

struct etf_keys {
    struct etf_key *at; /* first or owned */
    size_t count, cap;
    struct etf_key first[ETF_KEYS_INLINE];
};

void etf_keys_init(struct etf_keys *k);
void etf_keys_fini(struct etf_keys *k);

/* Where the bytes of keys are; looked up by etf_key.is_scratch. */
struct etf_key_bases {
    const uint8_t *of[2]; /* borrowed */
};

/* Adds one; false when there is no memory. Sets hash. */
bool etf_keys_push(struct etf_keys *k, struct etf_key key, const struct etf_key_bases *b);

/*
 * Sorts those from `from` on. ret_twin gets one that is equal to another, the later of both in the source, or
 * NULL (the order is then complete; else it is not). False when there is no memory.
 */
bool etf_keys_sort(struct etf_keys *k, size_t from, const struct etf_key_bases *b,
                   const struct etf_key **ret_twin);

/* The same question only; the order is not kept, nor is one promised. Cheaper for few keys, or for sorted
 * ones. */
bool etf_keys_find_twin(struct etf_keys *k, size_t from, const struct etf_key_bases *b,
                        const struct etf_key **ret_twin);

#endif
