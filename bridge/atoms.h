/*
 * atoms: the atoms that HTTP input has introduced, counted against a budget.
 *
 * The BEAM never collects an atom, and dies at about a million: a client that can invent atoms can kill every
 * node of the cluster. Made by atoms_init, ended by atoms_fini.
 */
#ifndef ERLGATE_BRIDGE_ATOMS_H
#define ERLGATE_BRIDGE_ATOMS_H

#include "base/map.h"
#include "etf/term.h"

enum { ATOMS_LEARNT_MAX = 1 << 18 };

struct atoms {
    struct map seen;
    size_t budget; /* SIZE_MAX: no limit */
    size_t introduced;
    uint64_t refused; /* for the budget */
};

void atoms_init(struct atoms *a, size_t budget, uint64_t seed);
void atoms_fini(struct atoms *a);
/* From HTTP: ERR_NONE when it is known or the budget allows it, else ERR_ATOM_BUDGET; ERR_NOMEM. */
MUST_USE enum err atoms_use(struct atoms *a, struct slice utf8);
/* From a peer: free from now on. At most ATOMS_LEARNT_MAX of them are kept; a peer must not fill our memory.
 */
void atoms_learn(struct atoms *a, struct slice utf8);
/* For struct etf_rules and struct transcode_options: ctx is a struct atoms. */
enum err atoms_on_atom(void *ctx, struct etf_atom atom);

#endif
