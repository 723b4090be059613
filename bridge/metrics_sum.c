#include "bridge/metrics_sum.h"

#include "base/mem.h"
#include "bridge/internal.h"

/* Counts are uint64_t throughout; so structs of them are added up as what they are. */
#define ADD(to, from) add_words((to), (from), sizeof *(to))

_Static_assert(sizeof(struct http_server_stats) % sizeof(uint64_t) == 0, "counts are words");
_Static_assert(sizeof(struct gateway_admission_stats) % sizeof(uint64_t) == 0, "counts are words");
_Static_assert(sizeof(struct gateway_permission_stats) % sizeof(uint64_t) == 0, "counts are words");
_Static_assert(sizeof(struct http_route_stats) % sizeof(uint64_t) == 0, "counts are words");
_Static_assert(sizeof(struct histogram) % sizeof(uint64_t) == 0, "counts are words");

static void add_words(void *to, const void *from, size_t len)
{
    uint64_t *sum = to;
    const uint64_t *more = from;

    for (size_t i = 0; i < len / sizeof *sum; i++)
        sum[i] += more[i];
}

static void add_requests(struct http_stats *to, const struct http_stats *from)
{
    ADD(&to->unrouted, &from->unrouted);
    ADD(&to->problems, &from->problems);
    add_words(to->routes, from->routes, from->route_count * sizeof *from->routes);
}

/* (Not what is of the whole process: reloads, and the like.) */
static void add_metrics(struct metrics *to, const struct metrics *from)
{
    ADD(&to->outcomes, &from->outcomes);
    ADD(&to->durations, &from->durations);
    to->text_in += from->text_in;
    to->term_in += from->term_in;
    to->text_out += from->text_out;
    to->term_out += from->term_out;
}

/* In the gateway's own thread, while the owner's waits. */
static void add(struct gateway *g, void *arg)
{
    struct metrics_sum *sum = arg;
    const struct http_server_stats *server = http_server_stats(g->http);

    sum->threads[sum->thread_count++] =
        (struct metrics_thread){server->requests, server->lent, http_server_own_connections(g->http)};
    add_metrics(&sum->metrics, &g->metrics);
    ADD(&sum->server, server);
    ADD(&sum->admission, &g->admission_stats);
    ADD(&sum->permission, &g->permission_stats);
    add_requests(sum->requests, http_server_counts(g->http));
    sum->in_flight += http_server_in_flight(g->http);
    sum->max_in_flight += http_server_limits(g->http)->max_in_flight;
    sum->max_bodies += http_server_limits(g->http)->max_bodies;
    sum->body_bytes += http_server_body_bytes(g->http);
    sum->atoms_refused += g->atoms.refused;
}

bool metrics_sum_init(struct metrics_sum *sum, struct gateway *g)
{
    *sum = (struct metrics_sum){.requests = http_stats_new(gateway_route_count)};
    if (!sum->requests)
        return false;
    add(g, sum);
    sum->metrics.over_max_processes = g->metrics.over_max_processes;
    sum->metrics.over_max_ties = g->metrics.over_max_ties;
    sum->metrics.over_share = g->metrics.over_share;
    if (g->config.each_worker)
        g->config.each_worker(g->config.each_worker_ctx, add, sum);
    return true;
}

void metrics_sum_fini(struct metrics_sum *sum)
{
    mem_free(sum->requests);
}
