/*
 * problem: error bodies of RFC 9457 (application/problem+json), and the one table from code to status and
 * title.
 *
 * Pure: writes into a wr. The same writer serves whole responses, the items of a batch and `error` events.
 */
#ifndef ERLGATE_HTTP_PROBLEM_H
#define ERLGATE_HTTP_PROBLEM_H

#include "base/slice.h"
#include "base/wr.h"
#include "http/server.h"

/* What is the same for every problem of a code. */
struct http_problem_kind {
    const char *code;
    unsigned status;
    const char *title;
};

/* NULL for a code that the table does not hold. */
const struct http_problem_kind *http_problem_kind(const char *code);
/* Its place in the table; of a code that it does not hold, that behind the last. */
size_t http_problem_index(const char *code);
/* Iterates: *cursor starts at 0; NULL at the end. For the OpenAPI document and its test. */
const struct http_problem_kind *http_problem_kind_next(size_t *cursor);

/* The status that p is sent with: its own, else that of its code, else 500. */
unsigned http_problem_status(const struct http_problem *p);
/* The JSON object. `type` is urn:erlgate:problem:CODE; members that p leaves empty are left out; request_id
 * too. */
void http_problem_write(struct wr *w, const struct http_problem *p, struct slice request_id);

/* s as a JSON string with its quotes; what is no UTF-8 in it becomes U+FFFD. */
void http_json_string(struct wr *w, struct slice s);

#endif
