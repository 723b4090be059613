/*
 * cross_wire: the messages of cross.h, as they lie in memory, and what the two sides keep. Nothing outside
 * the folder includes it.
 */
#ifndef ERLGATE_HTTP_CROSS_WIRE_H
#define ERLGATE_HTTP_CROSS_WIRE_H

#include "http/cross.h"
#include "http/internal.h"

/* ---- to the owner ---- */

/* A request, whole: then the spans of its segments, and of names and values of its parameters; the bytes they
 * are of; its headers, each as two lengths (uint32_t) and the bytes. */
struct cross_request {
    uint64_t home; /* its id at the worker */
    const struct http_route *route;
    struct http_match match;
    struct http_admission admission;
    struct http_timing timing;
    struct wr body; /* given away */
    uint64_t started_us;
    uint32_t segments, params, target_len, headers_len;
    size_t trace_len, traceparent_len;
    bool is_head, is_1_0, is_secure, has_origins;
    char method[METHOD_MAX + 1], trace[TRACE_MAX + 1], traceparent[TRACEPARENT_LEN + 1],
        origin[HTTP_ORIGIN_MAX + 1];
};

struct cross_span {
    uint32_t at, len;
};

struct cross_gone {
    uint64_t twin;
};

struct cross_reading {
    uint64_t twin, reader; /* the worker's id of it */
};

struct cross_credit {
    uint64_t twin;
    size_t bytes; /* that the client's connection has taken */
};

struct cross_read {
    uint64_t twin;
};

struct cross_closed {
    uint64_t guest;
};

/* ---- to a worker ---- */

struct cross_conn {
    int fd; /* given away */
    uint32_t listener;
    uint64_t guest; /* the owner's id of it */
    enum http_over over;
    socklen_t address_len;
    struct sockaddr_storage address;
};

struct cross_adopted {
    uint64_t home, twin;
};

/* Then its trace, which its note may have to be reported with. */
struct cross_answer {
    uint64_t home;
    struct MHD_Response *response; /* given away; NULL: the connection is to be closed */
    void *note;                    /* given away */
    const char *code;
    uint64_t bytes_out;
    size_t held; /* bytes of response */
    struct http_timing timing;
    unsigned status;
};

/* Then its trace. */
struct cross_stream {
    uint64_t home, twin; /* twin 0: to HEAD, there is nothing to be read */
    enum http_media media;
    void *note; /* given away */
};

/* DATA: the reader's id, and bytes. */
struct cross_data {
    uint64_t reader;
};

struct cross_stream_end {
    uint64_t reader;
};

/* ---- what is kept ---- */

enum {
    CROSS_WINDOW = 16 * 1024
}; /* bytes of a stream that are on their way to a worker and its client at most */

/* At the owner: a connection that a worker has. Counted as if it were here. */
struct http_guest {
    struct http_conn conn; /* has no descriptor, and nothing but what limits are counted by */
    unsigned worker;
    uint64_t id;
};

/* At the owner, of a twin. */
struct http_twin {
    unsigned worker;
    uint64_t home, id;
    uint64_t reader;  /* the worker's; 0: nobody reads yet */
    size_t credit;    /* bytes that may be sent */
    bool is_answered; /* in its handler, which is still running */
    bool is_reading;  /* its answer is a stream, */
    bool is_ended;    /* of which all has been said */
    uint8_t *headers; /* owned */
    size_t headers_len;
};

/* At a worker: what a reader at the owner's has to say. */
struct http_remote {
    uint64_t twin, id;
    struct wr data;   /* from `at` on it has not been read */
    size_t at, taken; /* taken: and not told of yet */
    bool is_ended;
};

/* A message of the HTTP side without a tail. */
#define CROSS_SEND(channel, kind, message) \
    channel_send((channel), (kind), &(message), sizeof(message), (struct slice){0})

/* ---- twin.c: at the owner ---- */

/* A header of the request that it is of. */
bool http_twin_header(const struct http_twin *t, const char *name, struct slice *ret);
/* What has been put into r goes to its worker. */
void http_twin_finish(struct http_request *r);
/* Its answer is a stream; read if there is a reader to come. */
void http_twin_stream(struct http_request *r, enum http_media media);
/* It has something to say. */
void http_twin_pump(struct http_request *r);

/* ---- lend.c: at a worker ---- */

/* No more will come of what remote streams have to say: their readers end with what is here. */
void http_lend_end_all(struct http_server *s);

/* The client of a lent request has left. */
void http_lend_gone(struct http_server *s, struct http_request *r);
/* The request that reads a remote stream is over. */
void http_lend_close(struct http_request *r);

/* ---- spread.c ---- */

MUST_USE enum err http_spread_begin(struct http_listener *l, int fd); /* takes fd when it succeeds */
void http_spread_end(struct http_listener *l);                        /* takes one that has not begun */
/* Who waits in the socket's queue is taken, then nobody any more. */
void http_spread_close(struct http_listener *l);
void http_guest_closed(struct http_server *s, uint64_t guest);
void http_guests_remove(struct http_server *s, unsigned worker);
/* At a worker: a connection that the owner has accepted. */
void http_guest_came(struct http_server *s, const struct cross_conn *m);
/* A connection that is being opened is one the owner has given: it is counted there. */
bool http_guest_enter(struct http_server *s, struct http_conn *c);
bool http_guest_leave(struct http_server *s, struct http_conn *c);

#endif
