/*
 * global_meeting: what is under way between this node and one that it meets, and what the files of it share.
 * Nothing else of the folder includes it.
 *
 *   global_meet.c         its course, by what he says
 *   global_meet_say.c     what we say to him, and of him to those that we know
 *   global_meet_names.c   the names that both have: who keeps them
 *
 * Made by global_meet, owned by the peer, ended by global_meeting_end. A function that fails (no memory, or a
 * message that cannot be sent) parts with the node: the meeting is over when its link is.
 */
#ifndef ERLGATE_NODE_GLOBAL_MEETING_H
#define ERLGATE_NODE_GLOBAL_MEETING_H

#include "base/wr.h"
#include "node/global_state.h"

/* A list that is being made: its elements, without its header. */
struct global_items {
    struct wr w;
    uint32_t count;
};

struct global_meeting {
    int64_t my_tag, his_tag, vsn; /* vsn: what is spoken: the lesser of both */
    bool has_his_tag;
    bool is_locked;   /* on both sides */
    bool is_compared; /* his names with ours: ops and resolved are complete */
    uint8_t *names;   /* owned: his; NULL: they have not come */
    size_t names_len;
    size_t at; /* which of them is next, and how many are left */
    uint32_t left;
    uint32_t question; /* a clash that another node decides; 0: none */
    uint64_t question_op;
    struct global_items ops, resolved; /* what is to be done on our side, and on his */
    uint8_t *his;                      /* owned: {Ops, Known, Ext} of his `resolved`; NULL: it has not come */
    size_t his_len;
};

/* ---- global_meet_say.c: each is one message ---- */

void global_meeting_say_init_connect(struct global *g, const struct global_peer *p);
void global_meeting_say_ack(struct global *g, const struct global_peer *p);
/* The attempt that he knows by that tag is void. */
void global_meeting_say_cancel(struct global *g, const struct global_peer *p, int64_t his_tag);
void global_meeting_say_exchange(struct global *g, const struct global_peer *p);
void global_meeting_say_resolved(struct global *g, const struct global_peer *p);
/* new_nodes, to all that we know: what is to be done about names, and that he and who he knows are known. */
void global_meeting_say_new_nodes(struct global *g, const struct global_peer *p,
                                  const struct global_items *ops, struct etf_rd known, struct etf_rd ext);
/* The list, but for what is of a kind that its reader refuses (ETF_USES_…; 0: nothing). */
void global_items_write(struct wr *w, const struct global_items *items, uint32_t refused);

/* ---- global_meet_names.c ---- */

/* Of his `exchange`: copied. False: no memory. */
MUST_USE bool global_meeting_keep_names(const struct global *g, struct global_meeting *m,
                                        struct etf_rd names);
/* Goes through those that are left; ends, now or when another node has answered, in global_meeting_compared.
 */
void global_meeting_compare(struct global *g, struct global_peer *p);

/* ---- global_meet.c ---- */

/* ops and resolved are complete. */
void global_meeting_compared(struct global *g, struct global_peer *p);

#endif
