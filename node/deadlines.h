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

/* ms may be anything: what would be past the end of time is half way to it. */
static inline uint64_t deadline_after(uint64_t now_ms, uint64_t ms)
{
    return ms < UINT64_MAX / 2 - now_ms ? now_ms + ms : UINT64_MAX / 2;
}

void deadlines_init(struct deadlines *d);
void deadlines_fini(struct deadlines *d);
MUST_USE enum err deadlines_add(struct deadlines *d, struct deadline *e, uint64_t at_ms);
void deadlines_remove(struct deadlines *d, struct deadline *e); /* harmless on one that is not in it */
/* The earliest; NULL: none. */
struct deadline *deadlines_first(const struct deadlines *d);

#endif
