#include "epmd/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#include "base/mem.h"
#include "epmd/client.h"
#include "rig.h"

#define BYTES(s) slice_of("" s, sizeof(s) - 1)

struct fixture {
    struct loop *l;
    struct epmd_server *server;
    struct epmd_queries *queries;
    bool is_killed, stops_when_killed;
    unsigned answers;
    enum err answer;
    uint16_t found_port;
    size_t count;
};

static void on_kill(void *ctx)
{
    struct fixture *f = ctx;

    f->is_killed = true;
    if (f->stops_when_killed) {
        epmd_server_stop(f->server);
        f->server = NULL;
    }
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct epmd_server_config config = {.is_relaxed = true, .on_kill = on_kill, .ctx = f};

    f->l = loop_new();
    f->queries = epmd_queries_new(f->l);
    *state = f;
    return epmd_server_start(f->l, &config, &f->server, NULL) == ERR_NONE ? 0 : -1;
}

static int finish(void **state)
{
    struct fixture *f = *state;

    epmd_queries_free(f->queries);
    epmd_server_stop(f->server);
    loop_free(f->l); /* asserts that nothing is left */
    free(f);
    return 0;
}

static void found(void *ctx, uint64_t id, enum err e, const struct epmd_entry *entry)
{
    struct fixture *f = ctx;

    (void)id;
    f->answers++;
    f->answer = e;
    f->found_port = entry ? entry->port : 0;
}

static void listed(void *ctx, uint64_t id, enum err e, const struct epmd_name *names, size_t count,
                   bool is_here)
{
    struct fixture *f = ctx;

    (void)id;
    (void)names;
    (void)is_here;
    f->answers++;
    f->answer = e;
    f->count = count;
}

static enum err look_up_at(struct fixture *f, const char *host, const char *name)
{
    f->answers = 0;
    assert_int_not_equal(
        epmd_lookup(f->queries, host, epmd_server_port(f->server), slice_of_str(name), 5000, found, f, 0), 0);
    RIG_UNTIL(f->l, f->answers == 1);
    return f->answer;
}

static enum err look_up(struct fixture *f, const char *name)
{
    return look_up_at(f, "127.0.0.1", name);
}

static void say_alive2(struct rig_end *e, const char *name, uint16_t port)
{
    struct epmd_request req = {
        .tag = EPMD_ALIVE2_REQ,
        .entry = {.name = slice_of_str(name), .port = port, .highest = 6, .lowest = 5}};
    struct wr w;

    wr_init(&w, SIZE_MAX);
    epmd_request_write(&w, &req);
    rig_say(e, wr_written(&w));
    wr_fini(&w);
}

static struct epmd_alive2_reply await_reply(struct fixture *f, struct rig_end *e)
{
    struct epmd_alive2_reply reply = {0};

    RIG_UNTIL(f->l, e->got >= 6);
    assert_int_equal(epmd_alive2_reply_read(slice_of(e->buf, e->got), &reply), ERR_NONE);
    return reply;
}

static void a_node_registers_is_found_and_leaves(void **state)
{
    struct fixture *f = *state;
    struct rig_end *node = malloc(sizeof *node);

    rig_connect(node, f->l, epmd_server_port(f->server));
    say_alive2(node, "kv", 1042);
    assert_int_equal(await_reply(f, node).result, 0);
    assert_int_equal(look_up(f, "kv"), ERR_NONE);
    assert_int_equal(f->found_port, 1042);
    assert_int_equal(look_up(f, "other"), ERR_NO_NODE);
    rig_close(node);
    RIG_UNTIL(f->l, epmd_server_count(f->server) == 0);
    assert_int_equal(look_up(f, "kv"), ERR_NO_NODE);
    free(node);
}

static void a_node_that_restarts_at_once_is_let_in(void **state)
{
    struct fixture *f = *state;
    struct rig_end *old = malloc(sizeof *old), *new = malloc(sizeof *new);

    rig_connect(old, f->l, epmd_server_port(f->server));
    rig_connect(new, f->l, epmd_server_port(f->server));
    say_alive2(old, "kv", 1);
    await_reply(f, old);
    /* Both in one turn of the server: the request of the new one is read before the end of the old one, or
     * after. */
    say_alive2(new, "kv", 2);
    rig_close(old);
    assert_int_equal(await_reply(f, new).result, 0);
    assert_int_equal(look_up(f, "kv"), ERR_NONE);
    assert_int_equal(f->found_port, 2);
    rig_close(new);
    free(old);
    free(new);
}

