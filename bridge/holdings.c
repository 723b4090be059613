/*
 * holdings: what a process of /v1/processes is tied to: monitors, links, groups; and the calls that it
 * answers.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "bridge/tie.h"

/* ---- ties ---- */

/* What stands in the path for each kind, and what is tied. */
static const struct {
    const char *word, *wanted;
} kinds[] = {
    [TIE_MONITOR] = {"monitors", "anything that can be watched"},
    [TIE_LINK] = {"links", "a process is linked to a pid: /pids/{pid}"},
    [TIE_MEMBERSHIP] = {"groups", "a process joins a group: /groups/{scope}/{group}"},
};

/* {"target": "/nodes/kv@host/processes/kv"}. False and answered. */
static bool read_target(struct gateway *g, struct http_request *req, struct target *target, char **path)
{
    json_t *o = processes_read_object(g, req), *value = o ? json_object_get(o, "target") : NULL;
    bool is_read = false;

    if (!o)
        return false;
    if (!json_is_string(value) || json_object_size(o) != 1) {
        errors_answer_parameter(g, http_request_id(req), "target",
                                "the body says what: {\"target\": \"/nodes/kv@host/processes/kv\"}");
    } else {
        *path = mem_strndup(json_string_value(value), json_string_length(value));
        if (!*path)
            errors_answer(g, http_request_id(req), ERR_NOMEM, (struct slice){0});
        else if (target_of_text(g, http_request_id(req), slice_of_str(*path), "target", target))
            is_read = true;
        else
            target_fini(target);
    }
    json_decref(o);
    return is_read;
}

static void answer_tie(struct gateway *g, uint64_t http_id, const struct tie *t)
{
    char id[24], process[INBOX_ID_LEN + 1], location[128];
    struct http_header header = {.name = "Location", .value = location};

    snprintf(id, sizeof id, "%" PRIx64, t->id);
    processes_write_id(g, t->inbox->id, process);
    snprintf(location, sizeof location, "/v1/processes/%s/%s/%s", process, kinds[t->kind].word, id);
    answer_object_with(g, http_id, 201,
                       json_pack("{s:s, s:s%}", "id", id, "target", (const char *)t->path.ptr, t->path.len),
                       &header, 1);
}

/* Only what can be tied is asked about: of the rest tie_new says what is wanted. */
static bool is_tied(enum tie_kind kind, const struct target *t)
{
    return kind == TIE_MONITOR || t->kind == (kind == TIE_LINK ? TARGET_PID : TARGET_GROUP);
}

/* A process joins a group at its own node. Takes the target when it gives false. */
static bool may_tie(struct gateway *g, uint64_t http_id, enum tie_kind kind, struct target *t)
{
    static const enum policy_op ops[] = {
        [TIE_MONITOR] = POLICY_MONITOR, [TIE_LINK] = POLICY_LINK, [TIE_MEMBERSHIP] = POLICY_JOIN};
    struct permission p;

    permission_of_target(&p, http_principal(g->http, http_id), ops[kind], t);
    if (kind == TIE_MEMBERSHIP)
        permission_at(&p, (struct etf_atom){.text = node_name(g->node)});
    if (!is_tied(kind, t) || (permission_ask(g, http_id, &p) && target_use(g, http_id, t)))
        return true;
    target_fini(t);
    return false;
}

static void add(struct gateway *g, struct http_request *req, enum tie_kind kind)
{
    uint64_t http_id = http_request_id(req);
    struct target target;
    char *path = NULL;
    struct inbox *in;
    struct tie *t;
    enum err e;

    if (!processes_find(g, http_id, http_request_segment(req, 0), NULL, &in))
        return;
    if (read_target(g, req, &target, &path) && may_tie(g, http_id, kind, &target)) {
        e = tie_new(in, kind, &target, slice_of_str(path), &t);
        if (e == ERR_NONE)
            answer_tie(g, http_id, t);
        else if (e == ERR_INVALID)
            errors_answer_parameter(g, http_id, "target", kinds[kind].wanted);
        else if (e == ERR_OVERLOADED)
            http_answer_overloaded(g->http, http_id, "the process is tied to as much as it may be");
        else
            errors_answer(g, http_id, e, (struct slice){0});
    }
    mem_free(path);
}

void holdings_monitor(void *ctx, struct http_request *req)
{
    add(ctx, req, TIE_MONITOR);
}

void holdings_link(void *ctx, struct http_request *req)
{
    add(ctx, req, TIE_LINK);
}

void holdings_join(void *ctx, struct http_request *req)
{
    add(ctx, req, TIE_MEMBERSHIP);
}

static void undo(struct gateway *g, struct http_request *req, enum tie_kind kind)
{
    static const struct http_problem over = {.code = "gone",
                                             .detail = "there is no such tie, or it has come to its end"};
    struct http_response done = {.status = 204};
    uint64_t http_id = http_request_id(req), id = 0;
    struct inbox *in;
    struct tie *t;

    if (!processes_find(g, http_id, http_request_segment(req, 0), NULL, &in))
        return;
    t = processes_read_number(http_request_segment(req, 1), &id) ? idtab_get(&g->ties, id) : NULL;
    if (!t || t->inbox != in || t->kind != kind) {
        http_answer_problem(g->http, http_id, &over);
        return;
    }
    if (!processes_may_change(in, http_id))
        return;
    tie_undo(t);
    http_answer(g->http, http_id, &done);
}

void holdings_demonitor(void *ctx, struct http_request *req)
{
    undo(ctx, req, TIE_MONITOR);
}

void holdings_unlink(void *ctx, struct http_request *req)
{
    undo(ctx, req, TIE_LINK);
}

void holdings_leave(void *ctx, struct http_request *req)
{
    undo(ctx, req, TIE_MEMBERSHIP);
}

/* ---- calls ---- */

static struct inbox_call *find_call(const struct inbox *in, struct slice text)
{
    uint64_t id;

    return processes_read_number(text, &id) ? idtab_get(&in->calls_by_id, id) : NULL;
}

void holdings_reply(void *ctx, struct http_request *req)
{
    static const struct http_problem over = {
        .code = "gone", .detail = "that call has been answered, or its caller waits no more"};
    struct http_response accepted = {.status = 202};
    struct gateway *g = ctx;
    uint64_t http_id = http_request_id(req);
    struct transcode_options options;
    struct inbox_call *c;
    uint32_t uses = 0;
    struct inbox *in;
    enum err e;

    if (!processes_find(g, http_id, http_request_segment(req, 0), NULL, &in) ||
        !body_options(g, req, &options) || !body_read(g, req, &options, &uses))
        return;
    c = find_call(in, http_request_segment(req, 1));
    if (!c) {
        http_answer_problem(g->http, http_id, &over);
        return;
    }
    if (!processes_may_change(in, http_id))
        return;
    /* What this peer cannot take has not been sent: the call can still be answered. */
    e = node_reply(in->self, c->from, wr_written(&g->term));
    if (e != ERR_NONE) {
        errors_answer(g, http_id, e, c->from->pid.node.text);
        return;
    }
    inbox_forget_call(in, c);
    http_answer(g->http, http_id, &accepted);
}
