#include "http/router.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/target.h"

enum { NONE = 0, ROOT = 0, ALLOW_MAX = 128 };

/* A place in the tree: what has been read of a path so far. */
struct place {
    bool has_words;       /* a literal segment may follow */
    uint32_t hole;        /* the place behind a {…}; NONE */
    const char *allow;    /* owned; NULL: no route ends here */
    uint32_t first_route; /* index + 1 into routes; NONE */
};

/* A literal segment that leads from one place to another; a hash table of these, open addressing. */
struct edge {
    uint32_t from, to; /* to NONE: free */
    struct slice text; /* borrowed from the pattern */
};

struct http_router {
    const struct http_route *routes; /* borrowed */
    uint32_t *next_route;            /* owned: by route, the next one of the same path, index + 1; NONE */
    struct place *places;            /* owned */
    uint32_t place_count;
    struct edge *edges; /* owned */
    uint32_t edge_mask;
};

/* text is not empty. The table is ours: whatever a client looks for in it, it is soon found not to be there.
 */
static uint32_t hash(uint32_t from, struct slice text)
{
    uint32_t h = (uint32_t)text.len | (uint32_t)text.ptr[0] << 8 | (uint32_t)text.ptr[text.len / 2] << 16 |
                 (uint32_t)text.ptr[text.len - 1] << 24;

    h = (h ^ from * 0x9E3779B1u) * 0x85EBCA6Bu;
    return h ^ h >> 16;
}

static uint32_t edge_slot(const struct http_router *r, uint32_t from, struct slice text)
{
    uint32_t at = hash(from, text) & r->edge_mask;

    while (r->edges[at].to != NONE && (r->edges[at].from != from || !slice_eq(r->edges[at].text, text)))
        at = (at + 1) & r->edge_mask;
    return at;
}

/* ---- building ---- */

static bool is_hole(struct slice s)
{
    return s.len > 2 && s.ptr[0] == '{' && s.ptr[s.len - 1] == '}';
}

/* The place behind one segment of a pattern, made if need be. There is room: see http_router_new. */
static uint32_t step(struct http_router *r, uint32_t from, struct slice text)
{
    uint32_t at;

    if (is_hole(text)) {
        if (r->places[from].hole == NONE)
            r->places[from].hole = r->place_count++;
        return r->places[from].hole;
    }
    r->places[from].has_words = true;
    at = edge_slot(r, from, text);
    if (r->edges[at].to == NONE)
        r->edges[at] = (struct edge){.from = from, .to = r->place_count++, .text = text};
    return r->edges[at].to;
}

static enum err add_route(struct http_router *r, uint32_t index)
{
    const struct http_route *route = &r->routes[index];
    const char *p = route->pattern;
    uint32_t at = ROOT;
    size_t holes = 0, depth = 0;

    if (!p || p[0] != '/' || !route->method || !route->handle)
        return ERR_INVALID;
    while (p[0] && p[1]) {
        struct slice text = slice_of(p + 1, strcspn(p + 1, "/"));

        holes += is_hole(text);
        if (text.len == 0 || holes > HTTP_HOLES_MAX || ++depth > HTTP_SEGMENTS_MAX)
            return ERR_INVALID;
        at = step(r, at, text);
        p += text.len + 1;
    }
    if (p[0] && depth)
        return ERR_INVALID; /* a slash at the end */
    for (uint32_t i = r->places[at].first_route; i != NONE; i = r->next_route[i - 1]) {
        if (strcmp(r->routes[i - 1].method, route->method) == 0)
            return ERR_INVALID;
    }
    r->next_route[index] = r->places[at].first_route;
    r->places[at].first_route = index + 1;
    return ERR_NONE;
}

static bool has_method(const struct http_router *r, const struct place *p, const char *method)
{
    for (uint32_t i = p->first_route; i != NONE; i = r->next_route[i - 1]) {
        if (strcmp(r->routes[i - 1].method, method) == 0)
            return true;
    }
    return false;
}

/* "GET, HEAD, PUT, OPTIONS". */
static enum err write_allow(const struct http_router *r, struct place *p)
{
    char text[ALLOW_MAX] = "";
    size_t len = 0;

