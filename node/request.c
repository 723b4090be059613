#include "node/request.h"

#include "base/mem.h"
#include "node/call_monitor.h"
#include "node/internal.h"

static struct request *of_deadline(struct deadline *d)
{
    return (struct request *)((char *)d - offsetof(struct request, deadline));
}

/* For its monitor and its alias. */
struct etf_ref request_ref(const struct request *r)
{
    return route_own_ref(r->process.node, REF_REQUEST, r->id);
}

struct request *request_of_ref(const struct node *n, const struct etf_ref *ref)
{
    return idtab_get(&n->requests, route_ref_id(n, REF_REQUEST, ref));
}

/* ---- the link's list ---- */

static void enlist(struct request *r, struct link *l)
{
    r->link = l;
    r->prev = NULL;
    r->next = l->requests;
    if (r->next)
        r->next->prev = r;
    l->requests = r;
    l->request_count++;
}

static void delist(struct request *r)
{
    if (!r->link)
        return;
    if (r->link->next_to_send == r)
        r->link->next_to_send = r->prev;
    if (r->prev)
        r->prev->next = r->next;
    else
        r->link->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->link->request_count--;
    r->link = NULL;
}

/* ---- the end ---- */

static void forget_term(struct request *r)
{
    if (!r->term)
        return;
    r->process.node->kept_bytes -= r->term_len;
    mem_free(r->term);
    r->term = NULL;
}

/* Calls come and go by the ten thousand: some are kept, so that the heap is not asked for each. */
enum { SPARE_MAX = 1024, SPARE_TEXT_MAX = 256 };

static void request_free(struct request *r, struct node *n)
{
    forget_term(r);
    if (n->spare_count == SPARE_MAX) {
        mem_free(r->text);
        mem_free(r);
        return;
    }
    if (r->text_cap > SPARE_TEXT_MAX) {
        mem_free(r->text);
        r->text = NULL;
        r->text_cap = 0;
    }
    r->next = n->spare_requests;
    n->spare_requests = r;
    n->spare_count++;
}

void requests_free_spare(struct node *n)
{
    while (n->spare_requests) {
        struct request *r = n->spare_requests;

        n->spare_requests = r->next;
        mem_free(r->text);
        mem_free(r);
    }
    n->spare_count = 0;
}

/* All zero but for its room for text. NULL: no memory. */
static struct request *request_alloc(struct node *n)
{
    struct request *r = n->spare_requests;

    if (!r)
        return mem_zalloc(sizeof *r);
    n->spare_requests = r->next;
    n->spare_count--;
    *r = (struct request){.text = r->text, .text_cap = r->text_cap};
    return r;
}

/* Ends it and tells why; the request leaves every table before its owner hears of it. */
void request_end(struct request *r, const struct node_result *result)
{
    struct node *n = r->process.node;

    idtab_remove(&n->requests, r->id);
    call_monitor_leave(r);
    delist(r);
    deadlines_remove(&n->deadlines, &r->deadline);
    process_exit(&r->process, process_reason_normal);
    if (r->done)
        r->done(r->ctx, r->done_id, result);
    request_free(r, n);
}

static void fail(struct request *r, enum err e, const char *text)
{
    struct node_result result = {.err = e, .was_sent = r->was_sent, .text = text};

    request_end(r, &result);
}

void request_link_up(struct link *l)
{
    struct request *r = l->requests, *oldest = NULL;

    /* The list has the youngest first; Erlang promises the order of what one process sends, and people expect
     * it. */
    for (; r; r = r->next)
        oldest = r;
    for (r = oldest; r; r = l->next_to_send) {
        struct node_result result = {.err = ERR_NONE};

        l->next_to_send = r->prev;
        if (r->was_sent)
            continue; /* made by a callback meanwhile */
        if (r->kind != REQUEST_CONNECT)
            result.err = request_send(r, slice_of(r->term, r->term_len));
        result.was_sent = r->was_sent;
        forget_term(r);
        if (result.err != ERR_NONE || !request_is_call(r))
            request_end(r, &result);
        if (l->state != LINK_UP)
            return; /* a callback has closed it: request_link_down has ended the rest */
    }
}

