/*
 * conn_state: the inside of a connection, shared by the three files that make it: conn.c (life, bytes, time,
 * events), conn_meet.c (the handshake) and conn_talk.c (frames and messages once it is up).
 */
#ifndef ERLGATE_DIST_CONN_STATE_H
#define ERLGATE_DIST_CONN_STATE_H

#include "dist/conn.h"
#include "dist/ctl_wire.h"
#include "dist/frag.h"
#include "dist/frame.h"
#include "dist/handshake.h"
#include "dist/header.h"

/*
 *   dialling                              accepting
 *
 *   DIAL_STATUS ------alive----> ASKED    ACCEPT_NAME
 *       | ok, ok_simultaneous,     |          | a name with flags that will do
 *       | named                    | true     v
 *       v                          |      ADMITTING --alive--> ACCEPT_ANSWER
 *   DIAL_CHALLENGE <---------------'          | ok, ok_simultaneous, named  | true
 *       | reply sent                          v                             |
 *       v                                 [ACCEPT_COMPLEMENT] <-------------'   only where an `n` has
 * HANDSHAKE_23 DIAL_ACK                                  v | ack right                       ACCEPT_REPLY |
 * | digest right, ack sent
 *       `--------------> UP <-----------------'
 *
 *   each of them -> DOWN: refused, failed, silent for too long, closed
 */
enum dist_state {
    DIST_ST_DIAL_STATUS,
    DIST_ST_ASKED, /* our caller has been asked whether to insist */
    DIST_ST_DIAL_CHALLENGE,
    DIST_ST_DIAL_ACK,
    DIST_ST_ACCEPT_NAME,
    DIST_ST_ADMITTING, /* our caller has been asked what to answer */
    DIST_ST_ACCEPT_ANSWER,
    DIST_ST_ACCEPT_COMPLEMENT,
    DIST_ST_ACCEPT_REPLY,
    DIST_ST_UP,
    DIST_ST_DOWN,
    DIST_ST_COUNT,
};

struct dist_conn {
    enum dist_state state;
    bool has_news;                  /* the state just entered is an event that has not been pulled */
    struct dist_conn_config config; /* name, cookie borrowed; limits filled in */
    enum err down_err;
    const char *down_text; /* static */

    struct dist_in in;
    struct dist_out out;
    uint64_t now, started, heard, wrote, tick_at; /* ms */
    struct dist_conn_stats stats;

    /* the peer */
    char peer_name[DIST_NAME_MAX_BYTES];
    size_t peer_name_len;
    uint64_t peer_flags; /* as it offered them, expanded; once UP, what both have */
    bool peer_is_otp;
    uint32_t peer_creation;
    unsigned version; /* of the handshake: 5 or 6, as its opening message */

    /* ourselves, where the peer named us */
    char own_name[DIST_NAME_MAX_BYTES];
    size_t own_name_len; /* 0: config.name */
    uint32_t own_creation;

    /* once UP */
    struct dist_cache_in *cache_in;   /* owned; NULL where headers were not agreed on */
    struct dist_cache_out *cache_out; /* owned; NULL where we keep no cache */
    struct dist_frags frags;
    struct dist_seq *seq; /* owned: the message just given out stands in it */
    uint64_t next_seq;    /* of our own fragmented messages */
    struct wr scratch;    /* the control message under way */
};

/* The one place where the state changes. */
void dist_conn_move(struct dist_conn *c, enum dist_state to);
/* To DOWN, with the reason that the event will tell; ignored when it is DOWN already. text is static. */
void dist_conn_fail(struct dist_conn *c, enum err e, const char *text);
bool dist_conn_is_meeting(const struct dist_conn *c);
struct slice dist_conn_name(const struct dist_conn *c);    /* our own */
uint64_t dist_conn_tick_period(const struct dist_conn *c); /* ms between ticks of ours */

/* conn_meet.c: takes one message of the handshake; ERR_MORE when there is none. Anything else has been dealt
 * with. */
void dist_conn_meet_dial(struct dist_conn *c, unsigned version);
enum err dist_conn_meet(struct dist_conn *c);

/* conn_talk.c: what UP needs; then one frame. ERR_MORE: none; ERR_NONE with *ret filled: a message; ret->kind
 * NONE: go on. */
MUST_USE enum err dist_conn_talk_start(struct dist_conn *c);
enum err dist_conn_talk(struct dist_conn *c, struct dist_event *ret);
void dist_conn_write_tick(struct dist_conn *c);

#endif
