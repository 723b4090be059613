#include "node/link.h"

#include "base/check.h"
#include "base/mem.h"
#include "loop/tls.h"
#include "node/internal.h"
#include "node/request.h"

enum { GIVEN_NAME_LEN = 13 }; /* of 36 letters each: 67 bits */

static void pump(struct link *l);

/* ---- life ---- */

static void timer_due(void *ctx, uint64_t id);

static struct link *link_new(struct node *n, enum link_state state)
{
    struct link *l = mem_zalloc(sizeof *l);

    if (!l)
        return NULL;
    *l = (struct link){.node = n, .state = state, .armed_at = UINT64_MAX};
    l->id = idtab_add(&n->links, l);
    l->timer = l->id ? loop_timer_new(n->loop, timer_due, n, l->id) : NULL;
    if (!l->timer) {
        idtab_remove(&n->links, l->id);
        mem_free(l);
        return NULL;
    }
    return l;
}

static enum err take_name(struct link *l, struct slice name)
{
    enum err e;

    if (!l->name) {
        l->name = mem_strndup(name.ptr, name.len);
        if (!l->name)
            return ERR_NOMEM;
    }
    e = map_put(&l->node->links_by_name, name, l);
    l->is_named = e == ERR_NONE;
    return e;
}

static void drop_name(struct link *l)
{
    if (l->is_named)
        map_remove(&l->node->links_by_name, slice_of_str(l->name));
    l->is_named = false;
}

struct link *link_find(const struct node *n, struct slice name)
{
    return map_get(&n->links_by_name, name);
}

/* What it calls itself, for who has not been let in yet. */
static struct slice shown_name(const struct link *l)
{
    struct slice said = l->conn ? dist_conn_peer_name(l->conn) : (struct slice){0};

    if (l->name)
        return slice_of_str(l->name);
    return said.len ? said : SLICE("?");
}

static void arm(struct link *l, uint64_t at_ms)
{
    uint64_t now;

    if (at_ms == UINT64_MAX || at_ms >= l->armed_at)
        return; /* later than the timer: it asks again when it fires */
    now = loop_now_ms(l->node->loop);
    l->armed_at = at_ms;
    loop_timer_start(l->timer, at_ms > now ? at_ms - now : 0);
}

/* Lets go of what the link holds outside: its memory stays until the end of the turn, for callers up the
 * stack. */
static void release(struct link *l)
{
    struct node *n = l->node;

    l->state = LINK_CLOSED;
    drop_name(l);
    idtab_remove(&n->links, l->id);
    epmd_find_cancel(n, l->lookup);
    loop_dial_cancel(n->loop, l->dial);
    l->lookup = l->dial = 0;
    loop_stream_close(l->stream);
    l->stream = NULL;
    loop_timer_free(l->timer);
    l->timer = NULL;
    l->next_dead = n->dead;
    n->dead = l;
}

/* As net_kernel says it of its own links. */
static struct slice nodedown_reason(enum err why, bool was_up)
{
    if (!was_up)
        return process_reason_setup_failed;
    switch (why) {
    case ERR_TIMEOUT: return process_reason_tick_timeout;
    case ERR_CANCELLED: return process_reason_disconnect;
    default: return process_reason_closed;
    }
}

void link_close(struct link *l, enum err why, const char *text)
{
    bool was_up = l->state == LINK_UP, was_the_one = l->is_named;
    struct node_change change = {.is_hidden = was_up && dist_conn_peer_is_hidden(l->conn),
                                 .reason = nodedown_reason(why, was_up)};

    if (l->state == LINK_CLOSED)
        return;
    if (text)
        LOG(was_up ? LOG_INFO : LOG_WARN, was_up ? "link-down" : "link-failed",
            LOG_SLICE("node", shown_name(l)), LOG_STR("error", err_name(why)), LOG_STR("why", text));
    ++*(was_up ? &l->node->totals.lost[why] : &l->node->totals.failed[why]);
    if (was_up)
        link_flush(l);
    release(l);
    signals_clear(&l->waiting);
    if (was_the_one) {
        change.node = slice_of_str(l->name);
        route_node_lost(l->node, &change, was_up);
    }
    request_link_down(l, was_up ? ERR_NODEDOWN : why == ERR_TIMEOUT ? ERR_NO_CONNECTION : why, text);
    if (node_is_nameless(l->node) && !l->node->is_quiet)
        node_start_failed(l->node, why, text);
}

/* ---- connecting ---- */

/* Two nodes that connect to each other at once: what is left of our attempt makes way for theirs. */
static void take_over(struct link *to, struct link *from)
{
    request_move_all(from, to);
    signals_append(&to->waiting, &from->waiting);
    release(from);
}

/* Through the node, for who listens there may end before the link does. */
static void atom_came(void *ctx, struct slice utf8)
{
    const struct node *n = ctx;

    if (n->on_atom)
        n->on_atom(n->on_atom_ctx, utf8);
}

