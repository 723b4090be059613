#include "loop/loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop/stream.h"
#include "test.h"

/* ---- loop_step: a loop within another ---- */

static void count_up(void *ctx, uint64_t id)
{
    (void)id;
    ++*(unsigned *)ctx;
}

static void nothing_open_is_nothing_to_wait_for(void **state)
{
    struct loop *l = loop_new();
    (void)state;

    assert_int_equal(loop_step(l), -1);
    loop_free(l);
}

static void a_timer_bounds_the_wait(void **state)
{
    struct loop *l = loop_new();
    unsigned count = 0;
    struct loop_timer *t = loop_timer_new(l, count_up, &count, 0);
    int wait;
    (void)state;

    loop_timer_start(t, 30);
    wait = loop_step(l);
    assert_in_range(wait, 1, 30);
    while (count == 0) {
        assert_true(poll(&(struct pollfd){.fd = loop_fd(l), .events = POLLIN}, 1, wait) >= 0);
        wait = loop_step(l);
    }
    assert_int_equal(wait, 0); /* what the timer has asked for is to be begun */
    assert_int_equal(loop_step(l), -1);
    loop_timer_free(t);
    loop_free(l);
}

/* A descriptor that is read, and a hook that does what came of it, as a node's does. */
struct relay {
    int in, out;
    bool has_read;
};

static void relay_in(void *ctx)
{
    struct relay *r = ctx;
    uint64_t n;

    assert_int_equal(read(r->in, &n, sizeof n), sizeof n);
    r->has_read = true;
}

static void relay_out(void *ctx)
{
    struct relay *r = ctx;

    if (r->has_read)
        assert_int_equal(write(r->out, &(uint64_t){1}, sizeof(uint64_t)), sizeof(uint64_t));
    r->has_read = false;
}

static void what_came_of_a_callback_is_done_before_the_wait(void **state)
{
    struct loop *l = loop_new();
    struct relay r = {.in = eventfd(0, EFD_NONBLOCK), .out = eventfd(0, EFD_NONBLOCK)};
    struct loop_poll *p = loop_poll_new(l, r.in, relay_in, &r);
    struct loop_hook *h = loop_hook_new(l, relay_out, &r);
    struct pollfd fd = {.fd = loop_fd(l), .events = POLLIN};
    uint64_t n;
    (void)state;

    assert_int_equal(loop_step(l), -1);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_int_equal(write(r.in, &(uint64_t){1}, sizeof(uint64_t)), sizeof(uint64_t));
    assert_int_equal(poll(&fd, 1, 1000), 1);
    while (loop_step(l) == 0) {
        /* as the other loop does, which waits for nothing then */
    }
    assert_int_equal(read(r.out, &n, sizeof n), sizeof n);
    loop_poll_free(p);
    loop_hook_free(h);
    loop_free(l);
    close(r.in);
    close(r.out);
}

/* ---- a rest ---- */

struct rested {
    struct loop *loop;
    uint64_t asked_us, went_on_us;
    unsigned turns;
};

static void ask_for_a_rest(void *ctx)
{
    struct rested *r = ctx;

    if (r->turns++ == 0) {
        loop_rest(r->loop, 20000);
        r->asked_us = loop_now_us();
    }
}

static void after_it(void *ctx)
{
    struct rested *r = ctx;

    r->went_on_us = loop_now_us();
    loop_stop(r->loop);
}

static void a_rest_is_taken_whatever_comes(void **state)
{
    struct loop *l = loop_new();
    struct rested r = {.loop = l};
    int fd = eventfd(1, EFD_NONBLOCK);
    struct loop_hook *h = loop_hook_new(l, ask_for_a_rest, &r);
    struct loop_poll *p = loop_poll_new(l, fd, after_it, &r);
    (void)state;

    loop_run(l);
    assert_true(r.went_on_us - r.asked_us >= 20000);
    /* Once: and who only steps is never kept waiting. */
    r.turns = 0;
    assert_int_equal(loop_step(l), 0);
    assert_true(r.went_on_us - r.asked_us < 20000);
    loop_poll_free(p);
    loop_hook_free(h);
    loop_free(l);
    close(fd);
}

/* ---- a connection made and used in steps only ---- */

struct ends {
    struct loop_listener *listener;
    struct loop_stream *server, *client;
    uint8_t buf[16];
    size_t got;
};

static uint8_t *room(void *ctx, size_t *ret_len)
{
    struct ends *e = ctx;

    *ret_len = sizeof e->buf - e->got;
    return e->buf + e->got;
}

static void received(void *ctx, size_t n)
{
    struct ends *e = ctx;

    e->got += n;
}

static void writable(void *ctx)
{
    (void)ctx;
}

static void ended(void *ctx, enum err why)
{
    (void)ctx;
    (void)why;
}

static const struct loop_stream_ops stream_ops = {room, received, writable, ended};

static void accepted(void *ctx, struct loop_stream *s)
{
    struct ends *e = ctx;

    e->server = s;
    loop_stream_start(s, &stream_ops, e);
}

static void dialled(void *ctx, uint64_t id, struct loop_stream *s, enum err why)
{
    struct ends *e = ctx;
    size_t taken;

    (void)id;
    assert_int_equal(why, ERR_NONE);
    e->client = s;
    loop_stream_start(s, &stream_ops, e);
    assert_int_equal(loop_stream_write(s, SLICE("hello"), &taken), ERR_NONE);
}

static void a_connection_needs_no_more_than_its_waits(void **state)
{
    struct loop *l = loop_new();
    struct ends e = {0};
    (void)state;

    assert_int_equal(loop_listen(l, "127.0.0.1", 0, accepted, &e, &e.listener), ERR_NONE);
    assert_true(loop_dial(l, "127.0.0.1", loop_listener_port(e.listener), 5000, dialled, &e, 0) != 0);
    for (int wait = loop_step(l); e.got < 5; wait = loop_step(l)) {
        assert_in_range(wait, 0, 5000); /* the dial's deadline; a wake-up that was missed would come to it */
        assert_true(wait == 0 || poll(&(struct pollfd){.fd = loop_fd(l), .events = POLLIN}, 1, 2000) == 1);
    }
    assert_memory_equal(e.buf, "hello", 5);
    loop_stream_close(e.client);
    loop_stream_close(e.server);
    loop_listener_close(e.listener);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_open_is_nothing_to_wait_for),
        cmocka_unit_test(a_timer_bounds_the_wait),
        cmocka_unit_test(what_came_of_a_callback_is_done_before_the_wait),
        cmocka_unit_test(a_rest_is_taken_whatever_comes),
        cmocka_unit_test(a_connection_needs_no_more_than_its_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
