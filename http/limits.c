/*
 * limits: what clients may cost: the defaults, each thread's share, what the descriptors of the process
 * allow; and how many connections there are from one address.
 */
#include <sys/resource.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"

enum {
    MAX_BODIES = 256 << 20,
    MAX_ANSWERS = 256 << 20,
    PROCESS_DESCRIPTORS = 24, /* files, what libraries hold, the sockets that are listened on */
    LOOP_DESCRIPTORS = 4,     /* of each thread; and one for each of its listeners */
    LINK_DESCRIPTORS = 100,   /* links, EPMD, what comes and goes; where there are few, half of them */
    OVER_PART = 8,            /* of the limit: so many more are accepted to be told 503 */
    OVER_AT_LEAST = 8,
};

static const struct http_limits defaults = {
    .max_body = (size_t)8 << 20,
    .max_headers = (size_t)16 << 10,
    .max_connections = 20000,
    .max_connections_per_address = 1024,
    .max_in_flight = 100000,
    .idle_ms = 30000,
    .streams = {.max_streams = 16384,
                .max_events = 1024,
                .max_bytes = (size_t)1 << 20,
                .max_age_ms = 300000,
                .max_total_bytes = (uint64_t)256 << 20,
                .heartbeat_ms = 15000,
                .min_heartbeat_ms = 1000,
                .max_heartbeat_ms = 300000,
                .linger_ms = 30000,
                .max_linger_ms = 600000,
                .retry_ms = 2000},
};

static struct http_stream_limits fill_streams(const struct http_stream_limits *in)
{
    const struct http_stream_limits *d = &defaults.streams;
    struct http_stream_limits c = *in;

    c.max_streams = c.max_streams ? c.max_streams : d->max_streams;
    c.max_events = c.max_events ? c.max_events : d->max_events;
    c.max_bytes = c.max_bytes ? c.max_bytes : d->max_bytes;
    c.max_age_ms = c.max_age_ms ? c.max_age_ms : d->max_age_ms;
    c.max_total_bytes = c.max_total_bytes ? c.max_total_bytes : d->max_total_bytes;
    c.heartbeat_ms = c.heartbeat_ms ? c.heartbeat_ms : d->heartbeat_ms;
    c.min_heartbeat_ms = c.min_heartbeat_ms ? c.min_heartbeat_ms : d->min_heartbeat_ms;
    c.max_heartbeat_ms = c.max_heartbeat_ms ? c.max_heartbeat_ms : d->max_heartbeat_ms;
    c.linger_ms = c.linger_ms ? c.linger_ms : d->linger_ms;
    c.max_linger_ms = c.max_linger_ms ? c.max_linger_ms : d->max_linger_ms;
    c.retry_ms = c.retry_ms ? c.retry_ms : d->retry_ms;
    return c;
}

static unsigned with_over(unsigned limit)
{
    uint64_t all = (uint64_t)limit + limit / OVER_PART + OVER_AT_LEAST;

    return all > UINT32_MAX ? UINT32_MAX : (unsigned)all;
}

static uint64_t own_descriptors(unsigned threads, size_t listeners)
{
    return PROCESS_DESCRIPTORS +
           (threads ? threads : 1) * (LOOP_DESCRIPTORS + (uint64_t)(listeners ? listeners : 1));
}

uint64_t http_descriptors_wanted(unsigned threads, size_t listeners, unsigned connections)
{
    uint64_t room = with_over(connections);

    return own_descriptors(threads, listeners) + room + (room < LINK_DESCRIPTORS ? room : LINK_DESCRIPTORS);
}

/* Connections for which there is no descriptor would wait unseen instead of being told. */
static unsigned fit_to_descriptors(unsigned wanted, const struct http_config *config)
{
    uint64_t own = own_descriptors(config->threads, config->listen_count), rest, room;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= http_descriptors_wanted(config->threads, config->listen_count, wanted))
        return wanted;
    rest = limit.rlim_cur > own ? limit.rlim_cur - own : 0;
    room = rest > 2 * LINK_DESCRIPTORS ? rest - LINK_DESCRIPTORS : rest / 2;
    room = room > 2 * OVER_AT_LEAST ? room - OVER_AT_LEAST : OVER_AT_LEAST;
    room -= (room + 1) / (OVER_PART + 1); /* with_over, backwards */
    /* (What nobody has asked for is told by /metrics alone.) */
    LOG(wanted == defaults.max_connections ? LOG_DEBUG : LOG_INFO, "max-connections-lowered",
        LOG_UINT("from", wanted), LOG_UINT("to", room), LOG_UINT("descriptors", limit.rlim_cur));
    return (unsigned)room;
}

