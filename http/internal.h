/*
 * internal: what the files of http/ share. Nothing outside the folder includes it.
 *
 *   server.c   life: starting, quiescing, stopping
 *   listener.c one libmicrohttpd on the loop: running it, its connections
 *   handshake.h  TLS of a connection
 *   bind.c     the sockets to listen on
 *   request.c  one request from its first line to its end
 *   request_pool.c  where requests come from and go to
 *   request_ask.c   what their handlers ask
 *   report.c   the log and the counters hear of one that is over
 *   linger.c   while it waits for its answer
 *   rest.c     while many do
 *   judge.c    what its head must be like to get to its handler
 *   answer.c   responses and problems
 *   dress.c    their headers
 *   limits.c   what clients may cost
 *   sweep.c    clients that left, requests that never arrive
 *   spread.c   connections for workers; lend.c, twin.c  requests of workers (cross.h)
 *   streams.h  what belongs to event streams
 */
#ifndef ERLGATE_HTTP_INTERNAL_H
#define ERLGATE_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/idtab.h"
#include "base/map.h"
#include "base/wr.h"
#include "http/cross.h"
#include "http/guard.h"
#include "http/gzip.h"
#include "http/handshake.h"
#include "http/link.h"
#include "http/peer.h"
#include "http/query.h"
#include "http/router.h"
#include "http/server.h"
#include "http/stats.h"
#include "http/streams.h"
#include "http/target.h"

enum {
    TRACE_MAX = 128,
    TRACE_RANDOM_BYTES = 8, /* of an X-Request-Id that we make */
    TRACE_ID_BYTES = 16,    /* of a traceparent that we make */
    PARENT_ID_BYTES = 8,
    TRACEPARENT_LEN = 55,
    METHOD_MAX = 16,
    ENTROPY_LEN = 64 * (TRACE_RANDOM_BYTES + TRACE_ID_BYTES + PARENT_ID_BYTES),
    HTTP_OVERLOAD_RETRY_S = 1,
    HTTP_KEPT_BYTES_MAX = 16 * 1024, /* of a buffer that a free request keeps */
};

#define HTTP_TOO_LARGE_DETAIL "The body may have at most %zu bytes (--max-body)."

enum { HTTP_SOCKET_PATH_MAX = 108 }; /* sockaddr_un's */

/*
 * A libmicrohttpd and the socket it listens on. When a limit changes that libmicrohttpd takes only when it
 * starts, another one takes the place of this one, which is retired and lives until its connections have
 * gone.
 */
struct http_listener {
    struct http_server *server;
    struct http_listen config; /* with its defaults filled in */
    struct MHD_Daemon *daemon;
    size_t pool_bytes, idle_s; /* what it was started with */
    unsigned connections;
    struct http_link retired;         /* in http_server.retired */
    const struct http_router *router; /* one of the server's */
    struct http_guard guard;
    struct loop_poll *poll;
    struct loop_timer *run_timer;
    uint64_t run_at_ms; /* when run_timer fires; UINT64_MAX: it is not armed */
    bool is_running;    /* inside MHD_run */
    bool has_run;       /* since its timeout was last asked for */
    bool has_resumed;   /* some connection waits for MHD_run to find it resumed, or answered */
    /* Of linger.c: in the last run an answer was given or sent, or a connection came or went; a piece of a
     * body came. */
    bool has_moved, has_read;
    unsigned reading;   /* requests whose body is not yet all there */
    unsigned lingering; /* that wait without being suspended */
    unsigned luck, tried;
    struct http_conn *shaking; /* whose handshake has read last; NULL: it is gone */
    uint16_t port;
    dev_t socket_dev; /* of the socket's file, so that we remove none but our own */
    ino_t socket_ino; /* 0: there is none */
    int fd;           /* owned: on which we accept ourselves, for workers too; -1: libmicrohttpd does */
    struct loop_poll *accept_poll;   /* of fd; NULL: none, or there are no descriptors left */
    struct loop_timer *accept_timer; /* until there are some again */
    char path[HTTP_SOCKET_PATH_MAX];
};

enum http_over { HTTP_OVER_NONE, HTTP_OVER_ALL, HTTP_OVER_ADDRESS };

