/*
 * known: the other nodes that the gateway knows: connected or connecting, configured, or in an EPMD.
 *
 * Made by known_gather, sorted by name, each name once; ended by known_free. What is borrowed from the node
 * lasts until the loop turns.
 */
#ifndef ERLGATE_BRIDGE_KNOWN_H
#define ERLGATE_BRIDGE_KNOWN_H

#include "node/node.h"

struct known {
    char *name; /* owned */
    size_t name_len;
    bool is_configured, is_in_epmd;
    bool has_link;
    struct node_peer peer; /* has_link */
};

struct known_list {
    struct known *at; /* owned */
    size_t count, cap;
    bool has_failed; /* no memory: it is not all there */
};

/* required: those that are to be linked, NULL-terminated; NULL: none. */
void known_gather(const struct node *n, const char *const *required, struct known_list *ret);
void known_free(struct known_list *l);
/* NULL: that node is not known. */
const struct known *known_find(const struct known_list *l, struct slice name);

static inline struct slice known_name(const struct known *k)
{
    return slice_of(k->name, k->name_len);
}

#endif
