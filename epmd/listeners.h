/*
 * listeners: the sockets on which a name server listens, all on one port.
 *
 * Zeroed, then filled by _open or _take; emptied by epmd_listeners_close, also after a failure of these.
 */
#ifndef ERLGATE_EPMD_LISTENERS_H
#define ERLGATE_EPMD_LISTENERS_H

#include "loop/stream.h"

struct epmd_listeners {
    struct loop_listener **all; /* owned */
    size_t count;
    uint16_t port;
};

/*
 * addresses: NULL-terminated; NULL: the loopback ones alone, which are always among them; a first "": all
 * there are. port 0: any that is free on each. One of the loopback addresses may be missing, as ::1 is where
 * there is no IPv6. ERR_INVALID, ERR_ADDRESS_IN_USE, ERR_IO (errno): *ret_address is the one that failed.
 * ERR_NOMEM.
 */
MUST_USE enum err epmd_listeners_open(struct epmd_listeners *ls, struct loop *l, const char *const *addresses,
                                      uint16_t port, loop_accepted_fn *fn, void *ctx,
                                      const char **ret_address);
/* Descriptors that listen already; they are taken, but for ERR_NOMEM. ERR_INVALID: one of them does not. */
MUST_USE enum err epmd_listeners_take(struct epmd_listeners *ls, struct loop *l, const int *fds, size_t count,
                                      loop_accepted_fn *fn, void *ctx);
void epmd_listeners_close(struct epmd_listeners *ls);

#endif
