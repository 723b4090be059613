/*
 * conn: one connection to another node, from the first byte of its handshake to its end, without a socket or
 * a clock.
 *
 * Made by dist_conn_dial or dist_conn_accept, owned by the caller (node/link.c), ended by dist_conn_free.
 * Bytes that arrive are put into the room it offers; then events are pulled until there is none. What it
 * wants to send stands in its output. Time is the caller's, in milliseconds of any monotonic clock; so is
 * randomness.
 *
 *   HANDSHAKE --(ack sent or checked)--> UP --(failure, close)--> DOWN
 *       `-------(refused, failed, 7 s gone)---------------------^
 */
#ifndef ERLGATE_DIST_CONN_H
#define ERLGATE_DIST_CONN_H

#include "base/err.h"
#include "dist/ctl.h"
#include "dist/flags.h"

struct dist_conn;

/* An atom that the peer has introduced to its side of the cache. utf8: borrowed for the call. Must not call
 * the connection. */
typedef void dist_atom_fn(void *ctx, struct slice utf8);

/* A message to one of our references, before it is judged: who reads it anyway can do that in passing. Gives
 * the length of its term, which is one that the connection would take; 0: the connection is to judge. Must
 * not call the connection. */
typedef size_t dist_judge_fn(void *ctx, const struct etf_ref *to, struct slice payload,
                             const struct etf_atoms *atoms);

struct dist_conn_config {
    struct slice name;     /* own full name, "erlgate@host"; borrowed for the connection's life */
    struct slice cookie;   /* borrowed for the connection's life; a secret */
    uint32_t creation;     /* own, from EPMD */
    uint64_t flags;        /* dist_flags_offered, perhaps with DIST_FLAG_PUBLISHED */
    uint32_t challenge;    /* from a cryptographic random source, a new one for each connection */
    bool has_long_lengths; /* the handshake's messages have 4-byte lengths, not 2: so over TLS */
    uint32_t handshake_ms; /* for the whole handshake; 0: 7000 */
    uint32_t tick_ms;      /* net_ticktime: silence after which the peer is given up; 0: 60000 */
    size_t max_frame;      /* bytes of one frame; 0: 128 MiB. Larger: the connection ends */
    size_t max_message;    /* bytes of one reassembled message, and of all that are under way; 0: 128 MiB.
                              Larger:    the message is cut */
    dist_atom_fn *on_atom; /* may be NULL: who wants to know which atoms peers have */
    dist_judge_fn *judge;  /* may be NULL */
    void *ctx;             /* borrowed; for these two */
};

/* peer_name: the full name of the node that is dialled; another answering is a failure. handshake_version: 6,
 * or 5 for a peer whose EPMD entry has highest 5. NULL when there is no memory. The first bytes are in the
 * output at once. */
MUST_USE struct dist_conn *dist_conn_dial(const struct dist_conn_config *config, struct slice peer_name,
                                          unsigned handshake_version, uint64_t now_ms);
MUST_USE struct dist_conn *dist_conn_accept(const struct dist_conn_config *config, uint64_t now_ms);
void dist_conn_free(struct dist_conn *c); /* takes NULL */

/* ---- bytes in ---- */

/* Where the next received bytes go: at least 1 byte of room, borrowed until dist_conn_received. NULL: no
 * memory (the connection is then DOWN). Room grows to what is left of a frame that has been announced and
 * partly arrived. */
uint8_t *dist_conn_room(struct dist_conn *c, size_t *ret_len);
void dist_conn_received(struct dist_conn *c, size_t n, uint64_t now_ms);

enum dist_event_kind {
    DIST_EVENT_NONE,  /* nothing more until bytes arrive or time passes */
    DIST_EVENT_PEER,  /* accepting: the peer has said its name; answer with dist_conn_admit */
    DIST_EVENT_ALIVE, /* dialling: the peer has a connection under our name: answer with dist_conn_replace */
    DIST_EVENT_UP,    /* the handshake is complete */
    DIST_EVENT_MESSAGE, /* a control message, with its payload */
    DIST_EVENT_DOWN,    /* the end; nothing comes after it. The caller closes the socket once the output is
                           flushed */
};

