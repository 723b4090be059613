#include "loop/stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "test.h"

/* Two ends of a connection on one loop; each keeps what it received. */
struct end {
    struct loop_stream *s;
    uint8_t buf[1 << 16];
    size_t got;
    unsigned writable;
    enum err ended;
    bool has_ended;
};

struct fixture {
    struct loop *l;
    struct loop_listener *ls;
    struct end server, client;
    enum err dialled;
    unsigned dial_callbacks;
};

static uint8_t *room(void *ctx, size_t *ret_len)
{
    struct end *e = ctx;

    if (e->got == sizeof e->buf)
        e->got = 0;
    *ret_len = sizeof e->buf - e->got;
    return e->buf + e->got;
}

static void received(void *ctx, size_t n)
{
    ((struct end *)ctx)->got += n;
}

static void writable(void *ctx)
{
    ((struct end *)ctx)->writable++;
}

static void ended(void *ctx, enum err e)
{
    struct end *end = ctx;

    end->has_ended = true;
    end->ended = e;
    loop_stream_close(end->s);
    end->s = NULL;
}

static const struct loop_stream_ops ops = {room, received, writable, ended};

static void accepted(void *ctx, struct loop_stream *s)
{
    struct fixture *f = ctx;

    f->server.s = s;
    loop_stream_start(s, &ops, &f->server);
}

static void dialled(void *ctx, uint64_t id, struct loop_stream *s, enum err e)
{
    struct fixture *f = ctx;

    assert_int_equal(id, 7);
    f->dial_callbacks++;
    f->dialled = e;
    f->client.s = s;
    if (s)
        loop_stream_start(s, &ops, &f->client);
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->l = loop_new();
    assert_non_null(f->l);
    assert_int_equal(loop_listen(f->l, "127.0.0.1", 0, accepted, f, &f->ls), ERR_NONE);
}

static void teardown(struct fixture *f)
{
    loop_stream_close(f->server.s);
    loop_stream_close(f->client.s);
    loop_listener_close(f->ls);
    loop_free(f->l);
}

static void connect_both(struct fixture *f)
{
    assert_int_not_equal(loop_dial(f->l, "127.0.0.1", loop_listener_port(f->ls), 5000, dialled, f, 7), 0);
    assert_int_equal(f->dial_callbacks, 0);
    while (!f->server.s || !f->client.s)
        loop_turn(f->l, 1000);
    assert_int_equal(f->dialled, ERR_NONE);
}

static void bytes_go_both_ways_and_a_close_is_noticed(void **state)
{
    static struct fixture f;
    size_t taken;

    (void)state;
    setup(&f);
    connect_both(&f);
    assert_int_equal(loop_stream_write(f.client.s, SLICE("hello"), &taken), ERR_NONE);
    assert_int_equal(taken, 5);
    while (f.server.got < 5)
        loop_turn(f.l, 1000);
    assert_memory_equal(f.server.buf, "hello", 5);
    assert_true(loop_stream_is_local(f.server.s));
    loop_stream_close(f.client.s);
    f.client.s = NULL;
    while (!f.server.has_ended)
        loop_turn(f.l, 1000);
    assert_int_equal(f.server.ended, ERR_CLOSED);
    teardown(&f);
}

/* Data and then a reset: what has arrived is delivered, and the end is noticed although libuv tells of it
 * only once. */
static void data_before_a_reset_arrives_and_so_does_the_end(void **state)
{
    static struct fixture f;
    static const struct linger hard = {.l_onoff = 1};
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    setup(&f);
    to.sin_port = htons(loop_listener_port(f.ls));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    while (!f.server.s)
        loop_turn(f.l, 1000);
    loop_stream_pause(f.server.s, true); /* so that data and reset are both there when it looks */
    assert_int_equal(write(fd, "last words", 10), 10);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    loop_stream_pause(f.server.s, false);
    while (!f.server.has_ended)
        loop_turn(f.l, 1000);
    assert_int_equal(f.server.got, 10);
    assert_int_equal(f.server.ended, ERR_CLOSED);
    teardown(&f);
}

static void a_full_socket_takes_less_and_tells_when_it_takes_more(void **state)
{
    static struct fixture f;
    static uint8_t block[1 << 20];
    size_t taken;

    (void)state;
    setup(&f);
    connect_both(&f);
    loop_stream_pause(f.server.s, true);
    do {
        assert_int_equal(loop_stream_write(f.client.s, slice_of(block, sizeof block), &taken), ERR_NONE);
        loop_turn(f.l, 0);
    } while (taken == sizeof block);
    assert_int_equal(f.client.writable, 0);
    loop_stream_pause(f.server.s, false);
    while (f.client.writable == 0)
        loop_turn(f.l, 1000);
    teardown(&f);
}

