/*
 * inbox: an Erlang process whose mailbox is an event stream.
 *
 * A stream of GET …/monitor or /events has one, which ends with the stream; POST /processes makes one that is
 * kept, with a URL and a time to live. Made by inbox_new, found by its id (struct gateway's inboxes), ended
 * by inbox_end, by exit signals of other processes, or by its stream; from then on the id finds nothing. Its
 * memory goes with the process's last callback.
 *
 * What it is tied to (monitors, links, memberships of groups) is a list of ties (tie.h), which end with it.
 */
#ifndef ERLGATE_BRIDGE_INBOX_H
#define ERLGATE_BRIDGE_INBOX_H

#include "bridge/internal.h"
#include "http/events.h"
#include "node/server.h"

enum {
    INBOX_EVENT_MAX = 960 << 10, /* bytes of data: a stream keeps 1 MiB, and loses what is larger */
    INBOX_MAX_CALLS = 1000,      /* not yet answered, of one */
    INBOX_CROWD = 1000,          /* so many leave memory that is worth giving back */
    INBOX_TRIM_MS = 20000,       /* when what they have ended with is over as well */
    INBOX_SWEEP_MS = 1000,       /* how often its time to live is looked at */
    INBOX_CALL_MS = 300000,      /* a call that is not monitored is forgotten then */
    INBOX_TAG_MAX = 4096,        /* bytes of a call's tag: it is kept; those of OTP have less than 400 */
};

/* A call that waits to be answered over HTTP. */
struct inbox_call {
    struct inbox_call *prev, *next; /* oldest first */
    uint64_t id;                    /* in the inbox's table */
    struct node_from *from;         /* owned */
    bool is_monitored;              /* its caller says when it waits no more */
    uint32_t mark;                  /* is_monitored: of that reference, to tell most others by */
    uint64_t came_ms;
};

/* How terms look in its events. */
struct inbox_style {
    struct transcode_options options;
    bool is_typed;
};

struct inbox {
    struct gateway *g; /* NULL: it is over, or the gateway is */
    uint64_t id;
    struct auth_principal owner; /* in whose name it hears, and is used */
    struct share *share;         /* borrowed: that principal's; NULL: it is not counted */
    struct node_self self;
    uint64_t stream; /* 0: gone */
    struct inbox_style style;
    struct tie *ties; /* owned; the youngest first: tie.h */
    uint32_t tie_count, asking;
    uint32_t node_watches; /* ties that want to hear of nodes */

    /* A stream's: the request that will read it once it is certain that there is something to read. */
    uint64_t exchange;   /* 0: it reads, or has left */
    uint64_t connect_ms; /* how long connecting may take */
    bool is_strict;      /* trouble with the link is the request's answer, not an event */
    struct http_reading reading;

    bool is_kept; /* made by POST /processes: the rest is its alone */
    bool traps_exit;
    uint64_t ttl_ms, used_ms;
    struct idtab calls_by_id;
    struct inbox_call *first_call, *last_call; /* owned */
    char *name;                                /* owned: registered as; NULL: not */
};

struct inbox_config {
    struct slice key; /* of its stream: events.h; one that is kept has its own */
    bool is_kept;
    const struct inbox_style *style; /* copied */
    struct slice owner;              /* a principal; copied */
};

#define INBOX_OVERLOADED                                                                                 \
    "there are as many processes or streams as there may be (--max-processes, --max-streams); the last " \
    "eighth of them is kept for principals that have less than an eighth"

/* ---- inbox.c ---- */

/* ERR_OVERLOADED: there are as many as there may be, of all or of this principal (INBOX_OVERLOADED says so);
 * ERR_CLOSED, ERR_NOMEM. */
