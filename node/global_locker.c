/*
 * global_locker: takes the lock `global` at all nodes that this one knows, while two nodes meet.
 *
 *   IDLE -> LOCKING -> AWAITING -> HOLDING -> RELEASING -> IDLE
 *              |           `----------------------^
 *              `-> (one says no) -----------------'
 *
 * Both sides lock under one requester, [OurLocker, HisLocker]. One of the two picks the other, locks, and
 * says so (lock_set); the other then locks its side and says whether it could. What is picked is chance, and
 * so is when: who fails gives back and waits. Messages that come meanwhile are kept with the node they are
 * about.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/global_state.h"
#include "node/internal.h"

enum {
    FIRST_WAIT_MS = 200, /* while no other node is known */
    WAIT_MS = 1000,      /* … else, and so much more a node */
    WAIT_NODE_MS = 100,
    MAX_WAIT_MS = 3000,
};

enum step { STEP_BOSS, STEP_BOTH, STEP_KNOWN, STEP_DONE };

/* A node that wants to meet. */
struct global_candidate {
    struct global_candidate *next;
    struct slice node;     /* stands in text */
    struct etf_pid locker; /* his; its node's text is what was said, kept in text too */
    int64_t my_tag, his_tag, vsn;
    bool has_locked; /* he has said so, and waits for our answer */
    uint8_t text[];
};

/* ---- who wants to meet ---- */

static struct global_candidate **find(struct global_locker *l, struct slice node)
{
    struct global_candidate **at = &l->candidates;

    while (*at && !slice_eq((*at)->node, node))
        at = &(*at)->next;
    return at;
}

static void drop(struct global_candidate **at)
{
    struct global_candidate *c = *at;

    *at = c->next;
    mem_free(c);
}

static struct global_candidate *current(struct global_locker *l)
{
    struct global_candidate *c = l->node ? *find(l, slice_of_str(l->node)) : NULL;

    return c && c->my_tag == l->tag ? c : NULL;
}

static size_t count_known(const struct global *g)
{
    const struct global_peer *p;
    size_t cursor = 0, count = 0;

    while ((p = map_next(&g->peers, &cursor, NULL)))
        count += p->is_known;
    return count;
}

static void wait_for_a_try(struct global *g)
{
    size_t known = count_known(g);
    uint64_t ms = WAIT_MS + WAIT_NODE_MS * known;

    if (ms > MAX_WAIT_MS)
        ms = MAX_WAIT_MS;
    if (known == 0)
        ms = FIRST_WAIT_MS;
    if (g->locker.is_just_synced)
        ms = 1;
    g->locker.is_just_synced = false;
    if (node_set_timeout(g->locker.self, g->locker.candidates ? ms : 0) != ERR_NONE)
        LOG(LOG_WARN, "no-timer", LOG_STR("process", "global's locker"));
}

/* ---- what is said to him ---- */

/* {lock_set, Self, IsSet, Known, HisTag}; before version 8 without the tag, before 6 to his locker itself. */
static void say_lock_set(struct global *g, const struct etf_pid *to, bool is_set, int64_t vsn,
                         int64_t his_tag)
{
    struct node_dest dest = node_to_pid(*to);
    struct etf_pid self = node_pid(g->locker.self);
    struct slice bytes;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (vsn >= GLOBAL_VSN_BY_SERVER) {
        etf_write_tuple(&w, 2);
        etf_write_atom_str(&w, "$gen_cast");
    }
    etf_write_tuple(&w, vsn >= GLOBAL_VSN_VERIFIED ? 5 : 4);
    etf_write_atom_str(&w, "lock_set");
    etf_write_pid(&w, &self);
    etf_write_atom_str(&w, is_set ? "true" : "false");
    global_write_known(g, &w, 0);
    if (vsn >= GLOBAL_VSN_VERIFIED)
        etf_write_int64(&w, his_tag);
    bytes = wr_written(&w);
    if (vsn >= GLOBAL_VSN_BY_SERVER)
        global_send(g, g->locker.self, to->node.text, &w, true);
    else if (global_peer_is_up(g, to->node.text) &&
             (!wr_ok(&w) || actor_send(actor_get(g->locker.self), &dest, &bytes, 1, 0) != ERR_NONE))
        global_part_with(g, to->node.text, "out of memory or of room");
    wr_fini(&w);
}

/* ---- locking ---- */

static void idle(struct global *g);

static void release(struct global *g)
{
    g->locker.state = LOCKER_RELEASING;
    global_hold_release(&g->locker.hold);
}

/* Pids as Erlang orders them: by serial, id, node, creation. */
static int compare_pids(const struct etf_pid *a, const struct etf_pid *b)
{
    int by_node = slice_cmp(a->node.text, b->node.text);

    if (a->serial != b->serial)
        return a->serial < b->serial ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    if (by_node)
        return by_node;
    return a->creation < b->creation ? -1 : a->creation > b->creation;
}