/* One connection. Made and freed as libmicrohttpd says. */
struct http_conn {
    struct http_listener *listener;
    struct http_link
        arriving; /* in http_server.arriving, by since_ms, while we wait for a request or its body */
    uint64_t since_ms;
    int fd;                       /* libmicrohttpd's */
    int64_t uid;                  /* of who has connected to a unix-domain socket; -1: not known */
    struct http_request *request; /* borrowed; NULL between two of them */
    struct http_peer peer;
    char address[HTTP_PEER_TEXT]; /* the same as text; "": not known */
    struct http_crowd *crowd;     /* shared with others of its address; NULL: it is not counted */
    enum http_over over;          /* accepted only to be told so */
    uint64_t guest;               /* at a worker: the owner's id of it */
    struct http_shake shake;
};

/*
 *   HEAD ──→ BODY ──→ HANDLING ──→ ANSWERED ──→ SENDING
 *     └────────┴── refused ──┐  └→ WAITING ─┘      ↑   ↕
 *                            └─────────────────────┘ RESTING
 */
enum http_phase {
    PHASE_HEAD,     /* the first line is there */
    PHASE_BODY,     /* the head has been judged; what comes is gathered, or dropped if a response is ready */
    PHASE_HANDLING, /* inside its handler; from here on it has an id */
    PHASE_WAITING,  /* suspended, or lingering */
    PHASE_ANSWERED, /* its id is gone; response NULL: the connection is to be closed */
    PHASE_SENDING,  /* libmicrohttpd has the response */
    PHASE_RESTING,  /* suspended again: it reads a stream that has nothing to say */
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *mhd; /* borrowed; NULL: it is a twin */
    struct http_conn *conn;     /* borrowed; NULL: it is a twin */
    struct http_twin
        *borrowed; /* owned: what a twin knows of the request that it stands for; NULL: it is none */
    uint64_t twin; /* at a worker: the id of its twin at the owner, once that has told; 0: none */
    bool is_lent;  /* at a worker: it has one, or is about to */
    bool is_secure, has_origins; /* of its connection: HTTPS; answers are shown to some origins (CORS) */
    enum http_phase phase;
    struct http_link waiting; /* in http_server.waiting, by checked_ms; the free list too; streams.ready */
    uint64_t checked_ms;
    uint64_t id, tag;
    void *note;                     /* owned; NULL: none */
    const struct http_route *route; /* borrowed */
    struct http_match match;
    struct http_admission admission;
    struct http_timing timing;
    struct wr raw_target; /* what target's slices point into */
    struct wr body;       /* until its handler has returned */
    bool is_body_too_large;
    bool is_head, is_1_0;
    bool is_late;      /* it began when the server takes no more */
    bool is_lingering; /* see linger.c */
    uint16_t looks;    /* at it meanwhile */
    uint64_t waits_since_ms;
    struct http_reader reader;     /* if it reads a stream */
    struct MHD_Response *response; /* ours until it is queued */
    size_t held;                   /* bytes of it that count while it is sent: sending.c */
    uint64_t sent_since_ms;
    uint64_t looked_ms, taken; /* first, and what its connection had taken then; 0: never */
    bool is_slow;              /* by what has been taken since */
    struct http_link answers;  /* in http_server.answers_by_age, if they do */
    unsigned status;
    const char *code; /* static: the problem it was answered with; NULL: none */
    uint64_t started_us, bytes_in, bytes_out;
    struct slice known[HTTP_KNOWN_COUNT]; /* borrowed from libmicrohttpd; of a twin unset */
    size_t trace_len, traceparent_len;
    char method[METHOD_MAX + 1];
    char trace[TRACE_MAX + 1];
    char traceparent[TRACEPARENT_LEN + 1]; /* W3C's: taken if it is a well-formed one, else made */
    char origin[HTTP_ORIGIN_MAX + 1];      /* to which the answer is shown (CORS); "": none */
    struct http_target target; /* last: it is large, and only as much of it is touched as there is */
};

/* Of rest.c. */
struct http_rest {
    uint64_t window;
    unsigned young[2];     /* requests that began to wait in it, in the one before, and still do */
    unsigned answered[2];  /* in it, in the one before */
    unsigned answered_now; /* in this turn of the loop */
};

/* At the owner: a worker. */
struct http_worker {
    struct channel *channel; /* borrowed; NULL: there is none of this number (any more) */
    unsigned connections;    /* that it has been given and has not closed */
};

