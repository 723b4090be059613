#include "node/places.h"

#include "base/mem.h"

void places_init(struct places *p, uint64_t seed)
{
    map_init(&p->by_name, seed);
    p->seen = 0;
}

static void free_place(struct place *at)
{
    mem_free((void *)(uintptr_t)at->host);
    mem_free(at);
}

void places_fini(struct places *p)
{
    size_t cursor = 0;
    struct place *at;

    while ((at = map_next(&p->by_name, &cursor, NULL)))
        free_place(at);
    map_fini(&p->by_name);
    p->seen = 0;
}

static void drop(struct places *p, struct slice name)
{
    struct place *at = map_remove(&p->by_name, name);

    if (!at)
        return;
    p->seen -= !at->is_fixed;
    free_place(at);
}

enum err places_fix(struct places *p, struct slice name, const char *host, uint16_t port)
{
    struct place *at = mem_zalloc(sizeof *at);

    if (!at)
        return ERR_NOMEM;
    *at = (struct place){.host = mem_strndup(host, strlen(host)), .port = port, .is_fixed = true};
    drop(p, name);
    if (!at->host || map_put(&p->by_name, name, at) != ERR_NONE) {
        free_place(at);
        return ERR_NOMEM;
    }
    return ERR_NONE;
}

static void forget_oldest(struct places *p)
{
    struct slice name, oldest = {0};
    const struct place *at;
    uint64_t seen_ms = UINT64_MAX;
    size_t cursor = 0;

    while ((at = map_next(&p->by_name, &cursor, &name))) {
        if (!at->is_fixed && at->seen_ms < seen_ms) {
            seen_ms = at->seen_ms;
            oldest = name;
        }
    }
    if (oldest.len)
        drop(p, oldest);
}

static struct place *add(struct places *p, struct slice name)
{
    struct place *at;

    if (p->seen >= PLACES_SEEN_MAX)
        forget_oldest(p);
    at = mem_zalloc(sizeof *at);
    if (at && map_put(&p->by_name, name, at) != ERR_NONE) {
        mem_free(at);
        return NULL;
    }
    p->seen += at != NULL;
    return at;
}

void places_saw(struct places *p, struct slice name, uint16_t port, unsigned highest, uint64_t now_ms)
{
    struct place *at = map_get(&p->by_name, name);

    if (at && at->is_fixed)
        return;
    if (!at)
        at = add(p, name);
    if (!at)
        return;
    if (highest || at->port != port)
        at->highest = highest;
    at->port = port;
    at->seen_ms = now_ms;
}

void places_are_here(struct places *p, struct slice name, bool is_here)
{
    struct place *at = map_get(&p->by_name, name);

    if (at && !at->is_fixed)
        at->is_here = is_here;
}

const struct place *places_find(const struct places *p, struct slice name)
{
    return map_get(&p->by_name, name);
}

void places_forget(struct places *p, struct slice name)
{
    const struct place *at = places_find(p, name);

    if (at && !at->is_fixed)
        drop(p, name);
}
