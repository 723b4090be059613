#include "loop/loop.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

enum { REST_MAX_US = 999999 };

static void rest_due(uv_prepare_t *uv)
{
    struct loop *l = uv->data;

    if (l->rest_us > 0 && !l->is_stepped)
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)l->rest_us * 1000},
                        NULL); /* a signal may end it */
    l->rest_us = 0;
}

struct loop *loop_new(void)
{
    struct loop *l = mem_zalloc(sizeof *l);

    if (!l)
        return NULL;
    if (uv_loop_init(&l->uv) != 0) {
        mem_free(l);
        return NULL;
    }
    idtab_init(&l->dials);
    /* libuv calls last what was started first. */
    uv_prepare_init(&l->uv, &l->rest);
    l->rest.data = l;
    uv_prepare_start(&l->rest, rest_due);
    uv_unref((uv_handle_t *)&l->rest);
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    uv_close((uv_handle_t *)&l->rest, NULL);
    /* Handles that were closed have their last callback still to come; a name of a dial that was cancelled
     * may still be looked up, by another thread, which cannot be called off. */
    while (uv_run(&l->uv, l->uv.active_reqs.count ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0 &&
           (l->uv.closing_handles || l->uv.active_reqs.count))
        ;
    CHECK(uv_loop_close(&l->uv) == 0);
    CHECK(l->dials.count == 0);
    idtab_fini(&l->dials);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

static void turn_over(uv_timer_t *t)
{
    (void)t;
}

void loop_turn(struct loop *l, uint64_t wait_ms)
{
    uv_timer_t limit;

    if (wait_ms == 0) {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        return;
    }
    uv_timer_init(&l->uv, &limit);
    /* Repeating: one that is due before the wait begins must not leave it without an end. */
    uv_update_time(&l->uv);
    uv_timer_start(&limit, turn_over, wait_ms, wait_ms);
    uv_run(&l->uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&limit, NULL);
    /* The handle stands on this stack: its closing must be through before we leave. */
    uv_run(&l->uv, UV_RUN_NOWAIT);
}

int loop_fd(const struct loop *l)
{
    return uv_backend_fd(&l->uv);
}

int loop_step(struct loop *l)
{
    l->has_worked = false;
    l->is_stepped = true;
    uv_run(&l->uv, UV_RUN_NOWAIT);
    l->is_stepped = false;
    if (l->has_worked)
        return 0;
    if (!uv_loop_alive(&l->uv))
        return -1; /* nothing is open: libuv would have it that there is nothing to wait for */
    uv_update_time(&l->uv);
    return uv_backend_timeout(&l->uv);
}

uint64_t loop_now_ms(const struct loop *l)
{
    (void)l;
    return loop_now_us() / 1000;
}

uint64_t loop_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void loop_random(void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);

        /* Linux gives up to 256 bytes without fail once it has been seeded; a kernel without is no place for
         * keys. */
        CHECK(n > 0 || errno == EINTR);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

/* ---- timers ---- */

struct loop_timer {
    uv_timer_t uv;
    loop_timer_fn *fn;
    void *ctx; /* borrowed */
    uint64_t id;
};

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *t = uv->data;

    loop_worked(uv->loop);
    t->fn(t->ctx, t->id);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *ctx, uint64_t id)
{
    struct loop_timer *t = mem_zalloc(sizeof *t);

    if (!t)
        return NULL;
    *t = (struct loop_timer){.fn = fn, .ctx = ctx, .id = id};
    uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    return t;
}

void loop_timer_start(struct loop_timer *t, uint64_t delay_ms)
{
    uv_timer_start(&t->uv, timer_fired, delay_ms, 0);
}

void loop_timer_stop(struct loop_timer *t)
{
    uv_timer_stop(&t->uv);
}

static void free_data(uv_handle_t *uv)
{
    mem_free(uv->data);
}

void loop_timer_free(struct loop_timer *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->uv, free_data);
}

/* ---- hooks ---- */

struct loop_hook {
    uv_prepare_t uv;
    loop_hook_fn *fn;
    void *ctx; /* borrowed */
};

static void hook_due(uv_prepare_t *uv)
{
    struct loop_hook *h = uv->data;

    h->fn(h->ctx);
}

struct loop_hook *loop_hook_new(struct loop *l, loop_hook_fn *fn, void *ctx)
{
    struct loop_hook *h = mem_zalloc(sizeof *h);

    if (!h)
        return NULL;
    *h = (struct loop_hook){.fn = fn, .ctx = ctx};
    uv_prepare_init(&l->uv, &h->uv);
    h->uv.data = h;
    uv_prepare_start(&h->uv, hook_due);
    uv_unref((uv_handle_t *)&h->uv);
    return h;
}

void loop_hook_free(struct loop_hook *h)
{
    if (h)
        uv_close((uv_handle_t *)&h->uv, free_data);
}

void loop_rest(struct loop *l, unsigned us)
{
    l->rest_us = us < REST_MAX_US ? us : REST_MAX_US;
}

/* ---- foreign descriptors ---- */

struct loop_poll {
    uv_poll_t uv;
    loop_poll_fn *fn;
    void *ctx; /* borrowed */
};

static void poll_ready(uv_poll_t *uv, int status, int events)
{
    struct loop_poll *p = uv->data;

    loop_worked(uv->loop);
    (void)status;
    (void)events;
    p->fn(p->ctx);
}

struct loop_poll *loop_poll_new(struct loop *l, int fd, loop_poll_fn *fn, void *ctx)
{
    struct loop_poll *p = mem_zalloc(sizeof *p);

    if (!p)
        return NULL;
    *p = (struct loop_poll){.fn = fn, .ctx = ctx};
    if (uv_poll_init(&l->uv, &p->uv, fd) != 0) {
        mem_free(p);
        return NULL;
    }
    p->uv.data = p;
    uv_poll_start(&p->uv, UV_READABLE, poll_ready);
    return p;
}

void loop_poll_free(struct loop_poll *p)
{
    if (p)
        uv_close((uv_handle_t *)&p->uv, free_data);
}

/* ---- signals ---- */

struct loop_signal {
    uv_signal_t uv;
    loop_signal_fn *fn;
    void *ctx; /* borrowed */
};

static void signal_came(uv_signal_t *uv, int signo)
{
    struct loop_signal *s = uv->data;

    loop_worked(uv->loop);
    s->fn(s->ctx, signo);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_fn *fn, void *ctx)
{
    struct loop_signal *s = mem_zalloc(sizeof *s);

    if (!s)
        return NULL;
    *s = (struct loop_signal){.fn = fn, .ctx = ctx};
    uv_signal_init(&l->uv, &s->uv);
    s->uv.data = s;
    if (uv_signal_start(&s->uv, signal_came, signo) != 0) {
        uv_close((uv_handle_t *)&s->uv, free_data);
        return NULL;
    }
    return s;
}

void loop_signal_free(struct loop_signal *s)
{
    if (s)
        uv_close((uv_handle_t *)&s->uv, free_data);
}