static void a_refused_port_and_a_cancelled_dial_end_once(void **state)
{
    static struct fixture f;
    uint16_t port;
    uint64_t handle;

    (void)state;
    setup(&f);
    port = loop_listener_port(f.ls);
    loop_listener_close(f.ls);
    f.ls = NULL;
    assert_int_not_equal(loop_dial(f.l, "127.0.0.1", port, 5000, dialled, &f, 7), 0);
    while (f.dial_callbacks == 0)
        loop_turn(f.l, 1000);
    assert_int_equal(f.dialled, ERR_NO_CONNECTION);
    handle = loop_dial(f.l, "127.0.0.1", port, 5000, dialled, &f, 7);
    loop_turn(f.l, 0);
    loop_dial_cancel(f.l, handle);
    loop_dial_cancel(f.l, handle);
    for (int i = 0; i < 20; i++)
        loop_turn(f.l, 1);
    assert_int_equal(f.dial_callbacks, 1);
    teardown(&f);
}

static void a_bad_address_is_invalid_and_a_used_port_is_taken(void **state)
{
    static struct fixture f;
    struct loop_listener *other;

    (void)state;
    setup(&f);
    assert_int_equal(loop_listen(f.l, "no address", 0, accepted, &f, &other), ERR_INVALID);
    assert_int_equal(loop_listen(f.l, "127.0.0.1", loop_listener_port(f.ls), accepted, &f, &other),
                     ERR_ADDRESS_IN_USE);
    teardown(&f);
}

static int bound_socket(int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void a_socket_that_listens_already_is_taken(void **state)
{
    static struct fixture f;
    int fd = bound_socket(SOCK_STREAM);

    (void)state;
    setup(&f);
    loop_listener_close(f.ls);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(loop_listen_fd(f.l, fd, accepted, &f, &f.ls), ERR_NONE);
    assert_true(loop_listener_port(f.ls) != 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    connect_both(&f);
    loop_listener_close(f.ls);
    f.ls = NULL;
    assert_false(is_open(fd));
    teardown(&f);
}

static void what_does_not_listen_on_tcp_is_refused_and_closed(void **state)
{
    static struct fixture f;
    struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    int fds[4];

    (void)state;
    setup(&f);
    fds[0] = bound_socket(SOCK_STREAM); /* but does not listen */
    fds[1] = bound_socket(SOCK_DGRAM);
    fds[2] = open("/dev/null", O_RDONLY);
    fds[3] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fds[3], (struct sockaddr *)&unnamed, sizeof unnamed.sun_family), 0);
    assert_int_equal(listen(fds[3], 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        struct loop_listener *other = NULL;

        assert_int_equal(loop_listen_fd(f.l, fds[i], accepted, &f, &other), ERR_INVALID);
        assert_false(is_open(fds[i]));
        assert_null(other);
    }
    teardown(&f);
}

/* A connection that waits to be accepted, while there is no descriptor for it. */
static int connect_and_run_out(struct fixture *f, struct rlimit *ret_before)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), next = dup(fd);
    struct rlimit none;

    close(next); /* the lowest that is free: all below it are used */
    to.sin_port = htons(loop_listener_port(f->ls));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = ret_before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(dup(fd), -1);
    return fd;
}

static void without_descriptors_a_connection_is_turned_away(void **state)
{
    static struct fixture f;
    struct rlimit before;
    char byte;
    int fd;

    (void)state;
    setup(&f);
    fd = connect_and_run_out(&f, &before);
    loop_turn(f.l, 1000);
    assert_null(f.server.s);
    assert_int_equal(read(fd, &byte, 1), 0); /* hung up on */
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    connect_both(&f);
    teardown(&f);
}

/* Below the limit even the spare one would be too many: the loop rests rather than to try in each turn. */
static void a_listener_that_cannot_even_turn_away_rests(void **state)
{
    static struct fixture f;
    struct rlimit before, none;
    uint64_t began;
    int fd;

    (void)state;
    setup(&f);
    fd = connect_and_run_out(&f, &before);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop_turn(f.l, 1000);
    began = loop_now_ms(f.l);
    loop_turn(f.l, 50);
    assert_true(loop_now_ms(f.l) - began >= 40); /* nothing was tried meanwhile */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (!f.server.s) /* it is accepted after all */
        loop_turn(f.l, 1000);
    close(fd);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_and_a_close_is_noticed),
        cmocka_unit_test(data_before_a_reset_arrives_and_so_does_the_end),
        cmocka_unit_test(a_full_socket_takes_less_and_tells_when_it_takes_more),
        cmocka_unit_test(a_refused_port_and_a_cancelled_dial_end_once),
        cmocka_unit_test(a_bad_address_is_invalid_and_a_used_port_is_taken),
        cmocka_unit_test(a_socket_that_listens_already_is_taken),
        cmocka_unit_test(what_does_not_listen_on_tcp_is_refused_and_closed),
        cmocka_unit_test(without_descriptors_a_connection_is_turned_away),
        cmocka_unit_test(a_listener_that_cannot_even_turn_away_rests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
