#include "bridge/atoms.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "base/wr.h"

/* The map wants a value: any pointer that is not NULL. */
static char present;

struct atoms_pool {
    pthread_mutex_t lock; /* of what follows, if it is shared */
    struct map known;
    size_t introduced;
};

enum err atoms_init(struct atoms *a, size_t budget, uint64_t seed, struct atoms_pool *pool, bool is_shared)
{
    *a = (struct atoms){.pool = pool, .is_shared = is_shared, .budget = budget};
    map_init(&a->near, seed);
    if (pool)
        return ERR_NONE;
    a->pool = mem_zalloc(sizeof *a->pool);
    if (!a->pool)
        return ERR_NOMEM;
    a->is_owner = true;
    pthread_mutex_init(&a->pool->lock, NULL);
    map_init(&a->pool->known, seed);
    return ERR_NONE;
}

void atoms_fini(struct atoms *a)
{
    map_fini(&a->near);
    if (!a->is_owner)
        return;
    map_fini(&a->pool->known);
    pthread_mutex_destroy(&a->pool->lock);
    mem_free(a->pool);
}

static void lock(const struct atoms *a)
{
    if (a->is_shared)
        pthread_mutex_lock(&a->pool->lock);
}

static void unlock(const struct atoms *a)
{
    if (a->is_shared)
        pthread_mutex_unlock(&a->pool->lock);
}

static enum err use(struct atoms_pool *p, size_t budget, struct slice utf8)
{
    if (map_get(&p->known, utf8))
        return ERR_NONE;
    if (p->introduced >= budget)
        return ERR_ATOM_BUDGET;
    if (map_put(&p->known, utf8, &present) != ERR_NONE)
        return ERR_NOMEM;
    p->introduced++;
    return ERR_NONE;
}

enum err atoms_use(struct atoms *a, struct slice utf8)
{
    enum err e;

    if (a->budget == SIZE_MAX || (a->is_shared && map_get(&a->near, utf8)))
        return ERR_NONE;
    lock(a);
    e = use(a->pool, a->budget, utf8);
    unlock(a);
    a->refused += e == ERR_ATOM_BUDGET;
    if (e != ERR_NONE || !a->is_shared || map_put(&a->near, utf8, &present) == ERR_NONE)
        return e;
    return ERR_NONE; /* there is no memory to remember it: it is asked for again */
}

static void learn(struct atoms_pool *p, struct slice utf8)
{
    if (p->known.count - p->introduced >= ATOMS_LEARNT_MAX || map_get(&p->known, utf8))
        return;
    if (map_put(&p->known, utf8, &present) != ERR_NONE)
        return; /* it will be counted when HTTP uses it: the safe side */
}

void atoms_learn(struct atoms *a, struct slice utf8)
{
    if (a->budget == SIZE_MAX)
        return;
    lock(a);
    learn(a->pool, utf8);
    unlock(a);
}

size_t atoms_introduced(const struct atoms *a)
{
    size_t count;

    lock(a);
    count = a->pool->introduced;
    unlock(a);
    return count;
}

enum err atoms_on_atom(void *ctx, struct etf_atom atom)
{
    struct atoms *a = ctx;
    struct wr w;
    enum err e;

    if (!atom.is_latin1)
        return atoms_use(a, atom.text);
    wr_init(&w, ETF_ATOM_MAX_BYTES);
    utf8_write_latin1(&w, atom.text);
    e = wr_ok(&w) ? atoms_use(a, wr_written(&w)) : w.err;
    wr_fini(&w);
    return e;
}
