/*
 * adopt: a listener of the loop over a descriptor that listens already (socket activation, sd_listen_fds(3)).
 */
#ifndef ERLGATE_EPMD_ADOPT_H
#define ERLGATE_EPMD_ADOPT_H

#include "loop/stream.h"

/* Takes fd, also on failure. ERR_INVALID: it is no TCP socket that listens. Call it before the loop's next
 * turn. */
MUST_USE enum err epmd_adopt(struct loop *l, int fd, loop_accepted_fn *fn, void *ctx,
                             struct loop_listener **ret, uint16_t *ret_port);

#endif
