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
    uv_loop_t uv;       /* the first member: loop_worked goes back from it */
    struct idtab dials; /* struct dial, by handle */
    bool has_worked;    /* in this turn something was called */
    uv_prepare_t rest;  /* the last hook of a turn */
    unsigned rest_us;   /* 0: none */
    bool is_stepped;    /* in loop_step */
};

/* The first thing that each callback of libuv's does. What comes of it is done in the next turn, by hooks and
 * by what libuv hands to the kernel before it waits: loop_step must know that there has to be one. */
static inline void loop_worked(uv_loop_t *uv)
{
    ((struct loop *)uv)->has_worked = true;
}

/* How reading or writing went. */
enum stream_io {
    STREAM_IO_DONE,       /* *ret_n bytes of it, at least one */
    STREAM_IO_WANT_READ,  /* once the socket is readable */
    STREAM_IO_WANT_WRITE, /* once the socket is writable */
    STREAM_IO_CLOSED,     /* the other end has closed */
    STREAM_IO_FAILED,
};

struct loop_stream {
    uv_poll_t uv;
    int fd;                            /* owned */
    const struct loop_stream_ops *ops; /* borrowed; NULL until started */
    void *ctx;                         /* borrowed */
    struct tls_session *tls;           /* owned; NULL: plain TCP */
    int events;                        /* UV_…: what the poll waits for */
    bool is_paused, is_closed;
    bool wants_writable;      /* the user is to hear of it */
    bool write_waits_to_read; /* the same, but TLS has to read first */
    bool read_waits_to_write; /* TLS has to write before it can give more */
};

/* A connected, non-blocking socket as a stream that is not yet reading. Takes the descriptor, also on failure
 * (NULL). */
struct loop_stream *loop_stream_of_fd(struct loop *l, int fd);

/* ---- tls_session.c: the TLS of one stream ---- */

struct tls_session;

enum stream_io tls_read(struct tls_session *t, uint8_t *to, size_t room, size_t *ret_n);
enum stream_io tls_write(struct tls_session *t, struct slice bytes, size_t *ret_n);
/* After CLOSED or FAILED: which error that is. */
enum err tls_error(const struct tls_session *t);
const char *tls_why(const struct tls_session *t);
/* Reads again in the next turn, whatever the socket says: TLS may hold bytes that the kernel no longer has.
 */
void tls_read_again(struct tls_session *t);
/* Says goodbye to the peer, if the socket takes it. No tls_read_again comes from here on. */
void tls_close(struct tls_session *t);
/* After tls_close; then calls closed, later. */
void tls_free(struct tls_session *t, void (*closed)(struct loop_stream *s));
/* stream.c: what tls_read_again asks for. */
void stream_read_again(struct loop_stream *s);

#endif
