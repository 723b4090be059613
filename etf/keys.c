#include "etf/keys.h"

#include "base/check.h"
#include "etf/stack.h"

enum { PAIRWISE_MAX = 16 };

void etf_keys_init(struct etf_keys *k)
{
    k->at = k->first;
    k->count = 0;
    k->cap = ETF_KEYS_INLINE;
}

void etf_keys_fini(struct etf_keys *k)
{
    etf_stack_free(k->at, k->first);
}

static bool make_room(struct etf_keys *k, size_t n)
{
    while (UNLIKELY(k->cap - k->count < n)) {
        struct etf_key *at = etf_stack_grow(k->at, k->first, &k->cap, sizeof *at);

        if (!at)
            return false;
        k->at = at;
    }
    return true;
}

static const uint8_t *bytes_of(const struct etf_key *key, const struct etf_key_bases *b)
{
    return b->of[key->is_scratch] + key->at;
}

/*
 * Each word is folded in by a multiplication of 128 bits. The hash has no secret: whoever wants equal ones
 * can make them, and then only gets the sort that would have been done without it.
 */
static inline uint64_t fold(uint64_t h, uint64_t word)
{
    unsigned __int128 m = (unsigned __int128)(h ^ word) * 0x9E3779B97F4A7C15u;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_of(const uint8_t *p, size_t n)
{
    uint64_t h = n * 0x9E3779B97F4A7C15u, word = 0;
    uint32_t low, high;

    if (n >= 8) {
        const uint8_t *last = p + n - 8;

        for (; p < last; p += 8) {
            memcpy(&word, p, 8);
            h = fold(h, word);
        }
        memcpy(&word, last, 8); /* part of it perhaps for the second time */
    } else if (n >= 4) {
        memcpy(&low, p, 4);
        memcpy(&high, p + n - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (n) {
        word = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
    }
    return fold(h, word);
}

bool etf_keys_push(struct etf_keys *k, struct etf_key key, const struct etf_key_bases *b)
{
    if (UNLIKELY(!make_room(k, 1)))
        return false;
    key.hash = hash_of(bytes_of(&key, b), key.len);
    k->at[k->count++] = key;
    return true;
}

/* Any order will do; this one seldom looks at the bytes. */
static int compare(const struct etf_key *x, const struct etf_key *y, const struct etf_key_bases *b)
{
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(bytes_of(x, b), bytes_of(y, b), x->len);
}

static const struct etf_key *later(const struct etf_key *x, const struct etf_key *y)
{
    return x->source > y->source ? x : y;
}

static const struct etf_key *insertion_sort(struct etf_key *k, size_t n, const struct etf_key_bases *b)
{
    for (size_t i = 1; i < n; i++) {
        struct etf_key key = k[i];
        size_t j = i;
        int c = 1;

        while (j > 0 && (c = compare(&key, &k[j - 1], b)) < 0) {
            k[j] = k[j - 1];
            j--;
        }
        k[j] = key;
        if (j > 0 && c == 0)
            return later(&k[j], &k[j - 1]);
    }
    return NULL;
}

/* Merges k[0..mid) and k[mid..n), each sorted, into out. Equal ones always meet in some merge, so it can stop
 * there. */
static const struct etf_key *merge(const struct etf_key *k, size_t mid, size_t n, struct etf_key *out,
                                   const struct etf_key_bases *b)
{
    size_t i = 0, j = mid;

    while (i < mid && j < n) {
        int c = compare(&k[i], &k[j], b);

        if (c == 0)
            return later(&k[i], &k[j]);
        *out++ = c < 0 ? k[i++] : k[j++];
    }
    memcpy(out, k + i, (mid - i) * sizeof *k);
    memcpy(out + (mid - i), k + j, (n - j) * sizeof *k);
    return NULL;
}

bool etf_keys_sort(struct etf_keys *k, size_t from, const struct etf_key_bases *b,
                   const struct etf_key **ret_twin)
{
    size_t n = k->count - from;
    struct etf_key *a, *other;

    *ret_twin = NULL;
    if (n <= PAIRWISE_MAX) {
        *ret_twin = insertion_sort(k->at + from, n, b);
        return true;
    }
    /* The free end of the array is the second half that merging needs. */
    if (!make_room(k, n))
        return false;
    a = k->at + from;
    other = k->at + k->count;
    for (size_t i = 0; i < n && !*ret_twin; i += PAIRWISE_MAX)
        *ret_twin = insertion_sort(a + i, n - i < PAIRWISE_MAX ? n - i : PAIRWISE_MAX, b);
    for (size_t width = PAIRWISE_MAX; width < n && !*ret_twin; width *= 2) {
        struct etf_key *t = a;

        for (size_t i = 0; i < n && !*ret_twin; i += 2 * width) {
            size_t part = n - i < 2 * width ? n - i : 2 * width;

            *ret_twin = merge(a + i, part < width ? part : width, part, other + i, b);
        }
        a = other;
        other = t;
    }
    if (!*ret_twin && a != k->at + from)
        memcpy(k->at + from, a, n * sizeof *a);
    return true;
}

/*
 * The same by a table of the keys' hashes. Gives up (false) when it has to look too often, or when two keys
 * have one hash and are not equal: those were made to, and end in the sort, which looks at the bytes of each
 * key less often.
 */
static bool find_in_table(const struct etf_key *a, size_t n, uint32_t *table, const struct etf_key_bases *b,
                          const struct etf_key **ret_twin)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(2 * n - 1);
    size_t mask = ((size_t)1 << bits) - 1, looks = 4 * n;

    memset(table, 0, (mask + 1) * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        size_t slot = a[i].hash >> (64 - bits);

        while (table[slot]) {
            const struct etf_key *other = &a[table[slot] - 1];

            if (UNLIKELY(a[i].hash == other->hash)) {
                *ret_twin = compare(&a[i], other, b) == 0 ? &a[i] : NULL;
                return *ret_twin != NULL;
            }
            if (looks-- == 0)
                return false;
            slot = (slot + 1) & mask;
        }
        table[slot] = (uint32_t)i + 1;
    }
    return true;
}

bool etf_keys_find_twin(struct etf_keys *k, size_t from, const struct etf_key_bases *b,
                        const struct etf_key **ret_twin)
{
    const struct etf_key *a = k->at + from;
    size_t n = k->count - from;

    *ret_twin = NULL;
    if (n <= PAIRWISE_MAX) {
        for (size_t i = 1; i < n; i++) {
            for (size_t j = 0; j < i; j++) {
                if (UNLIKELY(a[i].hash == a[j].hash) && compare(&a[i], &a[j], b) == 0) {
                    *ret_twin = &a[i];
                    return true;
                }
            }
        }
        return true;
    }
    /* The free end of the array holds the table: up to four slots a key, in the room of one key. */
    _Static_assert(sizeof(struct etf_key) >= 4 * sizeof(uint32_t), "the table fits");
    if (!make_room(k, n))
        return false;
    a = k->at + from;
    return find_in_table(a, n, (uint32_t *)(void *)(k->at + k->count), b, ret_twin) ||
           etf_keys_sort(k, from, b, ret_twin);
}
