/*
 * streams: what the files of event streams share. Nothing outside the folder includes it.
 *
 *   history.c  the last events of a stream, and how far its reader is   (pure)
 *   frame.c    how they look on the wire                                (pure)
 *   reading.c  how a client wants to read: Accept, Last-Event-ID, query
 *   streams.c  streams by id: made, fed, ended, given up
 *   reader.c   the request that reads one
 *   due.c      heartbeats, lingering, age: one timer for all
 */
#ifndef ERLGATE_HTTP_STREAMS_H
#define ERLGATE_HTTP_STREAMS_H

#include <sys/types.h>

#include "base/idtab.h"
#include "http/events.h"
#include "http/frame.h"
#include "http/link.h"

struct http_remote;
struct http_request;
struct http_server;

struct http_stream {
    uint64_t id, tag;
    uint64_t key; /* hash of its maker's key */
    struct http_history history;
    struct http_request *reader; /* borrowed; NULL: none */
    struct http_link due;        /* in http_streams.slots, or due */
    struct http_link over;       /* in http_streams.over */
    uint64_t due_ms;
    uint64_t left_ms; /* when its last reader left, or it was made */
    uint64_t linger_ms;
    bool is_kept, is_ended;
    bool was_read;     /* it has had a reader */
    uint8_t secret[8]; /* the second half of its epoch */
};

/* The part of a request that reads a stream. */
struct http_reader {
    struct http_stream *stream; /* borrowed; NULL: another reads it, or it is gone */
    struct http_frame frame;    /* under way if is_writing */
    size_t offset;              /* of it that has been written */
    struct http_event *event;   /* a use: the frame's */
    bool is_open;               /* this request reads a stream, or did */
    bool is_writing;
    bool has_to_open, has_to_tell_gap, has_to_ping, has_to_say_bye;
    bool is_ending;             /* the response ends once nothing is left to be written */
    bool is_cut;                /* the connection is to be closed */
    bool is_ready;              /* in http_streams.ready, not in http_server.waiting */
    struct http_remote *remote; /* owned: at a worker, its part of a stream that is the owner's */
    uint64_t bye_retry_ms;
    uint64_t heartbeat_ms;
    uint64_t wrote_ms; /* when something was last written */
};

enum {
    /* What `retry` is in a `bye`, in times of retry_ms: all come back at once when the gateway starts again;
     * two that take a stream from each other should not do so often. */
    HTTP_BYE_RETRIES = 3,
    HTTP_TAKEOVER_RETRIES = 15,
    DUE_TICK_MS = 32,
    DUE_SLOTS = 512, /* what is due later than in DUE_TICK_MS * DUE_SLOTS goes round again */
};

struct http_streams {
    struct idtab table; /* all, those that have ended too */
    size_t ended_count;
    struct http_link over; /* those that have ended and have no reader, in that order */
    size_t over_count;
    struct http_link ready; /* requests that have something to write and are still suspended */
    struct http_link slots[DUE_SLOTS], due;
    uint64_t tick; /* all slots up to this one have been emptied into due */
    size_t timed;  /* streams in a slot or in due */
    struct loop_timer *timer;
    uint64_t timer_at_ms; /* UINT64_MAX: it is not armed */
    uint64_t seed, mask;  /* of key hashes; of ids in epochs */
    size_t readers;
    uint64_t bytes, emitted, lost, gaps;
    uint32_t relief; /* the stream that is looked at next when there are too many bytes */
};

/* ---- streams.c ---- */

MUST_USE enum err http_streams_init(struct http_server *s);
/* `bye` to all readers, whose responses end. */
void http_streams_say_bye(struct http_server *s);
void http_streams_fini(struct http_server *s); /* there are no more readers */
void http_stream_epoch(const struct http_server *s, const struct http_stream *st,
                       uint8_t ret[HTTP_EPOCH_LEN]);
/* What is to be done for it now, and when the next time: called by due.c. */
void http_stream_due(struct http_server *s, struct http_stream *st, uint64_t now_ms);
/* Sees to it that it is due when it must be. */
void http_stream_time(struct http_server *s, struct http_stream *st);
/* Its reader is no more. */
void http_stream_left(struct http_server *s, struct http_stream *st);

/* ---- reader.c ---- */

/* Makes the response by which a stream is read; for HEAD that is all. content: what libmicrohttpd asks for
 * the next bytes; NULL: the reader here. False: there is no memory. */
bool http_reader_respond(struct http_request *r, enum http_media media,
                         ssize_t (*content)(void *request, uint64_t position, char *to, size_t room));
/* What there is to say, as much as there is room for. */
size_t http_reader_write(struct http_request *r, uint8_t *to, size_t room);
/* Suspends the connection: there is nothing to say. */
void http_reader_rest(struct http_request *r);
/* So that a client that is slow, or a host that is gone, costs little and not for long. */
void http_reader_bound_socket(const struct http_request *r);
/* r, which has its response, reads st, from where that is. has_gap: after telling that some events are lost.
 */
void http_reader_open(struct http_request *r, struct http_stream *st, const struct http_reading *reading,
                      bool has_gap);
/* There is something to write, or to end. */
void http_reader_wake(struct http_request *r);
/* Writes a heartbeat, if nothing else has been written for so long. */
void http_reader_beat(struct http_request *r, uint64_t now_ms);
/* Its response ends with `bye`. */
void http_reader_say_bye(struct http_request *r, uint64_t retry_ms);
/* Its stream is another's or gone: its response ends, with `bye` if retry_ms is not 0. */
void http_reader_dismiss(struct http_request *r, uint64_t retry_ms);
/* Closes its connection, for its client has left. */
void http_reader_cut(struct http_request *r);
/* The request is over. */
void http_reader_close(struct http_request *r);
/* Resumes some of those that are ready; true: there are more. */
bool http_readers_resume(struct http_server *s);
/* a number between half of ms and one and a half. */
uint64_t http_jitter(struct http_server *s, uint64_t ms);

/* ---- due.c ---- */

void http_due_init(struct http_server *s);
/* Not later than at_ms, give or take a tick; earlier if it is due earlier already. */
void http_due_by(struct http_server *s, struct http_stream *st, uint64_t at_ms);
void http_due_never(struct http_server *s, struct http_stream *st);
void http_due_fired(void *ctx, uint64_t id);

#endif
