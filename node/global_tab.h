/*
 * global_tab: the names and the locks of `global`, as its name server has them: no messages, no processes.
 *
 * Names, resources and requesters are terms, compared by =:= as far as canonical bytes tell. Each pid in it
 * is watched (by whoever made the table), and what it had goes with it. Made by global_tab_init, owned by the
 * name server, ended by global_tab_fini.
 */
#ifndef ERLGATE_NODE_GLOBAL_TAB_H
#define ERLGATE_NODE_GLOBAL_TAB_H

#include "base/map.h"
#include "etf/term.h"

enum {
    GLOBAL_MAX_NAMES = 1 << 20, /* beyond: ERR_OVERLOADED */
    GLOBAL_MAX_HOLDERS = 65536, /* of all locks together; beyond: a lock is refused */
    GLOBAL_MAX_TEXT = 16384,    /* bytes of a name and its method, or of a lock; beyond: as above */
};

/* Its texts stand in text. */
struct global_name {
    struct slice name, method; /* canonical terms */
    struct slice by_node;      /* registered for a C node by that node; else empty */
    struct etf_pid pid;
    uint64_t monitor;
    uint8_t text[];
};

struct global_lock;

struct global_tab {
    struct map names;            /* struct global_name by name; owned */
    struct map locks;            /* struct global_lock by resource; owned */
    struct map names_by_monitor; /* borrowed */
    struct map holders;          /* struct global_holder by monitor; borrowed */
    bool is_lock_lost;           /* the lock `global` went with its holder, and has not been set since */
    enum err (*watch)(void *ctx, const struct etf_pid *pid, uint64_t *ret_monitor);
    void (*unwatch)(void *ctx, uint64_t monitor);
    void *ctx; /* borrowed */
};

/* watch and unwatch are set by the caller. */
void global_tab_init(struct global_tab *t, uint64_t seed);
void global_tab_fini(struct global_tab *t); /* nothing is unwatched */

/* ---- names; all terms canonical ---- */

/* Replaces. ERR_NOMEM, ERR_OVERLOADED, or what watching failed with: what was there is gone then. */
MUST_USE enum err global_tab_put(struct global_tab *t, struct slice name, const struct etf_pid *pid,
                                 struct slice method, struct slice by_node);
const struct global_name *global_tab_get(const struct global_tab *t, struct slice name);
bool global_tab_delete(struct global_tab *t, struct slice name);
/* Iterates; *cursor starts at 0; NULL at the end. */
const struct global_name *global_tab_next(const struct global_tab *t, size_t *cursor);

/* ---- locks; resource and requester canonical ---- */

/* Nobody has it, or the same requester. */
bool global_lock_is_free(const struct global_tab *t, struct slice resource, struct slice requester);
/* False: it is another's; or there is no memory, or too many. */
bool global_lock_set(struct global_tab *t, struct slice resource, struct slice requester,
                     const struct etf_pid *pid);
void global_lock_del(struct global_tab *t, struct slice resource, struct slice requester,
                     const struct etf_pid *pid);
bool global_lock_is_set(const struct global_tab *t, struct slice resource);
/* May the names be changed by a process (pid), or for this requester (pid NULL)? Only under the lock
 * `global`, or when nobody has lost it. */
bool global_lock_permits(const struct global_tab *t, const struct etf_pid *pid, struct slice requester);

/* The lock that names are changed under: the atom global. */
extern const struct slice global_resource;

/* ---- ends ---- */

/* What the monitor was for is gone. */
void global_tab_down(struct global_tab *t, uint64_t monitor);
/* All names and locks of processes at that node are. */
void global_tab_drop_node(struct global_tab *t, struct slice node);

#endif
