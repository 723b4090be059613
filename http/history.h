/*
 * history: the last events of a stream, and how far its reader is with them.
 *
 * Pure. Events are numbered from 1. The oldest goes first when there are too many, too large or too old ones;
 * whoever reads is told how many he has missed in the place where they were. There is one reading position:
 * a stream has one reader at a time, and who comes after it goes on from there, or says from where.
 *
 * Made by http_history_init, owned by its stream, ended by http_history_fini.
 */
#ifndef ERLGATE_HTTP_HISTORY_H
#define ERLGATE_HTTP_HISTORY_H

#include "base/err.h"
#include "base/slice.h"

struct http_event {
    struct http_event *next; /* the one after it, while it is in a history */
    uint64_t seq;
    uint64_t at_ms;
    const char *name; /* static */
    unsigned uses;    /* the history's, and that of whoever sends it: it is freed with the last */
    size_t len;
    uint8_t data[]; /* one line of JSON text */
};

struct http_history {
    struct http_event *oldest, *newest; /* a use each of all from one to the other */
    struct http_event *ahead; /* borrowed: the first that is still to be taken; NULL: none is here */
    uint64_t last_seq;        /* of the last event that came, kept or not */
    uint64_t taken_seq;       /* the reader has been given, or told of, all up to here */
    uint64_t read_seq;        /* the same of the one that has got furthest */
    size_t count, unread;     /* unread: never yet taken */
    size_t bytes;             /* of the events and what is needed to keep them */
    uint64_t missed;          /* gone before they were ever taken */
};

struct http_history_limits {
    size_t events, bytes;
    uint64_t age_ms;
};

void http_history_init(struct http_history *h);
void http_history_fini(struct http_history *h);

/* Adds a copy, having made room. ERR_TOO_LARGE: it does not fit even alone; ERR_NOMEM. In both cases it
 * counts as an event that is lost. */
MUST_USE enum err http_history_add(struct http_history *h, const struct http_history_limits *limits,
                                   const char *name, struct slice data, uint64_t now_ms);
/* Lets go of what is too much or too old. */
void http_history_trim(struct http_history *h, const struct http_history_limits *limits, uint64_t now_ms);

/* The reader goes on after the event seq. False: no such event has come yet, and nothing is changed. */
MUST_USE bool http_history_seek(struct http_history *h, uint64_t seq);
/* Where to seek so as to begin with the oldest that is still here, and miss nothing. */
uint64_t http_history_floor(const struct http_history *h);

enum http_taken {
    HTTP_TAKEN_NOTHING,
    HTTP_TAKEN_GAP,   /* *ret_lost events up to http_history.taken_seq are not here any more */
    HTTP_TAKEN_EVENT, /* *ret_event, with a use of its own: http_event_release */
};

/* What comes next for the reader. */
MUST_USE enum http_taken http_history_take(struct http_history *h, struct http_event **ret_event,
                                           uint64_t *ret_lost);
void http_event_release(struct http_event *e); /* takes NULL */

#endif
