/*
 * The way down. Not ready, and each answer says that its connection closes; after --drain-delay nobody can
 * connect; what has begun is finished, to its deadline or --stop-timeout; event streams say `bye`; links are
 * flushed; the loop is empty.
 */
#include <signal.h>

#include "base/check.h"
#include "base/log.h"
#include "src/server.h"

enum { WATCH_MS = 20 };

/* Our handlers go: a signal that comes now comes too late, and must not end us where we stand. */
static void hold_signals(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGUSR2);
    sigprocmask(SIG_BLOCK, &ours, NULL);
}

void server_stop(struct server *s)
{
    if (s->state == STOPPED)
        return;
    s->state = STOPPED;
    workers_stop(s->workers);
    gateway_stop(s->gateway);
    s->gateway = NULL;
    workers_free(s->workers);
    s->workers = NULL;
    node_stop(s->node);
    loop_hook_free(s->hook);
    loop_timer_free(s->limit);
    loop_timer_free(s->watch);
    loop_timer_free(s->reload_timer);
    hold_signals();
    for (size_t i = 0; i < ARRAY_LEN(s->signals); i++)
        loop_signal_free(s->signals[i]);
    loop_stop(s->loop);
}

static void add_in_flight(struct gateway *g, void *arg)
{
    size_t *sum = arg;

    *sum += gateway_in_flight(g);
}

static size_t in_flight(struct server *s)
{
    size_t sum = 0;

    server_each_gateway(s, add_in_flight, &sum);
    return sum;
}

static void note_busy(struct gateway *worker, void *arg)
{
    bool *is_busy = arg;

    *is_busy = *is_busy || gateway_is_busy(worker);
}

static bool is_any_busy(struct server *s)
{
    bool is_busy = gateway_is_busy(s->gateway);

    if (!is_busy)
        workers_each(s->workers, note_busy, &is_busy);
    return is_busy;
}

static void look_if_drained(void *ctx)
{
    struct server *s = ctx;

    if (s->state == DRAINING && !is_any_busy(s))
        loop_timer_start(s->limit, 0); /* not from within a hook */
}

/* A worker that has nothing to do any more does not tell. (A turn of the loop is all that is wanted here.) */
static void watch_due(void *ctx, uint64_t id)
{
    struct server *s = ctx;

    (void)id;
    loop_timer_start(s->watch, WATCH_MS);
}

static void quiesce_one(struct gateway *g, void *arg)
{
    (void)arg;
    gateway_quiesce(g);
}

static void leave_one(struct gateway *g, void *arg)
{
    (void)arg;
    gateway_leave(g);
}

static void quiesce(struct server *s)
{
    s->state = DRAINING;
    server_each_gateway(s, quiesce_one, NULL);
    if (s->workers && (s->watch = loop_timer_new(s->loop, watch_due, s, 0)))
        watch_due(s, 0);
    LOG(LOG_INFO, "draining", LOG_UINT("in_flight", in_flight(s)));
    s->hook = loop_hook_new(s->loop, look_if_drained, s);
    if (s->hook)
        loop_timer_start(s->limit, s->current->settings.stop_timeout_ms);
    else
        server_stop(s);
}

static void limit_due(void *ctx, uint64_t id)
{
    struct server *s = ctx;

    (void)id;
    if (s->state == LEAVING) {
        quiesce(s);
        return;
    }
    if (is_any_busy(s))
        LOG(LOG_WARN, "drain-cut", LOG_UINT("in_flight", in_flight(s)),
            LOG_STR("hint", "see --stop-timeout"));
    else
        LOG(LOG_INFO, "drained", LOG_UINT("ms", loop_now_ms(s->loop) - s->left_ms));
    server_stop(s);
}

void server_drain(struct server *s)
{
    const struct settings *settings = &s->current->settings;

    if (s->state == SERVING)
        s->limit = loop_timer_new(s->loop, limit_due, s, 0);
    if (s->state != SERVING || !s->limit) {
        server_stop(s);
        return;
    }
    s->state = LEAVING;
    s->left_ms = loop_now_ms(s->loop);
    notify_stopping(&s->notify, "Finishing what has begun",
                    settings->drain_delay_ms + settings->stop_timeout_ms);
    LOG(LOG_INFO, "stopping", LOG_UINT("in_flight", in_flight(s)));
    server_each_gateway(s, leave_one, NULL);
    if (settings->drain_delay_ms)
        loop_timer_start(s->limit, settings->drain_delay_ms);
    else
        quiesce(s);
}
