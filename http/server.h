/*
 * server: the HTTP/1.1 side: libmicrohttpd in external epoll mode on the loop, a route table, and requests by
 * id.
 *
 * A request is known by an id from the moment its handler is called until it has been answered or its client
 * has left. It is answered exactly once, in the handler or later from the loop; meanwhile it is suspended.
 * Whatever comes for an id that is gone finds nothing, and is harmless. What can be settled without the
 * handler is settled here: framing that libmicrohttpd lets through, Host, Origin and Sec-Fetch-Site, no such
 * path (404), method (405 with Allow, HEAD, OPTIONS), unknown or repeated query parameters (400), body over
 * the limit (413), headers (431).
 *
 * A client that closes its sending side counts as one that has left, as it does for nginx: a half-closed
 * connection cannot be told from a closed one without writing to it. Its request is given up within twice
 * gone_ms, or when its answer comes, whichever is first; an answer that the handler gives at once is sent all
 * the same.
 *
 * Host: HTTP/1.1 needs exactly one (else 400); HTTP/1.0 may lack it, for no browser speaks it. It must be
 * localhost or a name under it, a loopback address, the listen address, one of config.hosts, or with HTTPS a
 * name that the certificate bears (else 421). When listening on all addresses, any address will do: only
 * names can be rebound.
 *
 * In the query '+' is a space, as in a form; in a path it is a plus. Neither may hold %00 (400). A path with
 * an empty segment or a slash at its end is not found.
 *
 * What libmicrohttpd 0.9.7x answers by itself, as text without a problem body, before anything of ours is
 * asked: a request line or header line that is none (400), HTTP/0.x and 2 (505), a head that does not fit
 * into its memory, which is some KiB above max_headers (414, 431, or no answer at all), a Content-Length that
 * is no number, and broken chunks (400); the head of some of these it writes twice. What it lets through and
 * we cannot see: bare LF instead of CRLF between chunks, chunk extensions and trailers (ignored).
 */
#ifndef ERLGATE_HTTP_SERVER_H
#define ERLGATE_HTTP_SERVER_H

#include "base/err.h"
#include "base/slice.h"
#include "http/known.h"
#include "http/timing.h"
#include "http/tls.h"
#include "loop/loop.h"

struct channel;
struct http_server;
struct http_problem;
struct http_request; /* valid inside the handler only; the id outlives it */

enum {
    HTTP_LISTENERS_MAX = 8,
    HTTP_PRINCIPAL_MAX = 128, /* bytes */
};

enum http_body {
    HTTP_BODY_NONE, /* a body is refused with 400 */
    HTTP_BODY_TERM, /* read whole, under the limit, before the handler is called */
};

/* Which listeners serve a route. */
enum http_where {
    HTTP_ON_MAIN,
    HTTP_ON_BOTH,
    HTTP_ON_ADMIN, /* the one for health and metrics alone; the others where there is no such one */
};

struct http_route {
    const char *method;  /* "GET" (serves HEAD too), "POST", "PUT", "DELETE" */
    const char *pattern; /* "/v1/nodes/{node}/processes/{name}/call": also the label in logs and metrics */
    enum http_body body;
    const char *const
        *query; /* the parameters it takes, NULL-terminated; NULL: none. "name*" may be repeated */
    void (*handle)(void *ctx, struct http_request *req);
    unsigned operation, target; /* for the user of the table */
    enum http_where where;
    bool is_public;   /* served to everybody: admit is not asked */
    bool is_anywhere; /* its handler runs in whichever thread the request came to; else in the owner's
                         (cross.h) */
};

/* One thing to listen on. */
struct http_listen {
    const char *path; /* of a unix-domain socket; NULL: TCP. A file that is there already is removed if it is
                         a socket on which nobody listens. It is removed again at the end */
    unsigned mode;    /* of that file; 0: 0600 */
    const char *host; /* address; NULL: 127.0.0.1, "": all of IPv6 and IPv4 */
    uint16_t port;    /* 0: any */
    bool is_tls;      /* HTTPS, with the server's http_tls */
    bool is_admin; /* for health and metrics: serves the routes on both and on admin, and no others; admit is
                      not asked about them */
};

