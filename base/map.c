#include "base/map.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    CAP_MIN = 16,
    SPARSE = 8, /* one entry of so many: what a crowd has left is given back */
};

/* Open addressing with linear probing; removal shifts the run back, so there are no tombstones. */
struct map_entry {
    uint8_t *key; /* owned */
    size_t len;
    uint64_t hash;
    void *value; /* borrowed; NULL: free */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;

    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Multiply-and-fold over 8-byte words, keyed at both ends. */
uint64_t map_hash(uint64_t seed, struct slice key)
{
    uint64_t h = seed ^ 0x9E3779B97F4A7C15u, word;
    const uint8_t *p = key.ptr;
    size_t n = key.len;

    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = mix(h ^ word, 0xD6E8FEB86659FD93u ^ seed);
    }
    word = 0;
    if (n)
        memcpy(&word, p, n);
    h = mix(h ^ word, 0xA0761D6478BD642Fu ^ seed);
    return mix(h ^ key.len, 0xE7037ED1A0B428DBu);
}

void map_init(struct map *m, uint64_t seed)
{
    *m = (struct map){.seed = seed};
}

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->entries[i].key);
    mem_free(m->entries);
    map_init(m, m->seed);
}

static struct map_entry *find(const struct map *m, struct slice key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[i];

        if (!e->value || (e->hash == hash && slice_eq(slice_of(e->key, e->len), key)))
            return e;
    }
}

void *map_get(const struct map *m, struct slice key)
{
    return m->cap ? find(m, key, map_hash(m->seed, key))->value : NULL;
}

static enum err resize(struct map *m, size_t cap)
{
    struct map other = {.cap = cap, .count = m->count, .seed = m->seed};

    other.entries = mem_zalloc(cap * sizeof *other.entries);
    if (!other.entries)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->cap; i++) {
        struct map_entry *e = &m->entries[i];

        if (e->value)
            *find(&other, slice_of(e->key, e->len), e->hash) = *e;
    }
    mem_free(m->entries);
    *m = other;
    return ERR_NONE;
}

enum err map_put(struct map *m, struct slice key, void *value)
{
    uint64_t hash = map_hash(m->seed, key);
    struct map_entry *e;

    CHECK(value);
    if (m->count >= m->cap / 4 * 3 && resize(m, m->cap ? m->cap * 2 : CAP_MIN) != ERR_NONE)
        return ERR_NOMEM;
    e = find(m, key, hash);
    if (!e->value) {
        uint8_t *copy = (uint8_t *)mem_strndup(key.ptr, key.len);

        if (!copy)
            return ERR_NOMEM;
        *e = (struct map_entry){.key = copy, .len = key.len, .hash = hash};
        m->count++;
    }
    e->value = value;
    return ERR_NONE;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry *e;
    void *value;
    size_t hole, mask = m->cap - 1;

    if (!m->cap)
        return NULL;
    e = find(m, key, map_hash(m->seed, key));
    value = e->value;
    if (!value)
        return NULL;
    mem_free(e->key);
    hole = (size_t)(e - m->entries);
    for (size_t i = (hole + 1) & mask; m->entries[i].value; i = (i + 1) & mask) {
        size_t home = m->entries[i].hash & mask;

        /* May it move into the hole? Only if its home is not between the hole and where it is. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->entries[hole] = m->entries[i];
            hole = i;
        }
    }
    m->entries[hole] = (struct map_entry){0};
    m->count--;
    if (m->cap > CAP_MIN && m->count < m->cap / SPARSE)
        (void)resize(m, m->cap / 2);
    return value;
}

void *map_next(const struct map *m, size_t *cursor, struct slice *ret_key)
{
    while (*cursor < m->cap) {
        struct map_entry *e = &m->entries[(*cursor)++];

        if (e->value) {
            if (ret_key)
                *ret_key = slice_of(e->key, e->len);
            return e->value;
        }
    }
    return NULL;
}
