/*
 * global_registrar: names are entered and taken out at all nodes that this one knows, under the lock `global`
 * there: one thing after another.
 *
 *   IDLE -> BOSS -> ALL -> WORK -> RELEASE_DONE -> IDLE
 *            |       |
 *            `-------`-> RELEASE_FAILED -> SLEEP -> BOSS
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/global.h"
#include "node/global_state.h"
#include "node/internal.h"

enum { MAX_JOBS = 4096, MAX_DOUBLINGS = 5, FIRST_SLEEP_MS = 250, MAX_SLEEP_MS = 8000 };

enum step { REG_IDLE, REG_BOSS, REG_ALL, REG_WORK, REG_RELEASE_DONE, REG_RELEASE_FAILED, REG_SLEEP };

enum job_kind { JOB_REGISTER, JOB_RE_REGISTER, JOB_UNREGISTER };

struct global_job {
    struct global_job *next;
    enum job_kind kind;
    struct node_self who; /* not of JOB_UNREGISTER */
    enum global_method method;
    uint64_t deadline;
    node_global_done_fn *done; /* NULL: it has been told */
    void *ctx;                 /* borrowed */
    uint64_t id;
    enum err err;
    struct slice name; /* canonical; stands in text */
    uint8_t text[];
};

static void tell(struct global_job *job, enum err e)
{
    node_global_done_fn *done = job->done;

    job->done = NULL;
    if (done)
        done(job->ctx, job->id, e);
}

/* ---- time ---- */

static uint64_t now_of(const struct global *g)
{
    return loop_now_ms(g->node->loop);
}

/* The next thing that time brings: the end of a sleep, or of somebody's patience. */
static void arm(struct global *g)
{
    uint64_t now = now_of(g), next = g->registrar.wake_at;

    for (const struct global_job *job = g->registrar.first; job; job = job->next)
        if (job->done && job->deadline < next)
            next = job->deadline;
    if (node_set_timeout(g->registrar.self, next == UINT64_MAX ? 0 : next > now ? next - now : 1) != ERR_NONE)
        LOG(LOG_WARN, "no-timer", LOG_STR("process", "global's registrar"));
}

/* ---- the work ---- */

static void begin(struct global *g);

static void release(struct global *g, int step)
{
    g->registrar.step = step;
    global_hold_release(&g->registrar.hold);
}

static bool has_a_name(const struct global *g, const struct etf_pid *pid)
{
    const struct global_name *n;
    size_t cursor = 0;

    while ((n = global_tab_next(&g->tab, &cursor)))
        if (etf_pid_eq(&n->pid, pid))
            return true;
    return false;
}

static enum err may_be_done(const struct global *g, const struct global_job *job)
{
    struct etf_pid pid;

    if (job->kind == JOB_UNREGISTER)
        return global_tab_get(&g->tab, job->name) ? ERR_NONE : ERR_NOT_FOUND;
    if (!node_is_alive(job->who))
        return ERR_NOPROC;
    pid = node_pid(job->who);
    if (job->kind == JOB_RE_REGISTER)
        return ERR_NONE;
    if (global_tab_get(&g->tab, job->name))
        return ERR_NAME_TAKEN;
    return has_a_name(g, &pid) ? ERR_INVALID : ERR_NONE;
}

/* {register, Name, Pid, Method}, {unregister, Name}. */
static void write_request(struct wr *w, const struct global_job *job)
{
    struct etf_pid pid = node_pid(job->who);

    etf_write_tuple(w, job->kind == JOB_UNREGISTER ? 2 : 4);
    etf_write_atom_str(w, job->kind == JOB_UNREGISTER ? "unregister" : "register");
    wr_slice(w, job->name);
    if (job->kind == JOB_UNREGISTER)
        return;
    etf_write_pid(w, &pid);
    global_method_write(w, job->method);
}

static void do_here(struct global *g, const struct global_job *job)
{
    struct etf_pid self = node_pid(g->registrar.self);
    struct global_entry entry = {.name = etf_rd_of(job->name, NULL)};
    struct wr method;

    if (job->kind == JOB_UNREGISTER) {
        (void)global_tab_delete(&g->tab, job->name);
        return;
    }
    wr_init(&method, SIZE_MAX);
    global_method_write(&method, job->method);
    entry.pid = node_pid(job->who);
    entry.method = etf_rd_of(wr_written(&method), NULL);
    global_enter(g, &entry, (struct slice){0}, &self, (struct slice){0});
    wr_fini(&method);
}

