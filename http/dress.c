/*
 * dress: the headers of an answer.
 *
 * To libmicrohttpd each header is three pieces of memory and some twenty searches and copies: given one after
 * another they took a fifth of all that a short call costs. So they are given as one, in whose value the
 * other lines follow. A line break in a value is more than it takes; but what it has taken it keeps where
 * MHD_get_response_header says, and sends as it stands there: so the breaks are put in afterwards. That is so
 * in the versions that we know; to others each header is given by itself.
 */
#include <stdio.h>

#include "base/log.h"
#include "http/internal.h"

enum { RATE_TEXT_MAX = 64, TEXT_MAX = 2048, BREAKS_MAX = 32, BREAK_LEN = 2 };

#define FIRST  "Server" /* (short, for it is looked for) */
#define COMMON "erlgate  X-Content-Type-Options: nosniff"

enum { COMMON_BREAK = sizeof "erlgate" - 1 };

struct lines {
    struct MHD_Response *out;
    bool is_whole; /* all in one */
    size_t len, break_count;
    size_t breaks[BREAKS_MAX]; /* where two blanks stand for one */
    char text[TEXT_MAX];
};

void http_response_add(struct MHD_Response *out, const char *name, const char *value)
{
    /* Refused only for want of memory, or for a line break or tab in the value: the answer is then sent
     * without. */
    if (MHD_add_response_header(out, name, value) != MHD_YES)
        LOG(LOG_WARN, "response-header-left-out", LOG_STR("name", name));
}

static void put(struct lines *l, const char *bytes, size_t len)
{
    memcpy(l->text + l->len, bytes, len);
    l->len += len;
}

static void begin(struct lines *l, struct MHD_Response *out, const struct http_request *r)
{
    l->out = out;
    l->is_whole = r->server->is_dress_whole;
    l->len = 0;
    l->break_count = 0;
    if (!l->is_whole) {
        http_response_add(out, "X-Content-Type-Options", "nosniff");
        put(l, COMMON, COMMON_BREAK);
        return;
    }
    l->breaks[l->break_count++] = COMMON_BREAK;
    put(l, COMMON, sizeof COMMON - 1);
}

/* A value that libmicrohttpd would take. */
static void add_good(struct lines *l, const char *name, size_t name_len, const char *value, size_t len)
{
    if (!l->is_whole || l->break_count == BREAKS_MAX ||
        l->len + name_len + len + sizeof "  : " > sizeof l->text) {
        http_response_add(l->out, name, value);
        return;
    }
    l->breaks[l->break_count++] = l->len;
    put(l, "  ", BREAK_LEN);
    put(l, name, name_len);
    put(l, ": ", 2);
    put(l, value, len);
}

#define ADD_GOOD(l, name, value, len) add_good((l), (name), sizeof(name) - 1, (value), (len))
#define ADD_FIXED(l, name, value)     ADD_GOOD(l, name, value, sizeof(value) - 1)

static void add(struct lines *l, const char *name, const char *value)
{
    size_t len = strlen(value);

    if (len == 0 || memchr(value, '\r', len) || memchr(value, '\n', len))
        http_response_add(l->out, name, value); /* which refuses it, and says so */
    else
        add_good(l, name, strlen(name), value, len);
}

static void end(struct lines *l)
{
    const char *kept;

    l->text[l->len] = '\0';
    http_response_add(l->out, FIRST, l->text);
    if (l->break_count == 0)
        return;
    kept = MHD_get_response_header(l->out, FIRST);
    for (size_t i = 0; kept && i < l->break_count; i++)
        memcpy((char *)(uintptr_t)kept + l->breaks[i], "\r\n", BREAK_LEN);
}

bool http_dress_is_whole(void)
{
    static const char value[] = "a  b: c";
    struct MHD_Response *out = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    const char *kept = NULL;
    bool is_own;

    if (out && MHD_add_response_header(out, FIRST, value) == MHD_YES)
        kept = MHD_get_response_header(out, FIRST);
    is_own = kept && kept != value && strcmp(kept, value) == 0;
    MHD_destroy_response(out);
    return is_own;
}

/* ---- which there are ---- */

/* Each answer tells how much is left, so that a client can hold back before it is refused. */
static void add_rate(struct lines *l, const struct http_rate *rate)
{
    char text[RATE_TEXT_MAX];

    if (!rate->limit)
        return;
    snprintf(text, sizeof text, "\"calls\";q=%u;w=%u", rate->limit, rate->window_s);
    add(l, "RateLimit-Policy", text);
    snprintf(text, sizeof text, "\"calls\";r=%u;t=%u", rate->remaining, rate->reset_s);
    add(l, "RateLimit", text);
}

/* CORS. Never for everybody, so that credentials may come along: EventSource has no other way to show any. */
static void add_origin(struct lines *l, const struct http_request *r)
{
    ADD_FIXED(l, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
    if (!r->origin[0])
        return;
    add(l, "Access-Control-Allow-Origin", r->origin);
    ADD_FIXED(l, "Access-Control-Allow-Credentials", "true");
    ADD_FIXED(l, "Access-Control-Expose-Headers",
              "X-Request-Id, Location, Link, Retry-After, RateLimit, RateLimit-Policy, Allow, ETag, "
              "Preference-Applied, Server-Timing, WWW-Authenticate, traceparent");
}

void http_response_dress(struct MHD_Response *out, const struct http_request *r,
                         const struct http_response *in)
{
    char timing[HTTP_TIMING_TEXT_MAX];
    bool has_caching = false;
    struct lines l;

    begin(&l, out, r);
    for (size_t i = 0; i < in->header_count; i++) {
        has_caching = has_caching || strcmp(in->headers[i].name, MHD_HTTP_HEADER_CACHE_CONTROL) == 0;
        add(&l, in->headers[i].name, in->headers[i].value);
    }
    if (in->content_type)
        add(&l, MHD_HTTP_HEADER_CONTENT_TYPE, in->content_type);
    if (!has_caching)
        ADD_FIXED(&l, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (r->trace_len)
        ADD_GOOD(&l, "X-Request-Id", r->trace, r->trace_len);
    if (r->traceparent_len)
        ADD_GOOD(&l, "traceparent", r->traceparent, r->traceparent_len);
    add_rate(&l, &r->admission.rate);
    if (r->timing.is_on)
        add(&l, "Server-Timing", http_timing_write(&r->timing, timing));
    if (r->has_origins)
        add_origin(&l, r);
    if (r->server->is_leaving)
        http_response_add(out, MHD_HTTP_HEADER_CONNECTION, "close"); /* which libmicrohttpd is to know of */
    end(&l);
}
