/*
 * request_pool: where requests come from and go to: those that are over are kept, with small buffers, for
 * those to come.
 */
#include "base/mem.h"
#include "http/internal.h"

enum { FREE_REQUESTS_MAX = 1024 };

static struct http_request *find_free(struct http_server *s)
{
    struct http_request *r;
    struct http_link *l = s->free_requests.prev; /* of which the most is still in the caches */

    if (l != &s->free_requests) {
        ring_remove(l);
        s->free_count--;
        return LINK_OWNER(l, struct http_request, waiting);
    }
    r = mem_alloc(sizeof *r);
    if (!r)
        return NULL;
    wr_init(&r->raw_target, SIZE_MAX);
    wr_init(&r->body, 0);
    r->waiting = (struct http_link){0};
    return r;
}

void http_request_forget_body(struct http_request *r)
{
    r->server->body_bytes -= r->body.len;
    if (r->body.cap > HTTP_KEPT_BYTES_MAX)
        wr_fini(&r->body);
    wr_reset(&r->body);
}

static void request_free(struct http_request *r)
{
    wr_fini(&r->raw_target);
    wr_fini(&r->body);
    mem_free(r);
}

void http_request_recycle(struct http_request *r)
{
    struct http_server *s = r->server;

    http_request_forget_body(r);
    if (s->free_count == FREE_REQUESTS_MAX) {
        request_free(r);
        return;
    }
    if (r->raw_target.cap > HTTP_KEPT_BYTES_MAX)
        wr_fini(&r->raw_target);
    s->free_count++;
    ring_append(&s->free_requests, &r->waiting);
}

void http_requests_free(struct http_server *s)
{
    while (!ring_is_empty(&s->free_requests)) {
        struct http_link *l = s->free_requests.next;

        ring_remove(l);
        request_free(LINK_OWNER(l, struct http_request, waiting));
    }
    s->free_count = 0;
}

struct http_request *http_request_new(struct http_server *s)
{
    struct http_request *r = find_free(s);

    if (!r)
        return NULL;
    r->server = s;
    r->mhd = NULL;
    r->conn = NULL;
    r->borrowed = NULL;
    r->twin = 0;
    r->is_lent = r->is_secure = r->has_origins = false;
    r->is_lingering = false;
    r->phase = PHASE_HEAD;
    r->id = r->tag = 0;
    r->note = NULL;
    r->route = NULL;
    r->match = (struct http_match){0};
    r->admission = (struct http_admission){0};
    r->timing.is_on = false;
    r->is_body_too_large = r->is_head = r->is_1_0 = r->is_late = false;
    r->reader = (struct http_reader){0};
    r->response = NULL;
    r->held = 0;
    r->answers = (struct http_link){0};
    r->status = 0;
    r->code = NULL;
    r->bytes_in = r->bytes_out = 0;
    memset(r->known, 0, sizeof r->known);
    r->trace_len = r->traceparent_len = 0;
    r->method[0] = r->trace[0] = r->traceparent[0] = r->origin[0] = '\0';
    r->target.segment_count = r->target.param_count = 0;
    wr_reset(&r->raw_target);
    wr_reset(&r->body);
    r->body.ceiling = s->limits.max_body;
    return r;
}
