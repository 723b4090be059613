/*
 * router: from a method and path segments to a row of the route table.
 *
 * A tree of segments, built once. A literal segment is preferred to a {…}, and where the literal's way leads
 * nowhere the {…} is tried: `/nodes/monitor` beside `/nodes/{node}` and `/nodes/{node}/ping`. Pure; borrows
 * the table.
 */
#ifndef ERLGATE_HTTP_ROUTER_H
#define ERLGATE_HTTP_ROUTER_H

#include "http/server.h"

struct http_router;

enum { HTTP_HOLES_MAX = 8 }; /* {…} in one pattern */

/* What a path was found to be. */
struct http_match {
    const struct http_route *route; /* NULL: the path exists, the method does not */
    const char *allow;              /* the path's methods, as for Allow: "GET, HEAD, OPTIONS"; borrowed */
    const char *pattern;            /* the path itself, as its first row has it; borrowed */
    /* Which segment stands for the n-th {…}; 0, which is always a word: none does. */
    uint8_t holes[HTTP_HOLES_MAX];
};

/* ERR_INVALID: two rows with the same method and the same path, or a pattern that is none: it begins with
 * '/', has no empty segment and at most HTTP_HOLES_MAX segments of the form {name}.
 * wheres: of which rows, as 1 << where; ~0u: all. */
MUST_USE enum err http_router_new(const struct http_route *routes, size_t count, unsigned wheres,
                                  struct http_router **ret);
void http_router_free(struct http_router *r); /* takes NULL */

/* False when there is no such path. HEAD finds what GET finds, unless there is a row for HEAD. */
bool http_router_find(const struct http_router *r, struct slice method, const struct slice *segments,
                      size_t count, struct http_match *ret);

#endif
