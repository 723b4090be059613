/*
 * metrics_sum: what the gateways of all threads have counted, in one.
 */
#ifndef ERLGATE_BRIDGE_METRICS_SUM_H
#define ERLGATE_BRIDGE_METRICS_SUM_H

#include "bridge/internal.h"
#include "bridge/metrics.h"
#include "http/cross.h"

struct metrics_sum {
    struct metrics metrics;
    struct http_server_stats server;
    struct gateway_admission_stats admission;
    struct gateway_permission_stats permission;
    struct http_stats *requests; /* owned */
    size_t in_flight;
    /* Of each thread, the owner's first. */
    struct metrics_thread {
        uint64_t requests, lent;
        unsigned connections;
    } threads[HTTP_WORKERS_MAX + 1];
    unsigned thread_count;
    uint64_t body_bytes, atoms_refused;
    uint64_t max_in_flight, max_bodies; /* of which each thread has its share */
};

/* Asks each worker, if there are some. False: no memory. */
MUST_USE bool metrics_sum_init(struct metrics_sum *sum, struct gateway *g);
void metrics_sum_fini(struct metrics_sum *sum);

#endif
