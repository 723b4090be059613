/*
 * ctl_table: the table of control messages: what each holds on the wire, what it folds to, and which form of
 * it a peer takes.
 */
#ifndef ERLGATE_DIST_CTL_TABLE_H
#define ERLGATE_DIST_CTL_TABLE_H

#include "dist/ctl_wire.h"

/* What stands in a control tuple after its number. */
enum dist_field {
    F_NONE,
    F_UNUSED,       /* once a cookie: any term, written as '' */
    F_FROM_PEER,    /* pid: a process of the node at the other end */
    F_FROM_PID,     /* pid */
    F_FROM_END,     /* pid or registered name */
    F_TO_PID,       /* pid */
    F_TO_NAME,      /* atom */
    F_TO_END,       /* pid or registered name */
    F_TO_ALIAS,     /* reference */
    F_TO_DEST,      /* pid, or reference: an alias */
    F_REF,          /* reference */
    F_ID,           /* 1 to 2^64 - 1 */
    F_ACK_ID,       /* 0 to 2^64 - 1 */
    F_LEADER,       /* pid */
    F_MFA,          /* {Module, Function, Arity} */
    F_OPTIONS,      /* any term */
    F_REASON,       /* any term */
    F_SPAWN_FLAGS,  /* below 2^27 */
    F_RESULT,       /* pid or atom */
    F_TOKEN,        /* any term */
    F_ALTACT_FLAGS, /* an integer of any size, of which we know five bits */
};

enum { DIST_FORM_MAX_FIELDS = 6 };

enum dist_altact {
    ALTACT_PRIO = 1 << 0,
    ALTACT_TOKEN = 1 << 1,
    ALTACT_ALIAS = 1 << 2,
    ALTACT_NAME = 1 << 3,
    ALTACT_EXIT = 1 << 4,
};

struct dist_form {
    enum dist_op wire;
    enum dist_op folded;
    enum dist_payload payload;
    enum dist_field fields[DIST_FORM_MAX_FIELDS]; /* up to the first F_NONE */
};

/* The form that a control tuple starting with this number has; NULL: there is none. */
const struct dist_form *dist_form_of_wire(uint64_t op);
/* The number of elements of its tuple. */
uint32_t dist_form_arity(const struct dist_form *form);
/* What an ALTACT_SIG_SEND with these flags folds to; its fields are read by the flags, not by the form. */
const struct dist_form *dist_form_of_altact(unsigned flags);

#endif
