/*
 * map: a hash table from byte strings to pointers (names, nodes, atoms). Keys are copied, values borrowed.
 *
 * The hash is keyed: seed it from the system's randomness where keys come from outside. Made by map_init,
 * ended by map_fini.
 */
#ifndef ERLGATE_BASE_MAP_H
#define ERLGATE_BASE_MAP_H

#include "base/err.h"
#include "base/slice.h"

struct map_entry;

struct map {
    struct map_entry *entries; /* owned */
    size_t count;
    size_t cap; /* a power of two, or 0 */
    uint64_t seed;
};

void map_init(struct map *m, uint64_t seed);
void map_fini(struct map *m);
/* NULL when there is none. */
void *map_get(const struct map *m, struct slice key);
/* Adds or replaces; value must not be NULL. ERR_NOMEM leaves the map as it was. */
MUST_USE enum err map_put(struct map *m, struct slice key, void *value);
/* Gives what was there, or NULL. A table that has become sparse becomes smaller. */
void *map_remove(struct map *m, struct slice key);
/* Iterates in no order: *cursor starts at 0; NULL at the end. ret_key may be NULL. Do not change the map
 * meanwhile. */
void *map_next(const struct map *m, size_t *cursor, struct slice *ret_key);

uint64_t map_hash(uint64_t seed, struct slice key);

#endif
