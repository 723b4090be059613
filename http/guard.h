/*
 * guard: what a request's head must be like before anything else looks at it.
 *
 * Three walls. Framing on which two HTTP implementations might disagree (request smuggling, RFC 9112, 6
 * and 11.2) is refused and the connection closed. The Host must be ours, because a loopback port is reachable
 * from any web page by a DNS name that is made to point there (rebinding). Origin and Sec-Fetch-Site must not
 * tell of another site, because a browser lets any page send requests here, even where it does not let it
 * read the answers. Pure.
 */
#ifndef ERLGATE_HTTP_GUARD_H
#define ERLGATE_HTTP_GUARD_H

#include "base/slice.h"
#include "http/known.h"

/* The fields of a head that the guard and the server look at, gathered in one pass. A slice is that of the
 * first one. */
struct http_head {
    bool is_1_0;
    bool is_malformed; /* a name that is no token, or lines that do not end in CRLF, or are folded */
    unsigned host_count, length_count, encoding_count, expect_count, origin_count, authorization_count,
        cookie_count;
    struct slice host, origin, fetch_site, encoding, expect, request_id, traceparent, content_encoding,
        authorization, cookie, prefer;
    struct slice known[HTTP_KNOWN_COUNT]; /* the first one, if it is empty too; ptr NULL: there is none */
    uint64_t length;                      /* Content-Length; UINT64_MAX: larger */
    bool is_length_bad;                   /* no number */
    struct slice authority;               /* of an absolute-form target; counts as the Host */
};

/* Looks whether the head's field is one of the above. */
void http_head_add(struct http_head *head, struct slice name, struct slice value);

static inline bool http_head_has_body(const struct http_head *head)
{
    return head->encoding_count > 0 || head->length > 0;
}

/* Whose names we answer to. Names are compared without port, case and a dot at the end. */
enum { HTTP_ORIGIN_MAX = 255 };

struct http_guard {
    const char *listen; /* borrowed: the address listened on */
    bool is_any;        /* on all addresses: then any address may stand in Host, for one cannot be rebound */
    const char *const *hosts; /* borrowed: further ones, NULL-terminated; NULL: none */
    /* Still further ones: those of the certificate, where there is one. NULL: none. */
    bool (*is_named)(const void *ctx, struct slice name);
    const void *ctx; /* of is_named */
    /* Borrowed: the origins whose pages may come by a browser, as "https://app.example"; NULL-terminated;
     * NULL: none. */
    const char *const *origins;
};

struct http_refusal {
    const char *code;      /* static: of a problem */
    const char *parameter; /* static: "header:Host" */
    char detail[320];
    bool must_close; /* the connection cannot be trusted any more */
};

/* True when the request may pass. */
bool http_guard_judge(const struct http_guard *g, const struct http_head *head, struct http_refusal *ret);

/* The one of g->origins that the request comes from; NULL: none of them. */
const char *http_guard_origin(const struct http_guard *g, const struct http_head *head);
/* Is this an origin as a browser writes it: a scheme, a host, a port unless it is the scheme's own? Neither
 * "*" nor "null" is. */
bool http_origin_is_valid(const char *text);
/* Can it be one of hosts: a name or an address, without scheme, path and wildcard? (A port counts for
 * nothing.) */
bool http_host_is_valid(const char *text);

/* Is a name that stands in Host one of ours? Always: localhost and what is under it, 127.0.0.0/8, [::1]. */
bool http_guard_is_ours(const struct http_guard *g, struct slice host);

#endif