static void config_of(struct node *n, struct dist_conn_config *ret)
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
        .ctx = n,
    };
    loop_random(&ret->challenge, sizeof ret->challenge);
}

static uint8_t *stream_room(void *ctx, size_t *ret_len)
{
    struct link *l = ctx;

    return dist_conn_room(l->conn, ret_len);
}

/* What a peer is answered (that a name is not there, that a link is gone) is not refused when the queue is
 * full: instead, a peer that asks without reading is not read either, until it reads, or is given up as
 * silent. Twice the queue, for two nodes that have much to tell each other must not wait for each other. */
static void bound_answers(struct link *l)
{
    if (l->stream && l->state == LINK_UP)
        loop_stream_pause(l->stream, dist_conn_queued(l->conn) / 2 > l->node->max_queue);
}

static void stream_received(void *ctx, size_t n)
{
    struct link *l = ctx;
    const struct node *node = l->node;

    dist_conn_received(l->conn, n, loop_now_ms(node->loop));
    pump(l);
    bound_answers(l);
    if (node->on_read)
        node->on_read(node->on_read_ctx);
}

static void stream_writable(void *ctx)
{
    link_flush(ctx);
}

static void stream_ended(void *ctx, enum err e)
{
    struct link *l = ctx;
    const char *why = loop_stream_why(l->stream);

    if (!why)
        why = e == ERR_CLOSED ? "the peer closed the connection" : err_text(e);
    dist_conn_close(l->conn, e, why);
    pump(l);
}

static const struct loop_stream_ops stream_ops = {stream_room, stream_received, stream_writable,
                                                  stream_ended};

static void mark_dirty(struct link *l)
{
    if (!l->is_dirty) {
        l->is_dirty = true;
        l->next_dirty = l->node->dirty;
        l->node->dirty = l;
    }
}

static struct slice host_of(const struct link *l)
{
    const char *at = strchr(l->name, '@');

    return slice_of_str(at ? at + 1 : "");
}

/* The deadline of the distribution's handshake is running already: it bounds that of TLS as well. */
static enum err secure(const struct link *l, const char *host)
{
    return l->node->tls ? loop_stream_secure(l->stream, l->node->tls, host) : ERR_NONE;
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
        link_close(l, e == ERR_TIMEOUT ? e : ERR_NO_CONNECTION,
                   e == ERR_TIMEOUT ? "its port does not answer in time"
                   : l->is_memory ? "EPMD on its host knows no node of that name, and it is not where it was"
                                  : "its port does not accept a connection");
        return;
    }
    config_of(n, &config);
    l->stream = s;
    l->conn = dist_conn_dial(&config, slice_of_str(l->name), l->handshake_version, loop_now_ms(n->loop));
    if (!l->conn || secure(l, (const char *)host_of(l).ptr) != ERR_NONE) {
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    l->state = LINK_HANDSHAKE;
    loop_stream_start(s, &stream_ops, l);
    mark_dirty(l);
    arm(l, dist_conn_deadline(l->conn));
}