struct http_server {
    struct http_config config;                           /* with its defaults filled in */
    struct loop *loop;                                   /* borrowed */
    struct http_limits limits;                           /* with its defaults filled in */
    struct http_listener *listeners[HTTP_LISTENERS_MAX]; /* owned */
    size_t listener_count;
    struct http_link retired; /* listeners that do not listen any more */
    struct map peers;         /* the http_crowd of each http_peer_key, owned */
    struct http_tls *tls;     /* owned: a reference; NULL: no listener is for HTTPS */
    struct http_server_stats stats;
    struct http_stats *counts;                 /* owned */
    struct http_router *router, *admin_router; /* owned; the second is of listeners for health and metrics */
    struct idtab requests;                     /* those that have an id */
    struct http_link fresh;    /* connections that no sweep has looked at since they began to wait */
    struct http_link arriving; /* the others, by since_ms */
    struct http_link waiting, free_requests;
    struct http_rest rest;
    size_t free_count;
    size_t sending;                            /* answered, not yet sent */
    uint64_t body_bytes;                       /* of all requests' bodies */
    struct http_answers *answers, own_answers; /* borrowed; the other if nobody has lent one */
    struct http_link answers_by_age;           /* large ones that are being sent */
    unsigned connections;
    bool is_running; /* inside MHD_run */
    uint64_t now_us; /* meanwhile: when the clock was looked at last; 0: not yet */
    struct loop_hook *hook;
    struct loop_timer *sweep_timer;
    bool is_sweep_armed;
    bool is_leaving;               /* answers say that their connection closes */
    bool is_quiescing;             /* nobody can connect */
    bool is_refusing;              /* and whatever begins is refused */
    bool is_stopping;              /* nothing gets to its handler any more */
    struct loop_timer *late_timer; /* owned: between the last two; NULL: not yet quiescing */
    /* This libmicrohttpd is one whose source we know: it leaves the head in one piece (judge.c), and asks
     * again who has not answered (linger.c). */
    bool is_library_known;
    bool is_dress_whole; /* it lets us give it all headers as one: see dress.c */
    struct http_streams streams;
    struct http_worker workers[HTTP_WORKERS_MAX];
    unsigned worker_count, next_worker;
    unsigned handicap;        /* connections that we are taken to have besides: for tests */
    unsigned not_accepted;    /* how often accepting has failed since that was last told */
    uint64_t not_accepted_ms; /* when it was; 0: never */
    struct idtab guests;      /* at the owner: connections that workers have */
    struct idtab twins;       /* at the owner: of requests that workers have lent */
    size_t twins_waiting; /* those of them that are among requests: they are counted where they come from */
    struct idtab remotes; /* at a worker: requests that read streams of the owner's */
    uint64_t arriving_guest; /* at a worker: the connection that is being opened; 0: it has been */
    enum http_over arriving_over;
    struct http_gzip *gzip; /* owned; NULL until the first body is packed */
    size_t entropy_left;
    uint8_t entropy[ENTROPY_LEN]; /* so that not each request asks the kernel */
};

/* ---- request.c ---- */

void *http_request_begun(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_request_came(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context);
void http_request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_RequestTerminationCode code);

/* ---- request_pool.c ---- */

/* All but its connection is set; of the free list, if there is one. NULL: no memory. */
MUST_USE struct http_request *http_request_new(struct http_server *s);
void http_request_recycle(struct http_request *r);
/* The body has been used, or will not be: a large one does not keep its memory while its request waits for an
 * answer. */
void http_request_forget_body(struct http_request *r);
void http_requests_free(struct http_server *s); /* the free list */

/* ---- request_ask.c ---- */

/* See http_request_spent. */
void http_request_time(struct http_request *r, enum http_stage stage);

/* ---- report.c ---- */

/* It is over: is_stream, with the last of what it read. */
void http_request_report(const struct http_request *r, bool is_stream);
/* The note of a request that is counted elsewhere, or nowhere: `done` hears of it alone. Takes note (NULL:
 * nothing happens). */
void http_note_report(const struct http_server *s, void *note, struct slice trace);

/* ---- judge.c ---- */

/* Reads the head. True: it may go on to its handler once its body is there. False: r->response says why not.
 */
bool http_request_judge(struct http_request *r, const char *method, const char *version,
                        struct http_head *head, bool *ret_must_close);
/* The same about what may have changed since. */
bool http_request_judge_load(struct http_request *r);
/* Make the response, and give false. */
bool http_request_refuse_overloaded(struct http_request *r, const char *detail);
bool http_request_refuse_size(struct http_request *r);

/* ---- answer.c ---- */

/* A refusal before there is an id: makes r->response. */
void http_request_refuse(struct http_request *r, const struct http_problem *p);
void http_request_respond(struct http_request *r, const struct http_response *response);
/* In the midst of a body that is too large, where libmicrohttpd takes no response: says so on the bare
 * socket. The connection must be closed then. */