static void work(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    struct wr w;

    r->first->err = may_be_done(g, r->first);
    if (r->first->err != ERR_NONE || !r->first->done) {
        release(g, REG_RELEASE_DONE);
        return;
    }
    r->step = REG_WORK;
    wr_init(&w, SIZE_MAX);
    write_request(&w, r->first);
    if (wr_ok(&w)) {
        do_here(g, r->first);
        global_hold_ask(&r->hold, &r->known, wr_written(&w));
    } else {
        r->first->err = ERR_NOMEM;
        release(g, REG_RELEASE_DONE);
    }
    wr_fini(&w);
}

/* Somebody may have become known while the lock was being set. */
static bool knows_all(const struct global *g)
{
    const struct global_peer *p;
    size_t cursor = 0;

    while ((p = map_next(&g->peers, &cursor, NULL)))
        if (p->is_known && !global_nodes_has(&g->registrar.known, p->name))
            return false;
    return true;
}

static void lock_all(struct global *g)
{
    struct global_nodes rest = {0};
    bool ok = true;

    g->registrar.step = REG_ALL;
    for (size_t i = 0; ok && i < g->registrar.known.count; i++)
        if (!global_nodes_has(&g->registrar.hold.held, slice_of_str(g->registrar.known.at[i])))
            ok = global_nodes_add(&rest, slice_of_str(g->registrar.known.at[i]));
    if (ok)
        global_hold_take(&g->registrar.hold, &rest);
    else
        release(g, REG_RELEASE_FAILED);
    global_nodes_clear(&rest);
}

static void sleep_a_while(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    uint64_t most = r->tries > MAX_DOUBLINGS ? MAX_SLEEP_MS : (uint64_t)FIRST_SLEEP_MS << r->tries, chance;

    loop_random(&chance, sizeof chance);
    r->tries++;
    r->step = REG_SLEEP;
    r->wake_at = now_of(g) + 1 + chance % most;
    arm(g);
}

static void end_job(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    struct global_job *job = r->first;

    r->first = job->next;
    if (!r->first)
        r->last = NULL;
    r->count--;
    r->step = REG_IDLE;
    tell(job, job->err);
    mem_free(job);
    if (r->first && r->step == REG_IDLE)
        begin(g);
    else
        arm(g);
}

static void hold_done(struct global *g, bool ok)
{
    struct global_registrar *r = &g->registrar;

    switch (r->step) {
    case REG_BOSS:
        if (ok)
            lock_all(g);
        else
            release(g, REG_RELEASE_FAILED);
        break;
    case REG_ALL:
        if (ok && knows_all(g))
            work(g);
        else
            release(g, REG_RELEASE_FAILED);
        break;
    case REG_WORK: release(g, REG_RELEASE_DONE); break;
    case REG_RELEASE_FAILED:
        if (r->first->done)
            sleep_a_while(g);
        else
            end_job(g);
        break;
    case REG_RELEASE_DONE: end_job(g); break;
    default: break;
    }
}

/* {global, Self} is the lock's id. */
static void begin(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    struct etf_pid self = node_pid(r->self);
    struct global_nodes boss = {0};

    r->step = REG_BOSS;
    r->wake_at = UINT64_MAX;
    arm(g);
    wr_reset(&r->hold.requester);
    etf_write_pid(&r->hold.requester, &self);
    if (global_known(g, true, &r->known) && global_nodes_add(&boss, global_nodes_boss(&r->known)))
        global_hold_take(&r->hold, &boss);
    else
        release(g, REG_RELEASE_FAILED);
    global_nodes_clear(&boss);
}

/* Those whose patience is over. What is being done already goes on. */
static void expire(struct global *g)
{
    struct global_registrar *r = &g->registrar;
    uint64_t now = now_of(g);

    for (struct global_job *job = r->first; job; job = job->next) {
        bool is_being_done = job == r->first && (r->step == REG_WORK || r->step == REG_RELEASE_DONE);

        if (job->done && job->deadline <= now && !is_being_done) {
            job->err = ERR_TIMEOUT;
            tell(job, ERR_TIMEOUT);
        }
    }
}

static void timeout(struct node_self self, void *state)
{
    struct global *g = state;
    struct global_registrar *r = &g->registrar;
    bool is_waiting;

    (void)self;
    expire(g);
    is_waiting = r->first && (r->step == REG_IDLE || r->step == REG_SLEEP);
    if (is_waiting && !r->first->done)
        end_job(g);
    else if (is_waiting && r->wake_at <= now_of(g))
        begin(g);
    else
        arm(g);
}

