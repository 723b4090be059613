/*
 * rates: how many requests a second each principal may make: a token bucket each.
 *
 * A bucket holds up to `burst`, fills by `rate` a second, and each request takes one. Only buckets that are
 * not full are kept, and of them at most AUTH_RATES_MAX: beyond, the one that was used longest ago is
 * forgotten, which gives its principal a full one. Pure: the time is an argument. Any thread may use it: what
 * a principal may do is a promise of the whole gateway, however many workers it has. Made by auth_rates_new,
 * ended by auth_rates_free.
 */
#ifndef ERLGATE_AUTH_RATES_H
#define ERLGATE_AUTH_RATES_H

#include "base/err.h"
#include "base/slice.h"

enum { AUTH_RATES_MAX = 10000, AUTH_RATE_MAX = 1000000 };

struct auth_rate {
    uint32_t rate;  /* requests a second, at most AUTH_RATE_MAX; 0: no limit */
    uint32_t burst; /* at once, after a rest; 1 to AUTH_RATE_MAX */
};

/* What is left after a request. */
struct auth_left {
    uint32_t remaining;
    uint32_t reset_s; /* until the bucket is full, rounded up */
    uint32_t retry_s; /* until the next request may come, rounded up; 0: now */
};

struct auth_rates;

MUST_USE struct auth_rates *auth_rates_new(uint64_t seed);
void auth_rates_free(struct auth_rates *r); /* takes NULL */
/* Buckets keep what they have, as far as it fits. */
void auth_rates_set(struct auth_rates *r, const struct auth_rate *rate);
/* True: it may go on. now_ms may be a little older than the last one. Without memory it may. */
bool auth_rates_take(struct auth_rates *r, struct slice principal, uint64_t now_ms, struct auth_left *ret);
size_t auth_rates_count(struct auth_rates *r);

#endif