static void write_requester(struct global *g, const struct etf_pid *his)
{
    struct etf_pid own = node_pid(g->locker.self);
    bool is_first = compare_pids(&own, his) < 0;
    struct wr *w = &g->locker.hold.requester;

    wr_reset(w);
    etf_write_list(w, 2);
    etf_write_pid(w, is_first ? &own : his);
    etf_write_pid(w, is_first ? his : &own);
    etf_write_nil(w);
}

/* The nodes of a step, without those of the steps before. */
static bool nodes_of_step(struct global *g, int step, struct global_nodes *ret)
{
    struct global_nodes all = {0};
    struct slice own = g->node->name_slice, boss;
    bool ok = global_known(g, true, &all);

    boss = global_nodes_boss(&all);
    if (step == STEP_BOSS)
        ok = ok && global_nodes_add(ret, boss);
    /* Him too, if he has not locked yet: nobody on his side can then lock but with us. */
    if (step == STEP_BOTH && !slice_eq(own, boss))
        ok = ok && global_nodes_add(ret, own);
    if (step == STEP_BOTH && !g->locker.is_answer && !slice_eq_str(boss, g->locker.node))
        ok = ok && global_nodes_add(ret, slice_of_str(g->locker.node));
    for (size_t i = 0; ok && step == STEP_KNOWN && i < all.count; i++) {
        struct slice node = slice_of_str(all.at[i]);

        if (!slice_eq(node, own) && !global_nodes_has(&g->locker.hold.held, node))
            ok = global_nodes_add(ret, node);
    }
    global_nodes_clear(&all);
    return ok;
}

static void lock_step(struct global *g)
{
    struct global_locker *l = &g->locker;
    struct global_nodes nodes = {0};

    if (nodes_of_step(g, l->step++, &nodes))
        global_hold_take(&l->hold, &nodes);
    else
        release(g);
    global_nodes_clear(&nodes);
}

static void lock(struct global *g, const struct global_candidate *c, bool is_answer)
{
    struct global_locker *l = &g->locker;

    mem_free(l->node);
    l->node = mem_strndup(c->node.ptr, c->node.len);
    if (!l->node) {
        wait_for_a_try(g);
        return;
    }
    l->state = LOCKER_LOCKING;
    l->tag = c->my_tag;
    l->is_answer = is_answer;
    l->is_cancelled = l->is_over = false;
    l->step = STEP_BOSS;
    write_requester(g, &c->locker);
    /* To lock the boss and not oneself would stop one who has him already. */
    if (!wr_ok(&l->hold.requester) ||
        !global_lock_is_free(&g->tab, global_resource, wr_written(&l->hold.requester)))
        release(g);
    else
        lock_step(g);
}

static void hold(struct global *g)
{
    struct global_locker *l = &g->locker;
    struct slice node = slice_of_str(l->node);

    l->state = LOCKER_HOLDING;
    l->is_over = true;
    global_both_locked(g, node, l->tag); /* perhaps it is over when this has returned */
}

static void all_locked(struct global *g)
{
    struct global_locker *l = &g->locker;
    struct global_candidate *c = current(l);

    if (!c || l->is_cancelled) {
        release(g);
        return;
    }
    say_lock_set(g, &c->locker, true, c->vsn, c->his_tag);
    if (l->is_answer || c->has_locked) {
        hold(g);
        return;
    }
    l->state = LOCKER_AWAITING;
}

/* What has been begun with the lock is done. */
static void hold_done(struct global *g, bool ok)
{
    struct global_locker *l = &g->locker;
    struct global_candidate *c;

    if (l->state == LOCKER_RELEASING) {
        c = current(l);
        if (c && l->is_over)
            drop(find(l, c->node));
        l->is_just_synced = l->is_over;
        idle(g);
    } else if (!ok || l->is_cancelled) {
        release(g);
    } else if (l->step < STEP_DONE) {
        lock_step(g);
    } else {
        all_locked(g);
    }
}

/* ---- picking ---- */

/* Who has locked his side waits for ours. */
static bool answer_one(struct global *g)
{
    for (struct global_candidate *c = g->locker.candidates; c; c = c->next) {
        if (c->has_locked) {
            c->has_locked = false;
            lock(g, c, true);
            return true;
        }
    }
    return false;
}

static void idle(struct global *g)
{
    struct global_locker *l = &g->locker;
    struct global_candidate *c = current(l);
    bool has_failed = l->state == LOCKER_RELEASING && l->is_answer && !l->is_over && c && !l->is_cancelled;

    l->state = LOCKER_IDLE;
    if (has_failed)
        say_lock_set(g, &c->locker, false, c->vsn, c->his_tag);
    mem_free(l->node);
    l->node = NULL;
    if (!answer_one(g))
        wait_for_a_try(g);
}

static void drop_known(struct global *g)
{
    struct global_candidate **at = &g->locker.candidates;

    while (*at) {
        const struct global_peer *p = global_peer_get(g, (*at)->node);

        if (p && p->is_known)
            drop(at);
        else
            at = &(*at)->next;
    }
}