static void dial(struct link *l, unsigned version)
{
    struct node *n = l->node;

    l->state = LINK_DIALLING;
    l->handshake_version = version;
    l->dial = loop_dial(n->loop, l->at_host, l->at_port, n->connect_ms, connected, n, l->id);
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

void link_not_found(struct node *n, uint64_t link_id, enum err e)
{
    struct link *l = idtab_get(&n->links, link_id);

    if (!l)
        return;
    l->lookup = 0;
    link_close(l, e,
               e == ERR_NO_NODE ? "EPMD on its host knows no node of that name"
                                : "EPMD on its host cannot be reached");
}

/* OTP before 23 hangs up on a name of version 6, without a word. */
static bool wants_older_version(const struct link *l, enum err e)
{
    return e == ERR_CLOSED && l->state == LINK_HANDSHAKE && l->was_dialled && !l->is_version_sure &&
           l->handshake_version == 6 && dist_conn_stats(l->conn).bytes_in == 0 &&
           (!l->node->tls || loop_stream_tls_version(l->stream));
}

static void dial_older_version(struct link *l)
{
    loop_stream_close(l->stream);
    l->stream = NULL;
    node_totals_add(&l->node->totals, l);
    dist_conn_free(l->conn);
    l->conn = NULL;
    dial(l, 5);
}

static void give_up(struct link *l)
{
    idtab_remove(&l->node->links, l->id);
    loop_timer_free(l->timer);
    drop_name(l);
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
    struct link *l = !n->gate || n->gate(n->gate_ctx, name, false) ? link_new(n, LINK_RESOLVING) : NULL;

    if (!l)
        return NULL;
    l->was_dialled = true;
    if (take_name(l, name) != ERR_NONE || !epmd_find(n, l)) {
        give_up(l);
        return NULL;
    }
    return l->state == LINK_CLOSED ? NULL : l;
}

void link_accept(struct node *n, struct loop_stream *s)
{
    struct link *l = n->creation && !n->is_quiet ? link_new(n, LINK_HANDSHAKE) : NULL;
    struct dist_conn_config config;

    if (!l) {
        loop_stream_close(s);
        return;
    }
    config_of(n, &config);
    l->stream = s;
    l->conn = dist_conn_accept(&config, loop_now_ms(n->loop));
    if (!l->conn || secure(l, NULL) != ERR_NONE) {
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
        return;
    }
    loop_stream_start(s, &stream_ops, l);
    arm(l, dist_conn_deadline(l->conn));
}

/* ---- events ---- */

/* A peer that has no name of its own (NAME_ME) gets one that nobody has had, and a creation, as OTP does it.
 */
static void name_peer(struct link *l)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct slice host = dist_conn_peer_name(l->conn);
    uint8_t random[GIVEN_NAME_LEN];
    uint32_t creation;
    enum dist_status status = DIST_STATUS_NOT_ALLOWED;
    struct wr w;

    loop_random(random, sizeof random);
    loop_random(&creation, sizeof creation);
    wr_init(&w, ETF_ATOM_MAX_BYTES);
    for (size_t i = 0; i < sizeof random; i++)
        wr_u8(&w, (uint8_t)digits[random[i] % (sizeof digits - 1)]);
    wr_u8(&w, '@');
    wr_slice(&w, host);
    if (wr_ok(&w) && node_name_is_valid(wr_written(&w)) && link_may_be(l->node, wr_written(&w), true) &&
        !link_find(l->node, wr_written(&w)) && take_name(l, wr_written(&w)) == ERR_NONE)
        status = DIST_STATUS_NAMED;
    dist_conn_admit(l->conn, status, wr_written(&w),
                    creation < NODE_CREATION_FLOOR ? NODE_CREATION_FLOOR : creation);
    wr_fini(&w);
}

/* A peer has said its name: what we already have under it decides (erl_dist_protocol, "Status"). */
static void peer_named(struct link *l)
{
    struct node *n = l->node;
    struct slice name = dist_conn_peer_name(l->conn);
    struct link *other = link_find(n, name);
    enum dist_status status = DIST_STATUS_OK;

    if (dist_conn_peer_flags(l->conn) & DIST_FLAG_NAME_ME) {
        name_peer(l);
        return;
    }
    if (!link_may_be(n, name, true)) {
        l->is_refused = true;
        status = DIST_STATUS_NOT_ALLOWED;
    } else if (slice_eq(name, n->name_slice)) {
        status = DIST_STATUS_NOK;
    } else if (other && other->state == LINK_UP) {
        /* It has come back before we noticed that it was gone; or somebody else bears its name. It decides.
         */
        l->name = mem_strndup(name.ptr, name.len);
        status = l->name ? DIST_STATUS_ALIVE : DIST_STATUS_NOK;
    } else if (other && other->state == LINK_HANDSHAKE && other->was_dialled &&
               slice_cmp(n->name_slice, name) > 0) {
        /* Both dialled: the connection of the greater name goes on. */
        status = DIST_STATUS_NOK;
    } else {
        if (other) {
            if (other->state == LINK_HANDSHAKE)
                status = DIST_STATUS_OK_SIMULTANEOUS;
            take_over(l, other);
        }
        if (take_name(l, name) != ERR_NONE)
            status = DIST_STATUS_NOK;
    }
    dist_conn_admit(l->conn, status, (struct slice){0}, 0);
}

static void link_up(struct link *l)
{
    struct node *n = l->node;
    struct link *other = link_find(n, dist_conn_peer_name(l->conn));

    if (other != l) {
        if (other)
            link_close(other, ERR_NODEDOWN, "the node has connected anew");
        if (take_name(l, dist_conn_peer_name(l->conn)) != ERR_NONE) {
            link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
            return;
        }
    }
    ++*(l->was_dialled ? &n->totals.dialled : &n->totals.accepted);
    l->state = LINK_UP;
    l->up_since_ms = loop_now_ms(n->loop);
    LOG(LOG_INFO, "link-up", LOG_SLICE("node", shown_name(l)), LOG_STR("by", l->was_dialled ? "us" : "them"),
        LOG_STR("type", dist_conn_peer_is_hidden(l->conn) ? "hidden" : "visible"),
        LOG_UINT("creation", dist_conn_peer_creation(l->conn)),
        LOG_STR("tls", n->tls ? loop_stream_tls_version(l->stream) : "no"));
    if (node_is_nameless(n) &&
        node_named(n, dist_conn_own_name(l->conn), dist_conn_own_creation(l->conn)) != ERR_NONE)
        link_close(l, ERR_NOMEM, err_text(ERR_NOMEM));
    if (l->state != LINK_UP)
        return;
    route_link_up(l);
    request_link_up(l);
    survey_soon(n);
}

