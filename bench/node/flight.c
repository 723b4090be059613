/*
 * flight: what a call costs while many others are in flight, on the library alone.
 *
 *   bench_flight HOST EPMD_PORT OTHER COUNT…
 *
 * A node of its own calls the servers of bench_callee at OTHER, with the cookie in ERLGATE_COOKIE. For each
 * COUNT: so many calls to `hold` are made and stay; beside them echo is called, one after another in batches;
 * then they are let go, and each is answered. HTTP cannot do that: a connection carries one call, and a
 * process has fewer descriptors than a hundred thousand. Prints a line of JSON for each COUNT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "etf/write.h"
#include "loop/loop.h"
#include "node/server.h"

enum { BESIDE = 20000, BATCH = 64, TIMEOUT_MS = 120000 };
enum { TAG_HELD = 1, TAG_BESIDE = 2 };

static struct loop *loop;
static struct node *node;
static struct node_self self;
static const char *other;
static char **counts;        /* borrowed: those of the command line that are still to come */
static size_t held, beside;  /* calls that wait; calls beside them that are still to be answered */
static size_t held_at_first; /* COUNT */
static double began_us, made_us, beside_us;
static size_t resident_before, resident_with;
static struct wr request;

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t resident_kib(void)
{
    size_t all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f && fscanf(f, "%zu %zu", &all, &resident) == 2);
    fclose(f);
    return resident * (size_t)(sysconf(_SC_PAGESIZE) / 1024);
}

static void call(const char *server, uint32_t tag)
{
    struct node_dest to = node_to_name(server, other);
    enum err e = node_call(self, &to, wr_written(&request), TIMEOUT_MS, tag, NULL);

    if (e != ERR_NONE) {
        fprintf(stderr, "flight: %s: %s\n", server, err_text(e));
        exit(1);
    }
}

static void begin(void)
{
    if (!*counts) {
        node_stop(node);
        loop_stop(loop);
        return;
    }
    held = held_at_first = strtoul(*counts++, NULL, 10);
    resident_before = resident_kib();
    began_us = cpu_us();
    for (size_t i = 0; i < held; i++)
        call("hold", TAG_HELD);
    made_us = cpu_us() - began_us;
    /* Those beside come behind them on the link: when they are answered all are held. */
    beside = BESIDE;
    for (size_t i = 0; i < BATCH; i++)
        call("echo", TAG_BESIDE);
}

static void let_go(void)
{
    struct node_dest to = node_to_name("hold", other);

    resident_with = resident_kib();
    began_us = cpu_us();
    CHECK(node_cast(self, &to, wr_written(&request)) == ERR_NONE);
}

static void on_beside(void)
{
    if (beside == BESIDE)
        began_us = cpu_us();
    beside--;
    if (beside >= BATCH) {
        call("echo", TAG_BESIDE);
    } else if (beside == 0) {
        beside_us = (cpu_us() - began_us) / (BESIDE - 1);
        let_go();
    }
}

static void on_held(void)
{
    if (--held > 0)
        return;
    printf("{\"in_flight\":%zu,\"make_us\":%.3f,\"beside_us\":%.3f,\"end_us\":%.3f,\"bytes_each\":%.0f}\n",
           held_at_first, made_us / (double)held_at_first, beside_us,
           (cpu_us() - began_us) / (double)held_at_first,
           1024.0 * (double)(resident_with > resident_before ? resident_with - resident_before : 0) /
               (double)held_at_first);
    fflush(stdout);
    begin();
}

static void on_result(struct node_self of, void *state, uint32_t tag, const struct node_result *r)
{
    (void)of;
    (void)state;
    if (r->err != ERR_NONE) {
        fprintf(stderr, "flight: a call: %s\n", err_text(r->err));
        exit(1);
    }
    if (tag == TAG_HELD)
        on_held();
    else
        on_beside();
}

static const struct node_process_ops ops = {.kind = "flight", .result = on_result};

static void started(void *ctx, enum err e, const char *text)
{
    (void)ctx;
    if (e != ERR_NONE) {
        fprintf(stderr, "flight: %s\n", text ? text : err_text(e));
        exit(1);
    }
    CHECK(node_spawn(node, &ops, NULL, &self) == ERR_NONE);
    begin();
}

int main(int argc, char **argv)
{
    char name[256];
    struct node_config config = {
        .cookie = slice_of_str(getenv("ERLGATE_COOKIE")),
        .dist_host = "127.0.0.1",
        .epmd_mode = NODE_EPMD_EXTERNAL,
        .epmd_host = "127.0.0.1",
    };

    if (argc < 5 || !getenv("ERLGATE_COOKIE")) {
        fprintf(stderr, "usage: ERLGATE_COOKIE=secret bench_flight HOST EPMD_PORT OTHER COUNT…\n");
        return 2;
    }
    log_setup(LOG_WARN, LOG_TEXT);
    (void)snprintf(name, sizeof name, "flight@%s", argv[1]);
    config.name = slice_of_str(name);
    config.epmd_port = (uint16_t)atoi(argv[2]);
    other = argv[3];
    counts = argv + 4;
    wr_init(&request, SIZE_MAX);
    etf_write_binary(&request, SLICE("sixty bytes of a binary, as many as the small document has in JSON"));
    loop = loop_new();
    node = loop ? node_new(loop, &config) : NULL;
    CHECK(node && node_start(node, started, NULL) == ERR_NONE);
    loop_run(loop);
    wr_fini(&request);
    node_free(node);
    loop_free(loop);
    return 0;
}
