/*
 * deadlines: when what is waiting runs out of time: a binary heap of moments, embedded in what waits.
 *
 * One timer of the loop serves all; most entries leave long before they are due, and leaving costs next to
 * nothing near the heap's end, where young entries are.
 */
#ifndef ERLGATE_NODE_DEADLINES_H
#define ERLGATE_NODE_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct deadline {
    uint64_t at_ms;
    size_t index; /* in the heap, from 1; 0: not in it */
};

struct deadlines {
    struct deadline **heap; /* owned; the entries are borrowed; heap[0] is unused */
    size_t count, cap;
};

void deadlines_init(struct deadlines *d);
void deadlines_fini(struct deadlines *d);
MUST_USE enum err deadlines_add(struct deadlines *d, struct deadline *e, uint64_t at_ms);
void deadlines_remove(struct deadlines *d, struct deadline *e); /* harmless on one that is not in it */
/* The earliest; NULL: none. */
struct deadline *deadlines_first(const struct deadlines *d);

#endif
