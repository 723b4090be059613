#include "node/link.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "dist/handshake.h"
#include "loop/tls.h"
#include "node/call_monitor.h"
#include "node/internal.h"
#include "node/link_parts.h"
#include "node/request.h"

enum { TLS_ALERT_LEN = 7 }; /* what a node that speaks TLS says to one that does not (RFC 8446, 5.1, 6) */

static void pump(struct link *l);

/* ---- life ---- */

static void timer_due(void *ctx, uint64_t id);

struct link *link_new(struct node *n, enum link_state state)
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

enum err link_take_name(struct link *l, struct slice name)
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

void link_drop_name(struct link *l)
{
    if (l->is_named)
        map_remove(&l->node->links_by_name, slice_of_str(l->name));
    l->is_named = false;
}

void link_set_second(struct link *l, bool is_second)
{
    l->node->seconds += (unsigned)is_second - (unsigned)l->is_second;
    l->is_second = is_second;
}

struct link *link_find(const struct node *n, struct slice name)
{
    return map_get(&n->links_by_name, name);
}

struct slice link_shown_name(const struct link *l)
{
    struct slice said = l->conn ? dist_conn_peer_name(l->conn) : (struct slice){0};

    if (l->name)
        return slice_of_str(l->name);
    return said.len ? said : SLICE("?");
}

void link_arm(struct link *l, uint64_t at_ms)
{
    uint64_t now;

    if (at_ms == UINT64_MAX || at_ms >= l->armed_at)
        return; /* later than the timer: it asks again when it fires */
    now = loop_now_ms(l->node->loop);
    l->armed_at = at_ms;
    loop_timer_start(l->timer, at_ms > now ? at_ms - now : 0);
}

void link_release(struct link *l)
{
    struct node *n = l->node;

    l->state = LINK_CLOSED;
    link_drop_name(l);
    link_set_second(l, false);
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

/* What requests hear that wait for a link which has not come up. */
static enum err unreached(const struct link *l, enum err why)
{
    return why == ERR_TIMEOUT || (why == ERR_CANCELLED && !l->node->is_quiet) ? ERR_NO_CONNECTION : why;
}

void link_close(struct link *l, enum err why, const char *text)
{
    bool was_up = l->state == LINK_UP, was_the_one;
    struct node_change change = {.is_hidden = was_up && dist_conn_peer_is_hidden(l->conn),
                                 .was_dialled = was_up && l->was_dialled,
                                 .reason = nodedown_reason(why, was_up)};

    if (l->state == LINK_CLOSED)
        return;
    if (!was_up)
        link_pass_on(l, why);
    was_the_one = l->is_named;
    if (text)
        LOG(was_up ? LOG_INFO : LOG_WARN, was_up ? "link-down" : "link-failed",
            LOG_SLICE("node", link_shown_name(l)), LOG_STR("error", err_name(why)), LOG_STR("why", text));
    ++*(was_up ? &l->node->totals.lost[why] : &l->node->totals.failed[why]);
    if (!was_up && l->was_dialled && l->name && why != ERR_CANCELLED)
        failures_note(&l->node->failures, slice_of_str(l->name), why, text, loop_now_ms(l->node->loop));
    if (was_up)
        link_flush(l);
    link_release(l);
    signals_clear(&l->waiting);
    if (was_the_one) {
        change.node = slice_of_str(l->name);
        route_node_lost(l->node, &change, was_up);
    }
    request_link_down(l, was_up ? ERR_NODEDOWN : unreached(l, why), text);
    if (node_is_nameless(l->node) && !l->node->is_quiet)
        node_start_failed(l->node, why, text);
}

/* ---- the stream ---- */

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

static const char *why_closed(const struct link *l)
{
    uint64_t bytes = dist_conn_stats(l->conn).bytes_in;

    if (!l->was_dialled || l->state != LINK_HANDSHAKE || (bytes > 0 && bytes != TLS_ALERT_LEN))
        return "the peer closed the connection";
    if (l->node->tls)
        return "it hung up without a word: its log may say why";
    return bytes ? "it answered as TLS does, and hung up: see --dist-tls-cert"
                 : "it hung up without a word: its log may say why; or it speaks TLS, see --dist-tls-cert";
}

static void stream_ended(void *ctx, enum err e)
{
    struct link *l = ctx;
    const char *why = loop_stream_why(l->stream);

    if (!why && e == ERR_CLOSED)
        why = why_closed(l);
    if (!why)
        why = err_text(e);
    dist_conn_close(l->conn, e, why);
    pump(l);
}

const struct loop_stream_ops link_stream_ops = {stream_room, stream_received, stream_writable, stream_ended};

/* ---- events ---- */

/* In words that last as long as the node, as those of all errors do. Who makes up names gets so many. */
static const char *called_otherwise(struct node *n, struct slice name)
{
    char text[sizeof "the node that answers there is called " + DIST_NAME_MAX_BYTES];
    char **at = n->other_names;

    snprintf(text, sizeof text, "the node that answers there is called %.*s", SLICE_FMT(name));
    for (; at < n->other_names + ARRAY_LEN(n->other_names); at++) {
        if (!*at)
            *at = mem_strndup(text, strlen(text));
        if (!*at || strcmp(*at, text) == 0)
            return *at;
    }
    return NULL;
}

static const char *why_down(const struct link *l, const struct dist_event *ev)
{
    const char *text = NULL;

    if (l->was_dialled && l->name && !slice_eq_str(dist_conn_peer_name(l->conn), l->name))
        text = called_otherwise(l->node, dist_conn_peer_name(l->conn));
    if (text)
        return text;
    /* A node without TLS waits for the rest of what it takes for a long message. */
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
                link_mark_dirty(l);
            link_arm(l, dist_conn_deadline(l->conn));
            return;
        case DIST_EVENT_PEER: link_peer_named(l); break;
        case DIST_EVENT_ALIVE: dist_conn_replace(l->conn, true); break;
        case DIST_EVENT_UP: link_came_up(l); break;
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
        link_yield_ends(l);
    } else if (l->conn) {
        dist_conn_advance(l->conn, loop_now_ms(n->loop));
        pump(l);
        link_look_beside(l);
    }
}

/* ---- writing ---- */

void link_mark_dirty(struct link *l)
{
    if (!l->is_dirty) {
        l->is_dirty = true;
        l->next_dirty = l->node->dirty;
        l->node->dirty = l;
    }
}

enum err link_send(struct link *l, const struct dist_ctl *ctl, const struct slice *payload, size_t count)
{
    enum err e;

    if (l->state != LINK_UP)
        return ERR_NODEDOWN;
    e = dist_conn_send(l->conn, ctl, payload, count);
    link_mark_dirty(l);
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
    call_monitor_close(l);
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