/* Refused with nok: the peer's own connection to us is under way and takes our place when it comes. */
static void yield_to_peer(struct link *l)
{
    l->state = LINK_YIELDED;
    loop_stream_close(l->stream);
    l->stream = NULL;
    l->armed_at = UINT64_MAX;
    arm(l, loop_now_ms(l->node->loop) + l->node->connect_ms);
}

static void link_ended(struct link *l, enum err e, const char *text)
{
    if (e == ERR_NAME_TAKEN && l->was_dialled && l->state == LINK_HANDSHAKE) {
        yield_to_peer(l);
        return;
    }
    if (wants_older_version(l, e)) {
        dial_older_version(l);
        return;
    }
    if (l->state != LINK_UP && e != ERR_AUTH && e != ERR_NOT_ALLOWED && e != ERR_TIMEOUT && e != ERR_NOMEM)
        e = ERR_NO_CONNECTION;
    link_close(l, e, l->is_refused ? NULL : text ? text : err_text(e));
}

/* A node without TLS waits for the rest of what it takes for a long message. */
static const char *why_down(const struct link *l, const struct dist_event *ev)
{
    if (ev->err == ERR_TIMEOUT && l->state == LINK_HANDSHAKE && l->node->tls &&
        !loop_stream_tls_version(l->stream))
        return "the TLS handshake took too long: does it speak TLS (-proto_dist inet_tls)?";
    return ev->text;
}

static void pump(struct link *l)
{
    struct dist_event ev;

    while (l->state == LINK_HANDSHAKE || l->state == LINK_UP) {
        switch (dist_conn_next(l->conn, &ev)) {
        case DIST_EVENT_NONE:
            if (dist_conn_output(l->conn).len > 0)
                mark_dirty(l);
            arm(l, dist_conn_deadline(l->conn));
            return;
        case DIST_EVENT_PEER: peer_named(l); break;
        case DIST_EVENT_ALIVE: dist_conn_replace(l->conn, true); break;
        case DIST_EVENT_UP: link_up(l); break;
        case DIST_EVENT_MESSAGE: route_message(l, &ev.message); break;
        case DIST_EVENT_DOWN:
            link_flush(l); /* a refusal's status is still to be said */
            link_ended(l, ev.err, why_down(l, &ev));
            return;
        }
    }
}

static void timer_due(void *ctx, uint64_t id)
{
    struct node *n = ctx;
    struct link *l = idtab_get(&n->links, id);

    if (!l)
        return;
    l->armed_at = UINT64_MAX;
    if (l->state == LINK_YIELDED) {
        link_close(l, ERR_NO_CONNECTION, "it refused our connection for its own, which did not come");
    } else if (l->conn) {
        dist_conn_advance(l->conn, loop_now_ms(n->loop));
        pump(l);
    }
}

/* ---- writing ---- */

enum err link_send(struct link *l, const struct dist_ctl *ctl, const struct slice *payload, size_t count)
{
    enum err e;

    if (l->state != LINK_UP)
        return ERR_NODEDOWN;
    e = dist_conn_send(l->conn, ctl, payload, count);
    mark_dirty(l);
    return e;
}

enum err link_check_room(const struct link *l)
{
    if (!l->conn || dist_conn_queued(l->conn) <= l->node->max_queue)
        return ERR_NONE;
    l->node->totals.over_max_queue++;
    return ERR_OVERLOADED;
}

static void write_out(struct link *l)
{
    struct slice out;
    size_t taken;

    while (l->stream && (out = dist_conn_output(l->conn)).len > 0) {
        if (loop_stream_write(l->stream, out, &taken) != ERR_NONE)
            return; /* reading tells what is wrong, and ends the link from there */
        dist_conn_sent(l->conn, taken, loop_now_ms(l->node->loop));
        if (taken < out.len)
            return; /* `writable` goes on */
    }
}

void link_flush(struct link *l)
{
    write_out(l);
    bound_answers(l);
}

static void free_dead(struct node *n)
{
    while (n->dead) {
        struct link *l = n->dead;

        n->dead = l->next_dead;
        CHECK(!l->requests);
        node_totals_add(&n->totals, l);
        dist_conn_free(l->conn);
        mem_free(l->at_host);
        mem_free(l->name);
        mem_free(l);
    }
}

void node_flush(struct node *n)
{
    while (n->dirty) {
        struct link *l = n->dirty;

        n->dirty = l->next_dirty;
        l->is_dirty = false;
        if (l->state != LINK_CLOSED)
            link_flush(l);
    }
}

void link_flush_all(struct node *n)
{
    node_flush(n);
    free_dead(n);
}