static void a_second_node_of_a_name_is_refused_while_the_first_lives(void **state)
{
    struct fixture *f = *state;
    struct rig_end *first = malloc(sizeof *first), *second = malloc(sizeof *second);

    rig_connect(first, f->l, epmd_server_port(f->server));
    rig_connect(second, f->l, epmd_server_port(f->server));
    say_alive2(first, "kv", 1);
    await_reply(f, first);
    say_alive2(second, "kv", 2);
    assert_int_equal(await_reply(f, second).result, 1);
    RIG_UNTIL(f->l, second->is_ended);
    assert_int_equal(look_up(f, "kv"), ERR_NONE);
    assert_int_equal(f->found_port, 1);
    rig_close(first);
    free(first);
    free(second);
}

static void our_own_name_needs_no_socket(void **state)
{
    struct fixture *f = *state;
    struct epmd_entry own = {
        .name = SLICE("gate"), .port = 99, .type = EPMD_TYPE_HIDDEN, .highest = 6, .lowest = 5};
    const struct epmd_reg *cursor = NULL;
    struct epmd_listing l;
    uint32_t creation;

    assert_int_equal(epmd_server_register(f->server, &own, &creation), ERR_NONE);
    assert_true(creation >= EPMD_CREATION_MIN);
    assert_int_equal(look_up(f, "gate"), ERR_NONE);
    assert_int_equal(f->found_port, 99);
    assert_true(epmd_server_next(f->server, &cursor, &l));
    assert_true(slice_eq_str(l.entry.name, "gate"));
    assert_int_equal(l.creation, creation);
    assert_false(epmd_server_next(f->server, &cursor, &l));
    assert_true(epmd_server_find(f->server, SLICE("gate"), &l));
    epmd_server_unregister(f->server, SLICE("gate"));
    assert_false(epmd_server_find(f->server, SLICE("gate"), &l));
    assert_int_equal(look_up(f, "gate"), ERR_NO_NODE);
}

static void a_list_longer_than_the_kernel_takes_at_once_arrives_whole(void **state)
{
    enum { NAMES = 3000 };
    struct fixture *f = *state;

    for (int i = 0; i < NAMES; i++) {
        char name[256];
        struct epmd_entry own = {.name = {(const uint8_t *)name, 200}, .highest = 6};
        uint32_t creation;

        snprintf(name, sizeof name, "%0200d", i);
        assert_int_equal(epmd_server_register(f->server, &own, &creation), ERR_NONE);
    }
    assert_int_not_equal(
        epmd_names(f->queries, "127.0.0.1", epmd_server_port(f->server), 20000, listed, f, 0), 0);
    RIG_UNTIL(f->l, f->answers == 1);
    assert_int_equal(f->answer, ERR_NONE);
    assert_int_equal(f->count, NAMES);
}

/* A client of the kernel's own, that reads when it is told to. */
static int ask_for_names(struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    to.sin_port = htons(epmd_server_port(f->server));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(write(fd, "\0\1n", 3), 3);
    RIG_UNTIL(f->l, poll(&readable, 1, 0) == 1); /* it has begun to answer */
    return fd;
}

/* Up to the end of the connection. */
static size_t read_all(struct fixture *f, int fd)
{
    static char buf[1 << 16];
    size_t total = 0;
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) != 0) {
        if (n > 0)
            total += (size_t)n;
        else if (errno == EAGAIN)
            loop_turn(f->l, 5);
        else
            break;
    }
    close(fd);
    return total;
}

static void of_answers_that_nobody_reads_a_bounded_amount_is_kept(void **state)
{
    enum { NAMES = 9000, NAME = 980, CLIENTS = 8 };
    struct fixture *f = *state;
    size_t whole = 4 + NAMES * (strlen("name ") + NAME + strlen(" at port 1\n"));
    int fds[CLIENTS];

    for (int i = 0; i < NAMES; i++) {
        char name[NAME + 1];
        struct epmd_entry own = {.name = {(const uint8_t *)name, NAME}, .port = 1, .highest = 6};
        uint32_t creation;

        for (int at = 0; at < NAME - 12; at += 4)
            memcpy(name + at, "\xF0\x9F\x98\x80", 4); /* four bytes a character */
        snprintf(name + NAME - 12, 13, "%012d", i);
        own.name.len = NAME;
        assert_int_equal(epmd_server_register(f->server, &own, &creation), ERR_NONE);
    }
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = ask_for_names(f);
    assert_true(read_all(f, fds[0]) < whole); /* it has waited longest, and others came */
    assert_int_equal(read_all(f, fds[CLIENTS - 1]), whole);
    for (int i = 1; i < CLIENTS - 1; i++)
        close(fds[i]);
}

