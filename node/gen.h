/*
 * gen: the messages of gen_server and its kin, taken apart and answered: what kernel.c, rex.c, pg.c and
 * server.c share.
 */
#ifndef ERLGATE_NODE_GEN_H
#define ERLGATE_NODE_GEN_H

#include "node/actor.h"
#include "node/server.h"

/* {'$gen_call', {Pid, Tag}, Request}, or `system` in its place: what is asked, and by whom. Borrowed from
 * message. */
MUST_USE bool gen_read_call(struct etf_rd message, const char *label, struct node_from *ret_from,
                            struct etf_rd *ret_request);
/* {'$gen_cast', Request}. */
MUST_USE bool gen_read_cast(struct etf_rd message, struct etf_rd *ret_request);
/* The alias inside a tag: [alias|Ref], and that of a multi_call, [[alias|Ref]|_]. Other tags have none. */
bool gen_tag_alias(struct etf_rd tag, struct etf_ref *ret);
/* {Tag, Reply}, to the alias in the tag where the peer has aliases. Lost when the caller's node is not
 * connected. uses: what etf_validate said of the reply. */
MUST_USE enum err gen_reply(struct actor *a, const struct node_from *from, struct slice reply, uint32_t uses);
/* The atom as a reply. */
void gen_reply_atom(struct actor *a, const struct node_from *from, const char *atom);

#endif
