#include "auth/rates.h"

#include <pthread.h>

#include "auth/principal.h"
#include "base/map.h"
#include "base/mem.h"

enum {
    UNIT = 1000
}; /* a request, in what a bucket counts: with a rate a second, one is `rate` a millisecond */

struct bucket {
    struct auth_principal principal;
    uint64_t level;               /* in requests / UNIT */
    uint64_t at_ms;               /* when that was */
    struct bucket *older, *newer; /* by use */
};

struct auth_rates {
    pthread_mutex_t lock; /* of all that follows */
    struct auth_rate rate;
    struct map by_principal; /* owns its buckets */
    struct bucket *oldest, *newest;
};

struct auth_rates *auth_rates_new(uint64_t seed)
{
    struct auth_rates *r = mem_zalloc(sizeof *r);

    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->by_principal, seed);
    return r;
}

static void unlink_bucket(struct auth_rates *r, struct bucket *b)
{
    *(b->older ? &b->older->newer : &r->oldest) = b->newer;
    *(b->newer ? &b->newer->older : &r->newest) = b->older;
    b->older = b->newer = NULL;
}

static void link_newest(struct auth_rates *r, struct bucket *b)
{
    b->older = r->newest;
    *(r->newest ? &r->newest->newer : &r->oldest) = b;
    r->newest = b;
}

static void drop(struct auth_rates *r, struct bucket *b)
{
    unlink_bucket(r, b);
    map_remove(&r->by_principal, auth_principal_name(&b->principal));
    mem_free(b);
}

void auth_rates_free(struct auth_rates *r)
{
    if (!r)
        return;
    while (r->oldest)
        drop(r, r->oldest);
    map_fini(&r->by_principal);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

void auth_rates_set(struct auth_rates *r, const struct auth_rate *rate)
{
    pthread_mutex_lock(&r->lock);
    r->rate = *rate;
    while (!rate->rate && r->oldest)
        drop(r, r->oldest);
    pthread_mutex_unlock(&r->lock);
}

size_t auth_rates_count(struct auth_rates *r)
{
    size_t count;

    pthread_mutex_lock(&r->lock);
    count = r->by_principal.count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

static uint64_t full(const struct auth_rates *r)
{
    return (uint64_t)r->rate.burst * UNIT;
}

/* (Clocks of threads are apart by what their turns take: what has flowed in once must not do so again.) */
static void fill(const struct auth_rates *r, struct bucket *b, uint64_t now_ms)
{
    uint64_t passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0, max = full(r);

    b->at_ms += passed;
    b->level =
        passed >= max || b->level + passed * r->rate.rate > max ? max : b->level + passed * r->rate.rate;
}

/* Those that nobody has used for long are full again: there is no need to know them. */
static void forget(struct auth_rates *r, uint64_t now_ms)
{
    for (int n = 0; n < 2 && r->oldest; n++) {
        fill(r, r->oldest, now_ms);
        if (r->oldest->level < full(r) && r->by_principal.count < AUTH_RATES_MAX)
            return;
        drop(r, r->oldest);
    }
}

static struct bucket *bucket_of(struct auth_rates *r, struct slice principal, uint64_t now_ms)
{
    struct bucket *b = map_get(&r->by_principal, principal);

    if (b) {
        unlink_bucket(r, b);
        link_newest(r, b);
        fill(r, b, now_ms);
        return b;
    }
    forget(r, now_ms);
    b = mem_zalloc(sizeof *b);
    if (!b)
        return NULL;
    b->level = full(r);
    b->at_ms = now_ms;
    if (!auth_principal_set(&b->principal, principal) ||
        map_put(&r->by_principal, principal, b) != ERR_NONE) {
        mem_free(b);
        return NULL;
    }
    link_newest(r, b);
    return b;
}

/* Seconds in which so much flows in, rounded up. */
static uint32_t seconds(const struct auth_rates *r, uint64_t amount)
{
    uint64_t a_second = (uint64_t)r->rate.rate * UNIT;

    return (uint32_t)((amount + a_second - 1) / a_second);
}

static bool take(struct auth_rates *r, struct slice principal, uint64_t now_ms, struct auth_left *ret)
{
    struct bucket *b;
    bool is_allowed;

    *ret = (struct auth_left){.remaining = r->rate.burst};
    b = r->rate.rate ? bucket_of(r, principal, now_ms) : NULL;
    if (!b)
        return true;
    is_allowed = b->level >= UNIT;
    if (is_allowed)
        b->level -= UNIT;
    ret->remaining = (uint32_t)(b->level / UNIT);
    ret->reset_s = seconds(r, full(r) - b->level);
    ret->retry_s = b->level < UNIT ? seconds(r, UNIT - b->level) : 0;
    return is_allowed;
}

bool auth_rates_take(struct auth_rates *r, struct slice principal, uint64_t now_ms, struct auth_left *ret)
{
    bool is_allowed;

    pthread_mutex_lock(&r->lock);
    is_allowed = take(r, principal, now_ms, ret);
    pthread_mutex_unlock(&r->lock);
    return is_allowed;
}