static void loopback_is_always_listened_on(void **state)
{
    static const char *const addresses[] = {"127.0.0.2", "127.0.0.1", NULL};
    struct fixture *f = *state;
    struct epmd_server_config config = {.addresses = addresses};

    epmd_server_stop(f->server);
    assert_int_equal(epmd_server_start(f->l, &config, &f->server, NULL), ERR_NONE);
    assert_int_equal(look_up_at(f, "127.0.0.1", "kv"), ERR_NO_NODE);
    assert_int_equal(look_up_at(f, "127.0.0.2", "kv"), ERR_NO_NODE);
    assert_int_equal(look_up_at(f, "127.0.0.3", "kv"), ERR_NO_CONNECTION);
}

static void an_empty_address_is_all_addresses(void **state)
{
    static const char *const addresses[] = {"", NULL};
    struct fixture *f = *state;
    struct epmd_server_config config = {.addresses = addresses};

    epmd_server_stop(f->server);
    assert_int_equal(epmd_server_start(f->l, &config, &f->server, NULL), ERR_NONE);
    assert_int_equal(look_up_at(f, "127.0.0.1", "kv"), ERR_NO_NODE);
    assert_int_equal(look_up_at(f, "127.0.0.3", "kv"), ERR_NO_NODE);
}

static void an_address_that_stands_for_all_holds_the_loopback_ones(void **state)
{
    static const char *const any[] = {"0.0.0.0", "::"};

    for (size_t i = 0; i < sizeof any / sizeof *any; i++) {
        const char *const addresses[] = {any[i], NULL};
        struct fixture *f = *state;
        struct epmd_server_config config = {.addresses = addresses};

        epmd_server_stop(f->server);
        assert_int_equal(epmd_server_start(f->l, &config, &f->server, NULL), ERR_NONE);
        assert_int_equal(look_up_at(f, "127.0.0.1", "kv"), ERR_NO_NODE);
        assert_int_equal(look_up_at(f, "127.0.0.3", "kv"), ERR_NO_NODE);
    }
}

static void addresses_that_cannot_be_had_are_named(void **state)
{
    static const struct {
        const char *address;
        enum err want;
    } cases[] = {{"127.0.0.1.2", ERR_INVALID}, {"localhost", ERR_INVALID}, {"192.0.2.1", ERR_IO}};
    struct fixture *f = *state;
    const char *address;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const addresses[] = {cases[i].address, NULL};
        struct epmd_server_config config = {.addresses = addresses};
        struct epmd_server *second;

        assert_int_equal(epmd_server_start(f->l, &config, &second, &address), cases[i].want);
        assert_string_equal(address, cases[i].address);
    }
}

static void a_port_in_use_is_told(void **state)
{
    struct fixture *f = *state;
    struct epmd_server_config config = {.port = epmd_server_port(f->server)};
    struct epmd_server *second;
    const char *address;

    assert_int_equal(epmd_server_start(f->l, &config, &second, &address), ERR_ADDRESS_IN_USE);
    assert_string_equal(address, "127.0.0.1");
}

static void kill_may_stop_the_server_from_within(void **state)
{
    struct fixture *f = *state;
    struct rig_end *e = malloc(sizeof *e);

    f->stops_when_killed = true;
    rig_connect(e, f->l, epmd_server_port(f->server));
    rig_say(e, BYTES("\0\1k"));
    RIG_UNTIL(f->l, e->is_ended);
    assert_int_equal(e->got, 2);
    assert_memory_equal(e->buf, "OK", 2);
    assert_true(f->is_killed);
    assert_null(f->server);
    free(e);
}

static void half_a_request_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct epmd_server_config config = {.packet_timeout_ms = 50};
    struct rig_end *silent = malloc(sizeof *silent), *half = malloc(sizeof *half);

    epmd_server_stop(f->server);
    assert_int_equal(epmd_server_start(f->l, &config, &f->server, NULL), ERR_NONE);
    rig_connect(silent, f->l, epmd_server_port(f->server));
    rig_connect(half, f->l, epmd_server_port(f->server));
    rig_say(half, BYTES("\0\3z"));
    RIG_UNTIL(f->l, silent->is_ended && half->is_ended);
    free(silent);
    free(half);
}

