/*
 * places: where nodes are said to listen (--peer), and where they were last seen to.
 *
 * EPMD can be lost, and a node of OTP 23 does not always register with the next one: it is still dialled
 * where it was. Made by places_init, owned by the node's EPMD side, ended by places_fini. No socket, no
 * clock: time is an argument.
 */
#ifndef ERLGATE_NODE_PLACES_H
#define ERLGATE_NODE_PLACES_H

#include "base/map.h"

enum { PLACES_SEEN_MAX = 4096 }; /* remembered; then the one seen longest ago is forgotten */

struct place {
    const char *host; /* owned; NULL: the host part of the node's name */
    uint16_t port;
    unsigned highest; /* version of the handshake, as EPMD said; 0: not known */
    bool is_here;     /* its host is this machine, whatever it is called there */
    bool is_fixed;    /* said in the configuration: never replaced, never asked of EPMD */
    uint64_t seen_ms;
};

struct places {
    struct map by_name; /* struct place, owned */
    size_t seen;        /* those not fixed */
};

void places_init(struct places *p, uint64_t seed);
void places_fini(struct places *p);

/* name: "kv@host". Replaces what was there. ERR_NOMEM. */
MUST_USE enum err places_fix(struct places *p, struct slice name, const char *host, uint16_t port);
/* highest 0: not known; what was known of the same port stays. No memory: not remembered. */
void places_saw(struct places *p, struct slice name, uint16_t port, unsigned highest, uint64_t now_ms);
/* Is it on this machine? Of a name that has been seen. */
void places_are_here(struct places *p, struct slice name, bool is_here);
/* NULL: never heard of. Borrowed until the next call that changes anything. */
const struct place *places_find(const struct places *p, struct slice name);
/* Not there any more. What is fixed stays. */
void places_forget(struct places *p, struct slice name);

#endif
