/*
 * ctl: the control messages of the distribution protocol, as one struct (erl_dist_protocol, "Protocol between
 * Connected Nodes").
 *
 * The forms that differ only in where a reason stands (EXIT and PAYLOAD_EXIT) or in a trace token (SEND and
 * SEND_TT) are folded: `op` is the plain one, `reason` or the message's payload is filled from wherever it
 * stood, and token holds the token if there was one. On writing, dist_conn picks the form that the peer's
 * flags ask for.
 */
#ifndef ERLGATE_DIST_CTL_H
#define ERLGATE_DIST_CTL_H

#include "etf/term.h"

enum dist_op {
    DIST_CTL_LINK = 1,
    DIST_CTL_SEND = 2,
    DIST_CTL_EXIT = 3,
    DIST_CTL_UNLINK = 4, /* OTP before 23.3 */
    DIST_CTL_NODE_LINK = 5,
    DIST_CTL_REG_SEND = 6,
    DIST_CTL_GROUP_LEADER = 7,
    DIST_CTL_EXIT2 = 8,
    DIST_CTL_SEND_TT = 12,
    DIST_CTL_EXIT_TT = 13,
    DIST_CTL_REG_SEND_TT = 16,
    DIST_CTL_EXIT2_TT = 18,
    DIST_CTL_MONITOR_P = 19,
    DIST_CTL_DEMONITOR_P = 20,
    DIST_CTL_MONITOR_P_EXIT = 21,
    DIST_CTL_SEND_SENDER = 22,
    DIST_CTL_SEND_SENDER_TT = 23,
    DIST_CTL_PAYLOAD_EXIT = 24,
    DIST_CTL_PAYLOAD_EXIT_TT = 25,
    DIST_CTL_PAYLOAD_EXIT2 = 26,
    DIST_CTL_PAYLOAD_EXIT2_TT = 27,
    DIST_CTL_PAYLOAD_MONITOR_P_EXIT = 28,
    DIST_CTL_SPAWN_REQUEST = 29,
    DIST_CTL_SPAWN_REQUEST_TT = 30,
    DIST_CTL_SPAWN_REPLY = 31,
    DIST_CTL_SPAWN_REPLY_TT = 32,
    DIST_CTL_ALIAS_SEND = 33,
    DIST_CTL_ALIAS_SEND_TT = 34,
    DIST_CTL_UNLINK_ID = 35,
    DIST_CTL_UNLINK_ID_ACK = 36,
    DIST_CTL_ALTACT_SIG_SEND = 37, /* OTP 28 and later */
};

/* One end of a signal: some operations name a process by pid, by registered name, or by alias. */
enum dist_end_kind { DIST_END_NONE, DIST_END_PID, DIST_END_NAME, DIST_END_REF };

struct dist_end {
    enum dist_end_kind kind;
    struct etf_pid pid;   /* DIST_END_PID */
    struct etf_atom name; /* DIST_END_NAME */
    struct etf_ref ref;   /* DIST_END_REF: an alias */
};

struct dist_ctl {
    enum dist_op op; /* folded, see above: never a _TT or PAYLOAD_ form, never SEND_SENDER; SEND and
                        ALTACT_SIG_SEND to an alias read as ALIAS_SEND */
    struct dist_end
        from;           /* SEND without a sender: DIST_END_NONE. MONITOR_P_EXIT: the monitored, pid or name */
    struct dist_end to; /* EXIT2 of OTP 28 and later: also a name or an alias */
    struct etf_ref ref; /* monitors; SPAWN_REQUEST and SPAWN_REPLY: the request id */
    uint64_t id;        /* UNLINK_ID and its ACK; SPAWN_REPLY: the flags (1 link, 2 monitor) */
    struct slice reason;  /* EXIT, EXIT2, MONITOR_P_EXIT: one term; SPAWN_REPLY: the pid or an error atom */
    struct slice mfa;     /* SPAWN_REQUEST: {Module, Function, Arity} */
    struct slice options; /* SPAWN_REQUEST: the list of options */
    struct etf_pid group_leader; /* SPAWN_REQUEST, GROUP_LEADER */
    struct slice token;          /* the trace token, one term; empty: none */
};

/* What came: payload is the message (SEND and its kin, SPAWN_REQUEST's arguments), one validated term without
 * its version byte, empty if the operation has none. All borrowed until the connection is next asked or fed.
 */
struct dist_message {
    struct dist_ctl ctl;
    struct slice payload;
    const struct etf_atoms *atoms; /* for every term above */
    bool is_cut; /* it was larger than a message may be: payload is its beginning, which nobody has judged,
                    and where a reason was to be there is the atom reason_too_large */
};

/* "REG_SEND": for logs. */
const char *dist_op_name(enum dist_op op);

#endif
