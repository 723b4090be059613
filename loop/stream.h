/*
 * stream: a TCP connection on the loop, made by dialling or by a listener.
 *
 * Owned by whoever holds the pointer; ended by loop_stream_close, after which no callback comes. Reads go
 * straight into the room its user offers; writes are tried at once and what the kernel does not take is kept
 * by the user: the stream copies nothing.
 */
#ifndef ERLGATE_LOOP_STREAM_H
#define ERLGATE_LOOP_STREAM_H

#include "loop/loop.h"

struct loop_stream;
struct loop_listener;
struct loop_tls;

struct loop_stream_ops {
    /* Where to read to; NULL or *ret_len 0: stop reading, the stream ends with ERR_NOMEM. */
    uint8_t *(*room)(void *ctx, size_t *ret_len);
    void (*received)(void *ctx, size_t n);
    /* The kernel takes bytes again after a loop_stream_write that took less than all. */
    void (*writable)(void *ctx);
    /* The other end closed (ERR_CLOSED), or reading failed (ERR_IO; with TLS more: loop_stream_secure). Close
     * the stream.
     */
    void (*ended)(void *ctx, enum err e);
};

/* Exactly one of: s with ERR_NONE, yours now; or NULL with ERR_NO_HOST, ERR_NO_CONNECTION, ERR_TIMEOUT,
 * ERR_NOMEM. */
typedef void loop_dialled_fn(void *ctx, uint64_t id, struct loop_stream *s, enum err e);

/* host: a name or an address; each address it has is tried in turn. Times out after timeout_ms in all. A
 * handle to give up with; 0: failed at once (no memory), fn is not called. */
MUST_USE uint64_t loop_dial(struct loop *l, const char *host, uint16_t port, uint64_t timeout_ms,
                            loop_dialled_fn *fn, void *ctx, uint64_t id);
/* fn is not called any more. An unknown handle is ignored. */
void loop_dial_cancel(struct loop *l, uint64_t handle);

/* s: yours now. */
typedef void loop_accepted_fn(void *ctx, struct loop_stream *s);

/* host: an address, or "" for all (IPv6 and IPv4). port 0: any. ERR_INVALID for a bad address, ERR_NAME_TAKEN
 * when the port is in use, ERR_IO with errno otherwise. */
MUST_USE enum err loop_listen(struct loop *l, const char *host, uint16_t port, loop_accepted_fn *fn,
                              void *ctx, struct loop_listener **ret);
/* The same with a socket that listens already (socket activation, sd_listen_fds(3)). Takes fd, also on
 * failure. ERR_INVALID: it is no TCP socket that listens. */
MUST_USE enum err loop_listen_fd(struct loop *l, int fd, loop_accepted_fn *fn, void *ctx,
                                 struct loop_listener **ret);
uint16_t loop_listener_port(const struct loop_listener *ls);
void loop_listener_close(struct loop_listener *ls); /* takes NULL */

/* Starts reading. ops and ctx are borrowed for the stream's life. */
void loop_stream_start(struct loop_stream *s, const struct loop_stream_ops *ops, void *ctx);
/* How many bytes the kernel took: fewer than all means `writable` will be called. ERR_CLOSED when the stream
 * is broken. */
MUST_USE enum err loop_stream_write(struct loop_stream *s, struct slice bytes, size_t *ret_taken);
/* Within `ended`: what exactly was wrong, static; NULL: the error says it all. */
const char *loop_stream_why(const struct loop_stream *s);
/* Stops and resumes reading: backpressure towards the peer. */
void loop_stream_pause(struct loop_stream *s, bool is_paused);
/* Has the other end a loopback address, or our own? */
bool loop_stream_is_local(const struct loop_stream *s);
/* The peer's IPv4 address, or the first 64 bits of its IPv6 one, as a number; 0: not known. */
uint64_t loop_stream_peer_net(const struct loop_stream *s);
/* Closes once what the kernel has taken is on its way; takes NULL. */
void loop_stream_close(struct loop_stream *s);

/* ---- TLS (loop/tls.h) ---- */

/*
 * Makes a stream that has not been started speak TLS: as client, dialled by the name or address host, or,
 * when host is NULL, as server. ERR_NOMEM: the stream is still the caller's to close.
 *
 * What differs from a plain stream: `ended` may also be given ERR_NOT_ALLOWED (one end does not accept the
 * other's certificate) and ERR_MALFORMED (what comes is no TLS); after a write that took less than all, the
 * next one must begin with the same bytes. There is no deadline here: that is the user's.
 */
MUST_USE enum err loop_stream_secure(struct loop_stream *s, const struct loop_tls *tls, const char *host);
/* "TLSv1.3" once the handshake is through; NULL before, and for plain streams. Static. */
const char *loop_stream_tls_version(const struct loop_stream *s);

#endif
