/*
 * events: event streams (text/event-stream, application/x-ndjson): things of their own, with an id, that are
 * fed from the loop and outlive the connections by which they are read.
 *
 * A stream is made by http_stream_new, with or without a request at hand: what is emitted into it is kept in
 * a ring, bounded in events, bytes and age, from which the oldest goes first. It has no or one reader: a GET
 * that http_stream_attach (or http_stream_resume) answered with 200 and that is answered further with each
 * event. A newer reader takes over from an older, whose response ends. A reader that is too slow, or comes
 * back too late, finds a `gap` in the place of what the ring no longer has; nothing ever waits for it. When a
 * reader has left, the stream waits `linger` ms for the next one.
 *
 * A stream's life ends, for its maker, with exactly one of: http_stream_end, http_stream_drop, the callback
 * stream_gone of http_config (its reader left and did not come back in time), http_server_stop. The id is
 * dead from then on: whatever comes for it finds nothing and is harmless. What http_stream_end has ended can
 * still be read and resumed for a while, which is no concern of its maker any more.
 *
 * How a handler of GET …/monitor uses it:
 *
 *     struct http_reading reading;
 *     if (!http_reading_of(s, req, &reading))
 *         return;                                        // 400 or 406: answered
 *     if (http_stream_resume(s, req, key, &reading))
 *         return;                                        // answered: it reads on, or 204
 *     if (http_request_is_head(req)) {
 *         http_stream_answer_head(s, http_request_id(req), &reading);
 *         return;
 *     }
 *     stream = http_stream_new(s, &(struct http_stream_config){.key = key, .tag = watch_id});
 *     if (!stream)
 *         http_answer_overloaded(s, http_request_id(req), NULL);
 *     … later, when it is certain that there is something to read (a problem is answered until then, and the
 *       stream dropped):
 *     http_stream_emit(s, stream, "monitor", data);
 *     http_stream_attach(s, http_id, stream, &reading);
 *     … and then
 *     http_stream_emit(s, stream, "down", data);
 *     http_stream_end(s, stream);
 *
 * and one of GET /processes/{id}/events, whose stream was made with the process:
 *
 *     if (!http_reading_of(s, req, &reading))
 *         return;
 *     http_stream_attach(s, http_request_id(req), stream, &reading);     // HEAD too
 *
 * On the wire. First `:ok` and `retry:`; each event with `event:`, `id:` and one line of `data:`. An id is
 * EPOCH-SEQ: the epoch, 32 hexadecimal digits that cannot be guessed, names the stream in this life of the
 * gateway; events are counted from 1. A comment after heartbeat ms in which nothing was written; with
 * `ping=event` an event `ping` with data {} and without an id. As NDJSON a line {"event":…,"id":…,"data":…}
 * each; the heartbeat is the line {"event":"ping","data":{}}, whatever `ping` says, for each line is to be
 * JSON, and the first line is such a one, with a member `retry`. `gap` {"lost":N} has the id of the last
 * event that is lost; {"lost":null}: an id that means nothing here. `bye` {} has a `retry` (as NDJSON a
 * member beside data) and the id of the last event that was sent: the response ends though the stream may go
 * on, because the gateway stops or another reader took over.
 *
 * Without an id a reader is given what no reader has been given before. Nothing is acknowledged: what was on
 * its way when a connection broke is had again by its id alone.
 */
#ifndef ERLGATE_HTTP_EVENTS_H
#define ERLGATE_HTTP_EVENTS_H

#include "http/negotiate.h"
#include "http/server.h"

/* The query parameters of a stream, for route tables. */
#define HTTP_READING_QUERY "heartbeat", "ping", "linger", "last_event_id", "Last-Event-ID"

enum http_resume {
    HTTP_RESUME_NOT,      /* no id: what no reader has been sent yet */
    HTTP_RESUME_EARLIEST, /* `last_event_id=earliest`: all that the ring still has */
    HTTP_RESUME_AFTER,    /* after the event with this id, if the epoch is the stream's */
    HTTP_RESUME_UNKNOWN,  /* an id that is none of ours: all that the ring has, after a gap {"lost":null} */
};

