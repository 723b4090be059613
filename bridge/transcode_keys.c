#include "bridge/transcode_keys.h"

#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"

/* ---- Heap sort: in place, and at its worst as good as ever ---- */

static int compare(const struct keys_source *k, uint32_t x, uint32_t y)
{
    return slice_cmp(k->get(k->ctx, x), k->get(k->ctx, y));
}

static void sift_down(const struct keys_source *k, uint32_t *a, size_t root, size_t n)
{
    uint32_t v = a[root];

    for (;;) {
        size_t child = 2 * root + 1;

        if (child >= n)
            break;
        child += child + 1 < n && compare(k, a[child], a[child + 1]) < 0;
        if (compare(k, v, a[child]) >= 0)
            break;
        a[root] = a[child];
        root = child;
    }
    a[root] = v;
}

static void sort(const struct keys_source *k, uint32_t *a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(k, a, i, n);
    for (size_t i = n; i-- > 1;) {
        uint32_t last = a[i];

        a[i] = a[0];
        a[0] = last;
        sift_down(k, a, 0, i);
    }
}

static uint32_t twin_of_sorted(const struct keys_source *k, uint32_t *order)
{
    uint32_t twin = UINT32_MAX;

    for (uint32_t i = 0; i < k->count; i++)
        order[i] = i;
    sort(k, order, k->count);
    for (uint32_t i = 1; i < k->count; i++) {
        if (compare(k, order[i - 1], order[i]) == 0) {
            uint32_t later = order[i] > order[i - 1] ? order[i] : order[i - 1];

            twin = later < twin ? later : twin;
        }
    }
    return twin;
}

/* ---- Open addressing ---- */

/* False when patience has ended. */
static bool twin_by_hash(const struct keys_source *k, uint32_t *slots, uint32_t mask, uint64_t seed,
                         uint32_t *ret_twin)
{
    uint64_t patience = 64 + (uint64_t)k->count * 16;

    memset(slots, 0xFF, ((size_t)mask + 1) * sizeof *slots);
    *ret_twin = UINT32_MAX;
    for (uint32_t i = 0; i < k->count; i++) {
        struct slice key = k->get(k->ctx, i);
        uint32_t at;

        for (at = (uint32_t)map_hash(seed, key) & mask; slots[at] != UINT32_MAX; at = (at + 1) & mask) {
            if (slice_eq(k->get(k->ctx, slots[at]), key)) {
                *ret_twin = i;
                return true;
            }
            if (patience-- == 0)
                return false;
        }
        slots[at] = i;
    }
    return true;
}

enum err keys_find_twin(const struct keys_source *k, uint64_t seed, uint32_t *ret_index)
{
    uint32_t few[64], *slots = few, count = ARRAY_LEN(few);

    *ret_index = UINT32_MAX;
    while (count < k->count + k->count / 4) {
        CHECK(count < UINT32_MAX / 2);
        count *= 2;
    }
    if (count > ARRAY_LEN(few)) {
        slots = mem_realloc_array(NULL, count, sizeof *slots);
        if (!slots)
            return ERR_NOMEM;
    }
    if (!twin_by_hash(k, slots, count - 1, seed, ret_index))
        *ret_index = twin_of_sorted(k, slots);
    if (slots != few)
        mem_free(slots);
    return ERR_NONE;
}