/* Those on our machine first, as OTP does; else any. */
static struct global_candidate *pick(struct global *g)
{
    struct slice host = g->node->host;
    struct global_candidate *picked = NULL;
    size_t count[2] = {0};
    uint64_t chance;

    loop_random(&chance, sizeof chance);
    for (struct global_candidate *c = g->locker.candidates; c; c = c->next) {
        bool is_near = c->node.len > host.len && c->node.ptr[c->node.len - host.len - 1] == '@' &&
                       slice_eq(slice_of(c->node.ptr + c->node.len - host.len, host.len), host);

        if (is_near < (count[1] > 0))
            continue;
        if (is_near && count[1] == 0)
            picked = NULL;
        if (chance % ++count[is_near] == 0 || !picked)
            picked = c;
        chance = chance * 6364136223846793005u + 1442695040888963407u;
    }
    return picked;
}

static void timeout(struct node_self self, void *state)
{
    struct global *g = state;
    struct global_candidate *c;

    (void)self;
    if (g->locker.state != LOCKER_IDLE)
        return;
    drop_known(g);
    c = global_lock_is_set(&g->tab, global_resource) ? NULL : pick(g);
    if (c)
        lock(g, c, false);
    else
        wait_for_a_try(g);
}

/* ---- what it is told ---- */

void global_locker_add(struct global *g, struct slice node, const struct etf_pid *locker, int64_t my_tag,
                       int64_t his_tag, int64_t vsn)
{
    struct global_locker *l = &g->locker;
    struct global_candidate *c = mem_zalloc(sizeof *c + node.len + locker->node.text.len);

    if (!c) {
        global_part_with(g, node, err_name(ERR_NOMEM));
        return;
    }
    if (*find(l, node))
        drop(find(l, node));
    memcpy(c->text, node.ptr, node.len);
    memcpy(c->text + node.len, locker->node.text.ptr, locker->node.text.len);
    c->node = slice_of(c->text, node.len);
    c->locker = *locker;
    c->locker.node.text = slice_of(c->text + node.len, locker->node.text.len);
    c->my_tag = my_tag;
    c->his_tag = his_tag;
    c->vsn = vsn;
    c->next = l->candidates;
    l->candidates = c;
    if (l->state == LOCKER_IDLE)
        wait_for_a_try(g);
}

void global_locker_cancel(struct global *g, struct slice node, int64_t tag)
{
    struct global_locker *l = &g->locker;
    struct global_candidate **at = find(l, node);
    bool is_current = l->node && slice_eq_str(node, l->node) && l->tag == tag;

    if (!node_is_alive(l->self))
        return;
    if (*at && (*at)->my_tag == tag)
        drop(at);
    if (!is_current)
        return;
    l->is_cancelled = true;
    if (l->state == LOCKER_AWAITING || l->state == LOCKER_HOLDING)
        release(g);
}

void global_locker_told(struct global *g, const struct global_msg *m)
{
    struct global_locker *l = &g->locker;
    struct global_candidate *c = *find(l, m->node);
    /* Without a tag, before version 8, his locker is known by its pid alone, as OTP does it. */
    bool fits = c && etf_pid_eq(&m->pid, &c->locker) && (!m->has_tag || m->tag == c->my_tag);

    if (!fits) {
        if (m->is_set)
            say_lock_set(g, &m->pid, false, 0, 0);
    } else if (l->state == LOCKER_AWAITING && current(l) == c) {
        if (m->is_set)
            hold(g);
        else
            release(g);
    } else if (m->is_set) {
        c->has_locked = true;
        if (l->state == LOCKER_IDLE)
            (void)answer_one(g);
    }
}

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct global *g = state;
    struct global_msg m;

    (void)self;
    if (global_hold_reply(&g->locker.hold, term))
        return;
    if (global_msg_read(term, &m) && m.verb == GLOBAL_LOCK_SET)
        global_locker_told(g, &m);
    else
        LOG(LOG_WARN, "message-dropped", LOG_STR("process", "global's locker"));
}

static void down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason)
{
    struct global *g = state;

    (void)self;
    (void)what;
    (void)reason;
    global_hold_down(&g->locker.hold, monitor);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    (void)self;
    (void)reason;
    global_process_ended(state);
}

static const struct node_process_ops ops = {
    .kind = "global's locker", .message = message, .down = down, .timeout = timeout, .ended = ended};

enum err global_locker_start(struct global *g)
{
    struct actor *a;
    enum err e = global_process_start(g, &ops, &a);

    if (e != ERR_NONE)
        return e;
    g->locker.self = actor_self(a);
    global_hold_init(&g->locker.hold, g, g->locker.self, hold_done);
    return ERR_NONE;
}

void global_locker_fini(struct global *g)
{
    while (g->locker.candidates)
        drop(&g->locker.candidates);
    global_hold_fini(&g->locker.hold);
    mem_free(g->locker.node);
}