MUST_USE enum err inbox_new(struct gateway *g, const struct inbox_config *config, struct inbox **ret);
/* exit(Reason) of the process; its stream ends. */
void inbox_end(struct inbox *in, struct slice reason);
/* The same for a stream that nobody has read, and nobody will. */
void inbox_drop(struct inbox *in);
/* What is left at the end of the gateway: processes end, streams are the server's to end. */
void inboxes_stop(struct gateway *g);
/* The stream's reader has left for good. */
void inbox_stream_gone(struct gateway *g, uint64_t stream, uint64_t id);
/* It has been used: its time to live begins anew. */
void inbox_touch(struct inbox *in);
/* A crowd has left some time ago. */
void inboxes_trim(void *ctx, uint64_t id);
/* Looks after those that are kept. */
void inboxes_sweep(void *ctx, uint64_t id);

/* Query parameters of style, for route tables. */
#define INBOX_STYLE_QUERY "terms", "null", "charlists", "bigints"
/* Reads them; false and answered. */
MUST_USE bool inbox_style_of(struct gateway *g, struct http_request *req, struct inbox_style *ret);

/* An event's data is written member by member; inbox_event_emit closes and sends it. */
struct inbox_event {
    struct inbox *inbox;
    struct wr w;
};
void inbox_event_init(struct inbox_event *e, struct inbox *in);
void inbox_event_text(struct inbox_event *e, const char *name, struct slice text);
void inbox_event_pid(struct inbox_event *e, const char *name, const struct etf_pid *pid);
/* The value is to be written, as JSON. */
struct wr *inbox_event_member(struct inbox_event *e, const char *name);
void inbox_event_bool(struct inbox_event *e, const char *name, bool value);
/* A term as the style wants it. One that is too large is left out, and `omitted` says so. */
void inbox_event_term(struct inbox_event *e, const char *name, struct etf_rd term);
/* Why something has ended; with --hide-reasons what is neither an atom nor {shutdown, Atom} is told as
 * `shutdown` or `crashed`. */
void inbox_event_reason(struct inbox_event *e, struct etf_rd reason);
/* name of the event: static. */
void inbox_event_emit(struct inbox_event *e, const char *name);
/* The whole event: from has ended, or the inbox's own process has. */
void inbox_event_exit(struct inbox *in, const struct etf_pid *from, struct etf_rd reason);
/* A pid as JSON text, in quotes. */
void inbox_write_pid(struct wr *w, const struct etf_pid *pid);

/* Its process has ended, and its last callback is over. */
void inbox_free(struct inbox *in);

/* ---- mailbox.c: what the process is told ---- */

extern const struct node_server_ops inbox_ops;
/* No call waits any more. */
void inbox_forget_calls(struct inbox *in);
void inbox_forget_call(struct inbox *in, struct inbox_call *c);
/* Those whose callers cannot say that they have given up, and must have. */
void inbox_expire_calls(struct inbox *in, uint64_t now_ms);

/* ---- monitors.c ---- */

/* All that had to be found out is: the request that waits reads the stream. */
void monitors_settled(struct inbox *in);
/* What was found is nothing that its reader may watch. */
void monitors_refused(struct inbox *in, const struct permission *p);
/* Trouble with the link, or with memory: the request that waits is answered, and the inbox is over. */
void monitors_failed(struct inbox *in, const struct target *target, const struct node_result *result);

/* ---- processes.c ---- */

/* The one with the id that stands in a path; false and answered: 404, or 410 if it has ended. */
MUST_USE bool processes_find(struct gateway *g, uint64_t http_id, struct slice text, const char *parameter,
                             struct inbox **ret);
/* Numbers of ties and calls, as they stand in paths: lower-case hexadecimal digits. */
MUST_USE bool processes_read_number(struct slice text, uint64_t *ret);
/* The body as one JSON object: a json_t, yours; NULL: answered. */
MUST_USE void *processes_read_object(struct gateway *g, struct http_request *req);
/* By what its stream is resumed. */
void processes_write_key(const struct gateway *g, uint64_t id, struct slice owner, struct wr *w);
/* It is about to be changed; false and answered. */
MUST_USE bool processes_may_change(struct inbox *in, uint64_t http_id);
/* Its id as text. */
enum { INBOX_ID_LEN = 32 };
void processes_write_id(const struct gateway *g, uint64_t id, char ret[INBOX_ID_LEN + 1]);

#endif
