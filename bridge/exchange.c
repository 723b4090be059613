#include "base/mem.h"
#include "bridge/internal.h"

struct exchange *exchange_new(struct gateway *g, struct http_request *req)
{
    struct exchange *x = mem_zalloc(sizeof *x);

    if (x) {
        x->http_id = http_request_id(req);
        x->started_us = loop_now_us();
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
