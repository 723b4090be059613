/*
 * server: gen_server in C, and what a process asks of other servers.
 *
 * node_server_start makes a process (node/spawn.h: everything there works with it) that understands
 * gen_server's messages and those of sys: gen_server:call, cast, multi_call, stop, sys:get_state, get_status,
 * suspend, resume. A call is answered by node_reply, in handle_call or at any time later, by whatever of this
 * node's code has the `from`.
 *
 * Threads, terms and their ownership are as node/spawn.h says.
 */
#ifndef ERLGATE_NODE_SERVER_H
#define ERLGATE_NODE_SERVER_H

#include "base/wr.h"
#include "node/spawn.h"

/* Who called: where the reply goes. Borrowed for handle_call; node_from_keep makes one that lasts. */
struct node_from {
    struct etf_pid pid;
    struct etf_rd tag; /* opaque: it goes back as it came */
};

/* As in gen_server. Each may be NULL: calls are then not answered, the rest is dropped. */
struct node_server_ops {
    const char *module; /* what sys and observer show; an atom */
    void (*handle_call)(struct node_self self, void *state, const struct node_from *from,
                        struct etf_rd request);
    void (*handle_cast)(struct node_self self, void *state, struct etf_rd request);
    void (*handle_info)(struct node_self self, void *state, struct etf_rd message);
    /* What node_call, node_multi_call and node_rpc of this process came to. */
    void (*handle_result)(struct node_self self, void *state, uint32_t tag, const struct node_result *result);
    void (*handle_down)(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                        struct etf_rd reason);
    void (*handle_exit)(struct node_self self, void *state, const struct etf_pid *from, struct etf_rd reason);
    void (*handle_timeout)(struct node_self self, void *state);
    void (*handle_nodeup)(struct node_self self, void *state, struct slice node);
    void (*handle_nodedown)(struct node_self self, void *state, struct slice node);
    /* In place of those two, where it is set. */
    void (*handle_node_changed)(struct node_self self, void *state, const struct node_change *change);
    /* A caller, among others, has taken back its monitor: compare with node_from_ref. */
    void (*handle_unmonitored)(struct node_self self, void *state, const struct etf_pid *by,
                               const struct etf_ref *monitor);
    /* The last callback, whatever ended it; free the state here. */
    void (*terminate)(struct node_self self, void *state, struct etf_rd reason);
    /* Writes one term: what sys:get_state/1 shows. NULL, or no term: the atom undefined. */
    void (*format_state)(struct node_self self, void *state, struct wr *w);
};

/* gen_server:start({local, Name}, …); name empty: without one. There is no init callback: the caller makes
 * the state, and terminate gets it unless this fails. ERR_NAME_TAKEN, ERR_INVALID (name), ERR_CLOSED (the
 * node is not up), ERR_NOMEM. */
MUST_USE enum err node_server_start(struct node *n, struct slice name, const struct node_server_ops *ops,
                                    void *state, struct node_self *ret_self);

/* gen_server:reply(From, Reply). A caller that is gone, or has given up waiting, does not hear it. Errors are
 * node_send's. */
MUST_USE enum err node_reply(struct node_self self, const struct node_from *from, struct slice reply);
/* The reference in the tag, by which a caller of gen_server:call, send_request and multi_call (but that of
 * OTP up to 24) monitors the server too. False: the tag is of another kind. Borrowed. */
MUST_USE bool node_from_ref(const struct node_from *from, struct etf_ref *ret);
enum { NODE_TAG_MAX = 64 << 10 }; /* bytes; those of OTP have less than 400 */
/* A copy that lasts until node_from_free. NULL: no memory, or its tag is longer than that. */
MUST_USE struct node_from *node_from_keep(const struct node_from *from);
void node_from_free(struct node_from *from); /* takes NULL */

/* ---- as a client ---- */

/*
 * gen_server:call(To, Request, Timeout): handle_result (of a server; `result` of a plain process) is called
 * once, later, with this tag, unless node_cancel(ret_op) comes first or the process ends. An error at once
 * instead: as node_request's, and what is wrong with the term.
 */
MUST_USE enum err node_call(struct node_self self, const struct node_dest *to, struct slice request,
                            uint64_t timeout_ms, uint32_t tag, uint64_t *ret_op);
/* gen_server:cast(To, Request). Errors as node_send's. */
MUST_USE enum err node_cast(struct node_self self, const struct node_dest *to, struct slice request);
/* gen_server:multi_call(Nodes, Name, Request, Timeout): one result for each node, with tag, tag + 1, …; a
 * node that failed at once has a result too. ERR_NOPROC; or what is wrong with the term. */
MUST_USE enum err node_multi_call(struct node_self self, const char *const *nodes, uint32_t count,
                                  struct slice name, struct slice request, uint64_t timeout_ms, uint32_t tag);

#endif