static void it_stops_with_connections_open(void **state)
{
    struct fixture *f = *state;
    struct rig_end *e = malloc(3 * sizeof *e);

    for (int i = 0; i < 3; i++)
        rig_connect(&e[i], f->l, epmd_server_port(f->server));
    say_alive2(&e[0], "kv", 1);
    await_reply(f, &e[0]);
    say_alive2(&e[1], "kv", 2); /* waits for the answer to a probe */
    loop_turn(f->l, 1);
    epmd_server_stop(f->server);
    f->server = NULL;
    RIG_UNTIL(f->l, e[0].is_ended && e[1].is_ended && e[2].is_ended);
    free(e);
}

static int listening_socket(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 5) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void sockets_that_listen_already_are_taken_over(void **state)
{
    struct fixture *f = *state;
    uint16_t ports[2];
    int fds[] = {listening_socket(&ports[0]), listening_socket(&ports[1])};
    struct epmd_server_config config = {.listen_fds = fds, .listen_fd_count = 2};

    epmd_server_stop(f->server);
    assert_int_equal(epmd_server_start(f->l, &config, &f->server, NULL), ERR_NONE);
    assert_int_equal(epmd_server_port(f->server), ports[0]);
    assert_int_equal(look_up(f, "kv"), ERR_NO_NODE);
    f->answers = 0;
    assert_int_not_equal(epmd_lookup(f->queries, "127.0.0.1", ports[1], SLICE("kv"), 5000, found, f, 0), 0);
    RIG_UNTIL(f->l, f->answers == 1);
    assert_int_equal(f->answer, ERR_NO_NODE);
    epmd_server_stop(f->server);
    f->server = NULL;
    /* and they are closed with it */
    f->answers = 0;
    assert_int_not_equal(epmd_lookup(f->queries, "127.0.0.1", ports[1], SLICE("kv"), 5000, found, f, 0), 0);
    RIG_UNTIL(f->l, f->answers == 1);
    assert_int_equal(f->answer, ERR_NO_CONNECTION);
}

static void a_descriptor_that_does_not_listen_is_refused(void **state)
{
    struct fixture *f = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct epmd_server_config config = {.listen_fds = &fd, .listen_fd_count = 1};
    struct epmd_server *second;

    assert_int_equal(epmd_server_start(f->l, &config, &second, NULL), ERR_INVALID);
    fd = dup(STDIN_FILENO);
    assert_int_equal(epmd_server_start(f->l, &config, &second, NULL), ERR_INVALID);
}

static void no_failed_allocation_is_the_end(void **state)
{
    struct fixture *f = *state;
    enum err e = ERR_NOMEM;

    for (size_t n = 1; e != ERR_NONE; n++) {
        struct epmd_server_config config = {0};
        struct epmd_server *second = NULL;

        mem_fail_from(n);
        e = epmd_server_start(f->l, &config, &second, NULL);
        mem_fail_from(0);
        assert_true(e == ERR_NONE || e == ERR_NOMEM);
        if (e == ERR_NONE)
            epmd_server_stop(second);
    }
}

static void a_connection_without_memory_is_hung_up_on(void **state)
{
    struct fixture *f = *state;
    bool is_answered = false;

    for (size_t n = 1; !is_answered; n++) {
        struct rig_end *e = malloc(sizeof *e);

        rig_connect(e, f->l, epmd_server_port(f->server));
        loop_turn(f->l, 1); /* accepted */
        mem_fail_from(n);
        rig_say(e, BYTES("\0\1n"));
        RIG_UNTIL(f->l, e->is_ended);
        mem_fail_from(0);
        is_answered = e->got == 4;
        assert_true(n < 100);
        free(e);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_registers_is_found_and_leaves),
        TEST(a_node_that_restarts_at_once_is_let_in),
        TEST(a_second_node_of_a_name_is_refused_while_the_first_lives),
        TEST(our_own_name_needs_no_socket),
        TEST(a_list_longer_than_the_kernel_takes_at_once_arrives_whole),
        TEST(of_answers_that_nobody_reads_a_bounded_amount_is_kept),
        TEST(loopback_is_always_listened_on),
        TEST(an_empty_address_is_all_addresses),
        TEST(an_address_that_stands_for_all_holds_the_loopback_ones),
        TEST(addresses_that_cannot_be_had_are_named),
        TEST(a_port_in_use_is_told),
        TEST(kill_may_stop_the_server_from_within),
        TEST(half_a_request_is_given_up),
        TEST(it_stops_with_connections_open),
        TEST(sockets_that_listen_already_are_taken_over),
        TEST(a_descriptor_that_does_not_listen_is_refused),
        TEST(no_failed_allocation_is_the_end),
        TEST(a_connection_without_memory_is_hung_up_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