    for (uint32_t i = p->first_route; i != NONE; i = r->next_route[i - 1]) {
        const char *method = r->routes[i - 1].method;
        bool adds_head = strcmp(method, "GET") == 0 && !has_method(r, p, "HEAD");

        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s, ", method, adds_head ? ", HEAD" : "");
        if (len >= sizeof text)
            return ERR_INVALID;
    }
    if (!has_method(r, p, "OPTIONS"))
        len += (size_t)snprintf(text + len, sizeof text - len, "OPTIONS");
    else
        len -= 2;
    if (len >= sizeof text)
        return ERR_INVALID;
    p->allow = mem_strndup(text, len);
    return p->allow ? ERR_NONE : ERR_NOMEM;
}

static size_t count_segments(const struct http_route *routes, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        for (const char *p = routes[i].pattern; p && *p; p++)
            n += *p == '/';
    }
    return n;
}

enum err http_router_new(const struct http_route *routes, size_t count, unsigned wheres,
                         struct http_router **ret)
{
    struct http_router *r = mem_zalloc(sizeof *r);
    size_t segments = count_segments(routes, count), slots = 16;
    enum err e = ERR_NOMEM;

    if (!r)
        return ERR_NOMEM;
    while (slots < segments * 2)
        slots *= 2;
    r->routes = routes;
    r->next_route = mem_realloc_array(NULL, count ? count : 1, sizeof *r->next_route);
    r->places = mem_realloc_array(NULL, segments + 1, sizeof *r->places);
    r->edges = mem_realloc_array(NULL, slots, sizeof *r->edges);
    if (!r->next_route || !r->places || !r->edges)
        goto fail;
    memset(r->places, 0, (segments + 1) * sizeof *r->places);
    memset(r->edges, 0, slots * sizeof *r->edges);
    r->edge_mask = (uint32_t)slots - 1;
    r->place_count = 1;
    for (uint32_t i = 0; i < count; i++) {
        e = wheres & 1u << routes[i].where ? add_route(r, i) : ERR_NONE;
        if (e != ERR_NONE)
            goto fail;
    }
    for (uint32_t i = 0; i < r->place_count; i++) {
        e = r->places[i].first_route ? write_allow(r, &r->places[i]) : ERR_NONE;
        if (e != ERR_NONE)
            goto fail;
    }
    *ret = r;
    return ERR_NONE;
fail:
    http_router_free(r);
    return e;
}

void http_router_free(struct http_router *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i < r->place_count; i++)
        mem_free((void *)(uintptr_t)r->places[i].allow);
    mem_free(r->next_route);
    mem_free(r->places);
    mem_free(r->edges);
    mem_free(r);
}

/* ---- finding ---- */

static const struct http_route *route_for(const struct http_router *r, const struct place *p,
                                          struct slice method)
{
    const struct http_route *get = NULL;

    for (uint32_t i = p->first_route; i != NONE; i = r->next_route[i - 1]) {
        const struct http_route *route = &r->routes[i - 1];

        if (slice_eq_str(method, route->method))
            return route;
        if (strcmp(route->method, "GET") == 0)
            get = route;
    }
    return slice_eq_str(method, "HEAD") ? get : NULL;
}

struct search {
    const struct http_router *r;
    struct slice method;
    const struct slice *segments;
    size_t count;
    bool is_found; /* some route ends here, whatever its method */
    struct http_match *match;
};

/* True when a route with the method was found. Goes at most as deep as the deepest pattern of our own table.
 */
static bool search(struct search *q, uint32_t at, size_t depth, size_t holes)
{
    const struct place *p = &q->r->places[at];
    uint32_t to;

    if (depth == q->count) {
        const struct http_route *route;

        if (!p->allow)
            return false;
        route = route_for(q->r, p, q->method);
        if (!q->is_found || route) {
            q->match->allow = p->allow;
            q->match->pattern = q->r->routes[p->first_route - 1].pattern;
        }
        q->is_found = true;
        q->match->route = route;
        return route != NULL;
    }
    to = p->has_words ? q->r->edges[edge_slot(q->r, at, q->segments[depth])].to : NONE;
    if (to != NONE && search(q, to, depth + 1, holes))
        return true;
    if (p->hole == NONE)
        return false;
    q->match->holes[holes] = (uint8_t)depth;
    if (search(q, p->hole, depth + 1, holes + 1))
        return true;
    q->match->holes[holes] = 0;
    return false;
}

bool http_router_find(const struct http_router *r, struct slice method, const struct slice *segments,
                      size_t count, struct http_match *ret)
{
    struct search q = {.r = r, .method = method, .segments = segments, .count = count, .match = ret};

    *ret = (struct http_match){0};
    search(&q, ROOT, 0, 0);
    return q.is_found;
}
