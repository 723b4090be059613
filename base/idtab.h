/*
 * idtab: things by an id that is never used twice: a slot and a generation.
 *
 * What crosses a layer as a callback's context crosses as such an id: after the thing is gone, the id finds
 * nothing. Made by idtab_init, ended by idtab_fini; the pointers in it are borrowed.
 */
#ifndef ERLGATE_BASE_IDTAB_H
#define ERLGATE_BASE_IDTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct idtab_slot;

struct idtab {
    struct idtab_slot *slots; /* owned */
    uint32_t count;           /* live entries */
    uint32_t cap;
    uint32_t free_head; /* index + 1 of the first free slot, 0: none */
};

void idtab_init(struct idtab *t);
void idtab_fini(struct idtab *t);
/* Never 0 on success; 0 when there is no memory. thing must not be NULL. */
MUST_USE uint64_t idtab_add(struct idtab *t, void *thing);
/* NULL when the id has been removed, or was never given out. */
void *idtab_get(const struct idtab *t, uint64_t id);
/* Gives what was there, or NULL. */
void *idtab_remove(struct idtab *t, uint64_t id);
/* Iterates: *cursor starts at 0; NULL at the end. Removing the entry just given is allowed. */
void *idtab_next(const struct idtab *t, uint32_t *cursor);

#endif
