/*
 * mailbox: what an inbox's process is told by the cluster becomes events: messages, casts, calls, exits.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "bridge/tie.h"
#include "etf/syntax.h"
#include "etf/write.h"

/* ---- calls that wait ---- */

static void unlink_call(struct inbox *in, struct inbox_call *c)
{
    *(c->prev ? &c->prev->next : &in->first_call) = c->next;
    *(c->next ? &c->next->prev : &in->last_call) = c->prev;
}

void inbox_forget_call(struct inbox *in, struct inbox_call *c)
{
    idtab_remove(&in->calls_by_id, c->id);
    unlink_call(in, c);
    node_from_free(c->from);
    mem_free(c);
}

void inbox_forget_calls(struct inbox *in)
{
    while (in->first_call)
        inbox_forget_call(in, in->first_call);
}

void inbox_expire_calls(struct inbox *in, uint64_t now_ms)
{
    struct inbox_call *next;

    for (struct inbox_call *c = in->first_call; c && now_ms - c->came_ms >= INBOX_CALL_MS; c = next) {
        next = c->next;
        if (!c->is_monitored)
            inbox_forget_call(in, c);
    }
}

static uint32_t mark_of(const struct etf_ref *ref)
{
    uint32_t mark = ref->count;

    for (uint32_t i = 0; i < ref->count; i++)
        mark = mark * 31 + ref->words[i];
    return mark;
}

/* A tag may be any term, and is kept until the call is answered: that must not be a way to fill our memory.
 */
static bool has_short_tag(const struct node_from *from)
{
    struct etf_rd tag = from->tag;
    struct slice whole;

    return etf_skip(&tag, &whole) && whole.len <= INBOX_TAG_MAX;
}

/* NULL: it is not kept. */
static struct inbox_call *keep_call(struct inbox *in, const struct node_from *from)
{
    struct inbox_call *c = mem_zalloc(sizeof *c);
    struct etf_ref ref;

    if (!c)
        return NULL;
    c->from = node_from_keep(from);
    c->id = c->from && has_short_tag(c->from) ? idtab_add(&in->calls_by_id, c) : 0;
    if (!c->id) {
        node_from_free(c->from);
        mem_free(c);
        return NULL;
    }
    c->came_ms = loop_now_ms(in->g->loop);
    c->is_monitored = node_from_ref(from, &ref) && node_is_monitored(in->self, &from->pid, &ref);
    if (c->is_monitored)
        c->mark = mark_of(&ref);
    c->prev = in->last_call;
    *(c->prev ? &c->prev->next : &in->first_call) = c;
    in->last_call = c;
    return c;
}

/* {error, overloaded}, as one would see of a server that sheds load. */
static void refuse_call(struct node_self self, const struct node_from *from)
{
    static const struct slice overloaded = SLICE_LIT("\x68\x02\x77\x05"
                                                     "error\x77\x0A"
                                                     "overloaded");

    if (node_reply(self, from, overloaded) != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", from->pid.node.text));
}

static void handle_call(struct node_self self, void *state, const struct node_from *from,
                        struct etf_rd request)
{
    struct inbox *in = state;
    struct inbox_call *c;
    struct inbox_event e;
    char id[24];

    if (!in->g || !in->is_kept)
        return;
    c = in->calls_by_id.count < INBOX_MAX_CALLS ? keep_call(in, from) : NULL;
    if (!c) {
        refuse_call(self, from);
        return;
    }
    snprintf(id, sizeof id, "%" PRIx64, c->id);
    inbox_event_init(&e, in);
    inbox_event_text(&e, "call", slice_of_str(id));
    inbox_event_pid(&e, "from", &from->pid);
    inbox_event_term(&e, "request", request);
    inbox_event_emit(&e, "call");
}

/* The caller has given up, is gone, or has its answer: whoever answers now is told so. */
static void handle_unmonitored(struct node_self self, void *state, const struct etf_pid *by,
                               const struct etf_ref *monitor)
{
    struct inbox *in = state;
    uint32_t mark = mark_of(monitor);
    struct etf_ref ref;

    (void)self;
    for (struct inbox_call *c = in->first_call; c; c = c->next) {
        if (!c->is_monitored || c->mark != mark || !etf_pid_eq(&c->from->pid, by) ||
            !node_from_ref(c->from, &ref) || !etf_ref_eq(&ref, monitor))
            continue;
        inbox_forget_call(in, c);
        return;
    }
}

/* ---- the rest ---- */

static void handle_cast(struct node_self self, void *state, struct etf_rd request)
{
    struct inbox *in = state;
    struct inbox_event e;

    (void)self;
    if (!in->g || !in->is_kept)
        return;
    inbox_event_init(&e, in);
    inbox_event_term(&e, "request", request);
    inbox_event_emit(&e, "cast");
}

static void handle_info(struct node_self self, void *state, struct etf_rd message)
{
    struct inbox *in = state;
    struct inbox_event e;

    (void)self;
    if (!in->g || tie_group_changed(in, message) || !in->is_kept)
        return;
    inbox_event_init(&e, in);
    inbox_event_term(&e, "message", message);
    inbox_event_emit(&e, "message");
}

static void handle_down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                        struct etf_rd reason)
{
    struct inbox *in = state;

    (void)self;
    if (in->g)
        tie_down(in, monitor, what, reason);
}

static void handle_exit(struct node_self self, void *state, const struct etf_pid *from, struct etf_rd reason)
{
    struct inbox *in = state;

    (void)self;
    if (!in->g)
        return;
    tie_link_broken(in, from);
    inbox_event_exit(in, from, reason);
}

static void handle_node_changed(struct node_self self, void *state, const struct node_change *change)
{
    struct inbox *in = state;

    (void)self;
    if (in->g)
        tie_node_changed(in, change);
}

/* The last callback. When another process ended it, its reader hears of it first. */
static void terminate(struct node_self self, void *state, struct etf_rd reason)
{
    struct inbox *in = state;
    struct etf_pid pid = node_pid(self);
    struct slice term = {0};

    if (in->g && !in->is_kept)
        inbox_event_exit(in, &pid, reason);
    if (in->g && etf_skip(&reason, &term))
        inbox_end(in, term);
    inbox_free(in);
}

/* #{id => Id, calls => Count, ties => Count}: what sys:get_state/1 shows; never what clients have sent. */
static void format_state(struct node_self self, void *state, struct wr *w)
{
    const struct inbox *in = state;

    (void)self;
    etf_write_map(w, 2);
    etf_write_atom_str(w, "calls");
    etf_write_uint64(w, in->calls_by_id.count);
    etf_write_atom_str(w, "ties");
    etf_write_uint64(w, in->tie_count);
}

const struct node_server_ops inbox_ops = {
    .module = "erlgate_process",
    .handle_call = handle_call,
    .handle_cast = handle_cast,
    .handle_info = handle_info,
    .handle_down = handle_down,
    .handle_exit = handle_exit,
    .handle_node_changed = handle_node_changed,
    .handle_unmonitored = handle_unmonitored,
    .terminate = terminate,
    .format_state = format_state,
};
