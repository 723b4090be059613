#include "src/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/channel.h"

enum {
    CHANNEL_ROOM = 64 << 20, /* bytes on their way, beyond which a worker answers 503 */
    WORKERS_DO = GATEWAY_CROSS_END,
};

struct worker {
    struct workers *all;
    unsigned number; /* the owner's gateway's */
    bool is_running; /* its thread */
    pthread_t thread;
    struct channel *to_owner; /* made and ended by the owner */
    /* From here on its thread's. */
    struct gateway_config config;
    struct loop *loop;
    struct channel *to_worker; /* and the owner's to send by, from the start of its thread until it stops */
    struct loop_hook *hook;
    struct gateway *gateway;
};

struct workers {
    struct loop *loop;      /* the owner's; borrowed */
    struct gateway *owner;  /* borrowed */
    struct loop_hook *hook; /* hands over what the owner has sent in a turn */
    unsigned count;
    /* What the owner waits for: a worker that starts, or does something. */
    pthread_mutex_t lock;
    pthread_cond_t is_done;
    unsigned waiting;
    struct worker all[];
};

/* ---- waiting for a worker ---- */

static void finished(struct workers *ws)
{
    pthread_mutex_lock(&ws->lock);
    ws->waiting--;
    pthread_cond_signal(&ws->is_done);
    pthread_mutex_unlock(&ws->lock);
}

static void expect_one(struct workers *ws)
{
    pthread_mutex_lock(&ws->lock);
    ws->waiting++;
    pthread_mutex_unlock(&ws->lock);
}

static void await_all(struct workers *ws)
{
    pthread_mutex_lock(&ws->lock);
    while (ws->waiting > 0)
        pthread_cond_wait(&ws->is_done, &ws->lock);
    pthread_mutex_unlock(&ws->lock);
}

/* ---- a worker's thread ---- */

struct task {
    void (*run)(struct worker *w, void *arg);
    void *arg; /* the owner's, which waits */
};

static void came_to_worker(void *ctx, unsigned kind, struct slice body)
{
    struct worker *w = ctx;
    const struct task *task = (const void *)body.ptr;

    if (kind != WORKERS_DO) {
        gateway_at_worker(w->gateway, kind, body);
        return;
    }
    task->run(w, task->arg);
    finished(w->all);
}

static void flush_to_owner(void *ctx)
{
    struct worker *w = ctx;

    channel_flush(w->to_owner);
}

static void end(struct worker *w, void *arg)
{
    (void)arg;
    gateway_stop(w->gateway);
    w->gateway = NULL;
    channel_flush(w->to_owner);
    loop_hook_free(w->hook);
    channel_free(w->to_worker);
    loop_stop(w->loop);
}

/* (The hook is made before the gateway, whose own come first then: what they send goes over in the same
 * turn.) */
static enum err begin(struct worker *w)
{
    w->loop = loop_new();
    if (!w->loop)
        return ERR_NOMEM;
    w->to_worker = channel_new(w->loop, CHANNEL_ROOM, came_to_worker, NULL, w);
    w->hook = loop_hook_new(w->loop, flush_to_owner, w);
    if (!w->to_worker || !w->hook)
        return ERR_NOMEM;
    return gateway_start(w->loop, &w->config, &w->gateway);
}

static void clean_up(struct worker *w)
{
    loop_hook_free(w->hook);
    channel_free(w->to_worker);
    loop_free(w->loop);
    w->hook = NULL;
    w->to_worker = NULL;
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    enum err e;

    snprintf(name, sizeof name, "worker-%u", (unsigned)(w - w->all->all) + 1);
    pthread_setname_np(pthread_self(), name);
    e = begin(w);
    if (e != ERR_NONE) {
        LOG(LOG_ERROR, "worker-failed", LOG_STR("error", err_name(e)), LOG_STR("why", err_text(e)));
        clean_up(w);
        finished(w->all);
        return NULL;
    }
    finished(w->all);
    loop_run(w->loop);
    loop_free(w->loop);
    return NULL;
}

/* ---- the owner's ---- */

static void came_to_owner(void *ctx, unsigned kind, struct slice body)
{
    struct worker *w = ctx;

    gateway_at_owner(w->all->owner, w->number, kind, body);
}

static void came_whole(void *ctx)
{
    const struct worker *w = ctx;

    gateway_batch_at_owner(w->all->owner);
}