void http_request_cut_off(struct http_request *r);
/* The id is gone from the table: what has been put into r is sent, or the connection closed. */
void http_request_finish(struct http_request *r);
/* Removes a suspended request whose client has left, tells its owner, and has the connection closed. */
void http_request_depart(struct http_server *s, uint64_t id);

/* ---- sending.c ---- */

/* An answer of so many bytes is about to be sent. False: too many are. Of a twin's its worker is asked. */
bool http_sending_begin(struct http_request *r, size_t len);
/* It has been, or will not be; also of one that never began. */
void http_sending_end(struct http_request *r);
/* Slow ones make room before it is wanted, if it is near its end. */
void http_sending_relieve(struct http_server *s, uint64_t now_ms);
/* Makes the response that takes its place. */
void http_sending_refuse(struct http_request *r);

/* ---- dress.c ---- */

/* The headers that all answers have, and those of in. */
void http_response_dress(struct MHD_Response *out, const struct http_request *r,
                         const struct http_response *in);
/* One more. */
void http_response_add(struct MHD_Response *out, const char *name, const char *value);
/* Does this libmicrohttpd keep a header where all the others can be put into it? */
bool http_dress_is_whole(void);

/* ---- rest.c ---- */

/* One begins to wait. */
void http_rest_begin(struct http_rest *rest, uint64_t now_ms);
/* Answered, or lost; since_ms: when it began to wait. */
void http_rest_end(struct http_rest *rest, uint64_t since_ms);
/* At the end of a turn: how long the loop is to rest; 0: not at all. is_shared: there are several threads. */
unsigned http_rest_us(struct http_rest *rest, uint64_t now_ms, bool is_shared);

/* ---- linger.c ---- */

void http_linger_init(struct http_listener *l);
/* It has not been answered yet: PHASE_WAITING. */
void http_wait_begin(struct http_request *r);
/* libmicrohttpd asks again. */
void http_wait_look(struct http_request *r);
/* It has been answered; its phase is another already. */
void http_wait_end(struct http_request *r);
/* The connection of one that waits is no more. */
void http_wait_lost(struct http_request *r);
/* When libmicrohttpd is to run: what it says itself, or later if that is for those alone who linger. */
uint64_t http_linger_timeout(const struct http_listener *l, uint64_t timeout_ms);

/* ---- sweep.c ---- */

void http_sweep_due(void *ctx, uint64_t id);
/* Arms the timer if there is something to look after. */
void http_sweep_arm(struct http_server *s);

/* ---- bind.c ---- */

/* ERR_INVALID for an address or path that is none, ERR_ADDRESS_IN_USE when it is in use. */
MUST_USE enum err http_bind(struct http_listener *l, int *ret_fd);
/* Removes the socket's file, if it is still ours. */
void http_unbind(struct http_listener *l);
bool http_is_any_address(const char *host);

/* ---- listener.c ---- */

/* Gives it to the server, which ends it. */
MUST_USE enum err http_listener_add(struct http_server *s, const struct http_listen *config);
/* As the server's limits are now; as they were when there is no memory. */
void http_listeners_renew(struct http_server *s);
void http_listener_free(struct http_listener *l); /* takes NULL */
void http_listener_run(struct http_listener *l);
/* Ms until libmicrohttpd wants to run; UINT64_MAX: not before something happens. */
uint64_t http_listener_timeout(const struct http_listener *l);
int http_listener_epoll(const struct http_listener *l);
/* A server's hook, before the loop waits. */
void http_listeners_before_wait(void *ctx);
void http_conn_wait(struct http_server *s, struct http_conn *c); /* for a request, from now on */

/* ---- limits.c ---- */

/* Each thread has its share of what is of all requests. */
struct http_limits http_limits_fill(const struct http_limits *in, const struct http_config *config);
/* A connection whose peer is known takes its place among the others, and leaves it. */
void http_peer_enter(struct http_server *s, struct http_conn *c);
void http_peer_leave(struct http_server *s, struct http_conn *c);
/* Are there so many that another one is not even told? */
bool http_peer_is_shut_out(struct http_server *s, const struct http_peer *p);

/* ---- server.c ---- */

/* The time, looked at anew: what http_now_us says from now on. */
uint64_t http_look_at_clock(struct http_server *s);
/* Bytes of the server's reserve of randomness. */
void http_random(struct http_server *s, void *out, size_t len); /* len <= ENTROPY_LEN */

#endif
