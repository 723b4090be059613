#include "bridge/atoms.h"

#include "base/utf8.h"
#include "base/wr.h"

/* The map wants a value: any pointer that is not NULL. */
static char present;

void atoms_init(struct atoms *a, size_t budget, uint64_t seed)
{
    *a = (struct atoms){.budget = budget};
    map_init(&a->seen, seed);
}

void atoms_fini(struct atoms *a)
{
    map_fini(&a->seen);
}

enum err atoms_use(struct atoms *a, struct slice utf8)
{
    if (a->budget == SIZE_MAX || map_get(&a->seen, utf8))
        return ERR_NONE;
    if (a->introduced >= a->budget) {
        a->refused++;
        return ERR_ATOM_BUDGET;
    }
    if (map_put(&a->seen, utf8, &present) != ERR_NONE)
        return ERR_NOMEM;
    a->introduced++;
    return ERR_NONE;
}

void atoms_learn(struct atoms *a, struct slice utf8)
{
    if (a->budget == SIZE_MAX || a->seen.count - a->introduced >= ATOMS_LEARNT_MAX || map_get(&a->seen, utf8))
        return;
    if (map_put(&a->seen, utf8, &present) != ERR_NONE)
        return; /* it will be counted when HTTP uses it: the safe side */
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
