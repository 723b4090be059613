/*
 * names: lists of names: those registered at a node, and those in the embedded EPMD.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/internal.h"
#include "node/rpc.h"
#include "node/spawn.h"

enum { NODE_MAX = 2048 };

void answer_list(struct gateway *g, uint64_t http_id, const char *key, void *list, struct slice after)
{
    struct http_header link = {.name = "Link"};
    json_t *o = list ? json_pack("{s:o}", key, (json_t *)list) : NULL;
    struct wr w;
    bool has_next;

    wr_init(&w, SIZE_MAX);
    has_next = after.len > 0;
    if (has_next && !http_page_link(g->http, http_id, after, &w)) {
        json_decref(o);
        o = NULL;
    }
    link.value = (const char *)w.buf;
    answer_object_with(g, http_id, 200, o, &link, has_next && o ? 1 : 0);
    wr_fini(&w);
}

/* ---- registered names ---- */

struct names {
    struct slice *at; /* owned; the texts stand in text */
    size_t *offsets;  /* owned */
    size_t count, cap;
    struct wr text; /* owned */
    bool has_failed;
};

static void names_init(struct names *l)
{
    *l = (struct names){0};
    wr_init(&l->text, SIZE_MAX);
}

static void names_fini(struct names *l)
{
    mem_free(l->at);
    mem_free(l->offsets);
    wr_fini(&l->text);
}

static void names_add(struct names *l, struct etf_atom name)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        size_t *offsets = mem_realloc_array(l->offsets, cap + 1, sizeof *offsets);

        l->has_failed = l->has_failed || !offsets;
        if (!offsets)
            return;
        l->offsets = offsets;
        l->cap = cap;
    }
    l->offsets[l->count++] = l->text.len;
    if (name.is_latin1)
        utf8_write_latin1(&l->text, name.text);
    else
        wr_slice(&l->text, name.text);
    l->offsets[l->count] = l->text.len;
}

static int compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* All are there: as slices, sorted. */
static bool names_sort(struct names *l)
{
    if (l->has_failed || !wr_ok(&l->text))
        return false;
    if (l->count == 0)
        return true;
    l->at = mem_realloc_array(NULL, l->count, sizeof *l->at);
    for (size_t i = 0; l->at && i < l->count; i++)
        l->at[i] = slice_of(l->text.buf + l->offsets[i], l->offsets[i + 1] - l->offsets[i]);
    if (l->at)
        qsort(l->at, l->count, sizeof *l->at, compare);
    return l->at != NULL;
}

static void answer_names(struct gateway *g, const struct exchange *x, struct names *l)
{
    const struct http_page *page = x->work;
    struct slice last = {0};
    struct permission p;
    json_t *list = names_sort(l) ? json_array() : NULL;
    size_t i = 0;

    while (list && i < l->count && page->after_len &&
           slice_cmp(l->at[i], slice_of(page->after, page->after_len)) <= 0)
        i++;
    permission_of_target(&p, http_principal(g->http, x->http_id), POLICY_NAMES, &x->target);
    p.q.kind = POLICY_NAME;
    p.q.is_target_open = false;
    for (; list && i < l->count && json_array_size(list) < page->limit; i++) {
        p.q.text = l->at[i];
        if (!permission_may(g, &p))
            continue;
        json_array_append_new(list, json_stringn((const char *)l->at[i].ptr, l->at[i].len));
        last = l->at[i];
    }
    answer_list(g, x->http_id, "names", list, list && i < l->count ? last : (struct slice){0});
}

static void cancel(struct gateway *g, struct exchange *x)
{
    node_cancel(g->node, x->op);
    mem_free(x->work);
    x->work = NULL;
}

