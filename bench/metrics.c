/*
 * What it costs to count a request: ns, beside what turning the body of the smallest call into a term costs.
 *
 *   bench_metrics [--check]
 *
 * --check: fails when counting costs as much as half of that. Both are measured by turns, in one run.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "bridge/internal.h"

enum { ROUNDS = 40, TIMES = 20000 };

static struct gateway gateway;
static struct http_stats *stats;
static struct wr term;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Requests of several routes and durations, one in eight of them a problem. */
static void count(unsigned i)
{
    struct http_done done = {.route = &gateway_routes[i % 16],
                             .method = gateway_routes[i % 16].method,
                             .status = i % 8 ? 200 : 404,
                             .code = i % 8 ? NULL : "noproc",
                             .duration_us = 80 + i % 5000,
                             .bytes_in = 60,
                             .bytes_out = 60};

    http_stats_count(stats, gateway_routes, &done);
    metrics_count(&gateway, &done);
}

static void transcode(unsigned i)
{
    static const struct transcode_options options = {
        .null_atom = SLICE_LIT("null"), .max_depth = 512, .max_digits = 100, .max_bytes = 1 << 20};
    struct transcode_fault f;
    uint32_t uses = 0;

    (void)i;
    wr_reset(&term);
    CHECK(
        transcode_json_to_etf(SLICE("{\"$tuple\": [{\"$atom\": \"get\"}, \"a key of sixty bytes\", 12345]}"),
                              &options, &term, &uses, &f) == ERR_NONE);
}

static double least(double best, void (*work)(unsigned))
{
    double began = now_ns(), took;

    for (unsigned i = 0; i < TIMES; i++)
        work(i);
    took = (now_ns() - began) / TIMES;
    return took < best ? took : best;
}

int main(int argc, char **argv)
{
    double counting = 1e9, transcoding = 1e9;

    stats = http_stats_new(gateway_route_count);
    CHECK(stats);
    wr_init(&term, SIZE_MAX);
    for (int i = 0; i < ROUNDS; i++) {
        counting = least(counting, count);
        transcoding = least(transcoding, transcode);
    }
    printf("counting a request %.0f ns, its body as a term %.0f ns: %.2f\n", counting, transcoding,
           counting / transcoding);
    wr_fini(&term);
    mem_free(stats);
    return argc > 1 && strcmp(argv[1], "--check") == 0 && counting > transcoding / 2;
}
