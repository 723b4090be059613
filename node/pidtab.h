/*
 * pidtab: the processes of this node by their number (28 bits: id and serial of a pid that OTP before V4_NC
 * can take).
 *
 * Numbers are handed out in sequence, so a table indexed by the low bits has next to no collisions. Entries
 * are borrowed.
 */
#ifndef ERLGATE_NODE_PIDTAB_H
#define ERLGATE_NODE_PIDTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct process;

enum { PIDTAB_ID_BITS = 15, PIDTAB_SERIAL_BITS = 13, PIDTAB_BITS = PIDTAB_ID_BITS + PIDTAB_SERIAL_BITS };

struct pidtab {
    struct process **slots; /* owned; the processes are borrowed */
    size_t count, cap;      /* cap: a power of two, or 0 */
    uint32_t next;          /* the number tried next */
};

void pidtab_init(struct pidtab *t);
void pidtab_fini(struct pidtab *t);
/* Enters p under a number that no live process has, which must be p->number (ret_number points to it).
 * ERR_NOMEM, ERR_OVERLOADED (2^27 are alive). */
MUST_USE enum err pidtab_add(struct pidtab *t, struct process *p, uint32_t *ret_number);
struct process *pidtab_get(const struct pidtab *t, uint32_t number);
void pidtab_remove(struct pidtab *t, uint32_t number);
/* Iterates: *cursor starts at 0; NULL at the end. The entry just given may be removed only if the walk starts
 * anew. */
struct process *pidtab_next(const struct pidtab *t, size_t *cursor);

#endif
