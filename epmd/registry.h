/*
 * registry: the names, and for a while those that have ended, so that a name that comes back gets another
 * creation.
 *
 * Made by epmd_registry_init, ended by epmd_registry_fini. A registration (struct epmd_reg) belongs to the
 * registry; it is made by epmd_registry_begin and is borrowed until epmd_registry_end.
 */
#ifndef ERLGATE_EPMD_REGISTRY_H
#define ERLGATE_EPMD_REGISTRY_H

#include "base/map.h"
#include "epmd/msg.h"

struct epmd_reg;

struct epmd_listing {
    struct epmd_entry entry; /* borrowed until its registration ends */
    uint32_t creation;
    uint64_t conn; /* whose it is; 0: registered without a connection */
};

/* Doubly linked: live names newest first, old ones oldest first. */
struct epmd_reg_list {
    struct epmd_reg *first, *last; /* owned */
    size_t count;
};

struct epmd_registry {
    struct map by_name; /* struct epmd_reg, live and old alike */
    struct epmd_reg_list live, old;
    size_t max_old;
};

/* max_old 0: 1000, as OTP's epmd. */
void epmd_registry_init(struct epmd_registry *r, size_t max_old, uint64_t hash_seed);
void epmd_registry_fini(struct epmd_registry *r);

/*
 * entry is copied; it is valid. wall_s, seconds since 1970, is where the creations of a name that is not
 * remembered start, so that they grow over restarts of the EPMD too; a remembered name gets the next one.
 * Creations wrap, and are never 0..3; a node whose highest version is below 6 is told 1..3 instead.
 * ERR_NAME_TAKEN, ERR_NOMEM.
 */
MUST_USE enum err epmd_registry_begin(struct epmd_registry *r, const struct epmd_entry *entry, uint64_t conn,
                                      uint32_t wall_s, struct epmd_reg **ret);
/* It becomes an old one; the oldest of these is forgotten if there are too many. */
void epmd_registry_end(struct epmd_registry *r, struct epmd_reg *reg);

/* The live one of that name, or NULL. */
struct epmd_reg *epmd_registry_find(const struct epmd_registry *r, struct slice name);
size_t epmd_registry_count(const struct epmd_registry *r); /* live ones */
struct epmd_listing epmd_reg_listing(const struct epmd_reg *reg);

/* Iterates: *cursor starts at NULL and is NULL again at the end, when false is given. */
bool epmd_registry_next(const struct epmd_registry *r, const struct epmd_reg **cursor,
                        struct epmd_listing *ret);
bool epmd_registry_next_old(const struct epmd_registry *r, const struct epmd_reg **cursor,
                            struct epmd_listing *ret);

#endif
