#include "bridge/fan.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "etf/write.h"
#include "node/rpc.h"

/* One member. In g->parts while it is waited for. */
struct part {
    uint64_t id, op;
    uint64_t exchange;
    struct etf_pid pid; /* its node's text is owned */
    char *node;         /* owned */
    uint8_t *answer;    /* owned: a map, once it is there */
    size_t answer_len;
};

struct fan {
    size_t count, left;
    size_t bytes;     /* of answers */
    bool is_starting; /* parts are being asked */
    bool is_too_large;
    bool was_accepted;         /* by one at least */
    struct node_result failed; /* of the first that did not take it; without its terms */
    struct part parts[];
};

static bool has_answers(const struct exchange *x)
{
    return x->verb == VERB_CALL || x->verb == VERB_LOOK;
}

/* What the answers may take as terms: JSON can be shorter, but not by much. */
static size_t bytes_max(const struct gateway *g)
{
    return g->config.max_reply < SIZE_MAX / 4 ? 4 * g->config.max_reply : SIZE_MAX;
}

/* ---- the end ---- */

static void fan_free(struct gateway *g, struct fan *f)
{
    for (size_t i = 0; f && i < f->count; i++) {
        struct part *p = &f->parts[i];

        if (p->id) {
            idtab_remove(&g->parts, p->id);
            node_cancel(g->node, p->op);
        }
        mem_free(p->node);
        mem_free(p->answer);
    }
    mem_free(f);
}

static void cancel(struct gateway *g, struct exchange *x)
{
    fan_free(g, x->work);
    x->work = NULL;
}

static void answer_all(struct gateway *g, struct exchange *x, const struct fan *f)
{
    struct wr w;

    wr_init(&w, bytes_max(g));
    etf_write_list(&w, (uint32_t)f->count);
    for (size_t i = 0; i < f->count; i++)
        wr_bytes(&w, f->parts[i].answer, f->parts[i].answer_len);
    etf_write_nil(&w);
    if (f->is_too_large || w.err == ERR_TOO_LARGE)
        answer_too_large(g, x);
    else if (!wr_ok(&w))
        errors_answer(g, x->http_id, w.err, (struct slice){0});
    else
        answer_term(g, x, 200, wr_written(&w), NULL);
    wr_fini(&w);
}

static void finish(struct gateway *g, struct exchange *x)
{
    struct fan *f = x->work;

    if (has_answers(x))
        answer_all(g, x, f);
    else if (f->was_accepted)
        answer_accepted(g, x);
    else
        errors_answer_result(g, x, &f->failed);
    cancel(g, x);
    exchange_end(g, x->id);
}

/* ---- one member ---- */

static void write_answer(const struct gateway *g, struct wr *w, const struct exchange *x,
                         const struct part *p, const struct node_result *r)
{
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);

    if (r->err == ERR_NONE && x->verb == VERB_LOOK && inspect_write(w, x, &p->pid, rd))
        return;
    wr_reset(w);
    etf_write_map(w, 2);
    etf_write_binary(w, SLICE("pid"));
    etf_write_pid(w, &p->pid);
    if (r->err == ERR_NONE && x->verb == VERB_CALL) {
        etf_write_binary(w, SLICE("reply"));
        if (etf_copy(w, &rd) != ERR_NONE)
            wr_fail(w, ERR_NOMEM);
        return;
    }
    etf_write_binary(w, SLICE("error"));
    errors_write(g, w, r->err == ERR_NONE ? &(struct node_result){.err = ERR_NOPROC, .was_sent = true} : r,
                 slice_of_str(p->node));
}

static void keep_answer(struct gateway *g, const struct exchange *x, struct fan *f, struct part *p,
                        const struct node_result *r)
{
    struct wr w;

    wr_init(&w, bytes_max(g));
    if (!f->is_too_large)
        write_answer(g, &w, x, p, r);
    f->bytes += w.len;
    if (!wr_ok(&w) || f->bytes > bytes_max(g))
        f->is_too_large = true;
    else
        p->answer = wr_take(&w, &p->answer_len);
    wr_fini(&w);
}

