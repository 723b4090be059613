/* Numbers that bound things. */
#include <string.h>

#include "http/cross.h"
#include "src/settings_read.h"

enum { MAX_MS = 86400000, MAX_BYTES = 1 << 30 };

static void read_http_limits(struct http_limits *l, struct options *o)
{
    l->max_headers = settings_number(o, OPT_MAX_HEADERS, 1024, 1u << 20);
    l->max_connections = (unsigned)settings_number(o, OPT_MAX_CONNECTIONS, 1, 1000000);
    l->max_connections_per_address =
        (unsigned)settings_number(o, OPT_MAX_CONNECTIONS_PER_ADDRESS, 1, 1000000);
    l->max_in_flight = (unsigned)settings_number(o, OPT_MAX_IN_FLIGHT, 1, 10000000);
    l->idle_ms = settings_number(o, OPT_IDLE_TIMEOUT, 100, 3600000);
    l->streams.max_streams = (unsigned)settings_number(o, OPT_MAX_STREAMS, 1, 1000000);
    l->streams.max_events = (unsigned)settings_number(o, OPT_STREAM_EVENTS, 1, 1000000);
    l->streams.max_bytes = settings_number(o, OPT_STREAM_BYTES, 1024, MAX_BYTES);
}

/* infinity: SIZE_MAX */
static size_t number_or_infinity(struct options *o, enum option id, uint64_t min, uint64_t max)
{
    const char *text = options_get(o, id);
    uint64_t number = SIZE_MAX;

    if (strcmp(text, "infinity") != 0 && !settings_parse_number(text, min, max, &number))
        options_fault(o, id, "is to be a number or infinity");
    return number;
}

void settings_read_limits(struct settings *s, struct options *o)
{
    struct gateway_config *g = &s->gateway;

    s->workers = (unsigned)settings_number(o, OPT_WORKERS, 1, HTTP_WORKERS_MAX);
    g->threads = s->workers;
    g->default_timeout_ms = settings_number(o, OPT_TIMEOUT, 1, MAX_MS);
    g->max_timeout_ms = settings_number(o, OPT_MAX_TIMEOUT, 1, MAX_MS);
    g->max_body = settings_number(o, OPT_MAX_BODY, 1, MAX_BYTES);
    g->max_reply = settings_number(o, OPT_MAX_REPLY, 1024, MAX_BYTES);
    g->max_depth = (uint32_t)settings_number(o, OPT_MAX_DEPTH, 1, 100000);
    g->hides_reasons = options_is_set(o, OPT_HIDE_REASONS);
    g->max_processes = settings_number(o, OPT_MAX_PROCESSES, 1, 1000000);
    g->max_in_flight_per_node = number_or_infinity(o, OPT_MAX_IN_FLIGHT_PER_NODE, 1, 10000000);
    g->atom_budget = number_or_infinity(o, OPT_ATOM_BUDGET, 0, MAX_BYTES);
    s->node.max_queue = settings_number(o, OPT_MAX_QUEUE, 65536, (uint64_t)1 << 36);
    read_http_limits(&g->http, o);
}
