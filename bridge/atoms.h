/*
 * atoms: the atoms that HTTP input has introduced, counted against a budget.
 *
 * The BEAM never collects an atom, and dies at about a million: a client that can invent atoms can kill every
 * node of the cluster. So what counts is what all threads together have introduced: they share one pool of
 * what is known, behind a lock, which a thread asks only for an atom that it has not met before.
 */
#ifndef ERLGATE_BRIDGE_ATOMS_H
#define ERLGATE_BRIDGE_ATOMS_H

#include "base/map.h"
#include "etf/term.h"

enum { ATOMS_LEARNT_MAX = 1 << 18 };

struct atoms_pool;

/* One thread's. */
struct atoms {
    struct atoms_pool *pool; /* owned by the first thread's */
    bool is_shared, is_owner;
    struct map near;  /* is_shared: those of the pool that this thread has met */
    size_t budget;    /* SIZE_MAX: no limit */
    uint64_t refused; /* for the budget */
};

/* pool: another thread's, which outlives this one, or is to begin with; NULL: one of its own. is_shared:
 * there are several threads. */
MUST_USE enum err atoms_init(struct atoms *a, size_t budget, uint64_t seed, struct atoms_pool *pool,
                             bool is_shared);
void atoms_fini(struct atoms *a); /* takes one that is all zero */
/* From HTTP: ERR_NONE when it is known or the budget allows it, else ERR_ATOM_BUDGET; ERR_NOMEM. */
MUST_USE enum err atoms_use(struct atoms *a, struct slice utf8);
/* From a peer: free from now on. At most ATOMS_LEARNT_MAX of them are kept; a peer must not fill our memory.
 */
void atoms_learn(struct atoms *a, struct slice utf8);
/* How many all threads have introduced. */
size_t atoms_introduced(const struct atoms *a);
/* For struct etf_rules and struct transcode_options: ctx is a struct atoms. */
enum err atoms_on_atom(void *ctx, struct etf_atom atom);

#endif