/* How a client wants to read. A value: keep it with whatever waits until the stream can be attached. */
struct http_reading {
    enum http_media media; /* HTTP_MEDIA_EVENT_STREAM or HTTP_MEDIA_NDJSON */
    uint64_t heartbeat_ms, linger_ms;
    bool is_ping_event;
    enum http_resume resume;
    uint8_t epoch[16]; /* with HTTP_RESUME_AFTER, and seq */
    uint64_t seq;
};

/* Reads Accept, Last-Event-ID and the query (HTTP_READING_QUERY). The header wins over the parameter, for a
 * browser's EventSource that resumes has both. False: answered, 400 bad-parameter or 406 not-acceptable. */
MUST_USE bool http_reading_of(struct http_server *s, struct http_request *req, struct http_reading *ret);

struct http_stream_config {
    /* What it is a stream of (a path with its query, a principal): only a request that gives the same key can
     * resume it. May be empty for a stream that is attached by its id alone. */
    struct slice key;
    uint64_t tag; /* the maker's own: handed to stream_gone */
    /* It is not given up when its reader has left, but only by its maker: a process with a ttl. */
    bool is_kept;
};

/* 0: there are max_streams already, or there is no memory (503: http_answer_overloaded). Until its first
 * reader comes it waits without end. */
MUST_USE uint64_t http_stream_new(struct http_server *s, const struct http_stream_config *config);

/*
 * Adds an event and wakes the reader: it is sent at the end of this turn of the loop, or of one of the next
 * if there are many. event: static, a token of at most 32 characters. data: one line of JSON text; copied.
 *
 * ERR_NOT_FOUND: the stream is gone or ended. ERR_TOO_LARGE, ERR_NOMEM: it could not be kept, and the reader
 * will find a gap.
 */
enum err http_stream_emit(struct http_server *s, uint64_t stream, const char *event, struct slice data);

/* There will be no more events. The reader's response ends once it has been sent them all. For the time of
 * its linger (at least 10 s) a client that has lost its connection can still have them; one that has them all
 * gets 204. */
void http_stream_end(struct http_server *s, uint64_t stream);
/* Forgets it at once; the reader's response ends. */
void http_stream_drop(struct http_server *s, uint64_t stream);

/*
 * Makes the request the stream's reader: 200, and events. 204 when the stream has ended and this client has
 * all of it; 410 gone when there is no such stream (one that has ended is there as long as it lingers). To
 * HEAD it answers the same without reading. False: the request was gone already (its client left), and
 * nothing has happened.
 */
bool http_stream_attach(struct http_server *s, uint64_t request, uint64_t stream,
                        const struct http_reading *reading);
/*
 * Finds the stream that the client's last id is of, if it has the same key, and attaches it: true, answered.
 * False: it did not have such an id; go on with a new stream.
 */
MUST_USE bool http_stream_resume(struct http_server *s, struct http_request *req, struct slice key,
                                 const struct http_reading *reading);
/* 200 with a stream's headers and no body: for a HEAD for which no stream is made. */
void http_stream_answer_head(struct http_server *s, uint64_t request, const struct http_reading *reading);

struct http_stream_info {
    bool has_reader;
    uint64_t idle_ms;     /* since its last reader left, or it was made; 0 while it has one */
    uint64_t emitted;     /* events, ever */
    uint64_t unread;      /* of these not yet sent to any reader, those in the ring */
    uint64_t lost;        /* of these, those that left the ring before they were sent to any reader */
    size_t events, bytes; /* in the ring */
};

/* False when it is gone or ended. */
bool http_stream_look(const struct http_server *s, uint64_t stream, struct http_stream_info *ret);

/* For metrics and limits. */
struct http_streams_info {
    size_t streams; /* not ended */
    size_t readers;
    uint64_t bytes;         /* in all rings */
    uint64_t emitted, lost; /* events, ever */
    uint64_t gaps;          /* that readers were told of, ever */
};

void http_streams_look(const struct http_server *s, struct http_streams_info *ret);

#endif