void request_link_down(struct link *l, enum err why, const char *text)
{
    while (l->requests)
        fail(l->requests, why, text);
}

void request_move_all(struct link *from, struct link *to)
{
    struct request *last = from->requests;

    if (!last)
        return;
    while (last->next)
        last = last->next;
    /* Oldest first, so that their order is kept. */
    for (struct request *r = last; r;) {
        struct request *next = r->prev;

        delist(r);
        enlist(r, to);
        r = next;
    }
}

/* ---- deadlines ---- */

void request_arm(struct node *n)
{
    struct deadline *first = deadlines_first(&n->deadlines);
    uint64_t now;

    if (!first || first->at_ms >= n->deadline_armed)
        return;
    now = loop_now_ms(n->loop);
    n->deadline_armed = first->at_ms;
    loop_timer_start(n->deadline_timer, first->at_ms > now ? first->at_ms - now : 0);
}

void request_expire(struct node *n)
{
    struct deadline *d;
    uint64_t now = loop_now_ms(n->loop);

    n->deadline_armed = UINT64_MAX;
    while ((d = deadlines_first(&n->deadlines)) && d->at_ms <= now) {
        struct request *r = of_deadline(d);
        struct node_result result = {.err = ERR_TIMEOUT, .was_sent = r->was_sent};

        result.was_connecting = r->link && r->link->state != LINK_UP;
        result.text = result.was_connecting ? link_stage(r->link) : NULL;
        request_demonitor(r);
        request_end(r, &result);
    }
    request_arm(n);
}

/* ---- from outside ---- */

/* Copies the target's texts, which are the caller's. */
static bool keep_target(struct request *r, const struct node_target *t)
{
    struct slice text = t->is_pid ? t->pid.node.text : t->name;

    if (text.len > r->text_cap) {
        size_t cap = text.len < SPARE_TEXT_MAX ? SPARE_TEXT_MAX : text.len;
        char *bigger = mem_realloc_array(r->text, cap, 1);

        if (!bigger)
            return false;
        r->text = bigger;
        r->text_cap = cap;
    }
    if (text.len)
        memcpy(r->text, text.ptr, text.len);
    r->from = t->from;
    r->to_pid = t->is_pid;
    if (t->is_pid) {
        r->pid = t->pid;
        r->pid.node.text.ptr = (uint8_t *)r->text;
    } else {
        r->name = slice_of(r->text, text.len);
    }
    return true;
}

static struct request *request_new(struct node *n, enum request_kind kind, const struct node_target *t,
                                   uint64_t timeout_ms)
{
    struct request *r = request_alloc(n);

    if (!r)
        return NULL;
    r->kind = kind;
    r->id = idtab_add(&n->requests, r);
    if (!r->id || (t && !keep_target(r, t)) || process_start(n, &r->process, &request_ops) != ERR_NONE ||
        deadlines_add(&n->deadlines, &r->deadline, deadline_after(loop_now_ms(n->loop), timeout_ms)) !=
            ERR_NONE) {
        process_exit(&r->process, process_reason_normal);
        idtab_remove(&n->requests, r->id);
        request_free(r, n);
        return NULL;
    }
    request_arm(n);
    return r;
}

static void discard(struct request *r)
{
    r->done = NULL;
    request_end(r, &(struct node_result){.err = ERR_CANCELLED});
}

static enum err request_here(struct node *n, struct request *r, struct slice term, uint64_t *ret_op)
{
    enum err e = request_send_here(n, r, term);

    if (e != ERR_NONE || !request_is_call(r)) {
        discard(r);
        return e;
    }
    *ret_op = r->id;
    return ERR_NONE;
}

/* However many nodes there are that cannot be reached: what waits for them all is bounded. */
static enum err keep_term(struct request *r, struct slice term)
{
    struct node *n = r->process.node;

    if (term.len == 0)
        return ERR_NONE;
    if (term.len > n->max_queue || n->kept_bytes > n->max_queue - term.len) {
        n->totals.over_max_queue++;
        return ERR_OVERLOADED;
    }
    r->term = mem_alloc(term.len);
    if (!r->term)
        return ERR_NOMEM;
    memcpy(r->term, term.ptr, term.len);
    r->term_len = term.len;
    n->kept_bytes += term.len;
    return ERR_NONE;
}

