/*
 * internal: what the files of loop/ share. Nothing outside the folder includes it.
 */
#ifndef ERLGATE_LOOP_INTERNAL_H
#define ERLGATE_LOOP_INTERNAL_H

#include <uv.h>

#include "base/idtab.h"
#include "loop/loop.h"
#include "loop/stream.h"

struct loop {
    uv_loop_t uv;
    struct idtab dials; /* struct dial, by handle */
};

/* A connected, non-blocking socket as a stream that is not yet reading. Takes the descriptor, also on failure
 * (NULL). */
struct loop_stream *loop_stream_of_fd(struct loop *l, int fd);

#endif
