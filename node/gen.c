#include "node/gen.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/internal.h"

bool gen_read_call(struct etf_rd message, const char *label, struct node_from *ret_from,
                   struct etf_rd *ret_request)
{
    struct etf_rd r = message;
    struct slice tag;

    if (!etf_read_tuple_is(&r, 3) || !etf_read_atom_is(&r, label) || !etf_read_tuple_is(&r, 2) ||
        !etf_read_pid(&r, &ret_from->pid) || !etf_skip(&r, &tag))
        return false;
    ret_from->tag = etf_rd_of(tag, message.atoms);
    *ret_request = r;
    return true;
}

bool gen_read_cast(struct etf_rd message, struct etf_rd *ret_request)
{
    *ret_request = message;
    return etf_read_tuple_is(ret_request, 2) && etf_read_atom_is(ret_request, "$gen_cast");
}

bool gen_tag_alias(struct etf_rd tag, struct etf_ref *ret)
{
    uint32_t len;

    for (int depth = 0; depth < 2 && etf_peek(&tag) == ETF_KIND_LIST; depth++) {
        if (!etf_read_list(&tag, &len) || len != 1)
            return false;
        if (etf_read_atom_is(&tag, "alias"))
            return etf_read_ref(&tag, ret);
    }
    return false;
}

enum err gen_reply(struct actor *a, const struct node_from *from, struct slice reply, uint32_t uses)
{
    struct node *n = a->process.node;
    struct node_dest to = {.kind = NODE_DEST_PID, .pid = from->pid};
    struct etf_rd tag = from->tag;
    struct slice parts[2], where;
    struct wr w, scratch;
    struct link *l;
    enum err e;

    node_wr_init(n, &w);
    wr_init(&scratch, ETF_ATOM_MAX_BYTES);
    where = route_atom_utf8(from->pid.node, &scratch);
    l = link_find(n, where);
    etf_write_tuple(&w, 2);
    e = etf_copy(&w, &tag);
    parts[0] = wr_written(&w);
    parts[1] = reply;
    /* An alias drops what comes too late, where a pid would find it in its mailbox. */
    if (gen_tag_alias(from->tag, &to.alias) &&
        (!l || l->state != LINK_UP || (dist_conn_peer_flags(l->conn) & DIST_FLAG_ALIAS)))
        to.kind = NODE_DEST_ALIAS;
    if (e == ERR_NONE && (l || slice_eq(where, n->name_slice)))
        e = actor_send(a, &to, parts, 2, uses);
    wr_fini(&scratch);
    wr_fini(&w);
    return e;
}

void gen_reply_atom(struct actor *a, const struct node_from *from, const char *atom)
{
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    etf_write_atom_str(&w, atom);
    e = wr_ok(&w) ? gen_reply(a, from, wr_written(&w), 0) : w.err;
    if (e != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", from->pid.node.text), LOG_STR("error", err_name(e)));
    wr_fini(&w);
}
