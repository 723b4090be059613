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

#endif
