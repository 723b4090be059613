#include "node/global_hold.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/global_state.h"
#include "node/internal.h"

/* ---- names of nodes ---- */

bool global_nodes_add(struct global_nodes *l, struct slice name)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        char **at = mem_realloc_array(l->at, cap, sizeof *at);

        if (!at)
            return false;
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count] = mem_strndup(name.ptr, name.len);
    return l->at[l->count] && ++l->count;
}

bool global_nodes_has(const struct global_nodes *l, struct slice name)
{
    for (size_t i = 0; i < l->count; i++)
        if (slice_eq_str(name, l->at[i]))
            return true;
    return false;
}

void global_nodes_clear(struct global_nodes *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->at[i]);
    mem_free(l->at);
    *l = (struct global_nodes){0};
}

struct slice global_nodes_boss(const struct global_nodes *l)
{
    struct slice boss = {0};

    for (size_t i = 0; i < l->count; i++)
        if (boss.len == 0 || slice_cmp(slice_of_str(l->at[i]), boss) > 0)
            boss = slice_of_str(l->at[i]);
    return boss;
}

/* ---- asking ---- */

enum answer { WAITING, YES, NO, GONE };
enum step { STEP_TAKE, STEP_ASK, STEP_RELEASE_OTHERS, STEP_RELEASE_BOSS };

struct global_asked {
    struct slice node; /* borrowed from held, or what was given: copied into text */
    uint64_t monitor;
    enum answer answer;
    char *text; /* owned */
};

void global_hold_init(struct global_hold *h, struct global *g, struct node_self self,
                      void (*done)(struct global *g, bool ok))
{
    *h = (struct global_hold){.global = g, .self = self, .done = done};
    wr_init(&h->requester, SIZE_MAX);
}

static void forget_asked(struct global_hold *h)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->asked[i].answer == WAITING)
            node_demonitor(h->self, h->asked[i].monitor);
        mem_free(h->asked[i].text);
    }
    mem_free(h->asked);
    h->asked = NULL;
    h->count = h->waiting = 0;
}

void global_hold_fini(struct global_hold *h)
{
    forget_asked(h);
    global_nodes_clear(&h->held);
    wr_fini(&h->requester);
}

/* {'$gen_call', {Self, Ref}, Request}: the monitor's reference is the tag, as gen has it. */
static enum err send_request(struct global_hold *h, struct global_asked *a, struct slice request)
{
    struct node_dest to = {.kind = NODE_DEST_NAME, .name = global_server_name, .node = a->node};
    struct etf_pid self = node_pid(h->self);
    struct etf_ref ref;
    struct slice parts[2];
    uint32_t uses = 0;
    struct wr w;
    enum err e = node_monitor(h->self, &to, &a->monitor);

    if (e != ERR_NONE)
        return e;
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "$gen_call");
    etf_write_tuple(&w, 2);
    etf_write_pid(&w, &self);
    if (node_ref_of(h->self, a->monitor, &ref))
        etf_write_ref(&w, &ref);
    parts[0] = wr_written(&w);
    parts[1] = request;
    e = w.err;
    if (e == ERR_NONE)
        e = spawn_check_term(request, &uses);
    if (e == ERR_NONE)
        e = actor_send(actor_get(h->self), &to, parts, 2, uses);
    wr_fini(&w);
    if (e != ERR_NONE)
        node_demonitor(h->self, a->monitor);
    return e;
}

/* One that is not connected any more does not count, as with multi_call. One that cannot be told is parted
 * with: it would keep a lock for ever. */
static void ask_one(struct global_hold *h, struct global_asked *a, struct slice request)
{
    enum err e;

    a->answer = GONE;
    if (!global_peer_is_up(h->global, a->node))
        return;
    e = send_request(h, a, request);
    if (e == ERR_NONE) {
        a->answer = WAITING;
        h->waiting++;
    } else {
        global_part_with(h->global, a->node, err_name(e));
    }
}

static void finished(struct global_hold *h);

static void ask(struct global_hold *h, int step, const struct global_nodes *nodes, struct slice but,
                struct slice request)
{
    struct slice own = h->self.node->name_slice;

    forget_asked(h);
    h->step = step;
    h->is_working = true;
    h->asked = mem_zalloc((nodes->count + 1) * sizeof *h->asked);
    h->waiting = 1; /* this function itself: answers cannot end it before all have been asked */
    for (size_t i = 0; i < nodes->count; i++) {
        struct slice node = slice_of_str(nodes->at[i]);
        struct global_asked *a = h->asked ? &h->asked[h->count] : NULL;

        if (slice_eq(node, own) || slice_eq(node, but))
            continue;
        if (a)
            a->text = mem_strndup(node.ptr, node.len);
        if (!a || !a->text) {
            global_part_with(h->global, node, err_name(ERR_NOMEM));
            continue;
        }
        a->node = slice_of_str(a->text);
        h->count++;
        ask_one(h, a, request);
    }
    if (--h->waiting == 0)
        finished(h);
}