/* Who asks, as far as the connection and the head of a request say it. Borrowed for the call of admit. */
struct http_caller {
    const struct http_route *route;
    struct slice authorization; /* of the first such header */
    unsigned authorization_count;
    struct slice cookie; /* likewise */
    unsigned cookie_count;
    const char *cert_subject; /* of a client certificate that has been verified; NULL: none */
    int64_t uid;         /* of who has connected to a unix-domain socket; -1: another kind, or not known */
    const char *address; /* of the client, as text; NULL: not known */
    bool is_get;         /* GET or HEAD */
    bool is_secure;      /* by HTTPS */
};

/* A limit on requests, as draft-ietf-httpapi-ratelimit-headers tells it. */
struct http_rate {
    uint32_t limit; /* requests in window_s; 0: there is none, and nothing is told */
    uint32_t window_s;
    uint32_t remaining;
    uint32_t reset_s; /* until remaining is limit again */
};

/* What admit says of a request. All zero but principal is fine. */
struct http_admission {
    char principal[HTTP_PRINCIPAL_MAX + 1]; /* who it is */
    size_t principal_len;
    unsigned kind;       /* the user's own: how that was found out */
    uint64_t credential; /* the user's own: by what. An event stream can be asked about it again */
    int64_t expires_s;   /* likewise: when that ends */
    uint64_t expires_ms; /* of loop_now_ms: when an event stream opened by it ends; 0: not */
    struct http_rate rate;
};

/* What became of one request. */
struct http_done {
    /* NULL: it never got to one; or there is but a note to be heard, of a request whose end was told without
     * it. Its client left, or the server stopped, before the thread that has the connection had the note. */
    const struct http_route *route;
    const char *method;           /* NULL: the latter */
    unsigned status;              /* 0: its client left before it was answered */
    const char *code;             /* static: of the problem that it was answered with; NULL: none */
    bool is_stream;               /* it has read an event stream */
    uint64_t duration_us;         /* from its first line to the last byte of its answer */
    uint64_t bytes_in, bytes_out; /* of the bodies */
    struct slice trace;
    void *note; /* http_request_set_note's; freed when the callback returns */
};

/* What event streams (events.h) may cost. 0: the default. */
struct http_stream_limits {
    unsigned max_streams; /* at once, without those that have ended; 16,384 */
    /* A stream keeps the last of its events as long as these are no more than */
    unsigned max_events;      /* 1,024 */
    size_t max_bytes;         /* of data; 1 MiB. A larger event is lost */
    uint64_t max_age_ms;      /* 300,000 */
    uint64_t max_total_bytes; /* of all streams, about; 256 MiB. Beyond, each keeps at most its share of it */
    uint64_t heartbeat_ms;    /* unless the client says otherwise; 15,000 */
    uint64_t min_heartbeat_ms; /* that a client may choose; 1,000 */
    uint64_t max_heartbeat_ms; /* 300,000 */
    uint64_t linger_ms;        /* unless the client says otherwise; 30,000 */
    uint64_t max_linger_ms;    /* that a client may choose, from 0; 600,000 */
    uint64_t retry_ms; /* after which a client that lost its connection shall come back, give or take a half;
                          2,000 */
};

/* What clients may cost. 0: the default. Each is named in the error that it makes. */
struct http_limits {
    size_t max_body;      /* bytes; 8 MiB */
    uint64_t max_bodies;  /* bytes of all bodies that are being read at once; 256 MiB, or 4 * max_body if that
                             is more. Beyond, those over 16 KiB: 503 overloaded */
    uint64_t max_answers; /* bytes of all answers over 16 KiB that are being sent at once, by all threads; 256
                             MiB, and an eighth more for those of up to a 64th of that. Beyond, the oldest
                             that go at less than about 4 MiB/s are cut off, then the largest if it is eight
                             times as large as the one that wants room; else that one is lost: 503
                             overloaded. One alone may be larger */
    size_t max_headers;   /* bytes of request line and headers; 16 KiB */
    /* Connections at once; 20,000, or what the descriptors of the process leave room for. An eighth more is
     * accepted to be told 503 overloaded; what is beyond that is closed at once. */
    unsigned max_connections;
    /* The same of one address (of IPv6: the first 64 bits); 1,024. Loopback addresses and unix-domain sockets
     * are not counted by address. */
    unsigned max_connections_per_address;
    unsigned max_in_flight; /* requests waiting for an answer; 100,000. Beyond: 503 overloaded at once */
    uint64_t idle_ms; /* a connection on which nothing moves, rounded up to s; 30,000. A head, a TLS handshake
                         before it included, must be there within twice that, and a body keep coming with
                         1 KiB/s on average. A stream may be silent for as long as it likes; a client that
                         takes nothing of it is cut off */
    struct http_stream_limits streams;
};

