/*
 * request_ask: what a handler asks of its request while it handles it, and what it leaves with it.
 */
#include "base/mem.h"
#include "http/cross_wire.h"
#include "http/text.h"

uint64_t http_request_id(const struct http_request *r)
{
    return r->id;
}

const struct http_route *http_request_route(const struct http_request *r)
{
    return r->route;
}

struct slice http_request_segment(const struct http_request *r, size_t n)
{
    return n < HTTP_HOLES_MAX && r->match.holes[n] ? r->target.segments[r->match.holes[n]]
                                                   : (struct slice){0};
}

struct slice http_segment(const struct http_server *s, uint64_t id, size_t n)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? http_request_segment(r, n) : (struct slice){0};
}

bool http_request_query_next(const struct http_request *r, const char *name, size_t *cursor,
                             struct slice *ret)
{
    while (*cursor < r->target.param_count) {
        const struct http_param *p = &r->target.params[(*cursor)++];

        if (slice_eq_str(p->name, name)) {
            *ret = p->value;
            return true;
        }
    }
    return false;
}

bool http_request_has_query(const struct http_request *r)
{
    return r->target.param_count > 0;
}

bool http_request_query(const struct http_request *r, const char *name, struct slice *ret)
{
    size_t cursor = 0;

    return r->target.param_count > 0 && http_request_query_next(r, name, &cursor, ret);
}

bool http_request_header(const struct http_request *r, const char *name, struct slice *ret)
{
    const char *value;
    size_t len;

    if (r->borrowed)
        return http_twin_header(r->borrowed, name, ret);
    if (MHD_lookup_connection_value_n(r->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &len) != MHD_YES)
        return false;
    *ret = value ? text_trim(slice_of(value, len)) : (struct slice){0};
    return true;
}

bool http_request_known(const struct http_request *r, enum http_known which, struct slice *ret)
{
    static const char *const names[HTTP_KNOWN_COUNT] = {
#define X(symbol, name) name,
        HTTP_KNOWN_TABLE(X)
#undef X
    };

    if (r->borrowed)
        return http_twin_header(r->borrowed, names[which], ret);
    if (!r->known[which].ptr)
        return false;
    *ret = r->known[which];
    return true;
}

struct slice http_request_body(const struct http_request *r)
{
    return wr_written(&r->body);
}

bool http_request_is_head(const struct http_request *r)
{
    return r->is_head;
}

struct slice http_request_principal(const struct http_request *r)
{
    return slice_of(r->admission.principal, r->admission.principal_len);
}

struct slice http_principal(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? http_request_principal(r) : (struct slice){0};
}

const struct http_admission *http_request_admission(const struct http_request *r)
{
    return &r->admission;
}

bool http_request_is_secure(const struct http_request *r)
{
    return r->is_secure;
}

struct slice http_request_trace(const struct http_request *r)
{
    return slice_of(r->trace, r->trace_len);
}

struct slice http_trace(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? http_request_trace(r) : (struct slice){0};
}

/* ---- left with it, while it has an id ---- */

void http_request_time(struct http_request *r, enum http_stage stage)
{
    if (r->timing.is_on)
        http_timing_add(&r->timing, stage, loop_now_us());
}

void http_request_spent(struct http_server *s, uint64_t id, enum http_stage stage)
{
    struct http_request *r = idtab_get(&s->requests, id);

    if (r)
        http_request_time(r, stage);
}

void http_request_set_tag(struct http_server *s, uint64_t id, uint64_t tag)
{
    struct http_request *r = idtab_get(&s->requests, id);

    if (r)
        r->tag = tag;
}

uint64_t http_request_tag(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? r->tag : 0;
}

void http_request_set_note(struct http_server *s, uint64_t id, void *note)
{
    struct http_request *r = idtab_get(&s->requests, id);

    if (!r) {
        mem_free(note);
        return;
    }
    mem_free(r->note);
    r->note = note;
}
