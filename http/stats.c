#include "http/stats.h"

#include "base/check.h"
#include "base/mem.h"
#include "http/problem.h"

enum { STATUS_MAX = 600 };

static const uint8_t slot_of[STATUS_MAX] = {
#define X(status) [status] = HTTP_STATUS_##status + 1,
    HTTP_STATUS_TABLE(X)
#undef X
};

static const char *const slot_names[HTTP_STATUS_SLOTS] = {
#define X(status) #status,
    HTTP_STATUS_TABLE(X)
#undef X
        "gone",
    "other",
};

static const char *const methods[HTTP_UNROUTED_METHODS] = {"GET",    "HEAD",    "POST",  "PUT",
                                                           "DELETE", "OPTIONS", "PATCH", "other"};

const char *http_status_slot_name(enum http_status_slot slot)
{
    return slot_names[slot];
}

const char *http_unrouted_method(size_t i)
{
    return methods[i];
}

struct http_stats *http_stats_new(size_t route_count)
{
    struct http_stats *stats = mem_zalloc(sizeof *stats + route_count * sizeof stats->routes[0]);

    if (stats)
        stats->route_count = route_count;
    return stats;
}

static enum http_status_slot slot_for(unsigned status)
{
    if (status == 0)
        return HTTP_STATUS_GONE;
    return status < STATUS_MAX && slot_of[status] ? (enum http_status_slot)(slot_of[status] - 1)
                                                  : HTTP_STATUS_OTHER;
}

static size_t unrouted(const char *method)
{
    size_t i = 0;

    while (i < HTTP_UNROUTED_METHODS - 1 && strcmp(methods[i], method) != 0)
        i++;
    return i;
}

void http_stats_count(struct http_stats *stats, const struct http_route *routes, const struct http_done *done)
{
    struct http_route_stats *route =
        done->route ? &stats->routes[done->route - routes] : &stats->unrouted[unrouted(done->method)];

    route->answered[slot_for(done->status)]++;
    route->bytes_in += done->bytes_in;
    route->bytes_out += done->bytes_out;
    if (!done->is_stream)
        histogram_add(&route->duration, done->duration_us);
    if (done->code)
        stats->problems[http_problem_index(done->code)]++;
}
