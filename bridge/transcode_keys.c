/* Which keys of a map are equal? For maps that are too large to compare each key with all before it. */
#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"
#include "bridge/transcode_in.h"

static void sift_down(uint32_t *a, size_t root, size_t n, int (*compare)(const void *, uint32_t, uint32_t),
                      const void *ctx)
{
    uint32_t v = a[root];

    for (;;) {
        size_t child = 2 * root + 1;

        if (child >= n)
            break;
        child += child + 1 < n && compare(ctx, a[child], a[child + 1]) < 0;
        if (compare(ctx, v, a[child]) >= 0)
            break;
        a[root] = a[child];
        root = child;
    }
    a[root] = v;
}

void keys_sort(uint32_t *a, size_t n, int (*compare)(const void *ctx, uint32_t x, uint32_t y),
               const void *ctx)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(a, i, n, compare, ctx);
    for (size_t i = n; i-- > 1;) {
        uint32_t last = a[i];

        a[i] = a[0];
        a[0] = last;
        sift_down(a, 0, i, compare, ctx);
    }
}

/* ---- Objects: keys are binaries or atoms that this run has written, so equal keys are equal bytes ---- */

struct view {
    const uint8_t *out;
    const uint32_t *keys;
};

static int compare_texts(const void *ctx, uint32_t x, uint32_t y)
{
    const struct view *v = ctx;

    return slice_cmp(in_key_text(v->out + v->keys[x]), in_key_text(v->out + v->keys[y]));
}

static int compare_terms(const void *ctx, uint32_t x, uint32_t y)
{
    const struct view *v = ctx;
    const uint32_t *a = v->keys + 2 * (size_t)x, *b = v->keys + 2 * (size_t)y;

    return etf_compare_keys(slice_of(v->out + a[0], a[1] - a[0]), slice_of(v->out + b[0], b[1] - b[0]), NULL);
}

static uint32_t twin_of_sorted(uint32_t *order, uint32_t n, int (*compare)(const void *, uint32_t, uint32_t),
                               const struct view *v)
{
    uint32_t twin = UINT32_MAX;

    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    keys_sort(order, n, compare, v);
    for (uint32_t i = 1; i < n; i++) {
        if (compare(v, order[i - 1], order[i]) == 0) {
            uint32_t later = order[i] > order[i - 1] ? order[i] : order[i - 1];

            twin = later < twin ? later : twin;
        }
    }
    return twin;
}

/* Open addressing. Gives false when keys crowd so much that somebody must have chosen them to: then they are
 * sorted. */
static bool twin_by_hash(uint32_t *slots, uint32_t mask, uint32_t n, const struct view *v, uint64_t seed,
                         uint32_t *ret_twin)
{
    uint64_t patience = 64 + (uint64_t)n * 16;

    memset(slots, 0xFF, ((size_t)mask + 1) * sizeof *slots);
    *ret_twin = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        struct slice text = in_key_text(v->out + v->keys[i]);
        uint64_t hash = map_hash(seed, text);
        uint32_t at;

        for (at = (uint32_t)hash & mask; slots[at] != UINT32_MAX; at = (at + 1) & mask) {
            if (slice_eq(in_key_text(v->out + v->keys[slots[at]]), text)) {
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

enum err keys_find_twin(struct in *s, const struct in_frame *f, uint32_t *ret_index)
{
    bool is_object = f->kind == IN_OBJECT;
    uint32_t n = is_object ? s->key_count - f->keys : (s->key_count - f->keys) / 2;
    struct view v = {s->w->buf, s->keys + f->keys};
    uint32_t small[64], *room = small, slots = n;

    *ret_index = UINT32_MAX;
    if (n < 2)
        return ERR_NONE;
    if (is_object) {
        for (slots = 64; slots < n + n / 4; slots *= 2)
            CHECK(slots <= UINT32_MAX / 4);
    }
    if (slots > ARRAY_LEN(small)) {
        room = mem_realloc_array(NULL, slots, sizeof *room);
        if (!room)
            return ERR_NOMEM;
    }
    if (!is_object || !twin_by_hash(room, slots - 1, n, &v, s->options->seed, ret_index))
        *ret_index = twin_of_sorted(room, n, is_object ? compare_texts : compare_terms, &v);
    if (room != small)
        mem_free(room);
    return ERR_NONE;
}
