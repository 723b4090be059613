/*
 * core: the name server as a state machine, without sockets and without a clock.
 *
 * Connections are known by id. Bytes and ends are fed in; then events are pulled until there is none. Time is
 * the caller's, in milliseconds of any monotonic clock. Made by epmd_core_new, owned by the caller, ended by
 * epmd_core_free.
 *
 *   READING --(a request that is answered)--> CLOSING --(CLOSE pulled)--> gone
 *      |  `---(ALIVE2, name free)--> ALIVE --(any byte)--> CLOSING
 *      `------(ALIVE2, name taken)--> PROBING --(probed)--> ALIVE or CLOSING
 *   and from each, when the other end closes or time is up: gone, and its name with it.
 */
#ifndef ERLGATE_EPMD_CORE_H
#define ERLGATE_EPMD_CORE_H

#include "epmd/registry.h"

struct epmd_core;

/* What happened, for whoever keeps a log; nothing depends on it. */
enum epmd_note_kind {
    EPMD_NOTE_OPENED,
    EPMD_NOTE_CLOSED,
    EPMD_NOTE_REQUEST,
    EPMD_NOTE_REGISTERED,
    EPMD_NOTE_UNREGISTERED,
    EPMD_NOTE_REFUSED,
    EPMD_NOTE_TIMED_OUT,
    EPMD_NOTE_FULL, /* once a minute */
};

struct epmd_note {
    enum epmd_note_kind kind;
    uint64_t conn;     /* 0: none. FULL: who has to leave, 0: who came */
    bool is_local;     /* OPENED: the peer is on this machine */
    uint8_t tag;       /* REQUEST, and REFUSED if it was known */
    struct slice name; /* REGISTERED, UNREGISTERED, REFUSED; borrowed during the call */
    uint16_t port;     /* REGISTERED, UNREGISTERED */
    uint32_t creation; /* the same */
    const char *text;  /* REFUSED: why; static */
};

/* Called from within the core's functions; must not call the core. */
typedef void epmd_note_fn(void *ctx, const struct epmd_note *note);

struct epmd_core_config {
    uint16_t port;              /* told in NAMES and DUMP */
    bool is_relaxed;            /* STOP, and KILL with live nodes, are obeyed */
    bool is_killable;           /* KILL is obeyed at all */
    uint64_t packet_timeout_ms; /* from a connection's opening to the end of its request; 0: 60,000 */
    /* At most this many. When a further one comes, the oldest connection without a name makes room for it;
     * when all have names, it is turned away. 0: 4096 */
    size_t max_connections;
    size_t max_old; /* names kept after their end, for their next creation; 0: 1000, as OTP */
    uint64_t now_ms;
    uint32_t wall_s;    /* seconds since 1970 at now_ms: where the creation of a new name starts */
    uint64_t hash_seed; /* random */
    epmd_note_fn *note; /* may be NULL */
    void *ctx;
};

MUST_USE struct epmd_core *epmd_core_new(const struct epmd_core_config *config);
void epmd_core_free(struct epmd_core *c); /* takes NULL */
void epmd_core_set_port(struct epmd_core *c, uint16_t port);

/* ---- in ---- */

/* A connection from this machine (is_local), or from another, which may ask PORT2 and NAMES only. user comes
 * back with its events. 0: turned away, or no memory. */
MUST_USE uint64_t epmd_core_open(struct epmd_core *c, bool is_local, uint64_t user, uint64_t now_ms);
/* An unknown id is ignored here and below. */
void epmd_core_feed(struct epmd_core *c, uint64_t conn, struct slice bytes, uint64_t now_ms);
/* The other end closed, or the socket failed: its id and its name are gone. No event for it follows. */
void epmd_core_closed(struct epmd_core *c, uint64_t conn);
/* The answer to EPMD_EVENT_PROBE, once whatever the probed socket had to say has been fed in. conn: the one
 * that asks. */
void epmd_core_probed(struct epmd_core *c, uint64_t conn);

/* When epmd_core_advance wants to be called at the latest; UINT64_MAX: never. */
uint64_t epmd_core_deadline(const struct epmd_core *c);
void epmd_core_advance(struct epmd_core *c, uint64_t now_ms);

/* ---- out ---- */

enum epmd_event_kind {
    EPMD_EVENT_NONE,
    EPMD_EVENT_SEND,  /* bytes to conn, borrowed until the next call */
    EPMD_EVENT_CLOSE, /* conn, once all has been sent; its id is gone */
    /*
     * conn wants a name that another connection, `probed`, has. See whether the other end of that one is
     * still there: feed what it has to say (epmd_core_closed above all), then call epmd_core_probed(conn). A
     * node that restarts faster than the end of its old socket is noticed would otherwise be refused as a
     * duplicate of itself.
     */
    EPMD_EVENT_PROBE,
    EPMD_EVENT_KILLED, /* by conn; all that is to be said has been said: stop serving once the rest is flushed
                        */
};

struct epmd_event {
    enum epmd_event_kind kind;
    uint64_t conn, user;
    uint64_t probed;    /* PROBE; 0: it has gone meanwhile */
    struct slice bytes; /* SEND */
};

enum epmd_event_kind epmd_core_next(struct epmd_core *c, struct epmd_event *ret);

/* ---- names ---- */

/* A name without a connection. Copied. ERR_NAME_TAKEN, ERR_INVALID, ERR_TOO_LARGE (extra), ERR_NOMEM. */
MUST_USE enum err epmd_core_register(struct epmd_core *c, const struct epmd_entry *entry, uint64_t now_ms,
                                     uint32_t *ret_creation);
/* Ends one of those; another is left alone. */
void epmd_core_unregister(struct epmd_core *c, struct slice name);
size_t epmd_core_count(const struct epmd_core *c); /* names */
size_t epmd_core_connections(const struct epmd_core *c);
bool epmd_core_find(const struct epmd_core *c, struct slice name, struct epmd_listing *ret);
/* Newest first: *cursor starts at NULL; false at the end. */
bool epmd_core_list(const struct epmd_core *c, const struct epmd_reg **cursor, struct epmd_listing *ret);

#endif
