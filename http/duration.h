/*
 * duration: how long a client is willing to wait: `?timeout=` (ms), `Prefer: wait=` (s, RFC 7240) and
 * `Grpc-Timeout`.
 *
 * Pure. The smallest of those that are given wins, and never passes the maximum.
 */
#ifndef ERLGATE_HTTP_DURATION_H
#define ERLGATE_HTTP_DURATION_H

#include "base/err.h"
#include "base/slice.h"

enum http_wait_source { HTTP_WAIT_DEFAULT, HTTP_WAIT_TIMEOUT, HTTP_WAIT_PREFER, HTTP_WAIT_GRPC };

struct http_wait_input {
    bool has_timeout, has_prefer, has_grpc;
    struct slice timeout; /* query parameter: a positive number of ms */
    struct slice
        prefer; /* header: a list of preferences, of which `wait` counts; what is malformed is ignored */
    struct slice grpc; /* header: one to eight digits and a unit of H M S m u n */
    uint64_t default_ms;
    uint64_t max_ms;
};

struct http_wait {
    uint64_t ms; /* at least 1, at most max_ms */
    enum http_wait_source source;
    uint64_t applied_s; /* N of `Preference-Applied: wait=N`; 0: do not send it */
};

/*
 * ERR_INVALID for zero, "infinity" and what is no number; *ret_parameter (may be NULL) then names the
 * culprit: "timeout", "header:Prefer", "header:Grpc-Timeout". Larger than the maximum is no error, but cut.
 */
MUST_USE enum err http_wait_choose(const struct http_wait_input *in, struct http_wait *ret,
                                   const char **ret_parameter);

/* `Grpc-Timeout`, rounded up to ms. False when malformed; 0 is well-formed. */
bool http_grpc_timeout(struct slice value, uint64_t *ret_ms);
/* Does a Prefer header have that preference, whatever its value? */
bool http_prefers(struct slice value, const char *preference);
/* N of the first `wait=N` in a Prefer header; false when there is none. */
bool http_prefer_wait(struct slice value, uint64_t *ret_s);

#endif
