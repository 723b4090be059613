#include "auth/cache.h"

#include "base/mem.h"

struct auth_cache {
    struct auth_cached places[AUTH_CACHE_PLACES];
};

struct auth_cache *auth_cache_new(void)
{
    return mem_zalloc(sizeof(struct auth_cache));
}

void auth_cache_free(struct auth_cache *c)
{
    mem_free(c);
}

void auth_cache_empty(struct auth_cache *c)
{
    for (size_t i = 0; i < AUTH_CACHE_PLACES; i++)
        c->places[i].credential = 0;
}

static size_t place_of(const struct auth_digest *d)
{
    return ((size_t)d->bytes[0] << 8 | d->bytes[1]) % AUTH_CACHE_PLACES;
}

const struct auth_cached *auth_cache_find(const struct auth_cache *c, const struct auth_digest *d,
                                          int64_t now_s)
{
    const struct auth_cached *at = &c->places[place_of(d)];

    if (!at->credential || now_s >= at->expires_s ||
        !mem_equal_secret(at->digest.bytes, d->bytes, AUTH_DIGEST_LEN))
        return NULL;
    return at;
}

void auth_cache_put(struct auth_cache *c, const struct auth_cached *new)
{
    c->places[place_of(&new->digest)] = *new;
}