struct dist_event {
    enum dist_event_kind kind;
    struct dist_message message; /* MESSAGE; nothing else writes it */
    enum err err; /* DOWN: ERR_AUTH, ERR_NOT_ALLOWED, ERR_NAME_TAKEN (nok), ERR_TIMEOUT, ERR_MALFORMED, … */
    const char *text; /* DOWN: static; what exactly was wrong, for the log */
};

/* The next event; what it borrows lives until the next call of next or room. */
enum dist_event_kind dist_conn_next(struct dist_conn *c, struct dist_event *ret);

/* The answer to DIST_EVENT_PEER (erl_dist_protocol, "Status"). */
enum dist_status {
    DIST_STATUS_OK,
    DIST_STATUS_OK_SIMULTANEOUS, /* our own dialled connection to it will be given up for this one */
    DIST_STATUS_NOK,             /* ours goes on, this one ends */
    DIST_STATUS_NOT_ALLOWED,
    DIST_STATUS_ALIVE, /* it is connected already: it may insist, and then UP follows; else DOWN */
    DIST_STATUS_NAMED, /* it asked to be named (NAME_ME in its flags, its name a bare host): name@ that host,
                          and a creation of 4 or more, as given. Any other yes is then not_allowed, as is this
                          one to a node with a name */
};
void dist_conn_admit(struct dist_conn *c, enum dist_status status, struct slice given_name,
                     uint32_t given_creation);
/* The answer to DIST_EVENT_ALIVE: true: take over. */
void dist_conn_replace(struct dist_conn *c, bool insist);

/* ---- the peer: valid from PEER (accepting) or UP (dialling) ---- */
/* Borrowed from c. Dialling, before: the name that was dialled; DOWN because another node answered there:
 * that one's. */
struct slice dist_conn_peer_name(const struct dist_conn *c);
uint64_t dist_conn_peer_flags(const struct dist_conn *c); /* what both have, once UP; else what it offered */
uint32_t dist_conn_peer_creation(const struct dist_conn *c);
bool dist_conn_peer_is_hidden(const struct dist_conn *c);
/* Once UP: is it Erlang/OTP itself? All its nodes since 21 trace sequences (BIG_SEQTRACE_LABELS); ours do
 * not, nor do ei's. */
bool dist_conn_peer_is_otp(const struct dist_conn *c);
/* What its flags let it take: enum etf_use bits to be refused before a term is sent to it. */
uint32_t dist_conn_peer_refuses(const struct dist_conn *c);

/* Our own name and creation: the configuration's, unless the peer gave us others (a dialler whose configured
 * name is a bare host asks to be named, DFLAG_NAME_ME; valid from UP). */
struct slice dist_conn_own_name(const struct dist_conn *c); /* borrowed from c, or as in the configuration */
uint32_t dist_conn_own_creation(const struct dist_conn *c);

/* ---- bytes out ---- */

/*
 * Queues one control message. ctl is given folded (dist/ctl.h) and is put in the form the peer's flags ask
 * for. The payload is the concatenation of `count` slices that together are one term without version byte,
 * already validated and checked against dist_conn_peer_refuses. Copied. UP only. ERR_PEER_UNSUPPORTED where
 * the peer's flags have no form for it, ERR_NOMEM (nothing was queued, the connection goes on).
 */
MUST_USE enum err dist_conn_send(struct dist_conn *c, const struct dist_ctl *ctl, const struct slice *payload,
                                 size_t count);
/* What is to be written next, borrowed until the next call that sends; empty: nothing. */
struct slice dist_conn_output(const struct dist_conn *c);
/* n bytes of it have been handed to the socket (which has made its own copy, or has written them). */
void dist_conn_sent(struct dist_conn *c, size_t n, uint64_t now_ms);
size_t dist_conn_queued(const struct dist_conn *c); /* bytes not yet sent */

/* ---- time ---- */

/* When dist_conn_advance wants to be called at the latest; UINT64_MAX: never. */
uint64_t dist_conn_deadline(const struct dist_conn *c);
/* Writes ticks, notices silence; then pull events. */
void dist_conn_advance(struct dist_conn *c, uint64_t now_ms);
/* Ends it: DOWN with this error is the next event. */
void dist_conn_close(struct dist_conn *c, enum err why, const char *text);

/* ---- counters ---- */
struct dist_conn_stats {
    uint64_t bytes_in, bytes_out, messages_in, messages_out, ticks_in, ticks_out;
};
struct dist_conn_stats dist_conn_stats(const struct dist_conn *c);

#endif
