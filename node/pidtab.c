#include "node/pidtab.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "node/process.h"

enum { NUMBERS = 1 << PIDTAB_BITS };

void pidtab_init(struct pidtab *t)
{
    *t = (struct pidtab){.next = 1};
}

void pidtab_fini(struct pidtab *t)
{
    mem_free(t->slots);
    pidtab_init(t);
}

static size_t find(const struct pidtab *t, uint32_t number)
{
    size_t i = number & (t->cap - 1);

    while (t->slots[i] && t->slots[i]->number != number)
        i = (i + 1) & (t->cap - 1);
    return i;
}

static enum err grow(struct pidtab *t)
{
    struct pidtab bigger = {.cap = t->cap ? t->cap * 2 : 64, .count = t->count, .next = t->next};

    bigger.slots = mem_zalloc(bigger.cap * sizeof(struct process *));
    if (!bigger.slots)
        return ERR_NOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i])
            bigger.slots[find(&bigger, t->slots[i]->number)] = t->slots[i];
    mem_free(t->slots);
    *t = bigger;
    return ERR_NONE;
}

enum err pidtab_add(struct pidtab *t, struct process *p, uint32_t *ret_number)
{
    size_t at;

    if (t->count >= NUMBERS / 2)
        return ERR_OVERLOADED;
    if (t->count >= t->cap / 2 && grow(t) != ERR_NONE)
        return ERR_NOMEM;
    do {
        *ret_number = t->next;
        /* 0 is left out: <0.0.0> is nobody's in Erlang's own nodes. */
        t->next = t->next + 1 < NUMBERS ? t->next + 1 : 1;
        at = find(t, *ret_number);
    } while (t->slots[at]);
    t->slots[at] = p;
    t->count++;
    return ERR_NONE;
}

struct process *pidtab_get(const struct pidtab *t, uint32_t number)
{
    return t->cap ? t->slots[find(t, number)] : NULL;
}

void pidtab_remove(struct pidtab *t, uint32_t number)
{
    size_t mask = t->cap - 1, hole;

    CHECK(t->cap);
    hole = find(t, number);
    CHECK(t->slots[hole]);
    /* Shift the run back, so that no tombstone is needed. */
    for (size_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
        size_t home = t->slots[i]->number & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = NULL;
    t->count--;
}

struct process *pidtab_next(const struct pidtab *t, size_t *cursor)
{
    while (*cursor < t->cap) {
        struct process *p = t->slots[(*cursor)++];

        if (p)
            return p;
    }
    return NULL;
}
