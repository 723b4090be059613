/*
 * How we connect: a node is looked up and dialled, with the older version of the handshake where it hangs up
 * on the newer, and again where it prefers a connection of its own that does not come.
 */
#include "base/mem.h"
#include "loop/tls.h"
#include "node/internal.h"
#include "node/link_parts.h"
#include "node/request.h"

enum {
    /* That the peer's own connection may take to come before we ask again for ours: at first, and at last. */
    YIELD_FIRST_MS = 50,
    YIELD_MS = 500,
};

/* ---- what both ends of a connection begin with ---- */

/* Through the node, for who listens there may end before the link does. */
static void atom_came(void *ctx, struct slice utf8)
{
    const struct node *n = ctx;

    if (n->on_atom)
        n->on_atom(n->on_atom_ctx, utf8);
}

static size_t judge(void *ctx, const struct etf_ref *to, struct slice payload, const struct etf_atoms *atoms)
{
    const struct node *n = ctx;
    struct request *r = n->judge ? request_of_ref(n, to) : NULL;

    return r ? request_judge(r, payload, atoms) : 0;
}

void link_config(struct node *n, struct dist_conn_config *ret)
{
    *ret = (struct dist_conn_config){
        .name = n->name_slice,
        .cookie = slice_of(n->cookie, n->cookie_len),
        .creation = n->creation,
        .flags = dist_flags_offered | (n->is_visible ? DIST_FLAG_PUBLISHED : 0),
        .has_long_lengths = n->tls != NULL, /* as OTP's inet_tls_dist */
        .handshake_ms = n->connect_ms,
        .tick_ms = n->tick_ms,
        .max_frame = n->max_message,
        .max_message = n->max_message,
        .on_atom = atom_came,
        .judge = judge,
        .ctx = n,
    };
    loop_random(&ret->challenge, sizeof ret->challenge);
}

enum err link_secure(const struct link *l, const char *host)
{
    return l->node->tls ? loop_stream_secure(l->stream, l->node->tls, host) : ERR_NONE;
}

/* ---- connecting ---- */

/* Why a port could not be connected to. */
static const char *undialled(const struct link *l, enum err e)
{
    if (e == ERR_NO_HOST)
        return err_text(e);
    if (e == ERR_TIMEOUT)
        return "its port does not answer in time";
    return l->is_memory ? "EPMD on its host knows no node of that name, and it is not where it was"
                        : "its port does not accept a connection: does it run?";
}

/* Of connecting and of the handshake, each: a whole one at first, and what is left of it after a nok. */
static uint32_t time_left(const struct link *l)
{
    const struct node *n = l->node;
    uint64_t now = loop_now_ms(n->loop);

    if (!l->yields_until)
        return n->connect_ms;
    return now < l->yields_until ? (uint32_t)(l->yields_until - now) : 1;
}

