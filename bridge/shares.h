/*
 * shares: how many processes and streams each principal has, so that one alone cannot take them all from the
 * others: the last eighth of what there may be is for those who have less than an eighth.
 *
 * Made by shares_init, ended by shares_fini once all have left. Without memory a principal is not counted.
 */
#ifndef ERLGATE_BRIDGE_SHARES_H
#define ERLGATE_BRIDGE_SHARES_H

#include "base/map.h"

/* Of one principal that has some. */
struct share {
    size_t processes; /* that it has made */
    size_t streams;   /* theirs too */
    size_t name_len;
    uint8_t name[];
};

struct shares {
    struct map by_name; /* struct share, owned */
};

void shares_init(struct shares *s, uint64_t seed);
void shares_fini(struct shares *s);
/* One more stream, which is a process's or not. NULL: no memory. */
struct share *shares_enter(struct shares *s, struct slice principal, bool is_process);
/* share may be NULL. */
void shares_leave(struct shares *s, struct share *share, bool is_process);
/* Is there one more for this principal, if there is one at all? all: of all principals together. */
bool shares_allow_process(const struct shares *s, struct slice principal, size_t all, size_t limit);
bool shares_allow_stream(const struct shares *s, struct slice principal, size_t all, size_t limit);

#endif