/* Bytes of large answers that are being sent, by all threads. */
struct http_answers {
    _Atomic uint64_t bytes;
    _Atomic uint64_t wanted;     /* by an answer that one of them had no room for; 0: all had */
    _Atomic(const void *) asker; /* that one's server */
    _Atomic uint64_t asked_ms;   /* when */
};

struct http_config {
    struct http_tls *tls; /* for listeners with is_tls: the server takes a reference; NULL: there are none */
    const struct http_listen *listens; /* at most HTTP_LISTENERS_MAX; borrowed for the server's life */
    size_t listen_count;               /* 0: one, on */
    const char *host;                  /* NULL: 127.0.0.1, "": all of IPv6 and IPv4 */
    uint16_t port;                     /* 0: any */
    const char *const *hosts; /* further names accepted in Host, NULL-terminated; NULL: none. Loopback names,
                                 and the listen address, always are */
    const char *const *origins; /* whose pages may use it from a browser (CORS), as "https://app.example";
                                   NULL-terminated; NULL: none but its own */
    const struct http_route *routes; /* borrowed for the server's life */
    size_t route_count;
    void *ctx; /* handed to handlers and to all of the following */
    /*
     * Who asks? Called for each request of a route that is not public, once its head has been judged and its
     * route found, and before anything of its body is read. True: ret (which is all zero) says who. False:
     * ret_problem, which may borrow from static text alone, is the answer (401, 403, 429), and ret->rate is
     * told with it. Of req there are route, segments, query, headers and trace, but no id: nothing may be
     * answered here. NULL: everybody is the principal "anonymous".
     */
    bool (*admit)(void *ctx, struct http_request *req, const struct http_caller *caller,
                  struct http_admission *ret, struct http_problem *ret_problem);
    /* Is what admit said still so? Asked when an event stream is opened and by http_server_recheck: if not,
     * it says `bye` and ends, so that its client has to ask again. May be NULL. */
    bool (*is_admitted)(void *ctx, const struct http_admission *admission);
    /* The client of a suspended request left before it was answered: the id is gone already. May be NULL. */
    void (*gone)(void *ctx, uint64_t id, uint64_t tag);
    uint64_t gone_ms; /* suspended requests are looked at so often: a client that left is noticed within twice
                         that; 0: 1,000 */
    struct http_limits limits;
    /* A stream's reader left, and no other came within its linger: the id is gone. May be NULL. */
    void (*stream_gone)(void *ctx, uint64_t stream, uint64_t tag);
    /* That serve what this one does: of max_in_flight and max_bodies each has its share; 0: 1. */
    unsigned threads;
    /* Theirs together: http_server_answers of another. Borrowed; NULL: its own. */
    struct http_answers *answers;
    struct channel *owner; /* a worker's server, which listens nowhere: to the owner of all that there is one
                              of. Borrowed; NULL: it is the owner, or there are no workers */
    /* Each request once it is over, for metrics. May be NULL. Its own answers may not be given in it. */
    void (*done)(void *ctx, const struct http_done *done);
};

/* How many descriptors a process has to have that serves so many connections at once, by so many threads on
 * so many listeners, and keeps some links besides. */
uint64_t http_descriptors_wanted(unsigned threads, size_t listeners, unsigned connections);

/* Listens and starts. ERR_INVALID for a bad address, ERR_ADDRESS_IN_USE when the port is in use, ERR_IO,
 * ERR_NOMEM. */
MUST_USE enum err http_server_start(struct loop *l, const struct http_config *config,
                                    struct http_server **ret);
uint16_t http_server_port(const struct http_server *s); /* of the first listener */
uint16_t http_server_port_of(const struct http_server *s, size_t listen);
/* For connections to come; those that are there keep what they were opened with. Takes a reference. Only when
 * it started with one. */
