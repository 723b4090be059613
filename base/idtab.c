#include "base/idtab.h"

#include "base/check.h"
#include "base/mem.h"

struct idtab_slot {
    void *thing; /* borrowed; NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

void idtab_init(struct idtab *t)
{
    *t = (struct idtab){0};
}

void idtab_fini(struct idtab *t)
{
    mem_free(t->slots);
    idtab_init(t);
}

static bool grow(struct idtab *t)
{
    uint32_t cap = t->cap ? t->cap * 2 : 16;
    struct idtab_slot *slots;

    if (cap < t->cap)
        return false;
    slots = mem_realloc_array(t->slots, cap, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = t->cap; i < cap; i++)
        slots[i] = (struct idtab_slot){.generation = 1, .next_free = i + 1 < cap ? i + 2 : 0};
    t->free_head = t->cap + 1;
    t->slots = slots;
    t->cap = cap;
    return true;
}

uint64_t idtab_add(struct idtab *t, void *thing)
{
    struct idtab_slot *s;
    uint32_t at;

    CHECK(thing);
    if (!t->free_head && !grow(t))
        return 0;
    at = t->free_head - 1;
    s = &t->slots[at];
    t->free_head = s->next_free;
    s->thing = thing;
    t->count++;
    return (uint64_t)s->generation << 32 | at;
}

static struct idtab_slot *find(const struct idtab *t, uint64_t id)
{
    uint32_t at = (uint32_t)id;

    if (at >= t->cap || t->slots[at].generation != id >> 32 || !t->slots[at].thing)
        return NULL;
    return &t->slots[at];
}

void *idtab_get(const struct idtab *t, uint64_t id)
{
    struct idtab_slot *s = find(t, id);

    return s ? s->thing : NULL;
}

void *idtab_remove(struct idtab *t, uint64_t id)
{
    struct idtab_slot *s = find(t, id);
    void *thing;

    if (!s)
        return NULL;
    thing = s->thing;
    s->thing = NULL;
    if (++s->generation == 0)
        s->generation = 1;
    s->next_free = t->free_head;
    t->free_head = (uint32_t)id + 1;
    t->count--;
    return thing;
}

void *idtab_next(const struct idtab *t, uint32_t *cursor)
{
    while (*cursor < t->cap) {
        void *thing = t->slots[(*cursor)++].thing;

        if (thing)
            return thing;
    }
    return NULL;
}
