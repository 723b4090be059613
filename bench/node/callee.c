/*
 * callee: nodes in C that are called by what is measured: cheap, and the same every time.
 *
 *   bench_callee NAME HOST EPMD_PORT [COUNT]
 *
 * One node NAME@HOST, or COUNT of them, NAME1@HOST and so on, on one loop; the cookie is in ERLGATE_COOKIE.
 * Each has a gen_server `echo` that gives back each request, and one `hold` that answers a call only when it
 * is cast anything: all that wait are then given the number of them. Says "up" when all are there; ends when
 * standard input does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "etf/write.h"
#include "loop/loop.h"
#include "node/server.h"

enum { NODES_MAX = 1024 };

struct callee {
    struct node *node;        /* owned */
    struct node_from **waits; /* owned: callers of `hold` */
    size_t count, room;
};

static struct loop *loop;
static struct callee callees[NODES_MAX];
static size_t callee_count, up_count;

static void echo(struct node_self self, void *state, const struct node_from *from, struct etf_rd request)
{
    struct wr w;

    (void)state;
    wr_init(&w, SIZE_MAX);
    CHECK(etf_copy(&w, &request) == ERR_NONE);
    CHECK(node_reply(self, from, wr_written(&w)) == ERR_NONE);
    wr_fini(&w);
}

static void hold(struct node_self self, void *state, const struct node_from *from, struct etf_rd request)
{
    struct callee *c = state;

    (void)self;
    (void)request;
    if (c->count == c->room) {
        c->room = c->room ? 2 * c->room : 1024;
        c->waits = mem_realloc_array(c->waits, c->room, sizeof *c->waits);
        CHECK(c->waits);
    }
    c->waits[c->count] = node_from_keep(from);
    CHECK(c->waits[c->count++]);
}

static void let_go(struct node_self self, void *state, struct etf_rd request)
{
    struct callee *c = state;
    struct wr w;

    (void)request;
    wr_init(&w, SIZE_MAX);
    etf_write_uint64(&w, c->count);
    while (c->count > 0) {
        struct node_from *from = c->waits[--c->count];

        CHECK(node_reply(self, from, wr_written(&w)) == ERR_NONE);
        node_from_free(from);
    }
    wr_fini(&w);
}

static const struct node_server_ops echo_ops = {.module = "echo", .handle_call = echo};
static const struct node_server_ops hold_ops = {.module = "hold", .handle_call = hold, .handle_cast = let_go};

static void started(void *ctx, enum err e, const char *text)
{
    struct callee *c = ctx;
    struct node_self self;

    if (e != ERR_NONE) {
        fprintf(stderr, "callee: %s\n", text ? text : err_text(e));
        exit(1);
    }
    CHECK(node_server_start(c->node, SLICE("echo"), &echo_ops, c, &self) == ERR_NONE);
    CHECK(node_server_start(c->node, SLICE("hold"), &hold_ops, c, &self) == ERR_NONE);
    if (++up_count == callee_count) {
        puts("up");
        fflush(stdout);
    }
}

static void on_input(void *ctx)
{
    char c;

    (void)ctx;
    if (read(STDIN_FILENO, &c, 1) > 0)
        return;
    for (size_t i = 0; i < callee_count; i++)
        node_stop(callees[i].node);
    loop_stop(loop);
}

static void start(struct callee *c, const char *name, const char *host, size_t number, uint16_t epmd_port)
{
    char full[256];
    struct node_config config = {
        .name = {(const uint8_t *)full, 0},
        .cookie = slice_of_str(getenv("ERLGATE_COOKIE")),
        .dist_host = "127.0.0.1",
        .epmd_mode = NODE_EPMD_EXTERNAL,
        .epmd_host = "127.0.0.1",
        .epmd_port = epmd_port,
    };
    int len = number ? snprintf(full, sizeof full, "%s%zu@%s", name, number, host)
                     : snprintf(full, sizeof full, "%s@%s", name, host);

    CHECK(len > 0 && (size_t)len < sizeof full);
    config.name.len = (size_t)len;
    c->node = node_new(loop, &config);
    CHECK(c->node && node_start(c->node, started, c) == ERR_NONE);
}

int main(int argc, char **argv)
{
    struct loop_poll *input;

    callee_count = argc == 5 ? strtoul(argv[4], NULL, 10) : 1;
    if (argc < 4 || argc > 5 || callee_count < 1 || callee_count > NODES_MAX || !getenv("ERLGATE_COOKIE")) {
        fprintf(stderr, "usage: ERLGATE_COOKIE=secret bench_callee NAME HOST EPMD_PORT [COUNT]\n");
        return 2;
    }
    log_setup(LOG_WARN, LOG_TEXT);
    loop = loop_new();
    input = loop ? loop_poll_new(loop, STDIN_FILENO, on_input, NULL) : NULL;
    CHECK(input);
    for (size_t i = 0; i < callee_count; i++)
        start(&callees[i], argv[1], argv[2], argc == 5 ? i + 1 : 0, (uint16_t)atoi(argv[3]));
    loop_run(loop);
    loop_poll_free(input);
    for (size_t i = 0; i < callee_count; i++) {
        while (callees[i].count > 0)
            node_from_free(callees[i].waits[--callees[i].count]);
        mem_free(callees[i].waits);
        node_free(callees[i].node);
    }
    loop_free(loop);
    return 0;
}
