#include "base/mem.h"
#include "bridge/internal.h"

struct exchange *exchange_new(struct gateway *g, struct http_request *req)
{
    struct exchange *x = mem_zalloc(sizeof *x);

    if (x) {
        x->http_id = http_request_id(req);
        x->started_us = loop_now_us();
        target_init(&x->target, TARGET_BODY);
        target_init(&x->named, TARGET_BODY);
        x->id = idtab_add(&g->exchanges, x);
    }
    if (!x || !x->id) {
        mem_free(x);
        errors_answer(g, http_request_id(req), ERR_NOMEM, (struct slice){0});
        return NULL;
    }
    http_request_set_tag(g->http, x->http_id, x->id);
    return x;
}

struct exchange *exchange_take(struct gateway *g, uint64_t id)
{
    return idtab_remove(&g->exchanges, id);
}

void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    target_fini(&x->target);
    target_fini(&x->named);
    mem_free(x->term);
    mem_free(x);
}

void exchange_end(struct gateway *g, uint64_t id)
{
    exchange_free(exchange_take(g, id));
}

bool exchange_keep(struct gateway *g, struct exchange *x)
{
    bool is_kept = target_keep(&x->target);

    if (is_kept && !x->term && g->term.len) {
        x->term = mem_alloc(g->term.len);
        is_kept = x->term != NULL;
        if (is_kept)
            memcpy(x->term, g->term.buf, g->term.len);
        x->term_len = g->term.len;
    }
    if (!is_kept)
        calls_fail(g, x, ERR_NOMEM);
    return is_kept;
}

struct slice exchange_term(const struct gateway *g, const struct exchange *x)
{
    return x->term ? slice_of(x->term, x->term_len) : wr_written(&g->term);
}

uint64_t exchange_left_ms(const struct exchange *x)
{
    uint64_t now = loop_now_us();

    return x->deadline_at_us > now + 1000 ? (x->deadline_at_us - now) / 1000 : 1;
}
