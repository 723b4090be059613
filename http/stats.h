/*
 * stats: what became of requests, counted by route, and problems by code. Made and ended with their server.
 *
 * Counted when a request is over, from what is known of it then: plain increments, no clock, no memory.
 */
#ifndef ERLGATE_HTTP_STATS_H
#define ERLGATE_HTTP_STATS_H

#include "base/histogram.h"
#include "http/server.h"

/* What a request can end with; the last two are a client that left before its answer, and any other. */
#define HTTP_STATUS_TABLE(X)                                                                                 \
    X(200)                                                                                                   \
    X(201)                                                                                                   \
    X(202)                                                                                                   \
    X(204) X(206) X(304) X(400) X(401) X(403) X(404) X(405) X(406) X(409) X(410) X(413) X(415) X(421) X(422) \
        X(429) X(431) X(500) X(502) X(503) X(504)

enum http_status_slot {
#define X(status) HTTP_STATUS_##status,
    HTTP_STATUS_TABLE(X)
#undef X
        HTTP_STATUS_GONE,
    HTTP_STATUS_OTHER,
    HTTP_STATUS_SLOTS,
};

enum {
    HTTP_PROBLEM_KINDS_MAX = 64, /* of problem.h */
    HTTP_UNROUTED_METHODS = 8,   /* the methods of requests that found no route: GET … and "other" */
};

/* Of one route; HEAD counts as the GET that it is. */
struct http_route_stats {
    uint64_t answered[HTTP_STATUS_SLOTS];
    uint64_t bytes_in, bytes_out; /* of bodies */
    struct histogram duration; /* from the first line to the last byte of the answer; not of event streams */
};

struct http_stats {
    struct http_route_stats unrouted[HTTP_UNROUTED_METHODS];
    uint64_t problems[HTTP_PROBLEM_KINDS_MAX]; /* by place in problem.h's table */
    size_t route_count;
    struct http_route_stats routes[]; /* as http_config.routes */
};

const struct http_stats *http_server_counts(const struct http_server *s); /* borrowed */

const char *http_status_slot_name(enum http_status_slot slot); /* "404", "gone", "other" */
const char *http_unrouted_method(size_t i);                    /* "GET" */

/* ---- for http/ itself ---- */
MUST_USE struct http_stats *http_stats_new(size_t route_count);
/* routes: http_config.routes. code: of the problem that it was answered with; NULL: none. */
void http_stats_count(struct http_stats *stats, const struct http_route *routes,
                      const struct http_done *done);

#endif
