/*
 * transcode_keys: which of many byte strings are equal? For the keys of maps, in both directions. Not for
 * others.
 */
#ifndef ERLGATE_BRIDGE_TRANSCODE_KEYS_H
#define ERLGATE_BRIDGE_TRANSCODE_KEYS_H

#include "base/err.h"
#include "base/slice.h"

struct keys_source {
    struct slice (*get)(const void *ctx, uint32_t index); /* borrowed until the search is over */
    const void *ctx;
    uint32_t count;
};

/*
 * ret_index gets one that is equal to one before it, UINT32_MAX when there is none. In linear time by hashes;
 * when keys crowd so much that somebody must have chosen them to, they are sorted instead. ERR_NOMEM.
 */
MUST_USE enum err keys_find_twin(const struct keys_source *k, uint64_t seed, uint32_t *ret_index);

#endif