static void flush_to_workers(void *ctx)
{
    struct workers *ws = ctx;

    for (unsigned i = 0; i < ws->count; i++) {
        if (ws->all[i].is_running)
            channel_flush(ws->all[i].to_worker);
    }
}

struct workers *workers_new(struct loop *owner, unsigned count)
{
    struct workers *ws = mem_zalloc(sizeof *ws + count * sizeof ws->all[0]);

    if (!ws)
        return NULL;
    ws->loop = owner;
    ws->count = count;
    pthread_mutex_init(&ws->lock, NULL);
    pthread_cond_init(&ws->is_done, NULL);
    ws->hook = loop_hook_new(owner, flush_to_workers, ws);
    if (ws->hook)
        return ws;
    workers_free(ws);
    return NULL;
}

/* Signals are for the owner's loop. */
static bool run_thread(struct worker *w)
{
    sigset_t all, before;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&w->thread, NULL, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e != 0)
        LOG(LOG_ERROR, "worker-failed", LOG_STR("why", strerror(e)));
    return e == 0;
}

static void ask(struct worker *w, void (*run)(struct worker *w, void *arg), void *arg)
{
    struct task task = {.run = run, .arg = arg};

    expect_one(w->all);
    if (!channel_send(w->to_worker, WORKERS_DO, &task, sizeof task, (struct slice){0}))
        CHECK(!"memory for a message of some bytes");
    channel_flush(w->to_worker);
}

static bool start_one(struct workers *ws, struct worker *w, const struct gateway_config *config)
{
    *w = (struct worker){.all = ws, .config = *config};
    w->to_owner = channel_new(ws->loop, CHANNEL_ROOM, came_to_owner, came_whole, w);
    if (!w->to_owner)
        return false;
    w->config.node = NULL;
    w->config.each_worker = NULL;
    w->config.owner = w->to_owner;
    w->config.sessions = gateway_shared_sessions(ws->owner);
    w->config.rates = gateway_shared_rates(ws->owner);
    w->config.atoms = gateway_shared_atoms(ws->owner);
    w->config.answers = gateway_shared_answers(ws->owner);
    expect_one(ws);
    if (!run_thread(w)) {
        finished(ws);
        return false;
    }
    await_all(ws);
    if (!w->gateway) {
        pthread_join(w->thread, NULL);
        return false;
    }
    if (gateway_add_worker(ws->owner, w->to_worker, &w->number) != ERR_NONE) {
        ask(w, end, NULL);
        await_all(ws);
        pthread_join(w->thread, NULL);
        return false;
    }
    w->is_running = true;
    return true;
}

bool workers_start(struct workers *ws, struct gateway *owner, const struct gateway_config *config)
{
    ws->owner = owner;
    for (unsigned i = 0; i < ws->count; i++) {
        if (!start_one(ws, &ws->all[i], config)) {
            workers_stop(ws);
            return false;
        }
    }
    return true;
}

struct each {
    workers_fn *fn;
    void *arg;
};

static void call(struct worker *w, void *arg)
{
    const struct each *each = arg;

    each->fn(w->gateway, each->arg);
}

void workers_each(struct workers *ws, workers_fn *fn, void *arg)
{
    struct each each = {fn, arg};

    for (unsigned i = 0; ws && i < ws->count; i++) {
        if (!ws->all[i].is_running)
            continue;
        ask(&ws->all[i], call, &each);
        await_all(ws);
    }
}

/* What a worker has sent last is heard; it is answered no more. */
static void bury(struct workers *ws, struct worker *w)
{
    if (w->is_running) {
        gateway_part_worker(ws->owner, w->number);
        pthread_join(w->thread, NULL);
        w->is_running = false;
        channel_drain(w->to_owner);
        gateway_remove_worker(ws->owner, w->number);
    }
    channel_free(w->to_owner);
    w->to_owner = NULL;
}

void workers_stop(struct workers *ws)
{
    if (!ws || !ws->owner)
        return;
    http_cross_say_bye(gateway_http(ws->owner));
    for (unsigned i = 0; i < ws->count; i++) {
        if (ws->all[i].is_running)
            ask(&ws->all[i], end, NULL);
    }
    await_all(ws);
    for (unsigned i = 0; i < ws->count; i++)
        bury(ws, &ws->all[i]);
}

void workers_free(struct workers *ws)
{
    if (!ws)
        return;
    loop_hook_free(ws->hook);
    pthread_cond_destroy(&ws->is_done);
    pthread_mutex_destroy(&ws->lock);
    mem_free(ws);
}
