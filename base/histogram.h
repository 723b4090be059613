/*
 * histogram: how long things took, counted in buckets whose bounds are the same everywhere.
 *
 * The bounds go by 1, 2.5 and 5: a quantile that is read off them is right within a factor of about two and a
 * half, and within what lies between two bounds it is interpolated. They begin where a call to a node on the
 * same machine takes its time (100 µs), have the default deadline (5 s) and the greatest one (300 s) among
 * them, and are few enough that each route can have its own.
 *
 * A plain struct: all zero is empty; copied and freed as such.
 */
#ifndef ERLGATE_BASE_HISTOGRAM_H
#define ERLGATE_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* In µs. */
#define HISTOGRAM_BOUNDS                                                                                     \
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, \
        10000000, 30000000, 60000000, 300000000
enum { HISTOGRAM_BOUND_COUNT = sizeof((const uint32_t[]){HISTOGRAM_BOUNDS}) / sizeof(uint32_t) };

extern const uint32_t histogram_bounds_us[HISTOGRAM_BOUND_COUNT];

struct histogram {
    uint64_t counts[HISTOGRAM_BOUND_COUNT + 1]; /* each of its own bucket; the last has no bound */
    uint64_t sum_us;
};

static inline void histogram_add(struct histogram *to, uint64_t us)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUND_COUNT && us > histogram_bounds_us[i])
        i++;
    to->counts[i]++;
    to->sum_us += us;
}

uint64_t histogram_count(const struct histogram *of); /* of all buckets */

#endif
