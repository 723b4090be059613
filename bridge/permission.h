/*
 * permission: may this principal do that? The place where the gateway asks the policy.
 *
 * Each is asked with the target as it is meant: decoded names, and once it is known where a name of `global`
 * or a group leads, with that node again. Before the answer no atom has been counted, no node been dialled
 * and nothing been sent. What is refused is answered with 403 forbidden, counted, and has its line in the
 * audit; what changes something has one when its request is over.
 */
#ifndef ERLGATE_BRIDGE_PERMISSION_H
#define ERLGATE_BRIDGE_PERMISSION_H

#include "auth/policy.h"
#include "bridge/target.h"

struct exchange;
struct inbox;

enum { PERMISSION_LATIN1_MAX = 2 * 255, PERMISSION_DETAIL_MAX = 2048 };

/* A question, and the room for names that were Latin-1. It points into itself: not to be copied. */
struct permission {
    struct policy_question q;
    uint8_t text[PERMISSION_LATIN1_MAX], node[PERMISSION_LATIN1_MAX];
};

/* About a target. Names of global and groups can be anywhere: the question is open until permission_at. */
void permission_of_target(struct permission *p, struct slice principal, enum policy_op op,
                          const struct target *t);
/* About a node, or without one. */
void permission_of_node(struct permission *p, struct slice principal, enum policy_op op, struct slice node);
/* It is there. */
void permission_at(struct permission *p, struct etf_atom node);

/* For what is shown or left out: no answer, no audit. */
MUST_USE bool permission_may(const struct gateway *g, const struct permission *p);

/* ---- Each of these answers the request with 403 when it gives false. ---- */

MUST_USE bool permission_ask(struct gateway *g, uint64_t http_id, const struct permission *p);
/* The whole of it for a target, whose atoms are counted then (which may be answered with 422). */
MUST_USE bool permission_target(struct gateway *g, uint64_t http_id, enum policy_op op,
                                const struct target *t);
/* Likewise for a node. */
MUST_USE bool permission_node(struct gateway *g, uint64_t http_id, enum policy_op op, struct slice node);
/* The next step of an exchange: its target, under the name by which it was asked for. has_arity: of a
 * function, x->arity is known. */
MUST_USE bool permission_exchange(struct gateway *g, struct exchange *x, bool has_arity);
/* That question of it, for one member of a group. */
void permission_of_exchange(const struct gateway *g, const struct exchange *x, struct permission *p);

/* For http_config.admit: could this ever be allowed, whatever is put in? req has no id yet. */
MUST_USE bool permission_begin(struct gateway *g, struct http_request *req, const struct http_caller *caller,
                               struct slice principal, struct http_problem *ret_problem);
/* For http_config.done. */
void permission_done(struct gateway *g, const struct http_done *done);

/* Is it the principal's own process, or one that it may share? */
MUST_USE bool permission_shares(const struct gateway *g, struct slice principal, const struct inbox *in);

#endif