void http_server_set_tls(struct http_server *s, struct http_tls *tls);
const struct http_tls *http_server_tls(const struct http_server *s); /* borrowed; NULL: none */

/* From now on. What is under way, and streams that are there, keep what they have begun with where that costs
 * nobody anything. */
void http_server_set_limits(struct http_server *s, const struct http_limits *limits);
const struct http_limits *http_server_limits(const struct http_server *s); /* borrowed; no 0 in it */

/* Further names for Host, and origins, as in http_config: from now on. Borrowed until the next call. */
void http_server_set_names(struct http_server *s, const char *const *hosts, const char *const *origins);

/* Who is admitted has changed: is_admitted is asked about each reader of an event stream. */
void http_server_recheck(struct http_server *s);

/* What has been counted since the start. */
struct http_server_stats {
    uint64_t connections;                  /* opened */
    uint64_t tls_handshakes, tls_failures; /* that came to an end, and that did not */
    /* What the limits have refused, each by its name. */
    uint64_t over_max_body, over_max_bodies, over_max_answers, over_max_headers, over_max_connections,
        over_max_connections_per_address, over_max_in_flight, over_max_streams;
    uint64_t malformed_requests; /* whose framing cannot be trusted */
    uint64_t slow_requests;      /* heads, bodies and handshakes that did not come in time */
    uint64_t slow_answers;       /* cut off to make room for others (max_answers) */
    uint64_t idle_requests;      /* that were being sent to a client which took nothing (idle_ms) */
    uint64_t requests, lent;     /* that are over; that a worker's server has lent to the owner's (cross.h) */
};
const struct http_server_stats *http_server_stats(const struct http_server *s); /* borrowed */
unsigned http_server_connections(const struct http_server *s);                  /* open now; workers' too */
unsigned http_server_own_connections(const struct http_server *s);              /* without those */
/*
 * The way down, so that no request is lost. A listener for health and metrics goes on to the end, so that it
 * can be asked how far things are.
 *
 * leave: each answer says that its connection closes; all else goes on.
 * quiesce: no new connections, but for those that wait to be accepted already. What has begun goes on. A
 * connection on which something moved within the last 250 ms may still bring a request, for it may be on its
 * way; those that have been silent for longer end.
 */
void http_server_leave(struct http_server *s);
void http_server_quiesce(struct http_server *s);
/* After quiesce: has some request begun, or may one, that is not yet answered and sent? Event streams do not
 * count: they end with http_server_stop. */
bool http_server_is_busy(struct http_server *s);
size_t http_server_in_flight(const struct http_server *s);       /* requests not yet answered */
uint64_t http_server_body_bytes(const struct http_server *s);    /* of bodies that are being read */
uint64_t http_server_answer_bytes(const struct http_server *s);  /* of large answers, all threads' */
struct http_answers *http_server_answers(struct http_server *s); /* borrowed */
/* Answers whatever is left with 503, says bye to the readers of streams, gives the answers under way half a
 * second to leave (and a fifth of a millisecond more for each reader), stops libmicrohttpd, frees. Takes
 * NULL. Never from within a handler, gone or done. */
void http_server_stop(struct http_server *s);

/* ---- a request, inside its handler; slices are borrowed until that returns ---- */
uint64_t http_request_id(const struct http_request *r);
const struct http_route *http_request_route(const struct http_request *r);
/* The n-th {…} of the pattern, percent-decoded once. */
struct slice http_request_segment(const struct http_request *r, size_t n);
/* The same of a request that waits; empty when the id is gone. Borrowed until that. */
struct slice http_segment(const struct http_server *s, uint64_t id, size_t n);
bool http_request_has_query(const struct http_request *r); /* is there any parameter? */
/* The value of a query parameter, decoded; false when absent. */
bool http_request_query(const struct http_request *r, const char *name, struct slice *ret);
/* Iterates over the values of a parameter that may be repeated: *cursor starts at 0; false at the end. */
bool http_request_query_next(const struct http_request *r, const char *name, size_t *cursor,
                             struct slice *ret);