/* The link to that node, which is dialled if there is none. */
static enum err link_to(struct node *n, struct slice name, struct link **ret)
{
    *ret = link_for(n, name);
    if (*ret)
        return ERR_NONE;
    if (!node_name_is_valid(name))
        return ERR_INVALID;
    if (!link_may_be(n, name, false))
        return ERR_NOT_ALLOWED;
    *ret = link_dial(n, name);
    if (*ret)
        return ERR_NONE;
    return n->is_stopped ? ERR_CLOSED : ERR_NOMEM; /* (by the gate) */
}

enum err request_start(struct node *n, enum request_kind kind, struct slice where,
                       const struct node_target *target, struct slice term, uint32_t uses,
                       uint64_t timeout_ms, node_done_fn *done, void *ctx, uint64_t id, uint64_t *ret_op)
{
    uint64_t unused;
    struct request *r;
    struct link *l = NULL;
    enum err e = ERR_NONE;
    bool is_here;

    ret_op = ret_op ? ret_op : &unused;
    *ret_op = 0;
    if (n->is_quiet || !n->creation)
        return ERR_CLOSED;
    is_here = slice_eq(where, n->name_slice);
    /* First of all: the gate is asked, and may end the node. */
    if (!is_here)
        e = link_to(n, where, &l);
    if (e != ERR_NONE)
        return e;
    r = request_new(n, kind, target, timeout_ms);
    if (!r)
        return ERR_NOMEM;
    r->uses = uses;
    r->done = done;
    r->ctx = ctx;
    r->done_id = id;
    if (is_here)
        return request_here(n, r, term, ret_op);
    enlist(r, l);
    if (l->state == LINK_UP)
        e = request_send(r, term);
    else
        e = keep_term(r, term);
    if (e != ERR_NONE || (l->state == LINK_UP && !request_is_call(r)))
        discard(r);
    else
        *ret_op = r->id;
    return e;
}

enum err node_request(struct node *n, enum node_verb verb, const struct node_target *target,
                      struct slice request, uint32_t uses, uint64_t timeout_ms, node_done_fn *done, void *ctx,
                      uint64_t id, uint64_t *ret_op)
{
    static const enum request_kind kinds[] = {[NODE_CALL] = REQUEST_CALL,
                                              [NODE_CAST] = REQUEST_CAST,
                                              [NODE_SEND] = REQUEST_SEND,
                                              [NODE_EXIT] = REQUEST_EXIT};

    if (verb == NODE_EXIT && !target->is_pid)
        return ERR_INVALID;

    return request_start(n, kinds[verb], target->is_pid ? target->pid.node.text : target->node, target,
                         request, uses, timeout_ms, done, ctx, id, ret_op);
}

enum err node_connect(struct node *n, struct slice name, uint64_t timeout_ms, node_done_fn *done, void *ctx,
                      uint64_t id, uint64_t *ret_op)
{
    uint64_t unused;
    struct link *l;
    struct request *r;
    enum err e;

    ret_op = ret_op ? ret_op : &unused;
    *ret_op = 0;
    if (n->is_quiet || !n->creation)
        return ERR_CLOSED;
    if (slice_eq(name, n->name_slice))
        return ERR_NONE;
    e = link_to(n, name, &l);
    if (e != ERR_NONE || l->state == LINK_UP)
        return e;
    r = request_new(n, REQUEST_CONNECT, NULL, timeout_ms);
    if (!r)
        return ERR_NOMEM;
    r->done = done;
    r->ctx = ctx;
    r->done_id = id;
    enlist(r, l);
    *ret_op = r->id;
    return ERR_NONE;
}

void node_cancel(struct node *n, uint64_t op)
{
    struct request *r = op ? idtab_get(&n->requests, op) : NULL;

    if (!r)
        return;
    request_demonitor(r);
    discard(r);
}

void request_end_all(struct node *n, enum err why, const char *text)
{
    uint32_t cursor = 0;
    struct request *r;

    while ((r = idtab_next(&n->requests, &cursor))) {
        request_demonitor(r);
        fail(r, why, text);
    }
}