static void connected(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    struct node *n = ctx;
    struct link *l = idtab_get(&n->links, id);
    struct dist_conn_config config;

    if (!l) {
        loop_stream_close(s);
        return;
    }
    l->dial = 0;
    if (!s) {
        if (l->is_memory && e != ERR_TIMEOUT)
            epmd_forget(n, slice_of_str(l->name));
        link_close(l, e == ERR_TIMEOUT ? e : ERR_NO_CONNECTION, undialled(l, e));
        return;
    }
    link_config(n, &config);
    config.handshake_ms = time_left(l);
    l->stream = s;
    l->conn = dist_conn_dial(&config, slice_of_str(l->name), l->handshake_version, loop_now_ms(n->loop));
    if (!l->conn || link_secure(l, link_host(l)) != ERR_NONE) {
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    l->state = LINK_HANDSHAKE;
    loop_stream_start(s, &link_stream_ops, l);
    link_mark_dirty(l);
    link_arm(l, dist_conn_deadline(l->conn));
}

static void dial(struct link *l, unsigned version)
{
    struct node *n = l->node;

    l->state = LINK_DIALLING;
    l->handshake_version = version;
    l->dial = loop_dial(n->loop, l->at_host, l->at_port, time_left(l), connected, n, l->id);
    if (!l->dial)
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
}

void link_found(struct node *n, uint64_t link_id, const char *host, uint16_t port, unsigned highest,
                bool is_memory)
{
    struct link *l = idtab_get(&n->links, link_id);

    if (!l)
        return;
    l->lookup = 0;
    l->at_host = mem_strndup(host, strlen(host));
    l->at_port = port;
    l->is_version_sure = highest > 0;
    l->is_memory = is_memory;
    if (l->at_host)
        dial(l, highest == 0 || highest >= 6 ? 6 : 5);
    else
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
}

/* Why EPMD did not say where a node is. */
static const char *unfound(enum err e)
{
    switch (e) {
    case ERR_NO_NODE: return "EPMD on its host knows no node of that name";
    case ERR_NO_HOST: return err_text(e);
    case ERR_TIMEOUT: return "EPMD on its host does not answer in time";
    case ERR_MALFORMED: return "what answers on its host is no EPMD";
    default: return "EPMD on its host cannot be reached";
    }
}

void link_not_found(struct node *n, uint64_t link_id, enum err e)
{
    struct link *l = idtab_get(&n->links, link_id);

    if (!l)
        return;
    l->lookup = 0;
    /* What is wrong with an EPMD is no fault of what was asked: to a request the node cannot be reached. */
    link_close(l, e == ERR_NO_HOST || e == ERR_MALFORMED ? ERR_NO_CONNECTION : e, unfound(e));
}

const char *link_stage(const struct link *l)
{
    switch (l->state) {
    case LINK_RESOLVING: return "DNS, or EPMD on its host, has not answered yet";
    case LINK_DIALLING: return "its port has not answered yet";
    case LINK_HANDSHAKE:
        return l->node->tls && !loop_stream_tls_version(l->stream)
                   ? "it has not answered the TLS handshake yet: does it speak TLS?"
                   : "it has not answered the handshake yet";
    case LINK_YIELDED: return "its own connection to us has not come yet";
    case LINK_UP:
    case LINK_CLOSED: break;
    }
    return NULL;
}

/* OTP before 23 hangs up on a name of version 6, without a word. */
static bool wants_older_version(const struct link *l, enum err e)
{
    return e == ERR_CLOSED && l->state == LINK_HANDSHAKE && l->was_dialled && !l->is_version_sure &&
           l->handshake_version == 6 && dist_conn_stats(l->conn).bytes_in == 0 &&
           (!l->node->tls || loop_stream_tls_version(l->stream));
}

static void drop_connection(struct link *l)
{
    loop_stream_close(l->stream);
    l->stream = NULL;
    node_totals_add(&l->node->totals, l);
    dist_conn_free(l->conn);
    l->conn = NULL;
}

static void give_up(struct link *l)
{
    idtab_remove(&l->node->links, l->id);
    loop_timer_free(l->timer);
    link_drop_name(l);
    mem_free(l->at_host);
    mem_free(l->name);
    mem_free(l);
}

bool link_may_be(struct node *n, struct slice name, bool is_incoming)
{
    if (!n->gate || n->gate(n->gate_ctx, name, is_incoming))
        return true;
    n->links_refused++;
    LOG(LOG_WARN, "link-refused", LOG_SLICE("node", name), LOG_STR("by", is_incoming ? "them" : "us"),
        LOG_STR("why", is_incoming ? "the policy admits no node of that name (nodes.admit)"
                                   : "the policy connects to no node of that name (nodes.connect)"));
    return false;
}

struct link *link_dial(struct node *n, struct slice name)
{
    bool may_be = !n->gate || n->gate(n->gate_ctx, name, false);
    struct link *l =
        may_be && !n->is_stopped ? link_new(n, LINK_RESOLVING) : NULL; /* (the gate may stop it) */

    if (!l)
        return NULL;
    l->was_dialled = true;
    if (link_take_name(l, name) != ERR_NONE || !epmd_find(n, l)) {
        give_up(l);
        return NULL;
    }
    return l->state == LINK_CLOSED ? NULL : l;
}

/* ---- another try ---- */

/*
 * Refused with nok: the peer's own connection to us is under way and takes our place when it comes. It need
 * not come: OTP says nok as well while a connection of ours that has ended since is still on its list. So we
 * ask again now and then.
 */
static void yield_to_peer(struct link *l)
{
    uint64_t now = loop_now_ms(l->node->loop);

    l->state = LINK_YIELDED;
    loop_stream_close(l->stream);
    l->stream = NULL;
    l->armed_at = UINT64_MAX;
    if (!l->yields_until)
        l->yields_until = now + l->node->connect_ms;
    l->yield_ms = l->yield_ms == 0 ? YIELD_FIRST_MS : l->yield_ms < YIELD_MS / 2 ? 2 * l->yield_ms : YIELD_MS;
    link_arm(l, now + l->yield_ms < l->yields_until ? now + l->yield_ms : l->yields_until);
}

void link_yield_ends(struct link *l)
{
    if (loop_now_ms(l->node->loop) >= l->yields_until) {
        link_close(l, ERR_NO_CONNECTION, "it refused our connection for its own, which did not come");
        return;
    }
    drop_connection(l);
    mem_free(l->at_host); /* it may have ended, and be somewhere else */
    l->at_host = NULL;
    l->state = LINK_RESOLVING;
    if (!epmd_find(l->node, l))
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
}

void link_ended(struct link *l, enum err e, const char *text)
{
    if (e == ERR_NAME_TAKEN && l->was_dialled && l->state == LINK_HANDSHAKE) {
        yield_to_peer(l);
        return;
    }
    if (wants_older_version(l, e)) {
        drop_connection(l);
        dial(l, 5);
        return;
    }
    if (l->state != LINK_UP && e != ERR_AUTH && e != ERR_NOT_ALLOWED && e != ERR_TIMEOUT && e != ERR_NOMEM)
        e = ERR_NO_CONNECTION;
    link_close(l, e, l->is_refused ? NULL : text ? text : err_text(e));
}