/* An equal part, at least 1; the owner has what is left over. */
static uint64_t share(uint64_t all, const struct http_config *config)
{
    uint64_t threads = config->threads > 1 ? config->threads : 1, part = all / threads;

    if (!config->owner)
        part += all % threads;
    return part ? part : 1;
}

struct http_limits http_limits_fill(const struct http_limits *in, const struct http_config *config)
{
    struct http_limits c = *in;

    c.max_body = c.max_body ? c.max_body : defaults.max_body;
    if (!c.max_bodies)
        c.max_bodies = c.max_body > MAX_BODIES / 4 ? 4 * (uint64_t)c.max_body : MAX_BODIES;
    c.max_headers = c.max_headers ? c.max_headers : defaults.max_headers;
    c.max_connections = c.max_connections ? c.max_connections : defaults.max_connections;
    if (!config->owner) /* who counts them */
        c.max_connections = fit_to_descriptors(c.max_connections, config);
    if (!c.max_connections_per_address)
        c.max_connections_per_address = defaults.max_connections_per_address;
    c.max_in_flight = (unsigned)share(c.max_in_flight ? c.max_in_flight : defaults.max_in_flight, config);
    c.max_bodies = share(c.max_bodies, config);
    if (config->threads > 1 && c.max_bodies < c.max_body)
        c.max_bodies = c.max_body; /* however many share: the largest body that may come is taken */
    c.max_answers = c.max_answers ? c.max_answers : MAX_ANSWERS;
    c.idle_ms = c.idle_ms ? c.idle_ms : defaults.idle_ms;
    c.streams = fill_streams(&c.streams);
    return c;
}

void http_server_set_limits(struct http_server *s, const struct http_limits *limits)
{
    s->limits = http_limits_fill(limits, &s->config);
    if (!s->is_quiescing)
        http_listeners_renew(s);
}

const struct http_limits *http_server_limits(const struct http_server *s)
{
    return &s->limits;
}

/* ---- by address ---- */

struct http_crowd {
    unsigned count;
    uint8_t key[HTTP_PEER_BYTES];
    size_t key_len;
};

/* NULL: it is not counted, or there is no memory to count it. */
static struct http_crowd *join_crowd(struct http_server *s, struct slice key)
{
    struct http_crowd *crowd = key.len ? map_get(&s->peers, key) : NULL;

    if (key.len == 0 || crowd)
        return crowd;
    crowd = mem_zalloc(sizeof *crowd);
    if (!crowd)
        return NULL;
    memcpy(crowd->key, key.ptr, key.len);
    crowd->key_len = key.len;
    if (map_put(&s->peers, key, crowd) == ERR_NONE)
        return crowd;
    mem_free(crowd);
    return NULL;
}

void http_peer_enter(struct http_server *s, struct http_conn *c)
{
    c->crowd = join_crowd(s, http_peer_key(&c->peer));
    if (c->crowd && ++c->crowd->count > s->limits.max_connections_per_address)
        c->over = HTTP_OVER_ADDRESS;
    if (++s->connections > s->limits.max_connections)
        c->over = HTTP_OVER_ALL;
    s->stats.connections++;
    s->stats.over_max_connections += c->over == HTTP_OVER_ALL;
    s->stats.over_max_connections_per_address += c->over == HTTP_OVER_ADDRESS;
}

void http_peer_leave(struct http_server *s, struct http_conn *c)
{
    struct http_crowd *crowd = c->crowd;

    s->connections--;
    if (!crowd || --crowd->count > 0)
        return;
    map_remove(&s->peers, slice_of(crowd->key, crowd->key_len));
    mem_free(crowd);
}

bool http_peer_is_shut_out(struct http_server *s, const struct http_peer *p)
{
    struct slice key = http_peer_key(p);
    const struct http_crowd *crowd = key.len ? map_get(&s->peers, key) : NULL;

    if (s->connections >= with_over(s->limits.max_connections)) {
        s->stats.over_max_connections++;
        return true;
    }
    if (!crowd || crowd->count < with_over(s->limits.max_connections_per_address))
        return false;
    s->stats.over_max_connections_per_address++;
    return true;
}