bool global_hold_reply(struct global_hold *h, struct etf_rd message)
{
    struct etf_ref ref, own;

    if (!etf_read_tuple_is(&message, 2) || !etf_read_ref(&message, &ref))
        return false;
    for (size_t i = 0; i < h->count; i++) {
        struct global_asked *a = &h->asked[i];

        if (a->answer != WAITING || !node_ref_of(h->self, a->monitor, &own) || !etf_ref_eq(&ref, &own))
            continue;
        node_demonitor(h->self, a->monitor);
        a->answer = etf_read_atom_is(&message, "true") ? YES : NO;
        if (--h->waiting == 0)
            finished(h);
        return true;
    }
    return false;
}

void global_hold_down(struct global_hold *h, uint64_t monitor)
{
    for (size_t i = 0; i < h->count; i++) {
        if (h->asked[i].answer == WAITING && h->asked[i].monitor == monitor) {
            h->asked[i].answer = GONE;
            if (--h->waiting == 0)
                finished(h);
            return;
        }
    }
}

/* ---- the lock ---- */

/* {set_lock, {global, Requester}}, or del_lock. */
static void write_lock(struct wr *w, const char *verb, const struct global_hold *h)
{
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, verb);
    etf_write_tuple(w, 2);
    wr_slice(w, global_resource);
    wr_slice(w, wr_written(&h->requester));
}

static void ask_lock(struct global_hold *h, int step, const char *verb, const struct global_nodes *nodes,
                     struct slice but)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    write_lock(&w, verb, h);
    ask(h, step, nodes, but, wr_written(&w));
    wr_fini(&w);
}

void global_hold_take(struct global_hold *h, const struct global_nodes *nodes)
{
    struct slice own = h->self.node->name_slice, requester = wr_written(&h->requester);
    struct etf_pid self = node_pid(h->self);

    if (global_nodes_has(nodes, own)) {
        if (!wr_ok(&h->requester) || !global_lock_set(&h->global->tab, global_resource, requester, &self)) {
            h->done(h->global, false);
            return;
        }
        if (!global_nodes_has(&h->held, own) && !global_nodes_add(&h->held, own)) {
            global_lock_del(&h->global->tab, global_resource, requester, &self);
            h->done(h->global, false);
            return;
        }
    }
    ask_lock(h, STEP_TAKE, "set_lock", nodes, (struct slice){0});
}

static bool keep_taken(struct global_hold *h)
{
    bool ok = h->asked != NULL;

    for (size_t i = 0; i < h->count; i++) {
        const struct global_asked *a = &h->asked[i];

        ok = ok && a->answer != NO;
        if (a->answer != YES || global_nodes_has(&h->held, a->node) || global_nodes_add(&h->held, a->node))
            continue;
        ok = false;
        global_part_with(h->global, a->node, err_name(ERR_NOMEM));
    }
    return ok;
}

static void release_own(struct global_hold *h)
{
    struct etf_pid self = node_pid(h->self);

    global_lock_del(&h->global->tab, global_resource, wr_written(&h->requester), &self);
}

void global_hold_release(struct global_hold *h)
{
    struct slice boss = global_nodes_boss(&h->held);

    if (global_nodes_has(&h->held, h->self.node->name_slice) && !slice_eq(boss, h->self.node->name_slice))
        release_own(h);
    ask_lock(h, STEP_RELEASE_OTHERS, "del_lock", &h->held, boss);
}

/* Only the boss is left. */
static void release_boss(struct global_hold *h)
{
    struct slice boss = global_nodes_boss(&h->held);
    struct global_nodes last = {0};

    for (size_t i = 0; i < h->held.count; i++)
        if (slice_eq_str(boss, h->held.at[i]))
            last = (struct global_nodes){.at = &h->held.at[i], .count = 1};
    if (slice_eq(boss, h->self.node->name_slice))
        release_own(h);
    ask_lock(h, STEP_RELEASE_BOSS, "del_lock", &last, (struct slice){0});
}

void global_hold_ask(struct global_hold *h, const struct global_nodes *nodes, struct slice request)
{
    ask(h, STEP_ASK, nodes, (struct slice){0}, request);
}

static void finished(struct global_hold *h)
{
    bool ok = h->step != STEP_TAKE || keep_taken(h);

    forget_asked(h);
    h->is_working = false;
    if (h->step == STEP_RELEASE_OTHERS) {
        release_boss(h);
        return;
    }
    if (h->step == STEP_RELEASE_BOSS)
        global_nodes_clear(&h->held);
    h->done(h->global, ok);
}
