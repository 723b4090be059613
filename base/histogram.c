#include "base/histogram.h"

const uint32_t histogram_bounds_us[HISTOGRAM_BOUND_COUNT] = {HISTOGRAM_BOUNDS};

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t count = 0;

    for (size_t i = 0; i <= HISTOGRAM_BOUND_COUNT; i++)
        count += h->counts[i];
    return count;
}