static void listed(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_take(g, id);
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);
    struct etf_atom name;
    struct names l;
    uint32_t count = 0;

    if (!x)
        return;
    names_init(&l);
    if (r->err == ERR_NONE && !etf_read_list(&rd, &count))
        count = 0;
    for (uint32_t i = 0; i < count && etf_read_atom(&rd, &name); i++)
        names_add(&l, name);
    if (r->err == ERR_NONE) {
        answer_names(g, x, &l);
    } else if (rpc_is_undefined(r, SLICE("erlang"), SLICE("registered"), 0)) {
        errors_answer_no_beam(g, x, r, "erlang:registered/0",
                              "it cannot list its names, by which its processes can be called all the same");
    } else {
        errors_answer_result(g, x, r);
    }
    names_fini(&l);
    mem_free(x->work);
    exchange_free(g, x);
}

static void answer_own(struct gateway *g, struct exchange *x)
{
    struct names l;
    struct slice name;
    size_t cursor = 0;

    names_init(&l);
    while (node_next_registered(g->node, &cursor, &name))
        names_add(&l, (struct etf_atom){.text = name});
    answer_names(g, x, &l);
    names_fini(&l);
    cancel(g, x);
    exchange_end(g, x->id);
}

static bool prepare(struct gateway *g, struct http_request *req, struct exchange *x)
{
    struct http_page *page;

    if (!target_of_path(g, req, &x->target) || !permission_target(g, x->http_id, POLICY_NAMES, &x->target) ||
        !calls_deadline(g, req, x))
        return false;
    x->cancel = cancel;
    x->work = page = mem_zalloc(sizeof *page);
    if (!page) {
        errors_answer(g, x->http_id, ERR_NOMEM, (struct slice){0});
        return false;
    }
    return http_page_of(g->http, req, page);
}

void names_registered(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_new(g, req);
    enum err e;

    if (!x)
        return;
    if (!prepare(g, req, x)) {
        cancel(g, x);
        exchange_end(g, x->id);
        return;
    }
    exchange_name_node(x, x->target.node);
    if (slice_eq(x->target.node, node_name(g->node))) {
        answer_own(g, x);
        return;
    }
    e = calls_check_room(g, x->target.node, true);
    if (e == ERR_NONE)
        e = node_rpc(g->node, x->target.node, SLICE("erlang"), SLICE("registered"), SLICE("\x6A"),
                     exchange_left_ms(g, x), listed, g, x->id, &x->op);
    if (e == ERR_NONE)
        return;
    cancel(g, x);
    calls_fail(g, x, e);
}

/* ---- the embedded EPMD ---- */

/* By the whole name of the node: whoever is in our EPMD is on our host. */
static bool is_shown(const struct gateway *g, const struct http_request *req, struct slice name)
{
    struct slice host = node_host(g->node);
    char node[NODE_MAX];
    struct permission p;
    int n = snprintf(node, sizeof node, "%.*s@%.*s", SLICE_FMT(name), SLICE_FMT(host));

    permission_of_node(&p, http_request_principal(req), POLICY_EPMD, slice_of(node, (size_t)n));
    return n < NODE_MAX && permission_may(g, &p);
}

void names_epmd(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct node_epmd_name name;
    const void *cursor = NULL;
    json_t *list = json_array();

    while (list && node_next_epmd_name(g->node, &cursor, &name))
        if (is_shown(g, req, name.name))
            json_array_append_new(list, json_pack("{s:s%, s:i, s:s, s:I, s:i, s:i}", "name",
                                                  (const char *)name.name.ptr, name.name.len, "port",
                                                  (int)name.port, "type",
                                                  name.type == 'H'   ? "hidden"
                                                  : name.type == 'M' ? "visible"
                                                                     : "other",
                                                  "creation", (json_int_t)name.creation, "lowest",
                                                  (int)name.lowest, "highest", (int)name.highest));
    answer_object(g, http_request_id(req), 200,
                  list ? json_pack("{s:b, s:i, s:o}", "embedded", node_has_embedded_epmd(g->node), "port",
                                   (int)node_epmd_port(g->node), "names", list)
                       : NULL);
}