/* ---- what it is told ---- */

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct global *g = state;

    (void)self;
    if (!global_hold_reply(&g->registrar.hold, term))
        LOG(LOG_WARN, "message-dropped", LOG_STR("process", "global's registrar"));
}

static void down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason)
{
    struct global *g = state;

    (void)self;
    (void)what;
    (void)reason;
    global_hold_down(&g->registrar.hold, monitor);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct global *g = state;

    (void)self;
    (void)reason;
    for (struct global_job *job = g->registrar.first; job; job = job->next)
        tell(job, ERR_CANCELLED);
    global_process_ended(g);
}

static const struct node_process_ops ops = {
    .kind = "global's registrar", .message = message, .down = down, .timeout = timeout, .ended = ended};

enum err global_registrar_start(struct global *g)
{
    struct actor *a;
    enum err e = global_process_start(g, &ops, &a);

    if (e != ERR_NONE)
        return e;
    g->registrar.self = actor_self(a);
    g->registrar.wake_at = UINT64_MAX;
    global_hold_init(&g->registrar.hold, g, g->registrar.self, hold_done);
    return ERR_NONE;
}

void global_registrar_fini(struct global *g)
{
    while (g->registrar.first) {
        struct global_job *next = g->registrar.first->next;

        mem_free(g->registrar.first);
        g->registrar.first = next;
    }
    global_nodes_clear(&g->registrar.known);
    global_hold_fini(&g->registrar.hold);
}

/* ---- from programs ---- */

static enum err submit(struct node *n, const struct global_job *template, struct slice name,
                       uint64_t timeout_ms)
{
    struct global *g = n->global;
    struct global_job *job;
    struct etf_rd r = etf_rd_of(name, NULL);
    uint32_t uses = 0;
    struct wr w;
    enum err e;

    if (!g)
        return n->is_visible ? ERR_CLOSED : ERR_UNSUPPORTED;
    if (n->is_quiet)
        return ERR_CLOSED;
    if (g->registrar.count >= MAX_JOBS)
        return ERR_OVERLOADED;
    e = spawn_check_term(name, &uses);
    wr_init(&w, SIZE_MAX);
    if (e == ERR_NONE)
        e = etf_copy(&w, &r);
    job = e == ERR_NONE ? mem_alloc(sizeof *job + w.len) : NULL;
    if (job) {
        *job = *template;
        memcpy(job->text, w.buf, w.len);
        job->name = slice_of(job->text, w.len);
        job->deadline = now_of(g) + (timeout_ms < UINT32_MAX ? timeout_ms : UINT32_MAX);
        if (g->registrar.last)
            g->registrar.last->next = job;
        else
            g->registrar.first = job;
        g->registrar.last = job;
        g->registrar.count++;
        /* From the loop: done must not be called before this has returned. */
        if (g->registrar.step == REG_IDLE)
            g->registrar.wake_at = now_of(g) + 1;
        arm(g);
    } else if (e == ERR_NONE) {
        e = ERR_NOMEM;
    }
    wr_fini(&w);
    return e;
}

static enum err register_as(struct node_self self, enum job_kind kind, struct slice name,
                            enum node_global_clash clash, uint64_t timeout_ms, node_global_done_fn *done,
                            void *ctx, uint64_t id)
{
    struct global_job job = {
        .kind = kind, .who = self, .method = (enum global_method)clash, .done = done, .ctx = ctx, .id = id};

    if (!node_is_alive(self))
        return ERR_NOPROC;
    return submit(self.node, &job, name, timeout_ms);
}

enum err node_global_register(struct node_self self, struct slice name, enum node_global_clash clash,
                              uint64_t timeout_ms, node_global_done_fn *done, void *ctx, uint64_t id)
{
    return register_as(self, JOB_REGISTER, name, clash, timeout_ms, done, ctx, id);
}

enum err node_global_re_register(struct node_self self, struct slice name, enum node_global_clash clash,
                                 uint64_t timeout_ms, node_global_done_fn *done, void *ctx, uint64_t id)
{
    return register_as(self, JOB_RE_REGISTER, name, clash, timeout_ms, done, ctx, id);
}

enum err node_global_unregister(struct node *n, struct slice name, uint64_t timeout_ms,
                                node_global_done_fn *done, void *ctx, uint64_t id)
{
    struct global_job job = {.kind = JOB_UNREGISTER, .who = {.node = n}, .done = done, .ctx = ctx, .id = id};

    return submit(n, &job, name, timeout_ms);
}
