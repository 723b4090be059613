/*
 * query: query parameters of the kinds that many routes have: numbers, and the page of a list.
 *
 * What is out of range, repeated or of the wrong kind is answered 400 bad-parameter and names the parameter.
 */
#ifndef ERLGATE_HTTP_QUERY_H
#define ERLGATE_HTTP_QUERY_H

#include "base/wr.h"
#include "http/server.h"

/* 400 bad-parameter. parameter: its name, or "header:Name". */
void http_answer_bad_parameter(struct http_server *s, struct http_request *req, const char *parameter,
                               const char *detail);

/* A whole number from min to max; fallback when it is absent. False: answered. */
MUST_USE bool http_query_number(struct http_server *s, struct http_request *req, const char *name,
                                uint64_t min, uint64_t max, uint64_t fallback, uint64_t *ret);

/* ---- pages of a list ---- */

/* The query parameters of a list, for route tables. */
#define HTTP_PAGE_QUERY "limit", "cursor"

enum { HTTP_CURSOR_MAX = 2048 };

/* Which part of a list a client wants. */
struct http_page {
    size_t limit;                   /* items at most: 1 to 1,000; 100 unless the client says otherwise */
    size_t after_len;               /* 0: from the beginning */
    uint8_t after[HTTP_CURSOR_MAX]; /* what the list's maker gave as the place where the last page ended */
};

/* limit and cursor. False: answered. */
MUST_USE bool http_page_of(struct http_server *s, struct http_request *req, struct http_page *ret);

/*
 * Writes the value of a Link header, with a NUL after it, that leads to the page behind `after` (at most
 * HTTP_CURSOR_MAX bytes of the list maker's own): the request's own path and query with another cursor. As
 * long as the request has not been answered; false when it is gone or there is no memory.
 */
MUST_USE bool http_page_link(const struct http_server *s, uint64_t request, struct slice after, struct wr *w);

#endif
