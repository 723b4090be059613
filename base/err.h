/*
 * err: every way in which something can fail, one enum for the whole tree.
 *
 * One table (ERR_TABLE) holds the name, the text and the category of each. A layer returns an enum err; where
 * a place and a reason help the person who sent the bytes, it also fills a struct fault. How an error looks
 * over HTTP is decided in bridge/errors.c alone; Erlang processes are told the runtime's own words (noproc,
 * noconnection, timeout), where they are said.
 */
#ifndef ERLGATE_BASE_ERR_H
#define ERLGATE_BASE_ERR_H

#include <stddef.h>

#if defined(__GNUC__)
#define MUST_USE __attribute__((warn_unused_result))
#else
#define MUST_USE
#endif

/* Who is to blame; decides who is told, and whether it is worth a log line of its own. */
enum err_category {
    ERR_CAT_NONE,   /* no error */
    ERR_CAT_INPUT,  /* the bytes we were given */
    ERR_CAT_LIMIT,  /* a limit of ours */
    ERR_CAT_PEER,   /* the other node, or the way to it */
    ERR_CAT_SYSTEM, /* the machine: memory, sockets */
};

/*        symbol             name                  category        text */
#define ERR_TABLE(X)                                                                               \
    X(ERR_NONE, "ok", ERR_CAT_NONE, "no error")                                                    \
    X(ERR_MORE, "incomplete", ERR_CAT_INPUT, "the input ends too early")                           \
    X(ERR_MALFORMED, "malformed", ERR_CAT_INPUT, "the input breaks the format")                    \
    X(ERR_UNSUPPORTED, "unsupported", ERR_CAT_INPUT, "the input uses what is not supported")       \
    X(ERR_DUPLICATE_KEY, "duplicate-key", ERR_CAT_INPUT, "a map has the same key twice")           \
    X(ERR_DEPTH, "too-deep", ERR_CAT_LIMIT, "nested deeper than allowed")                          \
    X(ERR_TOO_LARGE, "too-large", ERR_CAT_LIMIT, "larger than allowed")                            \
    X(ERR_ATOM_BUDGET, "atom-budget", ERR_CAT_LIMIT, "too many new atoms")                         \
    X(ERR_OVERLOADED, "overloaded", ERR_CAT_LIMIT, "a queue is full")                              \
    X(ERR_IN_FLIGHT, "in-flight", ERR_CAT_LIMIT, "as many requests wait for answers as may")       \
    X(ERR_PEER_UNSUPPORTED, "unsupported-by-peer", ERR_CAT_PEER, "the peer cannot take this term") \
    X(ERR_NOMEM, "no-memory", ERR_CAT_SYSTEM, "out of memory")                                     \
    X(ERR_IO, "io", ERR_CAT_SYSTEM, "input or output failed")                                      \
    X(ERR_ADDRESS_IN_USE, "address-in-use", ERR_CAT_SYSTEM, "somebody else listens there")         \
    X(ERR_CLOSED, "closed", ERR_CAT_PEER, "the other end closed the connection")                   \
    X(ERR_TIMEOUT, "timeout", ERR_CAT_PEER, "no answer in time")                                   \
    X(ERR_CANCELLED, "cancelled", ERR_CAT_NONE, "cancelled")                                       \
    X(ERR_NO_CONNECTION, "no-connection", ERR_CAT_PEER, "the node cannot be reached")              \
    X(ERR_NO_HOST, "no-host", ERR_CAT_PEER, "the name of the host leads to no address")            \
    X(ERR_NO_NODE, "no-node", ERR_CAT_PEER, "EPMD knows no node of that name")                     \
    X(ERR_NOT_ALLOWED, "not-allowed", ERR_CAT_PEER, "the peer refused the connection")             \
    X(ERR_AUTH, "auth-failed", ERR_CAT_PEER, "the cookies differ")                                 \
    X(ERR_NAME_TAKEN, "name-taken", ERR_CAT_PEER, "the name is taken")                             \
    X(ERR_NODEDOWN, "nodedown", ERR_CAT_PEER, "the link to the node was lost")                     \
    X(ERR_NOPROC, "noproc", ERR_CAT_PEER, "no such process")                                       \
    X(ERR_CALLEE_EXIT, "callee-exit", ERR_CAT_PEER, "the callee ended during the call")            \
    X(ERR_NOT_FOUND, "not-found", ERR_CAT_INPUT, "no such thing")                                  \
    X(ERR_INVALID, "invalid", ERR_CAT_INPUT, "an argument is out of range")

enum err {
#define X(sym, name, cat, text) sym,
    ERR_TABLE(X)
#undef X
        ERR_COUNT_
};

/*
 * Where and why some input was refused. offset counts bytes from the start of the input that the function was
 * given. text is a static sentence fragment without a full stop, or empty; never the input itself.
 */
struct fault {
    enum err err;
    size_t offset;    /* bytes */
    const char *text; /* static */
};

/* Static: a word for logs and counters, and a sentence fragment for people. */
const char *err_name(enum err e);
const char *err_text(enum err e);
enum err_category err_category(enum err e);

/* Fills f (which may be NULL) and gives back e, for `return fault_set(f, ERR_…, at, "…");`. */
enum err fault_set(struct fault *f, enum err e, size_t offset, const char *text);

#endif
