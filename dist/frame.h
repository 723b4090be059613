/*
 * frame: the two buffers of a connection, and the lengths that cut the stream into frames (2 bytes in the
 * handshake, 4 afterwards; a frame of length 0 is a tick).
 *
 * Both live inside a struct dist_conn. Frames are given out as slices of the input buffer, so nothing is
 * copied on the way in; the input grows with what has arrived, never by what a length claims. What is written
 * coalesces in one output buffer.
 */
#ifndef ERLGATE_DIST_FRAME_H
#define ERLGATE_DIST_FRAME_H

#include "base/wr.h"

struct dist_in {
    uint8_t *buf; /* owned */
    size_t cap;
    size_t start; /* first byte not yet consumed */
    size_t end;   /* one past the last byte received */
    size_t
        want; /* bytes from start that the frame under way needs, its length field included; 0: not known */
};

void dist_in_init(struct dist_in *in);
void dist_in_fini(struct dist_in *in);
/* At least 1 byte, at the end of what has arrived; `ceiling` bounds the whole buffer. Whatever was borrowed
 * from the buffer is void. NULL with ERR_NOMEM, or ERR_OVERLOADED when the buffer is full of frames that
 * nobody takes. */
MUST_USE uint8_t *dist_in_room(struct dist_in *in, size_t ceiling, size_t *ret_len, enum err *ret_err);
void dist_in_received(struct dist_in *in, size_t n);
/* The next whole frame, without its length of 2 or 4 bytes, borrowed until dist_in_room. ERR_MORE;
 * ERR_TOO_LARGE as soon as a length over max is seen. */
MUST_USE enum err dist_in_frame(struct dist_in *in, size_t length_bytes, size_t max, struct slice *ret);

struct dist_out {
    struct wr wr;
    size_t start; /* bytes of wr that have been sent */
};

void dist_out_init(struct dist_out *out);
void dist_out_fini(struct dist_out *out);
/* The writer to append to, borrowed until dist_out_close. Take a mark first where more than one write belongs
 * together. */
struct wr *dist_out_open(struct dist_out *out);
/* ERR_NONE: all since mark is queued. Else nothing is, and the writer works again. */
MUST_USE enum err dist_out_close(struct dist_out *out, size_t mark);
struct slice dist_out_pending(const struct dist_out *out);
void dist_out_sent(struct dist_out *out, size_t n);

static inline size_t dist_out_mark(const struct dist_out *out)
{
    return out->wr.len;
}

#endif
