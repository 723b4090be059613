/*
 * internal: the name server's state, for the files of this folder: core.c has the connections and their time,
 * requests.c what each request does. Nothing outside the folder includes it.
 */
#ifndef ERLGATE_EPMD_INTERNAL_H
#define ERLGATE_EPMD_INTERNAL_H

#include "base/idtab.h"
#include "epmd/core.h"

enum epmd_conn_state {
    EPMD_CONN_READING, /* its request is not whole yet */
    EPMD_CONN_PROBING, /* its ALIVE2 waits for epmd_core_probed */
    EPMD_CONN_ALIVE,   /* its name lives as long as it does */
    EPMD_CONN_CLOSING, /* what is left is to send the answer and to hang up */
};

struct epmd_conn {
    uint64_t id, user;
    enum epmd_conn_state state;
    bool is_local, is_killer, wants_probe, is_ready;
    struct wr in;         /* the request so far, with its length; kept while PROBING */
    struct wr out;        /* the answer */
    bool is_out_given;    /* as an event */
    struct epmd_reg *reg; /* borrowed from the registry; ALIVE only */
    uint64_t opened_ms;
    struct epmd_conn *prev, *next; /* in `waiting`: READING and PROBING */
    struct epmd_conn *ready_next;  /* in `ready` */
};

struct epmd_core {
    struct epmd_core_config config;
    struct epmd_registry names;
    struct idtab conns;                   /* struct epmd_conn, owned */
    size_t open;                          /* those that are not CLOSING */
    struct epmd_conn *oldest, *newest;    /* waiting: the one that came first is the oldest */
    struct epmd_conn *ready, **ready_end; /* have events to give */
    uint64_t killed_by;
    uint64_t full_noted_ms; /* 0: never */
    uint64_t now_ms;        /* the latest time that we were told */
};

/* ---- core.c ---- */

void epmd_core_note(struct epmd_core *c, struct epmd_note n);
void epmd_core_note_reg(struct epmd_core *c, enum epmd_note_kind kind, const struct epmd_reg *reg);
/* Notes that; why is static. */
void epmd_core_refused(struct epmd_core *c, const struct epmd_conn *conn, uint8_t tag, struct slice name,
                       const char *why);
uint32_t epmd_core_wall_s(const struct epmd_core *c);
/* From any state to CLOSING; its id lives on until the CLOSE has been pulled. */
void epmd_conn_hang_up(struct epmd_core *c, struct epmd_conn *conn);
/* From READING to PROBING. */
void epmd_conn_probe(struct epmd_core *c, struct epmd_conn *conn);
/* From READING or PROBING to ALIVE. */
void epmd_conn_keep(struct epmd_core *c, struct epmd_conn *conn, struct epmd_reg *reg);

/* ---- requests.c ---- */

/* A whole request, without its length and with a tag at least. */
void epmd_conn_request(struct epmd_core *c, struct epmd_conn *conn, struct slice body);
/* After PROBING: its ALIVE2 is granted if the name is free now. */
void epmd_conn_probed(struct epmd_core *c, struct epmd_conn *conn);
/* PROBING: who has the name; 0: nobody any more. */
uint64_t epmd_conn_rival(const struct epmd_core *c, const struct epmd_conn *conn);

#endif
