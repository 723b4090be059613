/*
 * exchange: a request of a client's that waits for the node: found by its id until somebody takes it, who
 * ends it; whoever comes later finds nothing.
 */
#include "base/mem.h"
#include "bridge/internal.h"

enum {
    FREE_MAX = 256,       /* kept for the next requests; what a crowd leaves beyond goes back */
    SOON_READ = 8 * 1024, /* bytes of a term: less than a ms */
};

/* All but the text of its node, which is long and of which hardly anything is used. */
static struct exchange *exchange_alloc(struct gateway *g)
{
    struct exchange *x = g->free_exchanges;

    if (x) {
        g->free_exchanges = x->next_free;
        g->free_exchange_count--;
    } else {
        x = mem_alloc(sizeof *x);
    }
    if (x)
        memset(x, 0, offsetof(struct exchange, node) + 1);
    return x;
}

struct exchange *exchange_new(struct gateway *g, struct http_request *req)
{
    struct exchange *x = exchange_alloc(g);

    if (x) {
        x->http_id = http_request_id(req);
        x->started_us = http_now_us(g->http);
        target_init(&x->target, TARGET_BODY);
        target_init(&x->named, TARGET_BODY);
        x->id = idtab_add(&g->exchanges, x);
    }
    if (!x || !x->id) {
        exchange_free(g, x);
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

void exchange_free(struct gateway *g, struct exchange *x)
{
    if (!x)
        return;
    if (x->has_scope)
        found_leave_scope(g, x);
    target_fini(&x->target);
    target_fini(&x->named);
    mem_free(x->term);
    if (g->free_exchange_count == FREE_MAX) {
        mem_free(x);
        return;
    }
    x->next_free = g->free_exchanges;
    g->free_exchanges = x;
    g->free_exchange_count++;
}

bool exchange_failed(struct gateway *g, uint64_t id, const struct node_result *r)
{
    struct exchange *x;

    if (r->err == ERR_NONE)
        return false;
    x = exchange_take(g, id);
    if (x)
        errors_answer_result(g, x, r);
    exchange_free(g, x);
    return true;
}

void exchanges_fini(struct gateway *g)
{
    struct exchange *x;

    while ((x = g->free_exchanges)) {
        g->free_exchanges = x->next_free;
        mem_free(x);
    }
    g->free_exchange_count = 0;
    idtab_fini(&g->exchanges);
}

void exchange_end(struct gateway *g, uint64_t id)
{
    exchange_free(g, exchange_take(g, id));
}

void exchange_name_node(struct exchange *x, struct slice node)
{
    size_t len = node.len < sizeof x->node ? node.len : sizeof x->node - 1;

    if (len)
        memcpy(x->node, node.ptr, len);
    x->node[len] = '\0';
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

uint64_t exchange_left_ms(const struct gateway *g, const struct exchange *x)
{
    /* A body of any size has been read since. */
    uint64_t now = exchange_term(g, x).len < SOON_READ ? http_now_us(g->http) : loop_now_us();

    return x->deadline_at_us > now + 1000 ? (x->deadline_at_us - now) / 1000 : 1;
}