/* A HEAD that a GET handler serves: it answers as to GET, and what it gives is not sent. */
bool http_request_is_head(const struct http_request *r);
/* A header's value; the first if it is repeated; false when absent. Names are compared without case. */
bool http_request_header(const struct http_request *r, const char *name, struct slice *ret);
/* The same of one of known.h's. */
bool http_request_known(const struct http_request *r, enum http_known which, struct slice *ret);
struct slice http_request_body(const struct http_request *r);
/* Who asks, as admit said; "anonymous" when nobody was asked. */
struct slice http_request_principal(const struct http_request *r);
/* The same of a request that waits; empty when the id is gone. Borrowed until that. */
struct slice http_principal(const struct http_server *s, uint64_t id);
const struct http_admission *http_request_admission(const struct http_request *r);
bool http_request_is_secure(const struct http_request *r); /* by HTTPS */
/* X-Request-Id: taken if it is 1 to 128 visible ASCII characters, else made. Stands in the answer too. */
struct slice http_request_trace(const struct http_request *r);
/* The same of a request that waits; empty when the id is gone. Borrowed until that. */
struct slice http_trace(const struct http_server *s, uint64_t id);

/* For Server-Timing: what has passed since the last such call, or since the request's first line, was that
 * stage's. Looks at the clock only if the client has asked for it. */
void http_request_spent(struct http_server *s, uint64_t id, enum http_stage stage);

/* loop_now_us, or within a handler when the request that is handled had come: one look at the clock serves
 * all that is to know it by the millisecond. */
uint64_t http_now_us(struct http_server *s);

/* A number of the user's own that travels with the request: handed to `gone`, and read back by id. */
void http_request_set_tag(struct http_server *s, uint64_t id, uint64_t tag);
uint64_t http_request_tag(const struct http_server *s, uint64_t id); /* 0 when the id is gone */

/* Memory that belongs to the request until it is over, by mem_alloc: `done` sees it. Takes the place of what
 * was there. Freed at once when the id is gone. */
void http_request_set_note(struct http_server *s, uint64_t id, void *note);

/* ---- the answer ---- */
struct http_header {
    const char *name;  /* static */
    const char *value; /* copied */
};

/* A body of JSON over 1 KiB goes in gzip to those who ask for that, if it has no Content-Encoding yet; over
 * 1 MiB it does not, for its packing would hold up all others. Each answer has Date, Server, X-Request-Id,
 * X-Content-Type-Options: nosniff, and Cache-Control: no-store unless the response has a Cache-Control of its
 * own. */
struct http_response {
    unsigned status;
    const char *content_type; /* static; NULL: no body */
    uint8_t *body;            /* owned: freed with mem_free once sent, or at once if the id is gone */
    size_t body_len;
    const struct http_header *headers; /* copied; further ones */
    size_t header_count;
};

/* Exactly once an id. Always takes the body. */
void http_answer(struct http_server *s, uint64_t id, const struct http_response *response);

/* RFC 9457. Everything is copied; NULL, 0 and empty leave a member out. */
struct http_problem {
    unsigned status;    /* 0: that of the code (problem.h) */
    const char *code;   /* "noproc"; static */
    const char *title;  /* static, the same for each code; NULL: that of the code */
    const char *detail; /* what happened this time, and what to do about it */
    bool is_retryable;
    bool was_sent;
    struct slice reason;     /* JSON text of a term */
    struct slice klass;      /* "exit", "error", "throw": JSON member "class" */
    struct slice stacktrace; /* JSON text of a term */
    /* errors[0]: where the input is wrong */
    const char *pointer;   /* JSON Pointer; NULL: none */
    unsigned line, column; /* from 1; 0: none */
    bool has_offset;
    size_t offset;                     /* bytes into the body */
    const char *parameter;             /* the query parameter, or "header:Name" */
    unsigned retry_after_s;            /* Retry-After; 0: none */
    const struct http_header *headers; /* copied; further ones. 401 has a WWW-Authenticate, if not here,
                                          by itself */
    size_t header_count;
};

void http_answer_problem(struct http_server *s, uint64_t id, const struct http_problem *p);
/* 503 overloaded with Retry-After. what is too much, as a sentence; NULL: streams. */
void http_answer_overloaded(struct http_server *s, uint64_t id, const char *what);

#endif
