#include "node/deadlines.h"

#include "base/mem.h"

void deadlines_init(struct deadlines *d)
{
    *d = (struct deadlines){0};
}

void deadlines_fini(struct deadlines *d)
{
    mem_free(d->heap);
    deadlines_init(d);
}

static void put(struct deadlines *d, size_t i, struct deadline *e)
{
    d->heap[i] = e;
    e->index = i;
}

static void rise(struct deadlines *d, size_t i, struct deadline *e)
{
    while (i > 1 && d->heap[i / 2]->at_ms > e->at_ms) {
        put(d, i, d->heap[i / 2]);
        i /= 2;
    }
    put(d, i, e);
}

static void sink(struct deadlines *d, size_t i, struct deadline *e)
{
    for (;;) {
        size_t child = 2 * i;

        if (child > d->count)
            break;
        if (child < d->count && d->heap[child + 1]->at_ms < d->heap[child]->at_ms)
            child++;
        if (d->heap[child]->at_ms >= e->at_ms)
            break;
        put(d, i, d->heap[child]);
        i = child;
    }
    put(d, i, e);
}

enum err deadlines_add(struct deadlines *d, struct deadline *e, uint64_t at_ms)
{
    if (d->count + 2 > d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 64;
        struct deadline **heap = mem_realloc_array(d->heap, cap, sizeof(struct deadline *));

        if (!heap)
            return ERR_NOMEM;
        d->heap = heap;
        d->cap = cap;
    }
    e->at_ms = at_ms;
    d->count++;
    rise(d, d->count, e);
    return ERR_NONE;
}

void deadlines_remove(struct deadlines *d, struct deadline *e)
{
    size_t hole = e->index;
    struct deadline *last;

    if (hole == 0)
        return;
    e->index = 0;
    last = d->heap[d->count--];
    if (last == e)
        return;
    if (hole > 1 && d->heap[hole / 2]->at_ms > last->at_ms)
        rise(d, hole, last);
    else
        sink(d, hole, last);
}

struct deadline *deadlines_first(const struct deadlines *d)
{
    return d->count ? d->heap[1] : NULL;
}