/* The part has ended, in whatever way; so has the whole with the last of them. */
static void part_ended(struct gateway *g, struct exchange *x, struct part *p, const struct node_result *r)
{
    struct fan *f = x->work;

    if (has_answers(x)) {
        keep_answer(g, x, f, p, r);
    } else if (r->err == ERR_NONE) {
        f->was_accepted = true;
    } else if (f->failed.err == ERR_NONE) {
        f->failed = (struct node_result){
            .err = r->err, .was_sent = r->was_sent, .was_connecting = r->was_connecting, .text = r->text};
    }
    if (--f->left == 0 && !f->is_starting)
        finish(g, x);
}

static void done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct part *p = idtab_remove(&g->parts, id);
    struct exchange *x = p ? idtab_get(&g->exchanges, p->exchange) : NULL;

    if (!x)
        return;
    p->id = 0;
    part_ended(g, x, p, r);
}

static enum err look(struct gateway *g, struct exchange *x, struct part *p)
{
    struct wr args;
    enum err e;

    wr_init(&args, SIZE_MAX);
    inspect_write_args(&args, &p->pid);
    e = args.err;
    if (e == ERR_NONE)
        e = node_rpc(g->node, slice_of_str(p->node), SLICE("erlang"), SLICE("process_info"),
                     wr_written(&args), exchange_left_ms(g, x), done, g, p->id, &p->op);
    wr_fini(&args);
    return e;
}

static enum err ask(struct gateway *g, struct exchange *x, struct part *p)
{
    struct node_target target = {.is_pid = true, .pid = p->pid, .from = x->from};
    bool with_reply = x->verb == VERB_CALL || x->verb == VERB_LOOK;
    enum err e = calls_check_room(g, slice_of_str(p->node), with_reply);

    if (e != ERR_NONE)
        return e;
    p->id = idtab_add(&g->parts, p);
    if (!p->id)
        return ERR_NOMEM;
    if (x->verb == VERB_LOOK)
        return look(g, x, p);
    return node_request(g->node, calls_node_verb(x->verb), &target, exchange_term(g, x), x->uses,
                        exchange_left_ms(g, x), done, g, p->id, &p->op);
}

static void start(struct gateway *g, struct exchange *x, struct part *p)
{
    struct node_result r = {.err = ask(g, x, p)};

    if (r.err == ERR_NONE && p->op)
        return;
    if (p->id)
        idtab_remove(&g->parts, p->id);
    p->id = 0;
    r.was_sent = r.err == ERR_NONE;
    part_ended(g, x, p, &r);
}

/* ---- all ---- */

/* Its name in UTF-8, as all that is addressed. NULL: no memory. */
static char *own_node(struct etf_atom node)
{
    char *text = NULL;
    struct wr w;

    if (!node.is_latin1)
        return mem_strndup(node.text.ptr, node.text.len);
    wr_init(&w, ETF_ATOM_MAX_BYTES);
    utf8_write_latin1(&w, node.text);
    if (wr_ok(&w))
        text = mem_strndup(w.buf, w.len);
    wr_fini(&w);
    return text;
}

static struct fan *fan_new(const struct exchange *x, const struct etf_pid *pids, size_t count)
{
    struct fan *f = mem_zalloc(sizeof *f + count * sizeof f->parts[0]); /* count is bounded: no overflow */

    if (!f)
        return NULL;
    f->count = f->left = count;
    for (size_t i = 0; i < count; i++) {
        struct part *p = &f->parts[i];

        p->exchange = x->id;
        p->pid = pids[i];
        p->node = own_node(pids[i].node);
        p->pid.node = (struct etf_atom){.text = slice_of_str(p->node ? p->node : "")};
    }
    return f;
}

void fan_out(struct gateway *g, struct exchange *x, const struct etf_pid *pids, size_t count)
{
    struct fan *f;
    bool is_whole;

    if (!exchange_keep(g, x))
        return;
    f = fan_new(x, pids, count);
    is_whole = f != NULL;
    for (size_t i = 0; is_whole && i < count; i++)
        is_whole = f->parts[i].node != NULL;
    if (!is_whole) {
        fan_free(g, f);
        calls_fail(g, x, ERR_NOMEM);
        return;
    }
    x->work = f;
    x->cancel = cancel;
    f->is_starting = true;
    for (size_t i = 0; i < count; i++)
        start(g, x, &f->parts[i]);
    f->is_starting = false;
    if (f->left == 0)
        finish(g, x);
}
